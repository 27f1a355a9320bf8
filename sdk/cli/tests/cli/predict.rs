//! What the market would say: to jobs that are not posted, and to providers that send nothing.

use serde_json::json;

use crate::harness::Devnet;

const TOKEN: u128 = 1_000_000_000_000_000_000;
/// Nobody can pull it: jobs over it stay untaken.
const IMAGE: &str =
    "localhost:1/tool@sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn units(tokens: u128) -> String {
    (tokens * TOKEN).to_string()
}

#[test]
fn a_job_is_priced_and_refused_without_being_posted() {
    let devnet = Devnet::start(1);
    let map = |tasks: &str, price: &str, more: &[&str]| {
        let args = [
            "map",
            IMAGE,
            "--tasks",
            tasks,
            "--max-price",
            price,
            "--json",
            "--dry-run",
        ];
        devnet.run(&[&args[..], more].concat())
    };
    let dry = |more: &[&str]| map("10", "2", more);
    let ran = dry(&["--max-lease", "4"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = ran.json();
    assert_eq!(
        (&said["escrow"], &said["deposit"]),
        (&json!(units(20)), &json!("0"))
    );
    assert_eq!(
        said["lease"]["first"], said["lease"]["last"],
        "its price does not climb"
    );
    // The devnet's fee is 2.5 %.
    let (paid, fee) = (
        &said["lease"]["first"]["paid"],
        &said["lease"]["first"]["fee"],
    );
    assert_eq!(
        (paid, fee),
        (&json!("7800000000000000000"), &json!("200000000000000000"))
    );
    assert_eq!(
        said["lease"]["first"]["bond"],
        json!(units(24)),
        "two juries"
    );
    let ran = dry(&["--redundancy", "3"]);
    let said = ran.json();
    assert_eq!(
        (&said["escrow"], &said["lease"]["first"]["bond"]),
        (&json!(units(60)), &json!(units(6)))
    );

    let (code, name, _) = map("10", "2000", &[]).failure();
    assert_eq!((code, name.as_str()), (1, "insufficient-funds"));
    let (_, name, _) = map("9000", "0.01", &["--max-lease", "4000"]).failure();
    assert_eq!(name, "bad-job");
    let text = devnet.run(&["run", IMAGE, "--dry-run"]);
    assert!(
        text.stdout.contains("it would be posted"),
        "{}",
        text.stdout
    );
    assert_eq!(
        devnet.run(&["job", "list", "--json"]).json(),
        json!([]),
        "nothing was posted"
    );
}

#[test]
fn a_provider_is_told_what_it_could_take() {
    let devnet = Devnet::start(1);
    let provider = devnet.text("/providers/0/address");
    let posted = devnet.run(&[
        "map",
        IMAGE,
        "--tasks",
        "6",
        "--max-price",
        "2",
        "--detach",
        "--json",
    ]);
    assert_eq!(posted.code, 0, "{}", posted.stderr);
    let id = posted.json()["job"].as_str().unwrap().to_owned();
    let lease = |more: &[&str]| {
        let args = ["predict", "lease", &id, "--tasks", "4", "--json"];
        let ran = devnet.run(&[&args[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.json()
    };
    let said = lease(&["--provider", &provider]);
    assert_eq!(
        (&said["valid"], &said["why"]),
        (&json!(true), &json!(null)),
        "{said}"
    );
    assert_eq!(said["cost"]["paid"], json!("7800000000000000000"));
    assert_eq!(said["from"], said["at"]);
    // The client itself has no stake.
    let said = lease(&[]);
    assert_eq!(
        (&said["valid"], &said["why"]["name"]),
        (&json!(false), &json!("InsufficientStake"))
    );
    assert_eq!((&said["from"], &said["cost"]), (&json!(null), &json!(null)));
    // The job closes within an hour.
    let late = lease(&["--provider", &provider, "--after", "4000"]);
    assert_eq!(late["why"]["name"], json!("TooLate"), "{late}");

    let args = [
        "map",
        IMAGE,
        "--tasks",
        "3",
        "--redundancy",
        "3",
        "--detach",
        "--json",
    ];
    let id = devnet.run(&args).json()["job"].as_str().unwrap().to_owned();
    let seat = [
        "predict",
        "seat",
        &id,
        "--lease",
        "0",
        "--provider",
        &provider,
        "--json",
    ];
    let started = std::time::Instant::now();
    // The executor seals its draw.
    let said = loop {
        let ran = devnet.run(&seat);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let said = ran.json();
        if said["why"]["name"] != json!("NotSealed") && said["why"]["name"] != json!("TooEarly") {
            break said;
        }
        assert!(started.elapsed().as_secs() < 60, "{said}");
        std::thread::sleep(std::time::Duration::from_millis(300));
    };
    assert_eq!(
        (&said["valid"], &said["doublings"], &said["round"]),
        (&json!(true), &json!(0), &json!(1)),
        "{said}"
    );
    let none = devnet.run(&[
        "predict",
        "seat",
        &id,
        "--lease",
        "1",
        "--provider",
        &provider,
        "--json",
    ]);
    assert_eq!(none.json()["why"]["name"], json!("NoSuchLease"));
    let text = devnet.run(&[
        "predict",
        "seat",
        &id,
        "--lease",
        "0",
        "--jury",
        "--provider",
        &provider,
    ]);
    assert!(text.stdout.contains("WrongPhase"), "{}", text.stdout);
}

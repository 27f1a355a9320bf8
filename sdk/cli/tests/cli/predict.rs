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
    // Two tokens a task, and a jury of three for 2.86 tokens each for every two tasks.
    assert_eq!(
        (&said["escrow"], &said["deposit"]),
        (&json!("62900000000000000000"), &json!("0"))
    );
    assert_eq!(
        (&said["assurance"], &said["min_lease"], &said["max_lease"]),
        (
            &json!("audited with a chance of 50 %"),
            &json!(2),
            &json!(4)
        )
    );
    assert_eq!(
        said["deterrence"],
        json!({ "at_10": 1.7, "at_20": 1.16, "weak": false })
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
        "three prices a task"
    );
    let ran = dry(&["--redundant", "3/2"]);
    let said = ran.json();
    assert_eq!(
        (&said["escrow"], &said["lease"]["first"]["bond"]),
        (&json!(units(60)), &json!(units(6)))
    );

    assert_eq!(said["deterrence"], json!(null));

    // Rare audits deter nobody: they are refused, unless the client insists.
    let (_, name, text) = dry(&["--audit-rate", "10"]).failure();
    assert_eq!(name, "weak-audits", "{text}");
    let said = dry(&["--audit-rate", "10", "--allow-weak"]).json();
    assert_eq!(said["deterrence"]["weak"], json!(true));
    assert_eq!(
        dry(&["--unaudited"]).json()["escrow"],
        json!(units(20)),
        "no jury to pay"
    );

    let (code, name, _) = map("10", "2000", &[]).failure();
    assert_eq!((code, name.as_str()), (1, "insufficient-funds"));
    let (_, name, _) = map("9000", "0.01", &["--max-lease", "4000"]).failure();
    assert_eq!(name, "bad-job");
    let text = devnet.run(&["run", IMAGE, "--audit-rate", "40", "--dry-run"]);
    for part in [
        "it would be posted",
        "a cheat loses 1.36 times what it saves",
        "0.93 times at 20 %. That is little",
    ] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
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
        "--unaudited",
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
        "--redundant",
        "3/2",
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
    // The executor publishes the seed.
    let said = loop {
        let ran = devnet.run(&seat);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let said = ran.json();
        if said["why"]["name"] != json!("SeedUnknown") && said["why"]["name"] != json!("TooEarly") {
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
        "1",
        "--provider",
        &provider,
    ]);
    assert!(text.stdout.contains("WrongPhase"), "{}", text.stdout);
}

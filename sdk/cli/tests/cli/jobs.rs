//! `run`, `map` and `job` with real containers.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::harness::{Devnet, Image, containers_of, interrupt};

/// A scene that takes minutes.
const SLOW: &str = "width = 8192\nheight = 8192\nsamples = 4\n";

fn scene(devnet: &Devnet, name: &str, text: &str) -> String {
    let dir = devnet.home.path().join(name);
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("scene.toml"), text).unwrap();
    dir.display().to_string()
}

#[test]
fn run_prints_the_containers_stdout_and_nothing_else() {
    let devnet = Devnet::start(1);
    let image = Image::build("run");
    let ran = devnet.run(&["run", &image.0, "--unaudited", "--", "--help"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("Paints one tile of one picture.\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("Paid"), "{}", ran.stderr);

    // A command that fails is reported with its code and its last words; whoever ran it is paid.
    let ran = devnet.run(&["run", &image.0, "--unaudited", "--json", "--", "--nonsense"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(ran.json()["tasks"][0]["exit_code"], json!(1));
    let text = ran.error()["message"].as_str().unwrap().to_owned();
    assert!(text.contains("exit code 1"), "{text}");
    assert!(text.contains("unknown argument `--nonsense`"), "{text}");

    // One that does not end in time is stopped and reported.
    let slow = scene(&devnet, "slow", SLOW);
    let ran = devnet.run(&[
        "run",
        &image.0,
        "--input",
        &slow,
        "--timeout",
        "1",
        "--unaudited",
        "--json",
    ]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(ran.json()["tasks"][0]["outcome"], json!("timeout"));

    // What they cost is what the chain says.
    let jobs = devnet.run(&["job", "list", "--json"]).json();
    assert_eq!(jobs.as_array().unwrap().len(), 3);
    for job in jobs.as_array().unwrap() {
        assert_eq!(
            (&job["state"], &job["tasks"]["settled"]),
            (&json!("done"), &json!(1))
        );
        let units = |name: &str| job[name].as_str().unwrap().parse::<u128>().unwrap();
        let parts = ["paid", "fee", "jurors", "burned", "refunded"].map(units);
        assert_eq!(parts.iter().sum::<u128>(), units("escrow"));
    }
    let (code, said) = devnet.interrupt();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn map_writes_a_directory_for_each_task_and_fetch_writes_the_same() {
    let devnet = Devnet::start(2);
    let image = Image::build("map");
    let small = scene(&devnet, "small", "width = 64\nheight = 64\nsamples = 1\n");
    let out = devnet.home.path().join("out");
    let again = devnet.home.path().join("again");
    let ran = devnet.run(&[
        "map",
        &image.0,
        "--tasks",
        "9",
        "--unaudited",
        "--max-lease",
        "6",
        "--input",
        &small,
        "--out",
        &out.display().to_string(),
        "--json",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let value = ran.json();
    assert_eq!(value["tasks"].as_array().unwrap().len(), 9);

    let id = value["job"].as_str().unwrap();
    let status = devnet.run(&["job", "status", id, "--json"]).json();
    let count = |lease: &Value| lease["count"].as_u64().unwrap();
    let leases = status["leases"].as_array().unwrap();
    assert_eq!(leases.iter().map(count).sum::<u64>(), 9);
    assert!(leases.iter().all(|lease| count(lease) <= 6), "{leases:?}");

    // From another process, by the id alone.
    let ran = devnet.run(&["job", "fetch", id, "--out", &again.display().to_string()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.trim(), again.display().to_string());
    for task in 0..9 {
        let tile = |dir: &std::path::Path| {
            std::fs::read(dir.join(format!("{task}/out/tile.png"))).unwrap()
        };
        assert_eq!(tile(&out), tile(&again));
    }
    let (code, said) = devnet.interrupt();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn ctrl_c_ends_the_waiting_and_cancel_takes_back_what_is_free() {
    let devnet = Devnet::start(1);
    let image = Image::build("cancel");
    let slow = scene(&devnet, "slow", SLOW);
    let mut child = devnet
        .command(&[
            "map",
            &image.0,
            "--tasks",
            "40",
            "--unaudited",
            "--max-lease",
            "3",
            "--input",
            &slow,
            "--timeout",
            "3",
            "--json",
        ])
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(|line| line.unwrap());
    let id = stderr
        .find_map(|line| line.strip_prefix("Job ").map(str::to_owned))
        .unwrap();
    stderr.find(|line| line.contains("took")).unwrap();
    interrupt(&child);
    let said: String = stderr.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(
        said.contains(&format!("piecework job fetch {id}")),
        "{said}"
    );

    let ran = devnet.run(&["job", "cancel", &id, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let refunded: u128 = ran.json()["refunded"].as_str().unwrap().parse().unwrap();
    assert!(
        refunded > 0 && refunded.is_multiple_of(1_000_000_000_000_000_000),
        "{refunded}"
    );
    let again = devnet.run(&["job", "cancel", &id, "--json"]);
    assert_eq!(again.failure().1, "chain-reverted");

    // The devnet finishes the lease that runs: its result is submitted before anvil ends.
    assert_ne!(
        containers_of(&image.0),
        "",
        "nothing runs: the test proves nothing"
    );
    let (code, said) = devnet.interrupt();
    assert_eq!(code, 0, "{said}");
    assert_eq!(containers_of(&image.0), "");
}

//! `job demand`, `job challenge`, `job answer` and `explain`, with a provider that runs real containers.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::harness::{Devnet, Image, interrupt};

#[test]
fn a_result_is_demanded_contested_and_explained() {
    let devnet = Devnet::start(1);
    let image = Image::build("contest");
    let mut child = devnet
        .command(&[
            "run",
            &image.0,
            "--challenge-window",
            "600",
            "--json",
            "--",
            "--help",
        ])
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(|line| line.unwrap());
    let id = stderr
        .find_map(|line| line.strip_prefix("Job ").map(str::to_owned))
        .unwrap();
    let level = stderr.next().unwrap();
    assert_eq!(level, "Results are optimistic; 1 PLAY in escrow.");
    stderr.find(|line| line.contains("submitted")).unwrap();

    // The executor answers: the digests are shown, and the window begins anew.
    let ran = devnet.run(&["job", "demand", &id, "--lease", "0"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("2 PLAY"), "{}", ran.stderr);
    stderr.find(|line| line.contains("showed all")).unwrap();
    let again = devnet.run(&["job", "demand", &id, "--lease", "0", "--json"]);
    assert_eq!(again.failure().1, "chain-reverted");

    // A challenge is kept where only its owner can read it, and not overwritten.
    let file = devnet.home.path().join("challenge.json");
    let path = file.display().to_string();
    let digest = "11".repeat(32);
    let challenge = |task: &str| {
        devnet.run(&[
            "job",
            "challenge",
            &id,
            "--task",
            task,
            "--digest",
            &digest,
            "--file",
            &path,
            "--json",
        ])
    };
    assert_eq!(challenge("1").failure().1, "no-such-task");
    assert!(!file.exists());
    let ran = challenge("0");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["deposit"], json!("6000000000000000000"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(challenge("0").failure().1, "no-result");
    stderr.find(|line| line.contains("contests")).unwrap();
    let status = devnet.run(&["job", "status", &id, "--json"]).json();
    assert_eq!(status["leases"][0]["phase"], json!("challenged"));
    assert_eq!(status["leases"][0]["dispute"]["task"], json!(0));

    // Nobody but the provider is there to judge: the answer waits, and Ctrl-C loses nothing.
    let mut answering = devnet.command(&["job", "answer", &path]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    interrupt(&answering);
    assert_eq!(answering.wait().unwrap().code(), Some(130));

    let told = devnet.run(&["explain", &id, "--json"]).json();
    let events: Vec<_> = told["leases"][0]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"].as_str().unwrap().to_owned())
        .filter(|event| event != "JurySealed")
        .collect();
    assert_eq!(
        events,
        [
            "Claimed",
            "Submitted",
            "DemandMade",
            "Responded",
            "Challenged"
        ]
    );
    let ran = devnet.run(&["explain", &id, "--lease", "0"]);
    assert!(ran.stdout.contains("contested"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" UTC"), "{}", ran.stdout);
    let none = devnet.run(&["explain", &id, "--lease", "7", "--json"]);
    assert_eq!(none.failure().1, "job-no-lease");

    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    devnet.stop_at_once();
}

#[test]
fn levels_that_make_no_sense_cost_nothing() {
    let devnet = Devnet::start(1);
    let pinned = format!("example.org/tool@sha256:{}", "11".repeat(32));
    let before = devnet.run(&["wallet", "balance", "--json"]).stdout;
    for (flags, code) in [
        (&["--redundancy", "4", "--agree", "2"][..], "level-quorum"),
        (&["--agree", "2"], "level-quorum-alone"),
        (
            &["--redundancy", "3", "--challenge-window", "60"],
            "level-window-without-dispute",
        ),
    ] {
        let args = [&["run", pinned.as_str(), "--json"][..], flags].concat();
        let (exit, named, text) = devnet.run(&args).failure();
        assert_eq!((exit, named.as_str()), (1, code), "{text}");
        assert!(text.contains("Nothing was posted or paid"), "{text}");
    }
    assert_eq!(devnet.run(&["wallet", "balance", "--json"]).stdout, before);
}

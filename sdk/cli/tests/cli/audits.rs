//! Audits through the command: drawn, held, told; with providers that run real containers.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Devnet, Image};

/// What a juror of a task of one token is paid, and the bond that such a task locks.
const FEE: u128 = 1_430_000_000_000_000_000;

#[test]
fn a_drawn_jury_acquits_an_honest_provider_and_that_is_told() {
    let devnet = Devnet::start(4);
    let image = Image::build("audit");
    let ran = devnet.run(&[
        "run",
        &image.0,
        "--audit-rate",
        "100",
        "--json",
        "--",
        "--help",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for line in [
        "Audits: a cheat loses 3.40 times what it saves",
        "Results are audited with a chance of 100 %; 5.29 PLAY in escrow.",
        "a jury audits the lease at task 0: it runs task 0 again",
        "the jury found nothing wrong with task 0",
        "4.29 PLAY to jurors",
    ] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    let value = ran.json();
    assert_eq!(
        (&value["jurors"], &value["burned"]),
        (&json!((3 * FEE).to_string()), &json!("0"))
    );
    let id = value["job"].as_str().unwrap();
    let lease = devnet.run(&["job", "status", id, "--json"]).json()["leases"][0].clone();
    assert_eq!(
        (&lease["phase"], &lease["grade"], &lease["outlook"]),
        (&json!("settled"), &json!("audited"), &json!(null))
    );
    let audit = &lease["audits"][0];
    assert_eq!(
        (&audit["verdict"], &audit["digest"]),
        (&json!("acquitted"), &audit["leaf"])
    );
    let jurors = audit["jurors"].as_array().unwrap();
    assert_eq!(jurors.len(), 3);
    for juror in jurors {
        assert_eq!(
            (&juror["end"], &juror["paid"]),
            (&json!("paid"), &json!(FEE.to_string()))
        );
        assert_ne!(juror["provider"], lease["provider"]);
    }
    let text = devnet.run(&["job", "status", id]).stdout;
    assert!(text.contains("task 0: acquitted"), "{text}");

    let told = devnet.run(&["explain", id]).stdout;
    for part in [
        "settled (audited)",
        "had task 0 audited",
        "it was right",
        " UTC",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let none = devnet.run(&["explain", id, "--lease", "7", "--json"]);
    assert_eq!(none.failure().1, "job-no-lease");
    assert_eq!(devnet.interrupt().0, 0);
}

#[test]
fn an_audit_without_jurors_ends_as_contested() {
    let devnet = Devnet::start(1);
    let image = Image::build("contested");
    let mut child = devnet
        .command(&[
            "run",
            &image.0,
            "--audit-rate",
            "100",
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
    stderr.find(|line| line.contains("submitted")).unwrap();
    let lease = || devnet.run(&["job", "status", &id, "--json"]).json()["leases"][0].clone();
    // Once the seed is published, everybody knows what comes next.
    let started = Instant::now();
    let due = loop {
        let lease = lease();
        match &lease["outlook"]["next"] {
            Value::String(next) if next == "audit" => break lease,
            other => assert_eq!(*other, json!("seed"), "{lease}"),
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{lease}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(due["outlook"]["task"], json!(0));
    let provider = devnet.text("/providers/0/address");
    let seat = [
        "predict",
        "seat",
        &id,
        "--lease",
        "0",
        "--jury",
        "1",
        "--provider",
        &provider,
        "--json",
    ];
    let said = devnet.run(&seat).json();
    assert_eq!(said["why"]["name"], json!("BarredFromJury"), "{said}");
    assert_eq!(said["audit"]["next"], json!("audit"), "{said}");
    // Nobody comes.
    let rest: Vec<String> = stderr.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    let lease = lease();
    assert_eq!(
        (&lease["grade"], &lease["burned"]),
        (&json!("contested"), &json!("0"))
    );
    let told = devnet.run(&["explain", &id]).stdout;
    assert!(told.contains("no juror came in time"), "{told}");
    devnet.stop_at_once();
}

#[test]
fn an_assurance_that_makes_no_sense_costs_nothing() {
    let devnet = Devnet::start(1);
    let pinned = format!("example.org/tool@sha256:{}", "11".repeat(32));
    let before = devnet.run(&["wallet", "balance", "--json"]).stdout;
    let zero = format!("0x{}", "00".repeat(20));
    for (flags, code) in [
        (&["--redundant", "4/2"][..], "assurance-quorum"),
        (&["--redundant", "1/1"], "assurance-replicas"),
        (
            &["--redundant", "3/2", "--refund"],
            "assurance-needs-audits",
        ),
        (&["--unaudited", "--refund"], "assurance-needs-audits"),
        (&["--proven-by", &zero], "assurance-zero-verifier"),
        (&["--audit-rate", "1"], "weak-audits"),
    ] {
        let args = [&["run", pinned.as_str(), "--json"][..], flags].concat();
        let (exit, named, text) = devnet.run(&args).failure();
        assert_eq!((exit, named.as_str()), (1, code), "{text}");
        assert!(text.contains("Nothing was posted"), "{text}");
    }
    assert_eq!(devnet.run(&["wallet", "balance", "--json"]).stdout, before);
}

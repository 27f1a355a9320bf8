//! The demo and the benchmark, small.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use piecework_render::{Scene, paint, tile};
use serde_json::json;

use crate::harness::{Ran, interrupt, piecework, workload};

#[test]
fn the_demos_picture_is_the_one_that_a_single_machine_paints_and_its_books_balance() {
    let home = tempfile::tempdir().unwrap();
    let text = "width = 120\nheight = 80\nsamples = 1\n";
    let file = home.path().join("scene.toml");
    std::fs::write(&file, text).unwrap();
    let out = home.path().join("out");
    let ran: Ran = piecework(home.path())
        .args([
            "demo",
            "--tasks",
            "12",
            "--json",
            "--scene",
            &file.display().to_string(),
        ])
        .args([
            "--out",
            &out.display().to_string(),
            "--workload",
            &workload().display().to_string(),
        ])
        .stdout(Stdio::piped())
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let value = ran.json();
    assert_eq!(value["adds_up"], json!(true), "{value}");
    let units = |text: &serde_json::Value| text.as_str().unwrap().parse::<u128>().unwrap();
    assert!(units(&value["balances"]["paid"]) > 0 && units(&value["balances"]["fees"]) > 0);

    // The leases of the first job cover all tasks, once; each is settled by three seats.
    let leases = value["leases"].as_array().unwrap();
    let of = |job: u64| {
        let leases = leases.iter().filter(move |l| l["job"] == json!(job));
        leases.collect::<Vec<_>>()
    };
    let mut sorted: Vec<(u64, u64)> = of(1)
        .iter()
        .map(|l| (l["first"].as_u64().unwrap(), l["count"].as_u64().unwrap()))
        .collect();
    sorted.sort_unstable();
    assert_eq!(sorted, [(0, 3), (3, 3), (6, 3), (9, 3)]);
    assert!(
        of(1)
            .iter()
            .all(|l| l["seats"].as_array().unwrap().len() == 3)
    );

    // The cheat was caught twice, and the balances tell it.
    let cheat = &value["cheat"];
    let address = &cheat["address"];
    let ends = |job: u64, end: &str| {
        let seats = of(job)
            .into_iter()
            .flat_map(|l| l["seats"].as_array().unwrap());
        let ended = seats.filter(|s| s["end"] == json!(end));
        ended.map(|s| s["provider"].clone()).collect::<Vec<_>>()
    };
    let outvoted = ends(1, "outvoted");
    assert!(outvoted.iter().all(|who| who == address), "{value}");
    assert_eq!(cheat["outvoted"], json!(outvoted.len()));
    assert_eq!(ends(2, "convicted"), std::slice::from_ref(address));
    assert_eq!(cheat["convicted"], json!(1));
    assert!((1..=3).all(|job| !ends(job, "paid").contains(address)));
    // Three tokens a seat; for the lease three times the highest price of 16 cents for each of four tasks.
    let cent = 10u128.pow(16);
    let lost = (300 * outvoted.len() as u128 + 4 * 48) * cent;
    assert_eq!(units(&cheat["lost"]), lost);
    let balances = &value["balances"];
    let place = balances["parties"].as_array().unwrap();
    let place = place.iter().position(|p| p["address"] == *address).unwrap();
    let stake = |when: &str| units(&balances[when]["holdings"][place]["stake"]);
    assert_eq!(stake("before") - stake("after"), lost);
    // All of it burned, and so did the price of what it handed in. Nobody was paid out of it.
    assert_eq!(units(&balances["slashed"]), lost);
    let price = units(&of(2)[0]["price"]);
    assert_eq!(
        units(&balances["forfeited"]),
        30 * cent * outvoted.len() as u128 + 4 * price
    );
    assert_eq!(cheat["forgone"], balances["forfeited"]);
    assert_eq!(
        units(&balances["after"]["burned"]),
        lost + units(&balances["forfeited"])
    );
    // Three juries of three: 23 cents (1.43 times 16) and 29 (of 20) for each juror.
    assert_eq!(
        units(&balances["jurors"]),
        3 * 2_288 * cent / 100 + 6 * 286 * cent / 10
    );
    let verdicts = |job: u64| {
        let audits = of(job)
            .into_iter()
            .flat_map(|l| l["audits"].as_array().unwrap());
        audits.map(|a| a["verdict"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(2), ["convicted"]);
    assert_eq!(verdicts(3), ["acquitted", "acquitted"]);
    // It had to expect a loss, and what it would have saved is less.
    let expected = &cheat["expected"];
    assert!(
        expected["lost_usually"][1].as_f64() > expected["saved_at_most"].as_f64(),
        "{expected}"
    );
    for line in [
        "a jury audits the lease at task 0",
        "the jury convicted the provider of task",
        "mallory is convicted",
        "the jury found nothing wrong with task",
    ] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }

    let scene = Scene::parse(text).unwrap();
    let decoder = png::Decoder::new(BufReader::new(File::open(out.join("demo.png")).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(
        pixels == paint(&scene, tile(120, 80, 0, 1).unwrap()),
        "another picture"
    );
    let left: Vec<_> = std::fs::read_dir(home.path().join("tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn interrupted_among_cheats_and_juries_it_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out").display().to_string();
    let workload = workload().display().to_string();
    let mut child = piecework(home.path())
        .args([
            "demo",
            "--tasks",
            "12",
            "--out",
            &out,
            "--workload",
            &workload,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    // The draw may give mallory no seat of the first job. It always takes the second job.
    let acts = ["mallory committed", "mallory took tasks"];
    assert!(said.any(|line| {
        let line = line.unwrap();
        acts.iter().any(|act| line.contains(act))
    }));
    interrupt(&child);
    let rest: Vec<String> = said.map(|line| line.unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let left: Vec<_> = std::fs::read_dir(home.path().join("tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    assert!(!home.path().join("out").exists());
}

#[test]
fn the_benchmark_measures_both() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let ran: Ran = piecework(home.path())
        .args([
            "bench",
            "--runs",
            "3",
            "--json",
            "--out",
            &out.display().to_string(),
        ])
        .args(["--workload", &workload().display().to_string()])
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let value = ran.json();
    assert_eq!(value["lease_ms"]["count"], json!(3));
    assert!(value["lease_ms"]["min"].as_f64().unwrap() > 0.0);
    assert!(value["docker_run_ms"]["min"].as_f64().unwrap() > 0.0);
    let written = std::fs::read_to_string(out.join("bench.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&written).unwrap(),
        value
    );
}

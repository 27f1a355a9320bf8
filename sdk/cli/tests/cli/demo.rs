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
    assert!(
        !outvoted.is_empty() && outvoted.iter().all(|who| who == address),
        "{value}"
    );
    assert_eq!(cheat["outvoted"], json!(outvoted.len()));
    assert_eq!(ends(2, "convicted"), std::slice::from_ref(address));
    assert_eq!(cheat["convicted"], json!(1));
    assert!(!ends(1, "paid").contains(address) && !ends(2, "paid").contains(address));
    // Three tokens a seat, ten for the lease.
    let token = 10u128.pow(18);
    let lost = (3 * outvoted.len() as u128 + 10) * token;
    assert_eq!(units(&cheat["lost"]), lost);
    let balances = &value["balances"];
    let place = balances["parties"].as_array().unwrap();
    let place = place.iter().position(|p| p["address"] == *address).unwrap();
    let stake = |when: &str| units(&balances[when]["holdings"][place]["stake"]);
    assert_eq!(stake("before") - stake("after"), lost);
    // Three jurors and the challenger are paid a token each out of the ten, for each juror; the rest burns.
    assert_eq!(units(&balances["judged"]), 6 * token);
    assert_eq!(units(&balances["after"]["burned"]), lost - 6 * token);
    // What was taken from the cheat was run again.
    let again: Vec<_> = of(2)
        .into_iter()
        .filter(|l| l["round"] == json!(2))
        .collect();
    assert_eq!(again.len(), 1);
    assert!(units(&again[0]["paid"]) > 0);
    for line in [
        "mallory was outvoted",
        "of mallory again: task 1 is",
        "the jury found the provider wrong",
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
            "6",
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
    assert!(said.any(|line| line.unwrap().contains("mallory committed")));
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

//! The demo and the benchmark, small.

use std::fs::File;
use std::io::BufReader;
use std::process::Stdio;

use piecework_render::{Scene, paint, tile};
use serde_json::json;

use crate::harness::{Ran, piecework, workload};

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

    // Leases of different sizes cover all tasks, once.
    let leases = value["leases"].as_array().unwrap();
    let mut next = 0;
    let mut sorted: Vec<(u64, u64)> = leases
        .iter()
        .map(|l| (l["first"].as_u64().unwrap(), l["count"].as_u64().unwrap()))
        .collect();
    sorted.sort_unstable();
    for (first, count) in sorted {
        assert_eq!(first, next);
        next = first + count;
    }
    assert_eq!(next, 12);

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

//! What cannot work is refused with one clear error, before any money moves.

use std::path::Path;

use serde_json::json;

use crate::harness::{Devnet, Ran, piecework};

fn alone(home: &Path, args: &[&str]) -> Ran {
    piecework(home).args(args).output().unwrap().into()
}

#[test]
fn without_a_market_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let (code, name, text) = alone(home.path(), &["job", "list", "--json"]).failure();
    assert_eq!((code, name.as_str()), (1, "config"));
    assert!(text.contains("piecework devnet"), "{text}");
}

#[test]
fn a_dead_rpc_is_named() {
    let home = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let rpc = format!("http://{closed}");
    let market = "0x00000000000000000000000000000000000000aa";
    let args = [
        "wallet",
        "balance",
        "--account",
        market,
        "--rpc-url",
        &rpc,
        "--market",
        market,
        "--json",
    ];
    let (code, name, text) = alone(home.path(), &args).failure();
    assert_eq!((code, name.as_str()), (1, "chain-unreachable"));
    assert!(text.contains(&closed.to_string()), "{text}");
}

#[test]
fn passwords() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (good, bad, key) = (path("good"), path("bad"), path("key.json"));
    std::fs::write(&good, "correct horse\n").unwrap();
    std::fs::write(&bad, "battery staple\n").unwrap();

    let (_, name, _) = alone(home.path(), &["wallet", "new", &key, "--json"]).failure();
    assert_eq!(name, "cli-no-password");
    let made = alone(
        home.path(),
        &["wallet", "new", &key, "--password-file", &good, "--json"],
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let address = alone(
        home.path(),
        &["wallet", "address", "--keystore", &key, "--json"],
    )
    .json();
    assert_eq!(address["address"], made.json()["address"]);
    let (_, name, _) = alone(
        home.path(),
        &["wallet", "new", &key, "--password-file", &good, "--json"],
    )
    .failure();
    assert_eq!(name, "key-exists");

    let devnet = Devnet::start(1);
    let with = |password: &str| {
        devnet
            .run(&[
                "wallet",
                "deposit",
                "1",
                "--keystore",
                &key,
                "--password-file",
                password,
                "--json",
            ])
            .failure()
    };
    let (code, name, text) = with(&bad);
    assert_eq!((code, name.as_str()), (1, "key-wrong-password"));
    assert!(text.contains("key.json"), "{text}");
    // The right one opens it: an account without any money.
    let (_, name, text) = with(&good);
    assert_eq!(name, "insufficient-funds", "{text}");
}

#[test]
fn the_wrong_chain_the_wrong_market_and_too_little_money() {
    let devnet = Devnet::start(1);
    let refused = |args: &[&str]| devnet.run(&[args, &["--json"]].concat()).failure();

    let (_, name, text) = refused(&["job", "list", "--chain-id", "1"]);
    assert_eq!(name, "chain-wrong-chain");
    assert!(text.contains("31337"), "{text}");

    let rpc = devnet.text("/rpc_url");
    let nobody = devnet.text("/client/address");
    let (_, name, text) = refused(&[
        "wallet",
        "balance",
        "--account",
        &nobody,
        "--rpc-url",
        &rpc,
        "--market",
        &nobody,
    ]);
    assert_eq!(name, "chain-no-market", "{text}");
    let token = devnet.text("/token");
    let (_, name, text) = refused(&[
        "wallet",
        "balance",
        "--account",
        &nobody,
        "--rpc-url",
        &rpc,
        "--market",
        &token,
    ]);
    assert_eq!(name, "chain-not-a-market", "{text}");

    let (_, name, text) = refused(&["run", "whatever:v1", "--max-price", "100000"]);
    assert_eq!(name, "insufficient-funds", "{text}");
    let (_, name, text) = refused(&["run", "piecework-no-such-image:v1"]);
    assert_eq!(name, "image-not-found", "{text}");
    assert!(text.contains("piecework-no-such-image:v1"), "{text}");
    let (_, name, text) = refused(&["wallet", "withdraw", "100000"]);
    assert_eq!(name, "chain-reverted", "{text}");
    let id = format!("0x{}", "ab".repeat(32));
    let (_, name, _) = refused(&["job", "status", &id]);
    assert_eq!(name, "job-not-found");

    // None of it cost anything.
    let balance = devnet.run(&["wallet", "balance", "--json"]).json();
    assert_eq!(balance["balance"], json!("1000000000000000000000"));
    assert_eq!(balance["wallet"], json!("1000000000000000000000"));
}

#[test]
fn specs() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("spec.json");
    let path = file.display().to_string();
    let refused = |spec: &str| {
        std::fs::write(&file, spec).unwrap();
        alone(home.path(), &["run", "--spec", &path, "--json"]).failure()
    };
    let good = json!({
        "version": 1,
        "image": { "manifest": format!("sha256:{}", "0".repeat(64)), "platform": "linux/amd64",
                   "reference": format!("example/tool@sha256:{}", "0".repeat(64)) },
        "args": [], "env": {}, "tasks": 1, "sources": [],
        "resources": { "cpu_millis": 1000, "memory_bytes": 67_108_864, "disk_bytes": 1_048_576, "timeout_seconds": 10 },
    });
    // A good one gets as far as looking for a market.
    assert_eq!(refused(&good.to_string()).1, "config");

    let mut unknown = good.clone();
    unknown["imagee"] = json!("x");
    let (_, name, text) = refused(&unknown.to_string());
    assert_eq!(name, "spec-form");
    assert!(text.contains("imagee"), "{text}");
    let mut greedy = good.clone();
    greedy["resources"]["memory_bytes"] = json!(1);
    let (_, name, text) = refused(&greedy.to_string());
    assert_eq!(name, "spec-range");
    assert!(text.contains("resources.memory_bytes"), "{text}");
    let mut long = good.clone();
    long["args"] = json!(["x".repeat(20_000)]);
    let (_, name, text) = refused(&long.to_string());
    assert_eq!(name, "spec-too-long", "{text}");
    let (_, name, text) = refused("{");
    assert_eq!(name, "spec-form", "{text}");
    std::fs::remove_file(&file).unwrap();
    let (_, name, text) = alone(home.path(), &["run", "--spec", &path, "--json"]).failure();
    assert_eq!(name, "cli-spec-file");
    assert!(text.contains("spec.json"), "{text}");
}

#[test]
fn an_occupied_directory_is_refused_before_anything_is_paid() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("thesis.txt"), "").unwrap();
    let out = out.display().to_string();
    let (_, name, text) = alone(
        home.path(),
        &["map", "a:v1", "--tasks", "2", "--out", &out, "--json"],
    )
    .failure();
    assert_eq!(name, "cli-out");
    assert!(text.contains("not empty"), "{text}");
}

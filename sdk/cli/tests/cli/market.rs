//! `piecework market`: deployed, deployed again, shown, refused; and the Foundry script beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use alloy::primitives::hex;
use piecework::chain::deploy::deploy_dev_token;
use piecework::chain::{ChainOptions, Sender, connect};
use piecework::devnet::{Anvil, AnvilOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Ran, piecework};

/// A chain with nothing but a token, and a directory for files.
struct Chain {
    anvil: Anvil,
    token: String,
    home: TempDir,
}

impl Chain {
    fn start(hardfork: &str) -> Self {
        let args = ["--hardfork", hardfork].map(Into::into).to_vec();
        let anvil = Anvil::start(&AnvilOptions {
            args,
            ..AnvilOptions::default()
        })
        .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let token = runtime.block_on(async {
            let (rpc, chain_id) = connect(&ChainOptions::new(anvil.url())).await.unwrap();
            let sender = Sender::new(rpc, chain_id, anvil.key(0).unwrap());
            deploy_dev_token(&sender).await.unwrap().0
        });
        Self {
            anvil,
            token: token.to_string(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn key(&self) -> String {
        hex::encode(self.anvil.key(0).unwrap().to_bytes())
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// Runs `piecework market` on this chain.
    fn run(&self, args: &[&str]) -> Ran {
        let mut command = piecework(self.home.path());
        command
            .arg("market")
            .args(args)
            .args(["--rpc-url", self.anvil.url(), "--json"])
            .env("PIECEWORK_PRIVATE_KEY", self.key())
            .current_dir(self.home.path());
        command.output().unwrap().into()
    }

    fn deploy(&self, args: &[&str]) -> Ran {
        self.run(&[&["deploy", "--token", &self.token], args].concat())
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn a_market_is_deployed_once_and_shown() {
    let chain = Chain::start("prague");
    let ran = chain.deploy(&["--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("Dry run"), "{}", ran.stderr);
    let planned = ran.json();
    assert_eq!(planned["file"], Value::Null);
    assert!(!chain.home.path().join("deployment.json").exists());

    let ran = chain.deploy(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for said in ["at most", "gwei", "is deployed", "deployment.json"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let made = ran.json();
    assert_eq!(
        made["deployment"]["market"],
        planned["deployment"]["market"]
    );
    assert_eq!(made["examination"]["differences"], json!([]));
    let names: Vec<_> = made["contracts"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|one| one["gas_used"].is_u64()));

    let ran = chain.deploy(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("already"), "{}", ran.stderr);
    let again = ran.json();
    assert_eq!(again["deployment"], made["deployment"]);
    assert!(again["contracts"].to_string().contains("\"existed\":true"));

    // Another deployment does not overwrite the file, and is not made either.
    let salt = format!("0x{}", "01".repeat(32));
    let (_, name, text) = chain.deploy(&["--salt", &salt]).failure();
    assert_eq!(name, "deployment-file-taken", "{text}");
    let planned = chain.deploy(&["--salt", &salt, "--dry-run", "--out", "other.json"]);
    assert!(
        planned.json()["contracts"]
            .to_string()
            .contains("\"existed\":false")
    );

    let shown = chain.run(&["show", "--deployment", "deployment.json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(shown.json()["deployment"], made["deployment"]);
    let market = made["deployment"]["market"].as_str().unwrap();
    let shown = chain.run(&["show", "--market", market]);
    assert_eq!((shown.code, &shown.json()["differences"]), (0, &json!([])));

    let mut file = made["deployment"].clone();
    file["times"]["jury_time"] = json!(7_200);
    std::fs::write(chain.path("changed.json"), file.to_string()).unwrap();
    let shown = chain.run(&["show", "--deployment", "changed.json"]);
    assert_eq!(shown.code, 1);
    assert_eq!(shown.json()["differences"].as_array().unwrap().len(), 2);
    let error = shown.error();
    assert_eq!(error["code"], "deployment-differs");
    assert!(
        error["message"].as_str().unwrap().contains("times"),
        "{error}"
    );

    // Other commands find the market through the file, and refuse one that was changed.
    let balance = |file: &str| {
        let mut command = piecework(chain.home.path());
        let args = ["wallet", "balance", "--account", market, "--json"];
        command.args(args).args([
            "--deployment",
            &chain.path(file),
            "--rpc-url",
            chain.anvil.url(),
        ]);
        Ran::from(command.output().unwrap())
    };
    assert_eq!(balance("deployment.json").json()["balance"], "0");
    assert_eq!(
        balance("changed.json").failure().1,
        "deployment-contradiction"
    );
}

#[test]
fn what_cannot_be_sound_is_refused() {
    let chain = Chain::start("cancun");
    let (code, name, text) = chain.deploy(&[]).failure();
    assert_eq!((code, name.as_str()), (1, "deployment-missing-precompile"));
    assert!(text.contains("docs/CHAINS.md"), "{text}");
    let (_, name, text) = chain.deploy(&["--beacon", "block"]).failure();
    assert_eq!(name, "deployment-untrusted-builders", "{text}");

    let times = chain.path("times.toml");
    std::fs::write(&times, "jury_time = 7200\njury_tyme = 1\n").unwrap();
    let args = ["--beacon", "block", "--devnet", "--times", &times];
    let (_, name, text) = chain.deploy(&args).failure();
    assert_eq!(name, "cli-times-file");
    assert!(text.contains("jury_tyme"), "{text}");
    std::fs::write(&times, "jury_time = 7200\n").unwrap();
    let times = chain.deploy(&args).json()["deployment"]["times"].clone();
    assert_eq!(
        (&times["jury_time"], &times["lease_step"]),
        (&json!(7_200), &json!(60))
    );
    let file = std::fs::read_to_string(chain.path("deployment.json")).unwrap();
    assert!(file.contains("\"devnet\": true"), "{file}");
}

#[test]
fn the_foundry_script_makes_the_same_addresses() {
    let chain = Chain::start("prague");
    let governor = chain.token.clone();
    let forge = |broadcast: &[&str]| {
        let ran = Command::new("forge")
            .args(["script", "foundry-tests/scripts/Deploy.s.sol", "--json"])
            .args([
                "--rpc-url",
                chain.anvil.url(),
                "--private-key",
                &chain.key(),
            ])
            .args(broadcast)
            // Its own sources alone: the code comes from contracts/abi.
            .env("FOUNDRY_PROFILE", "plain")
            .env("FOUNDRY_SRC", "foundry-tests/scripts")
            .env("FOUNDRY_TEST", "foundry-tests/scripts")
            .env("FOUNDRY_OUT", chain.path("out"))
            .env("FOUNDRY_CACHE_PATH", chain.path("cache"))
            .env("FOUNDRY_BROADCAST", chain.path("broadcast"))
            .env("TOKEN", &chain.token)
            .env("GOVERNOR", &governor)
            .env("FEE_RECIPIENT", &governor)
            .env("FEE_BPS", "30")
            .env("JURY_TIME", "7200")
            .current_dir(repository())
            .output();
        let ran = Ran::from(ran.expect("forge is on the PATH: `source .tools/env.test`"));
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let said = forge(&["--broadcast"]);
    std::fs::write(chain.path("times.toml"), "jury_time = 7200\n").unwrap();
    let args = ["--governor", &governor, "--fee-recipient", &governor];
    let more = ["--fee-bps", "30", "--times", "times.toml"];
    let ran = chain.deploy(&[args.as_slice(), &more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let made = ran.json();
    for contract in made["contracts"].as_array().unwrap() {
        assert_eq!(contract["existed"], json!(true), "{made}");
        let said = said.to_lowercase();
        for value in ["address", "init_code_hash"] {
            let value = contract[value].as_str().unwrap();
            assert!(said.contains(&value.to_lowercase()), "{value}: {said}");
        }
    }
    // Once more it sends nothing.
    let said = forge(&["--broadcast"]);
    assert!(!said.contains("\"tx_hash\""), "{said}");
}

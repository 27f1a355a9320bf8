#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;

use super::*;

fn example() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/executor.example.toml"
    ))
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("executor.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&Flags {
        config: Some(path),
        ..Flags::default()
    })
}

fn example_text() -> String {
    std::fs::read_to_string(example()).unwrap()
}

#[test]
fn the_example_is_a_valid_configuration() {
    let config = Config::load(&Flags {
        config: Some(example()),
        ..Flags::default()
    })
    .unwrap();
    let chain = &config.chains[0];
    assert_eq!((config.chains.len(), chain.chain_id), (1, 11_155_111));
    assert!(matches!(chain.operator, OperatorKey::Keystore { .. }));
    assert_eq!(chain.policy.min_price, 500_000_000_000_000_000);
    assert!(!chain.allow_private_sources);
}

#[test]
fn every_key_of_the_example_that_is_commented_out_is_a_real_key() {
    // `#key = value` is an example; `# text` is prose.
    let text: String = example_text()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = load(&text).unwrap();
    assert_eq!(config.runtime.as_deref(), Some("runsc"));
    assert_eq!(config.trusted_runc.as_deref(), Some("1.1.5+ds1-1+deb12u1"));
    assert_eq!(config.chains[0].drand_urls.len(), 1);
    assert_eq!(config.chains[0].rpc_urls.len(), 2);
    let costs = Costs {
        core_hour: 40_000_000_000_000_000,
        gib_hour: 5_000_000_000_000_000,
        lease: 100_000_000_000_000_000,
    };
    assert_eq!(config.chains[0].policy.costs, costs);
}

#[test]
fn what_saves_a_bond_may_cost_twenty_times_as_much() {
    let caps = |line: &str| {
        let timing = load(&example_text().replace("#max_fee_gwei = 200", line))
            .unwrap()
            .chains[0]
            .timing
            .clone();
        let gwei = |wei| wei / 1_000_000_000u128;
        (
            gwei(timing.max_fee_per_gas),
            gwei(timing.urgent_max_fee_per_gas),
        )
    };
    assert_eq!(caps(""), (200, 4_000));
    assert_eq!(caps("max_fee_gwei = 3"), (3, 60));
    assert_eq!(caps("max_fee_gwei = 3\nurgent_max_fee_gwei = 5"), (3, 5));
}

#[test]
fn unknown_and_missing_and_impossible_keys_are_named() {
    let text = example_text();
    for (from, to, named) in [
        (
            "[chain.policy]",
            "[chain.policy]\nmin_prise = 1",
            "min_prise",
        ),
        ("state_dir", "#state_dir", "state_dir"),
        (
            "min_price = \"500000000000000000\"",
            "min_price = -1",
            "min_price",
        ),
        ("id = 11155111", "id = 0", "chain.id"),
        ("rpc_url = \"https", "rpc_url = \"ftp", "chain.rpc_url"),
        ("tasks = 4", "tasks = 0", "capacity.tasks"),
        (
            "#urgent_max_fee_gwei = 4000",
            "urgent_max_fee_gwei = 199",
            "chain.urgent_max_fee_gwei",
        ),
        (
            "#strangers_percent = 25",
            "strangers_percent = 101",
            "chain.policy.strangers_percent",
        ),
        ("keystore = ", "key = ", "chain.provider.key"),
        ("#urls = [\"https:", "urls = [\"ftp:", "chain.beacon.urls"),
        ("#urls = [\"https://", "urls = [\"", "urls"),
        (
            "#urls = [\"",
            "urls = [\"https://a.example/?round=\", \"",
            "must end with its path",
        ),
    ] {
        assert!(text.contains(from), "the example has no {from}");
        let error = load(&text.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains(named), "{from}: {error}");
    }
}

#[test]
fn flags_win_over_the_file() {
    let flags = Flags {
        config: Some(example()),
        chain_id: Some(7),
        min_price: Some(5),
        ..Flags::default()
    };
    let config = Config::load(&flags).unwrap();
    let chain = &config.chains[0];
    assert_eq!((chain.chain_id, chain.policy.min_price), (7, 5));
}

#[test]
fn a_raw_key_works_on_a_development_chain_only_and_is_never_shown() {
    let key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let text = example_text().replace("keystore = ", "#keystore = ");
    let flags = |chain| Flags {
        private_key: Some(key.to_owned()),
        chain_id: Some(chain),
        ..Flags::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("executor.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&Flags {
        config: Some(path.clone()),
        ..flags(31_337)
    })
    .unwrap();
    assert!(!format!("{config:?}").contains(&key[..16]));
    let error = Config::load(&Flags {
        config: Some(path.clone()),
        ..flags(1)
    })
    .unwrap_err();
    assert_eq!(error.code(), "config-invalid");
    assert!(error.to_string().contains("chain.provider.key"));
    let bad = Flags {
        config: Some(path),
        private_key: Some(key[..20].to_owned()),
        ..Flags::default()
    };
    let error = Config::load(&bad).unwrap_err().to_string();
    assert!(!error.contains(&key[..8]), "{error}");
}

/// The example with its second chain, which stands there as prose, switched on.
fn two_chains() -> String {
    let text = example_text();
    let begin = text.find("# [[chain]]").unwrap();
    let (first, second) = text.split_at(begin);
    let second = second.lines().map(|line| line.trim_start_matches("# "));
    format!("{first}{}\n", second.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_second_chain_of_the_example_is_a_valid_one_with_prices_and_a_key_of_its_own() {
    let config = load(&two_chains()).unwrap();
    let names: Vec<_> = config.chains.iter().map(|chain| &chain.name).collect();
    assert_eq!(names, ["sepolia", "revive"]);
    assert_eq!(config.chains[1].policy.min_price, 50_000_000_000);
    let key = |chain: &ChainConfig| match &chain.operator {
        OperatorKey::Keystore { path, .. } => path.clone(),
        OperatorKey::Raw(_) => panic!("a raw key"),
    };
    assert_ne!(key(&config.chains[0]), key(&config.chains[1]));
}

#[test]
fn what_two_chains_must_not_share_and_what_one_lacks_is_told_with_its_name() {
    let text = two_chains();
    let market = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
    for (from, to, said) in [
        (
            "name = \"revive\"",
            "name = \"sepolia\"",
            "`chain.name` of chain \"sepolia\": two [[chain]] tables have this name: give each its own, state is kept under it",
        ),
        (
            "id = 420420421\nmarket = \"0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0\"",
            &format!("id = 11155111\nmarket = \"{market}\""),
            "`chain.market` of chain \"revive\": chain \"sepolia\" has the same id and market: both would work with one \
             stake and contradict each other, so each market stands in one [[chain]] table only",
        ),
        (
            "keystore = \"/etc/piecework/operator-revive.json\"\n",
            "",
            "`chain.provider.keystore` of chain \"revive\" is not set: set it in its table of the file",
        ),
        (
            "min_price = \"50000000000\"",
            "",
            "`chain.policy.min_price` of chain \"revive\" is not set: set it in its table of the file",
        ),
        (
            "name = \"revive\"\n",
            "",
            "`chain.name` of chain \"number 2\" is not set: set it in its table of the file: a short word of your own, \
             under which its state is kept",
        ),
        (
            "name = \"revive\"",
            "name = \"../revive\"",
            "`chain.name` of chain \"../revive\": must be 1 to 32 lowercase letters, digits and dashes: its state is kept \
             in a directory of this name",
        ),
    ] {
        assert!(text.contains(from), "the example has no {from}");
        let error = load(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
    // A market may be at the same address of another chain.
    let twin = text.replacen("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0", market, 1);
    load(&twin).unwrap();
}

#[test]
fn a_flag_that_could_mean_either_chain_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("executor.toml");
    std::fs::write(&path, two_chains()).unwrap();
    let with = |flags: Flags| {
        Config::load(&Flags {
            config: Some(path.clone()),
            ..flags
        })
    };
    let price = Flags {
        min_price: Some(1),
        ..Flags::default()
    };
    assert_eq!(
        with(price).unwrap_err().to_string(),
        "--min-price (PIECEWORK_MIN_PRICE) is about one chain, and the file has 2: which one is meant cannot be told. \
         Nothing was started; say it in that chain's table of the file instead, and unset --min-price \
         (PIECEWORK_MIN_PRICE)"
    );
    let secret = Flags {
        password: Some("secret".to_owned()),
        ..Flags::default()
    };
    let error = with(secret).unwrap_err();
    assert_eq!(error.code(), "config-which-chain");
    assert!(!error.to_string().contains("secret"));
    // What is about the machine is no question.
    let machine = Flags {
        serve: Some("127.0.0.1:9".parse().unwrap()),
        ..Flags::default()
    };
    assert_eq!(with(machine).unwrap().serve.port(), 9);
}

#[test]
fn a_file_of_the_older_form_is_answered_with_the_lines_to_change() {
    let old = example_text()
        .replace("[[chain]]", "[chain]")
        .replace("name = \"sepolia\"\n", "")
        .replace("\n[chain.beacon]\n", "\n")
        .replace("\n[chain.policy.costs]\n", "\n")
        .replace("[chain.", "[")
        .replace(
            "# A second chain",
            "[watch]\nshare = 0.05\n# A second chain",
        );
    let error = load(&old).unwrap_err();
    assert_eq!(error.code(), "config-old-form");
    let text = error.to_string();
    let said = text.split_once(" is of an older form").unwrap().1;
    assert_eq!(
        said,
        ": an executor serves several chains now, and all that belongs to one of them stands together, its `[[chain]]` \
         first. Nothing was started. Change these lines, and keep what is below each of them:\n    \
         [chain]     becomes  [[chain]] and, below it, name = \"main\" (or any other short word)\n    \
         [provider]  becomes  [chain.provider]\n    \
         [policy]    becomes  [chain.policy]\n    \
         [watch]     is removed with all its keys: watching is gone\n\
         What the executor remembers of that chain is found again by its id and market."
    );
    // Done as it says, it is read.
    let new = old
        .replace("\n[chain]\n", "\n[[chain]]\nname = \"main\"\n")
        .replace("\n[provider]\n", "\n[chain.provider]\n")
        .replace("\n[policy]\n", "\n[chain.policy]\n")
        .replace("\n[watch]\nshare = 0.05\n", "\n");
    assert_eq!(load(&new).unwrap().chains[0].name, "main");
}

#[test]
fn a_table_of_the_watch_mode_is_refused_and_said_to_be_removed() {
    for keys in ["", "share = 0.05\nmax_deposit = 7\n"] {
        let table = format!("[chain.watch]\n{keys}# A second chain");
        let error = load(&example_text().replace("# A second chain", &table)).unwrap_err();
        assert_eq!(error.code(), "config-parse");
        let text = error.to_string();
        for said in ["[chain.watch]", "watching is gone", "Remove the table"] {
            assert!(text.contains(said), "{text} does not say {said}");
        }
    }
}

/// A deployment file of a market whose code this version does not know.
fn deployment(dir: &std::path::Path) -> (PathBuf, Address) {
    use piecework_net::chain::deployment::{create2, drawn_of};
    let zero = alloy::primitives::B256::ZERO;
    let market = create2(zero, zero);
    let file = serde_json::json!({
        "version": 1, "chain_id": 11_155_111, "block": 77, "market": market, "drawn": drawn_of(market),
        "token": market, "beacon": { "kind": "other", "address": market },
        "fee": { "governor": Address::ZERO, "recipient": Address::ZERO, "bps": 0 },
        "times": { "stake_age": 1, "lease_step": 1, "jury_step": 1, "jury_time": 1, "reveal_window": 1,
                   "respond_window": 1, "retry_window": 1, "least_audit_window": 1, "least_run_window": 1 },
        "devnet": false, "salt": zero, "code": { "creation_code_hash": zero, "init_code_hash": zero },
    });
    let path = dir.join("deployment.json");
    std::fs::write(&path, file.to_string()).unwrap();
    (path, market)
}

#[test]
fn a_deployment_file_replaces_id_market_and_first_block() {
    let dir = tempfile::tempdir().unwrap();
    let (path, market) = deployment(dir.path());
    let keys = "id = 11155111\nmarket = \"0x5FbDB2315678afecb367f032d93F642f64180aa3\"\n";
    let key = format!("deployment = {:?}\n", path.display().to_string());
    let text = example_text();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("from_block"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(text.contains(keys));
    let config = load(&text.replace(keys, &key)).unwrap();
    let chain = &config.chains[0];
    assert_eq!(
        (chain.chain_id, chain.market, chain.timing.from_block),
        (11_155_111, market, 77)
    );

    // Keys beside it must say the same; the first block may be another one.
    let same = format!("{key}id = 11155111\nmarket = \"{market}\"\nfrom_block = 70\n");
    let config = load(&text.replace(keys, &same)).unwrap();
    assert_eq!(config.chains[0].timing.from_block, 70);
    for (more, named) in [
        ("id = 1\n".to_owned(), "chain.id"),
        (keys.to_owned(), "chain.market"),
    ] {
        let error = load(&text.replace(keys, &format!("{key}{more}"))).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("`{named}` of chain")), "{said}");
        assert!(said.contains("the deployment file says"), "{said}");
    }

    let other = piecework_net::chain::deployment::drawn_of(Address::ZERO);
    let mut file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["drawn"] = serde_json::json!(other);
    std::fs::write(&path, file.to_string()).unwrap();
    let said = load(&text.replace(keys, &key)).unwrap_err().to_string();
    assert!(said.contains("contradicts itself"), "{said}");
    let lost = text.replace(keys, "deployment = \"/nowhere/deployment.json\"\n");
    let said = load(&lost).unwrap_err().to_string();
    assert!(
        said.contains("chain.deployment") && said.contains("/nowhere"),
        "{said}"
    );
}

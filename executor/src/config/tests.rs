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
    assert_eq!(chain.policy.min_price, 1_000_000_000_000_000_000_000);
    assert!(!chain.policy.allow_private_sources);
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
            "min_price = \"1000000000000000000000\"",
            "min_price = -1",
            "min_price",
        ),
        ("id = 11155111", "id = 0", "chain.id"),
        ("rpc_url = \"https", "rpc_url = \"ftp", "chain.rpc_url"),
        ("tasks = 4", "tasks = 0", "capacity.tasks"),
        (
            "#strangers_percent = 25",
            "strangers_percent = 101",
            "chain.policy.strangers_percent",
        ),
        ("keystore = ", "key = ", "chain.provider.key"),
        ("#share = 0.05", "share = 0.05", "chain.watch.max_deposit"),
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

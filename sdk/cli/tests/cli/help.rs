//! What the command says about itself.

use crate::harness::{Ran, piecework};

const NOBODY: &str = "0x0000000000000000000000000000000000000001";

fn help(args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let ran: Ran = piecework(home.path())
        .env_remove("DOCKER_HOST")
        .args(args)
        .arg("--help")
        .output()
        .unwrap()
        .into();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout
}

#[test]
fn every_help_is_as_it_was_reviewed() {
    let commands: [&[&str]; 32] = [
        &[],
        &["devnet"],
        &["run"],
        &["map"],
        &["job"],
        &["job", "list"],
        &["job", "status"],
        &["job", "fetch"],
        &["job", "cancel"],
        &["job", "close"],
        &["explain"],
        &["predict"],
        &["predict", "lease"],
        &["predict", "seat"],
        &["wallet"],
        &["wallet", "new"],
        &["wallet", "address"],
        &["wallet", "balance"],
        &["wallet", "deposit"],
        &["wallet", "withdraw"],
        &["provider"],
        &["provider", "stake"],
        &["provider", "unstake"],
        &["provider", "status"],
        &["provider", "operator"],
        &["provider", "profile"],
        &["market"],
        &["market", "deploy"],
        &["market", "show"],
        &["demo"],
        &["bench"],
        &["completions"],
    ];
    for command in commands {
        let name = if command.is_empty() {
            "piecework".to_owned()
        } else {
            command.join("-")
        };
        let text = help(command);
        // The global options are the same everywhere: once is enough.
        let text = match (command.is_empty(), text.find("Global options:")) {
            (false, Some(start)) => {
                let end = text.rfind("\n\nExample").map_or(text.len(), |end| end + 1);
                format!("{}{}", &text[..start], &text[end.max(start)..])
            }
            _ => text,
        };
        insta::assert_snapshot!(format!("help-{name}"), text);
    }
}

#[test]
fn completions_are_printed() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran: Ran = piecework(home.path())
            .args(["completions", shell])
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("piecework"), "{shell}");
    }
}

#[test]
fn wrong_usage_is_2() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["rum"][..],
        &["run"],
        &["run", "a", "--max-price", "-1"],
        &["map", "a", "--tasks", "0"],
        &["wallet", "deposit", "1e3"],
        &["run", "a", "--audit-rate", "0"],
        &["run", "a", "--audit-rate", "101"],
        &["run", "a", "--redundant", "3"],
        &["run", "a", "--audit-rate", "5", "--unaudited"],
        &["run", "a", "--redundant", "3/2", "--unaudited"],
        &["market", "deploy"],
        &["market", "deploy", "--token", "0x00"],
        &["market", "deploy", "--token", NOBODY, "--beacon", "dice"],
        &["market", "deploy", "--token", NOBODY, "--salt", "1"],
        &["predict", "seat", "0x00", "--lease", "0", "--jury", "3"],
    ] {
        let ran: Ran = piecework(home.path()).args(args).output().unwrap().into();
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (2, ""),
            "{args:?}: {}",
            ran.stderr
        );
    }
}

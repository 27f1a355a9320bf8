//! The node as a program: what it prints, and how it ends.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_piecework-revive-node"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn it_prints_anvils_accounts_and_where_it_listens_and_ends_at_ctrl_c() {
    let mut node = program()
        .args(["--port", "0", "--accounts", "2"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    assert_eq!(
        line(),
        "(0) 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    );
    assert_eq!(line(), "    0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    assert!(line().starts_with("(1) "));
    line();
    let address = line().strip_prefix("Listening on ").unwrap().to_owned();
    // A client that stays connected does not keep it.
    let _idle = TcpStream::connect(&address).unwrap();

    // The port is taken now.
    let port = address.rsplit(':').next().unwrap();
    let second = program().args(["--port", port]).output().unwrap();
    assert!(!second.status.success());
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(words.contains("choose another --port, or 0"), "{words}");

    let id = node.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let until = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = node.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            node.kill().unwrap();
            node.wait().unwrap();
            break std::process::ExitStatus::default();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(Instant::now() < until, "it did not end");
    assert!(status.success(), "{status}");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in [
        ["--port", "70000"],
        ["--chain-id", "0"],
        ["--block-time", "0"],
    ] {
        let mut node = program().args(arguments).spawn().unwrap();
        let mut words = String::new();
        node.stderr
            .take()
            .unwrap()
            .read_to_string(&mut words)
            .unwrap();
        assert_eq!(node.wait().unwrap().code(), Some(2), "{words}");
        assert!(words.contains(arguments[0]), "{words}");
    }
}

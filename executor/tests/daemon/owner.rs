//! The owner's commands, of the program itself.

use std::{
    net::TcpListener,
    process::{Command, Output},
    time::Duration,
};

use crate::crash::Daemon;
use crate::scene::{Scene, containers, eventually, naps};

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn piecework_executor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_piecework-executor"))
        .args(args)
        .output()
        .unwrap()
}

/// What a command says that succeeds.
fn said(args: &[&str]) -> String {
    let output = piecework_executor(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_in_the_middle_of_a_lease_settles_it_and_a_drain_ends_the_daemon() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let admin = free_address();
    let daemon = Daemon::start_with_admin(&scene, 2, &admin);
    let job = scene.post(&scene.spec(&["nap", "1500"], 4)).await;
    let running = |job: alloy::primitives::B256| async move {
        let label = format!("piecework.job={job:x}");
        eventually("containers run", || async {
            !containers(&label).is_empty()
        })
        .await;
    };
    running(job).await;
    // Two of four tasks at a time: copied while the second pair runs.
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    let (state, backup) = (scene.state_dir(2), scene.folder.path().join("backup"));
    let to = backup.to_str().unwrap();
    let copied = said(&["backup", to, "--state-dir", state.to_str().unwrap()]);
    assert_eq!(
        copied,
        format!("{to}: salt-secret, and the database of devnet\n")
    );
    let secret = |dir: &std::path::Path| std::fs::read(dir.join("salt-secret")).unwrap();
    assert_eq!(secret(&backup), secret(&state));
    let id = job.to_string();
    let why = said(&["why", &id, "--admin", &admin]);
    assert!(
        why.contains("devnet: worked on: lease of 4 tasks from 0, round 1, running"),
        "{why}"
    );
    assert!(
        why.contains("nothing more of it is taken: every task is taken [all-taken]"),
        "{why}"
    );
    let status = said(&["status", "--admin", &admin]);
    assert!(status.contains("OTHERWISE LOST"), "{status}");
    assert_eq!(scene.count(job, "Submitted").await, 0);
    daemon.kill();
    std::fs::rename(&state, scene.folder.path().join("lost")).unwrap();
    std::fs::rename(&backup, &state).unwrap();

    let daemon = Daemon::start_with_admin(&scene, 2, &admin);
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(4));
    for name in ["Claimed", "Submitted", "Settled"] {
        assert_eq!(scene.count(job, name).await, 1, "{name}");
    }

    // Drained in the middle of the next lease, it finishes that.
    let last = scene.post(&scene.spec(&["nap", "1500"], 4)).await;
    running(last).await;
    let drained = said(&["drain", "--admin", &admin]);
    assert!(drained.contains("devnet: lease of job "), "{drained}");
    assert!(
        drained.ends_with("nothing is owed: the executor ends now\n"),
        "{drained}"
    );
    assert_eq!(scene.count(last, "Settled").await, 1);
    daemon.ends_well();
    let gone = piecework_executor(&["status", "--admin", &admin]);
    let error = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success());
    assert!(
        error.contains(&format!("no executor answers at http://{admin}/")),
        "{error}"
    );
}

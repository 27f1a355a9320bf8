//! Processor time of a devnet on which nothing happens.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    Parts,
    figures::Figures,
    process::{children, processor_time},
};

/// Executors of the devnet.
const EXECUTORS: u64 = 3;
/// After this it has settled.
const SETTLED: Duration = Duration::from_secs(10);

pub(crate) async fn measure(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let docker =
        std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    let state = tempfile::tempdir()?;
    let mut devnet = Command::new(&parts.piecework)
        .args(["devnet", "--json", "--executors", &EXECUTORS.to_string()])
        // Another devnet's description stays as it is.
        .env("XDG_STATE_HOME", state.path())
        .env("DOCKER_HOST", docker)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("the command, {}", parts.piecework.display()))?;
    let measured = async {
        let out = devnet.stdout.take().context("no output")?;
        let said = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).map(|_| line)
        });
        anyhow::ensure!(!said.await??.is_empty(), "the devnet did not start");
        tokio::time::sleep(SETTLED).await;
        let all: Vec<u32> = std::iter::once(devnet.id())
            .chain(children(devnet.id()))
            .collect();
        let times = |all: &[u32]| {
            all.iter()
                .map(|pid| processor_time(*pid))
                .collect::<anyhow::Result<Vec<_>>>()
        };
        let before = times(&all)?;
        tokio::time::sleep(parts.idle).await;
        let shares: Vec<f64> = times(&all)?
            .iter()
            .zip(before)
            .map(|(after, before)| {
                100.0 * (*after - before).as_secs_f64() / parts.idle.as_secs_f64()
            })
            .collect();
        anyhow::Ok(shares)
    };
    let measured = measured.await;
    // SIGINT ends it, and takes its images and its chain along.
    let pid = devnet.id().to_string();
    let _ = Command::new("kill").args(["-INT", &pid]).status();
    devnet.wait()?;
    let shares = measured?;
    let total: f64 = shares.iter().sum();
    figures.add(
        "idle_percent",
        total,
        format!(
            "processor time of {EXECUTORS} idle executors and their devnet, {} s",
            parts.idle.as_secs()
        ),
        format!("{total:.2} % of a core"),
        "< 2 %",
    );
    let mut shares = shares.into_iter();
    figures.note("idle_percent_executors", json!(shares.next()));
    figures.note("idle_percent_node", json!(shares.sum::<f64>()));
    Ok(())
}

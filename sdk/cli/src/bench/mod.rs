//! What a lease costs beyond the container itself.
//!
//! Measured is the time from the moment in which the claim's block can be read from the node to
//! the moment in which the submit's can: it holds all that the executor does (noticing its claim,
//! preparing, running and collecting the container, digests, journal, signing, sending), and the
//! mining of the submit, which anvil does at once. The container only exits. Beside it, in turns,
//! `docker run --rm --network none` of the same image on the same engine.

mod figures;

use std::time::{Duration, Instant};

use alloy::providers::Provider as _;
use alloy::rpc::types::Filter;
use piecework::chain::{ChainError, MarketEvent, decode_event};
use piecework::image::PublishedImage;
use piecework::spec::Resources;
use piecework::{Job, Market, MarketConfig};
use serde_json::json;
use tokio::process::Command;

use crate::cli::{BeaconArg, BenchArgs};
use crate::devnet::{Devnet, shapes};
use crate::fail::{Failure, exit};
use crate::output::{Output, say};
use crate::signals::Interrupt;
use crate::workload;
use figures::Figures;

/// How often the node is asked: the error of one measurement.
const POLL: Duration = Duration::from_millis(2);
/// After this the executor is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(output: Output, args: BenchArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let interrupted = || {
        Failure::new("cli-interrupted", "interrupted; nothing is left behind")
            .exit(exit::INTERRUPTED)
    };
    let shapes = shapes(1);
    let devnet = tokio::select! {
        devnet = Devnet::start(&shapes, 0, BeaconArg::Block, &args.tools) => devnet?,
        () = interrupt.wait() => return Err(interrupted()),
    };
    let measured = tokio::select! {
        measured = Box::pin(measure(&devnet, &args)) => measured,
        () = interrupt.wait() => Err(interrupted()),
    };
    let ended = devnet.end().await;
    let (leases, runs) = measured?;
    ended?;

    let ratio = leases.median / runs.median;
    let value = json!({
        "lease_ms": leases,
        "docker_run_ms": runs,
        "ratio_of_medians": ratio,
        "measures": "lease: from the claim's block to the submit's, as the node shows them; docker: wall time of `docker run --rm --network none` of the same image",
    });
    let failed =
        |e: std::io::Error| Failure::new("bench-files", format!("{}: {e}", args.out.display()));
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    let file = args.out.join("bench.json");
    std::fs::write(&file, format!("{value:#}\n")).map_err(failed)?;
    output.result(&value, || {
        format!(
            "{}\nA lease takes {ratio:.2} times as long as a bare docker run (medians of {}); {}\n",
            figures::text(&[
                ("lease: claim mined to submit mined", &leases),
                ("docker run --rm --network none", &runs)
            ]),
            args.runs,
            file.display()
        )
    })
}

async fn measure(devnet: &Devnet, args: &BenchArgs) -> Result<(Figures, Figures), Failure> {
    let client = piecework::chain::keys::parse_key(&devnet.description.client.private_key)?;
    let config =
        MarketConfig::new(&devnet.description.rpc_url, devnet.description.market).signer(client);
    let market = Market::connect(config).await?;
    // Nobody else's: it must stay loaded between two measurements.
    let label = rand::random::<u64>().to_string();
    let image = workload::publish(&market, &args.workload, Some(&label)).await?;
    let name = load(&market, &image, &args.tools.docker).await?;
    let result = rounds(&market, &image, &name, args).await;
    // The copy that was loaded for `docker run`.
    let removed = docker(&args.tools.docker, &["image", "rm", "--force", &name]).await;
    let figures = result?;
    if let Err(error) = removed {
        say!("the benchmark's image stays in the engine: {error}");
    }
    Ok(figures)
}

async fn rounds(
    market: &Market,
    image: &PublishedImage,
    name: &str,
    args: &BenchArgs,
) -> Result<(Figures, Figures), Failure> {
    let docker_run = ["run", "--rm", "--network", "none", name, "noop"];
    // Once unmeasured: images are loaded, caches filled.
    lease(market, image).await?;
    docker(&args.tools.docker, &docker_run).await?;
    let (mut leases, mut runs) = (Vec::new(), Vec::new());
    for round in 1..=args.runs {
        leases.push(lease(market, image).await?);
        let start = Instant::now();
        docker(&args.tools.docker, &docker_run).await?;
        runs.push(start.elapsed());
        let last = |list: &[Duration]| list.last().map_or(0, Duration::as_millis);
        say!(
            "{round:>3}/{}  lease {} ms, docker run {} ms",
            args.runs,
            last(&leases),
            last(&runs)
        );
    }
    Ok((Figures::of(&leases)?, Figures::of(&runs)?))
}

/// Posts a job of one task that only exits; returns the time from its claim to its submit.
async fn lease(market: &Market, image: &PublishedImage) -> Result<Duration, Failure> {
    let price = 10u128.pow(u32::from(market.token().decimals));
    let job = Job::pinned(workload::pin(image))
        .args(["noop"])
        .max_price(price)
        .unaudited()
        .resources(Resources {
            timeout_seconds: 30,
            memory_bytes: 64 << 20,
            ..Resources::default()
        });
    let run = market.submit(job).await?;
    let filter = Filter::new()
        .address(market.address())
        .topic1(run.id())
        .from_block(run.posted_block());
    let asked = Instant::now();
    let mut claimed = None;
    let mut took = None;
    loop {
        let logs = market
            .provider()
            .get_logs(&filter)
            .await
            .map_err(|e| ChainError::from_rpc("eth_getLogs", e))?;
        let seen = Instant::now();
        for log in &logs {
            let at = decode_event(log, market.address()).map_err(Failure::internal)?;
            match at.event {
                MarketEvent::Claimed(_) => _ = claimed.get_or_insert(seen),
                MarketEvent::Submitted(_) => {
                    _ = took.get_or_insert_with(|| claimed.map(|at| seen - at))
                }
                // Wait for the end, so that it does not fall into the next measurement.
                MarketEvent::Settled(_) => {
                    let both = Failure::new(
                        "bench-too-fast",
                        "claim and submit were seen in the same moment",
                    );
                    return took.flatten().ok_or(both);
                }
                _ => {}
            }
        }
        if asked.elapsed() > PATIENCE {
            let what = format!(
                "job {} is not settled after {} s",
                run.id(),
                PATIENCE.as_secs()
            );
            return Err(Failure::new("bench-stuck", what)
                .next("Look at the executor's log: run again with -v."));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Loads the image into the engine and returns the name under which it runs there.
async fn load(market: &Market, image: &PublishedImage, host: &str) -> Result<String, Failure> {
    let archive = market.store().path_of(&image.archive);
    let said = docker(host, &["load", "--input", &archive.display().to_string()]).await?;
    let id = said
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"));
    let id = id.ok_or_else(|| Failure::new("bench-docker", format!("docker load said: {said}")))?;
    Ok(id.to_owned())
}

async fn docker(host: &str, args: &[&str]) -> Result<String, Failure> {
    let ran = Command::new("docker")
        .args(["--host", host])
        .args(args)
        .kill_on_drop(true)
        .output()
        .await;
    let ran = ran.map_err(|e| {
        Failure::new(
            "bench-docker",
            format!("cannot run the docker command: {e}"),
        )
    })?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        return Err(Failure::new(
            "bench-docker",
            format!("docker {}: {said}", args.join(" ")),
        ));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

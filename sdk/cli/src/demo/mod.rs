//! The demo: one picture, painted by strangers, every unit accounted for.

mod books;
mod gas;
mod record;
mod stitch;
mod timeline;

use std::path::{Path, PathBuf};

use piecework::spec::Resources;
use piecework::{Job, Market, MarketConfig};
use piecework_render::Scene;
use serde_json::json;

use crate::cli::DemoArgs;
use crate::devnet::{Devnet, shapes};
use crate::fail::{Failure, exit};
use crate::output::{Output, say};
use crate::progress::{Names, watch};
use crate::signals::Interrupt;
use crate::workload;
use books::{Audit, Books, Party, audit};
use record::Record;
use stitch::Picture;

/// Seconds in which a result can be challenged. Short, so that nobody has to wait; the path is the
/// protocol's whole one: nothing is accepted early, providers settle when the window is over.
const CHALLENGE_WINDOW: u64 = 3;
/// Prices of a task in hundredths of a token: what is offered first, and at last.
const PRICES: (u128, u128) = (25, 100);
/// Seconds in which the offer climbs from the first price to the last.
const RAMP: u64 = 30;

/// What a demo came to.
struct Story {
    picture: PathBuf,
    seconds: f64,
    tasks: u32,
    leases: Vec<timeline::Lease>,
    gas: Vec<gas::Gas>,
    audit: Audit,
    started_at: u64,
    decimals: u8,
    symbol: String,
}

pub(crate) async fn run(output: Output, args: DemoArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let interrupted = || {
        Failure::new("cli-interrupted", "interrupted; nothing is left behind")
            .exit(exit::INTERRUPTED)
    };
    // Before anything starts: what is missing should show at once.
    let (scene, scene_text) = scene(args.scene.as_deref())?;
    say!("-- a devnet of three providers");
    let shapes = shapes(3);
    let devnet = tokio::select! {
        devnet = Devnet::start(&shapes, 0, &args.tools) => devnet?,
        () = interrupt.wait() => return Err(interrupted()),
    };
    let told = tokio::select! {
        told = Box::pin(play(&devnet, &args, scene, &scene_text)) => told,
        () = interrupt.wait() => Err(interrupted()),
    };
    let ended = devnet.end().await;
    let story = told?;
    ended?;
    output.result(&story.json(), || story.text())?;
    story.verdict()
}

/// The scene, and its text as the tasks will read it.
fn scene(file: Option<&Path>) -> Result<(Scene, String), Failure> {
    let Some(file) = file else {
        return Ok((Scene::default(), piecework_render::DEFAULT_SCENE.to_owned()));
    };
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new("demo-scene", format!("scene {}: {e}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
    let scene = Scene::parse(&text).map_err(|e| failed(&e))?;
    Ok((scene, text))
}

async fn play(
    devnet: &Devnet,
    args: &DemoArgs,
    scene: Scene,
    scene_text: &str,
) -> Result<Story, Failure> {
    let description = &devnet.description;
    let parties = parties(devnet);
    let names = Names::of(
        parties
            .iter()
            .map(|party| (party.address, party.name.clone())),
    );
    let client = piecework::chain::keys::parse_key(&description.client.private_key)?;
    let config = MarketConfig::new(&description.rpc_url, description.market).signer(client);
    let market = Market::connect(config).await?;

    say!("-- an image with nothing but {}", args.workload.display());
    let image = workload::publish(&market, &args.workload).await?;
    say!(
        "image      {} ({} bytes)",
        image.manifest,
        image.archive_bytes
    );
    let scratch = tempfile::tempdir()
        .map_err(|e| Failure::new("demo-files", format!("cannot make a directory: {e}")))?;
    let input = scratch.path().join("scene");
    std::fs::create_dir(&input)
        .and_then(|()| std::fs::write(input.join("scene.toml"), scene_text))
        .map_err(|e| Failure::new("demo-files", format!("cannot write the scene: {e}")))?;

    let before = Record::read(&devnet.provider, description.market).await?;
    let before = Books::read(&devnet.provider, description.market, &parties, &before).await?;

    say!("-- one job of {} tasks", args.tasks);
    let cent = 10u128.pow(u32::from(market.token().decimals)) / 100;
    let job = Job::pinned(workload::pin(&image))
        .input(&input)
        .tasks(args.tasks)
        .min_price(PRICES.0 * cent, RAMP)
        .max_price(PRICES.1 * cent)
        .challenge_window(CHALLENGE_WINDOW)
        .resources(Resources {
            cpu_millis: 1_000,
            memory_bytes: 64 << 20,
            disk_bytes: 4 << 20,
            timeout_seconds: 60,
        });
    let run = market.submit(job).await?;
    watch(&run, &names).await?;

    let results = scratch.path().join("results");
    let done = run.download(&results).await?;
    if let Some(failed) = done.failed().next() {
        let log = failed.log.as_deref().unwrap_or("it left no log");
        return Err(Failure::new(
            "demo-task-failed",
            format!("task {} failed: {}\n{log}", failed.task, failed.outcome),
        ));
    }
    if !done.missing.is_empty() {
        return Err(Failure::new(
            "demo-missing",
            format!("tasks {:?} have no result", done.missing),
        ));
    }
    let mut picture = Picture::new(scene, args.tasks);
    for result in &done.tasks {
        picture.put(result.task, &result.dir.join("out/tile.png"))?;
    }
    std::fs::create_dir_all(&args.out).map_err(|e| {
        Failure::new(
            "demo-files",
            format!("cannot make {}: {e}", args.out.display()),
        )
    })?;
    let file = args.out.join("demo.png");
    picture.save(&file)?;
    let seconds = devnet.started.elapsed().as_secs_f64();
    say!(
        "-- all {} tiles verified against the chain: {}",
        done.tasks.len(),
        file.display()
    );

    let record = Record::read(&devnet.provider, description.market).await?;
    let after = Books::read(&devnet.provider, description.market, &parties, &record).await?;
    Ok(Story {
        picture: file,
        seconds,
        tasks: args.tasks,
        leases: timeline::leases(&record),
        gas: gas::by_kind(&record.txs),
        audit: audit(parties, before, after, &record),
        started_at: devnet.started_at,
        decimals: market.token().decimals,
        symbol: market.token().symbol.clone(),
    })
}

fn parties(devnet: &Devnet) -> Vec<Party> {
    let party = |name: &str, address| Party {
        name: name.to_owned(),
        address,
    };
    let description = &devnet.description;
    let mut parties = vec![party("client", description.client.address)];
    parties.extend(
        description
            .providers
            .iter()
            .map(|p| party(&p.account.name, p.account.address)),
    );
    parties.push(party("fee recipient", description.fee_recipient));
    parties
}

impl Story {
    fn text(&self) -> String {
        let count = self.leases.len();
        let mut text = format!(
            "\nTimeline: seconds since the devnet was asked for; # runs, . can be challenged, | is paid\n\n{}",
            timeline::text(
                &self.leases,
                &self.audit.parties,
                self.started_at,
                self.decimals
            )
        );
        text.push_str(&format!(
            "\nGas of every transaction since the devnet's first block\n\n{}",
            gas::text(&self.gas)
        ));
        text.push_str(&format!(
            "\nBalances in {}, before the job → after it\n\n{}",
            self.symbol,
            self.audit.text(self.decimals)
        ));
        let verdict = match self.audit.wrong.len() {
            0 => "Every balance adds up to the last unit.".to_owned(),
            n => format!("{n} sums do NOT add up."),
        };
        text.push_str(&format!(
            "\n{verdict}\n{} tasks in {count} leases; {:.1} s from the devnet's start to the verified picture: {}\n",
            self.tasks,
            self.seconds,
            self.picture.display()
        ));
        text
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "picture": self.picture,
            "seconds": self.seconds,
            "tasks": self.tasks,
            "leases": self.leases,
            "gas": self.gas,
            "balances": self.audit,
            "adds_up": self.audit.wrong.is_empty(),
        })
    }

    fn verdict(&self) -> Result<(), Failure> {
        if self.audit.wrong.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            "demo-books",
            format!(
                "the balances do not add up:\n{}",
                self.audit.wrong.join("\n")
            ),
        )
        .money("Money was made or lost: this is a bug of the contract or of this account of it."))
    }
}

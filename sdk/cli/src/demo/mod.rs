//! The demo: one picture, painted by strangers of whom one cheats; the cheat caught, every unit accounted for.

mod books;
mod cheat;
mod flows;
mod gas;
mod losses;
mod record;
mod scenes;
mod stitch;
mod story;
mod tile;
mod timeline;

use std::path::Path;

use alloy::primitives::Address;
use piecework::{Market, MarketConfig};
use piecework_render::Scene;

use crate::cli::{BeaconArg, DemoArgs};
use crate::devnet::{Devnet, Shape, shapes};
use crate::fail::{Failure, exit};
use crate::output::{Output, say};
use crate::progress::Names;
use crate::signals::Interrupt;
use crate::workload;
use books::{Books, Party, audit};
use cheat::Cheat;
use flows::Flows;
use losses::Losses;
use record::Record;
use scenes::Stage;
use story::Story;

/// Honest providers: three jurors, and one that they audit.
const HONEST: u32 = 4;

pub(crate) async fn run(output: Output, args: DemoArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let interrupted = || {
        Failure::new("cli-interrupted", "interrupted; nothing is left behind")
            .exit(exit::INTERRUPTED)
    };
    // Before anything starts: what is missing should show at once.
    let scene = scene(args.scene.as_deref())?;
    say!("-- a devnet of four honest providers, and one that is not");
    let shapes: Vec<Shape> = shapes(HONEST)
        .into_iter()
        .map(|shape| {
            shape
                .working_for(scenes::HONEST_PRICE)
                .with_room(scenes::LEASE)
        })
        .collect();
    let devnet = tokio::select! {
        devnet = Devnet::start(&shapes, 0, BeaconArg::Block, &args.tools) => devnet?,
        () = interrupt.wait() => return Err(interrupted()),
    };
    let told = tokio::select! {
        told = Box::pin(play(&devnet, &args, &scene)) => told,
        () = interrupt.wait() => Err(interrupted()),
    };
    let ended = devnet.end().await;
    let story = told?;
    ended?;
    output.result(&story.json(), || story.text())?;
    story.verdict()
}

fn scene(file: Option<&Path>) -> Result<Scene, Failure> {
    let Some(file) = file else {
        return Ok(Scene::default());
    };
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new("demo-scene", format!("scene {}: {e}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
    Scene::parse(&text).map_err(|e| failed(&e))
}

async fn play(devnet: &Devnet, args: &DemoArgs, scene: &Scene) -> Result<Story, Failure> {
    let description = &devnet.description;
    let cheat = Cheat::start(devnet).await?;
    let parties = parties(devnet, cheat.address());
    let names = Names::of(
        parties
            .iter()
            .map(|party| (party.address, party.name.clone())),
    );
    let client = piecework::chain::keys::parse_key(&description.client.private_key)?;
    let config = MarketConfig::new(&description.rpc_url, description.market).signer(client);
    let market = Market::connect(config).await?;

    say!("-- an image with nothing but {}", args.workload.display());
    let image = workload::publish(&market, &args.workload, None).await?;
    say!(
        "image      {} ({} bytes)",
        image.manifest,
        image.archive_bytes
    );
    let files = |e: std::io::Error| Failure::new("demo-files", format!("cannot write files: {e}"));
    let scratch = tempfile::tempdir().map_err(files)?;
    let (before, old) = balances(devnet, &parties).await?;

    let stage = Stage {
        market: &market,
        names: &names,
        image: &image,
        scratch: scratch.path(),
        cheat: &cheat,
    };
    let name = cheat::NAME;
    say!(
        "-- one job of {} tasks, each by three providers of whom two must agree; {name} paints one tile of a lease as a negative",
        args.tasks
    );
    let (first, picture) = Box::pin(stage.redundant(scene, args.tasks)).await?;
    std::fs::create_dir_all(&args.out).map_err(files)?;
    let file = args.out.join("demo.png");
    picture.save(&file)?;
    let painted = devnet.started.elapsed().as_secs_f64();
    say!(
        "-- all {} tiles verified against the chain: {}",
        args.tasks,
        file.display()
    );

    let small = small(scene);
    say!(
        "-- the same in small, {} tasks, by one provider, and {name} is quick, for the job is cheap at first: it hands in negatives. Chance draws a task and three jurors",
        scenes::TASKS
    );
    let second = Box::pin(stage.falsified(&small)).await?;
    say!(
        "-- {name} is convicted, and its client has no picture: the same job again, at a better price, and audited again"
    );
    let (third, picture) = Box::pin(stage.again(&small)).await?;
    if !picture.is_painted_well() {
        return Err(Failure::new(
            "demo-picture",
            "the small picture is not what this machine paints alone: a wrong tile went through",
        ));
    }
    let ended = devnet.started.elapsed().as_secs_f64();
    say!("-- to the last pixel what this machine paints alone");

    let record = Record::read(&devnet.provider, description.market).await?;
    let (after, new) = balances(devnet, &parties).await?;
    let party = Party {
        name: name.to_owned(),
        address: cheat.address(),
    };
    let leases = timeline::leases(&record);
    let taken = leases
        .iter()
        .find(|lease| lease.job == 2)
        .map_or((0, 0), |lease| (lease.count, lease.price));
    let forgone = new.forfeited - old.forfeited;
    let runs = [&first, &second];
    let losses = Losses::read(party, &runs, taken, forgone, &parties).await?;
    let mut audit = audit(parties, before, after, &old, &new);
    let (_, lost) = new.account(cheat.address());
    if losses.lost != lost {
        let told = losses.lost;
        audit.wrong.push(format!(
            "{name}: lost as explained != as the events say: {told} != {lost} units"
        ));
    }
    Ok(Story {
        picture: file,
        seconds: [painted, ended],
        tasks: first.tasks() + second.tasks() + third.tasks(),
        leases,
        gas: gas::by_kind(&record.txs),
        audit,
        cheat: losses,
        started_at: devnet.started_at,
        market,
    })
}

/// A quarter as wide and as high.
fn small(scene: &Scene) -> Scene {
    Scene {
        width: (scene.width / 4).max(16),
        height: (scene.height / 4).max(16),
        ..scene.clone()
    }
}

/// The balances now, and what the events until now say.
async fn balances(devnet: &Devnet, parties: &[Party]) -> Result<(Books, Flows), Failure> {
    let description = &devnet.description;
    let record = Record::read(&devnet.provider, description.market).await?;
    let flows = Flows::of(&record.events, description.fee_recipient)?;
    let (node, market) = (&devnet.provider, description.market);
    let books = Books::read(node, market, parties, record.head, &flows).await?;
    Ok((books, flows))
}

fn parties(devnet: &Devnet, cheat: Address) -> Vec<Party> {
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
    parties.push(party(cheat::NAME, cheat));
    parties.push(party("fee recipient", description.fee_recipient));
    parties
}

//! The two scenes: what the client buys, and how the cheat is caught.

use std::collections::BTreeSet;
use std::path::Path;

use futures::StreamExt as _;
use piecework::chain::IMarket::{Phase, Verdict};
use piecework::digest::Digest;
use piecework::image::PublishedImage;
use piecework::market::{Checked, LeaseView, Step};
use piecework::spec::Resources;
use piecework::{Error, Job, Market, Run};
use piecework_render::Scene;

use super::cheat::Cheat;
use super::stitch::Picture;
use super::tile::{FILE, Tile};
use crate::fail::Failure;
use crate::output::say;
use crate::progress::{Names, line, tasks, watch_for};
use crate::workload;

/// What is offered at first for a task, to each of its seats, in hundredths of a token.
const MIN_PRICE: u128 = 10;
/// Less than honest providers work for.
const LOW_PRICE: u128 = 1;
/// What they work for.
pub(crate) const HONEST_PRICE: u128 = 3;
/// By how much the offer climbs, and in how many seconds.
const CLIMB: u128 = 15;
const RAMP: u64 = 30;
/// Most tasks in one redundant lease: no more than the smallest machine takes.
const LEASE: u32 = 3;
/// Tasks of the contested job, and those of them that the cheat takes.
pub(crate) const TASKS: u32 = 6;
const TAKEN: u32 = 2;
/// Seconds in which a result can be challenged.
const CHALLENGE_WINDOW: u64 = 15;
/// What a juror of the contested job is paid, and the bond for each task, in tokens.
const JURY_FEE: u128 = 1;
const BOND: u128 = 5;
/// How often the client looks for results to check.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(300);

/// What both scenes need.
pub(crate) struct Stage<'a> {
    pub(crate) market: &'a Market,
    pub(crate) names: &'a Names,
    pub(crate) image: &'a PublishedImage,
    /// Directory for inputs and results.
    pub(crate) scratch: &'a Path,
    pub(crate) cheat: &'a Cheat,
}

impl Stage<'_> {
    /// Three providers paint each tile; two of three equal results make one.
    pub(crate) async fn redundant(
        &self,
        scene: &Scene,
        tasks: u32,
    ) -> Result<(Run, Picture), Failure> {
        let job = self
            .job(scene, tasks, MIN_PRICE)?
            .redundancy(3)
            .agree(2)
            .max_lease(LEASE)
            .bond(self.token());
        let run = self.market.submit(job).await?;
        let cheat = self.cheat.address();
        // Honest seats are told of when their lease is settled: all but the cheat's are of the majority.
        let news = |step: &Step| match step {
            Step::Joined { provider, .. }
            | Step::Committed { provider, .. }
            | Step::Revealed { provider, .. }
            | Step::SeatClosed { provider, .. } => *provider == cheat,
            _ => true,
        };
        let watched = Box::pin(watch_for(&run, self.names, news));
        tokio::try_join!(watched, Box::pin(self.cheat.sit(scene, run.id())))?;
        let picture = Box::pin(self.picture(&run, scene)).await?;
        Ok((run, picture))
    }

    /// One provider paints each tile; the client runs all again, contests what differs, and a jury decides.
    pub(crate) async fn contested(&self, scene: &Scene) -> Result<(Run, Picture), Failure> {
        let job = self
            .job(scene, TASKS, LOW_PRICE)?
            .challenge_window(CHALLENGE_WINDOW)
            .jury_fee(JURY_FEE * self.token())
            .bond(BOND * self.token());
        let run = self.market.submit(job).await?;
        tokio::try_join!(
            Box::pin(self.tell(&run)),
            Box::pin(self.check(&run, scene)),
            Box::pin(self.cheat.take(scene, run.id(), TAKEN)),
        )?;
        let picture = Box::pin(self.picture(&run, scene)).await?;
        Ok((run, picture))
    }

    fn token(&self) -> u128 {
        10u128.pow(u32::from(self.market.token().decimals))
    }

    fn job(&self, scene: &Scene, tasks: u32, min_price: u128) -> Result<Job, Failure> {
        let cent = self.token() / 100;
        let input = tempfile::tempdir_in(self.scratch).map(tempfile::TempDir::keep);
        let input = input.and_then(|input| {
            std::fs::write(input.join("scene.toml"), scene.to_string())?;
            Ok(input)
        });
        let input = input
            .map_err(|e| Failure::new("demo-files", format!("cannot write the scene: {e}")))?;
        Ok(Job::pinned(workload::pin(self.image))
            .input(input)
            .tasks(tasks)
            .min_price(min_price * cent, RAMP)
            .max_price((min_price + CLIMB) * cent)
            .resources(Resources {
                cpu_millis: 1_000,
                memory_bytes: 64 << 20,
                disk_bytes: 4 << 20,
                timeout_seconds: 60,
            }))
    }

    /// Every step, a line each.
    async fn tell(&self, run: &Run) -> Result<(), Failure> {
        let mut steps = std::pin::pin!(run.progress());
        while let Some(step) = steps.next().await {
            say!("{}", line(run, self.names, &step?));
        }
        Ok(())
    }

    /// The client's part: runs again what is submitted, until nothing is open.
    async fn check(&self, run: &Run, scene: &Scene) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        loop {
            let view = run.status().await?;
            if view.is_over() {
                return Ok(());
            }
            let fresh: Vec<&LeaseView> = view
                .leases
                .values()
                .filter(|lease| lease.phase == Phase::Submitted)
                .filter(|lease| seen.insert((lease.first, lease.round)))
                .collect();
            if !fresh.is_empty() {
                let again = async |task: u32| digest(scene, task, run.tasks()).await;
                let checked = Box::pin(run.spot_check(1.0, again)).await?;
                for lease in fresh {
                    let of = checked.iter().filter(|one| one.first == lease.first);
                    self.decide(run, lease, &of.collect::<Vec<_>>()).await?;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn decide(
        &self,
        run: &Run,
        lease: &LeaseView,
        checked: &[&Checked],
    ) -> Result<(), Failure> {
        let (name, what) = (
            self.names.name(&lease.provider),
            tasks(lease.first, lease.count),
        );
        let Some(wrong) = checked.iter().find(|one| one.differs()) else {
            if checked.len() < lease.count as usize {
                // Settled, or taken back, before the client came to it.
                return Ok(());
            }
            say!("     client ran {what} of {name} again: the same output");
            if lease.round > 1 {
                accept(run, lease.first).await?;
            }
            return Ok(());
        };
        say!(
            "     client ran {what} of {name} again: task {} is {} and not {}",
            wrong.task,
            short(wrong.own),
            short(wrong.theirs)
        );
        let challenge = run.challenge(wrong.task, wrong.own).await?;
        // Who loses the salt loses the deposit.
        let file = format!("challenge-{}-{}.json", lease.first, lease.round);
        challenge.save(&self.scratch.join(file))?;
        run.send_challenge(&challenge).await?;
        let judged = Box::pin(run.see_through(&challenge)).await?;
        if judged.verdict != Verdict::ProviderWrong {
            say!(
                "     the jury did not find what the client found ({:?})",
                judged.verdict
            );
        }
        Ok(())
    }

    /// The picture out of a job's verified results.
    async fn picture(&self, run: &Run, scene: &Scene) -> Result<Picture, Failure> {
        let done = run
            .download(self.scratch.join(run.id().to_string()))
            .await?;
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
        let mut picture = Picture::new(scene.clone(), run.tasks());
        for result in &done.tasks {
            picture.put(result.task, &result.dir.join("out").join(FILE))?;
        }
        Ok(picture)
    }
}

/// The first digits of a digest, enough to tell it from another.
fn short(digest: Digest) -> String {
    digest.to_string().chars().take(8).collect()
}

/// What the output digest of a task ought to be.
async fn digest(scene: &Scene, task: u32, tasks: u32) -> Result<Digest, Failure> {
    let tile = Tile::paint(scene, task, tasks, |_| {}).await?;
    Ok(tile.result.digest())
}

/// Settles a lease at once, unless its window has passed just now.
async fn accept(run: &Run, first: u32) -> Result<(), Failure> {
    match run.accept(first).await {
        Ok(_) => say!("     client accepts it, and does not wait for the window to pass"),
        Err(Error::Chain(error)) if error.revert().is_some() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

//! The scenes: what the client buys, how the cheat is caught, and how the client gets its picture all the same.

use std::path::Path;

use piecework::image::PublishedImage;
use piecework::market::Step;
use piecework::spec::Resources;
use piecework::{Job, Market, Run};
use piecework_render::Scene;

use super::cheat::Cheat;
use super::stitch::Picture;
use super::tile::FILE;
use crate::fail::Failure;
use crate::progress::{Names, watch_for};
use crate::workload;

/// What a task of the redundant job is paid, to each of its seats, in hundredths of a token.
const PRICE: u128 = 10;
/// What is offered at first for a task of an audited job: to all, and less than honest providers work for.
const MIN_PRICE: u128 = 5;
const LOW_PRICE: u128 = 1;
/// What they work for.
pub(crate) const HONEST_PRICE: u128 = 3;
/// By how much the offer climbs, and in how many seconds.
const CLIMB: u128 = 15;
const RAMP: u64 = 30;
/// Tasks in one redundant lease, and what each machine runs at a time.
pub(crate) const LEASE: u32 = 3;
/// Tasks of an audited job. The cheat takes all of one.
pub(crate) const TASKS: u32 = 4;
/// Fewest tasks in one of its leases.
const LEAST: u32 = 2;
/// Every lease is audited, so that the story always goes the same way.
const AUDITED: u16 = 10_000;
/// Seconds in which a due audit can begin, that one task may take, and that a round may take. A quarter of the last one is
/// the step in which the draw of seats grows.
const AUDIT_WINDOW: u64 = 60;
const TIMEOUT: u64 = 30;
const RUN_WINDOW: u64 = 54;

/// What all scenes need.
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
            .job(scene, tasks)?
            .redundant(3, 2)
            .max_price(PRICE * self.cent())
            .max_lease(LEASE)
            .bond(self.token());
        let run = self.market.submit(job).await?;
        let cheat = self.cheat.address();
        // Honest seats are told of when their lease is settled: all except the cheat's are of the majority.
        let news = |step: &Step| match step {
            Step::Joined { provider, .. }
            | Step::Committed { provider, .. }
            | Step::Opened { provider, .. }
            | Step::SeatClosed { provider, .. } => *provider == cheat,
            _ => true,
        };
        let watched = Box::pin(watch_for(&run, self.names, news));
        tokio::try_join!(watched, Box::pin(self.cheat.sit(scene, run.id())))?;
        let picture = Box::pin(self.picture(&run, scene)).await?;
        Ok((run, picture))
    }

    /// One provider paints all tiles, and it is the cheat: the job is cheap at first. Chance has it audited.
    pub(crate) async fn falsified(&self, scene: &Scene) -> Result<Run, Failure> {
        let job = self.audited(scene, LOW_PRICE)?.max_lease(TASKS);
        let run = self.market.submit(job).await?;
        let cheat = Box::pin(self.cheat.take(scene, run.id(), TASKS));
        tokio::try_join!(Box::pin(self.tell(&run)), cheat)?;
        let tally = run.status().await?.tally();
        if tally.void != TASKS {
            return Err(Failure::new(
                "demo-uncaught",
                format!("the cheat was not convicted: {tally:?}"),
            ));
        }
        Ok(run)
    }

    /// The same job again, for honest providers, who are audited as well.
    pub(crate) async fn again(&self, scene: &Scene) -> Result<(Run, Picture), Failure> {
        let job = self.audited(scene, MIN_PRICE)?.max_lease(2 * LEAST - 1);
        let run = self.market.submit(job).await?;
        Box::pin(self.tell(&run)).await?;
        let picture = Box::pin(self.picture(&run, scene)).await?;
        Ok((run, picture))
    }

    fn audited(&self, scene: &Scene, min_price: u128) -> Result<Job, Failure> {
        Ok(self
            .job(scene, TASKS)?
            .audited(AUDITED)
            .audit_window(AUDIT_WINDOW)
            .min_price(min_price * self.cent(), RAMP)
            .max_price((min_price + CLIMB) * self.cent())
            .min_lease(LEAST))
    }

    fn token(&self) -> u128 {
        10u128.pow(u32::from(self.market.token().decimals))
    }

    fn cent(&self) -> u128 {
        self.token() / 100
    }

    fn job(&self, scene: &Scene, tasks: u32) -> Result<Job, Failure> {
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
            .run_window(RUN_WINDOW)
            .resources(Resources {
                cpu_millis: 1_000,
                memory_bytes: 64 << 20,
                disk_bytes: 4 << 20,
                timeout_seconds: TIMEOUT,
            }))
    }

    /// Every step except openings, which the end of each seat tells again, a line each.
    async fn tell(&self, run: &Run) -> Result<(), Failure> {
        let news = |step: &Step| !matches!(step, Step::Opened { .. });
        watch_for(run, self.names, news).await
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

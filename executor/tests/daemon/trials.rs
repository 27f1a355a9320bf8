use std::time::Duration;

use piecework::{chain::MarketEvent, digest::manifest::Outcome};
use piecework_executor::Executor;

use crate::{
    net::PURSE,
    scene::{Scene, containers, eventually, naps, status_says},
};

impl Scene {
    /// Posts a job that is audited once in ten thousand times.
    async fn post_audited(&self, spec: &piecework::spec::JobSpec) -> alloy::primitives::B256 {
        self.post_with(spec, |job| {
            (job.assurance.auditBps, job.price.juryFee) = (1, 10);
            job.timing.auditWindow = 3_600;
        })
        .await
    }

    async fn skipped(&self, executor: &Executor, job: alloy::primitives::B256, why: &str) {
        status_says(executor, why, |status| {
            let mut skipped = status.skipped.iter();
            skipped.any(|skipped| skipped.job == job && skipped.why.contains(why))
        })
        .await;
    }

    /// Tasks in the first lease of a job, once there is one.
    async fn first_claim(&self, job: alloy::primitives::B256) -> Option<u32> {
        let events = self.events(job).await.into_iter();
        let claimed = |event| match event {
            MarketEvent::Claimed(event) => Some(event.count),
            _ => None,
        };
        events.filter_map(|at| claimed(at.event)).next()
    }
}

const TWO_OUTPUTS: &str = "gave two different outputs here: a jury could convict its results";

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_whose_output_depends_on_the_clock_is_never_taken_also_after_a_restart() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.chains[0].policy.strangers_percent = 90;
    let executor = Executor::start(config).await.unwrap();
    let spec = scene.spec(&["clock"], 3);
    let job = scene.post_audited(&spec).await;
    scene.skipped(&executor, job, TWO_OUTPUTS).await;
    assert_eq!(scene.first_claim(job).await, None);
    assert_eq!(scene.free_stake(provider).await, PURSE);
    // Its client has used the machine for nothing, and waits before it can do so again.
    let next = scene.post_audited(&scene.spec(&["nap", "1"], 1)).await;
    let why = "its spec is new here, and others are being tried first";
    scene.skipped(&executor, next, why).await;
    executor.stop().await.unwrap();

    // It is remembered, also for another job with the same spec: nothing is run again.
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let again = scene.post_audited(&spec).await;
    scene.skipped(&executor, again, TWO_OUTPUTS).await;
    assert!(containers(&format!("piecework.job={again:x}")).is_empty());
    // Where no jury sits it is taken.
    let unjudged = scene.post(&spec).await;
    scene.settled(unjudged, 1).await;
    let outcomes = scene.outputs(unjudged).await;
    assert_eq!(outcomes, vec![(Outcome::Exit(0), String::new()); 3]);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_spec_waits_while_bonded_work_needs_the_machine_and_is_taken_after() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.capacity.tasks = 1;
    let _mining = scene.keep_mining();
    let executor = Executor::start(config).await.unwrap();
    // Its trial takes a while, so that the known spec comes in the middle of it.
    let known = scene.spec(&["nap", "10"], 1);
    let first = scene.post_audited(&known).await;
    scene.settled(first, 1).await;
    let new = scene.post_audited(&scene.spec(&["nap", "12000"], 2)).await;
    let label = format!("piecework.job={new:x}");
    eventually("the trial runs", || async {
        !containers(&label).is_empty()
    })
    .await;
    let second = scene.post_audited(&known).await;
    eventually("the known one is claimed at once", || async {
        scene.first_claim(second).await.is_some()
    })
    .await;
    assert_eq!(scene.first_claim(new).await, None);
    let given_up = eventually("it is given up", || async { containers(&label).is_empty() });
    let in_time = tokio::time::timeout(Duration::from_secs(10), given_up).await;
    assert!(in_time.is_ok(), "the trial goes on");
    scene.settled(second, 1).await;
    scene.settled(new, 1).await;
    assert_eq!(scene.outputs(new).await, naps(2));
    executor.stop().await.unwrap();
}

//! One executor, two chains.

use std::time::{Duration, Instant};

use piecework::chain::IMarket;
use piecework_executor::{Config, Executor, Status, Verdict, check};

use crate::{
    cable::Cable,
    net::PURSE,
    scene::{Scene, eventually, naps},
    timeline::Timeline,
};

/// The id of the second chain.
const OTHER: u64 = 31_338;
/// The provider, by account: the same on both chains.
pub(crate) const ME: usize = 2;

/// Two chains, with a stake of the same provider on each.
pub(crate) async fn two() -> (Scene, Scene) {
    let (here, there) = (Scene::new().await, Scene::on(OTHER).await);
    assert_eq!(here.net.stake(ME).await, there.net.stake(ME).await);
    (here, there)
}

/// One machine for both; new specs are not tried.
fn both(here: &Scene, there: &Scene) -> Config {
    let mut config = here.config(ME);
    config.chains = vec![here.chain("here", ME), there.chain("there", ME)];
    for chain in &mut config.chains {
        chain.policy.try_seconds = 0;
    }
    config
}

async fn earned(scene: &Scene) -> u128 {
    let me = scene.net.key(ME).address();
    scene
        .net
        .contract()
        .ask(IMarket::balanceOfCall { account: me })
        .call()
        .await
        .unwrap()
}

async fn says(executor: &Executor, what: &str, check: impl Fn(&Status) -> bool) {
    eventually(what, || async { check(&executor.status()) }).await;
}

async fn page(executor: &Executor, name: &str) -> (u16, String) {
    let url = executor.admin_url().unwrap().join(name).unwrap();
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A job of one task, from posted to settled: how long it took.
async fn one_job(scene: &Scene) -> Duration {
    let begun = Instant::now();
    let job = scene.post(&scene.spec(&["nap", "10"], 1)).await;
    scene.settled(job, 1).await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_each_of_two_chains_is_run_settled_and_paid_by_one_executor() {
    let (here, there) = two().await;
    let config = both(&here, &there);
    let findings = check(&config).await;
    let of = |name: &str| {
        let of_it = findings
            .iter()
            .filter(|at| at.chain.as_deref() == Some(name));
        of_it.map(|at| (at.what, at.verdict)).collect::<Vec<_>>()
    };
    use Verdict::{Good, Missing, Warning};
    let fine = ["chain", "key", "stake", "gas"].map(|what| (what, Good));
    let node = ("node", Good);
    assert_eq!(
        of("here"),
        [&[node], &fine[..], &[("outputs", Good)]].concat()
    );
    // On a chain that is no devnet one node is few, time is this machine's, and others must reach the outputs.
    let public = [node, ("node", Warning), ("clock", Good)];
    assert_eq!(
        of("there"),
        [&public[..], &fine[..], &[("outputs", Missing)]].concat()
    );

    let executor = Executor::start(config).await.unwrap();
    // The same on both, so that both publish the same bytes.
    let (one, two) = (
        here.post(&here.spec(&["nap", "10"], 6)).await,
        there.post(&there.spec(&["nap", "10"], 6)).await,
    );
    assert_ne!(one, two);
    for (scene, job) in [(&here, one), (&there, two)] {
        scene.settled(job, 2).await;
        assert_eq!(scene.outputs(job).await, naps(6));
        let me = scene.net.key(ME).address();
        let profile = scene
            .net
            .contract()
            .ask(IMarket::profileOfCall { provider: me })
            .call()
            .await
            .unwrap();
        assert_eq!(profile.endpoint, executor.blob_url().as_str());
        // Six tasks at 100 less the fee of 2 %, and no stake is locked any more.
        assert_eq!(
            (earned(scene).await, scene.free_stake(me).await),
            (588, PURSE)
        );
        let log = format!("{}v1/logs/{job}/3", executor.blob_url());
        let log = reqwest::get(log).await.unwrap().text().await.unwrap();
        assert_eq!(log, "slept well\n");
    }
    says(&executor, "both are settled", |status| {
        let settled = |at: &piecework_executor::ChainStatus| {
            let mut leases = at.leases.iter();
            at.free_stake == PURSE && leases.all(|lease| lease.phase == "settled")
        };
        status.chains.iter().all(settled)
    })
    .await;
    let status = executor.status();
    let shown: Vec<_> = status
        .chains
        .iter()
        .map(|at| (&*at.name, at.chain_id))
        .collect();
    assert_eq!(shown, [("here", 31_337), ("there", OTHER)]);
    assert_eq!(page(&executor, "readyz").await, (200, "ok\n".to_owned()));
    let (_, metrics) = page(&executor, "metrics").await;
    for name in ["here", "there"] {
        let line = format!("piecework_free_stake{{chain=\"{name}\"}} {PURSE}");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_core_is_promised_twice_where_jobs_on_both_chains_need_all_of_them() {
    let (here, there) = two().await;
    let executor = Executor::start(both(&here, &there)).await.unwrap();
    let timeline = Timeline::start();
    let all_cores = |scene: &Scene| {
        let mut spec = scene.spec(&["nap", "700"], 3);
        spec.resources.cpu_millis = 2_000;
        spec
    };
    let (first, second) = (all_cores(&here), all_cores(&there));
    let (one, two) = tokio::join!(here.post(&first), there.post(&second));
    here.settled(one, 1).await;
    there.settled(two, 1).await;
    assert_eq!(timeline.busiest(&[(one, 2), (two, 2)]), (6, 2));
    assert_eq!(here.outputs(one).await, naps(3));
    assert_eq!(there.outputs(two).await, naps(3));
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_chain_delays_nothing_of_the_other_and_goes_on_when_it_is_back() {
    let (here, there) = two().await;
    let cable = Cable::to(&there).await;
    let mut config = both(&here, &there);
    config.chains[1].rpc_urls = vec![cable.url.clone()];
    let executor = Executor::start(config).await.unwrap();
    let usual = one_job(&here).await;

    // It dies while its job has all of the machine.
    let job = there.post(&there.spec(&["nap", "1500"], 2)).await;
    says(&executor, "its tasks run", |status| {
        status.chains[1].running_tasks == 2
    })
    .await;
    cable.cut();
    says(&executor, "its work is done", |status| {
        status.chains[1]
            .leases
            .iter()
            .any(|lease| lease.tasks_done == 2)
    })
    .await;
    for _ in 0..2 {
        let took = one_job(&here).await;
        assert!(
            took < usual + Duration::from_secs(5),
            "{took:?}, usually {usual:?}"
        );
    }
    let (code, why) = page(&executor, "readyz").await;
    assert_eq!(code, 503);
    assert!(
        why.starts_with("there: the chain cannot be followed: "),
        "{why}"
    );
    assert!(why.lines().all(|line| line.starts_with("there: ")), "{why}");
    let (_, metrics) = page(&executor, "metrics").await;
    for line in [
        "piecework_ready{chain=\"here\"} 1",
        "piecework_ready{chain=\"there\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(there.count(job, "Submitted").await, 0);

    cable.lead_to(&there);
    there.settled(job, 1).await;
    assert_eq!(there.outputs(job).await, naps(2));
    assert_eq!(earned(&there).await, 196);
    eventually("it is ready again", || async {
        page(&executor, "readyz").await.0 == 200
    })
    .await;

    // Now it dies for good, and nothing is owed there.
    drop(there);
    let took = one_job(&here).await;
    assert!(
        took < usual + Duration::from_secs(5),
        "{took:?}, usually {usual:?}"
    );
    let stopped = tokio::time::timeout(Duration::from_secs(20), executor.stop()).await;
    stopped.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_leads_to_another_chain_is_silent_and_nothing_is_forgotten() {
    let (here, there) = two().await;
    let cable = Cable::to(&there).await;
    let mut config = both(&here, &there);
    config.chains[1].rpc_urls = vec![cable.url.clone()];
    let executor = Executor::start(config).await.unwrap();
    let job = there.post(&there.spec(&["nap", "1500"], 2)).await;
    says(&executor, "its tasks run", |status| {
        status.chains[1].running_tasks == 2
    })
    .await;
    let block = executor.status().chains[1].head_block;
    cable.lead_to(&here);
    says(&executor, "it says so", |status| {
        let blocked = &status.chains[1].blocked;
        blocked
            .iter()
            .any(|why| why.contains("it serves chain 31337, not chain 31338"))
    })
    .await;
    says(&executor, "its work is done", |status| {
        status.chains[1]
            .leases
            .iter()
            .any(|lease| lease.tasks_done == 2)
    })
    .await;
    assert!(executor.status().chains[1].head_block >= block);
    one_job(&here).await;
    cable.lead_to(&there);
    there.settled(job, 1).await;
    assert_eq!(there.outputs(job).await, naps(2));
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_what_is_bonded_on_both_chains_and_takes_nothing_new() {
    let (here, there) = two().await;
    let mut config = both(&here, &there);
    for chain in &mut config.chains {
        chain.policy.max_leases = 1;
    }
    let executor = Executor::start(config).await.unwrap();
    let small = |scene: &Scene, millis: &str| {
        let mut spec = scene.spec(&["nap", millis], 2);
        spec.resources.cpu_millis = 1_000;
        spec
    };
    // One at a time on each chain, so that both run together.
    let one_task = |job: &mut IMarket::Job| job.terms.maxLease = 1;
    let (one, two) = (
        here.post_with(&small(&here, "2000"), one_task).await,
        there.post_with(&small(&there, "5000"), one_task).await,
    );
    says(&executor, "both run", |status| status.running_tasks == 2).await;
    executor.stop().await.unwrap();
    for (scene, job) in [(&here, one), (&there, two)] {
        let counts = (
            scene.count(job, "Claimed").await,
            scene.count(job, "Submitted").await,
        );
        assert_eq!(counts, (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_of_two_chains_is_told_with_its_name_and_nothing_is_started() {
    let (here, there) = two().await;
    let error = async |change: fn(&mut Config)| {
        let mut config = both(&here, &there);
        change(&mut config);
        let error = Executor::start(config).await.unwrap_err();
        (error.code(), error.to_string())
    };
    let (code, text) = error(|config| config.chains[1].market = config.chains[1].provider).await;
    assert_eq!(code, "chain-no-market");
    assert!(
        text.starts_with("chain \"there\": there is no contract at "),
        "{text}"
    );
    let (code, text) =
        error(|config| config.chains[1].rpc_urls = config.chains[0].rpc_urls.clone()).await;
    assert_eq!(code, "chain-wrong-chain");
    assert!(
        text.contains("serves chain 31337, but chain 31338 is configured"),
        "{text}"
    );
    // Of two that do not answer the first is named: then there is nothing to do here.
    let (code, text) = error(|config| {
        for chain in &mut config.chains {
            chain.rpc_urls = vec!["http://127.0.0.1:1".parse().unwrap()];
        }
    })
    .await;
    assert_eq!(code, "chain-unreachable");
    assert!(text.starts_with("chain \"here\": "), "{text}");
    assert!(!here.state_dir(ME).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_state_of_one_chain_is_told_and_is_nothing_to_the_other() {
    let (here, there) = two().await;
    let executor = Executor::start(both(&here, &there)).await.unwrap();
    let usual = one_job(&here).await;
    let database = here.state_dir(ME).join("chains/there/executor.sqlite");
    let database = rusqlite::Connection::open(database).unwrap();
    database.execute_batch("DROP TABLE journal").unwrap();
    there.post(&there.spec(&["nap", "10"], 1)).await;
    eventually("it is told", || async {
        let (code, why) = page(&executor, "readyz").await;
        code == 503
            && why.contains("there: loop failed: the database failed: no such table: journal")
    })
    .await;
    for _ in 0..2 {
        let took = one_job(&here).await;
        assert!(
            took < usual + Duration::from_secs(5),
            "{took:?}, usually {usual:?}"
        );
    }
    let blocked = &executor.status().chains[0].blocked;
    assert!(blocked.is_empty(), "{blocked:?}");
    executor.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_started_again_finds_the_machine_it_promised() {
    let (here, there) = two().await;
    let executor = Executor::start(both(&here, &there)).await.unwrap();
    let job = |scene: &Scene, nap: &str, cpu_millis| {
        let mut spec = scene.spec(&["nap", nap], 1);
        spec.resources.cpu_millis = cpu_millis;
        spec
    };
    let half = there.post(&job(&there, "6000", 1_000)).await;
    says(&executor, "its task runs", |status| {
        status.chains[1].running_tasks == 1
    })
    .await;
    // As on a full disk: no result can be written down.
    let database = here.state_dir(ME).join("chains/there/executor.sqlite");
    let database = rusqlite::Connection::open(database).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    let full = "BEFORE INSERT ON journal BEGIN SELECT raise(ABORT, 'no space'); END";
    database
        .execute_batch(&format!("CREATE TRIGGER full {full}"))
        .unwrap();
    let small = there.post(&job(&there, "10", 500)).await;
    eventually("it is told", || async {
        let (_, why) = page(&executor, "readyz").await;
        why.contains("there: loop failed: the database failed: no space")
    })
    .await;
    // Half of the machine is still promised: what needs all of it waits.
    let all = here.post(&job(&here, "10", 2_000)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(here.count(all, "Claimed").await, 0);
    database.execute_batch("DROP TRIGGER full").unwrap();
    there.settled(half, 1).await;
    there.settled(small, 1).await;
    here.settled(all, 1).await;
    for scene in [&here, &there] {
        let me = scene.net.key(ME).address();
        assert_eq!(scene.free_stake(me).await, PURSE);
    }
    executor.stop().await.unwrap();
}

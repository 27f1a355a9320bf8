//! Juries that do not come, do not vote, or wait for the provider.

use alloy::{
    primitives::{B256, keccak256},
    providers::ext::AnvilApi as _,
};
use piecework::{chain::IMarket, digest::Digest};

use crate::{
    jury::{FEE, Submitted, honest},
    net::PURSE,
    scene::{Scene, eventually},
};

const SALT: B256 = B256::repeat_byte(7);

impl Scene {
    /// Publishes the seed that decides about the lease.
    async fn publish_seed_of(&self, id: B256) {
        let market = self.net.contract();
        let point = market
            .ask(IMarket::leaseOfCall {
                jobId: id,
                first: 0,
            })
            .call()
            .await
            .unwrap()
            .point;
        self.net.publish_seed(point).await;
    }

    /// Account `index` takes a seat of the first jury.
    async fn sits(&self, job: &IMarket::Job, index: usize) {
        let juror = self.net.sender(index);
        let join = IMarket::joinJuryCall {
            job: job.clone(),
            first: 0,
            round: 1,
            jury: 1,
            provider: juror.address(),
        };
        eventually("it is drawn", || async {
            juror.call(self.net.market, &join).await.is_ok()
        })
        .await;
    }

    /// What account `index` opens if it votes so.
    async fn vote_of(&self, index: usize, digest: Digest) -> IMarket::Opening {
        let market = self.net.contract();
        let provider = self.net.key(index).address();
        IMarket::Opening {
            number: market
                .ask(IMarket::providerOfCall { provider })
                .call()
                .await
                .unwrap()
                .number,
            value: digest.into(),
            // No contract can tell whether it is right.
            proof: keccak256("the same keyed digest"),
            salt: SALT,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jurors_that_cannot_have_the_input_do_not_come_and_lose_nothing() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let _mining = scene.keep_mining();
    let mut spec = scene.spec(&["nap", "10"], 2);
    // The client's server does not have it.
    spec.input = Some(Digest::of(b"withheld"));
    let digests = [honest(0), honest(1)];
    let Submitted { job, id, provider } = scene
        .submitted_by_hand(&spec, digests, true, |job| job.timing.auditWindow = 12)
        .await;
    let executors = scene.executors([2, 3, 4]).await;
    tokio::time::sleep(std::time::Duration::from_secs(13)).await;
    assert_eq!(scene.count(id, "AuditOpened").await, 0);
    let finalize = IMarket::finalizeCall {
        job,
        firsts: vec![0],
    };
    provider.call(scene.net.market, &finalize).await.unwrap();
    let contested = (IMarket::Phase::Settled, IMarket::Grade::Contested);
    assert_eq!(scene.phase(id).await, contested);
    for index in [2, 3, 4] {
        let juror = scene.net.key(index).address();
        assert_eq!(scene.free_stake(juror).await, PURSE);
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_comes_to_the_jury_the_provider_finalizes_when_its_time_is_over() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let _mining = scene.keep_mining();
    let executors = scene.executors([2]).await;
    let spec = scene.spec(&["nap", "10"], 2);
    let change = |job: &mut IMarket::Job| job.timing.auditWindow = 6;
    let (_, id) = scene.post_audited_always(&spec, change).await;
    scene.settled(id, 1).await;
    let contested = (IMarket::Phase::Settled, IMarket::Grade::Contested);
    assert_eq!(scene.phase(id).await, contested);
    assert_eq!(scene.free_stake(provider).await, PURSE);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_brings_its_leaf_when_two_votes_agree_and_only_that_is_missing() {
    let scene = Scene::new().await;
    for index in [2, 5, 6, 7] {
        scene.net.stake(index).await;
    }
    let _mining = scene.keep_mining();
    // Alone it takes the lease; the jurors vote by hand.
    let executors = scene.executors([2]).await;
    let spec = scene.spec(&["nap", "10"], 2);
    let (job, id) = scene.post_audited_always(&spec, |_| {}).await;
    eventually("a result", || async {
        scene.count(id, "Submitted").await == 1
    })
    .await;
    scene.publish_seed_of(id).await;
    for index in [5, 6, 7] {
        scene.sits(&job, index).await;
    }
    let market = scene.net.contract();
    let task = market
        .ask(IMarket::auditOfCall {
            jobId: id,
            first: 0,
        })
        .call()
        .await
        .unwrap()
        .task;
    let mut openings = Vec::new();
    for index in [5, 6, 7] {
        let opening = scene.vote_of(index, honest(task)).await;
        let number = opening.number;
        let commitment = market.ask(IMarket::commitmentOfCall {
            jobId: id,
            first: 0,
            round: 1,
            kind: 1,
            number,
            value: opening.value,
            proof: opening.proof,
            salt: SALT,
        });
        let juror = scene.net.sender(index);
        let commit = IMarket::commitVoteCall {
            job: job.clone(),
            first: 0,
            round: 1,
            jury: 1,
            provider: juror.address(),
            commitment: commitment.call().await.unwrap(),
        };
        juror.call(scene.net.market, &commit).await.unwrap();
        openings.push(opening);
    }
    openings.sort_unstable_by_key(|opening| opening.number);
    let judge = IMarket::judgeCall {
        job,
        first: 0,
        round: 1,
        jury: 1,
        openings,
        leaf: B256::ZERO,
        proof: vec![],
    };
    let juror = scene.net.sender(5);
    juror.call(scene.net.market, &judge).await.unwrap();
    assert_eq!(scene.count(id, "LeafMissed").await, 1);
    let verdict = scene.verdict(id, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Acquitted);
    assert_eq!(Digest::from(verdict.leaf), honest(task));
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_jury_without_a_verdict_a_second_one_is_drawn_and_decides() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5, 6, 7] {
        scene.net.stake(index).await;
    }
    let mining = scene.keep_mining();
    let mut spec = scene.spec(&["nap", "10"], 2);
    spec.resources.timeout_seconds = 5;
    let digests = [honest(0), honest(1)];
    let Submitted { job, id, provider } = scene
        .submitted_by_hand(&spec, digests, true, |job| job.timing.runWindow = 20)
        .await;
    scene.publish_seed_of(id).await;
    // They reserve their seats, and never vote.
    for index in [6, 7] {
        scene.sits(&job, index).await;
    }
    let anvil = &scene.net.provider;
    anvil.anvil_increase_time(20 + 30 + 1).await.unwrap();
    anvil.anvil_mine(Some(1), None).await.unwrap();
    let mut openings = Vec::new();
    for index in [6, 7] {
        let nothing = IMarket::Opening {
            salt: B256::ZERO,
            ..scene.vote_of(index, honest(0)).await
        };
        openings.push(nothing);
    }
    openings.sort_unstable_by_key(|opening| opening.number);
    let judge = IMarket::judgeCall {
        job,
        first: 0,
        round: 1,
        jury: 1,
        openings,
        leaf: B256::ZERO,
        proof: vec![],
    };
    provider.call(scene.net.market, &judge).await.unwrap();
    assert_eq!(scene.phase(id).await.0, IMarket::Phase::Undecided);
    let executors = scene.executors([2, 3, 4]).await;
    let verdict = scene.verdict(id, 2).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Acquitted);
    let audited = (IMarket::Phase::Settled, IMarket::Grade::Audited);
    assert_eq!(scene.phase(id).await, audited);
    let ends = scene.ends(id).await;
    // Those of the first jury lost a tenth of eight fees.
    let late = (IMarket::SeatEnd::Late, 0, 8);
    let paid = (IMarket::SeatEnd::Paid, FEE, 0);
    assert_eq!(ends, [late, late, paid, paid, paid]);
    drop(mining);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

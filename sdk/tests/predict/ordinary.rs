//! Jobs and ordinary leases.

use alloy::primitives::B256;
use piecework::chain::IMarket::Grade;
use piecework::chain::{IMarket, MarketEvent};
use piecework::rules;

use crate::common::TOKEN;
use crate::scene::{FEE_BPS, SPEC, Scene};

fn claim(scene: &Scene, job: &IMarket::Job, provider: usize, most: u32) -> IMarket::claimCall {
    IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[provider],
        least: 1,
        most,
    }
}

fn submit(scene: &Scene, job: &IMarket::Job, provider: usize) -> IMarket::submitCall {
    IMarket::submitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider: scene.who[provider],
        root: B256::repeat_byte(5),
        digestList: B256::repeat_byte(6),
    }
}

#[tokio::test]
async fn a_posting_is_refused_as_foretold_and_taken_as_foretold() {
    let scene = Scene::start().await;
    let now = scene.soon().await + 10;
    let good = scene.job(now);
    let post = |job: &IMarket::Job| IMarket::postCall {
        job: job.clone(),
        spec: SPEC.into(),
    };
    let refused = async |change: &dyn Fn(&mut IMarket::Job), name: &str| {
        let mut job = good.clone();
        change(&mut job);
        scene.refused(1, &post(&job), now, name).await;
    };
    refused(&|job| job.terms.client = scene.who[2], "NotClient").await;
    refused(&|job| job.terms.tasks = 0, "NoTasks").await;
    refused(&|job| job.terms.maxLease = 2_049, "BadLeaseSize").await;
    refused(&|job| job.terms.minLease = 3, "BadLeaseSize").await;
    refused(&|job| job.assurance.quorum = 2, "BadQuorum").await;
    refused(&|job| job.assurance.refund = true, "RefundNeedsAudits").await;
    refused(&|job| job.price.juryFee = 1, "BadAudit").await;
    refused(&|job| job.timing.ramp = rules::MAX_WINDOW + 1, "BadWindow").await;
    refused(&|job| job.timing.runWindow = 9, "BadWindow").await;
    refused(&|job| job.timing.closesAt = now - 1, "BadSchedule").await;
    refused(&|job| job.terms.spec = B256::ZERO, "SpecMismatch").await;
    refused(&|job| job.price.minPrice = 4 * TOKEN, "BadPriceRange").await;
    refused(&|job| job.price.maxPrice = 1 << 95, "AmountTooLarge").await;
    let three = |job: &mut IMarket::Job| {
        (job.assurance.replicas, job.assurance.quorum) = (3, 2);
        job.assurance.verifier = scene.who[3];
    };
    refused(&three, "OneReplicaOnly").await;
    let audited = scene.audited(now, 5_000);
    let refused = async |change: &dyn Fn(&mut IMarket::Job), name: &str| {
        let mut job = audited.clone();
        change(&mut job);
        scene.refused(1, &post(&job), now, name).await;
    };
    refused(&|job| job.assurance.auditBps = 10_001, "BadAudit").await;
    refused(
        &|job| job.assurance.verifier = scene.who[3],
        "AuditsOrVerifier",
    )
    .await;
    refused(&|job| job.timing.auditWindow = 29, "BadWindow").await;
    refused(&|job| job.price.bond = 0, "BondNeeded").await;
    // Whoever staked last did so less than 100 s before.
    refused(&|_| (), "NoStakeToDraw").await;
    scene.stake(2, TOKEN).await;
    let old = scene.now().await + 100;
    refused(&|_| (), "NoStakeToDraw").await;
    let aged = post(&audited);
    let aged = scene.refused(1, &aged, old, "InsufficientBalance").await;
    assert_eq!(aged.window.from, None);
    // The balance is a unit too little, and then enough.
    let now = scene.soon().await + 10;
    let escrow = rules::escrow_of(&good, 10).unwrap();
    assert_eq!(escrow, 30 * TOKEN);
    scene.deposit(1, escrow - 1).await;
    let short = scene
        .refused(1, &post(&good), now, "InsufficientBalance")
        .await;
    assert_eq!(short.window.from, None);
    scene.deposit(1, 1).await;
    let taken = scene.done(1, &post(&good), now).await;
    // Until the second in which the job closes.
    assert_eq!(taken.window.until, Some(good.timing.closesAt));
    scene.refused(1, &post(&good), now + 1, "JobExists").await;
}

#[tokio::test]
async fn a_lease_costs_and_brings_what_was_foretold() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    scene.stake(2, 100 * TOKEN).await;
    let opens = scene.now().await + 500;
    let job = scene.job(opens);
    let four = claim(&scene, &job, 2, 9);
    scene.refused(2, &four, opens, "JobUnknown").await;
    scene.post(&job).await;

    // Too early, and from its opening on.
    let now = scene.soon().await;
    let early = scene.refused(2, &four, now, "TooEarly").await;
    assert_eq!(
        (early.window.from, early.window.until),
        (Some(opens), Some(opens + 5_000))
    );
    scene.refused(3, &four, opens, "NotOperator").await;
    let five = IMarket::claimCall {
        least: 5,
        ..four.clone()
    };
    scene.refused(2, &five, opens, "LeaseDoesNotFit").await;
    let poor = scene
        .refused(3, &claim(&scene, &job, 3, 1), now, "TooEarly")
        .await;
    assert_eq!(poor.window.from, None, "time alone does not make it valid");
    scene
        .refused(3, &claim(&scene, &job, 3, 1), opens, "InsufficientStake")
        .await;
    let mut other = job.clone();
    other.price.bond += 1;
    scene
        .refused(2, &claim(&scene, &other, 2, 1), opens, "JobUnknown")
        .await;

    // A third of the way up the ramp: four of the nine that were asked for.
    let at = opens + 333;
    let taken = scene.done(2, &four, at).await;
    let cost = taken.cost.unwrap();
    assert_eq!((cost.count, cost.origin, cost.bond), (4, at, 20 * TOKEN));
    assert_eq!(cost.late, 2 * TOKEN);
    let contract = scene.market.contract();
    let price = contract
        .ask(IMarket::priceAtCall {
            job: job.clone(),
            time: at,
        })
        .call()
        .await
        .unwrap();
    assert_eq!(cost.price, price);
    let locked = contract
        .ask(IMarket::providerOfCall {
            provider: scene.who[2],
        })
        .call()
        .await
        .unwrap();
    assert_eq!(locked.stake - locked.free, cost.bond);

    let unstake = IMarket::unstakeCall {
        to: scene.who[2],
        amount: 81 * TOKEN,
    };
    scene
        .refused(2, &unstake, at + 1, "InsufficientStake")
        .await;

    // It ends well: paid, fee and refund are those of the cost.
    let submit = submit(&scene, &job, 2);
    let zero = IMarket::submitCall {
        root: B256::ZERO,
        ..submit.clone()
    };
    let other = IMarket::submitCall {
        round: 2,
        ..submit.clone()
    };
    scene.refused(2, &zero, at + 1, "ZeroRoot").await;
    scene.refused(2, &other, at + 1, "WrongRound").await;
    scene.refused(2, &submit, at + 81, "TooLate").await;
    let submitted = scene.done(2, &submit, at + 80).await;
    assert_eq!(submitted.window.until, Some(at + 80));
    let Ok([MarketEvent::Submitted(_), MarketEvent::Settled(settled)]) =
        submitted.outcome.as_deref()
    else {
        panic!("{submitted:?}");
    };
    assert_eq!(
        (settled.grade, settled.paid, settled.fee, settled.refunded),
        (Grade::Unaudited, cost.paid, cost.fee, cost.refunded)
    );
    assert_eq!(cost.paid + cost.fee + cost.refunded, cost.escrow);
    assert_eq!(cost.fee, 4 * price * u128::from(FEE_BPS) / 10_000);
}

#[tokio::test]
async fn a_lease_leaves_a_quarter_of_the_stake_free() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    scene.stake(2, 20 * TOKEN).await;
    let opens = scene.now().await + 100;
    let job = scene.job(opens);
    scene.post(&job).await;
    // Four tasks lock all of the stake, three leave a quarter.
    scene
        .refused(2, &claim(&scene, &job, 2, 4), opens, "InsufficientStake")
        .await;
    let three = scene.done(2, &claim(&scene, &job, 2, 3), opens).await;
    assert_eq!(three.cost.unwrap().bond, 15 * TOKEN);
}

#[tokio::test]
async fn an_audited_result_is_settled_when_chance_or_time_says() {
    let scene = Scene::start().await;
    scene.deposit(1, 100 * TOKEN).await;
    scene.stake(2, 100 * TOKEN).await;
    let opens = scene.now().await + 300;
    // One lease that is surely audited, and one that is surely not: of two jobs.
    let job = |audit_bps: u16| scene.audited(opens, audit_bps);
    for audit_bps in [10_000, 1] {
        let call = IMarket::postCall {
            job: job(audit_bps),
            spec: SPEC.into(),
        };
        let at = scene.now().await + 101;
        scene.done(1, &call, at).await;
    }
    let finalize = |audit_bps: u16| IMarket::finalizeCall {
        job: job(audit_bps),
        firsts: vec![0, 4],
    };
    let (sure, spared) = (job(10_000), job(1));
    let at = opens + 10;
    for (offset, job) in [(0, &sure), (2, &spared)] {
        scene.done(2, &claim(&scene, job, 2, 2), at + offset).await;
        scene
            .done(2, &submit(&scene, job, 2), at + offset + 1)
            .await;
    }
    let over = at + 3 + 60;
    let settled = async |audit_bps: u16, at: u64| {
        let prediction = scene.foretold(4, &finalize(audit_bps), at).await;
        match prediction.outcome.as_deref() {
            Ok([]) => Grade::None,
            Ok([MarketEvent::Settled(event)]) => event.grade,
            other => panic!("{other:?}"),
        }
    };
    // Without the seed: nothing before the time is over.
    assert_eq!(settled(1, at + 4).await, Grade::None);
    assert_eq!(
        (settled(1, over).await, settled(1, over + 1).await),
        (Grade::None, Grade::Unaudited)
    );
    scene.two_blocks().await;
    for job in [&sure, &spared] {
        scene.keep(scene.point(job, 0).await).await;
    }
    let now = scene.soon().await;
    assert!(now < over, "the test itself took too long");
    assert_eq!(
        (settled(1, now).await, settled(10_000, now).await),
        (Grade::Unaudited, Grade::None)
    );
    assert_eq!(settled(10_000, over + 1).await, Grade::Contested);
}

#[tokio::test]
async fn rounds_end_and_begin_as_foretold() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    scene.stake(2, 100 * TOKEN).await;
    scene.stake(3, 100 * TOKEN).await;
    let opens = scene.now().await + 100;
    let job = scene.job(opens);
    scene.post(&job).await;
    scene.done(2, &claim(&scene, &job, 2, 2), opens).await;
    let expire = IMarket::expireCall {
        job: job.clone(),
        first: 0,
    };
    let takeover = |provider: usize, first: u32| IMarket::takeoverCall {
        job: job.clone(),
        provider: scene.who[provider],
        first,
    };
    let leave = |provider: usize, round: u16| IMarket::leaveCall {
        job: job.clone(),
        first: 0,
        round,
        provider: scene.who[provider],
    };
    let late = scene.refused(3, &expire, opens + 1, "TooEarly").await;
    assert_eq!(
        (late.window.from, late.window.until),
        (Some(opens + 81), None)
    );
    scene.refused(3, &leave(3, 1), opens + 1, "NotHolder").await;
    scene
        .refused(2, &leave(2, 2), opens + 1, "WrongRound")
        .await;
    // Given up for nothing in the first eighth of the first round, then in proportion to the time.
    let burned = async |provider: usize, round: u16, at: u64| {
        let prediction = scene.foretold(provider, &leave(provider, round), at).await;
        let Ok([MarketEvent::Freed(freed)]) = prediction.outcome.as_deref() else {
            panic!("{prediction:?}");
        };
        freed.burned
    };
    let free = rules::leave_free_by(80, opens);
    // A tenth of ten tokens for 80 seconds.
    assert_eq!(burned(2, 1, free).await, 0);
    assert_eq!(burned(2, 1, free + 1).await, TOKEN * 11 / 80);
    assert_eq!(burned(2, 1, opens + 80).await, TOKEN);
    scene.refused(2, &leave(2, 1), opens + 81, "TooLate").await;
    scene
        .refused(3, &takeover(3, 0), opens + 80, "WrongPhase")
        .await;
    scene
        .refused(2, &takeover(2, 0), opens + 81, "BarredFromRound")
        .await;
    // A takeover ends the late round itself, and says so.
    let taken = scene.done(3, &takeover(3, 0), opens + 81).await;
    assert_eq!(taken.outcome.as_ref().unwrap().len(), 2);
    assert_eq!(taken.window.until, Some(opens + 5_000));
    // A second round has no free part.
    let left = opens + 81 + 8;
    assert_eq!(burned(3, 2, left).await, TOKEN / 10);
    scene.done(3, &leave(3, 2), left).await;
    // The ramp stood still while the lease was held: it was free for the second after its deadline.
    let again = scene.done(2, &takeover(2, 0), left).await;
    assert_eq!(
        again.cost.unwrap().price,
        rules::price_at(&job, opens + 1).unwrap()
    );
    scene.done(2, &leave(2, 3), left + 1).await;

    let close = |firsts: Vec<u32>| IMarket::closeCall {
        job: job.clone(),
        firsts,
    };
    let open = scene
        .refused(4, &close(vec![0]), left + 2, "JobStillOpen")
        .await;
    assert_eq!(open.window.from, Some(opens + 5_001));
    let cancel = IMarket::cancelCall { job: job.clone() };
    scene.refused(2, &cancel, left + 2, "NotClient").await;
    scene.done(1, &cancel, left + 2).await;
    scene.refused(1, &cancel, left + 3, "JobIsCancelled").await;
    scene
        .refused(2, &claim(&scene, &job, 2, 2), left + 3, "JobIsCancelled")
        .await;
    // What is not due is passed over.
    let closed = scene.done(4, &close(vec![0, 0, 7]), left + 3).await;
    assert_eq!(closed.outcome.unwrap().len(), 1);
}

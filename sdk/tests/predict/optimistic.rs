//! Jobs and optimistic leases.

use alloy::primitives::{B256, keccak256};
use piecework::chain::{IMarket, MarketEvent};
use piecework::digest::{Digest, tree};
use piecework::rules;

use crate::common::TOKEN;
use crate::scene::{FEE_BPS, SPEC, Scene};

fn claim(scene: &Scene, job: &IMarket::Job, provider: usize, count: u32) -> IMarket::claimCall {
    IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[provider],
        count,
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
    refused(&|job| job.terms.maxLease = 2_049, "BadMaxLease").await;
    refused(&|job| job.terms.quorum = 2, "BadQuorum").await;
    refused(&|job| job.timing.ramp = rules::MAX_WINDOW + 1, "BadWindow").await;
    refused(&|job| job.timing.runWindow = 0, "BadWindow").await;
    refused(&|job| job.timing.closesAt = now - 1, "BadSchedule").await;
    refused(&|job| job.terms.spec = B256::ZERO, "SpecMismatch").await;
    refused(&|job| job.price.minPrice = 4 * TOKEN, "BadPriceRange").await;
    refused(&|job| job.price.maxPrice = 1 << 95, "AmountTooLarge").await;
    let three = |job: &mut IMarket::Job| {
        (job.terms.replicas, job.terms.quorum) = (3, 2);
        job.terms.verifier = scene.who[3];
    };
    refused(&three, "VerifierNeedsOneReplica").await;
    // The ledger holds a unit too little, and then enough.
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
    let mut job = scene.job(opens);
    // Two juries cost more than four tasks' bonds.
    job.price.juryFee = 4 * TOKEN;
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
    scene
        .refused(2, &claim(&scene, &job, 2, 0), opens, "NothingAsked")
        .await;
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
    assert_eq!((cost.count, cost.started, cost.bond), (4, at, 24 * TOKEN));
    assert_eq!(cost.late, 24 * TOKEN / 10);
    let contract = scene.market.contract();
    let price = contract.priceAt(job.clone(), at).call().await.unwrap();
    assert_eq!(cost.price, price);
    let locked = contract.providerOf(scene.who[2]).call().await.unwrap();
    assert_eq!(locked.stake - locked.free, cost.bond);

    let unstake = IMarket::unstakeCall {
        to: scene.who[2],
        amount: 77 * TOKEN,
    };
    scene
        .refused(2, &unstake, at + 1, "InsufficientStake")
        .await;

    // It ends well: paid, fee and refund are those of the cost.
    let submit = IMarket::submitCall {
        job: job.clone(),
        first: 0,
        provider: scene.who[2],
        root: B256::repeat_byte(5),
        manifest: B256::repeat_byte(6),
    };
    let zero = IMarket::submitCall {
        root: B256::ZERO,
        ..submit.clone()
    };
    scene.refused(2, &zero, at + 1, "ZeroRoot").await;
    scene.refused(2, &submit, at + 81, "TooLate").await;
    let finalize = IMarket::finalizeCall {
        job: job.clone(),
        first: 0,
    };
    scene.refused(1, &finalize, at + 1, "WrongPhase").await;
    let submitted = scene.done(2, &submit, at + 80).await;
    assert_eq!(submitted.window.until, Some(at + 80));
    let accept = IMarket::acceptCall {
        job: job.clone(),
        first: 0,
        root: B256::repeat_byte(9),
    };
    scene.refused(1, &accept, at + 81, "WrongRoot").await;
    let early = scene.refused(3, &finalize, at + 81, "TooEarly").await;
    assert_eq!(
        (early.window.from, early.window.until),
        (Some(at + 80 + 61), None)
    );
    let settled = scene.done(3, &finalize, at + 80 + 61).await;
    let Ok([MarketEvent::Settled(settled)]) = settled.outcome.as_deref() else {
        panic!("{settled:?}");
    };
    assert_eq!(
        (settled.paid, settled.fee, settled.refunded),
        (cost.paid, cost.fee, cost.refunded)
    );
    assert_eq!(cost.paid + cost.fee + cost.refunded, cost.escrow);
    assert_eq!(cost.fee, 4 * price * u128::from(FEE_BPS) / 10_000);
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
    let release = |provider: usize| IMarket::releaseCall {
        job: job.clone(),
        first: 0,
        provider: scene.who[provider],
    };
    let late = scene.refused(3, &expire, opens + 1, "TooEarly").await;
    assert_eq!(
        (late.window.from, late.window.until),
        (Some(opens + 81), None)
    );
    scene.refused(3, &release(3), opens + 1, "NotHolder").await;
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
    // Given up for nothing in the first eighth, then for a fiftieth of the bond.
    let free = rules::free_release_by(80, opens + 81);
    let burned = async |at: u64| {
        let prediction = scene.foretold(3, &release(3), at).await;
        let Ok([MarketEvent::Freed(freed)]) = prediction.outcome.as_deref() else {
            panic!("{prediction:?}");
        };
        freed.burned
    };
    assert_eq!(
        (burned(free).await, burned(free + 1).await),
        (0, 10 * TOKEN / 50)
    );
    scene.done(3, &release(3), free + 1).await;
    scene
        .refused(2, &takeover(2, 0), free + 1, "TooEarly")
        .await;

    let close = |firsts: Vec<u32>| IMarket::closeCall {
        job: job.clone(),
        firsts,
    };
    let open = scene
        .refused(4, &close(vec![0]), free + 2, "JobStillOpen")
        .await;
    assert_eq!(open.window.from, Some(opens + 5_001));
    let cancel = IMarket::cancelCall { job: job.clone() };
    scene.refused(2, &cancel, free + 2, "NotClient").await;
    scene.done(1, &cancel, free + 2).await;
    scene.refused(1, &cancel, free + 3, "JobIsCancelled").await;
    scene
        .refused(2, &claim(&scene, &job, 2, 2), free + 3, "JobIsCancelled")
        .await;
    scene
        .refused(4, &close(vec![0, 0]), free + 3, "WrongPhase")
        .await;
    scene.done(4, &close(vec![0]), free + 3).await;
}

#[tokio::test]
async fn contested_results_go_as_foretold() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    scene.stake(2, 100 * TOKEN).await;
    let opens = scene.now().await + 100;
    let job = scene.job(opens);
    scene.post(&job).await;
    scene.done(2, &claim(&scene, &job, 2, 2), opens).await;
    let digests = [Digest::of(b"a"), Digest::of(b"b")];
    let root = tree::root(0, &digests).unwrap();
    let submit = IMarket::submitCall {
        job: job.clone(),
        first: 0,
        provider: scene.who[2],
        root,
        manifest: B256::ZERO,
    };
    let at = opens + 10;
    scene.done(2, &submit, at).await;

    let challenge = |task: u32, number: u8| IMarket::challengeCall {
        job: job.clone(),
        first: 0,
        round: 1,
        number,
        task,
        digest: digests[1].into(),
        proof: tree::proof(0, &digests, 1).unwrap(),
        answer: keccak256("any"),
    };
    let demand = IMarket::demandCall {
        job: job.clone(),
        first: 0,
    };
    scene
        .refused(3, &challenge(0, 1), at + 1, "NotInResult")
        .await;
    scene
        .refused(3, &challenge(1, 2), at + 1, "WrongRound")
        .await;
    scene
        .refused(3, &challenge(1, 1), at + 1, "InsufficientBalance")
        .await;
    scene.deposit(3, 20 * TOKEN).await;
    let soon = scene.soon().await;
    let open = scene.foretold(3, &challenge(1, 1), soon).await;
    assert_eq!(open.window.until, Some(at + 60));
    let Ok([MarketEvent::Challenged(event)]) = open.outcome.as_deref() else {
        panic!("{open:?}");
    };
    assert_eq!(event.deposit, rules::deposit_of(TOKEN / 2, 0).unwrap());
    scene.refused(3, &challenge(1, 1), at + 61, "TooLate").await;

    // A demand, its answer, and no second one.
    scene.done(3, &demand, soon).await;
    scene.refused(3, &demand, soon + 1, "WrongPhase").await;
    let respond = |digests: Vec<B256>| IMarket::respondCall {
        job: job.clone(),
        first: 0,
        provider: scene.who[2],
        digests,
    };
    let both: Vec<B256> = digests.iter().map(|digest| (*digest).into()).collect();
    scene
        .refused(2, &respond(both[..1].to_vec()), soon + 1, "RootMismatch")
        .await;
    let forfeit = IMarket::forfeitCall {
        job: job.clone(),
        first: 0,
    };
    let early = scene.refused(4, &forfeit, soon + 1, "TooEarly").await;
    assert_eq!(early.window.from, Some(soon + 401));
    let answered = scene.done(2, &respond(both), soon + 2).await;
    assert_eq!(answered.window.until, Some(soon + 400));
    let twice = scene.refused(3, &demand, soon + 3, "DemandedAlready").await;
    assert_eq!(twice.window.from, None);
    // It is known whatever was asked before.
    let ahead = scene.predict().await;
    let finalize = IMarket::finalizeCall {
        job: job.clone(),
        first: 0,
    };
    ahead.call(scene.who[3], &finalize, soon + 3).await.unwrap();
    let again = ahead.call(scene.who[3], &demand, soon + 3).await.unwrap();
    assert_eq!(again.refusal().unwrap().name, "DemandedAlready");
    scene.done(3, &challenge(1, 1), soon + 3).await;
    scene.refused(2, &submit, soon + 4, "WrongPhase").await;
}

//! Drawn seats, of redundant leases and of juries: which provider can take one, and from which second on.

use alloy::primitives::{B256, keccak256};
use piecework::chain::IMarket;
use piecework::chain::IMarket::IMarketErrors;
use piecework::digest::{Digest, tree};
use piecework::market::predict::By;
use piecework::rules::draw::FIRST_JURY;

use crate::common::TOKEN;
use crate::scene::{Done, SPEC, Scene, TIMES};

/// Stakes of accounts 2 to 6: so unequal that some are drawn at once, and some after many doublings or never.
const STAKES: [u128; 5] = [600 * TOKEN, 60 * TOKEN, 20 * TOKEN, 6 * TOKEN, TOKEN];
/// The account whose stake came too late.
const LATE: usize = 7;

/// Stakes that are old enough at the time that it returns, and one that is not.
async fn stakes(scene: &Scene) -> u64 {
    for (account, stake) in (2..).zip(STAKES) {
        scene.stake(account, stake).await;
    }
    scene.deposit(1, 100 * TOKEN).await;
    // A block of its own: 100 s after those stakes, and not before the last one.
    let later = scene.now().await + 150;
    let late = IMarket::stakeCall { amount: 20 * TOKEN };
    scene.act(LATE, &late, later).await.unwrap();
    later
}

/// A job of two leases with three seats each, posted when the stakes are old enough.
async fn redundant(scene: &Scene) -> IMarket::Job {
    let later = stakes(scene).await;
    let mut job = scene.job(later + 60);
    (job.terms.tasks, job.terms.minLease) = (7, 4);
    (job.assurance.replicas, job.assurance.quorum) = (3, 2);
    (job.price.minPrice, job.timing.ramp) = (job.price.maxPrice, 0);
    job.price.bond = TOKEN / 100;
    scene.post(&job).await;
    job
}

fn join(
    scene: &Scene,
    job: &IMarket::Job,
    first: u32,
    round: u16,
    account: usize,
) -> IMarket::joinCall {
    IMarket::joinCall {
        job: job.clone(),
        first,
        round,
        provider: scene.who[account],
    }
}

/// When the chain itself says that the provider is drawn, of a call that is refused for that; its own words.
fn drawn_from(done: &Done) -> Option<u64> {
    match done.as_ref().err()?.market.as_deref()? {
        IMarketErrors::NotDrawn(error) => Some(error.from),
        other => panic!("{other:?}"),
    }
}

/// Foretells a seat of the lease for every provider, in a draw whose growth began at `began`, and holds each second against
/// the chain. Returns when each is drawn, if it is.
async fn seats(
    scene: &Scene,
    job: &IMarket::Job,
    first: u32,
    began: u64,
) -> Vec<(usize, Option<u64>)> {
    let at = scene.soon().await.max(began);
    // The step of a lease's draw is a quarter of the run window, where that is more than the market's least.
    let step = TIMES.leaseStep.max(job.timing.runWindow / 4);
    let mut drawn = Vec::new();
    for account in (2..7).chain([LATE]) {
        let ahead = scene.predict().await;
        let who = scene.who[account];
        let seat = ahead.seat(job, first, who, at).await.unwrap();
        let call = join(scene, job, first, seat.round, account);
        let prediction = scene.foretold(account, &call, at).await;
        assert_eq!(
            (seat.from, seat.until),
            (prediction.window.from, prediction.window.until)
        );
        let done = scene.probe(account, &call, at).await;
        if done.is_ok() {
            assert!(seat.why.is_none() && seat.from == Some(at), "{seat:?}");
            assert!(seat.drawn_from.unwrap() <= at, "{seat:?}");
        } else {
            let from = drawn_from(&done).unwrap();
            assert_eq!(seat.drawn_from.unwrap_or(u64::MAX), from, "{seat:?}");
        }
        if let Some(doublings) = seat.doublings {
            assert!(doublings <= 4, "growth stops at 16 times: {seat:?}");
            let from = began + u64::from(doublings) * step;
            assert_eq!(seat.drawn_from, Some(from));
        }
        if account == LATE {
            assert_eq!((seat.from, seat.drawn_from), (None, None), "{seat:?}");
        }
        drawn.push((account, seat.drawn_from));
    }
    // Three seats for nine tenths of all stake: at once. For a twelfth of it: within four times that chance.
    assert_eq!(drawn[0].1, Some(began), "{drawn:?}");
    assert!(
        drawn[1].1.is_some_and(|from| from <= began + 2 * step),
        "{drawn:?}"
    );
    drawn
}

#[tokio::test]
async fn each_is_drawn_in_the_second_that_was_foretold() {
    let scene = Scene::start().await;
    let job = redundant(&scene).await;
    let opens = job.timing.opensAt;
    let soon = scene.soon().await;
    let early = scene
        .predict()
        .await
        .seat(&job, 0, scene.who[2], soon)
        .await
        .unwrap();
    assert_eq!((early.from, early.doublings, early.round), (None, None, 1));
    assert_eq!(early.why.as_ref().unwrap().name, "TooEarly");
    scene
        .refused(2, &join(&scene, &job, 0, 1, 2), opens, "SeedUnknown")
        .await;
    let renew = IMarket::renewCall {
        job: job.clone(),
        first: 0,
    };
    scene.refused(4, &renew, soon, "PointAlive").await;
    scene.two_blocks().await;
    let posted = scene
        .market
        .contract()
        .ask(IMarket::jobOfCall {
            jobId: scene.market.job_id(&job),
        })
        .call()
        .await;
    scene.keep(posted.unwrap().point).await;

    // The first round of the first lease. The second lease is not open.
    seats(&scene, &job, 0, opens).await;
    let at = opens + 1;
    for first in [1, 4] {
        scene
            .refused(2, &join(&scene, &job, first, 1, 2), at, "NoSuchLease")
            .await;
    }
    scene
        .refused(2, &join(&scene, &job, 0, 2, 2), at, "WrongRound")
        .await;
    scene
        .refused(2, &join(&scene, &job, 0, 1, 3), at, "NotOperator")
        .await;
    let mode = IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[2],
        least: 1,
        most: 1,
    };
    scene.refused(2, &mode, at, "WrongMode").await;

    // A first seat can be left for nothing. The second one begins the round.
    scene.done(2, &join(&scene, &job, 0, 1, 2), at).await;
    let leave = IMarket::leaveCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider: scene.who[2],
    };
    scene.done(2, &leave, at + 1).await;
    let joined = scene.done(2, &join(&scene, &job, 0, 1, 2), at + 2).await;
    let cost = joined.cost.unwrap();
    assert_eq!(
        (cost.count, cost.bond, cost.paid + cost.fee),
        (4, TOKEN / 25, 12 * TOKEN)
    );
    let again = scene
        .refused(2, &join(&scene, &job, 0, 1, 2), at + 3, "WrongSeat")
        .await;
    assert_eq!(again.window.from, None);
    let begun = opens + 200;
    scene.done(3, &join(&scene, &job, 0, 1, 3), begun).await;
    let commit = IMarket::commitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider: scene.who[2],
        commitment: keccak256("mine"),
    };
    let committed = scene.foretold(2, &commit, begun + 1).await;
    assert_eq!(committed.window.until, Some(begun + job.timing.runWindow));
    // Now leaving costs, in proportion to the time; the first eighth of a first round is free.
    scene.foretold(2, &leave, begun + 10).await;
    scene.foretold(2, &leave, begun + 11).await;
    // The second lease opened with that, and is drawn from the same seed.
    seats(&scene, &job, 4, begun).await;

    // It lapses: what seats had committed to is for the node to say.
    let lapsed = begun + job.timing.runWindow + 1;
    let settle = |numbers: &[u32]| IMarket::settleCall {
        job: job.clone(),
        first: 0,
        round: 1,
        openings: numbers
            .iter()
            .map(|number| IMarket::Opening {
                number: *number,
                value: B256::ZERO,
                proof: B256::ZERO,
                salt: B256::ZERO,
            })
            .collect(),
    };
    let ahead = scene.predict().await;
    let asked = ahead
        .call(scene.who[4], &settle(&[1, 2]), lapsed)
        .await
        .unwrap();
    assert_eq!((asked.by, asked.window.from), (By::Node, Some(lapsed)));
    assert_eq!(asked.refusal().unwrap().name, "TooEarly");
    scene.act(4, &settle(&[1, 2]), lapsed).await.unwrap();
    // The next round has a point of its own, and its seats were late: they are barred from it.
    scene
        .refused(
            2,
            &join(&scene, &job, 0, 2, 2),
            lapsed + 1,
            "BarredFromRound",
        )
        .await;
    scene
        .refused(4, &join(&scene, &job, 0, 2, 4), lapsed + 1, "SeedUnknown")
        .await;
    scene.two_blocks().await;
    let point = scene.point(&job, 0).await;
    scene.keep(point).await;
    let soon = scene.soon().await;
    for account in [4, 5, 6] {
        let ahead = scene.predict().await;
        let seat = ahead.seat(&job, 0, scene.who[account], soon).await.unwrap();
        assert_eq!(seat.round, 2);
        let call = join(&scene, &job, 0, 2, account);
        scene.foretold(account, &call, soon).await;
        // The beacon's margin of a second lies between the block and the point's time.
        if let (Some(from), Some(doublings)) = (seat.drawn_from, seat.doublings) {
            assert_eq!(from, lapsed + 1 + u64::from(doublings) * 20);
        }
    }
}

#[tokio::test]
async fn a_seat_that_is_drawn_needs_a_free_bond_too() {
    let scene = Scene::start().await;
    let later = stakes(&scene).await;
    let mut job = scene.job(later + 60);
    (job.terms.tasks, job.terms.maxLease) = (1, 1);
    (job.assurance.replicas, job.assurance.quorum) = (3, 2);
    (job.price.minPrice, job.timing.ramp) = (job.price.maxPrice, 0);
    // Account 3 can lock 45 of its 60 tokens.
    job.price.bond = 46 * TOKEN;
    scene.post(&job).await;
    scene.two_blocks().await;
    let posted = scene
        .market
        .contract()
        .ask(IMarket::jobOfCall {
            jobId: scene.market.job_id(&job),
        })
        .call()
        .await;
    scene.keep(posted.unwrap().point).await;
    let opens = job.timing.opensAt;
    let ahead = scene.predict().await;
    let seat = ahead.seat(&job, 0, scene.who[3], opens).await.unwrap();
    assert!(seat.from.is_none() && seat.drawn_from.is_some(), "{seat:?}");
    scene
        .refused(
            3,
            &join(&scene, &job, 0, 1, 3),
            opens + 40,
            "InsufficientStake",
        )
        .await;
}

#[tokio::test]
async fn jurors_are_drawn_in_the_second_that_was_foretold() {
    let scene = Scene::start().await;
    let later = stakes(&scene).await;
    // Surely audited.
    let mut job = scene.audited(later + 60, 10_000);
    (job.price.bond, job.price.juryFee) = (TOKEN / 100, TOKEN / 100);
    scene.post(&job).await;
    let opens = job.timing.opensAt;
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[3],
        least: 2,
        most: 2,
    };
    scene.done(3, &claim, opens).await;
    let digests = [Digest::of(b"a"), Digest::of(b"b")];
    let submit = IMarket::submitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider: scene.who[3],
        root: tree::root(0, &digests).unwrap(),
        digestList: B256::ZERO,
    };
    let submitted = opens + 3;
    let take = |account: usize, jury: u8| IMarket::joinJuryCall {
        job: job.clone(),
        first: 0,
        round: 1,
        jury,
        provider: scene.who[account],
    };
    scene.refused(2, &take(2, 1), submitted, "WrongPhase").await;
    scene.done(3, &submit, submitted).await;
    let unknown = scene
        .refused(2, &take(2, 1), submitted + 1, "SeedUnknown")
        .await;
    assert_eq!(unknown.window.from, None);
    scene.two_blocks().await;
    scene.keep(scene.point(&job, 0).await).await;

    let at = scene.soon().await;
    scene.refused(3, &take(3, 1), at, "BarredFromJury").await;
    scene.refused(2, &take(2, 2), at, "WrongPhase").await;
    let ahead = scene.predict().await;
    let first = ahead
        .juror(&job, 0, FIRST_JURY, scene.who[2], at)
        .await
        .unwrap();
    assert_eq!((first.round, first.kind, first.why), (1, FIRST_JURY, None));
    // The audit can be opened until the job's audit window is over. The point's time is a second after the submission.
    assert_eq!(first.until, Some(submitted + 60));
    assert_eq!(
        (first.drawn_from, first.doublings),
        (Some(submitted + 1), Some(0))
    );
    let mut drawn = Vec::new();
    for account in [4, 5, 6, LATE] {
        let ahead = scene.predict().await;
        let who = scene.who[account];
        let seat = ahead.juror(&job, 0, FIRST_JURY, who, at).await.unwrap();
        let prediction = scene.foretold(account, &take(account, 1), at).await;
        assert_eq!(seat.from, prediction.window.from);
        let done = scene.probe(account, &take(account, 1), at).await;
        if let Err(revert) = &done
            && revert.name == "NotDrawn"
        {
            let from = drawn_from(&done).unwrap();
            assert_eq!(seat.drawn_from.unwrap_or(u64::MAX), from);
        }
        if let Some(doublings) = seat.doublings {
            assert!(
                doublings <= 2,
                "the growth of a jury's draw stops at four times"
            );
            let from = submitted + 1 + u64::from(doublings) * TIMES.juryStep;
            assert_eq!(seat.drawn_from, Some(from));
        }
        drawn.push(seat.drawn_from);
    }
    assert_eq!(drawn[3], None, "its stake came too late");

    // The first juror opens the audit, and has the run window and the jury's time to vote.
    scene.done(2, &take(2, 1), at).await;
    scene.refused(2, &take(2, 1), at + 1, "WrongSeat").await;
    scene.refused(4, &take(4, 2), at + 1, "WrongRound").await;
    let vote = IMarket::commitVoteCall {
        job: job.clone(),
        first: 0,
        round: 1,
        jury: 1,
        provider: scene.who[2],
        commitment: keccak256("mine"),
    };
    let voted = scene.foretold(2, &vote, at + 1).await;
    assert_eq!(
        voted.window.until,
        Some(at + job.timing.runWindow + TIMES.juryTime)
    );
    let open = |first: u32| IMarket::finalizeCall {
        job: job.clone(),
        firsts: vec![first],
    };
    let passed = scene.foretold(5, &open(0), at + 100).await;
    assert_eq!(
        passed.outcome,
        Ok(Vec::new()),
        "a lease before its jury is passed over"
    );
    let post = IMarket::postCall {
        job: job.clone(),
        spec: SPEC.into(),
    };
    scene.refused(1, &post, at + 1, "JobExists").await;
}

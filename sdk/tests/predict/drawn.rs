//! Drawn seats, of redundant leases and of juries: who can take one, and from which second on.

use alloy::primitives::{B256, keccak256};
use piecework::chain::IMarket;
use piecework::chain::IMarket::IMarketErrors;
use piecework::digest::{Digest, tree};
use piecework::market::Eligibility;
use piecework::market::predict::By;

use crate::common::TOKEN;
use crate::scene::{Done, Scene, TIMES};

/// Stakes of accounts 2 to 6: so unequal that some are drawn at once, and some after many doublings.
const STAKES: [u128; 5] = [600 * TOKEN, 60 * TOKEN, 6 * TOKEN, TOKEN, TOKEN / 4];
/// Whose stake came too late.
const LATE: usize = 7;

/// A job of two leases with three seats each, posted when the stakes are old enough.
async fn redundant(scene: &Scene) -> IMarket::Job {
    for (account, stake) in (2..).zip(STAKES) {
        scene.stake(account, stake).await;
    }
    scene.deposit(1, 100 * TOKEN).await;
    // A block of its own: 100 s after those stakes, and not before the last one.
    let later = scene.now().await + 150;
    scene
        .act(LATE, &IMarket::stakeCall { amount: TOKEN }, later)
        .await
        .unwrap();
    let mut job = scene.job(later + 60);
    (job.terms.tasks, job.terms.replicas, job.terms.quorum) = (7, 3, 2);
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

/// Foretells a seat of the lease for every provider, in a draw that began at `began`, and holds each second against the
/// chain. Returns who needed how many doublings.
async fn seats(scene: &Scene, job: &IMarket::Job, first: u32, began: u64) -> Vec<(usize, u32)> {
    let at = began + 1;
    let mut needed = Vec::new();
    for account in (2..7).chain([LATE]) {
        let ahead = scene.predict().await;
        let seat = ahead
            .seat(job, first, scene.who[account], at)
            .await
            .unwrap();
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
        if account == LATE {
            assert_eq!(
                (seat.from, seat.drawn_from, seat.doublings),
                (None, None, None)
            );
        } else {
            let doublings = seat.doublings.unwrap();
            let from = began + u64::from(doublings) * TIMES.drawStep;
            assert_eq!(seat.drawn_from, Some(from));
            needed.push((account, doublings));
        }
    }
    needed
}

#[tokio::test]
async fn each_is_drawn_in_the_second_that_was_foretold() {
    let scene = Scene::start().await;
    let job = redundant(&scene).await;
    let seal = IMarket::sealCall { job: job.clone() };
    let soon = scene.soon().await;
    scene.refused(5, &seal, soon, "TooEarlyToSeal").await;
    let unsealed = scene
        .predict()
        .await
        .seat(&job, 0, scene.who[2], soon)
        .await
        .unwrap();
    assert_eq!(
        (unsealed.from, unsealed.doublings, unsealed.round),
        (None, None, 1)
    );
    assert_eq!(unsealed.why.as_ref().unwrap().name, "TooEarly");
    let opens = job.timing.opensAt;
    scene
        .refused(2, &join(&scene, &job, 0, 1, 2), opens, "NotSealed")
        .await;
    // Two blocks more.
    scene.deposit(6, 1).await;
    scene
        .refused(5, &seal, scene.soon().await, "TooEarlyToSeal")
        .await;
    scene.deposit(6, 1).await;
    // Sealed after it opened: that is when the draw begins.
    let sealed = opens + 7;
    scene.done(5, &seal, sealed).await;
    scene.refused(5, &seal, sealed + 1, "SealedAlready").await;

    // The first round of both leases.
    let mut needed = seats(&scene, &job, 0, sealed).await;
    needed.extend(seats(&scene, &job, 4, sealed).await);
    assert!(
        needed.iter().any(|(_, doublings)| *doublings > 2),
        "{needed:?}"
    );
    assert!(
        needed.iter().any(|(_, doublings)| *doublings == 0),
        "{needed:?}"
    );
    let at = sealed + 1;
    scene
        .refused(2, &join(&scene, &job, 1, 1, 2), at, "NoSuchLease")
        .await;
    scene
        .refused(2, &join(&scene, &job, 0, 2, 2), at, "WrongRound")
        .await;
    scene
        .refused(2, &join(&scene, &job, 0, 1, 3), at, "NotOperator")
        .await;
    let mode = IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[2],
        count: 1,
    };
    scene.refused(2, &mode, at, "WrongMode").await;

    // The round begins 200 s after its draw did: the others' lots do not wait for it again.
    let begun = sealed + 200;
    let joined = scene.done(2, &join(&scene, &job, 0, 1, 2), begun).await;
    let cost = joined.cost.unwrap();
    assert_eq!(
        (cost.count, cost.bond, cost.started),
        (4, TOKEN / 25, begun)
    );
    let again = scene
        .refused(2, &join(&scene, &job, 0, 1, 2), begun + 1, "WrongSeat")
        .await;
    assert_eq!(again.window.from, None);
    let commit = IMarket::commitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider: scene.who[2],
        commitment: keccak256("mine"),
    };
    let committed = scene.foretold(2, &commit, begun + 1).await;
    assert_eq!(
        committed.window.until,
        Some(begun + TIMES.drawTime + job.timing.runWindow)
    );

    // It lapses. The next round's draw begins with that, and its round some time later.
    let lapsed = begun + TIMES.drawTime + job.timing.runWindow + 1;
    let settle = IMarket::settleCall {
        job: job.clone(),
        first: 0,
        root: B256::ZERO,
        panel: vec![1],
    };
    let ahead = scene.predict().await;
    let asked = ahead.call(scene.who[4], &settle, lapsed).await.unwrap();
    assert_eq!((asked.by, asked.window.from), (By::Node, Some(lapsed)));
    assert_eq!(asked.refusal().unwrap().name, "TooEarly");
    scene.act(4, &settle, lapsed).await.unwrap();
    seats(&scene, &job, 0, lapsed).await;
    // The first one drawn begins it a while after it is drawn, so that nobody could tell by its beginning.
    let ahead = scene.predict().await;
    let mut first = Vec::new();
    for account in 2..7 {
        let seat = ahead
            .seat(&job, 0, scene.who[account], lapsed + 1)
            .await
            .unwrap();
        assert_eq!(seat.round, 2);
        first.push((seat.drawn_from.unwrap(), account));
    }
    first.sort_unstable();
    let (from, account) = first[0];
    let second = from.max(lapsed) + 11;
    scene
        .done(account, &join(&scene, &job, 0, 2, account), second)
        .await;
    for (expected, account) in &first[1..] {
        let seat = scene.predict().await;
        let seat = seat
            .seat(&job, 0, scene.who[*account], second + 1)
            .await
            .unwrap();
        assert_eq!(seat.from, Some((*expected).max(second + 1)), "{seat:?}");
        assert_eq!(
            seat.drawn_from,
            Some(*expected),
            "as before the round began"
        );
        scene
            .foretold(*account, &join(&scene, &job, 0, 2, *account), second + 1)
            .await;
    }
    // Three take their seats: there is none for the fourth.
    let last = first[1..]
        .iter()
        .map(|(from, _)| *from)
        .max()
        .unwrap()
        .max(second)
        + 1;
    for (offset, (_, account)) in (0..).zip(&first[1..3]) {
        scene
            .done(*account, &join(&scene, &job, 0, 2, *account), last + offset)
            .await;
    }
    let fourth = first[3].1;
    scene
        .refused(
            fourth,
            &join(&scene, &job, 0, 2, fourth),
            last + 2,
            "SeatsTaken",
        )
        .await;
}

#[tokio::test]
async fn a_seat_that_is_drawn_needs_a_free_bond_too() {
    let scene = Scene::start().await;
    for (account, stake) in (2..).zip(STAKES) {
        scene.stake(account, stake).await;
    }
    scene.deposit(1, 100 * TOKEN).await;
    let later = scene.now().await + 150;
    let mut job = scene.job(later + 60);
    (job.terms.tasks, job.terms.replicas, job.terms.quorum) = (1, 3, 2);
    (job.price.bond, job.price.juryFee) = (TOKEN / 2, 0);
    scene.deposit(6, 1).await;
    let post = IMarket::postCall {
        job: job.clone(),
        spec: crate::scene::SPEC.into(),
    };
    scene.done(1, &post, later).await;
    for _ in 0..2 {
        scene.deposit(6, 1).await;
    }
    let sealed = job.timing.opensAt + 1;
    scene
        .done(2, &IMarket::sealCall { job: job.clone() }, sealed)
        .await;
    // Account 6 has half of the bond: it is drawn one day, and cannot take the seat for all that.
    let ahead = scene.predict().await;
    let seat = ahead.seat(&job, 0, scene.who[6], sealed + 1).await.unwrap();
    assert!(seat.from.is_none() && seat.drawn_from.is_some(), "{seat:?}");
    let drawn = seat.drawn_from.unwrap().max(sealed + 1);
    scene
        .refused(6, &join(&scene, &job, 0, 1, 6), drawn, "InsufficientStake")
        .await;
}

#[tokio::test]
async fn jurors_are_drawn_in_the_second_that_was_foretold() {
    let scene = Scene::start().await;
    for (account, stake) in (2..).zip(STAKES) {
        scene.stake(account, stake).await;
    }
    scene.deposit(1, 100 * TOKEN).await;
    scene.deposit(3, 100 * TOKEN).await;
    let later = scene.now().await + 150;
    scene
        .act(LATE, &IMarket::stakeCall { amount: TOKEN }, later)
        .await
        .unwrap();
    let mut job = scene.job(later + 60);
    (job.price.bond, job.price.juryFee) = (TOKEN / 100, TOKEN / 100);
    scene.post(&job).await;
    let opens = job.timing.opensAt;
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[2],
        count: 2,
    };
    scene.done(2, &claim, opens).await;
    let digests = [Digest::of(b"a"), Digest::of(b"b")];
    let submit = IMarket::submitCall {
        job: job.clone(),
        first: 0,
        provider: scene.who[2],
        root: tree::root(0, &digests).unwrap(),
        manifest: B256::ZERO,
    };
    scene.done(2, &submit, opens + 1).await;
    let nobody = scene
        .predict()
        .await
        .juror(&job, 0, scene.who[4], opens + 2)
        .await
        .unwrap();
    assert_eq!(nobody.why.as_ref().unwrap().name, "WrongPhase");
    assert_eq!((nobody.from, nobody.drawn_from), (None, None));
    let challenge = IMarket::challengeCall {
        job: job.clone(),
        first: 0,
        round: 1,
        number: 1,
        task: 1,
        digest: digests[1].into(),
        proof: tree::proof(0, &digests, 1).unwrap(),
        answer: keccak256("any"),
    };
    let opened = opens + 3;
    scene.done(3, &challenge, opened).await;

    let seal = IMarket::sealJuryCall {
        job: job.clone(),
        first: 0,
    };
    let take = |account: usize, number: u8| IMarket::joinJuryCall {
        job: job.clone(),
        first: 0,
        round: 1,
        number,
        provider: scene.who[account],
    };
    scene.refused(4, &seal, opened + 1, "TooEarlyToSeal").await;
    scene.refused(4, &take(4, 1), opened + 1, "NotSealed").await;
    for _ in 0..2 {
        scene.deposit(6, 1).await;
    }
    let sealed = opened + 20;
    scene.done(5, &seal, sealed).await;
    let at = sealed + 1;
    scene.refused(2, &take(2, 1), at, "BarredFromJury").await;
    scene.refused(3, &take(3, 1), at, "BarredFromJury").await;
    scene.refused(4, &take(4, 2), at, "WrongRound").await;
    let mut told: Vec<Eligibility> = Vec::new();
    for account in [4, 5, 6, LATE] {
        let ahead = scene.predict().await;
        let seat = ahead.juror(&job, 0, scene.who[account], at).await.unwrap();
        assert_eq!((seat.round, seat.challenge), (1, 1));
        let prediction = scene.foretold(account, &take(account, 1), at).await;
        assert_eq!(seat.from, prediction.window.from);
        let done = scene.probe(account, &take(account, 1), at).await;
        if let Err(revert) = &done
            && revert.name == "NotDrawn"
        {
            assert_eq!(
                seat.drawn_from.unwrap_or(u64::MAX),
                drawn_from(&done).unwrap()
            );
        }
        told.push(seat);
    }
    // The growth of a jury's draw stops at four times.
    assert!(
        told.iter()
            .all(|seat| seat.doublings.is_none_or(|doublings| doublings <= 2))
    );
    assert_eq!(told[3].from, None);
    let answer = IMarket::revealAnswerCall {
        job: job.clone(),
        first: 0,
        digest: B256::ZERO,
        salt: B256::ZERO,
    };
    scene.refused(3, &answer, at, "TooEarly").await;
    scene.refused(4, &answer, at, "NotChallenger").await;
}

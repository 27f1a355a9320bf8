//! What no random trace reaches: odd tokens, constructors that refuse. The same wherever the market runs.

use crate::MARKET_TOKEN;
use crate::bindings::{Call, Constructor, IMarket, free_job, least_times};
use crate::chain::{BEACON, TokenKind};
use crate::code::Code;
use crate::sides::error_name;
use crate::world::{World, deploy};
use alloy_primitives::Address;

const MONTH: u64 = 30 * 86_400;

fn arguments() -> Constructor {
    let (governor, recipient) = (Address::repeat_byte(3), Address::repeat_byte(4));
    Constructor {
        token: MARKET_TOKEN,
        beacon: BEACON.into(),
        feeGovernor: governor,
        feeRecipient: recipient,
        feeBps: 1,
        times: least_times(),
        devnet: true,
    }
}

/// Least times of a market that is not a devnet's, in the order of the ABI.
const LEAST: [u64; 9] = [86_400, 60, 300, 1_800, 3_600, 21_600, 21_600, 3_600, 60];

/// Each of the times, to be changed.
fn each(times: &mut IMarket::Times) -> [&mut u64; 9] {
    [
        &mut times.stakeAge,
        &mut times.leaseStep,
        &mut times.juryStep,
        &mut times.juryTime,
        &mut times.revealWindow,
        &mut times.respondWindow,
        &mut times.retryWindow,
        &mut times.leastAuditWindow,
        &mut times.leastRunWindow,
    ]
}

/// What all constructors revert with; panics if they differ.
fn refused(code: &Code, arguments: &Constructor) -> Option<String> {
    let deployed = deploy(code, arguments, TokenKind::Honest).expect("they differ");
    deployed.err().map(|data| error_name(&data))
}

/// Constructors refuse the same, with the same words; panics if not.
pub fn constructors_refuse_the_same(code: &Code) {
    type Change = fn(&mut Constructor);
    let cases: [(Change, Option<&str>); 9] = [
        (|_| {}, None),
        (|c| c.token = Address::ZERO, Some("ZeroAddress")),
        (|c| c.beacon = Address::ZERO, Some("ZeroAddress")),
        (|c| c.feeBps = 501, Some("FeeTooHigh")),
        (|c| c.feeRecipient = Address::ZERO, Some("ZeroAddress")),
        (|c| (c.feeRecipient, c.feeBps) = (Address::ZERO, 0), None),
        (|c| c.feeBps = 0, None),
        // The first of two is told.
        (
            |c| (c.feeBps, c.times.leaseStep) = (501, 0),
            Some("FeeTooHigh"),
        ),
        (
            |c| (c.token, c.feeBps) = (Address::ZERO, 501),
            Some("ZeroAddress"),
        ),
    ];
    for (place, (change, expected)) in cases.into_iter().enumerate() {
        let mut arguments = arguments();
        change(&mut arguments);
        assert_eq!(
            refused(code, &arguments).as_deref(),
            expected,
            "case {place}"
        );
    }
    for (place, sane) in LEAST.into_iter().enumerate() {
        for (devnet, least) in [(true, u64::from(place != 0)), (false, sane)] {
            for (time, good) in [
                (least.wrapping_sub(1), false),
                (least, true),
                (MONTH, true),
                (MONTH + 1, false),
            ] {
                let mut arguments = arguments();
                arguments.devnet = devnet;
                if !devnet {
                    each(&mut arguments.times)
                        .into_iter()
                        .zip(LEAST)
                        .for_each(|(time, least)| *time = least);
                }
                *each(&mut arguments.times)[place] = time;
                let expected = (!good).then_some("BadWindow");
                assert_eq!(
                    refused(code, &arguments).as_deref(),
                    expected,
                    "time {place}: {time}"
                );
            }
        }
    }
}

/// Tokens that say `false`, or anything but `true`, or move nothing, are refused the same; panics if not.
pub fn odd_tokens_are_refused_the_same(code: &Code) {
    for (word, error) in [
        (1, "DepositShort"),
        (0, "SafeERC20FailedOperation"),
        (2, "SafeERC20FailedOperation"),
    ] {
        let deployed = deploy(code, &arguments(), TokenKind::Says(word)).expect("they differ");
        let mut sides = deployed.expect("a market");
        let block = sides.model.host.block;
        let calls = [
            IMarket::depositCall {
                account: Address::repeat_byte(1),
                amount: 5,
            }
            .into(),
            IMarket::stakeCall { amount: 5 }.into(),
        ];
        for call in calls {
            let done = sides
                .step([9; 20], &Call::One(call), &block, false)
                .expect("they differ");
            assert!(!done);
        }
        assert_eq!(sides.tally.errors.get(error), Some(&2));
    }
}

/// Where nobody has stake, a job that needs draws is refused (`NoStakeToDraw`); panics if not.
pub fn nobody_to_draw_is_refused_the_same(code: &Code) {
    let deployed = deploy(code, &arguments(), TokenKind::Honest).expect("they differ");
    let mut sides = deployed.expect("a market");
    let (client, block) = ([9; 20], sides.model.host.block);
    let mut audited = free_job(client.into(), block.time);
    audited.assurance.auditBps = 1;
    (audited.price.bond, audited.price.juryFee) = (1, 1);
    audited.timing.auditWindow = 1;
    let mut redundant = free_job(client.into(), block.time);
    (redundant.assurance.replicas, redundant.assurance.quorum) = (3, 2);
    for job in [audited, redundant] {
        let post = IMarket::postCall {
            job,
            spec: Vec::new().into(),
        };
        let done = sides.step(client, &Call::One(post.into()), &block, false);
        assert!(!done.expect("they differ"));
    }
    assert_eq!(sides.tally.errors.get("NoStakeToDraw"), Some(&2));
}

/// A lease has 65,535 rounds, and the last one takes nobody (`TooManyRounds`); panics if not. That takes so many calls.
pub fn rounds_end_the_same(code: &Code) {
    let mut world = World::new(1, code).expect("a market");
    let client = world.people[2].address;
    let now = world.block.time;
    let mut job = free_job(client.into(), now);
    (job.timing.closesAt, job.timing.runWindow) = (now + 1_000_000, 2);
    let post = IMarket::postCall {
        job: job.clone(),
        spec: Vec::new().into(),
    };
    assert!(world.make(client, post.into()).expect("they differ"));
    let holders = [world.people[0].address, world.people[1].address];
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: holders[1].into(),
        least: 1,
        most: 1,
    };
    assert!(world.make(holders[1], claim.into()).expect("they differ"));
    // The claim was of round 1, and each lateness begins another.
    for round in 2..=u16::MAX {
        world.pass(3, 1);
        let provider = holders[usize::from(round % 2)];
        let call = IMarket::takeoverCall {
            job: job.clone(),
            provider: provider.into(),
            first: 0,
        };
        let taken = world.make(provider, call.into()).expect("they differ");
        assert_eq!(taken, round != u16::MAX, "round {round}");
    }
    assert_eq!(world.sides.tally.errors.get("TooManyRounds"), Some(&1));
}

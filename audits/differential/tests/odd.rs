//! What no random trace reaches: odd tokens, constructors that refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use alloy_primitives::Address;
use piecework_differential::MARKET_TOKEN;
use piecework_differential::bindings::{Call, Constructor, IMarket};
use piecework_differential::chain::TokenKind;
use piecework_differential::sides::error_name;
use piecework_differential::world::{Code, deploy};

const MONTH: u64 = 30 * 86_400;

fn arguments() -> Constructor {
    let times = IMarket::Times {
        drawTime: 1,
        drawStep: 1,
        revealWindow: 1,
        respondWindow: 1,
        stakeAge: 0,
    };
    let (governor, recipient) = (Address::repeat_byte(3), Address::repeat_byte(4));
    Constructor {
        token: MARKET_TOKEN,
        feeGovernor: governor,
        feeRecipient: recipient,
        feeBps: 1,
        times,
    }
}

/// What both constructors revert with; panics if they differ.
fn refused(arguments: &Constructor) -> Option<String> {
    let deployed =
        deploy(&Code::committed(), arguments, TokenKind::Honest).expect("the two differ");
    deployed.err().map(|data| error_name(&data))
}

#[test]
fn constructors_refuse_the_same() {
    type Change = fn(&mut Constructor);
    let cases: [(Change, Option<&str>); 14] = [
        (|_| {}, None),
        (|c| c.token = Address::ZERO, Some("ZeroAddress")),
        (|c| c.feeBps = 501, Some("FeeTooHigh")),
        (|c| c.feeRecipient = Address::ZERO, Some("ZeroAddress")),
        (|c| (c.feeRecipient, c.feeBps) = (Address::ZERO, 0), None),
        (|c| c.feeBps = 0, None),
        (|c| c.times.drawTime = 0, Some("BadWindow")),
        (|c| c.times.drawStep = 0, Some("BadWindow")),
        (|c| c.times.revealWindow = MONTH + 1, Some("BadWindow")),
        (|c| c.times.respondWindow = 0, Some("BadWindow")),
        (|c| c.times.stakeAge = MONTH + 1, Some("BadWindow")),
        (|c| c.times.stakeAge = MONTH, None),
        // The first of two is told.
        (
            |c| (c.feeBps, c.times.drawTime) = (501, 0),
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
        assert_eq!(refused(&arguments).as_deref(), expected, "case {place}");
    }
}

#[test]
fn odd_tokens_are_refused_the_same() {
    for (word, error) in [(1, "DepositShort"), (0, "SafeERC20FailedOperation")] {
        let deployed = deploy(&Code::committed(), &arguments(), TokenKind::Says(word))
            .expect("the two differ");
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
                .expect("the two differ");
            assert!(!done);
        }
        assert_eq!(sides.tally.errors.get(error), Some(&2));
    }
}

//! What no random trace reaches: odd tokens, constructors that refuse. The same wherever the market runs.

use crate::MARKET_TOKEN;
use crate::bindings::{Call, Constructor, IMarket};
use crate::chain::TokenKind;
use crate::code::Code;
use crate::sides::error_name;
use crate::world::deploy;
use alloy_primitives::Address;

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

/// What all constructors revert with; panics if they differ.
fn refused(code: &Code, arguments: &Constructor) -> Option<String> {
    let deployed = deploy(code, arguments, TokenKind::Honest).expect("they differ");
    deployed.err().map(|data| error_name(&data))
}

/// Constructors refuse the same, with the same words; panics if not.
pub fn constructors_refuse_the_same(code: &Code) {
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
        assert_eq!(
            refused(code, &arguments).as_deref(),
            expected,
            "case {place}"
        );
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

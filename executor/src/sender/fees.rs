//! What is paid for gas, and when more is paid: pure decisions, except for the question what the chain asks now.

use std::time::Duration;

use alloy::{eips::eip1559::Eip1559Estimation, providers::Provider as _};

use super::{Inner, SendError};
use crate::{config::ChainTiming, store::NewIntent};

/// EIP-1559 fees, wei for a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub(super) max: u128,
    pub(super) tip: u128,
}

impl Fees {
    pub(super) fn capped(self, cap: u128) -> Self {
        Self {
            max: self.max.min(cap),
            tip: self.tip.min(self.max).min(cap),
        }
    }

    /// At least both.
    fn or_more(self, other: Self) -> Self {
        Self {
            max: self.max.max(other.max),
            tip: self.tip.max(other.tip),
        }
    }

    /// What replaces an attempt: nodes ask for at least a tenth more of both; at least `least`, at most `cap`. `None`
    /// when the cap leaves no room.
    fn bumped(self, least: Self, cap: u128) -> Option<Self> {
        let raised = |fee: u128| {
            fee.saturating_add(fee.div_ceil(8))
                .max(fee.saturating_add(1))
        };
        let raised = Self {
            max: raised(self.max),
            tip: raised(self.tip),
        };
        (raised.max <= cap).then(|| raised.or_more(least).capped(cap))
    }
}

/// How much a transaction matters now: how long an attempt may wait, and what may be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pressure {
    /// How long an attempt may wait before its fees are raised.
    pub(super) patience: Duration,
    /// Most that is paid for a unit of gas.
    pub(super) cap: u128,
    /// Whether stake is lost soon.
    pub(super) is_urgent: bool,
    /// What an urgent transaction that waits behind this nonce pays: as much is paid for this one.
    pub(super) floor: Option<Fees>,
}

impl Pressure {
    /// The pressure on an intent that was asked for at `asked`, at chain time `now`.
    pub(super) fn of(timing: &ChainTiming, intent: &NewIntent, asked: u64, now: u64) -> Self {
        // After its deadline nothing can be saved: then it is like one without.
        let left = intent
            .deadline
            .and_then(|deadline| deadline.checked_sub(now));
        let window = intent
            .deadline
            .map_or(0, |deadline| deadline.saturating_sub(asked));
        let is_urgent =
            intent.at_stake > 0 && left.is_some_and(|left| left.saturating_mul(2) < window);
        let patience = left.map_or(timing.bump_after, |left| {
            timing
                .bump_after
                .min(Duration::from_secs(left) / 4)
                .max(timing.poll)
        });
        Self {
            patience,
            cap: match is_urgent {
                true => timing.urgent_max_fee_per_gas.max(timing.max_fee_per_gas),
                false => timing.max_fee_per_gas,
            },
            is_urgent,
            floor: None,
        }
    }

    /// The pressure on a transaction with a lower nonce: the one behind it cannot be mined before.
    pub(super) fn on_predecessor(self, predecessor: Self) -> Self {
        if !self.is_urgent {
            return predecessor;
        }
        let floor = match (self.floor, predecessor.floor) {
            (Some(floor), Some(other)) => Some(floor.or_more(other)),
            (floor, other) => floor.or(other),
        };
        Self {
            patience: self.patience.min(predecessor.patience),
            cap: self.cap.max(predecessor.cap),
            is_urgent: true,
            floor,
        }
    }

    /// Whether an attempt with these fees has waited long enough.
    pub(super) fn is_due(&self, age: Duration, fees: Fees) -> bool {
        // Ages are whole seconds.
        age >= self.patience.max(Duration::from_secs(1))
            || self.floor.is_some_and(|floor| fees.max < floor.max)
    }

    /// What replaces an attempt with these fees, when the chain asks for `market`.
    pub(super) fn raise(&self, last: Fees, market: Fees) -> Raise {
        let least = self.floor.map_or(market, |floor| market.or_more(floor));
        let fees = last.bumped(least, self.cap);
        let pays = fees.map_or(last.max, |fees| fees.max);
        Raise {
            fees,
            is_capped: market.max > pays,
        }
    }
}

/// The next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raise {
    /// Its fees; `None` if it cannot pay more than the one before.
    pub(super) fees: Option<Fees>,
    /// Whether the cap keeps it from paying what the chain asks.
    pub(super) is_capped: bool,
}

/// Says that the cap was hit, and what depends on it. Nothing in it changes while it lasts.
pub(super) fn capped_words(intent: &NewIntent, pressure: &Pressure) -> String {
    let key = match pressure.is_urgent {
        true => "chain.urgent_max_fee_gwei",
        false => "chain.max_fee_gwei",
    };
    let gwei = pressure.cap / 1_000_000_000;
    let end = match (intent.deadline, intent.at_stake) {
        (Some(deadline), 0) => format!("; it should be mined by {deadline} (Unix time)"),
        (Some(deadline), at_stake) => format!(
            "; it must be mined by {deadline} (Unix time), and up to {at_stake} of the token's smallest unit is at stake"
        ),
        (None, _) => String::new(),
    };
    format!(
        "{}: the chain asks more for a unit of gas than {key} ({gwei} gwei) allows{end}",
        intent.id
    )
}

impl Inner {
    /// What the chain asks now, whatever may be paid.
    pub(super) async fn market_fees(&self) -> Result<Fees, SendError> {
        let Eip1559Estimation {
            max_fee_per_gas,
            max_priority_fee_per_gas,
        } = self.provider.estimate_eip1559_fees().await?;
        Ok(Fees {
            max: max_fee_per_gas,
            tip: max_priority_fee_per_gas,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy::primitives::{Address, Bytes};

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn timing() -> ChainTiming {
        let url = "http://localhost".parse().unwrap();
        let key = alloy::signers::local::PrivateKeySigner::random();
        let config =
            crate::config::ChainConfig::devnet(url, Address::ZERO, Address::ZERO, key).timing;
        ChainTiming {
            poll: Duration::from_secs(2),
            bump_after: Duration::from_secs(60),
            max_fee_per_gas: 200 * GWEI,
            urgent_max_fee_per_gas: 4_000 * GWEI,
            ..config
        }
    }

    fn intent(deadline: Option<u64>, at_stake: u128) -> NewIntent {
        NewIntent {
            id: "submit/1".to_owned(),
            to: None,
            data: Bytes::new(),
            not_after: None,
            repeatable: true,
            deadline,
            at_stake,
        }
    }

    /// The pressure at `now`, on an intent that was asked for at 1,000.
    fn pressure(deadline: Option<u64>, at_stake: u128, now: u64) -> Pressure {
        Pressure::of(&timing(), &intent(deadline, at_stake), 1_000, now)
    }

    fn fees(max: u128, tip: u128) -> Fees {
        Fees { max, tip }
    }

    #[test]
    fn a_replacement_pays_an_eighth_more_of_both_and_never_over_the_cap() {
        let market = fees(10, 1);
        let old = fees(1_000, 80);
        assert_eq!(old.bumped(market, 10_000), Some(fees(1_125, 90)));
        let dear = fees(5_000, 500);
        assert_eq!(old.bumped(dear, 2_000), Some(fees(2_000, 500)));
        assert_eq!(old.bumped(market, 1_124), None);
        assert_eq!(fees(1, 0).bumped(market, 100), Some(fees(10, 1)));
    }

    #[test]
    fn an_attempt_waits_a_quarter_of_what_is_left_at_most() {
        let patience = |deadline, now| pressure(deadline, 0, now).patience.as_secs();
        assert_eq!(patience(None, 1_000), 60);
        assert_eq!(patience(Some(2_000), 1_000), 60);
        assert_eq!(patience(Some(2_000), 1_900), 25);
        // Never less than one poll.
        assert_eq!(patience(Some(2_000), 1_999), 2);
        // When the deadline is over there is nothing to hurry for.
        assert_eq!(patience(Some(2_000), 2_001), 60);
    }

    #[test]
    fn the_cap_yields_for_stake_in_the_second_half_of_the_window() {
        let cap = |deadline, at_stake, now| pressure(deadline, at_stake, now).cap / GWEI;
        assert_eq!(cap(Some(2_000), 1, 1_500), 200);
        assert_eq!(cap(Some(2_000), 1, 1_501), 4_000);
        assert_eq!(cap(Some(2_000), 1, 2_000), 4_000);
        assert_eq!(cap(Some(2_000), 1, 2_001), 200);
        assert_eq!(cap(Some(2_000), 0, 1_999), 200);
        assert_eq!(cap(None, 1, 1_999), 200);
    }

    #[test]
    fn an_urgent_transaction_raises_those_before_it_to_its_own_fees() {
        let calm = pressure(None, 0, 1_900);
        let urgent = Pressure {
            floor: Some(fees(900, 9)),
            ..pressure(Some(2_000), 1, 1_900)
        };
        let pressed = urgent.on_predecessor(calm);
        assert!(pressed.is_due(Duration::ZERO, fees(800, 8)));
        assert!(!pressed.is_due(Duration::ZERO, fees(900, 9)));
        let raise = pressed.raise(fees(100, 1), fees(50, 1));
        assert_eq!(raise.fees, Some(fees(900, 9)));
        assert_eq!(
            (pressed.cap, pressed.patience),
            (urgent.cap, urgent.patience)
        );
        // One that can wait presses nobody.
        assert_eq!(calm.on_predecessor(calm), calm);
        assert!(!calm.is_due(Duration::from_secs(59), fees(0, 0)));
    }

    #[test]
    fn a_cap_is_hit_when_it_keeps_from_paying_what_the_chain_asks() {
        let pressure = pressure(None, 0, 1_000);
        let raise = |last: u128, market: u128| {
            let raise = pressure.raise(fees(last * GWEI, 0), fees(market * GWEI, 0));
            (raise.fees.map(|fees| fees.max / GWEI), raise.is_capped)
        };
        assert_eq!(raise(100, 150), (Some(150), false));
        assert_eq!(raise(100, 300), (Some(200), true));
        assert_eq!(raise(200, 300), (None, true));
        assert_eq!(raise(200, 150), (None, false));
    }

    #[test]
    fn the_words_of_a_cap_name_the_setting_the_deadline_and_the_stake() {
        let words = |deadline, at_stake, now| {
            capped_words(
                &intent(deadline, at_stake),
                &pressure(deadline, at_stake, now),
            )
        };
        let urgent = words(Some(2_000), 77, 1_900);
        for part in ["submit/1", "chain.urgent_max_fee_gwei (4000", "2000", "77"] {
            assert!(urgent.contains(part), "{urgent}");
        }
        assert!(words(None, 0, 1_900).contains("chain.max_fee_gwei (200 gwei)"));
    }
}

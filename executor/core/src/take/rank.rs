//! Which of several offers comes first: clients take turns, and the offers of one are ordered by what they pay for what they
//! take of the machine, then by age.

use alloy_primitives::Address;

use super::Cost;
use crate::capacity::Amount;

/// An offer that could be taken, as to its rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bid {
    /// Its client; none for all clients that never paid this machine. Addresses cost nothing, so these share one turn.
    pub client: Option<Address>,
    /// What it takes and pays.
    pub cost: Cost,
    /// What its tasks take at the same time.
    pub amount: Amount,
    /// When its job was posted.
    pub posted: u64,
}

/// What a bid pays for the whole machine and a second, 4,294 times as much in all so that little money is not rounded away.
/// More is better.
#[must_use]
pub fn rate(bid: &Bid, total: Amount) -> u128 {
    let taken = u128::from(bid.amount.share_of(total).max(1));
    let taken = taken.saturating_mul(bid.cost.seconds.max(1).into());
    bid.cost.pays.saturating_mul(1 << 32) / taken
}

/// When a client was served. The lesser goes first: who has no part of the machine now, then who was served longest ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Whether present work of it takes a part of the machine.
    pub holds: bool,
    /// The number of the last claim for it, of all claims; 0 for none.
    pub last: u64,
}

/// The order in which bids are taken: places in `bids`, the best first.
#[must_use]
pub fn order(bids: &[Bid], total: Amount, turn: impl Fn(Option<Address>) -> Turn) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bids.len()).collect();
    order.sort_by_cached_key(|place| {
        let Some(bid) = bids.get(*place) else {
            return (None, 0, u64::MAX);
        };
        (
            Some(turn(bid.client)),
            u128::MAX.saturating_sub(rate(bid, total)),
            bid.posted,
        )
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: Amount = Amount {
        cpu_millis: 4_000,
        memory_bytes: 4_000,
        disk_bytes: 4_000,
        tasks: 4,
    };

    fn bid(client: u8, pays: u128, seconds: u64, posted: u64) -> Bid {
        Bid {
            client: Some(Address::repeat_byte(client)),
            cost: Cost {
                count: 1,
                parallel: 1,
                bond: 0,
                seconds,
                pays,
            },
            amount: Amount {
                cpu_millis: 1_000,
                memory_bytes: 1,
                disk_bytes: 1,
                tasks: 1,
            },
            posted,
        }
    }

    #[test]
    fn more_pay_for_less_of_the_machine_comes_first_then_age() {
        let bids = [
            bid(1, 100, 10, 5),
            bid(2, 100, 5, 9),
            bid(3, 100, 10, 4),
            bid(4, 10_000, 10, 8),
        ];
        assert_eq!(order(&bids, TOTAL, |_| Turn::default()), [3, 1, 2, 0]);
        let large = Bid {
            amount: Amount {
                memory_bytes: 4_000,
                ..bid(4, 0, 0, 0).amount
            },
            ..bid(4, 300, 10, 8)
        };
        assert!(rate(&large, TOTAL) < rate(&bid(1, 100, 10, 5), TOTAL));
    }

    #[test]
    fn clients_take_turns() {
        let bids = [bid(1, 100, 10, 1), bid(2, 1, 10, 2)];
        let rich = Some(Address::repeat_byte(1));
        let holds = |client| Turn {
            holds: client == rich,
            last: 0,
        };
        assert_eq!(order(&bids, TOTAL, holds), [1, 0]);
        // Its lease filled the machine, and has ended.
        let was_last = |client| Turn {
            holds: false,
            last: u64::from(client == rich),
        };
        assert_eq!(order(&bids, TOTAL, was_last), [1, 0]);
        assert_eq!(order(&bids, TOTAL, |_| Turn::default()), [0, 1]);
    }
}

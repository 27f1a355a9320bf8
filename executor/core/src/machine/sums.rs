//! What duties take together, kept up to date with each change of one, so that nobody has to add them all up.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use piecework_core::view::seat::Key as SeatId;

/// What one duty adds to the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Its client and its bond, while it locks stake.
    pub(super) bonded: Option<(Address, u128)>,
    /// The bond of a seat that is worked for and not taken.
    pub(super) prospect: u128,
    /// Whether it may still have to work.
    pub(super) busy: bool,
}

/// The sums over all duties.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    parts: BTreeMap<SeatId, Part>,
    /// Duties that may still have to work.
    pub(super) busy: BTreeSet<SeatId>,
    /// Duties that lock stake.
    pub(super) bonded: usize,
    /// Stake that they lock, by client.
    pub(super) exposure: BTreeMap<Address, u128>,
    /// Bonds of seats that are worked for and not taken.
    pub(super) prospects: u128,
}

impl Sums {
    /// Takes in what a duty adds now, in place of what it added before.
    pub(super) fn set(&mut self, id: SeatId, part: Part) {
        let before = match part == Part::default() {
            true => self.parts.remove(&id),
            false => self.parts.insert(id, part),
        };
        let before = before.unwrap_or_default();
        if part == before {
            return;
        }
        if let Some((client, bond)) = before.bonded {
            self.bonded = self.bonded.saturating_sub(1);
            let left = self.exposure.entry(client).or_default();
            *left = left.saturating_sub(bond);
            if *left == 0 {
                self.exposure.remove(&client);
            }
        }
        if let Some((client, bond)) = part.bonded {
            self.bonded = self.bonded.saturating_add(1);
            let sum = self.exposure.entry(client).or_default();
            *sum = sum.saturating_add(bond);
        }
        self.prospects = self
            .prospects
            .saturating_sub(before.prospect)
            .saturating_add(part.prospect);
        match part.busy {
            true => self.busy.insert(id),
            false => self.busy.remove(&id),
        };
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use piecework_core::view::lease::Key as LeaseId;

    use super::*;

    #[test]
    fn sums_follow_each_change_and_end_at_nothing() {
        let id = |first| SeatId {
            lease: LeaseId {
                job: B256::ZERO,
                first,
                round: 1,
            },
            kind: 0,
        };
        let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let bonded = |client, bond| Part {
            bonded: Some((client, bond)),
            busy: true,
            ..Part::default()
        };
        let mut sums = Sums::default();
        sums.set(id(0), bonded(one, 10));
        sums.set(id(1), bonded(one, 5));
        sums.set(id(2), bonded(other, 7));
        sums.set(id(1), bonded(one, 6));
        assert_eq!((sums.bonded, sums.exposure.get(&one)), (3, Some(&16)));
        assert_eq!(sums.busy.len(), 3);
        let prospect = Part {
            prospect: 4,
            ..Part::default()
        };
        sums.set(id(2), prospect);
        assert_eq!((sums.bonded, sums.prospects), (2, 4));
        for first in 0..3 {
            sums.set(id(first), Part::default());
        }
        assert_eq!((sums.bonded, sums.prospects), (0, 0));
        assert!(sums.exposure.is_empty() && sums.busy.is_empty() && sums.parts.is_empty());
    }
}

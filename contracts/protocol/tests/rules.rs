//! What must hold of all arithmetic, whatever the numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use piecework_protocol::Error;
use piecework_protocol::rules::*;
use piecework_protocol::slots::Checkpoint;
use piecework_protocol::types::{Assurance, Job, Price, Terms, Times, Timing, U256};
use proptest::prelude::*;

fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![0..1_000_u128, 0..=MAX_AMOUNT, any::<u128>()]
}

fn price() -> impl Strategy<Value = Price> {
    (amount(), amount(), amount(), amount()).prop_map(|(one, other, bond, jury_fee)| Price {
        min_price: one.min(other),
        max_price: one.max(other),
        bond,
        jury_fee,
    })
}

proptest! {
    #[test]
    fn an_amount_is_kept_or_refused(amount in any::<[u64; 4]>().prop_map(U256::from_limbs)) {
        let max = U256::from(MAX_AMOUNT);
        match amount_of(amount) {
            Ok(kept) => prop_assert!(U256::from(kept) == amount && amount <= max),
            Err(error) => prop_assert!(amount > max && error == Error::AmountTooLarge(amount, max)),
        }
    }

    #[test]
    fn the_price_climbs_from_the_least_to_the_greatest(
        price in price(),
        opens_at in 0..MAX_TIME,
        ramp in 0..=MAX_WINDOW,
        (early, late) in (0..2 * MAX_WINDOW, 0..2 * MAX_WINDOW),
    ) {
        let Price { min_price, max_price, .. } = price;
        let price = Price { min_price: min_price.min(MAX_AMOUNT), max_price: max_price.min(MAX_AMOUNT), ..price };
        let timing = Timing { opens_at, ramp, ..Timing::default() };
        let at = |time: u64| price_at(&price, &timing, opens_at + time).unwrap();
        let (early, late) = (early.min(late), early.max(late));
        prop_assert!(price.min_price <= at(early) && at(early) <= at(late) && at(late) <= price.max_price);
        prop_assert_eq!(at(ramp), price.max_price);
        if ramp != 0 {
            prop_assert_eq!(at(0), price.min_price);
        }
    }

    /// However a job is split into leases, each holds its price and a whole jury's pay, and none more than the job does.
    #[test]
    fn an_escrow_covers_every_lease(
        price in price(),
        replicas in 1..=MAX_REPLICAS,
        min_lease in 1..=50_u32,
        more in 0..=50_u32,
        (fee_bps, part) in (0..=MAX_FEE_BPS, 0..=1_000_u128),
    ) {
        let terms = Terms { min_lease, ..Terms::default() };
        let assurance = Assurance { replicas, ..Assurance::default() };
        let job = Job { terms, assurance, price, ..Job::default() };
        let count = min_lease + more;
        let Ok(escrow) = escrow_of(&job, count) else {
            let most = U256::from(price.max_price) * U256::from(replicas) + U256::from(price.jury_fee) * U256::from(3) + U256::from(1);
            prop_assert!(most * U256::from(count) > U256::from(MAX_AMOUNT));
            return Ok(());
        };
        let gross = price.max_price * u128::from(count);
        prop_assert!(u128::from(replicas) * gross + 3 * price.jury_fee <= escrow);
        prop_assert_eq!(escrow_of(&job, 1).unwrap() * u128::from(count), escrow);
        let gross = gross / 1_000 * part;
        let fee = fee_of(gross, fee_bps).unwrap();
        prop_assert!(fee <= gross && fee * 10_000 <= gross * u128::from(fee_bps));
    }

    /// Leaving costs nothing in the first eighth of a first round, and never more than a tenth within the window.
    #[test]
    fn lateness_grows_to_a_tenth(bond in 0..=MAX_AMOUNT, window in 1..=MAX_WINDOW, part in 0..=1_000_u64, round in 1..4_u16) {
        let elapsed = window * part / 1_000;
        let burned = lateness_of(bond, round, elapsed, window).unwrap();
        let exact = U256::from(bond) * U256::from(elapsed) / U256::from(window) / U256::from(10);
        if round == 1 && elapsed <= window / 8 {
            prop_assert_eq!(burned, 0);
        } else {
            prop_assert_eq!(U256::from(burned), exact);
        }
        prop_assert!(burned <= tenth_of(bond).unwrap());
        prop_assert_eq!(lateness_of(bond, round, window, window).unwrap(), tenth_of(bond).unwrap());
    }

    /// A draw's circle reaches a provider in the step that its share of the stake says.
    #[test]
    fn a_draw_grows_with_stake_and_steps(
        ticket in any::<[u8; 32]>(),
        (one, other) in (0..=MAX_AMOUNT / 2, 0..=MAX_AMOUNT / 2),
        places in 1..=15_u8,
        steps in 0..=4_u8,
    ) {
        let (weight, total) = (one, one + other);
        let lot = U256::from_be_bytes(ticket) % (U256::from(1) << 128);
        let drawn = |k: u8| lot * U256::from(total) < (U256::from(weight) * U256::from(places)) << (128 + usize::from(k));
        let found = doublings(&ticket, (weight, total), places, steps);
        prop_assert_eq!(found, (0..=steps).find(|k| drawn(*k)));
        if weight != 0 && u128::from(places) << steps > total / weight {
            prop_assert!(found.is_some(), "no ticket is worse than a share of one");
        }
        prop_assert_eq!(doublings(&ticket, (0, total), places, steps), None);
    }

    #[test]
    fn the_stake_of_a_time_is_the_last_checkpoint_before(times in prop::collection::btree_set(0..50_u64, 0..20), at in 0..60_u64) {
        let history: Vec<Checkpoint> =
            times.iter().map(|time| Checkpoint { time: *time, amount: u128::from(*time) + 100 }).collect();
        let found = amount_at(u32::try_from(history.len()).unwrap(), at, |place| history[place as usize]);
        let expected = times.range(..=at).next_back().map_or(0, |time| u128::from(*time) + 100);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn coin_and_task_are_remainders(hash in any::<u64>(), bps in 0..=10_000_u16, first in 0..1_000_u32, count in 1..=MAX_LEASE) {
        let word = U256::from(hash).to_be_bytes();
        prop_assert_eq!(coin(&word, bps), hash % 10_000 < u64::from(bps));
        let place = u32::try_from(hash % u64::from(count)).unwrap();
        prop_assert_eq!(audited_task(&word, first, count), Some(first + place));
    }
}

/// No claim leaves tasks that no lease fits, and every lease has `min_lease` to `max_lease` tasks.
#[test]
fn no_claim_leaves_a_dead_end() {
    for tasks in 1..=40_u32 {
        for min_lease in 1..=tasks {
            for max_lease in 1..=tasks + 2 {
                let terms = Terms { tasks, min_lease, max_lease, ..Terms::default() };
                assert_eq!(check_lease(&terms, 1).is_ok(), max_lease >= tasks.min(2 * min_lease - 1));
                if check_lease(&terms, 1).is_err() {
                    continue;
                }
                let (mut seen, mut open) = (BTreeSet::from([tasks]), vec![tasks]);
                while let Some(left) = open.pop() {
                    for wanted in 0..=max_lease + 1 {
                        let count = clamp(&terms, left, wanted).unwrap();
                        assert!(
                            (min_lease..=max_lease.min(left)).contains(&count),
                            "{terms:?} {left} {wanted}"
                        );
                        let rest = left - count;
                        assert!(rest == 0 || rest >= min_lease, "{terms:?} {left} {wanted}");
                        // It is what was wanted, where that fits.
                        if (min_lease..=max_lease.min(left)).contains(&wanted)
                            && (left == wanted || left - wanted >= min_lease)
                        {
                            assert_eq!(count, wanted);
                        }
                        if rest != 0 && seen.insert(rest) {
                            open.push(rest);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn redundant_leases_are_fixed_parts() {
    let terms = |min_lease, max_lease| Terms { tasks: 10, min_lease, max_lease, ..Terms::default() };
    assert_eq!(check_lease(&terms(4, 4), 3), Ok(()));
    for (least, most) in [(4, 5), (5, 4), (0, 0), (11, 11)] {
        assert_eq!(check_lease(&terms(least, most), 3), Err(Error::BadLeaseSize(least, most, u32::MAX)));
    }
    let ordinary = Terms { tasks: 5_000, ..terms(1, 2_049) };
    assert_eq!(check_lease(&ordinary, 1), Err(Error::BadLeaseSize(1, 2_049, 2_048)));
}

#[test]
fn only_a_devnet_has_short_times() {
    let sane = Times {
        stake_age: 86_400,
        lease_step: 60,
        jury_step: 300,
        jury_time: 1_800,
        reveal_window: 3_600,
        respond_window: 21_600,
        retry_window: 21_600,
        least_audit_window: 3_600,
        least_run_window: 60,
    };
    assert_eq!(check_times(&sane, false), Ok(()));
    let short = Times { reveal_window: 3_599, stake_age: 0, ..sane };
    assert_eq!(check_times(&short, true), Ok(()));
    assert_eq!(check_times(&short, false), Err(Error::BadWindow(0, 86_400, MAX_WINDOW)));
    let none = Times { jury_step: 0, ..short };
    assert_eq!(check_times(&none, true), Err(Error::BadWindow(0, 1, MAX_WINDOW)));
    let long = Times { retry_window: MAX_WINDOW + 1, ..sane };
    assert_eq!(check_times(&long, true), Err(Error::BadWindow(MAX_WINDOW + 1, 1, MAX_WINDOW)));
}

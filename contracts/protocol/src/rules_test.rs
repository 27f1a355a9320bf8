//! What must hold of all arithmetic, whatever the numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use crate::error::Error;
use crate::rules::*;
use crate::types::{Job, Price, Terms, Timing, U256};

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
        prop_assume!(price.max_price <= MAX_AMOUNT);
        let timing = Timing { opens_at, ramp, ..Timing::default() };
        let at = |time: u64| price_at(&price, &timing, opens_at + time).unwrap();
        let (early, late) = (early.min(late), early.max(late));
        prop_assert!(price.min_price <= at(early) && at(early) <= at(late) && at(late) <= price.max_price);
        prop_assert_eq!(at(ramp), price.max_price);
        if ramp != 0 {
            prop_assert_eq!(at(0), price.min_price);
        }
    }

    #[test]
    fn the_parts_of_an_escrow_add_up(
        max_price in 0..1_u128 << 64,
        part in 0..=1_000_u128,
        count in any::<u32>(),
        fee_bps in 0..=MAX_FEE_BPS,
    ) {
        let price = max_price / 1_000 * part;
        let parts = split(max_price, price, count, fee_bps).unwrap();
        let whole = max_price * u128::from(count);
        prop_assert_eq!(parts.paid + parts.fee + parts.refunded, whole);
        prop_assert!(parts.fee * 10_000 <= price * u128::from(count) * u128::from(fee_bps));
    }

    /// `2 * JURY * juryFee <= B`, `JURY * juryFee <= K`: no verdict pays more than is held for it.
    #[test]
    fn juries_are_covered(price in price(), count in 1..=MAX_OPTIMISTIC_LEASE, earlier in any::<u8>()) {
        let terms = Terms { max_lease: MAX_OPTIMISTIC_LEASE, ..Terms::default() };
        if check_price(&terms, &price).is_ok() {
            let jury = u128::from(JURY);
            let bond = bond_of(&price, count).unwrap();
            prop_assert!(2 * jury * price.jury_fee <= bond);
            prop_assert!(price.bond * u128::from(count) <= bond);
            prop_assert!(juror_bond_of(&price, count).unwrap() >= bond / jury);
            prop_assert!(slash_of(bond, LIVENESS_SLASH).unwrap() <= bond / 10);
            match deposit_of(&price, earlier) {
                Ok(deposit) => prop_assert!(
                    price.jury_fee == 0 || (earlier < 96 && deposit == (jury * price.jury_fee) << earlier)
                ),
                Err(error) => prop_assert!(matches!(error, Error::AmountTooLarge(..)) && price.jury_fee != 0),
            }
        }
    }

    /// Whatever a job says, its worst case is an amount or an error, never something smaller.
    #[test]
    fn an_escrow_never_wraps(max_price in amount(), replicas in any::<u8>(), count in any::<u32>()) {
        let terms = Terms { replicas, ..Terms::default() };
        let job = Job { terms, price: Price { max_price, ..Price::default() }, ..Job::default() };
        let whole = product(max_price, u128::from(count) * u128::from(replicas));
        prop_assert_eq!(escrow_of(&job, count), amount_of(whole));
    }
}

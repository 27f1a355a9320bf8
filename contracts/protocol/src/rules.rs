//! What a job may say, and what follows from it: the checks of `post`, the price ramp, bonds, deposits, the split of an
//! escrow. All arithmetic of the market, without state. No operation here can wrap: products are 256 bits wide, sums
//! are checked.

use crate::error::Error;
use crate::types::{Job, Price, Terms, Times, Timing, U256};

/// Jurors of a dispute.
pub const JURY: u8 = 3;
/// Equal votes of a jury that make a verdict.
pub const JURY_QUORUM: u8 = JURY / 2 + 1;
/// Basis points of a bond that are burned when its lease expires: 10 %.
pub const LIVENESS_SLASH: u16 = 1_000;
/// Basis points of a bond that are burned by a late `release`: 2 %.
pub const RELEASE_SLASH: u16 = 200;
/// A `release` within this part of the run window is free: an eighth.
pub const FREE_RELEASE_PART: u64 = 8;
/// Hard cap of the protocol fee, in basis points.
pub const MAX_FEE_BPS: u16 = 500;

/// Most tasks in an optimistic lease: `respond` (all leaves in one call) must fit a block.
pub const MAX_OPTIMISTIC_LEASE: u32 = 2_048;
/// Most seats of a lease.
pub const MAX_REPLICAS: u8 = 15;
/// Longest ramp and longest window, in seconds: 30 days.
pub const MAX_WINDOW: u64 = 30 * 24 * 60 * 60;
/// Latest time that is kept.
pub const MAX_TIME: u64 = (1 << 40) - 1;
/// Blocks from a post or a challenge to its seal: the seed block, and one whose builder adds to the randomness of the
/// next (EIP-4399) and cannot be the seed block's.
pub const SEAL_DELAY: u64 = 3;
/// Longest job spec, in bytes.
pub const MAX_SPEC: usize = 16_384;
/// Longest endpoint of a profile, in bytes.
pub const MAX_ENDPOINT: usize = 128;
/// The most that the market holds, and hence the largest of all amounts.
pub const MAX_AMOUNT: u128 = (1 << 96) - 1;

const BPS: u128 = 10_000;

// ------------------------------------------------------------------ sums and products

/// The whole product.
pub(crate) fn product(a: u128, b: u128) -> U256 {
    U256::from(a).wrapping_mul(U256::from(b)) // 128 + 128 bits: it cannot wrap
}

/// A sum of amounts or times.
pub(crate) fn plus<T: CheckedSum>(a: T, b: T) -> Result<T, Error> {
    a.sum(b).ok_or(Error::OVERFLOW)
}

/// A difference of amounts or times.
pub(crate) fn minus<T: CheckedSum>(a: T, b: T) -> Result<T, Error> {
    a.difference(b).ok_or(Error::OVERFLOW)
}

/// Numbers that [`plus`] and [`minus`] know.
pub(crate) trait CheckedSum: Sized {
    fn sum(self, other: Self) -> Option<Self>;
    fn difference(self, other: Self) -> Option<Self>;
}

macro_rules! checked {
    ($($ty:ty),*) => {$(
        impl CheckedSum for $ty {
            fn sum(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
            fn difference(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
            }
        }
    )*};
}

checked! { u128, u64, u32, u16, u8, U256 }

/// `amount` as it is kept.
///
/// # Errors
/// `AmountTooLarge` if it is over [`MAX_AMOUNT`].
pub fn amount_of(amount: U256) -> Result<u128, Error> {
    match u128::try_from(amount) {
        Ok(amount) if amount <= MAX_AMOUNT => Ok(amount),
        _ => Err(Error::AmountTooLarge(amount, U256::from(MAX_AMOUNT))),
    }
}

// ------------------------------------------------------------------ the checks of `post`

/// `Ok` if a job with these terms can be posted.
///
/// # Errors
/// `NoTasks`, `BadMaxLease`, `BadQuorum`, `VerifierNeedsOneReplica`.
pub fn check_terms(terms: &Terms) -> Result<(), Error> {
    let (replicas, quorum) = (terms.replicas, terms.quorum);
    if terms.tasks == 0 {
        return Err(Error::NoTasks());
    }
    let most = if replicas == 1 {
        MAX_OPTIMISTIC_LEASE
    } else {
        u32::MAX
    };
    if terms.max_lease == 0 || terms.max_lease > most {
        return Err(Error::BadMaxLease(terms.max_lease, most));
    }
    // A true majority; with one seat (and only then) that is a quorum of one.
    let majority = quorum <= replicas && u16::from(quorum) * 2 > u16::from(replicas);
    if replicas == 0 || replicas > MAX_REPLICAS || !majority || (quorum == 1) != (replicas == 1) {
        return Err(Error::BadQuorum(replicas, quorum));
    }
    if terms.verifier != crate::types::NOBODY && replicas != 1 {
        return Err(Error::VerifierNeedsOneReplica(replicas));
    }
    Ok(())
}

/// `Ok` if a job with this timing can be posted at `now`.
///
/// # Errors
/// `BadWindow`, `BadSchedule`.
pub fn check_timing(timing: &Timing, now: u64) -> Result<(), Error> {
    let Timing {
        opens_at,
        ramp,
        closes_at,
        run_window,
        challenge_window,
    } = *timing;
    check_window_or_none(ramp)?;
    check_window(run_window)?;
    check_window_or_none(challenge_window)?;
    if closes_at < opens_at || closes_at < now || closes_at > MAX_TIME {
        return Err(Error::BadSchedule(opens_at, closes_at));
    }
    Ok(())
}

/// `Ok` unless the window is zero or too long.
///
/// # Errors
/// `BadWindow`.
pub fn check_window(window: u64) -> Result<(), Error> {
    if window == 0 {
        Err(Error::BadWindow(window, MAX_WINDOW))
    } else {
        check_window_or_none(window)
    }
}

/// `Ok` unless the window is too long.
///
/// # Errors
/// `BadWindow`.
pub fn check_window_or_none(window: u64) -> Result<(), Error> {
    if window > MAX_WINDOW {
        Err(Error::BadWindow(window, MAX_WINDOW))
    } else {
        Ok(())
    }
}

/// `Ok` if a job with these prices can be posted: a lease's bond, and what a lost jury costs, can be kept.
///
/// # Errors
/// `BadPriceRange`, `AmountTooLarge`.
pub fn check_price(terms: &Terms, price: &Price) -> Result<(), Error> {
    if price.min_price > price.max_price {
        return Err(Error::BadPriceRange(price.min_price, price.max_price));
    }
    amount_of(product(price.bond, terms.max_lease.into()))?;
    amount_of(lost_jury(price))?;
    Ok(())
}

// ------------------------------------------------------------------ deadlines

/// Last second of joining and committing, in a round or a jury of drawn seats that began at `began`.
///
/// # Errors
/// An overflow, for what is no time.
pub fn commit_by(times: &Times, timing: &Timing, began: u64) -> Result<u64, Error> {
    plus(plus(began, times.draw_time)?, timing.run_window)
}

// ------------------------------------------------------------------ prices, bonds, splits

/// The price of a task and seat in a round that begins at `time`. Rounds down.
///
/// # Errors
/// `AmountTooLarge` and an overflow, for jobs that cannot be posted.
pub fn price_at(price: &Price, timing: &Timing, time: u64) -> Result<u128, Error> {
    let climb = minus(price.max_price, price.min_price)?;
    let full_at = u128::from(timing.opens_at) + u128::from(timing.ramp); // 65 bits
    if u128::from(time) >= full_at {
        return amount_of(U256::from(price.max_price));
    }
    if time <= timing.opens_at {
        return amount_of(U256::from(price.min_price));
    }
    let climbed = product(climb, minus(time, timing.opens_at)?.into())
        .checked_div(U256::from(timing.ramp))
        .ok_or(Error::OVERFLOW)?; // the ramp is not zero: `time` is before its end
    amount_of(plus(U256::from(price.min_price), climbed)?)
}

/// `2 * JURY * juryFee`: what a lost jury costs at most, for the jury and for the reward.
fn lost_jury(price: &Price) -> U256 {
    product(price.jury_fee, 2 * u128::from(JURY))
}

/// B, the bond of an optimistic lease: never less than what a lost jury costs.
///
/// # Errors
/// `AmountTooLarge`, for jobs that cannot be posted.
pub fn bond_of(price: &Price, count: u32) -> Result<u128, Error> {
    amount_of(product(price.bond, count.into()).max(lost_jury(price)))
}

/// b, the bond of a seat of a redundant lease.
///
/// # Errors
/// `AmountTooLarge`, for jobs that cannot be posted.
pub fn seat_bond_of(price: &Price, count: u32) -> Result<u128, Error> {
    amount_of(product(price.bond, count.into()))
}

/// J, the bond of a juror over a lease of `count` tasks: a jury together risks what the lease's provider does. Rounds
/// down.
///
/// # Errors
/// `AmountTooLarge`, for jobs that cannot be posted.
pub fn juror_bond_of(price: &Price, count: u32) -> Result<u128, Error> {
    let share = bond_of(price, count)? / u128::from(JURY);
    amount_of(U256::from(price.bond.max(share)))
}

/// K, the deposit of a round's challenge after `earlier` others: twice the last one. No market holds that of the 96th.
///
/// # Errors
/// `AmountTooLarge`.
pub fn deposit_of(price: &Price, earlier: u8) -> Result<u128, Error> {
    let first = product(price.jury_fee, JURY.into()); // 95 bits (`check_price`)
    amount_of(
        first
            .checked_shl(earlier.min(96).into())
            .ok_or(Error::OVERFLOW)?,
    )
}

/// `JURY * juryFee`: the reward of a challenger that was right.
///
/// # Errors
/// `AmountTooLarge`, for jobs that cannot be posted.
pub fn reward_of(price: &Price) -> Result<u128, Error> {
    amount_of(product(price.jury_fee, JURY.into()))
}

/// What `count` tasks hold in escrow: their worst case.
///
/// # Errors
/// `AmountTooLarge`, for jobs that cannot be posted.
pub fn escrow_of(job: &Job, count: u32) -> Result<u128, Error> {
    let seats = u128::from(count) * u128::from(job.terms.replicas); // 32 + 8 bits
    amount_of(product(job.price.max_price, seats))
}

/// How the escrow of one seat of a lease that ended well is split. The parts add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// To the provider.
    pub paid: u128,
    /// To the protocol; rounds down.
    pub fee: u128,
    /// To the client.
    pub refunded: u128,
}

/// Splits the escrow `max_price * count` of a lease that ended well at `price`.
///
/// # Errors
/// `AmountTooLarge`, for jobs that cannot be posted.
pub fn split(max_price: u128, price: u128, count: u32, fee_bps: u16) -> Result<Split, Error> {
    let whole = amount_of(product(max_price, count.into()))?;
    let gross = amount_of(product(price, count.into()))?;
    let fee = share_of(gross, fee_bps)?;
    Ok(Split {
        paid: minus(gross, fee)?,
        fee,
        refunded: minus(whole, gross)?,
    })
}

/// What is burned of a bond; rounds down, the rest returns to the provider.
///
/// # Errors
/// An overflow, for what is no amount.
pub fn slash_of(bond: u128, slash_bps: u16) -> Result<u128, Error> {
    share_of(bond, slash_bps)
}

/// So many basis points of an amount. Rounds down.
fn share_of(amount: u128, bps: u16) -> Result<u128, Error> {
    // 96 + 16 bits.
    let scaled = amount.checked_mul(bps.into()).ok_or(Error::OVERFLOW)?;
    amount_of(U256::from(scaled / BPS))
}

//! What a job may say, and what follows from it: the checks of `post`, the claim, the ramp, bonds, lateness, the escrow, and
//! how often a draw's circle doubles. All arithmetic of the market, without state. No operation here can wrap: products are
//! 256 bits wide, sums are checked.
//!
//! What is no amount is refused: `AmountTooLarge`, or [`Error::OVERFLOW`] where only a job that cannot be posted comes to it.

use crate::error::Error;
use crate::slots::Checkpoint;
use crate::types::{Assurance, Job, NOBODY, Price, Terms, Times, Timing, U256};

/// Jurors of an audit.
pub const JURY: u8 = 3;
/// Equal votes of a jury that decide.
pub const JURY_QUORUM: u8 = 2;
/// A juror's bond, in jury fees.
pub const JUROR_BOND: u128 = 8;
/// Basis points of a bond that are burned for a whole run window of lateness, or for an act that failed without fault: 10 %.
pub const TENTH: u128 = 1_000;
/// Leaving within this part of the run window is free in a lease's first round: an eighth.
pub const FREE_PART: u64 = 8;
/// Doublings of a lease's draw: its growth stops at 16 times.
pub const LEASE_STEPS: u8 = 4;
/// Doublings of a jury's draw: its growth stops at 4 times.
pub const JURY_STEPS: u8 = 2;
/// Hard cap of the protocol fee, in basis points.
pub const MAX_FEE_BPS: u16 = 500;

/// Most tasks in an ordinary lease: a digest list, and a proof against its root, stay small.
pub const MAX_LEASE: u32 = 2_048;
/// Most seats of a lease.
pub const MAX_REPLICAS: u8 = 15;
/// Longest ramp and longest window, in seconds: 30 days.
pub const MAX_WINDOW: u64 = 30 * 24 * 60 * 60;
/// Latest opening and closing, in seconds from `post`: a year.
pub const MAX_AHEAD: u64 = 365 * 24 * 60 * 60;
/// Longest job spec, in bytes.
pub const MAX_SPEC: usize = 16_384;
/// Longest endpoint of a profile, in bytes.
pub const MAX_ENDPOINT: usize = 128;
/// The most that the market holds, and hence the largest of all amounts.
pub const MAX_AMOUNT: u128 = (1 << 96) - 1;
/// Latest time that is kept.
pub const MAX_TIME: u64 = (1 << 40) - 1;

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
pub fn amount_of(amount: U256) -> Result<u128, Error> {
    match u128::try_from(amount) {
        Ok(amount) if amount <= MAX_AMOUNT => Ok(amount),
        _ => Err(Error::AmountTooLarge(amount, U256::from(MAX_AMOUNT))),
    }
}

// ------------------------------------------------------------------ windows

/// Refuses a window that is shorter than `min` or too long: `BadWindow`.
pub fn check_window(window: u64, min: u64) -> Result<(), Error> {
    if window < min || window > MAX_WINDOW { Err(Error::BadWindow(window, min, MAX_WINDOW)) } else { Ok(()) }
}

/// Refuses times that no market can have: `BadWindow`. On a devnet only the age of stake may be zero.
pub fn check_times(times: &Times, devnet: bool) -> Result<(), Error> {
    const HOUR: u64 = 60 * 60;
    let least = |sane: u64| if devnet { 1 } else { sane };
    check_window(times.stake_age, if devnet { 0 } else { 24 * HOUR })?;
    check_window(times.lease_step, least(60))?;
    check_window(times.jury_step, least(5 * 60))?;
    check_window(times.jury_time, least(HOUR / 2))?;
    check_window(times.reveal_window, least(HOUR))?;
    check_window(times.respond_window, least(6 * HOUR))?;
    check_window(times.retry_window, least(6 * HOUR))?;
    check_window(times.least_audit_window, least(HOUR))?;
    check_window(times.least_run_window, least(60))
}

// ------------------------------------------------------------------ the checks of `post`

/// Refuses a job that cannot be checked in this way: `NoTasks`, `BadQuorum`, `OneReplicaOnly`, `AuditsOrVerifier`,
/// `BadAudit`, `RefundNeedsAudits`, in this order.
pub fn check_assurance(job: &Job) -> Result<(), Error> {
    let Assurance { replicas, quorum, audit_bps, refund, verifier } = job.assurance;
    if job.terms.tasks == 0 {
        return Err(Error::NoTasks());
    }
    // A true majority; with one seat (and only then) that is a quorum of one.
    let majority = quorum <= replicas && u16::from(quorum) * 2 > u16::from(replicas);
    if replicas == 0 || replicas > MAX_REPLICAS || !majority || (quorum == 1) != (replicas == 1) {
        return Err(Error::BadQuorum(replicas, quorum));
    }
    let (audits, proven) = (audit_bps != 0, verifier != NOBODY);
    if replicas != 1 && (audits || proven) {
        return Err(Error::OneReplicaOnly(replicas));
    }
    if audits && proven {
        return Err(Error::AuditsOrVerifier(audit_bps, verifier));
    }
    let (fee, window) = (job.price.jury_fee, job.timing.audit_window);
    if u128::from(audit_bps) > BPS || (fee != 0) != audits || (window != 0) != audits {
        return Err(Error::BadAudit(audit_bps, fee, window));
    }
    if refund && !audits {
        return Err(Error::RefundNeedsAudits());
    }
    Ok(())
}

/// Refuses a job of which a claim could leave tasks that no lease fits: `BadLeaseSize`.
pub fn check_lease(terms: &Terms, replicas: u8) -> Result<(), Error> {
    let (least, most) = (terms.min_lease, terms.max_lease);
    let ordinary = replicas == 1;
    let max = if ordinary { MAX_LEASE } else { u32::MAX };
    let fits = if ordinary {
        most >= terms.tasks.min(least.saturating_mul(2).saturating_sub(1))
    } else {
        most == least
    };
    if least == 0 || least > terms.tasks || most > max || !fits {
        return Err(Error::BadLeaseSize(least, most, max));
    }
    Ok(())
}

/// Refuses a job with a timing that cannot be posted at `now`: `BadWindow`, `BadSchedule`.
pub fn check_timing(job: &Job, times: &Times, now: u64) -> Result<(), Error> {
    let timing = &job.timing;
    let max_ramp = match job.assurance.replicas {
        1 => MAX_WINDOW,
        _ => 0,
    };
    if timing.ramp > max_ramp {
        return Err(Error::BadWindow(timing.ramp, 0, max_ramp));
    }
    check_window(timing.run_window, times.least_run_window)?;
    let least_audit = match job.assurance.audit_bps {
        0 => 0,
        _ => times.least_audit_window,
    };
    check_window(timing.audit_window, least_audit)?;
    let (opens_at, closes_at) = (timing.opens_at, timing.closes_at);
    let latest = plus(now, MAX_AHEAD)?;
    if closes_at <= opens_at || closes_at < now || closes_at > latest {
        return Err(Error::BadSchedule(opens_at, closes_at));
    }
    Ok(())
}

/// Refuses a job with prices or bonds that cannot be kept: `BadPriceRange`, `BondNeeded`, `AmountTooLarge`.
pub fn check_price(job: &Job) -> Result<(), Error> {
    let price = &job.price;
    let (min, max) = (price.min_price, price.max_price);
    if min > max || (job.assurance.replicas != 1 && min != max) {
        return Err(Error::BadPriceRange(min, max));
    }
    if price.jury_fee != 0 && price.bond == 0 {
        return Err(Error::BondNeeded());
    }
    bond_of(price, job.terms.max_lease)?;
    juror_bond_of(price)?;
    Ok(())
}

// ------------------------------------------------------------------ leases

/// How many of the `left` tasks, at least one, a claim of at most `wanted` takes: what is left afterwards is 0 or at least
/// `min_lease`, and the lease has `min_lease` to `max_lease` tasks.
pub fn clamp(terms: &Terms, left: u32, wanted: u32) -> Result<u32, Error> {
    let least = terms.min_lease;
    let count = wanted.min(terms.max_lease).min(left).max(least);
    let rest = minus(left, count)?;
    if rest == 0 || rest >= least {
        Ok(count)
    } else if u64::from(left) >= 2 * u64::from(least) {
        minus(left, least)
    } else {
        Ok(left)
    }
}

/// The price of a task and seat at `time` on the ramp. Rounds down.
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

/// What `count` tasks cost in a round whose place on the ramp is `origin`, for one seat.
pub fn gross_of(job: &Job, origin: u64, count: u32) -> Result<u128, Error> {
    let price = price_at(&job.price, &job.timing, origin)?;
    amount_of(product(price, count.into()))
}

/// The protocol's part of what a seat is paid. Rounds down.
pub fn fee_of(gross: u128, fee_bps: u16) -> Result<u128, Error> {
    share_of(gross, fee_bps.into())
}

/// B, the bond of a lease or of a seat of one.
pub fn bond_of(price: &Price, count: u32) -> Result<u128, Error> {
    amount_of(product(price.bond, count.into()))
}

/// J, the bond of a juror, whatever the lease's size.
pub fn juror_bond_of(price: &Price) -> Result<u128, Error> {
    amount_of(product(price.jury_fee, JUROR_BOND))
}

/// What `count` tasks hold in escrow: their worst case. It is linear, so any split into leases is covered, and a lease of
/// at least `min_lease` tasks holds a whole jury's pay. That is 0 without audits.
pub fn escrow_of(job: &Job, count: u32) -> Result<u128, Error> {
    // 128 + 8 bits and less; 32 more below.
    let seats = product(job.price.max_price, job.assurance.replicas.into());
    let jury = product(job.price.jury_fee, JURY.into());
    let least = U256::from(job.terms.min_lease);
    if least == U256::ZERO {
        return Err(Error::OVERFLOW);
    }
    let reserve = jury.div_ceil(least);
    amount_of(plus(seats, reserve)?.wrapping_mul(U256::from(count)))
}

// ------------------------------------------------------------------ losses

/// So many basis points of an amount. Rounds down.
fn share_of(amount: u128, bps: u128) -> Result<u128, Error> {
    // 96 + 16 bits.
    let scaled = amount.checked_mul(bps).ok_or(Error::OVERFLOW)?;
    amount_of(U256::from(scaled / BPS))
}

/// A tenth. Rounds down.
pub fn tenth_of(amount: u128) -> Result<u128, Error> {
    share_of(amount, TENTH)
}

/// What leaving burns of `bond`, `elapsed` seconds after the round began: nothing in the first eighth of a lease's first
/// round, otherwise a tenth for a whole `window`, in proportion. Rounds down.
pub fn lateness_of(bond: u128, round: u16, elapsed: u64, window: u64) -> Result<u128, Error> {
    if round == 1 && elapsed <= window / FREE_PART {
        return Ok(0);
    }
    // 96 + 10 + 64 bits.
    let late = product(bond, TENTH).wrapping_mul(U256::from(elapsed));
    amount_of(late.checked_div(product(BPS, window.into())).ok_or(Error::OVERFLOW)?)
}

// ------------------------------------------------------------------ draws

/// The amount of the last of `length` checkpoints that is not after `time`; 0 before the first. Times ascend.
pub fn amount_at(length: u32, time: u64, checkpoint: impl Fn(u32) -> Checkpoint) -> u128 {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low.midpoint(high);
        if checkpoint(middle).time > time {
            high = middle;
        } else {
            low = middle.saturating_add(1);
        }
    }
    high.checked_sub(1).map_or(0, |place| checkpoint(place).amount)
}

/// How often the circle of the drawn doubles before a provider is in it: at the k-th step it is iff
/// `uint128(ticket) / 2^128 < weight / total * places * 2^k`. `None`: not within `steps` steps.
pub fn doublings(ticket: &[u8; 32], (weight, total): (u128, u128), places: u8, steps: u8) -> Option<u8> {
    let lot = u128::from_be_bytes(*ticket.last_chunk()?);
    // 128 + 96 bits; 96 + 4 + 128 bits, and 4 more.
    let line = product(lot, total);
    let reach = product(weight, places.into()) << 128;
    (0..=steps).find(|k| line < reach << usize::from(*k))
}

/// Whether chance says that a lease is audited.
pub fn coin(hash: &[u8; 32], audit_bps: u16) -> bool {
    let side = U256::from_be_bytes(*hash).checked_rem(U256::from(BPS));
    side.is_some_and(|side| side < U256::from(audit_bps))
}

/// Which of the tasks `[first, first + count)` an audit runs again.
pub fn audited_task(hash: &[u8; 32], first: u32, count: u32) -> Option<u32> {
    let place = U256::from_be_bytes(*hash).checked_rem(U256::from(count))?;
    first.checked_add(u32::try_from(place).ok()?)
}

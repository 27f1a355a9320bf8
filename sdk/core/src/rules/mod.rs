//! The market's arithmetic: prices, bonds, draws, deadlines. It is that of the executable specification
//! (`piecework-protocol`), which is held equal to the contracts. Here it takes the bindings' types and refuses as the
//! contracts do. Nothing else in this library, nor in the executor, computes these.
//!
//! ```
//! use piecework_core::chain::IMarket;
//! use piecework_core::rules::{self, Cost};
//!
//! # fn main() -> Result<(), piecework_core::chain::Revert> {
//! # let terms = IMarket::Terms { client: Default::default(), nonce: 0, spec: Default::default(), tasks: 10, minLease: 2,
//! #     maxLease: 5, providers: Default::default() };
//! # let assurance = IMarket::Assurance { replicas: 1, quorum: 1, auditBps: 5_000, refund: false,
//! #     verifier: Default::default() };
//! # let price = IMarket::Price { minPrice: 100, maxPrice: 200, bond: 50, juryFee: 30 };
//! # let timing = IMarket::Timing { opensAt: 1_000, ramp: 100, closesAt: 9_000, runWindow: 60, auditWindow: 7_200 };
//! // 100 units at first, 200 after 100 s, a bond of 50 units a task, and a jury of 30 units a juror, in leases of 2 to 5.
//! let job = IMarket::Job { terms, assurance, price, timing };
//! assert_eq!(rules::price_at(&job, 1_050)?, 150);
//! // Four tasks, taken halfway up the ramp, with a fee of 1 %. The escrow holds 45 units a task for the jury.
//! let cost = Cost::of_lease(&job, 4, 100, 1_050)?;
//! assert_eq!((cost.escrow, cost.bond), (980, 200));
//! assert_eq!((cost.paid, cost.fee, cost.refunded), (594, 6, 380));
//! # Ok(())
//! # }
//! ```

pub mod convert;
pub mod draw;
mod times;

use alloy_primitives::U256;
use piecework_protocol::Error;
use piecework_protocol::rules as protocol;
use serde::Serialize;

pub use piecework_protocol::rules::{
    FREE_PART, JUROR_BOND, JURY, JURY_QUORUM, JURY_STEPS, LEASE_STEPS, MAX_AHEAD, MAX_AMOUNT,
    MAX_ENDPOINT, MAX_FEE_BPS, MAX_LEASE, MAX_REPLICAS, MAX_SPEC, MAX_WINDOW,
};

use crate::chain::{IMarket, Revert};
use convert::revert;
pub use times::{DEV_TIMES, TIMES};

/// Tasks of which every basis point is a whole number of units.
const FINE: u128 = 10_000;

/// The price of a task and seat at `time` on the ramp, in units. Rounds down.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn price_at(job: &IMarket::Job, time: u64) -> Result<u128, Revert> {
    let (price, timing) = (convert::price(&job.price), convert::timing(&job.timing));
    protocol::price_at(&price, &timing, time).map_err(revert)
}

/// The least that a task of that price leaves its provider after the fee, in units, however many are in the lease: the
/// fee is taken of the whole lease, so one task alone may leave a unit more.
///
/// # Errors
/// `AmountTooLarge` for what is no price.
pub fn net_of(price: u128, fee_bps: u16) -> Result<u128, Revert> {
    // Of so many tasks nothing is rounded. Of a price so high that no market keeps that, a unit does not matter.
    let net = |tasks: u128| {
        let gross = protocol::amount_of(U256::from(price).saturating_mul(U256::from(tasks)))?;
        let fee = protocol::fee_of(gross, fee_bps)?;
        Ok::<_, Error>(
            gross
                .saturating_sub(fee)
                .checked_div(tasks)
                .unwrap_or_default(),
        )
    };
    net(FINE).or_else(|_| net(1)).map_err(revert)
}

/// B, the bond of a lease of `count` tasks, or of a seat of a redundant one, in units.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn bond_of(price: &IMarket::Price, count: u32) -> Result<u128, Revert> {
    protocol::bond_of(&convert::price(price), count).map_err(revert)
}

/// J, the bond of a juror, whatever the lease's size, in units.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn juror_bond_of(price: &IMarket::Price) -> Result<u128, Revert> {
    protocol::juror_bond_of(&convert::price(price)).map_err(revert)
}

/// What `count` tasks of the job hold in escrow, in units: their worst case, juries included.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn escrow_of(job: &IMarket::Job, count: u32) -> Result<u128, Revert> {
    protocol::escrow_of(&convert::job(job), count).map_err(revert)
}

/// A tenth of an amount, in units: what lateness for a whole window, an abstention and the like burn. Rounds down.
///
/// # Errors
/// `AmountTooLarge` for what is no amount.
pub fn tenth_of(amount: u128) -> Result<u128, Revert> {
    protocol::tenth_of(amount).map_err(revert)
}

/// What leaving burns of `bond`, in units, `elapsed` seconds after the round began.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn lateness_of(bond: u128, round: u16, elapsed: u64, run_window: u64) -> Result<u128, Revert> {
    protocol::lateness_of(bond, round, elapsed, run_window).map_err(revert)
}

/// How many of the `left` tasks, at least one, a claim of at most `wanted` takes.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn clamp(terms: &IMarket::Terms, left: u32, wanted: u32) -> Result<u32, Revert> {
    protocol::clamp(&convert::terms(terms), left, wanted).map_err(revert)
}

/// The last second in which the holder of a lease's first round gives it up for nothing. The round began at `since`.
pub fn leave_free_by(run_window: u64, since: u64) -> u64 {
    since.saturating_add(run_window / FREE_PART)
}

/// The last second of seats and votes of a jury. `since` is the audit's, while not all three jurors have committed.
pub fn jury_commit_by(times: &IMarket::Times, run_window: u64, since: u64) -> u64 {
    since
        .saturating_add(run_window)
        .saturating_add(times.juryTime)
}

/// What a lease, or one seat of a redundant one, costs and brings, if it ends well. All amounts are units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The time on the ramp that prices its round: of a first claim when it is made. Unix seconds.
    pub origin: u64,
    /// Its tasks.
    pub count: u32,
    /// The price of one of them.
    #[serde(serialize_with = "text")]
    pub price: u128,
    /// Stake that is locked until it ends.
    #[serde(serialize_with = "text")]
    pub bond: u128,
    /// What is burned of the bond when nothing is submitted (of a seat: committed) in time.
    #[serde(serialize_with = "text")]
    pub late: u128,
    /// What the client has in escrow for it: the sum of the following three.
    #[serde(serialize_with = "text")]
    pub escrow: u128,
    /// What its provider is paid, after the fee.
    #[serde(serialize_with = "text")]
    pub paid: u128,
    /// What the protocol is paid.
    #[serde(serialize_with = "text")]
    pub fee: u128,
    /// What the client gets back, if no jury is paid out of it.
    #[serde(serialize_with = "text")]
    pub refunded: u128,
}

impl Cost {
    /// The cost of a lease of `count` tasks with one replica, whose round has the place `origin` on the ramp.
    ///
    /// # Errors
    /// What the market says to a job that cannot be posted.
    pub fn of_lease(
        job: &IMarket::Job,
        count: u32,
        fee_bps: u16,
        origin: u64,
    ) -> Result<Self, Revert> {
        Self::of(job, count, fee_bps, origin, 1).map_err(revert)
    }

    /// The cost of one seat of a redundant lease of `count` tasks. A seat that nobody fills returns its share of the
    /// escrow to the client. The share of a seat that is outvoted is burned.
    ///
    /// # Errors
    /// What the market says to a job that cannot be posted.
    pub fn of_seat(
        job: &IMarket::Job,
        count: u32,
        fee_bps: u16,
        origin: u64,
    ) -> Result<Self, Revert> {
        Self::of(job, count, fee_bps, origin, job.assurance.replicas).map_err(revert)
    }

    fn of(
        job: &IMarket::Job,
        count: u32,
        fee_bps: u16,
        origin: u64,
        seats: u8,
    ) -> Result<Self, Error> {
        let job = convert::job(job);
        let bond = protocol::bond_of(&job.price, count)?;
        let gross = protocol::gross_of(&job, origin, count)?;
        let fee = protocol::fee_of(gross, fee_bps)?;
        let escrow = protocol::escrow_of(&job, count)? / u128::from(seats.max(1));
        Ok(Self {
            origin,
            count,
            price: protocol::price_at(&job.price, &job.timing, origin)?,
            bond,
            late: protocol::tenth_of(bond)?,
            escrow,
            paid: gross.saturating_sub(fee),
            fee,
            refunded: escrow.saturating_sub(gross),
        })
    }
}

/// Amounts are text in JSON: many readers lose the digits of large numbers.
fn text<S: serde::Serializer>(units: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(units)
}

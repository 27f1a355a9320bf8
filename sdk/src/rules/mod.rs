//! The market's arithmetic: prices, bonds, deposits, deadlines. It is that of the executable specification
//! (`piecework-protocol`), which is held equal to the contracts; here it takes the bindings' types and refuses as the
//! contracts do. Nothing else in this library, nor in the executor, computes these.
//!
//! ```
//! use piecework::chain::IMarket;
//! use piecework::rules::{self, Cost};
//!
//! # fn main() -> Result<(), piecework::chain::Revert> {
//! # let (terms, price, timing) = (
//! #     IMarket::Terms { client: Default::default(), nonce: 0, spec: Default::default(), tasks: 10, maxLease: 5,
//! #         replicas: 1, quorum: 1, providers: Default::default(), verifier: Default::default() },
//! #     IMarket::Price { minPrice: 100, maxPrice: 200, bond: 50, juryFee: 1 },
//! #     IMarket::Timing { opensAt: 1_000, ramp: 100, closesAt: 9_000, runWindow: 60, challengeWindow: 60 },
//! # );
//! // 100 units at first, 200 after 100 s, a bond of 50 units a task.
//! let job = IMarket::Job { terms, price, timing };
//! assert_eq!(rules::price_at(&job, 1_050)?, 150);
//! // Four tasks, taken halfway up the ramp, with a fee of 1 %.
//! let cost = Cost::of_lease(&job, 4, 100, 1_050)?;
//! assert_eq!((cost.bond, cost.paid, cost.fee, cost.refunded), (200, 594, 6, 200));
//! # Ok(())
//! # }
//! ```

pub(crate) mod words;

use piecework_protocol::Error;
use piecework_protocol::rules as protocol;
use piecework_protocol::types::Price;
use serde::Serialize;

pub use piecework_protocol::rules::{
    FREE_RELEASE_PART, JURY, JURY_QUORUM, MAX_AMOUNT, MAX_ENDPOINT, MAX_FEE_BPS,
    MAX_OPTIMISTIC_LEASE, MAX_REPLICAS, MAX_SPEC, MAX_WINDOW, SEAL_DELAY,
};

use crate::chain::{IMarket, Revert};
use words::revert;

/// Tasks of which every basis point is a whole number of units.
const FINE: u32 = 10_000;

/// The price of a task and seat in a round that begins at `time`, in units. Rounds down.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn price_at(job: &IMarket::Job, time: u64) -> Result<u128, Revert> {
    let (price, timing) = (words::price(&job.price), words::timing(&job.timing));
    protocol::price_at(&price, &timing, time).map_err(revert)
}

/// The least that a task of that price leaves its provider after the fee, in units, however many are in the lease: the
/// fee is taken of the whole lease, so one task alone may leave a unit more.
///
/// # Errors
/// `AmountTooLarge` for what is no price.
pub fn net_of(price: u128, fee_bps: u16) -> Result<u128, Revert> {
    // Of so many tasks nothing is rounded; of a price so high that no market keeps that, a unit does not matter.
    let many =
        protocol::split(price, price, FINE, fee_bps).map(|parts| parts.paid / u128::from(FINE));
    many.or_else(|_| protocol::split(price, price, 1, fee_bps).map(|parts| parts.paid))
        .map_err(revert)
}

/// B, the bond of an optimistic lease of `count` tasks, in units.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn bond_of(price: &IMarket::Price, count: u32) -> Result<u128, Revert> {
    protocol::bond_of(&words::price(price), count).map_err(revert)
}

/// The bond of a seat of a redundant lease of `count` tasks, in units.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn seat_bond_of(price: &IMarket::Price, count: u32) -> Result<u128, Revert> {
    protocol::seat_bond_of(&words::price(price), count).map_err(revert)
}

/// The bond of a juror over an optimistic lease of `count` tasks, in units.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn juror_bond_of(price: &IMarket::Price, count: u32) -> Result<u128, Revert> {
    protocol::juror_bond_of(&words::price(price), count).map_err(revert)
}

/// What a challenge puts down in a round with `earlier` ones before it, in units.
///
/// # Errors
/// `AmountTooLarge` for a deposit that no market holds.
pub fn deposit_of(jury_fee: u128, earlier: u8) -> Result<u128, Revert> {
    let price = Price {
        jury_fee,
        ..Price::default()
    };
    protocol::deposit_of(&price, earlier).map_err(revert)
}

/// What `count` tasks of the job hold in escrow, in units: their worst case.
///
/// # Errors
/// What the market says to a job that cannot be posted.
pub fn escrow_of(job: &IMarket::Job, count: u32) -> Result<u128, Revert> {
    protocol::escrow_of(&words::job(job), count).map_err(revert)
}

/// Last second of joining and committing, in a round or a jury of drawn seats that began at `began`. The last second
/// there is for what is no time.
pub fn commit_by(times: &IMarket::Times, run_window: u64, began: u64) -> u64 {
    let timing = piecework_protocol::types::Timing {
        run_window,
        ..Default::default()
    };
    protocol::commit_by(&words::times(times), &timing, began).unwrap_or(u64::MAX)
}

/// The first block in which a draw can be sealed, of a job that was posted, or a challenge that was made, in block
/// `from`.
pub fn sealable_from(from: u64) -> u64 {
    from.saturating_add(SEAL_DELAY)
}

/// The last second in which a lease whose round began at `began` is given up for nothing.
pub fn free_release_by(run_window: u64, began: u64) -> u64 {
    began.saturating_add(run_window / FREE_RELEASE_PART)
}

/// What a lease, or one seat of a redundant one, costs and brings, if it ends well. All amounts are units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// When its round begins, which fixes its price. Unix seconds.
    pub started: u64,
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
    /// What the client gets back.
    #[serde(serialize_with = "text")]
    pub refunded: u128,
}

impl Cost {
    /// Of an optimistic lease of `count` tasks, or of one with a proof, that is taken at `started`.
    ///
    /// # Errors
    /// What the market says to a job that cannot be posted.
    pub fn of_lease(
        job: &IMarket::Job,
        count: u32,
        fee_bps: u16,
        started: u64,
    ) -> Result<Self, Revert> {
        let bond = protocol::bond_of(&words::price(&job.price), count);
        Self::with_bond(job, bond, count, fee_bps, started).map_err(revert)
    }

    /// Of one seat of a redundant lease of `count` tasks whose round begins at `started`. A seat that is outvoted, or
    /// taken by nobody, returns its share of the escrow to the client.
    ///
    /// # Errors
    /// What the market says to a job that cannot be posted.
    pub fn of_seat(
        job: &IMarket::Job,
        count: u32,
        fee_bps: u16,
        started: u64,
    ) -> Result<Self, Revert> {
        let bond = protocol::seat_bond_of(&words::price(&job.price), count);
        Self::with_bond(job, bond, count, fee_bps, started).map_err(revert)
    }

    fn with_bond(
        job: &IMarket::Job,
        bond: Result<u128, Error>,
        count: u32,
        fee_bps: u16,
        started: u64,
    ) -> Result<Self, Error> {
        let (bond, timing) = (bond?, words::timing(&job.timing));
        let price = protocol::price_at(&words::price(&job.price), &timing, started)?;
        let parts = protocol::split(job.price.maxPrice, price, count, fee_bps)?;
        let whole = protocol::split(job.price.maxPrice, 0, count, 0)?;
        Ok(Self {
            started,
            count,
            price,
            bond,
            late: protocol::slash_of(bond, protocol::LIVENESS_SLASH)?,
            escrow: whole.refunded,
            paid: parts.paid,
            fee: parts.fee,
            refunded: parts.refunded,
        })
    }
}

/// Amounts are text in JSON: many readers lose the digits of large numbers.
fn text<S: serde::Serializer>(units: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(units)
}

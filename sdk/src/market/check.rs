//! A job as it was described, checked by the market's own rules before anything is sent: a refusal names the field.

use piecework_protocol::Error as Refusal;
use piecework_protocol::rules;
use piecework_protocol::types::{Job, Price};

use crate::Error;
use crate::chain::IMarket;
use crate::rules::words;

/// What the job moves into escrow, in units, if the market takes its terms and prices.
pub(super) fn escrow(terms: &IMarket::Terms, price: &IMarket::Price) -> Result<u128, Error> {
    let (terms, price) = (words::terms(terms), words::price(price));
    let job = Job {
        terms,
        price,
        ..Job::default()
    };
    rules::check_terms(&terms).map_err(|refusal| named(refusal, &job))?;
    // Before the bond, which is that price unless the client says otherwise.
    let escrow = rules::escrow_of(&job, terms.tasks).map_err(|_| too_large("max_price"))?;
    rules::check_price(&terms, &price).map_err(|refusal| named(refusal, &job))?;
    Ok(escrow)
}

/// Refuses unless the market takes a window of so many seconds.
pub(super) fn window(field: &'static str, seconds: u64) -> Result<(), Error> {
    rules::check_window(seconds).map_err(|_| not_between(field, seconds, 1))
}

/// As [`window`], of one that may be 0.
pub(super) fn window_or_none(field: &'static str, seconds: u64) -> Result<(), Error> {
    rules::check_window_or_none(seconds).map_err(|_| not_between(field, seconds, 0))
}

/// An amount that no market keeps.
pub(super) fn too_large(field: &'static str) -> Error {
    Error::bad_job(
        field,
        "times the tasks (and their seats) is more than a market keeps (2^96 - 1 units)",
    )
}

fn not_between(field: &'static str, seconds: u64, least: u64) -> Error {
    Error::bad_job(
        field,
        format!("{seconds} s is not between {least} s and 30 days"),
    )
}

/// The refusal, with the field that it is about.
fn named(refusal: Refusal, job: &Job) -> Error {
    match refusal {
        Refusal::NoTasks() => Error::bad_job("tasks", "are none: a job has at least one"),
        Refusal::BadMaxLease(size, most) => {
            Error::bad_job("max_lease", format!("{size} is not between 1 and {most}"))
        }
        Refusal::BadPriceRange(min, max) => {
            Error::bad_job("min_price", format!("{min} is over its max_price {max}"))
        }
        // Of two that can be too large, the one that is so without the other.
        Refusal::AmountTooLarge(..) => {
            let alone = Price {
                jury_fee: 0,
                ..job.price
            };
            match rules::check_price(&job.terms, &alone) {
                Ok(()) => too_large("jury_fee"),
                Err(_) => too_large("bond"),
            }
        }
        other => Error::bad_job("level", format!("is refused: {}", words::revert(other))),
    }
}

//! A job as it was described, checked by the market's own rules before anything is sent: a refusal names the field.

use piecework_protocol::Error as Refusal;
use piecework_protocol::rules;
use piecework_protocol::types::{Job, Price};

use crate::Error;
use crate::chain::IMarket;
use crate::rules::convert;

/// What the job moves into escrow, in units, if the market with these times takes it when it opens.
pub(super) fn escrow(job: &IMarket::Job, times: &IMarket::Times) -> Result<u128, Error> {
    let (job, times) = (convert::job(job), convert::times(times));
    let timing = &job.timing;
    rules::check_assurance(&job).map_err(|refusal| named(refusal, &job))?;
    rules::check_lease(&job.terms, job.assurance.replicas)
        .map_err(|refusal| named(refusal, &job))?;
    let most_ramp = match job.assurance.replicas {
        1 => rules::MAX_WINDOW,
        _ => 0,
    };
    let least_audit = match job.assurance.audit_bps {
        0 => 0,
        _ => times.least_audit_window,
    };
    window("ramp", timing.ramp, 0, most_ramp)?;
    window(
        "run_window",
        timing.run_window,
        times.least_run_window,
        rules::MAX_WINDOW,
    )?;
    window(
        "audit_window",
        timing.audit_window,
        least_audit,
        rules::MAX_WINDOW,
    )?;
    let open = timing.closes_at.saturating_sub(timing.opens_at);
    window("closes_in", open, 1, rules::MAX_AHEAD)?;
    // Before the bond, which follows from that price unless the client says otherwise.
    let alone = Job {
        price: Price {
            jury_fee: 0,
            ..job.price
        },
        ..job
    };
    rules::escrow_of(&alone, job.terms.tasks).map_err(|_| too_large("max_price"))?;
    rules::check_price(&job).map_err(|refusal| named(refusal, &job))?;
    rules::escrow_of(&job, job.terms.tasks).map_err(|_| too_large("jury_fee"))
}

fn window(field: &'static str, seconds: u64, least: u64, most: u64) -> Result<(), Error> {
    if (least..=most).contains(&seconds) {
        return Ok(());
    }
    let problem = match most {
        0 => format!("{seconds} s in a redundant job, whose price does not climb"),
        _ => format!(
            "{seconds} s is not between {least} s and {} days",
            most / 86_400
        ),
    };
    Err(Error::bad_job(field, problem))
}

/// An amount that no market keeps.
pub(super) fn too_large(field: &'static str) -> Error {
    Error::bad_job(
        field,
        "times the tasks (and their seats) is more than a market keeps (2^96 - 1 units)",
    )
}

/// The refusal, with the field that it is about.
fn named(refusal: Refusal, job: &Job) -> Error {
    match refusal {
        Refusal::NoTasks() => Error::bad_job("tasks", "are none: a job has at least one"),
        Refusal::BadLeaseSize(least, size, most) if size > most => Error::bad_job(
            "max_lease",
            format!("{size} (from {least} on) is over {most}"),
        ),
        Refusal::BadLeaseSize(least, size, _) if job.assurance.replicas == 1 => Error::bad_job(
            "min_lease",
            format!("{least} is not between 1 and half of max_lease {size}, or of the tasks"),
        ),
        Refusal::BadLeaseSize(least, size, _) => Error::bad_job(
            "min_lease",
            format!("{least} is not max_lease {size}: leases of a redundant job have one size"),
        ),
        Refusal::BadAudit(_, 0, _) => Error::bad_job(
            "jury_fee",
            "is 0: a job with audits pays its jurors; set it, or a price, or ask for no audits",
        ),
        Refusal::BadAudit(..) => Error::bad_job("audit_window", "is 0: audits need time to begin"),
        Refusal::BondNeeded() => Error::bad_job(
            "bond",
            "is 0: a provider that is audited must have something to lose",
        ),
        Refusal::BadPriceRange(min, max) if min > max => {
            Error::bad_job("min_price", format!("{min} is over its max_price {max}"))
        }
        Refusal::BadPriceRange(min, max) => Error::bad_job(
            "min_price",
            format!("{min} is not max_price {max}: the price of a redundant job does not climb"),
        ),
        // Of two that can be too large, the one that is so without the other.
        Refusal::AmountTooLarge(..) => {
            let alone = Job {
                price: Price {
                    jury_fee: 0,
                    ..job.price
                },
                ..*job
            };
            match rules::check_price(&alone) {
                Ok(()) => too_large("jury_fee"),
                Err(_) => too_large("bond"),
            }
        }
        other => Error::bad_job(
            "assurance",
            format!("is refused: {}", convert::revert(other)),
        ),
    }
}

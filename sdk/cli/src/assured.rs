//! How results are checked, as people write it, and what it costs a cheat.

use std::str::FromStr;

use piecework::Job;
use piecework::market::{Assurance, Deterrence, Quote};
use serde_json::{Value, json};

use crate::cli::AssuranceArgs;

/// A chance in basis points, written in percent with at most two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Percent(u16);

/// Seats of a redundant lease and its quorum, written `N/Q`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    seats: u8,
    quorum: u8,
}

/// Why a text is no chance, or no seats.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error(
        "not a chance in percent: a number above 0 and up to 100 is expected, with at most two decimals"
    )]
    Percent,
    #[error("not N/Q: seats and a quorum are expected, such as 3/2")]
    Replicas,
}

impl FromStr for Percent {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
            return Err(FormError::Percent);
        }
        let bps = format!("{whole}{fraction:0<2}").parse();
        match bps {
            Ok(bps) if (1..=10_000).contains(&bps) => Ok(Self(bps)),
            _ => Err(FormError::Percent),
        }
    }
}

impl FromStr for Replicas {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let (seats, quorum) = text.split_once('/').ok_or(FormError::Replicas)?;
        let number = |text: &str| text.parse().map_err(|_| FormError::Replicas);
        Ok(Self {
            seats: number(seats)?,
            quorum: number(quorum)?,
        })
    }
}

/// The job with the checks that the flags ask for.
pub(crate) fn assured(mut job: Job, args: &AssuranceArgs) -> Job {
    let assurance = match args {
        AssuranceArgs {
            audit_rate: Some(Percent(audit_bps)),
            ..
        } => Some(Assurance::Audited {
            audit_bps: *audit_bps,
            refund: false,
        }),
        AssuranceArgs {
            redundant: Some(Replicas { seats, quorum }),
            ..
        } => Some(Assurance::redundant(*seats, *quorum)),
        AssuranceArgs {
            proven_by: Some(verifier),
            ..
        } => Some(Assurance::proven_by(*verifier)),
        AssuranceArgs {
            unaudited: true, ..
        } => Some(Assurance::unaudited()),
        _ => None,
    };
    if let Some(assurance) = assurance {
        job = job.assured(assurance);
    }
    if args.refund {
        job = job.refund();
    }
    if args.allow_weak {
        job = job.allow_weak();
    }
    if let Some(list) = args.providers_root {
        job = job.only_providers(list);
    }
    job
}

/// What cheating costs, in a sentence; none where nothing is audited.
pub(crate) fn deterrence(quote: &Quote) -> Option<String> {
    let deterrence = quote.deterrence?;
    let warning = match deterrence.is_weak() {
        true => {
            ". That is little: raise --audit-rate, or have each task run by several providers (--redundant 3/2)"
        }
        false => "",
    };
    Some(format!("{deterrence}{warning}"))
}

/// The same for programs.
pub(crate) fn deterrence_json(deterrence: Option<Deterrence>) -> Value {
    let rounded = |ratio: f64| (ratio * 100.0).round() / 100.0;
    deterrence.map_or(Value::Null, |deterrence| {
        json!({
            "at_10": rounded(deterrence.at_10),
            "at_20": rounded(deterrence.at_20),
            "weak": deterrence.is_weak(),
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn percents_become_basis_points() {
        for (text, bps) in [
            ("50", 5_000),
            ("100", 10_000),
            ("0.25", 25),
            ("12.5", 1_250),
        ] {
            assert_eq!(text.parse(), Ok(Percent(bps)), "{text}");
        }
        for text in [
            "", "0", "0.00", "100.01", "0.001", "-5", "5%", ".5", "5.", "1e1", "99999999",
        ] {
            assert_eq!(text.parse::<Percent>(), Err(FormError::Percent), "{text}");
        }
    }

    #[test]
    fn seats_and_quorums_are_read() {
        let (seats, quorum) = (3, 2);
        assert_eq!("3/2".parse(), Ok(Replicas { seats, quorum }));
        for text in ["", "3", "3/", "/2", "3/2/1", "3-2", "-3/2", "300/2"] {
            assert_eq!(text.parse::<Replicas>(), Err(FormError::Replicas), "{text}");
        }
    }
}

//! Medians and spread.

use std::time::Duration;

use serde::Serialize;

use crate::fail::Failure;
use crate::output::table;

/// Measurements of one kind, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) count: usize,
    pub(crate) min: f64,
    /// A tenth of the measurements is below.
    pub(crate) p10: f64,
    pub(crate) median: f64,
    /// A tenth of the measurements is above.
    pub(crate) p90: f64,
    pub(crate) max: f64,
    /// In the order in which they were taken.
    pub(crate) all: Vec<f64>,
}

impl Figures {
    pub(crate) fn of(times: &[Duration]) -> Result<Self, Failure> {
        let all: Vec<f64> = times
            .iter()
            .map(|t| (t.as_secs_f64() * 100_000.0).round() / 100.0)
            .collect();
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        // Between the two nearest when it falls between two.
        let at = |part: f64| {
            let place = part * (sorted.len().saturating_sub(1)) as f64;
            let low = sorted.get(place.floor() as usize)?;
            let high = sorted.get(place.ceil() as usize)?;
            Some(low + (high - low) * place.fract())
        };
        let need =
            |value: Option<f64>| value.ok_or_else(|| Failure::internal("nothing was measured"));
        Ok(Self {
            count: all.len(),
            min: need(at(0.0))?,
            p10: need(at(0.1))?,
            median: need(at(0.5))?,
            p90: need(at(0.9))?,
            max: need(at(1.0))?,
            all,
        })
    }
}

/// A table of several kinds.
pub(crate) fn text(kinds: &[(&str, &Figures)]) -> String {
    let mut rows = vec![
        [
            "milliseconds",
            "count",
            "min",
            "p10",
            "median",
            "p90",
            "max",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for (name, f) in kinds {
        let numbers = [f.min, f.p10, f.median, f.p90, f.max].map(|n| format!("{n:.0}"));
        rows.push(
            [
                vec![(*name).to_owned(), f.count.to_string()],
                numbers.to_vec(),
            ]
            .concat(),
        );
    }
    table(&rows, &[1, 2, 3, 4, 5, 6])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn medians() {
        let ms = |list: &[u64]| {
            Figures::of(
                &list
                    .iter()
                    .map(|n| Duration::from_millis(*n))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(ms(&[5, 1, 3]).unwrap().median, 3.0);
        assert_eq!(ms(&[4, 1, 3, 2]).unwrap().median, 2.5);
        let eleven = ms(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).unwrap();
        assert_eq!(
            (eleven.min, eleven.p10, eleven.p90, eleven.max),
            (1.0, 2.0, 10.0, 11.0)
        );
        assert!(ms(&[]).is_err());
    }
}

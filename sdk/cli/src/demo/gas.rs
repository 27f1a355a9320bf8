//! What the transactions cost.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Tx;
use crate::output::table;

/// Gas of all transactions of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gas {
    pub(crate) kind: String,
    pub(crate) count: usize,
    pub(crate) min: u64,
    pub(crate) median: u64,
    pub(crate) max: u64,
    pub(crate) total: u64,
    pub(crate) failed: usize,
}

/// The table, in the order in which the kinds first appeared.
pub(crate) fn by_kind(txs: &[Tx]) -> Vec<Gas> {
    let mut order: Vec<&str> = Vec::new();
    let mut kinds: BTreeMap<&str, Vec<&Tx>> = BTreeMap::new();
    for tx in txs {
        kinds.entry(&tx.kind).or_insert_with(|| {
            order.push(&tx.kind);
            Vec::new()
        });
        if let Some(list) = kinds.get_mut(tx.kind.as_str()) {
            list.push(tx);
        }
    }
    let row = |kind: &str| {
        let list = kinds.get(kind).map_or(&[][..], Vec::as_slice);
        let mut gas: Vec<u64> = list.iter().map(|tx| tx.gas).collect();
        gas.sort_unstable();
        Gas {
            kind: kind.to_owned(),
            count: gas.len(),
            min: gas.first().copied().unwrap_or(0),
            median: gas.get(gas.len() / 2).copied().unwrap_or(0),
            max: gas.last().copied().unwrap_or(0),
            total: gas.iter().sum(),
            failed: list.iter().filter(|tx| !tx.ok).count(),
        }
    };
    order.into_iter().map(row).collect()
}

/// The table as text.
pub(crate) fn text(rows: &[Gas]) -> String {
    let head = ["transaction", "count", "min", "median", "max", "total"]
        .map(str::to_owned)
        .to_vec();
    let mut lines = vec![head];
    for row in rows {
        let name = match row.failed {
            0 => row.kind.clone(),
            n => format!("{} ({n} failed)", row.kind),
        };
        let numbers = [row.min, row.median, row.max, row.total].map(thousands);
        lines.push([vec![name, row.count.to_string()], numbers.to_vec()].concat());
    }
    let count: usize = rows.iter().map(|r| r.count).sum();
    let total = thousands(rows.iter().map(|r| r.total).sum());
    lines.push(vec![
        "all".into(),
        count.to_string(),
        String::new(),
        String::new(),
        String::new(),
        total,
    ]);
    let mut text = table(&lines, &[1, 2, 3, 4, 5]);
    text.push('\n');
    for (what, kinds) in [
        (
            "A lease, whatever its size",
            ["claim", "submit", "finalize"],
        ),
        ("A seat of a redundant one", ["join", "commit", "settle"]),
        ("A juror", ["joinJury", "commitVote", "judge"]),
    ] {
        // A seat may be taken by the commitment itself.
        let sent: Vec<(&str, u64)> = kinds
            .iter()
            .filter_map(|kind| Some((*kind, median(rows, kind)?)))
            .collect();
        if !sent.is_empty() {
            let names: Vec<&str> = sent.iter().map(|(kind, _)| *kind).collect();
            let sum = thousands(sent.iter().map(|(_, gas)| gas).sum());
            text.push_str(&format!(
                "{what}: {} = {sum} (medians)\n",
                names.join(" + ")
            ));
        }
    }
    text
}

fn median(rows: &[Gas], kind: &str) -> Option<u64> {
    rows.iter()
        .find(|row| row.kind == kind)
        .map(|row| row.median)
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(kind: &str, gas: u64) -> Tx {
        Tx {
            from: alloy::primitives::Address::ZERO,
            kind: kind.into(),
            gas,
            ok: gas != 5,
        }
    }

    #[test]
    fn kinds_keep_their_order() {
        let rows = by_kind(&[
            tx("post", 70),
            tx("claim", 9),
            tx("claim", 5),
            tx("claim", 7),
        ]);
        let names: Vec<_> = rows
            .iter()
            .map(|r| (r.kind.as_str(), r.count, r.median, r.total, r.failed))
            .collect();
        assert_eq!(names, [("post", 1, 70, 70, 0), ("claim", 3, 7, 21, 1)]);
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}

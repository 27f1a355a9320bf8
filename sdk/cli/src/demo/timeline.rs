//! Who took which lease when.

use alloy::primitives::Address;
use piecework::chain::MarketEvent;
use serde::Serialize;

use super::books::Party;
use super::record::Record;
use crate::amount::tokens;
use crate::output::{table, units};

/// One round of one lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lease {
    pub(crate) provider: Address,
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Per task, in the token's smallest unit.
    #[serde(serialize_with = "units")]
    pub(crate) price: u128,
    /// Unix seconds.
    pub(crate) claimed: u64,
    pub(crate) submitted: Option<u64>,
    pub(crate) settled: Option<u64>,
    /// To the provider, in the token's smallest unit.
    #[serde(serialize_with = "units")]
    pub(crate) paid: u128,
}

/// All rounds of all leases, in the order in which they were taken.
pub(crate) fn leases(record: &Record) -> Vec<Lease> {
    let mut leases: Vec<Lease> = Vec::new();
    for event in &record.events {
        match &event.at.event {
            MarketEvent::Claimed(e) => leases.push(Lease {
                provider: e.provider,
                first: e.first,
                count: e.count,
                price: e.price,
                claimed: event.time,
                submitted: None,
                settled: None,
                paid: 0,
            }),
            MarketEvent::Submitted(e) => {
                if let Some(lease) = leases.iter_mut().rev().find(|l| l.first == e.first) {
                    lease.submitted = Some(event.time);
                }
            }
            MarketEvent::Settled(e) => {
                if let Some(lease) = leases.iter_mut().rev().find(|l| l.first == e.first) {
                    lease.settled = Some(event.time);
                    lease.paid = e.paid;
                }
            }
            _ => {}
        }
    }
    leases
}

/// The timeline as text; times are seconds since `start` (Unix seconds).
pub(crate) fn text(leases: &[Lease], parties: &[Party], start: u64, decimals: u8) -> String {
    let from = leases.iter().map(|l| l.claimed).min().unwrap_or(start);
    let head = [
        "lease",
        "provider",
        "claimed",
        "submitted",
        "settled",
        "a task",
        "paid",
        "",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let at = |time: Option<u64>| {
        time.map_or("-".to_owned(), |t| format!("{} s", t.saturating_sub(start)))
    };
    for lease in leases {
        let name = parties.iter().find(|p| p.address == lease.provider);
        rows.push(vec![
            match lease.count {
                1 => format!("{}", lease.first),
                n => format!("{}..{}", lease.first, lease.first + n - 1),
            },
            name.map_or_else(|| lease.provider.to_string(), |p| p.name.clone()),
            at(Some(lease.claimed)),
            at(lease.submitted),
            at(lease.settled),
            tokens(lease.price, decimals),
            tokens(lease.paid, decimals),
            bar(lease, from),
        ]);
    }
    table(&rows, &[2, 3, 4, 5, 6])
}

/// A second is a character: `#` while it runs, `.` while its result can be challenged.
fn bar(lease: &Lease, from: u64) -> String {
    let seconds = |a: u64, b: u64| b.saturating_sub(a).min(120) as usize;
    let submitted = lease.submitted.unwrap_or(lease.claimed);
    let settled = lease.settled.unwrap_or(submitted);
    let wait = " ".repeat(seconds(from, lease.claimed));
    let run = "#".repeat(seconds(lease.claimed, submitted).max(1));
    let window = ".".repeat(seconds(submitted, settled));
    format!("{wait}{run}{window}|")
}

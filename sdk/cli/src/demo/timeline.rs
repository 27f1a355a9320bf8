//! Who took which lease when, and what came of it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use piecework::chain::IMarket::{self, Reason, SeatEnd, Terms};
use piecework::chain::MarketEvent;
use serde::Serialize;

use super::books::Party;
use super::record::{Event, Record};
use crate::amount::tokens;
use crate::output::{table, units};

/// One round of one lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lease {
    /// The job's number, from 1 in order of posting.
    pub(crate) job: usize,
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) round: u16,
    /// Who worked for it: one provider, of a redundant lease one for each seat.
    pub(crate) seats: Vec<Seat>,
    /// Per task and seat, in the token's smallest unit; 0 as long as no event tells.
    #[serde(serialize_with = "units")]
    pub(crate) price: u128,
    /// When its first seat was taken, in Unix seconds.
    pub(crate) taken: u64,
    /// When its result was submitted, or the last commitment to one.
    pub(crate) submitted: Option<u64>,
    /// When it was settled, or freed for another round.
    pub(crate) ended: Option<u64>,
    /// To all seats, in the token's smallest unit.
    #[serde(serialize_with = "units")]
    pub(crate) paid: u128,
}

/// A provider's part in a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Seat {
    pub(crate) provider: Address,
    /// How it ended, in a word or two.
    pub(crate) end: &'static str,
}

/// What came of a round that paid.
const PAID: &str = "paid";
/// What came of none yet.
const OPEN: &str = "open";

/// All rounds of all leases, in the order in which they were taken.
pub(crate) fn leases(record: &Record) -> Vec<Lease> {
    let mut board = Board::default();
    for event in &record.events {
        board.see(event);
    }
    board.leases
}

/// What the events so far came to.
#[derive(Default)]
struct Board {
    jobs: BTreeMap<B256, (usize, Terms)>,
    numbers: BTreeMap<u32, Address>,
    leases: Vec<Lease>,
}

impl Board {
    fn see(&mut self, event: &Event) {
        let time = event.time;
        match &event.at.event {
            MarketEvent::Staked(e) => {
                self.numbers.insert(e.number, e.provider);
            }
            MarketEvent::Posted(e) => {
                let number = self.jobs.len() + 1;
                self.jobs.insert(e.jobId, (number, e.job.terms.clone()));
            }
            MarketEvent::Claimed(e) => {
                let lease = self.round(e.jobId, e.first, e.round, time);
                lease.count = e.count;
                lease.price = e.price;
                lease.sit(e.provider);
            }
            MarketEvent::Joined(e) => {
                self.round(e.jobId, e.first, e.round, time).sit(e.provider);
            }
            MarketEvent::Committed(e) => {
                let lease = self.round(e.jobId, e.first, e.round, time);
                lease.sit(e.provider);
                lease.submitted = Some(time);
            }
            MarketEvent::Submitted(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.submitted = Some(time);
                }
            }
            MarketEvent::SeatClosed(e) if e.challenge == 0 => {
                let who = self.numbers.get(&e.number).copied().unwrap_or_default();
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.close(Some(who), ended(e.end));
                }
            }
            MarketEvent::Settled(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.settle(e, time);
                }
            }
            MarketEvent::Freed(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.ended = Some(time);
                    lease.close(None, left(e.reason));
                }
            }
            _ => {}
        }
    }

    /// The last round of a lease that anyone took.
    fn last(&mut self, job: B256, first: u32) -> Option<&mut Lease> {
        let number = self.jobs.get(&job)?.0;
        let mut leases = self.leases.iter_mut().rev();
        leases.find(|lease| (lease.job, lease.first) == (number, first))
    }

    /// A round of a lease, which begins now if it is not known yet.
    fn round(&mut self, job: B256, first: u32, round: u16, time: u64) -> &mut Lease {
        let (number, count) = match self.jobs.get(&job) {
            Some((number, terms)) => (
                *number,
                terms.maxLease.min(terms.tasks.saturating_sub(first)),
            ),
            None => (0, 0),
        };
        let this = |lease: &Lease| (lease.job, lease.first, lease.round) == (number, first, round);
        let place = self.leases.iter().position(this).unwrap_or_else(|| {
            self.leases.push(Lease {
                job: number,
                first,
                count,
                round,
                seats: Vec::new(),
                price: 0,
                taken: time,
                submitted: None,
                ended: None,
                paid: 0,
            });
            self.leases.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or put there")]
        &mut self.leases[place]
    }
}

impl Lease {
    fn sit(&mut self, provider: Address) {
        if !self.seats.iter().any(|seat| seat.provider == provider) {
            let end = OPEN;
            self.seats.push(Seat { provider, end });
        }
    }

    /// How the seat of `who`, or every seat of which nothing is known yet, ended.
    fn close(&mut self, who: Option<Address>, end: &'static str) {
        for seat in &mut self.seats {
            if who.map_or(seat.end == OPEN, |who| seat.provider == who) {
                seat.end = end;
            }
        }
    }

    fn settle(&mut self, e: &IMarket::Settled, time: u64) {
        self.ended = Some(time);
        self.paid = e.paid;
        self.close(None, PAID);
        let winners = self.seats.iter().filter(|seat| seat.end == PAID).count();
        // All seats have one price, and of a redundant lease no event tells it.
        let each = (e.paid + e.fee).checked_div(winners as u128 * u128::from(self.count));
        self.price = each.unwrap_or(self.price);
    }
}

fn ended(end: SeatEnd) -> &'static str {
    match end {
        SeatEnd::Paid => PAID,
        SeatEnd::Outvoted => "outvoted",
        SeatEnd::Silent => "silent",
        SeatEnd::Late => "late",
        SeatEnd::Undecided => "undecided",
        _ => "released",
    }
}

fn left(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "late",
        Reason::LostJury => "convicted",
        Reason::Withheld => "withheld",
        _ => "released",
    }
}

/// The timeline as text; times are seconds since `start` (Unix seconds).
pub(crate) fn text(leases: &[Lease], parties: &[Party], start: u64, decimals: u8) -> String {
    let from = leases.iter().map(|l| l.taken).min().unwrap_or(start);
    let head = [
        "job",
        "lease",
        "providers",
        "taken",
        "result",
        "ended",
        "a task",
        "paid",
        "",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let at = |time: Option<u64>| {
        time.map_or("-".to_owned(), |t| format!("{} s", t.saturating_sub(start)))
    };
    for lease in leases {
        let names: Vec<String> = lease
            .seats
            .iter()
            .map(|seat| called(seat, parties))
            .collect();
        rows.push(vec![
            lease.job.to_string(),
            match lease.count {
                1 => format!("{}", lease.first),
                n => format!("{}..{}", lease.first, lease.first + n - 1),
            },
            names.join(", "),
            at(Some(lease.taken)),
            at(lease.submitted),
            at(lease.ended),
            tokens(lease.price, decimals),
            tokens(lease.paid, decimals),
            bar(lease, from),
        ]);
    }
    table(&rows, &[3, 4, 5, 6, 7])
}

fn called(seat: &Seat, parties: &[Party]) -> String {
    let party = parties.iter().find(|p| p.address == seat.provider);
    let name = party.map_or_else(|| seat.provider.to_string(), |p| p.name.clone());
    match seat.end {
        PAID => name,
        end => format!("{name} ({end})"),
    }
}

/// A second is a character: `#` while it runs, `.` while its result waits to be final; `|` where it is paid,
/// `x` where it is not.
fn bar(lease: &Lease, from: u64) -> String {
    let seconds = |a: u64, b: u64| b.saturating_sub(a).min(120) as usize;
    let submitted = lease.submitted.or(lease.ended).unwrap_or(lease.taken);
    let ended = lease.ended.unwrap_or(submitted);
    let wait = " ".repeat(seconds(from, lease.taken));
    let run = "#".repeat(seconds(lease.taken, submitted).max(1));
    let window = ".".repeat(seconds(submitted, ended));
    let end = if lease.paid > 0 { '|' } else { 'x' };
    format!("{wait}{run}{window}{end}")
}

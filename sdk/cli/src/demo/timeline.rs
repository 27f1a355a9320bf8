//! Who took which lease when, and what came of it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use piecework::chain::IMarket::{self, Grade, Reason, SeatEnd, Terms, Verdict};
use piecework::chain::MarketEvent;
use piecework::rules::draw::LEASE;
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
    /// When it was settled, voided, or freed for another round.
    pub(crate) ended: Option<u64>,
    /// To all seats, in the token's smallest unit.
    #[serde(serialize_with = "units")]
    pub(crate) paid: u128,
    /// How sure its result is: `quorum`, `audited`, ...; `-` without a result.
    pub(crate) grade: &'static str,
    /// Its audits, in order.
    pub(crate) audits: Vec<Audit>,
}

/// A jury over a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    /// 1, or 2 for the second try.
    pub(crate) jury: u8,
    /// The task that its jurors ran again.
    pub(crate) task: u32,
    /// When its first juror came, in Unix seconds.
    pub(crate) opened: u64,
    /// When it decided.
    pub(crate) judged: Option<u64>,
    pub(crate) jurors: Vec<Seat>,
    pub(crate) verdict: &'static str,
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
                sit(&mut lease.seats, e.provider);
            }
            MarketEvent::Joined(e) => {
                sit(
                    &mut self.round(e.jobId, e.first, e.round, time).seats,
                    e.provider,
                );
            }
            MarketEvent::Committed(e) => {
                let lease = self.round(e.jobId, e.first, e.round, time);
                sit(&mut lease.seats, e.provider);
                lease.submitted = Some(time);
            }
            MarketEvent::Submitted(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.submitted = Some(time);
                }
            }
            MarketEvent::SeatClosed(e) => {
                let who = self.numbers.get(&e.number).copied().unwrap_or_default();
                if let Some(lease) = self.last(e.jobId, e.first) {
                    let seats = match e.kind {
                        LEASE => Some(&mut lease.seats),
                        _ => lease.audits.last_mut().map(|audit| &mut audit.jurors),
                    };
                    close(seats.into_iter().flatten(), Some(who), ended(e.end));
                }
            }
            MarketEvent::AuditOpened(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.audits.push(Audit {
                        jury: e.jury,
                        task: e.task,
                        opened: time,
                        judged: None,
                        jurors: Vec::new(),
                        verdict: OPEN,
                    });
                }
            }
            MarketEvent::JurorJoined(e) => self.juror(e.jobId, e.first, e.provider),
            MarketEvent::VoteCommitted(e) => self.juror(e.jobId, e.first, e.provider),
            MarketEvent::Judged(e) => {
                let lease = self.last(e.jobId, e.first);
                if let Some(audit) = lease.and_then(|lease| lease.audits.last_mut()) {
                    audit.judged = Some(time);
                    audit.verdict = found(e.verdict);
                }
            }
            MarketEvent::Settled(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.settle(e, time);
                }
            }
            MarketEvent::Voided(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.ended = Some(time);
                    close(&mut lease.seats, None, "convicted");
                }
            }
            MarketEvent::Freed(e) => {
                if let Some(lease) = self.last(e.jobId, e.first) {
                    lease.ended = Some(time);
                    close(&mut lease.seats, None, left(e.reason));
                }
            }
            _ => {}
        }
    }

    fn juror(&mut self, job: B256, first: u32, provider: Address) {
        let lease = self.last(job, first);
        if let Some(audit) = lease.and_then(|lease| lease.audits.last_mut()) {
            sit(&mut audit.jurors, provider);
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
                grade: "-",
                audits: Vec::new(),
            });
            self.leases.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or put there")]
        &mut self.leases[place]
    }
}

impl Lease {
    fn settle(&mut self, e: &IMarket::Settled, time: u64) {
        self.ended = Some(time);
        self.paid = e.paid;
        self.grade = graded(e.grade);
        close(&mut self.seats, None, PAID);
        let winners = self.seats.iter().filter(|seat| seat.end == PAID).count();
        // All seats have one price, and of a redundant lease no event tells it.
        let each = (e.paid + e.fee).checked_div(winners as u128 * u128::from(self.count));
        self.price = each.unwrap_or(self.price);
    }
}

fn sit(seats: &mut Vec<Seat>, provider: Address) {
    if !seats.iter().any(|seat| seat.provider == provider) {
        let end = OPEN;
        seats.push(Seat { provider, end });
    }
}

/// How the seat of `who`, or every seat of which nothing is known yet, ended.
fn close<'a>(
    seats: impl IntoIterator<Item = &'a mut Seat>,
    who: Option<Address>,
    end: &'static str,
) {
    for seat in seats {
        if who.map_or(seat.end == OPEN, |who| seat.provider == who) {
            seat.end = end;
        }
    }
}

fn ended(end: SeatEnd) -> &'static str {
    match end {
        SeatEnd::Paid => PAID,
        SeatEnd::Outvoted => "outvoted",
        SeatEnd::Silent => "silent",
        SeatEnd::Late => "late",
        SeatEnd::Abstained => "abstained",
        SeatEnd::Undecided => "undecided",
        _ => "released",
    }
}

fn left(reason: Reason) -> &'static str {
    match reason {
        Reason::Late => "late",
        Reason::Left => "left",
        _ => "released",
    }
}

fn graded(grade: Grade) -> &'static str {
    match grade {
        Grade::Contested => "contested",
        Grade::Unaudited => "unaudited",
        Grade::Audited => "audited",
        Grade::Listed => "listed",
        Grade::Quorum => "quorum",
        Grade::Proven => "proven",
        _ => "-",
    }
}

fn found(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Convicted => "convicted",
        Verdict::Acquitted => "acquitted",
        _ => "no verdict",
    }
}

/// The audits as text; times are seconds since `start` (Unix seconds).
pub(crate) fn audits(leases: &[Lease], parties: &[Party], start: u64) -> String {
    let head = [
        "job",
        "lease",
        "of",
        "task",
        "drawn jurors",
        "opened",
        "judged",
        "verdict",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let names = |seats: &[Seat]| {
        let names: Vec<String> = seats.iter().map(|seat| called(seat, parties)).collect();
        names.join(", ")
    };
    for lease in leases {
        for audit in &lease.audits {
            let of = lease.seats.iter().map(|seat| Seat {
                end: PAID,
                ..seat.clone()
            });
            rows.push(vec![
                lease.job.to_string(),
                place(lease),
                names(&of.collect::<Vec<_>>()),
                audit.task.to_string(),
                names(&audit.jurors),
                since(Some(audit.opened), start),
                since(audit.judged, start),
                audit.verdict.to_owned(),
            ]);
        }
    }
    table(&rows, &[3, 5, 6])
}

fn since(time: Option<u64>, start: u64) -> String {
    time.map_or("-".to_owned(), |t| format!("{} s", t.saturating_sub(start)))
}

fn place(lease: &Lease) -> String {
    match lease.count {
        1 => format!("{}", lease.first),
        n => format!("{}..{}", lease.first, lease.first + n - 1),
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
        "grade",
        "",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for lease in leases {
        let names: Vec<String> = lease
            .seats
            .iter()
            .map(|seat| called(seat, parties))
            .collect();
        rows.push(vec![
            lease.job.to_string(),
            place(lease),
            names.join(", "),
            since(Some(lease.taken), start),
            since(lease.submitted, start),
            since(lease.ended, start),
            tokens(lease.price, decimals),
            tokens(lease.paid, decimals),
            lease.grade.to_owned(),
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

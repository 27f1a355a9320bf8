//! Sentences for the events of a lease.

use alloy::primitives::Address;

use super::super::step::tasks;
use super::super::view::LeaseView;
use super::{Cause, Scene, Told, short, utc};
use crate::chain::IMarket::{self, How, Phase, Reason};
use crate::chain::{EventAt, MarketEvent};
use crate::rules;

/// Keeps when a lease's round (or dispute) and its window (or reveal) began.
pub(super) fn note_times(
    at: &EventAt,
    lease: &LeaseView,
    now: u64,
    began: &mut u64,
    submitted: &mut u64,
) {
    match &at.event {
        MarketEvent::Claimed(_) | MarketEvent::Challenged(_) => *began = now,
        MarketEvent::Joined(_) | MarketEvent::Committed(_)
            if lease.seats.len() == 1 && lease.commits() <= 1 =>
        {
            *began = now;
        }
        MarketEvent::Committed(_) if lease.phase == Phase::Revealing => *submitted = now,
        MarketEvent::Submitted(_)
        | MarketEvent::Judged(_)
        | MarketEvent::DemandMade(_)
        | MarketEvent::Responded(_) => *submitted = now,
        _ => {}
    }
}

impl Scene<'_> {
    pub(super) fn amount(&self, units: u128) -> String {
        self.run.market().token().format(units)
    }

    fn range(&self) -> String {
        tasks(self.lease.first, self.lease.count)
    }

    /// Last second of commitments, of the round or of the jury.
    pub(super) fn commit_by(&self) -> u64 {
        rules::commit_by(self.times, self.job.timing.runWindow, self.began)
    }

    /// The sentence of an event; none if it tells nothing about the lease.
    pub(super) fn tell(&self, at: &EventAt) -> Option<Told> {
        Some(match &at.event {
            MarketEvent::Claimed(event) => self.claimed(event),
            MarketEvent::Submitted(event) => self.submitted(event),
            MarketEvent::Settled(event) => self.settled(event),
            MarketEvent::Freed(event) => self.freed(event),
            MarketEvent::Refunded(event) => self.refunded(event),
            MarketEvent::Joined(event) => self.joined(event),
            MarketEvent::Committed(event) => self.committed(event),
            MarketEvent::Revealed(event) => self.revealed(event),
            MarketEvent::SeatClosed(event) if event.challenge == 0 => self.seat_closed(event),
            MarketEvent::SeatClosed(event) => self.juror_closed(event),
            _ => return self.contested(at),
        })
    }

    fn claimed(&self, event: &IMarket::Claimed) -> Told {
        let by = self.began.saturating_add(self.job.timing.runWindow);
        let text = format!(
            "{} took {} (round {}) at {} each; its bond of {} was locked, and it had until {} to submit",
            event.provider,
            self.range(),
            event.round,
            self.amount(event.price),
            self.amount(event.bond),
            utc(by)
        );
        Told::new(event.provider, text)
    }

    fn submitted(&self, event: &IMarket::Submitted) -> Told {
        let until = self.now.saturating_add(self.job.timing.challengeWindow);
        let mut text = format!("{} submitted root {}", event.provider, short(event.root));
        if self.job.terms.verifier.is_zero() {
            text.push_str(&format!("; it could be challenged until {}", utc(until)));
        }
        Told::new(event.provider, text).value(event.root)
    }

    fn settled(&self, event: &IMarket::Settled) -> Told {
        let lease = self.lease;
        let why = match event.how {
            How::Accepted => "the client accepted the result".to_owned(),
            How::Unchallenged => "the challenge window passed and the result stood".to_owned(),
            How::Quorum => format!(
                "{} of {} seats revealed root {}, and a quorum is {}",
                lease.winners().count(),
                lease.seats.len(),
                short(lease.root),
                self.job.terms.quorum
            ),
            How::Proven => format!("verifier {} confirmed the proof", self.job.terms.verifier),
            _ => "the result is final".to_owned(),
        };
        let text = format!(
            "{why}: {} paid for {}, {} of fee, {} back to the client",
            self.amount(event.paid),
            self.range(),
            self.amount(event.fee),
            self.amount(event.refunded)
        );
        Told::new(lease.provider, text)
            .value(lease.root)
            .paid(event.paid)
    }

    fn freed(&self, event: &IMarket::Freed) -> Told {
        let (who, lost) = (event.provider, self.amount(event.burned));
        let run_by = self.began.saturating_add(self.job.timing.runWindow);
        match event.reason {
            Reason::Expired => {
                let text = format!(
                    "{who} submitted nothing by {}: a tenth of its bond, {lost}, was burned, and the lease was free for another provider",
                    utc(run_by)
                );
                Told::new(who, text).lost(event.burned, Cause::MissedDeadline)
            }
            Reason::ReleasedEarly => {
                let text = format!(
                    "{who} gave the lease up within the first eighth of its run window: its bond returned whole"
                );
                Told::new(who, text)
            }
            Reason::ReleasedLate => {
                let text = format!(
                    "{who} gave the lease up after the first eighth of its run window: 2 % of its bond, {lost}, were burned"
                );
                Told::new(who, text).lost(event.burned, Cause::LateRelease)
            }
            Reason::LostJury => {
                let text = format!(
                    "a jury found {who} wrong: its whole bond of {lost} was taken, jurors and challenger are paid out of it and the rest is burned; the lease was free for another provider"
                );
                Told::new(who, text).lost(event.burned, Cause::LostJury)
            }
            Reason::Withheld => {
                let by = self.submitted.saturating_add(self.times.respondWindow);
                let text = format!(
                    "{who} did not answer the demand for its digests by {}: its whole bond of {lost} was burned, and the lease was free for another provider",
                    utc(by)
                );
                Told::new(who, text).lost(event.burned, Cause::WithheldAnswer)
            }
            _ => {
                let text = format!(
                    "only {} of {} seats committed by {}, and a quorum is {}: the round ended without a result, {lost} burned in all, and the lease was free for a new round",
                    self.lease.commits(),
                    self.job.terms.replicas,
                    utc(self.commit_by()),
                    self.job.terms.quorum
                );
                Told::new(Address::ZERO, text)
            }
        }
    }

    fn refunded(&self, event: &IMarket::Refunded) -> Told {
        let back = self.amount(event.refunded);
        let why = if self.lease.commits() >= usize::from(self.job.terms.quorum)
            && self.job.terms.replicas > 1
        {
            format!(
                "no {} of {} seats revealed the same root, so there is no result",
                self.job.terms.quorum, self.job.terms.replicas
            )
        } else if self.view.cancelled {
            format!(
                "the client cancelled the job, and nobody held {}",
                self.range()
            )
        } else {
            let closed = utc(self.job.timing.closesAt);
            format!(
                "the job closed at {closed}, and nobody held {}",
                self.range()
            )
        };
        let client = self.job.terms.client;
        let text = format!("{why}: {back} went back to the client {client}");
        Told::new(client, text).paid(event.refunded)
    }
}

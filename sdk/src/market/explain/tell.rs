//! Sentences for the events of a lease.

use alloy::primitives::Address;

use super::super::step::tasks;
use super::{Cause, Scene, Told, short, utc};
use crate::chain::IMarket::{self, Grade, Reason};
use crate::chain::{EventAt, MarketEvent};
use crate::rules::{self, draw};

impl Scene<'_> {
    pub(super) fn amount(&self, units: u128) -> String {
        self.run.market().token().format(units)
    }

    fn range(&self) -> String {
        tasks(self.lease.first, self.lease.count)
    }

    /// Bond of the lease, or of a seat of it.
    pub(super) fn bond(&self) -> String {
        let bond = rules::bond_of(&self.job.price, self.lease.count);
        self.amount(bond.unwrap_or_default())
    }

    /// Last second of results, or of seats and commitments, of the round.
    pub(super) fn run_by(&self) -> u64 {
        self.began.saturating_add(self.job.timing.runWindow)
    }

    /// The sentence of an event; none if it tells nothing about the lease.
    pub(super) fn tell(&self, at: &EventAt) -> Option<Told> {
        Some(match &at.event {
            MarketEvent::Claimed(event) => self.claimed(event),
            MarketEvent::Submitted(event) => self.submitted(event),
            MarketEvent::Settled(event) => self.settled(event),
            MarketEvent::Voided(event) => self.voided(event),
            MarketEvent::Freed(event) => self.freed(event),
            MarketEvent::Refunded(event) => self.refunded(event),
            MarketEvent::PointSet(event) => {
                let text = format!("the next draw is by the seed of point {}", event.point);
                Told::new(Address::ZERO, text)
            }
            MarketEvent::Joined(event) => self.joined(event),
            MarketEvent::Committed(event) => self.committed(event),
            MarketEvent::SeatLeft(event) => self.seat_left(event),
            MarketEvent::Opened(event) if event.kind == draw::LEASE => self.opened(event),
            MarketEvent::SeatClosed(event) if event.kind == draw::LEASE => self.seat_closed(event),
            _ => return self.audited(at),
        })
    }

    fn claimed(&self, event: &IMarket::Claimed) -> Told {
        let text = format!(
            "{} took {} (round {}) at {} each; its bond of {} was locked, and it had until {} to submit",
            event.provider,
            self.range(),
            event.round,
            self.amount(event.price),
            self.bond(),
            utc(self.run_by())
        );
        Told::new(event.provider, text)
    }

    fn submitted(&self, event: &IMarket::Submitted) -> Told {
        let mut text = format!("{} submitted root {}", event.provider, short(event.root));
        if event.point != 0 {
            let until = self.now.saturating_add(self.job.timing.auditWindow);
            text.push_str(&format!(
                "; chance, by the seed of point {}, has it audited or not, and an audit had to begin by {}",
                event.point,
                utc(until)
            ));
        }
        Told::new(event.provider, text).value(event.root)
    }

    fn settled(&self, event: &IMarket::Settled) -> Told {
        let (lease, assurance) = (self.lease, &self.job.assurance);
        let why = match event.grade {
            Grade::Unaudited if assurance.auditBps == 0 => "the job asks for no check".to_owned(),
            Grade::Unaudited => "no audit was due".to_owned(),
            Grade::Audited => "a drawn jury agreed with one task of it".to_owned(),
            Grade::Contested if lease.audits.is_empty() => {
                "an audit was due, and no juror came in time".to_owned()
            }
            Grade::Contested => "the juries came to no verdict".to_owned(),
            Grade::Quorum | Grade::Listed => format!(
                "{} of {} seats opened root {}, and a quorum is {}",
                lease.winners().count(),
                lease.taken(),
                short(lease.root),
                assurance.quorum
            ),
            Grade::Proven => format!("verifier {} confirmed the proof", assurance.verifier),
            _ => "the result is final".to_owned(),
        };
        let text = format!(
            "{why}: {} paid for {}, {} of fee, {} burned, {} back to the client",
            self.amount(event.paid),
            self.range(),
            self.amount(event.fee),
            self.amount(event.burned),
            self.amount(event.refunded)
        );
        Told::new(lease.provider, text)
            .value(lease.root)
            .paid(event.paid)
    }

    fn voided(&self, event: &IMarket::Voided) -> Told {
        let (burned, back) = (self.amount(event.burned), self.amount(event.refunded));
        if self.job.assurance.replicas > 1 {
            let text = format!(
                "all seats were opened, and no {} of {} agree, so there is no result: {burned} of the price were burned, {back} went back to the client",
                self.job.assurance.quorum, self.job.assurance.replicas
            );
            return Told::new(self.job.terms.client, text).paid(event.refunded);
        }
        let who = self.lease.provider;
        let text = format!(
            "a jury convicted {who}: its whole bond of {} was burned, and {burned} of the price; {back} went back to the client",
            self.amount(event.slashed)
        );
        Told::new(who, text).lost(event.slashed, Cause::Convicted)
    }

    fn freed(&self, event: &IMarket::Freed) -> Told {
        let (who, lost) = (event.provider, self.amount(event.burned));
        match event.reason {
            Reason::Late => {
                let text = format!(
                    "{who} submitted nothing by {}: a tenth of its bond, {lost}, was burned, and the lease was free for another provider",
                    utc(self.run_by())
                );
                Told::new(who, text).lost(event.burned, Cause::MissedDeadline)
            }
            Reason::Left if event.burned == 0 => {
                let text = format!("{who} gave the lease up in time: its bond returned whole");
                Told::new(who, text)
            }
            Reason::Left => {
                let text = format!(
                    "{who} gave the lease up: {lost} of its bond were burned, a tenth for the whole run window"
                );
                Told::new(who, text).lost(event.burned, Cause::LateLeave)
            }
            Reason::TooFewCommits => {
                let text = format!(
                    "only {} of {} seats committed by {}, and a quorum is {}: the round ended without a result, and the lease was free for a new one",
                    self.lease.commits(),
                    self.job.assurance.replicas,
                    utc(self.run_by()),
                    self.job.assurance.quorum
                );
                Told::new(Address::ZERO, text)
            }
            Reason::Outage => {
                let text = "no commitment was opened in time, which is nobody's fault: the round ended without a result, and the lease was free for a new one";
                Told::new(Address::ZERO, text.to_owned())
            }
            _ => {
                let text = format!(
                    "only {} of {} commitments were opened, and no {} of them agree: the round ended without a result, and the lease was free for a new one",
                    self.lease.opened(),
                    self.lease.commits(),
                    self.job.assurance.quorum
                );
                Told::new(Address::ZERO, text)
            }
        }
    }

    fn refunded(&self, event: &IMarket::Refunded) -> Told {
        let back = self.amount(event.refunded);
        let why = if self.view.cancelled {
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

//! Sentences for audits.

use alloy::primitives::{Address, B256};

use super::{Cause, Scene, Told, short, utc};
use crate::chain::IMarket::{self, SeatEnd, Verdict};
use crate::chain::{EventAt, MarketEvent};
use crate::rules::{JURY_QUORUM, draw};

impl Scene<'_> {
    pub(super) fn audited(&self, at: &EventAt) -> Option<Told> {
        Some(match &at.event {
            MarketEvent::AuditOpened(event) => {
                let which = match event.jury {
                    draw::FIRST_JURY => "chance had the result audited",
                    _ => "a second jury was drawn",
                };
                let text = format!(
                    "{which}: three drawn providers run task {} again, and have until {} to commit their votes",
                    event.task,
                    utc(event.commitBy)
                );
                Told::new(Address::ZERO, text)
            }
            MarketEvent::JurorJoined(event) => {
                let text = format!("{} took a juror's seat", event.provider);
                Told::new(event.provider, text)
            }
            MarketEvent::VoteCommitted(event) => {
                let text = format!("juror {} committed to its vote", event.provider);
                Told::new(event.provider, text)
            }
            MarketEvent::Opened(event) => {
                let who = self.view.provider_at(event.number).unwrap_or_default();
                let text = format!("juror {who} {}", voted(event.value));
                Told::new(who, text).value(event.value)
            }
            MarketEvent::LeafMissed(event) => {
                let text = format!(
                    "the jury agrees; the provider had until {} to show what it had committed to",
                    utc(event.leafBy)
                );
                Told::new(self.lease.provider, text)
            }
            MarketEvent::SeatClosed(event) => self.juror_closed(event),
            MarketEvent::Judged(event) => self.judged(event),
            _ => return None,
        })
    }

    fn juror_closed(&self, event: &IMarket::SeatClosed) -> Told {
        let who = self.view.provider_at(event.number).unwrap_or_default();
        let jurors = self.lease.seats_of(event.kind);
        let seat = jurors.iter().find(|seat| seat.provider == who);
        let vote = seat.map(|seat| seat.value).unwrap_or_default();
        let audit = self.lease.audit();
        let majority = audit.and_then(|audit| audit.majority(JURY_QUORUM.into()));
        let lost = self.amount(event.burned);
        match event.end {
            SeatEnd::Paid => {
                let paid = self.amount(event.paid);
                let text = format!(
                    "juror {who} {} as the jury's majority did: it was paid {paid}",
                    voted(vote)
                );
                Told::new(who, text).value(vote).paid(event.paid)
            }
            SeatEnd::Outvoted => {
                let theirs = majority.map(|(digest, _)| digest).unwrap_or_default();
                let why = match theirs == vote {
                    true => "without proof that it had run the task".to_owned(),
                    false => format!("and the majority {}", voted(theirs)),
                };
                let text = format!(
                    "juror {who} {} {why}: its bond of {lost} was burned",
                    voted(vote)
                );
                Told::new(who, text)
                    .value(vote)
                    .lost(event.burned, Cause::LostVote)
            }
            SeatEnd::Silent => {
                let text = format!(
                    "juror {who} committed to a vote that nobody opened in time: its bond of {lost} was burned"
                );
                Told::new(who, text).lost(event.burned, Cause::Withheld)
            }
            SeatEnd::Late => {
                let text = format!(
                    "juror {who} reserved a seat and committed nothing: a tenth of its bond, {lost}, was burned"
                );
                Told::new(who, text).lost(event.burned, Cause::NeverActed)
            }
            SeatEnd::Abstained => {
                let text =
                    format!("juror {who} abstained: a tenth of its bond, {lost}, was burned");
                Told::new(who, text).lost(event.burned, Cause::Abstained)
            }
            SeatEnd::Undecided => {
                let text = format!(
                    "juror {who} {} in a jury without a verdict: a tenth of its bond, {lost}, was burned",
                    voted(vote)
                );
                Told::new(who, text)
                    .value(vote)
                    .lost(event.burned, Cause::NoAgreement)
            }
            _ => {
                let text = format!(
                    "juror {who} committed, but the jury came to nothing without its fault: its bond returned whole"
                );
                Told::new(who, text)
            }
        }
    }

    fn judged(&self, event: &IMarket::Judged) -> Told {
        let who = self.lease.provider;
        let found = match event.verdict {
            Verdict::Convicted if event.leaf.is_zero() => format!(
                "the jury found digest {} for task {}, and nobody showed what {who} had committed to: it was convicted",
                short(event.digest),
                event.task
            ),
            Verdict::Convicted => format!(
                "the jury found digest {} for task {}, and {who} had committed to {}: it was convicted",
                short(event.digest),
                event.task,
                short(event.leaf)
            ),
            Verdict::Acquitted => format!(
                "the jury found the digest that {who} had committed to for task {}: it was right",
                event.task
            ),
            _ if event.jury == draw::FIRST_JURY => format!(
                "the jury came to no verdict about task {}: a second one can be drawn",
                event.task
            ),
            _ => format!(
                "the second jury came to no verdict about task {}",
                event.task
            ),
        };
        Told::new(who, found).value(event.digest)
    }
}

fn voted(digest: B256) -> String {
    if digest.is_zero() {
        "abstained".to_owned()
    } else {
        format!("voted for digest {}", short(digest))
    }
}

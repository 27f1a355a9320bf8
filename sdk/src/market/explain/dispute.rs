//! Sentences for challenges, juries and demands.

use alloy::primitives::B256;

use super::{Cause, Scene, Told, short, utc};
use crate::chain::IMarket::{self, Seat, SeatEnd, Verdict};
use crate::chain::{EventAt, MarketEvent};
use crate::rules::JURY_QUORUM;

impl Scene<'_> {
    pub(super) fn contested(&self, at: &EventAt) -> Option<Told> {
        Some(match &at.event {
            MarketEvent::Challenged(event) => {
                let text = format!(
                    "{} contested output digest {} of task {} with a deposit of {} (challenge {} of the round): three jurors are drawn, who have until {} to run that task and commit",
                    event.challenger,
                    short(event.digest),
                    event.task,
                    self.amount(event.deposit),
                    event.challenge,
                    utc(self.commit_by())
                );
                Told::new(event.challenger, text).value(event.digest)
            }
            MarketEvent::JurySealed(event) => {
                let text = format!("the jury's draw was sealed with seed {}", event.seed);
                Told::new(Default::default(), text).value(event.seed)
            }
            MarketEvent::JurorJoined(event) => {
                let text = format!("{} took a juror's seat", event.provider);
                Told::new(event.provider, text)
            }
            MarketEvent::VoteCommitted(event) => {
                let text = format!("juror {} committed to its vote", event.provider);
                Told::new(event.provider, text)
            }
            MarketEvent::VoteRevealed(event) => {
                let text = format!("juror {} {}", event.provider, voted(event.digest));
                Told::new(event.provider, text).value(event.digest)
            }
            MarketEvent::AnswerRevealed(event) => {
                let text = format!(
                    "the challenger revealed its answer: digest {}",
                    short(event.digest)
                );
                let challenger = self
                    .lease
                    .dispute
                    .as_ref()
                    .map(|dispute| dispute.challenger);
                Told::new(challenger.unwrap_or_default(), text).value(event.digest)
            }
            MarketEvent::Judged(event) => self.judged(event),
            MarketEvent::DemandMade(event) => {
                let by = self.now.saturating_add(self.times.respondWindow);
                let text = format!(
                    "{} demanded all output digests with a deposit of {}: the provider had until {} to answer",
                    event.demander,
                    self.amount(event.deposit),
                    utc(by)
                );
                Told::new(event.demander, text)
            }
            MarketEvent::Responded(event) => {
                let text = format!(
                    "{} showed all output digests and earned the deposit of {}; the challenge window began anew",
                    event.provider,
                    self.amount(event.earned)
                );
                Told::new(event.provider, text).paid(event.earned)
            }
            _ => return None,
        })
    }

    pub(super) fn juror_closed(&self, event: &IMarket::SeatClosed) -> Told {
        let who = self.view.provider_at(event.number).unwrap_or_default();
        let dispute = self.lease.dispute.as_ref();
        let seat = dispute.and_then(|dispute| {
            let mut jurors = dispute.jurors.iter();
            jurors.find(|seat| seat.provider == who)
        });
        let vote = seat.map(|seat| seat.vote).unwrap_or_default();
        let majority = dispute.and_then(|dispute| dispute.majority(JURY_QUORUM.into()));
        let lost = self.amount(event.burned);
        match event.end {
            SeatEnd::Paid => {
                let why = match majority {
                    Some(_) => "as the jury's majority did",
                    None => "in a jury that came to no verdict",
                };
                let paid = self.amount(event.paid);
                let text = format!("juror {who} {} {why}: it was paid {paid}", voted(vote));
                Told::new(who, text).value(vote).paid(event.paid)
            }
            SeatEnd::Outvoted => {
                let theirs = majority.map(|(digest, _)| digest).unwrap_or_default();
                let why = if theirs == vote {
                    "without proof that it had run the task".to_owned()
                } else {
                    format!("and the majority {}", voted(theirs))
                };
                let text = format!(
                    "juror {who} {} {why}: its bond of {lost} was burned",
                    voted(vote)
                );
                Told::new(who, text)
                    .value(vote)
                    .lost(event.burned, Cause::LostJury)
            }
            SeatEnd::Silent if seat.is_some_and(|seat| seat.state == Seat::Committed) => {
                let text = format!(
                    "juror {who} committed to a vote and did not reveal it in time: its bond of {lost} was burned"
                );
                Told::new(who, text).lost(event.burned, Cause::WithheldReveal)
            }
            SeatEnd::Silent => {
                let text = format!(
                    "juror {who} reserved a seat and committed nothing by {}: its bond of {lost} was burned",
                    utc(self.commit_by())
                );
                Told::new(who, text).lost(event.burned, Cause::MissedDeadline)
            }
            _ => {
                let text = format!(
                    "juror {who} committed, but too few others did: its bond returned whole"
                );
                Told::new(who, text)
            }
        }
    }

    fn judged(&self, event: &IMarket::Judged) -> Told {
        let dispute = self.lease.dispute.as_ref();
        let challenger = dispute
            .map(|dispute| dispute.challenger)
            .unwrap_or_default();
        let deposit = dispute.map(|dispute| dispute.deposit).unwrap_or_default();
        let found = match event.verdict {
            Verdict::ProviderWrong => format!(
                "the jury found digest {} instead: the provider was wrong",
                short(event.digest)
            ),
            Verdict::ProviderRight if event.digest.is_zero() => {
                "the jury could not obtain the input, so the result stands".to_owned()
            }
            Verdict::ProviderRight => {
                "the jury found the provider's digest: it was right".to_owned()
            }
            _ => "the jury came to no verdict, so the result stands".to_owned(),
        };
        let window = match event.verdict {
            Verdict::ProviderWrong => "",
            _ => "; the challenge window began anew, and the next challenge costs twice as much",
        };
        let text = format!(
            "{found}; challenger {challenger} won {} and got {} of its deposit of {} back, and {} were burned{window}",
            self.amount(event.reward),
            self.amount(event.returned),
            self.amount(deposit),
            self.amount(event.burned)
        );
        let gone = deposit.saturating_sub(event.returned);
        let paid = event.reward.saturating_add(event.returned);
        let told = Told::new(challenger, text).value(event.digest).paid(paid);
        Told { lost: gone, ..told }
    }
}

fn voted(digest: B256) -> String {
    if digest.is_zero() {
        "voted that the input cannot be obtained".to_owned()
    } else {
        format!("voted for digest {}", short(digest))
    }
}

//! Sentences for the seats of a redundant lease.

use super::{Cause, Scene, Told, short, utc};
use crate::chain::IMarket::{self, Phase, SeatEnd};

impl Scene<'_> {
    pub(super) fn joined(&self, event: &IMarket::Joined) -> Told {
        let text = format!(
            "{} reserved a seat (round {}); its bond of {} was locked, and it had until {} to commit",
            event.provider,
            event.round,
            self.amount(event.bond),
            utc(self.commit_by())
        );
        Told::new(event.provider, text)
    }

    pub(super) fn committed(&self, event: &IMarket::Committed) -> Told {
        let bond = match event.bond {
            0 => String::new(),
            bond => format!("; its bond of {} was locked", self.amount(bond)),
        };
        let text = format!(
            "{} committed to a result ({} of {}, round {}){bond}",
            event.provider,
            self.lease.commits(),
            self.job.terms.replicas,
            event.round
        );
        Told::new(event.provider, text)
    }

    pub(super) fn revealed(&self, event: &IMarket::Revealed) -> Told {
        let text = format!("{} revealed root {}", event.provider, short(event.root));
        Told::new(event.provider, text).value(event.root)
    }

    /// Last second of reveals of the round.
    fn reveal_by(&self) -> u64 {
        let from = match self.lease.phase {
            Phase::Running => self.commit_by(),
            // All seats committed: from then on.
            _ if self.lease.commits() == usize::from(self.job.terms.replicas) => self.submitted,
            _ => self.commit_by(),
        };
        from.saturating_add(self.times.revealWindow)
    }

    pub(super) fn seat_closed(&self, event: &IMarket::SeatClosed) -> Told {
        let lease = self.lease;
        let who = self.view.provider_at(event.number).unwrap_or_default();
        let seat = lease.seats.iter().find(|seat| seat.provider == who);
        let own = seat.map(|seat| seat.vote).unwrap_or_default();
        let (quorum, seats) = (self.job.terms.quorum, lease.seats.len());
        let majority = lease.majority(quorum);
        let agreed = lease
            .seats
            .iter()
            .filter(|seat| Some(seat.vote) == majority)
            .count();
        let lost = self.amount(event.burned);
        let root = majority.map(short).unwrap_or_default();
        match event.end {
            SeatEnd::Paid => {
                let paid = self.amount(event.paid);
                let text = format!(
                    "{who} revealed root {root}, as {agreed} of {seats} did: it was paid {paid} and its bond returned"
                );
                Told::new(who, text).value(own).paid(event.paid)
            }
            SeatEnd::Outvoted => {
                let text = format!(
                    "{who} revealed root {}; {agreed} of {seats} revealed {root}, and a quorum is {quorum}: its bond of {lost} was burned",
                    short(own)
                );
                Told::new(who, text)
                    .value(own)
                    .lost(event.burned, Cause::LostQuorum)
            }
            SeatEnd::Silent => {
                let text = format!(
                    "{who} committed to a result and did not reveal it by {}: its bond of {lost} was burned",
                    utc(self.reveal_by())
                );
                Told::new(who, text).lost(event.burned, Cause::WithheldReveal)
            }
            SeatEnd::Late => {
                let text = format!(
                    "{who} reserved a seat and committed nothing by {}: a tenth of its bond, {lost}, was burned",
                    utc(self.commit_by())
                );
                Told::new(who, text).lost(event.burned, Cause::MissedDeadline)
            }
            SeatEnd::Undecided => {
                let text = format!(
                    "{who} revealed root {}, but no {quorum} of {seats} seats revealed the same one: a tenth of its bond, {lost}, was burned",
                    short(own)
                );
                Told::new(who, text)
                    .value(own)
                    .lost(event.burned, Cause::LostQuorum)
            }
            _ => {
                let text = format!(
                    "{who} committed, but fewer than {quorum} did: its bond returned whole, unrevealed"
                );
                Told::new(who, text)
            }
        }
    }
}

//! Sentences for the seats of a redundant lease.

use super::{Cause, Scene, Told, short, utc};
use crate::chain::IMarket::{self, Phase, SeatEnd};

impl Scene<'_> {
    /// By when seats of the round had to commit.
    fn commit_by_text(&self) -> String {
        match self.lease.phase {
            Phase::Free => format!("the round begins with {} seats", self.job.assurance.quorum),
            _ => format!("it had until {} to commit", utc(self.run_by())),
        }
    }

    pub(super) fn joined(&self, event: &IMarket::Joined) -> Told {
        let text = format!(
            "{} reserved a seat (round {}); its bond of {} was locked, and {}",
            event.provider,
            event.round,
            self.bond(),
            self.commit_by_text()
        );
        Told::new(event.provider, text)
    }

    pub(super) fn committed(&self, event: &IMarket::Committed) -> Told {
        let text = format!(
            "{} committed to a result ({} of {}, round {}), with a bond of {}",
            event.provider,
            self.lease.commits(),
            self.job.assurance.replicas,
            event.round,
            self.bond()
        );
        Told::new(event.provider, text)
    }

    pub(super) fn seat_left(&self, event: &IMarket::SeatLeft) -> Told {
        let who = event.provider;
        if event.burned == 0 {
            let text = format!("{who} left its seat for nothing: its bond returned whole");
            return Told::new(who, text);
        }
        let lost = self.amount(event.burned);
        let text = format!(
            "{who} left its seat after the round had begun: {lost} of its bond were burned"
        );
        Told::new(who, text).lost(event.burned, Cause::LateLeave)
    }

    pub(super) fn opened(&self, event: &IMarket::Opened) -> Told {
        let who = self.view.provider_at(event.number).unwrap_or_default();
        let text = format!("{who} had committed to root {}", short(event.value));
        Told::new(who, text).value(event.value)
    }

    /// Last second of openings of the round.
    fn reveal_by(&self) -> u64 {
        // All seats committed: from then on.
        let from = match self.lease.commits() == usize::from(self.job.assurance.replicas) {
            true => self.submitted,
            false => self.run_by(),
        };
        from.saturating_add(self.times.revealWindow)
    }

    pub(super) fn seat_closed(&self, event: &IMarket::SeatClosed) -> Told {
        let lease = self.lease;
        let who = self.view.provider_at(event.number).unwrap_or_default();
        let seat = lease.seats.iter().find(|seat| seat.provider == who);
        let own = seat.map(|seat| seat.value).unwrap_or_default();
        let (quorum, seats) = (self.job.assurance.quorum, lease.taken());
        let majority = lease.majority(quorum);
        let agreed = lease
            .seats
            .iter()
            .filter(|seat| Some(seat.value) == majority)
            .count();
        let lost = self.amount(event.burned);
        let root = majority.map(short).unwrap_or_default();
        match event.end {
            SeatEnd::Paid => {
                let paid = self.amount(event.paid);
                let text = format!(
                    "{who} found root {root}, as {agreed} of {seats} did: it was paid {paid} and its bond returned"
                );
                Told::new(who, text).value(own).paid(event.paid)
            }
            SeatEnd::Outvoted => {
                let text = format!(
                    "{who} found root {}; {agreed} of {seats} found {root}, and a quorum is {quorum}: its bond of {lost} was burned",
                    short(own)
                );
                Told::new(who, text)
                    .value(own)
                    .lost(event.burned, Cause::LostQuorum)
            }
            SeatEnd::Silent => {
                let text = format!(
                    "{who} committed to a result and did not open it by {}: its bond of {lost} was burned",
                    utc(self.reveal_by())
                );
                Told::new(who, text).lost(event.burned, Cause::Withheld)
            }
            SeatEnd::Late => {
                let text = format!(
                    "{who} reserved a seat and committed nothing by {}: a tenth of its bond, {lost}, was burned",
                    utc(self.run_by())
                );
                Told::new(who, text).lost(event.burned, Cause::NeverActed)
            }
            SeatEnd::Undecided => {
                let text = format!(
                    "{who} found root {}, but no {quorum} of {seats} seats found the same one: a tenth, {lost}, was burned",
                    short(own)
                );
                Told::new(who, text)
                    .value(own)
                    .lost(event.burned, Cause::NoAgreement)
            }
            _ => {
                let text = format!(
                    "{who} committed, but the round came to nothing without its fault: its bond returned whole"
                );
                Told::new(who, text)
            }
        }
    }
}

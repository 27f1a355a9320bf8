//! Seats: how commitments are opened, and what a seat ends with. What redundant leases and juries share. A provider has at
//! most one seat in a round, and nobody can open what another committed to.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash::{self, Round};
use crate::host::Host;
use crate::rules::{MAX_REPLICAS, plus};
use crate::slots::SeatSlot;
use crate::store::Store;
use crate::types::{Opening, Seat, SeatEnd, U256, ZERO};
use crate::votes::Voter;

/// A round of seats, as a call finds it.
#[derive(Clone, Copy)]
pub(crate) struct Sitting {
    pub(crate) round: Round,
    /// Seats taken.
    pub(crate) seats: u8,
    /// How many of them committed.
    pub(crate) commits: u8,
    /// How many commitments were opened by earlier calls.
    pub(crate) opened: u8,
    /// Whether all places committed: then openings need not wait for `commit_by`.
    pub(crate) full: bool,
    /// Commitments without which the round lapses, and equal openings that decide it.
    pub(crate) quorum: u8,
    /// Last second of committing.
    pub(crate) commit_by: u64,
    /// Last second of opening.
    pub(crate) reveal_by: u64,
}

impl Sitting {
    /// Whether too few committed.
    pub(crate) fn lapsed(&self) -> bool {
        self.commits < self.quorum
    }
}

/// What the openings of a call come to.
#[derive(Clone, Copy)]
pub(crate) struct Ballot {
    /// Whether the call ends the round.
    pub(crate) ends: bool,
    /// How many commitments this call opens.
    pub(crate) fresh: u8,
    /// How many commitments are open.
    pub(crate) opened: u8,
    voters: [Voter; MAX_REPLICAS as usize],
    named: usize,
}

impl Ballot {
    /// The seats that the call names, ascending by number.
    pub(crate) fn voters(&self) -> &[Voter] {
        self.voters.get(..self.named).unwrap_or(&self.voters)
    }
}

impl<S: Store, H: Host> Market<S, H> {
    /// Reads the openings of a call: refuses those that are not due or not what the seat committed to, and says whether the
    /// round ends.
    ///
    /// # Errors
    /// `TooEarly`; for one opening after the other `WrongPanel`, `TooLate`, `ZeroRoot`, `WrongOpening`; then `WrongPanel`,
    /// `OpeningsMissing`.
    pub(crate) fn read(&self, sitting: &Sitting, openings: &[Opening]) -> Result<Ballot, Error> {
        let (round, lapsed) = (&sitting.round, sitting.lapsed());
        if !sitting.full || lapsed {
            self.require_over(sitting.commit_by)?;
        }
        let open_until = if lapsed { sitting.commit_by } else { sitting.reveal_by };
        let key = round.key(&self.host);
        let mut ballot =
            Ballot { ends: false, fresh: 0, opened: sitting.opened, voters: Default::default(), named: 0 };
        let mut last = 0;
        for (place, opening) in openings.iter().enumerate() {
            let wrong_panel = Error::WrongPanel(U256::from(place));
            let seat = self.store.seat(&key, opening.number);
            let fresh = seat.state == Seat::Committed && opening.salt != ZERO;
            if opening.number <= last || matches!(seat.state, Seat::None | Seat::Left) {
                return Err(wrong_panel);
            }
            last = opening.number;
            if seat.state == Seat::Opened {
                let content = hash::pair(&self.host, &opening.value, &opening.proof);
                require_same(round, opening, seat, SeatSlot::marked(Seat::Opened, &content))?;
            } else if fresh {
                self.require_in_time(open_until)?;
                self.check_opening(round, opening, seat)?;
                ballot.fresh = plus(ballot.fresh, 1)?;
            }
            // No round has more seats than places here.
            *ballot.voters.get_mut(place).ok_or(wrong_panel)? = Voter {
                number: opening.number,
                state: if fresh { Seat::Opened } else { seat.state },
                value: opening.value,
                proof: opening.proof,
                fresh,
            };
        }
        ballot.named = openings.len();
        ballot.opened = plus(ballot.opened, ballot.fresh)?;
        let now = self.host.now();
        let over = now > sitting.reveal_by;
        ballot.ends = lapsed || over || ballot.opened == sitting.commits;
        if ballot.ends && openings.len() != usize::from(sitting.seats) {
            return Err(Error::WrongPanel(U256::from(openings.len())));
        }
        if !ballot.ends && ballot.fresh == 0 {
            return Err(Error::OpeningsMissing(sitting.reveal_by, now));
        }
        Ok(ballot)
    }

    /// Refuses unless this opens the commitment of the seat.
    fn check_opening(&self, round: &Round, opening: &Opening, seat: SeatSlot) -> Result<(), Error> {
        if opening.value == ZERO {
            if round.kind == hash::LEASE {
                return Err(Error::ZeroRoot());
            }
            // There is one vote that says nothing.
            if opening.proof != ZERO {
                return Err(wrong_opening(round, opening));
            }
        }
        let commitment = round.commitment(&self.host, opening);
        require_same(round, opening, seat, SeatSlot::marked(Seat::Committed, &commitment))
    }

    /// Says what the call opens.
    pub(crate) fn tell(&mut self, round: &Round, ballot: &Ballot) {
        let Round { job_id, first, round, kind } = *round;
        for Voter { number, value, proof, .. } in ballot.voters().iter().filter(|voter| voter.fresh) {
            let (number, value, proof) = (*number, *value, *proof);
            self.host.emit(&Event::Opened { job_id, first, number, round, kind, value, proof });
        }
    }

    /// Keeps what the call opens, for a later one to end the round with.
    pub(crate) fn record(&mut self, round: &Round, ballot: &Ballot) {
        let key = round.key(&self.host);
        for voter in ballot.voters().iter().filter(|voter| voter.fresh) {
            let content = hash::pair(&self.host, &voter.value, &voter.proof);
            let seat = SeatSlot::marked(Seat::Opened, &content);
            self.store.set_seat(&key, voter.number, seat);
        }
    }

    /// Ends a seat: pays it, and returns its bond less `burned`. It is forgotten; but a redundant lease remembers a late
    /// one for the next round.
    pub(crate) fn close_seat(
        &mut self,
        round: &Round,
        number: u32,
        end: SeatEnd,
        bond: u128,
        (paid, burned): (u128, u128),
    ) -> Result<(), Error> {
        let late = end == SeatEnd::Late && round.kind == hash::LEASE;
        let state = if late { Seat::Left } else { Seat::None };
        let key = round.key(&self.host);
        self.store.set_seat(&key, number, SeatSlot::bare(state));
        match end {
            SeatEnd::Paid if round.kind == hash::LEASE => self.reward(number, paid, bond)?,
            SeatEnd::Paid => self.earn(number, paid, bond)?,
            SeatEnd::Released => self.unlock(number, bond)?,
            SeatEnd::Outvoted | SeatEnd::Silent => self.slash(number, bond, burned, true)?,
            _ => self.slash(number, bond, burned, false)?,
        }
        let Round { job_id, first, round, kind } = *round;
        self.host.emit(&Event::SeatClosed { job_id, first, number, round, kind, end, paid, burned });
        Ok(())
    }
}

/// Refuses unless the seat is `expected`.
fn require_same(round: &Round, opening: &Opening, seat: SeatSlot, expected: SeatSlot) -> Result<(), Error> {
    if seat == expected { Ok(()) } else { Err(wrong_opening(round, opening)) }
}

fn wrong_opening(round: &Round, opening: &Opening) -> Error {
    Error::WrongOpening(round.job_id, round.first, opening.number)
}

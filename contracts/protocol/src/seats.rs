//! Drawn seats, and what their holders reveal: what redundant leases and juries share. Nobody takes a seat without
//! being drawn, with a chance in proportion to its stake; a provider has at most one seat in a round.

use crate::Market;
use crate::error::Error;
use crate::hash;
use crate::host::Host;
use crate::rules::{JURY, MAX_REPLICAS, SEAL_DELAY, minus, plus, product};
use crate::slots::{LeaseSlot, SealSlot, SeatSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Job, Seat, U256, ZERO};

/// Doublings after which everyone with stake is drawn (for any share of 2^-64 and more).
const MAX_STEPS: u32 = 64;
/// Doublings of a jury's draw: its growth stops at four times.
const JURY_STEPS: u32 = 2;
/// A block's hash is known for this many blocks.
const SEED_BLOCKS: u64 = 256;
/// Never.
const NEVER: u64 = u64::MAX;

/// When a provider is drawn for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// When the draw began: step 0.
    pub start: u64,
    /// How often the circle of the drawn doubles before the provider is in it; `None`: it never is.
    pub doublings: Option<u32>,
    /// First second in which it is drawn, the greatest time if never.
    pub from: u64,
}

/// The seats of a panel, in its order, and the majority's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Votes {
    seats: [SeatSlot; MAX_REPLICAS as usize],
    /// The vote that a quorum revealed, as a seat that did; `None` without one. There is at most one: a quorum is more
    /// than half.
    pub(crate) winner: Option<SeatSlot>,
}

impl Votes {
    /// Each provider's number with its seat.
    pub(crate) fn of<'a>(&'a self, panel: &'a [u32]) -> impl Iterator<Item = (u32, SeatSlot)> + 'a {
        panel.iter().copied().zip(self.seats.iter().copied())
    }
}

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- the draw

    /// Refuses unless a draw can be sealed now; returns its seal. The seed is made of the hash of the seed block, the
    /// one after `from_block` (or every 256th later one, if that is no longer known), and of the present block's
    /// randomness. Stake that came after `post` is never drawn, so it does not make the others' share smaller.
    pub(crate) fn check_seal(
        &self,
        key: &Bytes32,
        job_id: &Bytes32,
        first: u32,
        from_block: u64,
    ) -> Result<SealSlot, Error> {
        if self.store.seal(key).sealed_at != 0 {
            return Err(Error::SealedAlready(*job_id, first));
        }
        let (block, sealable) = (self.host.block_number(), plus(from_block, SEAL_DELAY)?);
        if block < sealable {
            return Err(Error::TooEarlyToSeal(sealable, block));
        }
        let earliest = plus(from_block, 1)?;
        let passed = minus(minus(block, 1)?, earliest)?;
        let seed_block = plus(earliest, passed - passed % SEED_BLOCKS)?;
        let seed = hash::pair(
            &self.host,
            &self.host.block_hash(seed_block),
            &self.host.prevrandao(),
        );
        let [high @ .., _, _, _, _, _, _] = *seed.first_chunk::<16>().unwrap_or(&[0; 16]);
        let record = self.store.job(job_id);
        Ok(SealSlot {
            seed: high
                .iter()
                .fold(0, |seed, byte| seed << 8 | u128::from(*byte)), // 80 bits
            total_stake: record.total_stake.min(self.store.totals().stake),
            sealed_at: self.host.now(),
            posted_at: record.posted_at,
        })
    }

    /// When a provider can take one of `places` seats. From the k-th step on it can iff
    /// `H(seed, seats, provider) / 2^64 < stake / totalStake * places * 2^k`, with 64 bits of the hash. A stake that
    /// grew less than the market's stake age before `post` does not count.
    fn drawn_from(
        &self,
        sealing: &SealSlot,
        seats_key: &Bytes32,
        (provider, number): (&Address, u32),
        places: u8,
        start: u64,
        max_steps: u32,
    ) -> Result<Draw, Error> {
        let never = Draw {
            start,
            doublings: None,
            from: NEVER,
        };
        let (stake, times) = (self.store.stake(number), self.store.config().times);
        if stake.total == 0 || plus(stake.staked_at, times.stake_age)? > sealing.posted_at {
            return Ok(never);
        }
        let lot = hash::lot(&self.host, &sealing.seed_word(), seats_key, provider);
        // 64 + 96 bits; 96 + 4 + 64 + 64 bits.
        let line = product(lot.into(), sealing.total_stake);
        let reach = product(stake.total, places.into()) << 64;
        match (0..=max_steps).find(|steps| line < reach << *steps as usize) {
            None => Ok(never),
            Some(steps) => {
                let waiting = times
                    .draw_step
                    .checked_mul(steps.into())
                    .ok_or(Error::OVERFLOW)?;
                Ok(Draw {
                    start,
                    doublings: Some(steps),
                    from: plus(start, waiting)?,
                })
            }
        }
    }

    /// Step 0 of the draw of a free lease's next round: when the job is open and sealed, and the lease free.
    pub fn draw_start(job: &Job, sealing: &SealSlot, lease: &LeaseSlot) -> u64 {
        job.timing
            .opens_at
            .max(sealing.sealed_at)
            .max(lease.started_at)
    }

    /// When the provider can take a seat of the lease's round: drawn from the job's seal.
    pub(crate) fn drawn_for_lease(
        &self,
        job: &Job,
        job_id: &Bytes32,
        lease: &LeaseSlot,
        seats_key: &Bytes32,
        who: (&Address, u32),
    ) -> Result<Draw, Error> {
        let start = minus(lease.started_at, lease.waited.into())?;
        let sealing = self.store.seal(job_id);
        self.drawn_from(
            &sealing,
            seats_key,
            who,
            job.terms.replicas,
            start,
            MAX_STEPS,
        )
    }

    /// When the provider can take a seat of a sealed jury: step 0 begins with its seal. There are two doublings; for a
    /// job with a list all, for the stake that is drawn from is everybody's, not the list's.
    pub(crate) fn drawn_for_jury(
        &self,
        job: &Job,
        sealing: &SealSlot,
        seats_key: &Bytes32,
        who: (&Address, u32),
    ) -> Result<Draw, Error> {
        let steps = if job.terms.providers == ZERO {
            JURY_STEPS
        } else {
            MAX_STEPS
        };
        self.drawn_from(sealing, seats_key, who, JURY, sealing.sealed_at, steps)
    }

    /// Refuses before `from`, when the provider is drawn.
    pub(crate) fn require_drawn(
        &self,
        from: u64,
        job_id: &Bytes32,
        first: u32,
        provider: &Address,
    ) -> Result<(), Error> {
        if self.host.now() < from {
            Err(Error::NotDrawn(*job_id, first, *provider, from))
        } else {
            Ok(())
        }
    }

    // -------------------------------------------------------------- the count

    /// Counts the votes of a panel, which must name all `seat_count` seats of a round once: its numbers ascend, each has
    /// a seat, and there are as many as seats. `revealing` is a seat that is revealed in this very call.
    pub(crate) fn count(
        &self,
        seats_key: &Bytes32,
        panel: &[u32],
        seat_count: u8,
        quorum: u8,
        revealing: Option<(u32, SeatSlot)>,
    ) -> Result<Votes, Error> {
        if panel.len() != usize::from(seat_count) {
            return Err(Error::WrongPanel(U256::from(panel.len())));
        }
        let mut votes = Votes {
            seats: Default::default(),
            winner: None,
        };
        let mut last = 0;
        for (place, (number, kept)) in panel.iter().zip(&mut votes.seats).enumerate() {
            let seat = match revealing {
                Some((revealed, seat)) if revealed == *number => seat,
                _ => self.store.seat(seats_key, *number),
            };
            if seat.state == Seat::None || *number <= last {
                return Err(Error::WrongPanel(U256::from(place)));
            }
            (*kept, last) = (seat, *number);
        }
        let revealed = || {
            votes
                .seats
                .iter()
                .filter(|seat| seat.state == Seat::Revealed)
        };
        votes.winner = revealed()
            .find(|candidate| {
                revealed().filter(|seat| seat == candidate).count() >= usize::from(quorum)
            })
            .copied();
        Ok(votes)
    }
}

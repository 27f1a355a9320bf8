//! Draws off chain: whether a submitted lease is audited, which task of it, and when a provider can take a seat. All of it
//! follows from the seed of one point, so everybody computes the same before any transaction.
//!
//! A draw counts the stake that stood [`Draw::counted_at`]. The market tells it: `weightAt` of a provider, and
//! `totalWeightAt`.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue as _;
use piecework_protocol::rules as protocol;

use super::{JURY, JURY_STEPS, LEASE_STEPS};
use crate::chain::IMarket;

/// Kind of a seat of a redundant lease, and of its draw.
pub const LEASE: u8 = 0;
/// Kind of a seat in a lease's first jury, and of its draw.
pub const FIRST_JURY: u8 = 1;
/// Kind of a seat in a lease's second jury, and of its draw.
pub const SECOND_JURY: u8 = 2;
/// Kind of the draw that decides whether a lease is audited.
pub const COIN: u8 = 3;
/// Kind of the draw of the audited task.
pub const TASK: u8 = 4;

/// A round of a lease on one market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Round {
    /// Id of the chain on which the market was deployed.
    pub chain_id: u64,
    /// The market.
    pub market: Address,
    /// The job.
    pub job_id: B256,
    /// The lease's first task.
    pub first: u32,
    /// The lease's round, from 1.
    pub round: u16,
}

impl Round {
    /// Whether chance says that the result is audited. `seed` is that of the point in `Submitted`.
    pub fn is_audited(&self, seed: B256, audit_bps: u16) -> bool {
        protocol::coin(&self.lot(seed, COIN, 0, Address::ZERO).0, audit_bps)
    }

    /// The task that an audit of a lease of `count` tasks runs again. `seed` is that of the point in `Submitted`.
    pub fn audited_task(&self, seed: B256, count: u32) -> u32 {
        let lot = self.lot(seed, TASK, 0, Address::ZERO);
        protocol::audited_task(&lot.0, self.first, count).unwrap_or(self.first)
    }

    /// What a seat of the round commits to (`commitmentOf`).
    pub fn commitment(&self, kind: u8, opening: &IMarket::Opening) -> B256 {
        // Every number fills a word, whatever its width.
        let words = (
            self.job_id,
            self.first,
            self.round,
            u16::from(kind),
            opening.number,
            opening.value,
            opening.proof,
            opening.salt,
        );
        keccak256(words.abi_encode_params())
    }

    /// The key of the keyed digests in a jury's votes. `seed` is that of the jury's own point.
    pub fn vote_key(&self, seed: B256, task: u32) -> B256 {
        let words = (seed, self.job_id, self.first, self.round, task);
        keccak256(words.abi_encode_params())
    }

    /// The draw of a redundant lease's seats. `posted_at` is the time of `post`, `time` the nominal time of the point,
    /// `opened_at` when the lease opened (`origin` in `leaseOf`).
    pub fn lease_draw(
        &self,
        job: &IMarket::Job,
        times: &IMarket::Times,
        seed: B256,
        posted_at: u64,
        (time, opened_at): (u64, u64),
    ) -> Draw {
        Draw {
            round: *self,
            seed,
            kind: LEASE,
            task: 0,
            places: job.assurance.replicas,
            counted_at: posted_at.saturating_sub(times.stakeAge),
            start: time.max(job.timing.opensAt).max(opened_at),
            step: times.leaseStep.max(job.timing.runWindow / 4),
            steps: LEASE_STEPS,
        }
    }

    /// The draw of the jury `jury` (1 or 2) over the round's result, which was submitted at `submitted_at`. `task` is the
    /// audited one, `time` the nominal time of the jury's point, `seed` that point's seed.
    pub fn jury_draw(
        &self,
        times: &IMarket::Times,
        jury: u8,
        task: u32,
        seed: B256,
        (submitted_at, time): (u64, u64),
    ) -> Draw {
        Draw {
            round: *self,
            seed,
            kind: jury,
            task,
            places: JURY,
            counted_at: submitted_at.saturating_sub(times.stakeAge),
            start: time,
            step: times.juryStep,
            steps: JURY_STEPS,
        }
    }

    /// The hash that decides.
    fn lot(&self, seed: B256, kind: u8, task: u32, provider: Address) -> B256 {
        let words = (
            self.chain_id,
            self.market,
            seed,
            u16::from(kind),
            self.job_id,
            self.first,
            self.round,
            task,
            provider,
        );
        keccak256(words.abi_encode_params())
    }
}

/// A draw of the seats of one round, or of one jury.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The round.
    pub round: Round,
    /// The seed.
    pub seed: B256,
    /// 0 for a lease, 1 or 2 for a jury.
    pub kind: u8,
    /// The audited task; 0 of a lease.
    pub task: u32,
    /// Seats.
    pub places: u8,
    /// The time whose stake counts, in Unix seconds.
    pub counted_at: u64,
    /// When the first providers are drawn, in Unix seconds.
    pub start: u64,
    /// Seconds after which twice as many are drawn.
    pub step: u64,
    /// How often that happens.
    pub steps: u8,
}

impl Draw {
    /// After how many doublings the provider is drawn; none if never. `weight` is its own, `total` that of all stake, in
    /// units.
    pub fn doublings(&self, provider: Address, weight: u128, total: u128) -> Option<u8> {
        let lot = self.round.lot(self.seed, self.kind, self.task, provider);
        protocol::doublings(&lot.0, (weight, total), self.places, self.steps)
    }

    /// The first second in which the provider can take a seat; none if never.
    pub fn drawn_from(&self, provider: Address, weight: u128, total: u128) -> Option<u64> {
        let doublings = self.doublings(provider, weight, total)?;
        let waited = self.step.saturating_mul(doublings.into());
        Some(self.start.saturating_add(waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Round = Round {
        chain_id: 31_337,
        market: Address::repeat_byte(0x22),
        job_id: B256::repeat_byte(3),
        first: 8,
        round: 2,
    };

    #[test]
    fn a_coin_falls_as_often_as_its_chance_says() {
        let seeds = (0..2_000_u32).map(|n| keccak256(n.to_be_bytes()));
        let heads = seeds.filter(|seed| ROUND.is_audited(*seed, 2_500)).count();
        assert!((400..600).contains(&heads), "{heads}");
        let seed = B256::repeat_byte(9);
        assert!(ROUND.is_audited(seed, 10_000) && !ROUND.is_audited(seed, 0));
        let task = ROUND.audited_task(seed, 5);
        assert!((8..13).contains(&task), "{task}");
    }

    #[test]
    fn twice_the_stake_is_drawn_twice_as_often() {
        let times = crate::rules::TIMES;
        let at_once = |weight: u128| {
            let drawn = |n: &u32| {
                let seed = keccak256(n.to_be_bytes());
                let draw = ROUND.jury_draw(&times, FIRST_JURY, 9, seed, (90_000, 100_000));
                draw.drawn_from(Address::repeat_byte(7), weight, 100) == Some(100_000)
            };
            (0..2_000).filter(drawn).count()
        };
        // Three seats, a tenth and a fifth of all stake.
        let (tenth, fifth) = (at_once(10), at_once(20));
        assert!((500..700).contains(&tenth), "{tenth}");
        assert!((1_100..1_300).contains(&fifth), "{fifth}");
        assert_eq!(at_once(0), 0);
    }
}

//! Reading: what the market tells without a transaction.

use crate::Market;
use crate::error::Error;
use crate::hash::{self, Ballot};
use crate::host::Host;
use crate::rules::{amount_of, plus, price_at};
use crate::slots::{Profile, SealSlot};
use crate::store::Store;
use crate::types::{
    Address, Bytes32, DisputeState, How, Job, JobState, LeaseState, Phase, ProviderState, Seat,
    Times, U256, ZERO,
};

impl<S: Store, H: Host> Market<S, H> {
    /// `balanceOf`: what `account` can withdraw or post with: deposits, refunds and earnings.
    ///
    /// # Errors
    /// None while the books add up.
    pub fn balance_of(&self, account: &Address) -> Result<u128, Error> {
        let (number, fee) = (self.store.number(account), self.store.fee());
        let mut balance = self.store.ledger(account);
        if number != 0 {
            balance = plus(balance, self.store.provider(number).earned)?;
        }
        if *account == fee.recipient {
            balance = plus(balance, fee.earned)?;
        }
        amount_of(U256::from(balance))
    }

    /// `burned`: slashed tokens that nobody will ever receive.
    pub fn burned(&self) -> u128 {
        self.store.totals().burned
    }

    /// `totalStake`: all providers' stake.
    pub fn total_stake(&self) -> u128 {
        self.store.totals().stake
    }

    /// `fee`: the fee for jobs posted now, in basis points, and who receives it.
    pub fn fee(&self) -> (u16, Address) {
        (self.store.totals().fee_bps, self.store.fee().recipient)
    }

    /// `token`: the token of payments and stakes.
    pub fn token(&self) -> Address {
        self.store.config().token
    }

    /// `times`: the times that hold for all jobs.
    pub fn times(&self) -> Times {
        self.store.config().times
    }

    /// `providerOf`.
    pub fn provider_of(&self, provider: &Address) -> ProviderState {
        let number = self.store.number(provider);
        let (record, stake) = (self.store.provider(number), self.store.stake(number));
        ProviderState {
            number,
            stake: stake.total,
            free: record.free,
            staked_at: stake.staked_at,
            completed: record.completed,
            late: stake.late,
            slashed: stake.slashed,
        }
    }

    /// `profileOf`: the last profile of a provider.
    pub fn profile_of(&self, provider: &Address) -> Profile {
        self.store.profile(provider)
    }

    /// `isOperator`: whether `operator` may act for `provider`; true for the provider itself.
    pub fn is_operator(&self, provider: &Address, operator: &Address) -> bool {
        operator == provider || self.store.operator(provider, operator) != 0
    }

    /// `isAdmitted`: whether `provider` was admitted to `list`.
    pub fn is_admitted(&self, list: &Bytes32, provider: &Address) -> bool {
        self.store.admitted(list, self.store.number(provider))
    }

    /// `isRevoked`: whether `client` revoked `nonce`.
    pub fn is_revoked(&self, client: &Address, nonce: u64) -> bool {
        self.store.revoked(client, nonce)
    }

    /// `hashJob`: the job's id.
    pub fn hash_job(&self, job: &Job) -> Bytes32 {
        self.id_of(job)
    }

    /// `jobOf`.
    pub fn job_of(&self, job_id: &Bytes32) -> JobState {
        let record = self.store.job(job_id);
        JobState {
            status: record.status,
            fee_bps: record.fee_bps,
            next: record.next,
            posted_at: record.posted_at,
            posted_block: record.posted_block,
        }
    }

    /// `priceAt`: the price of a task and seat in a round that begins at `time`.
    ///
    /// # Errors
    /// Those of [`price_at`].
    pub fn price_at(&self, job: &Job, time: u64) -> Result<u128, Error> {
        price_at(&job.price, &job.timing, time)
    }

    /// `leaseOf`. All zero for a lease that does not exist.
    pub fn lease_of(&self, job_id: &Bytes32, first: u32) -> LeaseState {
        let lease = self.store.lease(job_id, first);
        LeaseState {
            provider: self.store.provider_at(lease.provider),
            phase: lease.phase,
            how: lease.how,
            round: lease.round,
            count: lease.count,
            started_at: lease.started_at,
            submitted_at: lease.submitted_at,
            root: self.store.root(job_id, first),
            seats: lease.seats,
            commits: lease.commits,
            reveals: lease.reveals,
            challenges: lease.challenges,
        }
    }

    /// `resultRoot`: the final root of a lease, its tasks, and how it became final; all zero unless it is settled.
    pub fn result_root(&self, job_id: &Bytes32, first: u32) -> (Bytes32, u32, How) {
        let lease = self.store.lease(job_id, first);
        match lease.phase {
            Phase::Settled => (self.store.root(job_id, first), lease.count, lease.how),
            _ => (ZERO, 0, How::None),
        }
    }

    /// `sealOf`: the seed of a draw, what it is drawn from and when it was sealed.
    pub fn seal_of(&self, key: &Bytes32) -> SealSlot {
        self.store.seal(key)
    }

    /// `seatOf`: what a seat has done; None once a lease's round has ended.
    pub fn seat_of(
        &self,
        job_id: &Bytes32,
        first: u32,
        round: u16,
        challenge: u8,
        provider: &Address,
    ) -> Seat {
        let key = hash::seats_key(&self.host, job_id, first, round, challenge);
        self.store.seat(&key, self.store.number(provider)).state
    }

    /// `commitmentOf`: what a seat commits to.
    pub fn commitment_of(&self, ballot: &Ballot) -> Bytes32 {
        hash::commitment(&self.host, ballot)
    }

    /// `disputeOf`: the last dispute over the lease's present round.
    pub fn dispute_of(&self, job_id: &Bytes32, first: u32) -> DisputeState {
        let dispute = self.store.dispute(job_id, first);
        DisputeState {
            challenger: dispute.challenger,
            task: dispute.task,
            digest: dispute.digest,
            answer: dispute.answer,
            answered: dispute.answered,
            deposit: dispute.deposit,
            opened_at: dispute.opened_at,
            opened_block: dispute.opened_block,
            reveal_from: dispute.reveal_from,
            seats: dispute.seats,
            commits: dispute.commits,
            reveals: dispute.reveals,
        }
    }
}

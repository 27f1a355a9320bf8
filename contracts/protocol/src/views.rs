//! Reading: what the market tells without a transaction.

use crate::Market;
use crate::error::Error;
use crate::hash::Round;
use crate::host::Host;
use crate::rules::{amount_of, plus, price_at};
use crate::slots::{JobSlot, Profile};
use crate::store::Store;
use crate::types::{
    Address, AuditState, Bytes32, Grade, Job, LeaseState, Opening, Phase, ProviderState, Seat, Times, U256,
    ZERO,
};

impl<S: Store, H: Host> Market<S, H> {
    /// `balanceOf`: what `account` can withdraw or post with: deposits, refunds and earnings.
    ///
    /// # Errors
    /// None while the books add up.
    pub fn balance_of(&self, account: &Address) -> Result<u128, Error> {
        let (number, fee) = (self.store.number(account), self.store.fee());
        let mut balance = self.store.balance(account);
        if number != 0 {
            balance = plus(balance, self.store.provider(number).earned)?;
        }
        if *account == fee.recipient {
            balance = plus(balance, fee.earned)?;
        }
        amount_of(U256::from(balance))
    }

    /// `burned`: tokens that nobody will ever receive.
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

    /// `isDevnet`: whether those times may be shorter than is sane.
    pub fn is_devnet(&self) -> bool {
        self.store.config().devnet
    }

    /// `beacon`: the contract that seeds come from.
    pub fn beacon(&self) -> Address {
        self.store.config().beacon
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
    pub fn job_of(&self, job_id: &Bytes32) -> JobSlot {
        self.store.job(job_id)
    }

    /// `priceAt`: the price of a task and seat at a `time` on the ramp.
    ///
    /// # Errors
    /// Those of [`price_at`].
    pub fn price_at(&self, job: &Job, time: u64) -> Result<u128, Error> {
        price_at(&job.price, &job.timing, time)
    }

    /// `leaseOf`. All zero for a lease that does not exist, or was never touched.
    pub fn lease_of(&self, job_id: &Bytes32, first: u32) -> LeaseState {
        let lease = self.store.lease(job_id, first);
        LeaseState {
            provider: self.store.provider_at(lease.provider),
            phase: lease.phase,
            grade: lease.grade,
            round: lease.round,
            count: lease.count,
            since: lease.since,
            origin: lease.origin,
            point: lease.point,
            root: self.store.root(job_id, first),
            seats: lease.seats,
            commits: lease.commits,
            opened: lease.opened,
        }
    }

    /// `resultRoot`: the final root of a lease, its tasks, and how sure it is; all zero unless it is settled.
    pub fn result_root(&self, job_id: &Bytes32, first: u32) -> (Bytes32, u32, Grade) {
        let lease = self.store.lease(job_id, first);
        match lease.phase {
            Phase::Settled => (self.store.root(job_id, first), lease.count, lease.grade),
            _ => (ZERO, 0, Grade::None),
        }
    }

    /// `auditOf`: the last audit of a lease.
    pub fn audit_of(&self, job_id: &Bytes32, first: u32) -> AuditState {
        self.store.audit(job_id, first)
    }

    /// `seatOf`: what a seat has done; None once its round has ended, except that a redundant lease remembers a seat whose
    /// holder left or was late.
    pub fn seat_of(&self, round: &Round, provider: &Address) -> Seat {
        let key = round.key(&self.host);
        self.store.seat(&key, self.store.number(provider)).state
    }

    /// `commitmentOf`: what a seat commits to.
    pub fn commitment_of(&self, round: &Round, opening: &Opening) -> Bytes32 {
        round.commitment(&self.host, opening)
    }

    /// `weightAt`: what a provider weighs in a draw that counts the stake of `time`.
    pub fn weight_at(&self, provider: &Address, time: u64) -> u128 {
        self.weight(self.store.number(provider), time)
    }

    /// `totalWeightAt`: what all stake weighs in a draw that counts the stake of `time`.
    pub fn total_weight_at(&self, time: u64) -> u128 {
        self.total_weight(time)
    }
}

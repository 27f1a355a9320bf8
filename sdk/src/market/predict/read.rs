//! The market's records, read by its views, all at one block.
//!
//! What no view tells is told by the job's events (when a redundant lease of a second or later round was freed, whether
//! a round's digests were demanded), or is of no consequence for the calls that the specification is asked about: the
//! stake at `post` (it changes a seal's value, not whether it is taken), who demanded (it changes whose deposit
//! returns), all that the market holds (it matters where tokens come in, and there the node is asked).

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent as _;
use futures::future::try_join;
use piecework_protocol::slots::{
    Config, Dispute, FeeSlot, JobSlot, LeaseSlot, ProviderSlot, SealSlot, SeatSlot, StakeSlot,
    Totals,
};
use piecework_protocol::types::{self, Bytes32, How, Job, JobStatus, Phase, Seat};

use super::host::Ahead;
use super::records::{Key, Memory, Needs, Records, Value};
use super::{Block, rules};
use crate::Error;
use crate::chain::{ChainError, IERC5267, IMarket};
use crate::market::Market;
use crate::rules::words;

/// Reads records for one call.
pub(super) struct Reader<'a> {
    pub(super) market: &'a Market,
    pub(super) block: &'a Block,
    /// The job that the call brings.
    pub(super) job: Option<Job>,
    /// Whether it matters if a round's digests were demanded.
    pub(super) demand: bool,
    pub(super) needs: &'a Needs,
    /// What is read already.
    pub(super) read: &'a Records,
}

type Found = Vec<(Key, Value)>;

/// A view, asked at the reader's block.
macro_rules! ask {
    ($reader:expr, $name:literal, $call:expr) => {
        $call
            .block($reader.block.id())
            .call()
            .await
            .map_err(|error| Error::from(ChainError::from_contract($name, error)))
    };
}

impl Reader<'_> {
    /// The record, and others that were learned with it.
    pub(super) async fn read(&self, key: Key) -> Result<Found, Error> {
        let contract = self.market.contract();
        match key {
            Key::Config => self.config().await,
            Key::Totals | Key::Fee => {
                let (fee, stake) = (contract.fee(), contract.totalStake());
                let fee = async { ask!(self, "fee", fee) };
                let stake = async { ask!(self, "totalStake", stake) };
                let (fee, stake) = try_join(fee, stake).await?;
                let totals = Totals {
                    held: rules::MAX_AMOUNT,
                    stake,
                    fee_bps: fee.feeBps,
                    ..Totals::default()
                };
                // What it earned is part of its balance.
                let slot = FeeSlot {
                    recipient: fee.recipient.into_array(),
                    earned: 0,
                };
                Ok(vec![
                    (Key::Totals, Value::Totals(totals)),
                    (Key::Fee, Value::Fee(slot)),
                ])
            }
            Key::Ledger(account) => {
                // All that it can spend: earnings count, wherever the market keeps them.
                let balance = ask!(self, "balanceOf", contract.balanceOf(account.into()))?;
                Ok(vec![(key, Value::Amount(balance))])
            }
            Key::Number(provider) => self.provider(provider).await,
            Key::Operator(provider, operator) => {
                let call = contract.isOperator(provider.into(), operator.into());
                if !ask!(self, "isOperator", call)? {
                    return Ok(vec![(key, Value::Number(0))]);
                }
                let mut found = self.provider(provider).await?;
                let number = number_in(&found);
                found.push((key, Value::Number(number)));
                Ok(found)
            }
            Key::Admitted(list, number) => {
                let call = contract.isAdmitted(list.into(), self.address_of(number)?);
                let admitted = ask!(self, "isAdmitted", call)?;
                Ok(vec![(key, Value::Flag(admitted))])
            }
            Key::Job(job_id) => {
                let slot = self.job(job_id).await?;
                Ok(vec![(key, Value::Job(slot))])
            }
            Key::Revoked(client, nonce) => {
                let call = contract.isRevoked(client.into(), nonce);
                Ok(vec![(key, Value::Flag(ask!(self, "isRevoked", call)?))])
            }
            Key::Lease(job_id, first) | Key::Root(job_id, first) => self.lease(job_id, first).await,
            Key::Seal(of) => {
                // Of a jury by the key of its seats, of a redundant job by its id.
                let job_id = self.preimage(&of).map_or(of, |[job_id, ..]| job_id);
                let sealing = self.seal(of, job_id).await?;
                Ok(vec![(key, Value::Seal(sealing))])
            }
            Key::Seat(of, number) => {
                let Some([job_id, first, round, challenge]) = self.preimage(&of) else {
                    return Err(self.lost("a seat's key"));
                };
                let (first, round) = (low::<4>(&first), low::<2>(&round));
                let call = contract.seatOf(
                    job_id.into(),
                    u32::from_be_bytes(first),
                    u16::from_be_bytes(round),
                    u8::from_be_bytes(low::<1>(&challenge)),
                    self.address_of(number)?,
                );
                let state = ask!(self, "seatOf", call)?;
                let slot = SeatSlot {
                    state: Seat::from_number(state as u8).unwrap_or_default(),
                    ..SeatSlot::default()
                };
                Ok(vec![(key, Value::Seat(slot))])
            }
            Key::Dispute(job_id, first) => {
                let state = ask!(self, "disputeOf", contract.disputeOf(job_id.into(), first))?;
                Ok(vec![(key, Value::Dispute(dispute(&state)))])
            }
            Key::Code(account) => {
                let code = self.market.provider().get_code_at(account.into());
                let code = code.block_id(self.block.id()).await;
                let code = code.map_err(|error| ChainError::from_rpc("eth_getCode", error))?;
                Ok(vec![(key, Value::Flag(!code.is_empty()))])
            }
            // Whoever has a number is known by it since the number was read.
            Key::ProviderAt(_) | Key::Provider(_) | Key::Stake(_) => {
                Err(self.lost("a provider's number"))
            }
        }
    }

    async fn config(&self) -> Result<Found, Error> {
        let provider = self.market.provider();
        let contract = IERC5267::new(self.market.address(), provider);
        let domain = async { ask!(self, "eip712Domain", contract.eip712Domain()) };
        let (domain, times) = try_join(domain, self.market.times()).await?;
        let ahead = Ahead {
            caller: types::NOBODY,
            market: self.market.address().into_array(),
            chain_id: domain.chainId,
            time: 0,
            number: 0,
            read: self.read,
            needs: self.needs,
            events: Vec::new(),
        };
        let config = Config {
            token: self.market.token().address.into_array(),
            fee_governor: types::NOBODY,
            domain: piecework_protocol::hash::domain(&ahead),
            chain_id: domain.chainId,
            times: words::times(times),
        };
        Ok(vec![(Key::Config, Value::Config(config))])
    }

    async fn provider(&self, provider: types::Address) -> Result<Found, Error> {
        let call = self.market.contract();
        let state = ask!(self, "providerOf", call.providerOf(provider.into()))?;
        let number = state.number;
        let mut found = vec![(Key::Number(provider), Value::Number(number))];
        if number != 0 {
            let slot = ProviderSlot {
                // Part of its balance.
                earned: 0,
                free: state.free,
                completed: state.completed,
            };
            let stake = StakeSlot {
                total: state.stake,
                staked_at: state.stakedAt,
                late: state.late,
                slashed: state.slashed,
            };
            found.push((Key::ProviderAt(number), Value::Account(provider)));
            found.push((Key::Provider(number), Value::Provider(slot)));
            found.push((Key::Stake(number), Value::Stake(stake)));
        }
        Ok(found)
    }

    async fn job(&self, job_id: Bytes32) -> Result<JobSlot, Error> {
        if let Some(Value::Job(slot)) = self.read.get(&Key::Job(job_id)) {
            return Ok(*slot);
        }
        let contract = self.market.contract();
        let state = ask!(self, "jobOf", contract.jobOf(job_id.into()))?;
        Ok(JobSlot {
            status: JobStatus::from_number(state.status as u8).unwrap_or_default(),
            fee_bps: state.feeBps,
            next: state.next,
            posted_at: state.postedAt,
            posted_block: state.postedBlock,
            total_stake: 0,
        })
    }

    async fn seal(&self, key: Bytes32, job_id: Bytes32) -> Result<SealSlot, Error> {
        let contract = self.market.contract();
        let sealing = async { ask!(self, "sealOf", contract.sealOf(key.into())) };
        let (sealing, job) = try_join(sealing, self.job(job_id)).await?;
        Ok(SealSlot {
            seed: u128::from_be_bytes(low::<16>(&sealing.seed.0)),
            total_stake: sealing.stakes,
            sealed_at: sealing.sealedAt,
            posted_at: job.posted_at,
        })
    }

    async fn lease(&self, job_id: Bytes32, first: u32) -> Result<Found, Error> {
        let contract = self.market.contract();
        let state = async { ask!(self, "leaseOf", contract.leaseOf(job_id.into(), first)) };
        let (state, job) = try_join(state, self.job(job_id)).await?;
        let mut found = match state.provider {
            Address::ZERO => Vec::new(),
            provider => self.provider(provider.into_array()).await?,
        };
        let mut lease = LeaseSlot {
            provider: number_in(&found),
            phase: Phase::from_number(state.phase as u8).unwrap_or_default(),
            how: How::from_number(state.how as u8).unwrap_or_default(),
            round: state.round,
            count: state.count,
            fee_bps: job.fee_bps,
            started_at: state.startedAt,
            submitted_at: state.submittedAt,
            seats: state.seats,
            commits: state.commits,
            reveals: state.reveals,
            challenges: state.challenges,
            demanded: false,
            waited: 0,
        };
        let redundant = self.job.filter(|job| job.terms.replicas > 1);
        if let (Phase::Running, Some(terms)) = (lease.phase, redundant) {
            lease.waited = self.waited(&terms, job_id, first, &job, lease).await?;
        }
        if self.demand && lease.phase == Phase::Submitted {
            let topic = IMarket::DemandMade::SIGNATURE_HASH;
            let last = self.last(topic, job_id, first, &job).await?;
            lease.demanded = last.is_some_and(|time| time >= lease.started_at);
        }
        found.push((Key::Lease(job_id, first), Value::Lease(lease)));
        found.push((Key::Root(job_id, first), Value::Word(state.root.0)));
        Ok(found)
    }

    /// How long before the round of a redundant lease its draw began.
    async fn waited(
        &self,
        job: &Job,
        job_id: Bytes32,
        first: u32,
        record: &JobSlot,
        lease: LeaseSlot,
    ) -> Result<u32, Error> {
        let sealing = self.seal(job_id, job_id).await?;
        let freed_at = match lease.round {
            1 => Some(0),
            _ => {
                let topic = IMarket::Freed::SIGNATURE_HASH;
                self.last(topic, job_id, first, record).await?
            }
        };
        let Some(started_at) = freed_at else {
            return Err(self.lost("when the lease was freed"));
        };
        let before = LeaseSlot {
            started_at,
            ..lease
        };
        type Rules<'a> = piecework_protocol::Market<Memory<'a>, Ahead<'a>>;
        let began = Rules::draw_start(job, &sealing, &before);
        let waited = lease.started_at.saturating_sub(began);
        Ok(lease.drawing(lease.round, lease.started_at, waited).waited)
    }

    /// Time of the last event of a kind about a lease.
    async fn last(
        &self,
        kind: B256,
        job_id: Bytes32,
        first: u32,
        job: &JobSlot,
    ) -> Result<Option<u64>, Error> {
        let filter = Filter::new()
            .address(self.market.address())
            .event_signature(kind)
            .topic1(B256::from(job_id))
            .topic2(B256::from(U256::from(first)))
            .from_block(job.posted_block)
            .to_block(self.block.number);
        let logs = self.market.provider().get_logs(&filter).await;
        let logs = logs.map_err(|error| ChainError::from_rpc("eth_getLogs", error))?;
        let Some(number) = logs.last().and_then(|log| log.block_number) else {
            return Ok(None);
        };
        Ok(Some(
            Block::numbered(self.market, number.into()).await?.time,
        ))
    }

    fn preimage(&self, key: &Bytes32) -> Option<[Bytes32; 4]> {
        self.needs.get().preimages.get(key).copied()
    }

    fn address_of(&self, number: u32) -> Result<Address, Error> {
        match self.read.get(&Key::ProviderAt(number)) {
            Some(Value::Account(account)) => Ok((*account).into()),
            _ => Err(self.lost("a provider's number")),
        }
    }

    /// A record that cannot be found: the node contradicts itself.
    fn lost(&self, what: &str) -> Error {
        self.block.inconsistent(format!("it does not tell {what}"))
    }
}

impl Block {
    /// A block of the chain.
    pub(super) async fn numbered(market: &Market, number: BlockNumberOrTag) -> Result<Self, Error> {
        let block = market.provider().get_block_by_number(number).await;
        let block = block.map_err(|error| ChainError::from_rpc("eth_getBlockByNumber", error))?;
        let block = block.ok_or_else(|| ChainError::Rpc {
            action: format!("block {number}"),
            reason: "it has none".to_owned(),
            source: None,
        })?;
        Ok(Self {
            number: block.header.number,
            hash: block.header.hash,
            time: block.header.timestamp,
        })
    }

    pub(super) fn id(&self) -> BlockId {
        BlockId::number(self.number)
    }

    /// An error of a node that says two things of one block.
    pub(super) fn inconsistent(&self, reason: String) -> Error {
        Error::Chain(ChainError::Rpc {
            action: format!("a prediction at block {}", self.number),
            reason,
            source: None,
        })
    }
}

/// The number among what was read of one provider; 0 if it has none.
fn number_in(found: &Found) -> u32 {
    let number = found.iter().find_map(|(key, value)| match (key, value) {
        (Key::Number(_), Value::Number(number)) => Some(*number),
        _ => None,
    });
    number.unwrap_or(0)
}

/// The lowest bytes of a word.
fn low<const N: usize>(word: &Bytes32) -> [u8; N] {
    word.last_chunk::<N>().copied().unwrap_or([0; N])
}

fn dispute(state: &IMarket::DisputeState) -> Dispute {
    Dispute {
        challenger: state.challenger.into_array(),
        task: state.task,
        deposit: state.deposit,
        opened_at: state.openedAt,
        opened_block: state.openedBlock,
        reveal_from: state.revealFrom,
        seats: state.seats,
        commits: state.commits,
        reveals: state.reveals,
        answered: state.answered,
        digest: state.digest.0,
        answer: state.answer.0,
    }
}

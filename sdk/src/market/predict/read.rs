//! The market's records, read by its views, all at one block.
//!
//! All that the market holds is told by no view, and is of no consequence for the calls that the specification is asked
//! about: it matters where tokens come in, and there the node is asked. Of a seat the views tell what it did, not what it
//! committed to: that matters where commitments are opened, and there the node is asked too.

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::Address;
use alloy::providers::Provider as _;
use futures::future::try_join;
use piecework_protocol::slots::{
    Config, FeeSlot, JobSlot, LeaseSlot, ProviderSlot, SeatSlot, StakeSlot, Totals,
};
use piecework_protocol::types::{self, AuditState, Bytes32, Grade, JobStatus, Phase, Seat};

use super::host::Ahead;
use super::records::{Key, Needs, Records, Value};
use super::{Block, rules};
use crate::Error;
use crate::chain::{ChainError, Contract, IBeacon, IERC5267, IMarket};
use crate::market::Market;
use crate::rules::convert;

/// Reads records for one call.
pub(super) struct Reader<'a> {
    pub(super) market: &'a Market,
    pub(super) block: &'a Block,
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
                let (fee, stake) = (
                    contract.ask(IMarket::feeCall {}),
                    contract.ask(IMarket::totalStakeCall {}),
                );
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
            Key::Balance(account) => {
                // All that it can spend: earnings count, wherever the market keeps them.
                let balance = ask!(
                    self,
                    "balanceOf",
                    contract.ask(IMarket::balanceOfCall {
                        account: account.into()
                    })
                )?;
                Ok(vec![(key, Value::Amount(balance))])
            }
            Key::Number(provider) => self.provider(provider).await,
            Key::Operator(provider, operator) => {
                let call = contract.ask(IMarket::isOperatorCall {
                    provider: provider.into(),
                    operator: operator.into(),
                });
                if !ask!(self, "isOperator", call)? {
                    return Ok(vec![(key, Value::Number(0))]);
                }
                let mut found = self.provider(provider).await?;
                let number = number_in(&found);
                found.push((key, Value::Number(number)));
                Ok(found)
            }
            Key::Admitted(list, number) => {
                let call = contract.ask(IMarket::isAdmittedCall {
                    list: list.into(),
                    provider: self.address_of(number)?,
                });
                let admitted = ask!(self, "isAdmitted", call)?;
                Ok(vec![(key, Value::Flag(admitted))])
            }
            Key::Job(job_id) => {
                let slot = self.job(job_id).await?;
                Ok(vec![(key, Value::Job(slot))])
            }
            Key::Revoked(client, nonce) => {
                let call = contract.ask(IMarket::isRevokedCall {
                    client: client.into(),
                    nonce,
                });
                Ok(vec![(key, Value::Flag(ask!(self, "isRevoked", call)?))])
            }
            Key::Lease(job_id, first) | Key::Root(job_id, first) => self.lease(job_id, first).await,
            Key::Seat(of, number) => {
                let Some([job_id, first, round, kind]) = self.preimage(&of) else {
                    return Err(self.lost("a seat's key"));
                };
                let (first, round) = (low::<4>(&first), low::<2>(&round));
                let call = contract.ask(IMarket::seatOfCall {
                    jobId: job_id.into(),
                    first: u32::from_be_bytes(first),
                    round: u16::from_be_bytes(round),
                    kind: u8::from_be_bytes(low::<1>(&kind)),
                    provider: self.address_of(number)?,
                });
                let state = ask!(self, "seatOf", call)?;
                let slot = SeatSlot {
                    state: Seat::from_number(state as u8).unwrap_or_default(),
                    ..SeatSlot::default()
                };
                Ok(vec![(key, Value::Seat(slot))])
            }
            Key::Audit(job_id, first) => {
                let state = ask!(
                    self,
                    "auditOf",
                    contract.ask(IMarket::auditOfCall {
                        jobId: job_id.into(),
                        first
                    })
                )?;
                let audit = AuditState {
                    jury: state.jury,
                    task: state.task,
                    since: state.since,
                    due: state.due,
                    point: state.point,
                    seats: state.seats,
                    commits: state.commits,
                    opened: state.opened,
                    undecided: state.undecided,
                };
                Ok(vec![(key, Value::Audit(audit))])
            }
            Key::Weight(0, time) => {
                let weight = ask!(
                    self,
                    "totalWeightAt",
                    contract.ask(IMarket::totalWeightAtCall { time })
                )?;
                Ok(vec![(key, Value::Amount(weight))])
            }
            Key::Weight(number, time) => {
                let call = contract.ask(IMarket::weightAtCall {
                    provider: self.address_of(number)?,
                    time,
                });
                Ok(vec![(key, Value::Amount(ask!(self, "weightAt", call)?))])
            }
            Key::PointTime(_) | Key::Seed(_) | Key::Dead(_) => self.beacon(key).await,
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

    /// What the beacon says of a point. One that reverts says nothing, as the market takes it.
    async fn beacon(&self, key: Key) -> Result<Found, Error> {
        let address = self.market.beacon().await?.address();
        let contract = Contract::new(address, self.market.provider());
        let value = match key {
            Key::PointTime(point) => Value::Time(ask!(
                self,
                "timeOf",
                contract.ask(IBeacon::timeOfCall { id: point })
            )?),
            Key::Seed(point) => {
                Value::Word(ask!(self, "seed", contract.ask(IBeacon::seedCall { id: point }))?.0)
            }
            Key::Dead(point) => Value::Flag(ask!(
                self,
                "isDead",
                contract.ask(IBeacon::isDeadCall { id: point })
            )?),
            _ => return Err(self.lost("a point")),
        };
        Ok(vec![(key, value)])
    }

    async fn config(&self) -> Result<Found, Error> {
        let provider = self.market.provider();
        let contract = Contract::new(self.market.address(), provider);
        let domain = async {
            ask!(
                self,
                "eip712Domain",
                contract.ask(IERC5267::eip712DomainCall {})
            )
        };
        let (domain, times) = try_join(domain, self.market.times()).await?;
        let beacon = self.market.beacon().await?.address();
        let ahead = Ahead {
            caller: types::NOBODY,
            market: self.market.address().into_array(),
            chain_id: domain.chainId,
            time: 0,
            read: self.read,
            needs: self.needs,
            events: Vec::new(),
        };
        let config = Config {
            token: self.market.token().address.into_array(),
            beacon: beacon.into_array(),
            fee_governor: types::NOBODY,
            domain: piecework_protocol::hash::domain(&ahead),
            chain_id: domain.chainId,
            times: convert::times(times),
            // No act depends on it.
            devnet: false,
        };
        Ok(vec![(Key::Config, Value::Config(config))])
    }

    async fn provider(&self, provider: types::Address) -> Result<Found, Error> {
        let call = self.market.contract();
        let state = ask!(
            self,
            "providerOf",
            call.ask(IMarket::providerOfCall {
                provider: provider.into()
            })
        )?;
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
        let state = ask!(
            self,
            "jobOf",
            contract.ask(IMarket::jobOfCall {
                jobId: job_id.into()
            })
        )?;
        Ok(JobSlot {
            status: JobStatus::from_number(state.status as u8).unwrap_or_default(),
            fee_bps: state.feeBps,
            next: state.next,
            posted_at: state.postedAt,
            point: state.point,
        })
    }

    async fn lease(&self, job_id: Bytes32, first: u32) -> Result<Found, Error> {
        let contract = self.market.contract();
        let state = async {
            ask!(
                self,
                "leaseOf",
                contract.ask(IMarket::leaseOfCall {
                    jobId: job_id.into(),
                    first
                })
            )
        };
        let (state, job) = try_join(state, self.job(job_id)).await?;
        let mut found = match state.provider {
            Address::ZERO => Vec::new(),
            provider => self.provider(provider.into_array()).await?,
        };
        let lease = LeaseSlot {
            phase: Phase::from_number(state.phase as u8).unwrap_or_default(),
            grade: Grade::from_number(state.grade as u8).unwrap_or_default(),
            round: state.round,
            count: state.count,
            fee_bps: job.fee_bps,
            since: state.since,
            origin: state.origin,
            point: state.point,
            provider: number_in(&found),
            seats: state.seats,
            commits: state.commits,
            opened: state.opened,
        };
        found.push((Key::Lease(job_id, first), Value::Lease(lease)));
        found.push((Key::Root(job_id, first), Value::Word(state.root.0)));
        Ok(found)
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

//! What the market would say to a call, before anything is sent.
//!
//! The executable specification of the market (`piecework-protocol`) runs here over the market's records, which are
//! read by its views, all at one block. So a prediction is for any time, not only for that of the last block: when a
//! call becomes valid, until when it is, and what a lease would cost then. A refusal is the very [`Revert`] that the
//! chain would answer with.
//!
//! ```no_run
//! # use piecework::{Market, Run, chain::IMarket};
//! # async fn look(market: Market, run: Run) -> Result<(), piecework::Error> {
//! let ahead = market.predict().await?;
//! let me = market.account()?;
//! let claim = IMarket::claimCall { job: run.job().clone(), provider: me, least: 1, most: 4 };
//! let prediction = ahead.call(me, &claim, ahead.next_time()).await?;
//! match (&prediction.outcome, prediction.cost) {
//!     (Ok(_), Some(cost)) => println!("locks {}, pays {}", cost.bond, cost.paid),
//!     (Ok(_), None) => println!("it would be taken"),
//!     (Err(why), _) => println!("{why}; valid from {:?}", prediction.window.from),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Gas is no part of a prediction: it differs between chains, and senders ask the node for it.
//!
//! What no view of the market tells is not guessed: such a call is put to the node (`eth_call` at the same block), and
//! the prediction says so ([`By::Node`]). These are calls that move tokens (`deposit`, `stake`, `withdraw`, `unstake`),
//! that ask a verifier or a wallet's contract, that change the fee, and those that open commitments (`settle`, `judge`).
//!
//! Seeds are those that are published at that block. A seat whose seed is not published yet is refused (`SeedUnknown`).

mod acts;
mod host;
mod post;
mod read;
mod records;
mod seats;

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolInterface as _};
use futures::future::try_join_all;
use piecework_protocol::rules;
use tokio::sync::Mutex;

pub use post::Posting;
pub use seats::Eligibility;

use super::{Market, unix_now};
use crate::Error;
use crate::chain::IMarket::{IMarketCalls, IMarketErrors};
use crate::chain::{ChainError, MarketEvent, Revert, decode_error};
use crate::rules::{Cost, convert};
use host::Ahead;
use read::Reader;
use records::{Counted, Memory, Needs, Records};

/// Rounds of reading after which a call must have all that it needs: each learns at least one record.
const MOST_ROUNDS: usize = 64;
/// Refusals in a row that name a time from which they do not hold.
const MOST_REFUSALS: usize = 8;

/// The block at which everything was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time in Unix seconds.
    pub time: u64,
}

/// Who predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The specification, over the records of the block.
    Rules,
    /// The node, which ran the call on the block: it holds for that block's time alone, and nothing is known of what
    /// it would do.
    Node,
}

/// When a call is valid as things stand, if nobody else acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First second, from the time that was asked about on; `None` if time alone does not make it valid: then the
    /// refusal says what is missing, which may be another's act (`SeedUnknown`).
    pub from: Option<u64>,
    /// Last second; `None` if there is none, or it is not known ([`By::Node`]).
    pub until: Option<u64>,
}

/// What the market would say to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Where everything was read.
    pub block: Block,
    /// The time of the block that it is for.
    pub at: u64,
    /// The events that the call would emit (none from [`By::Node`]), or why it would be refused. The points of `Posted`,
    /// `Submitted` and `PointSet` are not known before, and are 0 here.
    pub outcome: Result<Vec<MarketEvent>, Revert>,
    /// When it is valid.
    pub window: Window,
    /// Of a call that takes a lease or a seat of one: what that costs and brings, if it ends well.
    pub cost: Option<Cost>,
    /// Who says so.
    pub by: By,
}

impl Prediction {
    /// Whether the call would be taken.
    pub fn is_valid(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Why it would be refused.
    pub fn refusal(&self) -> Option<&Revert> {
        self.outcome.as_ref().err()
    }
}

/// Predicts calls at one block. Records that one prediction read are there for the next.
#[derive(Debug)]
pub struct Predictor {
    market: Market,
    block: Block,
    records: Mutex<Records>,
}

/// What came of one run of a call.
struct Ran {
    outcome: Result<Vec<MarketEvent>, Revert>,
    cost: Option<Cost>,
}

impl Market {
    /// Predicts what the market would say to calls, as it stands at the chain's last block. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn predict(&self) -> Result<Predictor, Error> {
        Ok(Predictor {
            block: Block::numbered(self, BlockNumberOrTag::Latest).await?,
            market: self.clone(),
            records: Mutex::default(),
        })
    }
}

impl Predictor {
    /// The block at which everything is read.
    pub fn block(&self) -> Block {
        self.block
    }

    /// The market.
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// The time that the next block has at the earliest: this machine's, if the chain is not ahead of it. Unix seconds.
    pub fn next_time(&self) -> u64 {
        self.block.time.saturating_add(1).max(unix_now())
    }

    /// What the market would say to this call of `from`, in a block of the time `at` (Unix seconds; that of the block
    /// where everything is read at the earliest).
    ///
    /// # Errors
    /// [`Error::Chain`]: also if the chain was reorganized meanwhile, after which a new predictor is needed.
    pub async fn call<C: SolCall>(
        &self,
        from: Address,
        call: &C,
        at: u64,
    ) -> Result<Prediction, Error> {
        let data = call.abi_encode();
        match IMarketCalls::abi_decode(&data) {
            Ok(call) => {
                let mut records = self.records.lock().await;
                self.predicted(&mut records, from, &call, at).await
            }
            Err(_) => self.ask(from, data).await,
        }
    }

    async fn predicted(
        &self,
        records: &mut Records,
        from: Address,
        call: &IMarketCalls,
        at: u64,
    ) -> Result<Prediction, Error> {
        let at = at.max(self.block.time);
        let Some(ran) = self.run(records, from, call, at).await? else {
            return self.ask(from, call.abi_encode()).await;
        };
        Ok(Prediction {
            block: self.block,
            at,
            window: self.window(records, from, call, at, &ran).await?,
            outcome: ran.outcome,
            cost: ran.cost,
            by: By::Rules,
        })
    }

    /// Runs a call at a time, and reads what it turns out to need. `None` if that is something no view tells.
    async fn run(
        &self,
        records: &mut Records,
        from: Address,
        call: &IMarketCalls,
        at: u64,
    ) -> Result<Option<Ran>, Error> {
        let needs = Needs::default();
        // Of a draw that the call makes later the stake is counted as of the time that was asked about.
        let counted = acts::counted(call, at);
        for _ in 0..MOST_ROUNDS {
            let ran = self.attempt(records, &needs, (from, counted), call, at);
            let unknown = std::mem::take(&mut needs.get().unknown);
            if needs.get().missing.is_empty() {
                return Ok(ran.filter(|_| !unknown));
            }
            self.read(records, &needs).await?;
        }
        Err(self
            .block
            .inconsistent("it needs more than can be read".to_owned()))
    }

    /// Runs a call on what is known.
    fn attempt(
        &self,
        records: &Records,
        needs: &Needs,
        (from, counted): (Address, Counted),
        call: &IMarketCalls,
        at: u64,
    ) -> Option<Ran> {
        let host = self.ahead(records, needs, from, at);
        let store = Memory::new(records, needs, self.id_of(call), counted);
        let mut market = piecework_protocol::Market { store, host };
        let outcome = acts::apply(&mut market, call)?.map_err(convert::revert);
        let outcome = outcome.map(|()| std::mem::take(&mut market.host.events));
        let cost = outcome.as_ref().ok().and_then(|events| {
            let job = acts::job_of(call)?;
            events.iter().find_map(|event| cost(&market, job, event))
        });
        Some(Ran { outcome, cost })
    }

    /// The id of the job that a call brings; zero if it brings none.
    fn id_of(&self, call: &IMarketCalls) -> [u8; 32] {
        acts::job_of(call).map_or([0; 32], |job| self.market.job_id(job).0)
    }

    fn ahead<'a>(
        &self,
        read: &'a Records,
        needs: &'a Needs,
        caller: Address,
        time: u64,
    ) -> Ahead<'a> {
        Ahead {
            caller: caller.into_array(),
            market: self.market.address().into_array(),
            chain_id: U256::from(self.market.chain_id()),
            time,
            read,
            needs,
            events: Vec::new(),
        }
    }

    /// Reads what is missing, all of it at once.
    async fn read(&self, records: &mut Records, needs: &Needs) -> Result<(), Error> {
        let missing = std::mem::take(&mut needs.get().missing);
        let reader = Reader {
            market: &self.market,
            block: &self.block,
            needs,
            read: records,
        };
        let found = try_join_all(missing.into_iter().map(|key| reader.read(key))).await?;
        // Reads go by number, for not every node takes a hash: they are of one chain if that is still the block's.
        let now = Block::numbered(&self.market, self.block.number.into()).await?;
        if now.hash != self.block.hash {
            let reason = "the chain was reorganized meanwhile; ask again, of a new predictor";
            return Err(self.block.inconsistent(reason.to_owned()));
        }
        records.extend(found.into_iter().flatten());
        Ok(())
    }

    /// When the call is valid, found by asking the rules at other times.
    async fn window(
        &self,
        records: &mut Records,
        from: Address,
        call: &IMarketCalls,
        at: u64,
        ran: &Ran,
    ) -> Result<Window, Error> {
        let never = Window {
            from: None,
            until: None,
        };
        let (mut first, mut refusal) = (at, ran.outcome.as_ref().err().cloned());
        for _ in 0..MOST_REFUSALS {
            let Some(revert) = &refusal else { break };
            match not_before(revert) {
                Some(time) if time > first => first = time,
                _ => return Ok(never),
            }
            refusal = match self.run(records, from, call, first).await? {
                Some(ran) => ran.outcome.err(),
                // From then on it is up to another contract.
                None => {
                    return Ok(Window {
                        from: Some(first),
                        until: None,
                    });
                }
            };
        }
        if refusal.is_some() {
            return Ok(never);
        }
        // Valid at `first`, and, if it has a deadline, until a second before one in which it is not.
        let (mut good, mut bad) = (first, rules::MAX_TIME);
        if self.is_valid_at(records, from, call, bad).await? {
            return Ok(Window {
                from: Some(first),
                until: None,
            });
        }
        while good.saturating_add(1) < bad {
            let middle = good.midpoint(bad);
            match self.is_valid_at(records, from, call, middle).await? {
                true => good = middle,
                false => bad = middle,
            }
        }
        Ok(Window {
            from: Some(first),
            until: Some(good),
        })
    }

    async fn is_valid_at(
        &self,
        records: &mut Records,
        from: Address,
        call: &IMarketCalls,
        at: u64,
    ) -> Result<bool, Error> {
        let ran = self.run(records, from, call, at).await?;
        Ok(ran.is_some_and(|ran| ran.outcome.is_ok()))
    }

    /// Has the node run a call on the block.
    async fn ask(&self, from: Address, data: Vec<u8>) -> Result<Prediction, Error> {
        let request = TransactionRequest::default()
            .with_from(from)
            .with_to(self.market.address())
            .with_input(data);
        let call = self.market.provider().call(request);
        let outcome = match call.block(self.block.id()).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) => match decode_error(&error) {
                Some(revert) => Err(revert),
                None => return Err(ChainError::from_rpc("eth_call", error).into()),
            },
        };
        let from = match &outcome {
            Ok(_) => Some(self.block.time),
            Err(revert) => not_before(revert),
        };
        Ok(Prediction {
            block: self.block,
            at: self.block.time,
            outcome,
            window: Window { from, until: None },
            cost: None,
            by: By::Node,
        })
    }
}

/// What the lease or the seat that an event tells of costs.
fn cost(
    market: &piecework_protocol::Market<Memory<'_>, Ahead<'_>>,
    job: &crate::chain::IMarket::Job,
    event: &MarketEvent,
) -> Option<Cost> {
    use piecework_protocol::Store as _;
    let (job_id, first) = (event.job_id()?.0, event.first()?);
    let lease = market.store.lease(&job_id, first);
    let (count, fee, origin) = (lease.count, lease.fee_bps, lease.origin);
    match event {
        MarketEvent::Claimed(_) => Cost::of_lease(job, count, fee, origin).ok(),
        MarketEvent::Joined(_) => Cost::of_seat(job, count, fee, origin).ok(),
        MarketEvent::Committed(_) => Cost::of_seat(job, count, fee, origin).ok(),
        _ => None,
    }
}

/// From when on a refusal no longer holds, if that is a matter of time.
fn not_before(revert: &Revert) -> Option<u64> {
    let time = match revert.market.as_deref()? {
        IMarketErrors::TooEarly(error) => error.notBefore,
        IMarketErrors::NotDrawn(error) => error.from,
        IMarketErrors::OpeningsMissing(error) => error.deadline.saturating_add(1),
        IMarketErrors::LeafMissing(error) => error.leafBy.saturating_add(1),
        IMarketErrors::JobStillOpen(error) => error.closesAt.saturating_add(1),
        _ => return None,
    };
    (time <= rules::MAX_TIME).then_some(time)
}

//! Questions to the world, each in a task of its own. An urgent one never waits for others.

use std::sync::Arc;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::{TransactionBuilder as _, TransactionResponse as _},
    primitives::{Address, B256, Bytes},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
};
use piecework_core::{
    chain::IMarket,
    digest::{Digest, lease as digest_list},
    view::seat::Key as SeatId,
};
use piecework_executor_core::{
    Input,
    input::{Answer, Leaf, LeafOf, PointState, Question, Topic, Word},
    intent::What,
};
use piecework_net::{
    blobs::fetch_bytes,
    chain::{
        ChainError, Contract,
        beacon::{BeaconKind, Publication},
        decode_error,
    },
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Duration, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Node, Tools};
use crate::{
    Error,
    store::{Store, StoreError},
    work::Workshop,
};

/// Questions of duties that are asked at the same time.
const URGENT: usize = 16;
/// Other questions that are asked at the same time.
const OTHERS: usize = 4;
/// Questions to others than the node, which may be slow: providers that are judged, and drand.
const ELSEWHERE: usize = 16;
/// No answer takes longer.
const LONGEST: Duration = Duration::from_secs(50);
/// Point ids of a beacon of blocks are block numbers modulo this.
const CYCLE: u64 = 1 << 24;

/// The questions of one machine.
#[derive(Debug)]
pub(super) struct Questions {
    asker: Arc<Asker>,
    ended: CancellationToken,
}

/// What every question needs.
struct Asker {
    urgent: Semaphore,
    others: Semaphore,
    elsewhere: Semaphore,
    node: watch::Receiver<Option<Node>>,
    store: Store,
    shop: Workshop,
    provider: Address,
    operator: Address,
    market: Address,
    inbox: mpsc::UnboundedSender<Input>,
}

/// Why there is no answer now.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("the chain's node is not reached")]
    Unreached,
    #[error("the node does not know it")]
    Unknown,
    #[error("no answer within {} s", LONGEST.as_secs())]
    Late,
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Silence {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl Questions {
    pub(super) fn new(tools: &Tools, ended: CancellationToken) -> Self {
        let asker = Asker {
            urgent: Semaphore::new(URGENT),
            others: Semaphore::new(OTHERS),
            elsewhere: Semaphore::new(ELSEWHERE),
            node: tools.node.clone(),
            store: tools.store.clone(),
            shop: tools.shop.clone(),
            provider: tools.provider,
            operator: tools.operator,
            market: tools.market,
            inbox: tools.shop.inbox.clone(),
        };
        Self {
            asker: Arc::new(asker),
            ended,
        }
    }

    /// Asks in the background. The answer comes as an input, and none comes after the machine's end.
    pub(super) fn ask(&self, question: Question, urgent: bool) {
        let (asker, ended) = (self.asker.clone(), self.ended.clone());
        self.asker.shop.spawn(async move {
            let topic = question.topic();
            let answer = tokio::select! {
                () = ended.cancelled() => return,
                answer = asker.answer(question, urgent) => answer,
            };
            let answer = answer.unwrap_or_else(|error| {
                tracing::debug!(?topic, %error, "no answer now");
                Answer::Silence(topic)
            });
            let _ = asker.inbox.send(Input::Answer(answer));
        });
    }
}

impl Asker {
    async fn answer(&self, question: Question, urgent: bool) -> Result<Answer, Silence> {
        let line = match question.topic() {
            Topic::Leaf(_) | Topic::Publication(_) => &self.elsewhere,
            _ if urgent => &self.urgent,
            _ => &self.others,
        };
        let _turn = line.acquire().await.map_err(Silence::failed)?;
        timeout(LONGEST, self.find(question))
            .await
            .map_err(|_| Silence::Late)?
    }

    async fn find(&self, question: Question) -> Result<Answer, Silence> {
        match question {
            Question::Plain(topic) => self.plain(topic).await,
            Question::Simulate { what, data } => self.simulate(what, data).await,
            Question::Leaf { seat, of } => self.leaf(seat, of).await,
        }
    }

    fn node(&self) -> Result<Node, Silence> {
        self.node.borrow().clone().ok_or(Silence::Unreached)
    }

    async fn plain(&self, topic: Topic) -> Result<Answer, Silence> {
        match topic {
            Topic::Stake => {
                let state = self.state_of(self.provider).await?;
                Ok(Answer::Stake {
                    total: state.stake,
                    free: state.free,
                    number: state.number,
                })
            }
            Topic::Number(provider) => {
                let number = self.number_of(provider).await?;
                Ok(Answer::Number { provider, number })
            }
            Topic::Admitted(list) => {
                let market = Contract::new(self.market, self.node()?.rpc);
                let provider = self.provider;
                let admitted = market
                    .ask(IMarket::isAdmittedCall { list, provider })
                    .call()
                    .await;
                let admitted = admitted.map_err(Silence::failed)?;
                Ok(Answer::Admitted { list, admitted })
            }
            Topic::Owner(tx) => self.owner(tx).await,
            Topic::Point(point) => Ok(Answer::Point(point_state(&self.node()?, point).await?)),
            Topic::Publication(point) => {
                let beacon = self.node()?.beacon;
                let call = beacon.publication(point).await.map_err(|error| {
                    tracing::warn!(%error, point, "cannot publish a seed now");
                    Silence::failed(error)
                })?;
                let call = call.map(|Publication { to, data }| (to, data));
                Ok(Answer::Publication { point, call })
            }
            // These have details.
            Topic::Simulate(_) | Topic::Leaf(_) => Err(Silence::Unknown),
        }
    }

    async fn state_of(&self, provider: Address) -> Result<IMarket::ProviderState, Silence> {
        let market = Contract::new(self.market, self.node()?.rpc);
        let state = market
            .ask(IMarket::providerOfCall { provider })
            .call()
            .await;
        state.map_err(Silence::failed)
    }

    /// The number of a provider, which a commitment hides for good: a wrong one can never be opened.
    async fn number_of(&self, provider: Address) -> Result<u32, Silence> {
        let rpc = self.node()?.rpc;
        let market = Contract::new(self.market, &rpc);
        let asked = market.ask_two(&IMarket::providerOfCall { provider }).await;
        let (one, other) = asked.map_err(Silence::failed)?;
        // An endpoint that is behind may know none.
        match other.filter(|other| other.number > 0 && other.number != one.number) {
            Some(other) if one.number > 0 => {
                let (one, other) = (one.number, other.number);
                tracing::warn!(%provider, one, other, "two endpoints tell different numbers of a provider");
                Err(Silence::failed("two endpoints contradict each other"))
            }
            _ => Ok(one.number),
        }
    }

    /// Whether this machine sent a transaction: it signed it, or its account did before the database was lost.
    async fn owner(&self, tx: B256) -> Result<Answer, Silence> {
        let ours = |ours| Ok(Answer::Owner { tx, ours });
        if self.store.intent_of_tx(tx).await?.is_some() {
            return ours(true);
        }
        let rpc = self.node()?.rpc;
        let sent = is_sent_by_us(&self.store, &rpc, self.operator, tx).await;
        ours(sent.map_err(Silence::failed)?.ok_or(Silence::Unknown)?)
    }

    /// What the market would say now to a call of ours. Nothing is sent.
    async fn simulate(&self, what: What, data: Bytes) -> Result<Answer, Silence> {
        let request = TransactionRequest::default()
            .with_from(self.operator)
            .with_to(self.market)
            .with_input(data);
        let pending = BlockId::Number(BlockNumberOrTag::Pending);
        let word = match self.node()?.rpc.call(request).block(pending).await {
            Ok(_) => Word::Yes,
            Err(error) if error.as_error_resp().is_none() => return Err(Silence::failed(error)),
            Err(error) => match decode_error(&error) {
                None => Word::No(error.to_string()),
                Some(revert) => match revert.market.as_deref() {
                    Some(IMarket::IMarketErrors::NotDrawn(not)) => Word::DrawnFrom(not.from),
                    _ => Word::No(revert.to_string()),
                },
            },
        };
        Ok(Answer::Simulate { what, word })
    }

    /// The leaf of a provider before a jury: of our own outputs, or of the list that it serves.
    async fn leaf(&self, seat: SeatId, of: LeafOf) -> Result<Answer, Silence> {
        let leaf = match of.provider == self.provider {
            true => self.own_leaf(seat, of).await?,
            false => self.served_leaf(of).await?,
        };
        Ok(Answer::Leaf { seat, leaf })
    }

    async fn own_leaf(&self, seat: SeatId, of: LeafOf) -> Result<Option<Leaf>, Silence> {
        let job = seat.lease.job;
        let rows = self.store.tasks(job, of.first, of.count).await?;
        let digests: Vec<Digest> = rows.iter().map(|row| Digest(row.digest.0)).collect();
        let leaf = Leaf::find(&digests, &of);
        if leaf.is_none() {
            tracing::error!(%job, first = of.first, "the digests of a result of ours are not here: another machine has them");
        }
        Ok(leaf)
    }

    async fn served_leaf(&self, of: LeafOf) -> Result<Option<Leaf>, Silence> {
        let market = Contract::new(self.market, self.node()?.rpc);
        let provider = of.provider;
        let profile = market.ask(IMarket::profileOfCall { provider }).call().await;
        let profile = profile.map_err(Silence::failed)?;
        let leaf = self.fetch(&profile.endpoint, of).await;
        if let Err(why) = &leaf {
            tracing::debug!(%provider, first = of.first, %why, "the provider's leaf cannot be had");
        }
        Ok(leaf.ok())
    }

    async fn fetch(&self, endpoint: &str, of: LeafOf) -> Result<Leaf, Silence> {
        let url: Url = endpoint.parse().map_err(Silence::failed)?;
        let source = self.shop.http.source(&url).map_err(Silence::failed)?;
        let most = u64::from(of.count).saturating_mul(32);
        let bytes = fetch_bytes(&source, of.result.list.into(), most).await;
        let bytes = bytes.map_err(Silence::failed)?;
        let digests = digest_list::decode(&bytes, of.count).map_err(Silence::failed)?;
        Leaf::find(&digests, &of).ok_or_else(|| Silence::failed("it is not what was submitted"))
    }
}

/// Whether this account sent a transaction, or another one that signed for this state. None if the node does not know it.
pub(crate) async fn is_sent_by_us(
    store: &Store,
    rpc: &DynProvider,
    operator: Address,
    tx: B256,
) -> Result<Option<bool>, Error> {
    let found = rpc.get_transaction_by_hash(tx).await;
    let found = found.map_err(|error| ChainError::from_rpc("eth_getTransactionByHash", error))?;
    let Some(from) = found.map(|found| found.from()) else {
        return Ok(None);
    };
    let signed = store.signers().await?;
    Ok(Some(from == operator || signed.contains(&from)))
}

/// What the beacon says of a point now.
async fn point_state(node: &Node, point: u64) -> Result<PointState, Silence> {
    let beacon = &node.beacon;
    let (time, seed) = tokio::join!(beacon.time_of(point), beacon.seed(point));
    let mut state = PointState {
        point,
        time: time.map_err(Silence::failed)?,
        seed: seed.map_err(Silence::failed)?,
        dead: false,
        due: false,
        likely: None,
    };
    if state.seed.is_none() {
        state.dead = beacon.is_dead(point).await.map_err(Silence::failed)?;
    }
    if state.seed.is_none() && !state.dead {
        let (due, likely) = tokio::join!(beacon.is_due(point), predict(node, point));
        (state.due, state.likely) = (due.map_err(Silence::failed)?, likely);
    }
    Ok(state)
}

/// What the seed of a point will be, as far as the node can tell before anybody published it.
async fn predict(node: &Node, point: u64) -> Option<B256> {
    if node.beacon.kind() != BeaconKind::Block {
        return None;
    }
    let head = node.rpc.get_block_number().await.ok()?;
    let age = head.wrapping_sub(point) % CYCLE;
    let number = head.checked_sub(age)?;
    let block = node.rpc.get_block_by_number(number.into()).await;
    Some(block.ok()??.header.hash)
}

//! One chain that is served: its endpoint found and checked, its services run and, when they fail, run again. Whatever
//! happens here is no business of the other chains.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU32},
    time::Duration,
};

use alloy::{
    providers::DynProvider, rpc::types::Log, signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use piecework_core::chain::IMarket;
use piecework_executor_core::{machine::Settings, secret::Secret};
use piecework_net::{
    blobs::{DirStore, HttpClient},
    chain::{
        ChainError, ChainOptions, Contract,
        beacon::{Beacon, BeaconKind},
        check_market, connect, keys,
    },
};
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;
use url::Url;

use crate::{
    Error,
    admin::{Asking, Place},
    clock::ChainClock,
    config::{ChainConfig, OperatorKey, Password, Retention},
    depot::Depot,
    follow::{Feed, Follow, Link},
    sandbox::LateSandbox,
    sender::{Outcome, Sender},
    serve::NodeId,
    shell::{Inbox, Left, Loading, Node, Shares, Shell, Tools},
    status::Stopping,
    store::{NewIntent, Store, StoreError},
    supervise::{GivenUp, MayPass, supervise},
    work::{Machine, Shelf, Workshop},
};

/// First wait after a chain could not be reached; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often a chain that cannot be reached says whether anything is owed there.
const IDLE_PAUSE: Duration = Duration::from_millis(250);

/// A chain that answers, and is the right one.
pub(crate) struct Reached {
    pub(crate) rpc: DynProvider,
    pub(crate) times: IMarket::Times,
    pub(crate) beacon: Beacon,
}

/// Makes sure that chain and market are the right ones, and that the key may act.
pub(crate) async fn reach(
    config: &ChainConfig,
    signer: &PrivateKeySigner,
) -> Result<Reached, Error> {
    let urls: Vec<&str> = config.rpc_urls.iter().map(Url::as_str).collect();
    let options = ChainOptions::new(urls.join(",")).chain_id(config.chain_id);
    let (rpc, chain_id) = connect(&options).await?;
    check_market(&rpc, chain_id, config.market).await?;
    let market = Contract::new(config.market, &rpc);
    let (provider, operator) = (config.provider, signer.address());
    if operator != provider {
        let allowed = market
            .ask(IMarket::isOperatorCall { provider, operator })
            .call()
            .await;
        if !allowed.map_err(|error| ChainError::from_contract("isOperator", error))? {
            return Err(Error::NotOperator { provider, operator });
        }
    }
    let times = market.ask(IMarket::timesCall {}).call().await;
    let times = times.map_err(|error| ChainError::from_contract("times", error))?;
    let beacon = Beacon::probe(rpc.clone(), config.market).await?;
    let beacon = beacon
        .with_drand(&config.drand_urls)
        .map_err(ChainError::from)?;
    Ok(Reached { rpc, times, beacon })
}

/// Opens the key of a chain.
pub(crate) async fn operator_key(config: &ChainConfig) -> Result<PrivateKeySigner, Error> {
    let (path, password) = match &config.operator {
        OperatorKey::Raw(signer) => return Ok(signer.clone()),
        OperatorKey::Keystore { path, password } => (path.clone(), password.clone()),
    };
    let shown = path.clone();
    let open = move || {
        let password = match password {
            Password::Text(text) => text,
            Password::File(file) => {
                let text = std::fs::read_to_string(&file)
                    .map_err(|error| format!("its password file {}: {error}", file.display()))?;
                text.lines().next().unwrap_or_default().to_owned()
            }
        };
        keys::load(&path, &password).map_err(|error| error.to_string())
    };
    let opened = tokio::task::spawn_blocking(open)
        .await
        .unwrap_or_else(|error| Err(error.to_string()));
    opened.map_err(|why| Error::Key { path: shown, why })
}

/// Which chains are given up; clones share it. The executor fails when all are: while one works, the others are tried
/// again.
#[derive(Clone, Debug)]
pub(crate) struct Fates {
    given_up: Arc<Mutex<Vec<bool>>>,
    tell: watch::Sender<Option<(String, GivenUp)>>,
}

impl Fates {
    pub(crate) fn new(chains: usize) -> (Self, watch::Receiver<Option<(String, GivenUp)>>) {
        let (tell, heard) = watch::channel(None);
        let given_up = Arc::new(Mutex::new(vec![false; chains]));
        (Self { given_up, tell }, heard)
    }

    fn works(&self, index: usize) {
        self.set(index, false);
    }

    fn give_up(&self, index: usize, chain: &str, why: GivenUp) {
        if self.set(index, true) {
            self.tell.send_replace(Some((chain.to_owned(), why)));
        }
    }

    /// Whether all are given up now.
    fn set(&self, index: usize, value: bool) -> bool {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = given_up.get_mut(index) {
            *place = value;
        }
        given_up.iter().all(|given_up| *given_up)
    }
}

/// A chain that is served.
pub(crate) struct Service {
    pub(crate) index: usize,
    pub(crate) config: ChainConfig,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) store: Store,
    pub(crate) private: DirStore,
    pub(crate) http: HttpClient,
    pub(crate) shelf: Shelf,
    /// The node id in the provider's profile, once it was read.
    pub(crate) node_id: NodeId,
    pub(crate) settings: Settings,
    pub(crate) place: Place,
    pub(crate) asking: Asking,
    /// Told when nothing bonded is unfinished here.
    pub(crate) idle: Arc<watch::Sender<bool>>,
    pub(crate) common: Common,
}

/// What all chains share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) sandbox: LateSandbox,
    pub(crate) depot: Depot,
    /// What all chains take of the machine.
    pub(crate) shares: Shares,
    /// What salts are derived from.
    pub(crate) secret: Secret,
    /// When this process began.
    pub(crate) began: Instant,
    /// For outputs of trials, until they are compared.
    pub(crate) scratch: std::path::PathBuf,
    pub(crate) retention: Retention,
    /// What runs on all chains.
    pub(crate) machine: Machine,
    pub(crate) blob_url: Url,
    pub(crate) stopping: watch::Receiver<Stopping>,
    pub(crate) fates: Fates,
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

/// What the services of a chain are made of, until one of them is given up.
struct Parts {
    tools: Tools,
    inbox: Arc<AsyncMutex<Inbox>>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    receipts: Arc<AsyncMutex<mpsc::UnboundedReceiver<Vec<Log>>>>,
    node: watch::Sender<Option<Node>>,
    unreached: watch::Sender<Option<String>>,
    /// Ends all of them.
    ended: CancellationToken,
    given_up: watch::Sender<Option<GivenUp>>,
    /// Those that run.
    services: TaskTracker,
}

impl Service {
    /// Serves the chain until the executor is cancelled. `first` is what the start has found already.
    pub(crate) async fn run(self, first: Result<Reached, Error>) {
        let mut first = Some(first);
        loop {
            let Some(end) = self.serve(first.take()).await else {
                return;
            };
            // Nobody works here now, and the cache is everybody's: what is needed again is fetched again.
            self.shelf.keep(&Default::default());
            let (service, times, last) = (end.service, end.times, end.why.clone());
            self.common
                .fates
                .give_up(self.index, &self.config.name, end);
            let why = format!("{service} failed {times} times in a row, last with: {last}");
            self.cannot_be_served(&why, LONGEST_WAIT);
            self.pause(LONGEST_WAIT).await;
            if self.common.cancel.is_cancelled() {
                return;
            }
        }
    }

    fn cannot_be_served(&self, why: &str, wait: Duration) -> String {
        tracing::warn!(why, ?wait, "this chain cannot be served; it is tried again");
        let blocked = format!("{why}. It is tried again");
        let told = vec![blocked.clone()];
        self.place.write(|status| status.blocked = told);
        blocked
    }

    /// Waits, and says meanwhile whether anything is owed here. Nobody can finish it now, but perhaps soon.
    async fn pause(&self, wait: Duration) {
        let mut owes = None;
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        let mut tick = tokio::time::interval(IDLE_PAUSE);
        loop {
            tokio::select! {
                () = &mut end => return,
                () = self.common.cancel.cancelled() => return,
                _ = tick.tick() => {}
            }
            if *self.common.stopping.borrow() != Stopping::No {
                if owes.is_none() {
                    owes = Some(self.owes().await.unwrap_or(true));
                }
                self.idle.send_replace(owes == Some(false));
            }
        }
    }

    /// Whether bonded work is unfinished here, by the store alone.
    async fn owes(&self) -> Result<bool, StoreError> {
        let Some(times) = self.store.times().await? else {
            return Ok(false);
        };
        let loading = Loading {
            store: &self.store,
            provider: self.config.provider,
            market: self.config.market,
            chain_id: self.config.chain_id,
            secret: self.common.secret,
            settings: &self.settings,
            times,
        };
        let left = Left::by(loading).await?;
        let drains = *self.common.stopping.borrow() == Stopping::Drain;
        Ok(left.is_busy || drains && !left.is_clear)
    }

    /// Runs all services until one of them fails for good; `None` after a cancel. The machine runs also while the chain is
    /// not reached, if it knows the market's times from before.
    async fn serve(&self, first: Option<Result<Reached, Error>>) -> Option<GivenUp> {
        let parts = self.parts();
        let mut failed = parts.given_up.subscribe();
        let one_failed = async {
            let _ = failed.wait_for(Option::is_some).await;
        };
        tokio::select! {
            () = one_failed => {}
            () = self.common.cancel.cancelled() => {}
            error = self.bring_up(&parts, first) => {
                let why = error.to_string();
                let end = GivenUp { service: "start", times: 1, why };
                parts.given_up.send_replace(Some(end));
            }
        }
        parts.ended.cancel();
        parts.services.close();
        parts.services.wait().await;
        let end = parts.given_up.borrow().clone();
        end.filter(|_| !self.common.cancel.is_cancelled())
    }

    /// Starts what can be started, reaches the chain, and starts the rest. Ends with an error only.
    async fn bring_up(&self, parts: &Parts, first: Option<Result<Reached, Error>>) -> Error {
        match self.try_to_bring_up(parts, first).await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    }

    async fn try_to_bring_up(
        &self,
        parts: &Parts,
        first: Option<Result<Reached, Error>>,
    ) -> Result<(), Error> {
        let knows_times = self.store.times().await?.is_some();
        if knows_times {
            self.start_loop(parts);
        }
        let reached = self.reached(parts, first, knows_times).await;
        self.store.put_times(&reached.times).await?;
        self.common.fates.works(self.index);
        self.attach(parts, reached).await?;
        if !knows_times {
            self.start_loop(parts);
        }
        Ok(())
    }

    /// Waits until the chain is reached.
    async fn reached(
        &self,
        parts: &Parts,
        first: Option<Result<Reached, Error>>,
        has_loop: bool,
    ) -> Reached {
        let mut wait = FIRST_WAIT;
        let mut next = first;
        loop {
            let reached = match next.take() {
                Some(reached) => reached,
                None => reach(&self.config, &self.signer).await,
            };
            let error = match reached {
                Ok(reached) => {
                    parts.unreached.send_replace(None);
                    return reached;
                }
                Err(error) => error,
            };
            let blocked = self.cannot_be_served(&error.to_string(), wait);
            parts.unreached.send_replace(Some(blocked));
            match has_loop {
                // It says itself whether anything is owed.
                true => tokio::time::sleep(wait).await,
                false => self.pause(wait).await,
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    fn parts(&self) -> Parts {
        let (config, common) = (&self.config, &self.common);
        let (inbox, inputs) = mpsc::unbounded_channel();
        let (outcomes, heard) = mpsc::unbounded_channel();
        let (node, node_seen) = watch::channel(None);
        let (unreached, unreached_seen) = watch::channel(None);
        let (clock, link) = (ChainClock::default(), Link::default());
        let shop = Workshop {
            sandbox: common.sandbox.clone(),
            store: self.store.clone(),
            private: self.private.clone(),
            depot: common.depot.clone(),
            http: self.http.clone(),
            clock: clock.clone(),
            inbox: inbox.clone(),
            running: Arc::new(AtomicU32::new(0)),
            machine: common.machine.clone(),
            scratch: common.scratch.clone(),
            tracker: common.tracker.clone(),
            shelf: self.shelf.clone(),
        };
        let (feed, receipts) = Feed::new(inbox);
        let tools = Tools {
            name: config.name.clone(),
            provider: config.provider,
            operator: self.signer.address(),
            market: config.market,
            chain_id: config.chain_id,
            secret: common.secret,
            settings: self.settings.clone(),
            timing: config.timing.clone(),
            retention: common.retention,
            store: self.store.clone(),
            shop,
            clock,
            began: common.began,
            node: node_seen,
            unreached: unreached_seen,
            link,
            feed,
            shares: common.shares.clone(),
            board: self.place.clone(),
            asking: self.asking.clone(),
            stopping: common.stopping.clone(),
            idle: self.idle.clone(),
        };
        Parts {
            tools,
            inbox: Arc::new(AsyncMutex::new(Inbox {
                inputs,
                outcomes: heard,
            })),
            outcomes,
            receipts: Arc::new(AsyncMutex::new(receipts)),
            node,
            unreached,
            ended: common.cancel.child_token(),
            given_up: watch::Sender::new(None),
            services: TaskTracker::new(),
        }
    }

    /// Runs a service, and again when it fails. Each failure is for the status: the loop says it from then on, if it is not
    /// the loop that fails.
    fn supervise<F, T, E>(
        &self,
        parts: &Parts,
        name: &'static str,
        service: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: std::fmt::Display + MayPass + Send,
    {
        let (link, place) = (parts.tools.link.clone(), self.place.clone());
        let failed = move |why: &str, retry_in: Duration| {
            let why = format!("{name} failed: {why}. It is started again");
            link.is_down(why.clone(), retry_in);
            place.write(|status| status.blocked = vec![why]);
        };
        let (ended, given_up) = (parts.ended.clone(), parts.given_up.clone());
        let run = async move { supervise(name, ended, given_up, failed, service).await };
        let run = parts.services.track_future(run.in_current_span());
        self.common.tracker.spawn(run);
    }

    fn start_loop(&self, parts: &Parts) {
        let (tools, inbox) = (parts.tools.clone(), parts.inbox.clone());
        self.supervise(parts, "loop", move || {
            let (tools, inbox) = (tools.clone(), inbox.clone());
            async move { Shell::run(tools, &mut *inbox.lock().await).await }
        });
    }

    /// Starts follower and sender on a chain that is reached.
    async fn attach(&self, parts: &Parts, reached: Reached) -> Result<(), Error> {
        let Reached { rpc, beacon, .. } = reached;
        let config = &self.config;
        if !beacon.can_publish() {
            let next = match beacon.kind() {
                BeaconKind::Drand => "name drand's endpoints in [chain.beacon] urls",
                _ => "another version of this program may know its kind",
            };
            let beacon = beacon.address();
            tracing::warn!(%beacon, next, "this market's seeds are published by others: this program cannot");
        }
        let sender = Sender::new(
            rpc.clone(),
            self.signer.clone(),
            self.store.clone(),
            parts.tools.clock.clone(),
            config.timing.clone(),
            parts.outcomes.clone(),
        );
        let market = Contract::new(config.market, &rpc);
        let profile = market
            .ask(IMarket::profileOfCall {
                provider: config.provider,
            })
            .call()
            .await;
        let profile = profile.map_err(|error| ChainError::from_contract("profileOf", error))?;
        self.node_id.set(profile.nodeId);
        if self.signer.address() == config.provider {
            self.publish_endpoint(profile, &sender).await?;
        }
        let follow = Follow {
            rpc: rpc.clone(),
            chain_id: config.chain_id,
            market: config.market,
            timing: config.timing.clone(),
            on_demand: config.is_devnet(),
            store: self.store.clone(),
            clock: parts.tools.clock.clone(),
            link: parts.tools.link.clone(),
            feed: parts.tools.feed.clone(),
            receipts: parts.receipts.clone(),
        };
        self.supervise(parts, "follower", move || {
            let follow = follow.clone();
            async move { follow.run().await }
        });
        let sending = sender.clone();
        self.supervise(parts, "sender", move || {
            let sending = sending.clone();
            async move { sending.run().await }
        });
        parts.node.send_replace(Some(Node {
            rpc,
            beacon,
            sender,
        }));
        Ok(())
    }

    /// Only the provider's own key can say where its outputs are.
    async fn publish_endpoint(
        &self,
        profile: IMarket::profileOfReturn,
        sender: &Sender,
    ) -> Result<(), Error> {
        let url = &self.common.blob_url;
        if profile.endpoint == url.as_str() {
            return Ok(());
        }
        let call = IMarket::setProfileCall {
            nodeId: profile.nodeId,
            capabilities: profile.capabilities,
            endpoint: url.to_string(),
        };
        let unique: u64 = rand::random();
        let intent = NewIntent {
            id: format!("profile/{unique:016x}"),
            to: None,
            data: call.abi_encode().into(),
            not_after: None,
            repeatable: true,
            deadline: None,
            at_stake: 0,
        };
        tracing::info!(%url, "publishing the endpoint in the provider's profile");
        sender.send(intent).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_executor_fails_when_every_chain_has_and_not_before() {
        let end = |why: &str| GivenUp {
            service: "loop",
            times: 8,
            why: why.to_owned(),
        };
        let (fates, told) = Fates::new(2);
        fates.give_up(0, "l2", end("disk full"));
        assert!(told.borrow().is_none());
        // It works again before the other one is given up.
        fates.works(0);
        fates.give_up(1, "revive", end("disk full"));
        assert!(told.borrow().is_none());
        fates.give_up(0, "l2", end("disk full, too"));
        let (chain, why) = told.borrow().clone().unwrap();
        assert_eq!((chain.as_str(), why.why.as_str()), ("l2", "disk full, too"));
        // One chain is all there is.
        let (fates, told) = Fates::new(1);
        fates.give_up(0, "l2", why);
        assert!(told.borrow().is_some());
    }
}

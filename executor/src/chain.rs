//! One chain that is served: its endpoint found and checked, its services run and, when they fail, run again. Whatever
//! happens here is no business of the other chains.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU32},
    time::Duration,
};

use alloy::{providers::DynProvider, signers::local::PrivateKeySigner, sol_types::SolCall as _};
use piecework_core::chain::IMarket;
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
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;
use url::Url;

use crate::{
    Error,
    admin::Place,
    capacity::Capacity,
    clock::ChainClock,
    config::{ChainConfig, OperatorKey, Password, Retention},
    control::{Control, Inbox, Stopping, Tools},
    depot::Depot,
    follow::{Follow, Link},
    promise::{Promised, owes},
    sandbox::Sandbox,
    sender::Sender,
    serve::NodeId,
    store::{NewIntent, Store},
    supervise::{GivenUp, supervise},
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
    /// Room for what is begun, while nobody does it.
    pub(crate) promised: Promised,
    pub(crate) place: Place,
    /// Told when nothing bonded is unfinished here.
    pub(crate) idle: Arc<watch::Sender<bool>>,
    pub(crate) common: Common,
}

/// What all chains share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) sandbox: Sandbox,
    pub(crate) depot: Depot,
    pub(crate) capacity: Capacity,
    pub(crate) lease_tasks: u32,
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

impl Service {
    /// Serves the chain until the executor is cancelled. `first` is what the start has found already.
    pub(crate) async fn run(self, first: Result<Reached, Error>) {
        let mut reached = first;
        let mut wait = FIRST_WAIT;
        loop {
            let why = match reached {
                Ok(chain) => {
                    self.common.fates.works(self.index);
                    let Some(end) = self.serve(chain).await else {
                        return;
                    };
                    // Nobody works here now, and the cache is everybody's: what is needed again is fetched again.
                    self.shelf.keep(&Default::default());
                    let (service, times, last) = (end.service, end.times, end.why.clone());
                    self.common
                        .fates
                        .give_up(self.index, &self.config.name, end);
                    wait = LONGEST_WAIT;
                    format!("{service} failed {times} times in a row, last with: {last}")
                }
                Err(error) => error.to_string(),
            };
            tracing::warn!(why, ?wait, "this chain cannot be served; it is tried again");
            let blocked = format!("{why}. It is tried again");
            self.place.write(|status| status.blocked = vec![blocked]);
            self.pause(wait).await;
            if self.common.cancel.is_cancelled() {
                return;
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            reached = tokio::select! {
                () = self.common.cancel.cancelled() => return,
                reached = reach(&self.config, &self.signer) => reached,
            };
        }
    }

    /// Waits, and says meanwhile whether anything is owed here. Nobody can finish it now, but perhaps soon.
    async fn pause(&self, wait: Duration) {
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        let mut tick = tokio::time::interval(IDLE_PAUSE);
        loop {
            tokio::select! {
                () = &mut end => return,
                () = self.common.cancel.cancelled() => return,
                _ = tick.tick() => {}
            }
            self.promised.give_back_late();
            if *self.common.stopping.borrow() != Stopping::No {
                let owes = owes(&self.store).await.unwrap_or(true);
                self.idle.send_replace(!owes);
            }
        }
    }

    /// Runs follower, sender and control until one of them fails for good; `None` after a cancel.
    async fn serve(&self, chain: Reached) -> Option<GivenUp> {
        let ended = self.common.cancel.child_token();
        let (given_up, mut failed) = watch::channel(None);
        let services = match self.start(chain, &ended, &given_up).await {
            Ok(services) => services,
            Err(error) => {
                return Some(GivenUp {
                    service: "start",
                    times: 1,
                    why: error.to_string(),
                });
            }
        };
        let one_failed = async {
            let _ = failed.wait_for(Option::is_some).await;
        };
        let cancelled = self.common.cancel.cancelled();
        tokio::select! {
            () = one_failed => {}
            () = cancelled => {}
        }
        if !self.common.cancel.is_cancelled() {
            // What is bonded here can go on when the chain is back: no other one takes its room.
            self.promised
                .renew(&self.store, &self.common.capacity)
                .await;
        }
        ended.cancel();
        for service in services {
            let _ = service.await;
        }
        let end = given_up.borrow().clone();
        end.filter(|_| !self.common.cancel.is_cancelled())
    }

    async fn start(
        &self,
        Reached { rpc, times, beacon }: Reached,
        ended: &CancellationToken,
        given_up: &watch::Sender<Option<GivenUp>>,
    ) -> Result<[JoinHandle<()>; 3], Error> {
        let (config, common) = (&self.config, &self.common);
        if !beacon.can_publish() {
            let next = match beacon.kind() {
                BeaconKind::Drand => "name drand's endpoints in [chain.beacon] urls",
                _ => "another version of this program may know its kind",
            };
            let beacon = beacon.address();
            tracing::warn!(%beacon, next, "this market's seeds are published by others: this program cannot");
        }
        let (inbox, messages) = mpsc::unbounded_channel();
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
        let (sender, outcomes) = Sender::new(
            rpc.clone(),
            self.signer.clone(),
            config.chain_id,
            config.market,
            self.store.clone(),
            clock.clone(),
            config.timing.clone(),
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
        let tools = Tools {
            provider: config.provider,
            operator: self.signer.address(),
            market: config.market,
            chain_id: config.chain_id,
            times,
            beacon,
            rpc: rpc.clone(),
            link: link.clone(),
            store: self.store.clone(),
            sender: sender.clone(),
            shop,
            scratch: common.scratch.clone(),
            clock: clock.clone(),
            capacity: common.capacity.clone(),
            promised: self.promised.clone(),
            lease_tasks: common.lease_tasks,
            policy: config.policy.clone(),
            timing: config.timing.clone(),
            retention: common.retention,
            board: self.place.clone(),
            stopping: common.stopping.clone(),
            idle: self.idle.clone(),
        };
        let follow = Follow {
            rpc,
            chain_id: config.chain_id,
            market: config.market,
            timing: config.timing.clone(),
            on_demand: config.is_devnet(),
            store: self.store.clone(),
            clock,
            link: link.clone(),
            inbox,
        };
        let inbox = Arc::new(AsyncMutex::new(Inbox {
            messages,
            outcomes,
            synced: false,
        }));

        // For the status: control says it from then on, if it is not control that fails.
        let failed = |service: &'static str| {
            let (link, place) = (link.clone(), self.place.clone());
            move |why: &str, retry_in: Duration| {
                let why = format!("{service} failed: {why}. It is started again");
                link.is_down(why.clone(), retry_in);
                place.write(|status| status.blocked = vec![why]);
            }
        };
        let parts = (ended.clone(), given_up.clone(), failed("follower"));
        let follower = async move {
            let (ended, given_up, failed) = parts;
            supervise("follower", ended, given_up, failed, || follow.run()).await;
        };
        let parts = (ended.clone(), given_up.clone(), failed("sender"));
        let sending = async move {
            let (ended, given_up, failed) = parts;
            supervise("sender", ended, given_up, failed, || sender.run()).await;
        };
        let parts = (ended.clone(), given_up.clone(), failed("control"));
        let control = async move {
            let (ended, given_up, failed) = parts;
            let control = || async {
                let mut inbox = inbox.lock().await;
                Control::run(tools.clone(), &mut inbox).await
            };
            supervise("control", ended, given_up, failed, control).await;
        };
        let tracker = &common.tracker;
        Ok([
            tracker.spawn(follower.in_current_span()),
            tracker.spawn(sending.in_current_span()),
            tracker.spawn(control.in_current_span()),
        ])
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
            service: "control",
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

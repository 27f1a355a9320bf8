//! From a configuration to running services: one machine, and a [`Service`] for each chain.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use futures::future::join_all;
use piecework_core::digest::Digest;
use piecework_executor_core::{machine::Settings, policy::Timing, secret::Secret};
use piecework_net::blobs::{self, Bounds, DirStore, HttpClient, HttpPolicy, StoreLimits};
use tokio::{net::TcpListener, sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;
use url::Url;

use crate::{
    Error, admin,
    admin::{Board, Desk},
    chain::{Common, Fates, Reached, Service, operator_key, reach},
    config::{ChainConfig, Config},
    depot::Depot,
    sandbox::{LateSandbox, Sandbox, SandboxConfig, SandboxError, docker::DockerEngine},
    serve,
    shell::{Left, Loading, Shares, whole},
    state::{self, StateDir},
    status::{ChainStatus, Stopping},
    supervise::GivenUp,
    work::{Machine, Shelf},
};

/// What a running executor holds on to.
pub(crate) struct Running {
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
    pub(crate) sandbox: LateSandbox,
    /// Jobs that are ready to run, of each chain.
    pub(crate) shelves: Vec<Shelf>,
    pub(crate) stopping: watch::Sender<Stopping>,
    /// Of each chain, whether nothing bonded is unfinished.
    pub(crate) idle: Vec<watch::Receiver<bool>>,
    pub(crate) given_up: watch::Receiver<Option<(String, GivenUp)>>,
    pub(crate) board: Board,
    pub(crate) blob_url: Url,
    pub(crate) admin_url: Option<Url>,
}

/// Starts everything.
pub(crate) async fn start(config: Config) -> Result<Running, Error> {
    config.validate()?;
    let signers = keys(&config.chains).await?;
    let reached = reach_all(&config, &signers).await?;
    let state = StateDir::open(&config.state_dir)?;
    let stores = state.stores(&config.chains)?;
    let secret = secret(&state, &stores).await?;
    let dir = state.path();
    let sandbox = late_sandbox(&config, dir).await?;

    let (stopping, stopping_seen) = watch::channel(Stopping::No);
    let (fates, given_up) = Fates::new(config.chains.len());
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    let board = Board::default();

    let blobs = bind("serve.bind", config.serve).await?;
    let blob_url = match &config.serve_url {
        Some(url) => url.clone(),
        None => local_url(blobs.1),
    };
    let admin = match config.admin {
        Some(address) => Some(bind("admin.bind", address).await?),
        None => None,
    };
    let admin_url = admin.as_ref().map(|(_, address)| local_url(*address));
    board.write(|status| {
        status.version = env!("CARGO_PKG_VERSION").into();
        status.blob_url = blob_url.to_string();
        status.capacity_tasks = config.capacity.tasks;
    });

    let depot = depot(&config, dir, stores.clone())?;
    let published = depot.published.clone();
    let mut shops = Vec::new();
    for store in &stores {
        shops.push(serve::Shop {
            store: store.for_reading(),
            node_id: serve::NodeId::default(),
        });
    }
    let node_ids: Vec<_> = shops.iter().map(|shop| shop.node_id.clone()).collect();
    let common = Common {
        sandbox: sandbox.clone(),
        depot,
        shares: Shares::default(),
        secret,
        began: Instant::now(),
        scratch: empty_dir(dir.join("reruns"))?,
        retention: config.retention,
        machine: Machine::default(),
        blob_url: blob_url.clone(),
        stopping: stopping_seen,
        fates,
        cancel: cancel.clone(),
        tracker: tracker.clone(),
    };
    let settings: Vec<Settings> = config
        .chains
        .iter()
        .map(|chain| settings(chain, &config))
        .collect();
    keep_capacity(&config.chains, &stores, &settings, &common).await?;
    let engine = config.clone();
    let (mut shelves, mut idle, mut services) = (Vec::new(), Vec::new(), Vec::new());
    let mut desk = Desk::new(board.clone(), stopping.clone());
    let chains = config
        .chains
        .into_iter()
        .zip(signers)
        .zip(stores)
        .zip(settings)
        .zip(node_ids);
    for (index, ((((chain, signer), store), settings), node_id)) in chains.enumerate() {
        let http = HttpClient::new(&HttpPolicy {
            allow_private: chain.allow_private_sources,
            ..HttpPolicy::default()
        })?;
        let (told, seen) = watch::channel(false);
        idle.push(seen);
        let shelf = Shelf::default();
        shelves.push(shelf.clone());
        services.push(Service {
            index,
            asking: desk.add(&chain.name),
            private: DirStore::open(state.of(&chain).join("private"))?,
            place: board.add(first_status(&chain, signer.address())),
            config: chain,
            signer,
            store,
            http,
            shelf,
            node_id,
            settings,
            idle: Arc::new(told),
            common: common.clone(),
        });
    }
    if sandbox.trouble().is_some() {
        tracker.spawn(await_engine(
            engine,
            dir.to_owned(),
            sandbox.clone(),
            cancel.clone(),
        ));
    }
    for (service, reached) in services.into_iter().zip(reached) {
        let span = tracing::info_span!("serve", chain = service.config.name);
        tracker.spawn(service.run(reached).instrument(span));
    }
    let blob_router = serve::router(published, shops);
    spawn_server(&tracker, &cancel, blobs.0, blob_router);
    if let Some((listener, _)) = admin {
        spawn_server(&tracker, &cancel, listener, admin::router(desk));
    }
    Ok(Running {
        cancel,
        tracker,
        sandbox,
        shelves,
        stopping,
        idle,
        given_up,
        board,
        blob_url,
        admin_url,
    })
}

/// What salts are derived from.
async fn secret(state: &StateDir, stores: &[crate::store::Store]) -> Result<Secret, Error> {
    if !state.has_secret() {
        for store in stores {
            if !store.bound().await?.is_empty() {
                tracing::error!(
                    "the file salt-secret is gone: votes that were committed before cannot be opened. Stop, restore it, and \
                     start again"
                );
            }
        }
    }
    state.secret()
}

/// What the owner set for one chain, as its machine is told.
pub(crate) fn settings(chain: &ChainConfig, config: &Config) -> Settings {
    Settings {
        policy: chain.policy.clone(),
        timing: Timing {
            margin: chain.timing.margin,
            confirmations: chain.timing.confirmations,
            settle_within: chain.timing.settle_within,
        },
        total: whole(&config.capacity),
        lease_tasks: config.capacity.lease_tasks,
        platform: crate::sandbox::platform(),
    }
}

/// Counts the capacity of unfinished bonded work on every chain, before any of them takes new work.
async fn keep_capacity(
    chains: &[ChainConfig],
    stores: &[crate::store::Store],
    settings: &[Settings],
    common: &Common,
) -> Result<(), Error> {
    // A chain that is alone waits for nobody.
    if chains.len() < 2 {
        return Ok(());
    }
    for ((chain, store), settings) in chains.iter().zip(stores).zip(settings) {
        let Some(times) = store.times().await? else {
            continue;
        };
        let loading = Loading {
            store,
            provider: chain.provider,
            market: chain.market,
            chain_id: chain.chain_id,
            secret: common.secret,
            settings,
            times,
        };
        let left = Left::by(loading).await?;
        common
            .shares
            .step(&chain.name, |_| ((), left.amount, left.longest));
    }
    Ok(())
}

/// The keys of all chains, in their order.
async fn keys(chains: &[ChainConfig]) -> Result<Vec<PrivateKeySigner>, Error> {
    let opened = join_all(chains.iter().map(operator_key)).await;
    let mut signers = Vec::new();
    for (chain, signer) in chains.iter().zip(opened) {
        signers.push(signer.map_err(|error| error.of_chain(&chain.name))?);
    }
    tell_keys_apart(chains, &signers)?;
    Ok(signers)
}

/// Two markets of one chain cannot share a key: each sender would take the other's nonces.
pub(crate) fn tell_keys_apart(
    chains: &[ChainConfig],
    signers: &[PrivateKeySigner],
) -> Result<(), Error> {
    let mut taken: HashMap<(u64, Address), &str> = HashMap::new();
    for (chain, signer) in chains.iter().zip(signers) {
        let key = (chain.chain_id, signer.address());
        if let Some(other) = taken.insert(key, &chain.name) {
            let why = format!(
                "the operator key {} is that of {other:?} too, on the same chain: the transactions of both would take \
                 each other's place. Give each its own operator key: `piecework provider operator`",
                signer.address()
            );
            return Err(chain.invalid("chain.provider.keystore", why).into());
        }
    }
    Ok(())
}

/// Looks at all chains at once. One that does not answer may wait. If none does, only what was begun before can go on.
async fn reach_all(
    config: &Config,
    signers: &[PrivateKeySigner],
) -> Result<Vec<Result<Reached, Error>>, Error> {
    let chains = &config.chains;
    let looks = chains.iter().zip(signers);
    let looks = join_all(looks.map(|(chain, signer)| reach(chain, signer))).await;
    let is_new = |chain: &ChainConfig| !state::knows_times(&config.state_dir, chain);
    let none_answers = looks.iter().all(Result::is_err) && chains.iter().all(is_new);
    let mut reached = Vec::new();
    for (chain, look) in chains.iter().zip(looks) {
        match look {
            Err(error) if none_answers || !error.may_pass() => {
                return Err(error.of_chain(&chain.name));
            }
            look => reached.push(look),
        }
    }
    Ok(reached)
}

fn first_status(chain: &ChainConfig, operator: Address) -> ChainStatus {
    ChainStatus {
        name: chain.name.clone(),
        chain_id: chain.chain_id,
        market: chain.market,
        provider: chain.provider,
        operator,
        blocked: vec!["it is starting".to_owned()],
        ..ChainStatus::default()
    }
}

fn depot(config: &Config, dir: &Path, stores: Vec<crate::store::Store>) -> Result<Depot, Error> {
    let published = DirStore::open_with(
        dir.join("published"),
        // Room above the owner's choice: what is owed is never refused for what is old.
        StoreLimits {
            max_bytes: config
                .retention
                .max_bytes
                .saturating_add(config.capacity.disk_bytes),
        },
    )?;
    let cache = DirStore::open(dir.join("cache"))?;
    Ok(Depot::new(published, cache, stores, config.retention))
}

/// A directory of which nothing that a process before this one left there is of use.
fn empty_dir(path: PathBuf) -> Result<PathBuf, Error> {
    let emptied = match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(&path),
    };
    match emptied {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::Io { path, source }),
    }
}

/// The sandbox, or the promise of one: where work was begun before, duties that need no container do not wait for an engine
/// that is not there yet. Where there are none, an engine that does not answer is a mistake to be told at once.
async fn late_sandbox(config: &Config, dir: &Path) -> Result<LateSandbox, Error> {
    let error = match sandbox(config, dir).await {
        Ok(sandbox) => return Ok(LateSandbox::new(Ok(sandbox))),
        Err(error) => error,
    };
    let has_begun = |chain| state::knows_times(&config.state_dir, chain);
    match error {
        // Whatever is wrong with the engine: a vote that is committed to must be opened all the same.
        Error::Sandbox(error) if config.chains.iter().any(has_begun) => {
            tracing::warn!(%error, "it is tried again; what needs no container goes on meanwhile");
            Ok(LateSandbox::new(Err(error.into_engine())))
        }
        error => Err(error),
    }
}

async fn await_engine(config: Config, dir: PathBuf, late: LateSandbox, cancel: CancellationToken) {
    let make = || async {
        match sandbox(&config, &dir).await {
            Ok(sandbox) => Ok(sandbox),
            Err(Error::Sandbox(error)) => Err(error),
            Err(error) => Err(SandboxError::Background(error.to_string())),
        }
    };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = late.try_until_it_comes(make) => {}
    }
}

/// The engine and the sandbox. The instance's name is made from the state directory: a process that
/// starts there again finds what the one before left in the engine.
pub(crate) async fn sandbox(config: &Config, dir: &Path) -> Result<Sandbox, Error> {
    let engine = DockerEngine::connect(&config.docker)
        .await
        .map_err(SandboxError::from)?;
    let name = Digest::of(dir.as_os_str().as_encoded_bytes()).to_string();
    let instance = format!("executor-{}", name.get(..16).unwrap_or_default());
    let mut sandbox = SandboxConfig::new(instance, dir.join("sandbox"));
    sandbox.runtime.clone_from(&config.runtime);
    Ok(Sandbox::new(sandbox, Arc::new(engine)).await?)
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Bind {
        key,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The URL of a server that listens on an address of this machine.
pub(crate) fn local_url(address: SocketAddr) -> Url {
    let mut url = Url::parse("http://127.0.0.1/").unwrap_or_else(|_| unreachable!("a constant"));
    // An unspecified address is no destination; loopback is.
    if !address.ip().is_unspecified() {
        let _ = url.set_ip_host(address.ip());
    }
    let _ = url.set_port(Some(address.port()));
    url
}

fn spawn_server(
    tracker: &TaskTracker,
    cancel: &CancellationToken,
    listener: TcpListener,
    router: axum::Router,
) {
    let server = blobs::serve(listener, router, Bounds::default(), cancel.clone());
    tracker.spawn(server);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn two_markets_of_one_chain_need_two_keys_and_two_chains_do_not() {
        let chain = |name: &str, chain_id, market| {
            let url = Url::parse("http://localhost:1").unwrap();
            let market = Address::repeat_byte(market);
            let me = Address::repeat_byte(7);
            let mut chain = ChainConfig::devnet(url, market, me, PrivateKeySigner::random());
            (chain.name, chain.chain_id) = (name.to_owned(), chain_id);
            chain
        };
        let key: PrivateKeySigner = format!("{:064x}", 1).parse().unwrap();
        let keys = [key.clone(), key];
        let error = tell_keys_apart(&[chain("old", 10, 1), chain("new", 10, 2)], &keys);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`chain.provider.keystore` of chain \"new\": the operator key 0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf is \
             that of \"old\" too, on the same chain: the transactions of both would take each other's place. Give each its \
             own operator key: `piecework provider operator`"
        );
        tell_keys_apart(&[chain("l1", 1, 1), chain("l2", 10, 1)], &keys).unwrap();
    }
}

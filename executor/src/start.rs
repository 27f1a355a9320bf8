//! From a configuration to running services.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use alloy::{providers::DynProvider, signers::local::PrivateKeySigner, sol_types::SolCall as _};
use piecework::{
    blobs::{BoundedListener, DirStore, HttpClient, HttpPolicy, StoreLimits},
    chain::{ChainError, ChainOptions, IMarket, check_market, connect, keys},
    digest::Digest,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Semaphore, mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    Error, admin,
    admin::Board,
    capacity::Capacity,
    clock::ChainClock,
    config::{Config, OperatorKey, Password},
    control::{Control, Inbox, Stopping, Tools},
    follow::Follow,
    sandbox::{Sandbox, SandboxConfig, docker::DockerEngine},
    sender::Sender,
    serve,
    store::{NewIntent, Store},
    supervise::{GivenUp, supervise},
    watch::rerun::Rerunner,
    work::Workshop,
};

/// What a running executor holds on to.
pub(crate) struct Running {
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
    pub(crate) shop: Workshop,
    pub(crate) stopping: watch::Sender<Stopping>,
    pub(crate) idle: watch::Receiver<bool>,
    pub(crate) given_up: watch::Receiver<Option<GivenUp>>,
    pub(crate) board: Board,
    pub(crate) blob_url: Url,
    pub(crate) admin_url: Option<Url>,
}

/// The chain side of a configuration, checked.
pub(crate) struct Chain {
    pub(crate) rpc: DynProvider,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) times: IMarket::Times,
}

/// Opens the key and makes sure that chain and market are the right ones and the key may act.
pub(crate) async fn check_chain(config: &Config) -> Result<Chain, Error> {
    let signer = operator_key(config).await?;
    let options = ChainOptions::new(config.rpc_url.as_str()).chain_id(config.chain_id);
    let (rpc, chain_id) = connect(&options).await?;
    check_market(&rpc, chain_id, config.market).await?;
    let market = IMarket::new(config.market, &rpc);
    let (provider, operator) = (config.provider, signer.address());
    if operator != provider {
        let allowed = market.isOperator(provider, operator).call().await;
        if !allowed.map_err(|error| ChainError::from_contract("isOperator", error))? {
            return Err(Error::NotOperator { provider, operator });
        }
    }
    let times = market.times().call().await;
    let times = times.map_err(|error| ChainError::from_contract("times", error))?;
    Ok(Chain { rpc, signer, times })
}

async fn operator_key(config: &Config) -> Result<PrivateKeySigner, Error> {
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

/// Starts everything.
pub(crate) async fn start(config: Config) -> Result<Running, Error> {
    config.validate()?;
    let Chain { rpc, signer, times } = check_chain(&config).await?;
    let store = Store::open(&config.state_dir, config.chain_id, config.market)?;
    let dir = std::path::absolute(&config.state_dir).map_err(|source| Error::Io {
        path: config.state_dir.clone(),
        source,
    })?;
    let sandbox = sandbox(&config, &dir).await?;

    let (inbox, messages) = mpsc::unbounded_channel();
    let clock = ChainClock::default();
    let tracker = TaskTracker::new();
    let cancel = CancellationToken::new();
    let (given_up, failures) = watch::channel(None);
    let (stopping, stopping_seen) = watch::channel(Stopping::No);
    let (idle, idle_seen) = watch::channel(false);
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
    let http = HttpClient::new(&HttpPolicy {
        allow_private: config.policy.allow_private_sources,
        ..HttpPolicy::default()
    })?;
    let shop = Workshop {
        sandbox,
        store: store.clone(),
        private: DirStore::open(dir.join("private"))?,
        published: published.clone(),
        cache: DirStore::open(dir.join("cache"))?,
        http,
        clock: clock.clone(),
        inbox: inbox.clone(),
        running: Arc::new(AtomicU32::new(0)),
        tracker: tracker.clone(),
        prepared: Arc::default(),
    };
    let (sender, outcomes) = Sender::new(
        rpc.clone(),
        signer.clone(),
        config.chain_id,
        config.market,
        store.clone(),
        clock.clone(),
        config.timing.clone(),
    );
    board.write(|status| {
        status.version = env!("CARGO_PKG_VERSION");
        status.chain_id = config.chain_id;
        status.market = config.market;
        status.provider = config.provider;
        status.operator = signer.address();
        status.blob_url = blob_url.to_string();
        status.capacity_tasks = config.capacity.tasks;
        status.blocked = vec!["it is starting".to_owned()];
    });
    if signer.address() == config.provider {
        publish_endpoint(&config, &rpc, &sender, &blob_url).await?;
    }

    let capacity = Capacity::new(config.capacity);
    let rerunner = Rerunner {
        shop: shop.clone(),
        rpc: rpc.clone(),
        market: config.market,
        capacity: capacity.clone(),
        scratch: dir.join("reruns"),
        places: Arc::new(Semaphore::new(
            usize::try_from(config.capacity.tasks).unwrap_or(1).max(1),
        )),
    };
    rerunner.sweep().map_err(|source| Error::Io {
        path: rerunner.scratch.clone(),
        source,
    })?;
    let tools = Tools {
        provider: config.provider,
        operator: signer.address(),
        market: config.market,
        chain_id: config.chain_id,
        times,
        rpc: rpc.clone(),
        store: store.clone(),
        sender: sender.clone(),
        shop: shop.clone(),
        rerunner,
        watch: config.watch,
        clock: clock.clone(),
        capacity,
        lease_tasks: config.capacity.lease_tasks,
        policy: config.policy.clone(),
        timing: config.timing.clone(),
        retention: config.retention,
        board: board.clone(),
        stopping: stopping_seen,
        idle: Arc::new(idle),
    };
    let follow = Follow {
        rpc,
        chain_id: config.chain_id,
        market: config.market,
        timing: config.timing.clone(),
        on_demand: config.is_devnet(),
        store: store.clone(),
        clock,
        inbox,
    };
    let inbox = Arc::new(Mutex::new(Inbox {
        messages,
        outcomes,
        synced: false,
    }));

    let watched = (cancel.clone(), given_up.clone());
    tracker.spawn(async move {
        let (cancel, given_up) = watched;
        supervise("follower", cancel, given_up, || follow.run()).await;
    });
    let watched = (cancel.clone(), given_up.clone());
    tracker.spawn(async move {
        let (cancel, given_up) = watched;
        supervise("sender", cancel, given_up, || sender.run()).await;
    });
    let watched = (cancel.clone(), given_up);
    tracker.spawn(async move {
        let (cancel, given_up) = watched;
        let control = || async {
            let mut inbox = inbox.lock().await;
            Control::run(tools.clone(), &mut inbox).await
        };
        supervise("control", cancel, given_up, control).await;
    });
    spawn_server(
        &tracker,
        &cancel,
        blobs.0,
        serve::router(published, store.for_reading()),
    );
    if let Some((listener, _)) = admin {
        spawn_server(&tracker, &cancel, listener, admin::router(board.clone()));
    }
    Ok(Running {
        cancel,
        tracker,
        shop,
        stopping,
        idle: idle_seen,
        given_up: failures,
        board,
        blob_url,
        admin_url,
    })
}

/// The engine and the sandbox. The instance's name is made from the state directory: a process that
/// starts there again finds what the one before left in the engine.
pub(crate) async fn sandbox(config: &Config, dir: &Path) -> Result<Sandbox, Error> {
    let engine = DockerEngine::connect(&config.docker)
        .await
        .map_err(crate::sandbox::SandboxError::from)?;
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

fn local_url(address: SocketAddr) -> Url {
    let mut url = Url::parse("http://127.0.0.1/").unwrap_or_else(|_| unreachable!("a constant"));
    // An unspecified address is no destination; loopback is.
    if !address.ip().is_unspecified() {
        let _ = url.set_ip_host(address.ip());
    }
    let _ = url.set_port(Some(address.port()));
    url
}

/// Only the provider's own key can say where its outputs are.
async fn publish_endpoint(
    config: &Config,
    rpc: &DynProvider,
    sender: &Sender,
    url: &Url,
) -> Result<(), Error> {
    let market = IMarket::new(config.market, rpc);
    let profile = market.profileOf(config.provider).call().await;
    let profile = profile.map_err(|error| ChainError::from_contract("profileOf", error))?;
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
        data: call.abi_encode().into(),
        not_after: None,
        repeatable: true,
    };
    tracing::info!(%url, "publishing the endpoint in the provider's profile");
    sender.send(intent).await?;
    Ok(())
}

fn spawn_server(
    tracker: &TaskTracker,
    cancel: &CancellationToken,
    listener: TcpListener,
    router: axum::Router,
) {
    let cancel = cancel.clone();
    tracker.spawn(async move {
        let stopped = cancel.clone();
        let server = axum::serve(BoundedListener::new(listener), router)
            .with_graceful_shutdown(async move { stopped.cancelled().await });
        let too_long = async {
            cancel.cancelled().await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        tokio::select! {
            result = server => if let Err(error) = result { tracing::error!(%error, "a server stopped") },
            () = too_long => {}
        }
    });
}

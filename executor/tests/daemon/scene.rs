//! A chain, a market, a client that serves its blobs, and executors.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256},
    providers::{Provider as _, ext::AnvilApi as _},
    rpc::types::Filter,
};
use piecework::{
    blobs::{BlobSource, DirStore, HttpClient, HttpPolicy, blob_router, fetch_bytes},
    chain::{EventAt, IMarket, MarketEvent, Sender, decode_event, keys},
    digest::{
        Digest, lease,
        manifest::{Outcome, ResultManifest},
        tree,
    },
    market::fetch_auth::{FetchHeaders, FetchRequest},
    spec::{JobSpec, Resources},
};
use piecework_executor::{
    ChainConfig, ChainStatus, Config, Executor,
    config::{OperatorKey, Password},
};
use tempfile::TempDir;
use url::Url;

use crate::{image::Image, net::Net};

pub(crate) struct Scene {
    pub(crate) net: Net,
    pub(crate) client: Sender,
    pub(crate) blobs: DirStore,
    pub(crate) source: Url,
    pub(crate) folder: TempDir,
}

/// Of all keystores.
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) fn docker() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(31_337).await
    }

    /// On a chain of this id.
    pub(crate) async fn on(chain_id: u64) -> Self {
        Self::around(Net::start_on(chain_id).await).await
    }

    pub(crate) async fn around(net: Net) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let client = net.fund_client().await;
        let folder = tempfile::tempdir().unwrap();
        let blobs = DirStore::open(folder.path().join("client")).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let router = blob_router(blobs.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            net,
            client,
            blobs,
            source,
            folder,
        }
    }

    pub(crate) fn spec(&self, args: &[&str], tasks: u32) -> JobSpec {
        JobSpec {
            version: 1,
            image: Image::default().publish(&self.blobs),
            command: None,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: Default::default(),
            input: None,
            fetch_key: None,
            tasks,
            resources: Resources {
                cpu_millis: 500,
                memory_bytes: 64 << 20,
                disk_bytes: 1 << 20,
                timeout_seconds: 20,
            },
            sources: vec![self.source.clone()],
        }
    }

    /// Posts a job of leases of at most four tasks.
    pub(crate) async fn post(&self, spec: &JobSpec) -> B256 {
        self.post_with(spec, |_| {}).await
    }

    pub(crate) async fn post_with(
        &self,
        spec: &JobSpec,
        change: impl FnOnce(&mut IMarket::Job),
    ) -> B256 {
        let bytes = spec.to_bytes().unwrap();
        let mut job = self
            .net
            .job(self.client.address(), &bytes, spec.tasks, 4)
            .await;
        change(&mut job);
        self.net.post(&self.client, &job, &bytes).await
    }

    /// The executor of account `index`, staked by the caller or not.
    pub(crate) fn config(&self, index: usize) -> Config {
        let key = self.net.key(index);
        let url = self.net.anvil.url().parse().unwrap();
        let mut config = Config::devnet(
            self.state_dir(index),
            url,
            self.net.market,
            key.address(),
            key,
            docker(),
        );
        let urls = self.net.drand_urls.iter();
        config.chains[0].drand_urls = urls.map(|url| url.parse().unwrap()).collect();
        config
    }

    /// This chain under a name, for the executor of account `index`, whose key is in a keystore where a raw one would
    /// be refused.
    pub(crate) fn chain(&self, name: &str, index: usize) -> ChainConfig {
        let mut chain = self.config(index).chains.remove(0);
        chain.name = name.to_owned();
        chain.chain_id = self.net.anvil.chain_id();
        if !chain.is_devnet() {
            chain.operator = OperatorKey::Keystore {
                path: self.keystore(index),
                password: Password::Text(PASSWORD.to_owned()),
            };
        }
        chain
    }

    /// The keystore of account `index`, made when it is asked for first.
    pub(crate) fn keystore(&self, index: usize) -> PathBuf {
        let path = self.folder.path().join(format!("key-{index}.json"));
        if !path.exists() {
            keys::save(&path, &self.net.key(index), PASSWORD).unwrap();
        }
        path
    }

    pub(crate) fn state_dir(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("executor-{index}"))
    }

    pub(crate) async fn events(&self, job: B256) -> Vec<EventAt> {
        let filter = Filter::new()
            .address(self.net.market)
            .topic1(job)
            .from_block(0);
        let logs = self.net.provider.get_logs(&filter).await.unwrap();
        logs.iter()
            .map(|log| decode_event(log, self.net.market).unwrap())
            .collect()
    }

    pub(crate) async fn count(&self, job: B256, name: &str) -> usize {
        self.events(job)
            .await
            .iter()
            .filter(|at| at.event.name() == name)
            .count()
    }

    /// Waits until so many leases of the job are settled.
    pub(crate) async fn settled(&self, job: B256, leases: usize) {
        eventually("leases are settled", || async {
            self.count(job, "Settled").await >= leases
        })
        .await;
    }

    pub(crate) async fn free_stake(&self, provider: Address) -> u128 {
        self.net
            .contract()
            .ask(IMarket::providerOfCall { provider })
            .call()
            .await
            .unwrap()
            .free
    }

    /// The client's signature under a request for the outputs of a lease.
    pub(crate) fn signed(&self, job: B256, first: u32) -> [(&'static str, String); 4] {
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let request = FetchRequest {
            chain_id: self.net.anvil.chain_id(),
            market: self.net.market,
            job_id: job,
            first,
            node_id: B256::ZERO,
            expires_at: now.as_secs() + 60,
        };
        let key = self.net.key(1);
        FetchHeaders::sign(&request, &key).unwrap().write()
    }

    /// Makes a block twice a second from now on, as chains do by themselves: seeds are hashes of later blocks.
    pub(crate) fn keep_mining(&self) -> Mining {
        let anvil = self.net.provider.clone();
        Mining(tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let _ = anvil.anvil_mine(Some(1), None).await;
            }
        }))
    }

    /// Transactions account `index` has sent.
    pub(crate) async fn sent(&self, index: usize) -> u64 {
        self.net
            .provider
            .get_transaction_count(self.net.key(index).address())
            .await
            .unwrap()
    }

    /// Downloads every output of the job as a client would, and checks each byte against the
    /// chain. Outcome and `task.txt` of each task, in order.
    pub(crate) async fn outputs(&self, job: B256) -> Vec<(Outcome, String)> {
        let mut outputs = std::collections::BTreeMap::new();
        for at in self.events(job).await {
            let MarketEvent::Submitted(submitted) = at.event else {
                continue;
            };
            let state = self
                .net
                .contract()
                .ask(IMarket::leaseOfCall {
                    jobId: job,
                    first: submitted.first,
                })
                .call()
                .await
                .unwrap();
            let profile = self
                .net
                .contract()
                .ask(IMarket::profileOfCall {
                    provider: submitted.provider,
                })
                .call()
                .await
                .unwrap();
            let policy = HttpPolicy {
                allow_private: true,
                ..HttpPolicy::default()
            };
            let source = HttpClient::new(&policy)
                .unwrap()
                .source(&profile.endpoint.parse().unwrap())
                .unwrap()
                .with_headers(&self.signed(job, submitted.first));
            // Served once the executor has seen its submission mined, the list last.
            eventually("the outputs are served", || async {
                let list = Digest(submitted.digestList.0);
                fetch_bytes(&source, list, 1 << 20).await.is_ok()
            })
            .await;
            let manifest = get(&source, submitted.digestList).await;
            let digests = lease::decode(&manifest, state.count).unwrap();
            assert_eq!(
                tree::root(submitted.first, &digests).unwrap(),
                submitted.root
            );
            for (task, digest) in (submitted.first..).zip(digests) {
                let result =
                    ResultManifest::parse(&get(&source, B256::from(digest.0)).await).unwrap();
                let mut text = String::new();
                for (path, file, _) in result.tree().files() {
                    let bytes = get(&source, B256::from(file.digest.0)).await;
                    if path.as_str() == "task.txt" {
                        text = String::from_utf8(bytes).unwrap();
                    }
                }
                outputs.insert(task, (result.outcome(), text));
            }
        }
        outputs.into_values().collect()
    }
}

async fn get(source: &dyn BlobSource, digest: B256) -> Vec<u8> {
    fetch_bytes(source, Digest(digest.0), 1 << 20)
        .await
        .unwrap()
        .to_vec()
}

/// What tasks of the workload's `nap` put out.
pub(crate) fn naps(tasks: u32) -> Vec<(Outcome, String)> {
    (0..tasks)
        .map(|task| (Outcome::Exit(0), task.to_string()))
        .collect()
}

pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let start = Instant::now();
    while !check().await {
        assert!(
            start.elapsed() < Duration::from_secs(180),
            "not within three minutes: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends with its owner.
pub(crate) struct Mining(tokio::task::JoinHandle<()>);

impl Drop for Mining {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until the executor says so of its first chain.
pub(crate) async fn status_says(
    executor: &Executor,
    what: &str,
    check: impl Fn(&ChainStatus) -> bool,
) {
    eventually(what, || async { check(&executor.status().chains[0]) }).await;
}

/// Names of containers of any state that carry a label.
pub(crate) fn containers(label: &str) -> Vec<String> {
    let output = std::process::Command::new("docker")
        .env("DOCKER_HOST", docker())
        .args(["ps", "-aq", "--filter", &format!("label={label}")])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

//! What is served: outputs and logs. Until a lease has ended they are its client's alone, who signs its requests: jurors
//! must compute, not copy.

use std::sync::{Arc, Mutex, PoisonError};

use alloy::{primitives::B256, sol_types::SolValue as _};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::get,
};
use piecework_core::{chain::IMarket, digest::Digest, spec::JobSpec};
use piecework_net::{
    blobs::{DirStore, blob_router},
    fetch_auth::{FetchHeaders, FetchRequest},
};

use crate::{
    clock::local_now,
    store::{Store, StoreError},
};

/// The node id in the provider's profile, which requests name; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeId(Arc<Mutex<B256>>);

impl NodeId {
    pub(crate) fn set(&self, id: B256) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    fn get(&self) -> B256 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one chain serves.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) node_id: NodeId,
}

/// Who may have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Everybody,
    /// The client that signed the request.
    Client,
}

type Shops = Arc<[Shop]>;

/// `GET /v1/blobs/<digest>` and `GET /v1/logs/<job>/<task>`.
///
/// Blobs are of all chains, by digest. A log is looked for in the stores of all chains: a job's id names its chain too.
pub(crate) fn router(published: DirStore, shops: Vec<Shop>) -> Router {
    let shops: Shops = shops.into();
    let logs = Router::new()
        .route("/v1/logs/{job}/{task}", get(log))
        .with_state((published.clone(), shops.clone()));
    blob_router(published)
        .route_layer(from_fn_with_state(shops, guard))
        .merge(logs)
}

/// Lets those requests for blobs through that may have them. A blob that may not be had is not there.
async fn guard(State(shops): State<Shops>, request: Request, next: Next) -> Response {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let Ok(digest) = name.parse::<Digest>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match reader(&shops, request.headers(), digest.into()).await {
        Ok(Some(reader)) => answer(reader, next.run(request).await),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

/// Nobody on the way keeps what one client alone may have.
fn answer(reader: Reader, mut response: Response) -> Response {
    if reader == Reader::Client {
        let value = HeaderValue::from_static("private, no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

fn failed(error: &StoreError) -> Response {
    tracing::warn!(%error, "cannot say who may have something");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

async fn reader(
    shops: &Shops,
    headers: &HeaderMap,
    digest: B256,
) -> Result<Option<Reader>, StoreError> {
    for shop in shops.iter() {
        if shop.store.is_open(digest, None).await? {
            return Ok(Some(Reader::Everybody));
        }
    }
    let Some(signed) = FetchHeaders::read(headers) else {
        return Ok(None);
    };
    for shop in shops.iter() {
        let (job, first) = (signed.job_id, signed.first);
        if is_of_client(shop, &signed).await? && shop.store.offers(job, first, digest).await? {
            return Ok(Some(Reader::Client));
        }
    }
    Ok(None)
}

/// Whether the request is signed by the job's client, or by the fetch key that the job's spec names, for this provider's
/// node, and has not expired.
async fn is_of_client(shop: &Shop, signed: &FetchHeaders) -> Result<bool, StoreError> {
    let Some(row) = shop.store.job(signed.job_id).await? else {
        return Ok(false);
    };
    let Ok(job) = IMarket::Job::abi_decode(&row.abi) else {
        return Ok(false);
    };
    let (chain_id, market) = shop.store.place();
    let request = FetchRequest {
        chain_id,
        market,
        job_id: signed.job_id,
        first: signed.first,
        node_id: shop.node_id.get(),
        expires_at: signed.expires_at,
    };
    let spec = JobSpec::parse(&row.spec).ok();
    let key = spec.and_then(|spec| spec.fetch_key);
    let mut readers = [Some(job.terms.client), key].into_iter().flatten();
    let is_signed = readers.any(|reader| request.verify(&signed.signature, reader));
    Ok(request.is_current(local_now()) && is_signed)
}

/// The last bytes of a task's stderr. Nobody verifies them: they are for people.
async fn log(
    State((published, shops)): State<(DirStore, Shops)>,
    Path((job, task)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let (Ok(job), Ok(task)) = (job.parse::<B256>(), task.parse::<u32>()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    for shop in shops.iter() {
        match readable_log(shop, &published, &headers, job, task).await {
            Ok(Some((reader, log))) => {
                let kind = [
                    (header::CONTENT_TYPE, "application/octet-stream"),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ];
                return answer(reader, (kind, log).into_response());
            }
            Ok(None) => {}
            Err(error) => return failed(&error),
        }
    }
    StatusCode::NOT_FOUND.into_response()
}

/// A task's log, to the same readers as its own job's outputs: that another job published the same bytes says nothing.
async fn readable_log(
    shop: &Shop,
    published: &DirStore,
    headers: &HeaderMap,
    job: B256,
    task: u32,
) -> Result<Option<(Reader, Vec<u8>)>, StoreError> {
    let Some(row) = shop.store.task(job, task).await? else {
        return Ok(None);
    };
    if !published.contains(&Digest(row.digest.0)) {
        return Ok(None);
    }
    if shop.store.is_open(row.digest, Some(job)).await? {
        return Ok(Some((Reader::Everybody, row.log)));
    }
    let signed = FetchHeaders::read(headers).filter(|signed| signed.job_id == job);
    let Some(signed) = signed else {
        return Ok(None);
    };
    let offered = shop.store.offers(job, signed.first, row.digest).await?;
    let reads = offered && is_of_client(shop, &signed).await?;
    Ok(reads.then_some((Reader::Client, row.log)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use alloy::{primitives::Address, signers::local::PrivateKeySigner};
    use piecework_core::view::Block;
    use tempfile::TempDir;
    use tokio::net::TcpListener;

    use super::*;
    use crate::store::{JobRow, Lock, TaskRow};

    const NODE: B256 = B256::repeat_byte(9);

    /// Two chains with a job of this client each, whose task 0 has the same output.
    struct Bench {
        published: DirStore,
        stores: Vec<Store>,
        jobs: [B256; 2],
        digest: Digest,
        client: PrivateKeySigner,
        url: String,
        _dir: TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let lock = Lock::take(dir.path()).unwrap();
            let published = DirStore::open(dir.path().join("published")).unwrap();
            let digest = published.put_bytes(b"the same output").unwrap();
            let jobs = [B256::repeat_byte(1), B256::repeat_byte(2)];
            let client = PrivateKeySigner::random();
            let (mut stores, mut shops) = (Vec::new(), Vec::new());
            for (chain, job) in (1u64..).zip(jobs) {
                let home = dir.path().join(chain.to_string());
                let store = Store::open(&lock, &home, chain, Address::ZERO).unwrap();
                let mut posted = IMarket::Job::default();
                posted.terms.client = client.address();
                let row = JobRow {
                    id: job,
                    abi: posted.abi_encode(),
                    spec: Vec::new(),
                    fee_bps: 0,
                };
                let head = Block {
                    number: 1,
                    hash: B256::ZERO,
                    time: 1,
                };
                store.set_head(head, vec![], vec![row]).await.unwrap();
                let row = TaskRow {
                    task: 0,
                    digest: digest.into(),
                    outcome: String::new(),
                    log: vec![1],
                };
                store.put_task(job, row, 0).await.unwrap();
                let node_id = NodeId::default();
                node_id.set(NODE);
                shops.push(Shop {
                    store: store.clone(),
                    node_id,
                });
                stores.push(store);
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let router = router(published.clone(), shops);
            tokio::spawn(async move { axum::serve(listener, router).await });
            Self {
                published,
                stores,
                jobs,
                digest,
                client,
                url,
                _dir: dir,
            }
        }

        async fn publish(&self, chain: usize, open: bool) {
            let blob = vec![(B256::from(self.digest), 15)];
            let store = &self.stores[chain];
            let job = self.jobs[chain];
            store.put_published(job, 0, blob, open).await.unwrap();
        }

        async fn get(&self, path: String, signed: Option<FetchHeaders>) -> (u16, String) {
            let mut request = reqwest::Client::new().get(format!("{}{path}", self.url));
            for (name, value) in signed.iter().flat_map(FetchHeaders::write) {
                request = request.header(name, value);
            }
            let answer = request.send().await.unwrap();
            let cache = answer.headers().get("cache-control").cloned();
            let cache = cache.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
            (answer.status().as_u16(), cache)
        }

        async fn blob(&self, signed: Option<FetchHeaders>) -> u16 {
            self.get(format!("/v1/blobs/{}", self.digest), signed)
                .await
                .0
        }

        async fn log(&self, chain: usize, signed: Option<FetchHeaders>) -> u16 {
            let job = self.jobs[chain];
            self.get(format!("/v1/logs/{job}/0"), signed).await.0
        }

        /// What the client signs for the first lease of the first chain's job.
        fn request(&self) -> FetchRequest {
            FetchRequest {
                chain_id: 1,
                market: Address::ZERO,
                job_id: self.jobs[0],
                first: 0,
                node_id: NODE,
                expires_at: local_now() + 60,
            }
        }

        fn signed(&self, request: FetchRequest) -> Option<FetchHeaders> {
            Some(FetchHeaders::sign(&request, &self.client).unwrap())
        }
    }

    #[tokio::test]
    async fn a_log_is_served_with_the_outputs_of_its_own_job_not_with_equal_ones_of_another_chain()
    {
        let bench = Bench::new().await;
        assert_eq!(bench.log(0, None).await, 404);
        bench.publish(0, true).await;
        assert_eq!(bench.log(0, None).await, 200);
        // Its job's outputs are still secret.
        assert_eq!(bench.log(1, None).await, 404);
        bench.publish(1, true).await;
        assert_eq!(bench.log(1, None).await, 200);
    }

    #[tokio::test]
    async fn what_is_not_open_is_served_to_the_client_that_signs_and_to_nobody_else() {
        let bench = Bench::new().await;
        let request = bench.request();
        assert!(bench.published.contains(&bench.digest));
        assert_eq!(
            bench.blob(bench.signed(request)).await,
            404,
            "not published"
        );
        bench.publish(0, false).await;
        assert_eq!(
            (bench.blob(None).await, bench.log(0, None).await),
            (404, 404)
        );
        let signed = bench.signed(request);
        let path = format!("/v1/blobs/{}", bench.digest);
        let (status, cache) = bench.get(path.clone(), signed.clone()).await;
        assert_eq!((status, cache.as_str()), (200, "private, no-store"));
        assert_eq!(bench.log(0, signed.clone()).await, 200);
        // The signature is of this job alone.
        assert_eq!(bench.log(1, signed).await, 404);
        let stranger = FetchHeaders::sign(&request, &PrivateKeySigner::random()).unwrap();
        assert_eq!(bench.blob(Some(stranger)).await, 404);
        let wrong: [fn(&mut FetchRequest); 5] = [
            |request| request.chain_id = 2,
            |request| request.first = 4,
            |request| request.node_id = B256::ZERO,
            |request| request.expires_at -= 120,
            |request| request.expires_at += 7_200,
        ];
        for change in wrong {
            let mut other = request;
            change(&mut other);
            assert_eq!(bench.blob(bench.signed(other)).await, 404, "{other:?}");
        }
        bench.publish(0, true).await;
        let (status, cache) = bench.get(path, None).await;
        assert_eq!(status, 200);
        assert!(cache.starts_with("public"), "{cache}");
    }
}

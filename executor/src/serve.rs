//! What everyone may read: published outputs, and the logs of tasks that are submitted.

use std::sync::Arc;

use alloy::primitives::B256;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use piecework::{
    blobs::{DirStore, blob_router},
    digest::Digest,
};

use crate::store::{Store, StoreError};

/// `GET /v1/blobs/<digest>` and `GET /v1/logs/<job>/<task>`.
///
/// Blobs are of all chains, by digest. A log is looked for in the stores of all chains: a job's id names its chain too.
pub(crate) fn router(published: DirStore, stores: Vec<Store>) -> Router {
    let logs = Router::new()
        .route("/v1/logs/{job}/{task}", get(log))
        .with_state((published.clone(), Arc::from(stores)));
    blob_router(published).merge(logs)
}

/// The last bytes of a task's stderr. Nobody verifies them: they are for people.
async fn log(
    State((published, stores)): State<(DirStore, Arc<[Store]>)>,
    Path((job, task)): Path<(String, String)>,
) -> Response {
    let (Ok(job), Ok(task)) = (job.parse::<B256>(), task.parse::<u32>()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut answer = StatusCode::NOT_FOUND;
    for store in stores.iter() {
        match published_log(store, &published, job, task).await {
            Ok(Some(log)) => {
                let headers = [
                    (header::CONTENT_TYPE, "application/octet-stream"),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ];
                return (headers, log).into_response();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot read a log");
                answer = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
    }
    answer.into_response()
}

/// A task's log, from the same moment on as its own job's outputs: that another one published the same bytes says
/// nothing.
async fn published_log(
    store: &Store,
    published: &DirStore,
    job: B256,
    task: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(row) = store.task(job, task).await? else {
        return Ok(None);
    };
    let served =
        published.contains(&Digest(row.digest.0)) && store.publishes(row.digest, Some(job)).await?;
    Ok(served.then_some(row.log))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use alloy::primitives::Address;

    use super::*;
    use crate::store::{Lock, TaskRow};

    #[tokio::test]
    async fn a_log_is_served_with_the_outputs_of_its_own_job_not_with_equal_ones_of_another_chain()
    {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let published = DirStore::open(dir.path().join("published")).unwrap();
        let digest = published.put_bytes(b"the same output").unwrap();
        let jobs = [B256::repeat_byte(1), B256::repeat_byte(2)];
        let mut stores = Vec::new();
        for (chain, job) in (1u64..).zip(jobs) {
            let home = dir.path().join(chain.to_string());
            let store = Store::open(&lock, &home, chain, Address::ZERO).unwrap();
            let row = TaskRow {
                task: 0,
                digest: digest.0.into(),
                outcome: String::new(),
                log: vec![1],
            };
            store.put_task(job, row, 0).await.unwrap();
            stores.push(store);
        }
        let ask = async |job: B256| {
            let state = State((published.clone(), Arc::from(stores.clone())));
            let path = Path((job.to_string(), "0".to_owned()));
            log(state, path).await.status()
        };
        let [mine, other] = [jobs[0], jobs[1]];
        assert_eq!(ask(mine).await, StatusCode::NOT_FOUND);
        let blob = vec![(B256::from(digest.0), 15)];
        stores[0]
            .put_published(mine, 0, blob.clone())
            .await
            .unwrap();
        assert_eq!(ask(mine).await, StatusCode::OK);
        // Its job's outputs are still secret.
        assert_eq!(ask(other).await, StatusCode::NOT_FOUND);
        stores[1].put_published(other, 0, blob).await.unwrap();
        assert_eq!(ask(other).await, StatusCode::OK);
    }
}

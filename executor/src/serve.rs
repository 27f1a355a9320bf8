//! What everyone may read: published outputs, and the logs of tasks that are submitted.

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

use crate::store::Store;

/// `GET /v1/blobs/<digest>` and `GET /v1/logs/<job>/<task>`.
pub(crate) fn router(published: DirStore, store: Store) -> Router {
    let logs = Router::new()
        .route("/v1/logs/{job}/{task}", get(log))
        .with_state((published.clone(), store));
    blob_router(published).merge(logs)
}

/// The last bytes of a task's stderr. Nobody verifies them: they are for people.
async fn log(
    State((published, store)): State<(DirStore, Store)>,
    Path((job, task)): Path<(String, String)>,
) -> Response {
    let (Ok(job), Ok(task)) = (job.parse::<B256>(), task.parse::<u32>()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match store.task(job, task).await {
        // Served from the same moment on as the outputs.
        Ok(Some(row)) if published.contains(&Digest(row.digest.0)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, row.log).into_response()
        }
        Ok(_) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(%error, "cannot read a log");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

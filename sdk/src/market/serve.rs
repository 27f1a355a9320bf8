//! Serving the client's blobs to providers while a run is attached.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Market;
use crate::Error;
use crate::blobs::{Bounds, blob_router, serve};

/// A running blob server; it ends when the last run that holds it is gone.
#[derive(Debug)]
pub(super) struct BlobServer {
    url: Url,
    task: JoinHandle<()>,
}

impl BlobServer {
    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

impl Drop for BlobServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Market {
    /// The running server, or a new one.
    pub(super) async fn serve_blobs(&self) -> Result<Arc<BlobServer>, Error> {
        let mut running = self.inner.server.lock().await;
        if let Some(server) = running.upgrade() {
            return Ok(server);
        }
        let config = &self.inner.config;
        let failed = |problem: String| Error::Serve {
            address: config.serve.to_string(),
            problem,
        };
        let listener = TcpListener::bind(config.serve)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let bound = listener
            .local_addr()
            .map_err(|error| failed(error.to_string()))?;
        let url = match &config.serve_url {
            Some(url) => url.clone(),
            None => own_url(bound).map_err(failed)?,
        };
        let router = blob_router(self.inner.store.clone());
        // It ends with its task.
        let never = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, Bounds::default(), never));
        let server = Arc::new(BlobServer { url, task });
        *running = Arc::downgrade(&server);
        Ok(server)
    }
}

fn own_url(bound: SocketAddr) -> Result<Url, String> {
    if bound.ip().is_unspecified() {
        return Err(
            "it listens everywhere, so say which URL providers shall use (PIECEWORK_SERVE_URL)"
                .to_owned(),
        );
    }
    Url::parse(&format!("http://{bound}")).map_err(|error| error.to_string())
}

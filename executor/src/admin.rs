//! For the owner: /livez /readyz /metrics /status.

use std::sync::{Arc, PoisonError, RwLock};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics::{Key, Label, Metadata, Recorder as _};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::status::Status;

/// The newest status; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<RwLock<Status>>);

impl Board {
    pub(crate) fn read(&self) -> Status {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The admin server's routes.
pub(crate) fn router(board: Board) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(|State(board): State<Board>| async move { metrics(&board.read()) }),
        )
        .route(
            "/status",
            get(|State(board): State<Board>| async move { Json(board.read()) }),
        )
        .with_state(board)
}

/// Ready means: it takes work.
async fn ready(State(board): State<Board>) -> (StatusCode, String) {
    let status = board.read();
    if status.blocked.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", status.blocked.join("\n")),
        )
    }
}

/// The status in Prometheus' words. Made for each request: several executors in one process must
/// not share a recorder.
fn metrics(status: &Status) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metadata = Metadata::new("piecework", metrics::Level::INFO, None);
    let gauge = |name: &'static str, labels: Vec<Label>, value: f64| {
        recorder
            .register_gauge(&Key::from_parts(name, labels), &metadata)
            .set(value);
    };
    let plain = |name, value| gauge(name, Vec::new(), value);
    plain("piecework_head_block", status.head_block as f64);
    plain("piecework_head_time_seconds", status.head_time as f64);
    plain("piecework_stake", status.stake as f64);
    plain("piecework_free_stake", status.free_stake as f64);
    plain("piecework_running_tasks", f64::from(status.running_tasks));
    plain("piecework_capacity_tasks", f64::from(status.capacity_tasks));
    plain(
        "piecework_ready",
        f64::from(u8::from(status.blocked.is_empty())),
    );
    plain("piecework_skipped_jobs", status.skipped.len() as f64);
    for phase in [
        "running",
        "submitting",
        "submitted",
        "finalizing",
        "releasing",
        "expiring",
        "settled",
    ] {
        let leases = status
            .leases
            .iter()
            .filter(|lease| lease.phase == phase)
            .count();
        gauge(
            "piecework_leases",
            vec![Label::new("phase", phase)],
            leases as f64,
        );
    }
    let counter = |name: &'static str, value| {
        recorder
            .register_counter(&Key::from_name(name), &metadata)
            .absolute(value);
    };
    counter("piecework_leases_settled_total", status.settled);
    counter("piecework_leases_lost_total", status.lost);
    let watch = &status.watch;
    plain("piecework_watch_ledger", watch.balance as f64);
    plain("piecework_watch_at_stake", watch.at_stake as f64);
    plain("piecework_watch_paid_out", watch.paid_out as f64);
    plain("piecework_watch_paid_in", watch.paid_in as f64);
    counter("piecework_watch_results_total", watch.results);
    counter("piecework_watch_reruns_total", watch.reruns);
    counter("piecework_watch_differences_total", watch.differences);
    for (verdict, count) in [
        ("open", watch.open),
        ("won", watch.won),
        ("lost", watch.lost),
        ("inconclusive", watch.inconclusive),
    ] {
        gauge(
            "piecework_watch_challenges",
            vec![Label::new("verdict", verdict)],
            count as f64,
        );
    }
    recorder.handle().render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_say_what_the_status_says() {
        let status = Status {
            head_block: 7,
            settled: 3,
            ..Status::default()
        };
        let text = metrics(&status);
        for line in [
            "piecework_head_block 7",
            "piecework_leases_settled_total 3",
            "piecework_ready 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        // A second executor in the process has counters of its own.
        assert!(metrics(&Status::default()).contains("piecework_leases_settled_total 0"));
    }
}

//! For the owner: /livez /readyz /metrics /status /why/JOB /drain.

mod desk;

use std::sync::{Arc, PoisonError, RwLock};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics::{Key, Label, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::status::{ChainStatus, Status};

pub(crate) use desk::{Asking, DRAIN_HEADER, Desk};

/// The newest status; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<RwLock<Status>>);

/// Where one chain writes what it does.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    board: Board,
    index: usize,
}

impl Board {
    pub(crate) fn read(&self) -> Status {
        let mut status = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let running = status.chains.iter().map(|chain| chain.running_tasks);
        status.running_tasks = running.fold(0, u32::saturating_add);
        status
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// A place for one more chain.
    pub(crate) fn add(&self, chain: ChainStatus) -> Place {
        let mut index = 0;
        self.write(|status| {
            index = status.chains.len();
            status.chains.push(chain);
        });
        Place {
            board: self.clone(),
            index,
        }
    }
}

impl Place {
    pub(crate) fn write(&self, change: impl FnOnce(&mut ChainStatus)) {
        self.board.write(|status| {
            if let Some(chain) = status.chains.get_mut(self.index) {
                change(chain);
            }
        });
    }
}

/// The admin server's routes.
pub(crate) fn router(desk: Desk) -> Router {
    let board = desk.board.clone();
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
        .merge(desk::router(desk))
}

/// Ready means: it takes work on every chain. If not, each line says of one chain why.
async fn ready(State(board): State<Board>) -> (StatusCode, String) {
    let status = board.read();
    let blocked = status.chains.iter().flat_map(|chain| {
        let why = chain.blocked.iter();
        why.map(|why| format!("{}: {why}\n", chain.name))
    });
    let blocked: String = blocked.collect();
    if blocked.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, blocked)
    }
}

/// The status in Prometheus' words; what belongs to a chain is labelled with its name. Made for each request: several
/// executors in one process must not share a recorder.
fn metrics(status: &Status) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let capacity = Key::from_name("piecework_capacity_tasks");
    recorder
        .register_gauge(&capacity, &METADATA)
        .set(f64::from(status.capacity_tasks));
    for chain in &status.chains {
        measure(&recorder, chain);
    }
    recorder.handle().render()
}

const METADATA: Metadata<'static> = Metadata::new("piecework", metrics::Level::INFO, None);

fn measure(recorder: &PrometheusRecorder, status: &ChainStatus) {
    let chain = || Label::new("chain", status.name.clone());
    let gauge = |name: &'static str, label: Option<Label>, value: f64| {
        let labels: Vec<Label> = label.into_iter().chain([chain()]).collect();
        recorder
            .register_gauge(&Key::from_parts(name, labels), &METADATA)
            .set(value);
    };
    let plain = |name, value| gauge(name, None, value);
    plain("piecework_head_block", status.head_block as f64);
    plain("piecework_head_time_seconds", status.head_time as f64);
    plain("piecework_stake", status.stake as f64);
    plain("piecework_free_stake", status.free_stake as f64);
    plain("piecework_lost_stake", status.lost_stake as f64);
    plain("piecework_running_tasks", f64::from(status.running_tasks));
    plain(
        "piecework_ready",
        f64::from(u8::from(status.blocked.is_empty())),
    );
    plain("piecework_skipped_jobs", status.skipped.len() as f64);
    for phase in [
        "running",
        "failed",
        "submitting",
        "submitted",
        "finalizing",
        "leaving",
        "expiring",
        "audited",
        "answering",
        "judging",
        "joined",
        "committing",
        "committed",
        "opening",
        "opened",
        "settling",
        "settled",
        "released",
        "lost",
        "absent",
    ] {
        let leases = status.leases.iter();
        let leases = leases.filter(|lease| lease.phase == phase).count();
        let label = Label::new("phase", phase);
        gauge("piecework_leases", Some(label), leases as f64);
    }
    let counter = |name: &'static str, value| {
        recorder
            .register_counter(&Key::from_parts(name, vec![chain()]), &METADATA)
            .absolute(value);
    };
    counter("piecework_leases_settled_total", status.settled);
    counter("piecework_leases_lost_total", status.lost);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_chains() -> Board {
        let board = Board::default();
        for (name, head_block, settled) in [("l2", 7, 3), ("revive", 9, 0)] {
            board.add(ChainStatus {
                name: name.to_owned(),
                head_block,
                settled,
                running_tasks: 2,
                ..ChainStatus::default()
            });
        }
        board
    }

    #[test]
    fn metrics_say_what_the_status_says_of_each_chain() {
        let board = two_chains();
        board.write(|status| status.capacity_tasks = 4);
        let text = metrics(&board.read());
        for line in [
            "piecework_capacity_tasks 4",
            "piecework_head_block{chain=\"l2\"} 7",
            "piecework_head_block{chain=\"revive\"} 9",
            "piecework_leases_settled_total{chain=\"l2\"} 3",
            "piecework_leases{phase=\"running\",chain=\"l2\"} 0",
            "piecework_ready{chain=\"revive\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(board.read().running_tasks, 4);
        // A second executor in the process has counters of its own.
        let none = metrics(&Status::default());
        assert!(!none.contains("settled"), "{none}");
    }

    #[tokio::test]
    async fn readiness_says_which_chain_is_not_ready_and_why() {
        let board = two_chains();
        let ok = (StatusCode::OK, "ok\n".to_owned());
        assert_eq!(ready(State(board.clone())).await, ok);
        let place = Place {
            board: board.clone(),
            index: 1,
        };
        place.write(|chain| chain.blocked = vec!["it stalls".to_owned()]);
        let not = (
            StatusCode::SERVICE_UNAVAILABLE,
            "revive: it stalls\n".to_owned(),
        );
        assert_eq!(ready(State(board)).await, not);
    }
}

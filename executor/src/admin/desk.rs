//! What the owner asks of a running executor: why a job is not taken, and to take nothing more.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use alloy::primitives::B256;
use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header::ACCEPT},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use futures::future::join_all;
use piecework_executor_core::{Machine, machine::JobReport};
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use url::form_urlencoded;

use super::Board;
use crate::status::{self, LeaseStatus, Stopping};

/// The header without which nobody is drained: a web page cannot send it to another address.
pub(crate) const DRAIN_HEADER: &str = "piecework-drain";
/// How long a chain may take to answer. One that is starting does not answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Questions that wait for a chain's machine.
const WAITING: usize = 16;

/// A question about a job.
#[derive(Debug)]
pub(crate) struct Asked {
    job: B256,
    reply: oneshot::Sender<Option<JobReport>>,
}

impl Asked {
    /// Answers with what the machine knows.
    pub(crate) fn answer(self, machine: &Machine) {
        // The owner may have gone.
        let _ = self.reply.send(machine.job_report(self.job));
    }
}

/// The questions for one chain's machine. Its loop holds them while it runs.
pub(crate) type Asking = Arc<Mutex<mpsc::Receiver<Asked>>>;

/// What the owner's questions need; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(super) board: Board,
    stopping: watch::Sender<Stopping>,
    chains: Vec<(String, mpsc::Sender<Asked>)>,
}

impl Desk {
    /// A desk of no chain yet.
    pub(crate) fn new(board: Board, stopping: watch::Sender<Stopping>) -> Self {
        Self {
            board,
            stopping,
            chains: Vec::new(),
        }
    }

    /// Adds a chain. Returns where its machine finds the questions.
    pub(crate) fn add(&mut self, name: &str) -> Asking {
        let (ask, asking) = mpsc::channel(WAITING);
        self.chains.push((name.to_owned(), ask));
        Arc::new(Mutex::new(asking))
    }

    async fn ask(&self, name: &str, machine: &mpsc::Sender<Asked>, job: B256) -> Answer {
        let (reply, answer) = oneshot::channel();
        let blocked = self.board.read().chains;
        let blocked = blocked.into_iter().find(|chain| chain.name == name);
        let blocked = blocked.map(|chain| chain.blocked).unwrap_or_default();
        let answered = match machine.try_send(Asked { job, reply }) {
            Ok(()) => tokio::time::timeout(PATIENCE, answer).await,
            Err(_) => return Answer::silent(name, blocked),
        };
        match answered {
            Ok(Ok(report)) => Answer::of(name, blocked, report),
            _ => Answer::silent(name, blocked),
        }
    }
}

/// What one chain's machine says of a job.
#[derive(Debug, Serialize)]
struct Answer {
    chain: String,
    state: Standing,
    /// Why nothing more of the job is taken: a stable code, and words.
    code: Option<&'static str>,
    why: Option<String>,
    /// Leases and seats that are not over.
    leases: Vec<LeaseStatus>,
    /// Those that are over.
    over: Vec<Ended>,
    /// What keeps the executor from taking any work there.
    blocked: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Standing {
    /// Leases or seats of it are held.
    Working,
    /// Nothing of it is held, for a reason.
    NotTaken,
    /// Nothing of it is held, and it was not looked at yet.
    NotLookedAt,
    /// This machine does not know the job.
    Unknown,
    /// The chain's machine does not answer.
    NoAnswer,
}

/// A lease or a seat that is over.
#[derive(Debug, Serialize)]
struct Ended {
    first: u32,
    round: u16,
    kind: u8,
    end: &'static str,
}

impl Answer {
    fn of(chain: &str, blocked: Vec<String>, report: Option<JobReport>) -> Self {
        let Some(JobReport { duties, over, why }) = report else {
            return Self::without(chain, blocked, Standing::Unknown);
        };
        let state = match (duties.is_empty(), &why) {
            (false, _) => Standing::Working,
            (true, Some(_)) => Standing::NotTaken,
            (true, None) => Standing::NotLookedAt,
        };
        let over = over.into_iter().map(|(seat, end)| Ended {
            first: seat.lease.first,
            round: seat.lease.round,
            kind: seat.kind,
            end: end.name(),
        });
        Self {
            code: why.as_ref().map(|why| why.code()),
            why: why.map(|why| why.to_string()),
            leases: duties.into_iter().map(LeaseStatus::from).collect(),
            over: over.collect(),
            ..Self::without(chain, blocked, state)
        }
    }

    fn silent(chain: &str, blocked: Vec<String>) -> Self {
        Self::without(chain, blocked, Standing::NoAnswer)
    }

    fn without(chain: &str, blocked: Vec<String>, state: Standing) -> Self {
        Self {
            chain: chain.to_owned(),
            state,
            code: None,
            why: None,
            leases: Vec::new(),
            over: Vec::new(),
            blocked,
        }
    }

    /// The answer in words, each line with the chain's name.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: {words}", self.chain);
        };
        match self.state {
            Standing::Working | Standing::NotTaken => {}
            Standing::NotLookedAt => line(format_args!(
                "nothing of it is held, and it was not looked at yet"
            )),
            Standing::Unknown => line(format_args!(
                "unknown: no such job was posted in this market, or it was over long ago and is forgotten"
            )),
            Standing::NoAnswer => line(format_args!(
                "no answer within {} s: this chain is starting, or its database is slow",
                PATIENCE.as_secs()
            )),
        }
        for lease in &self.leases {
            let LeaseStatus {
                first,
                count,
                round,
                kind,
                phase,
                tasks_done,
                ..
            } = lease;
            line(format_args!(
                "worked on: {} of {count} tasks from {first}, round {round}, {phase}, {tasks_done} done",
                status::kind(*kind)
            ));
        }
        for Ended {
            first,
            round,
            kind,
            end,
        } in &self.over
        {
            line(format_args!(
                "over: {} from task {first}, round {round}, {end}",
                status::kind(*kind)
            ));
        }
        if let (Some(why), Some(code)) = (&self.why, self.code) {
            let what = match self.state {
                Standing::Working => "nothing more of it is taken",
                _ => "not taken",
            };
            line(format_args!("{what}: {why} [{code}]"));
        }
        for blocked in &self.blocked {
            line(format_args!("no work is taken here at all: {blocked}"));
        }
        text
    }
}

/// The routes of the desk.
pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/why/{job}", get(why))
        .route("/drain", post(drain))
        .with_state(desk)
}

/// Answers in words, or in JSON where `Accept` asks for that. `?chain=NAME` asks one chain only.
async fn why(
    State(desk): State<Desk>,
    Path(job): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Ok(id) = job.parse::<B256>() else {
        let text = format!("{job:?} is not a job's id: 64 hexadecimal digits are expected\n");
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    let query = query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let wanted = pairs.find(|(key, _)| key == "chain").map(|(_, name)| name);
    let is_wanted = |name: &String| wanted.as_ref().is_none_or(|wanted| wanted.as_ref() == name);
    let chains: Vec<_> = desk.chains.iter().filter(|it| is_wanted(&it.0)).collect();
    if chains.is_empty() {
        let names: Vec<&str> = desk.chains.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = wanted.unwrap_or_default();
        let text = format!("no chain {wanted:?} here: there is {}\n", names.join(", "));
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let asked = chains.iter().map(|(name, ask)| desk.ask(name, ask, id));
    let mut answers = join_all(asked).await;
    let is_unknown = |answer: &Answer| answer.state == Standing::Unknown;
    let code = match answers.iter().all(is_unknown) {
        true => StatusCode::NOT_FOUND,
        false => {
            answers.retain(|answer| !is_unknown(answer));
            StatusCode::OK
        }
    };
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    match accepts.is_some_and(|accepts| accepts.contains("application/json")) {
        true => (code, Json(answers)).into_response(),
        false => {
            let text: String = answers.iter().map(Answer::text).collect();
            (code, text).into_response()
        }
    }
}

/// Takes nothing more from now on, and ends the executor once nothing is owed.
async fn drain(State(desk): State<Desk>, headers: HeaderMap) -> (StatusCode, String) {
    if !headers.contains_key(DRAIN_HEADER) {
        let text = format!(
            "nothing was changed: a request to drain carries the header {DRAIN_HEADER}, so that no web page can send it\n"
        );
        return (StatusCode::FORBIDDEN, text);
    }
    // One that was told to stop stays told so: it may end sooner.
    let is_new = desk.stopping.send_if_modified(|stopping| {
        let is_new = *stopping == Stopping::No;
        if is_new {
            *stopping = Stopping::Drain;
        }
        is_new
    });
    desk.board.write(|status| status.stopping = true);
    if is_new {
        tracing::info!(
            "draining: nothing more is taken, and the executor ends when nothing is owed"
        );
    }
    let text = "draining: nothing more is taken, and the executor ends when nothing is owed\n";
    (StatusCode::ACCEPTED, text.to_owned())
}

#[cfg(test)]
mod tests;

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use piecework_core::view::{lease::Key as LeaseId, seat::Key as SeatId};
use piecework_executor_core::duty::{End, seat::Tasks};
use piecework_executor_core::{machine::DutyStatus, take::Why};
use tokio::net::TcpListener;

use super::*;
use crate::{admin::router, owner::Admin, status::ChainStatus};

const TAKEN: B256 = B256::repeat_byte(1);
const CHEAP: B256 = B256::repeat_byte(2);
const NEW: B256 = B256::repeat_byte(3);

fn known(job: B256) -> Option<JobReport> {
    let seat = |round| SeatId {
        lease: LeaseId {
            job,
            first: 4,
            round,
        },
        kind: 0,
    };
    let duty = DutyStatus {
        seat: seat(2),
        tasks: Tasks { first: 4, count: 8 },
        phase: "running",
        done: 3,
        deadline: 9,
    };
    let report = |duties, over, why| Some(JobReport { duties, over, why });
    match job {
        TAKEN => report(
            vec![duty],
            vec![(seat(1), End::Released)],
            Some(Why::Enough),
        ),
        CHEAP => report(vec![], vec![], Some(Why::TooCheap { at: 77 })),
        NEW => report(vec![], vec![], None),
        _ => None,
    }
}

/// An admin server of two chains. The machine of the first one knows three jobs, that of the second none.
async fn served() -> (Admin, watch::Receiver<Stopping>, Board) {
    let (board, (stopping, seen)) = (Board::default(), watch::channel(Stopping::No));
    let mut desk = Desk::new(board.clone(), stopping);
    for name in ["l2", "base"] {
        board.add(ChainStatus {
            name: name.to_owned(),
            ..ChainStatus::default()
        });
        let asking = desk.add(name);
        tokio::spawn(async move {
            while let Some(asked) = asking.lock().await.recv().await {
                let report = known(asked.job).filter(|_| name == "l2");
                asked.reply.send(report).unwrap();
            }
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = Admin::at(listener.local_addr().unwrap()).unwrap();
    tokio::spawn(async move { axum::serve(listener, router(desk)).await });
    (admin, seen, board)
}

#[tokio::test]
async fn each_job_has_an_answer_in_words_and_in_json() {
    let (admin, _, board) = served().await;
    let why = async |job, chain| admin.why(job, chain, false).await.unwrap();
    let taken = "l2: worked on: lease of 8 tasks from 4, round 2, running, 3 done\n\
                 l2: over: lease from task 4, round 1, released\n\
                 l2: nothing more of it is taken: policy.max_leases leases and seats are held [enough]\n";
    assert_eq!(why(TAKEN, None).await, (true, taken.to_owned()));
    let cheap = "l2: not taken: its price gets to policy.min_price at 77 [too-cheap]\n";
    assert_eq!(why(CHEAP, Some("l2")).await, (true, cheap.to_owned()));
    let unknown = |chain: &str| {
        format!(
            "{chain}: unknown: no such job was posted in this market, or it was over long ago and is forgotten\n"
        )
    };
    assert_eq!(why(CHEAP, Some("base")).await, (false, unknown("base")));
    let both = unknown("l2") + &unknown("base");
    assert_eq!(why(B256::ZERO, None).await, (false, both));
    board.write(|status| status.chains[0].blocked.push("it stalls".to_owned()));
    let new = "l2: nothing of it is held, and it was not looked at yet\nl2: no work is taken here at all: it stalls\n";
    assert_eq!(why(NEW, None).await, (true, new.to_owned()));

    let (is_known, json) = admin.why(TAKEN, None, true).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(is_known);
    assert_eq!(json[0]["state"], "working");
    assert_eq!(json[0]["code"], "enough");
    assert_eq!(json[0]["leases"][0]["tasks_done"], 3);
    assert_eq!(json[0]["over"][0]["end"], "released");
    let error = admin.why(TAKEN, Some("l1"), false).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no chain \"l1\" here: there is l2, base"),
        "{error}"
    );
}

#[tokio::test]
async fn a_drain_needs_its_header_and_is_over_when_nothing_is_owed() {
    let (admin, seen, board) = served().await;
    let url = admin.url().join("drain").unwrap();
    let bare = reqwest::Client::new().post(url).send().await.unwrap();
    assert_eq!(bare.status().as_u16(), 403);
    assert_eq!(*seen.borrow(), Stopping::No);

    let draining = tokio::spawn(async move {
        let mut out = Vec::new();
        admin
            .drain(&mut out)
            .await
            .map(|()| String::from_utf8(out).unwrap())
    });
    let mut stopping = seen.clone();
    stopping
        .wait_for(|it| *it == Stopping::Drain)
        .await
        .unwrap();
    assert!(board.read().stopping);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!draining.is_finished(), "it did not wait");
    board.write(|status| status.drained = true);
    let said = draining.await.unwrap().unwrap();
    assert!(
        said.ends_with("takes nothing more\nnothing is owed now; waiting until nothing can be\nnothing is owed: the executor ends now\n"),
        "{said}"
    );
}

#[tokio::test]
async fn a_drain_does_not_take_back_a_stop() {
    let (stopping, seen) = watch::channel(Stopping::Finish);
    let desk = Desk::new(Board::default(), stopping);
    let mut headers = HeaderMap::new();
    headers.insert(DRAIN_HEADER, axum::http::HeaderValue::from_static("1"));
    assert_eq!(drain(State(desk), headers).await.0, StatusCode::ACCEPTED);
    assert_eq!(*seen.borrow(), Stopping::Finish);
}

#[tokio::test]
async fn who_asks_nobody_is_told_where_it_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Admin::at(address).unwrap().status().await.unwrap_err();
    assert_eq!(error.code(), "admin-no-answer");
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("no executor answers at http://{address}/: ")),
        "{said}"
    );
}

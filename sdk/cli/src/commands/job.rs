//! `piecework job`: look at jobs, fetch their results, end them.

use std::path::Path;

use alloy::primitives::{Address, B256};
use alloy::providers::Provider as _;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent as _;
use piecework::chain::IMarket::{Phase, SeatEnd};
use piecework::chain::{ChainError, IMarket};
use piecework::market::{DisputeView, JobView, LeaseView, SeatView};
use piecework::{Market, Run};
use serde_json::{Value, json};

use super::contest;
use super::post::{check_out, report, say_money, verdict, wait};
use crate::cli::{Globals, JobCommand};
use crate::connect::{Key, account, market};
use crate::fail::Failure;
use crate::output::{Output, say, table};

pub(crate) async fn run(
    globals: &Globals,
    output: Output,
    command: JobCommand,
) -> Result<(), Failure> {
    match command {
        JobCommand::List { client } => list(globals, output, client).await,
        JobCommand::Status { id } => status(globals, output, id).await,
        JobCommand::Fetch { id, out } => fetch(globals, output, id, &out).await,
        JobCommand::Cancel { id } => cancel(globals, output, id).await,
        JobCommand::Challenge {
            id,
            task,
            digest,
            file,
        } => contest::challenge(globals, output, id, task, digest, file).await,
        JobCommand::Answer { file } => contest::answer(globals, output, &file).await,
        JobCommand::Demand { id, lease } => contest::demand(globals, output, id, lease).await,
        JobCommand::Close { id } => close(globals, output, id).await,
    }
}

async fn list(globals: &Globals, output: Output, client: Option<Address>) -> Result<(), Failure> {
    let client = match client {
        Some(client) => client,
        None => account(globals)?,
    };
    let market = market(globals, Key::Unneeded).await?;
    let mut jobs = Vec::new();
    let mut rows = vec![
        ["job", "tasks", "settled", "state", "escrow at first"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for id in posted_by(&market, client).await? {
        let run = market.attach(id).await?;
        let view = run.status().await?;
        jobs.push(summary(&run, &view));
        rows.push(vec![
            id.to_string(),
            run.tasks().to_string(),
            view.tally().settled.to_string(),
            state(&view).to_owned(),
            market.token().format(run.escrow()),
        ]);
    }
    if jobs.is_empty() {
        say!("{client} posted no job on this market.");
    }
    output.result(&jobs, || {
        if jobs.is_empty() {
            String::new()
        } else {
            table(&rows, &[1, 2])
        }
    })
}

async fn posted_by(market: &Market, client: Address) -> Result<Vec<B256>, Failure> {
    let filter = Filter::new()
        .address(market.address())
        .event_signature(IMarket::Posted::SIGNATURE_HASH)
        .topic2(client)
        .from_block(0);
    let logs = market
        .provider()
        .get_logs(&filter)
        .await
        .map_err(|e| ChainError::from_rpc("eth_getLogs", e))?;
    Ok(logs
        .iter()
        .filter_map(|log| log.topics().get(1).copied())
        .collect())
}

fn state(view: &JobView) -> &'static str {
    match (view.is_over(), view.cancelled, view.tally().refunded) {
        (true, _, 0) => "done",
        (true, _, _) => "done in part",
        (false, true, _) => "cancelled, leases still run",
        (false, false, _) => "open",
    }
}

fn summary(run: &Run, view: &JobView) -> Value {
    let (paid, fee, refunded) = view.money();
    json!({
        "job": run.id(),
        "client": run.job().terms.client,
        "level": run.level().to_string(),
        "state": state(view),
        "tasks": view.tally(),
        "escrow": run.escrow().to_string(),
        "paid": paid.to_string(),
        "fee": fee.to_string(),
        "refunded": refunded.to_string(),
    })
}

async fn status(globals: &Globals, output: Output, id: B256) -> Result<(), Failure> {
    let market = market(globals, Key::Unneeded).await?;
    let run = market.attach(id).await?;
    let view = run.status().await?;
    let mut value = summary(&run, &view);
    if let Value::Object(fields) = &mut value {
        fields.insert("leases".into(), view.leases.values().map(lease).collect());
    }
    output.result(&value, || {
        let tally = view.tally();
        let mut text = format!(
            "{}: {} tasks, {} waiting, {} running, {} submitted, {} settled, {} refunded\n",
            state(&view),
            run.tasks(),
            tally.waiting,
            tally.running,
            tally.submitted,
            tally.settled,
            tally.refunded
        );
        let mut rows = vec![
            [
                "first", "count", "phase", "round", "provider", "a task", "paid",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for lease in view.leases.values() {
            rows.push(vec![
                lease.first.to_string(),
                lease.count.to_string(),
                format!("{:?}", lease.phase).to_lowercase(),
                lease.round.to_string(),
                holder(lease),
                market.token().format(lease.price),
                market.token().format(lease.paid),
            ]);
        }
        text.push_str(&table(&rows, &[0, 1, 3]));
        text
    })
}

/// Who holds a lease, or how far the seats of a redundant one are.
fn holder(lease: &LeaseView) -> String {
    if lease.seats.is_empty() {
        return lease.provider.to_string();
    }
    let outvoted = lease
        .seats
        .iter()
        .filter(|seat| seat.end == SeatEnd::Outvoted);
    match lease.phase {
        Phase::Settled => format!(
            "{} agreed, {} outvoted",
            lease.winners().count(),
            outvoted.count()
        ),
        _ => format!(
            "{} seats, {} committed, {} revealed",
            lease.seats.len(),
            lease.commits(),
            lease.reveals()
        ),
    }
}

fn seat(seat: &SeatView) -> Value {
    json!({
        "provider": seat.provider,
        "state": format!("{:?}", seat.state).to_lowercase(),
        "end": format!("{:?}", seat.end).to_lowercase(),
        "vote": seat.vote,
        "paid": seat.paid.to_string(),
        "burned": seat.burned.to_string(),
    })
}

fn dispute(dispute: &DisputeView) -> Value {
    json!({
        "number": dispute.number,
        "challenger": dispute.challenger,
        "task": dispute.task,
        "digest": dispute.digest,
        "answer": dispute.answer,
        "deposit": dispute.deposit.to_string(),
        "jurors": dispute.jurors.iter().map(seat).collect::<Vec<_>>(),
        "verdict": format!("{:?}", dispute.verdict),
    })
}

fn lease(lease: &LeaseView) -> Value {
    json!({
        "seats": lease.seats.iter().map(seat).collect::<Vec<_>>(),
        "dispute": lease.dispute.as_ref().map(dispute),
        "demanded": lease.demand.is_some(),
        "first": lease.first,
        "count": lease.count,
        "phase": format!("{:?}", lease.phase).to_lowercase(),
        "round": lease.round,
        "provider": lease.provider,
        "price": lease.price.to_string(),
        "paid": lease.paid.to_string(),
        "fee": lease.fee.to_string(),
        "refunded": lease.refunded.to_string(),
        "root": lease.root,
    })
}

async fn fetch(globals: &Globals, output: Output, id: B256, out: &Path) -> Result<(), Failure> {
    check_out(out)?;
    // A reader suffices; with the devnet's key the run also settles what its providers forgot.
    let market = market(globals, Key::Unneeded).await?;
    let run = market.attach(id).await?;
    if !run.status().await?.is_over() {
        wait(&run, Some(&out.to_path_buf())).await?;
    }
    let done = run.download(out).await?;
    let money = run.status().await?.money();
    output.result(&report(&run, &done, money, true), || {
        done.dir.display().to_string()
    })?;
    say_money(&run, money);
    verdict(&run, &done)
}

async fn cancel(globals: &Globals, output: Output, id: B256) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let run = market.attach(id).await?;
    let receipt = run.cancel().await?;
    let view = run.status().await?;
    let (_, _, refunded) = view.money();
    say!(
        "Cancelled; {} came back so far.",
        market.token().format(refunded)
    );
    let held = view.tally().running + view.tally().submitted;
    if held > 0 {
        say!("{held} tasks are in leases that run to their end: what they do is paid.");
    }
    let mut value = summary(&run, &view);
    if let Value::Object(fields) = &mut value {
        fields.insert("transaction".into(), json!(receipt.transaction_hash));
    }
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn close(globals: &Globals, output: Output, id: B256) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let run = market.attach(id).await?;
    let (_, _, before) = run.status().await?.money();
    let transactions: Vec<B256> = run
        .close()
        .await?
        .iter()
        .map(|receipt| receipt.transaction_hash)
        .collect();
    let Some(last) = transactions.last() else {
        say!("Nothing to take back: every task is settled, refunded, or in a lease that runs.");
        return output.result(
            &json!({ "job": id, "transactions": transactions, "refunded": "0" }),
            String::new,
        );
    };
    let (_, _, after) = run.status().await?.money();
    let refunded = after.saturating_sub(before);
    say!("{} came back.", market.token().format(refunded));
    let value =
        json!({ "job": id, "transactions": transactions, "refunded": refunded.to_string() });
    output.result(&value, || last.to_string())
}

//! `piecework job`: look at jobs, fetch their results, end them.

use std::path::Path;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent as _;
use piecework::chain::IMarket::{Grade, Phase, SeatEnd};
use piecework::chain::{IMarket, read_logs};
use piecework::market::{AuditView, JobView, LeaseView, Outlook, SeatView};
use piecework::{Market, Run};
use serde_json::{Value, json};

use super::post::{check_out, put_money, report, say_money, verdict, wait};
use crate::cli::{Globals, JobCommand};
use crate::connect::{Key, account, market};
use crate::fail::Failure;
use crate::outlook;
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
    let logs = read_logs(market.provider(), &filter).await?;
    Ok(logs
        .iter()
        .filter_map(|log| log.topics().get(1).copied())
        .collect())
}

fn state(view: &JobView) -> &'static str {
    let tally = view.tally();
    match (view.is_over(), view.cancelled, tally.void + tally.refunded) {
        (true, _, 0) => "done",
        (true, _, _) => "done in part",
        (false, true, _) => "cancelled, leases still run",
        (false, false, _) => "open",
    }
}

fn summary(run: &Run, view: &JobView) -> Value {
    let mut value = json!({
        "job": run.id(),
        "client": run.job().terms.client,
        "assurance": run.assurance().to_string(),
        "state": state(view),
        "tasks": view.tally(),
        "escrow": run.escrow().to_string(),
    });
    put_money(&mut value, view.money());
    value
}

async fn status(globals: &Globals, output: Output, id: B256) -> Result<(), Failure> {
    let market = market(globals, Key::Unneeded).await?;
    let run = market.attach(id).await?;
    let view = run.status().await?;
    let mut ahead = Vec::new();
    for lease in view.leases.values() {
        let waits = matches!(
            lease.phase,
            Phase::Submitted | Phase::Audited | Phase::Undecided
        );
        ahead.push(match waits {
            true => run.outlook(lease.first).await?,
            false => Outlook::None,
        });
    }
    let leases = || view.leases.values().zip(&ahead);
    let mut value = summary(&run, &view);
    if let Value::Object(fields) = &mut value {
        let told = leases().map(|(one, ahead)| lease(one, ahead)).collect();
        fields.insert("leases".into(), told);
    }
    output.result(&value, || {
        let tally = view.tally();
        let mut text = format!(
            "{}: {} tasks, {} waiting, {} running, {} submitted, {} settled, {} void, {} refunded\n",
            state(&view),
            run.tasks(),
            tally.waiting,
            tally.running,
            tally.submitted,
            tally.settled,
            tally.void,
            tally.refunded
        );
        let mut rows = vec![
            [
                "first", "count", "phase", "grade", "round", "provider", "a task", "paid", "burned", "audit",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for (lease, ahead) in leases() {
            rows.push(vec![
                lease.first.to_string(),
                lease.count.to_string(),
                format!("{:?}", lease.phase).to_lowercase(),
                grade(lease).unwrap_or("-").to_owned(),
                lease.round.to_string(),
                holder(lease),
                market.token().format(lease.price),
                market.token().format(lease.paid),
                market.token().format(lease.burned + lease.slashed),
                outlook::sentence(ahead).or_else(|| judged(lease)).unwrap_or_default(),
            ]);
        }
        text.push_str(&table(&rows, &[0, 1, 4]));
        text
    })
}

/// How sure a settled lease's result is.
fn grade(lease: &LeaseView) -> Option<&'static str> {
    Some(match lease.grade {
        Grade::Contested => "contested",
        Grade::Unaudited => "unaudited",
        Grade::Audited => "audited",
        Grade::Listed => "listed",
        Grade::Quorum => "quorum",
        Grade::Proven => "proven",
        _ => return None,
    })
}

/// What the last jury over a lease came to.
fn judged(lease: &LeaseView) -> Option<String> {
    let audit = lease.audit()?;
    let verdict = format!("{:?}", audit.verdict).to_lowercase();
    Some(format!("task {}: {verdict}", audit.task))
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
            "{} seats, {} committed, {} opened",
            lease.taken(),
            lease.commits(),
            lease.opened()
        ),
    }
}

fn seat(seat: &SeatView) -> Value {
    json!({
        "provider": seat.provider,
        "state": format!("{:?}", seat.state).to_lowercase(),
        "end": format!("{:?}", seat.end).to_lowercase(),
        "value": seat.value,
        "paid": seat.paid.to_string(),
        "burned": seat.burned.to_string(),
    })
}

fn audit(audit: &AuditView) -> Value {
    json!({
        "jury": audit.jury,
        "task": audit.task,
        "commit_by": audit.commit_by,
        "leaf_by": audit.leaf_by,
        "jurors": audit.jurors.iter().map(seat).collect::<Vec<_>>(),
        "verdict": format!("{:?}", audit.verdict).to_lowercase(),
        "digest": audit.digest,
        "leaf": audit.leaf,
    })
}

fn lease(lease: &LeaseView, ahead: &Outlook) -> Value {
    json!({
        "seats": lease.seats.iter().map(seat).collect::<Vec<_>>(),
        "audits": lease.audits.iter().map(audit).collect::<Vec<_>>(),
        "outlook": outlook::value(ahead),
        "first": lease.first,
        "count": lease.count,
        "phase": format!("{:?}", lease.phase).to_lowercase(),
        "grade": grade(lease),
        "round": lease.round,
        "provider": lease.provider,
        "price": lease.price.to_string(),
        "paid": lease.paid.to_string(),
        "fee": lease.fee.to_string(),
        "burned": lease.burned.to_string(),
        "refunded": lease.refunded.to_string(),
        "slashed": lease.slashed.to_string(),
        "root": lease.root,
        "digest_list": lease.digest_list,
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
    say!(
        "Cancelled; {} came back so far.",
        market.token().format(view.money().refunded)
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
    let before = run.status().await?.money().refunded;
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
    let after = run.status().await?.money().refunded;
    let refunded = after.saturating_sub(before);
    say!("{} came back.", market.token().format(refunded));
    let value =
        json!({ "job": id, "transactions": transactions, "refunded": refunded.to_string() });
    output.result(&value, || last.to_string())
}

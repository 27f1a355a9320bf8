//! `piecework predict` and `--dry-run`: what the market would say, before anything is sent.

use alloy::primitives::{Address, B256};
use piecework::chain::{IMarket, Revert};
use piecework::market::predict::Block;
use piecework::market::{Eligibility, Outlook, Posting, Prediction};
use piecework::rules::Cost;
use piecework::{Error, Job, Market};
use serde_json::{Value, json};

use crate::assured::{deterrence, deterrence_json};
use crate::cli::{AssuranceArgs, Globals, PredictCommand};
use crate::connect::{Key, account, market};
use crate::fail::Failure;
use crate::outlook;
use crate::output::{Output, table};

pub(crate) async fn run(
    globals: &Globals,
    output: Output,
    command: PredictCommand,
) -> Result<(), Failure> {
    match command {
        PredictCommand::Lease {
            id,
            tasks,
            provider,
            after,
        } => lease(globals, output, id, tasks, provider, after).await,
        PredictCommand::Seat {
            id,
            lease,
            jury,
            provider,
            after,
        } => seat(globals, output, (id, lease, jury), provider, after).await,
    }
}

async fn lease(
    globals: &Globals,
    output: Output,
    id: B256,
    tasks: Option<u32>,
    provider: Option<Address>,
    after: u64,
) -> Result<(), Failure> {
    let provider = provider.map_or_else(|| account(globals), Ok)?;
    let market = market(globals, Key::Unneeded).await?;
    let job = market.attach(id).await?.job().clone();
    let ahead = market.predict().await?;
    let at = ahead.next_time().saturating_add(after);
    let call = IMarket::claimCall {
        least: 1,
        most: tasks.unwrap_or(job.terms.maxLease),
        job,
        provider,
    };
    let prediction = ahead.call(provider, &call, at).await?;
    let Prediction {
        block, at, window, ..
    } = prediction;
    let value = json!({
        "job": id,
        "provider": provider,
        "block": block.number,
        "at": at,
        "valid": prediction.is_valid(),
        "why": prediction.refusal().map(why),
        "from": window.from,
        "until": window.until,
        "cost": prediction.cost,
    });
    output.result(&value, || {
        let mut rows = vec![row("claim", said(prediction.refusal()))];
        rows.extend(times(window.from, window.until, at, block));
        rows.extend(prediction.cost.iter().flat_map(|cost| money(&market, cost)));
        table(&rows, &[])
    })
}

async fn seat(
    globals: &Globals,
    output: Output,
    (id, first, jury): (B256, u32, Option<u8>),
    provider: Option<Address>,
    after: u64,
) -> Result<(), Failure> {
    let provider = provider.map_or_else(|| account(globals), Ok)?;
    let market = market(globals, Key::Unneeded).await?;
    let run = market.attach(id).await?;
    let job = run.job();
    let ahead = market.predict().await?;
    let at = ahead.next_time().saturating_add(after);
    let (seat, audit) = match jury {
        Some(jury) => (
            ahead.juror(job, first, jury, provider, at).await?,
            run.outlook(first).await?,
        ),
        None => (ahead.seat(job, first, provider, at).await?, Outlook::None),
    };
    let block = ahead.block();
    let value = json!({
        "job": id,
        "lease": first,
        "round": seat.round,
        "jury": jury,
        "audit": outlook::value(&audit),
        "provider": provider,
        "block": block.number,
        "at": at,
        "valid": seat.why.is_none(),
        "why": seat.why.as_ref().map(why),
        "from": seat.from,
        "until": seat.until,
        "drawn_from": seat.drawn_from,
        "doublings": seat.doublings,
        "cost": seat.cost,
    });
    output.result(&value, || {
        let mut rows = vec![
            row("seat", said(seat.why.as_ref())),
            row("drawn", drawn(&seat)),
        ];
        rows.extend(outlook::sentence(&audit).map(|text| row("audit", text)));
        rows.extend(times(seat.from, seat.until, at, block));
        rows.extend(seat.cost.iter().flat_map(|cost| money(&market, cost)));
        table(&rows, &[])
    })
}

/// What posting the job would take. Nothing is exported, deposited or posted.
pub(super) async fn dry_run(
    market: &Market,
    output: Output,
    job: &Job,
    args: &AssuranceArgs,
) -> Result<(), Failure> {
    let ahead = market.predict().await?;
    let Posting {
        quote,
        prediction,
        cost,
    } = ahead.post(job, ahead.next_time()).await?;
    if let Some(deterrence) = quote.deterrence
        && deterrence.is_refused()
        && !args.allow_weak
    {
        return Err(Error::WeakAudits { deterrence }.into());
    }
    if !quote.is_covered() {
        return Err(Error::InsufficientFunds {
            account: market.account()?,
            token: market.token().symbol.clone(),
            balance: quote.balance,
            wallet: quote.wallet,
            need: quote.escrow,
        }
        .into());
    }
    if let Some(refusal) = prediction.refusal() {
        return Err(Failure::new("chain-reverted", refusal)
            .money("Nothing was sent: this is what the market would say."));
    }
    let [opening, full] = cost;
    let value = json!({
        "valid": true,
        "assurance": quote.assurance.to_string(),
        "deterrence": deterrence_json(quote.deterrence),
        "tasks": quote.tasks,
        "min_lease": quote.lease.0,
        "max_lease": quote.lease.1,
        "jury_fee": quote.jury_fee.to_string(),
        "escrow": quote.escrow.to_string(),
        "balance": quote.balance.to_string(),
        "wallet": quote.wallet.to_string(),
        "deposit": quote.deposit.to_string(),
        "until": prediction.window.until,
        "lease": { "first": opening, "last": full },
    });
    output.result(&value, || {
        let amount = |units| market.token().format(units);
        let mut rows = vec![
            row(
                "job",
                format!(
                    "{} tasks, {}; it would be posted",
                    quote.tasks, quote.assurance
                ),
            ),
            row(
                "escrow",
                format!(
                    "{}, of which {} are in the balance and {} would be deposited",
                    amount(quote.escrow),
                    amount(quote.escrow.saturating_sub(quote.deposit)),
                    amount(quote.deposit)
                ),
            ),
        ];
        if let Some(text) = deterrence(&quote) {
            let jury = format!(
                "{} for each of three jurors, where chance decides so",
                amount(quote.jury_fee)
            );
            rows.push(row("audit", jury));
            rows.push(row("deterrence", text));
        }
        rows.push(row("lease, taken at once", short(market, &opening)));
        if full.price != opening.price {
            rows.push(row("lease, taken late", short(market, &full)));
        }
        table(&rows, &[])
    })
}

fn row(name: &str, text: String) -> Vec<String> {
    vec![name.to_owned(), text]
}

fn why(revert: &Revert) -> Value {
    json!({ "name": revert.name, "args": revert.args, "meaning": revert.meaning })
}

fn said(refusal: Option<&Revert>) -> String {
    refusal.map_or_else(
        || "would be taken".to_owned(),
        |revert| format!("would be refused: {revert}"),
    )
}

fn drawn(seat: &Eligibility) -> String {
    match (seat.drawn_from, seat.doublings) {
        (Some(from), Some(doublings)) => format!("from {from} on, after {doublings} doublings"),
        _ => match seat.why.as_ref().map(|why| why.name) {
            Some("SeedUnknown") => {
                "not yet: nobody can tell before the seed is published".to_owned()
            }
            Some("NotAudited") => "never: chance spared the lease an audit".to_owned(),
            _ => "never in this round".to_owned(),
        },
    }
}

fn times(from: Option<u64>, until: Option<u64>, at: u64, block: Block) -> Vec<Vec<String>> {
    let valid = match (from, until) {
        (None, _) => "not by the passing of time alone".to_owned(),
        (Some(from), None) => format!("from {from} on"),
        (Some(from), Some(until)) => format!("from {from} until {until}"),
    };
    vec![
        row("valid", valid),
        row(
            "time",
            format!("{at}, as the market stands at block {}", block.number),
        ),
    ]
}

fn money(market: &Market, cost: &Cost) -> Vec<Vec<String>> {
    let amount = |units| market.token().format(units);
    vec![
        row(
            "tasks",
            format!("{}, at {} each", cost.count, amount(cost.price)),
        ),
        row(
            "bond",
            format!(
                "{}; {} of it burn if nothing comes in time",
                amount(cost.bond),
                amount(cost.late)
            ),
        ),
        row(
            "escrow",
            format!(
                "{}: {} to the provider, {} of fee, {} back to the client",
                amount(cost.escrow),
                amount(cost.paid),
                amount(cost.fee),
                amount(cost.refunded)
            ),
        ),
    ]
}

fn short(market: &Market, cost: &Cost) -> String {
    let amount = |units| market.token().format(units);
    format!(
        "{} tasks at {}: {} to the provider, {} of fee, {} back; it locks a bond of {}",
        cost.count,
        amount(cost.price),
        amount(cost.paid),
        amount(cost.fee),
        amount(cost.refunded),
        amount(cost.bond)
    )
}

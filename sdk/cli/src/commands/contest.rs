//! `piecework job challenge`, `answer` and `demand`: contesting what a provider submitted.

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use piecework::chain::IMarket::Verdict;
use piecework::digest::Digest;
use piecework::market::Challenge;
use serde_json::json;

use crate::cli::Globals;
use crate::connect::{Key, market};
use crate::fail::{Failure, exit};
use crate::output::{Output, say};
use crate::signals::Interrupt;

pub(super) async fn challenge(
    globals: &Globals,
    output: Output,
    id: B256,
    task: u32,
    digest: B256,
    file: Option<PathBuf>,
) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let run = market.attach(id).await?;
    let challenge = run.challenge(task, Digest::from(digest)).await?;
    let file = file.unwrap_or_else(|| format!("challenge-{id:#x}-{task}.json").into());
    // Stored first, then sent: what is lost with the file is the deposit.
    challenge.save(&file)?;
    let receipts = match run.send_challenge(&challenge).await {
        Ok(receipts) => receipts,
        Err(error) => {
            say!(
                "{} is kept: the challenge may have been sent all the same.",
                file.display()
            );
            return Err(error.into());
        }
    };
    let deposit = market.token().format(challenge.deposit);
    say!(
        "Challenged with a deposit of {deposit}. `piecework job answer {}` sees it through: without your answer the deposit is lost.",
        file.display()
    );
    let last = receipts.last().map(|receipt| receipt.transaction_hash);
    let value = json!({
        "job": id,
        "task": task,
        "file": file,
        "deposit": challenge.deposit.to_string(),
        "transaction": last,
    });
    output.result(&value, || file.display().to_string())
}

pub(super) async fn answer(globals: &Globals, output: Output, file: &Path) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let challenge = Challenge::load(file)?;
    let market = market(globals, Key::Needed).await?;
    let run = market.attach(challenge.job_id).await?;
    let judged = tokio::select! {
        judged = run.see_through(&challenge) => judged?,
        () = interrupt.wait() => {
            return Err(Failure::new("cli-interrupted", "interrupted before there was a verdict")
                .money("The deposit stays in the dispute; an answer that is not revealed in time loses it.")
                .next(format!("`piecework job answer {}` goes on.", file.display()))
                .exit(exit::INTERRUPTED));
        }
    };
    let amount = |units| market.token().format(units);
    let verdict = match judged.verdict {
        Verdict::ProviderWrong => "provider wrong",
        Verdict::ProviderRight => "provider right",
        _ => "inconclusive",
    };
    say!(
        "{} of reward, {} of the deposit back; `piecework explain {} --lease {}` tells the whole story.",
        amount(judged.reward),
        amount(judged.returned),
        run.id(),
        challenge.first
    );
    let value = json!({
        "job": run.id(),
        "task": challenge.task,
        "verdict": verdict,
        "digest": judged.digest,
        "reward": judged.reward.to_string(),
        "returned": judged.returned.to_string(),
        "burned": judged.burned.to_string(),
    });
    output.result(&value, || verdict.to_owned())
}

pub(super) async fn demand(
    globals: &Globals,
    output: Output,
    id: B256,
    lease: u32,
) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let run = market.attach(id).await?;
    let receipts = run.demand(lease).await?;
    let window = market.times().await?.respondWindow;
    say!(
        "Demanded with a deposit of {}: the provider has {window} s to show all digests, or loses its bond.",
        market.token().format(run.job().price.juryFee)
    );
    let last = receipts.last().map(|receipt| receipt.transaction_hash);
    let value = json!({ "job": id, "lease": lease, "transaction": last });
    output.result(&value, || {
        last.map_or_else(String::new, |hash| hash.to_string())
    })
}

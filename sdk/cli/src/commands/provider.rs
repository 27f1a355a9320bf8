//! `piecework provider`: stake, operators, record.

use alloy::primitives::Address;
use serde_json::json;
use url::Url;

use super::wallet::sent;
use crate::amount::{Amount, tokens};
use crate::cli::{Globals, ProviderCommand};
use crate::connect::{Key, account, market};
use crate::fail::Failure;
use crate::output::{Output, say, table};

pub(crate) async fn run(
    globals: &Globals,
    output: Output,
    command: ProviderCommand,
) -> Result<(), Failure> {
    match command {
        ProviderCommand::Stake { amount } => stake(globals, output, &amount).await,
        ProviderCommand::Unstake { amount, to } => unstake(globals, output, &amount, to).await,
        ProviderCommand::Status { provider } => status(globals, output, provider).await,
        ProviderCommand::Operator { operator, revoke } => {
            set_operator(globals, output, operator, !revoke).await
        }
        ProviderCommand::Profile { url } => set_profile(globals, output, &url).await,
    }
}

async fn stake(globals: &Globals, output: Output, amount: &Amount) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let units = amount.units(market.token().decimals)?;
    let receipts = market.stake(units).await?;
    say!(
        "Staked {} for {}.",
        market.token().format(units),
        market.account()?
    );
    sent(output, units, receipts.last())
}

async fn unstake(
    globals: &Globals,
    output: Output,
    amount: &Amount,
    to: Option<Address>,
) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let units = amount.units(market.token().decimals)?;
    let to = to.map_or_else(|| market.account(), Ok)?;
    let receipt = market.unstake(to, units).await?;
    say!("Unstaked {} to {to}.", market.token().format(units));
    sent(output, units, Some(&receipt))
}

async fn set_operator(
    globals: &Globals,
    output: Output,
    operator: Address,
    allowed: bool,
) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let receipt = market.set_operator(operator, allowed).await?;
    let word = if allowed { "may now" } else { "may no longer" };
    say!("{operator} {word} take leases for {}.", market.account()?);
    let value = json!({ "transaction": receipt.transaction_hash, "operator": operator, "allowed": allowed });
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn set_profile(globals: &Globals, output: Output, url: &Url) -> Result<(), Failure> {
    // As the market's: it would refuse a longer one.
    const LONGEST: usize = 128;
    if !matches!(url.scheme(), "http" | "https") || url.as_str().len() > LONGEST {
        return Err(Failure::new(
            "cli-url",
            format!(
                "{url} is not an http:// or https:// URL of at most {LONGEST} bytes; nothing was sent"
            ),
        ));
    }
    let market = market(globals, Key::Needed).await?;
    let receipt = market.set_profile(url.as_str()).await?;
    say!("{} serves its results at {url}.", market.account()?);
    let value = json!({ "transaction": receipt.transaction_hash, "endpoint": url });
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn status(globals: &Globals, output: Output, who: Option<Address>) -> Result<(), Failure> {
    let who = match who {
        Some(who) => who,
        None => account(globals)?,
    };
    let market = market(globals, Key::Unneeded).await?;
    let state = market.provider_of(who).await?;
    if state.number == 0 {
        return Err(Failure::new(
            "cli-no-provider",
            format!("{who} never staked here: it is no provider"),
        )
        .next("`piecework provider stake AMOUNT` makes it one."));
    }
    let earned = market.balances(who).await?.balance;
    // Whatever the provider wrote: shown without control characters.
    let endpoint: String = market
        .endpoint_of(who)
        .await?
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let value = json!({
        "provider": who,
        "number": state.number,
        "stake": state.stake.to_string(),
        "free": state.free.to_string(),
        "balance": earned.to_string(),
        "staked_at": state.stakedAt,
        "completed": state.completed,
        "late": state.late,
        "slashed": state.slashed,
        "endpoint": endpoint,
    });
    output.result(&value, || {
        let amount = |units| market.token().format(units);
        let free = tokens(state.free, market.token().decimals);
        let rows = [
            ("provider", format!("{who} (number {})", state.number)),
            (
                "stake",
                format!("{}, {free} of it free", amount(state.stake)),
            ),
            ("balance", amount(earned)),
            (
                "leases",
                format!(
                    "{} completed, {} late, {} slashed",
                    state.completed, state.late, state.slashed
                ),
            ),
            ("endpoint", endpoint),
        ];
        table(&rows.map(|(name, text)| vec![name.to_owned(), text]), &[])
    })
}

//! `piecework provider`: stake, operators, record.

use alloy::primitives::Address;
use piecework::chain::IMarket;
use serde_json::json;

use super::wallet::allow;
use crate::amount::{Amount, tokens};
use crate::cli::{Globals, ProviderCommand};
use crate::connect::{Chain, account};
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
    }
}

async fn stake(globals: &Globals, output: Output, amount: &Amount) -> Result<(), Failure> {
    let chain = Chain::open(globals).await?;
    let sender = chain.sender(globals)?;
    let units = amount.units(chain.decimals)?;
    allow(&chain, &sender, units).await?;
    let receipt = sender
        .call(chain.market, &IMarket::stakeCall { amount: units })
        .await?;
    say!("Staked {} for {}.", chain.show(units), sender.address());
    let value = json!({ "transaction": receipt.transaction_hash, "amount": units.to_string() });
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn unstake(
    globals: &Globals,
    output: Output,
    amount: &Amount,
    to: Option<Address>,
) -> Result<(), Failure> {
    let chain = Chain::open(globals).await?;
    let sender = chain.sender(globals)?;
    let units = amount.units(chain.decimals)?;
    let to = to.unwrap_or(sender.address());
    let receipt = sender
        .call(chain.market, &IMarket::unstakeCall { to, amount: units })
        .await?;
    say!("Unstaked {} to {to}.", chain.show(units));
    let value =
        json!({ "transaction": receipt.transaction_hash, "amount": units.to_string(), "to": to });
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn set_operator(
    globals: &Globals,
    output: Output,
    operator: Address,
    allowed: bool,
) -> Result<(), Failure> {
    let chain = Chain::open(globals).await?;
    let sender = chain.sender(globals)?;
    let receipt = sender
        .call(
            chain.market,
            &IMarket::setOperatorCall { operator, allowed },
        )
        .await?;
    let word = if allowed { "may now" } else { "may no longer" };
    say!("{operator} {word} take leases for {}.", sender.address());
    let value = json!({ "transaction": receipt.transaction_hash, "operator": operator, "allowed": allowed });
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn status(globals: &Globals, output: Output, who: Option<Address>) -> Result<(), Failure> {
    let who = match who {
        Some(who) => who,
        None => account(globals)?,
    };
    let chain = Chain::open(globals).await?;
    let failed = |e| Failure::new("chain.rpc", format!("reading provider {who}: {e}"));
    let state = chain
        .contract()
        .providerOf(who)
        .call()
        .await
        .map_err(failed)?;
    let profile = chain
        .contract()
        .profileOf(who)
        .call()
        .await
        .map_err(failed)?;
    let earned = chain
        .contract()
        .balanceOf(who)
        .call()
        .await
        .map_err(failed)?;
    if state.number == 0 {
        return Err(Failure::new(
            "cli.no_provider",
            format!("{who} never staked here: it is no provider"),
        )
        .next("`piecework provider stake AMOUNT` makes it one."));
    }
    // Whatever the provider wrote: shown without control characters.
    let endpoint: String = profile
        .endpoint
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let value = json!({
        "provider": who, "number": state.number, "stake": state.stake.to_string(), "free": state.free.to_string(),
        "ledger": earned.to_string(), "staked_at": state.stakedAt, "completed": state.completed, "late": state.late,
        "slashed": state.slashed, "endpoint": endpoint,
    });
    output.result(&value, || {
        let amount = |units| format!("{} {}", tokens(units, chain.decimals), chain.symbol);
        let rows = [
            ("provider", format!("{who} (number {})", state.number)),
            (
                "stake",
                format!(
                    "{}, {} of it free",
                    amount(state.stake),
                    tokens(state.free, chain.decimals)
                ),
            ),
            ("ledger", amount(earned)),
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

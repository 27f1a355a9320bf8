//! `piecework wallet`: keys, and money in the market's ledger.

use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use piecework::chain::{IERC20, IMarket, keys};
use serde_json::json;

use crate::amount::{Amount, tokens};
use crate::cli::{Globals, WalletCommand};
use crate::connect::{Chain, account, ask};
use crate::fail::Failure;
use crate::output::{Output, say, table};

pub(crate) async fn run(
    globals: &Globals,
    output: Output,
    command: WalletCommand,
) -> Result<(), Failure> {
    match command {
        WalletCommand::New { file } => new(globals, output, &file),
        WalletCommand::Address => {
            let address = account(globals)?;
            output.result(&json!({ "address": address }), || address.to_string())
        }
        WalletCommand::Balance { account } => balance(globals, output, account).await,
        WalletCommand::Deposit { amount } => deposit(globals, output, &amount).await,
        WalletCommand::Withdraw { amount, to } => withdraw(globals, output, &amount, to).await,
    }
}

fn new(globals: &Globals, output: Output, file: &std::path::Path) -> Result<(), Failure> {
    let password = match &globals.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                Failure::new(
                    "cli.password_file",
                    format!("password file {}: {e}", path.display()),
                )
            })?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => {
            let first = ask("New password: ")?;
            if ask("Once more: ")? != first {
                return Err(Failure::new(
                    "cli.passwords_differ",
                    "the two passwords differ; no key was made",
                ));
            }
            first
        }
    };
    if password.is_empty() {
        return Err(Failure::new(
            "cli.empty_password",
            "the password is empty; no key was made",
        )
        .next("Whoever reads the file would have the money."));
    }
    let address = keys::create(file, &password)?.address();
    say!(
        "Wrote {}. Keep it and its password: nobody can restore them.",
        file.display()
    );
    output.result(&json!({ "address": address, "file": file }), || {
        address.to_string()
    })
}

async fn balance(globals: &Globals, output: Output, who: Option<Address>) -> Result<(), Failure> {
    let who = match who {
        Some(who) => who,
        None => account(globals)?,
    };
    let chain = Chain::open(globals).await?;
    let failed = |e| Failure::new("chain.rpc", format!("reading the balance of {who}: {e}"));
    let wallet = chain.erc20().balanceOf(who).call().await.map_err(failed)?;
    let ledger = chain
        .contract()
        .balanceOf(who)
        .call()
        .await
        .map_err(failed)?;
    let provider = chain
        .contract()
        .providerOf(who)
        .call()
        .await
        .map_err(failed)?;
    let gas = chain
        .provider
        .get_balance(who)
        .await
        .map_err(|e| failed(e.into()))?;
    let wallet = u128::try_from(wallet).unwrap_or(u128::MAX);
    let value = json!({
        "account": who, "token": chain.token, "decimals": chain.decimals,
        "wallet": wallet.to_string(), "ledger": ledger.to_string(),
        "stake": provider.stake.to_string(), "stake_free": provider.free.to_string(), "wei": gas.to_string(),
    });
    output.result(&value, || {
        let row = |name: &str, amount: u128, note: &str| {
            vec![
                name.to_owned(),
                tokens(amount, chain.decimals),
                format!("{} {note}", chain.symbol),
            ]
        };
        let ether = u128::try_from(gas).unwrap_or(u128::MAX);
        table(
            &[
                row("wallet", wallet, "in the account itself"),
                row("ledger", ledger, "in the market, for jobs or to withdraw"),
                row(
                    "stake",
                    provider.stake,
                    &format!("({} free)", tokens(provider.free, chain.decimals)),
                ),
                vec!["gas".into(), tokens(ether, 18), "ether".into()],
            ],
            &[1],
        )
    })
}

/// Lets the market take `amount` of the sender's tokens, if it may not yet.
pub(crate) async fn allow(
    chain: &Chain,
    sender: &piecework::chain::Sender,
    amount: u128,
) -> Result<(), Failure> {
    let who = sender.address();
    let failed = |e| Failure::new("chain.rpc", format!("reading the tokens of {who}: {e}"));
    let has = chain.erc20().balanceOf(who).call().await.map_err(failed)?;
    if has < U256::from(amount) {
        let has = chain.show(u128::try_from(has).unwrap_or(u128::MAX));
        return Err(Failure::new(
            "cli.empty_balance",
            format!("{who} has {has}, not {}", chain.show(amount)),
        )
        .money("Nothing was sent.")
        .next(format!("Send tokens of {} to {who} first.", chain.token)));
    }
    let allowed = chain
        .erc20()
        .allowance(who, chain.market)
        .call()
        .await
        .map_err(failed)?;
    if allowed < U256::from(amount) {
        let approve = IERC20::approveCall {
            spender: chain.market,
            value: U256::from(amount),
        };
        sender.call(chain.token, &approve).await?;
    }
    Ok(())
}

async fn deposit(globals: &Globals, output: Output, amount: &Amount) -> Result<(), Failure> {
    let chain = Chain::open(globals).await?;
    let sender = chain.sender(globals)?;
    let units = amount.units(chain.decimals)?;
    allow(&chain, &sender, units).await?;
    let receipt = sender
        .call(
            chain.market,
            &IMarket::depositCall {
                account: sender.address(),
                amount: units,
            },
        )
        .await?;
    say!("Deposited {}.", chain.show(units));
    let value = json!({ "transaction": receipt.transaction_hash, "amount": units.to_string() });
    output.result(&value, || receipt.transaction_hash.to_string())
}

async fn withdraw(
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
        .call(chain.market, &IMarket::withdrawCall { to, amount: units })
        .await?;
    say!("Withdrew {} to {to}.", chain.show(units));
    let value =
        json!({ "transaction": receipt.transaction_hash, "amount": units.to_string(), "to": to });
    output.result(&value, || receipt.transaction_hash.to_string())
}

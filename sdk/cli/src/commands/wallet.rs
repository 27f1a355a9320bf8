//! `piecework wallet`: keys, and an account's balance in the market.

use std::path::Path;

use alloy::primitives::Address;
use alloy::rpc::types::TransactionReceipt;
use piecework::chain::keys;
use serde_json::json;

use crate::amount::{Amount, tokens};
use crate::cli::{Globals, WalletCommand};
use crate::connect::{Key, account, ask, market, read_password};
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

fn new(globals: &Globals, output: Output, file: &Path) -> Result<(), Failure> {
    let password = match &globals.password_file {
        Some(path) => read_password(path)?,
        None => {
            let first = ask("New password: ")?;
            if ask("Once more: ")? != first {
                return Err(Failure::new(
                    "cli-passwords-differ",
                    "the two passwords differ; no key was made",
                ));
            }
            first
        }
    };
    if password.is_empty() {
        return Err(Failure::new(
            "cli-empty-password",
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
    let market = market(globals, Key::Unneeded).await?;
    let balances = market.balances(who).await?;
    let provider = market.provider_of(who).await?;
    let token = market.token();
    let value = json!({
        "account": who,
        "token": token.address,
        "decimals": token.decimals,
        "wallet": balances.wallet.to_string(),
        "balance": balances.balance.to_string(),
        "stake": provider.stake.to_string(),
        "stake_free": provider.free.to_string(),
        "wei": balances.coin.to_string(),
    });
    output.result(&value, || {
        let row = |name: &str, amount: u128, note: &str| {
            vec![
                name.to_owned(),
                tokens(amount, token.decimals),
                token.symbol.clone(),
                note.to_owned(),
            ]
        };
        let mut rows = vec![
            row("wallet", balances.wallet, "in the account itself"),
            row(
                "balance",
                balances.balance,
                "in the market: for jobs, or to withdraw",
            ),
        ];
        if provider.number > 0 {
            let free = format!("{} of it free", tokens(provider.free, token.decimals));
            rows.push(row("stake", provider.stake, &free));
        }
        let coin = u128::try_from(balances.coin).unwrap_or(u128::MAX);
        rows.push(vec!["gas".into(), tokens(coin, 18), "ether".into()]);
        table(&rows, &[1])
    })
}

async fn deposit(globals: &Globals, output: Output, amount: &Amount) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let units = amount.units(market.token().decimals)?;
    let receipts = market.deposit(units).await?;
    say!("Deposited {}.", market.token().format(units));
    sent(output, units, receipts.last())
}

async fn withdraw(
    globals: &Globals,
    output: Output,
    amount: &Amount,
    to: Option<Address>,
) -> Result<(), Failure> {
    let market = market(globals, Key::Needed).await?;
    let units = amount.units(market.token().decimals)?;
    let to = to.map_or_else(|| market.account(), Ok)?;
    let receipt = market.withdraw(to, units).await?;
    say!("Withdrew {} to {to}.", market.token().format(units));
    sent(output, units, Some(&receipt))
}

/// Prints the transaction that moved money.
pub(super) fn sent(
    output: Output,
    units: u128,
    receipt: Option<&TransactionReceipt>,
) -> Result<(), Failure> {
    let hash = receipt.map(|receipt| receipt.transaction_hash);
    let value = json!({ "transaction": hash, "amount": units.to_string() });
    output.result(&value, || {
        hash.map_or_else(String::new, |hash| hash.to_string())
    })
}

//! A dev node of pallet-revive on loopback. It takes anvil's arguments and prints what anvil prints, so that it can be
//! run in its place.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use alloy_primitives::hex;
use anyhow::{Context as _, Result};
use clap::Parser;
use pallet_revive::evm::Account;
use pallet_revive::{H160, U256};
use piecework_revive::node::{Options, Server};
use subxt_signer::bip39::Mnemonic;
use subxt_signer::eth::{DerivationPath, Keypair};

/// What everybody's dev accounts are made of.
const PHRASE: &str = "test test test test test test test test test test test junk";

/// Polkadot's contracts (pallet-revive, with EVM bytecode) behind Ethereum's JSON-RPC, in memory, with anvil's accounts
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 for any free one
    #[arg(long, default_value_t = 8545)]
    port: u16,
    /// The chain's id
    #[arg(long, default_value_t = 31_337, value_parser = clap::value_parser!(u64).range(1..))]
    chain_id: u64,
    /// Funded accounts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1000))]
    accounts: u32,
    /// Ether that each of them has
    #[arg(long, default_value_t = 10_000)]
    balance: u64,
    /// Seconds between blocks; transactions wait for them
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    block_time: Option<u64>,
    /// With --block-time: transactions do not wait
    #[arg(long, requires = "block_time")]
    mixed_mining: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let keys = (0..arguments.accounts)
        .map(key)
        .collect::<Result<Vec<_>>>()?;
    let options = Options {
        chain_id: arguments.chain_id,
        rich: keys.iter().map(|(address, _)| *address).collect(),
        balance: U256::from(arguments.balance) * U256::from(1_000_000_000_000_000_000_u64),
        automine: arguments.block_time.is_none() || arguments.mixed_mining,
    };
    let address = SocketAddr::new(arguments.host, arguments.port);
    let server = Server::bind(address, options).await?;

    let mut out = std::io::stdout();
    for (number, (address, secret)) in keys.iter().enumerate() {
        writeln!(out, "({number}) {}", hex::encode_prefixed(secret))?;
        writeln!(out, "    {address:?}")?;
    }
    writeln!(out, "Listening on {}", server.address)?;
    out.flush()?;

    let every = arguments.block_time.map(Duration::from_secs);
    let end = async {
        // Without a Ctrl-C it ends when it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.serve(every, end).await?;
    Ok(())
}

/// One of anvil's accounts: its address and its key.
fn key(number: u32) -> Result<(H160, [u8; 32])> {
    let phrase = Mnemonic::parse(PHRASE).context("the phrase")?;
    let keypair = Keypair::from_phrase(&phrase, None, DerivationPath::eth(0, number))
        .map_err(|error| anyhow::anyhow!("account {number}: {error}"))?;
    let secret = keypair.secret_key();
    Ok((Account::from_secret_key(secret).address(), secret))
}

//! From the global options to a market and a key.

use std::io::IsTerminal as _;
use std::path::Path;

use alloy::primitives::Address;
use alloy::providers::DynProvider;
use alloy::signers::local::PrivateKeySigner;
use piecework::chain::{ChainOptions, IERC20, IMarket, Sender, check_market, connect, keys};

use crate::cli::Globals;
use crate::fail::Failure;

/// A market that was found where it should be.
pub(crate) struct Chain {
    pub(crate) provider: DynProvider,
    pub(crate) chain_id: u64,
    pub(crate) market: Address,
    pub(crate) token: Address,
    /// Decimals of the token.
    pub(crate) decimals: u8,
    pub(crate) symbol: String,
}

impl Chain {
    pub(crate) async fn open(globals: &Globals) -> Result<Self, Failure> {
        let mut globals = globals.clone();
        crate::file::fill_in(&mut globals)?;
        let (Some(rpc_url), Some(market)) = (&globals.rpc_url, globals.market) else {
            return Err(Failure::new("cli.no_market", "no market is named, and no devnet runs on this machine")
                .next("Give --rpc-url and --market (or PIECEWORK_RPC_URL and PIECEWORK_MARKET), or start `piecework devnet`."));
        };
        let mut options = ChainOptions::new(rpc_url);
        options.chain_id = globals.chain_id;
        let (provider, chain_id) = connect(&options).await?;
        let token = check_market(&provider, chain_id, market).await?;
        let erc20 = IERC20::new(token, &provider);
        let unreadable = |e| {
            Failure::new(
                "cli.token",
                format!("the market's token {token} does not answer: {e}"),
            )
        };
        let decimals = erc20.decimals().call().await.map_err(unreadable)?;
        // A name is for people only; a token without one is a token still.
        let symbol = erc20
            .symbol()
            .call()
            .await
            .unwrap_or_else(|_| "tokens".to_owned());
        let symbol = symbol
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .take(12)
            .collect();
        Ok(Self {
            provider,
            chain_id,
            market,
            token,
            decimals,
            symbol,
        })
    }

    /// The market's contract.
    pub(crate) fn contract(&self) -> IMarket::IMarketInstance<&DynProvider> {
        IMarket::new(self.market, &self.provider)
    }

    /// The market's token.
    pub(crate) fn erc20(&self) -> IERC20::IERC20Instance<&DynProvider> {
        IERC20::new(self.token, &self.provider)
    }

    /// Sends with the key of the global options.
    pub(crate) fn sender(&self, globals: &Globals) -> Result<Sender, Failure> {
        Ok(Sender::new(
            self.provider.clone(),
            self.chain_id,
            signer(globals)?,
        ))
    }

    /// An amount as people read it.
    pub(crate) fn show(&self, units: u128) -> String {
        format!(
            "{} {}",
            crate::amount::tokens(units, self.decimals),
            self.symbol
        )
    }
}

/// The account of the global options, without its password where that is possible.
pub(crate) fn account(globals: &Globals) -> Result<Address, Failure> {
    if let Some(file) = &globals.keystore
        && let Some(address) = keys::address(file)?
    {
        return Ok(address);
    }
    Ok(signer(globals)?.address())
}

/// The key of the global options: a keystore, PIECEWORK_PRIVATE_KEY, or the devnet's client.
pub(crate) fn signer(globals: &Globals) -> Result<PrivateKeySigner, Failure> {
    if let Some(file) = &globals.keystore {
        return Ok(keys::load(file, &password(globals, file)?)?);
    }
    if let Ok(key) = std::env::var("PIECEWORK_PRIVATE_KEY")
        && !key.is_empty()
    {
        return Ok(keys::parse_key(&key)?);
    }
    if let Some(key) = crate::file::client_key(globals)? {
        return Ok(keys::parse_key(&key)?);
    }
    Err(Failure::new("cli.no_key", "no key is named")
        .next("Give --keystore FILE (`piecework wallet new FILE` makes one), or set PIECEWORK_PRIVATE_KEY."))
}

fn password(globals: &Globals, keystore: &Path) -> Result<String, Failure> {
    if let Some(file) = &globals.password_file {
        let text = std::fs::read_to_string(file).map_err(|e| {
            Failure::new(
                "cli.password_file",
                format!("password file {}: {e}", file.display()),
            )
        })?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    ask(&format!("Password of {}: ", keystore.display()))
}

/// Asks on the terminal.
pub(crate) fn ask(prompt: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            "cli.no_password",
            "a password is needed, and nobody can be asked for it",
        )
        .next("Give --password-file FILE."));
    }
    rpassword::prompt_password(prompt)
        .map_err(|e| Failure::new("cli.no_password", format!("cannot read the password: {e}")))
}

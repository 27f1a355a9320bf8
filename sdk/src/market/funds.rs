//! Money: the token, the market's balances, and getting from one to the other.

use alloy::primitives::{Address, U256, keccak256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::SignerSync as _;
use alloy::sol;
use alloy::sol_types::{SolStruct as _, SolValue as _};

use super::Market;
use crate::Error;
use crate::chain::{ChainError, Contract, IERC20, IMarket};

sol! {
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }
}

/// How long a permit can be used, in seconds.
const PERMIT_TIME: u64 = 3600;

/// The market's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its contract.
    pub address: Address,
    /// Its name.
    pub name: String,
    /// Its symbol.
    pub symbol: String,
    /// Decimals of its display unit.
    pub decimals: u8,
}

impl TokenInfo {
    pub(super) async fn read(provider: &DynProvider, address: Address) -> Result<Self, Error> {
        let token = Contract::new(address, provider);
        let failed = |error| ChainError::from_contract(format!("reading token {address}"), error);
        let decimals = token
            .ask(IERC20::decimalsCall {})
            .call()
            .await
            .map_err(failed)?;
        // Name and symbol are optional in ERC-20, and strangers write them.
        let name = token
            .ask(IERC20::nameCall {})
            .call()
            .await
            .unwrap_or_default();
        let symbol = token
            .ask(IERC20::symbolCall {})
            .call()
            .await
            .unwrap_or_default();
        Ok(Self {
            address,
            name: printable(&name),
            symbol: printable(&symbol),
            decimals,
        })
    }

    /// An amount in the token's display unit, such as `1.5 PLAY`.
    pub fn format(&self, amount: u128) -> String {
        let text = alloy::primitives::utils::format_units(U256::from(amount), self.decimals)
            .unwrap_or_else(|_| amount.to_string());
        let text = match text.split_once('.') {
            Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
            None => &text,
        };
        format!("{text} {}", self.symbol)
    }

    /// Units in an amount that is written in the display unit, such as `1.5`.
    ///
    /// # Errors
    /// [`Error::Config`] for anything but a decimal number that fits.
    pub fn parse(&self, text: &str) -> Result<u128, Error> {
        let bad = || {
            Error::config(
                "amount",
                format!("{text:?} is no amount of {}", self.symbol),
            )
        };
        let plain = text.split('.').count() <= 2
            && text.starts_with(|first: char| first.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_digit() || c == '.');
        if !plain
            || text
                .split_once('.')
                .is_some_and(|(_, fraction)| fraction.len() > usize::from(self.decimals))
        {
            return Err(bad());
        }
        let units =
            alloy::primitives::utils::parse_units(text, self.decimals).map_err(|_| bad())?;
        u128::try_from(units.get_absolute()).map_err(|_| bad())
    }
}

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balances {
    /// Units of the token in the account itself.
    pub wallet: u128,
    /// Units of its balance in the market: to post with, or to withdraw.
    pub balance: u128,
    /// The chain's own coin in wei, for gas.
    pub coin: U256,
}

impl Market {
    /// What `account` has.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn balances(&self, account: Address) -> Result<Balances, Error> {
        let provider = &self.inner.provider;
        let failed = |error| ChainError::from_contract("reading balances", error);
        let wallet = Contract::new(self.inner.token.address, provider)
            .ask(IERC20::balanceOfCall { account })
            .call()
            .await
            .map_err(failed)?;
        let balance = self
            .contract()
            .ask(IMarket::balanceOfCall { account })
            .call()
            .await
            .map_err(failed)?;
        let coin = provider
            .get_balance(account)
            .await
            .map_err(|error| ChainError::from_rpc("eth_getBalance", error))?;
        Ok(Balances {
            wallet: u128::try_from(wallet).unwrap_or(u128::MAX),
            balance,
            coin,
        })
    }

    /// Moves `amount` units from the client's account into its balance: with a permit when the
    /// token knows ERC-2612, otherwise with an approval first. Returns the receipts, the deposit's last.
    ///
    /// # Errors
    /// [`Error::InsufficientFunds`], [`Error::NoKey`], [`Error::Chain`].
    pub async fn deposit(&self, amount: u128) -> Result<Vec<TransactionReceipt>, Error> {
        self.deposit_for(self.account()?, amount).await
    }

    /// As [`Market::deposit`], into the balance of `beneficiary`. What is there is that account's.
    ///
    /// # Errors
    /// [`Error::InsufficientFunds`], [`Error::NoKey`], [`Error::Chain`].
    pub async fn deposit_for(
        &self,
        beneficiary: Address,
        amount: u128,
    ) -> Result<Vec<TransactionReceipt>, Error> {
        let sender = self.sender()?;
        let account = sender.address();
        let balances = self.balances(account).await?;
        if balances.wallet < amount {
            return Err(Error::InsufficientFunds {
                account,
                token: self.inner.token.symbol.clone(),
                balance: 0,
                wallet: balances.wallet,
                need: amount,
            });
        }
        if let Some(permit) = self.permit(account, amount).await? {
            let permit = IMarket::depositWithPermitCall {
                account: beneficiary,
                ..permit
            };
            return Ok(vec![sender.call(self.address(), &permit).await?]);
        }
        let mut receipts = self.approve(amount).await?;
        let call = IMarket::depositCall {
            account: beneficiary,
            amount,
        };
        receipts.push(sender.call(self.address(), &call).await?);
        Ok(receipts)
    }

    /// Pays `amount` units from the client's balance to `to`.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn withdraw(&self, to: Address, amount: u128) -> Result<TransactionReceipt, Error> {
        Ok(self
            .sender()?
            .call(self.address(), &IMarket::withdrawCall { to, amount })
            .await?)
    }

    /// Lets the market take `amount` units of the client's tokens, unless it may already.
    pub(super) async fn approve(&self, amount: u128) -> Result<Vec<TransactionReceipt>, Error> {
        let sender = self.sender()?;
        let token = self.inner.token.address;
        let allowance = Contract::new(token, &self.inner.provider)
            .ask(IERC20::allowanceCall {
                owner: sender.address(),
                spender: self.address(),
            })
            .call()
            .await
            .map_err(|error| ChainError::from_contract("reading the allowance", error))?;
        if allowance >= U256::from(amount) {
            return Ok(Vec::new());
        }
        let call = IERC20::approveCall {
            spender: self.address(),
            value: U256::from(amount),
        };
        Ok(vec![sender.call(token, &call).await?])
    }

    /// A `depositWithPermit` that is signed and ready; none when the token knows no ERC-2612, or the
    /// key is behind a wallet that signs transactions only.
    async fn permit(
        &self,
        account: Address,
        amount: u128,
    ) -> Result<Option<IMarket::depositWithPermitCall>, Error> {
        let Some(signer) = self.sender()?.signer() else {
            return Ok(None);
        };
        let token = Contract::new(self.inner.token.address, &self.inner.provider);
        let (Ok(nonce), Ok(domain)) = (
            token
                .ask(IERC20::noncesCall { owner: account })
                .call()
                .await,
            token.ask(IERC20::DOMAIN_SEPARATORCall {}).call().await,
        ) else {
            return Ok(None);
        };
        let deadline = U256::from(self.now().await?.saturating_add(PERMIT_TIME));
        let permit = Permit {
            owner: account,
            spender: self.address(),
            value: U256::from(amount),
            nonce,
            deadline,
        };
        // The token's own separator rather than one built from guessed name and version.
        let digest = keccak256(
            (
                alloy::primitives::fixed_bytes!("1901"),
                domain,
                permit.eip712_hash_struct(),
            )
                .abi_encode_packed(),
        );
        let signature = signer
            .sign_hash_sync(&digest)
            .map_err(|error| ChainError::Signer {
                account,
                reason: error.to_string(),
            })?;
        Ok(Some(IMarket::depositWithPermitCall {
            account,
            amount,
            deadline,
            v: 27 + u8::from(signature.v()),
            r: signature.r().into(),
            s: signature.s().into(),
        }))
    }
}

/// Strangers name tokens: keep what is harmless on a terminal.
fn printable(text: &str) -> String {
    piecework_net::terminal::line(text, 32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_read_back_as_they_were_written() {
        let token = TokenInfo {
            address: Address::ZERO,
            name: "Play".to_owned(),
            symbol: "PLAY".to_owned(),
            decimals: 6,
        };
        for (units, text) in [
            (0, "0"),
            (1, "0.000001"),
            (1_500_000, "1.5"),
            (20_000_000, "20"),
        ] {
            assert_eq!(token.format(units), format!("{text} PLAY"));
            assert_eq!(token.parse(text).unwrap(), units);
        }
        for bad in [
            "",
            "-1",
            "1e3",
            "1.2.3",
            ".5",
            "0.0000001",
            "1 000",
            "0x10",
            "9".repeat(60).as_str(),
        ] {
            assert_eq!(token.parse(bad).unwrap_err().code(), "config", "{bad}");
        }
        let whole = TokenInfo {
            decimals: 0,
            ..token
        };
        assert_eq!(
            (whole.format(100).as_str(), whole.parse("100").unwrap()),
            ("100 PLAY", 100)
        );
    }
}

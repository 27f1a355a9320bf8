//! A sender of transactions for clients: simulates first, takes the nonce last, waits, and raises
//! the fee of what is not mined. It keeps nothing across a restart; the executor has its own
//! durable one.

use std::sync::Arc;
use std::time::Duration;

use alloy::eips::Encodable2718 as _;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use alloy::transports::RpcError;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ChainError;

/// How patient a [`Sender`] is.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// How often receipts are asked for.
    pub poll_interval: Duration,
    /// After how long without being mined the fee is raised by 12.5 %.
    pub bump_after: Duration,
    /// After how long it is given up.
    pub timeout: Duration,
}

impl SendOptions {
    /// Defaults for a chain: 50 ms / 5 s / 60 s on anvil's, else 1 s / 45 s / 600 s.
    pub fn for_chain(chain_id: u64) -> Self {
        let (poll, bump, timeout) = if chain_id == 31337 {
            (50, 5, 60)
        } else {
            (1000, 45, 600)
        };
        Self {
            poll_interval: Duration::from_millis(poll),
            bump_after: Duration::from_secs(bump),
            timeout: Duration::from_secs(timeout),
        }
    }
}

/// Sends transactions of one key on one chain, one at a time. Clones share that order.
#[derive(Debug, Clone)]
pub struct Sender {
    provider: DynProvider,
    chain_id: u64,
    address: Address,
    wallet: EthereumWallet,
    signer: Option<PrivateKeySigner>,
    options: SendOptions,
    turn: Arc<Mutex<()>>,
}

impl Sender {
    /// A sender of `signer`'s transactions on `chain_id`.
    pub fn new(provider: DynProvider, chain_id: u64, signer: PrivateKeySigner) -> Self {
        Self {
            signer: Some(signer.clone()),
            ..Self::with_wallet(provider, chain_id, EthereumWallet::new(signer))
        }
    }

    /// A sender of the transactions of `wallet`'s default account, whose key may be anywhere.
    pub fn with_wallet(provider: DynProvider, chain_id: u64, wallet: EthereumWallet) -> Self {
        Self {
            provider,
            chain_id,
            address: wallet.default_signer().address(),
            wallet,
            signer: None,
            options: SendOptions::for_chain(chain_id),
            turn: Arc::default(),
        }
    }

    /// Sets how patient it is.
    pub fn with_options(mut self, options: SendOptions) -> Self {
        self.options = options;
        self
    }

    /// The account that sends.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its key, for signatures other than transactions'; none if only a wallet is known.
    pub fn signer(&self) -> Option<&PrivateKeySigner> {
        self.signer.as_ref()
    }

    /// The chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The node.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Calls a contract and waits until it is mined and has succeeded.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] before anything is sent if the call would fail now; see
    /// [`ChainError`] for the others.
    pub async fn call<C: SolCall>(
        &self,
        to: Address,
        call: &C,
    ) -> Result<TransactionReceipt, ChainError> {
        let request = TransactionRequest::default()
            .with_to(to)
            .with_input(call.abi_encode());
        self.send(C::SIGNATURE, request).await
    }

    /// Deploys a contract: `code` is its creation code with encoded arguments.
    ///
    /// # Errors
    /// See [`Sender::call`].
    pub async fn deploy(
        &self,
        name: &'static str,
        code: Bytes,
    ) -> Result<(Address, TransactionReceipt), ChainError> {
        let receipt = self
            .send(name, TransactionRequest::default().with_deploy_code(code))
            .await?;
        let address = receipt.contract_address.ok_or_else(|| ChainError::Rpc {
            action: format!("deployment of {name}"),
            reason: "the receipt names no contract".to_owned(),
            source: None,
        })?;
        Ok((address, receipt))
    }

    /// Sends a transaction and waits for it. `action` names it in errors.
    ///
    /// # Errors
    /// See [`Sender::call`].
    pub async fn send(
        &self,
        action: &str,
        request: TransactionRequest,
    ) -> Result<TransactionReceipt, ChainError> {
        let _turn = self.turn.lock().await;
        let account = self.address();
        let mut request = request.with_from(account).with_chain_id(self.chain_id);

        let gas = self
            .provider
            .estimate_gas(request.clone())
            .await
            .map_err(|error| self.sort(action, error))?;
        let fees = self
            .provider
            .estimate_eip1559_fees()
            .await
            .map_err(|error| self.sort(action, error))?;
        request.set_gas_limit(gas.saturating_add(gas / 5));
        request.set_max_fee_per_gas(fees.max_fee_per_gas);
        request.set_max_priority_fee_per_gas(fees.max_priority_fee_per_gas);
        // The nonce comes last: until here nothing is taken that a failure would leave open.
        let nonce = self
            .provider
            .get_transaction_count(account)
            .pending()
            .await
            .map_err(|error| self.sort(action, error))?;
        request.set_nonce(nonce);

        let started = Instant::now();
        let mut hashes = vec![self.broadcast(action, &request, true).await?];
        let mut next_bump = started + self.options.bump_after;
        loop {
            tokio::time::sleep(self.options.poll_interval).await;
            if let Some(receipt) = self.mined(&hashes).await? {
                return self.succeeded(receipt, request).await;
            }
            let now = Instant::now();
            let last = hashes.last().copied().unwrap_or_default();
            if now >= started + self.options.timeout {
                let attempts = hashes.len().try_into().unwrap_or(u32::MAX);
                let waited = now - started;
                return Err(ChainError::NotMined {
                    tx: last,
                    account,
                    nonce,
                    attempts,
                    waited,
                });
            }
            if now >= next_bump {
                next_bump = now + self.options.bump_after;
                if self.nonce_used(nonce).await {
                    // Mined between two looks, or lost to another program with the same key.
                    if let Some(receipt) = self.mined(&hashes).await? {
                        return self.succeeded(receipt, request).await;
                    }
                    return Err(ChainError::NonceTaken {
                        tx: last,
                        account,
                        nonce,
                    });
                }
                raise_fees(&mut request);
                // A node that keeps the old attempt is fine: either one may be mined.
                match self.broadcast(action, &request, false).await {
                    Ok(hash) => hashes.push(hash),
                    Err(error) => tracing::debug!(%error, nonce, "replacement was not taken"),
                }
            }
        }
    }

    /// Signs and broadcasts. When the node's answer is lost, the transaction may be out there: its
    /// hash is returned all the same.
    async fn broadcast(
        &self,
        action: &str,
        request: &TransactionRequest,
        first: bool,
    ) -> Result<B256, ChainError> {
        let account = self.address();
        let envelope =
            request
                .clone()
                .build(&self.wallet)
                .await
                .map_err(|error| ChainError::Signer {
                    account,
                    reason: error.to_string(),
                })?;
        let hash = *envelope.tx_hash();
        let sent = self
            .provider
            .send_raw_transaction(&envelope.encoded_2718())
            .await;
        let Err(error) = sent else {
            return Ok(hash);
        };
        let refused = error.is_error_resp();
        if refused && !self.is_there(hash).await {
            return Err(self.sort(action, error));
        }
        if first || refused {
            tracing::warn!(%error, %hash, action, "the answer to a broadcast was an error; waiting for the transaction all the same");
            return Ok(hash);
        }
        Err(self.sort(action, error))
    }

    /// Whether a transaction is with the node although its answer to the broadcast was an error: with several nodes behind
    /// one address, "nonce too low" or "internal error" may be the second answer to what was taken at first.
    async fn is_there(&self, hash: B256) -> bool {
        for _ in 0..LOOKS {
            if let Ok(Some(_)) = self.provider.get_transaction_by_hash(hash).await {
                return true;
            }
            tokio::time::sleep(self.options.poll_interval.min(LONGEST_LOOK)).await;
        }
        false
    }

    /// The receipt of whichever attempt was mined. A node that fails is asked again later.
    async fn mined(&self, hashes: &[B256]) -> Result<Option<TransactionReceipt>, ChainError> {
        for hash in hashes.iter().rev() {
            match self.provider.get_transaction_receipt(*hash).await {
                Ok(Some(receipt)) if receipt.block_number.is_some() => return Ok(Some(receipt)),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, %hash, "no receipt"),
            }
        }
        Ok(None)
    }

    async fn nonce_used(&self, nonce: u64) -> bool {
        self.provider
            .get_transaction_count(self.address())
            .await
            .is_ok_and(|next| next > nonce)
    }

    /// The receipt, if it succeeded; else why it failed, found by calling again on its block.
    async fn succeeded(
        &self,
        receipt: TransactionReceipt,
        mut request: TransactionRequest,
    ) -> Result<TransactionReceipt, ChainError> {
        if receipt.status() {
            return Ok(receipt);
        }
        request.nonce = None;
        let replay = self
            .provider
            .call(request)
            .block(receipt.block_number.unwrap_or_default().into())
            .await;
        let revert = match &replay {
            Err(error) => super::decode_error(error),
            Ok(_) => None,
        };
        let revert = revert.unwrap_or_else(|| super::decode_revert(&Bytes::new()));
        Err(ChainError::Reverted {
            revert: Box::new(revert),
            tx: Some(receipt.transaction_hash),
        })
    }

    fn sort(
        &self,
        action: &str,
        error: RpcError<alloy::transports::TransportErrorKind>,
    ) -> ChainError {
        if let RpcError::ErrorResp(payload) = &error {
            let message = payload.message.to_lowercase();
            if message.contains("insufficient funds") || message.contains("enough funds") {
                return ChainError::NoGas {
                    account: self.address(),
                    reason: crate::terminal::line(&payload.message, super::error::MAX_WORDS),
                };
            }
        }
        ChainError::from_rpc(action, error)
    }
}

/// How often the sender looks for a transaction that a node says it has refused.
const LOOKS: u32 = 3;
/// Longest pause between these looks.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// Nodes take a replacement only if both fees rise by at least a tenth.
fn raise_fees(request: &mut TransactionRequest) {
    let raise = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
    request.max_fee_per_gas = request.max_fee_per_gas.map(raise);
    request.max_priority_fee_per_gas = request.max_priority_fee_per_gas.map(raise);
}

//! For programs that hold an ethers-rs signer: an adapter that lets the SDK sign with it.
//!
//! ethers-rs is archived and gets no fixes; new programs use alloy's signers. Feature `ethers`.

use alloy::consensus::SignableTransaction;
use alloy::network::{EthereumWallet, TxSigner};
use alloy::primitives::{Address, Signature, U256};
use async_trait::async_trait;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::utils::rlp::{Decodable as _, Rlp};
use ethers_signers::Signer;

/// A wallet for [`crate::MarketConfig::wallet`] that signs with an ethers-rs `signer`.
///
/// ```
/// # use ethers_signers::LocalWallet;
/// # use piecework::{MarketConfig, ethers};
/// # fn configure(key: LocalWallet, market: alloy::primitives::Address) -> MarketConfig {
/// MarketConfig::new("http://127.0.0.1:8545", market).wallet(ethers::wallet(key))
/// # }
/// ```
pub fn wallet<S: Signer + 'static>(signer: S) -> EthereumWallet {
    EthereumWallet::new(Adapter(signer))
}

struct Adapter<S>(S);

#[async_trait]
impl<S: Signer> TxSigner<Signature> for Adapter<S> {
    fn address(&self) -> Address {
        Address::new(self.0.address().0)
    }

    async fn sign_transaction(
        &self,
        transaction: &mut dyn SignableTransaction<Signature>,
    ) -> alloy::signers::Result<Signature> {
        // Both libraries speak the canonical encoding; the hashes are compared, so that what is
        // signed is what was asked for.
        let encoded = transaction.encoded_for_signing();
        let theirs = TypedTransaction::decode(&Rlp::new(&encoded))
            .map_err(|error| other(format!("ethers-rs cannot read this transaction: {error}")))?;
        let hash = transaction.signature_hash();
        if theirs.sighash().0 != hash.0 {
            return Err(other("ethers-rs encodes this transaction otherwise"));
        }
        let signed = self
            .0
            .sign_transaction(&theirs)
            .await
            .map_err(|error| other(error.to_string()))?;
        let (r, s) = (U256::from_limbs(signed.r.0), U256::from_limbs(signed.s.0));
        // ethers-rs folds the chain id into `v` for some transaction types: find the parity.
        [false, true]
            .into_iter()
            .map(|parity| Signature::new(r, s, parity))
            .find(|signature| {
                signature.recover_address_from_prehash(&hash).ok() == Some(TxSigner::address(self))
            })
            .ok_or_else(|| other("the ethers-rs signer signed with another key than its address's"))
    }
}

fn other(message: impl Into<String>) -> alloy::signers::Error {
    alloy::signers::Error::message(message.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use alloy::consensus::{TxEip1559, TxLegacy};
    use alloy::primitives::{Bytes, TxKind};
    use alloy::signers::local::PrivateKeySigner;

    const KEY: [u8; 32] = [7; 32];

    async fn agree(mut transaction: impl SignableTransaction<Signature> + Clone) {
        let theirs = Adapter(ethers_signers::LocalWallet::from_bytes(&KEY).unwrap());
        let ours = PrivateKeySigner::from_slice(&KEY).unwrap();
        assert_eq!(TxSigner::address(&theirs), ours.address());
        let expected = ours
            .sign_transaction(&mut transaction.clone())
            .await
            .unwrap();
        assert_eq!(
            theirs.sign_transaction(&mut transaction).await.unwrap(),
            expected
        );
    }

    #[tokio::test]
    async fn signs_as_alloy_does() {
        agree(TxEip1559 {
            chain_id: 31337,
            nonce: 3,
            gas_limit: 100_000,
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(Address::repeat_byte(1)),
            value: U256::ZERO,
            access_list: Default::default(),
            input: Bytes::from_static(b"calldata"),
        })
        .await;
        agree(TxEip1559 {
            to: TxKind::Create,
            ..TxEip1559::default()
        })
        .await;
        agree(TxLegacy {
            chain_id: Some(1),
            gas_price: 7,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(2)),
            ..TxLegacy::default()
        })
        .await;
    }
}

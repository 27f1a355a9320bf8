//! How a client proves to a provider that it may fetch a lease's outputs, while the provider serves them to nobody else.

use alloy::primitives::{Address, B256, Bytes, Signature};
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::{Eip712Domain, SolStruct as _, eip712_domain};
use axum::http::HeaderMap;

/// The header with the last second in which the request is good, in decimal Unix seconds.
pub const EXPIRES_HEADER: &str = "x-piecework-expires";
/// The header with the client's signature: 65 bytes as hex, with `0x`.
pub const SIGNATURE_HEADER: &str = "x-piecework-signature";
/// The header with the job's id: 32 bytes as hex, with `0x`.
pub const JOB_HEADER: &str = "x-piecework-job";
/// The header with the lease's first task, in decimal.
pub const FIRST_HEADER: &str = "x-piecework-first";

/// For how long a client signs, in seconds: for the blobs of a whole lease.
pub const LIFE: u64 = 3_000;
/// A request that is good for longer than this, in seconds, is refused: clocks differ, and captured requests must end.
pub const MAX_LIFE: u64 = 3_600;

sol! {
    /// The client wants the outputs of a lease from the provider with this node id.
    struct Fetch {
        address market;
        bytes32 jobId;
        uint32 first;
        bytes32 nodeId;
        uint64 expiresAt;
    }
}

/// A client's request for the outputs of one lease. One signature is good for all blobs of the lease, and for its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FetchRequest {
    /// Id of the chain.
    pub chain_id: u64,
    /// The market.
    pub market: Address,
    /// The job.
    pub job_id: B256,
    /// The lease's first task.
    pub first: u32,
    /// Node id in the provider's profile, zero if it has none: another provider cannot use the signature.
    pub node_id: B256,
    /// Last second in which the request is good, in Unix seconds.
    pub expires_at: u64,
}

impl FetchRequest {
    /// What the client signs: the EIP-712 digest, in a domain of its own that no transaction and no job has.
    pub fn digest(&self) -> B256 {
        self.typed().eip712_signing_hash(&self.domain())
    }

    /// Signs the request with the client's key.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&self, key: &PrivateKeySigner) -> Result<Bytes, alloy::signers::Error> {
        let signature = key.sign_hash_sync(&self.digest())?;
        Ok(signature.as_bytes().to_vec().into())
    }

    /// Whether the signature is `client`'s for this very request. A high `s` is refused, as the market does.
    pub fn verify(&self, signature: &[u8], client: Address) -> bool {
        let Ok(signature) = Signature::try_from(signature) else {
            return false;
        };
        signature.normalize_s().is_none()
            && signature
                .recover_address_from_prehash(&self.digest())
                .is_ok_and(|signer| signer == client)
    }

    /// Whether the request is good at `now`, in Unix seconds: neither over nor good for longer than [`MAX_LIFE`].
    pub fn is_current(&self, now: u64) -> bool {
        now <= self.expires_at && self.expires_at <= now.saturating_add(MAX_LIFE)
    }

    fn domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: "Piecework fetch",
            version: "1",
            chain_id: self.chain_id,
        }
    }

    fn typed(&self) -> Fetch {
        Fetch {
            market: self.market,
            jobId: self.job_id,
            first: self.first,
            nodeId: self.node_id,
            expiresAt: self.expires_at,
        }
    }
}

/// What the headers of a request say. The rest of the [`FetchRequest`] is what the provider knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchHeaders {
    /// The job.
    pub job_id: B256,
    /// The lease's first task.
    pub first: u32,
    /// Last second in which the request is good, in Unix seconds.
    pub expires_at: u64,
    /// The signature.
    pub signature: Bytes,
}

impl FetchHeaders {
    /// Signs a request, for its headers.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(
        request: &FetchRequest,
        key: &PrivateKeySigner,
    ) -> Result<Self, alloy::signers::Error> {
        Ok(Self {
            job_id: request.job_id,
            first: request.first,
            expires_at: request.expires_at,
            signature: request.sign(key)?,
        })
    }

    /// Reads the headers of a request; none if one is missing or malformed.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        Some(Self {
            job_id: text(JOB_HEADER)?.parse().ok()?,
            first: text(FIRST_HEADER)?.parse().ok()?,
            expires_at: text(EXPIRES_HEADER)?.parse().ok()?,
            signature: text(SIGNATURE_HEADER)?.parse().ok()?,
        })
    }

    /// The headers, by name and value.
    pub fn write(&self) -> [(&'static str, String); 4] {
        [
            (JOB_HEADER, self.job_id.to_string()),
            (FIRST_HEADER, self.first.to_string()),
            (EXPIRES_HEADER, self.expires_at.to_string()),
            (SIGNATURE_HEADER, self.signature.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request() -> FetchRequest {
        FetchRequest {
            chain_id: 31_337,
            market: Address::repeat_byte(1),
            job_id: B256::repeat_byte(2),
            first: 3,
            node_id: B256::repeat_byte(4),
            expires_at: 5_000,
        }
    }

    #[test]
    fn a_signature_is_good_for_its_request_alone() {
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        let client = key.address();
        let signature = request().sign(&key).unwrap();
        assert!(request().verify(&signature, client));
        assert!(!request().verify(&signature, Address::repeat_byte(9)));
        let changes: [fn(&mut FetchRequest); 6] = [
            |request| request.chain_id += 1,
            |request| request.market = Address::ZERO,
            |request| request.job_id = B256::ZERO,
            |request| request.first += 1,
            |request| request.node_id = B256::ZERO,
            |request| request.expires_at += 1,
        ];
        for change in changes {
            let mut other = request();
            change(&mut other);
            assert!(!other.verify(&signature, client), "{other:?}");
        }
        assert!(!request().verify(&[], client));
        let high = Signature::try_from(signature.as_ref()).unwrap();
        let order = alloy::primitives::U256::from_str_radix(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            16,
        );
        let flipped = Signature::new(high.r(), order.unwrap() - high.s(), !high.v());
        assert!(!request().verify(&flipped.as_bytes(), client), "malleable");
    }

    #[test]
    fn a_request_ends_and_cannot_be_good_for_long() {
        let request = request();
        assert!(request.is_current(5_000) && request.is_current(5_000 - MAX_LIFE));
        assert!(!request.is_current(5_001) && !request.is_current(4_999 - MAX_LIFE));
    }

    #[test]
    fn headers_survive_the_wire() {
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        let sent = FetchHeaders::sign(&request(), &key).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in sent.write() {
            headers.insert(name, value.parse().unwrap());
        }
        assert_eq!(FetchHeaders::read(&headers), Some(sent));
        headers.remove(FIRST_HEADER);
        assert_eq!(FetchHeaders::read(&headers), None);
    }
}

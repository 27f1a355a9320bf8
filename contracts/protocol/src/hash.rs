//! Everything that is hashed: EIP-712 structs, seats, commitments, draws, leaves. The hash itself is the host's.

use crate::abi::{account, hex32, job_words, number};
use crate::host::Host;
use crate::types::{Address, Bytes32, Job, Opening, U256};

/// `keccak256(abi.encode(..))` of static values.
pub(crate) fn words<const N: usize>(host: &impl Host, words: [Bytes32; N]) -> Bytes32 {
    host.keccak256(words.as_flattened())
}

/// `keccak256(left ++ right)`.
pub(crate) fn pair(host: &impl Host, left: &Bytes32, right: &Bytes32) -> Bytes32 {
    words(host, [*left, *right])
}

// ------------------------------------------------------------------ EIP-712

/// `keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")`.
const DOMAIN_TYPEHASH: Bytes32 = hex32("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");
/// `keccak256("Piecework")`.
const NAME_HASH: Bytes32 = hex32("0ad0fe32a5f77d1fc7a68c9df3ded328fd40e6d986ae9fb1ade346adaadf548f");
/// `keccak256("2")`.
const VERSION_HASH: Bytes32 = hex32("ad7c5bef027816a800da1736444fb58a807ef4c9603b7848673f7e3a68eb14a5");

/// The type of a job: what a wallet shows and signs. Its parts stand behind it in alphabetical order.
pub const JOB_TYPE: &str = "Job(Terms terms,Assurance assurance,Price price,Timing timing)\
    Assurance(uint8 replicas,uint8 quorum,uint16 auditBps,bool refund,address verifier)\
    Price(uint128 minPrice,uint128 maxPrice,uint128 bond,uint128 juryFee)\
    Terms(address client,uint64 nonce,bytes32 spec,uint32 tasks,uint32 minLease,uint32 maxLease,bytes32 providers)\
    Timing(uint64 opensAt,uint64 ramp,uint64 closesAt,uint64 runWindow,uint64 auditWindow)";
/// `keccak256` of [`JOB_TYPE`].
const JOB_TYPEHASH: Bytes32 = hex32("7e14da8425bf83fcf64e31b548d7cdda2f5f99922f5676097b76eaf812c557bb");
/// `keccak256` of the part of [`JOB_TYPE`] from `Assurance(` to its bracket.
const ASSURANCE_TYPEHASH: Bytes32 = hex32("a9f06ad68d22dd0b80675d9f8d7a51cf0b053c927c6a48da049d9fa91893c0f4");
/// Likewise of `Price(`.
const PRICE_TYPEHASH: Bytes32 = hex32("5dd74591b995f611492e04c9f9a649009df364eab171410cfa4f9969a332cc67");
/// Likewise of `Terms(`.
const TERMS_TYPEHASH: Bytes32 = hex32("86551da1bb974c0b98090504e156ad36df309266c4c536d60cc9564e1b364df5");
/// Likewise of `Timing(`.
const TIMING_TYPEHASH: Bytes32 = hex32("2819296b9daab69866b8ed2ad24339fed3b5052c4635a72bbf0ba010df46aa36");
/// `keccak256("Cancel(bytes32 jobId)")`.
const CANCEL_TYPEHASH: Bytes32 = hex32("318d199fcb20d16e8825df685a61550c5569c5ef9b6f19f9b988fbb5b017353c");

/// The domain separator of this market on the chain's present id.
pub fn domain(host: &impl Host) -> Bytes32 {
    let chain_id = host.chain_id().to_be_bytes();
    words(host, [DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, chain_id, account(&host.this())])
}

/// What is signed of a struct with this hash.
pub(crate) fn typed(host: &impl Host, domain: &Bytes32, struct_hash: &Bytes32) -> Bytes32 {
    let mut message = [0; 66];
    let (prefix, rest) = message.split_at_mut(2);
    prefix.copy_from_slice(&[0x19, 0x01]);
    let (first, second) = rest.split_at_mut(32);
    first.copy_from_slice(domain);
    second.copy_from_slice(struct_hash);
    host.keccak256(&message)
}

/// `hashStruct(job)`.
pub fn job(host: &impl Host, job: &Job) -> Bytes32 {
    // The words of each part in the order of calldata, each part with its type before it.
    let all = job_words(job);
    let (terms, rest) = all.split_at(7);
    let (assurance, rest) = rest.split_at(5);
    let (price, timing) = rest.split_at(4);
    let part = |typehash: Bytes32, words: &[Bytes32]| {
        let mut message = [[0; 32]; 8];
        for (place, word) in message.iter_mut().zip([&typehash].into_iter().chain(words)) {
            *place = *word;
        }
        let bytes = message.as_flattened();
        host.keccak256(bytes.get(..32 * (words.len() + 1)).unwrap_or(bytes))
    };
    words(
        host,
        [
            JOB_TYPEHASH,
            part(TERMS_TYPEHASH, terms),
            part(ASSURANCE_TYPEHASH, assurance),
            part(PRICE_TYPEHASH, price),
            part(TIMING_TYPEHASH, timing),
        ],
    )
}

/// `hashStruct` of the client's `Cancel`.
pub(crate) fn cancel(host: &impl Host, job_id: &Bytes32) -> Bytes32 {
    words(host, [CANCEL_TYPEHASH, *job_id])
}

// ------------------------------------------------------------------ seats and draws

/// A seat of a lease (0), of its first jury (1) or of its second one (2); also the `kind` of its draw.
pub const LEASE: u8 = 0;
/// The draw that decides whether a lease is audited.
pub const COIN: u8 = 3;
/// The draw of the audited task.
pub const TASK: u8 = 4;

/// A round of a lease, or a jury of it: what has seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The job; its id stands for chain and market.
    pub job_id: Bytes32,
    /// The lease's first task.
    pub first: u32,
    /// Of the lease, from 1.
    pub round: u16,
    /// 0 for a seat of the lease, 1 or 2 for a jury's.
    pub kind: u8,
}

impl Round {
    /// The key of its seats.
    pub fn key(&self, host: &impl Host) -> Bytes32 {
        words(
            host,
            [self.job_id, number(self.first.into()), number(self.round.into()), number(self.kind.into())],
        )
    }

    /// What the seat commits to that this opens. A copy of it cannot be opened by another provider, nor in another
    /// lease, round, jury, market or chain.
    pub fn commitment(&self, host: &impl Host, opening: &Opening) -> Bytes32 {
        words(
            host,
            [
                self.job_id,
                number(self.first.into()),
                number(self.round.into()),
                number(self.kind.into()),
                number(opening.number.into()),
                opening.value,
                opening.proof,
                opening.salt,
            ],
        )
    }

    /// The hash that a seed draws with: a provider for a seat (`task` is the audited one, 0 of a lease), a coin or a task.
    pub fn draw(
        &self,
        host: &impl Host,
        chain_id: &U256,
        seed: &Bytes32,
        task: u32,
        provider: &Address,
    ) -> Bytes32 {
        words(
            host,
            [
                chain_id.to_be_bytes(),
                account(&host.this()),
                *seed,
                number(self.kind.into()),
                self.job_id,
                number(self.first.into()),
                number(self.round.into()),
                number(task.into()),
                account(provider),
            ],
        )
    }
}

/// The leaf of an account in the tree of a list: OpenZeppelin's standard tree.
pub(crate) fn listed(host: &impl Host, provider: &Address) -> Bytes32 {
    let inner = words(host, [account(provider)]);
    words(host, [inner])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_hashes_are_those_of_the_types() {
        let hash = |text: &str| *alloy_primitives::keccak256(text);
        let part = |name: &str| {
            let from = JOB_TYPE.get(JOB_TYPE.find(name).unwrap_or(0)..).unwrap_or_default();
            hash(from.get(..=from.find(')').unwrap_or(0)).unwrap_or_default())
        };
        assert_eq!(JOB_TYPEHASH, hash(JOB_TYPE));
        assert_eq!(ASSURANCE_TYPEHASH, part("Assurance("));
        assert_eq!(PRICE_TYPEHASH, part("Price("));
        assert_eq!(TERMS_TYPEHASH, part("Terms("));
        assert_eq!(TIMING_TYPEHASH, part("Timing("));
        assert_eq!(CANCEL_TYPEHASH, hash("Cancel(bytes32 jobId)"));
        assert_eq!((NAME_HASH, VERSION_HASH), (hash("Piecework"), hash("2")));
        let domain = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        assert_eq!(DOMAIN_TYPEHASH, hash(domain));
    }
}

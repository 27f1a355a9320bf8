//! Everything that is hashed: EIP-712 structs, seats, commitments, votes, leaves. The hash itself is the host's.

use crate::abi::{account, hex32, job_words, number};
use crate::host::Host;
use crate::types::{Address, Bytes32, Job};

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
const DOMAIN_TYPEHASH: Bytes32 =
    hex32("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");
/// `keccak256("Piecework")`.
const NAME_HASH: Bytes32 =
    hex32("0ad0fe32a5f77d1fc7a68c9df3ded328fd40e6d986ae9fb1ade346adaadf548f");
/// `keccak256("1")`.
const VERSION_HASH: Bytes32 =
    hex32("c89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6");

/// The type of a job: what a wallet shows and signs. Its parts stand behind it in alphabetical order.
pub const JOB_TYPE: &str = "Job(Terms terms,Price price,Timing timing)\
    Price(uint128 minPrice,uint128 maxPrice,uint128 bond,uint128 juryFee)\
    Terms(address client,uint64 nonce,bytes32 spec,uint32 tasks,uint32 maxLease,uint8 replicas,uint8 quorum,\
    bytes32 providers,address verifier)\
    Timing(uint64 opensAt,uint64 ramp,uint64 closesAt,uint64 runWindow,uint64 challengeWindow)";
/// `keccak256` of [`JOB_TYPE`].
const JOB_TYPEHASH: Bytes32 =
    hex32("cc8afea145efdd92d8389123afcacd0ef829c3c676f8ee98a93645d0846bfffc");
/// `keccak256` of the part of [`JOB_TYPE`] from `Terms(` to its bracket.
const TERMS_TYPEHASH: Bytes32 =
    hex32("59e8f2c9e1ff5229f19a0b07ac6f6e8dc68dfa46927bdc33b292a7906948bf6a");
/// Likewise of `Price(`.
const PRICE_TYPEHASH: Bytes32 =
    hex32("5dd74591b995f611492e04c9f9a649009df364eab171410cfa4f9969a332cc67");
/// Likewise of `Timing(`.
const TIMING_TYPEHASH: Bytes32 =
    hex32("8b9d2d9a44b20b44ccf08df7cb442231d725faaef3aa62fd68969391ace16477");
/// `keccak256("Cancel(bytes32 jobId)")`.
const CANCEL_TYPEHASH: Bytes32 =
    hex32("318d199fcb20d16e8825df685a61550c5569c5ef9b6f19f9b988fbb5b017353c");
/// `keccak256("Accept(bytes32 jobId,uint32 first,bytes32 root)")`.
const ACCEPT_TYPEHASH: Bytes32 =
    hex32("6f4538ad466d3b0ae2eef4d1ad9dc505eb60d0c7ff2a5096698026aadc7b248f");

/// The domain separator of this market on the chain's present id.
pub fn domain(host: &impl Host) -> Bytes32 {
    let chain_id = host.chain_id().to_be_bytes();
    words(
        host,
        [
            DOMAIN_TYPEHASH,
            NAME_HASH,
            VERSION_HASH,
            chain_id,
            account(&host.this()),
        ],
    )
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
    let [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        min,
        max,
        bond,
        fee,
        opens,
        ramp,
        closes,
        run,
        challenge,
    ] = job_words(job);
    let terms = words(host, [TERMS_TYPEHASH, a, b, c, d, e, f, g, h, i]);
    let price = words(host, [PRICE_TYPEHASH, min, max, bond, fee]);
    let timing = words(host, [TIMING_TYPEHASH, opens, ramp, closes, run, challenge]);
    words(host, [JOB_TYPEHASH, terms, price, timing])
}

/// `hashStruct` of the client's `Cancel`.
pub(crate) fn cancel(host: &impl Host, job_id: &Bytes32) -> Bytes32 {
    words(host, [CANCEL_TYPEHASH, *job_id])
}

/// `hashStruct` of the client's `Accept`.
pub(crate) fn accept(host: &impl Host, job_id: &Bytes32, first: u32, root: &Bytes32) -> Bytes32 {
    words(
        host,
        [ACCEPT_TYPEHASH, *job_id, number(first.into()), *root],
    )
}

// ------------------------------------------------------------------ seats and votes

/// The key of a round's seats: of the lease if `challenge` is 0, else of that challenge's jury.
pub fn seats_key(
    host: &impl Host,
    job_id: &Bytes32,
    first: u32,
    round: u16,
    challenge: u8,
) -> Bytes32 {
    words(
        host,
        [
            *job_id,
            number(first.into()),
            number(round.into()),
            number(challenge.into()),
        ],
    )
}

/// A vote, and by whom and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The job; its id stands for chain and market.
    pub job_id: Bytes32,
    /// The lease's first task.
    pub first: u32,
    /// Of the lease.
    pub round: u16,
    /// 0 for a seat of the lease, else the number of the challenge.
    pub challenge: u8,
    /// Who votes.
    pub provider: Address,
    /// The root; of a juror [`vote`]; of a challenger the digest.
    pub vote: Bytes32,
    /// 32 random bytes, secret until the reveal.
    pub salt: Bytes32,
}

/// What a seat commits to. A copy of it is of no use to anyone else, nor in another lease, round, market or chain.
pub fn commitment(host: &impl Host, ballot: &Ballot) -> Bytes32 {
    let Ballot {
        job_id,
        first,
        round,
        challenge,
        provider,
        vote,
        salt,
    } = ballot;
    let (first, round, challenge) = ((*first).into(), (*round).into(), (*challenge).into());
    words(
        host,
        [
            *job_id,
            number(first),
            number(round),
            number(challenge),
            account(provider),
            *vote,
            *salt,
        ],
    )
}

/// What a juror votes: the digest, and proof that it had the output itself.
pub fn vote(host: &impl Host, digest: &Bytes32, keyed: &Bytes32) -> Bytes32 {
    words(host, [*digest, *keyed])
}

/// How a vote is kept once it is revealed: hashed, so that no vote looks like another state of a seat.
pub(crate) fn revealed(host: &impl Host, vote: &Bytes32) -> Bytes32 {
    words(host, [*vote])
}

/// The lot of a provider for a seat; its highest 64 bits count.
pub(crate) fn lot(
    host: &impl Host,
    seed: &Bytes32,
    seats_key: &Bytes32,
    provider: &Address,
) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = words(host, [*seed, *seats_key, account(provider)]);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The leaf of an account in the tree of a list: OpenZeppelin's standard tree.
pub(crate) fn listed(host: &impl Host, provider: &Address) -> Bytes32 {
    let inner = words(host, [account(provider)]);
    words(host, [inner])
}

//! One sentence for each contract error: what became of the money, and what to do.

use super::BlockBeacon::BlockBeaconErrors as Beacon;
use super::DrandBeacon::DrandBeaconErrors as Drand;
use super::IMarket::IMarketErrors as Market;
use super::bindings::LibraryErrors::LibraryErrorsErrors as Library;

pub(super) const PLAIN: &str = "the contract refused and changed nothing";
pub(super) const PANIC: &str = "the contract hit a bug or an overflow and changed nothing; report this to the market's maintainers";
pub(super) const UNKNOWN: &str = "the contract refused with an error that this version does not know and changed nothing; check that the market's address is right";

pub(super) fn of_market(error: &Market) -> (&'static str, &'static str) {
    match error {
        Market::ZeroAmount(_) => (
            "ZeroAmount",
            "the amount is zero, so no money moved; give an amount",
        ),
        Market::ZeroAddress(_) => (
            "ZeroAddress",
            "the recipient or account is the zero address, so no money moved; give an address",
        ),
        Market::AmountTooLarge(_) => (
            "AmountTooLarge",
            "the amount is over what the market keeps (2^96 - 1 units), so no money moved; use less",
        ),
        Market::DepositShort(_) => (
            "DepositShort",
            "the token delivered less than it was asked to, so the deposit was undone; this market refuses fee-on-transfer tokens",
        ),
        Market::InsufficientBalance(_) => (
            "InsufficientBalance",
            "the balance does not cover the amount, so nothing was escrowed or paid; deposit the difference or ask for less",
        ),
        Market::InsufficientStake(_) => (
            "InsufficientStake",
            "the provider's free stake does not cover the bond or the amount (leases leave a quarter of all stake to juries), so nothing was locked or moved; stake more or wait until leases end",
        ),
        Market::EndpointTooLong(_) => (
            "EndpointTooLong",
            "the endpoint is longer than 128 bytes, so the profile stays as it was; use a shorter URL",
        ),
        Market::NotOperator(_) => (
            "NotOperator",
            "the key is neither the provider nor its operator, so no lease and no bond changed; let the provider call setOperator for it",
        ),
        Market::NotClient(_) => (
            "NotClient",
            "only the job's client may do this, so its escrow stays as it was; use the client's key",
        ),
        Market::NotGovernor(_) => (
            "NotGovernor",
            "only the governor may set the fee, so it stays as it was; use the governor's key",
        ),
        Market::FeeTooHigh(_) => (
            "FeeTooHigh",
            "the fee is over its hard cap of 5 %, so it stays as it was; set a lower one",
        ),
        Market::JobExists(_) => (
            "JobExists",
            "this very job is posted already and its escrow was taken then, not twice; attach to it, or change the nonce for another one",
        ),
        Market::JobUnknown(_) => (
            "JobUnknown",
            "no such job was posted on this market, so no money moved; check the job id and the market's address",
        ),
        Market::JobIsCancelled(_) => (
            "JobIsCancelled",
            "the job was cancelled and takes no new leases and rounds, so nothing was locked; its unclaimed escrow went back to the client, look for another job",
        ),
        Market::JobStillOpen(_) => (
            "JobStillOpen",
            "the job still takes leases, so its escrow stays; cancel it or wait for closesAt before closing",
        ),
        Market::NoTasks(_) => (
            "NoTasks",
            "a job needs at least one task, so nothing was escrowed; say how many",
        ),
        Market::BadLeaseSize(_) => (
            "BadLeaseSize",
            "minLease and maxLease do not fit the tasks or each other, so nothing was escrowed; choose 1 <= minLease <= tasks and maxLease >= 2 * minLease - 1 (at most 2,048), or both equal for a redundant job",
        ),
        Market::BadQuorum(_) => (
            "BadQuorum",
            "replicas and quorum do not fit, so nothing was escrowed; more than half of 2 to 15 replicas must agree, or 1 of 1",
        ),
        Market::BadAudit(_) => (
            "BadAudit",
            "chance, jury fee and window of audits are not all zero or all set, so nothing was escrowed; set all three (the chance at most 10,000 basis points) or none",
        ),
        Market::OneReplicaOnly(_) => (
            "OneReplicaOnly",
            "audits and verifiers go with one replica only, so nothing was escrowed; choose one way to check results",
        ),
        Market::AuditsOrVerifier(_) => (
            "AuditsOrVerifier",
            "a job has audits or a verifier, so nothing was escrowed; choose one of them",
        ),
        Market::RefundNeedsAudits(_) => (
            "RefundNeedsAudits",
            "only a job with audits can ask for a refund after a conviction, so nothing was escrowed; leave the refund out, or add audits",
        ),
        Market::BondNeeded(_) => (
            "BondNeeded",
            "a job with audits needs a bond, or a convicted provider would lose nothing; nothing was escrowed, set one",
        ),
        Market::BadPriceRange(_) => (
            "BadPriceRange",
            "the minimum price is over the maximum, or differs from it in a redundant job; nothing was escrowed, correct the prices",
        ),
        Market::BadWindow(_) => (
            "BadWindow",
            "a time window is shorter or longer than the market allows, so nothing was escrowed or deployed; choose one between the two bounds",
        ),
        Market::BadSchedule(_) => (
            "BadSchedule",
            "the job would close before it opens, has closed already, or opens or closes more than a year from now; nothing was escrowed, correct its times (is this machine's clock right?)",
        ),
        Market::SpecMismatch(_) => (
            "SpecMismatch",
            "the spec's bytes are not those that the job names, so nothing was escrowed; post the spec that was hashed",
        ),
        Market::SpecTooLong(_) => (
            "SpecTooLong",
            "the spec is longer than 16,384 bytes; nothing was escrowed, move large inputs into the input tree",
        ),
        Market::NoStakeToDraw(_) => (
            "NoStakeToDraw",
            "no stake is old enough for anybody to be drawn, so nothing was escrowed; wait until providers have staked for the market's stake age, or post a job without audits",
        ),
        Market::WrongMode(_) => (
            "WrongMode",
            "the call is for the other kind of job (one replica, or several), so nothing changed; use the one for this job",
        ),
        Market::NeedsProof(_) => (
            "NeedsProof",
            "results of this job come with a proof for its verifier; the lease still runs and its bond stays locked, use prove",
        ),
        Market::NoVerifier(_) => (
            "NoVerifier",
            "the job has no verifier; the lease still runs and its bond stays locked, use submit",
        ),
        Market::ProofRejected(_) => (
            "ProofRejected",
            "the job's verifier did not confirm the proof; the lease still runs and its bond stays locked, prove again in time",
        ),
        Market::NotEnoughGas(_) => (
            "NotEnoughGas",
            "the gas limit is too low for the whole allowance of the verifier or the beacon; nothing changed, send again with more",
        ),
        Market::NotAdmitted(_) => (
            "NotAdmitted",
            "the job is for listed providers only and this one is not admitted; no bond was locked, call admit with its proof",
        ),
        Market::NotOnList(_) => (
            "NotOnList",
            "the proof does not show the provider on the list, or the provider never staked; nothing changed, check the list and its root",
        ),
        Market::BadSignature(_) => (
            "BadSignature",
            "the signature is not the client's, or not for this; no money moved, sign again",
        ),
        Market::NonceIsRevoked(_) => (
            "NonceIsRevoked",
            "the client revoked the signature under this nonce; nothing was escrowed, sign the job with another nonce",
        ),
        Market::WrongChain(_) => (
            "WrongChain",
            "signatures are for the chain on which the market was deployed; no money moved, use that chain",
        ),
        Market::WrongRound(_) => (
            "WrongRound",
            "the lease is in another round, or before another jury, than this was meant for; no bond changed, read its state again",
        ),
        Market::NoSuchLease(_) => (
            "NoSuchLease",
            "a redundant job's leases begin at multiples of maxLease and open one after the other, and this one is not open; no bond was locked, take the one that is",
        ),
        Market::SeedUnknown(_) => (
            "SeedUnknown",
            "nobody has published the seed that draws this yet, so no bond was locked; publish it (keep), or wait until it is there",
        ),
        Market::PointAlive(_) => (
            "PointAlive",
            "the lease's point has a seed or will have one, so it keeps it; nothing changed, wait for the seed",
        ),
        Market::NotAudited(_) => (
            "NotAudited",
            "chance decided that this lease is not audited, so no bond was locked; finalize settles and pays it",
        ),
        Market::NotDrawn(_) => (
            "NotDrawn",
            "the provider is not drawn for a seat yet, so no bond was locked; try again at the given time, if that is not the end of all time (then never)",
        ),
        Market::SeatsTaken(_) => (
            "SeatsTaken",
            "all seats are taken, so no bond was locked; look for another lease",
        ),
        Market::WrongSeat(_) => (
            "WrongSeat",
            "the provider's seat is past this act or before it, so no bond changed; read its state again",
        ),
        Market::WrongOpening(_) => (
            "WrongOpening",
            "this is not what the seat committed to, so nothing was opened; open the committed pair with its salt in time, or the bond is lost",
        ),
        Market::WrongPanel(_) => (
            "WrongPanel",
            "the openings do not name the seats in ascending order, or a call that ends the round does not name all of them; nothing changed, read the seats again",
        ),
        Market::OpeningsMissing(_) => (
            "OpeningsMissing",
            "there is nothing to open, and commitments may still be opened, so no bond and no payment changed; open them, or try again after the deadline",
        ),
        Market::LeafMissing(_) => (
            "LeafMissing",
            "the jury agrees, and what the accused committed to is not shown yet; no bond and no payment changed, bring the leaf with its proof or wait until its time is over",
        ),
        Market::NotInResult(_) => (
            "NotInResult",
            "the result does not hold this digest for this task, so the jury's verdict stays open and no bond changed; bring the digest and proof that the provider committed to",
        ),
        Market::BarredFromJury(_) => (
            "BarredFromJury",
            "a provider cannot judge its own lease; no bond was locked, leave the seat to another provider",
        ),
        Market::TooEarly(_) => (
            "TooEarly",
            "the act is not valid yet, so no money moved; try again at the given time",
        ),
        Market::TooLate(_) => (
            "TooLate",
            "the deadline has passed, so the call changed nothing; what the lease held is settled by expire, settle, judge, close or finalize",
        ),
        Market::NothingLeft(_) => (
            "NothingLeft",
            "every task is taken already; no bond was locked, look for another job",
        ),
        Market::LeaseDoesNotFit(_) => (
            "LeaseDoesNotFit",
            "the lease that is left to take has more or fewer tasks than were asked for; no bond was locked, ask for another number",
        ),
        Market::WrongPhase(_) => (
            "WrongPhase",
            "the lease is in another phase than this act needs, so nothing changed; read its state again, another account may have acted first",
        ),
        Market::NotHolder(_) => (
            "NotHolder",
            "another provider holds the lease, so no bond and no payment changed; act on your own lease",
        ),
        Market::BarredFromRound(_) => (
            "BarredFromRound",
            "a provider that left a lease, or was late, cannot take its next round; no bond was locked, take another lease",
        ),
        Market::TooManyRounds(_) => (
            "TooManyRounds",
            "the lease has used up its rounds and can only be closed; no bond was locked, and the client gets its escrow back then",
        ),
        Market::ZeroRoot(_) => (
            "ZeroRoot",
            "a result's root must not be zero; the lease still runs and its bond stays locked, submit the true root",
        ),
    }
}

pub(super) fn of_beacon(error: &Beacon) -> (&'static str, &'static str) {
    match error {
        Beacon::BadDelay(_) => (
            "BadDelay",
            "a block beacon takes at least 2 blocks and a margin of at most a day; it was not deployed, correct them",
        ),
        Beacon::TooEarly(_) => (
            "TooEarly",
            "the block that makes this seed is not built yet, so no seed was stored; try again some blocks later",
        ),
        Beacon::Forgotten(_) => (
            "Forgotten",
            "the chain has forgotten the block that made this seed, so the point is dead; a redundant lease gets a new point by renew, an audit of it is not held",
        ),
        Beacon::TooOld(_) => (
            "TooOld",
            "the point is more than a day old, so it is dead; a redundant lease gets a new point by renew, an audit of it is not held",
        ),
    }
}

pub(super) fn of_drand(error: &Drand) -> (&'static str, &'static str) {
    match error {
        Drand::BadKey(_) => (
            "BadKey",
            "the group's key is not a point of G2 in 256 bytes, or it is infinity; the beacon was not deployed, correct the key",
        ),
        Drand::BadTimes(_) => (
            "BadTimes",
            "the seconds between points must be a multiple of those between rounds, and no time may be 0; the beacon was not deployed, correct them",
        ),
        Drand::NotAPoint(_) => (
            "NotAPoint",
            "no draw takes its seed from this round, so no seed was stored; publish a round that the beacon's point named",
        ),
        Drand::MalformedSignature(_) => (
            "MalformedSignature",
            "the signature is not a point of G1 in 128 bytes, or the call had too little gas to check it; no seed was stored, the gas of the call is spent",
        ),
        Drand::WrongSignature(_) => (
            "WrongSignature",
            "this is not drand's signature on this round, so no seed was stored; fetch the round from another endpoint",
        ),
        Drand::MissingPrecompile(_) => (
            "MissingPrecompile",
            "the chain lacks the BLS12-381 precompiles of EIP-2537, or the call had too little gas for them; nothing was stored",
        ),
    }
}

pub(super) fn of_library(error: &Library) -> (&'static str, &'static str) {
    match error {
        Library::ERC20InsufficientBalance(_) => (
            "ERC20InsufficientBalance",
            "the account holds fewer tokens than the call needs, so none moved; get more of the market's token or use less",
        ),
        Library::ERC20InvalidSender(_) => (
            "ERC20InvalidSender",
            "the token refuses this sender; no tokens moved",
        ),
        Library::ERC20InvalidReceiver(_) => (
            "ERC20InvalidReceiver",
            "the token refuses this receiver; no tokens moved, check the address",
        ),
        Library::ERC20InsufficientAllowance(_) => (
            "ERC20InsufficientAllowance",
            "the spender may not take that many tokens, so none moved; approve the amount first",
        ),
        Library::ERC20InvalidApprover(_) => (
            "ERC20InvalidApprover",
            "the token refuses this approver; no allowance changed",
        ),
        Library::ERC20InvalidSpender(_) => (
            "ERC20InvalidSpender",
            "the token refuses this spender; no allowance changed",
        ),
        Library::SafeERC20FailedOperation(_) => (
            "SafeERC20FailedOperation",
            "the token refused the transfer or is no ERC-20 token, so no tokens moved; check balance, allowance and the market's token",
        ),
        Library::SafeERC20FailedDecreaseAllowance(_) => (
            "SafeERC20FailedDecreaseAllowance",
            "the allowance is lower than what was to be taken from it; it stays as it was",
        ),
        Library::ERC2612ExpiredSignature(_) => (
            "ERC2612ExpiredSignature",
            "the permit has expired, so no allowance was given; sign a new one (is this machine's clock right?)",
        ),
        Library::ERC2612InvalidSigner(_) => (
            "ERC2612InvalidSigner",
            "the permit was not signed by the tokens' owner for this token and nonce, so no allowance was given; sign again",
        ),
        Library::InvalidAccountNonce(_) => (
            "InvalidAccountNonce",
            "the permit's nonce was used already, so no allowance was given; sign again with the present nonce",
        ),
        Library::ECDSAInvalidSignature(_) => (
            "ECDSAInvalidSignature",
            "the signature is invalid, so nothing changed; sign again",
        ),
        Library::ECDSAInvalidSignatureLength(_) => (
            "ECDSAInvalidSignatureLength",
            "the signature has a wrong length, so nothing changed; sign again",
        ),
        Library::ECDSAInvalidSignatureS(_) => (
            "ECDSAInvalidSignatureS",
            "the signature is malleable and refused, so nothing changed; sign again",
        ),
        Library::ReentrancyGuardReentrantCall(_) => (
            "ReentrancyGuardReentrantCall",
            "the token called back into the market and was refused, so no money moved; do not use this token",
        ),
        Library::SafeCastOverflowedUintDowncast(_) => (
            "SafeCastOverflowedUintDowncast",
            "a number is too large for its field, so nothing changed; use a smaller one",
        ),
        Library::StringTooLong(_) => ("StringTooLong", "a string is too long, so nothing changed"),
        Library::InvalidShortString(_) => (
            "InvalidShortString",
            "a string is malformed, so nothing changed",
        ),
        Library::AddressEmptyCode(_) => (
            "AddressEmptyCode",
            "there is no contract at the address that was called, so no money moved; check the token's address",
        ),
        Library::FailedCall(_) => (
            "FailedCall",
            "an inner call failed without a reason, so nothing changed",
        ),
    }
}

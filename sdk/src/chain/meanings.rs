//! One sentence for each contract error: what became of the money, and what to do.

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
            "the ledger does not cover the amount, so nothing was escrowed or paid; deposit the difference or ask for less",
        ),
        Market::InsufficientStake(_) => (
            "InsufficientStake",
            "the provider's free stake does not cover the bond or the amount, so nothing was locked or moved; stake more or wait until leases end",
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
            "only the governor may set the fee, so it stays as it was",
        ),
        Market::FeeTooHigh(_) => (
            "FeeTooHigh",
            "the fee is over its hard cap, so it stays as it was",
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
            "the job was cancelled and takes no new leases; its unclaimed escrow went back to the client",
        ),
        Market::JobStillOpen(_) => (
            "JobStillOpen",
            "the job still takes leases, so its escrow stays; cancel it or wait for closesAt before closing",
        ),
        Market::NoTasks(_) => (
            "NoTasks",
            "a job needs at least one task; nothing was escrowed",
        ),
        Market::BadMaxLease(_) => (
            "BadMaxLease",
            "maxLease is zero or over its limit; nothing was escrowed, choose 1 to 2,048",
        ),
        Market::BadQuorum(_) => (
            "BadQuorum",
            "replicas and quorum do not fit; nothing was escrowed",
        ),
        Market::VerifierNeedsOneReplica(_) => (
            "VerifierNeedsOneReplica",
            "a verifier goes with one replica only; nothing was escrowed",
        ),
        Market::BadPriceRange(_) => (
            "BadPriceRange",
            "the minimum price is over the maximum; nothing was escrowed, swap them",
        ),
        Market::BadWindow(_) => (
            "BadWindow",
            "a time window is zero or longer than 30 days; nothing was escrowed, correct the window",
        ),
        Market::BadSchedule(_) => (
            "BadSchedule",
            "the job would close before it opens, has closed already, or closes too far away; nothing was escrowed, correct its times (is this machine's clock right?)",
        ),
        Market::SpecMismatch(_) => (
            "SpecMismatch",
            "the spec's bytes are not those that the job names; nothing was escrowed",
        ),
        Market::SpecTooLong(_) => (
            "SpecTooLong",
            "the spec is longer than 16,384 bytes; nothing was escrowed, move large inputs into the input tree",
        ),
        Market::TooEarly(_) => (
            "TooEarly",
            "the act is not valid yet, so no money moved; try again at the given time",
        ),
        Market::TooLate(_) => (
            "TooLate",
            "the deadline has passed, so the call changed nothing; what the lease held is settled by expire, close or finalize",
        ),
        Market::NothingAsked(_) => (
            "NothingAsked",
            "a lease must hold at least one task; no bond was locked",
        ),
        Market::NothingLeft(_) => (
            "NothingLeft",
            "every task is taken already; no bond was locked, look for another job",
        ),
        Market::WrongPhase(_) => (
            "WrongPhase",
            "the lease is in another phase than this act needs, so nothing changed; read its state again, someone else may have acted first",
        ),
        Market::NotHolder(_) => (
            "NotHolder",
            "another provider holds the lease, so no bond and no payment changed",
        ),
        Market::BarredFromRound(_) => (
            "BarredFromRound",
            "who left a lease cannot take its next round; no bond was locked",
        ),
        Market::TooManyRounds(_) => (
            "TooManyRounds",
            "the lease has used up its rounds and can only be closed; the client gets its escrow back then",
        ),
        Market::ZeroRoot(_) => (
            "ZeroRoot",
            "a result's root must not be zero; the lease still runs and its bond stays locked, submit the true root",
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
        Market::VerifierNeedsGas(_) => (
            "VerifierNeedsGas",
            "the gas limit is too low for the verifier's whole allowance; nothing was proved, send again with more",
        ),
        Market::NotAdmitted(_) => (
            "NotAdmitted",
            "the job is for listed providers only and this one is not admitted; no bond was locked, call admit with its proof",
        ),
        Market::NotOnList(_) => (
            "NotOnList",
            "the proof does not show the provider on the list, or it never staked; nothing changed",
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
            "signatures are for the chain on which the market was deployed; no money moved",
        ),
        Market::NoSuchLease(_) => (
            "NoSuchLease",
            "a redundant job's leases begin at multiples of maxLease; nothing changed",
        ),
        Market::NotSealed(_) => (
            "NotSealed",
            "the draw has no seed yet, so no bond was locked; call seal (or sealJury) first",
        ),
        Market::SealedAlready(_) => (
            "SealedAlready",
            "the draw has its seed already; nothing changed, go on with it",
        ),
        Market::TooEarlyToSeal(_) => (
            "TooEarlyToSeal",
            "the seed's block is not final yet; nothing changed, try again in the given block",
        ),
        Market::NotDrawn(_) => (
            "NotDrawn",
            "the provider is not drawn for a seat yet, so no bond was locked; try again at the given time",
        ),
        Market::SeatsTaken(_) => (
            "SeatsTaken",
            "all seats are taken, so no bond was locked; look for another lease",
        ),
        Market::WrongSeat(_) => (
            "WrongSeat",
            "the provider's seat is past this act or before it, so nothing changed; read its state again",
        ),
        Market::WrongRound(_) => (
            "WrongRound",
            "the lease is in another round, or its challenge another one, than this was meant for; nothing was locked or put down, read its state again",
        ),
        Market::WrongRoot(_) => (
            "WrongRoot",
            "the lease has another result than the one that was to be accepted; it was not accepted, look at it first",
        ),
        Market::WrongReveal(_) => (
            "WrongReveal",
            "what was revealed is not what was committed to; nothing changed, reveal the committed result with its salt in time or the bond is lost",
        ),
        Market::WrongPanel(_) => (
            "WrongPanel",
            "the panel is not exactly the seats in ascending order; nothing changed, read the seats again",
        ),
        Market::WrongVerdict(_) => (
            "WrongVerdict",
            "this is not what the quorum voted for; nothing changed, give its vote, or zero if there is no quorum",
        ),
        Market::RevealsMissing(_) => (
            "RevealsMissing",
            "not all that committed have revealed and they still have time, so nothing changed; try again after the deadline",
        ),
        Market::NoJury(_) => (
            "NoJury",
            "the job's juryFee is zero, so it has no disputes; no deposit was taken",
        ),
        Market::NotInResult(_) => (
            "NotInResult",
            "the result does not hold this digest for this task; no deposit was taken",
        ),
        Market::BarredFromJury(_) => (
            "BarredFromJury",
            "provider and challenger cannot be jurors of their own dispute; no bond was locked",
        ),
        Market::NotChallenger(_) => (
            "NotChallenger",
            "only the challenger may do this; nothing changed",
        ),
        Market::DemandedAlready(_) => (
            "DemandedAlready",
            "this round's digests were demanded before; no deposit was taken",
        ),
        Market::RootMismatch(_) => (
            "RootMismatch",
            "the digests do not add up to the result's root; nothing changed, give all of them in order before the window is over or the bond is lost",
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

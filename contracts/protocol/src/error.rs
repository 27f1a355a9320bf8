//! Why a call is refused: the custom errors of `IMarket`, name for name and argument for argument, and the few that
//! its ABI has from Solidity and OpenZeppelin.

use crate::abi::{Abi, Out};
use crate::types::{Address, Bytes32, Phase, Seat, U256};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) = $selector:literal;)*) => {
        /// Why a call is refused. Every variant but the last is an error of the ABI.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Error {
            $($(#[$doc])* $name($($ty),*),)*
            /// The token or the beacon reverted: what it said is the whole answer, and the host has it.
            CalleeReverted,
        }

        impl Error {
            /// Name, argument types and selector of every error of the ABI.
            pub const LIST: &'static [(&'static str, &'static [&'static str], u32)] = &[
                $((stringify!($name), &[$(<$ty as Abi>::NAME),*], $selector),)*
            ];

            /// The first four bytes of the revert data; none where the callee speaks for itself.
            pub const fn selector(&self) -> Option<[u8; 4]> {
                match self {
                    $(Self::$name(..) => Some(u32::to_be_bytes($selector)),)*
                    Self::CalleeReverted => None,
                }
            }

            /// Its name in the ABI.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(..) => stringify!($name),)*
                    Self::CalleeReverted => "CalleeReverted",
                }
            }

            /// Writes the revert data.
            pub fn encode(&self, out: Out<'_>) {
                if let Some(selector) = self.selector() {
                    out(&selector);
                }
                match self {
                    $(Self::$name($($arg),*) => { $($arg.head(0, out);)* })*
                    Self::CalleeReverted => {}
                }
            }
        }
    };
}

impl Error {
    /// A sum that does not fit: Solidity's `Panic(0x11)`. While the market holds what it owes, no act of a posted job
    /// comes to this.
    pub const OVERFLOW: Self = Self::Panic(U256::from_limbs([0x11, 0, 0, 0]));
}

errors! {
    /// An amount must not be zero.
    ZeroAmount() = 0x1f2a2005;
    /// An address must not be zero.
    ZeroAddress() = 0xd92e233d;
    /// An amount, or a sum of amounts, is over what the market keeps.
    AmountTooLarge(amount: U256, max: U256) = 0x7f162703;
    /// The token did not deliver what it was asked to: fee-on-transfer tokens are refused.
    DepositShort(expected: U256, arrived: U256) = 0x6959be1c;
    /// The account's balance does not cover the amount.
    InsufficientBalance(account: Address, available: U256, needed: U256) = 0xdb42144d;
    /// The provider's free stake does not cover the amount. Leases leave a quarter of all stake to juries.
    InsufficientStake(provider: Address, available: U256, needed: U256) = 0x936d426d;
    /// The profile's endpoint is longer than 128 bytes.
    EndpointTooLong(length: U256, max: U256) = 0x859641b1;
    /// The caller is neither the provider nor one of its operators.
    NotOperator(provider: Address, caller: Address) = 0x4738d054;
    /// Only the job's client may do this.
    NotClient(client: Address, caller: Address) = 0x6542d901;
    /// Only the governor of the fee may do this.
    NotGovernor(governor: Address, caller: Address) = 0xb3840008;
    /// The fee is over its hard cap.
    FeeTooHigh(fee_bps: U256, max: U256) = 0xe757126a;
    /// This very job was posted before.
    JobExists(job_id: Bytes32) = 0x9e2b4bfd;
    /// No such job was posted (every field of it counts).
    JobUnknown(job_id: Bytes32) = 0xc63e0693;
    /// The job was cancelled: no new leases, takeovers and rounds.
    JobIsCancelled(job_id: Bytes32) = 0xc7be4ae4;
    /// The job is neither cancelled nor past its `closesAt`.
    JobStillOpen(job_id: Bytes32, closes_at: u64) = 0xb677962b;
    /// A job needs at least one task.
    NoTasks() = 0xa66faf41;
    /// `minLease` and `maxLease` do not fit the tasks, the replicas or each other; `maxLease` is at most `max`.
    BadLeaseSize(min_lease: u32, max_lease: u32, max: u32) = 0x4df00f7e;
    /// Replicas and quorum do not fit: 1 to 15 replicas, a true majority, 1 iff 1.
    BadQuorum(replicas: u8, quorum: u8) = 0x1ee8cee5;
    /// Chance, jury fee and window of audits go together: all zero or none, the chance at most 10,000.
    BadAudit(audit_bps: u16, jury_fee: u128, audit_window: u64) = 0x0f0271d1;
    /// Audits, and verifiers, go with one replica only.
    OneReplicaOnly(replicas: u8) = 0x2aeda579;
    /// A job has audits or a verifier, not both.
    AuditsOrVerifier(audit_bps: u16, verifier: Address) = 0x4b266d4d;
    /// Only a job with audits can ask for a refund.
    RefundNeedsAudits() = 0xa263d206;
    /// Where audits are, a bond must be at stake.
    BondNeeded() = 0xa5097204;
    /// The minimum price is over the maximum, or (with more than one replica) not equal to it.
    BadPriceRange(min_price: u128, max_price: u128) = 0xa7da1ce7;
    /// A window is shorter than `min` or longer than `max`.
    BadWindow(window: u64, min: u64, max: u64) = 0x967b1691;
    /// The job closes before it opens, or has closed already, or opens or closes more than a year from now.
    BadSchedule(opens_at: u64, closes_at: u64) = 0xee529f78;
    /// The spec's bytes do not hash to the job's `spec`.
    SpecMismatch(expected: Bytes32, actual: Bytes32) = 0x1a0917c3;
    /// The spec is longer than 16,384 bytes.
    SpecTooLong(length: U256, max: U256) = 0x5b2bf9ba;
    /// Nobody could be drawn: no stake is old enough.
    NoStakeToDraw() = 0x2202723b;
    /// The call is for the other kind of job: with one replica (ordinary), or with more (redundant).
    WrongMode(job_id: Bytes32, replicas: u8) = 0x7e02d087;
    /// The job has a verifier: its results come with a proof (`prove`).
    NeedsProof(job_id: Bytes32, verifier: Address) = 0x4f7270e9;
    /// The job has no verifier.
    NoVerifier(job_id: Bytes32) = 0x4d4fd754;
    /// The job's verifier did not confirm the proof.
    ProofRejected(job_id: Bytes32, first: u32, verifier: Address) = 0x73391532;
    /// Not enough gas is left to give the verifier or the beacon its whole allowance: `needed` must be.
    NotEnoughGas(needed: U256) = 0x5e31f860;
    /// The job is for listed providers, and this one has not been admitted (`admit`).
    NotAdmitted(list: Bytes32, provider: Address) = 0xfa659a83;
    /// The proof does not lead from the provider to the list's root.
    NotOnList(list: Bytes32, provider: Address) = 0xa14fdf09;
    /// The signature is not `signer`'s, or not for this.
    BadSignature(signer: Address) = 0x9a7d38d9;
    /// The client revoked this nonce.
    NonceIsRevoked(client: Address, nonce: u64) = 0x1eb1f71a;
    /// Signatures are for the chain on which the market was deployed.
    WrongChain(chain_id: U256, expected: U256) = 0x24497bc3;
    /// The act is for another round of the lease than the present `round`, or for another jury than `jury` (0 where
    /// no jury is meant).
    WrongRound(job_id: Bytes32, first: u32, round: u16, jury: u8) = 0x4bd4ff8d;
    /// The redundant job has no such lease, or it has not opened yet.
    NoSuchLease(job_id: Bytes32, first: u32) = 0x78afacbc;
    /// The beacon's point has no seed yet (or there is no point).
    SeedUnknown(point: u64) = 0x63c1d963;
    /// The lease's point is alive: its seed is known or will be.
    PointAlive(point: u64) = 0x75c5027a;
    /// Chance decided that this lease is not audited.
    NotAudited(job_id: Bytes32, first: u32) = 0xfdeac93f;
    /// The provider is not drawn for a seat (yet): `from` is when it will be, the greatest time if never.
    NotDrawn(job_id: Bytes32, first: u32, provider: Address, from: u64) = 0xa738e177;
    /// All seats are taken.
    SeatsTaken(job_id: Bytes32, first: u32) = 0xea51d112;
    /// The provider's seat is past (or before) this act.
    WrongSeat(job_id: Bytes32, first: u32, provider: Address, seat: Seat) = 0xd64979bb;
    /// What is opened is not what the seat committed to.
    WrongOpening(job_id: Bytes32, first: u32, number: u32) = 0xeb030f3b;
    /// Openings name providers with a seat, ascending, and a call that ends the round names them all: not so at
    /// `index`.
    WrongPanel(index: U256) = 0x227ec365;
    /// Nothing to open, and the round does not end before `deadline`.
    OpeningsMissing(deadline: u64, time: u64) = 0x317a46e6;
    /// Two jurors agree, and the accused's leaf can be brought until `leafBy`.
    LeafMissing(job_id: Bytes32, first: u32, leaf_by: u64) = 0xd0dad614;
    /// The result does not hold `digest` for `task`.
    NotInResult(task: u32, digest: Bytes32) = 0x22128080;
    /// The accused cannot be its own juror.
    BarredFromJury(job_id: Bytes32, first: u32, provider: Address) = 0x961a7f31;
    /// Too early: the act is valid from `notBefore` on.
    TooEarly(not_before: u64, time: u64) = 0xcb6c86dd;
    /// Too late: the act was valid until `deadline`.
    TooLate(deadline: u64, time: u64) = 0x05b62375;
    /// Every task is in a lease already (or was refunded).
    NothingLeft(job_id: Bytes32) = 0x830903d5;
    /// The lease would have `count` tasks, which is not between `least` and `most`.
    LeaseDoesNotFit(count: u32, least: u32, most: u32) = 0xb8accb9c;
    /// The lease is in another phase than the act needs.
    WrongPhase(job_id: Bytes32, first: u32, phase: Phase) = 0x870146ba;
    /// Another provider holds the lease.
    NotHolder(job_id: Bytes32, first: u32, provider: Address) = 0x3fab7c82;
    /// A provider that left a lease, or was late, cannot take its next round.
    BarredFromRound(job_id: Bytes32, first: u32, provider: Address) = 0x897e4b2f;
    /// The lease has used up its rounds.
    TooManyRounds(job_id: Bytes32, first: u32) = 0x0017f870;
    /// A result's root must not be zero.
    ZeroRoot() = 0xb263ae73;
    /// The token answered `false`.
    SafeERC20FailedOperation(token: Address) = 0x5274afe7;
    /// Solidity's own: 0x11 is an overflow.
    Panic(code: U256) = 0x4e487b71;
}

//! What a call tells the world: the events of `IMarket`. They suffice to rebuild the state.

use crate::abi::{Abi, Out, hex32};
use crate::types::{Address, Bytes32, How, Job, Reason, SeatEnd, Verdict};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident [$($topic:ident: $topic_ty:ty),*] ($($arg:ident: $ty:ty),*) = $hash:literal;)*) => {
        /// An event of the market.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // of the fields: their names and each event's text say it
        pub enum Event<'a> {
            $($(#[$doc])* $name { $($topic: $topic_ty,)* $($arg: $ty,)* },)*
        }

        impl<'a> Event<'a> {
            /// Name, types of indexed and of other arguments, and first topic of every event.
            #[allow(clippy::type_complexity)] // a table for tests
            pub const LIST: &'static [(&'static str, &'static [&'static str], &'static [&'static str], Bytes32)] = &[
                $((
                    stringify!($name),
                    &[$(<$topic_ty as Abi>::NAME),*],
                    &[$(<$ty as Abi>::NAME),*],
                    hex32($hash),
                ),)*
            ];

            /// Its name.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name),)* }
            }

            /// Writes its topics, one to four of 32 bytes: the hash of its signature, then what is indexed.
            pub fn topics(&self, out: Out<'_>) {
                match self {
                    $(Self::$name { $($topic,)* .. } => {
                        out(&const { hex32($hash) });
                        $($topic.head(0, out);)*
                    })*
                }
            }

            /// Writes its data.
            pub fn data(&self, out: Out<'_>) {
                match self {
                    $(Self::$name { $($arg,)* .. } => {
                        let words = 0usize $(+ <$ty as Abi>::WORDS)*;
                        let _ = words;
                        $($arg.head(words * 32, out);)*
                        $($arg.tail(out);)*
                    })*
                }
            }
        }
    };
}

events! {
    /// `amount` came in from `from` for `account`.
    Deposited [account: Address, from: Address] (amount: u128) = "98e61a191a785bb80774a71a97c6f45cdba53aa992b229f7aee0658e19ea7e9a";
    /// `amount` left `account`'s ledger for `to`.
    Withdrawn [account: Address, to: Address] (amount: u128) = "f3534c5992c3931fc86fbca15a3e750e109223ef17b7347236ffc0b1e7bdab29";
    /// `provider` added `amount` to its stake.
    Staked [provider: Address] (number: u32, amount: u128) = "b12205d375336aa2087c918045cbb2bb1409a92d1fbb5566277260db9465de4f";
    /// `provider` took `amount` of its free stake out, to `to`.
    Unstaked [provider: Address, to: Address] (amount: u128) = "136109d226ce8ed84a249c24b5c689c6fce7a35d8e1118a78c2a04afc8d0eeba";
    /// `operator` may (or may no longer) act for `provider`.
    OperatorSet [provider: Address, operator: Address] (allowed: bool) = "ceb576d9f15e4e200fdb5096d64d5dfd667e16def20c1eefd14256d8e3faa267";
    /// How to reach `provider`: its peer-to-peer node, what its machines can do, its URL.
    ProfileSet [provider: Address] (node_id: Bytes32, capabilities: Bytes32, endpoint: &'a [u8]) = "149b752bb1423229469737290307697d6fede39863462148df2ecb9768865a4c";
    /// The protocol fee for jobs posted from now on.
    FeeSet [] (fee_bps: u16, recipient: Address) = "cf4d2d03d4b8ecbbb158b4405a7f342f82c5a11f84050a067767a63744e52209";
    /// A job was posted and its worst case moved from the client's ledger into escrow.
    Posted [job_id: Bytes32, client: Address] (job: &'a Job, fee_bps: u16, spec: &'a [u8]) = "b22b8717932655314e5f13863ebbf93086984ad06d3704a8f28006ac70e61ba4";
    /// The client stopped new leases and takeovers.
    Cancelled [job_id: Bytes32] () = "baa1eb22f2a492ba1a5fea61b8df4d27c6c8b5f3971e63bb58fa14ff72eedb70";
    /// A round began: `provider` holds `[first, first + count)` at `price` per task.
    Claimed [job_id: Bytes32, first: u32, provider: Address] (count: u32, round: u16, price: u128, bond: u128) = "ebac596f7a01b23541e2bfc53e991366bde8eb4bc4145db85f93a3c46265035d";
    /// A result was submitted; `manifest` addresses the list of its output digests.
    Submitted [job_id: Bytes32, first: u32, provider: Address] (root: Bytes32, manifest: Bytes32) = "0d56043a1405141ee7a813e71bb0fb6ef50c50aa3ae46bbcaf8d4e11a293af73";
    /// A lease ended well. `paid` went to its provider, or in equal parts to the seats that
    /// `SeatClosed` names as paid; `fee` to the protocol, `refunded` to the client; the three add up to the
    /// lease's escrow.
    Settled [job_id: Bytes32, first: u32] (how: How, paid: u128, fee: u128, refunded: u128) = "8d086cc97e45128ed349202f6b9831f79ec4cb42e3715f94e42564df52b9f3f8";
    /// A round ended without a result; `burned` was taken from the provider's bond (by a lost jury, all of
    /// it: `Judged` says where it went). Of a redundant lease `provider` is 0, and `SeatClosed` says who lost what.
    Freed [job_id: Bytes32, first: u32, provider: Address] (reason: Reason, burned: u128) = "fbb8c9a2fcaa4d124bd8f685b752f1b2d5a244f40dc0c2194f20426536936620";
    /// `count` tasks from `first` will not be run; `refunded` went back to the client.
    Refunded [job_id: Bytes32, first: u32] (count: u32, refunded: u128) = "4e16e0124c296fae0dcd8503de6a6a9b8f929b6067910dcea2607f3b7ea7da0c";
    /// `provider` is on the list with this Merkle root: it may work for jobs that name it.
    Admitted [list: Bytes32, provider: Address] () = "f0b6c13406186f8ddaf7331063313b1ca2652cb7202e9f691952fa74a771e1d2";
    /// `client` withdrew its signatures under jobs with this nonce.
    Revoked [client: Address] (nonce: u64) = "a8eb44cdd5c7aab1360e53a715c67fac54b9f857e50367a69d1e1772de3cc926";
    /// The seed of a redundant job's draws, and all stake that it is drawn from.
    Sealed [job_id: Bytes32] (seed: Bytes32, total_stake: u128) = "5d49028eb69b62267bad128a0f93d92ea453fd1af76e581f8d54230122ec4b68";
    /// `provider` reserved a seat of a redundant lease.
    Joined [job_id: Bytes32, first: u32, provider: Address] (round: u16, bond: u128) = "7ab580b413793de0f6890571a1ee9185d919bb3bbbc64c655380c4d1a30317f8";
    /// `provider` committed to a result. `bond` is what that locked: 0 if it had joined before.
    Committed [job_id: Bytes32, first: u32, provider: Address] (round: u16, commitment: Bytes32, bond: u128) = "f889f001c3c2921667011221a127bab61a6e323cabf600ea71c5c8a814363d81";
    /// `provider` revealed what it had committed to.
    Revealed [job_id: Bytes32, first: u32, provider: Address] (root: Bytes32, manifest: Bytes32) = "0ba4b8e2ea263178de2bbaa2f80510ddf3c706168adad60d61a6a88d9caeeda5";
    /// How the seat of provider `number` ended: of the lease's round if `challenge` is 0, else of the jury
    /// of that challenge. `paid` are its earnings, `burned` was taken from its bond.
    SeatClosed [job_id: Bytes32, first: u32, number: u32] (challenge: u8, end: SeatEnd, paid: u128, burned: u128) = "fbfe74c7a61c7596db0ac05ea136915246a54bd389f56e36bff88d820a5d4e45";
    /// `challenger` contests the output of `task` and put down `deposit`. `challenge` counts from 1
    /// in each round.
    Challenged [job_id: Bytes32, first: u32, challenger: Address] (challenge: u8, task: u32, digest: Bytes32, answer: Bytes32, deposit: u128) = "83124eb66f9db6d66c269a46f383cfc330d383ef85b0820d015e12dbc3b69bda";
    /// The seed of a jury's draw and of its keyed manifest, and all stake that it is drawn from.
    JurySealed [job_id: Bytes32, first: u32] (challenge: u8, seed: Bytes32, total_stake: u128) = "6148f6d3a60886d49c8740c285a230d5d558ae31809d0213dee59505907263c6";
    /// `provider` reserved a juror's seat.
    JurorJoined [job_id: Bytes32, first: u32, provider: Address] (challenge: u8, bond: u128) = "407b7fbc48855d1b6bdee5e046747f1a1bd404abc4e43683fef1b6d7c8541ddc";
    /// A juror committed to its vote. `bond` is what that locked: 0 if it had joined before.
    VoteCommitted [job_id: Bytes32, first: u32, provider: Address] (challenge: u8, commitment: Bytes32, bond: u128) = "721dbf76d8fe6b1c94b421cd36326a8e028978088f1d885a08e18865c5faa834";
    /// A juror revealed its vote: the output digest, and the same manifest keyed by the jury's seed.
    VoteRevealed [job_id: Bytes32, first: u32, provider: Address] (digest: Bytes32, keyed: Bytes32) = "8188ff379389f41cc1791afa40b808450332d965b77339978217d604a9400644";
    /// The challenger revealed the digest that it holds for right.
    AnswerRevealed [job_id: Bytes32, first: u32] (digest: Bytes32) = "9120ee310d1bd20a49dcbcd0f35b3ae23df16da30fcd6e5b36cb76683a8045b2";
    /// The jury's verdict on `digest`. `reward` and what of the deposit was due to it
    /// (`returned`) went to the challenger, `burned` (of the provider's bond or the deposit) to nobody.
    Judged [job_id: Bytes32, first: u32] (challenge: u8, verdict: Verdict, digest: Bytes32, reward: u128, returned: u128, burned: u128) = "87d50724bf4b2e873fa0dfeb692a941e4b57ef14140ab9fc5d2ff533f565666c";
    /// `demander` put down `deposit` to see all output digests of a lease.
    DemandMade [job_id: Bytes32, first: u32, demander: Address] (deposit: u128) = "3b659c638c74d3e58ff67b437815b6612e00a33d958d8bdc4ee31b5b9e469bd8";
    /// The provider gave all output digests (they are this call's argument) and earned the deposit.
    Responded [job_id: Bytes32, first: u32, provider: Address] (earned: u128) = "9b4c458430982a49b13a5fb296ab41bd51f2c0f098cf435166f5aacb90b385da";
}

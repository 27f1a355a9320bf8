//! What a call tells the world: the events of `IMarket`. They suffice to rebuild the state.

use crate::abi::{Abi, Out, hex32};
use crate::types::{Address, Bytes32, Grade, Job, Reason, SeatEnd, Verdict};

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
    /// `amount` left `account`'s balance for `to`.
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
    /// A job was posted and its worst case moved from the client's balance into escrow.
    Posted [job_id: Bytes32, client: Address] (job: &'a Job, fee_bps: u16, point: u64, spec: &'a [u8]) = "b4b84b393029f8400caf2d251d6b34ac08d21e68066028ab7e0d4feb7ef09e2e";
    /// The client stopped new leases, takeovers and rounds.
    Cancelled [job_id: Bytes32] () = "baa1eb22f2a492ba1a5fea61b8df4d27c6c8b5f3971e63bb58fa14ff72eedb70";
    /// `provider` is on the list with this Merkle root: it may work for jobs that name it.
    Admitted [list: Bytes32, provider: Address] () = "f0b6c13406186f8ddaf7331063313b1ca2652cb7202e9f691952fa74a771e1d2";
    /// `client` withdrew its signatures under jobs with this nonce.
    Revoked [client: Address] (nonce: u64) = "a8eb44cdd5c7aab1360e53a715c67fac54b9f857e50367a69d1e1772de3cc926";
    /// A round began: `provider` holds `[first, first + count)` at `price` per task.
    Claimed [job_id: Bytes32, first: u32, provider: Address] (count: u32, round: u16, price: u128) = "f0f085ba12e5f7db4db0091621c5e23653cce580d4ce653474406111af96cdb8";
    /// A result was submitted; `digestList` addresses the list of its output digests. `point` decides whether it
    /// is audited; 0 if it never is.
    Submitted [job_id: Bytes32, first: u32, provider: Address] (round: u16, root: Bytes32, digest_list: Bytes32, point: u64) = "ed37b494777ec819ec2acaa536dfb9f227c380ce3ac839057b80a72a3ea88359";
    /// A lease ended with a final root. `paid` went to its provider, or in equal parts to the seats that
    /// `SeatClosed` names as paid; `fee` to the protocol, `burned` to nobody, `refunded` to the client. With what jurors
    /// were paid they add up to the lease's escrow.
    Settled [job_id: Bytes32, first: u32] (grade: Grade, paid: u128, fee: u128, burned: u128, refunded: u128) = "65d211a6f371977508f064b140e0b2bb843eea37e94540133e0b451974885983";
    /// A lease ended without a result, after a conviction or a split vote: `burned` of its escrow went to nobody,
    /// `refunded` to the client. `slashed` is what its holder lost of its bond; seats' losses are in `SeatClosed`.
    Voided [job_id: Bytes32, first: u32] (burned: u128, refunded: u128, slashed: u128) = "62e706a86df49b367c6ed1bc5e10e8d2e95cb8cf6c113de8e40beb625f8c244f";
    /// A round ended without a result, and `round` is the lease's next one. `burned` was taken from the holder's
    /// bond. Of a redundant lease `provider` is 0, and `SeatClosed` says what each seat lost.
    Freed [job_id: Bytes32, first: u32, provider: Address] (round: u16, reason: Reason, burned: u128) = "14fbe1f567dc88b34a4cad93ac7d34776be13a9c82f775edb4aa913e8017dc8e";
    /// `count` tasks from `first` will not be run; `refunded` went back to the client.
    Refunded [job_id: Bytes32, first: u32] (count: u32, refunded: u128) = "4e16e0124c296fae0dcd8503de6a6a9b8f929b6067910dcea2607f3b7ea7da0c";
    /// The lease's next draw has another point: of its next round, or of its second jury.
    PointSet [job_id: Bytes32, first: u32] (point: u64) = "75d14f5e31f400fa2f8403606f3a79445ca2b82446f210d1ab0102a126aea7a0";
    /// `provider` reserved a seat of a redundant lease.
    Joined [job_id: Bytes32, first: u32, provider: Address] (round: u16) = "83446d28be3af901ddff2284359d7a0fdfc14a2583386586546ccdb9851e0b90";
    /// `provider` committed to a result, on a seat that it had or took with it.
    Committed [job_id: Bytes32, first: u32, provider: Address] (round: u16, commitment: Bytes32) = "11366eb93e54144df2a4b59f41218bce3a2d02697a06157d252a344a9a57224a";
    /// `provider` left its seat of a redundant lease; `burned` was taken from its bond.
    SeatLeft [job_id: Bytes32, first: u32, provider: Address] (round: u16, burned: u128) = "198495d3308bd61f2d8fe6af8ee71aec6722442db92fe8f177b776578999c777";
    /// What the seat of provider `number` had committed to: `kind` is 0 for a lease, 1 and 2 for juries.
    Opened [job_id: Bytes32, first: u32, number: u32] (round: u16, kind: u8, value: Bytes32, proof: Bytes32) = "2879aafe71422732fe6a05dee76e9c652ca6951a3b3e33cad4b09d57d4808cfd";
    /// How the seat of provider `number` ended. `paid` are its earnings, `burned` was taken from its bond.
    SeatClosed [job_id: Bytes32, first: u32, number: u32] (round: u16, kind: u8, end: SeatEnd, paid: u128, burned: u128) = "00e2626c6535e752cbca3d0130f7100f97230381ba11e558f6ab95187cf2be60";
    /// A drawn audit was opened: jury `jury` runs `task` again and commits its votes until `commitBy`.
    AuditOpened [job_id: Bytes32, first: u32] (round: u16, jury: u8, task: u32, commit_by: u64) = "ab27bd4bb13a54971c731fd134218bab7813afada927832c002e0c6248e6b9b7";
    /// `provider` reserved a juror's seat.
    JurorJoined [job_id: Bytes32, first: u32, provider: Address] (round: u16, jury: u8) = "c1fa52144b87bdb0fd84e8242cee2621189cc09332826716a14432196f708b0f";
    /// `provider` committed to a vote, on a seat that it had or took with it.
    VoteCommitted [job_id: Bytes32, first: u32, provider: Address] (round: u16, jury: u8, commitment: Bytes32) = "edd9c25905bd53a9b77dc5baf9276ff8bd288ea2299eb57d323b500f09dfd02f";
    /// Two jurors agree, and only the accused's leaf is missing: it can be brought until `leafBy`.
    LeafMissed [job_id: Bytes32, first: u32] (jury: u8, leaf_by: u64) = "061f26158fa5c925ee0e5d993f4957c6d2e6c33fd3759b9bf41a2b2423d7b4c8";
    /// The jury's verdict. `digest` is what two or more jurors found (0 if none did), `leaf` what the accused had
    /// committed to (0 if nobody opened it).
    Judged [job_id: Bytes32, first: u32] (jury: u8, verdict: Verdict, task: u32, digest: Bytes32, leaf: Bytes32) = "456bec7a872d277c78267747798c2091048070e15194d405a83f0b39f506f8c5";
}

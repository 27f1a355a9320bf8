//! How arguments lie in revert data, logs and calls: Solidity's ABI, as far as the market needs it. Nothing is
//! allocated; bytes go to the caller that asks for them, in pieces.

use crate::types::{Address, Bytes32, Grade, Job, Phase, Reason, Seat, SeatEnd, U256, Verdict};

/// Where encoded bytes go.
pub type Out<'a> = &'a mut dyn FnMut(&[u8]);

/// A value with an encoding. Of the values encoded together at most one is dynamic, and it is the last one.
pub(crate) trait Abi {
    /// Its type's name in a signature.
    const NAME: &'static str;
    /// Words in its head.
    const WORDS: usize = 1;

    /// Writes its head. `tail_at` is where the tail begins, in bytes.
    fn head(&self, tail_at: usize, out: Out<'_>);

    /// Writes its tail, if it has one.
    fn tail(&self, _out: Out<'_>) {}
}

/// A number of at most 128 bits in its word.
pub(crate) const fn number(value: u128) -> Bytes32 {
    let mut word = [0; 32];
    let (_, low) = word.split_at_mut(16);
    low.copy_from_slice(&value.to_be_bytes());
    word
}

/// An account in its word.
pub(crate) const fn account(value: &Address) -> Bytes32 {
    let mut word = [0; 32];
    let (_, low) = word.split_at_mut(12);
    low.copy_from_slice(value);
    word
}

/// The bytes that 64 hexadecimal digits stand for.
pub(crate) const fn hex32(text: &str) -> Bytes32 {
    match U256::from_str_radix(text, 16) {
        Ok(value) => value.to_be_bytes(),
        Err(_) => [0; 32],
    }
}

impl Abi for Address {
    const NAME: &'static str = "address";
    fn head(&self, _: usize, out: Out<'_>) {
        out(&account(self));
    }
}

impl Abi for Bytes32 {
    const NAME: &'static str = "bytes32";
    fn head(&self, _: usize, out: Out<'_>) {
        out(self);
    }
}

impl Abi for U256 {
    const NAME: &'static str = "uint256";
    fn head(&self, _: usize, out: Out<'_>) {
        out(&self.to_be_bytes::<32>());
    }
}

macro_rules! numbers {
    ($($ty:ty: $name:literal),*) => {$(
        impl Abi for $ty {
            const NAME: &'static str = $name;
            fn head(&self, _: usize, out: Out<'_>) {
                out(&number(u128::from(*self)));
            }
        }
    )*};
}

numbers! { u128: "uint128", u64: "uint64", u32: "uint32", u16: "uint16", u8: "uint8", bool: "bool" }

macro_rules! states {
    ($($ty:ty),*) => {$(
        impl Abi for $ty {
            const NAME: &'static str = "uint8";
            fn head(&self, _: usize, out: Out<'_>) {
                out(&number(*self as u128));
            }
        }
    )*};
}

states! { Phase, Grade, Reason, Seat, SeatEnd, Verdict }

/// `bytes`, and `string`, whose bytes nobody checks. Its place in the head says where the tail begins.
impl Abi for &[u8] {
    const NAME: &'static str = "bytes";
    fn head(&self, tail_at: usize, out: Out<'_>) {
        out(&number(tail_at as u128));
    }
    fn tail(&self, out: Out<'_>) {
        out(&number(self.len() as u128));
        out(self);
        let padding = self.len().wrapping_neg() % 32;
        out([0; 32].get(..padding).unwrap_or_default());
    }
}

/// Words of a job in calldata: 7 of `Terms`, 5 of `Assurance`, 4 of `Price`, 5 of `Timing`.
pub(crate) const JOB_WORDS: usize = 21;

impl Abi for &Job {
    const NAME: &'static str = "((address,uint64,bytes32,uint32,uint32,uint32,bytes32),\
        (uint8,uint8,uint16,bool,address),(uint128,uint128,uint128,uint128),\
        (uint64,uint64,uint64,uint64,uint64))";
    const WORDS: usize = JOB_WORDS;
    fn head(&self, _: usize, out: Out<'_>) {
        out(job_words(self).as_flattened());
    }
}

/// A job as it lies in calldata.
pub(crate) fn job_words(job: &Job) -> [Bytes32; JOB_WORDS] {
    let Job { terms, assurance, price, timing } = job;
    [
        account(&terms.client),
        number(terms.nonce.into()),
        terms.spec,
        number(terms.tasks.into()),
        number(terms.min_lease.into()),
        number(terms.max_lease.into()),
        terms.providers,
        number(assurance.replicas.into()),
        number(assurance.quorum.into()),
        number(assurance.audit_bps.into()),
        number(assurance.refund.into()),
        account(&assurance.verifier),
        number(price.min_price),
        number(price.max_price),
        number(price.bond),
        number(price.jury_fee),
        number(timing.opens_at.into()),
        number(timing.ramp.into()),
        number(timing.closes_at.into()),
        number(timing.run_window.into()),
        number(timing.audit_window.into()),
    ]
}

/// What a verifier is asked (`IVerifier.verify`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its id, which binds the market and the chain.
    pub job_id: Bytes32,
    /// The lease's first task.
    pub first: u32,
    /// Tasks in the lease.
    pub count: u32,
    /// The provider that holds the lease and will be paid.
    pub provider: Address,
    /// Root of the result, not zero.
    pub root: Bytes32,
    /// Content address of the list of output digests.
    pub digest_list: Bytes32,
    /// Whatever the verifier asks for.
    pub proof: &'a [u8],
}

impl Question<'_> {
    /// Selector of the call, and as its own answer the word for yes.
    pub const SELECTOR: [u8; 4] = u32::to_be_bytes(0x00965081);

    /// Writes the call.
    pub fn encode(&self, out: Out<'_>) {
        out(&Self::SELECTOR);
        let tail_at = 32 * (JOB_WORDS + 7);
        self.job.head(tail_at, out);
        self.job_id.head(tail_at, out);
        self.first.head(tail_at, out);
        self.count.head(tail_at, out);
        self.provider.head(tail_at, out);
        self.root.head(tail_at, out);
        self.digest_list.head(tail_at, out);
        self.proof.head(tail_at, out);
        self.proof.tail(out);
    }
}

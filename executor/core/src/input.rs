//! What reaches the machine.

use alloy_primitives::{Address, B256, Bytes};
use piecework_core::{
    digest::Digest,
    view::{
        Block, StoredEvent,
        lease::Roots,
        seat::{Key as SeatId, Vote},
    },
};

use crate::{
    duty::{End, Reach},
    intent::{Fate, IntentId, What},
};

/// Something that happened, or that is known from before.
#[derive(Clone, Debug)]
pub enum Input {
    /// The chain ends with this block now. `events` are the market's in this block, and in those before it that were not
    /// told yet, in the chain's order. After a start: all that are stored.
    Block {
        /// The newest block.
        head: Block,
        /// The events of jobs.
        events: Vec<StoredEvent>,
    },
    /// Blocks above this height were reorganized away.
    Rewound {
        /// The highest block that is left.
        to: u64,
    },
    /// All that the chain had when the executor started was told.
    Synced,
    /// Where an intent stands. After a start: each one that is not final, after the block, so that a claim whose job is known
    /// keeps capacity.
    Intent {
        /// Which.
        id: IntentId,
        /// Where it stands.
        fate: Fate,
    },
    /// A seat, or a lease, was bound to this vote before the start.
    Bound {
        /// Which.
        seat: SeatId,
        /// The first of its tasks.
        task: u32,
        /// The vote.
        vote: Vote,
    },
    /// A duty was over before the start.
    Over {
        /// Which.
        seat: SeatId,
        /// How it ended.
        end: End,
    },
    /// Duties of forgotten jobs, of which so many ended so.
    Forgotten {
        /// How they ended.
        end: End,
        /// How many.
        duties: u64,
    },
    /// A client has paid this machine before.
    Paid {
        /// The client.
        client: Address,
    },
    /// What trials of a spec came to.
    Tried {
        /// Digest of the spec's bytes.
        spec: B256,
        /// The task that was run twice.
        task: u32,
        /// What both runs said.
        verdict: Verdict,
    },
    /// A trial came to nothing.
    TrialFailed {
        /// Digest of the spec's bytes.
        spec: B256,
        /// Why.
        failure: Failure,
    },
    /// The answer to a question.
    Answer(Answer),
    /// A job's image and input are ready, or why not.
    Prepared {
        /// The job.
        job: B256,
        /// Whether they are.
        result: Result<(), Failure>,
    },
    /// A task of a duty has an outcome.
    TaskDone {
        /// Which duty.
        seat: SeatId,
    },
    /// The work of a duty is over.
    Worked {
        /// Which duty.
        seat: SeatId,
        /// The key under which a juror worked.
        keyed: Option<B256>,
        /// Its vote, or why there is none.
        result: Result<Vote, Failure>,
    },
    /// A duty's outputs are served.
    Served {
        /// Which duty.
        seat: SeatId,
        /// To whom.
        reach: Reach,
    },
    /// A duty's outputs are not on this machine, though they were asked for.
    Missing {
        /// Which duty.
        seat: SeatId,
    },
    /// Whether outputs that are owed fill what the owner gives them.
    DiskFull(bool),
    /// The owner wants the executor to take nothing more.
    Stop,
    /// Time passed.
    Tick,
}

/// What two runs of a task say of its spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They had the same output.
    Same,
    /// They had two.
    Differs,
    /// They had two, one of them for want of time or memory, which says more of this machine than of the spec.
    Unclear,
}

/// Work that was given up, or that cannot be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why, in words.
    pub why: String,
    /// The job is to blame: trying again does not help.
    pub of_the_job: bool,
    /// Image or input cannot be had, or are not what they should be. A juror with a seat abstains.
    pub of_the_input: bool,
    /// The outcome may come of this machine. A juror with a seat abstains.
    pub unsure: bool,
}

/// What the machine wants to know, without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The provider's stake.
    Stake,
    /// Whether the provider was admitted to a list.
    Admitted(B256),
    /// A provider's number.
    Number(Address),
    /// Whether a transaction was sent by this machine.
    Owner(B256),
    /// A point of the beacon.
    Point(u64),
    /// The call that publishes a point's seed.
    Publication(u64),
    /// What the market would say to a call.
    Simulate(What),
    /// What a provider before a jury committed to.
    Leaf(SeatId),
}

/// A question to the world. Its answer comes as an [`Input::Answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// One without details.
    Plain(Topic),
    /// What would the market say to this call now? Nothing is sent.
    Simulate {
        /// The call.
        what: What,
        /// Its calldata.
        data: Bytes,
    },
    /// What did the provider of this result commit to for a task?
    Leaf {
        /// The jury's seats.
        seat: SeatId,
        /// Where to find it.
        of: LeafOf,
    },
}

/// Where a leaf is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafOf {
    /// The provider that submitted the result.
    pub provider: Address,
    /// First task of its lease.
    pub first: u32,
    /// Tasks in the lease.
    pub count: u32,
    /// The audited task.
    pub task: u32,
    /// What was submitted.
    pub result: Roots,
}

impl Question {
    /// What it is about.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Plain(topic) => *topic,
            Self::Simulate { what, .. } => Topic::Simulate(*what),
            Self::Leaf { seat, .. } => Topic::Leaf(*seat),
        }
    }
}

/// What a provider committed to for the audited task, and its path in the result's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The output digest.
    pub digest: B256,
    /// The path.
    pub proof: Vec<B256>,
}

impl Leaf {
    /// The leaf of a task, if `digests` are those that were submitted.
    #[must_use]
    pub fn find(digests: &[Digest], of: &LeafOf) -> Option<Self> {
        use piecework_core::digest::tree;
        let same = tree::root(of.first, digests).is_ok_and(|root| root == of.result.root);
        let place = usize::try_from(of.task.checked_sub(of.first)?).ok()?;
        let digest = digests.get(place).filter(|_| same)?;
        Some(Self {
            digest: (*digest).into(),
            proof: tree::proof(of.first, digests, of.task).ok()?,
        })
    }
}

/// What the market would say to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It would take it.
    Yes,
    /// The provider is not drawn yet, but will be from this time of the chain on; `u64::MAX`: never.
    DrawnFrom(u64),
    /// It would refuse it, in these words.
    No(String),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The world does not say now. It is asked again.
    Silence(Topic),
    /// The provider's stake.
    Stake {
        /// All of it.
        total: u128,
        /// The part of it that no bond locks.
        free: u128,
        /// The provider's number; 0 if it has none.
        number: u32,
    },
    /// Whether the provider was admitted to a list.
    Admitted {
        /// The list.
        list: B256,
        /// Whether it was.
        admitted: bool,
    },
    /// A provider's number.
    Number {
        /// The provider.
        provider: Address,
        /// Its number; 0 if it has none.
        number: u32,
    },
    /// Whether a transaction was sent by this machine.
    Owner {
        /// The transaction.
        tx: B256,
        /// Whether it was.
        ours: bool,
    },
    /// What the beacon says of a point.
    Point(PointState),
    /// The call that publishes a point's seed.
    Publication {
        /// The point.
        point: u64,
        /// The contract and the calldata; none if there is nothing to publish now.
        call: Option<(Address, Bytes)>,
    },
    /// What the market would say to a call.
    Simulate {
        /// The call.
        what: What,
        /// Its word.
        word: Word,
    },
    /// What a provider before a jury committed to; none if it cannot be had.
    Leaf {
        /// The jury's seats.
        seat: SeatId,
        /// The leaf.
        leaf: Option<Leaf>,
    },
}

impl Answer {
    /// What it is about.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Silence(topic) => *topic,
            Self::Stake { .. } => Topic::Stake,
            Self::Admitted { list, .. } => Topic::Admitted(*list),
            Self::Number { provider, .. } => Topic::Number(*provider),
            Self::Owner { tx, .. } => Topic::Owner(*tx),
            Self::Point(state) => Topic::Point(state.point),
            Self::Publication { point, .. } => Topic::Publication(*point),
            Self::Simulate { what, .. } => Topic::Simulate(*what),
            Self::Leaf { seat, .. } => Topic::Leaf(*seat),
        }
    }
}

/// A point of the beacon, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointState {
    /// The point.
    pub point: u64,
    /// Its nominal time, in Unix seconds.
    pub time: u64,
    /// Its seed, if that was published.
    pub seed: Option<B256>,
    /// Its seed will never be known.
    pub dead: bool,
    /// Its seed can be published now.
    pub due: bool,
    /// What its seed will be, as far as the node can tell before anybody published it.
    pub likely: Option<B256>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use piecework_core::digest::tree;

    use super::*;

    #[test]
    fn a_leaf_is_found_only_in_what_was_submitted() {
        let digests: Vec<Digest> = (0..5u8).map(|n| Digest::of(&[n])).collect();
        let root = tree::root(8, &digests).unwrap();
        let of = |task, root| LeafOf {
            provider: Address::ZERO,
            first: 8,
            count: 5,
            task,
            result: Roots {
                root,
                list: B256::ZERO,
            },
        };
        let leaf = Leaf::find(&digests, &of(10, root)).unwrap();
        assert_eq!(Digest::from(leaf.digest), digests[2]);
        assert!(tree::verify(root, 8, 5, 10, digests[2], &leaf.proof));
        assert_eq!(Leaf::find(&digests, &of(10, B256::repeat_byte(1))), None);
        for outside in [7, 13] {
            assert_eq!(Leaf::find(&digests, &of(outside, root)), None);
        }
    }
}

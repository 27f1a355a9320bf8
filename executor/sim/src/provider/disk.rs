//! What a provider has on disk, and what it serves to everybody.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use piecework_core::{
    digest::Digest,
    view::{
        Block, StoredEvent,
        seat::{Key as SeatId, Vote},
    },
};
use piecework_executor_core::{
    duty::End,
    input::Verdict,
    intent::{Intent, IntentId},
};

use crate::chain::Tx;

/// Where an intent stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Sent,
    Mined { block: u64, tx: B256 },
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) intent: Intent,
    pub(super) state: State,
    pub(super) attempts: Vec<Tx>,
    /// When it was broadcast last.
    pub(super) sent_at: u64,
    pub(super) over: bool,
}

/// What is on disk. It outlives the process.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) blocks: Vec<Block>,
    pub(super) events: Vec<StoredEvent>,
    pub(super) intents: BTreeMap<IntentId, Row>,
    pub(super) bound: Vec<(SeatId, u32, Vote)>,
    pub(super) over: Vec<(SeatId, End, B256)>,
    pub(super) tried: BTreeMap<B256, (u32, Verdict)>,
    pub(super) tasks: BTreeMap<(B256, u32), Digest>,
    /// Intents that are not over.
    pub(super) open: BTreeSet<IntentId>,
}

/// What providers serve to everybody.
#[derive(Debug, Default)]
pub struct Shelf {
    pub(super) lists: BTreeMap<(Address, SeatId), Vec<Digest>>,
    /// Providers that answer now.
    pub alive: BTreeSet<Address>,
}

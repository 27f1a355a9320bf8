//! Work that could be taken.

use alloy_primitives::B256;
use piecework_core::view::{lease::Key as LeaseId, seat::Key as SeatId};

use crate::{duty::seat::Tasks, take::seats::Place};

/// Work that could be taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Candidate {
    Claim(B256),
    Takeover(LeaseId),
    Seat(Open),
}

impl Candidate {
    pub(super) fn job(&self) -> B256 {
        match self {
            Self::Claim(job) => *job,
            Self::Takeover(lease) => lease.job,
            Self::Seat(open) => open.id.lease.job,
        }
    }
}

/// A seat that could be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) id: SeatId,
    pub(super) place: Place,
    pub(super) tasks: Tasks,
    /// The point that draws it; 0 where nobody is drawn.
    pub(super) point: u64,
    /// Last second to take it.
    pub(super) by: u64,
}

//! Transactions of duties: asked for when they should be on their way, and again when they came to nothing.

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::IMarket,
    view::{
        lease::Roots,
        seat::{Key as SeatId, Vote},
    },
};

use super::{
    Machine, Pending,
    held::{Duty, Held},
};
use crate::{
    capacity::Amount,
    command::Command,
    duty::{Act, Owed, lease::Seen},
    intent::{Fate, Intent, IntentId, What},
};

/// Leases that are settled in one call.
const TOGETHER: usize = 16;
/// Longest pause after an act came to nothing: 1 second, doubled so often.
const LONGEST_PATIENCE: u32 = 5;

impl Machine {
    pub(super) fn mind_act(&mut self, id: SeatId, act: Act, owed: Option<Owed>) {
        let what = match (act, self.duties.get(&id).map(|held| &held.duty)) {
            (Act::Submit(_), _) => What::Submit(id.lease),
            (Act::Leave, Some(Duty::Lease(_))) => What::Leave(id.lease),
            (Act::Leave, _) => What::LeaveSeat(id),
            (Act::Finalize, _) => What::Finalize(id.lease),
            (Act::Expire, _) => What::Expire(id.lease),
            (Act::Judge(jury), _) => What::Judge(SeatId {
                lease: id.lease,
                kind: jury,
            }),
            (Act::Commit(_), _) => What::Commit(id),
            (Act::Open, _) => What::Open(id),
            (Act::Settle, _) => What::Settle(id),
        };
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        // Before the chain is read to its end, only what cannot be too early is sent.
        let is_early = !self.synced && !matches!(act, Act::Submit(_) | Act::Commit(_));
        // Leaving a seat costs nothing before its round begins, and a node that is behind does not know that it has begun.
        let waits = matches!(held.duty, Duty::Seat(seat) if act == Act::Leave && !seat.round.begun);
        let seen = self.head.map_or(0, |head| head.time);
        let is_behind = seen.saturating_add(self.settings.timing.margin) < self.now.time;
        if is_early || (waits && is_behind) || self.now.time < held.rest_until || self.is_open(what)
        {
            return;
        }
        if act == Act::Finalize {
            // Those of a job that are due together go in one call.
            if !self.covered.contains_key(&id) {
                self.due.entry(id.lease.job).or_default().push(id);
            }
            return;
        }
        let tasks = held.duty.tasks();
        let Some(data) = self.call_of(id, act) else {
            return;
        };
        if let Act::Submit(Roots {
            root: value,
            list: proof,
        })
        | Act::Commit(Vote { value, proof }) = act
        {
            // Nothing that binds stake is signed before it is written down.
            let vote = Vote { value, proof };
            let votes = self.bound.entry((id, tasks.first)).or_default();
            if !votes.contains(&vote) {
                votes.push(vote);
            }
            self.commands.push(Command::Bind {
                seat: id,
                tasks,
                vote,
            });
        }
        self.send_act(what, data, owed);
    }

    fn send_act(&mut self, what: What, data: Bytes, owed: Option<Owed>) -> IntentId {
        let unique = self.unique();
        let id = IntentId { what, unique };
        let intent = Intent {
            id,
            to: None,
            data,
            not_after: None,
            deadline: owed.map(|owed| owed.until),
            at_stake: owed.map_or(0, |owed| owed.at_stake),
        };
        let pending = Pending {
            fate: Fate::Open,
            bond: 0,
            amount: Amount::default(),
            parallel: 0,
            until: 0,
        };
        self.send(intent, pending);
        id
    }

    /// Sends what is due together.
    pub(super) fn send_due(&mut self) {
        for (job, leases) in std::mem::take(&mut self.due) {
            for leases in leases.chunks(TOGETHER) {
                let (Some(first), Some(job)) = (leases.first(), self.jobs.get(&job)) else {
                    continue;
                };
                let call = IMarket::finalizeCall {
                    job: job.job.clone(),
                    firsts: leases.iter().map(|id| id.lease.first).collect(),
                };
                let what = What::Finalize(first.lease);
                let intent = self.send_act(what, call.abi_encode().into(), None);
                for id in leases.iter().skip(1) {
                    self.covered.insert(*id, intent);
                }
            }
        }
    }

    /// The other leases that an intent settles. It is over.
    pub(super) fn uncover(&mut self, intent: IntentId) -> Vec<SeatId> {
        if !matches!(intent.what, What::Finalize(_)) {
            return Vec::new();
        }
        let covered = self.covered.iter();
        let covered = covered.filter(|(_, other)| **other == intent);
        let covered: Vec<SeatId> = covered.map(|(id, _)| *id).collect();
        for id in &covered {
            self.covered.remove(id);
        }
        covered
    }

    /// The outputs of a duty are not here, and somebody may need them. They are made again while its bond depends on them.
    pub(super) fn missing(&mut self, id: SeatId) {
        let now = self.now.time;
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        if now < held.serve_after || held.is_missing() {
            return;
        }
        held.was_missing(now);
        if let Duty::Lease(lease) = &mut held.duty
            && matches!(lease.seen, Seen::Submitted { .. } | Seen::Audited(_))
        {
            lease.missing = true;
        }
        self.touch(id.lease.job, Some(id.lease.first));
    }

    /// A transaction that will not happen, or that changed nothing.
    pub(super) fn rest(&mut self, intent: IntentId) {
        for id in seat_of(intent.what).into_iter().chain(self.uncover(intent)) {
            self.rest_duty(id);
        }
    }

    fn rest_duty(&mut self, id: SeatId) {
        let (time, margin) = (self.now.time, self.settings.timing.margin);
        if let Some(held) = self.duties.get_mut(&id) {
            // A refusal often comes from a state of the chain that passes: a moment's patience, and more if it does not.
            let left = held.duty.desired(time, margin).act_owed;
            let left = left.map_or(u64::MAX, |owed| owed.until.saturating_sub(time));
            let patience = 1u64 << held.tries.min(LONGEST_PATIENCE);
            let patience = patience.min((left / 4).max(1));
            held.tries = held.tries.saturating_add(1);
            held.rest_until = time.saturating_add(patience);
            self.touch(id.lease.job, Some(id.lease.first));
        }
    }

    pub(super) fn came_to_nothing(&mut self, intent: IntentId) {
        self.rest(intent);
        let what = intent.what;
        match what {
            What::Commit(id) => {
                // Others were quicker.
                if let Some(Held {
                    duty: Duty::Seat(seat),
                    ..
                }) = self.duties.get_mut(&id)
                {
                    seat.prospect = false;
                }
            }
            What::Claim { .. }
            | What::Takeover(_)
            | What::Join(_)
            | What::Renew(_)
            | What::EndLapsed(_) => self.claim_lost(what),
            _ => {}
        }
    }
}

/// The duty that an intent is about.
fn seat_of(what: What) -> Option<SeatId> {
    match what {
        What::Submit(lease) | What::Leave(lease) | What::Finalize(lease) | What::Expire(lease) => {
            Some(SeatId { lease, kind: 0 })
        }
        // It is the lease's whose result is judged.
        What::Judge(seat) => Some(SeatId {
            lease: seat.lease,
            kind: 0,
        }),
        What::Commit(seat) | What::Open(seat) | What::Settle(seat) | What::LeaveSeat(seat) => {
            Some(seat)
        }
        What::Claim { .. }
        | What::Takeover(_)
        | What::Join(_)
        | What::Renew(_)
        | What::EndLapsed(_)
        | What::Publish { .. } => None,
    }
}

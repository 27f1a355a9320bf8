//! Transactions of duties: asked for when they should be on their way, and again when they came to nothing.

use piecework_core::view::{
    lease::Roots,
    seat::{Key as SeatId, Vote},
};

use super::{
    Machine,
    batch::Ready,
    held::{Duty, Held},
};
use crate::{
    command::Command,
    duty::{Act, Owed, lease::Seen},
    intent::{IntentId, What},
};

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
        let margin = self.settings.timing.margin;
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        // Before the chain is read to its end, only what cannot be too early is sent.
        let is_early = !self.synced && !matches!(act, Act::Submit(_) | Act::Commit(_));
        // Leaving a seat costs nothing before its round begins. A node that is behind does not know that it has begun, and a
        // transaction that is sent later may come too late.
        let is_free =
            matches!(held.duty, Duty::Seat(seat) if act == Act::Leave && !seat.round.begun);
        let seen = self.head.map_or(0, |head| head.time);
        let is_behind = is_free && seen.saturating_add(margin) < self.now.time;
        let not_after = is_free.then(|| seen.saturating_add(margin));
        // What is nearly too late does not wait for a transaction that others share.
        let hurry = self.now.time.saturating_add(margin.saturating_mul(2));
        let hurries = owed.is_some_and(|owed| owed.until <= hurry);
        let is_asked = match hurries {
            true => self.is_open_alone(what),
            false => self.is_open(what),
        };
        if is_early || is_behind || self.now.time < held.rest_until || is_asked {
            return;
        }
        if act == Act::Finalize {
            self.can_settle(id);
            return;
        }
        // What failed before, may fail because others were quicker, or is nearly too late, goes with no other call.
        let is_race = match (act, held.duty) {
            (Act::Settle | Act::Judge(_) | Act::Expire, _) => true,
            (_, Duty::Seat(seat)) => {
                seat.prospect || (act == Act::Open && seat.round.lacks_one_opening())
            }
            _ => false,
        };
        let alone = held.failed || is_race || hurries || is_free;
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
        self.ready.push(Ready {
            does: vec![what],
            data,
            owed,
            not_after,
            alone,
        });
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

    /// A transaction that will not happen, or that changed nothing. Returns the duties that it was about.
    pub(super) fn rest(&mut self, intent: IntentId) -> Vec<SeatId> {
        let does = self.uncover(intent).into_iter().chain([intent.what]);
        let duties: Vec<SeatId> = does.filter_map(duty_of).collect();
        for id in &duties {
            self.rest_duty(*id);
        }
        duties
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
        for id in self.rest(intent) {
            if let Some(held) = self.duties.get_mut(&id) {
                held.failed = true;
            }
        }
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
fn duty_of(what: What) -> Option<SeatId> {
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

//! What the chain says of each duty now.

use alloy_primitives::B256;
use piecework_core::view::{
    lease::{Key as LeaseId, LeaseView, State},
    seat::{End as SeenEnd, Key as SeatId, Mine, Round},
};

use super::{
    Machine,
    facts::{Publish, Waiter},
    held::Duty,
    sums::Part,
};
use crate::{
    duty::{
        Lease, Seat,
        lease::{Audit, Seen},
    },
    secret,
};

impl Machine {
    /// Shows the chain's word to a duty.
    pub(super) fn refresh_duty(&mut self, id: SeatId) {
        let head = self.head.map_or(0, |head| head.number);
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        let tx = held.tx;
        let (duty, block) = match held.duty {
            Duty::Lease(lease) => {
                let (seen, block) = self.seen(id.lease, tx);
                (Duty::Lease(Lease { seen, ..lease }), block)
            }
            Duty::Seat(seat) => self.seen_seat(seat, tx),
        };
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        let was_absent = held.duty.is_absent() && held.since != u64::MAX;
        if held.duty.has_other_word(&duty) {
            // What was refused before may be taken now.
            (held.tries, held.rest_until) = (0, 0);
        }
        held.duty = duty;
        held.since = match block {
            Some(block) => block,
            // It is gone since now, or since before.
            None if was_absent => held.since,
            None => head,
        };
        self.recount(id);
    }

    /// Takes a duty's present part into the sums.
    pub(super) fn recount(&mut self, id: SeatId) {
        let now = self.now.time;
        let part = self.duties.get(&id).and_then(|held| {
            let client = self.jobs.get(&id.lease.job)?.job.terms.client;
            let duty = &held.duty;
            let prospect = match duty.is_prospect() {
                true => duty.bond(),
                false => 0,
            };
            Some(Part {
                bonded: duty.is_bonded().then(|| (client, duty.bond())),
                prospect,
                busy: duty.may_work(now) || duty.is_working(),
            })
        });
        self.sums.set(id, part.unwrap_or_default());
    }

    /// What the chain says of one round of a lease, and since which block.
    fn seen(&mut self, id: LeaseId, tx: Option<B256>) -> (Seen, Option<u64>) {
        let absent = (Seen::Absent, None);
        let Some(job) = self.jobs.get(&id.job) else {
            return absent;
        };
        let Some(lease) = job.view.leases.get(&id.first).copied() else {
            return absent;
        };
        let ours = lease.provider == self.me.provider && tx == Some(lease.claim_tx);
        let seen = match lease.state {
            // A later round: ours was freed, by its taker.
            _ if lease.round > id.round => Seen::Lost,
            _ if lease.round < id.round || !ours => return absent,
            State::Running => Seen::Running { started: lease.at },
            State::Submitted | State::Undecided => Seen::Submitted {
                from: self.final_from(id, &lease),
            },
            State::Audited(jury) => {
                let place = (id.first, id.round, jury);
                let (me, times) = (self.me.provider, &self.me.times);
                let found = job.view.seats.round(place, me, times);
                match found {
                    Some((_, votes)) => Seen::Audited(Audit {
                        jury,
                        votes,
                        leaf_by: job.view.seats.jury(place).and_then(|jury| jury.leaf_by),
                    }),
                    None => Seen::Submitted { from: u64::MAX },
                }
            }
            State::Settled => Seen::Settled,
            State::Void | State::Freed | State::Refunded => Seen::Lost,
        };
        (seen, Some(lease.block))
    }

    /// From when on a submitted lease can be finalized: at once if chance says that it is not audited, otherwise when the
    /// time for juries is over.
    fn final_from(&mut self, id: LeaseId, lease: &LeaseView) -> u64 {
        let Some(job) = self.jobs.get(&id.job) else {
            return u64::MAX;
        };
        let (audit_bps, window) = (job.job.assurance.auditBps, job.job.timing.auditWindow);
        let waiter = Waiter::Lease(id.job, Some(id.first));
        if lease.state == State::Undecided {
            self.learn_seed(lease.point, Publish::No, false, waiter);
            let time = self.facts.point(lease.point).map(|point| point.time);
            let due = time
                .unwrap_or(u64::MAX)
                .saturating_add(self.me.times.retryWindow);
            return due.saturating_add(1);
        }
        // A result that may still be reorganized away has no coin yet.
        let publish = match self.is_settled(lease.submitted_block) {
            true => Publish::Now,
            false => Publish::No,
        };
        let seed = self.learn_seed(lease.point, publish, false, waiter);
        let seed = seed.filter(|_| self.is_final(lease.submitted_block));
        let round = secret::round(
            self.me.chain_id,
            self.me.market,
            SeatId { lease: id, kind: 0 },
        );
        match seed.map(|seed| round.is_audited(seed, audit_bps)) {
            Some(false) => 0,
            _ => lease.at.saturating_add(window).saturating_add(1),
        }
    }

    /// Whether a block is not going to be reorganized away soon. A seed must be published within 256 blocks, however late a
    /// block is final for us.
    fn is_settled(&self, block: u64) -> bool {
        const SETTLED: u64 = 64;
        let head = self.head.map_or(0, |head| head.number);
        let confirmations = self.settings.timing.confirmations.min(SETTLED);
        head >= block.saturating_add(confirmations)
    }

    /// What the chain says of a seat, and since which block.
    fn seen_seat(&mut self, seat: Seat, tx: Option<B256>) -> (Duty, Option<u64>) {
        let id = seat.id;
        let place = (id.lease.first, id.lease.round, id.kind);
        let me = self.me.provider;
        let number = self.facts.stake().map_or(0, |stake| stake.number);
        let absent = |round: Round| {
            let mine = Mine::Absent;
            (
                Duty::Seat(Seat {
                    mine,
                    round,
                    ..seat
                }),
                None,
            )
        };
        let Some(job) = self.jobs.get(&id.lease.job) else {
            return absent(seat.round);
        };
        let Some((panel, round)) = job.view.seats.round(place, me, &self.me.times) else {
            return absent(Round {
                // A job that was cancelled begins no round.
                closed: job.view.cancelled && !seat.is_jurors(),
                ..seat.round
            });
        };
        let taken = panel.seat_of(me).map(|taken| taken.tx);
        if taken.is_some_and(|taken| Some(taken) != tx) {
            // Another of our machines has the seat.
            let closed = true;
            return absent(Round { closed, ..round });
        }
        let closed = round.closed || (job.view.cancelled && !round.begun);
        let round = Round { closed, ..round };
        let (mine, block) = panel.mine(me, number);
        match mine {
            // It was left once, and is to be taken again.
            Mine::Closed(SeenEnd::Vanished) | Mine::Absent if seat.prospect => absent(round),
            Mine::Absent => absent(round),
            mine => {
                // Once it is taken it is no prospect, whatever a reorganization says.
                let prospect = false;
                let seat = Seat {
                    mine,
                    round,
                    prospect,
                    ..seat
                };
                (Duty::Seat(seat), Some(block))
            }
        }
    }
}

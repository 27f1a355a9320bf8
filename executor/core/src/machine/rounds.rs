//! What ends a round of seats: all openings, and the leaf of a provider before a jury.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::IMarket,
    view::seat::{Key as SeatId, Stage, Vote},
};

use super::{Machine, facts::Waiter, held::Duty};
use crate::{
    input::{Leaf, LeafOf, Question},
    secret,
};

/// How often the leaf of another provider is asked for before a call goes without it.
const TRIES: u64 = 6;
/// First pause between two such questions, in milliseconds.
const PAUSE: u64 = 2_000;
/// The pause once nothing can be done without the leaf.
const LONG_PAUSE: u64 = 30_000;

/// What is brought of a leaf.
enum Brought {
    Leaf(Leaf),
    /// None, and the call goes without it.
    Nothing,
    /// It is being looked for.
    Soon,
}

impl Machine {
    /// The call that settles a redundant lease, or has an audit judged, with everything that was opened and, if it is the last
    /// one, our own opening. `None` while something for it is not known; then it was asked for.
    pub(super) fn end_round(&mut self, id: SeatId, own: Option<Vote>) -> Option<Bytes> {
        let leaf = match self.leaf(id, own) {
            Brought::Leaf(leaf) => Some(leaf),
            Brought::Nothing => None,
            Brought::Soon => return None,
        };
        let openings = self.openings(id, own)?;
        self.round_call(id, openings, leaf)
    }

    /// Who ends a round: a duty of ours, or the offers of its job where it lapsed.
    fn waiter_of_round(&self, id: SeatId) -> Waiter {
        let own = SeatId { kind: 0, ..id };
        match self.duties.contains_key(&id) || self.duties.contains_key(&own) {
            true => Waiter::Lease(id.lease.job, Some(id.lease.first)),
            false => Waiter::Job(id.lease.job),
        }
    }

    pub(super) fn round_call(
        &self,
        id: SeatId,
        openings: Vec<IMarket::Opening>,
        leaf: Option<Leaf>,
    ) -> Option<Bytes> {
        let (first, round) = (id.lease.first, id.lease.round);
        let job = self.jobs.get(&id.lease.job)?.job.clone();
        if !id.is_jurors() {
            let call = IMarket::settleCall {
                job,
                first,
                round,
                openings,
            };
            return Some(call.abi_encode().into());
        }
        let (leaf, proof) = match leaf {
            Some(leaf) => (leaf.digest, leaf.proof),
            None => (B256::ZERO, Vec::new()),
        };
        let call = IMarket::judgeCall {
            job,
            first,
            round,
            jury: id.kind,
            openings,
            leaf,
            proof,
        };
        Some(call.abi_encode().into())
    }

    /// All seats, ascending, with what was opened of them.
    fn openings(&mut self, id: SeatId, own: Option<Vote>) -> Option<Vec<IMarket::Opening>> {
        let view = &self.jobs.get(&id.lease.job)?.view;
        let panel = view
            .seats
            .panel((id.lease.first, id.lease.round, id.kind))?;
        let providers: Vec<Address> = panel.seats.iter().map(|seat| seat.provider).collect();
        let opened = panel.opened.clone();
        // All are asked for at once.
        let waiter = self.waiter_of_round(id);
        let numbers: Vec<Option<u32>> = providers
            .iter()
            .map(|provider| self.number_of(*provider, waiter))
            .collect();
        let here = secret::round(self.me.chain_id, self.me.market, id);
        let mut openings = Vec::new();
        for (provider, number) in providers.into_iter().zip(numbers) {
            let number = number?;
            let ours = own.filter(|_| provider == self.me.provider);
            openings.push(match (opened.get(&number), ours) {
                (Some(vote), _) => secret::opening(number, *vote, B256::ZERO),
                (None, Some(vote)) => {
                    let salt = self.me.secret.salt(&here, id.kind, vote);
                    secret::opening(number, vote, salt)
                }
                (None, None) => secret::opening(number, Vote::default(), B256::ZERO),
            });
        }
        openings.sort_unstable_by_key(|opening| opening.number);
        Some(openings)
    }

    /// The leaf that a verdict needs, where two votes agree, our own included.
    fn leaf(&mut self, id: SeatId, own: Option<Vote>) -> Brought {
        let (lease, now) = (id.lease, self.now.time);
        let place = (lease.first, lease.round, id.kind);
        let Some(view) = self.jobs.get(&lease.job).map(|job| &job.view) else {
            return Brought::Nothing;
        };
        let needed = view.seats.winner(place, own).is_some();
        let (Some(jury), Some(accused)) = (view.seats.jury(place), view.leases.get(&lease.first))
        else {
            return Brought::Nothing;
        };
        if !id.is_jurors() || !needed || jury.leaf_by.is_some_and(|by| now > by) {
            return Brought::Nothing;
        }
        let Some(result) = accused.result else {
            return Brought::Nothing;
        };
        let missed = jury.leaf_by.is_some();
        let of = LeafOf {
            provider: accused.provider,
            first: lease.first,
            count: accused.count,
            task: jury.task,
            result,
        };
        let (known, times) = self.facts.leaf(id);
        if let Some(Some(leaf)) = known {
            return Brought::Leaf(leaf.clone());
        }
        let is_lost = matches!(known, Some(None)) && of.provider == self.me.provider;
        if is_lost {
            // It is made again.
            self.missing(SeatId { kind: 0, ..id });
            return Brought::Soon;
        }
        let pause = match times > TRIES {
            true => LONG_PAUSE,
            false => PAUSE,
        };
        let waiter = self.waiter_of_round(id);
        self.ask(Question::Leaf { seat: id, of }, pause, true, waiter);
        // Our own leaf is brought, or nothing is: it saves the bond.
        if of.provider == self.me.provider || missed {
            return Brought::Soon;
        }
        // An opening must not come too late for want of a leaf.
        let soon = now.saturating_add(self.settings.timing.margin.saturating_mul(2));
        let hurry = matches!(
            self.duties.get(&id).map(|held| held.duty),
            Some(Duty::Seat(seat)) if matches!(seat.round.stage(now), Stage::Reveal { until, .. } if soon >= until)
        );
        match times >= TRIES || hurry {
            true => Brought::Nothing,
            false => Brought::Soon,
        }
    }
}

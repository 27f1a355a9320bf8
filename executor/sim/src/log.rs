//! What is told of a run.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::{IMarket, Multicall},
    view::{JobView, seat::Key as SeatId},
};
use piecework_executor_core::{
    capacity::Amount,
    intent::{Intent, IntentId, What},
};

use crate::chain::{BEGIN, Chain, Tx};

/// What is told of a run, and what was found wrong.
#[derive(Debug, Default)]
pub struct Log {
    /// Whether lines are kept.
    pub tells: bool,
    /// What happened.
    pub lines: Vec<String>,
    /// What must never be.
    pub breaches: Vec<String>,
    /// What was sent, by the kind of act, for the table of faults and duties.
    pub acts: BTreeMap<&'static str, u64>,
}

impl Log {
    /// Keeps a line, if lines are kept.
    pub fn say(&mut self, time: u64, line: impl FnOnce() -> String) {
        if self.tells {
            let line = format!("{:>6}  {}", time.saturating_sub(BEGIN), line());
            self.lines.push(line);
        }
    }

    pub(super) fn breach(&mut self, time: u64, what: String) {
        self.say(time, || format!("BREACH: {what}"));
        self.breaches.push(what);
    }

    /// Checks the capacity that a machine counts.
    pub fn used(&mut self, time: u64, provider: usize, used: Amount, total: Amount) {
        if !used.is_within(total) {
            self.breach(
                time,
                format!("provider {provider} runs {used:?} on {total:?}"),
            );
        }
    }

    /// Checks a transaction that is broadcast: no secret is told while somebody could still commit.
    pub fn sent(&mut self, time: u64, provider: usize, intent: &Intent, tx: &Tx, chain: &Chain) {
        let id = &intent.id;
        let does = || std::iter::once(&id.what).chain(&intent.with);
        for what in does() {
            *self.acts.entry(name(what)).or_default() += 1;
        }
        self.say(time, || {
            format!("provider {provider} sends {id}, with {:?}", intent.with)
        });
        let calls = match Multicall::multicallCall::abi_decode(&tx.data) {
            Ok(calls) => calls.data,
            Err(_) => vec![tx.data.clone()],
        };
        let opens =
            |openings: &[IMarket::Opening]| openings.iter().any(|opening| !opening.salt.is_zero());
        let told = calls.iter().filter_map(|call| {
            let settled = IMarket::settleCall::abi_decode(call).map(|call| opens(&call.openings));
            let judged = || IMarket::judgeCall::abi_decode(call).map(|call| opens(&call.openings));
            settled.or_else(|_| judged()).ok()
        });
        let told: Vec<bool> = told.collect();
        let rounds = does().filter_map(|what| match what {
            What::Open(seat) | What::Settle(seat) | What::Judge(seat) => Some(*seat),
            _ => None,
        });
        let rounds: Vec<SeatId> = rounds.collect();
        if told.len() > rounds.len() && told.contains(&true) {
            self.breach(
                time,
                format!("provider {provider} does more than {id} says"),
            );
        }
        for (seat, told) in rounds.into_iter().zip(told) {
            if told {
                self.told(time, provider, id, seat, chain);
            }
        }
    }

    /// Reports a breach if somebody can still commit to the round whose secret is told.
    fn told(&mut self, time: u64, provider: usize, id: &IntentId, seat: SeatId, chain: &Chain) {
        let (what, kind) = (seat.lease, seat.kind);
        // As the newest block has it.
        let mut view = JobView::default();
        for number in 0..=chain.tip().number {
            let events = chain.block(number).map(|(_, events)| events);
            for event in events
                .into_iter()
                .flatten()
                .filter(|event| event.job == what.job)
            {
                view.see(event);
            }
        }
        let place = (what.first, what.round, kind);
        let Some((_, round)) = view.seats.round(place, Address::ZERO, &chain.times) else {
            return;
        };
        let closed = round.full_at.is_some() || chain.tip().time.max(time) >= round.commit_by;
        if !closed {
            self.breach(
                time,
                format!("provider {provider} tells a secret too early: {id}"),
            );
        }
    }
}

/// The names of all kinds of acts.
pub const ACTS: [&str; 19] = [
    "claim",
    "takeover",
    "join",
    "join jury",
    "renew",
    "end lapsed",
    "publish",
    "submit",
    "leave",
    "finalize",
    "expire",
    "judge ours",
    "commit",
    "commit vote",
    "open",
    "open vote",
    "settle",
    "judge",
    "leave seat",
];

/// The name of an act's kind.
pub fn name(what: &What) -> &'static str {
    match what {
        What::Claim { .. } => "claim",
        What::Takeover(_) => "takeover",
        What::Join(seat) if seat.kind == 0 => "join",
        What::Join(_) => "join jury",
        What::Renew(_) => "renew",
        What::EndLapsed(_) => "end lapsed",
        What::Publish { .. } => "publish",
        What::Submit(_) => "submit",
        What::Leave(_) => "leave",
        What::Finalize(_) => "finalize",
        What::Expire(_) => "expire",
        What::Judge(_) => "judge ours",
        What::Commit(seat) if seat.kind == 0 => "commit",
        What::Commit(_) => "commit vote",
        What::Open(seat) if seat.kind == 0 => "open",
        What::Open(_) => "open vote",
        What::Settle(seat) if seat.kind == 0 => "settle",
        What::Settle(_) => "judge",
        What::LeaveSeat(_) => "leave seat",
    }
}

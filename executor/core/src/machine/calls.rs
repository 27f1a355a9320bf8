//! The calldata of acts.

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::IMarket,
    view::seat::{Key as SeatId, Vote},
};

use super::{Machine, facts::Waiter, held::Duty};
use crate::{duty::Act, secret};

impl Machine {
    /// The call of an act. `None` while something for it is not known; then it was asked for.
    pub(super) fn call_of(&mut self, id: SeatId, act: Act) -> Option<Bytes> {
        let job = self.jobs.get(&id.lease.job)?.job.clone();
        let (first, round, provider) = (id.lease.first, id.lease.round, self.me.provider);
        let data = match act {
            Act::Submit(roots) => IMarket::submitCall {
                job,
                first,
                round,
                provider,
                root: roots.root,
                digestList: roots.list,
            }
            .abi_encode(),
            Act::Leave => IMarket::leaveCall {
                job,
                first,
                round,
                provider,
            }
            .abi_encode(),
            // Several leases go in one call.
            Act::Finalize => return None,
            Act::Expire => IMarket::expireCall { job, first }.abi_encode(),
            Act::Judge(jury) => {
                let seats = SeatId {
                    lease: id.lease,
                    kind: jury,
                };
                return self.end_round(seats, None);
            }
            Act::Commit(vote) => return self.commit(id, vote),
            Act::Open => return self.open(id),
            Act::Settle => return self.end_round(id, None),
        };
        Some(data.into())
    }

    fn commit(&mut self, id: SeatId, vote: Vote) -> Option<Bytes> {
        let provider = self.me.provider;
        let waiter = Waiter::Lease(id.lease.job, Some(id.lease.first));
        let number = self.number_of(provider, waiter)?;
        let commitment = self.commitment(id, number, vote);
        let job = self.jobs.get(&id.lease.job)?.job.clone();
        let (first, round) = (id.lease.first, id.lease.round);
        let data = match id.is_jurors() {
            false => IMarket::commitCall {
                job,
                first,
                round,
                provider,
                commitment,
            }
            .abi_encode(),
            true => IMarket::commitVoteCall {
                job,
                first,
                round,
                jury: id.kind,
                provider,
                commitment,
            }
            .abi_encode(),
        };
        Some(data.into())
    }

    fn commitment(&self, id: SeatId, number: u32, vote: Vote) -> alloy_primitives::B256 {
        let round = secret::round(self.me.chain_id, self.me.market, id);
        let salt = self.me.secret.salt(&round, id.kind, vote);
        round.commitment(id.kind, &secret::opening(number, vote, salt))
    }

    /// The vote that the chain's commitment of a seat of ours hides.
    fn committed_vote(&mut self, id: SeatId) -> Option<Vote> {
        let waiter = Waiter::Lease(id.lease.job, Some(id.lease.first));
        let agreed = self.number_of(self.me.provider, waiter);
        // Endpoints that contradict each other must not keep a vote closed. The commitment shows which one is right.
        let told = self.facts.stake().map(|stake| stake.number);
        let numbers: Vec<u32> = agreed.into_iter().chain(told).collect();
        let view = &self.jobs.get(&id.lease.job)?.view;
        let place = (id.lease.first, id.lease.round, id.kind);
        let panel = view.seats.panel(place)?;
        let committed = panel.seat_of(self.me.provider)?.commitment?;
        let held = self.duties.get(&id)?;
        let worked = match held.duty {
            Duty::Seat(seat) => seat.work.result(),
            Duty::Lease(_) => None,
        };
        let task = held.duty.tasks().first;
        let bound = self.bound.get(&(id, task)).into_iter().flatten().copied();
        // An abstention may be all that was committed to before a database was lost.
        let abstention = id.is_jurors().then(Vote::default);
        let mut votes = bound.chain(worked).chain(abstention);
        let found = votes.find_map(|vote| {
            let mut numbers = numbers.iter();
            let hides = |number: &&u32| self.commitment(id, **number, vote) == committed;
            Some((vote, *numbers.find(hides)?))
        });
        let (vote, number) = found?;
        self.facts.set_number(self.me.provider, number);
        Some(vote)
    }

    /// The call that opens our commitment. The last opening ends the round.
    fn open(&mut self, id: SeatId) -> Option<Bytes> {
        let vote = self.committed_vote(id)?;
        let is_last = matches!(
            self.duties.get(&id).map(|held| held.duty),
            Some(Duty::Seat(seat)) if seat.round.lacks_one_opening()
        );
        if is_last {
            return self.end_round(id, Some(vote));
        }
        let waiter = Waiter::Lease(id.lease.job, Some(id.lease.first));
        let number = self.number_of(self.me.provider, waiter)?;
        let round = secret::round(self.me.chain_id, self.me.market, id);
        let salt = self.me.secret.salt(&round, id.kind, vote);
        let openings = vec![secret::opening(number, vote, salt)];
        self.round_call(id, openings, None)
    }
}

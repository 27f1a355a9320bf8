//! Ideas for those who are drawn: seats of redundant leases, juries; and careless ideas.

use alloy_primitives::{Address as EthAddress, B256};
use piecework_protocol::Store;
use piecework_protocol::hash::Round;
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Opening, Phase, Seat};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::acts::seats_of;
use crate::bindings::IMarket::{self, IMarketCalls};
use crate::world::{Act, Known, Note, Secret, World};

impl World {
    /// Who has a seat in this state.
    fn seated(&self, round: &Round, wanted: Seat) -> Vec<Address> {
        let store = &self.sides.model.store;
        let key = round.key(&self.sides.model.host);
        seats_of(self, &key)
            .iter()
            .filter(|(_, state)| *state == wanted)
            .map(|(number, _)| store.provider_at(*number))
            .collect()
    }

    /// The openings of a round: all seats, or some of them; a wrong list now and then.
    fn openings(&mut self, round: &Round) -> Vec<IMarket::Opening> {
        let key = round.key(&self.sides.model.host);
        let (all, silent) = (self.chance(70), self.chance(15));
        let mut openings = Vec::new();
        for (number, state) in seats_of(self, &key) {
            if state == Seat::Left || !(all || self.chance(60)) {
                continue;
            }
            let provider = self.sides.model.store.provider_at(number);
            let place = (round.job_id, round.first, round.round, round.kind, provider);
            let secret = self.secrets.get(&place).copied().unwrap_or_default();
            let quiet = state == Seat::Joined || (silent && self.chance(60));
            let mut one = IMarket::Opening {
                number,
                value: if state == Seat::Joined {
                    B256::ZERO
                } else {
                    secret.value.into()
                },
                proof: if state == Seat::Joined {
                    B256::ZERO
                } else {
                    secret.proof.into()
                },
                salt: if quiet {
                    B256::ZERO
                } else {
                    secret.salt.into()
                },
            };
            match self.rng.random_range(0..60) {
                0 => one.value = self.word(),
                1 => one.proof = self.word(),
                2 => one.value = B256::ZERO,
                _ => {}
            }
            openings.push(one);
        }
        match self.rng.random_range(0..24) {
            0 => openings.reverse(),
            1 => drop(openings.pop()),
            2 => openings.push(IMarket::Opening {
                number: 7,
                ..Default::default()
            }),
            3 if openings.len() > 1 => {
                let place = self.rng.random_range(1..openings.len());
                openings[place] = openings[place - 1].clone(); // one seat twice, another not at all
            }
            _ => {}
        }
        openings
    }

    /// What a provider commits to, and the note of it.
    fn committing(
        &mut self,
        round: &Round,
        provider: Address,
        value: Bytes32,
        proof: Bytes32,
    ) -> (B256, Note) {
        let salt = self.word().0;
        let number = self.sides.model.store.number(&provider);
        let opening = Opening {
            number,
            value,
            proof,
            salt,
        };
        let mut commitment = round.commitment(&self.sides.model.host, &opening);
        if self.chance(3) {
            commitment[31] ^= 1; // the byte that is not kept
        }
        let place = (round.job_id, round.first, round.round, round.kind, provider);
        (
            commitment.into(),
            Note::Secret(place, Secret { value, proof, salt }),
        )
    }

    // ---------------------------------------------------------------- redundant leases

    pub(crate) fn about_seats(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let job = known.job.clone();
        let number = self.anyone();
        let anyone = self.people[number].address;
        let round = Round {
            job_id: known.id,
            first,
            round: lease.round,
            kind: 0,
        };
        match lease.phase {
            Phase::Free if self.chance(10) => {
                Act::new(anyone, IMarket::renewCall { job, first }.into())
            }
            Phase::Free | Phase::Running if self.chance(8) => self.leaving(known, &round),
            Phase::Free => self.taking_seat(known, &round, lease),
            Phase::Running if self.chance(70) => self.taking_seat(known, &round, lease),
            Phase::Running | Phase::Revealing => {
                let openings = self.openings(&round);
                let call = IMarket::settleCall {
                    job,
                    first,
                    round: lease.round,
                    openings,
                };
                Act::new(anyone, call.into())
            }
            Phase::Refunded if lease.seats > 0 => self.leaving(known, &round),
            _ => self.careless(known, first, lease),
        }
    }

    fn leaving(&mut self, known: &Known, round: &Round) -> Act {
        let mut seated = self.seated(round, Seat::Joined);
        seated.extend(self.seated(round, Seat::Committed));
        let provider = match seated.choose(&mut self.rng) {
            Some(seated) => *seated,
            None => self.some_provider(),
        };
        let call = IMarket::leaveCall {
            job: known.job.clone(),
            first: round.first,
            round: round.round,
            provider: provider.into(),
        };
        Act::new(self.agent(&provider), call.into())
    }

    fn taking_seat(&mut self, known: &Known, round: &Round, lease: &LeaseSlot) -> Act {
        // Who joined should commit.
        let provider = match self.seated(round, Seat::Joined).choose(&mut self.rng) {
            Some(joined) if self.chance(50) => *joined,
            _ => self.some_provider(),
        };
        let job = known.job.clone();
        let first = round.first;
        let number = if self.chance(3) {
            round.round.wrapping_add(1)
        } else {
            round.round
        };
        if self.chance(30) {
            let call = IMarket::joinCall {
                job,
                first,
                round: number,
                provider: provider.into(),
            };
            return Act::new(self.agent(&provider), call.into());
        }
        let outputs = self.outputs_of(known, first, lease.count.max(1));
        let (value, proof) = (
            self.root_of(first, &outputs),
            [self.rng.random_range(0..2); 32],
        );
        let (commitment, note) = self.committing(round, provider, value, proof);
        let call = IMarket::commitCall {
            job,
            first,
            round: number,
            provider: provider.into(),
            commitment,
        };
        Act {
            caller: self.agent(&provider),
            call: call.into(),
            notes: vec![note],
        }
    }

    // ---------------------------------------------------------------- juries

    pub(crate) fn about_jury(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let audit = self.sides.model.store.audit(&known.id, first);
        if audit.commits < 3 && self.chance(65) {
            return self.taking_juror_seat(known, first, lease, audit.jury);
        }
        let round = Round {
            job_id: known.id,
            first,
            round: lease.round,
            kind: audit.jury,
        };
        let openings = self.openings(&round);
        let outputs = self
            .outputs
            .get(&(known.id, first))
            .cloned()
            .unwrap_or_default();
        let place = audit.task.saturating_sub(first);
        let (mut leaf, mut proof) = (B256::ZERO, Vec::new());
        if self.chance(65) {
            leaf = outputs
                .get(place as usize)
                .copied()
                .unwrap_or_default()
                .into();
            proof = self.path(first, &outputs, place);
        }
        match self.rng.random_range(0..25) {
            0 => leaf = self.word(),
            1 => drop(proof.pop()),
            _ => {}
        }
        let number = self.anyone();
        let call = IMarket::judgeCall {
            job: known.job.clone(),
            first,
            round: lease.round,
            jury: audit.jury,
            openings,
            leaf,
            proof,
        };
        Act::new(self.people[number].address, call.into())
    }

    pub(crate) fn taking_juror_seat(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        jury: u8,
    ) -> Act {
        let round = Round {
            job_id: known.id,
            first,
            round: lease.round,
            kind: jury,
        };
        let provider = match self.seated(&round, Seat::Joined).choose(&mut self.rng) {
            Some(joined) if self.chance(50) => *joined,
            _ => self.some_provider(),
        };
        let job = known.job.clone();
        let number = if self.chance(3) {
            lease.round.wrapping_add(1)
        } else {
            lease.round
        };
        let jury = if self.chance(2) {
            self.rng.random_range(0..4)
        } else {
            jury
        };
        if self.chance(25) {
            let call = IMarket::joinJuryCall {
                job,
                first,
                round: number,
                jury,
                provider: provider.into(),
            };
            return Act::new(self.agent(&provider), call.into());
        }
        // The first commitment opens the audit, and only then is the task on record; all jurors vote of one sort here, for
        // any task's digest: what it is does not matter to the market.
        let task = self
            .sides
            .model
            .store
            .audit(&known.id, first)
            .task
            .max(first);
        let (value, proof) = match self.rng.random_range(0..20) {
            0..2 => ([0; 32], [0; 32]),
            2..6 => (Self::output(known, task, 1), [1; 32]),
            6 => (Self::output(known, task, 0), [9; 32]), // copied, without the output
            7 => (Self::output(known, task, 2), [5; 32]),
            8..11 => {
                // What the accused committed to, whatever that is.
                let outputs = self.outputs.get(&(known.id, first));
                let theirs = outputs.and_then(|outputs| outputs.get((task - first) as usize));
                (theirs.copied().unwrap_or_default(), [5; 32])
            }
            _ => (Self::output(known, task, 0), [5; 32]),
        };
        let (commitment, note) = self.committing(&round, provider, value, proof);
        let call = IMarket::commitVoteCall {
            job,
            first,
            round: number,
            jury,
            provider: provider.into(),
            commitment,
        };
        Act {
            caller: self.agent(&provider),
            call: call.into(),
            notes: vec![note],
        }
    }

    // ---------------------------------------------------------------- whatever the state

    /// An act that somebody tries without looking at what stands.
    pub(crate) fn careless(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let job = known.job.clone();
        let someone = self.some_provider();
        let caller = self.agent(&someone);
        let provider = EthAddress::from(someone);
        let round = lease.round;
        let first = if self.chance(90) {
            first
        } else {
            self.rng.random_range(0..15)
        };
        let (root, salt, digest) = (self.word(), self.word(), self.word());
        let jury = self.rng.random_range(1..3);
        let seats = Round {
            job_id: known.id,
            first,
            round,
            kind: self.rng.random_range(0..3),
        };
        let openings = self.openings(&seats);
        let call: IMarketCalls = match self.rng.random_range(0..16) {
            0 => IMarket::claimCall {
                job,
                provider,
                least: 1,
                most: 1,
            }
            .into(),
            1 => IMarket::takeoverCall {
                job,
                provider,
                first,
            }
            .into(),
            2 => IMarket::submitCall {
                job,
                first,
                round,
                provider,
                root,
                digestList: digest,
            }
            .into(),
            3 => {
                let proof = salt.to_vec().into();
                IMarket::proveCall {
                    job,
                    first,
                    round,
                    provider,
                    root,
                    digestList: digest,
                    proof,
                }
                .into()
            }
            4 => IMarket::finalizeCall {
                job,
                firsts: vec![first],
            }
            .into(),
            5 => IMarket::expireCall { job, first }.into(),
            6 => IMarket::leaveCall {
                job,
                first,
                round,
                provider,
            }
            .into(),
            7 => IMarket::joinCall {
                job,
                first,
                round,
                provider,
            }
            .into(),
            8 => IMarket::commitCall {
                job,
                first,
                round,
                provider,
                commitment: root,
            }
            .into(),
            9 => IMarket::settleCall {
                job,
                first,
                round,
                openings,
            }
            .into(),
            10 => IMarket::renewCall { job, first }.into(),
            11 => IMarket::joinJuryCall {
                job,
                first,
                round,
                jury,
                provider,
            }
            .into(),
            12 => IMarket::commitVoteCall {
                job,
                first,
                round,
                jury,
                provider,
                commitment: root,
            }
            .into(),
            13 => {
                let proof = vec![root];
                IMarket::judgeCall {
                    job,
                    first,
                    round,
                    jury,
                    openings,
                    leaf: digest,
                    proof,
                }
                .into()
            }
            14 => IMarket::closeCall {
                job,
                firsts: vec![first],
            }
            .into(),
            _ => IMarket::cancelCall { job }.into(),
        };
        Act::new(caller, call)
    }
}

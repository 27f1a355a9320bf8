//! Ideas for those who are drawn: seats of redundant leases, juries; and careless ideas.

use std::collections::BTreeMap;

use alloy_primitives::{Address as EthAddress, B256};
use piecework_protocol::Store;
use piecework_protocol::hash::{self, Ballot};
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Phase, Seat};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::acts::{answerer, seats_of};
use crate::bindings::IMarket::{self, IMarketCalls};
use crate::world::{Act, Known, Note, Secret, World};

impl World {
    fn seats_key(&self, known: &Known, first: u32, round: u16, challenge: u8) -> Bytes32 {
        hash::seats_key(&self.sides.model.host, &known.id, first, round, challenge)
    }

    /// Who has a seat in this state.
    fn seated(&self, key: &Bytes32, wanted: Seat) -> Vec<Address> {
        let store = &self.sides.model.store;
        let seats = seats_of(self, key);
        seats
            .iter()
            .filter(|(_, state)| *state == wanted)
            .map(|(number, _)| store.provider_at(*number))
            .collect()
    }

    /// The panel of a round, as it should be, or not.
    fn panel(&mut self, key: &Bytes32) -> Vec<u32> {
        let mut panel: Vec<u32> = seats_of(self, key)
            .iter()
            .map(|(number, _)| *number)
            .collect();
        // A wrong one is only sent by who does not look: it must not be rare here.
        match self.rng.random_range(0..12) {
            0 => panel.reverse(),
            1 => drop(panel.pop()),
            2 => panel.push(7),
            3..5 if panel.len() > 1 => {
                let place = self.rng.random_range(1..panel.len());
                panel[place] = panel[place - 1]; // one seat twice, another not at all
            }
            _ => {}
        }
        panel
    }

    /// The vote that so many seats revealed, if there is one.
    fn majority(
        &self,
        known: &Known,
        first: u32,
        round: u16,
        challenge: u8,
        quorum: u8,
    ) -> Option<Secret> {
        let key = self.seats_key(known, first, round, challenge);
        let mut votes: BTreeMap<(Bytes32, Bytes32), u8> = BTreeMap::new();
        for provider in self.seated(&key, Seat::Revealed) {
            let secret = self
                .secrets
                .get(&(known.id, first, round, challenge, provider))?;
            *votes.entry((secret.vote, secret.keyed)).or_default() += 1;
        }
        let winner = votes.into_iter().find(|(_, count)| *count >= quorum)?.0;
        Some(Secret {
            vote: winner.0,
            keyed: winner.1,
            salt: [0; 32],
        })
    }

    fn ballot(known: &Known, first: u32, round: u16, challenge: u8, provider: Address) -> Ballot {
        let (vote, salt) = ([0; 32], [0; 32]);
        Ballot {
            job_id: known.id,
            first,
            round,
            challenge,
            provider,
            vote,
            salt,
        }
    }

    // ---------------------------------------------------------------- redundant leases

    pub(crate) fn about_seats(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let job = known.job.clone();
        let number = self.anyone();
        let anyone = self.people[number].address;
        if self.sides.model.store.seal(&known.id).sealed_at == 0 {
            return Act::new(anyone, IMarket::sealCall { job }.into());
        }
        let key = self.seats_key(known, first, lease.round, 0);
        match lease.phase {
            Phase::Free => self.taking_seat(known, first, lease, lease.round.saturating_add(1)),
            Phase::Running if self.chance(75) => self.taking_seat(known, first, lease, lease.round),
            Phase::Running | Phase::Revealing if self.chance(75) => {
                match self.seated(&key, Seat::Committed).choose(&mut self.rng) {
                    Some(provider) => self.revealing(known, first, lease, *provider, &key),
                    None => self.settling(known, first, lease, &key, anyone),
                }
            }
            Phase::Running | Phase::Revealing => self.settling(known, first, lease, &key, anyone),
            _ => self.careless(known, first, lease),
        }
    }

    fn taking_seat(&mut self, known: &Known, first: u32, lease: &LeaseSlot, round: u16) -> Act {
        let key = self.seats_key(known, first, round, 0);
        // Who joined should commit.
        let provider = match self.seated(&key, Seat::Joined).choose(&mut self.rng) {
            Some(joined) if self.chance(50) => *joined,
            _ => self.some_provider(),
        };
        let job = known.job.clone();
        let round = if self.chance(3) {
            round.wrapping_add(1)
        } else {
            round
        };
        if self.chance(30) {
            let call = IMarket::joinCall {
                job,
                first,
                round,
                provider: provider.into(),
            };
            return Act::new(self.agent(&provider), call.into());
        }
        let outputs = self.outputs_of(known, first, lease.count.max(1));
        let (vote, salt) = (self.root_of(first, &outputs), self.word().0);
        let ballot = Ballot {
            vote,
            salt,
            ..Self::ballot(known, first, round, 0, provider)
        };
        let mut commitment = hash::commitment(&self.sides.model.host, &ballot);
        if self.chance(3) {
            commitment[31] ^= 1; // the byte that is not kept
        }
        let commitment = B256::from(commitment);
        let call = IMarket::commitCall {
            job,
            first,
            round,
            provider: provider.into(),
            commitment,
        };
        let secret = Secret {
            vote,
            keyed: [0; 32],
            salt,
        };
        let notes = vec![Note::Secret((known.id, first, round, 0, provider), secret)];
        Act {
            caller: self.agent(&provider),
            call: call.into(),
            notes,
        }
    }

    fn revealing(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        provider: Address,
        key: &Bytes32,
    ) -> Act {
        let place = (known.id, first, lease.round, 0, provider);
        let secret = self.secrets.get(&place).copied().unwrap_or_default();
        let root = if self.chance(2) {
            B256::ZERO
        } else {
            secret.vote.into()
        };
        let panel = if self.chance(60) {
            self.panel(key)
        } else {
            Vec::new()
        };
        let call = IMarket::revealCall {
            job: known.job.clone(),
            first,
            provider: provider.into(),
            root,
            manifest: self.word(),
            salt: if self.chance(3) {
                self.word()
            } else {
                secret.salt.into()
            },
            panel,
        };
        Act::new(self.agent(&provider), call.into())
    }

    fn settling(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        key: &Bytes32,
        caller: Address,
    ) -> Act {
        let winner = self.majority(known, first, lease.round, 0, known.core.terms.quorum);
        let root = winner.map_or([0; 32], |winner| winner.vote);
        let root = if self.chance(5) {
            self.word()
        } else {
            root.into()
        };
        let panel = self.panel(key);
        Act::new(
            caller,
            IMarket::settleCall {
                job: known.job.clone(),
                first,
                root,
                panel,
            }
            .into(),
        )
    }

    // ---------------------------------------------------------------- juries

    pub(crate) fn about_jury(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let job = known.job.clone();
        let number = self.anyone();
        let anyone = self.people[number].address;
        let (round, challenge) = (lease.round, lease.challenges);
        let key = self.seats_key(known, first, round, challenge);
        let dispute = self.sides.model.store.dispute(&known.id, first);
        if self.sides.model.store.seal(&key).sealed_at == 0 && self.chance(80) {
            return Act::new(anyone, IMarket::sealJuryCall { job, first }.into());
        }
        match self.rng.random_range(0..10) {
            0..6 if dispute.commits < 3 => self.taking_juror_seat(known, first, lease, &key),
            0..8 => match self
                .seated(&key, Seat::Committed)
                .choose(&mut self.rng)
                .copied()
            {
                Some(provider) => {
                    let place = (known.id, first, round, challenge, provider);
                    let secret = self.secrets.get(&place).copied().unwrap_or_default();
                    let call = IMarket::revealVoteCall {
                        job,
                        first,
                        provider: provider.into(),
                        digest: secret.vote.into(),
                        keyed: if self.chance(3) {
                            self.word()
                        } else {
                            secret.keyed.into()
                        },
                        salt: secret.salt.into(),
                    };
                    Act::new(self.agent(&provider), call.into())
                }
                None => self.judging(known, first, lease, &key, anyone),
            },
            8 => {
                let challenger = dispute.challenger;
                let place = (known.id, first, round, challenge, answerer(&challenger));
                let secret = self.secrets.get(&place).copied().unwrap_or_default();
                let (digest, salt) = (secret.vote.into(), secret.salt.into());
                let challenger = if self.chance(95) { challenger } else { anyone };
                Act::new(
                    challenger,
                    IMarket::revealAnswerCall {
                        job,
                        first,
                        digest,
                        salt,
                    }
                    .into(),
                )
            }
            _ => self.judging(known, first, lease, &key, anyone),
        }
    }

    fn taking_juror_seat(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        key: &Bytes32,
    ) -> Act {
        let provider = match self.seated(key, Seat::Joined).choose(&mut self.rng) {
            Some(joined) if self.chance(50) => *joined,
            _ => self.some_provider(),
        };
        let job = known.job.clone();
        let (mut round, number) = (lease.round, lease.challenges);
        if self.chance(3) {
            round = round.wrapping_add(1);
        }
        if self.chance(30) {
            let call = IMarket::joinJuryCall {
                job,
                first,
                round,
                number,
                provider: provider.into(),
            };
            return Act::new(self.agent(&provider), call.into());
        }
        let task = self.sides.model.store.dispute(&known.id, first).task;
        let (digest, keyed) = match self.rng.random_range(0..20) {
            0..3 => ([0; 32], [0; 32]),
            3..6 => (Self::output(known, task, 1), [1; 32]),
            6 => (Self::output(known, task, 0), [9; 32]), // copied, without the output
            _ => (Self::output(known, task, 0), [5; 32]),
        };
        let (vote, salt) = (
            hash::vote(&self.sides.model.host, &digest, &keyed),
            self.word().0,
        );
        let ballot = Ballot {
            vote,
            salt,
            ..Self::ballot(known, first, round, number, provider)
        };
        let commitment = hash::commitment(&self.sides.model.host, &ballot).into();
        let call = IMarket::commitVoteCall {
            job,
            first,
            round,
            number,
            provider: provider.into(),
            commitment,
        };
        let place = (known.id, first, round, number, provider);
        let notes = vec![Note::Secret(
            place,
            Secret {
                vote: digest,
                keyed,
                salt,
            },
        )];
        Act {
            caller: self.agent(&provider),
            call: call.into(),
            notes,
        }
    }

    fn judging(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        key: &Bytes32,
        caller: Address,
    ) -> Act {
        let quorum = self
            .majority(known, first, lease.round, lease.challenges, 2)
            .unwrap_or_default();
        let digest = if self.chance(5) {
            self.word()
        } else {
            quorum.vote.into()
        };
        let (keyed, panel) = (quorum.keyed.into(), self.panel(key));
        let call = IMarket::judgeCall {
            job: known.job.clone(),
            first,
            digest,
            keyed,
            panel,
        };
        Act::new(caller, call.into())
    }

    // ---------------------------------------------------------------- whatever the state

    /// An act that somebody tries without looking at what stands.
    pub(crate) fn careless(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let job = known.job.clone();
        let someone = self.some_provider();
        let caller = self.agent(&someone);
        let provider = EthAddress::from(someone);
        let (round, number) = (lease.round, lease.challenges);
        let first = if self.chance(90) {
            first
        } else {
            self.rng.random_range(0..15)
        };
        let (root, salt, manifest, digest) = (self.word(), self.word(), self.word(), self.word());
        let key = self.seats_key(known, first, round, number);
        let panel = self.panel(&key);
        let call: IMarketCalls = match self.rng.random_range(0..25) {
            0 => IMarket::claimCall {
                job,
                provider,
                count: 1,
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
                provider,
                root,
                manifest,
            }
            .into(),
            3 => IMarket::proveCall {
                job,
                first,
                provider,
                root,
                manifest,
                proof: salt.to_vec().into(),
            }
            .into(),
            4 => IMarket::acceptCall { job, first, root }.into(),
            5 => IMarket::finalizeCall { job, first }.into(),
            6 => IMarket::expireCall { job, first }.into(),
            7 => IMarket::releaseCall {
                job,
                first,
                provider,
            }
            .into(),
            8 => IMarket::sealCall { job }.into(),
            9 => IMarket::joinCall {
                job,
                first,
                round,
                provider,
            }
            .into(),
            10 => IMarket::commitCall {
                job,
                first,
                round,
                provider,
                commitment: root,
            }
            .into(),
            11 => IMarket::revealCall {
                job,
                first,
                provider,
                root,
                manifest,
                salt,
                panel,
            }
            .into(),
            12 => IMarket::settleCall {
                job,
                first,
                root,
                panel,
            }
            .into(),
            13 => {
                let (task, proof, answer) = (first, vec![root], salt);
                IMarket::challengeCall {
                    job,
                    first,
                    round,
                    number,
                    task,
                    digest,
                    proof,
                    answer,
                }
                .into()
            }
            14 => IMarket::sealJuryCall { job, first }.into(),
            15 => IMarket::joinJuryCall {
                job,
                first,
                round,
                number,
                provider,
            }
            .into(),
            16 => IMarket::commitVoteCall {
                job,
                first,
                round,
                number,
                provider,
                commitment: root,
            }
            .into(),
            17 => IMarket::revealVoteCall {
                job,
                first,
                provider,
                digest,
                keyed: root,
                salt,
            }
            .into(),
            18 => IMarket::revealAnswerCall {
                job,
                first,
                digest,
                salt,
            }
            .into(),
            19 => IMarket::judgeCall {
                job,
                first,
                digest,
                keyed: root,
                panel,
            }
            .into(),
            20 => IMarket::demandCall { job, first }.into(),
            21 => IMarket::respondCall {
                job,
                first,
                provider,
                digests: vec![digest],
            }
            .into(),
            22 => IMarket::forfeitCall { job, first }.into(),
            23 => IMarket::closeCall {
                job,
                firsts: vec![first],
            }
            .into(),
            _ => IMarket::cancelCall { job }.into(),
        };
        Act::new(caller, call)
    }
}

//! Ideas for those who hold, contest and end optimistic leases.

use alloy_primitives::{Address as EthAddress, B256, U256, keccak256};
use piecework_protocol::Store;
use piecework_protocol::hash::{self, Ballot};
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Phase};
use piecework_protocol::{result, types};
use rand::Rng;

use crate::acts::answerer;
use crate::bindings::IMarket;
use crate::world::{Act, CONTRACTS, Known, Note, PROVIDERS, Place, Secret, World};
impl World {
    /// Who calls for a provider: it, or one that it allowed.
    pub(crate) fn agent(&mut self, provider: &Address) -> Address {
        if self.chance(75) {
            return *provider;
        }
        let store = &self.sides.model.store;
        let allowed = self
            .people
            .iter()
            .find(|person| store.operator(provider, &person.address) != 0);
        allowed.map_or(*provider, |person| person.address)
    }

    pub(crate) fn some_provider(&mut self) -> Address {
        let number = if self.chance(95) {
            self.rng.random_range(0..PROVIDERS)
        } else {
            self.anyone()
        };
        self.people[number].address
    }

    pub(crate) fn claiming(&mut self, known: &Known) -> Act {
        let provider = self.some_provider();
        let count = if self.chance(3) {
            0
        } else {
            self.rng.random_range(1..9)
        };
        let call = IMarket::claimCall {
            job: known.job.clone(),
            provider: provider.into(),
            count,
        };
        Act::new(self.agent(&provider), call.into())
    }

    /// The digest of a task's output, as computed by one of so many sorts of machine: 0 is right.
    pub(crate) fn output(known: &Known, task: u32, sort: u8) -> Bytes32 {
        keccak256([&known.id[..], &task.to_be_bytes(), &[sort]].concat()).0
    }

    /// Outputs of a lease: all right, or one of them wrong.
    pub(crate) fn outputs_of(&mut self, known: &Known, first: u32, count: u32) -> Vec<Bytes32> {
        let wrong = if self.chance(35) {
            Some(self.rng.random_range(0..count))
        } else {
            None
        };
        let digest = |place| Self::output(known, first + place, u8::from(wrong == Some(place)));
        (0..count).map(digest).collect()
    }

    pub(crate) fn root_of(&self, first: u32, outputs: &[Bytes32]) -> Bytes32 {
        result::root_of(&self.sides.model.host, first, outputs).unwrap_or_default()
    }

    pub(crate) fn about_lease(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let store = &self.sides.model.store;
        let holder = store.provider_at(lease.provider);
        let number = self.anyone();
        let anyone = self.people[number].address;
        let job = known.job.clone();
        match lease.phase {
            Phase::Running if self.chance(75) => self.submitting(known, first, lease, &holder),
            Phase::Running => match self.rng.random_range(0..4) {
                0 => {
                    let call = IMarket::releaseCall {
                        job,
                        first,
                        provider: holder.into(),
                    };
                    Act::new(self.agent(&holder), call.into())
                }
                1 => Act::new(anyone, IMarket::expireCall { job, first }.into()),
                _ => self.taking_over(known, first),
            },
            Phase::Free => self.taking_over(known, first),
            Phase::Submitted => self.contesting(known, first, lease),
            Phase::Challenged => self.about_jury(known, first, lease),
            // One in four never answers.
            Phase::Demanded if !holder[0].is_multiple_of(4) && self.chance(70) => {
                let digests = self
                    .outputs
                    .get(&(known.id, first))
                    .cloned()
                    .unwrap_or_default();
                let mut digests: Vec<B256> = digests.into_iter().map(B256::from).collect();
                if self.chance(8) {
                    digests.pop();
                }
                let call = IMarket::respondCall {
                    job,
                    first,
                    provider: holder.into(),
                    digests,
                };
                Act::new(self.agent(&holder), call.into())
            }
            Phase::Demanded => Act::new(anyone, IMarket::forfeitCall { job, first }.into()),
            _ => self.careless(known, first, lease),
        }
    }

    pub(crate) fn taking_over(&mut self, known: &Known, first: u32) -> Act {
        let provider = self.some_provider();
        let call = IMarket::takeoverCall {
            job: known.job.clone(),
            provider: provider.into(),
            first,
        };
        Act::new(self.agent(&provider), call.into())
    }

    pub(crate) fn submitting(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        holder: &Address,
    ) -> Act {
        let outputs = self.outputs_of(known, first, lease.count.max(1));
        let root: B256 = if self.chance(2) {
            B256::ZERO
        } else {
            self.root_of(first, &outputs).into()
        };
        let (job, provider, manifest) = (known.job.clone(), EthAddress::from(*holder), self.word());
        let verifier = known.core.terms.verifier != types::NOBODY;
        let call = if verifier != self.chance(6) {
            let proof = vec![0xaa; self.rng.random_range(0..80)].into();
            IMarket::proveCall {
                job,
                first,
                provider,
                root,
                manifest,
                proof,
            }
            .into()
        } else {
            IMarket::submitCall {
                job,
                first,
                provider,
                root,
                manifest,
            }
            .into()
        };
        let notes = vec![Note::Outputs((known.id, first), outputs)];
        Act {
            caller: self.agent(holder),
            call,
            notes,
        }
    }

    pub(crate) fn contesting(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let number = self.anyone();
        let anyone = self.people[number].address;
        let client = known.core.terms.client;
        let job = known.job.clone();
        let root = self.sides.model.store.root(&known.id, first);
        match self.rng.random_range(0..20) {
            0..4 => Act::new(anyone, IMarket::finalizeCall { job, first }.into()),
            4..6 if !CONTRACTS.contains(&client) => {
                let root = if self.chance(90) {
                    root.into()
                } else {
                    self.word()
                };
                Act::new(client, IMarket::acceptCall { job, first, root }.into())
            }
            4..8 => {
                let accept = keccak256("Accept(bytes32 jobId,uint32 first,bytes32 root)");
                let digest =
                    self.typed(&[accept.0, known.id, U256::from(first).to_be_bytes(), root]);
                let signature = self.signature_of(&client, &digest).into();
                Act::new(
                    anyone,
                    IMarket::acceptForCall {
                        job,
                        first,
                        signature,
                    }
                    .into(),
                )
            }
            8..11 => Act::new(anyone, IMarket::demandCall { job, first }.into()),
            _ => self.challenging(known, first, lease, anyone),
        }
    }

    pub(crate) fn challenging(
        &mut self,
        known: &Known,
        first: u32,
        lease: &LeaseSlot,
        challenger: Address,
    ) -> Act {
        let outputs = self
            .outputs
            .get(&(known.id, first))
            .cloned()
            .unwrap_or_default();
        let count = outputs.len() as u32;
        let wrong = (0..count)
            .find(|place| outputs[*place as usize] != Self::output(known, first + place, 0));
        let place = match wrong {
            Some(place) if self.chance(80) => place,
            _ => self.rng.random_range(0..count.max(1)),
        };
        let task = first + place;
        let digest = outputs.get(place as usize).copied().unwrap_or_default();
        let answer = Self::output(known, task, u8::from(self.chance(15)));
        let (round, number) = (lease.round, lease.challenges.saturating_add(1));
        let (number, round) = if self.chance(4) {
            (number + 1, round)
        } else {
            (number, round)
        };
        let salt = self.word().0;
        let ballot = Ballot {
            job_id: known.id,
            first,
            round,
            challenge: number,
            provider: challenger,
            vote: answer,
            salt,
        };
        let commitment = hash::commitment(&self.sides.model.host, &ballot);
        let mut proof = self.path(first, &outputs, place);
        if self.chance(4) {
            proof.pop();
        }
        let call = IMarket::challengeCall {
            job: known.job.clone(),
            first,
            round,
            number,
            task,
            digest: digest.into(),
            proof,
            answer: commitment.into(),
        };
        let place: Place = (known.id, first, round, number, answerer(&challenger));
        let secret = Secret {
            vote: answer,
            keyed: [0; 32],
            salt,
        };
        Act {
            caller: challenger,
            call: call.into(),
            notes: vec![Note::Secret(place, secret)],
        }
    }

    /// The path of one output in the tree over all of them.
    pub(crate) fn path(&self, first: u32, outputs: &[Bytes32], place: u32) -> Vec<B256> {
        let host = &self.sides.model.host;
        let width = outputs.len().next_power_of_two().max(1);
        let mut level: Vec<Bytes32> = (0..width)
            .map(|place| {
                let leaf = |digest| result::leaf(host, u64::from(first) + place as u64, digest);
                outputs.get(place).map_or([0; 32], leaf)
            })
            .collect();
        let (mut place, mut path) = (place as usize, Vec::new());
        while level.len() > 1 {
            path.push(B256::from(level[place ^ 1]));
            level = level
                .chunks(2)
                .map(|pair| keccak256([pair[0], pair[1]].as_flattened()).0)
                .collect();
            place /= 2;
        }
        path
    }
}

//! Ideas for those who hold and end ordinary leases.

use alloy_primitives::{Address as EthAddress, B256, keccak256};
use piecework_protocol::Store;
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Phase};
use piecework_protocol::{result, types};
use rand::Rng;

use crate::bindings::IMarket;
use crate::world::{Act, Known, Note, PROVIDERS, World};

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
        let least = self.rng.random_range(0..4);
        let most = if self.chance(3) {
            0
        } else {
            least + self.rng.random_range(0..9)
        };
        let call = IMarket::claimCall {
            job: known.job.clone(),
            provider: provider.into(),
            least,
            most,
        };
        Act::new(self.agent(&provider), call.into())
    }

    /// The digest of a task's output, as computed by one of so many sorts of machine: 0 is right.
    pub(crate) fn output(known: &Known, task: u32, sort: u8) -> Bytes32 {
        keccak256([&known.id[..], &task.to_be_bytes(), &[sort]].concat()).0
    }

    /// Outputs of a lease: all right, all wrong, one of them wrong, or one of them zero.
    pub(crate) fn outputs_of(&mut self, known: &Known, first: u32, count: u32) -> Vec<Bytes32> {
        let sort = u8::from(self.chance(20));
        let mut outputs: Vec<Bytes32> = (0..count)
            .map(|place| Self::output(known, first + place, sort))
            .collect();
        if self.chance(20) {
            let place = self.rng.random_range(0..count);
            let other = if self.chance(20) {
                types::ZERO
            } else {
                Self::output(known, first + place, 2)
            };
            outputs[place as usize] = other;
        }
        outputs
    }

    pub(crate) fn root_of(&self, first: u32, outputs: &[Bytes32]) -> Bytes32 {
        result::root_of(&self.sides.model.host, first, outputs).unwrap_or_default()
    }

    pub(crate) fn about_lease(&mut self, known: &Known, first: u32, lease: &LeaseSlot) -> Act {
        let holder = self.sides.model.store.provider_at(lease.provider);
        let number = self.anyone();
        let anyone = self.people[number].address;
        let job = known.job.clone();
        match lease.phase {
            Phase::Running if self.chance(75) => self.submitting(known, first, lease, &holder),
            Phase::Running => match self.rng.random_range(0..4) {
                0 => {
                    let call = IMarket::leaveCall {
                        job,
                        first,
                        round: lease.round,
                        provider: holder.into(),
                    };
                    Act::new(self.agent(&holder), call.into())
                }
                1 => Act::new(anyone, IMarket::expireCall { job, first }.into()),
                _ => self.taking_over(known, first),
            },
            Phase::Free => self.taking_over(known, first),
            Phase::Submitted | Phase::Undecided if self.chance(30) => {
                let mut firsts = vec![first];
                for _ in 0..self.rng.random_range(0..3) {
                    firsts.push(self.rng.random_range(0..known.core.terms.tasks.max(1)));
                }
                Act::new(anyone, IMarket::finalizeCall { job, firsts }.into())
            }
            Phase::Submitted => self.taking_juror_seat(known, first, lease, 1),
            Phase::Undecided => self.taking_juror_seat(known, first, lease, 2),
            Phase::Audited => self.about_jury(known, first, lease),
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
        let (job, provider, digest_list) =
            (known.job.clone(), EthAddress::from(*holder), self.word());
        let round = if self.chance(3) {
            lease.round + 1
        } else {
            lease.round
        };
        let verifier = known.core.assurance.verifier != types::NOBODY;
        let call = if verifier != self.chance(6) {
            let proof = vec![0xaa; self.rng.random_range(0..80)].into();
            IMarket::proveCall {
                job,
                first,
                round,
                provider,
                root,
                digestList: digest_list,
                proof,
            }
            .into()
        } else {
            IMarket::submitCall {
                job,
                first,
                round,
                provider,
                root,
                digestList: digest_list,
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

    /// The path of one output in the tree over all of them.
    pub fn path(&self, first: u32, outputs: &[Bytes32], place: u32) -> Vec<B256> {
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

//! What people may do: an idea for a call, from what they know and from what stands on record.

use alloy_primitives::{Address as EthAddress, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use piecework_protocol::Store;
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{self, Address, Bytes32, Seat};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::bindings::IMarket;
use crate::books::is_over;
use crate::chain::says_yes;
use crate::world::{Act, CONTRACTS, Known, Note, PEOPLE, World};

impl World {
    /// An idea for a call.
    pub(crate) fn idea(&mut self) -> Act {
        let kind = self.rng.random_range(0..100);
        if kind < 6 {
            return self.about_money();
        }
        if kind < 11 {
            return self.about_themselves();
        }
        let Some((known, first)) = self.some_lease() else {
            return self.posting();
        };
        if kind < 15 {
            return self.posting();
        }
        if kind < 20 {
            return self.about_job(&known);
        }
        let ordinary = known.core.assurance.replicas == 1;
        let found = self
            .leases(&known)
            .into_iter()
            .find(|(start, _)| *start == first);
        match found {
            Some((_, lease)) if kind < 24 => self.careless(&known, first, &lease),
            Some((_, lease)) if ordinary => self.about_lease(&known, first, &lease),
            Some((_, lease)) => self.about_seats(&known, first, &lease),
            None if ordinary => self.claiming(&known),
            None => self.careless(&known, first, &LeaseSlot::default()),
        }
    }

    // ---------------------------------------------------------------- money, providers

    fn about_money(&mut self) -> Act {
        let number = self.anyone();
        let caller = self.people[number].address;
        let amount = match self.rng.random_range(0..20) {
            0 => 0,
            1 => u128::MAX,
            2 => (1 << 96) - 1,
            _ => self.rng.random_range(1..20_000),
        };
        let other = self.someone();
        let to: EthAddress = if self.chance(3) {
            EthAddress::ZERO
        } else {
            other.into()
        };
        let call = match self.rng.random_range(0..12) {
            0..3 => IMarket::depositCall {
                account: to,
                amount,
            }
            .into(),
            3 => return self.with_permit(number, to, amount),
            4..6 => IMarket::withdrawCall {
                to,
                amount: amount % 5_000,
            }
            .into(),
            // Who stakes is not drawn for a while: mostly those who do not sit in juries.
            6..9 if number >= 6 || self.chance(10) => IMarket::stakeCall { amount }.into(),
            6..11 => IMarket::unstakeCall {
                to,
                amount: amount % 4_000,
            }
            .into(),
            _ => {
                let caller = if self.chance(80) {
                    self.people[0].address
                } else {
                    caller
                };
                let fee = if self.chance(85) {
                    self.rng.random_range(0..=500)
                } else {
                    501
                };
                return Act::new(
                    caller,
                    IMarket::setFeeCall {
                        feeBps: fee,
                        recipient: to,
                    }
                    .into(),
                );
            }
        };
        Act::new(caller, call)
    }

    fn with_permit(&mut self, number: usize, account: EthAddress, amount: u128) -> Act {
        let owner = self.people[number].address;
        let late = self.chance(20);
        let deadline = U256::from(if late {
            self.block.time - 1
        } else {
            self.block.time + 1_000
        });
        let host = &self.sides.model.host;
        let digest = host.token.permit_digest(
            &owner,
            &host.market,
            U256::from(amount),
            deadline,
            self.block.chain_id,
        );
        let signer = if self.chance(80) {
            number
        } else {
            self.anyone()
        };
        let signature = self.people[signer].sign(&digest);
        let (r, s, v) = (
            B256::from_slice(&signature[..32]),
            B256::from_slice(&signature[32..64]),
            signature[64],
        );
        let call = IMarket::depositWithPermitCall {
            account,
            amount,
            deadline,
            v,
            r,
            s,
        };
        Act::new(owner, call.into())
    }

    fn about_themselves(&mut self) -> Act {
        let number = self.anyone();
        let caller = self.people[number].address;
        let other = self.someone();
        let call = match self.rng.random_range(0..10) {
            0..4 => {
                let operator = if self.chance(5) {
                    EthAddress::ZERO
                } else {
                    other.into()
                };
                IMarket::setOperatorCall {
                    operator,
                    allowed: self.chance(70),
                }
                .into()
            }
            4..6 => {
                let length = self.rng.random_range(0..140);
                let endpoint = "http://é".repeat(20).chars().take(length).collect();
                let (node, capabilities) = (self.word(), self.word());
                IMarket::setProfileCall {
                    nodeId: node,
                    capabilities,
                    endpoint,
                }
                .into()
            }
            6..9 => {
                let listed = self.rng.random_range(0..PEOPLE);
                let provider = self.people[listed].address;
                let proof = self.list_proof(listed);
                IMarket::admitCall {
                    list: self.list().into(),
                    provider: provider.into(),
                    proof,
                }
                .into()
            }
            _ => IMarket::revokeCall {
                nonce: self.rng.random_range(0..40),
            }
            .into(),
        };
        Act::new(caller, call)
    }

    /// A person, a wallet, or anyone.
    fn someone(&mut self) -> Address {
        let number = self.anyone();
        if self.chance(5) {
            CONTRACTS[0]
        } else {
            self.people[number].address
        }
    }

    pub(crate) fn word(&mut self) -> B256 {
        B256::from(self.rng.random::<[u8; 32]>())
    }

    // ---------------------------------------------------------------- a list of four providers

    fn list_leaves(&self) -> [Bytes32; 4] {
        [0, 2, 4, 6].map(|number| {
            keccak256(keccak256(
                EthAddress::from(self.people[number].address).abi_encode(),
            ))
            .0
        })
    }

    fn sorted(one: Bytes32, other: Bytes32) -> Bytes32 {
        keccak256([one.min(other), one.max(other)].as_flattened()).0
    }

    /// The root of the list of the people 0, 2, 4 and 6.
    pub fn list(&self) -> Bytes32 {
        let [a, b, c, d] = self.list_leaves();
        Self::sorted(Self::sorted(a, b), Self::sorted(c, d))
    }

    fn list_proof(&self, listed: usize) -> Vec<B256> {
        let [a, b, c, d] = self.list_leaves();
        let (ab, cd) = (Self::sorted(a, b), Self::sorted(c, d));
        let proof = match listed {
            0 => [b, cd],
            2 => [a, cd],
            4 => [d, ab],
            _ => [c, ab],
        };
        proof.map(B256::from).to_vec()
    }

    // ---------------------------------------------------------------- jobs

    fn posting(&mut self) -> Act {
        if !self.jobs.is_empty() && self.chance(3) {
            let number = self.anyone();
            let known = self.jobs.choose(&mut self.rng).expect("a job").clone(); // a second time
            let call = IMarket::postCall {
                job: known.job,
                spec: known.spec.into(),
            };
            let client = known.core.terms.client;
            // A wallet does not call.
            let caller = if CONTRACTS.contains(&client) {
                self.people[number].address
            } else {
                client
            };
            return Act::new(caller, call.into());
        }
        let (job, mut spec) = self.some_terms();
        let known = self.known(job.clone(), spec.clone());
        if self.chance(2) {
            spec.push(1);
        }
        let notes = vec![Note::Job(Box::new(known.clone()))];
        let client = known.core.terms.client;
        let wallet = CONTRACTS.contains(&client);
        if wallet || self.chance(30) {
            let signature = self.signature_of(&client, &known.id).into();
            let number = self.anyone();
            let call = IMarket::postForCall {
                job,
                spec: spec.into(),
                signature,
            }
            .into();
            return Act {
                caller: self.people[number].address,
                call,
                notes,
            };
        }
        Act {
            caller: client,
            call: IMarket::postCall {
                job,
                spec: spec.into(),
            }
            .into(),
            notes,
        }
    }

    pub(crate) fn known(&self, job: IMarket::Job, spec: Vec<u8>) -> Known {
        let core = crate::model::job_of(&job);
        let id = self.sides.model.hash_job(&core);
        Known {
            job,
            core,
            id,
            spec,
        }
    }

    /// A signature that should do, or one that should not.
    pub(crate) fn signature_of(&mut self, client: &Address, digest: &Bytes32) -> Vec<u8> {
        if CONTRACTS.contains(client) {
            use alloy_sol_types::SolCall;
            let good = self.chance(85);
            loop {
                let signature = self.word().to_vec();
                let hash = B256::from(*digest);
                let asked = crate::bindings::isValidSignatureCall {
                    hash,
                    signature: signature.clone().into(),
                };
                if says_yes(&asked.abi_encode()) == good {
                    return signature;
                }
            }
        }
        let signer = self
            .people
            .iter()
            .position(|person| person.address == *client);
        let signer = if self.chance(90) { signer } else { None };
        let mut signature = self.people[signer.unwrap_or(PEOPLE - 1)].sign(digest);
        match self.rng.random_range(0..40) {
            0 => signature.truncate(64),
            1 => signature[64] -= 27,
            2 => {
                // The other signature that fits: high s.
                let order = U256::from_str_radix(
                    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
                    16,
                );
                let s = U256::from_be_slice(&signature[32..64]);
                let high: [u8; 32] = (order.expect("a number") - s).to_be_bytes();
                signature[32..64].copy_from_slice(&high);
                signature[64] = 27 + 28 - signature[64];
            }
            3 => signature[5] ^= 1,
            _ => {}
        }
        signature
    }

    fn some_terms(&mut self) -> (IMarket::Job, Vec<u8>) {
        let length = if self.chance(2) {
            16_385
        } else {
            self.rng.random_range(0..70)
        };
        let spec = vec![b's'; length];
        let number = self.rng.random_range(0..PEOPLE);
        let (replicas, quorum) = *[
            (1, 1),
            (1, 1),
            (1, 1),
            (1, 1),
            (2, 2),
            (3, 2),
            (3, 2),
            (5, 3),
        ]
        .choose(&mut self.rng)
        .expect("one");
        let ordinary = replicas == 1;
        let verifier = match self.rng.random_range(0..10) {
            0 if ordinary => CONTRACTS[1],
            1 if ordinary && self.chance(20) => self.people[3].address, // it has no code
            _ => types::NOBODY,
        };
        let audits = ordinary && verifier == types::NOBODY && self.chance(80);
        let listed = self.chance(25);
        let client = if self.chance(12) {
            CONTRACTS[0]
        } else {
            self.people[number].address
        };
        let now = self.block.time;
        let max_price = self.rng.random_range(0..300);
        let min_price = if ordinary {
            self.rng.random_range(0..=max_price)
        } else {
            max_price
        };
        let tasks = self.rng.random_range(1..14);
        let min_lease = self.rng.random_range(1..=tasks.min(4));
        let max_lease = if ordinary {
            (2 * min_lease - 1).min(tasks) + self.rng.random_range(0..4)
        } else {
            min_lease
        };
        let mut job = IMarket::Job {
            terms: IMarket::Terms {
                client: client.into(),
                nonce: self.rng.random_range(0..40),
                spec: keccak256(&spec),
                tasks,
                minLease: min_lease,
                maxLease: max_lease,
                providers: if listed {
                    self.list().into()
                } else {
                    B256::ZERO
                },
            },
            assurance: IMarket::Assurance {
                replicas,
                quorum,
                auditBps: match self.rng.random_range(0..4) {
                    _ if !audits => 0,
                    0 => self.rng.random_range(1..=10_000),
                    1 => 5_000,
                    _ => 10_000,
                },
                refund: audits && self.chance(40),
                verifier: verifier.into(),
            },
            price: IMarket::Price {
                minPrice: min_price,
                maxPrice: max_price,
                bond: self.rng.random_range(u128::from(audits)..150),
                juryFee: if audits {
                    self.rng.random_range(1..60)
                } else {
                    0
                },
            },
            timing: IMarket::Timing {
                opensAt: now - 60 + self.rng.random_range(0..100),
                ramp: if ordinary {
                    self.rng.random_range(0..400)
                } else {
                    0
                },
                closesAt: now + self.rng.random_range(60..4_000),
                runWindow: self.rng.random_range(2..300),
                auditWindow: if audits {
                    self.rng.random_range(30..500)
                } else {
                    0
                },
            },
        };
        if self.chance(25) {
            self.spoil_terms(&mut job);
        }
        (job, spec)
    }

    /// Makes a job one that cannot be posted, mostly.
    fn spoil_terms(&mut self, job: &mut IMarket::Job) {
        let audits = job.assurance.auditBps != 0;
        let (terms, assurance) = (&mut job.terms, &mut job.assurance);
        let (price, timing) = (&mut job.price, &mut job.timing);
        match self.rng.random_range(0..32) {
            0 => terms.tasks = 0,
            1 => terms.minLease = 0,
            2 => terms.maxLease = 2_049,
            3 => terms.minLease = terms.tasks + 1,
            4 => terms.maxLease = terms.minLease.saturating_sub(1),
            5 => assurance.replicas = 0,
            6 => assurance.replicas = 16,
            7 => assurance.quorum = assurance.replicas / 2,
            8 => assurance.quorum = assurance.replicas + 1,
            9 => (assurance.replicas, assurance.quorum) = (3, 1),
            10 => (assurance.replicas, assurance.quorum) = (3, 2),
            11 => (assurance.replicas, assurance.quorum) = (1, 1),
            12 => assurance.verifier = CONTRACTS[1].into(),
            13 => assurance.auditBps = if audits { 0 } else { 1 },
            14 => assurance.auditBps = 10_001,
            15 => assurance.refund = true,
            16 => price.minPrice = price.maxPrice + 1,
            17 => price.minPrice = 0,
            18 => price.bond = u128::MAX,
            19 => price.bond = ((1 << 96) - 1) / u128::from(terms.maxLease.max(1)) + 1,
            20 => price.bond = 0,
            21 => price.juryFee = ((1 << 96) - 1) / 8 + 1,
            22 => price.juryFee = if audits { 0 } else { 1 },
            23 => price.maxPrice = u128::MAX,
            24 => timing.runWindow = 1,
            25 => timing.runWindow = 30 * 86_400 + 1,
            26 => timing.ramp = 30 * 86_400 + 1,
            27 => timing.ramp = 1,
            28 => timing.auditWindow = if audits { 29 } else { 30 },
            29 => timing.closesAt = timing.opensAt,
            30 => timing.closesAt = self.block.time + 365 * 86_400 + 1,
            _ => timing.closesAt = self.block.time - 1,
        }
    }

    fn about_job(&mut self, known: &Known) -> Act {
        let client = known.core.terms.client;
        let number = self.anyone();
        let anyone = self.people[number].address;
        let wallet = CONTRACTS.contains(&client);
        let job = known.job.clone();
        match self.rng.random_range(0..10) {
            0 if !wallet => Act::new(client, IMarket::cancelCall { job }.into()),
            0..2 => {
                let cancel = keccak256("Cancel(bytes32 jobId)");
                let digest = self.typed(&[cancel.0, known.id]);
                let signature = self.signature_of(&client, &digest).into();
                Act::new(anyone, IMarket::cancelForCall { job, signature }.into())
            }
            _ => {
                let open: Vec<u32> = self
                    .leases(known)
                    .iter()
                    .filter(|(_, lease)| !is_over(lease.phase))
                    .map(|(first, _)| *first)
                    .collect();
                let mut firsts: Vec<u32> = open.into_iter().filter(|_| self.chance(60)).collect();
                let next = self.sides.model.store.job(&known.id).next;
                if self.chance(50) && next < known.core.terms.tasks {
                    firsts.push(next);
                }
                if self.chance(10) {
                    let again = firsts.choose(&mut self.rng).copied().unwrap_or(3);
                    firsts.push(again);
                }
                Act::new(anyone, IMarket::closeCall { job, firsts }.into())
            }
        }
    }

    /// The digest of a struct in the market's domain.
    pub(crate) fn typed(&self, fields: &[Bytes32]) -> Bytes32 {
        let domain = self.sides.model.store.config().domain;
        keccak256(
            [
                &[0x19, 0x01],
                &domain[..],
                &keccak256(fields.as_flattened())[..],
            ]
            .concat(),
        )
        .0
    }
}

/// The seats of a round: the numbers that have one, and what it did.
pub(crate) fn seats_of(world: &World, key: &Bytes32) -> Vec<(u32, Seat)> {
    let store = &world.sides.model.store;
    (1..=store.totals().providers)
        .map(|number| (number, store.seat(key, number).state))
        .filter(|(_, state)| *state != Seat::None)
        .collect()
}

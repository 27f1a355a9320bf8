//! The jobs of a world, its accounts, and what its providers are told to take.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{SolCall as _, SolInterface as _};
use piecework_core::chain::IMarket;
use piecework_executor_core::{
    capacity::Amount,
    machine::Settings,
    policy::{Costs, Policy, Timing},
};
use piecework_protocol::types::Phase;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::World;
use crate::{
    chain::Chain,
    climate::{WINDOW, one_of},
    provider::spec,
};

/// Seconds, at least, that a slow task may take: too many for its seat to be taken when the work is done.
pub(super) const SLOW: u64 = 55;

impl World {
    pub(super) fn post(&mut self) {
        let rng = &mut self.rng;
        let Some(client) = self
            .clients
            .get(rng.random_range(0..self.clients.len()))
            .copied()
        else {
            return;
        };
        let tasks = rng.random_range(1..=12);
        // A seat of slow work is joined before the work is done. Its leases are of one task, so that a process may die in it.
        let slow = rng.random_ratio(1, 4);
        let timeout = match slow {
            true => rng.random_range(SLOW..=SLOW + 15),
            false => rng.random_range(4..=20),
        };
        let spec = spec(tasks, timeout, rng.random());
        let redundant = rng.random_ratio(35, 100);
        let audited = !redundant && rng.random_ratio(75, 100);
        let price: u128 = rng.random_range(100..1_000);
        let bond = rng.random_range(300..3_000);
        let (min_lease, max_lease) = match redundant {
            _ if slow => (1, 1),
            true => {
                let lease = rng.random_range(1..=3).min(tasks);
                (lease, lease)
            }
            false => (1, rng.random_range(1..=4).min(tasks)),
        };
        let now = self.time;
        let job = IMarket::Job {
            terms: IMarket::Terms {
                client,
                nonce: rng.random(),
                spec: keccak256(&spec),
                tasks,
                minLease: min_lease,
                maxLease: max_lease,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas: if redundant { 3 } else { 1 },
                quorum: if redundant { 2 } else { 1 },
                auditBps: if audited {
                    one_of(rng, [3_000, 10_000])
                } else {
                    0
                },
                refund: false,
                verifier: Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: price,
                maxPrice: price
                    * if redundant {
                        1
                    } else {
                        rng.random_range(1..=2)
                    },
                bond,
                juryFee: if audited {
                    rng.random_range(50..300)
                } else {
                    0
                },
            },
            timing: IMarket::Timing {
                opensAt: now,
                ramp: if redundant {
                    0
                } else {
                    rng.random_range(0..200)
                },
                // What is left of a job that closes soon is not taken over.
                closesAt: now
                    + match rng.random_ratio(1, 3) {
                        true => rng.random_range(300..900),
                        false => rng.random_range(1_500..4_000),
                    },
                runWindow: rng.random_range(WINDOW..1_200),
                auditWindow: if audited {
                    rng.random_range(400..900)
                } else {
                    0
                },
            },
        };
        let call = IMarket::postCall {
            job: job.clone(),
            spec: spec.clone(),
        };
        let data = call.abi_encode();
        // A job that the market refuses is not posted.
        if let Err(data) = self.chain.simulate(client, &data, now) {
            let error = IMarket::IMarketErrors::abi_decode(&data);
            self.log.say(now, || format!("a job is refused: {error:?}"));
            return;
        }
        self.chain.send(client, data);
        let id = hash_job(&job, &mut self.chain, now);
        self.log.say(now, || {
            format!("job {id} is posted: {tasks} tasks, redundant {redundant}")
        });
        self.jobs.push((id, job));
    }

    /// Posts a job of so many leases of one task.
    pub(super) fn post_large(&mut self, tasks: u32, nonce: u64) {
        let Some(client) = self.clients.first().copied() else {
            return;
        };
        let spec = spec(tasks, 4, nonce);
        let now = self.time;
        let job = IMarket::Job {
            terms: IMarket::Terms {
                client,
                nonce,
                spec: keccak256(&spec),
                tasks,
                minLease: 1,
                maxLease: 1,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas: 1,
                quorum: 1,
                auditBps: 5_000,
                refund: false,
                verifier: Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: 100,
                maxPrice: 100,
                bond: 1,
                juryFee: 1,
            },
            timing: IMarket::Timing {
                opensAt: now,
                ramp: 0,
                closesAt: now + 100_000,
                runWindow: WINDOW,
                // As long as the job: no audited lease ends before the last one is submitted.
                auditWindow: 86_400,
            },
        };
        let call = IMarket::postCall {
            job: job.clone(),
            spec,
        };
        self.chain.send(client, call.abi_encode());
        self.jobs.push((B256::ZERO, job));
    }

    /// Refunds what nobody took of jobs that closed.
    pub(super) fn close(&mut self) {
        let closed: Vec<IMarket::Job> = self
            .jobs
            .iter()
            .filter(|(_, job)| self.time > job.timing.closesAt)
            .map(|(_, job)| job.clone())
            .collect();
        for job in closed {
            let client = job.terms.client;
            let firsts: Vec<u32> = (0..job.terms.tasks)
                .filter(|first| {
                    let id = hash_job(&job, &mut self.chain, self.time);
                    self.chain.phase(id, *first) == Phase::Free
                })
                .collect();
            for firsts in [vec![], firsts] {
                let data = IMarket::closeCall {
                    job: job.clone(),
                    firsts,
                }
                .abi_encode();
                if self.chain.simulate(client, &data, self.time).is_err() {
                    continue;
                }
                self.chain.send(client, data);
            }
        }
    }
}

pub(super) fn account(kind: &str, number: usize) -> Address {
    Address::from_word(keccak256(format!("{kind} {number}")))
}

pub(super) fn operator_call(operator: Address) -> Vec<u8> {
    IMarket::setOperatorCall {
        operator,
        allowed: true,
    }
    .abi_encode()
}

/// A job's id.
fn hash_job(job: &IMarket::Job, chain: &mut Chain, time: u64) -> B256 {
    let call = IMarket::hashJobCall { job: job.clone() };
    let answer = chain.simulate(Address::ZERO, &call.abi_encode(), time);
    answer.map_or(B256::ZERO, |bytes| {
        IMarket::hashJobCall::abi_decode_returns(&bytes).unwrap_or_default()
    })
}

pub(super) fn settings(rng: &mut ChaCha8Rng, deepest: usize) -> Settings {
    Settings {
        policy: Policy {
            min_price: 1,
            max_exposure: None,
            strangers_percent: 100,
            max_leases: rng.random_range(3..30),
            lists: Vec::new(),
            trusted_clients: Vec::new(),
            min_jury_fee: 1,
            try_seconds: one_of(rng, [0, 60]),
            costs: Costs::default(),
        },
        timing: Timing {
            margin: 10,
            // A block is final for an owner when no reorganization can take it back.
            confirmations: u64::try_from(deepest).unwrap_or_default() + rng.random_range(1..4),
            settle_within: one_of(rng, [0, 90]),
        },
        total: Amount {
            cpu_millis: 8_000,
            memory_bytes: 8 << 30,
            disk_bytes: 8 << 30,
            tasks: rng.random_range(2..9),
        },
        lease_tasks: 4,
        platform: "linux/amd64",
    }
}

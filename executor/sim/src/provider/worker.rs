//! What a provider runs, and what comes of it.

use std::time::Duration;

use alloy_primitives::{B256, Bytes, keccak256};
use piecework_core::{
    digest::{Digest, lease as digest_list, tree},
    view::seat::{Key as SeatId, Vote},
};
use piecework_executor_core::{
    command::Order,
    input::{Failure, Input},
};
use rand::Rng as _;
use rustix::time::{ClockId, clock_gettime};

use super::{
    Character, Provider,
    disk::{Disk, Shelf},
};
use crate::climate::Climate;

impl Provider {
    /// Ends the runs that are due, and brings what was to come later.
    pub(super) fn work(&mut self, time: u64, climate: &Climate, inputs: &mut Vec<Input>) {
        let Some(live) = &mut self.live else { return };
        let due: Vec<SeatId> = live
            .work
            .iter()
            .filter(|(_, (_, ends))| time >= *ends)
            .map(|(seat, _)| *seat)
            .collect();
        for seat in due {
            let Some((order, _)) = live.work.remove(&seat) else {
                continue;
            };
            // The machine was busy, or the engine hung: it is tried again while that helps.
            if climate.engine_fails && self.rng.random_ratio(1, 6) && time + 20 < order.deadline {
                let ends = time + self.rng.random_range(5..15);
                live.work.insert(seat, (order, ends));
                continue;
            }
            let cheats = matches!(self.character, Character::Cheat(_));
            let result = if time > order.deadline {
                Err(failure("the time is over"))
            } else if cheats && climate.deserts && self.rng.random_ratio(1, 8) {
                Err(failure("it cheats, and gives up"))
            } else {
                let cheats = match self.character {
                    Character::Honest => false,
                    Character::Cheat(percent) => self.rng.random_ratio(percent, 100),
                };
                let print = self.runs * 100 + self.number as u64;
                Ok(run(&mut self.disk, &order, cheats.then_some(print)))
            };
            inputs.push(Input::Worked {
                seat,
                keyed: order.keyed,
                result,
            });
        }
        let later = std::mem::take(&mut live.later);
        for (at, input) in later {
            if time < at {
                live.later.push((at, input));
                continue;
            }
            if let Input::Tried {
                spec,
                task,
                verdict,
            } = &input
            {
                self.disk.tried.insert(*spec, (*task, *verdict));
            }
            if let Input::Answer(answer) = &input
                && climate.duplicates
                && self.rng.random_ratio(1, 10)
            {
                let again = time + self.rng.random_range(1..30);
                live.later.push((again, Input::Answer(answer.clone())));
            }
            inputs.push(input);
        }
    }

    /// Puts the digest lists out that everybody may have since the last step.
    pub(super) fn put_out(&mut self, shelf: &mut Shelf) {
        let Some(live) = &mut self.live else { return };
        for (seat, tasks) in live.opened.drain(..) {
            let job = seat.lease.job;
            let known = self
                .disk
                .tasks
                .range((job, tasks.first)..(job, tasks.first + tasks.count));
            let digests = known.map(|(_, digest)| *digest).collect();
            shelf.lists.insert((self.address, seat), digests);
        }
    }
}

/// The processor's time that this thread took so far.
pub(super) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(super) fn failure(why: &str) -> Failure {
    Failure {
        why: why.to_owned(),
        of_the_job: false,
        of_the_input: false,
        unsure: false,
    }
}

/// A task's output, of an honest run or of a cheat's.
fn output(job: B256, task: u32, cheat: Option<u64>) -> Digest {
    let mut bytes = job.to_vec();
    bytes.extend_from_slice(&task.to_be_bytes());
    if let Some(cheat) = cheat {
        bytes.extend_from_slice(&cheat.to_be_bytes());
    }
    Digest::of(&bytes)
}

/// Runs what has no outcome yet, writes it down, and returns the vote.
fn run(disk: &mut Disk, order: &Order, cheat: Option<u64>) -> Vote {
    let job = order.seat.lease.job;
    let tasks = order.tasks.first..order.tasks.first + order.tasks.count;
    let digests: Vec<Digest> = tasks
        .map(|task| {
            let known = disk.tasks.entry((job, task));
            *known.or_insert_with(|| output(job, task, cheat))
        })
        .collect();
    match order.keyed {
        Some(key) => {
            let digest = digests
                .first()
                .map_or(B256::ZERO, |digest| (*digest).into());
            Vote {
                value: digest,
                proof: keccak256([key.as_slice(), digest.as_slice()].concat()),
            }
        }
        None => Vote {
            value: tree::root(order.tasks.first, &digests).unwrap_or_default(),
            proof: Digest::of(&digest_list::encode(&digests)).into(),
        },
    }
}

/// A spec that runs anywhere.
pub fn spec(tasks: u32, timeout: u64, name: u64) -> Bytes {
    let spec = serde_json::json!({
        "version": 1, "tasks": tasks,
        "image": {
            "manifest": format!("sha256:{}", "ab".repeat(32)), "platform": "linux/amd64", "archive": "cd".repeat(32),
        },
        "env": { "SEED": name.to_string() },
        "resources": { "cpu_millis": 1_000, "memory_bytes": 64 << 20, "disk_bytes": 1 << 20, "timeout_seconds": timeout },
    });
    spec.to_string().into_bytes().into()
}

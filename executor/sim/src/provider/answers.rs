//! What a provider answers to the questions of its machine.

use alloy_primitives::Address;
use alloy_sol_types::{SolError as _, SolInterface as _};
use piecework_core::{chain::IMarket, digest::Digest, view::seat::Key as SeatId};
use piecework_executor_core::input::{
    Answer, Input, Leaf, LeafOf, PointState, Question, Topic, Word,
};
use rand::Rng as _;

use super::{
    Provider,
    disk::{Disk, Shelf},
};
use crate::{
    chain::{BEACON, Chain},
    climate::Climate,
};

impl Provider {
    /// The answers that are known at once.
    pub(super) fn answers(
        &mut self,
        chain: &mut Chain,
        time: u64,
        climate: &Climate,
        shelf: &Shelf,
    ) -> Vec<Input> {
        let Some(live) = &mut self.live else {
            return Vec::new();
        };
        let mut now = Vec::new();
        for question in std::mem::take(&mut live.asked) {
            let topic = question.topic();
            let silent = time < self.silent_until
                || (climate.silence > 0 && self.rng.random_ratio(climate.silence, 100));
            let answer = match silent {
                true => Answer::Silence(topic),
                false => answer(
                    question,
                    chain,
                    time,
                    (self.address, self.operator, &self.old_operators),
                    &self.disk,
                    shelf,
                    climate.unpublished,
                ),
            };
            let delay = match climate.slow {
                true => self.rng.random_range(0..12),
                false => 0,
            };
            let input = Input::Answer(answer);
            match delay {
                0 => now.push(input),
                delay => live.later.push((time + delay, input)),
            }
        }
        now
    }
}

pub(super) fn word(data: &[u8]) -> String {
    match IMarket::IMarketErrors::abi_decode(data) {
        Ok(error) => format!("{error:?}").chars().take(90).collect(),
        Err(_) => "no word".to_owned(),
    }
}

fn answer(
    question: Question,
    chain: &mut Chain,
    time: u64,
    (me, operator, old): (Address, Address, &[Address]),
    disk: &Disk,
    shelf: &Shelf,
    unpublished: bool,
) -> Answer {
    let topic = question.topic();
    match question {
        Question::Simulate { what, data } => {
            let word = match chain.simulate(operator, &data, time) {
                Ok(_) => Word::Yes,
                Err(data) => match IMarket::NotDrawn::abi_decode(&data) {
                    Ok(not) => Word::DrawnFrom(not.from),
                    Err(_) => Word::No(word(&data)),
                },
            };
            Answer::Simulate { what, word }
        }
        Question::Leaf { seat, of } => Answer::Leaf {
            seat,
            leaf: leaf(&of, me, seat, disk, shelf),
        },
        Question::Plain(Topic::Stake) => {
            let (number, total, free) = chain.provider(me);
            Answer::Stake {
                total,
                free,
                number,
            }
        }
        Question::Plain(Topic::Number(provider)) => Answer::Number {
            provider,
            number: chain.provider(provider).0,
        },
        Question::Plain(Topic::Admitted(list)) => Answer::Admitted {
            list,
            admitted: false,
        },
        Question::Plain(Topic::Owner(tx)) => {
            let mut rows = disk.intents.values();
            let known = rows.any(|row| row.attempts.iter().any(|attempt| attempt.hash == tx));
            match (known, chain.sender(tx)) {
                (true, _) => Answer::Owner { tx, ours: true },
                (false, Some(sender)) => Answer::Owner {
                    tx,
                    ours: sender == operator || old.contains(&sender),
                },
                (false, None) => Answer::Silence(topic),
            }
        }
        Question::Plain(Topic::Point(point)) => match chain.beacon(point, time) {
            Some((at, seed, dead)) => {
                let due = unpublished && seed.is_some() && !chain.is_published(point);
                Answer::Point(PointState {
                    point,
                    time: at,
                    seed: seed.filter(|_| !due),
                    dead,
                    due,
                    likely: None,
                })
            }
            None => Answer::Silence(topic),
        },
        Question::Plain(Topic::Publication(point)) => {
            let wanted = unpublished && !chain.is_published(point);
            let call = wanted.then(|| (BEACON, Chain::publication(point)));
            Answer::Publication { point, call }
        }
        Question::Plain(Topic::Simulate(_) | Topic::Leaf(_)) => Answer::Silence(topic),
    }
}

fn leaf(of: &LeafOf, me: Address, seat: SeatId, disk: &Disk, shelf: &Shelf) -> Option<Leaf> {
    let count = usize::try_from(of.count).ok()?;
    if of.provider == me {
        let job = seat.lease.job;
        let tasks = disk
            .tasks
            .range((job, of.first)..(job, of.first + of.count));
        let digests: Vec<Digest> = tasks.map(|(_, digest)| *digest).collect();
        return Leaf::find(&digests, of);
    }
    let id = SeatId { kind: 0, ..seat };
    let list = shelf.lists.get(&(of.provider, id));
    let list = list.filter(|_| shelf.alive.contains(&of.provider))?;
    Leaf::find(list.get(..count)?, of)
}

//! What was asked of the world, and what it answered.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use piecework_core::view::seat::Key as SeatId;

use super::{CLAIM_LIFE, Machine, Pending};
use crate::{
    Now,
    capacity::Amount,
    command::Command,
    input::{Answer, Leaf, PointState, Question, Topic, Word},
    intent::{Fate, Intent, IntentId, What},
};

/// A question without an answer is asked again after so many milliseconds.
const LOST: u64 = 60_000;
/// Shortest pause, in milliseconds, between two questions about the same thing.
const PAUSE: u64 = 1_000;
/// Longest pause between two looks at a point.
const LONGEST_PAUSE: u64 = 15_000;
/// Looks at a point after which the pause grows by one.
const LOOKS: u64 = 8;
/// Milliseconds in a turn: executors do not all publish a seed at once.
const TURN: u64 = 1_000;
/// Points, words and owners that are remembered.
const MOST: usize = 4_096;

/// Who publishes a seed that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publish {
    /// Others.
    No,
    /// We, in our turn.
    InTurn,
    /// We, at once.
    Now,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// When it was asked, while no answer has come.
    since: Option<u64>,
    answered: Option<u64>,
    times: u64,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    state: PointState,
    /// The head at which this seed was first seen: a reorganization may change it.
    since: u64,
    /// When we publish its seed, if it is ours to publish.
    turn: Option<u64>,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiter {
    /// The duties of a lease, or of all leases of a job.
    Lease(B256, Option<u32>),
    /// A jury that may have a seat for us.
    Jury(B256, u32),
    /// The offers of a job.
    Job(B256),
    /// All offers.
    Offers,
}

/// The provider's stake.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stake {
    pub(super) total: u128,
    pub(super) free: u128,
    pub(super) number: u32,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    asked: BTreeMap<Topic, Asked>,
    stake: Option<Stake>,
    stale: bool,
    lists: BTreeSet<B256>,
    numbers: BTreeMap<Address, u32>,
    points: BTreeMap<u64, Point>,
    words: BTreeMap<What, (Word, u64)>,
    wanted: BTreeMap<What, u64>,
    leaves: BTreeMap<SeatId, Option<Leaf>>,
    waiting: BTreeMap<Topic, BTreeSet<Waiter>>,
    /// Questions about calls that have no answer yet.
    simulating: usize,
}

impl Facts {
    pub(super) fn learn(&mut self, answer: Answer, now: Now, head: u64) {
        let topic = answer.topic();
        let asked = self.asked.entry(topic).or_default();
        if asked.since.take().is_some() && matches!(topic, Topic::Simulate(_)) {
            self.simulating = self.simulating.saturating_sub(1);
        }
        asked.answered = Some(now.local);
        match answer {
            Answer::Silence(topic) => {
                // An answer about stake that did not come leaves it stale.
                self.stale |= topic == Topic::Stake;
            }
            Answer::Stake {
                total,
                free,
                number,
            } => {
                self.stake = Some(Stake {
                    total,
                    free,
                    number,
                });
            }
            Answer::Admitted { list, admitted } => {
                if admitted {
                    self.lists.insert(list);
                }
            }
            Answer::Number { provider, number } => {
                if number > 0 {
                    self.numbers.insert(provider, number);
                }
            }
            Answer::Point(state) => {
                let known = self.points.entry(state.point).or_insert(Point {
                    state,
                    since: head,
                    turn: None,
                });
                if (known.state.seed, known.state.dead) != (state.seed, state.dead) {
                    known.since = head;
                }
                known.state = state;
            }
            Answer::Simulate { what, word } => {
                self.words.insert(what, (word, now.local));
            }
            Answer::Leaf { seat, leaf } => {
                self.leaves.insert(seat, leaf);
            }
            Answer::Owner { .. } | Answer::Publication { .. } => {}
        }
        if self.points.len() > MOST {
            self.points.clear();
        }
        if self.words.len() > MOST {
            self.words.clear();
        }
        if self.asked.len() > 4 * MOST {
            self.asked.retain(|_, asked| asked.since.is_some());
        }
    }

    pub(super) fn stake(&self) -> Option<Stake> {
        self.stake
    }

    /// Remembers a number that is certain.
    pub(super) fn set_number(&mut self, provider: Address, number: u32) {
        self.numbers.insert(provider, number);
    }

    pub(super) fn stake_is_stale(&mut self) {
        self.stale = true;
    }

    /// Whether the stake is known as it is now.
    pub(super) fn knows_stake(&self) -> bool {
        self.stake.is_some() && !self.stale && !self.is_pending(Topic::Stake)
    }

    pub(super) fn is_admitted(&self, list: B256) -> bool {
        self.lists.contains(&list)
    }

    pub(super) fn seed(&self, point: u64) -> Option<B256> {
        self.points.get(&point)?.state.seed
    }

    pub(super) fn point(&self, point: u64) -> Option<PointState> {
        self.points.get(&point).map(|known| known.state)
    }

    /// Whether a point's seed is known, or known never to come, and that will not change.
    pub(super) fn has_final_seed(&self, point: u64, head: u64, confirmations: u64) -> bool {
        let settled = confirmations.saturating_mul(2);
        self.points.get(&point).is_some_and(|known| {
            let said = known.state.seed.is_some() || known.state.dead;
            said && head >= known.since.saturating_add(settled)
        })
    }

    /// After a reorganization every seed is read again.
    pub(super) fn forget_seeds(&mut self) {
        self.points.clear();
        self.words.clear();
        self.asked.retain(|topic, asked| {
            !matches!(topic, Topic::Point(_) | Topic::Simulate(_)) || asked.since.is_some()
        });
    }

    /// The market's word on a call, and how many milliseconds ago it was said.
    pub(super) fn word(&self, what: What, local: u64) -> Option<(&Word, u64)> {
        let (word, at) = self.words.get(&what)?;
        Some((word, local.saturating_sub(*at)))
    }

    pub(super) fn set_word(&mut self, what: What, word: Word, local: u64) {
        self.words.insert(what, (word, local));
    }

    /// When something was first wanted that anyone may send.
    pub(super) fn first_asked(&mut self, what: What, local: u64) -> u64 {
        if self.wanted.len() > MOST {
            self.wanted.clear();
        }
        *self.wanted.entry(what).or_insert(local)
    }

    pub(super) fn forget_word(&mut self, what: What) {
        self.words.remove(&what);
    }

    /// What is known of a leaf: nothing, that it cannot be had, or the leaf; and how often it was asked for.
    pub(super) fn leaf(&self, seat: SeatId) -> (Option<&Option<Leaf>>, u64) {
        let times = self
            .asked
            .get(&Topic::Leaf(seat))
            .map_or(0, |asked| asked.times);
        (self.leaves.get(&seat), times)
    }

    pub(super) fn forget_leaf(&mut self, seat: SeatId) {
        self.leaves.remove(&seat);
        self.asked.remove(&Topic::Leaf(seat));
    }

    pub(super) fn is_pending(&self, topic: Topic) -> bool {
        self.asked
            .get(&topic)
            .is_some_and(|asked| asked.since.is_some())
    }

    /// Questions about calls that have no answer yet.
    pub(super) fn simulations(&self) -> usize {
        self.simulating
    }

    /// Those who wait for an answer about this.
    pub(super) fn waiters(&mut self, topic: Topic) -> BTreeSet<Waiter> {
        self.waiting.remove(&topic).unwrap_or_default()
    }

    /// Whether a question should be asked now, at most once in `every` milliseconds. If so, it counts as asked.
    fn may_ask(&mut self, topic: Topic, every: u64, local: u64) -> bool {
        let asked = self.asked.entry(topic).or_default();
        if let Some(since) = asked.since
            && local < since.saturating_add(LOST)
        {
            return false;
        }
        if let Some(answered) = asked.answered
            && local < answered.saturating_add(every)
        {
            return false;
        }
        if asked.since.replace(local).is_none() && matches!(topic, Topic::Simulate(_)) {
            self.simulating = self.simulating.saturating_add(1);
        }
        asked.times = asked.times.saturating_add(1);
        true
    }

    fn looks(&self, point: u64) -> u64 {
        self.asked
            .get(&Topic::Point(point))
            .map_or(0, |asked| asked.times)
    }
}

impl Machine {
    /// Asks, at most once in `every` milliseconds. `waiter` hears of the answer.
    pub(super) fn ask(&mut self, question: Question, every: u64, urgent: bool, waiter: Waiter) {
        let waiting = self.facts.waiting.entry(question.topic()).or_default();
        waiting.insert(waiter);
        if self.facts.may_ask(question.topic(), every, self.now.local) {
            self.commands.push(Command::Ask { question, urgent });
        }
    }

    /// Asks for the stake if something happened since it was read, and for the lists that the owner names.
    pub(super) fn ask_for_stake(&mut self) {
        let pause = match (self.facts.stake, self.facts.stale) {
            (None, _) => PAUSE,
            (Some(_), true) => PAUSE / 10,
            // Its owner may have added some.
            (Some(_), false) => LONGEST_PAUSE,
        };
        if self.facts.may_ask(Topic::Stake, pause, self.now.local) {
            self.facts.stale = false;
            let waiting = self.facts.waiting.entry(Topic::Stake).or_default();
            waiting.insert(Waiter::Offers);
            let question = Question::Plain(Topic::Stake);
            self.commands.push(Command::Ask {
                question,
                urgent: false,
            });
        }
        for list in self.settings.policy.lists.clone() {
            if !self.facts.is_admitted(list) {
                let question = Question::Plain(Topic::Admitted(list));
                self.ask(question, LONGEST_PAUSE, false, Waiter::Offers);
            }
        }
    }

    /// The number of a provider, on which two endpoints agree if there are several. It never changes once there is one.
    pub(super) fn number_of(&mut self, provider: Address, waiter: Waiter) -> Option<u32> {
        let known = self.facts.numbers.get(&provider).copied();
        if known.is_none() {
            let question = Question::Plain(Topic::Number(provider));
            self.ask(question, PAUSE, true, waiter);
        }
        known
    }

    /// Whether a transaction was sent by this machine; `None` while that is not known.
    pub(super) fn is_ours(&mut self, tx: B256, job: B256) -> Option<bool> {
        let known = self.owners.get(&tx).copied();
        if known.is_none() {
            let question = Question::Plain(Topic::Owner(tx));
            let times = self.facts.asked.get(&question.topic());
            let pause = PAUSE.saturating_mul(times.map_or(1, |asked| asked.times.max(1)));
            self.ask(question, pause.min(LOST), true, Waiter::Lease(job, None));
        }
        known
    }

    /// The seed of a point, if it is known now. Has it published if nobody did.
    pub(super) fn learn_seed(
        &mut self,
        point: u64,
        publish: Publish,
        urgent: bool,
        waiter: Waiter,
    ) -> Option<B256> {
        if point == 0 {
            return None;
        }
        let head = self.head.map_or(0, |head| head.number);
        let confirmations = self.settings.timing.confirmations;
        let known = self.facts.points.get(&point).copied();
        if self.facts.has_final_seed(point, head, confirmations) {
            return known?.state.seed;
        }
        let pause = PAUSE.saturating_mul(self.facts.looks(point) / LOOKS + 1);
        let question = Question::Plain(Topic::Point(point));
        self.ask(question, pause.min(LONGEST_PAUSE), urgent, waiter);
        let known = known?;
        if known.state.seed.is_none() && known.state.due && !known.state.dead {
            self.mind_publication(point, publish, urgent, waiter);
        }
        known.state.seed
    }

    fn mind_publication(&mut self, point: u64, publish: Publish, urgent: bool, waiter: Waiter) {
        if publish == Publish::No || self.is_open(What::Publish { point }) {
            return;
        }
        if publish == Publish::InTurn {
            let place = (self.me.provider.as_slice(), &point.to_be_bytes()[..]);
            let turn = turn_of(&[place.0, place.1].concat());
            let now = self.now.local;
            let Some(known) = self.facts.points.get_mut(&point) else {
                return;
            };
            let at = known
                .turn
                .get_or_insert(now.saturating_add(turn.saturating_mul(TURN)));
            if now < *at {
                return;
            }
        }
        let question = Question::Plain(Topic::Publication(point));
        self.ask(question, LONGEST_PAUSE, urgent, waiter);
    }

    /// Sends a publication that was prepared.
    pub(super) fn publish(&mut self, point: u64, to: Address, data: Bytes) {
        let what = What::Publish { point };
        if self.is_open(what) {
            return;
        }
        let id = IntentId {
            what,
            unique: self.unique(),
        };
        let not_after = self.now.time.saturating_add(CLAIM_LIFE);
        let intent = Intent {
            id,
            with: Vec::new(),
            to: Some(to),
            data,
            not_after: Some(not_after),
            deadline: None,
            at_stake: 0,
        };
        let pending = Pending {
            fate: Fate::Open,
            bond: 0,
            amount: Amount::default(),
            parallel: 0,
            until: not_after,
            shared: false,
        };
        self.send(intent, pending);
    }
}

/// Which of four turns somebody has, by what it is about.
pub(super) fn turn_of(about: &[u8]) -> u64 {
    let hash = keccak256(about);
    hash.first().map_or(0, |byte| u64::from(byte % 4))
}

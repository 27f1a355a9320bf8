//! Watched results of others: sampled, stepped, written down; what their state machine asks for is done here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use alloy::primitives::{Address, B256};
use piecework::{
    chain::IMarket,
    market::{Committed, sample},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Control, ControlError};
use crate::{
    clock::local_now,
    evaluate::watchable,
    lease::{self, Seen as LeaseSeen, view::JobView},
    seat,
    status::WatchStatus,
    store::{ChallengeRow, ChallengeState, TrialRow},
    watch::{Effect, Event, Finding, Key, Seen, Watched, rerun::Rerun},
};

/// How often results of jobs that are over are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// A dispute: its job, lease, round and number.
type Dispute = (B256, (u32, u16, u8));

/// A result that is watched.
#[derive(Debug)]
pub(super) struct HeldWatched {
    pub(super) watched: Watched,
    pub(super) work: Option<CancellationToken>,
    /// Our challenges of it, as they are stored.
    pub(super) challenges: Vec<ChallengeRow>,
    /// Why it is not challenged, as it was told last.
    pub(super) told: Option<String>,
}

impl HeldWatched {
    pub(super) fn challenge(&self, number: u8) -> Option<&ChallengeRow> {
        self.challenges.iter().find(|row| row.number == number)
    }

    /// The deposit of a challenge that was asked for, and is not seen yet.
    pub(super) fn on_its_way(&self) -> Option<u128> {
        let number = self.watched.on_its_way()?;
        self.challenge(number).map(|row| row.deposit)
    }

    /// The deposit that is in a challenge, or on its way there.
    pub(super) fn at_stake(&self) -> Option<u128> {
        let open = self.watched.open();
        let open = open.and_then(|number| self.challenge(number).map(|row| row.deposit));
        open.or_else(|| self.on_its_way())
    }
}

/// All that is known of others' results.
#[derive(Debug, Default)]
pub(super) struct Watching {
    pub(super) held: BTreeMap<Key, HeldWatched>,
    /// Results whose sample was drawn, those that are over included.
    drawn: HashSet<Key>,
    /// Jobs whose spec is not deterministic.
    unsteady: HashSet<B256>,
    /// Whether the challenger of an open dispute is our provider, or signs for it.
    pub(super) ours: HashMap<Address, bool>,
    /// Disputes whose challenger was asked after.
    asked: HashSet<Dispute>,
    /// When results of jobs that are over were last forgotten.
    swept: Option<Instant>,
    /// What those came to that are over.
    past: WatchStatus,
    pub(super) reruns: u64,
    /// The ledger of the key that signs.
    pub(super) balance: Option<u128>,
}

impl Watching {
    fn hold(&mut self, watched: Watched, challenges: Vec<ChallengeRow>) {
        self.drawn.insert(watched.key);
        if let Some(Finding::Unsteady { .. }) = watched.finding {
            self.unsteady.insert(watched.key.lease.job);
        }
        if watched.ended {
            count(&mut self.past, &watched, &challenges);
            return;
        }
        let held = HeldWatched {
            watched,
            work: None,
            challenges,
            told: None,
        };
        self.held.insert(held.watched.key, held);
    }

    /// Jobs of which tasks are being run again.
    pub(super) fn jobs_at_work(&self) -> impl Iterator<Item = B256> {
        let held = self.held.iter();
        let working = held.filter(|(_, held)| held.work.is_some());
        working.map(|(key, _)| key.lease.job)
    }
}

/// Whether all of a job is past: it takes no more leases, the windows of its last ones have gone by, and those that it
/// had are settled or free.
fn is_over(timing: &IMarket::Timing, view: &JobView, now: u64) -> bool {
    let last = timing.closesAt.saturating_add(timing.runWindow);
    let ends = |lease: &LeaseSeen| matches!(lease, LeaseSeen::Settled | LeaseSeen::Freed);
    now > last.saturating_add(timing.challengeWindow)
        && view.leases.values().all(|lease| ends(&lease.seen))
}

/// Whether a verdict ends what we have to say of its task. One that is inconclusive does where the challenge was
/// ours: no jury came together, most likely none will, and each further challenge would put down twice as much for the
/// same reward. Where it was somebody else's, they may have meant it to be: then we try once.
fn is_settled(verdict: IMarket::Verdict, ours: bool) -> bool {
    match verdict {
        IMarket::Verdict::ProviderRight => true,
        IMarket::Verdict::Inconclusive => ours,
        _ => false,
    }
}

/// Counts a result and what came of it.
fn count(status: &mut WatchStatus, watched: &Watched, challenges: &[ChallengeRow]) {
    status.results += 1;
    let one = match watched.finding {
        None => None,
        Some(Finding::Same) => Some(&mut status.same),
        Some(Finding::Differs(_)) => Some(&mut status.differences),
        Some(Finding::Unsteady { .. }) => Some(&mut status.unsteady),
        Some(Finding::Unserved) => Some(&mut status.unserved),
        Some(Finding::Unobtainable) => Some(&mut status.unobtainable),
        Some(Finding::Unfinished) => Some(&mut status.unfinished),
    };
    if let Some(count) = one {
        *count += 1;
    }
    for row in challenges {
        match row.state {
            ChallengeState::Stored => continue,
            ChallengeState::Open => status.open += 1,
            ChallengeState::Won => status.won += 1,
            ChallengeState::Lost => status.lost += 1,
            ChallengeState::Inconclusive => status.inconclusive += 1,
        }
        let back = row.reward.saturating_add(row.returned);
        status.paid_out = status.paid_out.saturating_add(row.deposit);
        status.paid_in = status.paid_in.saturating_add(back);
    }
}

impl Control {
    /// Reads back what is watched.
    pub(super) async fn load_watched(&mut self) -> Result<(), ControlError> {
        let mut challenges: HashMap<Key, Vec<ChallengeRow>> = HashMap::new();
        for row in self.tools.store.challenges().await? {
            challenges.entry(row.key).or_default().push(row);
        }
        self.watching.reruns = self.tools.store.reruns().await?;
        for row in self.tools.store.watched().await? {
            if self.job(row.job).await?.is_none() {
                continue;
            }
            let ours = challenges.remove(&row.key()).unwrap_or_default();
            self.watching.hold(Watched::from_row(&row), ours);
        }
        Ok(())
    }

    /// Draws samples of new results of a job, and shows the chain's word to all that are watched.
    pub(super) async fn refresh_watched(
        &mut self,
        job: B256,
        view: &JobView,
    ) -> Result<(), ControlError> {
        if self.tools.watch.share > 0.0 && !self.is_stopping() {
            self.draw_samples(job, view).await?;
        }
        let range = self.watching.held.keys();
        let keys: Vec<Key> = range.filter(|key| key.lease.job == job).copied().collect();
        for key in keys {
            self.see_verdicts(key, view).await?;
            let (seen, block) = self.word_of_watched(key, view);
            self.step_watched(key, Event::Chain { seen, block }).await?;
        }
        Ok(())
    }

    async fn draw_samples(&mut self, job: B256, view: &JobView) -> Result<(), ControlError> {
        if self.watching.unsteady.contains(&job) {
            return Ok(());
        }
        let Some(entry) = self.jobs.get(&job) else {
            return Ok(());
        };
        let window = entry.job.timing.challengeWindow;
        let mut new = Vec::new();
        for (first, lease) in &view.leases {
            let (LeaseSeen::Submitted { at }, Some(result)) = (lease.seen, lease.result) else {
                continue;
            };
            let round = lease.round;
            let key = Key {
                lease: lease::Key {
                    job,
                    first: *first,
                    round,
                },
                root: result.root,
            };
            if self.watching.drawn.contains(&key) {
                continue;
            }
            let until = at.saturating_add(window);
            if let Err(why) = watchable(entry.offer(0), self.means(entry), lease, until) {
                tracing::debug!(%job, first, why, "a result is not watched");
                continue;
            }
            // Of random numbers that no provider can foresee.
            let count = usize::try_from(lease.count).unwrap_or(0);
            let places = sample(count, self.tools.watch.share);
            let tasks = places.into_iter().filter_map(|place| {
                let place = u32::try_from(place).ok()?;
                Some(first.saturating_add(place))
            });
            new.push(Watched::new(key, tasks.collect()));
        }
        for watched in new {
            let (lease, tasks) = (watched.key.lease, watched.sample.len());
            tracing::info!(%job, first = lease.first, round = lease.round, tasks, "a result is watched");
            // On disk before anything depends on it: a restart draws no other sample.
            self.tools.store.put_watched(watched.to_row()).await?;
            self.watching.hold(watched, Vec::new());
        }
        Ok(())
    }

    /// Writes down what became of our challenges of a result.
    async fn see_verdicts(&mut self, key: Key, view: &JobView) -> Result<(), ControlError> {
        let Some(held) = self.watching.held.get_mut(&key) else {
            return Ok(());
        };
        let mut changed = Vec::new();
        for row in &mut held.challenges {
            let dispute = view
                .seats
                .dispute(key.lease.first, key.lease.round, row.number)
                .filter(|dispute| dispute.answer == row.answer);
            let judged = dispute.and_then(|dispute| dispute.judged);
            let state = match (dispute, judged.map(|judged| judged.verdict)) {
                (None, _) => ChallengeState::Stored,
                (Some(_), None) => ChallengeState::Open,
                (_, Some(IMarket::Verdict::Inconclusive)) => ChallengeState::Inconclusive,
                (_, Some(IMarket::Verdict::ProviderWrong))
                    if judged.is_some_and(|judged| judged.returned > 0) =>
                {
                    ChallengeState::Won
                }
                _ => ChallengeState::Lost,
            };
            let (reward, returned) =
                judged.map_or((0, 0), |judged| (judged.reward, judged.returned));
            if (row.state, row.reward, row.returned) != (state, reward, returned) {
                (row.state, row.reward, row.returned) = (state, reward, returned);
                changed.push(*row);
            }
        }
        for row in changed {
            let lease = key.lease;
            tracing::info!(job = %lease.job, first = lease.first, challenge = row.number, state = row.state.name(), deposit = row.deposit, returned = row.returned, reward = row.reward, "challenge");
            self.tools.store.set_challenge(row).await?;
        }
        Ok(())
    }

    /// What the chain says of a watched result, and since which block.
    fn word_of_watched(&self, key: Key, view: &JobView) -> (Seen, u64) {
        let (first, round) = (key.lease.first, key.lease.round);
        let Some(lease) = view.leases.get(&first) else {
            return (Seen::Absent, 0);
        };
        let timing = self.jobs.get(&key.lease.job).map(|entry| &entry.job.timing);
        let (window, run_window) =
            timing.map_or((0, 0), |timing| (timing.challengeWindow, timing.runWindow));
        let seen = match lease.seen {
            _ if lease.round > round => Seen::Over,
            _ if lease.round < round => Seen::Absent,
            _ if lease.result.is_none_or(|result| result.root != key.root) => Seen::Absent,
            LeaseSeen::Submitted { at } => {
                let mut number = 1;
                let mut acquitted = Vec::new();
                for (earlier, dispute) in view.seats.disputes_of(first, round) {
                    number = earlier.saturating_add(1);
                    let verdict = dispute.judged.map(|judged| judged.verdict);
                    let ours = dispute.challenger == self.tools.operator;
                    if verdict.is_some_and(|verdict| is_settled(verdict, ours)) {
                        acquitted.push(dispute.task);
                    }
                }
                Seen::Open {
                    until: at.saturating_add(window),
                    number,
                    acquitted,
                }
            }
            LeaseSeen::Demanded { .. } => Seen::Busy,
            LeaseSeen::Challenged { challenge, .. } => {
                self.disputed(key, challenge, run_window, view)
            }
            LeaseSeen::Settled | LeaseSeen::Freed => Seen::Over,
            LeaseSeen::Running { .. } | LeaseSeen::Absent => Seen::Absent,
        };
        (seen, lease.block)
    }

    /// Whether a challenge is one of ours, whose answer we hold.
    fn disputed(&self, key: Key, number: u8, run_window: u64, view: &JobView) -> Seen {
        let place = (key.lease.first, key.lease.round, number);
        let held = self.watching.held.get(&key);
        let dispute = view.seats.dispute(place.0, place.1, number);
        let jury = view
            .seats
            .round(place, self.tools.provider, run_window, &self.tools.times);
        let (Some(held), Some(dispute), Some((_, jury))) = (held, dispute, jury) else {
            return Seen::Busy;
        };
        let ours = dispute.challenger == self.tools.operator
            && (held.challenge(number)).is_some_and(|row| row.answer == dispute.answer);
        match ours {
            true => Seen::Ours {
                number,
                sealed: dispute.seed.is_some(),
                jury,
            },
            false => Seen::Busy,
        }
    }

    /// Steps one watched result, writes it down, then carries the effects out.
    pub(super) async fn step_watched(
        &mut self,
        key: Key,
        event: Event,
    ) -> Result<(), ControlError> {
        let now = self.now();
        let Some(held) = self.watching.held.get_mut(&key) else {
            return Ok(());
        };
        let before = held.watched.clone();
        let (watched, effects) = before.clone().step(event, now);
        if watched != before {
            if watched.phase() != before.phase() {
                let lease = key.lease;
                tracing::info!(job = %lease.job, first = lease.first, round = lease.round, phase = watched.phase(), "watched result");
            }
            held.watched = watched.clone();
            if watched.to_row() != before.to_row() {
                self.tools.store.put_watched(watched.to_row()).await?;
            }
        }
        for effect in effects {
            match effect {
                Effect::Work { until } => {
                    // What cannot be begun in this window may be in a later one.
                    if !self.run_again(key, until) {
                        let found = Event::Found(Finding::Unfinished);
                        Box::pin(self.step_watched(key, found)).await?;
                    }
                }
                Effect::StopWork => {
                    if let Some(work) = self.work_of_watched(key) {
                        work.cancel();
                    }
                }
                Effect::Seal { number } => {
                    let jury = seat::Key {
                        lease: key.lease,
                        challenge: number,
                    };
                    self.seal(jury).await?;
                }
                Effect::Send { act, attempt } => {
                    Box::pin(self.send_watched(key, act, attempt)).await?;
                }
                Effect::Forget => {
                    if let Some(held) = self.watching.held.remove(&key) {
                        count(&mut self.watching.past, &held.watched, &held.challenges);
                    }
                }
            }
        }
        Ok(())
    }

    fn work_of_watched(&mut self, key: Key) -> Option<CancellationToken> {
        let held = self.watching.held.get_mut(&key);
        held.and_then(|held| held.work.take())
    }

    /// Begins to run a sample again; whether there is anything to wait for now.
    fn run_again(&mut self, key: Key, until: u64) -> bool {
        let (stopping, lease) = (self.is_stopping(), key.lease);
        let (Some(entry), Some(held)) = (self.jobs.get(&lease.job), self.watching.held.get(&key))
        else {
            return false;
        };
        let seen = entry.view.leases.get(&lease.first);
        let (Ok(spec), Some(seen)) = (entry.spec.clone(), seen) else {
            return false;
        };
        let needs = watchable(entry.offer(0), self.means(entry), seen, until);
        let (Some(result), Ok(needs)) = (seen.result, needs) else {
            return false;
        };
        if stopping || held.work.is_some() {
            return true;
        }
        let order = Rerun {
            key,
            committed: Committed {
                provider: seen.provider,
                first: lease.first,
                count: seen.count,
                root: key.root,
                manifest: result.manifest,
            },
            sample: held.watched.sample.clone(),
            spec,
            seed: entry.job.terms.spec,
            until,
            needs,
        };
        let cancel = self.works.token().child_token();
        self.tidied = false;
        self.tools.rerunner.start(order, cancel.clone());
        if let Some(held) = self.watching.held.get_mut(&key) {
            held.work = Some(cancel);
        }
        true
    }

    /// A sample was run again.
    pub(super) async fn found(&mut self, key: Key, finding: Finding) -> Result<(), ControlError> {
        drop(self.work_of_watched(key));
        let lease = key.lease;
        match &finding {
            Finding::Differs(found) => {
                tracing::warn!(job = %lease.job, first = lease.first, task = found.task, theirs = %found.theirs, right = %found.right, "a result is wrong: two runs here agree on another output");
            }
            Finding::Unsteady { task } => {
                let new = self.watching.unsteady.insert(lease.job);
                self.learn_unsteady(lease.job, *task).await?;
                if new {
                    tracing::warn!(job = %lease.job, task, "two runs of a task differ: the spec is not deterministic, and the job's results are not watched any more");
                }
            }
            _ => {}
        }
        self.step_watched(key, Event::Found(finding)).await
    }

    /// No bonded lease of its spec is taken any more.
    async fn learn_unsteady(&mut self, job: B256, task: u32) -> Result<(), ControlError> {
        let Some(entry) = self.jobs.get(&job) else {
            return Ok(());
        };
        let row = TrialRow {
            spec: entry.job.terms.spec,
            task,
            same: false,
        };
        self.tools.store.put_unsteady(row, local_now()).await?;
        for entry in self.jobs.values_mut() {
            if entry.job.terms.spec == row.spec {
                entry.learn(&row);
            }
        }
        Ok(())
    }

    /// Forgets the results of jobs that are over: no lease of them will be challenged any more.
    async fn forget_results(&mut self) -> Result<(), ControlError> {
        let swept = self.watching.swept;
        if !self.synced || swept.is_some_and(|at| at.elapsed() < SWEEP) {
            return Ok(());
        }
        self.watching.swept = Some(Instant::now());
        let now = self.tools.clock.now();
        let jobs: HashSet<B256> = self
            .watching
            .drawn
            .iter()
            .map(|key| key.lease.job)
            .collect();
        let held = |job| self.watching.held.keys().any(|key| key.lease.job == job);
        let over = |job: &B256| {
            let entry = self.jobs.get(job);
            entry.is_some_and(|entry| is_over(&entry.job.timing, &entry.view, now)) && !held(*job)
        };
        let over: Vec<B256> = jobs.into_iter().filter(over).collect();
        for job in over {
            self.tools.store.forget_watched(job).await?;
            self.watching.drawn.retain(|key| key.lease.job != job);
            self.watching.unsteady.remove(&job);
        }
        Ok(())
    }

    /// Lets time pass. Once a stop was asked for, nothing is run again any more.
    pub(super) async fn tick_watched(&mut self) -> Result<(), ControlError> {
        let keys: Vec<Key> = self.watching.held.keys().copied().collect();
        for key in keys {
            if self.is_stopping()
                && let Some(work) = self.work_of_watched(key)
            {
                work.cancel();
            }
            self.step_watched(key, Event::Tick).await?;
        }
        self.forget_results().await
    }

    /// Whether an answer is still to be revealed.
    pub(super) fn owes_an_answer(&self) -> bool {
        let time = self.tools.clock.now();
        let mut held = self.watching.held.values();
        held.any(|held| held.watched.needs_us(time))
    }

    /// Finds out which challengers are our provider's own: it must not judge them.
    pub(super) async fn learn_challengers(&mut self) {
        let open: Vec<(Dispute, Address)> = (self.jobs.iter())
            .flat_map(|(job, entry)| {
                let disputes = entry.view.seats.open_disputes();
                disputes.map(move |(place, dispute)| ((*job, place), dispute.challenger))
            })
            .collect();
        // Asked again at each dispute: who signs for whom can change.
        let disputes: HashSet<Dispute> = open.iter().map(|(dispute, _)| *dispute).collect();
        let challengers: HashSet<Address> = open.iter().map(|(_, who)| *who).collect();
        let watching = &mut self.watching;
        watching.asked.retain(|dispute| disputes.contains(dispute));
        watching.ours.retain(|who, _| challengers.contains(who));
        let unknown = open.into_iter();
        let unknown: Vec<(Dispute, Address)> = unknown
            .filter(|(dispute, _)| !watching.asked.contains(dispute))
            .collect();
        let market = IMarket::new(self.tools.market, self.tools.rpc.clone());
        for (dispute, who) in unknown {
            let ours = match who == self.tools.operator {
                true => Ok(true),
                false => market.isOperator(self.tools.provider, who).call().await,
            };
            match ours {
                Ok(ours) => {
                    self.watching.ours.insert(who, ours);
                    self.watching.asked.insert(dispute);
                }
                Err(error) => {
                    self.watching.ours.remove(&who);
                    tracing::debug!(%error, "cannot ask who signs for the provider");
                }
            }
        }
    }

    /// What there is to say of it.
    pub(super) fn watch_status(&self) -> WatchStatus {
        let watching = &self.watching;
        let mut status = watching.past.clone();
        let held = || watching.held.values();
        for held in held() {
            count(&mut status, &held.watched, &held.challenges);
        }
        status.share = self.tools.watch.share;
        status.working = held().filter(|held| held.work.is_some()).count() as u64;
        status.reruns = watching.reruns;
        status.balance = watching.balance.unwrap_or(0);
        status.at_stake = held()
            .filter_map(HeldWatched::at_stake)
            .fold(0, u128::saturating_add);
        let empty = watching.balance == Some(0) && status.share > 0.0 && status.at_stake == 0;
        let short = held().find_map(|held| held.told.clone());
        status.trouble =
            short.or_else(|| empty.then(|| super::challenges::unfunded(self.tools.operator)));
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_jury_acquitted_or_left_open_after_our_challenge_is_not_challenged_again() {
        use IMarket::Verdict::{Inconclusive, ProviderRight, ProviderWrong};
        for ours in [true, false] {
            assert!(is_settled(ProviderRight, ours));
            assert!(!is_settled(ProviderWrong, ours));
        }
        assert!(is_settled(Inconclusive, true));
        assert!(!is_settled(Inconclusive, false));
    }
}

//! Jobs: what the chain says of them, and which of them are worth a claim.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::{
    primitives::B256,
    sol_types::{SolCall as _, SolValue as _},
};
use piecework_core::{chain::IMarket, spec::JobSpec, view::JobView};
use tokio::time::Instant;

use super::{Claim, Control, ControlError, Wish, draws::Draw, trials::Trying};
use crate::{
    evaluate::{Decision, Means, Offer, evaluate},
    seat,
    store::{JobRow, NewIntent},
    work::Failure,
};

/// How long a job is left alone after a claim was refused: others were quicker, most likely.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);
/// First wait after image or input could not be had; it doubles.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Chain time within which a claim must be on its way.
const CLAIM_LIFE: u64 = 60;

/// Whether image and input are here, for who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Yes,
    /// They are being fetched.
    Soon,
    /// They could not be had: that is tried again later, or of no use.
    Failing,
    /// The job cannot run here.
    Never,
}

/// Whether image and input are here.
#[derive(Debug)]
enum Ready {
    No,
    Working,
    Yes,
    /// Not now; why, and when to try again.
    Failed {
        why: String,
        until: Instant,
        wait: Duration,
    },
    Never {
        why: String,
        of_the_input: bool,
    },
}

#[derive(Debug)]
pub(super) struct JobEntry {
    pub(super) job: IMarket::Job,
    pub(super) spec: Result<Arc<JobSpec>, String>,
    pub(super) view: JobView,
    pub(super) fee_bps: u16,
    /// What is known of the draws for its seats.
    pub(super) draws: HashMap<seat::Key, Draw>,
    ready: Ready,
    rest_until: Option<Instant>,
    /// Why it is not taken, for the status.
    pub(super) why: Option<String>,
    /// Whether its spec was tried, or need not be.
    pub(super) tried: bool,
    /// Why it is never taken, though its spec is in order.
    pub(super) refusal: Option<String>,
    /// Nothing about it can change before this time of the chain, but by an event.
    asleep_until: u64,
}

impl JobEntry {
    pub(super) fn parse(row: &JobRow) -> Option<Self> {
        let job = IMarket::Job::abi_decode(&row.abi).ok()?;
        Some(Self {
            job,
            spec: JobSpec::parse(&row.spec)
                .map(Arc::new)
                .map_err(|error| error.to_string()),
            view: JobView::default(),
            fee_bps: row.fee_bps,
            draws: HashMap::new(),
            ready: Ready::No,
            rest_until: None,
            why: None,
            tried: false,
            refusal: None,
            asleep_until: 0,
        })
    }

    pub(super) fn see(&mut self, view: JobView) {
        self.view = view;
        self.asleep_until = 0;
    }

    /// What evaluation looks at, with so many tasks asked for already.
    pub(super) fn offer(&self, asked: u32) -> Offer<'_> {
        Offer {
            job: &self.job,
            spec: match &self.refusal {
                Some(why) => Err(why),
                None => self.spec.as_deref().map_err(String::as_str),
            },
            fee_bps: self.fee_bps,
            view: &self.view,
            asked,
        }
    }

    /// Nothing but an event can make it worth looking at again.
    pub(super) fn skip(&mut self, id: B256, why: String) {
        if self.why.as_ref() != Some(&why) {
            tracing::info!(job = %id, why, "job not taken");
        }
        self.why = Some(why);
        self.asleep_until = u64::MAX;
    }

    /// It is not worth a look before this time of the chain, unless something happens.
    pub(super) fn sleep(&mut self, until: u64, why: String) {
        self.why = Some(why);
        self.asleep_until = until;
    }

    /// Whether it is not worth a look at this time of the chain.
    pub(super) fn is_asleep(&self, now: u64) -> bool {
        now < self.asleep_until
    }

    /// Image and input are gone.
    pub(super) fn unprepare(&mut self) {
        if matches!(self.ready, Ready::Yes) {
            self.ready = Ready::No;
        }
    }

    /// Whether it is being made ready, or waits for a claim.
    pub(super) fn is_wanted(&self, now: u64) -> bool {
        !self.is_asleep(now) && matches!(self.ready, Ready::Working | Ready::Yes)
    }
}

impl Control {
    pub(super) fn prepared(&mut self, job: B256, result: Result<(), Failure>) {
        let Some(entry) = self.jobs.get_mut(&job) else {
            return;
        };
        entry.ready = match result {
            Ok(()) => Ready::Yes,
            Err(failure) if failure.of_the_job => {
                let (why, of_the_input) = (failure.why, failure.of_the_input);
                tracing::info!(%job, why, "job refused before any stake was bound");
                Ready::Never { why, of_the_input }
            }
            Err(Failure { why, .. }) => {
                let wait = match &entry.ready {
                    Ready::Failed { wait, .. } => {
                        wait.saturating_mul(2).min(Duration::from_secs(300))
                    }
                    _ => AFTER_FAILURE,
                };
                Ready::Failed {
                    why,
                    until: Instant::now() + wait,
                    wait,
                }
            }
        };
    }

    /// Looks at every open job, and claims what is worth it.
    pub(super) async fn take_work(&mut self) -> Result<(), ControlError> {
        if !self.synced {
            return Ok(());
        }
        self.mind_trial();
        self.refresh_stake().await?;
        if self.is_stopping() || self.disk_full || self.has_enough() {
            return Ok(());
        }
        let now = self.tools.clock.now();
        let open: Vec<B256> = self
            .jobs
            .iter()
            .filter(|(_, entry)| !entry.is_asleep(now))
            .map(|(job, _)| *job)
            .collect();
        for job in open {
            self.consider(job).await?;
        }
        self.take_juries().await
    }

    /// Whether the owner wants no more leases and seats than there are, those asked for included.
    pub(super) fn has_enough(&self) -> bool {
        let leases = self.leases.values().filter(|held| held.lease.is_bonded());
        let seats = self.seats.values().filter(|held| held.seat.is_bonded());
        let held = leases.count().saturating_add(seats.count());
        held.saturating_add(self.claims.len()) >= self.tools.policy.max_leases as usize
    }

    async fn consider(&mut self, id: B256) -> Result<(), ControlError> {
        let decision = self.decide(id);
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        let (take, first, count, parallel, bond) = match decision {
            Decision::Seats => return self.take_seats(id).await,
            Decision::Skip { why } => {
                entry.skip(id, why);
                return Ok(());
            }
            Decision::Later { at, why } => {
                entry.why = Some(why);
                entry.asleep_until = at.unwrap_or(0);
                self.leave_trial(id);
                return Ok(());
            }
            Decision::Claim {
                count,
                parallel,
                bond,
            } => ("claim", None, count, parallel, bond),
            Decision::Takeover {
                first,
                count,
                parallel,
                bond,
            } => ("takeover", Some(first), count, parallel, bond),
        };
        let Ok(spec) = entry.spec.clone() else {
            return Ok(());
        };
        let trying = self.trying(id);
        // Image and input first, the stake after: what cannot be had costs nothing then.
        if trying == Trying::Wait || self.make_ready(id) != Readiness::Yes {
            return Ok(());
        }
        if trying == Trying::Begin {
            let next = self.jobs.get(&id).map_or(0, |entry| entry.view.next);
            self.begin_trial(id, first.unwrap_or(next));
            return Ok(());
        }
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        if entry.rest_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        entry.why = None;
        let Some(room) = self.tools.capacity.reserve(spec.resources, parallel) else {
            entry.why = Some("another chain was quicker to take the capacity".to_owned());
            return Ok(());
        };
        let provider = self.tools.provider;
        let data = match first {
            // Whoever was quicker may leave less.
            None => IMarket::claimCall {
                job: entry.job.clone(),
                provider,
                least: 1,
                most: count,
            }
            .abi_encode(),
            Some(first) => IMarket::takeoverCall {
                job: entry.job.clone(),
                provider,
                first,
            }
            .abi_encode(),
        };
        tracing::info!(job = %id, count, ?first, bond, "{take}");
        let claim = Claim {
            job: id,
            wish: match first {
                None => Wish::Tasks(count),
                Some(_) => Wish::Lease,
            },
            bond,
            room: Some(room),
            room_until: self.room_until(id),
        };
        self.ask_for(format!("{take}/{id}"), data, claim).await
    }

    /// Sends a claim; whether it comes to something is told later. `id` names it, but for what makes it
    /// unique.
    pub(super) async fn ask_for(
        &mut self,
        id: String,
        data: Vec<u8>,
        claim: Claim,
    ) -> Result<(), ControlError> {
        let now = self.tools.clock.now();
        self.counter = self.counter.wrapping_add(1);
        let nonce: u32 = rand::random();
        let intent = NewIntent {
            id: format!("{id}/{now}-{}-{nonce:08x}", self.counter),
            to: None,
            data: data.into(),
            not_after: Some(now.saturating_add(CLAIM_LIFE)),
            repeatable: false,
            deadline: None,
            at_stake: 0,
        };
        self.claims.insert(intent.id.clone(), claim);
        self.tools.sender.send(intent).await?;
        Ok(())
    }

    /// Has a job's image and input fetched, if they are not here.
    pub(super) fn make_ready(&mut self, id: B256) -> Readiness {
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Readiness::Never;
        };
        let Ok(spec) = entry.spec.clone() else {
            return Readiness::Never;
        };
        match &entry.ready {
            Ready::Yes => Readiness::Yes,
            Ready::Working => Readiness::Soon,
            Ready::Never { why, of_the_input } => {
                entry.why = Some(why.clone());
                entry.asleep_until = u64::MAX;
                match of_the_input {
                    true => Readiness::Failing,
                    false => Readiness::Never,
                }
            }
            Ready::Failed { why, until, .. } if Instant::now() < *until => {
                entry.why = Some(why.clone());
                Readiness::Failing
            }
            Ready::No | Ready::Failed { .. } => {
                entry.why = Some("its image and input are being made ready".to_owned());
                let failed = matches!(entry.ready, Ready::Failed { .. });
                entry.ready = Ready::Working;
                self.tidied = false;
                self.tools.shop.prepare(id, spec, entry.job.terms.spec);
                match failed {
                    true => Readiness::Failing,
                    false => Readiness::Soon,
                }
            }
        }
    }

    fn decide(&self, id: B256) -> Decision {
        let Some(entry) = self.jobs.get(&id) else {
            return Decision::Skip {
                why: "it is unknown".to_owned(),
            };
        };
        let on_their_way = || self.claims.values().filter(|claim| claim.job == id);
        if on_their_way().any(|claim| claim.wish == Wish::Lease) {
            return Decision::Later {
                at: None,
                why: "a takeover of ours is on its way".to_owned(),
            };
        }
        let asked = on_their_way().map(|claim| match claim.wish {
            Wish::Tasks(count) => count,
            Wish::Lease | Wish::Seat(_) | Wish::Renew(_) | Wish::Settle(_) => 0,
        });
        evaluate(
            entry.offer(asked.fold(0, u32::saturating_add)),
            self.means(entry),
        )
    }

    /// What we have for a job.
    pub(super) fn means(&self, entry: &JobEntry) -> Means<'_> {
        let terms = &entry.job.terms;
        Means {
            provider: self.tools.provider,
            capacity: &self.tools.capacity,
            lease_tasks: self.tools.lease_tasks,
            policy: &self.tools.policy,
            timing: &self.tools.timing,
            free_stake: self.spendable(),
            jury_stake: self.jury_spendable(),
            allowance: self.allowance(terms.client),
            admitted: self.stake.lists.contains(&terms.providers),
            now: self.tools.clock.now(),
        }
    }

    /// A claim came to nothing: ordinary where executors race.
    pub(super) fn claim_lost(&mut self, id: &str, why: &str) -> bool {
        let Some(claim) = self.claims.remove(id) else {
            return false;
        };
        tracing::info!(job = %claim.job, why, "claim lost; nothing was bound");
        let until = Instant::now() + AFTER_REFUSAL;
        if let Some(entry) = self.jobs.get_mut(&claim.job) {
            match claim.wish {
                Wish::Tasks(_) | Wish::Lease => entry.rest_until = Some(until),
                Wish::Seat(key) | Wish::Renew(key) | Wish::Settle(key) => {
                    entry.draws.insert(key, Draw::Rest { until });
                }
            }
        }
        true
    }
}

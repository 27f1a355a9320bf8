//! Jobs: what the chain says of them, and which of them are worth a claim.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::B256,
    sol_types::{SolCall as _, SolValue as _},
};
use piecework::{chain::IMarket, spec::JobSpec};
use tokio::time::Instant;

use super::{Claim, Control, ControlError};
use crate::{
    evaluate::{Decision, Means, Offer, bond, evaluate},
    lease::view::JobView,
    store::{JobRow, NewIntent},
};

/// How long a job is left alone after a claim was refused: others were quicker, most likely.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);
/// First wait after image or input could not be had; it doubles.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Chain time within which a claim must be on its way.
const CLAIM_LIFE: u64 = 60;

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
    },
}

#[derive(Debug)]
pub(super) struct JobEntry {
    pub(super) job: IMarket::Job,
    pub(super) spec: Result<Arc<JobSpec>, String>,
    pub(super) view: JobView,
    fee_bps: u16,
    ready: Ready,
    rest_until: Option<Instant>,
    /// Why it is not taken, for the status.
    pub(super) why: Option<String>,
    /// Nothing about it can change but by an event.
    settled: bool,
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
            ready: Ready::No,
            rest_until: None,
            why: None,
            settled: false,
        })
    }

    pub(super) fn see(&mut self, view: JobView) {
        self.view = view;
        self.settled = false;
    }

    /// Image and input are gone.
    pub(super) fn unprepare(&mut self) {
        if matches!(self.ready, Ready::Yes) {
            self.ready = Ready::No;
        }
    }

    /// Whether it is being made ready, or waits for a claim.
    pub(super) fn is_wanted(&self) -> bool {
        !self.settled && matches!(self.ready, Ready::Working | Ready::Yes)
    }
}

impl Control {
    pub(super) fn prepared(&mut self, job: B256, result: Result<(), (String, bool)>) {
        let Some(entry) = self.jobs.get_mut(&job) else {
            return;
        };
        entry.ready = match result {
            Ok(()) => Ready::Yes,
            Err((why, true)) => {
                tracing::info!(%job, why, "job refused before any stake was bound");
                Ready::Never { why }
            }
            Err((why, false)) => {
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
        self.refresh_stake().await;
        let held = self
            .leases
            .values()
            .filter(|held| held.lease.is_bonded())
            .count();
        if self.is_stopping()
            || self.disk_full
            || held.saturating_add(self.claims.len()) >= self.tools.policy.max_leases as usize
        {
            return Ok(());
        }
        let open: Vec<B256> = self
            .jobs
            .iter()
            .filter(|(_, entry)| !entry.settled)
            .map(|(job, _)| *job)
            .collect();
        for job in open {
            self.consider(job).await?;
        }
        Ok(())
    }

    async fn consider(&mut self, id: B256) -> Result<(), ControlError> {
        let decision = self.decide(id);
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        let (take, first, count, parallel, bond) = match decision {
            Decision::Skip { why } => {
                if entry.why.as_ref() != Some(&why) {
                    tracing::info!(job = %id, why, "job not taken");
                }
                entry.why = Some(why);
                entry.settled = true;
                return Ok(());
            }
            Decision::Later { why, .. } => {
                entry.why = Some(why);
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
        // Image and input first, the stake after: what cannot be had costs nothing then.
        match &entry.ready {
            Ready::Yes => {}
            Ready::Working => return Ok(()),
            Ready::Never { why } => {
                entry.why = Some(why.clone());
                entry.settled = true;
                return Ok(());
            }
            Ready::Failed { why, until, .. } if Instant::now() < *until => {
                entry.why = Some(why.clone());
                return Ok(());
            }
            Ready::No | Ready::Failed { .. } => {
                entry.why = Some("its image and input are being made ready".to_owned());
                entry.ready = Ready::Working;
                self.tidied = false;
                self.tools.shop.prepare(id, spec, entry.job.terms.spec);
                return Ok(());
            }
        }
        if entry.rest_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        entry.why = None;
        let Some(room) = self.tools.capacity.reserve(spec.resources, parallel) else {
            return Ok(());
        };
        let provider = self.tools.provider;
        let data = match first {
            None => IMarket::claimCall {
                job: entry.job.clone(),
                provider,
                count,
            }
            .abi_encode(),
            Some(first) => IMarket::takeoverCall {
                job: entry.job.clone(),
                provider,
                first,
            }
            .abi_encode(),
        };
        let now = self.tools.clock.now();
        self.counter = self.counter.wrapping_add(1);
        let nonce: u32 = rand::random();
        let intent = NewIntent {
            id: format!("{take}/{id}/{now}-{}-{nonce:08x}", self.counter),
            data: data.into(),
            not_after: Some(now.saturating_add(CLAIM_LIFE)),
            repeatable: false,
        };
        tracing::info!(job = %id, count, ?first, bond, "{take}");
        let asked = if first.is_none() { count } else { 0 };
        self.claims.insert(
            intent.id.clone(),
            Claim {
                job: id,
                asked,
                bond,
                room: Some(room),
            },
        );
        self.tools.sender.send(intent).await?;
        Ok(())
    }

    fn decide(&self, id: B256) -> Decision {
        let Some(entry) = self.jobs.get(&id) else {
            return Decision::Skip {
                why: "it is unknown".to_owned(),
            };
        };
        let on_their_way = || self.claims.values().filter(|claim| claim.job == id);
        if on_their_way().any(|claim| claim.asked == 0) {
            return Decision::Later {
                at: None,
                why: "a takeover of ours is on its way".to_owned(),
            };
        }
        let client = entry.job.terms.client;
        let bonded = self
            .leases
            .values()
            .filter(|held| held.lease.is_bonded())
            .filter_map(|held| {
                let entry = self.jobs.get(&held.lease.key.job)?;
                (entry.job.terms.client == client).then(|| bond(&entry.job, held.lease.count))
            });
        let asked = self.claims.values().filter_map(|claim| {
            let entry = self.jobs.get(&claim.job)?;
            (entry.job.terms.client == client).then_some(claim.bond)
        });
        let offer = Offer {
            job: &entry.job,
            spec: entry.spec.as_deref().map_err(String::as_str),
            fee_bps: entry.fee_bps,
            view: &entry.view,
            asked: on_their_way().fold(0u32, |sum, claim| sum.saturating_add(claim.asked)),
        };
        let means = Means {
            provider: self.tools.provider,
            capacity: &self.tools.capacity,
            lease_tasks: self.tools.lease_tasks,
            policy: &self.tools.policy,
            timing: &self.tools.timing,
            free_stake: self.spendable(),
            exposure: bonded.chain(asked).fold(0, u128::saturating_add),
            now: self.tools.clock.now(),
        };
        evaluate(offer, means)
    }

    /// A claim came to nothing: ordinary where executors race.
    pub(super) fn claim_lost(&mut self, id: &str, why: &str) -> bool {
        let Some(claim) = self.claims.remove(id) else {
            return false;
        };
        tracing::info!(job = %claim.job, why, "claim lost; nothing was bound");
        if let Some(entry) = self.jobs.get_mut(&claim.job) {
            entry.rest_until = Some(Instant::now() + AFTER_REFUSAL);
        }
        true
    }
}

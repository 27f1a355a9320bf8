//! What becomes of a submitted lease: whether chance has it audited, and what follows.

use super::run::Run;
use super::view::LeaseView;
use crate::Error;
use crate::chain::IMarket::{Phase, Seat};

use alloy::primitives::{Address, B256};

/// What happens next to a submitted lease, if everybody does what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// There is nothing submitted, or the lease has ended.
    None,
    /// Nobody knows yet whether it is audited. The seed of `point` becomes known at about `from`, in Unix seconds.
    SeedUnknown {
        /// The point.
        point: u64,
        /// Its nominal time.
        from: u64,
        /// Last second in which an audit can begin. Without a seed the lease is settled after it, unaudited.
        open_by: u64,
    },
    /// Chance spares it: it can be settled and paid now.
    Spared,
    /// Chance has it audited, and the first drawn juror is awaited.
    Due {
        /// The jury, 1 or 2.
        jury: u8,
        /// The task that the jury runs again.
        task: u32,
        /// Last second in which the audit can begin. After it the lease is settled, contested.
        open_by: u64,
    },
    /// A jury sits.
    Sitting {
        /// The jury, 1 or 2.
        jury: u8,
        /// The task that it runs again.
        task: u32,
        /// Its jurors, with what each has done.
        jurors: Vec<(Address, Seat)>,
        /// Last second before it can be judged whatever jurors do.
        until: u64,
    },
    /// The jury agrees, and the accused's leaf can be brought until `leaf_by`. Otherwise it is convicted.
    LeafMissing {
        /// The task.
        task: u32,
        /// Last second to bring it.
        leaf_by: u64,
    },
}

impl Run {
    /// What becomes of the lease at task `first`.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn outlook(&self, first: u32) -> Result<Outlook, Error> {
        match self.status().await?.leases.get(&first) {
            Some(lease) => self.outlook_of(lease).await,
            None => Ok(Outlook::None),
        }
    }

    pub(super) async fn outlook_of(&self, lease: &LeaseView) -> Result<Outlook, Error> {
        let state = self.lease_state(lease.first).await?;
        match state.phase {
            Phase::Submitted => {
                let open_by = state.since.saturating_add(self.job().timing.auditWindow);
                let beacon = self.market().beacon().await?;
                let Some(seed) = beacon.seed(state.point).await? else {
                    return Ok(Outlook::SeedUnknown {
                        point: state.point,
                        from: beacon.time_of(state.point).await?,
                        open_by,
                    });
                };
                if !self.is_audited(lease, seed) {
                    return Ok(Outlook::Spared);
                }
                let task = self.round(lease).audited_task(seed, lease.count);
                Ok(Outlook::Due {
                    jury: 1,
                    task,
                    open_by,
                })
            }
            Phase::Undecided => {
                let audit = self.audit_state(lease.first).await?;
                Ok(Outlook::Due {
                    jury: 2,
                    task: audit.task,
                    open_by: audit.due,
                })
            }
            Phase::Audited => self.sitting(lease).await,
            _ => Ok(Outlook::None),
        }
    }

    async fn sitting(&self, lease: &LeaseView) -> Result<Outlook, Error> {
        let audit = self.audit_state(lease.first).await?;
        let task = audit.task;
        if audit.due != 0 {
            let respond = self.market().times().await?.respondWindow;
            let leaf_by = audit.due.saturating_add(respond);
            return Ok(Outlook::LeafMissing { task, leaf_by });
        }
        let jurors = lease.audit().map_or(&[][..], |audit| &audit.jurors);
        Ok(Outlook::Sitting {
            jury: audit.jury,
            task,
            jurors: jurors
                .iter()
                .map(|seat| (seat.provider, seat.state))
                .collect(),
            until: self.judged_after(&audit).await?,
        })
    }

    /// Whether chance says that the lease's result is audited.
    pub(super) fn is_audited(&self, lease: &LeaseView, seed: B256) -> bool {
        let chance = self.job().assurance.auditBps;
        self.round(lease).is_audited(seed, chance)
    }
}

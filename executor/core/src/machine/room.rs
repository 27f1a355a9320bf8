//! What duties and claims take of the machine.

use std::collections::BTreeSet;

use alloy_primitives::B256;

use super::Machine;
use crate::capacity::Amount;

impl Machine {
    /// What unfinished duties and open claims take of the machine.
    #[must_use]
    pub fn used(&self) -> Amount {
        let now = self.now.time;
        let duties = self.sums.busy.iter().filter_map(|id| {
            let (held, job) = (self.duties.get(id)?, self.jobs.get(&id.lease.job)?);
            Some(held.amount(job, now))
        });
        // A claim that was signed may be mined at any time.
        let claims = self.intents.values();
        duties
            .chain(claims.map(|pending| pending.amount))
            .fold(Amount::default(), Amount::plus)
    }

    /// Last second of chain time in which what is taken of the machine can be of use.
    #[must_use]
    pub fn busy_until(&self) -> u64 {
        let duties = self.sums.busy.iter().filter_map(|id| self.duties.get(id));
        let duties = duties.map(|held| held.duty.work_by());
        let claims = self.intents.values().map(|pending| pending.until);
        // Where no end is known yet, the work has one all the same.
        let ends = duties.chain(claims).filter(|until| *until != u64::MAX);
        ends.max().unwrap_or_default()
    }

    /// What runs now.
    #[must_use]
    pub fn running(&self) -> Amount {
        let now = self.now.time;
        let amounts = self.sums.busy.iter().filter_map(|id| {
            let (held, job) = (self.duties.get(id)?, self.jobs.get(&id.lease.job)?);
            held.duty.is_working().then(|| held.amount(job, now))
        });
        amounts.fold(Amount::default(), Amount::plus)
    }

    /// What nothing bonded takes of the machine.
    pub(super) fn free(&self) -> Amount {
        let total = self.settings.total.minus(self.elsewhere);
        total.minus(self.used())
    }

    /// The jobs whose image, input or results are needed here.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<B256> {
        let duties = self
            .duties
            .iter()
            .filter(|(_, held)| held.duty.is_undone() || held.served.is_none());
        let claims = self.intents.keys().filter(|id| id.what.binds());
        let eager = self.eager.iter();
        let wanted = eager.filter_map(|id| Some((id, self.jobs.get(id)?)));
        let wanted = wanted.filter(|(_, job)| {
            matches!(
                job.ready,
                super::job::Ready::Working | super::job::Ready::Yes
            )
        });
        duties
            .map(|(id, _)| id.lease.job)
            .chain(claims.filter_map(|id| id.what.job()))
            .chain(wanted.map(|(id, _)| *id))
            .chain(self.trials.jobs())
            .collect()
    }
}

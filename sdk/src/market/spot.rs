//! Checking a sample of a provider's work oneself, while it can still be challenged.

use rand::Rng as _;
use rand::seq::index;

use super::run::Run;
use super::view::LeaseView;
use crate::Error;
use crate::chain::IMarket::Phase;
use crate::digest::Digest;

/// A task that was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The task.
    pub task: u32,
    /// First task of its lease.
    pub first: u32,
    /// What the provider committed to.
    pub theirs: Digest,
    /// What the checker found.
    pub own: Digest,
    /// Last second in which the result can be challenged.
    pub until: u64,
}

impl Checked {
    /// Whether the provider's result is another one: [`Run::challenge`] it with `own`.
    pub fn differs(&self) -> bool {
        self.theirs != self.own
    }
}

impl Run {
    /// Runs a sample of the results again that can be challenged now, by a way to run a task that the caller
    /// gives: it gets a task's number and returns its output digest, the BLAKE3 of its result manifest
    /// (`digest::manifest`). Of each lease `share` of the tasks, at least one, drawn by random numbers that no
    /// provider can foresee. The SDK itself runs no containers: what runs strangers' images, or one's own, is
    /// the caller's choice.
    ///
    /// A false result that touches a share `f` of n tasks is found with probability `1 - (1 - f)^(n * share)`.
    ///
    /// # Errors
    /// What the runner fails with; [`Error::BadJob`] for a share that is not between 0 and 1,
    /// [`Error::Chain`], and what fetching digests fails with.
    pub async fn spot_check<E: From<Error>>(
        &self,
        share: f64,
        mut runner: impl AsyncFnMut(u32) -> Result<Digest, E>,
    ) -> Result<Vec<Checked>, E> {
        if !(0.0..=1.0).contains(&share) {
            let problem = format!("{share} is not between 0 and 1");
            return Err(Error::bad_job("spot check's share", problem).into());
        }
        let view = self.status().await?;
        let now = self.market().now().await?;
        let mut checked = Vec::new();
        for lease in view.leases.values() {
            let Some(until) = self
                .contestable_until(lease)
                .await?
                .filter(|until| now <= *until)
            else {
                continue;
            };
            let digests = self.digests_of(lease).await?;
            for place in sample(digests.len(), share) {
                let Some(theirs) = digests.get(place).copied() else {
                    continue;
                };
                let task = u32::try_from(place).map_or(lease.first, |place| lease.first + place);
                checked.push(Checked {
                    task,
                    first: lease.first,
                    theirs,
                    own: runner(task).await?,
                    until,
                });
            }
        }
        Ok(checked)
    }

    /// Last second in which a lease can be challenged; none if it cannot be at all.
    async fn contestable_until(&self, lease: &LeaseView) -> Result<Option<u64>, Error> {
        if lease.phase != Phase::Submitted || self.job().price.juryFee == 0 {
            return Ok(None);
        }
        let state = self.lease_state(lease.first).await?;
        let until = state
            .submittedAt
            .saturating_add(self.job().timing.challengeWindow);
        Ok((state.phase == Phase::Submitted).then_some(until))
    }
}

/// A random part of `0..length`, ascending: `share` (0 to 1) of it, rounded up by chance in proportion to the rest,
/// at least one unless the share is 0. Drawn from a generator that the operating system seeds: nobody can foresee it.
fn sample(length: usize, share: f64) -> Vec<usize> {
    if length == 0 || share == 0.0 {
        return Vec::new();
    }
    let mut random = rand::rng();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a lease has at most 2^32 tasks"
    )]
    let amount = {
        let exact = share * length as f64;
        let up = random.random_bool(exact.fract());
        (exact.floor() as usize + usize::from(up)).clamp(1, length)
    };
    let mut places = index::sample(&mut random, length, amount).into_vec();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_share_and_changes() {
        assert_eq!(sample(0, 1.0), Vec::<usize>::new());
        assert_eq!(sample(9, 0.0), Vec::<usize>::new());
        assert_eq!(sample(4, 1.0), [0, 1, 2, 3]);
        assert_eq!(sample(100, 0.001).len(), 1);
        let sizes: Vec<usize> = (0..200).map(|_| sample(10, 0.25).len()).collect();
        assert!(sizes.iter().all(|size| (2..=3).contains(size)));
        assert!(sizes.contains(&2) && sizes.contains(&3));
        let first = sample(1_000, 0.1);
        assert!((0..20).any(|_| sample(1_000, 0.1) != first));
    }
}

//! Checking a sample of providers' work oneself. It changes nothing on chain: it tells a client which providers to avoid.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use alloy::primitives::{Address, B256};
use rand::Rng as _;
use rand::seq::index;
use serde::{Deserialize, Serialize};

use super::run::Run;
use crate::Error;
use crate::chain::IMarket::Phase;
use crate::digest::Digest;

/// A task that was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The job.
    pub job_id: B256,
    /// The task.
    pub task: u32,
    /// First task of its lease.
    pub first: u32,
    /// The providers that are, or will be, paid for it.
    pub providers: Vec<Address>,
    /// What they committed to.
    pub theirs: Digest,
    /// What the checker found.
    pub own: Digest,
}

impl Checked {
    /// Whether the providers' result is another one.
    pub fn differs(&self) -> bool {
        self.theirs != self.own
    }
}

impl Run {
    /// Runs a sample of the job's results again, by a way to run a task that the caller gives: it gets a task's number and
    /// returns its output digest, the BLAKE3 of its result manifest (`digest::manifest`). Of each lease it takes `share` of
    /// the tasks, at least one, drawn by random numbers that no provider can foresee. The SDK itself runs no containers:
    /// whether to run strangers' images, or only one's own, is the caller's choice.
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
        let mut checked = Vec::new();
        for lease in view.leases.values() {
            if !matches!(
                lease.phase,
                Phase::Submitted | Phase::Audited | Phase::Undecided | Phase::Settled
            ) {
                continue;
            }
            let digests = self.digests_of(lease).await?;
            for place in sample(digests.len(), share) {
                let Some(theirs) = digests.get(place).copied() else {
                    continue;
                };
                let task = u32::try_from(place).map_or(lease.first, |place| lease.first + place);
                checked.push(Checked {
                    job_id: self.id(),
                    task,
                    first: lease.first,
                    providers: lease.paid_to(),
                    theirs,
                    own: runner(task).await?,
                });
            }
        }
        Ok(checked)
    }
}

/// A client's own list of providers to avoid, and why: for the list of providers that its next jobs name
/// ([`Job::only_providers`](super::Job::only_providers)). Nobody else sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AvoidList {
    /// Reasons by provider.
    pub providers: BTreeMap<Address, String>,
}

impl AvoidList {
    /// Adds the providers of a result that differs.
    pub fn note(&mut self, checked: &Checked) {
        if !checked.differs() {
            return;
        }
        for provider in &checked.providers {
            let Checked {
                job_id,
                task,
                theirs,
                own,
                ..
            } = checked;
            let reason = format!(
                "task {task} of job {job_id}: it committed to {theirs}, and running it again gave {own}"
            );
            self.providers.entry(*provider).or_insert(reason);
        }
    }

    /// Reads a list; an empty one if there is no such file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io {
            action: "read the list in",
            path: path.to_owned(),
            source,
        };
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| io(error.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(io(error)),
        }
    }

    /// Writes the list, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let io = |source| Error::Io {
            action: "write the list to",
            path: path.to_owned(),
            source,
        };
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
        let text = serde_json::to_vec_pretty(self).map_err(|error| io(error.into()))?;
        file.write_all(&text).map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        Ok(())
    }
}

/// A random part of `0..length`, ascending: `share` (0 to 1) of it, rounded up by chance in proportion to the rest,
/// at least one unless the share is 0. Drawn from a generator that the operating system seeds: nobody can foresee it.
#[must_use]
pub fn sample(length: usize, share: f64) -> Vec<usize> {
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
    #![allow(clippy::unwrap_used)]
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

    #[test]
    fn a_provider_with_a_false_result_is_kept_in_mind() {
        let checked = |own: &[u8]| Checked {
            job_id: B256::ZERO,
            task: 3,
            first: 0,
            providers: vec![Address::repeat_byte(7)],
            theirs: Digest::of(b"a"),
            own: Digest::of(own),
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("avoid.json");
        let mut list = AvoidList::load(&path).unwrap();
        list.note(&checked(b"a"));
        assert!(list.providers.is_empty());
        list.note(&checked(b"b"));
        list.save(&path).unwrap();
        let list = AvoidList::load(&path).unwrap();
        let (provider, reason) = list.providers.first_key_value().unwrap();
        assert_eq!(*provider, Address::repeat_byte(7));
        assert!(reason.contains("task 3"), "{reason}");
    }
}

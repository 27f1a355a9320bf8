//! Results: fetched from providers, and refused unless the chain commits to every byte.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::Address;
use futures::{StreamExt as _, TryStreamExt as _};

use super::run::Run;
use super::verify::{Holder, Verified};
use super::view::JobView;
use crate::Error;
use crate::blobs::{BlobError, DirStore, HttpSource, fetch, fetch_bytes, materialize};
use crate::chain::IMarket::{Grade, Phase};
use crate::digest::Digest;
use crate::digest::manifest::{BlobRef, MAX_MANIFEST_BYTES, Outcome, ResultManifest, Tree};
use piecework_net::terminal::is_harmless;

/// Tasks that are fetched at the same time.
const AT_ONCE: usize = 8;
/// Most bytes of standard output that an executor keeps.
const MAX_STDOUT: u64 = 1 << 20;
/// Most bytes of a log that are read.
const MAX_LOG: usize = 8 << 10;
/// Longest time for a log.
const LOG_TIME: Duration = Duration::from_secs(5);

/// What a result was verified against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The root that the provider submitted; a jury can still convict it.
    Submitted,
    /// The final root, and how sure it is.
    Final(Grade),
}

/// A task's verified result.
#[derive(Debug, Clone)]
pub struct TaskResult {
    /// The task.
    pub task: u32,
    /// The provider that served it.
    pub provider: Address,
    /// What it was verified against.
    pub basis: Basis,
    /// Its output digest.
    pub digest: Digest,
    /// How it ended. Only [`Outcome::Exit`] has files.
    pub outcome: Outcome,
    /// Its files.
    pub files: Tree,
    /// Directory in which it was written.
    pub dir: PathBuf,
    /// Last lines of a failed task's log as its provider tells them. **Unverified**: no chain
    /// commits to them.
    pub log: Option<String>,
}

/// What a download brought.
#[derive(Debug, Clone)]
pub struct Downloaded {
    /// The directory.
    pub dir: PathBuf,
    /// The results in order of their tasks.
    pub tasks: Vec<TaskResult>,
    /// Tasks without a result: they were not run, their lease is void, or they are not done yet.
    pub missing: Vec<Range<u32>>,
    /// Units that the client got back for tasks without a result.
    pub refunded: u128,
}

impl Downloaded {
    /// Results of tasks that did not exit with 0.
    pub fn failed(&self) -> impl Iterator<Item = &TaskResult> {
        self.tasks
            .iter()
            .filter(|result| !result.outcome.is_success())
    }
}

impl Run {
    pub(super) async fn download_all(
        &self,
        view: &JobView,
        dir: &Path,
    ) -> Result<Downloaded, Error> {
        let fresh = Fresh::beside(dir)?;
        let (mut tasks, mut missing, mut refunded) = (Vec::new(), Vec::new(), 0);
        for lease in view.leases.values() {
            if lease.phase != Phase::Settled {
                missing.push(lease.range());
                if matches!(lease.phase, Phase::Refunded | Phase::Void) {
                    refunded = lease.refunded.saturating_add(refunded);
                }
                continue;
            }
            let verified = self.verify(lease).await?;
            let verified = &verified;
            let fetched: Vec<TaskResult> = futures::stream::iter(lease.range())
                .map(|task| self.take(verified, task, &fresh, dir))
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            tasks.extend(fetched);
        }
        missing.extend(view.untaken());
        missing.sort_unstable_by_key(|tasks| tasks.start);
        fresh.put_at(dir)?;
        Ok(Downloaded {
            dir: dir.to_owned(),
            tasks,
            missing,
            refunded,
        })
    }

    pub(super) async fn fetch_one(&self, task: u32, dir: &Path) -> Result<TaskResult, Error> {
        if task >= self.tasks() {
            return Err(Error::NoSuchTask {
                job_id: self.id(),
                task,
                tasks: self.tasks(),
            });
        }
        let view = self.status().await?;
        let none = |state: &str| Error::NoResult {
            job_id: self.id(),
            task,
            state: state.to_owned(),
        };
        let lease = view
            .lease_of(task)
            .ok_or_else(|| none("no provider has taken it yet"))?;
        match lease.phase {
            Phase::Submitted | Phase::Settled | Phase::Audited | Phase::Undecided => {}
            Phase::Running | Phase::Revealing if self.job().assurance.replicas > 1 => {
                return Err(none(
                    "its providers do not show results before a quorum of them agrees",
                ));
            }
            Phase::Running => return Err(none("its provider is still at work")),
            Phase::Void if self.job().assurance.replicas > 1 => {
                return Err(none("its providers did not agree"));
            }
            Phase::Void => return Err(none("a jury convicted its provider")),
            Phase::Refunded => {
                return Err(none(
                    "it will not be run, and its escrow went back to the client",
                ));
            }
            _ => return Err(none("it waits for a provider")),
        }
        let verified = self.verify(lease).await?;
        let own = dir.join(task.to_string());
        let fresh = Fresh::beside(&own)?;
        let result = self.take(&verified, task, &fresh, dir).await?;
        fresh.child(task).and_then(|from| rename(&from, &own))?;
        Ok(result)
    }

    /// Fetches one task's result into `fresh`, from whoever has it; it will stand in `dir` later.
    async fn take(
        &self,
        verified: &Verified,
        task: u32,
        fresh: &Fresh,
        dir: &Path,
    ) -> Result<TaskResult, Error> {
        let mut failed = self.contradiction(verified.lease.first);
        for holder in &verified.holders {
            match self.take_from(verified, holder, task, fresh, dir).await {
                Ok(result) => return Ok(result),
                // What is not served by one may be by another; anything else is the same for all.
                Err(error @ Error::Download { .. }) => {
                    tracing::debug!(%error, task, provider = %holder.provider, "not served");
                    failed = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }

    /// Fetches one task's result from one provider.
    async fn take_from(
        &self,
        verified: &Verified,
        holder: &Holder,
        task: u32,
        fresh: &Fresh,
        dir: &Path,
    ) -> Result<TaskResult, Error> {
        let lease = &verified.lease;
        let Holder { provider, source } = holder;
        let provider = *provider;
        let place = task
            .checked_sub(lease.first)
            .and_then(|place| verified.digests.get(place as usize));
        let digest = *place.ok_or(Error::NoSuchTask {
            job_id: self.id(),
            task,
            tasks: self.tasks(),
        })?;
        let refused = |what: String| {
            move |source: BlobError| Error::Download {
                provider,
                first: lease.first,
                task: Some(task),
                what,
                source: Box::new(source),
            }
        };
        let bytes = fetch_bytes(source, digest, MAX_MANIFEST_BYTES as u64)
            .await
            .map_err(refused(format!("the result manifest {digest}")))?;
        let bad = |problem: String| Error::BadResult {
            provider,
            task,
            digest,
            problem,
        };
        let manifest = ResultManifest::parse(&bytes).map_err(|error| bad(error.to_string()))?;
        let limit = self.spec().resources.disk_bytes;
        if manifest.tree().total_bytes() > limit {
            return Err(bad(format!(
                "its files have {} bytes, and the spec allows {limit}",
                manifest.tree().total_bytes()
            )));
        }
        if manifest
            .stdout()
            .is_some_and(|stdout| stdout.size > MAX_STDOUT)
        {
            return Err(bad(format!(
                "its standard output has more than {MAX_STDOUT} bytes"
            )));
        }
        for blob in manifest.blobs() {
            let size = fetch(source, &fresh.store, blob.digest, blob.size)
                .await
                .and_then(|size| sized(blob, size))
                .map_err(refused(format!("blob {}", blob.digest)))?;
            tracing::trace!(task, size, blob = %blob.digest, "fetched");
        }
        let at = fresh.child(task)?;
        let (store, tree, stdout) = (
            fresh.store.clone(),
            manifest.tree().clone(),
            manifest.stdout(),
        );
        let written =
            tokio::task::spawn_blocking(move || write(&at, &store, &tree, stdout, &bytes)).await;
        written.map_err(|error| BlobError::Background(error.to_string()))??;
        let outcome = manifest.outcome();
        let log = if outcome.is_success() {
            None
        } else {
            self.log_of(source, task).await
        };
        Ok(TaskResult {
            task,
            provider,
            basis: verified.basis,
            digest,
            outcome,
            files: manifest.tree().clone(),
            dir: dir.join(task.to_string()),
            log,
        })
    }

    /// The log's last lines, if the provider tells them. Never an error: nothing depends on them.
    async fn log_of(&self, source: &HttpSource, task: u32) -> Option<String> {
        let path = format!("v1/logs/{}/{task}", self.id());
        let bytes = source.unverified(&path, MAX_LOG, LOG_TIME).await.ok()?;
        printable(&bytes)
    }
}

/// A stranger's bytes on their way to a terminal: neither control characters nor those that turn
/// the direction of what stands around them.
fn printable(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| is_harmless(*c) || matches!(c, '\n' | '\t'))
        .collect();
    (!text.trim().is_empty()).then_some(text)
}

fn sized(blob: BlobRef, actual: u64) -> Result<u64, BlobError> {
    if actual == blob.size {
        return Ok(actual);
    }
    Err(BlobError::WrongSize {
        digest: blob.digest,
        expected: blob.size,
        actual,
    })
}

fn write(
    at: &Path,
    store: &DirStore,
    tree: &Tree,
    stdout: Option<BlobRef>,
    manifest: &[u8],
) -> Result<(), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io {
            action: "write",
            path,
            source,
        }
    };
    std::fs::create_dir_all(at).map_err(io(at))?;
    let path = at.join("manifest");
    std::fs::write(&path, manifest).map_err(io(&path))?;
    if let Some(stdout) = stdout {
        materialize(tree, store, &at.join("out"))?;
        let path = at.join("stdout");
        let mut file = std::fs::File::create_new(&path).map_err(io(&path))?;
        store.copy_to(&stdout.digest, &mut file)?;
    }
    Ok(())
}

/// A directory beside the target, removed unless it became the target.
struct Fresh {
    files: tempfile::TempDir,
    store: DirStore,
    _blobs: tempfile::TempDir,
}

impl Fresh {
    fn beside(target: &Path) -> Result<Self, Error> {
        let vacant = match std::fs::read_dir(target) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !vacant {
            return Err(BlobError::Occupied {
                path: target.to_owned(),
            }
            .into());
        }
        let parent = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let io = |source| Error::Io {
            action: "create a directory in",
            path: parent.to_owned(),
            source,
        };
        std::fs::create_dir_all(parent).map_err(io)?;
        let make = || {
            tempfile::Builder::new()
                .prefix(".piecework-")
                .tempdir_in(parent)
                .map_err(io)
        };
        let (files, blobs) = (make()?, make()?);
        let store = DirStore::open(blobs.path())?;
        Ok(Self {
            files,
            store,
            _blobs: blobs,
        })
    }

    fn child(&self, task: u32) -> Result<PathBuf, Error> {
        Ok(self.files.path().join(task.to_string()))
    }

    fn put_at(self, target: &Path) -> Result<(), Error> {
        use std::os::unix::fs::PermissionsExt as _;
        let from = self.files.keep();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&from, open).map_err(|source| Error::Io {
            action: "set the mode of",
            path: from.clone(),
            source,
        })?;
        rename(&from, target).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&from);
        })
    }
}

/// Puts a finished directory in its place, which is vacant.
fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|source| Error::Io {
        action: "rename to",
        path: to.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_log_cannot_command_a_terminal() {
        let log = "\u{1b}[2J\u{9b}31mone\r\n\ttwo\u{202e}three\u{2066}\u{7f}\0 ä";
        let log = printable(&[log.as_bytes(), b"\xff"].concat());
        assert_eq!(log.as_deref(), Some("[2J31mone\n\ttwothree ä\u{fffd}"));
        assert_eq!(printable(b"\x1b \n"), None);
    }
}

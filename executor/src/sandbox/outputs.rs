//! Bounded space for `/out`: a tmpfs with a size and a number of inodes.
//!
//! A plain directory of the host would let a task fill the host's disk. With the right to mount,
//! the tmpfs is ours and bound into the container (2 ms); without it, it is a volume of the
//! engine's, which would vanish with its only container and is therefore held by a second one
//! that does nothing.

use std::{
    collections::BTreeMap,
    ffi::CString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::mount::{MountFlags, UnmountFlags};
use serde::Deserialize;

use super::{
    SandboxError,
    engine::{ContainerEngine, EngineError, VolumeRequest},
    holder,
    profile::{INODES, Output, USER},
};

/// How `/out` is bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputsMode {
    /// Mount if that works and the engine sees it, else volumes.
    #[default]
    Auto,
    /// Mount a tmpfs below the state directory; needs the right to mount.
    Mount,
    /// A volume of the engine's and a holder container for each task.
    Volume,
}

/// The `/out` of one task.
#[derive(Debug, Clone)]
pub(super) enum Space {
    Directory(PathBuf),
    Volume { name: String, holder: String },
}

impl Space {
    pub(super) fn output(&self) -> Output {
        match self {
            Self::Directory(path) => Output::Directory(path.display().to_string()),
            Self::Volume { name, .. } => Output::Volume(name.clone()),
        }
    }
}

/// Makes and removes the spaces of all tasks.
#[derive(Clone)]
pub(super) struct Outputs {
    engine: Arc<dyn ContainerEngine>,
    dir: PathBuf,
    mount: bool,
    labels: BTreeMap<String, String>,
    holder_image: String,
    runtime: Option<String>,
}

impl Outputs {
    /// Finds out which way works here. `dir` is below the state directory and ours alone.
    pub(super) async fn new(
        engine: Arc<dyn ContainerEngine>,
        dir: PathBuf,
        mode: OutputsMode,
        labels: BTreeMap<String, String>,
        runtime: Option<String>,
    ) -> Result<Self, SandboxError> {
        let mut outputs = Self {
            holder_image: holder::ensure_image(engine.as_ref(), &dir).await?,
            engine,
            dir,
            mount: mode != OutputsMode::Volume,
            labels,
            runtime,
        };
        let seen = outputs.probe().await?;
        match (mode, seen) {
            (_, Ok(())) => {}
            (OutputsMode::Auto, Err(reason)) => {
                tracing::info!(%reason, "no mounts of our own: /out will be a volume of the engine's");
                outputs.mount = false;
                outputs
                    .probe()
                    .await?
                    .map_err(SandboxError::OutputsUnavailable)?;
            }
            (_, Err(reason)) => return Err(SandboxError::OutputsUnavailable(reason)),
        }
        Ok(outputs)
    }

    /// Which way was chosen.
    pub(super) const fn mounts(&self) -> bool {
        self.mount
    }

    /// Makes the space of one task; `name` is unique.
    pub(super) async fn open(&self, name: &str, bytes: u64) -> Result<Space, SandboxError> {
        let options = format!("size={bytes},nr_inodes={INODES},mode=0777,uid={USER},gid={USER}");
        if self.mount {
            let path = self.dir.join(name);
            let target = path.clone();
            blocking(move || mount(&target, &options))
                .await
                .map_err(|error| SandboxError::host("mount a tmpfs on", &path, error))?;
            return Ok(Space::Directory(path));
        }
        self.engine
            .create_volume(&VolumeRequest {
                name: name.to_owned(),
                options: format!("{options},nosuid,nodev,noexec"),
                labels: self.labels.clone(),
            })
            .await?;
        let space = Space::Volume {
            name: name.to_owned(),
            holder: format!("{name}-holder"),
        };
        match self.hold(&space).await {
            Ok(()) => Ok(space),
            Err(error) => {
                self.close(&space).await?;
                Err(error)
            }
        }
    }

    /// Gives the space back; harmless if it is gone.
    pub(super) async fn close(&self, space: &Space) -> Result<(), SandboxError> {
        match space {
            Space::Directory(path) => {
                let target = path.clone();
                blocking(move || unmount(&target))
                    .await
                    .map_err(|error| SandboxError::host("unmount", path, error))
            }
            Space::Volume { name, holder } => {
                self.engine.remove(holder).await?;
                Ok(self.engine.remove_volume(name).await?)
            }
        }
    }

    /// Unmounts what an earlier process left.
    pub(super) async fn sweep(dir: &Path) -> Result<(), SandboxError> {
        let target = dir.to_owned();
        blocking(move || {
            std::fs::create_dir_all(&target)?;
            for entry in std::fs::read_dir(&target)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    unmount(&entry.path())?;
                } else {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .await
        .map_err(|error| SandboxError::host("clean", dir, error))
    }

    async fn hold(&self, space: &Space) -> Result<(), SandboxError> {
        let Space::Volume { holder, .. } = space else {
            return Ok(());
        };
        let request = holder::container(&self.holder_image, &self.labels, space.output(), None);
        self.engine.create(holder, &request.request()).await?;
        Ok(self.engine.start(holder).await?)
    }

    /// Whether the engine sees this machine's files, and through them a mount of ours: an engine
    /// elsewhere, or in another mount namespace, would bind the bare directory below it.
    async fn probe(&self) -> Result<Result<(), String>, SandboxError> {
        let name = format!("{}-probe", self.labels_name());
        let plain = self.dir.join("probe.file");
        let marker = format!("{:032x}", rand::random::<u128>());
        let write = |path: &Path| {
            std::fs::write(path, &marker)
                .map_err(|error| SandboxError::host("write to", path, error))
        };
        write(&plain)?;
        let space = match self.open(&name, 1 << 20).await {
            Ok(space) => space,
            Err(SandboxError::Host { source, .. }) if self.mount => {
                return Ok(Err(format!("this process may not mount: {source}")));
            }
            Err(error) => return Err(error),
        };
        if let Space::Directory(path) = &space {
            write(&path.join("marker"))?;
        }
        // With the tasks' runtime: one that the engine does not know shows here.
        let container = super::profile::Container {
            runtime: self.runtime.clone(),
            ..holder::container(
                &self.holder_image,
                &self.labels,
                space.output(),
                Some(plain.display().to_string()),
            )
        };
        let looked = self.look(&name, &container, &marker).await;
        self.engine.remove(&name).await?;
        self.close(&space).await?;
        looked
    }

    async fn look(
        &self,
        name: &str,
        container: &super::profile::Container,
        marker: &str,
    ) -> Result<Result<(), String>, SandboxError> {
        self.engine.remove(name).await?;
        match self.engine.create(name, &container.request()).await {
            Err(EngineError::Refused { message, .. }) if message.contains("bind source path") => {
                return Err(SandboxError::EngineElsewhere(self.dir.clone()));
            }
            other => other?,
        }
        if !self.reads(name, "/in", marker).await? {
            return Err(SandboxError::EngineElsewhere(self.dir.clone()));
        }
        if self.mount && !self.reads(name, "/out/marker", marker).await? {
            return Ok(Err(
                "the engine does not see mounts of this process".to_owned()
            ));
        }
        Ok(Ok(()))
    }

    /// Whether the file at `path` in the container holds `marker`.
    async fn reads(&self, name: &str, path: &str, marker: &str) -> Result<bool, SandboxError> {
        use futures::TryStreamExt;
        let stream = match self.engine.archive(name, path).await {
            Ok(stream) => stream,
            Err(EngineError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let tar: Vec<_> = stream.try_collect().await?;
        Ok(tar
            .concat()
            .windows(marker.len())
            .any(|window| window == marker.as_bytes()))
    }

    fn labels_name(&self) -> String {
        let instance = self.labels.get(super::LABEL_EXECUTOR);
        format!("piecework-{}", instance.map_or("", String::as_str))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn mount(path: &Path, options: &str) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = rustix::mount::mount("piecework", path, "tmpfs", flags, options.as_c_str());
    if mounted.is_err() {
        std::fs::remove_dir(path)?;
    }
    Ok(mounted?)
}

/// Unmounts all that is mounted on `path`, then removes the directory itself, never its contents.
fn unmount(path: &Path) -> io::Result<()> {
    use rustix::io::Errno;
    loop {
        match rustix::mount::unmount(path, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH) {
            Ok(()) => {}
            // It is no mount point, or never was one because the executor may not mount.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

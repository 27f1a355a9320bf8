//! The disk, against what the configuration promises of it.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::Finding;
use crate::Config;

/// What is free of a file system, and which one it is.
struct Space {
    device: u64,
    free: u64,
}

/// Looks at the file systems of the state directory and of the engine's images.
pub(super) fn disk(config: &Config, root_dir: Option<&Path>) -> Vec<Finding> {
    let promise = Promise {
        tasks: config.capacity.disk_bytes,
        outputs: config.retention.max_bytes,
        images: 0,
        used: used(&config.state_dir),
    };
    let images = config.retention.max_image_bytes;
    let state = match space(&config.state_dir) {
        Ok(space) => space,
        Err((path, error)) => {
            let text = format!("cannot tell what is free at {}: {error}", path.display());
            return vec![Finding::missing("disk", text)];
        }
    };
    let name = config.state_dir.display().to_string();
    let engine = root_dir.map(|dir| (dir, space(dir)));
    match engine {
        Some((dir, Ok(space))) if space.device != state.device => {
            let of_images = Promise {
                images,
                ..Promise::default()
            };
            vec![
                promise.judge(&name, state.free),
                of_images.judge(&dir.display().to_string(), space.free),
            ]
        }
        Some((dir, Ok(_))) => {
            let name = format!("{name} and {}", dir.display());
            vec![Promise { images, ..promise }.judge(&name, state.free)]
        }
        _ => vec![promise.judge(&name, state.free)],
    }
}

/// What a file system must hold, in bytes.
#[derive(Clone, Copy, Default)]
struct Promise {
    /// Outputs of tasks that run.
    tasks: u64,
    /// Outputs that are kept.
    outputs: u64,
    /// Images that the engine keeps.
    images: u64,
    /// What of this is there already.
    used: u64,
}

impl Promise {
    fn judge(self, name: &str, free: u64) -> Finding {
        let Self {
            tasks,
            outputs,
            images,
            used,
        } = self;
        let all = tasks.saturating_add(outputs).saturating_add(images);
        let parts = [
            (tasks, "capacity.disk_bytes"),
            (outputs, "retention.max_bytes"),
            (images, "retention.max_image_bytes"),
        ];
        let parts = parts.iter().filter(|(bytes, _)| *bytes > 0);
        let parts: Vec<String> = parts
            .map(|(bytes, key)| format!("{} ({key})", gib(*bytes)))
            .collect();
        let text = format!(
            "{name}: {} free, {} used already, {} promised",
            gib(free),
            gib(used),
            parts.join(" + ")
        );
        if free.saturating_add(used) >= all {
            return Finding::good("disk", text);
        }
        if free < tasks {
            let text = format!(
                "{text}: tasks that run can fill the disk, and their bonds are lost. Free some, or lower capacity.disk_bytes"
            );
            return Finding::missing("disk", text);
        }
        let text = format!(
            "{text}: the disk can be full before these limits are reached. Free some, or lower them"
        );
        Finding::warning("disk", text)
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// The file system of a path, or of the nearest directory above it that exists.
fn space(path: &Path) -> Result<Space, (PathBuf, std::io::Error)> {
    let path = std::path::absolute(path).map_err(|error| (path.to_owned(), error))?;
    let mut last = ErrorKind::NotFound.into();
    for dir in path.ancestors() {
        match look(dir) {
            Ok(space) => return Ok(space),
            // An engine's directory may be closed to us. What is above it need not be.
            Err(error) => last = error,
        }
    }
    Err((path, last))
}

fn look(dir: &Path) -> std::io::Result<Space> {
    let device = fs::metadata(dir)?.dev();
    let stat = rustix::fs::statvfs(dir)?;
    Ok(Space {
        device,
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

/// Bytes of the outputs that are kept below the state directory. What cannot be read counts as nothing.
fn used(state_dir: &Path) -> u64 {
    let mut bytes = 0u64;
    let mut dirs = vec![state_dir.join("published")];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        for entry in entries {
            match entry.metadata() {
                Ok(found) if found.is_dir() => dirs.push(entry.path()),
                Ok(found) => bytes = bytes.saturating_add(found.blocks().saturating_mul(512)),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::check::Verdict::{Good, Missing, Warning};

    #[test]
    fn a_disk_is_judged_by_what_is_promised_of_it() {
        let promise = Promise {
            tasks: 4 << 30,
            outputs: 20 << 30,
            images: 0,
            used: 5 << 30,
        };
        for (free, verdict) in [(19u64, Good), (18, Warning), (4, Warning), (3, Missing)] {
            let found = promise.judge("/state", free << 30);
            assert_eq!(found.verdict, verdict, "{free}");
        }
        let text = promise.judge("/state", 19 << 30).text;
        assert_eq!(
            text,
            "/state: 19.0 GiB free, 5.0 GiB used already, 4.0 GiB (capacity.disk_bytes) + 20.0 GiB (retention.max_bytes) \
             promised"
        );
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_has_the_space_of_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let here = look(dir.path()).unwrap().device;
        let there = space(&dir.path().join("not/yet")).map_err(|(_, error)| error);
        let there = there.unwrap();
        assert_eq!(there.device, here);
        fs::create_dir_all(dir.path().join("published/ab")).unwrap();
        fs::write(dir.path().join("published/ab/cd"), vec![1; 8_192]).unwrap();
        assert!(used(dir.path()) >= 8_192);
    }
}

//! When containers ran, as the engine tells it.

use std::{
    collections::HashSet,
    fs::File,
    process::{Child, Command},
};

use alloy::primitives::B256;
use tempfile::NamedTempFile;

use crate::scene::docker;

/// What the engine says of containers from its start on.
pub(crate) struct Timeline {
    child: Child,
    said: NamedTempFile,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        let said = NamedTempFile::new().unwrap();
        let child = Command::new("docker")
            .env("DOCKER_HOST", docker())
            .args(["events", "--filter", "label=piecework.task"])
            .args(["--filter", "event=start", "--filter", "event=die"])
            .args([
                "--format",
                "{{.TimeNano}} {{.Action}} {{.ID}} {{index .Actor.Attributes \"piecework.job\"}}",
            ])
            .stdout(File::create(said.path()).unwrap())
            .spawn()
            .unwrap();
        // Nothing says when it listens.
        std::thread::sleep(std::time::Duration::from_millis(500));
        Self { child, said }
    }

    /// Of these jobs: how many tasks were started, and the most cores that were in use at the same time, of so many a
    /// task.
    pub(crate) fn busiest(mut self, jobs: &[(B256, u32)]) -> (u32, u32) {
        std::thread::sleep(std::time::Duration::from_millis(500));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let said = std::fs::read_to_string(self.said.path()).unwrap();
        let mut events: Vec<(u64, bool, u32)> = Vec::new();
        // What was there before has no start here.
        let (mut seen, mut before) = (HashSet::new(), 0);
        for line in said.lines() {
            let [time, action, container, job] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let of_job = |(id, _): &&(B256, u32)| format!("{id:x}") == job;
            if let Some((_, cores)) = jobs.iter().find(of_job) {
                let starts = action == "start";
                if seen.insert(container) && !starts {
                    before += cores;
                }
                // Of the same moment the end comes first.
                events.push((time.parse().unwrap(), starts, *cores));
            }
        }
        events.sort_unstable();
        let (mut started, mut now, mut most) = (0, before, before);
        for (_, starts, cores) in events {
            match starts {
                true => (started, now) = (started + 1, now + cores),
                false => now -= cores,
            }
            most = most.max(now);
        }
        (started, most)
    }
}

//! What of the machine is given away. Reserved before a lease is claimed, returned on drop.

use std::sync::{Arc, Mutex, PoisonError};

use piecework::spec::Resources;

use crate::{config, sandbox::profile::host_memory};

/// The machine's capacity; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    total: config::Capacity,
    used: Arc<Mutex<Used>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    cpu_millis: u64,
    memory_bytes: u64,
    disk_bytes: u64,
    tasks: u32,
}

/// Room for some tasks of a job at the same time.
#[derive(Debug)]
pub(crate) struct Reservation {
    capacity: Capacity,
    held: Used,
    parallel: u32,
}

impl Capacity {
    pub(crate) fn new(total: config::Capacity) -> Self {
        Self {
            total,
            used: Arc::default(),
        }
    }

    /// How many tasks of this size fit when nothing else runs.
    pub(crate) fn fits_ever(&self, each: Resources) -> u32 {
        self.fits(Used::default(), each)
    }

    /// How many tasks of this size fit now.
    pub(crate) fn fits_now(&self, each: Resources) -> u32 {
        self.fits(*self.lock(), each)
    }

    fn fits(&self, used: Used, each: Resources) -> u32 {
        let room = |total: u64, used: u64, each: u64| {
            total.saturating_sub(used).checked_div(each).unwrap_or(0)
        };
        let cpu = room(
            self.total.cpu_millis,
            used.cpu_millis,
            each.cpu_millis.into(),
        );
        let memory = room(
            self.total.memory_bytes,
            used.memory_bytes,
            host_memory(each.memory_bytes, each.disk_bytes),
        );
        let disk = room(self.total.disk_bytes, used.disk_bytes, each.disk_bytes);
        let tasks = self.total.tasks.saturating_sub(used.tasks);
        u32::try_from(cpu.min(memory).min(disk))
            .unwrap_or(u32::MAX)
            .min(tasks)
    }

    /// Room for at most `wanted` tasks; `None` if not even one fits.
    pub(crate) fn reserve(&self, each: Resources, wanted: u32) -> Option<Reservation> {
        let mut used = self.lock();
        let parallel = self.fits(*used, each).min(wanted);
        (parallel > 0).then(|| self.take(&mut used, each, parallel))
    }

    /// Room for one task whether it fits or not: for a lease that is held already, after the
    /// owner made the machine smaller.
    pub(crate) fn force(&self, each: Resources) -> Reservation {
        self.take(&mut self.lock(), each, 1)
    }

    fn take(&self, used: &mut Used, each: Resources, parallel: u32) -> Reservation {
        let times = |each: u64| each.saturating_mul(parallel.into());
        let held = Used {
            cpu_millis: times(each.cpu_millis.into()),
            memory_bytes: times(host_memory(each.memory_bytes, each.disk_bytes)),
            disk_bytes: times(each.disk_bytes),
            tasks: parallel,
        };
        used.cpu_millis = used.cpu_millis.saturating_add(held.cpu_millis);
        used.memory_bytes = used.memory_bytes.saturating_add(held.memory_bytes);
        used.disk_bytes = used.disk_bytes.saturating_add(held.disk_bytes);
        used.tasks = used.tasks.saturating_add(held.tasks);
        Reservation {
            capacity: self.clone(),
            held,
            parallel,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Tasks that may run at the same time.
    pub(crate) fn parallel(&self) -> u32 {
        self.parallel
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut used = self.capacity.lock();
        used.cpu_millis = used.cpu_millis.saturating_sub(self.held.cpu_millis);
        used.memory_bytes = used.memory_bytes.saturating_sub(self.held.memory_bytes);
        used.disk_bytes = used.disk_bytes.saturating_sub(self.held.disk_bytes);
        used.tasks = used.tasks.saturating_sub(self.held.tasks);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_reserved_is_gone_until_it_is_dropped() {
        let total = config::Capacity {
            cpu_millis: 4_000,
            memory_bytes: 1_000,
            disk_bytes: 1_000,
            tasks: 8,
            lease_tasks: 8,
        };
        let capacity = Capacity::new(total);
        let each = Resources {
            cpu_millis: 1_000,
            // 300 of memory: its files are in memory too.
            memory_bytes: 200,
            disk_bytes: 100,
            timeout_seconds: 1,
        };
        assert_eq!(capacity.fits_ever(each), 3);
        let two = capacity.reserve(each, 2).unwrap();
        let one = capacity.reserve(each, 5).unwrap();
        assert_eq!((two.parallel(), one.parallel()), (2, 1));
        assert!(capacity.reserve(each, 1).is_none());
        let forced = capacity.force(each);
        drop(two);
        assert_eq!((capacity.fits_now(each), capacity.fits_ever(each)), (1, 3));
        drop((one, forced));
        assert_eq!(capacity.fits_now(each), 3);
    }
}

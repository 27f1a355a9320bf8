//! The capacity of the machine, as amounts that add up. Nothing is reserved: what is taken is the sum over unfinished
//! duties, open claims and trials.

use piecework_core::spec::Resources;

/// Memory of the host that a task may take, in bytes. Its files under `/out` are in memory too, and charged to its
/// container: what a task was promised for its files is not taken from what it was promised for its processes.
#[must_use]
pub const fn host_memory(memory_bytes: u64, disk_bytes: u64) -> u64 {
    memory_bytes.saturating_add(disk_bytes)
}

/// A part of a machine, or the whole of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// CPU, in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory, in bytes. A task takes what its spec grants for memory and for disk together.
    pub memory_bytes: u64,
    /// Disk for outputs and temporary files of running tasks, in bytes.
    pub disk_bytes: u64,
    /// Containers.
    pub tasks: u32,
}

impl Amount {
    /// What so many tasks of this size take at the same time.
    #[must_use]
    pub fn of(each: Resources, parallel: u32) -> Self {
        let times = |each: u64| each.saturating_mul(parallel.into());
        Self {
            cpu_millis: times(each.cpu_millis.into()),
            memory_bytes: times(host_memory(each.memory_bytes, each.disk_bytes)),
            disk_bytes: times(each.disk_bytes),
            tasks: parallel,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_add(more.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(more.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_add(more.disk_bytes),
            tasks: self.tasks.saturating_add(more.tasks),
        }
    }

    /// What is left of it; nothing where more is taken than there is.
    #[must_use]
    pub fn minus(self, less: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_sub(less.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_sub(less.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_sub(less.disk_bytes),
            tasks: self.tasks.saturating_sub(less.tasks),
        }
    }

    /// How many tasks of this size fit into it.
    #[must_use]
    pub fn fits(self, each: Resources) -> u32 {
        let one = Self::of(each, 1);
        let part = |total: u64, each: u64| total.checked_div(each).unwrap_or(u64::MAX);
        let cpu = part(self.cpu_millis, one.cpu_millis);
        let memory = part(self.memory_bytes, one.memory_bytes);
        let disk = part(self.disk_bytes, one.disk_bytes);
        let most = cpu.min(memory).min(disk);
        u32::try_from(most).unwrap_or(u32::MAX).min(self.tasks)
    }

    /// Whether it is no more than `total`.
    #[must_use]
    pub fn is_within(self, total: Self) -> bool {
        self.cpu_millis <= total.cpu_millis
            && self.memory_bytes <= total.memory_bytes
            && self.disk_bytes <= total.disk_bytes
            && self.tasks <= total.tasks
    }

    /// The largest of its shares of `total`, in millionths.
    #[must_use]
    pub fn share_of(self, total: Self) -> u64 {
        let share = |part: u64, total: u64| {
            let millionths = u128::from(part).saturating_mul(1_000_000);
            let share = millionths.checked_div(total.into()).unwrap_or(1_000_000);
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        share(self.cpu_millis, total.cpu_millis)
            .max(share(self.memory_bytes, total.memory_bytes))
            .max(share(self.disk_bytes, total.disk_bytes))
            .max(share(self.tasks.into(), total.tasks.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Resources = Resources {
        cpu_millis: 1_000,
        // 300 of memory: its files are in memory too.
        memory_bytes: 200,
        disk_bytes: 100,
        timeout_seconds: 1,
    };
    const TOTAL: Amount = Amount {
        cpu_millis: 4_000,
        memory_bytes: 1_000,
        disk_bytes: 1_000,
        tasks: 8,
    };

    #[test]
    fn tasks_fit_by_their_scarcest_resource() {
        assert_eq!(TOTAL.fits(EACH), 3);
        assert_eq!(TOTAL.minus(Amount::of(EACH, 2)).fits(EACH), 1);
        assert_eq!(TOTAL.minus(Amount::of(EACH, 9)).fits(EACH), 0);
        let few = Amount { tasks: 2, ..TOTAL };
        assert_eq!(few.fits(EACH), 2);
    }

    #[test]
    fn a_share_is_that_of_the_scarcest_resource() {
        assert_eq!(Amount::of(EACH, 1).share_of(TOTAL), 300_000);
        assert_eq!(Amount::of(EACH, 3).share_of(TOTAL), 900_000);
        assert!(Amount::of(EACH, 3).is_within(TOTAL) && !Amount::of(EACH, 4).is_within(TOTAL));
        assert_eq!(TOTAL.share_of(Amount::default()), 1_000_000);
    }
}

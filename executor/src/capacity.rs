//! What of the machine is given away, to all chains together. Reserved before a lease is claimed, returned on drop.
//! What is left can be borrowed for work that binds no stake, and is called back when bonded work needs it.

use std::sync::{Arc, Mutex, PoisonError};

use piecework_core::spec::Resources;
use tokio_util::sync::CancellationToken;

use crate::{config, sandbox::profile::host_memory};

/// The machine's capacity; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    total: config::Capacity,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    /// By reservations.
    used: Used,
    /// What is lent, the newest last: by number, how much, and how it is called back.
    lent: Vec<(u64, Used, CancellationToken)>,
    number: u64,
}

impl Books {
    fn with_loans(&self) -> Used {
        let loans = self.lent.iter().map(|(_, held, _)| *held);
        loans.fold(self.used, Used::plus)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    cpu_millis: u64,
    memory_bytes: u64,
    disk_bytes: u64,
    tasks: u32,
}

impl Used {
    /// What so many tasks of this size take.
    fn of(each: Resources, parallel: u32) -> Self {
        let times = |each: u64| each.saturating_mul(parallel.into());
        Self {
            cpu_millis: times(each.cpu_millis.into()),
            memory_bytes: times(host_memory(each.memory_bytes, each.disk_bytes)),
            disk_bytes: times(each.disk_bytes),
            tasks: parallel,
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_add(more.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(more.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_add(more.disk_bytes),
            tasks: self.tasks.saturating_add(more.tasks),
        }
    }

    fn minus(self, less: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_sub(less.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_sub(less.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_sub(less.disk_bytes),
            tasks: self.tasks.saturating_sub(less.tasks),
        }
    }

    fn is_within(self, total: &config::Capacity) -> bool {
        self.cpu_millis <= total.cpu_millis
            && self.memory_bytes <= total.memory_bytes
            && self.disk_bytes <= total.disk_bytes
            && self.tasks <= total.tasks
    }
}

/// Room for some tasks of a job at the same time.
#[derive(Debug)]
pub(crate) struct Reservation {
    capacity: Capacity,
    held: Used,
    parallel: u32,
}

/// Room for one task until bonded work needs it.
#[derive(Debug)]
pub(crate) struct Loan {
    capacity: Capacity,
    number: u64,
}

impl Capacity {
    pub(crate) fn new(total: config::Capacity) -> Self {
        Self {
            total,
            books: Arc::default(),
        }
    }

    /// How many tasks of this size fit when nothing else runs.
    pub(crate) fn fits_ever(&self, each: Resources) -> u32 {
        self.fits(Used::default(), each)
    }

    /// How many tasks of this size fit now.
    pub(crate) fn fits_now(&self, each: Resources) -> u32 {
        self.fits(self.lock().used, each)
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

    /// Room for so many tasks at the same time, or none: another chain may have taken what was seen to fit.
    pub(crate) fn reserve(&self, each: Resources, parallel: u32) -> Option<Reservation> {
        let mut books = self.lock();
        let fits = parallel > 0 && self.fits(books.used, each) >= parallel;
        fits.then(|| self.take(&mut books, each, parallel))
    }

    /// Room for one task of work that is bonded already: whether it fits or not, should the owner have made the
    /// machine smaller.
    pub(crate) fn force(&self, each: Resources) -> Reservation {
        self.take(&mut self.lock(), each, 1)
    }

    /// Room for one task beside everything else; `None` if there is none. It is called back, by `end`, when a
    /// reservation needs it.
    pub(crate) fn lend(&self, each: Resources, end: CancellationToken) -> Option<Loan> {
        let mut books = self.lock();
        if self.fits(books.with_loans(), each) == 0 {
            return None;
        }
        books.number = books.number.wrapping_add(1);
        let number = books.number;
        books.lent.push((number, Used::of(each, 1), end));
        Some(Loan {
            capacity: self.clone(),
            number,
        })
    }

    fn take(&self, books: &mut Books, each: Resources, parallel: u32) -> Reservation {
        let held = Used::of(each, parallel);
        books.used = books.used.plus(held);
        while !books.with_loans().is_within(&self.total)
            && let Some((.., end)) = books.lent.pop()
        {
            end.cancel();
        }
        Reservation {
            capacity: self.clone(),
            held,
            parallel,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Takes what is free for more tasks of this size, up to `wanted` in all.
    pub(crate) fn grow(&mut self, each: Resources, wanted: u32) {
        let capacity = self.capacity.clone();
        let mut books = capacity.lock();
        let more = wanted.saturating_sub(self.parallel);
        let more = more.min(capacity.fits(books.used, each));
        if more == 0 {
            return;
        }
        let mut extra = capacity.take(&mut books, each, more);
        self.held = self.held.plus(std::mem::take(&mut extra.held));
        self.parallel = self.parallel.saturating_add(more);
        drop(books);
    }

    /// Tasks that may run at the same time.
    pub(crate) fn parallel(&self) -> u32 {
        self.parallel
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut books = self.capacity.lock();
        books.used = books.used.minus(self.held);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut books = self.capacity.lock();
        books.lent.retain(|(number, ..)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

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
        // All that was seen to fit, or nothing.
        assert!(capacity.reserve(each, 2).is_none());
        let one = capacity.reserve(each, 1).unwrap();
        assert_eq!((two.parallel(), one.parallel()), (2, 1));
        assert!(capacity.reserve(each, 1).is_none());
        let forced = capacity.force(each);
        drop(two);
        assert_eq!((capacity.fits_now(each), capacity.fits_ever(each)), (1, 3));
        drop((one, forced));
        assert_eq!(capacity.fits_now(each), 3);
    }

    #[test]
    fn what_is_held_grows_into_what_is_free_and_gives_all_of_it_back() {
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
            memory_bytes: 100,
            disk_bytes: 1,
            timeout_seconds: 1,
        };
        let mut held = capacity.force(each);
        let other = capacity.force(each);
        let end = CancellationToken::new();
        let loan = capacity.lend(each, end.clone());
        held.grow(each, 2);
        assert_eq!((held.parallel(), end.is_cancelled()), (2, false));
        // Not over what others hold; and what is lent is no obstacle.
        held.grow(each, 9);
        assert_eq!((held.parallel(), end.is_cancelled()), (3, true));
        assert_eq!(capacity.fits_now(each), 0);
        drop(held);
        assert_eq!(capacity.fits_now(each), 3);
        drop((other, loan));
        assert_eq!(capacity.fits_now(each), 4);
    }

    #[test]
    fn what_is_lent_gives_way_to_what_is_reserved_the_newest_first() {
        let total = config::Capacity {
            cpu_millis: 3_000,
            memory_bytes: 1_000,
            disk_bytes: 1_000,
            tasks: 3,
            lease_tasks: 8,
        };
        let capacity = Capacity::new(total);
        let each = Resources {
            cpu_millis: 1_000,
            memory_bytes: 100,
            disk_bytes: 100,
            timeout_seconds: 1,
        };
        let bonded = capacity.reserve(each, 1).unwrap();
        let ends = [(); 3].map(|()| CancellationToken::new());
        let loans = ends.each_ref().map(|end| capacity.lend(each, end.clone()));
        assert!(loans[0].is_some() && loans[1].is_some() && loans[2].is_none());
        // Bonded work does not even see what is lent.
        assert_eq!(capacity.fits_now(each), 2);
        let more = capacity.reserve(each, 1).unwrap();
        assert_eq!(
            ends.each_ref().map(|end| end.is_cancelled()),
            [false, true, false]
        );
        assert!(capacity.lend(each, CancellationToken::new()).is_none());
        drop(capacity.force(each));
        assert!(ends[0].is_cancelled());
        // Nothing is given back twice.
        drop(loans);
        drop((bonded, more));
        assert_eq!(capacity.fits_now(each), 3);
        assert!(capacity.lend(each, CancellationToken::new()).is_some());
    }
}

//! What was run: calls, errors, events, time; and the table of it.

use std::collections::BTreeMap;
use std::time::Duration;

use piecework_protocol::{Error, Event};

/// What was run, and how often it succeeded.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By function: calls, successes.
    pub calls: BTreeMap<&'static str, (u64, u64)>,
    /// By error: how often.
    pub errors: BTreeMap<String, u64>,
    /// By event: how often.
    pub events: BTreeMap<&'static str, u64>,
    /// Views compared.
    pub views: u64,
    /// Time in the specification, of calls alone.
    pub model_time: Duration,
    /// Time in each place where the contract runs, of calls alone.
    pub target_times: Vec<(&'static str, Duration)>,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        for (name, (calls, successes)) in &other.calls {
            let sum = self.calls.entry(name).or_default();
            *sum = (sum.0 + calls, sum.1 + successes);
        }
        for (name, count) in &other.errors {
            *self.errors.entry(name.clone()).or_default() += count;
        }
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
        self.views += other.views;
        self.model_time += other.model_time;
        for (name, time) in &other.target_times {
            self.took(name, *time);
        }
    }

    /// A call took so long there.
    pub(crate) fn took(&mut self, name: &'static str, time: Duration) {
        match self
            .target_times
            .iter_mut()
            .find(|(known, _)| *known == name)
        {
            Some((_, sum)) => *sum += time,
            None => self.target_times.push((name, time)),
        }
    }

    /// Calls made, and how many succeeded.
    pub fn total(&self) -> (u64, u64) {
        self.calls
            .values()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

impl std::fmt::Display for Tally {
    /// A table: function, calls, successes; the errors reached and those that were not; speed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "| function | calls | succeeded |\n| --- | --- | --- |")?;
        for (name, (calls, successes)) in &self.calls {
            writeln!(f, "| `{name}` | {calls} | {successes} |")?;
        }
        let (calls, successes) = self.total();
        writeln!(
            f,
            "| all | {calls} | {successes} ({} %) |",
            successes * 100 / calls.max(1)
        )?;

        let all: Vec<&str> = Error::LIST
            .iter()
            .map(|error| error.0)
            .filter(|name| *name != "Panic")
            .collect();
        let missing: Vec<&str> = all
            .iter()
            .copied()
            .filter(|name| !self.errors.contains_key(*name))
            .collect();
        writeln!(
            f,
            "\nerrors reached: {} of {}; not: {}",
            all.len() - missing.len(),
            all.len(),
            missing.join(", ")
        )?;
        let reached: Vec<String> = self
            .errors
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "{}", reached.join(", "))?;
        let missing: Vec<&str> = Event::LIST
            .iter()
            .map(|event| event.0)
            .filter(|name| !self.events.contains_key(name))
            .collect();
        let seen = Event::LIST.len() - missing.len();
        writeln!(
            f,
            "events seen: {seen} of {}; not: {}",
            Event::LIST.len(),
            missing.join(", ")
        )?;
        let reached: Vec<String> = self
            .events
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "{}", reached.join(", "))?;
        let speed = |time: Duration| calls as f64 / time.as_secs_f64().max(1e-9);
        write!(
            f,
            "views compared: {}\ncalls a second: the specification {:.0}",
            self.views,
            speed(self.model_time)
        )?;
        for (name, time) in &self.target_times {
            write!(f, ", {name} {:.0}", speed(*time))?;
        }
        Ok(())
    }
}

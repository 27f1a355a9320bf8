//! Draining: the executor takes nothing more, and what it still owes is printed until there is nothing.

use std::{collections::BTreeMap, io::Write, time::Duration};

use super::{
    Admin, OwnerError,
    table::{chain_time, short, time_left},
};
use crate::{ChainStatus, ObligationStatus, Status, clock::local_now, status::kind};

/// The pause between two looks. An executor that owes nothing says so for longer, before it ends.
const PAUSE: Duration = Duration::from_millis(500);

/// What identifies something that is owed: chain, job, first task, round and kind.
type Key = (String, alloy::primitives::B256, u32, u16, u8);

impl Admin {
    /// Tells the executor to take nothing more, writes what it still owes until there is nothing, and returns. Whoever
    /// drops this leaves the executor draining.
    ///
    /// # Errors
    /// [`OwnerError::NoAnswer`], [`OwnerError::NotUnderstood`]; [`OwnerError::Ended`] if the executor ended before.
    pub async fn drain(&self, out: &mut impl Write) -> Result<(), OwnerError> {
        self.tell_to_drain().await?;
        writeln!(
            out,
            "draining: the executor at {} takes nothing more",
            self.url()
        )?;
        let (mut owed, mut waits) = (BTreeMap::new(), false);
        loop {
            let status = match self.status().await {
                Ok((status, _)) => status,
                Err(OwnerError::NoAnswer { .. }) => return Err(self.ended(&owed)),
                Err(error) => return Err(error),
            };
            let now = owed_by(&status, local_now());
            for line in news(&owed, &now) {
                writeln!(out, "{line}")?;
            }
            // Seats whose round has not begun may owe something yet; a chain that is not read says nothing.
            if now.is_empty() && !status.drained && !std::mem::replace(&mut waits, true) {
                writeln!(out, "nothing is owed now; waiting until nothing can be")?;
            }
            owed = now;
            out.flush()?;
            if status.drained {
                writeln!(out, "nothing is owed: the executor ends now")?;
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn ended(&self, owed: &BTreeMap<Key, (u64, String)>) -> OwnerError {
        let lines = owed.values().map(|(_, line)| format!("  {line}\n"));
        OwnerError::Ended {
            url: self.url().clone(),
            owed: lines.collect(),
        }
    }
}

/// What is owed, with its deadline and a line about it.
fn owed_by(status: &Status, now: u64) -> BTreeMap<Key, (u64, String)> {
    let lines = status.chains.iter().flat_map(|chain| {
        let line = move |it: &ObligationStatus| {
            let key = (chain.name.clone(), it.job, it.first, it.round, it.kind);
            (key, (it.until, line(chain, it, now)))
        };
        chain.obligations.iter().map(line)
    });
    lines.collect()
}

fn line(chain: &ChainStatus, it: &ObligationStatus, now: u64) -> String {
    format!(
        "{}: {} of job {} from task {}, round {}: owed for {}, otherwise {} is lost",
        chain.name,
        kind(it.kind),
        short(&it.job),
        it.first,
        it.round,
        time_left(it.until, chain_time(chain, now)),
        it.at_stake
    )
}

/// What to print: what is owed newly or until another time, and what is owed no longer.
fn news(before: &BTreeMap<Key, (u64, String)>, now: &BTreeMap<Key, (u64, String)>) -> Vec<String> {
    let is_news = |key: &Key, until: u64| before.get(key).is_none_or(|(old, _)| *old != until);
    let new = now.iter().filter(|(key, (until, _))| is_news(key, *until));
    let new = new.map(|(_, (_, line))| line.clone());
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    let gone = gone.map(|(chain, job, first, round, it)| {
        let (kind, job) = (kind(*it), short(job));
        format!("{chain}: {kind} of job {job} from task {first}, round {round}: owed no longer")
    });
    new.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    #[test]
    fn what_is_owed_is_said_once_and_again_when_it_changes() {
        let owed = |until: &[u64]| {
            let obligations = (0..).zip(until).map(|(first, until)| ObligationStatus {
                job: B256::repeat_byte(0xab),
                first,
                round: 1,
                kind: 0,
                until: *until,
                at_stake: 40,
            });
            let chain = ChainStatus {
                name: "l2".to_owned(),
                head_time: 1_000,
                obligations: obligations.collect(),
                ..ChainStatus::default()
            };
            let status = Status {
                chains: vec![chain],
                ..Status::default()
            };
            owed_by(&status, 0)
        };
        let (none, one, later) = (owed(&[]), owed(&[1_090]), owed(&[1_090, 5_000]));
        let first = "l2: lease of job 0xabababab… from task 0, round 1: owed for 1 min 30 s, otherwise 40 is lost";
        assert_eq!(news(&none, &one), [first]);
        assert_eq!(news(&one, &one), Vec::<String>::new());
        assert_eq!(
            news(&one, &later),
            [
                "l2: lease of job 0xabababab… from task 1, round 1: owed for 1 h 6 min, otherwise 40 is lost"
            ]
        );
        assert_eq!(news(&owed(&[1_080]), &one), [first]);
        assert_eq!(
            news(&later, &one),
            ["l2: lease of job 0xabababab… from task 1, round 1: owed no longer"]
        );
    }
}

//! Watched results of other providers, what was run again of them, and our challenges.

use alloy::primitives::B256;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Contradiction, Result, Store, StoreError, TrialRow, hash, maybe_hash, number, to_sql};
use crate::watch::Key;

/// One watched result, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchedRow {
    pub(crate) job: B256,
    pub(crate) first: u32,
    pub(crate) round: u16,
    pub(crate) root: B256,
    pub(crate) sample: Vec<u32>,
    pub(crate) finding: Option<String>,
    pub(crate) task: Option<u32>,
    pub(crate) theirs: Option<B256>,
    pub(crate) proof: Vec<B256>,
    pub(crate) right: Option<B256>,
    pub(crate) tries: u32,
    pub(crate) ended: bool,
}

/// What became of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeState {
    /// Not on the chain, or not any more.
    Stored,
    Open,
    /// The provider was wrong, and our answer right.
    Won,
    Lost,
    Inconclusive,
}

impl ChallengeState {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Stored, "stored"),
        (Self::Open, "open"),
        (Self::Won, "won"),
        (Self::Lost, "lost"),
        (Self::Inconclusive, "inconclusive"),
    ];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(_, known)| *known == name);
        found.map(|(state, _)| state)
    }
}

/// A challenge of ours, and what hides its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChallengeRow {
    pub(crate) key: Key,
    /// Its number in the round, from 1.
    pub(crate) number: u8,
    pub(crate) task: u32,
    pub(crate) theirs: B256,
    pub(crate) right: B256,
    pub(crate) salt: B256,
    pub(crate) answer: B256,
    /// Units put down.
    pub(crate) deposit: u128,
    pub(crate) state: ChallengeState,
    /// Units that came back: beyond the deposit, and of it.
    pub(crate) reward: u128,
    pub(crate) returned: u128,
}

impl Store {
    /// Writes a watched result as it is now. The sample that was drawn first stays.
    pub(crate) async fn put_watched(&self, row: WatchedRow) -> Result<()> {
        self.call(move |tx| {
            let sample: Vec<u8> = row.sample.iter().flat_map(|task| task.to_be_bytes()).collect();
            let proof: Vec<u8> = row.proof.iter().flat_map(|word| word.0).collect();
            tx.prepare_cached(
                "INSERT INTO watched VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT DO UPDATE SET finding = excluded.finding, task = excluded.task,
                    theirs = excluded.theirs, proof = excluded.proof, \"right\" = excluded.\"right\",
                    tries = excluded.tries, ended = excluded.ended",
            )?
            .execute(rusqlite::params![
                row.job.as_slice(),
                row.first,
                row.round,
                row.root.as_slice(),
                sample,
                row.finding,
                row.task,
                row.theirs.as_ref().map(B256::as_slice),
                proof,
                row.right.as_ref().map(B256::as_slice),
                row.tries,
                row.ended,
            ])?;
            Ok(())
        })
        .await
    }

    /// Forgets what was watched of a job, and what was run again of it. Results that we challenged stay, as their
    /// challenges do.
    pub(crate) async fn forget_watched(&self, job: B256) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached(
                "DELETE FROM watched AS mine WHERE job = ?1 AND ended AND NOT EXISTS
                 (SELECT 1 FROM challenges AS ours WHERE ours.job = mine.job AND ours.first = mine.first
                  AND ours.round = mine.round AND ours.root = mine.root)",
            )?
            .execute([job.as_slice()])?;
            tx.prepare_cached("DELETE FROM reruns WHERE job = ?1")?
                .execute([job.as_slice()])?;
            Ok(())
        })
        .await
    }

    /// Remembers that two runs of a spec's task differ here, whatever its trial came to.
    pub(crate) async fn put_unsteady(&self, trial: TrialRow, now: u64) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached(
                "INSERT INTO trials VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET task = excluded.task, same = excluded.same",
            )?
            .execute((trial.spec.as_slice(), trial.task, trial.same, to_sql(now)))?;
            Ok(())
        })
        .await
    }

    /// All results that were watched and are not forgotten, those that are over included.
    pub(crate) async fn watched(&self) -> Result<Vec<WatchedRow>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM watched ORDER BY job, first, round, root")?
                .query_map([], watched)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Keeps what a run of a task found; what is known of that run stays, and is what counts.
    pub(crate) async fn put_rerun(
        &self,
        job: B256,
        task: u32,
        run: u8,
        digest: B256,
    ) -> Result<B256> {
        self.call(move |tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO reruns VALUES (?1, ?2, ?3, ?4)")?
                .execute((job.as_slice(), task, run, digest.as_slice()))?;
            read_rerun(tx, job, task, run).map(|kept| kept.unwrap_or(digest))
        })
        .await
    }

    /// What a run of a task found, if it was run.
    pub(crate) async fn rerun(&self, job: B256, task: u32, run: u8) -> Result<Option<B256>> {
        self.call(move |tx| read_rerun(tx, job, task, run)).await
    }

    /// How many runs are kept.
    pub(crate) async fn reruns(&self) -> Result<u64> {
        self.call(|tx| {
            Ok(
                tx.query_row("SELECT count(*) AS runs FROM reruns", [], |row| {
                    number(row, "runs")
                })?,
            )
        })
        .await
    }

    /// Keeps a challenge and its salt; after this, and not before, it may be sent. One that is kept under its
    /// number already keeps its first salt: what is returned is what counts.
    ///
    /// # Errors
    /// [`StoreError::Contradiction`] when another output, or another answer, is kept.
    pub(crate) async fn put_challenge(&self, new: ChallengeRow) -> Result<ChallengeRow> {
        self.call(move |tx| {
            let (job, first, round, root) = place(&new.key);
            tx.prepare_cached(
                "INSERT OR IGNORE INTO challenges
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(rusqlite::params![
                job,
                first,
                round,
                root,
                new.number,
                new.task,
                new.theirs.as_slice(),
                new.right.as_slice(),
                new.salt.as_slice(),
                new.answer.as_slice(),
                new.deposit.to_string(),
                new.state.name(),
                new.reward.to_string(),
                new.returned.to_string(),
            ])?;
            let kept = read_challenge(tx, &new.key, new.number)?.unwrap_or(new);
            let same = |row: &ChallengeRow| (row.task, row.theirs, row.right);
            if same(&kept) == same(&new) {
                return Ok(kept);
            }
            Err(StoreError::Contradiction(Box::new(Contradiction {
                job: new.key.lease.job,
                lease: format!(
                    "{}/{}/{}",
                    new.key.lease.first, new.key.lease.round, new.number
                ),
                phase: "challenge",
                bound: kept.answer,
                asked: new.answer,
            })))
        })
        .await
    }

    /// Writes what became of a challenge that is kept.
    pub(crate) async fn set_challenge(&self, row: ChallengeRow) -> Result<()> {
        self.call(move |tx| {
            let (job, first, round, root) = place(&row.key);
            tx.prepare_cached(
                "UPDATE challenges SET state = ?6, reward = ?7, returned = ?8
                 WHERE job = ?1 AND first = ?2 AND round = ?3 AND root = ?4 AND number = ?5",
            )?
            .execute((
                job,
                first,
                round,
                root,
                row.number,
                row.state.name(),
                row.reward.to_string(),
                row.returned.to_string(),
            ))?;
            Ok(())
        })
        .await
    }

    /// All challenges ever kept.
    pub(crate) async fn challenges(&self) -> Result<Vec<ChallengeRow>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT * FROM challenges ORDER BY job, first, round, root, number",
                )?
                .query_map([], challenge)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }
}

fn place(key: &Key) -> (&[u8], u32, u16, &[u8]) {
    let lease = &key.lease;
    (
        lease.job.as_slice(),
        lease.first,
        lease.round,
        key.root.as_slice(),
    )
}

fn read_rerun(tx: &Transaction<'_>, job: B256, task: u32, run: u8) -> Result<Option<B256>> {
    Ok(tx
        .prepare_cached("SELECT digest FROM reruns WHERE job = ?1 AND task = ?2 AND run = ?3")?
        .query_row((job.as_slice(), task, run), |row| hash(row, "digest"))
        .optional()?)
}

fn read_challenge(tx: &Transaction<'_>, key: &Key, number: u8) -> Result<Option<ChallengeRow>> {
    let (job, first, round, root) = place(key);
    Ok(tx
        .prepare_cached(
            "SELECT * FROM challenges
             WHERE job = ?1 AND first = ?2 AND round = ?3 AND root = ?4 AND number = ?5",
        )?
        .query_row((job, first, round, root, number), challenge)
        .optional()?)
}

fn watched(row: &Row<'_>) -> rusqlite::Result<WatchedRow> {
    let sample: Vec<u8> = row.get("sample")?;
    let proof: Vec<u8> = row.get("proof")?;
    let task: Option<i64> = row.get("task")?;
    let task = task.map(|task| {
        u32::try_from(task).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, task))
    });
    Ok(WatchedRow {
        job: hash(row, "job")?,
        first: number(row, "first")?,
        round: number(row, "round")?,
        root: hash(row, "root")?,
        sample: sample
            .as_chunks()
            .0
            .iter()
            .map(|bytes| u32::from_be_bytes(*bytes))
            .collect(),
        finding: row.get("finding")?,
        task: task.transpose()?,
        theirs: maybe_hash(row, "theirs")?,
        proof: proof
            .as_chunks()
            .0
            .iter()
            .map(|word| B256::from(*word))
            .collect(),
        right: maybe_hash(row, "right")?,
        tries: number(row, "tries")?,
        ended: row.get("ended")?,
    })
}

fn challenge(row: &Row<'_>) -> rusqlite::Result<ChallengeRow> {
    let amount = |column: &str| {
        let text: String = row.get(column)?;
        text.parse::<u128>()
            .map_err(|error| damaged(error.to_string()))
    };
    let state: String = row.get("state")?;
    let state = ChallengeState::parse(&state).ok_or_else(|| damaged(state))?;
    let lease = crate::lease::Key {
        job: hash(row, "job")?,
        first: number(row, "first")?,
        round: number(row, "round")?,
    };
    Ok(ChallengeRow {
        key: Key {
            lease,
            root: hash(row, "root")?,
        },
        number: number(row, "number")?,
        task: number(row, "task")?,
        theirs: hash(row, "theirs")?,
        right: hash(row, "right")?,
        salt: hash(row, "salt")?,
        answer: hash(row, "answer")?,
        deposit: amount("deposit")?,
        state,
        reward: amount("reward")?,
        returned: amount("returned")?,
    })
}

fn damaged(what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy::primitives::Address;

    use super::*;
    use crate::store::{Block, JobRow};

    const JOB: B256 = B256::repeat_byte(1);

    fn key(first: u32) -> Key {
        let lease = crate::lease::Key {
            job: JOB,
            first,
            round: 1,
        };
        let root = B256::repeat_byte(2);
        Key { lease, root }
    }

    async fn store(dir: &std::path::Path) -> Store {
        let lock = super::super::Lock::take(dir).unwrap();
        let store = Store::open(&lock, dir, 31_337, Address::repeat_byte(0x11)).unwrap();
        let job = JobRow {
            id: JOB,
            abi: vec![],
            spec: vec![],
            fee_bps: 0,
        };
        let head = Block {
            number: 5,
            hash: B256::repeat_byte(5),
            time: 1_005,
        };
        store.set_head(head, vec![], vec![job]).await.unwrap();
        store
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten_but_not_what_was_challenged() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path()).await;
        for (first, ended) in [(0, true), (4, true), (8, false)] {
            let mut watched = crate::watch::Watched::new(key(first), vec![first]);
            watched.ended = ended;
            store.put_watched(watched.to_row()).await.unwrap();
        }
        let challenge = ChallengeRow {
            key: key(4),
            number: 1,
            task: 4,
            theirs: B256::repeat_byte(3),
            right: B256::repeat_byte(4),
            salt: B256::repeat_byte(5),
            answer: B256::repeat_byte(6),
            deposit: 30,
            state: ChallengeState::Won,
            reward: 30,
            returned: 30,
        };
        store.put_challenge(challenge).await.unwrap();
        for (job, task) in [(JOB, 0), (B256::repeat_byte(9), 0)] {
            let digest = B256::repeat_byte(7);
            store.put_rerun(job, task, 1, digest).await.unwrap();
        }
        store.forget_watched(JOB).await.unwrap();
        let left = store.watched().await.unwrap();
        let left: Vec<u32> = left.iter().map(|row| row.first).collect();
        assert_eq!(left, [4, 8]);
        assert_eq!(store.challenges().await.unwrap(), [challenge]);
        // Another job's stay.
        assert_eq!(store.reruns().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn an_unsteady_spec_is_known_as_such_whatever_its_trial_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path()).await;
        let spec = B256::repeat_byte(8);
        let trial = |task, same| TrialRow { spec, task, same };
        store.put_trial(trial(0, true), 9).await.unwrap();
        store.put_unsteady(trial(5, false), 10).await.unwrap();
        assert_eq!(store.trial(spec).await.unwrap(), Some(trial(5, false)));
    }
}

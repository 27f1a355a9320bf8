//! Why a lease ended as it did, and who lost or earned what: from chain data alone.

mod dispute;
mod seat;
mod tell;

use std::collections::HashMap;

use alloy::primitives::{Address, B256};
use alloy::providers::Provider as _;
use serde::Serialize;

use super::run::Run;
use super::view::{JobView, LeaseView};
use crate::Error;
use crate::chain::IMarket::{self, Phase};
use crate::chain::{ChainError, EventAt};

/// The story of one lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its first task.
    pub first: u32,
    /// Its tasks.
    pub count: u32,
    /// Where it stands: `settled`, `refunded`, ...
    pub phase: String,
    /// How it came to that, in a sentence.
    pub outcome: String,
    /// What happened, in order.
    pub entries: Vec<Entry>,
}

/// One event of a lease's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its block.
    pub block: u64,
    /// The block's time, in Unix seconds.
    pub time: u64,
    /// Its transaction.
    pub tx: B256,
    /// The event's name in the contract's interface.
    pub event: &'static str,
    /// Whom it is about.
    pub account: Option<Address>,
    /// What it says of a result: a root, or an output digest.
    pub value: Option<B256>,
    /// Units that the account was paid.
    #[serde(serialize_with = "text")]
    pub paid: u128,
    /// Units that the account lost.
    #[serde(serialize_with = "text")]
    pub lost: u128,
    /// Why it lost them.
    pub cause: Option<Cause>,
    /// A sentence.
    pub text: String,
}

/// The causes for which the market takes from a bond: there is no other (P-05 in audits/properties.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A result, or a commitment to it, was not there in time.
    MissedDeadline,
    /// A lease was given up after the first eighth of its run window.
    LateRelease,
    /// Its root was not the quorum's, or there was no quorum.
    LostQuorum,
    /// A commitment was not revealed in time.
    WithheldReveal,
    /// A demand was not answered in time.
    WithheldAnswer,
    /// A jury found otherwise.
    LostJury,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MissedDeadline => "P-05: a missed deadline",
            Self::LateRelease => "P-05: a release after its free time",
            Self::LostQuorum => "P-05: a lost quorum",
            Self::WithheldReveal => "P-05: a withheld reveal",
            Self::WithheldAnswer => "P-05: a withheld answer",
            Self::LostJury => "P-05: a lost jury",
        })
    }
}

/// What a sentence may need beside its event.
struct Scene<'a> {
    run: &'a Run,
    job: &'a IMarket::Job,
    times: &'a IMarket::Times,
    /// The job after the event.
    view: &'a JobView,
    lease: &'a LeaseView,
    /// When the lease's round began, or the dispute was opened, whichever was later.
    began: u64,
    /// When its window (or its reveal) began.
    submitted: u64,
    /// The event's time.
    now: u64,
}

impl Run {
    /// Tells what happened to each lease of the job, or to the one that begins at task `first`: who was
    /// paid, who lost what of a bond, by which rule, when. Of leases that never had a round there is nothing
    /// to tell until they are refunded.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn explain(&self, first: Option<u32>) -> Result<Vec<Explanation>, Error> {
        let times = self.market().times().await?.clone();
        let mut view = JobView::new(self.job());
        let mut clock = Clock::default();
        let mut stories: HashMap<u32, Vec<Entry>> = HashMap::new();
        let mut since: HashMap<u32, (u64, u64)> = HashMap::new();
        for at in self.events().await? {
            self.see(&mut view, &at).await?;
            let Some(lease) = at
                .event
                .first()
                .filter(|of| first.is_none_or(|one| one == *of))
            else {
                continue;
            };
            let now = clock.time_of(self, &at).await?;
            let Some(lease) = view.leases.get(&lease) else {
                continue;
            };
            let (began, submitted) = since.entry(lease.first).or_insert((now, now));
            tell::note_times(&at, lease, now, began, submitted);
            let scene = Scene {
                run: self,
                job: self.job(),
                times: &times,
                view: &view,
                lease,
                began: *began,
                submitted: *submitted,
                now,
            };
            if let Some(told) = scene.tell(&at) {
                let entry = told.at(&at, now);
                stories.entry(lease.first).or_default().push(entry);
            }
        }
        let told = view.leases.values().filter_map(|lease| {
            let entries = stories.remove(&lease.first)?;
            Some(Explanation {
                first: lease.first,
                count: lease.count,
                phase: format!("{:?}", lease.phase).to_lowercase(),
                outcome: self.outcome(lease),
                entries,
            })
        });
        Ok(told.collect())
    }

    fn outcome(&self, lease: &LeaseView) -> String {
        let terms = &self.job().terms;
        let amount = |units| self.market().token().format(units);
        match lease.phase {
            Phase::Settled => format!(
                "settled ({:?}): {} paid to {}, {} of fee, {} back to the client",
                lease.how,
                amount(lease.paid),
                lease
                    .paid_to()
                    .iter()
                    .map(Address::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                amount(lease.fee),
                amount(lease.refunded)
            ),
            Phase::Refunded
                if lease.commits() >= usize::from(terms.quorum) && terms.replicas > 1 =>
            {
                format!(
                    "refunded without a quorum: {} back to the client, for no {} of {} providers came to the same result",
                    amount(lease.refunded),
                    terms.quorum,
                    terms.replicas
                )
            }
            Phase::Refunded => format!(
                "refunded: {} back to the client, for nobody held it when the job ended",
                amount(lease.refunded)
            ),
            Phase::Free => "free: it waits for a provider, or for the job's end".to_owned(),
            Phase::Challenged => "contested: it waits for a jury".to_owned(),
            Phase::Demanded => "its digests are demanded: it waits for the answer".to_owned(),
            Phase::Submitted => "submitted: its result can still be challenged".to_owned(),
            Phase::Revealing => "committed: its providers reveal their results".to_owned(),
            _ => "running".to_owned(),
        }
    }
}

/// What one event means, without its place.
#[derive(Default)]
struct Told {
    text: String,
    account: Option<Address>,
    value: Option<B256>,
    paid: u128,
    lost: u128,
    cause: Option<Cause>,
}

impl Told {
    fn new(account: Address, text: String) -> Self {
        Self {
            text,
            account: (!account.is_zero()).then_some(account),
            ..Self::default()
        }
    }

    fn value(mut self, value: B256) -> Self {
        self.value = Some(value);
        self
    }

    fn paid(mut self, units: u128) -> Self {
        self.paid = units;
        self
    }

    /// A loss, and its cause; without a loss there is no cause to name.
    fn lost(mut self, units: u128, cause: Cause) -> Self {
        if units > 0 {
            self.lost = units;
            self.cause = Some(cause);
            self.text = format!("{} ({cause})", self.text);
        }
        self
    }

    fn at(self, at: &EventAt, time: u64) -> Entry {
        Entry {
            block: at.block,
            time,
            tx: at.tx_hash,
            event: at.event.name(),
            account: self.account,
            value: self.value,
            paid: self.paid,
            lost: self.lost,
            cause: self.cause,
            text: self.text,
        }
    }
}

/// Times of blocks.
#[derive(Default)]
struct Clock {
    known: HashMap<B256, u64>,
}

impl Clock {
    async fn time_of(&mut self, run: &Run, at: &EventAt) -> Result<u64, Error> {
        if let Some(time) = self.known.get(&at.block_hash) {
            return Ok(*time);
        }
        let block = run
            .market()
            .provider()
            .get_block_by_hash(at.block_hash)
            .await
            .map_err(|error| ChainError::from_rpc("eth_getBlockByHash", error))?;
        let time = block.map_or(0, |block| block.header.timestamp);
        self.known.insert(at.block_hash, time);
        Ok(time)
    }
}

/// A time as people read it.
fn utc(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    time.map_or_else(
        || format!("second {seconds}"),
        |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// The first digits of a root or digest, enough to tell it from another.
fn short(value: B256) -> String {
    format!("{value:.10}").chars().take(10).collect()
}

/// Amounts are text in JSON: many readers lose the digits of large numbers.
fn text<S: serde::Serializer>(units: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(units)
}

//! Why a lease ended as it did, whether it was audited, and which account lost or earned what: from chain data alone.

mod audit;
mod seat;
mod tell;

use std::collections::HashMap;

use alloy::primitives::{Address, B256};
use alloy::providers::Provider as _;
use serde::Serialize;

use super::outlook::Outlook;
use super::run::Run;
use super::step::graded;
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
    /// How it came to that, or what happens next, in a sentence.
    pub outcome: String,
    /// What chance decided about an audit of its last result, in a sentence; none if there is nothing to decide.
    pub chance: Option<String>,
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
    /// The account that it is about.
    pub account: Option<Address>,
    /// What it says of a result: a root, or an output digest.
    pub value: Option<B256>,
    /// Units that the account was paid.
    #[serde(serialize_with = "text")]
    pub paid: u128,
    /// Units that the account lost.
    #[serde(serialize_with = "text")]
    pub lost: u128,
    /// Why the account lost them.
    pub cause: Option<Cause>,
    /// A sentence.
    pub text: String,
}

/// The causes for which the market takes from a bond: there is no other (P-05 in audits/properties.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A lease or a seat was left after its free part: up to a tenth.
    LateLeave,
    /// A result was not there in time: a tenth.
    MissedDeadline,
    /// A reserved seat never committed: a tenth.
    NeverActed,
    /// A juror opened an abstention: a tenth.
    Abstained,
    /// An opened seat whose round or jury came to no agreement: a tenth.
    NoAgreement,
    /// A commitment was not opened while another one was: the whole bond.
    Withheld,
    /// Its root was not the quorum's: the whole bond.
    LostQuorum,
    /// A juror's vote was not the majority's: the whole bond.
    LostVote,
    /// A jury found its result wrong: the whole bond.
    Convicted,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LateLeave => "P-05: leaving after the free part",
            Self::MissedDeadline => "P-05: a missed deadline",
            Self::NeverActed => "P-05: a reserved seat that never acted",
            Self::Abstained => "P-05: an abstention",
            Self::NoAgreement => "P-05: no verdict or quorum",
            Self::Withheld => "P-05: a commitment that was not opened",
            Self::LostQuorum => "P-05: a lost quorum",
            Self::LostVote => "P-05: a contradicted vote",
            Self::Convicted => "P-05: a conviction",
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
    /// When the lease's round began.
    began: u64,
    /// When its result was submitted, or all its seats had committed.
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
            let leases = &view.leases;
            let before = at.event.first().and_then(|first| leases.get(&first));
            let before = before.map_or(Phase::None, |lease| lease.phase);
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
            match lease.phase {
                after if after == before => {}
                Phase::Running => *began = now,
                Phase::Submitted | Phase::Revealing => *submitted = now,
                _ => {}
            }
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
        let mut told = Vec::new();
        for lease in view.leases.values() {
            let Some(entries) = stories.remove(&lease.first) else {
                continue;
            };
            told.push(Explanation {
                first: lease.first,
                count: lease.count,
                phase: format!("{:?}", lease.phase).to_lowercase(),
                outcome: self.outcome(lease).await?,
                chance: self.chance(lease).await?,
                entries,
            });
        }
        Ok(told)
    }

    async fn outcome(&self, lease: &LeaseView) -> Result<String, Error> {
        let assurance = &self.job().assurance;
        let amount = |units| self.market().token().format(units);
        Ok(match lease.phase {
            Phase::Settled => {
                let paid_to = lease.paid_to();
                let paid_to: Vec<String> = paid_to.iter().map(Address::to_string).collect();
                format!(
                    "settled ({}): {} paid to {}, {} of fee, {} burned, {} back to the client",
                    graded(lease.grade),
                    amount(lease.paid),
                    paid_to.join(", "),
                    amount(lease.fee),
                    amount(lease.burned),
                    amount(lease.refunded)
                )
            }
            Phase::Void if assurance.replicas > 1 => format!(
                "void without a quorum: {} burned, {} back to the client, for no {} of {} providers came to the same result",
                amount(lease.burned),
                amount(lease.refunded),
                assurance.quorum,
                assurance.replicas
            ),
            Phase::Void => format!(
                "void after a conviction: {} burned, {} back to the client",
                amount(lease.burned),
                amount(lease.refunded)
            ),
            Phase::Refunded => format!(
                "refunded: {} back to the client, for nobody held it when the job ended",
                amount(lease.refunded)
            ),
            Phase::Free => "free: it waits for a provider, or for the job's end".to_owned(),
            Phase::Revealing => "committed: its providers open their results".to_owned(),
            Phase::Submitted | Phase::Audited | Phase::Undecided => {
                ahead(&self.outlook_of(lease).await?)
            }
            _ => "running".to_owned(),
        })
    }

    /// What chance decided about an audit of the lease's last result.
    async fn chance(&self, lease: &LeaseView) -> Result<Option<String>, Error> {
        if lease.provider.is_zero() || lease.root.is_zero() || lease.point == 0 {
            return Ok(None);
        }
        let Some(seed) = self.market().beacon().await?.seed(lease.point).await? else {
            return Ok(Some(format!(
                "nobody published the seed of point {}, which decides about an audit",
                lease.point
            )));
        };
        Ok(Some(match self.is_audited(lease, seed) {
            true => {
                let task = self.round(lease).audited_task(seed, lease.count);
                format!("the seed of point {} had task {task} audited", lease.point)
            }
            false => format!("the seed of point {} spared it an audit", lease.point),
        }))
    }
}

/// What happens next to a lease that has a result.
fn ahead(outlook: &Outlook) -> String {
    match outlook {
        Outlook::None => "its last block is still being read".to_owned(),
        Outlook::SeedUnknown { from, open_by, .. } => format!(
            "submitted: the seed of about {} decides whether it is audited; without one it is settled after {}",
            utc(*from),
            utc(*open_by)
        ),
        Outlook::Spared => "submitted: chance spared it an audit, and it can be settled".to_owned(),
        Outlook::Due {
            jury,
            task,
            open_by,
        } => {
            let which = if *jury == 1 {
                "an audit"
            } else {
                "a second jury"
            };
            format!(
                "{which} of task {task} is due: the first drawn juror opens it by {}, otherwise it is settled as contested",
                utc(*open_by)
            )
        }
        Outlook::Sitting {
            task,
            jurors,
            until,
            ..
        } => format!(
            "audited: {} of 3 jurors sit and run task {task} again; it is judged after {} at the latest",
            jurors.len(),
            utc(*until)
        ),
        Outlook::LeafMissing { task, leaf_by } => format!(
            "audited: the jury agrees about task {task}, and its provider must show by {} what it committed to",
            utc(*leaf_by)
        ),
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

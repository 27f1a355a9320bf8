//! Describing a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use rand::RngCore as _;

use super::assurance::{Asked, Assurance};
use super::check;
use super::config::ANVIL_CHAIN;
use super::deterrence::Deterrence;
use crate::Error;
use crate::chain::IMarket;
use crate::rules::{self, MAX_LEASE, MAX_WINDOW};
use crate::spec::{ImageSpec, JobSpec, Resources};

/// Most tasks in a lease of a job without audits, unless the caller says otherwise.
const LEASE: u32 = 64;
/// Tasks in a lease of a redundant job, unless the caller says otherwise. It is never taken in part, so it must fit the
/// smallest machine that is to take it.
const REDUNDANT_LEASE: u32 = 3;
/// A jury fee in percent of what a juror spends: the price of one task, and its gas.
const JURY_FEE: u128 = 143;
/// The largest audited lease has this many jury fees' worth of tasks: so an audit costs 6 to 12 % of the price.
const JURY_FEES: u128 = 25;
/// The bond of an audited task in highest prices.
const AUDITED_BOND: u128 = 3;

/// Where a job's image comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// An image of the local container engine, exported and published.
    Engine(String),
    /// An image that is pinned already.
    Pinned(Box<ImageSpec>),
    /// A whole spec.
    Spec(Box<JobSpec>),
}

/// A job to be: what to run, how often, and for how much. Build it, then `market.submit(job)`.
///
/// Only the image and the price are required. Amounts are for one task, in the smallest unit of the market's token: one
/// token of 18 decimals is `10^18`. Times are seconds.
#[derive(Debug, Clone)]
pub struct Job {
    pub(super) source: Source,
    pub(super) command: Option<Vec<String>>,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) input: Option<PathBuf>,
    pub(super) resources: Resources,
    pub(super) tasks: u32,
    pub(super) max_price: Option<u128>,
    min_price: Option<u128>,
    ramp: Option<u64>,
    min_lease: Option<u32>,
    max_lease: Option<u32>,
    bond: Option<u128>,
    asked: Asked,
    allow_weak: bool,
    run_window: Option<u64>,
    closes_in: Option<u64>,
    nonce: Option<u64>,
}

/// The time windows of a job, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How long a round may take.
    pub run: u64,
    /// How long after a submission a due audit can begin; 0 without audits.
    pub audit: u64,
    /// How long new leases may begin, from the posting on.
    pub closes_in: u64,
}

impl Windows {
    /// Defaults of a job for a chain, a task's time-out and the fewest tasks in a lease. The run window is that many
    /// time-outs, at least four, and five minutes. The audit window is two hours and the job closes after a day. On
    /// anvil's chain they are ten seconds and an hour.
    pub fn for_chain(chain_id: u64, timeout_seconds: u64, min_lease: u32) -> Self {
        let run = timeout_seconds
            .saturating_mul(u64::from(min_lease).max(4))
            .saturating_add(300)
            .min(MAX_WINDOW);
        let (audit, closes_in) = if chain_id == ANVIL_CHAIN {
            (10, 3_600)
        } else {
            (2 * 3_600, 24 * 3_600)
        };
        Self {
            run,
            audit,
            closes_in: closes_in.max(run),
        }
    }
}

/// What posting a job would take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    /// Tasks.
    pub tasks: u32,
    /// How results are checked.
    pub assurance: Assurance,
    /// Most units paid for one task, to each of its seats.
    pub max_price: u128,
    /// Units paid to a juror of the majority; 0 without audits.
    pub jury_fee: u128,
    /// Fewest and most tasks in a lease.
    pub lease: (u32, u32),
    /// Units that go into escrow: the worst case, juries included. What is not paid or burned comes back.
    pub escrow: u128,
    /// Units in the client's balance now.
    pub balance: u128,
    /// Units in the client's own account now.
    pub wallet: u128,
    /// Units that `submit` would move from the account into the balance first.
    pub deposit: u128,
    /// Bond that a provider locks for a lease (or a seat) of one task, and for one of the largest size.
    pub bond: (u128, u128),
    /// The windows.
    pub windows: Windows,
    /// What a cheat expects to lose, divided by what it saves; none without audits.
    pub deterrence: Option<Deterrence>,
}

impl Quote {
    /// Whether the client has enough.
    pub fn is_covered(&self) -> bool {
        self.deposit <= self.wallet
    }
}

/// A job as it would be posted.
pub(super) struct Plan {
    pub(super) assurance: Assurance,
    pub(super) windows: Windows,
    pub(super) job: IMarket::Job,
    pub(super) escrow: u128,
}

impl Job {
    /// A job over an image of the local container engine, such as `render:v1`. `submit` exports it,
    /// pins it by its manifest's digest, and serves it to providers.
    pub fn image(name: impl Into<String>) -> Self {
        Self::new(Source::Engine(name.into()))
    }

    /// A job over an image that is pinned already: by a registry reference, or by an archive in the
    /// market's store.
    pub fn pinned(image: ImageSpec) -> Self {
        Self::new(Source::Pinned(Box::new(image)))
    }

    /// A job over a ready spec, which also says how many tasks there are. Its blobs must be in the
    /// market's store, or at its `sources`.
    pub fn spec(spec: JobSpec) -> Self {
        let (tasks, resources) = (spec.tasks, spec.resources);
        Self {
            tasks,
            resources,
            ..Self::new(Source::Spec(Box::new(spec)))
        }
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            input: None,
            resources: Resources::default(),
            tasks: 1,
            max_price: None,
            min_price: None,
            ramp: None,
            min_lease: None,
            max_lease: None,
            bond: None,
            asked: Asked::default(),
            allow_weak: false,
            run_window: None,
            closes_in: None,
            nonce: None,
        }
    }

    /// Replaces the image's entrypoint.
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Arguments of the command.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// A directory that every task sees read-only at `/in`.
    pub fn input(mut self, directory: impl Into<PathBuf>) -> Self {
        self.input = Some(directory.into());
        self
    }

    /// What one task may use.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
        self
    }

    /// How many tasks; each sees its index as `PIECEWORK_TASK_INDEX`. Default 1.
    pub fn tasks(mut self, tasks: u32) -> Self {
        self.tasks = tasks;
        self
    }

    /// The highest price of one task, in the token's smallest unit: one token of 18 decimals is `10^18`. A redundant job pays
    /// it to each seat.
    pub fn max_price(mut self, units: u128) -> Self {
        self.max_price = Some(units);
        self
    }

    /// Units offered for one task at first; the offer climbs to the maximum within `ramp` seconds.
    /// Default: the maximum at once.
    pub fn min_price(mut self, units: u128, ramp: u64) -> Self {
        self.min_price = Some(units);
        self.ramp = Some(ramp);
        self
    }

    /// Fewest tasks in one lease. Default: with audits half of the default [`Job::max_lease`], otherwise 1. An audit is
    /// paid out of one lease, so the smaller this is the more goes into escrow for it.
    pub fn min_lease(mut self, tasks: u32) -> Self {
        self.min_lease = Some(tasks);
        self
    }

    /// Most tasks in one lease. Default: with audits 25 jury fees' worth of tasks, otherwise 64. A redundant job consists
    /// of leases of this size, which each provider takes whole or not at all: default 3.
    pub fn max_lease(mut self, tasks: u32) -> Self {
        self.max_lease = Some(tasks);
        self
    }

    /// Units that a provider locks for one task. Default: the highest price, three times that with audits.
    pub fn bond(mut self, units: u128) -> Self {
        self.bond = Some(units);
        self
    }

    /// How results are checked. Default: [`Assurance::audited`].
    pub fn assured(mut self, assurance: Assurance) -> Self {
        self.asked.assurance = assurance;
        self
    }

    /// Has submitted leases audited with this chance, in basis points.
    pub fn audited(self, audit_bps: u16) -> Self {
        self.assured(Assurance::Audited {
            audit_bps,
            refund: false,
        })
    }

    /// Runs each task by `replicas` providers, which the chain draws by their stake. A result is final when `quorum` of
    /// them agree, and a provider that differs loses its bond. Costs as many times the price.
    pub fn redundant(self, replicas: u8, quorum: u8) -> Self {
        self.assured(Assurance::redundant(replicas, quorum))
    }

    /// Settles a result only with a proof that this contract accepts (`IVerifier`), and then at once.
    pub fn proven_by(self, verifier: Address) -> Self {
        self.assured(Assurance::proven_by(verifier))
    }

    /// Pays results as they are.
    pub fn unaudited(self) -> Self {
        self.assured(Assurance::unaudited())
    }

    /// Returns the price to the client when a jury convicts a provider by three equal votes. For results that cannot
    /// change with time or machine only: otherwise providers do not take the job.
    pub fn refund(mut self) -> Self {
        self.asked.refund = true;
        self
    }

    /// Admits only providers on a list to leases: the Merkle root of their addresses, as OpenZeppelin's standard tree of
    /// `(address)` leaves has it. Juries are drawn from all stake all the same.
    pub fn only_providers(mut self, list: B256) -> Self {
        self.asked.providers = Some(list);
        self
    }

    /// Units that one juror of an audit is paid. Default: 1.43 times the highest price and [`Job::juror_gas`].
    pub fn jury_fee(mut self, units: u128) -> Self {
        self.asked.jury_fee = Some(units);
        self
    }

    /// What a juror's gas is worth, in units of the token. It raises the default of [`Job::jury_fee`]. Default: 0, which is
    /// right where gas costs next to nothing.
    pub fn juror_gas(mut self, units: u128) -> Self {
        self.asked.juror_gas = units;
        self
    }

    /// Posts the job even though cheating would pay, as [`Quote::deterrence`] says.
    pub fn allow_weak(mut self) -> Self {
        self.allow_weak = true;
        self
    }

    /// Seconds that a round may take. Default: see [`Windows::for_chain`].
    pub fn run_window(mut self, seconds: u64) -> Self {
        self.run_window = Some(seconds);
        self
    }

    /// Seconds after a submission in which a due audit can begin; see [`Windows::for_chain`].
    pub fn audit_window(mut self, seconds: u64) -> Self {
        self.asked.audit_window = Some(seconds);
        self
    }

    /// Seconds after which no new lease begins and what is left is refunded.
    pub fn closes_in(mut self, seconds: u64) -> Self {
        self.closes_in = Some(seconds);
        self
    }

    /// The job's nonce, which makes equal jobs distinct. Default: random.
    pub fn nonce(mut self, nonce: u64) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// How its results are checked.
    ///
    /// # Errors
    /// [`AssuranceError`](super::AssuranceError) for what no job can have.
    pub fn assurance(&self) -> Result<Assurance, super::AssuranceError> {
        self.asked.assurance()
    }

    /// Whether it is posted even though cheating would pay.
    pub(super) fn allows_weak(&self) -> bool {
        self.allow_weak
    }

    /// The job as it is posted at `now` on a market with these times, checked by the market's own rules. Client, nonce and
    /// spec are left open.
    ///
    /// # Errors
    /// [`Error::BadJob`], [`Error::Assurance`].
    pub(super) fn plan(
        &self,
        chain_id: u64,
        times: &IMarket::Times,
        now: u64,
    ) -> Result<Plan, Error> {
        let assurance = self.assurance()?;
        let Some(max_price) = self.max_price else {
            return Err(Error::bad_job(
                "max_price",
                "is not set: say what one task may cost",
            ));
        };
        let audited = assurance.is_audited();
        let price = IMarket::Price {
            minPrice: self.min_price.unwrap_or(max_price),
            maxPrice: max_price,
            bond: self.bond.unwrap_or(match audited {
                true => max_price.saturating_mul(AUDITED_BOND),
                false => max_price,
            }),
            juryFee: match audited {
                true => self
                    .asked
                    .jury_fee
                    .unwrap_or_else(|| self.usual_jury_fee(max_price)),
                false => 0,
            },
        };
        let (min_lease, max_lease) = self.lease(assurance, &price);
        let windows = self.windows(chain_id, audited, min_lease);
        let job = IMarket::Job {
            terms: IMarket::Terms {
                client: Address::ZERO,
                nonce: 0,
                spec: B256::ZERO,
                tasks: self.tasks,
                minLease: min_lease,
                maxLease: max_lease,
                providers: self.asked.providers.unwrap_or_default(),
            },
            assurance: assurance.on_chain(),
            price,
            timing: IMarket::Timing {
                opensAt: now,
                ramp: self.ramp.unwrap_or(0),
                closesAt: now.saturating_add(windows.closes_in),
                runWindow: windows.run,
                auditWindow: windows.audit,
            },
        };
        let escrow = check::escrow(&job, times)?;
        if windows.run < self.resources.timeout_seconds {
            return Err(Error::bad_job(
                "run_window",
                format!(
                    "{} s is shorter than one task's timeout of {} s",
                    windows.run, self.resources.timeout_seconds
                ),
            ));
        }
        Ok(Plan {
            assurance,
            windows,
            job,
            escrow,
        })
    }

    fn usual_jury_fee(&self, max_price: u128) -> u128 {
        max_price
            .saturating_add(self.asked.juror_gas)
            .saturating_mul(JURY_FEE)
            .div_ceil(100)
    }

    /// Fewest and most tasks in a lease.
    fn lease(&self, assurance: Assurance, price: &IMarket::Price) -> (u32, u32) {
        let most = match assurance {
            Assurance::Redundant { .. } => {
                let size = self.max_lease.or(self.min_lease).unwrap_or(REDUNDANT_LEASE);
                let size = size.min(self.tasks);
                return (self.min_lease.unwrap_or(size).min(self.tasks), size);
            }
            Assurance::Audited { .. } => price
                .juryFee
                .saturating_mul(JURY_FEES)
                .checked_div(price.maxPrice)
                .and_then(|tasks| u32::try_from(tasks).ok())
                .unwrap_or(MAX_LEASE)
                .clamp(1, MAX_LEASE),
            Assurance::Proven { .. } | Assurance::Unaudited => LEASE,
        };
        let most = self.max_lease.unwrap_or_else(|| {
            // Whatever the client's least is, a claim must leave what another lease fits.
            let least = self.min_lease.unwrap_or(1);
            most.max(least.saturating_mul(2).saturating_sub(1))
                .min(MAX_LEASE)
        });
        let least = self.min_lease.unwrap_or(match assurance.is_audited() {
            true => (most / 2).max(1),
            false => 1,
        });
        (least.min(self.tasks), most.min(self.tasks))
    }

    fn windows(&self, chain_id: u64, audited: bool, min_lease: u32) -> Windows {
        let timeout = self.resources.timeout_seconds;
        let mut windows = Windows::for_chain(chain_id, timeout, min_lease);
        windows.audit = match audited {
            true => self.asked.audit_window.unwrap_or(windows.audit),
            false => 0,
        };
        windows.run = self.run_window.unwrap_or(windows.run);
        windows.closes_in = self.closes_in.unwrap_or(windows.closes_in.max(windows.run));
        windows
    }

    /// The job as it is posted.
    ///
    /// # Errors
    /// As [`Job::plan`].
    pub(super) fn terms(
        &self,
        client: Address,
        spec: B256,
        (now, chain_id): (u64, u64),
        times: &IMarket::Times,
    ) -> Result<IMarket::Job, Error> {
        let mut job = self.plan(chain_id, times, now)?.job;
        job.terms.client = client;
        job.terms.nonce = self.nonce.unwrap_or_else(|| rand::rng().next_u64());
        job.terms.spec = spec;
        Ok(job)
    }

    /// Bond of a lease of `count` tasks, or of each of its seats.
    pub(super) fn bond_of(price: &IMarket::Price, count: u32) -> Result<u128, Error> {
        rules::bond_of(price, count).map_err(|_| check::too_large("bond"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chain::deploy::TIMES;

    fn job(tasks: u32) -> Job {
        let image = ImageSpec {
            manifest: format!("sha256:{}", "11".repeat(32)).parse().unwrap(),
            platform: "linux/amd64".into(),
            archive: None,
            reference: None,
        };
        Job::pinned(image).tasks(tasks).max_price(1_000)
    }

    fn plan(job: Job) -> Plan {
        job.plan(1, &TIMES, 1_000_000).unwrap()
    }

    #[test]
    fn an_audited_job_costs_a_tenth_more_and_deters() {
        let Plan {
            job,
            escrow,
            windows,
            ..
        } = plan(job(1_000));
        let IMarket::Price { bond, juryFee, .. } = job.price;
        assert_eq!(
            (bond, juryFee, job.assurance.auditBps),
            (3_000, 1_430, 5_000)
        );
        assert_eq!((job.terms.minLease, job.terms.maxLease), (17, 35));
        // 3 * 1,430 over 17 tasks, rounded up: a quarter of the price, of which most returns.
        assert_eq!(escrow, 1_000 * (1_000 + 253));
        assert!(!Deterrence::of(&job).unwrap().is_weak());
        assert_eq!((windows.audit, job.timing.auditWindow), (7_200, 7_200));
    }

    #[test]
    fn lease_sizes_fit_every_job() {
        let sizes = |job: Job| {
            let terms = plan(job).job.terms;
            (terms.minLease, terms.maxLease)
        };
        for tasks in 1..200 {
            let (least, most) = sizes(job(tasks));
            assert_eq!((least, most), (tasks.min(17), tasks.min(35)));
            sizes(job(tasks).unaudited());
            sizes(job(tasks).redundant(3, 2));
            for size in 1..40 {
                sizes(job(tasks).max_lease(size));
                sizes(job(tasks).min_lease(size));
            }
        }
        assert_eq!(sizes(job(9).unaudited()), (1, 9));
        assert_eq!(sizes(job(900).unaudited()), (1, 64));
        assert_eq!(sizes(job(900).redundant(3, 2)), (3, 3));
        assert_eq!(sizes(job(900).redundant(3, 2).max_lease(8)), (8, 8));
        assert_eq!(sizes(job(900).min_lease(30)), (30, 59));
        assert_eq!(sizes(job(900).jury_fee(1)), (1, 1));
    }
}

//! Describing a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use rand::RngCore as _;

use super::check;
use super::config::ANVIL_CHAIN;
use super::level::{Asked, Level};
use crate::Error;
use crate::chain::IMarket;
use crate::rules::{self, MAX_WINDOW};
use crate::spec::{ImageSpec, JobSpec, Resources};

/// Most tasks in a lease unless the caller says otherwise. Leases of a redundant job are never taken in part,
/// so they must fit the smallest machine that is to take them.
const LEASE: u32 = 64;
const REDUNDANT_LEASE: u32 = 3;

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
/// Only the image and the price are required. Amounts are units of the market's token, for each
/// task; times are seconds.
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
    max_lease: Option<u32>,
    bond: Option<u128>,
    asked: Asked,
    run_window: Option<u64>,
    closes_in: Option<u64>,
    nonce: Option<u64>,
}

/// The time windows of a job, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How long a lease may run.
    pub run: u64,
    /// How long a result can be challenged before it is paid.
    pub challenge: u64,
    /// How long new leases may begin, from the posting on.
    pub closes_in: u64,
}

impl Windows {
    /// Defaults of an optimistic job for a chain and a task's time-out. Everywhere the run window is four
    /// time-outs and five minutes (a provider takes no more tasks in a lease than it can run in it; for the
    /// fixed leases of a redundant job it is as many time-outs as they have tasks, if more). The challenge
    /// window is an hour and the job closes after a day; on anvil's chain, where nobody challenges,
    /// they are 2 seconds and an hour.
    pub fn for_chain(chain_id: u64, timeout_seconds: u64) -> Self {
        let run = timeout_seconds
            .saturating_mul(4)
            .saturating_add(300)
            .min(MAX_WINDOW);
        let (challenge, closes_in) = if chain_id == ANVIL_CHAIN {
            (2, 3_600)
        } else {
            (3_600, 24 * 3_600)
        };
        Self {
            run,
            challenge,
            closes_in: closes_in.max(run),
        }
    }
}

/// What posting a job would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Tasks.
    pub tasks: u32,
    /// How results are assured.
    pub level: Level,
    /// Most units paid for one task, to each of its seats.
    pub max_price: u128,
    /// Units that go into escrow: the worst case, `tasks * replicas * max_price`. What is not paid comes
    /// back.
    pub escrow: u128,
    /// Units in the client's ledger now.
    pub ledger: u128,
    /// Units in the client's own account now.
    pub wallet: u128,
    /// Units that `submit` would move from the account into the ledger first.
    pub deposit: u128,
    /// Bond that a provider locks for a lease (or a seat) of one task, and for one of the largest size.
    pub bond: (u128, u128),
    /// The windows.
    pub windows: Windows,
}

impl Quote {
    /// Whether the client has enough.
    pub fn is_covered(&self) -> bool {
        self.deposit <= self.wallet
    }
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
            max_lease: None,
            bond: None,
            asked: Asked::default(),
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

    /// Most units paid for one task.
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

    /// Most tasks in one lease. Default 64. A redundant job consists of leases of this size, which each
    /// provider takes whole or not at all: default 3.
    pub fn max_lease(mut self, tasks: u32) -> Self {
        self.max_lease = Some(tasks);
        self
    }

    /// Units that a provider locks for one task. Default: the maximum price.
    pub fn bond(mut self, units: u128) -> Self {
        self.bond = Some(units);
        self
    }

    /// Runs each task by `replicas` providers, whom the chain draws by their stake. Its result is final when
    /// enough of them [agree](Job::agree); who differs loses its bond. Costs as many times the price.
    pub fn redundancy(mut self, replicas: u8) -> Self {
        self.asked.replicas = Some(replicas);
        self
    }

    /// How many of the replicas must come to the same result: more than half. Default: the smallest
    /// majority.
    pub fn agree(mut self, quorum: u8) -> Self {
        self.asked.quorum = Some(quorum);
        self
    }

    /// Settles a result only with a proof that this contract accepts (`IVerifier`), and then at once.
    pub fn verified_by(mut self, verifier: Address) -> Self {
        self.asked.verifier = Some(verifier);
        self
    }

    /// Admits only providers on a list, to leases and juries: the Merkle root of their addresses, as
    /// OpenZeppelin's standard tree of `(address)` leaves has it.
    pub fn only_providers(mut self, list: B256) -> Self {
        self.asked.providers = Some(list);
        self
    }

    /// Units that one juror of a dispute is paid; a lease's bond is at least six times that. It
    /// should be above the gas of a vote and one task's price. Default: twice the maximum price, and
    /// nothing where there are no disputes (redundant and verified jobs).
    pub fn jury_fee(mut self, units: u128) -> Self {
        self.asked.jury_fee = Some(units);
        self
    }

    /// Seconds that a lease may run. Default: see [`Windows::for_chain`].
    pub fn run_window(mut self, seconds: u64) -> Self {
        self.run_window = Some(seconds);
        self
    }

    /// Seconds in which an optimistic result can be challenged before it is paid; see
    /// [`Windows::for_chain`].
    pub fn challenge_window(mut self, seconds: u64) -> Self {
        self.asked.challenge_window = Some(seconds);
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

    /// How its results are assured.
    ///
    /// # Errors
    /// [`LevelError`](super::LevelError) for a combination that makes no sense.
    pub fn level(&self) -> Result<Level, super::LevelError> {
        self.asked.level()
    }

    /// The windows that the job will have on a chain.
    ///
    /// # Errors
    /// As [`Job::level`].
    pub fn windows(&self, chain_id: u64) -> Result<Windows, super::LevelError> {
        let timeout = self.resources.timeout_seconds;
        let mut windows = Windows::for_chain(chain_id, timeout);
        match self.level()? {
            Level::Optimistic => {
                windows.challenge = self.asked.challenge_window.unwrap_or(windows.challenge);
            }
            Level::Proven { .. } => windows.challenge = 0,
            Level::Redundant { .. } => {
                windows.challenge = 0;
                let lease = self.max_lease.unwrap_or(REDUNDANT_LEASE).min(self.tasks);
                let whole = timeout.saturating_mul(lease.into()).saturating_add(300);
                windows.run = windows.run.max(whole).min(MAX_WINDOW);
            }
        }
        windows.run = self.run_window.unwrap_or(windows.run);
        windows.closes_in = self.closes_in.unwrap_or(windows.closes_in.max(windows.run));
        Ok(windows)
    }

    /// Level, prices, most tasks in a lease, and escrow, checked by the market's own rules.
    pub(super) fn prices(&self) -> Result<(Level, IMarket::Price, u32, u128), Error> {
        let level = self.level()?;
        let Some(max_price) = self.max_price else {
            return Err(Error::bad_job(
                "max_price",
                "is not set: say what one task may cost",
            ));
        };
        let jury_fee = match level {
            Level::Optimistic => max_price.saturating_mul(2),
            Level::Redundant { .. } | Level::Proven { .. } => 0,
        };
        let price = IMarket::Price {
            minPrice: self.min_price.unwrap_or(max_price),
            maxPrice: max_price,
            bond: self.bond.unwrap_or(max_price),
            juryFee: self.asked.jury_fee.unwrap_or(jury_fee),
        };
        let default = match level {
            Level::Redundant { .. } => REDUNDANT_LEASE,
            Level::Optimistic | Level::Proven { .. } => LEASE,
        };
        let max_lease = self.max_lease.unwrap_or(default).min(self.tasks);
        let escrow = check::escrow(&self.what(level, max_lease), &price)?;
        Ok((level, price, max_lease, escrow))
    }

    /// The terms, without what only the posting knows.
    fn what(&self, level: Level, max_lease: u32) -> IMarket::Terms {
        IMarket::Terms {
            client: Address::ZERO,
            nonce: 0,
            spec: B256::ZERO,
            tasks: self.tasks,
            maxLease: max_lease,
            replicas: level.replicas(),
            quorum: level.quorum(),
            providers: self.asked.providers.unwrap_or_default(),
            verifier: level.verifier(),
        }
    }

    /// The job as it is posted at `now`.
    pub(super) fn terms(
        &self,
        client: Address,
        spec: B256,
        now: u64,
        chain_id: u64,
    ) -> Result<IMarket::Job, Error> {
        let (level, price, max_lease, _) = self.prices()?;
        let timing = self.timing(now, chain_id)?;
        Ok(IMarket::Job {
            terms: IMarket::Terms {
                client,
                nonce: self.nonce.unwrap_or_else(|| rand::rng().next_u64()),
                spec,
                ..self.what(level, max_lease)
            },
            price,
            timing,
        })
    }

    pub(super) fn timing(&self, now: u64, chain_id: u64) -> Result<IMarket::Timing, Error> {
        let windows = self.windows(chain_id)?;
        let ramp = self.ramp.unwrap_or(0);
        check::window("run_window", windows.run)?;
        check::window_or_none("challenge_window", windows.challenge)?;
        check::window("closes_in", windows.closes_in)?;
        check::window_or_none("ramp", ramp)?;
        if windows.run < self.resources.timeout_seconds {
            return Err(Error::bad_job(
                "run_window",
                format!(
                    "{} s is shorter than one task's timeout of {} s",
                    windows.run, self.resources.timeout_seconds
                ),
            ));
        }
        Ok(IMarket::Timing {
            opensAt: now,
            ramp,
            closesAt: now.saturating_add(windows.closes_in),
            runWindow: windows.run,
            challengeWindow: windows.challenge,
        })
    }

    /// Bond of a lease of `count` tasks, or of each of its seats.
    pub(super) fn bond_of(level: Level, price: &IMarket::Price, count: u32) -> Result<u128, Error> {
        let bond = match level {
            Level::Redundant { .. } => rules::seat_bond_of(price, count),
            Level::Optimistic | Level::Proven { .. } => rules::bond_of(price, count),
        };
        bond.map_err(|_| check::too_large("bond"))
    }
}

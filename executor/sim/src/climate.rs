//! The weather of a seed.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// Shortest run window of a job, in seconds. A process is down for a quarter of it at most.
pub const WINDOW: u64 = 512;

/// The weather of a seed: which things go wrong, and how often.
#[derive(Clone, Debug)]
pub struct Climate {
    /// Seconds between blocks.
    pub block_time: u64,
    /// Chance in a thousand that a second brings a reorganization.
    pub reorgs: u32,
    /// The deepest one, in blocks.
    pub deepest: usize,
    /// Chance in percent that a question has no answer.
    pub silence: u32,
    /// Whether answers take up to 12 seconds.
    pub slow: bool,
    /// Whether answers come twice, the second time much later.
    pub duplicates: bool,
    /// Whether nodes are behind at times.
    pub lags: bool,
    /// Whether the base fee jumps to fifty times what is usual.
    pub fees: bool,
    /// Whether the pool of transactions is dropped at times.
    pub drops: bool,
    /// Whether nodes refuse transactions without cause.
    pub refuses: bool,
    /// Whether tasks fail, and are tried again.
    pub engine_fails: bool,
    /// Whether processes die.
    pub deaths: bool,
    /// Whether disks are full at times.
    pub full_disks: bool,
    /// Whether keys are changed.
    pub rotations: bool,
    /// Whether clocks are some seconds wrong.
    pub skews: bool,
    /// Whether outcomes of tasks are lost.
    pub losses: bool,
    /// Whether whole databases are lost.
    pub lost_databases: bool,
    /// What is paid for gas at most while nothing is at stake, as a multiple of what is usual.
    pub cap: u128,
    /// Seconds that a process is down at most.
    pub longest_down: u64,
    /// Seconds that reading the chain takes at a start.
    pub slow_sync: u64,
    /// Cheats among the providers.
    pub cheats: usize,
    /// Whether cheats go away for longer than a window, and give work up.
    pub deserts: bool,
    /// Whether nobody but executors publishes the seeds of the beacon.
    pub unpublished: bool,
}

impl Climate {
    /// A weather by chance: each thing goes wrong in a part of all seeds.
    pub(super) fn of(rng: &mut ChaCha8Rng) -> Self {
        let mut often = |percent: u32| rng.random_ratio(percent, 100);
        let (slow, duplicates, lags, fees, drops) =
            (often(40), often(40), often(50), often(40), often(30));
        let (refuses, engine_fails, deaths, full_disks, rotations, skews) = (
            often(30),
            often(40),
            often(60),
            often(30),
            often(25),
            often(40),
        );
        let deep = often(30);
        let (losses, lost_databases) = (often(25), often(20));
        let block_time = rng.random_range(2..=6);
        // A reorganization takes back a quarter of a window at most.
        let quarter = usize::try_from(WINDOW / 4 / block_time).unwrap_or(64);
        Self {
            block_time,
            reorgs: rng.random_range(0..8),
            deepest: if deep { quarter.min(64) } else { 6 },
            silence: one_of(rng, [0, 5, 30]),
            slow,
            duplicates,
            lags,
            fees,
            drops,
            refuses,
            engine_fails,
            deaths,
            full_disks,
            rotations,
            skews,
            losses,
            lost_databases,
            cap: 4,
            longest_down: WINDOW / 4,
            slow_sync: rng.random_range(0..10),
            cheats: one_of(rng, [0, 0, 2, 4, 4, 4]),
            deserts: rng.random_ratio(4, 5),
            unpublished: rng.random_ratio(1, 2),
        }
    }

    /// Nothing goes wrong.
    pub fn calm(&self) -> Self {
        Self {
            reorgs: 0,
            silence: 0,
            slow: false,
            duplicates: false,
            lags: false,
            fees: false,
            drops: false,
            refuses: false,
            engine_fails: false,
            deaths: false,
            full_disks: false,
            rotations: false,
            skews: false,
            losses: false,
            lost_databases: false,
            deserts: false,
            unpublished: false,
            ..self.clone()
        }
    }

    /// The names of what goes wrong in it.
    pub fn faults(&self) -> Vec<&'static str> {
        [
            (self.reorgs > 0 && self.deepest <= 6, "reorg"),
            (self.reorgs > 0 && self.deepest > 6, "deep reorg"),
            (self.silence > 0, "silence"),
            (self.slow, "slow answers"),
            (self.duplicates, "duplicates"),
            (self.lags, "lag"),
            (self.fees, "fees x 50"),
            (self.drops, "dropped pool"),
            (self.refuses, "refusals"),
            (self.engine_fails, "engine fails"),
            (self.deaths, "deaths"),
            (self.full_disks, "full disk"),
            (self.rotations, "key rotation"),
            (self.skews, "clock skew"),
            (self.losses, "lost outcomes"),
            (self.lost_databases, "lost database"),
            (self.cheats > 0, "cheats"),
            (self.cheats > 0 && self.deserts, "desertion"),
            (self.unpublished, "unpublished seeds"),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name)
        .collect()
    }
}

/// One of some values, by chance.
pub fn one_of<T: Copy + Default, const N: usize>(rng: &mut ChaCha8Rng, values: [T; N]) -> T {
    let place = rng.random_range(0..N);
    values.get(place).copied().unwrap_or_default()
}

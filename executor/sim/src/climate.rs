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

    /// The same climate without faults. Its cheats stay.
    pub fn calm(&self) -> Self {
        self.without(Faults::everything().but(CHEATS))
    }

    /// The same without these faults.
    pub fn without(&self, faults: Faults) -> Self {
        let mut calmer = self.clone();
        for fault in faults.all() {
            (fault.stop)(&mut calmer);
        }
        calmer
    }

    /// The names of what goes wrong in it.
    pub fn faults(&self) -> Vec<&'static str> {
        let on = FAULTS.iter().filter(|fault| (fault.is_on)(self));
        on.map(|fault| fault.name).collect()
    }
}

/// The fault that is people's, not the world's.
const CHEATS: &str = "cheats";

/// One thing that goes wrong.
struct Fault {
    name: &'static str,
    is_on: fn(&Climate) -> bool,
    stop: fn(&mut Climate),
}

impl Fault {
    const fn new(name: &'static str, is_on: fn(&Climate) -> bool, stop: fn(&mut Climate)) -> Self {
        Self { name, is_on, stop }
    }
}

const FAULTS: &[Fault] = &[
    Fault::new(
        "reorg",
        |it| it.reorgs > 0 && it.deepest <= 6,
        |it| it.reorgs = 0,
    ),
    Fault::new(
        "deep reorg",
        |it| it.reorgs > 0 && it.deepest > 6,
        |it| it.reorgs = 0,
    ),
    Fault::new("silence", |it| it.silence > 0, |it| it.silence = 0),
    Fault::new("slow answers", |it| it.slow, |it| it.slow = false),
    Fault::new("duplicates", |it| it.duplicates, |it| it.duplicates = false),
    Fault::new("lag", |it| it.lags, |it| it.lags = false),
    Fault::new("fees x 50", |it| it.fees, |it| it.fees = false),
    Fault::new("dropped pool", |it| it.drops, |it| it.drops = false),
    Fault::new("refusals", |it| it.refuses, |it| it.refuses = false),
    Fault::new(
        "engine fails",
        |it| it.engine_fails,
        |it| it.engine_fails = false,
    ),
    Fault::new("deaths", |it| it.deaths, |it| it.deaths = false),
    Fault::new("full disk", |it| it.full_disks, |it| it.full_disks = false),
    Fault::new("key rotation", |it| it.rotations, |it| it.rotations = false),
    Fault::new("clock skew", |it| it.skews, |it| it.skews = false),
    Fault::new("lost outcomes", |it| it.losses, |it| it.losses = false),
    Fault::new(
        "lost database",
        |it| it.lost_databases,
        |it| it.lost_databases = false,
    ),
    Fault::new(CHEATS, |it| it.cheats > 0, |it| it.cheats = 0),
    Fault::new(
        "desertion",
        |it| it.cheats > 0 && it.deserts,
        |it| it.deserts = false,
    ),
    Fault::new(
        "unpublished seeds",
        |it| it.unpublished,
        |it| it.unpublished = false,
    ),
];

/// Some of the faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// All of them.
    pub fn everything() -> Self {
        Self::named(FAULTS.iter().map(|fault| fault.name))
    }

    /// Those of these names. A name that no fault has is passed over.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::default(), Self::and)
    }

    /// These and one more.
    #[must_use]
    pub fn and(self, name: &str) -> Self {
        Self(self.0 | bit(name))
    }

    /// These without one.
    #[must_use]
    fn but(self, name: &str) -> Self {
        Self(self.0 & !bit(name))
    }

    fn all(self) -> impl Iterator<Item = &'static Fault> {
        FAULTS
            .iter()
            .filter(move |fault| self.0 & bit(fault.name) != 0)
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        self.all().map(|fault| fault.name).collect()
    }
}

/// The bit of a fault; 0 for a name that none has.
fn bit(name: &str) -> u32 {
    let place = FAULTS.iter().position(|fault| fault.name == name);
    place.map_or(0, |place| 1 << place)
}

/// One of some values, by chance.
pub fn one_of<T: Copy + Default, const N: usize>(rng: &mut ChaCha8Rng, values: [T; N]) -> T {
    let place = rng.random_range(0..N);
    values.get(place).copied().unwrap_or_default()
}

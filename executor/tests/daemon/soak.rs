//! Many leases through three daemons that are killed again and again: nothing is lost, and nothing grows.
//!
//! Leases come in waves. When a wave is over, the chain's clock jumps past the end of its jobs, so that the daemons may
//! forget them: the run is a small market's year in half an hour.

mod chain;
mod member;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use alloy::{
    primitives::B256,
    providers::{Provider as _, ext::AnvilApi as _},
};
use piecework::chain::IMarket;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use self::{
    chain::{Chain, Seen},
    member::{Member, Sample, Table},
};
use crate::{
    net::PURSE,
    scene::{Scene, eventually},
};

/// The accounts that provide. The daemon of the last one is never killed: what leaks in a process is seen there.
const MEMBERS: [usize; 3] = [2, 3, 4];
/// Leases of one wave, and of each of its jobs. A lease has one task.
const WAVE: u32 = 50;
const JOB: u32 = 10;
/// What a task earns after the fee.
const NET: u128 = 98;
/// Blocks after which the executors have ended all duties of a wave.
const CONFIRMED: u64 = 16;
/// Chain time after which the jobs of a wave are over.
const OVER: u64 = 3 * 3_600;
/// From so many leases on, growth is judged. A shorter run tells more of its start than of its growth.
const JUDGED: u32 = 1_000;
/// The most that the last quarter may be of the second one, in percent.
const GROWTH: u64 = 110;

/// How long the run is: of the environment, and short without it.
#[derive(Clone, Copy, Debug)]
struct Size {
    leases: u32,
    kills: u32,
    seed: u64,
}

impl Size {
    fn of_environment() -> Self {
        let number = |name: &str, default: u32| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}")),
            Err(_) => default,
        };
        Self {
            leases: number("PIECEWORK_SOAK_LEASES", 100),
            kills: number("PIECEWORK_SOAK_KILLS", 6),
            seed: number("PIECEWORK_SOAK_SEED", 1).into(),
        }
    }

    /// How many leases are settled when each kill is due.
    fn kills(self, rng: &mut StdRng) -> Vec<u32> {
        let within = |kill: u32, rng: &mut StdRng| {
            let at = f64::from(kill) + rng.random::<f64>();
            (at / f64::from(self.kills) * f64::from(self.leases)) as u32
        };
        (0..self.kills).map(|kill| within(kill, rng)).collect()
    }
}

/// What was taken at a moment.
#[derive(Clone, Copy, Debug)]
struct Samples {
    /// How many leases were settled.
    settled: u32,
    /// By all daemons together.
    all: Sample,
    /// By the one that is never killed.
    steady: Sample,
}

/// The run.
struct Soak {
    scene: Scene,
    size: Size,
    rng: StdRng,
    /// When the next kills are due, the last one first.
    kills: Vec<u32>,
    members: Vec<Member>,
    chain: Chain,
    begin: Instant,
    killed: u32,
    /// The intent of each transaction that was ever signed.
    intents: HashMap<B256, (usize, String)>,
    samples: Vec<Samples>,
    /// The tables of all databases together, at the end of each quarter.
    tables: BTreeMap<usize, BTreeMap<String, Table>>,
}

impl Soak {
    async fn new(size: Size) -> Self {
        let scene = Scene::new().await;
        // Whoever builds meanwhile does not exchange it.
        let program = scene.folder.path().join("piecework-executor");
        std::fs::copy(env!("CARGO_BIN_EXE_piecework-executor"), &program).unwrap();
        let mut members = Vec::new();
        for index in MEMBERS {
            members.push(Member::new(&scene, &program, index).await);
        }
        let next = scene.net.provider.get_block_number().await.unwrap() + 1;
        for member in &mut members {
            member.start(&scene);
        }
        let mut rng = StdRng::seed_from_u64(size.seed);
        let mut kills = size.kills(&mut rng);
        kills.reverse();
        Self {
            scene,
            size,
            rng,
            kills,
            members,
            chain: Chain {
                next,
                ..Chain::default()
            },
            begin: Instant::now(),
            killed: 0,
            intents: HashMap::new(),
            samples: Vec::new(),
            tables: BTreeMap::new(),
        }
    }

    /// Posts a wave, and waits until all of it is settled. Kills what is due meanwhile.
    async fn wave(&mut self, number: u32, leases: u32) {
        let before = self.chain.settled();
        let mut left = leases;
        while left > 0 {
            let tasks = left.min(JOB);
            left -= tasks;
            // Another spec each time: nothing is known of it from the wave before.
            let args = ["exit", &(left % 100).to_string(), &number.to_string()];
            let spec = self.scene.spec(&args, tasks);
            self.scene
                .post_with(&spec, |job| job.terms.maxLease = 1)
                .await;
        }
        let posted = Instant::now();
        loop {
            self.chain.read(&self.scene, &self.members).await;
            let settled = self.chain.settled();
            if self.kills.last().is_some_and(|at| *at <= settled) {
                self.kills.pop();
                self.kill().await;
            } else if settled >= before + leases {
                return;
            }
            assert!(
                posted.elapsed() < Duration::from_secs(600),
                "a wave is not over: {settled} of {} leases are settled",
                before + leases
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Kills one of the daemons at some moment, and starts it again.
    async fn kill(&mut self) {
        let wait = self.rng.random_range(0..1_500);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        self.sample();
        let victim = self.rng.random_range(0..self.members.len() - 1);
        self.members[victim].kill();
        self.killed += 1;
        let down = self.rng.random_range(0..3_000);
        tokio::time::sleep(Duration::from_millis(down)).await;
        self.members[victim].start(&self.scene);
    }

    fn sample(&mut self) {
        let samples: Vec<Sample> = self.members.iter().map(Member::sample).collect();
        self.samples.push(Samples {
            settled: self.chain.settled(),
            all: Sample::sum(samples.iter().copied()),
            steady: samples[samples.len() - 1],
        });
    }

    /// Waits until the executors have ended all duties of a wave, counts what they keep, and ends the jobs.
    async fn settle_down(&mut self) {
        let rpc = self.scene.net.provider.clone();
        rpc.anvil_mine(Some(CONFIRMED), None).await.unwrap();
        for member in &self.members {
            eventually("nothing is owed", || async {
                let status = member.status().await;
                status.is_some_and(|status| status.chains[0].leases.is_empty())
            })
            .await;
        }
        for member in &self.members {
            for (hash, intent) in member.attempts() {
                self.intents.insert(hash, (member.index, intent));
            }
        }
        self.sample();
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for (name, table) in self.members.iter().flat_map(Member::tables) {
            let sum = tables.entry(name).or_default();
            (sum.rows, sum.bytes) = (sum.rows + table.rows, sum.bytes + table.bytes);
        }
        let quarter = self.quarter(self.chain.settled());
        self.tables.insert(quarter, tables);
        rpc.anvil_increase_time(OVER).await.unwrap();
        rpc.anvil_mine(Some(1), None).await.unwrap();
    }

    /// The quarter of the run in which the lease before was settled, from 0.
    fn quarter(&self, settled: u32) -> usize {
        let quarter = u64::from(settled.saturating_sub(1)) * 4 / u64::from(self.size.leases);
        quarter.min(3) as usize
    }

    fn say(&self) {
        let Samples {
            settled,
            all,
            steady,
        } = self.samples[self.samples.len() - 1];
        let seconds = self.begin.elapsed().as_secs_f64();
        eprintln!(
            "soak: {settled:5} leases, {:2} kills, {seconds:5.0} s, {:.2} leases/s; rss {} KiB, {} files, disk {} KiB \
             (databases {}, their logs {}); never killed: rss {}, {} files",
            self.killed,
            f64::from(settled) / seconds,
            all.rss,
            all.files,
            all.disk,
            all.database,
            all.wal,
            steady.rss,
            steady.files,
        );
    }

    /// The most that was taken in each quarter, by all daemons and by the one that is never killed.
    fn quarters(&self) -> [(Sample, Sample); 4] {
        [0, 1, 2, 3].map(|quarter| {
            let within = || {
                let samples = self.samples.iter();
                samples.filter(move |samples| self.quarter(samples.settled) == quarter)
            };
            (
                Sample::most(within().map(|samples| samples.all)),
                Sample::most(within().map(|samples| samples.steady)),
            )
        })
    }

    fn tell(&self) {
        eprintln!(
            "soak: the most of each quarter, in KiB: of all daemons, and of the one never killed"
        );
        eprintln!("  quarter       rss files      disk databases their logs |    rss files   disk");
        for (quarter, (all, steady)) in (1..).zip(self.quarters()) {
            eprintln!(
                "  {quarter:7} {:9} {:5} {:9} {:9} {:10} | {:6} {:5} {:6}",
                all.rss,
                all.files,
                all.disk,
                all.database,
                all.wal,
                steady.rss,
                steady.files,
                steady.disk
            );
        }
        eprintln!(
            "soak: rows of all databases at the end of each quarter, and their KiB in the end"
        );
        let Some(last) = self.tables.values().last() else {
            return;
        };
        for (name, table) in last {
            let rows = self.tables.values();
            let rows =
                rows.map(|tables| format!("{:7}", tables.get(name).map_or(0, |table| table.rows)));
            let rows = rows.collect::<Vec<_>>().join(" ");
            eprintln!("  {name:12} {rows} {:9}", table.bytes / 1_024);
        }
    }

    /// Nothing was lost, all was paid, and no transaction was sent twice.
    async fn check_chain(&self) {
        let chain = &self.chain;
        let once = Seen {
            claimed: 1,
            submitted: 1,
            settled: 1,
            paid: NET,
        };
        let wrong = chain.leases.iter().filter(|(_, seen)| **seen != once);
        assert_eq!(
            wrong.collect::<Vec<_>>(),
            [],
            "leases that did not end well"
        );
        assert_eq!(chain.leases.len(), self.size.leases as usize);
        assert!(chain.odd.is_empty(), "{:?}", chain.odd);
        let mut mined: HashMap<&(usize, String), B256> = HashMap::new();
        for (_, hash, _) in &chain.sent {
            let intent = self.intents.get(hash);
            let intent = intent.unwrap_or_else(|| panic!("{hash} was never written down"));
            let other = mined.insert(intent, *hash);
            assert_eq!(other, None, "{intent:?} was sent twice, then as {hash}");
        }
        for member in &self.members {
            let held = chain.holders.get(&member.address).copied();
            let held = held.unwrap_or_default();
            let sent = chain.sent.iter();
            let sent = sent.filter(|(from, ..)| *from == member.address);
            let (good, bad): (Vec<&_>, Vec<&_>) = sent.partition(|(.., good)| *good);
            eprintln!(
                "soak: executor {}: {held} leases, {} transactions, and {} that reverted",
                member.index,
                good.len(),
                bad.len()
            );
            assert!(held > self.size.leases / 10, "it had no share of the work");
            // Its endpoint, and each lease's claim and submission.
            assert_eq!(good.len(), 1 + 2 * held as usize);
            assert_eq!(self.scene.free_stake(member.address).await, PURSE);
            let balance = IMarket::balanceOfCall {
                account: member.address,
            };
            let balance = self.scene.net.contract().ask(balance).call().await.unwrap();
            assert_eq!(balance, NET * u128::from(held));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test-deep` runs it"]
async fn leases_through_daemons_that_are_killed_lose_nothing_and_nothing_grows() {
    let size = Size::of_environment();
    let mut soak = Soak::new(size).await;
    eprintln!(
        "soak: {size:?}; the daemons' logs are in {:?}",
        soak.members[0].log.parent()
    );
    let (mut left, mut number) = (size.leases, 0);
    while left > 0 {
        let leases = left.min(WAVE);
        soak.wave(number, leases).await;
        soak.settle_down().await;
        soak.say();
        (left, number) = (left - leases, number + 1);
    }
    assert_eq!(soak.killed, size.kills);
    let seconds = soak.begin.elapsed().as_secs_f64();
    eprintln!(
        "soak: {} leases and {} kills in {seconds:.0} s: {:.2} leases/s",
        size.leases,
        size.kills,
        f64::from(size.leases) / seconds
    );
    soak.tell();
    soak.check_chain().await;
    if size.leases < JUDGED {
        eprintln!("soak: growth is judged from {JUDGED} leases on");
        return;
    }
    let [_, second, _, last] = soak.quarters();
    let grown: Vec<String> = [
        ("memory", second.0.rss, last.0.rss),
        ("memory without a kill", second.1.rss, last.1.rss),
        ("open files", second.0.files, last.0.files),
        ("open files without a kill", second.1.files, last.1.files),
        ("disk", second.0.disk, last.0.disk),
        ("databases", second.0.database, last.0.database),
    ]
    .into_iter()
    .filter(|(_, second, last)| last * 100 > second * GROWTH)
    .map(|(what, second, last)| {
        format!("{what}: {second} in the second quarter, {last} in the last one")
    })
    .collect();
    assert!(grown.is_empty(), "what grows: {grown:#?}");
}

//! `piecework-executor-sim`: runs seeds, and tells what broke. The first one that does is told in a smaller world.

use std::{collections::BTreeMap, io::Write as _, time::Instant};

use clap::Parser;
use piecework_executor_sim::{
    ACTS, Outcome, Plan, climate::Faults, run, shrink::shrink, world::think,
};

/// From so many seeds on, each act must have been played during each fault.
const LONG: u64 = 5_000;
/// Lines of a trace that are told before what broke.
const PAGE: usize = 60;

/// Simulates executors on a market with the real rules.
#[derive(Debug, Parser)]
#[command(
    after_help = "Examples:\n  piecework-executor-sim --seeds 1000\n  piecework-executor-sim --from 17 --seeds 1 --trace\n  piecework-executor-sim --from 17 --crash-matrix 500"
)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Tell everything that happens.
    #[arg(long)]
    trace: bool,
    /// Let the first provider die at each of its first so many commits and commands, one run for each.
    #[arg(long)]
    crash_matrix: Option<u64>,
    /// Measure what a lease costs in thought in a job of so many leases. No audited one ends before the last one is submitted.
    #[arg(long)]
    think: Option<u32>,
    /// Stop at the first seed that breaks something.
    #[arg(long)]
    stop: bool,
    /// Leave these faults out, as they are named in the table
    #[arg(long, value_name = "FAULT,FAULT", value_delimiter = ',')]
    without: Vec<String>,
    /// Let things go wrong, and work be posted, for so many seconds at most
    #[arg(long, value_name = "SECONDS")]
    trouble: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let began = Instant::now();
    if let Some(leases) = arguments.think {
        let thought = think(leases);
        let mut out = std::io::stdout().lock();
        for (place, seconds) in (1u32..).zip(&thought.hundreds) {
            writeln!(
                out,
                "{:>6} leases: {:.3} ms a lease",
                place * 100,
                seconds * 10.0
            )?;
        }
        if let [first, .., last] = thought.hundreds.as_slice() {
            writeln!(
                out,
                "the last hundred took {:.2} times the first",
                last / first
            )?;
        }
        return Ok(());
    }
    let without = Faults::named(arguments.without.iter().map(String::as_str));
    anyhow::ensure!(
        without.names().len() == arguments.without.len(),
        "--without has an unknown or repeated fault in {:?}; the faults are: {}",
        arguments.without.join(","),
        Faults::everything().names().join(", ")
    );
    let plans: Vec<Plan> = match arguments.crash_matrix {
        None => (arguments.from..arguments.from.saturating_add(arguments.seeds))
            .map(|seed| Plan {
                seed,
                tells: arguments.trace,
                without,
                trouble: arguments.trouble,
                ..Plan::default()
            })
            .collect(),
        Some(most) => {
            let calm = |dies_at| Plan {
                seed: arguments.from,
                tells: arguments.trace,
                dies_at,
                calm: true,
                ..Plan::default()
            };
            let points = run(calm(None)).points;
            (0..points.min(most))
                .map(|point| calm(Some(point)))
                .collect()
        }
    };
    let mut totals = Totals::default();
    let mut out = std::io::stdout().lock();
    for plan in plans {
        let outcome = run(plan);
        let broken = !outcome.breaches.is_empty();
        if broken || arguments.trace {
            tell(&mut out, plan, &outcome)?;
        }
        if broken && totals.broken == 0 && !arguments.trace {
            let (least, outcome) = shrink(plan);
            writeln!(out, "the same in a smaller world:")?;
            tell(&mut out, least, &outcome)?;
        }
        totals.add(outcome);
        if broken && arguments.stop {
            break;
        }
    }
    totals.tell(&mut out, began.elapsed().as_secs_f64())?;
    if totals.broken > 0 {
        anyhow::bail!("{} of {} runs broke something", totals.broken, totals.runs);
    }
    let never = totals.never();
    if totals.runs >= LONG && !never.is_empty() {
        anyhow::bail!("never played: {}", never.join(", "));
    }
    Ok(())
}

fn tell(out: &mut impl std::io::Write, plan: Plan, outcome: &Outcome) -> anyhow::Result<()> {
    let lines = outcome.lines.as_slice();
    // Of a smaller world a page, which ends with what broke.
    let broke = lines.iter().position(|line| line.contains("BREACH"));
    let page = match broke.filter(|_| plan.trouble.is_some()) {
        Some(end) => lines.get(end.saturating_sub(PAGE)..=end),
        None => Some(lines),
    };
    for line in page.into_iter().flatten() {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "seed {} ({}), dies at {:?}:",
        outcome.seed,
        outcome.faults.join(", "),
        plan.dies_at
    )?;
    for breach in outcome.breaches.iter().take(8) {
        writeln!(out, "  {breach}")?;
    }
    if let Some(trouble) = plan.trouble {
        let without = match plan.without.names() {
            names if names.is_empty() => String::new(),
            names => format!(" --without \"{}\"", names.join(",")),
        };
        writeln!(
            out,
            "  again: --from {} --seeds 1 --trouble {trouble}{without} --trace",
            outcome.seed
        )?;
    }
    Ok(())
}

#[derive(Default)]
struct Totals {
    runs: u64,
    broken: u64,
    settled: u64,
    other: u64,
    seconds: u64,
    deaths: u64,
    tenths: u128,
    cheats_lost: u128,
    points: u64,
    table: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    seeds_of: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.broken += u64::from(!outcome.breaches.is_empty());
        self.settled += outcome.settled;
        self.other += outcome.other;
        self.seconds += outcome.seconds;
        self.deaths += outcome.deaths;
        self.tenths += outcome.tenths;
        self.cheats_lost += outcome.cheats_lost;
        self.points = self.points.max(outcome.points);
        for fault in outcome.faults {
            *self.seeds_of.entry(fault).or_default() += 1;
            let row = self.table.entry(fault).or_default();
            for (act, count) in &outcome.acts {
                *row.entry(act).or_default() += count;
            }
        }
    }

    fn tell(&self, out: &mut impl std::io::Write, took: f64) -> anyhow::Result<()> {
        let leases = self.settled + self.other;
        writeln!(
            out,
            "{} runs, {} broken, {leases} leases ({} settled), {} deaths, {:.2} market days in {took:.1} s: {:.0} leases a second",
            self.runs,
            self.broken,
            self.settled,
            self.deaths,
            self.seconds as f64 / 86_400.0,
            leases as f64 / took,
        )?;
        writeln!(
            out,
            "honest providers lost {} in tenths of votes without verdict; cheats lost {}; points of the first provider: {}",
            self.tenths, self.cheats_lost, self.points
        )?;
        for (fault, row) in &self.table {
            let seeds = self.seeds_of.get(fault).copied().unwrap_or_default();
            let cells: Vec<String> = ACTS
                .iter()
                .map(|act| format!("{act} {}", row.get(act).copied().unwrap_or_default()))
                .collect();
            writeln!(out, "{fault} ({seeds} seeds): {}", cells.join(", "))?;
        }
        let never = self.never();
        if !never.is_empty() {
            writeln!(out, "never played: {}", never.join(", "))?;
        }
        Ok(())
    }

    /// The empty cells of the table of faults and acts.
    fn never(&self) -> Vec<String> {
        let cells = self
            .table
            .iter()
            .flat_map(|(fault, row)| ACTS.iter().map(move |act| (fault, act, row.get(act))));
        cells
            .filter(|(_, _, count)| count.is_none())
            .map(|(fault, act, _)| format!("{act} during {fault}"))
            .collect()
    }
}

//! A job's life for whoever watches, on stderr.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use alloy::primitives::Address;
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use piecework::market::Step;
use piecework::{Progress, Run};

use crate::fail::Failure;

/// After this long without news, whoever watches is told what may be wrong.
const SILENCE: Duration = Duration::from_secs(20);

/// Names of accounts; others are shown by their first digits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<Address, String>);

impl Names {
    pub(crate) fn of(names: impl IntoIterator<Item = (Address, String)>) -> Self {
        Self(names.into_iter().collect())
    }

    pub(crate) fn name(&self, address: &Address) -> String {
        self.0
            .get(address)
            .cloned()
            .unwrap_or_else(|| address.to_string().chars().take(10).collect())
    }
}

/// Shows the job until every task is settled, void or refunded, and keeps it going meanwhile: a bar on a terminal, else lines only.
pub(crate) async fn watch(run: &Run, names: &Names) -> Result<(), Failure> {
    watch_for(run, names, |_| true).await
}

/// As [`watch`], with a line for those steps only that are `news`.
pub(crate) async fn watch_for(
    run: &Run,
    names: &Names,
    news: impl Fn(&Step) -> bool,
) -> Result<(), Failure> {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(u64::from(run.tasks())), target);
    let template = "{elapsed_precise} [{bar:40}] {pos}/{len} {msg}";
    bar.set_style(
        ProgressStyle::with_template(template)
            .map_err(Failure::internal)?
            .progress_chars("=> "),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut steps = std::pin::pin!(run.progress_with_upkeep());
    let mut idle = true;
    loop {
        let step = match tokio::time::timeout(SILENCE, steps.next()).await {
            Ok(None) => break,
            Ok(Some(step)) => step?,
            Err(_) if idle => {
                bar.suspend(|| eprintln!("{}", unwanted(run)));
                // Said once; the job may be taken at any time until it closes.
                idle = false;
                continue;
            }
            Err(_) => continue,
        };
        let tally = step.tally;
        idle = tally.running == 0 && tally.submitted == 0;
        bar.set_position(u64::from(tally.done()));
        bar.set_message(format!(
            "{} waiting, {} running, {} submitted",
            tally.waiting, tally.running, tally.submitted
        ));
        if !news(&step.step) {
            continue;
        }
        let line = line(run, names, &step);
        if terminal {
            bar.println(line);
        } else {
            eprintln!("{line}");
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// What to think of a job that nobody takes.
fn unwanted(run: &Run) -> String {
    let closes = run.job().timing.closesAt;
    format!(
        "No provider has taken a lease for {} s: perhaps none has room for what a task may use, or the price is too low. \
         The job stays open until {closes} (Unix time), then what was not run is refunded; `piecework job cancel {}` refunds it now.",
        SILENCE.as_secs(),
        run.id()
    )
}

/// One step as a line.
pub(crate) fn line(run: &Run, names: &Names, progress: &Progress) -> String {
    let amount = |units: u128| run.market().token().format(units);
    let text = progress
        .step
        .describe(|address| names.name(address), amount);
    format!("{:>4}/{} {text}", progress.tally.done(), progress.total)
}

/// `task 3`, `tasks 3..8`.
pub(crate) fn tasks(first: u32, count: u32) -> String {
    match count {
        1 => format!("task {first}"),
        _ => format!(
            "tasks {first}..{}",
            first.saturating_add(count).saturating_sub(1)
        ),
    }
}

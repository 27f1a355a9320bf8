//! From the arguments of `run` and `map` to a posted job and its result.

use std::path::{Path, PathBuf};

use piecework::digest::manifest::Outcome;
use piecework::market::{Downloaded, Money, TaskResult};
use piecework::spec::{ImageSpec, JobSpec, Resources};
use piecework::{Job, Market, Run};
use serde_json::{Value, json};

use crate::assured::{assured, deterrence};
use crate::cli::JobArgs;
use crate::fail::{Failure, exit};
use crate::output::say;
use crate::progress::{Names, tasks, watch};
use crate::signals::Interrupt;

/// A job over an image: of the local engine, or pinned by the digest of its manifest.
pub(super) fn of_image(image: &str, command: &[String]) -> Result<Job, Failure> {
    let job = match image.split_once('@') {
        None => Job::image(image),
        Some((_, digest)) => {
            let manifest = digest.parse().map_err(|e| {
                Failure::new("cli-image", format!("image {image}: {e}"))
                    .money("Nothing was posted or paid.")
                    .next("A pinned image is repository@sha256:<64 hex digits>, the digest of one platform's manifest.")
            })?;
            let reference = Some(image.to_owned());
            Job::pinned(ImageSpec {
                manifest,
                platform: "linux/amd64".to_owned(),
                archive: None,
                reference,
            })
        }
    };
    Ok(job.args(command.iter().cloned()))
}

/// A job over a ready spec.
pub(super) fn of_spec(file: &Path) -> Result<Job, Failure> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new("cli-spec-file", format!("spec {}: {e}", file.display()))
            .money("Nothing was posted or paid.")
    };
    let size = std::fs::metadata(file).map_err(|e| failed(&e))?.len();
    if size > piecework::spec::limits::MAX_SPEC_BYTES as u64 {
        let error = piecework::spec::SpecError::TooLong {
            length: usize::try_from(size).unwrap_or(usize::MAX),
        };
        return Err(piecework::Error::from(error).into());
    }
    let bytes = std::fs::read(file).map_err(|e| failed(&e))?;
    let spec = JobSpec::parse(&bytes).map_err(piecework::Error::from)?;
    Ok(Job::spec(spec))
}

/// Sets what the flags say.
pub(super) fn describe(market: &Market, mut job: Job, args: &JobArgs) -> Result<Job, Failure> {
    job = job.max_price(args.max_price.units(market.token().decimals)?);
    if let Some(input) = &args.input {
        job = job.input(input);
    }
    for pair in &args.env {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new("cli-env", format!("--env {pair}: NAME=VALUE is expected"))
                .money("Nothing was posted or paid.")
        })?;
        job = job.env(name, value);
    }
    if let Some(tasks) = args.min_lease {
        job = job.min_lease(tasks);
    }
    if let Some(tasks) = args.max_lease {
        job = job.max_lease(tasks);
    }
    Ok(assured(job, &args.assurance))
}

/// The resources that the flags ask for.
pub(super) fn resources(args: &JobArgs) -> Resources {
    let default = Resources::default();
    let mib = |n: u64| n.saturating_mul(1 << 20);
    Resources {
        cpu_millis: args.cpu.unwrap_or(default.cpu_millis),
        memory_bytes: args.memory.map_or(default.memory_bytes, mib),
        disk_bytes: args.disk.map_or(default.disk_bytes, mib),
        timeout_seconds: args.timeout.unwrap_or(default.timeout_seconds),
    }
}

/// Refuses a directory that results cannot go to, before anything is paid.
pub(super) fn check_out(out: &Path) -> Result<(), Failure> {
    let occupied = match std::fs::read_dir(out) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) => {
            return Err(Failure::new("cli-out", format!("{}: {e}", out.display()))
                .money("Nothing was posted or paid."));
        }
        Ok(mut entries) => entries.next().is_some(),
    };
    if !occupied {
        return Ok(());
    }
    Err(Failure::new(
        "cli-out",
        format!(
            "{} is not empty: results would mix with what is there",
            out.display()
        ),
    )
    .money("Nothing was posted or paid.")
    .next("Choose another --out, or empty it."))
}

/// Says what cheating would cost, and posts a job. Ctrl-C before it is posted leaves no files behind.
pub(super) async fn post(market: &Market, job: Job) -> Result<Run, Failure> {
    let mut interrupt = Interrupt::listen()?;
    if let Some(text) = deterrence(&market.quote(&job).await?) {
        say!("Audits: {text}.");
    }
    let run = tokio::select! {
        run = market.submit(job) => run?,
        () = interrupt.wait() => {
            return Err(Failure::new("cli-interrupted", "interrupted while the job was being posted")
                .money("If its transaction was sent already, the job is posted all the same.")
                .next("`piecework job list` says whether it was.")
                .exit(exit::INTERRUPTED));
        }
    };
    say!("Job {}", run.id());
    say!(
        "Results are {}; {} in escrow.",
        run.assurance(),
        market.token().format(run.escrow())
    );
    Ok(run)
}

/// Waits for the end of a job. Ctrl-C ends the waiting, not the job.
pub(super) async fn wait(run: &Run, out: Option<&PathBuf>) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let names = Names::default();
    tokio::select! {
        watched = watch(run, &names) => watched,
        () = interrupt.wait() => Err(interrupted(run, out)),
    }
}

fn interrupted(run: &Run, out: Option<&PathBuf>) -> Failure {
    let out = out.map_or_else(String::new, |dir| format!(" --out {}", dir.display()));
    let id = run.id();
    let served = run.spec().input.is_some() || run.spec().image.reference.is_none();
    let caution = match served {
        true => {
            "\nProviders that have not fetched the job's image and input can no longer do so: their leases fall free, and what is not run is refunded when the job closes."
        }
        false => "",
    };
    Failure::new("cli-interrupted", format!("stopped waiting; job {id} goes on"))
        .money(format!("Its escrow pays for finished tasks as before.{caution}"))
        .next(format!("`piecework job fetch {id}{out}` waits again and fetches the result; `piecework job cancel {id}` takes back what no lease holds."))
        .exit(exit::INTERRUPTED)
}

/// What the finished job cost, and what became of its tasks, as JSON.
pub(super) fn report(run: &Run, done: &Downloaded, money: Money, kept: bool) -> Value {
    let results: Vec<Value> = done.tasks.iter().map(|r| task(r, kept)).collect();
    let missing: Vec<u32> = done.missing.iter().cloned().flatten().collect();
    let mut value = json!({
        "job": run.id(),
        "out": kept.then_some(&done.dir),
        "tasks": results,
        "missing": missing,
    });
    put_money(&mut value, money);
    value
}

/// Puts where an escrow went into a JSON object.
pub(super) fn put_money(value: &mut Value, money: Money) {
    let Value::Object(fields) = value else { return };
    for (name, units) in [
        ("paid", money.paid),
        ("fee", money.fee),
        ("jurors", money.jurors),
        ("burned", money.burned),
        ("refunded", money.refunded),
    ] {
        fields.insert(name.to_owned(), json!(units.to_string()));
    }
}

fn task(result: &TaskResult, kept: bool) -> Value {
    let code = match result.outcome {
        Outcome::Exit(code) => Some(code),
        _ => None,
    };
    json!({
        "task": result.task,
        "outcome": result.outcome.to_string(),
        "exit_code": code,
        "provider": result.provider,
        "digest": result.digest.to_string(),
        "dir": kept.then_some(&result.dir),
        "log_unverified": result.log,
    })
}

/// Says on stderr what the job cost.
pub(super) fn say_money(run: &Run, money: Money) {
    let amount = |units| run.market().token().format(units);
    let mut text = format!(
        "Paid {} to providers and {} of fee",
        amount(money.paid),
        amount(money.fee)
    );
    if money.jurors > 0 {
        text.push_str(&format!(", {} to jurors", amount(money.jurors)));
    }
    if money.burned > 0 {
        text.push_str(&format!(", {} burned", amount(money.burned)));
    }
    say!(
        "{text}; {} of the escrow came back.",
        amount(money.refunded)
    );
}

/// Exit code 3 if not every task ended well.
pub(super) fn verdict(run: &Run, done: &Downloaded) -> Result<(), Failure> {
    let failed: Vec<&TaskResult> = done.failed().collect();
    if failed.is_empty() && done.missing.is_empty() {
        return Ok(());
    }
    let mut what = Vec::new();
    for result in failed.iter().take(5) {
        what.push(format!(
            "task {} failed: {}",
            result.task,
            meaning(result, run)
        ));
        if let Some(log) = &result.log {
            what.extend(last_lines(log).map(|line| format!("  | {line}")));
        }
    }
    if failed.len() > 5 {
        what.push(format!("... and {} more tasks failed", failed.len() - 5));
    }
    for range in &done.missing {
        what.push(format!(
            "no result of {}",
            tasks(range.start, range.end.saturating_sub(range.start))
        ));
    }
    let mut money = Vec::new();
    if !failed.is_empty() {
        money.push("A failed task is a result: its provider is paid.");
    }
    if !done.missing.is_empty() {
        money.push("The price of tasks that did not run came back; that of tasks whose provider was convicted was burned.");
    }
    Err(Failure::new("job-tasks-failed", what.join("\n"))
        .money(money.join(" "))
        .next("The lines behind | are the end of the task's stderr as its provider tells it; no chain commits to them.")
        .exit(exit::FAILED_TASKS))
}

fn meaning(result: &TaskResult, run: &Run) -> String {
    let resources = &run.spec().resources;
    match result.outcome {
        Outcome::Exit(code) => format!("its command ended with exit code {code}"),
        Outcome::Timeout => format!("it ran longer than {} s", resources.timeout_seconds),
        Outcome::Memory => format!(
            "it used more than {} MiB of memory",
            resources.memory_bytes >> 20
        ),
        Outcome::Output(fault) => format!("its output was refused ({fault})"),
    }
}

/// The last lines of a stranger's log, without control characters.
fn last_lines(log: &str) -> impl Iterator<Item = String> + '_ {
    let lines: Vec<&str> = log.lines().collect();
    let skip = lines.len().saturating_sub(10);
    let clean = |line: &str| line.chars().filter(|c| !c.is_control()).take(200).collect();
    lines.into_iter().skip(skip).map(clean)
}

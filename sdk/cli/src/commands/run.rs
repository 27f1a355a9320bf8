//! `piecework run`: one container, its output on stdout.

use serde_json::{Value, json};

use super::post::{
    check_out, describe, of_image, of_spec, post, report, resources, say_money, verdict, wait,
};
use super::predict::dry_run;
use crate::cli::{Globals, RunArgs};
use crate::connect::{Key, market};
use crate::fail::Failure;
use crate::output::{Output, say};

pub(crate) async fn run(globals: &Globals, output: Output, args: RunArgs) -> Result<(), Failure> {
    if let Some(out) = &args.job.out {
        check_out(out)?;
    }
    let job = match (&args.spec, &args.image) {
        (Some(spec), _) => of_spec(spec)?,
        (None, Some(image)) => of_image(image, &args.command)?.resources(resources(&args.job)),
        (None, None) => return Err(Failure::internal("neither image nor spec")),
    };
    let market = market(globals, Key::Needed).await?;
    let job = describe(&market, job, &args.job)?;
    if args.job.dry_run {
        return dry_run(&market, output, &job, &args.job.assurance).await;
    }
    let run = post(&market, job).await?;
    if args.job.detach {
        return super::detached(output, &run);
    }
    wait(&run, args.job.out.as_ref()).await?;

    let scratch = tempfile::tempdir()
        .map_err(|e| Failure::new("cli-out", format!("cannot make a directory: {e}")))?;
    let out = args
        .job
        .out
        .clone()
        .unwrap_or_else(|| scratch.path().join("out"));
    let done = run.download(&out).await?;
    let money = run.status().await?.money();
    let stdout = match done.tasks.first() {
        Some(first) => std::fs::read(first.dir.join("stdout")).unwrap_or_default(),
        None => Vec::new(),
    };
    if output.json {
        let mut value = report(&run, &done, money, args.job.out.is_some());
        if let Value::Object(fields) = &mut value {
            fields.insert("stdout".into(), json!(String::from_utf8_lossy(&stdout)));
        }
        output.result(&value, String::new)?;
    } else {
        output.bytes(&stdout)?;
    }
    say_money(&run, money);
    let files: usize = done
        .tasks
        .iter()
        .map(|task| task.files.files().count())
        .sum();
    match &args.job.out {
        Some(out) => say!(
            "Verified against the chain; {files} files in {}.",
            out.display()
        ),
        None if files > 0 => say!(
            "It left {files} files; `piecework job fetch {} --out DIR` gets them.",
            run.id()
        ),
        None => {}
    }
    verdict(&run, &done)
}

//! `piecework map`: an array of containers.

use std::path::PathBuf;

use super::post::{
    check_out, describe, of_image, post, report, resources, say_money, verdict, wait,
};
use super::predict::dry_run;
use crate::cli::{Globals, MapArgs};
use crate::connect::{Key, market};
use crate::fail::Failure;
use crate::output::Output;

pub(crate) async fn run(globals: &Globals, output: Output, args: MapArgs) -> Result<(), Failure> {
    let out = args.job.out.clone().unwrap_or_else(|| PathBuf::from("out"));
    check_out(&out)?;
    let job = of_image(&args.image, &args.command)?
        .resources(resources(&args.job))
        .tasks(args.tasks);
    let market = market(globals, Key::Needed).await?;
    let job = describe(&market, job, &args.job)?;
    if args.job.dry_run {
        return dry_run(&market, output, &job, &args.job.assurance).await;
    }
    let run = post(&market, job).await?;
    if args.job.detach {
        return super::detached(output, &run);
    }
    wait(&run, Some(&out)).await?;
    let done = run.download(&out).await?;
    let money = run.status().await?.money();
    let value = report(&run, &done, money, true);
    output.result(&value, || done.dir.display().to_string())?;
    say_money(&run, money);
    verdict(&run, &done)
}

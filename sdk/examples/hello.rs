//! The smallest program that runs a job: 48 tasks of a local image, their results in `./out`.
//!
//! Start `piecework devnet` in another terminal and build an image; then
//! `cargo run -p piecework --example hello`.

use piecework::{Error, Job, Market};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let amount = 1_000_000_000_000_000_000; // one token a task, at most
    let market = Market::from_env().await?;
    let job = Job::image("render:v1")
        .input("./scene")
        .tasks(48)
        .max_price(amount);
    let run = market.submit(job).await?;
    let done = run.show_progress().await?;
    done.download("./out").await?;
    Ok(())
}

//! The smallest program that runs a job: 48 tasks of a local image, their results in `./out`.
//!
//! Start `piecework devnet` in another terminal, build an image and put its input into `./scene`;
//! then `cargo run -p piecework --example hello -- render:v1`.

use piecework::{Error, Job, Market};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let image = std::env::args().nth(1).unwrap_or("render:v1".into());
    let amount = 1_000_000_000_000_000_000; // one token a task, at most
    let market = Market::from_env().await?;
    let job = Job::image(image)
        .input("./scene")
        .tasks(48)
        .max_price(amount);
    let run = market.submit(job).await?;
    let done = run.show_progress().await?;
    done.download("./out").await?;
    Ok(())
}

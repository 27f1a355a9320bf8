//! The smallest program that runs a job: 48 tasks of a local image, their results in `./out`.
//!
//! The README says how to make the image `render:v1` and its input `./scene`, and how to start a devnet.
//! Then `cargo run --locked -p piecework --example hello` runs this. Its argument is another image.

use piecework::{Error, Job, Market};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let image = std::env::args().nth(1).unwrap_or("render:v1".into());
    let amount = 1_000_000_000_000_000_000; // the most that one task may cost: one token of 18 decimals
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

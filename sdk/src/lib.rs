//! Piecework: post containerized jobs to a decentralized compute market.
//!
//! ```no_run
//! use piecework::{Job, Market};
//!
//! # async fn render(amount: u128) -> Result<(), piecework::Error> {
//! let market = Market::from_env().await?;
//! let job = Job::image("render:v1").input("./scene").tasks(48).max_price(amount);
//! let run = market.submit(job).await?;
//! let done = run.show_progress().await?;
//! done.download("./out").await?;
//! # Ok(())
//! # }
//! ```

pub mod blobs;
pub mod chain;
pub mod devnet;
pub mod digest;
mod error;
#[cfg(feature = "ethers")]
pub mod ethers;
pub mod image;
pub mod market;
pub mod rules;
pub mod spec;
mod terminal;

pub use error::Error;
pub use market::{Done, Job, Market, MarketConfig, Progress, Run};

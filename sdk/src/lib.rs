//! Piecework: post containerized jobs to a decentralized compute market.
//!
//! ```no_run
//! use piecework::{Job, Market};
//!
//! # async fn render() -> Result<(), piecework::Error> {
//! let amount = 1_000_000_000_000_000_000; // the most that one task may cost: one token of 18 decimals
//! let market = Market::from_env().await?;
//! let job = Job::image("render:v1").input("./scene").tasks(48).max_price(amount);
//! let run = market.submit(job).await?;
//! let done = run.show_progress().await?;
//! done.download("./out").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Amounts are in the smallest unit of the market's token, which has `10^decimals` of them: `market.token().decimals`.
//! [`Job::max_price`] is for one task. If the job is redundant, each of a task's seats is paid that price.
//!
//! It is not a node, and not the provider's daemon. [`digest`], [`rules`] and [`spec`] are of `piecework-core`, and
//! [`blobs`], [`chain`] and [`image`] of `piecework-net`: both are shared with the daemon.
//!
//! `render:v1` is an image of the local container engine. The repository's README says how to make it, and starts a
//! devnet on which this program runs as it stands.

pub mod devnet;
mod error;
#[cfg(feature = "ethers")]
pub mod ethers;
pub mod market;

pub use error::Error;
pub use market::{Done, Job, Market, MarketConfig, Progress, Run};
pub use piecework_core::{digest, rules, spec};
pub use piecework_net::{blobs, chain, image};

//! The built command against a real devnet: real anvil, real Docker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod audits;
mod demo;
mod devnet;
mod harness;
mod hello;
mod help;
mod jobs;
mod market;
mod money;
mod predict;
mod refusals;

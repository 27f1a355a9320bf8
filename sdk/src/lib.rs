//! Piecework: post containerized jobs to a decentralized compute market.

pub mod blobs;
pub mod chain;
pub mod devnet;
pub mod digest;
pub mod image;
pub mod spec;

//! Piecework: post containerized jobs to a decentralized compute market.

pub mod chain;
pub mod digest;

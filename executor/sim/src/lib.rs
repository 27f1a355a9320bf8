#![doc = include_str!("../README.md")]

pub mod chain;
pub mod climate;
pub mod log;
pub mod provider;
pub mod shrink;
pub mod world;

pub use log::ACTS;
pub use world::{Outcome, Plan, run};

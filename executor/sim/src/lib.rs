#![doc = include_str!("../README.md")]

pub mod chain;
pub mod provider;
pub mod world;

pub use world::{Outcome, Plan, run};

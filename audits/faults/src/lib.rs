#![doc = include_str!("../README.md")]

mod behind;
mod faults;
mod lies;
mod node;
mod proxy;
mod words;

pub use faults::{Faults, Limit};
pub use proxy::{Proxy, ProxyError};
pub use words::Words;

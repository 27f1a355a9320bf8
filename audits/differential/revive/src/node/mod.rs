//! A dev node: the runtime in this process, behind Ethereum's JSON-RPC. It takes signed Ethereum transactions as a
//! parachain with pallet-revive does, and answers what the SDK and the executor ask, so that both run on it unchanged.

mod chain;
mod error;
mod filter;
mod history;
mod rpc;
mod server;

pub use chain::{Chain, Options};
pub use error::RpcError;
pub use history::STATES;
pub use rpc::answer;
pub use server::{Server, ServerError};

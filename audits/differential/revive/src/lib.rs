//! The market in pallet-revive, Polkadot's contracts: as Solidity's EVM bytecode and as a PolkaVM blob of ink!, both beside
//! the specification ([`target`]); and the same runtime behind Ethereum's JSON-RPC ([`node`]).

pub mod node;
pub mod runtime;
pub mod target;

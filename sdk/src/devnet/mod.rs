//! Parts of a development network that tests and the `piecework devnet` command share.

mod anvil;
mod state;

pub use anvil::{Anvil, AnvilError, AnvilOptions, find_anvil};
pub use state::{DevnetAccount, DevnetFile};

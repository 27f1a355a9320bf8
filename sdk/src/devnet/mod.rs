//! Parts of a development network that tests and the `piecework devnet` command share.

mod anvil;
mod drand;
mod state;

pub use anvil::{Anvil, AnvilError, AnvilOptions, find_anvil};
pub use drand::{DrandOptions, DrandSigner};
pub use state::{DevnetAccount, DevnetFile};

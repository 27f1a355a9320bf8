//! What of Piecework touches the world, for client and provider: nodes of chains, blobs over HTTP and on disk, and
//! container images.
//!
//! It decides nothing: what a job costs, who is drawn and what a result is are in `piecework-core`. It is neither the
//! client, which is `piecework`, nor the provider's daemon, which is `piecework-executor`: both stand on it.
//!
//! To begin: [`chain::connect`] gives a provider of a chain that is the right one, [`chain::Follower`] reads the market's
//! events, [`chain::Contract`] asks a contract, and [`chain::Sender`] sends to it. [`blobs`] are bytes by digest, and
//! [`image`] pins and checks what containers run.

pub mod blobs;
pub mod chain;
pub mod fetch_auth;
pub mod image;
pub mod terminal;

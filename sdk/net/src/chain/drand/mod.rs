//! drand's rounds: fetching one from HTTP endpoints, and checking it before anything is sent.
//!
//! ```text
//! Endpoints::round ─► GET <url>/public/<round> ─► GroupKey::verify ─► RoundSignature ─► DrandBeacon.publish
//!                          │ an answer that is wrong, or none
//!                          └─► the next endpoint
//! ```

mod endpoints;
mod signature;
#[cfg(test)]
mod tests;

pub use endpoints::{DrandError, EndpointError, Endpoints, PATIENCE, Refusal};
pub use signature::{BadKey, BadSignature, DST, GroupKey, RoundSignature, message};

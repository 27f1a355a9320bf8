//! Deployments of a market on chains with value: at addresses that follow from what is deployed, checked before and after.
//!
//! ```text
//! Terms ─► Plan::make ─► Plan::execute ─► Deployment ─► a file ─► MarketConfig::from_deployment
//!            │ refuses what cannot be sound       │
//!            ▼                                    ▼
//!         nothing is sent                      examine ─► Examination: what the chain has, and each difference
//! ```
//!
//! Market and beacon are made by CREATE2 through [`FACTORY`], which is the same contract on every chain. So an address commits to the
//! code and to the constructor's arguments: the same terms and salt give the same addresses everywhere, and nobody else can put
//! other code there.

mod error;
mod examine;
mod factory;
mod file;
mod fitness;
mod plan;

pub use error::{Bound, DeploymentError, Difference};
pub use examine::{Examination, RuntimeHashes, examine, read_market};
pub use factory::{FACTORY, create2, drawn_of};
pub use file::{BeaconRecord, Code, Deployment, Fee, Times};
pub use plan::{BeaconChoice, Plan, Step, TX_GAS, Terms};

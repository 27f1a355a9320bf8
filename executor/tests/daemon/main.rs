//! The daemon on a real chain with a real engine: from a posted job to verified outputs, through
//! crashes, reorganizations and silence.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../sandbox/image.rs"]
mod image;
#[path = "../support/net.rs"]
mod net;

mod cable;
mod chains;
mod chains_restart;
mod crash;
mod drand;
mod full_disk;
mod gone;
mod images;
mod jury;
mod jury_trouble;
mod late_engine;
mod nodes;
mod ordinary;
mod owner;
mod recover;
mod redundant;
mod refusals;
mod reorg;
mod scene;
mod soak;
mod timeline;
mod together;
mod trials;
mod turns;
mod unreadable;

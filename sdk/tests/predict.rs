//! Predictions against a real anvil: for each situation what the SDK foretells is what the chain then does, error for
//! error with the same arguments, event for event with the same amounts; and the seconds from and until which a call
//! is said to be valid are exactly the first and the last in which the chain takes it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;
#[path = "predict/drawn.rs"]
mod drawn;
#[path = "predict/money.rs"]
mod money;
#[path = "predict/ordinary.rs"]
mod ordinary;
#[path = "predict/scene.rs"]
mod scene;

//! The demo's workload: one picture, painted by as many tasks as one likes.
//!
//! A task learns from `PIECEWORK_TASK_INDEX` and `PIECEWORK_TASK_COUNT` which tile is its own.
//! Nothing depends on the machine: one thread, no clock, no floating-point function that a
//! machine's C library would bring, so every honest provider paints the same bytes.

mod file;
mod island;
mod paint;
mod scene;
mod sky;
mod tiles;
mod vec3;

pub use file::png;
pub use paint::paint;
pub use scene::Scene;
pub use tiles::{Tile, tile};

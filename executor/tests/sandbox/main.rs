//! The sandbox against a real Docker, with a stranger's program in the container.
//! Needs DOCKER_HOST (or Docker at its usual socket); without it these tests fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod hardening;
mod harness;
mod image;
mod lifecycle;
mod outcomes;
mod outputs;
mod overhead;
mod unused;

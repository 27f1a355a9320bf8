//! The pure part of Piecework that client and provider share: the same input gives the same output, on every machine.
//!
//! It is not a client, and talks to nobody: it opens no connection and no file, reads no clock, and draws nothing by
//! chance. What touches the world is in `piecework-net`, and what a client does with both in `piecework`.
//!
//! To begin: [`spec`] says what a job runs, [`rules`] what it costs and who is drawn, [`digest`] what identifies a
//! result. [`chain`] has the market's calls, events and errors as types, and [`view`] folds a job's events to where the
//! job stands now.

pub mod chain;
pub mod digest;
pub mod rules;
pub mod spec;
pub mod view;

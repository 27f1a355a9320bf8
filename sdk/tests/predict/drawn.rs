//! Drawn seats.

//! The provider daemon.

//! Ctrl-C, SIGTERM, and a terminal that goes away.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fail::Failure;

/// Waits for someone who wants this to end.
pub(crate) struct Interrupt {
    int: Signal,
    term: Signal,
    hangup: Signal,
}

impl Interrupt {
    /// From now on signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let open = |kind| {
            signal(kind).map_err(|e| Failure::internal(format!("cannot listen to signals: {e}")))
        };
        Ok(Self {
            int: open(SignalKind::interrupt())?,
            term: open(SignalKind::terminate())?,
            hangup: open(SignalKind::hangup())?,
        })
    }

    /// Ends at the next signal.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

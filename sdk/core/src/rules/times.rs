//! The times with which markets are deployed.

use crate::chain::IMarket;

/// The times of a market on a chain with value, in seconds.
pub const TIMES: IMarket::Times = IMarket::Times {
    stakeAge: 86_400,
    leaseStep: 60,
    juryStep: 600,
    juryTime: 3_600,
    revealWindow: 6 * 3_600,
    respondWindow: 86_400,
    retryWindow: 86_400,
    leastAuditWindow: 2 * 3_600,
    leastRunWindow: 60,
};

/// Times for development networks: blocks come every second or on demand, stake counts at once, and nobody sleeps.
pub const DEV_TIMES: IMarket::Times = IMarket::Times {
    stakeAge: 0,
    leaseStep: 1,
    juryStep: 1,
    juryTime: 30,
    revealWindow: 20,
    respondWindow: 20,
    retryWindow: 20,
    leastAuditWindow: 1,
    leastRunWindow: 1,
};

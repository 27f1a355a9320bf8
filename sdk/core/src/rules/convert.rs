//! The bindings' types as the specification's, and back.

use alloy_primitives::Bytes;
use piecework_protocol::Error;
use piecework_protocol::types::{Assurance, Job, Price, Terms, Times, Timing};

use crate::chain::{IMarket, Revert, decode_revert};

/// The specification's job.
pub fn job(job: &IMarket::Job) -> Job {
    Job {
        terms: terms(&job.terms),
        assurance: assurance(&job.assurance),
        price: price(&job.price),
        timing: timing(&job.timing),
    }
}

/// The specification's terms.
pub fn terms(terms: &IMarket::Terms) -> Terms {
    Terms {
        client: terms.client.into_array(),
        nonce: terms.nonce,
        spec: terms.spec.0,
        tasks: terms.tasks,
        min_lease: terms.minLease,
        max_lease: terms.maxLease,
        providers: terms.providers.0,
    }
}

/// The specification's assurance.
pub fn assurance(assurance: &IMarket::Assurance) -> Assurance {
    Assurance {
        replicas: assurance.replicas,
        quorum: assurance.quorum,
        audit_bps: assurance.auditBps,
        refund: assurance.refund,
        verifier: assurance.verifier.into_array(),
    }
}

/// The specification's prices.
pub fn price(price: &IMarket::Price) -> Price {
    Price {
        min_price: price.minPrice,
        max_price: price.maxPrice,
        bond: price.bond,
        jury_fee: price.juryFee,
    }
}

/// The specification's timing.
pub fn timing(timing: &IMarket::Timing) -> Timing {
    Timing {
        opens_at: timing.opensAt,
        ramp: timing.ramp,
        closes_at: timing.closesAt,
        run_window: timing.runWindow,
        audit_window: timing.auditWindow,
    }
}

/// The specification's times.
pub fn times(times: &IMarket::Times) -> Times {
    Times {
        stake_age: times.stakeAge,
        lease_step: times.leaseStep,
        jury_step: times.juryStep,
        jury_time: times.juryTime,
        reveal_window: times.revealWindow,
        respond_window: times.respondWindow,
        retry_window: times.retryWindow,
        least_audit_window: times.leastAuditWindow,
        least_run_window: times.leastRunWindow,
    }
}

/// The specification's error as the chain would say it.
pub fn revert(error: Error) -> Revert {
    let mut data = Vec::new();
    error.encode(&mut |bytes| data.extend_from_slice(bytes));
    decode_revert(&Bytes::from(data))
}

//! Which results of others are worth watching.

use alloy::primitives::{Address, B256};
use piecework::spec::JobSpec;

use super::{Means, Offer, each, rounds, seats::spec};
use crate::lease::view::LeaseView;

/// Whether a result that can be challenged until `until` is worth running again; then the seconds that two runs of a
/// task and a challenge can take, else why not.
pub(crate) fn watchable(
    offer: Offer<'_>,
    means: Means<'_>,
    lease: &LeaseView,
    until: u64,
) -> Result<u64, String> {
    let (terms, price) = (&offer.job.terms, &offer.job.price);
    if lease.provider == means.provider {
        return Err("it is our own".to_owned());
    }
    if terms.replicas != 1 || terms.verifier != Address::ZERO || price.juryFee == 0 {
        return Err("it has no disputes".to_owned());
    }
    if terms.providers != B256::ZERO {
        return Err("a challenger earns nothing with a private list of providers".to_owned());
    }
    if price.juryFee < means.policy.min_jury_fee {
        return Err("its juryFee is below policy.min_jury_fee".to_owned());
    }
    let spec = spec(offer, means)?;
    if rounds(spec, until.saturating_sub(means.now), means.timing) < 2 {
        return Err("too little of its challenge window is left".to_owned());
    }
    Ok(needs(spec, means))
}

fn needs(spec: &JobSpec, means: Means<'_>) -> u64 {
    let margins = means.timing.margin.saturating_mul(2);
    each(spec).saturating_mul(2).saturating_add(margins)
}

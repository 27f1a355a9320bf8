//! Each call of the bindings as a call of the specification.

use piecework_protocol::{Error, Market};

use super::host::Ahead;
use super::records::{Counted, Memory};
use crate::chain::IMarket::{self, IMarketCalls};
use crate::rules::convert;

/// The job that a call brings.
pub(super) fn job_of(call: &IMarketCalls) -> Option<&IMarket::Job> {
    use IMarketCalls as C;
    Some(match call {
        C::post(c) => &c.job,
        C::postFor(c) => &c.job,
        C::cancel(c) => &c.job,
        C::cancelFor(c) => &c.job,
        C::close(c) => &c.job,
        C::claim(c) => &c.job,
        C::takeover(c) => &c.job,
        C::leave(c) => &c.job,
        C::submit(c) => &c.job,
        C::prove(c) => &c.job,
        C::expire(c) => &c.job,
        C::finalize(c) => &c.job,
        C::join(c) => &c.job,
        C::commit(c) => &c.job,
        C::renew(c) => &c.job,
        C::joinJury(c) => &c.job,
        C::commitVote(c) => &c.job,
        _ => return None,
    })
}

/// The time whose stake counts in a draw that the call makes.
pub(super) fn counted(call: &IMarketCalls, at: u64) -> Counted {
    use IMarketCalls as C;
    match call {
        C::join(_) | C::commit(_) => Counted::BeforePosting,
        C::joinJury(c) => Counted::BeforeSubmission(c.first),
        C::commitVote(c) => Counted::BeforeSubmission(c.first),
        _ => Counted::Before(at),
    }
}

/// Runs the call. `None` for those that depend on what no view tells:
///
/// - `deposit`, `depositWithPermit`, `stake`: all that the market holds, and the token;
/// - `settle`, `judge`: what seats committed to, or opened;
/// - `setFee`: who may change the fee.
pub(super) fn apply(
    market: &mut Market<Memory<'_>, Ahead<'_>>,
    call: &IMarketCalls,
) -> Option<Result<(), Error>> {
    use IMarketCalls as C;
    let none = |_| ();
    Some(match call {
        C::withdraw(c) => market.withdraw(&c.to.into_array(), c.amount),
        C::unstake(c) => market.unstake(&c.to.into_array(), c.amount),
        C::setOperator(c) => market.set_operator(&c.operator.into_array(), c.allowed),
        C::setProfile(c) => {
            market.set_profile(&c.nodeId.0, &c.capabilities.0, c.endpoint.as_bytes())
        }
        C::admit(c) => market.admit(&c.list.0, &c.provider.into_array(), &list(&c.proof)),
        C::post(c) => market.post(&convert::job(&c.job), &c.spec).map(none),
        C::postFor(c) => market
            .post_for(&convert::job(&c.job), &c.spec, &c.signature)
            .map(none),
        C::revoke(c) => market.revoke(c.nonce),
        C::cancel(c) => market.cancel(&convert::job(&c.job)),
        C::cancelFor(c) => market.cancel_for(&convert::job(&c.job), &c.signature),
        C::close(c) => market.close(&convert::job(&c.job), &c.firsts),
        C::claim(c) => market
            .claim(
                &convert::job(&c.job),
                &c.provider.into_array(),
                c.least,
                c.most,
            )
            .map(|_| ()),
        C::takeover(c) => market.takeover(&convert::job(&c.job), &c.provider.into_array(), c.first),
        C::leave(c) => market.leave(
            &convert::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
        ),
        C::submit(c) => market.submit(
            &convert::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
            &c.root.0,
            &c.digestList.0,
        ),
        C::prove(c) => market.prove(
            &convert::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
            &c.root.0,
            &c.digestList.0,
            &c.proof,
        ),
        C::finalize(c) => market.finalize(&convert::job(&c.job), &c.firsts),
        C::expire(c) => market.expire(&convert::job(&c.job), c.first),
        C::join(c) => market.join(
            &convert::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
        ),
        C::commit(c) => market.commit(
            &convert::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
            &c.commitment.0,
        ),
        C::renew(c) => market.renew(&convert::job(&c.job), c.first),
        C::joinJury(c) => market.join_jury(
            &convert::job(&c.job),
            c.first,
            c.round,
            c.jury,
            &c.provider.into_array(),
        ),
        C::commitVote(c) => market.commit_vote(
            &convert::job(&c.job),
            c.first,
            c.round,
            c.jury,
            &c.provider.into_array(),
            &c.commitment.0,
        ),
        _ => return None,
    })
}

fn list(items: &[alloy::primitives::B256]) -> Vec<[u8; 32]> {
    items.iter().map(|item| item.0).collect()
}

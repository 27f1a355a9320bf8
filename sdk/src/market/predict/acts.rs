//! Each call of the bindings as a call of the specification.

use piecework_protocol::{Error, Market};

use super::host::Ahead;
use super::records::Memory;
use crate::chain::IMarket::{self, IMarketCalls};
use crate::rules::words;

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
        C::submit(c) => &c.job,
        C::prove(c) => &c.job,
        C::accept(c) => &c.job,
        C::acceptFor(c) => &c.job,
        C::finalize(c) => &c.job,
        C::expire(c) => &c.job,
        C::release(c) => &c.job,
        C::seal(c) => &c.job,
        C::join(c) => &c.job,
        C::commit(c) => &c.job,
        C::challenge(c) => &c.job,
        C::sealJury(c) => &c.job,
        C::joinJury(c) => &c.job,
        C::commitVote(c) => &c.job,
        C::revealAnswer(c) => &c.job,
        C::demand(c) => &c.job,
        C::respond(c) => &c.job,
        C::forfeit(c) => &c.job,
        _ => return None,
    })
}

/// Runs the call. `None` for those that depend on what no view tells:
///
/// - `deposit`, `depositWithPermit`, `stake`: all that the market holds, and the token;
/// - `reveal`, `settle`, `revealVote`, `judge`: what seats committed to, or revealed;
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
        C::post(c) => market.post(&words::job(&c.job), &c.spec).map(none),
        C::postFor(c) => market
            .post_for(&words::job(&c.job), &c.spec, &c.signature)
            .map(none),
        C::revoke(c) => market.revoke(c.nonce),
        C::cancel(c) => market.cancel(&words::job(&c.job)),
        C::cancelFor(c) => market.cancel_for(&words::job(&c.job), &c.signature),
        C::close(c) => market.close(&words::job(&c.job), &c.firsts),
        C::claim(c) => market
            .claim(&words::job(&c.job), &c.provider.into_array(), c.count)
            .map(|_| ()),
        C::takeover(c) => market.takeover(&words::job(&c.job), &c.provider.into_array(), c.first),
        C::submit(c) => market.submit(
            &words::job(&c.job),
            c.first,
            &c.provider.into_array(),
            &c.root.0,
            &c.manifest.0,
        ),
        C::prove(c) => market.prove(
            &words::job(&c.job),
            c.first,
            &c.provider.into_array(),
            &c.root.0,
            &c.manifest.0,
            &c.proof,
        ),
        C::accept(c) => market.accept(&words::job(&c.job), c.first, &c.root.0),
        C::acceptFor(c) => market.accept_for(&words::job(&c.job), c.first, &c.signature),
        C::finalize(c) => market.finalize(&words::job(&c.job), c.first),
        C::expire(c) => market.expire(&words::job(&c.job), c.first),
        C::release(c) => market.release(&words::job(&c.job), c.first, &c.provider.into_array()),
        C::seal(c) => market.seal(&words::job(&c.job)),
        C::join(c) => market.join(
            &words::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
        ),
        C::commit(c) => market.commit(
            &words::job(&c.job),
            c.first,
            c.round,
            &c.provider.into_array(),
            &c.commitment.0,
        ),
        C::challenge(c) => market.challenge(
            &words::job(&c.job),
            c.first,
            c.round,
            c.number,
            c.task,
            &c.digest.0,
            &list(&c.proof),
            &c.answer.0,
        ),
        C::sealJury(c) => market.seal_jury(&words::job(&c.job), c.first),
        C::joinJury(c) => market.join_jury(
            &words::job(&c.job),
            c.first,
            c.round,
            c.number,
            &c.provider.into_array(),
        ),
        C::commitVote(c) => market.commit_vote(
            &words::job(&c.job),
            c.first,
            c.round,
            c.number,
            &c.provider.into_array(),
            &c.commitment.0,
        ),
        C::revealAnswer(c) => {
            market.reveal_answer(&words::job(&c.job), c.first, &c.digest.0, &c.salt.0)
        }
        C::demand(c) => market.demand(&words::job(&c.job), c.first),
        C::respond(c) => market.respond(
            &words::job(&c.job),
            c.first,
            &c.provider.into_array(),
            &list(&c.digests),
        ),
        C::forfeit(c) => market.forfeit(&words::job(&c.job), c.first),
        _ => return None,
    })
}

fn list(items: &[alloy::primitives::B256]) -> Vec<[u8; 32]> {
    items.iter().map(|item| item.0).collect()
}

//! The specification's side: each call of the ABI as a call of the crate.

use alloy_primitives::{Address as EthAddress, B256, FixedBytes};
use alloy_sol_types::{SolCall, SolError};
use piecework_protocol::hash::Round;
use piecework_protocol::types::{
    Address, Assurance, Bytes32, Job, Opening, Price, Terms, Times, Timing,
};
use piecework_protocol::{Error, Permit};

use crate::bindings::IMarket::{self, IMarketCalls};
use crate::bindings::{Call, FailedCall, multicallCall};
use crate::chain::Chain;
use crate::memory::Memory;

/// The specification over a memory and a scripted chain.
pub type Model = piecework_protocol::Market<Memory, Chain>;

/// What a call returned, or else what it reverts with.
pub type Outcome = Result<Vec<u8>, Vec<u8>>;

/// The crate's job for the ABI's.
pub fn job_of(job: &IMarket::Job) -> Job {
    let IMarket::Job {
        terms,
        assurance,
        price,
        timing,
    } = job;
    Job {
        terms: Terms {
            client: terms.client.into_array(),
            nonce: terms.nonce,
            spec: terms.spec.0,
            tasks: terms.tasks,
            min_lease: terms.minLease,
            max_lease: terms.maxLease,
            providers: terms.providers.0,
        },
        assurance: Assurance {
            replicas: assurance.replicas,
            quorum: assurance.quorum,
            audit_bps: assurance.auditBps,
            refund: assurance.refund,
            verifier: assurance.verifier.into_array(),
        },
        price: Price {
            min_price: price.minPrice,
            max_price: price.maxPrice,
            bond: price.bond,
            jury_fee: price.juryFee,
        },
        timing: Timing {
            opens_at: timing.opensAt,
            ramp: timing.ramp,
            closes_at: timing.closesAt,
            run_window: timing.runWindow,
            audit_window: timing.auditWindow,
        },
    }
}

/// The crate's times for the ABI's.
pub fn times_of(times: &IMarket::Times) -> Times {
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

/// The crate's openings for the ABI's.
fn openings_of(openings: &[IMarket::Opening]) -> Vec<Opening> {
    let one = |opening: &IMarket::Opening| Opening {
        number: opening.number,
        value: opening.value.0,
        proof: opening.proof.0,
        salt: opening.salt.0,
    };
    openings.iter().map(one).collect()
}

fn words(list: &[B256]) -> Vec<Bytes32> {
    list.iter().map(|word| word.0).collect()
}

/// The revert data of an error; the token's or the beacon's own where one of them reverted.
pub fn revert_data(model: &Model, error: &Error) -> Vec<u8> {
    if *error == Error::CalleeReverted {
        return model.host.token_said.clone();
    }
    let mut data = Vec::new();
    error.encode(&mut |bytes| data.extend_from_slice(bytes));
    data
}

/// Runs a call or a view.
pub fn apply(model: &mut Model, call: &Call) -> Outcome {
    match call {
        Call::One(call) => dispatch(model, call).map_err(|error| revert_data(model, &error)),
        Call::All(calls) => {
            // All or none: what the first ones did is taken back if a later one fails.
            let (writes, host) = (model.store.writes(), model.host.clone());
            let mut results = Vec::new();
            for call in calls {
                match dispatch(model, call) {
                    Ok(result) => results.push(result.into()),
                    Err(error) => {
                        // OpenZeppelin's `Multicall` speaks for a call that reverts without a word.
                        let data = match revert_data(model, &error) {
                            data if data.is_empty() => FailedCall {}.abi_encode(),
                            data => data,
                        };
                        model.store.undo_to(writes);
                        model.host = host;
                        return Err(data);
                    }
                }
            }
            Ok(multicallCall::abi_encode_returns(&results))
        }
    }
}

/// A state of the ABI, by its number.
fn state<T: TryFrom<u8>>(number: u8) -> T {
    T::try_from(number).ok().expect("the states of the ABI")
}

fn dispatch(model: &mut Model, call: &IMarketCalls) -> Result<Vec<u8>, Error> {
    use IMarketCalls as C;
    fn a(address: &EthAddress) -> &Address {
        &address.0.0
    }
    fn w(word: &FixedBytes<32>) -> &Bytes32 {
        &word.0
    }
    let none = |()| Vec::new();
    match call {
        // ledger
        C::deposit(c) => model.deposit(a(&c.account), c.amount).map(none),
        C::depositWithPermit(c) => {
            let permit = Permit {
                deadline: c.deadline,
                v: c.v,
                r: c.r.0,
                s: c.s.0,
            };
            model
                .deposit_with_permit(a(&c.account), c.amount, &permit)
                .map(none)
        }
        C::withdraw(c) => model.withdraw(a(&c.to), c.amount).map(none),
        C::setFee(c) => model.set_fee(c.feeBps, a(&c.recipient)).map(none),
        // providers
        C::stake(c) => model.stake(c.amount).map(none),
        C::unstake(c) => model.unstake(a(&c.to), c.amount).map(none),
        C::setOperator(c) => model.set_operator(a(&c.operator), c.allowed).map(none),
        C::setProfile(c) => model
            .set_profile(w(&c.nodeId), w(&c.capabilities), c.endpoint.as_bytes())
            .map(none),
        C::admit(c) => model
            .admit(w(&c.list), a(&c.provider), &words(&c.proof))
            .map(none),
        // jobs
        C::post(c) => model.post(&job_of(&c.job), &c.spec).map(|id| id.to_vec()),
        C::postFor(c) => model
            .post_for(&job_of(&c.job), &c.spec, &c.signature)
            .map(|id| id.to_vec()),
        C::revoke(c) => model.revoke(c.nonce).map(none),
        C::cancel(c) => model.cancel(&job_of(&c.job)).map(none),
        C::cancelFor(c) => model.cancel_for(&job_of(&c.job), &c.signature).map(none),
        C::close(c) => model.close(&job_of(&c.job), &c.firsts).map(none),
        // ordinary leases
        C::claim(c) => model
            .claim(&job_of(&c.job), a(&c.provider), c.least, c.most)
            .map(|(first, count)| {
                IMarket::claimCall::abi_encode_returns(&IMarket::claimReturn { first, count })
            }),
        C::takeover(c) => model
            .takeover(&job_of(&c.job), a(&c.provider), c.first)
            .map(none),
        C::leave(c) => model
            .leave(&job_of(&c.job), c.first, c.round, a(&c.provider))
            .map(none),
        C::submit(c) => model
            .submit(
                &job_of(&c.job),
                c.first,
                c.round,
                a(&c.provider),
                w(&c.root),
                w(&c.digestList),
            )
            .map(none),
        C::prove(c) => model
            .prove(
                &job_of(&c.job),
                c.first,
                c.round,
                a(&c.provider),
                w(&c.root),
                w(&c.digestList),
                &c.proof,
            )
            .map(none),
        C::finalize(c) => model.finalize(&job_of(&c.job), &c.firsts).map(none),
        C::expire(c) => model.expire(&job_of(&c.job), c.first).map(none),
        // redundant leases
        C::join(c) => model
            .join(&job_of(&c.job), c.first, c.round, a(&c.provider))
            .map(none),
        C::commit(c) => model
            .commit(
                &job_of(&c.job),
                c.first,
                c.round,
                a(&c.provider),
                w(&c.commitment),
            )
            .map(none),
        C::settle(c) => model
            .settle(&job_of(&c.job), c.first, c.round, &openings_of(&c.openings))
            .map(none),
        C::renew(c) => model.renew(&job_of(&c.job), c.first).map(none),
        // audits
        C::joinJury(c) => model
            .join_jury(&job_of(&c.job), c.first, c.round, c.jury, a(&c.provider))
            .map(none),
        C::commitVote(c) => model
            .commit_vote(
                &job_of(&c.job),
                c.first,
                c.round,
                c.jury,
                a(&c.provider),
                w(&c.commitment),
            )
            .map(none),
        C::judge(c) => model
            .judge(
                &job_of(&c.job),
                c.first,
                c.round,
                c.jury,
                &openings_of(&c.openings),
                w(&c.leaf),
                &words(&c.proof),
            )
            .map(none),
        view => read(model, view),
    }
}

fn read(model: &Model, call: &IMarketCalls) -> Result<Vec<u8>, Error> {
    use IMarketCalls as C;
    Ok(match call {
        C::balanceOf(c) => {
            IMarket::balanceOfCall::abi_encode_returns(&model.balance_of(&c.account.0.0)?)
        }
        C::burned(_) => IMarket::burnedCall::abi_encode_returns(&model.burned()),
        C::totalStake(_) => IMarket::totalStakeCall::abi_encode_returns(&model.total_stake()),
        C::token(_) => IMarket::tokenCall::abi_encode_returns(&model.token().into()),
        C::fee(_) => {
            let (fee, recipient) = model.fee();
            let recipient = recipient.into();
            IMarket::feeCall::abi_encode_returns(&IMarket::feeReturn {
                feeBps: fee,
                recipient,
            })
        }
        C::times(_) => {
            let times = model.times();
            IMarket::timesCall::abi_encode_returns(&IMarket::Times {
                stakeAge: times.stake_age,
                leaseStep: times.lease_step,
                juryStep: times.jury_step,
                juryTime: times.jury_time,
                revealWindow: times.reveal_window,
                respondWindow: times.respond_window,
                retryWindow: times.retry_window,
                leastAuditWindow: times.least_audit_window,
                leastRunWindow: times.least_run_window,
            })
        }
        C::isDevnet(_) => IMarket::isDevnetCall::abi_encode_returns(&model.is_devnet()),
        C::beacon(_) => IMarket::beaconCall::abi_encode_returns(&model.beacon().into()),
        C::weightAt(c) => {
            IMarket::weightAtCall::abi_encode_returns(&model.weight_at(&c.provider.0.0, c.time))
        }
        C::totalWeightAt(c) => {
            IMarket::totalWeightAtCall::abi_encode_returns(&model.total_weight_at(c.time))
        }
        C::providerOf(c) => {
            let state = model.provider_of(&c.provider.0.0);
            IMarket::providerOfCall::abi_encode_returns(&IMarket::ProviderState {
                number: state.number,
                stake: state.stake,
                free: state.free,
                stakedAt: state.staked_at,
                completed: state.completed,
                late: state.late,
                slashed: state.slashed,
            })
        }
        C::profileOf(c) => {
            let profile = model.profile_of(&c.provider.0.0);
            IMarket::profileOfCall::abi_encode_returns(&IMarket::profileOfReturn {
                nodeId: profile.node_id.into(),
                capabilities: profile.capabilities.into(),
                endpoint: String::from_utf8_lossy(profile.endpoint()).into_owned(),
            })
        }
        C::isOperator(c) => IMarket::isOperatorCall::abi_encode_returns(
            &model.is_operator(&c.provider.0.0, &c.operator.0.0),
        ),
        C::isAdmitted(c) => IMarket::isAdmittedCall::abi_encode_returns(
            &model.is_admitted(&c.list.0, &c.provider.0.0),
        ),
        C::isRevoked(c) => {
            IMarket::isRevokedCall::abi_encode_returns(&model.is_revoked(&c.client.0.0, c.nonce))
        }
        C::hashJob(c) => model.hash_job(&job_of(&c.job)).to_vec(),
        C::priceAt(c) => {
            IMarket::priceAtCall::abi_encode_returns(&model.price_at(&job_of(&c.job), c.time)?)
        }
        C::jobOf(c) => {
            let record = model.job_of(&c.jobId.0);
            IMarket::jobOfCall::abi_encode_returns(&IMarket::JobState {
                status: state(record.status as u8),
                feeBps: record.fee_bps,
                next: record.next,
                postedAt: record.posted_at,
                point: record.point,
            })
        }
        C::leaseOf(c) => {
            let lease = model.lease_of(&c.jobId.0, c.first);
            IMarket::leaseOfCall::abi_encode_returns(&IMarket::LeaseState {
                provider: lease.provider.into(),
                phase: state(lease.phase as u8),
                grade: state(lease.grade as u8),
                round: lease.round,
                count: lease.count,
                since: lease.since,
                origin: lease.origin,
                point: lease.point,
                root: lease.root.into(),
                seats: lease.seats,
                commits: lease.commits,
                opened: lease.opened,
            })
        }
        C::resultRoot(c) => {
            let (root, count, grade) = model.result_root(&c.jobId.0, c.first);
            IMarket::resultRootCall::abi_encode_returns(&IMarket::resultRootReturn {
                root: root.into(),
                count,
                grade: state(grade as u8),
            })
        }
        C::auditOf(c) => {
            let audit = model.audit_of(&c.jobId.0, c.first);
            IMarket::auditOfCall::abi_encode_returns(&IMarket::AuditState {
                jury: audit.jury,
                task: audit.task,
                since: audit.since,
                due: audit.due,
                point: audit.point,
                seats: audit.seats,
                commits: audit.commits,
                opened: audit.opened,
                undecided: audit.undecided,
            })
        }
        C::seatOf(c) => {
            let round = round_of(c.jobId, c.first, c.round, c.kind);
            let seat = model.seat_of(&round, &c.provider.0.0);
            IMarket::seatOfCall::abi_encode_returns(&state(seat as u8))
        }
        C::commitmentOf(c) => {
            let opening = Opening {
                number: c.number,
                value: c.value.0,
                proof: c.proof.0,
                salt: c.salt.0,
            };
            let round = round_of(c.jobId, c.first, c.round, c.kind);
            model.commitment_of(&round, &opening).to_vec()
        }
        other => panic!("the specification has no such call: {other:?}"),
    })
}

fn round_of(job_id: B256, first: u32, round: u16, kind: u8) -> Round {
    Round {
        job_id: job_id.0,
        first,
        round,
        kind,
    }
}

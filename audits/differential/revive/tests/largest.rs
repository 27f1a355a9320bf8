//! The largest of what the protocol asks for in one call fits into one transaction wherever the market runs: else
//! whoever must make that call would lose a bond, or wait for money for ever.
#![allow(clippy::expect_used)]

use alloy_primitives::{B256, Bytes, U256, keccak256};
use piecework_differential::bindings::Call;
use piecework_differential::bindings::IMarket::{self, IMarketCalls};
use piecework_differential::bindings::free_job;
use piecework_differential::model::job_of;
use piecework_differential::world::World;
use piecework_protocol::Store;
use piecework_protocol::hash::{self, Ballot};
use piecework_protocol::result::root_of;
use piecework_protocol::rules::MAX_SPEC;
use piecework_protocol::types::Phase;
use piecework_revive::target;

/// Who posts.
const CLIENT: [u8; 20] = [0xa0; 20];
/// What the client has, and each provider stakes: so much more than others that all of them are drawn.
const PURSE: u64 = 1 << 40;

/// A market in all places; the client with a deposit, and these providers with stake.
fn everywhere(providers: &[[u8; 20]]) -> World {
    let mut world = World::new(1, &target::everywhere()).expect("a market");
    let block = world.block;
    let deposit = IMarket::depositCall {
        account: CLIENT.into(),
        amount: PURSE.into(),
    };
    let stake = IMarket::stakeCall {
        amount: PURSE.into(),
    };
    let people = providers
        .iter()
        .map(|provider| (*provider, stake.clone().into()));
    for (account, call) in people.chain([(CLIENT, deposit.into())]) {
        let purse = U256::from(PURSE);
        world
            .sides
            .give(account, purse, purse, &block)
            .expect("alike");
        assert!(world.make(account, call).expect("alike"));
    }
    world.pass(150, 5);
    world
}

/// A job of the client.
fn job(tasks: u32, lease: u32, seats: u8, now: u64) -> IMarket::Job {
    let mut job = free_job(CLIENT.into(), now);
    (job.terms.tasks, job.terms.maxLease) = (tasks, lease);
    (job.terms.replicas, job.terms.quorum) = (seats, seats / 2 + 1);
    (job.price.minPrice, job.price.maxPrice, job.price.bond) = (5, 5, 3);
    job.price.juryFee = u128::from(seats == 1);
    job
}

fn post(job: &IMarket::Job) -> IMarket::postCall {
    IMarket::postCall {
        job: job.clone(),
        spec: Bytes::new(),
    }
}

/// A provider that cannot answer a demand loses its bond: so the largest answer must fit into a transaction everywhere.
#[test]
fn all_digests_of_the_largest_lease_fit_into_a_transaction() {
    const TASKS: u32 = 2_048;
    let provider = [0xb0; 20];
    let mut world = everywhere(&[provider]);
    let job = job(TASKS, TASKS, 1, world.block.time);
    let digests: Vec<[u8; 32]> = (0..TASKS)
        .map(|task| keccak256(task.to_be_bytes()).0)
        .collect();
    let root = root_of(&world.sides.model.host, 0, &digests).expect("a root");
    let first = 0;
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: provider.into(),
        count: TASKS,
    };
    let submit = IMarket::submitCall {
        job: job.clone(),
        first,
        provider: provider.into(),
        root: root.into(),
        manifest: B256::ZERO,
    };
    let demand = IMarket::demandCall {
        job: job.clone(),
        first,
    };
    let respond = IMarket::respondCall {
        job: job.clone(),
        first,
        provider: provider.into(),
        digests: digests.into_iter().map(B256::from).collect(),
    };
    let calls = [
        (CLIENT, post(&job).into()),
        (provider, claim.into()),
        (provider, submit.into()),
        (CLIENT, demand.into()),
        (provider, respond.into()),
    ];
    for (caller, call) in calls {
        assert!(world.make(caller, call).expect("alike"));
    }
}

/// With more seats than this a job is not posted (`BadQuorum`).
const SEATS: u8 = 15;

/// Apart, and with the last reveal.
#[test]
fn a_round_of_the_most_seats_settles_in_one_transaction() {
    let providers: Vec<[u8; 20]> = (1..=SEATS).map(|number| [0xb0 + number; 20]).collect();
    let mut world = everywhere(&providers);
    for (nonce, apart) in [(0, true), (1, false)] {
        let mut job = job(1, 1, SEATS, world.block.time);
        job.terms.nonce = nonce;
        settles(&mut world, &providers, &job, apart);
    }
}

fn settles(world: &mut World, providers: &[[u8; 20]], job: &IMarket::Job, apart: bool) {
    assert!(world.make(CLIENT, post(job).into()).expect("alike"));
    world.pass(5, 3);
    let seal = IMarket::sealCall { job: job.clone() };
    assert!(world.make(CLIENT, seal.into()).expect("alike"));
    world.pass(45, 1);

    let (first, round) = (0, 1);
    let job_id = world.sides.model.hash_job(&job_of(job));
    let ballot = |provider: [u8; 20]| Ballot {
        job_id,
        first,
        round,
        challenge: 0,
        provider,
        vote: [1; 32],
        salt: [2; 32],
    };
    for provider in providers {
        let commitment = hash::commitment(&world.sides.model.host, &ballot(*provider));
        let commit = IMarket::commitCall {
            job: job.clone(),
            first,
            round,
            provider: (*provider).into(),
            commitment: commitment.into(),
        };
        assert!(world.make(*provider, commit.into()).expect("alike"));
    }
    let store = &world.sides.model.store;
    let mut panel: Vec<u32> = providers
        .iter()
        .map(|account| store.number(account))
        .collect();
    panel.sort_unstable();
    for (place, provider) in providers.iter().enumerate() {
        let ballot = ballot(*provider);
        let last = place + 1 == providers.len();
        let reveal = IMarket::revealCall {
            job: job.clone(),
            first,
            provider: (*provider).into(),
            root: ballot.vote.into(),
            manifest: B256::ZERO,
            salt: ballot.salt.into(),
            panel: if last && !apart {
                panel.clone()
            } else {
                Vec::new()
            },
        };
        assert!(world.make(*provider, reveal.into()).expect("alike"));
    }
    if apart {
        let settle = IMarket::settleCall {
            job: job.clone(),
            first,
            root: B256::repeat_byte(1),
            panel,
        };
        assert!(world.make(CLIENT, settle.into()).expect("alike"));
    }
    assert_eq!(
        world.sides.model.store.lease(&job_id, first).phase,
        Phase::Settled
    );
}

/// As many as the client of this repository closes with one call.
const LEASES: u32 = 100;

/// Those that never had a round; and those whose providers are late, each of whom loses a part of its bond by it.
#[test]
fn a_hundred_leases_close_in_one_transaction() {
    let provider = [0xb0; 20];
    let mut world = everywhere(&[provider]);
    for (nonce, seats) in [(0, 3), (1, 1)] {
        let mut job = job(LEASES, 1, seats, world.block.time);
        job.terms.nonce = nonce;
        assert!(world.make(CLIENT, post(&job).into()).expect("alike"));
        if seats == 1 {
            let claim = IMarket::claimCall {
                job: job.clone(),
                provider: provider.into(),
                count: 1,
            };
            for _ in 0..LEASES {
                assert!(world.make(provider, claim.clone().into()).expect("alike"));
            }
            assert!(!world.make(provider, claim.into()).expect("alike"));
            assert_eq!(world.sides.tally.errors.get("NothingLeft"), Some(&1));
        }
        world.pass(1_001, 1);
        let close = IMarket::closeCall {
            job,
            firsts: (0..LEASES).collect(),
        };
        assert!(world.make(CLIENT, close.into()).expect("alike"));
    }
}

/// The longest spec (`SpecTooLong`), and as many of them in one `multicall` as calldata of 128 KiB holds: they fit into an
/// ink! contract's memory, too.
#[test]
fn the_longest_specs_are_posted_in_one_transaction() {
    let mut world = everywhere(&[]);
    let spec = vec![7; MAX_SPEC];
    let calls = (0..7).map(|nonce| {
        let mut job = job(1, 1, 1, world.block.time);
        (job.terms.nonce, job.terms.spec) = (nonce, keccak256(&spec));
        let spec = Bytes::from(spec.clone());
        IMarketCalls::post(IMarket::postCall { job, spec })
    });
    let calls: Vec<IMarketCalls> = calls.collect();
    let (block, all) = (world.block, Call::All(calls));
    assert!(all.encode().len() > 112 * 1024);
    assert!(
        world
            .sides
            .step(CLIENT, &all, &block, false)
            .expect("alike")
    );
}

//! The largest of what the protocol asks for in one call fits into one transaction wherever the market runs. Otherwise whoever
//! must make that call would lose a bond, or never get its money back.
#![allow(clippy::expect_used)]

use alloy_primitives::{B256, Bytes, U256, keccak256};
use piecework_differential::bindings::Call;
use piecework_differential::bindings::IMarket::{self, IMarketCalls};
use piecework_differential::bindings::free_job;
use piecework_differential::model::job_of;
use piecework_differential::world::World;
use piecework_protocol::Store;
use piecework_protocol::hash::{self, Round};
use piecework_protocol::result::root_of;
use piecework_protocol::rules::{MAX_LEASE, MAX_REPLICAS, MAX_SPEC};
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Grade, Opening, Phase};
use piecework_revive::target;

/// Who posts.
const CLIENT: [u8; 20] = [0xa0; 20];
/// What the client has, and each provider stakes: so much more than others that all of them are drawn.
const PURSE: u64 = 1 << 40;
/// Seconds after which a seed is known, and everybody is drawn for any seat.
const DRAWN: u64 = 165;

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
    let purse = U256::from(PURSE);
    for account in providers.iter().chain([&CLIENT]) {
        let given = world.sides.give(*account, purse, purse, &block);
        given.expect("alike");
    }
    for provider in providers {
        makes(&mut world, *provider, stake.clone());
    }
    makes(&mut world, CLIENT, deposit);
    pass(&mut world, 150);
    world
}

/// So many seconds pass, and a few more if the beacon would not answer, or its point would be dead.
fn pass(world: &mut World, seconds: u64) {
    world.pass(seconds, 1);
    while world.block.time % 61 == 60 || (world.block.time + 20).is_multiple_of(7) {
        world.pass(1, 1);
    }
}

/// Makes a call on all sides, which must succeed.
fn makes(world: &mut World, caller: [u8; 20], call: impl Into<IMarketCalls>) {
    let call = call.into();
    let name = Call::One(call.clone()).name();
    assert!(world.make(caller, call).expect("alike"), "{name}");
}

/// A job of the client. With one seat its leases are audited, all of them.
fn job(tasks: u32, lease: u32, seats: u8, now: u64) -> IMarket::Job {
    let mut job = free_job(CLIENT.into(), now);
    job.terms.tasks = tasks;
    (job.terms.minLease, job.terms.maxLease) = (lease, lease);
    (job.assurance.replicas, job.assurance.quorum) = (seats, seats / 2 + 1);
    (job.price.minPrice, job.price.maxPrice, job.price.bond) = (5, 5, 3);
    if seats == 1 {
        (job.assurance.auditBps, job.price.juryFee) = (10_000, 1);
        job.timing.auditWindow = 500;
    }
    job
}

fn post(job: &IMarket::Job) -> IMarket::postCall {
    IMarket::postCall {
        job: job.clone(),
        spec: Bytes::new(),
    }
}

fn claim(job: &IMarket::Job, provider: [u8; 20]) -> IMarket::claimCall {
    IMarket::claimCall {
        job: job.clone(),
        provider: provider.into(),
        least: job.terms.minLease,
        most: job.terms.maxLease,
    }
}

fn submit(
    job: &IMarket::Job,
    first: u32,
    provider: [u8; 20],
    root: [u8; 32],
) -> IMarket::submitCall {
    IMarket::submitCall {
        job: job.clone(),
        first,
        round: 1,
        provider: provider.into(),
        root: root.into(),
        digestList: B256::ZERO,
    }
}

/// A job's id, and the state of one of its leases.
fn lease(world: &World, job: &IMarket::Job, first: u32) -> ([u8; 32], LeaseSlot) {
    let job_id = world.sides.model.hash_job(&job_of(job));
    (job_id, world.sides.model.store.lease(&job_id, first))
}

/// What these providers open in the round, ascending by number, and the commitment of each.
fn openings(
    world: &World,
    round: &Round,
    providers: &[[u8; 20]],
    (value, proof): ([u8; 32], [u8; 32]),
) -> Vec<([u8; 20], IMarket::Opening, B256)> {
    let model = &world.sides.model;
    let mut all: Vec<_> = providers
        .iter()
        .map(|provider| {
            let number = model.store.number(provider);
            let salt = [2; 32];
            let opening = Opening {
                number,
                value,
                proof,
                salt,
            };
            let commitment = model.commitment_of(round, &opening);
            let opening = IMarket::Opening {
                number,
                value: value.into(),
                proof: proof.into(),
                salt: salt.into(),
            };
            (*provider, opening, commitment.into())
        })
        .collect();
    all.sort_by_key(|(_, opening, _)| opening.number);
    all
}

/// The jury of a lease of the most tasks decides in one transaction, which brings all votes and the accused's leaf.
#[test]
fn a_jury_judges_the_largest_lease_in_one_transaction() {
    let [accused, jurors @ ..] = [1, 2, 3, 4].map(|number| [0x80 + number; 20]);
    let mut world = everywhere(&[accused, jurors[0], jurors[1], jurors[2]]);
    let job = job(MAX_LEASE, MAX_LEASE, 1, world.block.time);
    let digests: Vec<[u8; 32]> = (0..MAX_LEASE)
        .map(|task| keccak256(task.to_be_bytes()).0)
        .collect();
    let root = root_of(&world.sides.model.host, 0, &digests).expect("a root");
    makes(&mut world, CLIENT, post(&job));
    makes(&mut world, accused, claim(&job, accused));
    makes(&mut world, accused, submit(&job, 0, accused, root));
    pass(&mut world, DRAWN);

    let (job_id, _) = lease(&world, &job, 0);
    let (first, jury) = (0, 1);
    let round = Round {
        job_id,
        first,
        round: 1,
        kind: jury,
    };
    // The first juror opens the audit, which draws the task.
    let join = IMarket::joinJuryCall {
        job: job.clone(),
        first,
        round: 1,
        jury,
        provider: jurors[0].into(),
    };
    makes(&mut world, jurors[0], join);
    let task = world.sides.model.store.audit(&job_id, first).task;
    let leaf = keccak256(task.to_be_bytes());
    let votes = openings(&world, &round, &jurors, (leaf.0, [3; 32]));
    for (juror, _, commitment) in &votes {
        let commit = IMarket::commitVoteCall {
            job: job.clone(),
            first,
            round: 1,
            jury,
            provider: (*juror).into(),
            commitment: *commitment,
        };
        makes(&mut world, *juror, commit);
    }
    let proof = world.path(first, &digests, task);
    assert_eq!(proof.len(), 11);
    let judge = IMarket::judgeCall {
        job: job.clone(),
        first,
        round: 1,
        jury,
        openings: votes.into_iter().map(|(_, opening, _)| opening).collect(),
        leaf,
        proof,
    };
    makes(&mut world, CLIENT, judge);
    let (_, end) = lease(&world, &job, first);
    assert_eq!((end.phase, end.grade), (Phase::Settled, Grade::Audited));
}

/// Opened by one call, and seat by seat, where the last call names all of them again.
#[test]
fn a_round_of_the_most_seats_settles_in_one_transaction() {
    let numbers = 1..=MAX_REPLICAS;
    let providers: Vec<[u8; 20]> = numbers.map(|number| [0x80 + number; 20]).collect();
    let mut world = everywhere(&providers);
    for (nonce, apart) in [(0, true), (1, false)] {
        let mut job = job(1, 1, MAX_REPLICAS, world.block.time);
        job.terms.nonce = nonce;
        settles(&mut world, &providers, &job, apart);
    }
}

fn settles(world: &mut World, providers: &[[u8; 20]], job: &IMarket::Job, apart: bool) {
    makes(world, CLIENT, post(job));
    pass(world, DRAWN);
    let (job_id, _) = lease(world, job, 0);
    let (first, round) = (0, 1);
    let seats = Round {
        job_id,
        first,
        round,
        kind: hash::LEASE,
    };
    let all = openings(world, &seats, providers, ([1; 32], [3; 32]));
    for (provider, _, commitment) in &all {
        let commit = IMarket::commitCall {
            job: job.clone(),
            first,
            round,
            provider: (*provider).into(),
            commitment: *commitment,
        };
        makes(world, *provider, commit);
    }
    let settle = |openings: Vec<IMarket::Opening>| IMarket::settleCall {
        job: job.clone(),
        first,
        round,
        openings,
    };
    let everybody: Vec<IMarket::Opening> =
        all.iter().map(|(_, opening, _)| opening.clone()).collect();
    if apart {
        for (provider, opening, _) in all.iter().skip(1) {
            makes(world, *provider, settle(vec![opening.clone()]));
        }
    }
    makes(world, CLIENT, settle(everybody));
    let (_, end) = lease(world, job, first);
    assert_eq!((end.phase, end.grade), (Phase::Settled, Grade::Quorum));
}

/// Twice as many as the client of this repository ends with one call.
const LEASES: u32 = 100;

/// Leases whose providers are late, each of which loses a part of its bond by it.
#[test]
fn a_hundred_leases_close_in_one_transaction() {
    let provider = [0x80; 20];
    let mut world = everywhere(&[provider]);
    let job = job(LEASES, 1, 1, world.block.time);
    makes(&mut world, CLIENT, post(&job));
    for _ in 0..LEASES {
        makes(&mut world, provider, claim(&job, provider));
    }
    let more = world.make(provider, claim(&job, provider).into());
    assert!(!more.expect("alike"));
    assert_eq!(world.sides.tally.errors.get("NothingLeft"), Some(&1));
    world.pass(1_001, 1);
    let close = IMarket::closeCall {
        job: job.clone(),
        firsts: (0..LEASES).collect(),
    };
    makes(&mut world, CLIENT, close);
    let (_, last) = lease(&world, &job, LEASES - 1);
    assert_eq!(last.phase, Phase::Refunded);
}

/// The beacon is asked for the seed of each.
#[test]
fn a_hundred_leases_are_finalized_in_one_transaction() {
    let provider = [0x80; 20];
    let mut world = everywhere(&[provider]);
    let mut job = job(LEASES, 1, 1, world.block.time);
    job.assurance.auditBps = 1;
    makes(&mut world, CLIENT, post(&job));
    for first in 0..LEASES {
        makes(&mut world, provider, claim(&job, provider));
        makes(&mut world, provider, submit(&job, first, provider, [1; 32]));
    }
    pass(&mut world, DRAWN);
    let finalize = IMarket::finalizeCall {
        job: job.clone(),
        firsts: (0..LEASES).collect(),
    };
    makes(&mut world, CLIENT, finalize);
    for first in 0..LEASES {
        let (_, end) = lease(&world, &job, first);
        assert_eq!((end.phase, end.grade), (Phase::Settled, Grade::Unaudited));
    }
}

/// The longest spec (`SpecTooLong`), and as many of them in one `multicall` as calldata of 128 KiB holds: they fit into an
/// ink! contract's memory, too.
#[test]
fn the_longest_specs_are_posted_in_one_transaction() {
    let mut world = everywhere(&[[0x80; 20]]);
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

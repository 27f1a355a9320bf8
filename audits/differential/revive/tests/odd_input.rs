//! Calldata that no wallet makes is answered alike wherever the market runs; what may differ is in `contracts/README.md`.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use alloy_primitives::hex;
use alloy_sol_types::SolCall;
use piecework_differential::bindings::IMarket::{self, IMarketCalls};
use piecework_differential::bindings::multicallCall;
use piecework_differential::code::{Code, setting};
use piecework_differential::odd_input::{Oddity, Poke, Reply, strictly};
use piecework_differential::world::World;
use piecework_revive::target::InRevive;

/// Steps, with calldata of each oddity after each.
const STEPS: u64 = 1_500;

/// The two that run the same bytecode: one may not differ from the other in anything.
#[test]
fn odd_calldata_is_answered_alike_by_the_bytecode_everywhere() {
    let code = Code::in_revm().and(InRevive::solidity());
    let seen = pokes(&code, |poke| {
        let [(_, revm), (name, reply)] = &poke.replies[..] else {
            panic!("two targets");
        };
        let alike = match (revm, reply) {
            // Out of gas is told in other words.
            (Reply::Ended(_), Reply::Ended(_)) => true,
            _ => revm == reply,
        };
        assert!(
            alike,
            "{} {:?} {}: revm {revm:?}, {name} {reply:?}",
            poke.name,
            poke.oddity,
            hex::encode(&poke.data)
        );
    });
    print(&seen);
    let missing = missing(&seen);
    assert!(missing.is_empty(), "never sent: {missing:?}");
}

/// OpenZeppelin's `FailedCall()`: what a `multicall` says when one of its calls says nothing.
const FAILED_CALL: [u8; 4] = [0xd6, 0xbd, 0xa2, 0x75];

/// The row of the table that allows the difference, if one does. Where calldata is of the ABI to the bit none does, and none
/// allows the ink! contract to take what Solidity refuses.
fn allowed(poke: &Poke, solidity: &Reply, ink: &Reply) -> Option<&'static str> {
    if poke.model.is_some() {
        return None;
    }
    let silent = match ink {
        Reply::Reverted(data) => {
            data.is_empty() || (poke.name == "multicall" && *data == FAILED_CALL)
        }
        Reply::Ended(_) | Reply::Returned(..) => false,
    };
    match solidity {
        _ if !silent => None,
        Reply::Reverted(_) | Reply::Ended(_) => Some("refused without a reason"),
        Reply::Returned(..) => solidity_reads_less(&poke.data).then_some("taken by Solidity only"),
    }
}

/// Whether Solidity takes calldata of this function without reading all of it: `hashJob` and `priceAt` hash what came,
/// `finalize` of no leases does not look the job up, offsets of a `multicall` may point anywhere.
fn solidity_reads_less(data: &[u8]) -> bool {
    match function(data) {
        Some("hashJob" | "priceAt") => strictly(data).is_none(),
        Some("finalize") => IMarket::finalizeCall::abi_decode(data)
            .is_ok_and(|call| call.firsts.is_empty() && strictly(data).is_none()),
        Some("multicall") => match multicallCall::abi_decode(data) {
            // In the usual places: then it is one of the calls.
            Ok(all) if data.starts_with(&all.abi_encode()) => {
                all.data.iter().any(|call| solidity_reads_less(call))
            }
            _ => true,
        },
        _ => false,
    }
}

/// The function that is called.
fn function(data: &[u8]) -> Option<&'static str> {
    let selector = *data.first_chunk()?;
    if selector == multicallCall::SELECTOR {
        return Some("multicall");
    }
    IMarketCalls::signature_by_selector(selector)?
        .split('(')
        .next()
}

#[test]
fn odd_calldata_is_refused_by_ink_too_if_without_a_reason() {
    let Some(ink) = InRevive::ink() else {
        return;
    };
    let mut rows: BTreeMap<_, u64> = BTreeMap::new();
    let mut others = BTreeMap::new();
    let seen = pokes(&Code::in_revm().and(ink), |poke| {
        let [(_, solidity), (_, ink)] = &poke.replies[..] else {
            panic!("two targets");
        };
        if solidity == ink {
            return;
        }
        let what = (poke.name, poke.oddity);
        match allowed(poke, solidity, ink) {
            Some(row) => *rows.entry((row, poke.oddity)).or_default() += 1,
            None => {
                let data = hex::encode(&poke.data);
                others.insert(what, format!("Solidity {solidity:?}, ink! {ink:?}: {data}"));
            }
        }
    });
    println!("{rows:?}");
    print(&seen);
    assert!(others.is_empty(), "{others:#?}");
}

/// Which functions were never sent.
fn missing(seen: &BTreeMap<&str, [u64; 4]>) -> Vec<&'static str> {
    let selectors = IMarketCalls::SELECTORS.iter();
    let names = selectors.filter_map(|selector| function(selector));
    names.filter(|name| !seen.contains_key(name)).collect()
}

/// The table.
fn print(seen: &BTreeMap<&str, [u64; 4]>) {
    println!(
        "| function | returned | reverted | with nothing | ended |\n| --- | --- | --- | --- | --- |"
    );
    for (name, [returned, reverted, silent, ended]) in seen {
        println!("| `{name}` | {returned} | {reverted} | {silent} | {ended} |");
    }
}

/// Runs a trace and shows each poke; the specification is compared with the first target here. Returns how often each
/// function was answered with data, reverted with data, reverted with nothing, and ended.
fn pokes(code: &Code, mut check: impl FnMut(&Poke)) -> BTreeMap<&'static str, [u64; 4]> {
    let depth = setting("PIECEWORK_DEPTH");
    let mut world = World::new(setting("PIECEWORK_SEED"), code).expect("a market");
    let mut seen = BTreeMap::new();
    let mut oddities = BTreeMap::new();
    for _ in 0..STEPS * depth {
        for poke in world.poke().unwrap_or_else(|fault| panic!("{fault}")) {
            let first = &poke.replies[0].1;
            if let Some(model) = &poke.model {
                let alike = match (model, first) {
                    (Ok(ours), Reply::Returned(theirs, _)) => ours == theirs,
                    (Err(ours), Reply::Reverted(theirs)) => ours == theirs,
                    _ => false,
                };
                assert!(alike, "{poke:?}");
            }
            let counts: &mut [u64; 4] = seen.entry(poke.name).or_default();
            let place = match first {
                Reply::Returned(..) => 0,
                Reply::Reverted(data) if !data.is_empty() => 1,
                Reply::Reverted(_) => 2,
                Reply::Ended(_) => 3,
            };
            counts[place] += 1;
            *oddities.entry((poke.oddity, place)).or_insert(0_u64) += 1;
            check(&poke);
        }
    }
    println!("{oddities:?}");
    // Nothing is payable.
    assert_eq!(oddities.get(&(Oddity::Value, 0)), None);
    assert_eq!(oddities.get(&(Oddity::Value, 1)), None);
    seen
}

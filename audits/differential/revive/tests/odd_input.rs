//! Calldata that no wallet makes is answered alike wherever the market runs; what may differ is in `contracts/README.md`.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use alloy_primitives::hex;
use piecework_differential::bindings::IMarket::IMarketCalls;
use piecework_differential::odd_input::{Oddity, Poke, Reply};
use piecework_differential::world::{Code, World, bytecode};
use piecework_revive::target::InRevive;

/// Steps, with calldata of each oddity after each.
const STEPS: u64 = 1_500;

/// A number from the environment.
fn setting(name: &str) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// The two that run the same bytecode: one may not differ from the other in anything.
#[test]
fn odd_calldata_is_answered_alike_by_the_bytecode_everywhere() {
    let solidity = bytecode(include_str!("../../../../contracts/abi/Market.json"));
    let code = Code::committed().and(InRevive::solidity(solidity));
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

/// The ink! contract may refuse without a word, and more, where the calldata is not of the ABI to the bit; it may take nothing
/// that Solidity refuses. What is allowed is counted by its row in the table.
#[test]
fn odd_calldata_is_refused_by_ink_too() {
    let Some(ink) = InRevive::ink() else {
        return println!("WITHOUT ink!: no contract was built");
    };
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    let seen = pokes(&Code::committed().and(ink), |poke| {
        let [(_, solidity), (_, ink)] = &poke.replies[..] else {
            panic!("two targets");
        };
        if solidity == ink {
            return;
        }
        let silent = *ink == Reply::Reverted(Vec::new());
        let row = match solidity {
            _ if poke.model.is_some() || !silent => None,
            Reply::Reverted(_) | Reply::Ended(_) => Some("refused without a reason"),
            Reply::Returned(..) => Some("taken by Solidity only"),
        };
        let Some(row) = row else {
            panic!(
                "{} {:?} {}: Solidity {solidity:?}, ink! {ink:?}",
                poke.name,
                poke.oddity,
                hex::encode(&poke.data)
            );
        };
        *rows.entry(row).or_default() += 1;
    });
    println!("{rows:?}");
    print(&seen);
}

/// Which functions were never sent.
fn missing(seen: &BTreeMap<&str, [u64; 4]>) -> Vec<&'static str> {
    let names = IMarketCalls::SELECTORS.iter().filter_map(|selector| {
        IMarketCalls::signature_by_selector(*selector)?
            .split('(')
            .next()
    });
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

//! A trace that fails is made shorter, and kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy_primitives::Address;
use alloy_sol_types::SolCall;
use piecework_differential::Fault;
use piecework_differential::bindings::IMarket;
use piecework_differential::chain::Block;
use piecework_differential::code::{Code, solidity};
use piecework_differential::evm::Revm;
use piecework_differential::replay::{Failure, Step, hunt, replay_kept};
use piecework_differential::target::{Answer, Message, Plan, Target, Venue};

/// The market, but a successful withdrawal returns a byte too many.
#[derive(Debug)]
struct Liar<T>(T);

impl Venue for Liar<Revm> {
    fn deploy(&self, plan: &Plan) -> Result<Result<Box<dyn Target>, Vec<u8>>, Fault> {
        let market = self.0.deploy(plan)?;
        Ok(market.map(|market| -> Box<dyn Target> { Box::new(Liar(market)) }))
    }
}

impl Target for Liar<Box<dyn Target>> {
    fn name(&self) -> &'static str {
        "the liar"
    }
    fn market(&self) -> Address {
        self.0.market()
    }
    fn token(&self) -> Address {
        self.0.token()
    }
    fn has_gas(&self) -> bool {
        self.0.has_gas()
    }
    fn send(
        &mut self,
        to: Address,
        message: Message,
        block: &Block,
        keep: bool,
    ) -> Result<Answer, Fault> {
        let lies = message.data.starts_with(&IMarket::withdrawCall::SELECTOR);
        let mut answer = self.0.send(to, message, block, keep)?;
        if lies && let Ok(data) = &mut answer.outcome {
            data.push(0);
        }
        Ok(answer)
    }
}

#[test]
fn a_failing_trace_is_shortened_and_can_be_replayed() {
    let honest = Code::in_revm();
    let lying = honest.clone().and(Liar(Revm(solidity())));
    let failure = hunt(&lying, 1, 1, 1_000).expect_err("a lie");

    // Tokens, a deposit, and its withdrawal: with less no withdrawal succeeds.
    let names: Vec<&str> = failure.steps.iter().map(Step::name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!((names[0], names[2]), ("give", "withdraw"));
    assert!(failure.fault.contains("the liar returns"));

    let json = failure.to_json();
    let kept = Failure::from_json(&json).expect("what was written can be read");
    assert_eq!(kept, *failure);
    let (step, fault) = kept.replay(&lying).expect_err("it fails again");
    assert_eq!((step, fault.0), (3, failure.fault.clone()));
    assert_eq!(kept.replay(&honest), Ok(()));

    let directory = std::env::temp_dir().join(format!("piecework-kept-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("one.json"), json.to_string()).expect("a file");
    assert_eq!(replay_kept(&honest, &directory), Ok(1));
    let again = replay_kept(&lying, &directory).expect_err("what is kept is replayed");
    assert!(again.0.contains("the liar returns"));
    std::fs::remove_dir_all(&directory).expect("removed");
}

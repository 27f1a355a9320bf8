//! A market in pallet-revive, in memory, for `piecework-differential`.
// As that crate it is a test: what it cannot go on from, it says and stops.
#![allow(clippy::expect_used)]

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use alloy_primitives::{Address, hex};
use alloy_sol_types::SolValue;
use frame_support::storage::{TransactionOutcome, with_transaction};
use frame_support::traits::fungible::Mutate;
use frame_support::weights::Weight;
use pallet_revive::genesis::{Account, ContractData};
use pallet_revive::{AccountId32Mapper, AddressMapper, EthTxInfo, ExecConfig, TransactionLimits};
use piecework_differential::chain::Block;
use piecework_differential::code::{Code, solidity};
use piecework_differential::target::{Answer, Message, Plan, Target, Venue};
use piecework_differential::{Fault, MARKET_TOKEN};
use sp_core::{H160, U256};
use sp_io::TestExternalities;
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::{BuildStorage, DispatchError};

use crate::runtime::{ChainId, Revive, Runtime, RuntimeEvent, RuntimeOrigin, System};

/// Nobody runs out of it: what a call costs is not compared.
const PLENTY: u128 = 1 << 100;

/// No call reaches it: its computation has a limit of its own.
const GAS: u128 = 1 << 50;
const SHORT_GAS: u128 = 5_000_000;

/// A market's code, to be run in pallet-revive.
#[derive(Clone, Debug)]
pub struct InRevive {
    /// What it is.
    pub name: &'static str,
    /// EVM creation code, or a PolkaVM blob: the constructor's arguments are put after the one, or given to the other.
    pub code: Vec<u8>,
    /// Whether it refuses to ask a verifier with too little gas.
    pub counts_gas: bool,
}

impl InRevive {
    /// The Solidity market, as its EVM bytecode.
    pub fn solidity() -> Self {
        Self {
            name: "the bytecode in pallet-revive",
            code: solidity(),
            counts_gas: true,
        }
    }

    /// The ink! market, as a PolkaVM blob, from where `PIECEWORK_INK` says, or from `target/ink`: then it must be the one with the
    /// committed digest. `None` if there is none and `PIECEWORK_WITHOUT_INK` allows that.
    ///
    /// # Panics
    /// Without it, or with another one: a test that was not made must not look like one that passed.
    #[allow(clippy::panic)]
    pub fn ink() -> Option<Self> {
        let other = std::env::var_os("PIECEWORK_INK").map(PathBuf::from);
        let path = other.clone().unwrap_or_else(|| {
            let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
            let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
            root.join(target).join("ink/market.polkavm")
        });
        let code = match std::fs::read(&path) {
            Ok(code) => code,
            Err(_) if std::env::var_os("PIECEWORK_WITHOUT_INK").is_some() => {
                eprintln!("WITHOUT ink!: no contract was built");
                return None;
            }
            Err(error) => panic!(
                "the ink! contract is not there ({}: {error}): make ink, or set PIECEWORK_WITHOUT_INK=1 to test without it",
                path.display()
            ),
        };
        let digest = hex::encode(sp_io::hashing::sha2_256(&code));
        let committed = include_str!("../../../../contracts/ink/market.polkavm.sha256");
        if other.is_none() && !committed.starts_with(&digest) {
            panic!(
                "{} is not the committed ink! contract: make ink",
                path.display()
            );
        }
        Some(Self {
            name: "ink! in pallet-revive",
            code,
            counts_gas: false,
        })
    }
}

/// Everywhere that the market runs: its bytecode in revm and in pallet-revive, and ink! (see [`InRevive::ink`]).
pub fn everywhere() -> Code {
    let code = Code::in_revm().and(InRevive::solidity());
    match InRevive::ink() {
        Some(ink) => code.and(ink),
        None => code,
    }
}

impl Venue for InRevive {
    fn deploy(&self, plan: &Plan) -> Result<Result<Box<dyn Target>, Vec<u8>>, Fault> {
        let mut chain = Chain::new(self, plan);
        chain.token = match &plan.token {
            Err(there) => *there,
            Ok(code) => chain
                .create(plan, 0, code.to_vec(), &[])?
                .map_err(|_| Fault("the token does not deploy".into()))?,
        };
        let mut arguments = plan.arguments.clone();
        if arguments.token == MARKET_TOKEN {
            arguments.token = chain.token;
        }
        let nonce = u32::from(plan.token.is_ok());
        let deployed = chain.create(
            plan,
            nonce,
            self.code.clone(),
            &arguments.abi_encode_params(),
        )?;
        Ok(deployed.map(|market| -> Box<dyn Target> {
            chain.market = market;
            Box::new(chain)
        }))
    }
}

/// A chain in memory.
struct Chain {
    name: &'static str,
    counts_gas: bool,
    state: TestExternalities,
    token: Address,
    market: Address,
    /// Who has money.
    rich: HashSet<Address>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The account of an address with a key, or of a contract.
fn account(address: &Address) -> sp_runtime::AccountId32 {
    <AccountId32Mapper<Runtime> as AddressMapper<Runtime>>::to_fallback_account_id(&H160(
        address.into_array(),
    ))
}

/// The most that a transaction may use of a block; and no limit of what it pays for storage, or, if `short`, less gas than
/// the market asks for before it asks a verifier.
fn limits(short: bool) -> TransactionLimits<Runtime> {
    TransactionLimits::EthereumGas {
        eth_gas_limit: if short { SHORT_GAS } else { GAS },
        weight_limit: Revive::evm_max_extrinsic_weight(),
        eth_tx_info: EthTxInfo::new(0, Weight::zero()),
    }
}

impl Chain {
    fn new(venue: &InRevive, plan: &Plan) -> Self {
        let accounts = plan.odd.iter().map(|(address, code)| Account {
            address: H160(address.into_array()),
            balance: U256::zero(),
            nonce: 1,
            contract_data: Some(ContractData {
                code: code.clone().into(),
                storage: Default::default(),
            }),
        });
        let genesis = crate::runtime::RuntimeGenesisConfig {
            revive: pallet_revive::GenesisConfig {
                accounts: accounts.collect(),
                ..Default::default()
            },
            ..Default::default()
        };
        let mut state = TestExternalities::new(
            genesis
                .build_storage()
                .expect("a genesis that can be built"),
        );
        state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
        let nobody = Address::ZERO;
        Self {
            name: venue.name,
            counts_gas: venue.counts_gas,
            state,
            token: nobody,
            market: nobody,
            rich: HashSet::new(),
        }
    }

    /// Runs in a block, by somebody who has money; what did not succeed, or is not to be kept, is undone.
    fn run<T>(
        &mut self,
        caller: Address,
        block: &Block,
        keep: bool,
        run: impl FnOnce(RuntimeOrigin) -> (bool, T),
    ) -> T {
        let poor = self.rich.insert(caller);
        self.state.execute_with(|| {
            System::set_block_number(block.number);
            System::reset_events();
            pallet_timestamp::Now::<Runtime>::put(block.time * 1_000);
            ChainId::set(&block.chain_id);
            let account = account(&caller);
            if poor {
                crate::runtime::Balances::set_balance(&account, PLENTY);
            }
            let done = with_transaction(|| {
                let (success, value) = run(RuntimeOrigin::signed(account));
                if success && keep {
                    TransactionOutcome::Commit(Ok::<_, DispatchError>(value))
                } else {
                    TransactionOutcome::Rollback(Ok(value))
                }
            });
            done.expect("the closure does not fail")
        })
    }

    /// Deploys; `Err` holds the revert data of the constructor.
    fn create(
        &mut self,
        plan: &Plan,
        nonce: u32,
        code: Vec<u8>,
        arguments: &[u8],
    ) -> Result<Result<Address, Vec<u8>>, Fault> {
        // What a PolkaVM constructor gets is told apart from its code; in EVM creation code it is behind it.
        let (code, data) = if code.starts_with(b"PVM\0") {
            (code, arguments.to_vec())
        } else {
            ([&code, arguments].concat(), Vec::new())
        };
        let name = self.name;
        self.run(plan.deployer, &plan.block, true, |origin| {
            // As before a transaction: it is counted before its code runs.
            let deployer = account(&plan.deployer);
            frame_system::Account::<Runtime>::mutate(&deployer, |account| {
                account.nonce = nonce + 1
            });
            let result = Revive::bare_instantiate(
                origin,
                U256::zero(),
                limits(false),
                pallet_revive::Code::Upload(code),
                data,
                None,
                &ExecConfig::new_substrate_tx_without_bump(),
            );
            match result.result {
                Ok(done) if done.result.did_revert() => (false, Ok(Err(done.result.data))),
                Ok(done) => (true, Ok(Ok(Address::from(done.addr.0)))),
                Err(error) => (
                    false,
                    Err(Fault(format!("{name} does not deploy: {error:?}"))),
                ),
            }
        })
    }
}

impl Target for Chain {
    fn name(&self) -> &'static str {
        self.name
    }
    fn market(&self) -> Address {
        self.market
    }
    fn token(&self) -> Address {
        self.token
    }
    fn has_gas(&self) -> bool {
        self.counts_gas
    }
    fn send(
        &mut self,
        to: Address,
        message: Message,
        block: &Block,
        keep: bool,
    ) -> Result<Answer, Fault> {
        let (name, to) = (self.name, H160(to.into_array()));
        self.run(message.caller, block, keep, |origin| {
            let result = Revive::bare_call(
                origin,
                to,
                U256::from(message.value),
                limits(message.short),
                message.data,
                &ExecConfig::new_substrate_tx(),
            );
            let gas = u64::try_from(result.gas_consumed).unwrap_or(u64::MAX);
            match result.result {
                Ok(done) if done.did_revert() => {
                    let (outcome, logs) = (Err(done.data), Vec::new());
                    (false, Ok(Answer { outcome, logs, gas }))
                }
                Ok(done) => {
                    let (outcome, logs) = (Ok(done.data), logs_of(to));
                    (true, Ok(Answer { outcome, logs, gas }))
                }
                Err(error) => (
                    false,
                    Err(Fault(format!("in {name} the call ends: {error:?}"))),
                ),
            }
        })
    }
}

/// What a contract told in the call that was made last.
fn logs_of(contract: H160) -> Vec<(Vec<[u8; 32]>, Vec<u8>)> {
    System::read_events_no_consensus()
        .filter_map(|record| match record.event {
            RuntimeEvent::Revive(pallet_revive::Event::ContractEmitted {
                contract: from,
                data,
                topics,
            }) if from == contract => {
                Some((topics.into_iter().map(|topic| topic.0).collect(), data))
            }
            _ => None,
        })
        .collect()
}

//! The Solidity side: the bytecode of `contracts/abi`, run by revm.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

use crate::Fault;
use crate::bindings::{Constructor, DevToken};
use crate::chain::Block;

/// Enough for any call, and less than a verifier needs beside it when `short`.
const GAS: u64 = 30_000_000;
const SHORT_GAS: u64 = 5_000_000;

/// An answer of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it returned, or else what it reverted with.
    pub outcome: Result<Vec<u8>, Vec<u8>>,
    /// The market's logs: topics, data.
    pub logs: Vec<(Vec<[u8; 32]>, Vec<u8>)>,
    /// Gas used.
    pub gas: u64,
}

/// A chain with a token, a market and a few contracts.
#[derive(Clone, Debug)]
pub struct Evm {
    db: CacheDB<EmptyDB>,
    /// The token.
    pub token: Address,
    /// The market.
    pub market: Address,
}

impl Evm {
    /// Deploys what is given as creation code; `Err` holds the revert data of the market's constructor.
    pub fn deploy(
        deployer: Address,
        token: Result<Bytes, Address>,
        odd: &[(Address, &[u8])],
        market: &[u8],
        arguments: &Constructor,
        block: &Block,
    ) -> Result<Result<Self, Vec<u8>>, Fault> {
        let nobody = Address::ZERO;
        let mut evm = Self {
            db: CacheDB::new(EmptyDB::default()),
            token: nobody,
            market: nobody,
        };
        for (address, code) in odd {
            evm.install(*address, code);
        }
        evm.token = match token {
            Err(there) => there,
            Ok(code) => match evm.create(deployer, code, block)? {
                Ok(address) => address,
                Err(_) => return Err(Fault("the token does not deploy".into())),
            },
        };
        let mut arguments = arguments.clone();
        if arguments.token == crate::MARKET_TOKEN {
            arguments.token = evm.token;
        }
        let code = [market, &arguments.abi_encode_params()].concat();
        Ok(match evm.create(deployer, code.into(), block)? {
            Ok(address) => {
                evm.market = address;
                Ok(evm)
            }
            Err(data) => Err(data),
        })
    }

    /// Puts a contract's code where it will be called.
    fn install(&mut self, address: Address, code: &[u8]) {
        let code = Bytecode::new_raw(code.to_vec().into());
        self.db
            .insert_account_info(address, AccountInfo::default().with_code(code));
    }

    fn create(
        &mut self,
        deployer: Address,
        code: Bytes,
        block: &Block,
    ) -> Result<Result<Address, Vec<u8>>, Fault> {
        let result = self.run(deployer, TxKind::Create, code, block, false, true)?;
        match result {
            ExecutionResult::Success {
                output: Output::Create(_, Some(address)),
                ..
            } => Ok(Ok(address)),
            ExecutionResult::Revert { output, .. } => Ok(Err(output.to_vec())),
            other => Err(Fault(format!("a contract does not deploy: {other:?}"))),
        }
    }

    fn run(
        &mut self,
        caller: Address,
        kind: TxKind,
        data: Bytes,
        block: &Block,
        short: bool,
        commit: bool,
    ) -> Result<ExecutionResult, Fault> {
        let mut cfg = CfgEnv::new_with_spec(SpecId::CANCUN).with_chain_id(block.chain_id);
        cfg.disable_nonce_check = true;
        let env = BlockEnv {
            number: U256::from(block.number),
            timestamp: U256::from(block.time),
            prevrandao: Some(B256::from(block.prevrandao)),
            gas_limit: GAS,
            ..BlockEnv::default()
        };
        let tx = TxEnv {
            caller,
            kind,
            data,
            gas_limit: if short { SHORT_GAS } else { GAS },
            chain_id: Some(block.chain_id),
            ..TxEnv::default()
        };
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .with_cfg(cfg)
            .with_block(env)
            .build_mainnet();
        let result = if commit {
            evm.transact_commit(tx)
        } else {
            evm.transact(tx).map(|done| done.result)
        };
        result.map_err(|error| Fault(format!("revm: {error:?}")))
    }

    /// Calls the market. A call that fails changes nothing.
    pub fn call(
        &mut self,
        caller: Address,
        data: Vec<u8>,
        block: &Block,
        short: bool,
    ) -> Result<Answer, Fault> {
        let market = self.market;
        self.answer(caller, market, data, block, short, true)
    }

    /// Reads from the market.
    pub fn view(
        &mut self,
        data: Vec<u8>,
        block: &Block,
    ) -> Result<Result<Vec<u8>, Vec<u8>>, Fault> {
        let market = self.market;
        Ok(self
            .answer(Address::ZERO, market, data, block, false, false)?
            .outcome)
    }

    /// Calls the token.
    pub fn token_call(
        &mut self,
        caller: Address,
        data: Vec<u8>,
        block: &Block,
    ) -> Result<Answer, Fault> {
        let token = self.token;
        self.answer(caller, token, data, block, false, true)
    }

    /// An account's tokens.
    pub fn token_balance(&mut self, account: Address, block: &Block) -> Result<U256, Fault> {
        let token = self.token;
        let data = DevToken::balanceOfCall { account }.abi_encode();
        let answer = self.answer(Address::ZERO, token, data, block, false, false)?;
        let word = answer
            .outcome
            .map_err(|_| Fault("the token does not answer".into()))?;
        Ok(U256::from_be_slice(&word))
    }

    fn answer(
        &mut self,
        caller: Address,
        to: Address,
        data: Vec<u8>,
        block: &Block,
        short: bool,
        commit: bool,
    ) -> Result<Answer, Fault> {
        let result = self.run(caller, TxKind::Call(to), data.into(), block, short, commit)?;
        let gas = result.tx_gas_used();
        Ok(match result {
            ExecutionResult::Success { output, logs, .. } => Answer {
                outcome: Ok(output.into_data().to_vec()),
                logs: logs
                    .into_iter()
                    .filter(|log| log.address == to)
                    .map(|log| {
                        let topics = log.data.topics().iter().map(|topic| topic.0).collect();
                        (topics, log.data.data.to_vec())
                    })
                    .collect(),
                gas,
            },
            ExecutionResult::Revert { output, .. } => Answer {
                outcome: Err(output.to_vec()),
                logs: Vec::new(),
                gas,
            },
            ExecutionResult::Halt { reason, .. } => {
                return Err(Fault(format!("the call halts: {reason:?}")));
            }
        })
    }
}

//! The Solidity side: the bytecode of `contracts/abi`, run by revm.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolValue;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

use crate::Fault;
use crate::chain::Block;
use crate::target::{Answer, Message, Plan, Target, Venue};

/// Enough for any call, and less than a verifier needs beside it when `short`.
const GAS: u64 = 30_000_000;
const SHORT_GAS: u64 = 5_000_000;

/// The market's creation code, to be run by revm.
#[derive(Clone, Debug)]
pub struct Revm(pub Vec<u8>);

impl Venue for Revm {
    fn deploy(&self, plan: &Plan) -> Result<Result<Box<dyn Target>, Vec<u8>>, Fault> {
        Ok(Evm::deploy(&self.0, plan)?.map(|evm| -> Box<dyn Target> { Box::new(evm) }))
    }
}

/// A chain with a token, a market and a few contracts.
#[derive(Clone, Debug)]
pub struct Evm {
    db: CacheDB<EmptyDB>,
    token: Address,
    market: Address,
}

impl Evm {
    /// Deploys what is planned; `Err` holds the revert data of the market's constructor.
    fn deploy(market: &[u8], plan: &Plan) -> Result<Result<Self, Vec<u8>>, Fault> {
        let nobody = Address::ZERO;
        let mut evm = Self {
            db: CacheDB::new(EmptyDB::default()),
            token: nobody,
            market: nobody,
        };
        for (address, code) in &plan.odd {
            evm.install(*address, code);
        }
        evm.token = match &plan.token {
            Err(there) => *there,
            Ok(code) => match evm.create(plan, code.clone())? {
                Ok(address) => address,
                Err(_) => return Err(Fault("the token does not deploy".into())),
            },
        };
        let mut arguments = plan.arguments.clone();
        if arguments.token == crate::MARKET_TOKEN {
            arguments.token = evm.token;
        }
        let code = [market, &arguments.abi_encode_params()].concat();
        Ok(match evm.create(plan, code.into())? {
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

    fn create(&mut self, plan: &Plan, data: Bytes) -> Result<Result<Address, Vec<u8>>, Fault> {
        let message = Message {
            caller: plan.deployer,
            data: data.into(),
            ..Message::default()
        };
        let result = self.run(TxKind::Create, message, &plan.block, true)?;
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
        kind: TxKind,
        message: Message,
        block: &Block,
        commit: bool,
    ) -> Result<ExecutionResult, Fault> {
        if message.value > 0 {
            self.db
                .load_account(message.caller)
                .map_err(|error| Fault(format!("revm: {error:?}")))?
                .info
                .balance = U256::MAX >> 1;
        }
        let mut cfg = CfgEnv::new_with_spec(SpecId::PRAGUE).with_chain_id(block.chain_id);
        cfg.disable_nonce_check = true;
        let env = BlockEnv {
            number: U256::from(block.number),
            timestamp: U256::from(block.time),
            prevrandao: Some(B256::from(block.prevrandao)),
            gas_limit: GAS,
            ..BlockEnv::default()
        };
        let tx = TxEnv {
            caller: message.caller,
            kind,
            data: message.data.into(),
            value: U256::from(message.value),
            gas_limit: if message.short { SHORT_GAS } else { GAS },
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
}

impl Target for Evm {
    fn name(&self) -> &'static str {
        "the bytecode in revm"
    }
    fn market(&self) -> Address {
        self.market
    }
    fn token(&self) -> Address {
        self.token
    }
    fn has_gas(&self) -> bool {
        true
    }
    fn send(
        &mut self,
        to: Address,
        message: Message,
        block: &Block,
        keep: bool,
    ) -> Result<Answer, Fault> {
        let result = self.run(TxKind::Call(to), message, block, keep)?;
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

//! What is deployed with which arguments, what that takes, and doing it.

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256, utils::format_ether};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};

use super::factory::{self, FACTORY, code_at};
use super::fitness::{check_block_hashes, check_precompiles, check_token, construct, read_beacon};
use super::{BeaconRecord, Bound, Deployment, DeploymentError, Examination, Fee, Times, examine};
use crate::chain::beacon::{BeaconKind, kind_of};
use crate::chain::deploy::{BlockDeployment, DrandDeployment};
use crate::chain::{ChainError, Sender};

/// The most gas that one transaction may use (EIP-7825).
pub const TX_GAS: u64 = 1 << 24;
/// Gas for each byte of code that stays on chain.
const BYTE_GAS: u64 = 200;
/// Most bytes of a contract's creation code that are gone after it ran; all others stay on chain.
const CONSTRUCTOR: u64 = 4_096;

/// What a market is to be deployed with.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The token of payments and stakes.
    pub token: Address,
    /// Where seeds come from.
    pub beacon: BeaconChoice,
    /// The protocol's fee.
    pub fee: Fee,
    /// The times that hold for all jobs, in seconds.
    pub times: Times,
    /// Whether they may be shorter than is sane. The market says so permanently.
    pub devnet: bool,
    /// The users of the market trust the chain's block builders not to choose seeds.
    pub trust_block_builders: bool,
    /// Another salt gives other addresses.
    pub salt: B256,
}

/// Where a market's seeds are to come from.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "a program has one of them")]
pub enum BeaconChoice {
    /// A `DrandBeacon`, which is deployed too.
    Drand(DrandDeployment),
    /// A `BlockBeacon`, which is deployed too.
    Block(BlockDeployment),
    /// A beacon that is there.
    At(Address),
}

/// A deployment that was checked, and that nothing was sent for yet.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it makes. The block is 0 until then.
    pub deployment: Deployment,
    /// The contracts in their order.
    pub steps: Vec<Step>,
    /// The price of gas that was used for [`Plan::cost`], in wei.
    pub gas_price: u128,
}

/// One contract of a plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// Where it is, or will be.
    pub address: Address,
    /// Its creation code with the constructor's arguments.
    pub init_code: Bytes,
    /// The limit of gas of the transaction that makes it, a fifth above the node's estimate; none if it is there already.
    pub gas: Option<u64>,
}

impl Step {
    /// The keccak-256 of the init code.
    pub fn init_code_hash(&self) -> B256 {
        keccak256(&self.init_code)
    }
}

impl Plan {
    /// Checks that a market with these terms can be deployed on this chain and would be sound there, and what that takes. Sends
    /// nothing. `from` is the account that would send.
    ///
    /// # Errors
    /// Each [`DeploymentError`] but those of files; [`ChainError::Reverted`] if a constructor refuses its arguments.
    pub async fn make(
        rpc: &DynProvider,
        chain_id: u64,
        from: Address,
        terms: &Terms,
    ) -> Result<Self, DeploymentError> {
        factory::check(rpc, chain_id).await?;
        check_token(rpc, chain_id, terms.token).await?;
        let beacon = match terms.beacon {
            BeaconChoice::Drand(parameters) => {
                check_precompiles(rpc, chain_id, &parameters.key).await?;
                BeaconRecord::drand(parameters, Err(terms.salt))?
            }
            BeaconChoice::Block(parameters) => {
                terms.check_builders(rpc, chain_id).await?;
                BeaconRecord::block(parameters, Err(terms.salt))?
            }
            BeaconChoice::At(address) => {
                let beacon = read_beacon(rpc, chain_id, address).await?;
                if kind_of(rpc, address).await? == BeaconKind::Block {
                    terms.check_builders(rpc, chain_id).await?;
                }
                beacon
            }
        };
        let properties = (terms.fee, terms.times, terms.devnet);
        let deployment = Deployment::of(chain_id, terms.token, beacon, properties, terms.salt)?;
        let node = Node {
            rpc,
            chain_id,
            from,
            block_gas: block_gas(rpc).await?,
        };
        let mut steps = Vec::new();
        let own = !matches!(terms.beacon, BeaconChoice::At(_));
        if let Some(init_code) = beacon.init_code()?.filter(|_| own) {
            let name = match beacon {
                BeaconRecord::Block { .. } => "BlockBeacon",
                _ => "DrandBeacon",
            };
            let step = node.step(name, beacon.address(), init_code, terms.salt);
            steps.push(step.await?);
        }
        let init_code = deployment.init_code()?;
        let step = node.step("Market", deployment.market, init_code, terms.salt);
        steps.push(step.await?);
        let fees = rpc.estimate_eip1559_fees().await;
        let fees = fees.map_err(|error| ChainError::from_rpc("the price of gas", error))?;
        Ok(Self {
            deployment,
            steps,
            gas_price: fees.max_fee_per_gas,
        })
    }

    /// The most gas that its transactions may use, all together. 0: nothing is to be sent.
    pub fn gas(&self) -> u64 {
        self.steps.iter().filter_map(|step| step.gas).sum()
    }

    /// The most that its transactions may cost at the present price of gas, in wei.
    pub fn cost(&self) -> U256 {
        U256::from(self.gas()).saturating_mul(U256::from(self.gas_price))
    }

    /// Deploys what is missing, and checks what is on chain then. `mined` hears of each contract that was made.
    ///
    /// # Errors
    /// [`ChainError::NoGas`] before anything is sent if the account cannot pay for all of it; [`DeploymentError::Differs`];
    /// [`ChainError`]s of sending. What was made stays; to do it again is harmless.
    pub async fn execute(
        mut self,
        sender: &Sender,
        mut mined: impl FnMut(&Step, &TransactionReceipt),
    ) -> Result<(Deployment, Examination), DeploymentError> {
        let rpc = sender.provider();
        self.check_funds(sender).await?;
        let mut block = None;
        for step in self.steps.iter().filter(|step| step.gas.is_some()) {
            let request = TransactionRequest::default()
                .with_to(FACTORY)
                .with_input(factory::call(self.deployment.salt, &step.init_code));
            let receipt = sender.send(step.name, request).await?;
            mined(step, &receipt);
            block = receipt.block_number;
        }
        self.deployment.block = match block {
            // The market is the last step: if anything was sent, the market came with it or was there.
            Some(block) if self.steps.last().is_some_and(|step| step.gas.is_some()) => block,
            _ => first_block(rpc, self.deployment.market).await?,
        };
        let found = examine(rpc, &self.deployment).await?;
        if !found.differences.is_empty() {
            return Err(DeploymentError::Differs {
                market: self.deployment.market,
                differences: found.differences,
            });
        }
        Ok((self.deployment, found))
    }

    /// Makes sure that the account can pay for every step before the first one is sent.
    async fn check_funds(&self, sender: &Sender) -> Result<(), ChainError> {
        let account = sender.address();
        let balance = sender.provider().get_balance(account).await;
        let balance = balance.map_err(|error| ChainError::from_rpc("eth_getBalance", error))?;
        let cost = self.cost();
        if balance >= cost {
            return Ok(());
        }
        let (has, needs) = (format_ether(balance), format_ether(cost));
        let reason =
            format!("it has {has} of the chain's coin, and the deployment may take {needs}");
        Err(ChainError::NoGas { account, reason })
    }
}

impl Terms {
    /// Makes sure that block hashes are seeds only where somebody said so, and where they can be.
    async fn check_builders(
        &self,
        rpc: &DynProvider,
        chain_id: u64,
    ) -> Result<(), DeploymentError> {
        check_block_hashes(rpc, chain_id).await?;
        if self.trust_block_builders || self.devnet {
            return Ok(());
        }
        Err(DeploymentError::UntrustedBuilders)
    }
}

/// The node, as far as a step must know.
struct Node<'a> {
    rpc: &'a DynProvider,
    chain_id: u64,
    from: Address,
    block_gas: u64,
}

impl Node<'_> {
    /// Looks whether the contract is there; if not, runs its constructor and asks for the gas.
    async fn step(
        &self,
        name: &'static str,
        address: Address,
        init_code: Bytes,
        salt: B256,
    ) -> Result<Step, DeploymentError> {
        let gas = match code_at(self.rpc, address).await?.is_empty() {
            true => Some(self.gas(name, &init_code, salt).await?),
            false => None,
        };
        Ok(Step {
            name,
            address,
            init_code,
            gas,
        })
    }

    async fn gas(
        &self,
        name: &'static str,
        init_code: &Bytes,
        salt: B256,
    ) -> Result<u64, DeploymentError> {
        // Where the code alone is too much, a node answers the calls below with riddles.
        let bytes = u64::try_from(init_code.len()).unwrap_or(u64::MAX);
        let least = bytes.saturating_sub(CONSTRUCTOR).saturating_mul(BYTE_GAS);
        self.check_gas(name, least)?;
        // The factory keeps the constructor's reason to itself.
        construct(self.rpc, self.from, init_code.clone()).await?;
        let request = TransactionRequest::default()
            .with_from(self.from)
            .with_to(FACTORY)
            .with_input(factory::call(salt, init_code));
        let gas = self.rpc.estimate_gas(request).await;
        let gas = gas.map_err(|error| ChainError::from_rpc(name, error))?;
        // As `Sender::send` does it.
        let gas = gas.saturating_add(gas / 5);
        self.check_gas(name, gas)?;
        Ok(gas)
    }

    fn check_gas(&self, what: &'static str, needed: u64) -> Result<(), DeploymentError> {
        let limits = [(Bound::Block, self.block_gas), (Bound::Transaction, TX_GAS)];
        match limits.into_iter().find(|(_, limit)| needed > *limit) {
            None => Ok(()),
            Some((bound, limit)) => Err(DeploymentError::TooMuchGas {
                what,
                needed,
                limit,
                bound,
                chain_id: self.chain_id,
            }),
        }
    }
}

/// The gas limit of the last block.
async fn block_gas(rpc: &DynProvider) -> Result<u64, ChainError> {
    let block = rpc.get_block_by_number(BlockNumberOrTag::Latest).await;
    let block = block.map_err(|error| ChainError::from_rpc("eth_getBlockByNumber", error))?;
    Ok(block.map_or(0, |block| block.header.gas_limit))
}

/// The first block with code at the address; 0 if the node does not remember so far back.
async fn first_block(rpc: &DynProvider, address: Address) -> Result<u64, ChainError> {
    let last = rpc.get_block_number().await;
    let mut with = last.map_err(|error| ChainError::from_rpc("eth_blockNumber", error))?;
    let mut without = 0;
    while without < with {
        let middle = without.midpoint(with);
        match rpc.get_code_at(address).number(middle).await {
            Ok(code) if code.is_empty() => without = middle.saturating_add(1),
            Ok(_) => with = middle,
            Err(error) => {
                tracing::debug!(%error, "the node has no history: searches for events begin with block 0");
                return Ok(0);
            }
        }
    }
    Ok(with)
}

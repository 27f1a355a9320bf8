//! What the chain has at a deployment's addresses, compared with what should be there.

use alloy::primitives::{Address, B256, keccak256};
use alloy::providers::DynProvider;

use super::error::shown;
use super::factory::code_at;
use super::fitness::{has_own_code, read_beacon};
use super::{Deployment, DeploymentError, Difference, Fee, Times, create2, drawn_of};
use crate::chain::{ChainError, Contract, IMarket, check_market};

/// What was found on chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Examination {
    /// The hashes of the code that is there.
    pub runtime: RuntimeHashes,
    /// The fee for jobs that are posted now. Its governor may have changed it since the deployment.
    pub fee: Fee,
    /// Each thing that is not as the deployment says, or not as this program's code would have made it.
    pub differences: Vec<Difference>,
}

/// The keccak-256 of the code at the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RuntimeHashes {
    /// The market.
    pub market: B256,
    /// Its second part.
    pub drawn: B256,
    /// The beacon.
    pub beacon: B256,
}

/// What a market says about itself.
struct Said {
    token: Address,
    beacon: Address,
    fee: Fee,
    times: Times,
    devnet: bool,
}

/// Compares a deployment with the chain, and with what this program's code makes of the same arguments.
///
/// # Errors
/// [`ChainError::NoMarket`] and [`ChainError::NotAMarket`] if no market is there; other [`ChainError`]s of the node.
pub async fn examine(
    rpc: &DynProvider,
    deployment: &Deployment,
) -> Result<Examination, DeploymentError> {
    let said = ask_market(rpc, deployment.chain_id, deployment.market).await?;
    let own = Deployment::of(
        deployment.chain_id,
        deployment.token,
        deployment.beacon,
        (deployment.fee, deployment.times, deployment.devnet),
        deployment.salt,
    )?;
    let mut differences = vec![
        Difference::of(
            "the hash of the market's creation code, without arguments",
            &own.code.creation_code_hash,
            &deployment.code.creation_code_hash,
        ),
        Difference::of(
            "the hash of the market's init code",
            &own.code.init_code_hash,
            &deployment.code.init_code_hash,
        ),
        Difference::of(
            "the address that this init code and salt make",
            &create2(deployment.salt, deployment.code.init_code_hash),
            &deployment.market,
        ),
        Difference::of(
            "the address of the market's part Drawn",
            &drawn_of(deployment.market),
            &deployment.drawn,
        ),
        Difference::of("token", &deployment.token, &said.token),
        Difference::of("beacon", &deployment.beacon.address(), &said.beacon),
        Difference::of("times", &deployment.times, &said.times),
        Difference::of("devnet", &deployment.devnet, &said.devnet),
        Difference::of(
            "governor of the fee",
            &deployment.fee.governor,
            &said.fee.governor,
        ),
    ];
    // A governor may have changed the fee; nobody else can.
    if said.fee.governor.is_zero() {
        differences.push(Difference::of("fee", &deployment.fee, &said.fee));
    }
    let drawn = code_at(rpc, deployment.drawn).await?;
    let missing = Difference::of(
        "code of the market's part Drawn",
        &"there",
        &if drawn.is_empty() { "missing" } else { "there" },
    );
    differences.push(missing);
    differences.extend(examine_beacon(rpc, deployment).await?);
    let hash = async |address| Ok::<_, ChainError>(keccak256(code_at(rpc, address).await?));
    Ok(Examination {
        runtime: RuntimeHashes {
            market: hash(deployment.market).await?,
            drawn: keccak256(drawn),
            beacon: hash(deployment.beacon.address()).await?,
        },
        fee: said.fee,
        differences: differences.into_iter().flatten().collect(),
    })
}

/// Compares the beacon's code and parameters.
async fn examine_beacon(
    rpc: &DynProvider,
    deployment: &Deployment,
) -> Result<Vec<Option<Difference>>, DeploymentError> {
    let recorded = &deployment.beacon;
    let made = recorded.init_code()?.map(keccak256);
    let what = "the hash of the beacon's init code";
    let hash = Difference::of(what, &made, &recorded.init_code_hash());
    let found = match read_beacon(rpc, deployment.chain_id, recorded.address()).await {
        Ok(found) => found,
        Err(DeploymentError::NotABeacon { reason, .. }) => {
            let difference = Difference {
                what: "beacon",
                expected: shown(recorded),
                found: reason,
            };
            return Ok(vec![hash, Some(difference)]);
        }
        Err(error) => return Err(error),
    };
    let known = made.is_none() || has_own_code(rpc, recorded).await?;
    let what = "the beacon's code";
    let code = Difference::of(
        what,
        &"made by its init code",
        &if known {
            "made by its init code"
        } else {
            "another"
        },
    );
    let parameters = Difference::of("the beacon's kind and parameters", recorded, &found);
    Ok(vec![hash, code, parameters])
}

/// Describes the market at an address, as if this program had deployed it with this salt: [`examine`] says whether that is so. The fee is
/// that for jobs that are posted now, and the block is 0.
///
/// # Errors
/// [`ChainError::NoMarket`], [`ChainError::NotAMarket`], [`DeploymentError::NotABeacon`].
pub async fn read_market(
    rpc: &DynProvider,
    chain_id: u64,
    market: Address,
    salt: B256,
) -> Result<Deployment, DeploymentError> {
    let said = ask_market(rpc, chain_id, market).await?;
    let beacon = read_beacon(rpc, chain_id, said.beacon).await?;
    let terms = (said.fee, said.times, said.devnet);
    let own = Deployment::of(chain_id, said.token, beacon, terms, salt)?;
    Ok(Deployment {
        market,
        drawn: drawn_of(market),
        ..own
    })
}

/// Asks a market for all that it was deployed with.
async fn ask_market(
    rpc: &DynProvider,
    chain_id: u64,
    market: Address,
) -> Result<Said, DeploymentError> {
    let token = check_market(rpc, chain_id, market).await?;
    let contract = Contract::new(market, rpc);
    let failed = |error| match ChainError::from_contract("the market's views", error) {
        unreachable @ ChainError::Unreachable { .. } => unreachable,
        other => ChainError::NotAMarket {
            market,
            reason: other.to_string(),
        },
    };
    let fee = contract
        .ask(IMarket::feeCall {})
        .call()
        .await
        .map_err(failed)?;
    Ok(Said {
        token,
        beacon: contract
            .ask(IMarket::beaconCall {})
            .call()
            .await
            .map_err(failed)?,
        fee: Fee {
            governor: ask_governor(&contract, market).await?,
            recipient: fee.recipient,
            bps: fee.feeBps,
        },
        times: contract
            .ask(IMarket::timesCall {})
            .call()
            .await
            .map_err(failed)?
            .into(),
        devnet: contract
            .ask(IMarket::isDevnetCall {})
            .call()
            .await
            .map_err(failed)?,
    })
}

/// The governor of the fee: no view names it, but the market's refusal of anybody else does. Nothing is sent.
async fn ask_governor(
    contract: &Contract<&DynProvider>,
    market: Address,
) -> Result<Address, ChainError> {
    // The market is nobody's governor: it never calls itself.
    let call = contract
        .ask(IMarket::setFeeCall {
            feeBps: 0,
            recipient: market,
        })
        .from(market)
        .call()
        .await;
    let error = match call {
        Ok(_) => return Ok(market),
        Err(error) => error,
    };
    match error.as_decoded_error::<IMarket::NotGovernor>() {
        Some(refusal) => Ok(refusal.governor),
        None => Err(ChainError::from_contract("setFee", error)),
    }
}

//! Whether a chain has what a beacon needs, and whether addresses are what they are said to be.

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, Bytes, U256, address, bytes, hex};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall as _;

use super::factory::code_at;
use super::{BeaconRecord, DeploymentError};
use crate::chain::beacon::{BeaconKind, kind_of};
use crate::chain::deploy::{BlockDeployment, DrandDeployment};
use crate::chain::drand::{BadKey, GroupKey};
use crate::chain::{BlockBeacon, ChainError, Contract, DrandBeacon, IBeacon, IERC20};

alloy::sol! {
    /// Arbitrum's system contract.
    interface ArbSys {
        function arbBlockNumber() external view returns (uint256);
    }
}

/// Where Arbitrum has `ArbSys`.
const ARB_SYS: Address = address!("0000000000000000000000000000000000000064");

const MODEXP: Address = address!("0000000000000000000000000000000000000005");
const G1_ADD: Address = address!("000000000000000000000000000000000000000b");
const PAIRING: Address = address!("000000000000000000000000000000000000000f");
const MAP_FP_TO_G1: Address = address!("0000000000000000000000000000000000000010");

/// The generator of G1 and its inverse, as EIP-2537 encodes them.
const G1: [u8; 128] = hex!(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
);
const MINUS_G1: [u8; 128] = hex!(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca"
);
/// 3 to the power of 1 modulo 5, in the encoding of modexp.
const THREE: Bytes = bytes!(
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "030105"
);

/// Makes sure that the chain computes what `DrandBeacon` asks of it: each precompile, with a known answer. One that is absent
/// answers with nothing.
pub(super) async fn check_precompiles(
    rpc: &DynProvider,
    chain_id: u64,
    key: &GroupKey,
) -> Result<(), DeploymentError> {
    let key = key.to_eip2537();
    let word = |value: u64| Bytes::from(U256::from(value).to_be_bytes_vec());
    let one = [vec![0; 63], vec![1]].concat();
    // The map's answer is a point that has no short name; that it is of G1 says the pairing of the beacon's constructor.
    let known: [(Address, Vec<u8>, Option<Bytes>); 5] = [
        (MODEXP, THREE.to_vec(), Some(bytes!("03"))),
        (G1_ADD, [G1, MINUS_G1].concat(), Some(vec![0; 128].into())),
        (PAIRING, [&G1[..], &key].concat(), Some(word(0))),
        (
            PAIRING,
            [&G1[..], &key, &MINUS_G1, &key].concat(),
            Some(word(1)),
        ),
        (MAP_FP_TO_G1, one, None),
    ];
    for (precompile, input, expected) in known {
        let answer = ask(rpc, precompile, input.into()).await?;
        let right = match expected {
            Some(expected) => answer == expected,
            None => answer.len() == G1.len(),
        };
        if !right {
            return Err(DeploymentError::MissingPrecompile {
                chain_id,
                precompile,
            });
        }
    }
    Ok(())
}

/// Makes sure that block hashes of this chain are not its sequencer's choice by construction.
pub(super) async fn check_block_hashes(
    rpc: &DynProvider,
    chain_id: u64,
) -> Result<(), DeploymentError> {
    let call = ArbSys::arbBlockNumberCall {}.abi_encode();
    let answer = ask(rpc, ARB_SYS, call.into()).await?;
    match answer.len() {
        32 => Err(DeploymentError::Arbitrum { chain_id }),
        _ => Ok(()),
    }
}

/// Makes sure that a token lives at the address.
pub(super) async fn check_token(
    rpc: &DynProvider,
    chain_id: u64,
    token: Address,
) -> Result<(), DeploymentError> {
    let refused = |reason: String| DeploymentError::NotAToken {
        token,
        chain_id,
        reason,
    };
    if code_at(rpc, token).await?.is_empty() {
        return Err(refused("there is no contract".to_owned()));
    }
    let decimals = Contract::new(token, rpc)
        .ask(IERC20::decimalsCall {})
        .call()
        .await;
    match decimals.map_err(|error| ChainError::from_contract("decimals()", error)) {
        Ok(_) => Ok(()),
        Err(error @ ChainError::Unreachable { .. }) => Err(error.into()),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Reads what the beacon at an address is. A kind is only recorded if the contract has the very code that this program would
/// deploy with the same parameters.
pub(super) async fn read_beacon(
    rpc: &DynProvider,
    chain_id: u64,
    address: Address,
) -> Result<BeaconRecord, DeploymentError> {
    let refused = |reason: String| DeploymentError::NotABeacon {
        beacon: address,
        chain_id,
        reason,
    };
    if code_at(rpc, address).await?.is_empty() {
        return Err(refused("there is no contract".to_owned()));
    }
    let failed = |error| match ChainError::from_contract("point()", error) {
        error @ ChainError::Unreachable { .. } => error.into(),
        error => refused(error.to_string()),
    };
    let beacon = Contract::new(address, rpc);
    let point = beacon
        .ask(IBeacon::pointCall {})
        .call()
        .await
        .map_err(failed)?;
    if point == 0 {
        return Err(refused("its point() is 0, which is none".to_owned()));
    }
    beacon
        .ask(IBeacon::timeOfCall { id: point })
        .call()
        .await
        .map_err(failed)?;
    beacon
        .ask(IBeacon::seedCall { id: point })
        .call()
        .await
        .map_err(failed)?;
    beacon
        .ask(IBeacon::isDeadCall { id: point })
        .call()
        .await
        .map_err(failed)?;
    let record = match kind_of(rpc, address).await? {
        BeaconKind::Block => read_block(rpc, address).await.map_err(failed)?,
        BeaconKind::Drand => read_drand(rpc, address).await.map_err(failed)?,
        BeaconKind::Other => None,
    };
    let other = BeaconRecord::Other { address };
    match record {
        Some(record) if has_own_code(rpc, &record).await? => Ok(record),
        _ => Ok(other),
    }
}

async fn read_block(
    rpc: &DynProvider,
    address: Address,
) -> Result<Option<BeaconRecord>, alloy::contract::Error> {
    let contract = Contract::new(address, rpc);
    let parameters = BlockDeployment {
        blocks: contract.ask(BlockBeacon::BLOCKSCall {}).call().await?,
        margin: contract.ask(BlockBeacon::MARGINCall {}).call().await?,
    };
    Ok(BeaconRecord::block(parameters, Ok(address)).ok())
}

async fn read_drand(
    rpc: &DynProvider,
    address: Address,
) -> Result<Option<BeaconRecord>, alloy::contract::Error> {
    let contract = Contract::new(address, rpc);
    let key: Result<_, BadKey> =
        GroupKey::from_eip2537(&contract.ask(DrandBeacon::publicKeyCall {}).call().await?);
    let Ok(key) = key else { return Ok(None) };
    let parameters = DrandDeployment {
        key,
        genesis: contract.ask(DrandBeacon::GENESISCall {}).call().await?,
        period: contract.ask(DrandBeacon::PERIODCall {}).call().await?,
        point_period: contract
            .ask(DrandBeacon::POINT_PERIODCall {})
            .call()
            .await?,
        margin: contract.ask(DrandBeacon::MARGINCall {}).call().await?,
    };
    Ok(BeaconRecord::drand(parameters, Ok(address)).ok())
}

/// Whether the beacon's code is what this program's init code makes of its parameters. The node runs the constructor, and returns the
/// code that it makes: beacons have nothing in their code that depends on their address.
pub(super) async fn has_own_code(
    rpc: &DynProvider,
    beacon: &BeaconRecord,
) -> Result<bool, ChainError> {
    let Some(init_code) = beacon.init_code()? else {
        return Ok(false);
    };
    let made = match construct(rpc, Address::ZERO, init_code).await {
        Ok(made) => made,
        Err(ChainError::Reverted { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(!made.is_empty() && made == code_at(rpc, beacon.address()).await?)
}

/// Runs a constructor without a transaction; returns the code that it makes.
pub(super) async fn construct(
    rpc: &DynProvider,
    from: Address,
    init_code: Bytes,
) -> Result<Bytes, ChainError> {
    let request = TransactionRequest::default()
        .with_from(from)
        .with_deploy_code(init_code);
    let made = rpc.call(request).await;
    made.map_err(|error| ChainError::from_rpc("the constructor", error))
}

/// What is at an address answers to a call; nothing if it refuses.
async fn ask(rpc: &DynProvider, to: Address, input: Bytes) -> Result<Bytes, ChainError> {
    let request = TransactionRequest::default().with_to(to).with_input(input);
    match rpc.call(request).await {
        Ok(answer) => Ok(answer),
        Err(error) => match ChainError::from_rpc("eth_call", error) {
            error @ ChainError::Unreachable { .. } => Err(error),
            _ => Ok(Bytes::new()),
        },
    }
}

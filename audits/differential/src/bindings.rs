//! The ABI, as the Rust bindings of the SDK have it, and what the deployed contracts have beside it.
#![allow(missing_docs, clippy::too_many_arguments)] // generated

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::sol;

sol!(
    #[sol(all_derives)]
    "../../contracts/evm/IMarket.sol"
);

sol!("../../contracts/evm/IBeacon.sol");

sol! {
    /// The constructor's arguments.
    #[derive(Debug)]
    struct Constructor {
        address token;
        address beacon;
        address feeGovernor;
        address feeRecipient;
        uint16 feeBps;
        IMarket.Times times;
        bool devnet;
    }

    /// OpenZeppelin's `Multicall`.
    function multicall(bytes[] data) returns (bytes[] results);

    /// OpenZeppelin's, of a call that reverted without a word.
    #[derive(Debug)]
    error FailedCall();

    /// ERC-1271.
    function isValidSignature(bytes32 hash, bytes signature) returns (bytes4);

    /// What is used of `DevToken`.
    #[sol(all_derives)]
    interface DevToken {
        function mint(address to, uint256 amount);
        function approve(address spender, uint256 value) returns (bool);
        function balanceOf(address account) returns (uint256);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    }
}

/// A call of the market.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one at a time
pub enum Call {
    /// One.
    One(IMarket::IMarketCalls),
    /// `multicall`: all of them, or none.
    All(Vec<IMarket::IMarketCalls>),
}

impl Call {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        use alloy_sol_types::{SolCall, SolInterface};
        match self {
            Self::One(call) => call.abi_encode(),
            Self::All(calls) => {
                let data = calls.iter().map(|call| call.abi_encode().into()).collect();
                multicallCall { data }.abi_encode()
            }
        }
    }

    /// What was sent, if it is a call of the ABI.
    pub fn decode(data: &[u8]) -> Option<Self> {
        use alloy_sol_types::{SolCall, SolInterface};
        if let Ok(all) = multicallCall::abi_decode(data) {
            let one = |data: &alloy_primitives::Bytes| IMarket::IMarketCalls::abi_decode(data).ok();
            return all
                .data
                .iter()
                .map(one)
                .collect::<Option<_>>()
                .map(Self::All);
        }
        IMarket::IMarketCalls::abi_decode(data).ok().map(Self::One)
    }

    /// Its name in the ABI.
    pub fn name(&self) -> &'static str {
        use alloy_sol_types::SolInterface;
        match self {
            Self::One(call) => {
                let signature = IMarket::IMarketCalls::signature_by_selector(call.selector());
                signature
                    .and_then(|signature| signature.split('(').next())
                    .unwrap_or("?")
            }
            Self::All(_) => "multicall",
        }
    }
}

macro_rules! calls {
    ($($name:ident: $call:ident),* $(,)?) => {$(
        impl From<IMarket::$call> for IMarket::IMarketCalls {
            fn from(call: IMarket::$call) -> Self {
                Self::$name(call)
            }
        }
    )*};
}

calls! {
    deposit: depositCall,
    depositWithPermit: depositWithPermitCall,
    withdraw: withdrawCall,
    balanceOf: balanceOfCall,
    stake: stakeCall,
    unstake: unstakeCall,
    setOperator: setOperatorCall,
    setProfile: setProfileCall,
    admit: admitCall,
    isAdmitted: isAdmittedCall,
    providerOf: providerOfCall,
    profileOf: profileOfCall,
    isOperator: isOperatorCall,
    weightAt: weightAtCall,
    totalWeightAt: totalWeightAtCall,
    post: postCall,
    postFor: postForCall,
    revoke: revokeCall,
    isRevoked: isRevokedCall,
    cancel: cancelCall,
    cancelFor: cancelForCall,
    close: closeCall,
    hashJob: hashJobCall,
    jobOf: jobOfCall,
    priceAt: priceAtCall,
    claim: claimCall,
    takeover: takeoverCall,
    leave: leaveCall,
    submit: submitCall,
    prove: proveCall,
    expire: expireCall,
    finalize: finalizeCall,
    leaseOf: leaseOfCall,
    resultRoot: resultRootCall,
    join: joinCall,
    commit: commitCall,
    settle: settleCall,
    renew: renewCall,
    joinJury: joinJuryCall,
    commitVote: commitVoteCall,
    judge: judgeCall,
    auditOf: auditOfCall,
    seatOf: seatOfCall,
    commitmentOf: commitmentOfCall,
    times: timesCall,
    isDevnet: isDevnetCall,
    beacon: beaconCall,
    totalStake: totalStakeCall,
    token: tokenCall,
    fee: feeCall,
    setFee: setFeeCall,
    burned: burnedCall,
}

/// The shortest times that a devnet's market takes.
pub fn least_times() -> IMarket::Times {
    IMarket::Times {
        stakeAge: 0,
        leaseStep: 1,
        juryStep: 1,
        juryTime: 1,
        revealWindow: 1,
        respondWindow: 1,
        retryWindow: 1,
        leastAuditWindow: 1,
        leastRunWindow: 1,
    }
}

/// A job of one task, open for a thousand seconds, whose work is free of charge. Tests change what they are about.
pub fn free_job(client: Address, now: u64) -> IMarket::Job {
    IMarket::Job {
        terms: IMarket::Terms {
            client,
            nonce: 0,
            spec: keccak256(b""),
            tasks: 1,
            minLease: 1,
            maxLease: 1,
            providers: B256::ZERO,
        },
        assurance: IMarket::Assurance {
            replicas: 1,
            quorum: 1,
            auditBps: 0,
            refund: false,
            verifier: Address::ZERO,
        },
        price: IMarket::Price {
            minPrice: 0,
            maxPrice: 0,
            bond: 0,
            juryFee: 0,
        },
        timing: IMarket::Timing {
            opensAt: now,
            ramp: 0,
            closesAt: now + 1_000,
            runWindow: 100,
            auditWindow: 0,
        },
    }
}

//! Bindings made from the interface's Solidity source: its enums, errors and NatSpec survive.
#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "generated from the Solidity source"
)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    "../../contracts/evm/IMarket.sol"
);

sol! {
    /// The part of ERC-20 (and ERC-2612) that the market's users need.
    #[sol(all_derives)]
    interface IERC20 {
        event Transfer(address indexed from, address indexed to, uint256 value);
        function name() external view returns (string memory);
        function symbol() external view returns (string memory);
        function decimals() external view returns (uint8);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address to, uint256 value) external returns (bool);
        function nonces(address owner) external view returns (uint256);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
    }

    /// Several calls of one caller in one transaction, all or none, as OpenZeppelin's `Multicall` takes them.
    #[sol(all_derives)]
    interface Multicall {
        function multicall(bytes[] data) external returns (bytes[] results);
    }

    /// A source of public randomness, as the market asks it.
    #[sol(all_derives)]
    interface IBeacon {
        function point() external view returns (uint64 id);
        function timeOf(uint64 id) external view returns (uint64 time);
        function seed(uint64 id) external view returns (bytes32);
        function isDead(uint64 id) external view returns (bool);
    }

    /// The beacon of devnets: seeds are the hashes of later blocks, and somebody must store them in time.
    #[sol(all_derives)]
    interface BlockBeacon {
        event Kept(uint64 indexed id, bytes32 seed);
        error BadDelay(uint16 blocks, uint64 margin);
        error TooEarly(uint64 id);
        error Forgotten(uint64 id);
        error TooOld(uint64 id);
        function BLOCKS() external view returns (uint16);
        function MARGIN() external view returns (uint64);
        function keep(uint64 id) external;
    }

    /// The beacon of chains with value: seeds are drand's randomness.
    #[sol(all_derives)]
    interface DrandBeacon {
        event Published(uint64 indexed round, bytes32 seed);
        error BadKey();
        error BadTimes(uint64 period, uint64 pointPeriod, uint64 margin);
        error NotAPoint(uint64 round);
        error MalformedSignature(uint64 round);
        error WrongSignature(uint64 round);
        error MissingPrecompile(address precompile);
        function GENESIS() external view returns (uint64);
        function PERIOD() external view returns (uint64);
        function POINT_PERIOD() external view returns (uint64);
        function MARGIN() external view returns (uint64);
        function publicKey() external view returns (bytes memory);
        function publish(uint64 round, bytes calldata signature) external;
    }

    /// ERC-5267: what the ids of a market's jobs are made of, beside the job.
    #[sol(all_derives)]
    interface IERC5267 {
        function eip712Domain() external view returns (
            bytes1 fields, string memory name, string memory version, uint256 chainId,
            address verifyingContract, bytes32 salt, uint256[] memory extensions
        );
    }

    /// The devnet's token: anyone may mint.
    #[sol(all_derives)]
    interface DevToken {
        /// Gives `value` new units to `to`. No limit, no permission: play money.
        function mint(address to, uint256 value) external;
    }
}

sol! {
    /// The constructors, as the deployer encodes their arguments.
    struct MarketConstructor {
        address token;
        address beacon;
        address feeGovernor;
        address feeRecipient;
        uint16 feeBps;
        IMarket.Times times;
        bool devnet;
    }

    /// The constructor of the devnet's beacon.
    struct BlockBeaconConstructor {
        uint16 blocks;
        uint64 margin;
    }

    /// The constructor of the beacon of drand's rounds.
    struct DrandBeaconConstructor {
        bytes key;
        uint64 genesis;
        uint64 period;
        uint64 pointPeriod;
        uint64 margin;
    }

    /// Errors of the token (ERC-6093) and of the libraries that the market stands on.
    #[sol(all_derives)]
    interface LibraryErrors {
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InvalidSender(address sender);
        error ERC20InvalidReceiver(address receiver);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        error ERC20InvalidApprover(address approver);
        error ERC20InvalidSpender(address spender);
        error SafeERC20FailedOperation(address token);
        error SafeERC20FailedDecreaseAllowance(address spender, uint256 currentAllowance, uint256 requestedDecrease);
        error ERC2612ExpiredSignature(uint256 deadline);
        error ERC2612InvalidSigner(address signer, address owner);
        error InvalidAccountNonce(address account, uint256 currentNonce);
        error ECDSAInvalidSignature();
        error ECDSAInvalidSignatureLength(uint256 length);
        error ECDSAInvalidSignatureS(bytes32 s);
        error ReentrancyGuardReentrantCall();
        error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);
        error StringTooLong(string str);
        error InvalidShortString();
        error AddressEmptyCode(address target);
        error FailedCall();
    }
}

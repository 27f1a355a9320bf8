//! Bindings made from the interface's Solidity source: its enums, errors and NatSpec survive.
#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "generated from the Solidity source"
)]

use alloy::sol;

sol!(
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    "../contracts/evm/IMarket.sol"
);

sol! {
    /// The part of ERC-20 (and ERC-2612) that the market's users need.
    #[sol(rpc, all_derives)]
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

    /// ERC-5267: what the ids of a market's jobs are made of, beside the job.
    #[sol(rpc, all_derives)]
    interface IERC5267 {
        function eip712Domain() external view returns (
            bytes1 fields, string memory name, string memory version, uint256 chainId,
            address verifyingContract, bytes32 salt, uint256[] memory extensions
        );
    }

    /// The devnet's token: anyone may mint.
    #[sol(rpc, all_derives)]
    interface DevToken {
        /// Gives `value` new units to `to`. No limit, no permission: play money.
        function mint(address to, uint256 value) external;
    }
}

sol! {
    /// The constructors, as the deployer encodes their arguments.
    struct MarketConstructor {
        address token;
        address feeGovernor;
        address feeRecipient;
        uint16 feeBps;
        IMarket.Times times;
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

//! Bindings made from the interface's Solidity source: its enums, errors and NatSpec survive.
#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "generated from the Solidity source"
)]

use alloy::sol;

sol!(
    #[sol(rpc, all_derives)]
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

    /// The devnet's token: anyone may mint.
    #[sol(rpc, all_derives)]
    interface DevToken {
        function mint(address to, uint256 value) external;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title PLAY MONEY for development networks: ANYONE CAN MINT IT
/// @notice Never deploy a market of value over it.
contract DevToken is ERC20Permit {
    constructor() ERC20("Piecework Play Money", "PLAY") ERC20Permit("Piecework Play Money") {}

    /// @notice The faucet: gives `amount` to `to`. There is no limit and no permission.
    /// @param to who receives it
    /// @param amount how much
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ledger} from "./Ledger.sol";
import {Optimistic} from "./Optimistic.sol";

/// @title The Piecework market
/// @notice A market of batch compute: clients post arrays of container tasks, staked providers take
/// and run them, and are paid for results that stand. See `IMarket` for every call.
/// @dev Immutable: no proxy, no owner, no pause, and no key that can move anyone's money. The parts,
/// each a file: `MarketStorage`, `Ledger` (money), `Providers` (stake), `Jobs` and `JobRules`,
/// `Optimistic` (leases).
contract Market is Optimistic {
    /// @param token_ the token of payments and stakes: no fee on transfer, no rebasing
    /// @param feeGovernor who may change the fee of jobs still to be posted; 0 fixes it for ever
    /// @param feeRecipient who receives the fee; 0 only while there is none
    /// @param feeBps the fee in basis points, at most 500
    constructor(address token_, address feeGovernor, address feeRecipient, uint16 feeBps)
        Ledger(token_, feeGovernor, feeRecipient, feeBps)
    {}
}

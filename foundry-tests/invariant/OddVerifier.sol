// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "piecework/IMarket.sol";

/// Confirms the proof 0. Of others it says something else, reverts, or tries to act in the market meanwhile.
contract OddVerifier {
    IMarket private immutable _MARKET;

    constructor(IMarket market) {
        _MARKET = market;
    }

    function verify(
        IMarket.Job calldata job,
        bytes32,
        uint32,
        uint32,
        address,
        bytes32,
        bytes32,
        bytes calldata proof
    ) external returns (bytes4) {
        uint256 kind = abi.decode(proof, (uint256));
        if (kind == 0) return this.verify.selector;
        if (kind == 1) revert();
        if (kind == 2) _MARKET.cancel(job);
        return 0x12345678;
    }
}

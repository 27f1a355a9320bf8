// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Test} from "forge-std/Test.sol";

/// @notice Fails on demand: `make test` first sees that the runner reports it.
contract CanaryTest is Test {
    function test_canary_notAsked_passes() external view {
        assertFalse(vm.envOr("CANARY", false), "the canary was asked to fail");
    }
}

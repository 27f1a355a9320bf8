// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Vm} from "forge-std/Vm.sol";

/// Cheat codes of halmos beyond those of forge.
interface Svm {
    function enableSymbolicStorage(address account) external;
}

/// Base of the proofs. Halmos takes every argument of a `check_` function for any value of its type, and
/// seeks values that make an `assert` or a panic fail (`scripts/prove`; what bounds it: audits/proofs.md).
/// Forge runs none of this: `check_` is no test to it.
abstract contract Symbolic {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm internal constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    /// The most that the market holds: what every amount in it is at most.
    uint256 internal constant MAX = type(uint96).max;
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// A wallet contract that answers about signatures as its test tells it. It makes the calls that its test wants (`act`).
contract OddWallet {
    enum Manner {
        Owner,
        Yes,
        No,
        Reverts,
        BurnsGas,
        Empty,
        Short,
        MagicAndMore,
        Bomb,
        Reenters
    }

    address private immutable OWNER;
    Manner public manner;
    address private _target;
    bytes private _call;

    constructor(address owner) {
        OWNER = owner;
    }

    function behave(Manner manner_) external {
        manner = manner_;
    }

    /// While the market asks it, it makes this call. It says yes only if that succeeds.
    function reenter(address target, bytes calldata call_) external {
        manner = Manner.Reenters;
        _target = target;
        _call = call_;
    }

    function act(address target, bytes calldata call_) external returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call(call_);
        require(ok, "the act failed");
        return answer;
    }

    /// ERC-1271 without `view`: a malicious contract does not promise it.
    function isValidSignature(bytes32 hash, bytes calldata signature) external returns (bytes4 magic) {
        magic = IERC1271.isValidSignature.selector;
        if (manner == Manner.Yes) return magic;
        if (manner == Manner.No) return 0xffffffff;
        if (manner == Manner.Reverts) revert("no");
        if (manner == Manner.Owner) return ECDSA.recover(hash, signature) == OWNER ? magic : bytes4(0);
        if (manner == Manner.Reenters) {
            (bool ok,) = _target.call{gas: gasleft() / 2}(_call);
            return ok ? magic : bytes4(0);
        }
        uint256 kind = uint256(manner);
        assembly ("memory-safe") {
            switch kind
            case 4 { for {} 1 {} {} }
            case 5 { return(0, 0) }
            case 6 {
                mstore(0, magic)
                return(0, 31)
            }
            case 7 {
                mstore(0, or(magic, 1)) // the right four bytes, and dirt behind them
                return(0, 32)
            }
            default {
                mstore(0, magic)
                return(0, 100000)
            }
        }
    }
}

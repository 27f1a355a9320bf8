// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "piecework/IMarket.sol";
import {IVerifier} from "piecework/IVerifier.sol";

/// A verifier that answers as its test tells it. With `Checks` it confirms exactly one question.
contract OddVerifier {
    enum Manner {
        Checks,
        Yes,
        No,
        Reverts,
        BurnsGas,
        Empty,
        Short,
        MagicAndMore,
        Bomb,
        RevertsWithBomb,
        RevertsWithMagic,
        Reenters,
        ReadsResult,
        WantsGas
    }

    Manner public manner;
    bytes32 private _question;
    address private _target;
    bytes private _call;

    function behave(Manner manner_) external {
        manner = manner_;
    }

    function expect(bytes calldata question) external {
        _question = keccak256(question);
    }

    function reenter(address target, bytes calldata call_) external {
        manner = Manner.Reenters;
        _target = target;
        _call = call_;
    }

    /// `IVerifier.verify` without `view`: a malicious contract does not promise it.
    function verify(
        IMarket.Job calldata,
        bytes32 jobId,
        uint32 first,
        uint32,
        address,
        bytes32,
        bytes32,
        bytes calldata
    ) external returns (bytes4 magic) {
        uint256 gas_ = gasleft();
        magic = IVerifier.verify.selector;
        if (manner == Manner.Yes) return magic;
        if (manner == Manner.Checks) return keccak256(msg.data) == _question ? magic : bytes4(0);
        if (manner == Manner.No) return 0xffffffff;
        if (manner == Manner.Reverts) revert("no");
        if (manner == Manner.WantsGas) return gas_ > 4_995_000 && gas_ <= 5_000_000 ? magic : bytes4(0);
        if (manner == Manner.ReadsResult) {
            (bytes32 root,, IMarket.Grade grade) = IMarket(msg.sender).resultRoot(jobId, first);
            return root == 0 && grade == IMarket.Grade.None ? magic : bytes4(0);
        }
        if (manner == Manner.Reenters) {
            (bool ok,) = _target.call{gas: gasleft() / 2}(_call);
            return ok ? magic : bytes4(0);
        }
        uint256 kind = uint256(manner);
        assembly ("memory-safe") {
            mstore(0, magic)
            switch kind
            case 4 { for {} 1 {} {} }
            case 5 { return(0, 0) }
            case 6 { return(0, 31) }
            case 7 {
                mstore(0, or(magic, 1)) // the right four bytes, and dirt behind them
                return(0, 32)
            }
            case 8 { return(0, 500000) }
            case 9 { revert(0, 500000) }
            default { revert(0, 32) }
        }
    }
}

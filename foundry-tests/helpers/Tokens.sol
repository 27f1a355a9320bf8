// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// A token that misbehaves as its test tells it.
contract OddToken {
    enum Manner {
        Honest,
        TakesFee,
        DeliversMore,
        ReturnsFalse,
        ReturnsNothing,
        Reverts,
        Reenters
    }

    mapping(address => uint256) public balanceOf;
    Manner public manner;
    address[] private _targets;
    bytes[] private _calls;
    bool public reentered;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function behave(Manner manner_) external {
        manner = manner_;
    }

    /// In the next transfer this token makes one call, and those that `reenterToo` adds.
    function reenter(address target, bytes calldata call_) external {
        manner = Manner.Reenters;
        delete _targets;
        delete _calls;
        reenterToo(target, call_);
    }

    function reenterToo(address target, bytes calldata call_) public {
        _targets.push(target);
        _calls.push(call_);
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(manner != Manner.Reverts, "no");
        bool answer = manner != Manner.ReturnsFalse;
        if (manner == Manner.Reenters) {
            manner = Manner.Honest;
            reentered = true;
            for (uint256 i; i < _calls.length; ++i) {
                (bool ok,) = _targets[i].call(_calls[i]);
                reentered = reentered && ok;
            }
        }
        if (answer) {
            uint256 arrives = amount;
            if (manner == Manner.TakesFee) arrives -= amount / 100;
            if (manner == Manner.DeliversMore) arrives += 1;
            balanceOf[from] -= amount;
            balanceOf[to] += arrives;
        }
        if (manner == Manner.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 32)
        }
    }
}

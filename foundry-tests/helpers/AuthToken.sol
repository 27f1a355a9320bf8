// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// OpenZeppelin's ERC-3009 token, which can be told to misbehave.
contract AuthToken is ERC20, ERC3009 {
    enum Manner {
        Honest,
        TakesFee,
        MovesNothing,
        TransferReturnsFalse,
        ApproveReturnsFalse,
        ForgetsToApprove
    }

    Manner public manner;

    constructor() ERC20("Auth", "AUTH") EIP712("Auth", "1") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function behave(Manner manner_) external {
        manner = manner_;
    }

    function approve(address spender, uint256 value) public override returns (bool) {
        if (manner == Manner.ApproveReturnsFalse) return false;
        if (manner == Manner.ForgetsToApprove) return true;
        return super.approve(spender, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (manner == Manner.TransferReturnsFalse) return false;
        return super.transferFrom(from, to, value);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && manner == Manner.MovesNothing) return;
        super._update(from, to, value);
        if (from != address(0) && manner == Manner.TakesFee) super._update(to, address(0), value / 100);
    }
}

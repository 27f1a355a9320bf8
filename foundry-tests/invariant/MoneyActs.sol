// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {World} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Tokens come and go; stakes, operators, the fee.
abstract contract MoneyActs is World {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    // Casts of amounts far below 2^128.
    // forge-lint: disable-start(unsafe-typecast)

    function _deposit() internal {
        address from = _anyone();
        address account = wild && _once(4) ? address(0) : _anyone();
        uint256 amount = wild && _once(4) ? 0 : _between(1, 1e20);
        token.mint(from, amount);
        vm.prank(from);
        token.approve(address(market), amount);
        bool may = account != address(0) && amount != 0;
        if (_try("deposit", from, abi.encodeCall(IMarket.deposit, (account, uint128(amount))), may)) {
            ledger[account] += amount;
            broughtIn += amount;
        }
    }

    /// A permit is for its owner's tokens, signed by it, for this amount.
    function _depositWithPermit() internal {
        uint256 i = _below(CLIENTS);
        address account = _anyone();
        uint256 amount = _between(1, 1e20);
        uint256 signed = wild && _once(2) ? amount + 1 : amount;
        address from = clients[i];
        token.mint(from, amount);
        vm.prank(from);
        token.approve(address(market), 0);
        bytes32 hash = keccak256(
            abi.encode(PERMIT, from, address(market), signed, token.nonces(from), type(uint256).max)
        );
        hash = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], hash);
        bytes memory data =
            abi.encodeCall(IMarket.depositWithPermit, (account, uint128(amount), type(uint256).max, v, r, s));
        if (_try("depositWithPermit", from, data, signed == amount)) {
            ledger[account] += amount;
            broughtIn += amount;
        }
    }

    function _withdraw() internal {
        address who = _anyone();
        for (uint256 n; n < everyone.length && ledger[who] == 0; ++n) {
            who = everyone[n];
        }
        uint256 amount = _between(1, _once(4) ? ledger[who] : ledger[who] / 16 + 1);
        if (wild) amount = _below(3) * ledger[who];
        bool may = amount != 0 && amount <= ledger[who];
        if (_try("withdraw", who, abi.encodeCall(IMarket.withdraw, (_anyone(), uint128(amount))), may)) {
            ledger[who] -= amount;
            takenOut += amount;
        }
    }

    function _stake() internal {
        // Whose stake grew is not drawn for a while: the less rich ones do it.
        address who = wild ? _anyone() : providers[RICH - 1 - _below(2)];
        uint256 amount = wild && _once(4) ? 0 : _between(1, 1e19);
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(market), amount);
        if (_try("stake", who, abi.encodeCall(IMarket.stake, (uint128(amount))), amount != 0)) {
            _noteStake(who, amount);
        }
    }

    function _unstake() internal {
        address who = wild ? _anyone() : _provider();
        uint256 amount = _between(1, 1e19);
        if (wild) amount = _once(2) ? _free(who) + 1 : _free(who) / 4;
        bool may = amount != 0 && amount <= _free(who) && records[who].stakedAt + STAKE_AGE <= _time();
        if (_try("unstake", who, abi.encodeCall(IMarket.unstake, (_anyone(), uint128(amount))), may)) {
            records[who].stake -= amount;
            takenOut += amount;
        }
    }

    function _setOperator() internal {
        address who = wild ? _anyone() : _provider();
        bool allowed = !_once(3);
        _try("setOperator", who, abi.encodeCall(IMarket.setOperator, (operator, allowed)), true);
        operators[who][operator] = allowed;
        if (allowed) _noteNumber(who);
    }

    function _setFee() internal {
        address caller = _as(governor);
        uint256 bps = wild && _once(2) ? _between(501, 65_535) : _below(501);
        address to = recipients[_below(2)];
        bool may = caller == governor && bps <= 500;
        if (_try("setFee", caller, abi.encodeCall(IMarket.setFee, (uint16(bps), to)), may)) {
            (feeBps, recipient) = (uint16(bps), to);
        }
    }

    /// Somebody sends tokens to the market by mistake.
    function _donate() internal {
        uint256 amount = _between(1, 1e18);
        token.mint(address(market), amount);
        donated += amount;
    }

    // forge-lint: disable-end(unsafe-typecast)

    function _totalStake() internal view returns (uint256 sum) {
        for (uint256 i; i < everyone.length; ++i) {
            sum += records[everyone[i]].stake;
        }
    }
}

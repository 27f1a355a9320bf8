// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Ledger} from "./Ledger.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title The border that tokens cross, and the fee
/// @notice Tokens move only in `_pull` and `_push`; everything between is bookkeeping (`Ledger`).
/// `deposit`, `depositWithPermit`, `withdraw`, `stake` and `unstake` are their only callers.
/// @dev No re-entrancy guard: `_push` comes after all bookkeeping, and what `_pull` brings in is
/// credited after it arrived, whole, and counts for one call only.
abstract contract Vault is Ledger {
    using SafeERC20 for IERC20;

    /// @notice Hard cap of the protocol fee, in basis points.
    uint16 internal constant MAX_FEE_BPS = 500;

    IERC20 private immutable _TOKEN;
    address private immutable _FEE_GOVERNOR;

    /// @param token_ the token of payments and stakes
    /// @param feeGovernor who may change the fee; 0 fixes it permanently
    /// @param feeRecipient who receives the fee; 0 only while the fee is 0
    /// @param feeBps the fee, at most 500
    constructor(address token_, address feeGovernor, address feeRecipient, uint16 feeBps) {
        if (token_ == address(0)) revert IMarket.ZeroAddress();
        _TOKEN = IERC20(token_);
        _FEE_GOVERNOR = feeGovernor;
        if (feeBps != 0 || feeRecipient != address(0)) _setFee(feeBps, feeRecipient);
    }

    // ------------------------------------------------------------------ in and out

    /// @dev See `IMarket.deposit`.
    function deposit(address account, uint128 amount) public {
        if (account == address(0)) revert IMarket.ZeroAddress();
        _credit(account, _pull(amount));
        emit IMarket.Deposited(account, msg.sender, amount);
    }

    /// @dev See `IMarket.depositWithPermit`.
    function depositWithPermit(
        address account,
        uint128 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        // Whoever sees the permit can use it first; then the allowance is there, which is enough.
        try IERC20Permit(address(_TOKEN)).permit(msg.sender, address(this), amount, deadline, v, r, s) {}
            catch {}
        deposit(account, amount);
    }

    /// @dev See `IMarket.withdraw`.
    function withdraw(address to, uint128 amount) external {
        if (to == address(0)) revert IMarket.ZeroAddress();
        if (amount == 0) revert IMarket.ZeroAmount();
        _debit(msg.sender, amount);
        emit IMarket.Withdrawn(msg.sender, to, amount);
        _push(to, JobRules.amountOf(amount));
    }

    /// @dev Takes `amount` tokens from the caller; they must arrive whole.
    function _pull(uint256 amount) internal returns (uint96) {
        if (amount == 0) revert IMarket.ZeroAmount();
        _holdings = JobRules.amountOf(_holdings + amount);

        uint256 before = _TOKEN.balanceOf(address(this));
        _TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 afterwards = _TOKEN.balanceOf(address(this));
        if (afterwards != before + amount) {
            revert IMarket.DepositShort(amount, afterwards > before ? afterwards - before : 0);
        }
        return JobRules.amountOf(amount);
    }

    /// @dev Sends `amount` tokens out: the last act of a call.
    function _push(address to, uint96 amount) internal {
        _holdings -= amount;
        _TOKEN.safeTransfer(to, amount);
    }

    /// @dev See `IMarket.balanceOf`.
    function balanceOf(address account) external view returns (uint128) {
        uint32 number = _numbers[account];
        uint256 balance = _balances[account];
        if (number != 0) balance += _providers[number].earned();
        if (account == _feeRecipient) balance += _feeEarned;
        return JobRules.amountOf(balance);
    }

    // ------------------------------------------------------------------ the fee

    /// @dev See `IMarket.setFee`.
    function setFee(uint16 feeBps, address recipient) external {
        if (msg.sender != _FEE_GOVERNOR) revert IMarket.NotGovernor(_FEE_GOVERNOR, msg.sender);
        _setFee(feeBps, recipient);
    }

    /// @dev What the fee earned so far stays with its old recipient.
    function _setFee(uint16 feeBps, address recipient) private {
        if (feeBps > MAX_FEE_BPS) revert IMarket.FeeTooHigh(feeBps, MAX_FEE_BPS);
        if (recipient == address(0)) revert IMarket.ZeroAddress();
        if (recipient != _feeRecipient) {
            _credit(_feeRecipient, _feeEarned);
            _feeEarned = 0;
            _feeRecipient = recipient;
        }
        _feeBps = feeBps;
        emit IMarket.FeeSet(feeBps, recipient);
    }

    /// @dev See `IMarket.fee`.
    function fee() external view returns (uint16 feeBps, address recipient) {
        return (_feeBps, _feeRecipient);
    }

    /// @dev See `IMarket.token`.
    function token() external view returns (address) {
        return address(_TOKEN);
    }

    /// @dev See `IMarket.burned`.
    function burned() external view returns (uint128) {
        return _burned;
    }
}

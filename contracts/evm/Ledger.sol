// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {MarketStorage} from "./MarketStorage.sol";
import {ProviderSlot} from "./Slots.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title The ledger: every move of money inside the market
/// @notice Balances, stakes, bonds, burns. No token moves here (`Vault` has that border), and nothing else
/// writes an amount.
/// @dev `stake - free` of a provider is the sum of the bonds of its unfinished leases and seats: `_lockForLease`,
/// `_lockForJury`, `_unlock` and `_reward` move `free` alone; `_slash` takes from locked stake alone.
abstract contract Ledger is MarketStorage {
    using Checkpoints for Checkpoints.Trace208;

    // ------------------------------------------------------------------ balances

    /// @dev Adds `amount` to the account's balance.
    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _balances[account] += amount;
    }

    /// @dev Takes `amount` out of the account's balance; if that does not suffice, its earnings as a
    /// provider and as the fee's recipient are moved to the balance first.
    function _debit(address account, uint256 amount) internal {
        uint256 balance = _balances[account];
        if (balance < amount) {
            uint32 number = _numbers[account];
            ProviderSlot record = _providers[number];
            if (number != 0) {
                balance += record.earned();
                _providers[number] = record.drawn();
            }
            if (account == _feeRecipient) {
                balance += _feeEarned;
                _feeEarned = 0;
            }
            if (balance < amount) revert IMarket.InsufficientBalance(account, balance, amount);
        }
        _balances[account] = balance - amount;
    }

    /// @dev Pays the protocol's fee.
    function _creditFee(uint96 amount) internal {
        if (amount != 0) _feeEarned += amount;
    }

    /// @dev Makes `amount`, taken from a bond or an escrow, nobody's permanently.
    function _burn(uint96 amount) internal {
        if (amount != 0) _burned += amount;
    }

    // ------------------------------------------------------------------ stakes

    /// @dev Reverts unless the caller may act for `provider`. Its number, 0 if it has none.
    function _authorize(address provider) internal view returns (uint32 number) {
        if (msg.sender == provider) return _numbers[provider];
        number = _operators[provider][msg.sender];
        if (number == 0) revert IMarket.NotOperator(provider, msg.sender);
    }

    /// @dev Locks `bond` for a lease or a seat of one: a quarter of all the provider's stake, which is `total`, stays free
    /// for juries.
    function _lockForLease(uint32 number, address provider, uint96 bond, uint256 total) internal {
        _lock(number, provider, bond, (total + 3) / 4);
    }

    /// @dev Locks `bond` for a juror's seat.
    function _lockForJury(uint32 number, address provider, uint96 bond) internal {
        _lock(number, provider, bond, 0);
    }

    /// @dev Locks `bond` of the provider's free stake, of which `kept` stays free.
    function _lock(uint32 number, address provider, uint96 bond, uint256 kept) private {
        ProviderSlot record = _providers[number];
        uint256 free = record.free();
        uint256 available = free > kept ? free - kept : 0;
        // Without a number it never staked, and could not be named in a lease.
        if (available < bond || number == 0) revert IMarket.InsufficientStake(provider, available, bond);
        _providers[number] = record.minusFree(bond);
    }

    /// @dev A bond returns whole.
    function _unlock(uint32 number, uint96 bond) internal {
        _providers[number] = _providers[number].plusFree(bond);
    }

    /// @dev Pays a provider `amount` and unlocks its `bond`. Juries do not count as completed leases.
    function _reward(uint32 number, uint96 amount, uint96 bond, bool completed) internal {
        _providers[number] = _providers[number].rewarded(amount, bond, completed);
    }

    /// @dev Unlocks `bond` less `slash`, which is burned. Counts it as a whole bond lost or as a partial loss.
    function _slash(uint32 number, uint96 bond, uint96 slash, bool whole) internal {
        if (bond != slash) _unlock(number, bond - slash);
        Stake storage held = _stakes[number];
        if (whole) {
            if (held.slashed != type(uint32).max) ++held.slashed;
        } else {
            if (held.late != type(uint32).max) ++held.late;
        }
        if (slash == 0) return;
        _takeStake(number, slash);
        _burn(slash);
    }

    /// @dev A provider's stake shrinks, and with it all stake.
    function _takeStake(uint32 number, uint96 amount) internal {
        _setStake(number, _stakes[number].total - amount);
        _setStake(ALL, _stakes[ALL].total - amount);
    }

    /// @dev Keeps the stake of a provider, or of `ALL`, with its history.
    function _setStake(uint32 number, uint96 total) internal {
        _stakes[number].total = total;
        _stakeHistory[number].push(_now(), total);
    }
}

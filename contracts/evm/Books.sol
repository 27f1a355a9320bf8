// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {MarketStorage} from "./MarketStorage.sol";
import {ProviderSlot} from "./Slots.sol";

/// @title The books: every move of money inside the market
/// @notice Ledgers, stakes, bonds, burns. No token moves here (`Ledger` has that border), and nothing else
/// writes an amount.
/// @dev `stake - free` of a provider is the sum of the bonds of its unfinished leases and seats: `_lock`,
/// `_unlock`, `_earn` and `_reward` move `free` alone; `_slash` takes from locked stake alone.
abstract contract Books is MarketStorage {
    // ------------------------------------------------------------------ ledgers

    /// @dev Adds `amount` to the account's ledger.
    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _ledger[account] += amount;
    }

    /// @dev Takes `amount` out of the account's ledger; if that does not suffice, its earnings as a
    /// provider and as the fee's recipient are moved to the ledger first.
    function _debit(address account, uint256 amount) internal {
        uint256 balance = _ledger[account];
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
        _ledger[account] = balance - amount;
    }

    /// @dev Pays the protocol's fee.
    function _creditFee(uint96 amount) internal {
        if (amount != 0) _feeEarned += amount;
    }

    /// @dev Makes `amount`, taken from a bond or a deposit, nobody's for ever.
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

    /// @dev Locks `bond` of the provider's free stake.
    function _lock(uint32 number, address provider, uint96 bond) internal {
        ProviderSlot record = _providers[number];
        // Without a number it never staked, and could not be named in a lease.
        if (record.free() < bond || number == 0) {
            revert IMarket.InsufficientStake(provider, record.free(), bond);
        }
        _providers[number] = record.minusFree(bond);
    }

    /// @dev A bond returns whole.
    function _unlock(uint32 number, uint96 bond) internal {
        _providers[number] = _providers[number].plusFree(bond);
    }

    /// @dev A lease ended well: pays `amount`, unlocks `bond`, counts it.
    function _reward(uint32 number, uint96 amount, uint96 bond) internal {
        _providers[number] = _providers[number].rewarded(amount, bond);
    }

    /// @dev Pays a juror `amount` and unlocks its `bond`; juries do not count as completed leases.
    function _earn(uint32 number, uint96 amount, uint96 bond) internal {
        _providers[number] = _providers[number].plusEarned(amount).plusFree(bond);
    }

    /// @dev Unlocks `bond` less `slash`, which is no longer stake: the caller says whose it is. Counts it as
    /// lost (to a jury or a quorum) or as late.
    function _slash(uint32 number, uint96 bond, uint96 slash, bool lost) internal {
        if (bond != slash) _unlock(number, bond - slash);
        Stake storage held = _stakes[number];
        held.total -= slash;
        _totalStake -= slash;
        if (lost) {
            if (held.slashed != type(uint32).max) ++held.slashed;
        } else {
            if (held.late != type(uint32).max) ++held.late;
        }
    }
}

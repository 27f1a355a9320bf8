// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Ledger} from "./Ledger.sol";
import {ProviderSlot} from "./Slots.sol";

/// @title Providers: stake, operators, profiles
/// @notice `stake - free` of a provider is the sum of the bonds of its unfinished leases: `_lock`,
/// `_reward` and `_unlock` move `free` alone; `_punish` takes from locked stake alone.
abstract contract Providers is Ledger {
    /// @notice Longest endpoint of a profile, in bytes.
    uint256 internal constant MAX_ENDPOINT = 128;

    /// @inheritdoc IMarket
    function stake(uint128 amount) external {
        uint96 arrived = _pull(amount);
        uint32 number = _register(msg.sender);
        _providers[msg.sender] = _providers[msg.sender].plusFree(arrived);
        Stake storage held = _stakes[msg.sender];
        held.total += arrived;
        held.stakedAt = _now();
        emit Staked(msg.sender, number, amount);
    }

    /// @inheritdoc IMarket
    function unstake(address to, uint128 amount) external {
        if (to == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        ProviderSlot record = _providers[msg.sender];
        if (record.free() < amount) revert InsufficientStake(msg.sender, record.free(), amount);
        uint96 leaving = JobRules.amountOf(amount);
        _providers[msg.sender] = record.minusFree(leaving);
        _stakes[msg.sender].total -= leaving;
        emit Unstaked(msg.sender, to, amount);
        _push(to, leaving);
    }

    /// @inheritdoc IMarket
    function setOperator(address operator, bool allowed) external {
        if (operator == address(0)) revert ZeroAddress();
        _operators[msg.sender][operator] = allowed ? _register(msg.sender) : 0;
        emit OperatorSet(msg.sender, operator, allowed);
    }

    /// @inheritdoc IMarket
    function setProfile(bytes32 nodeId, bytes32 capabilities, string calldata endpoint) external {
        if (bytes(endpoint).length > MAX_ENDPOINT) {
            revert EndpointTooLong(bytes(endpoint).length, MAX_ENDPOINT);
        }
        _profiles[msg.sender] = Profile(nodeId, capabilities, endpoint);
        emit ProfileSet(msg.sender, nodeId, capabilities, endpoint);
    }

    /// @inheritdoc IMarket
    function providerOf(address provider) external view returns (ProviderState memory) {
        ProviderSlot record = _providers[provider];
        Stake memory held = _stakes[provider];
        return ProviderState({
            number: record.number(),
            stake: held.total,
            free: record.free(),
            stakedAt: held.stakedAt,
            completed: record.completed(),
            late: held.late,
            slashed: held.slashed
        });
    }

    /// @inheritdoc IMarket
    function profileOf(address provider)
        external
        view
        returns (bytes32 nodeId, bytes32 capabilities, string memory endpoint)
    {
        Profile storage profile = _profiles[provider];
        return (profile.nodeId, profile.capabilities, profile.endpoint);
    }

    /// @inheritdoc IMarket
    function isOperator(address provider, address operator) external view returns (bool) {
        return operator == provider || _operators[provider][operator] != 0;
    }

    /// @dev The provider's number; a new one for a new provider.
    function _register(address provider) private returns (uint32 number) {
        ProviderSlot record = _providers[provider];
        number = record.number();
        if (number == 0) {
            number = ++_providerCount;
            _providers[provider] = record.numbered(number);
            _providerAt[number] = provider;
        }
    }

    /// @dev Reverts unless the caller may act for `provider`. Its number, 0 if it has none.
    function _authorize(address provider) internal view returns (uint32 number) {
        if (msg.sender == provider) return _providers[provider].number();
        number = _operators[provider][msg.sender];
        if (number == 0) revert NotOperator(provider, msg.sender);
    }

    /// @dev Locks `bond` of the provider's free stake.
    function _lock(address provider, uint96 bond) internal {
        ProviderSlot record = _providers[provider];
        // Without a number it never staked, and could not be named in a lease.
        if (record.free() < bond || record.number() == 0) {
            revert InsufficientStake(provider, record.free(), bond);
        }
        _providers[provider] = record.minusFree(bond);
    }

    /// @dev A lease ended well: pays `amount`, unlocks `bond`, counts it.
    function _reward(address provider, uint96 amount, uint96 bond) internal {
        _providers[provider] = _providers[provider].rewarded(amount, bond);
    }

    /// @dev A lease was left in time: unlocks its bond.
    function _unlock(address provider, uint96 bond) internal {
        _providers[provider] = _providers[provider].plusFree(bond);
    }

    /// @dev A lease was left late: unlocks `bond` less `slash`, which is burned, and counts it.
    function _punish(address provider, uint96 bond, uint96 slash) internal {
        _unlock(provider, bond - slash);
        Stake storage held = _stakes[provider];
        held.total -= slash;
        if (held.late != type(uint32).max) ++held.late;
        _burn(slash);
    }
}

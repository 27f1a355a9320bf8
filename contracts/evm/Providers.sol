// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Ledger} from "./Ledger.sol";

/// @title Providers: stake, operators, profiles
/// @notice `stake - free` of a provider is the sum of the bonds of its unfinished leases: `_lock`
/// and `_unlock` move `free` alone, `_slash` takes from locked stake alone.
abstract contract Providers is Ledger {
    /// @notice Longest endpoint of a profile, in bytes.
    uint256 internal constant MAX_ENDPOINT = 128;

    /// @inheritdoc IMarket
    function stake(uint128 amount) external {
        _pull(amount);
        uint32 number = _register(msg.sender);
        Provider storage record = _providers[msg.sender];
        record.free += uint96(amount);
        record.stake += uint96(amount);
        record.stakedAt = uint40(block.timestamp);
        emit Staked(msg.sender, number, amount);
    }

    /// @inheritdoc IMarket
    function unstake(address to, uint128 amount) external {
        if (to == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        Provider storage record = _providers[msg.sender];
        if (record.free < amount) revert InsufficientStake(msg.sender, record.free, amount);
        record.free -= uint96(amount);
        record.stake -= uint96(amount);
        emit Unstaked(msg.sender, to, amount);
        _push(to, amount);
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
        Provider memory record = _providers[provider];
        return ProviderState({
            number: record.number,
            stake: record.stake,
            free: record.free,
            stakedAt: record.stakedAt,
            completed: record.completed,
            late: record.late,
            slashed: record.slashed
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
        number = _providers[provider].number;
        if (number == 0) {
            number = ++_providerCount;
            _providers[provider].number = number;
            _providerAt[number] = provider;
        }
    }

    /// @dev Reverts unless the caller may act for `provider`. Its number, 0 if it has none.
    function _authorize(address provider) internal view returns (uint32 number) {
        if (msg.sender == provider) return _providers[provider].number;
        number = _operators[provider][msg.sender];
        if (number == 0) revert NotOperator(provider, msg.sender);
    }

    /// @dev Locks `bond` of the provider's free stake.
    function _lock(address provider, uint256 bond) internal {
        Provider storage record = _providers[provider];
        // Without a number it never staked, and could not be named in a lease.
        if (record.free < bond || record.number == 0) revert InsufficientStake(provider, record.free, bond);
        record.free -= uint96(bond);
    }

    /// @dev A lease ended well: pays `amount`, unlocks `bond`, counts it.
    function _reward(address provider, uint256 amount, uint256 bond) internal {
        Provider storage record = _providers[provider];
        record.earned += uint96(amount);
        record.free += uint96(bond);
        if (record.completed != type(uint32).max) ++record.completed;
    }

    /// @dev A lease was left: unlocks `bond` less `slash`, which is burned.
    function _unlock(address provider, uint256 bond, uint256 slash, bool late) internal {
        Provider storage record = _providers[provider];
        record.free += uint96(bond - slash);
        if (late) {
            record.stake -= uint96(slash);
            if (record.late != type(uint32).max) ++record.late;
            _burn(slash);
        }
    }
}

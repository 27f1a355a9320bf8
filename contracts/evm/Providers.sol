// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Records} from "./Records.sol";
import {ProviderSlot} from "./Slots.sol";
import {Vault} from "./Vault.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title Providers: stake, operators, profiles, lists
abstract contract Providers is Vault, Records {
    /// @notice Longest endpoint of a profile, in bytes.
    uint256 internal constant MAX_ENDPOINT = 128;

    /// @dev See `IMarket.stake`.
    function stake(uint128 amount) external {
        uint96 arrived = _pull(amount);
        uint32 number = _register(msg.sender);
        _unlock(number, arrived);
        _stakes[number].stakedAt = _now();
        _setStake(number, _stakes[number].total + arrived);
        _setStake(ALL, _stakes[ALL].total + arrived);
        emit IMarket.Staked(msg.sender, number, amount);
    }

    /// @dev See `IMarket.unstake`.
    function unstake(address to, uint128 amount) external {
        if (to == address(0)) revert IMarket.ZeroAddress();
        if (amount == 0) revert IMarket.ZeroAmount();
        uint32 number = _numbers[msg.sender];
        ProviderSlot record = _providers[number];
        if (record.free() < amount) revert IMarket.InsufficientStake(msg.sender, record.free(), amount);
        // A loan of a moment would make the others' shares of a draw small.
        _requireFrom(_stakes[number].stakedAt + _STAKE_AGE);
        uint96 leaving = JobRules.amountOf(amount);
        _providers[number] = record.minusFree(leaving);
        _takeStake(number, leaving);
        emit IMarket.Unstaked(msg.sender, to, amount);
        _push(to, leaving);
    }

    /// @dev See `IMarket.setOperator`.
    function setOperator(address operator, bool allowed) external {
        if (operator == address(0)) revert IMarket.ZeroAddress();
        _operators[msg.sender][operator] = allowed ? _register(msg.sender) : 0;
        emit IMarket.OperatorSet(msg.sender, operator, allowed);
    }

    /// @dev See `IMarket.setProfile`.
    function setProfile(bytes32 nodeId, bytes32 capabilities, string calldata endpoint) external {
        if (bytes(endpoint).length > MAX_ENDPOINT) {
            revert IMarket.EndpointTooLong(bytes(endpoint).length, MAX_ENDPOINT);
        }
        _profiles[msg.sender] = Profile(nodeId, capabilities, endpoint);
        emit IMarket.ProfileSet(msg.sender, nodeId, capabilities, endpoint);
    }

    /// @dev See `IMarket.admit`.
    function admit(bytes32 list, address provider, bytes32[] calldata proof) external {
        uint32 number = _numbers[provider];
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(provider))));
        if (number == 0 || !MerkleProof.verifyCalldata(proof, list, leaf)) {
            revert IMarket.NotOnList(list, provider);
        }
        _admitted[list][number] = true;
        emit IMarket.Admitted(list, provider);
    }

    /// @dev See `IMarket.isAdmitted`.
    function isAdmitted(bytes32 list, address provider) external view returns (bool) {
        return _admitted[list][_numbers[provider]];
    }

    /// @dev See `IMarket.totalStake`.
    function totalStake() external view returns (uint128) {
        return _stakes[ALL].total;
    }

    /// @dev See `IMarket.providerOf`.
    function providerOf(address provider) external view returns (IMarket.ProviderState memory) {
        uint32 number = _numbers[provider];
        ProviderSlot record = _providers[number];
        Stake memory held = _stakes[number];
        return IMarket.ProviderState({
            number: number,
            stake: held.total,
            free: record.free(),
            stakedAt: held.stakedAt,
            completed: record.completed(),
            late: held.late,
            slashed: held.slashed
        });
    }

    /// @dev See `IMarket.profileOf`.
    function profileOf(address provider)
        external
        view
        returns (bytes32 nodeId, bytes32 capabilities, string memory endpoint)
    {
        Profile storage profile = _profiles[provider];
        return (profile.nodeId, profile.capabilities, profile.endpoint);
    }

    /// @dev See `IMarket.isOperator`.
    function isOperator(address provider, address operator) external view returns (bool) {
        return operator == provider || _operators[provider][operator] != 0;
    }

    /// @dev The provider's number; a new one for a new provider.
    function _register(address provider) private returns (uint32 number) {
        number = _numbers[provider];
        if (number == 0) {
            number = ++_providerCount;
            _numbers[provider] = number;
            _providerAt[number] = provider;
        }
    }
}

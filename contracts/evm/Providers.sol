// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Ledger} from "./Ledger.sol";
import {Records} from "./Records.sol";
import {ProviderSlot} from "./Slots.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title Providers: stake, operators, profiles, lists
abstract contract Providers is Ledger, Records {
    /// @notice Longest endpoint of a profile, in bytes.
    uint256 internal constant MAX_ENDPOINT = 128;

    /// @inheritdoc IMarket
    function stake(uint128 amount) external {
        uint96 arrived = _pull(amount);
        uint32 number = _register(msg.sender);
        _unlock(number, arrived);
        Stake storage held = _stakes[number];
        held.total += arrived;
        held.stakedAt = _now();
        _totalStake += arrived;
        emit Staked(msg.sender, number, amount);
    }

    /// @inheritdoc IMarket
    function unstake(address to, uint128 amount) external {
        if (to == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        uint32 number = _numbers[msg.sender];
        ProviderSlot record = _providers[number];
        if (record.free() < amount) revert InsufficientStake(msg.sender, record.free(), amount);
        Stake storage held = _stakes[number];
        // A loan of a moment would make the others' shares of a draw small.
        _requireFrom(held.stakedAt + _STAKE_AGE);
        uint96 leaving = JobRules.amountOf(amount);
        _providers[number] = record.minusFree(leaving);
        held.total -= leaving;
        _totalStake -= leaving;
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
    function admit(bytes32 list, address provider, bytes32[] calldata proof) external {
        uint32 number = _numbers[provider];
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(provider))));
        if (number == 0 || !MerkleProof.verifyCalldata(proof, list, leaf)) revert NotOnList(list, provider);
        _admitted[list][number] = true;
        emit Admitted(list, provider);
    }

    /// @inheritdoc IMarket
    function isAdmitted(bytes32 list, address provider) external view returns (bool) {
        return _admitted[list][_numbers[provider]];
    }

    /// @inheritdoc IMarket
    function totalStake() external view returns (uint128) {
        return _totalStake;
    }

    /// @inheritdoc IMarket
    function providerOf(address provider) external view returns (ProviderState memory) {
        uint32 number = _numbers[provider];
        ProviderSlot record = _providers[number];
        Stake memory held = _stakes[number];
        return ProviderState({
            number: number,
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
        number = _numbers[provider];
        if (number == 0) {
            number = ++_providerCount;
            _numbers[provider] = number;
            _providerAt[number] = provider;
        }
    }
}

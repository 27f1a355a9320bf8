// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Disputes} from "./Disputes.sol";
import {IMarket} from "./IMarket.sol";
import {Ledger} from "./Ledger.sol";
import {Proofs} from "./Proofs.sol";
import {Records} from "./Records.sol";
import {Redundant} from "./Redundant.sol";
import {SeatViews} from "./SeatViews.sol";
import {Signatures} from "./Signatures.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title The Piecework market
/// @notice A market of batch compute: clients post arrays of container tasks, staked providers take
/// and run them, and are paid for results that stand. See `IMarket` for every call.
/// @dev Immutable: no proxy, no owner, no pause, and no key that can move anyone's money. Three contracts hold its
/// code, for one holds at most 24,576 bytes (EIP-170): this one money, jobs and optimistic leases,
/// `Redundant` and `Disputes` the rest. The constructor makes those two, nothing can replace them,
/// and their code runs here, in this contract's storage.
contract Market is Signatures, Proofs, SeatViews, Multicall, IERC5267 {
    string private constant NAME = "Piecework";
    string private constant VERSION = "1";
    /// @dev EIP-5267: name, version, chainId and verifyingContract.
    bytes1 private constant DOMAIN_FIELDS = 0x0f;

    address private immutable _REDUNDANT;
    address private immutable _DISPUTES;

    /// @param token_ the token of payments and stakes: no fee on transfer, no rebasing
    /// @param feeGovernor who may change the fee of jobs still to be posted; 0 fixes it for ever
    /// @param feeRecipient who receives the fee; 0 only while there is none
    /// @param feeBps the fee in basis points, at most 500
    /// @param times_ the times that hold for all jobs
    constructor(address token_, address feeGovernor, address feeRecipient, uint16 feeBps, Times memory times_)
        Ledger(token_, feeGovernor, feeRecipient, feeBps)
        Records(_domain(), times_)
    {
        _REDUNDANT = address(new Redundant(_domain(), times_));
        _DISPUTES = address(new Disputes(_domain(), times_));
    }

    function _domain() private view returns (bytes32) {
        return
            MessageHashUtils.toDomainSeparator(DOMAIN_FIELDS, NAME, VERSION, block.chainid, address(this), 0);
    }

    /// @notice The EIP-712 domain, as ERC-5267 asks for it.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (DOMAIN_FIELDS, NAME, VERSION, _CHAIN_ID, address(this), 0, new uint256[](0));
    }

    // ------------------------------------------------------------------ redundant leases: in `Redundant`

    /// @inheritdoc IMarket
    function seal(Job calldata) external {
        _run(_REDUNDANT);
    }

    /// @inheritdoc IMarket
    function join(Job calldata, uint32, address) external {
        _run(_REDUNDANT);
    }

    /// @inheritdoc IMarket
    function commit(Job calldata, uint32, address, bytes32) external {
        _run(_REDUNDANT);
    }

    /// @inheritdoc IMarket
    function reveal(Job calldata, uint32, address, bytes32, bytes32, bytes32, uint32[] calldata) external {
        _run(_REDUNDANT);
    }

    /// @inheritdoc IMarket
    function settle(Job calldata, uint32, bytes32, uint32[] calldata) external {
        _run(_REDUNDANT);
    }

    // ------------------------------------------------------------------ disputes: in `Disputes`

    /// @inheritdoc IMarket
    function challenge(Job calldata, uint32, uint32, bytes32, bytes32[] calldata, bytes32) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function sealJury(Job calldata, uint32) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function joinJury(Job calldata, uint32, address) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function commitVote(Job calldata, uint32, address, bytes32) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function revealVote(Job calldata, uint32, address, bytes32, bytes32, bytes32) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function revealAnswer(Job calldata, uint32, bytes32, bytes32) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function judge(Job calldata, uint32, bytes32, bytes32, uint32[] calldata) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function demand(Job calldata, uint32) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function respond(Job calldata, uint32, address, bytes32[] calldata) external {
        _run(_DISPUTES);
    }

    /// @inheritdoc IMarket
    function forfeit(Job calldata, uint32) external {
        _run(_DISPUTES);
    }

    /// @dev Runs this very call with the code at `part`, which has a function of the same signature.
    function _run(address part) private {
        Address.functionDelegateCall(part, msg.data);
    }
}

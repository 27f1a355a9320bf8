// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Drawn} from "./Drawn.sol";
import {IMarket} from "./IMarket.sol";
import {Proofs} from "./Proofs.sol";
import {Records} from "./Records.sol";
import {Signatures} from "./Signatures.sol";
import {Vault} from "./Vault.sol";
import {Views} from "./Views.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title The Piecework market
/// @notice A market of batch compute: clients post arrays of container tasks, staked providers take
/// and run them, and are paid for results that stand. See `IMarket` for every call.
/// @dev Immutable: no proxy, no owner, no pause, and no key that can move anyone's money. Two contracts hold its
/// code, for one holds at most 24,576 bytes (EIP-170): this one money, jobs and ordinary leases, `Drawn` all
/// that providers are drawn for. The constructor makes `Drawn`, nothing can replace it, and its code
/// runs here, in this contract's storage.
contract Market is Signatures, Proofs, Views, Multicall, IERC5267 {
    string private constant NAME = "Piecework";
    string private constant VERSION = "2";
    /// @dev EIP-5267: name, version, chainId and verifyingContract.
    bytes1 private constant DOMAIN_FIELDS = 0x0f;

    address private immutable _DRAWN;

    /// @param token_ the token of payments and stakes: no fee on transfer, no rebasing
    /// @param beacon_ where seeds come from (`IBeacon`)
    /// @param feeGovernor who may change the fee of jobs still to be posted; 0 fixes it permanently
    /// @param feeRecipient who receives the fee; 0 only while there is none
    /// @param feeBps the fee in basis points, at most 500
    /// @param times_ the times that hold for all jobs
    /// @param devnet whether they may be shorter than is sane
    constructor(
        address token_,
        address beacon_,
        address feeGovernor,
        address feeRecipient,
        uint16 feeBps,
        IMarket.Times memory times_,
        bool devnet
    ) Vault(token_, feeGovernor, feeRecipient, feeBps) Records(_domain(), beacon_, times_, devnet) {
        _DRAWN = address(new Drawn(_domain(), beacon_, times_, devnet));
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

    /// @dev Every other call runs with the code of `Drawn`, which has the rest of `IMarket`. It comes there as it is, and
    /// what it returns or reverts with goes back as it is.
    fallback() external {
        address drawn = _DRAWN;
        // Nothing runs after this, so all memory is free to use.
        assembly ("memory-safe") {
            let at := mload(0x40)
            calldatacopy(at, 0, calldatasize())
            let done := delegatecall(gas(), drawn, at, calldatasize(), 0, 0)
            returndatacopy(at, 0, returndatasize())
            if iszero(done) { revert(at, returndatasize()) }
            return(at, returndatasize())
        }
    }
}

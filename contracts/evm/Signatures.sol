// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Leases} from "./Leases.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title What others do for a client that signed it
/// @notice A client signs EIP-712 types in the market's domain, with a key (65 bytes, low s) or, if it has code,
/// through ERC-1271. No signature can be used twice: a job is posted and cancelled once.
abstract contract Signatures is Leases {
    bytes32 private constant CANCEL_TYPEHASH = keccak256("Cancel(bytes32 jobId)");

    /// @dev See `IMarket.postFor`.
    function postFor(IMarket.Job calldata job, bytes calldata spec, bytes calldata signature)
        external
        returns (bytes32 jobId)
    {
        address client = job.terms.client;
        uint64 nonce = job.terms.nonce;
        if (_revoked[client][nonce]) revert IMarket.NonceIsRevoked(client, nonce);
        jobId = _idOf(job);
        _requireSigned(client, jobId, signature);
        _post(job, spec);
    }

    /// @dev See `IMarket.cancelFor`.
    function cancelFor(IMarket.Job calldata job, bytes calldata signature) external {
        bytes32 jobId = _idOf(job);
        _requireSigned(job.terms.client, _typed(keccak256(abi.encode(CANCEL_TYPEHASH, jobId))), signature);
        _cancel(job, jobId);
    }

    /// @dev See `IMarket.revoke`.
    function revoke(uint64 nonce) external {
        _revoked[msg.sender][nonce] = true;
        emit IMarket.Revoked(msg.sender, nonce);
    }

    /// @dev See `IMarket.isRevoked`.
    function isRevoked(address client, uint64 nonce) external view returns (bool) {
        return _revoked[client][nonce];
    }

    /// @dev What is signed of a struct with this hash.
    function _typed(bytes32 structHash) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_DOMAIN, structHash);
    }

    /// @dev Reverts unless the client signed `digest`, on the chain of the domain. A wallet is asked by
    /// `staticcall`: it can refuse, or waste its caller's gas, and nothing more.
    function _requireSigned(address client, bytes32 digest, bytes calldata signature) private view {
        if (block.chainid != _CHAIN_ID) revert IMarket.WrongChain(block.chainid, _CHAIN_ID);
        if (!SignatureChecker.isValidSignatureNowCalldata(client, digest, signature)) {
            revert IMarket.BadSignature(client);
        }
    }
}

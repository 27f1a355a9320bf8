// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "../IMarket.sol";
import {IVerifier} from "../IVerifier.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title The client's own word as the proof
/// @notice Confirms a result that the job's client signed (by key or by ERC-1271): the type
/// `Approval(bytes32 jobId,uint32 first,bytes32 root,bytes32 digestList)` in this contract's own EIP-712 domain
/// (`PieceworkClientApproval`, version `1`). For clients that check every result themselves before they pay; a provider
/// that takes such a job trusts its client. One deployment serves all markets: `jobId` binds market and chain.
/// @dev Stateless. Nothing is lost by an approval that others see: only the lease's holder can use it.
contract ClientApproval is IVerifier, EIP712 {
    bytes32 private constant APPROVAL_TYPEHASH =
        keccak256("Approval(bytes32 jobId,uint32 first,bytes32 root,bytes32 digestList)");

    constructor() EIP712("PieceworkClientApproval", "1") {}

    /// @inheritdoc IVerifier
    function verify(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        uint32,
        address,
        bytes32 root,
        bytes32 digestList,
        bytes calldata proof
    ) external view returns (bytes4) {
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(APPROVAL_TYPEHASH, jobId, first, root, digestList))
        );
        bool approved = SignatureChecker.isValidSignatureNowCalldata(job.terms.client, digest, proof);
        return approved ? IVerifier.verify.selector : bytes4(0);
    }
}

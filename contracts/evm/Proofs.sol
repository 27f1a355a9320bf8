// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {IVerifier} from "./IVerifier.sol";
import {JobHash} from "./JobHash.sol";
import {Leases} from "./Leases.sol";
import {LeaseSlot} from "./Slots.sol";

/// @title Results that come with a proof
/// @notice A job's verifier decides on its results alone; it can harm no other job.
abstract contract Proofs is Leases {
    /// @notice Gas that a verifier gets: enough for a STARK or the quote of a trusted machine (pairings of a
    /// Groth16 proof take 0.25 million), a third of the largest transaction.
    uint256 internal constant VERIFIER_GAS = 5_000_000;

    /// @dev See `IMarket.prove`.
    function prove(
        IMarket.Job calldata job,
        uint32 first,
        uint16 round,
        address provider,
        bytes32 root,
        bytes32 digestList,
        bytes calldata proof
    ) external {
        (bytes32 jobId, LeaseSlot lease) = _held(job, first, round, provider);
        address verifier = job.assurance.verifier;
        if (verifier == address(0)) revert IMarket.NoVerifier(jobId);
        _keepRoot(job, jobId, first, lease, root);
        // While the verifier is asked, the lease has a result that is not final.
        _leases[jobId][first] = lease.to(IMarket.Phase.Submitted, block.timestamp);
        // A job that was posted is well formed: its words need no check.
        bytes memory question = abi.encodeWithSelector(
            IVerifier.verify.selector,
            JobHash.wordsOf(job),
            jobId,
            first,
            lease.count(),
            provider,
            root,
            digestList,
            proof
        );
        if (!_confirms(verifier, question)) revert IMarket.ProofRejected(jobId, first, verifier);

        emit IMarket.Submitted(jobId, first, provider, round, root, digestList, 0);
        _settle(job, jobId, first, lease, IMarket.Grade.Proven, 0, 0);
    }

    /// @dev Whether the verifier answers with its magic value. It gets all its gas or is not asked: a caller
    /// cannot make part of it run dry.
    function _confirms(address verifier, bytes memory question) private view returns (bool confirmed) {
        _requireGas(VERIFIER_GAS);
        uint256 allowance = VERIFIER_GAS;
        bytes32 magic = IVerifier.verify.selector;
        // One word of the answer is copied, however long that is.
        assembly ("memory-safe") {
            let success := staticcall(allowance, verifier, add(question, 0x20), mload(question), 0, 0x20)
            confirmed := and(and(success, gt(returndatasize(), 0x1f)), eq(mload(0), magic))
        }
    }
}

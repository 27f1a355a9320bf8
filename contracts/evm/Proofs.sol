// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {IVerifier} from "./IVerifier.sol";
import {Optimistic} from "./Optimistic.sol";
import {LeaseSlot} from "./Slots.sol";

/// @title Results that come with a proof
/// @notice A job's verifier decides on its results alone; it can harm no other job.
abstract contract Proofs is Optimistic {
    /// @notice Gas that a verifier gets: enough for a STARK or the quote of a trusted machine (pairings of a
    /// Groth16 proof take 0.25 million), a third of the largest transaction.
    uint256 internal constant VERIFIER_GAS = 5_000_000;
    /// @dev What must be left before the call, of which 1/64 stays here (EIP-150); the call itself costs 2,600.
    uint256 private constant GAS_BEFORE = VERIFIER_GAS * 64 / 63 + 5000;

    /// @inheritdoc IMarket
    function prove(
        Job calldata job,
        uint32 first,
        address provider,
        bytes32 root,
        bytes32 manifest,
        bytes calldata proof
    ) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        _onlyHolder(jobId, first, lease, provider);
        address verifier = job.terms.verifier;
        if (verifier == address(0)) revert NoVerifier(jobId);
        lease = lease.submitted(block.timestamp);
        _submit(job, jobId, first, lease, root);

        // While it is asked, the lease has a result that is not final.
        bytes memory question = abi.encodeCall(
            IVerifier.verify, (job, jobId, first, lease.count(), provider, root, manifest, proof)
        );
        if (!_confirms(verifier, question)) revert ProofRejected(jobId, first, verifier);

        emit Submitted(jobId, first, provider, root, manifest);
        _settle(job, jobId, first, lease.settled(How.Proven));
    }

    /// @dev Whether the verifier answers with its magic value. It gets all its gas or is not asked: who calls
    /// cannot make part of it run dry.
    function _confirms(address verifier, bytes memory question) private view returns (bool confirmed) {
        if (gasleft() < GAS_BEFORE) revert VerifierNeedsGas(GAS_BEFORE);
        uint256 allowance = VERIFIER_GAS;
        bytes32 magic = IVerifier.verify.selector;
        // One word of the answer is copied, however long that is.
        assembly ("memory-safe") {
            let success := staticcall(allowance, verifier, add(question, 0x20), mload(question), 0, 0x20)
            confirmed := and(and(success, gt(returndatasize(), 0x1f)), eq(mload(0), magic))
        }
    }
}

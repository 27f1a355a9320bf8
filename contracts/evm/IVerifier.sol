// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title What a job's verifier answers
/// @notice The market calls it by `staticcall` with 5,000,000 gas. It must bind the proof to all that it is asked about: at
/// least to `jobId`, `first` and `root`, or a proof for one lease can be used for another.
interface IVerifier {
    /// @notice Whether `proof` shows that `root` is the result of the lease.
    /// @param job the job
    /// @param jobId its id, which binds the market and the chain
    /// @param first the lease's first task
    /// @param count tasks in the lease
    /// @param provider who holds the lease and will be paid
    /// @param root positional Merkle root over the output digests (`JobResult`), not zero
    /// @param digestList content address of the list of output digests. The market does not keep it and cannot
    /// check it against `root`
    /// @param proof whatever the verifier asks for
    /// @return this function's selector, if so; anything else, and a revert, means no
    function verify(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        uint32 count,
        address provider,
        bytes32 root,
        bytes32 digestList,
        bytes calldata proof
    ) external view returns (bytes4);
}

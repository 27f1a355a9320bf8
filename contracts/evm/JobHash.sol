// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title EIP-712 hash of a job
/// @notice The type that a wallet shows and signs is
/// `Job(Terms terms,Price price,Timing timing)` with its three parts behind it in alphabetical
/// order; the field names and types are those of `IMarket`.
library JobHash {
    bytes internal constant PRICE_TYPE =
        "Price(uint128 minPrice,uint128 maxPrice,uint128 bond,uint128 juryFee)";
    bytes internal constant TERMS_TYPE =
        "Terms(address client,uint64 nonce,bytes32 spec,uint32 tasks,uint32 maxLease,uint8 replicas,uint8 quorum,bytes32 providers,address verifier)";
    bytes internal constant TIMING_TYPE =
        "Timing(uint64 opensAt,uint64 ramp,uint64 closesAt,uint64 runWindow,uint64 challengeWindow)";
    bytes internal constant JOB_TYPE = "Job(Terms terms,Price price,Timing timing)";

    bytes32 internal constant PRICE_TYPEHASH = keccak256(PRICE_TYPE);
    bytes32 internal constant TERMS_TYPEHASH = keccak256(TERMS_TYPE);
    bytes32 internal constant TIMING_TYPEHASH = keccak256(TIMING_TYPE);
    bytes32 internal constant JOB_TYPEHASH =
        keccak256(bytes.concat(JOB_TYPE, PRICE_TYPE, TERMS_TYPE, TIMING_TYPE));

    /// @notice `hashStruct(job)`; every field counts. Reverts if a field holds more bits than its type.
    function hash(IMarket.Job calldata job) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                JOB_TYPEHASH,
                keccak256(abi.encode(TERMS_TYPEHASH, job.terms)),
                keccak256(abi.encode(PRICE_TYPEHASH, job.price)),
                keccak256(abi.encode(TIMING_TYPEHASH, job.timing))
            )
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title EIP-712 hash of a job
/// @notice The type that a wallet shows and signs is `Job(Terms terms,Assurance assurance,Price price,Timing timing)` with
/// its four parts behind it in alphabetical order; the field names and types are those of `IMarket`.
library JobHash {
    bytes32 internal constant ASSURANCE_TYPEHASH =
        keccak256("Assurance(uint8 replicas,uint8 quorum,uint16 auditBps,bool refund,address verifier)");
    bytes32 internal constant PRICE_TYPEHASH =
        keccak256("Price(uint128 minPrice,uint128 maxPrice,uint128 bond,uint128 juryFee)");
    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "Terms(address client,uint64 nonce,bytes32 spec,uint32 tasks,uint32 minLease,uint32 maxLease,bytes32 providers)"
    );
    bytes32 internal constant TIMING_TYPEHASH =
        keccak256("Timing(uint64 opensAt,uint64 ramp,uint64 closesAt,uint64 runWindow,uint64 auditWindow)");
    bytes32 internal constant JOB_TYPEHASH = keccak256(
        "Job(Terms terms,Assurance assurance,Price price,Timing timing)"
        "Assurance(uint8 replicas,uint8 quorum,uint16 auditBps,bool refund,address verifier)"
        "Price(uint128 minPrice,uint128 maxPrice,uint128 bond,uint128 juryFee)"
        "Terms(address client,uint64 nonce,bytes32 spec,uint32 tasks,uint32 minLease,uint32 maxLease,bytes32 providers)"
        "Timing(uint64 opensAt,uint64 ramp,uint64 closesAt,uint64 runWindow,uint64 auditWindow)"
    );

    /// @notice The job as it lies in calldata: its ABI encoding, for it has no dynamic part.
    function wordsOf(IMarket.Job calldata job) internal pure returns (uint256[21] calldata words) {
        assembly ("memory-safe") {
            words := job
        }
    }

    /// @notice `hashStruct(job)`. The fields are hashed as they lie in calldata, unread: `post` alone
    /// must see that none holds more bits than its type (its event's encoding does), for a job
    /// brought with other bits later has another hash, and is unknown.
    function hash(IMarket.Job calldata job) internal pure returns (bytes32 result) {
        bytes32 termsType = TERMS_TYPEHASH;
        bytes32 assuranceType = ASSURANCE_TYPEHASH;
        bytes32 priceType = PRICE_TYPEHASH;
        bytes32 timingType = TIMING_TYPEHASH;
        bytes32 jobType = JOB_TYPEHASH;
        // `job` is 21 words: 7 of Terms, 5 of Assurance, 4 of Price, 5 of Timing. Only memory past the free pointer
        // is written, and nothing there is kept.
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, timingType)
            calldatacopy(add(at, 0x20), add(job, 0x200), 0xa0)
            let timing := keccak256(at, 0xc0)
            mstore(at, priceType)
            calldatacopy(add(at, 0x20), add(job, 0x180), 0x80)
            let price := keccak256(at, 0xa0)
            mstore(at, assuranceType)
            calldatacopy(add(at, 0x20), add(job, 0xe0), 0xa0)
            let assurance := keccak256(at, 0xc0)
            mstore(at, termsType)
            calldatacopy(add(at, 0x20), job, 0xe0)
            let terms := keccak256(at, 0x100)
            mstore(at, jobType)
            mstore(add(at, 0x20), terms)
            mstore(add(at, 0x40), assurance)
            mstore(add(at, 0x60), price)
            mstore(add(at, 0x80), timing)
            result := keccak256(at, 0xa0)
        }
    }
}

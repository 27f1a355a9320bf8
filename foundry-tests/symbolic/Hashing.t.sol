// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {JobHash} from "piecework/JobHash.sol";
import {Records} from "piecework/Records.sol";
import {Seats} from "piecework/Seats.sol";
import {SeatSlot, SeatSlots} from "piecework/Slots.sol";

/// The records of a market with a given domain, opened for a look.
contract DomainHarness is Seats {
    constructor(bytes32 domain) Records(domain, IMarket.Times(60, 15, 3600, 21_600, 86_400)) {}

    function idOf(IMarket.Job calldata job) external view returns (bytes32) {
        return _idOf(job);
    }

    function seatsKey(bytes32 jobId, uint32 first, uint16 round, uint8 challenge)
        external
        pure
        returns (bytes32)
    {
        return _seatsKey(jobId, first, round, challenge);
    }

    function commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 challenge,
        address provider,
        bytes32 vote,
        bytes32 salt
    ) external pure returns (bytes32) {
        return _commitmentOf(jobId, first, round, challenge, provider, vote, salt);
    }
}

/// What ids, commitments and seats bind. Keccak is taken for injective (audits/proofs.md).
contract HashingProof is Symbolic {
    struct Commitment {
        bytes32 jobId;
        uint32 first;
        uint16 round;
        uint8 challenge;
        address provider;
        bytes32 vote;
        bytes32 salt;
    }

    DomainHarness private immutable _HARNESS = new DomainHarness(keccak256("any"));

    /// A job of any 18 words, also of words that no field's type admits.
    function _id(DomainHarness market, bytes32[18] calldata words) private view returns (bytes32) {
        (bool ok, bytes memory id) =
            address(market).staticcall(abi.encodePacked(DomainHarness.idOf.selector, words));
        assert(ok);
        return abi.decode(id, (bytes32));
    }

    /// Property: P-06 a job's id binds every bit of every field.
    function check_P06_jobIdBindsEveryField(bytes32[18] calldata a, bytes32[18] calldata b) external view {
        vm.assume(_id(_HARNESS, a) == _id(_HARNESS, b));
        for (uint256 i = 0; i < 18; ++i) {
            assert(a[i] == b[i]);
        }
    }

    /// Property: P-06 a job's id binds the market's domain (chain and address): what is signed for, or committed to
    /// in, one market is void in another.
    function check_P06_jobIdBindsDomain(bytes32 domain, bytes32 other, bytes32[18] calldata job) external {
        vm.assume(domain != other);
        assert(_id(new DomainHarness(domain), job) != _id(new DomainHarness(other), job));
    }

    function _commitmentOf(Commitment calldata c) private view returns (bytes32) {
        return _HARNESS.commitmentOf(c.jobId, c.first, c.round, c.challenge, c.provider, c.vote, c.salt);
    }

    /// Property: P-06 a commitment opens to one vote and salt, of one provider, in one round (or jury) of one lease.
    function check_P06_commitmentBinds(Commitment calldata a, Commitment calldata b) external view {
        vm.assume(_commitmentOf(a) == _commitmentOf(b));
        assert(a.jobId == b.jobId && a.first == b.first && a.round == b.round);
        assert(a.challenge == b.challenge && a.provider == b.provider);
        assert(a.vote == b.vote && a.salt == b.salt);
    }

    /// Property: P-06 the seats of two rounds, leases, juries or jobs never share a key.
    function check_P06_seatsKeyBinds(Commitment calldata a, Commitment calldata b) external view {
        vm.assume(
            _HARNESS.seatsKey(a.jobId, a.first, a.round, a.challenge)
                == _HARNESS.seatsKey(b.jobId, b.first, b.round, b.challenge)
        );
        assert(a.jobId == b.jobId && a.first == b.first && a.round == b.round && a.challenge == b.challenge);
    }

    /// Property: P-06 what a seat did last is one of four, told apart by its state: a commitment never passes for a
    /// reveal, whatever its bits, nor either for a reserved or an empty seat.
    function check_P06_seatStatesApart(bytes32 commitment, bytes32 vote) external pure {
        SeatSlot committed = SeatSlots.committed(commitment);
        SeatSlot revealed = SeatSlots.revealed(vote);
        assert(committed.state() == IMarket.Seat.Committed);
        assert(revealed.state() == IMarket.Seat.Revealed);
        assert(SeatSlots.joined().state() == IMarket.Seat.Joined);
        assert(SeatSlot.wrap(0).state() == IMarket.Seat.None);
        assert(!committed.equals(revealed));
    }

    /// Property: two committed seats are equal iff the highest 248 bits of the commitments are, two revealed
    /// ones iff those of the votes' hashes are: all that the truncation to one slot costs is 8 bits.
    function check_seatsCompare(bytes32 a, bytes32 b) external pure {
        assert(SeatSlots.committed(a).equals(SeatSlots.committed(b)) == (uint256(a) >> 8 == uint256(b) >> 8));
        uint256 hashOfA = uint256(keccak256(abi.encode(a)));
        uint256 hashOfB = uint256(keccak256(abi.encode(b)));
        assert(SeatSlots.revealed(a).equals(SeatSlots.revealed(b)) == (hashOfA >> 8 == hashOfB >> 8));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {Records} from "piecework/Records.sol";
import {Seats} from "piecework/Seats.sol";
import {SeatSlot, SeatSlots} from "piecework/Slots.sol";

/// The records of a market with a given domain, opened for a look.
contract DomainHarness is Seats {
    constructor(bytes32 domain)
        Records(
            domain,
            address(1),
            IMarket.Times({
                stakeAge: 1 days,
                leaseStep: 60,
                juryStep: 600,
                juryTime: 3600,
                revealWindow: 6 hours,
                respondWindow: 1 days,
                retryWindow: 1 days,
                leastAuditWindow: 2 hours,
                leastRunWindow: 60
            }),
            false
        )
    {}

    function idOf(IMarket.Job calldata job) external view returns (bytes32) {
        return _idOf(job);
    }

    function seatsKey(bytes32 jobId, uint32 first, uint16 round, uint8 kind) external pure returns (bytes32) {
        return _seatsKey(jobId, first, round, kind);
    }

    function commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 kind,
        uint32 number,
        bytes32 value,
        bytes32 proof,
        bytes32 salt
    ) external pure returns (bytes32) {
        return _commitmentOf(jobId, first, round, kind, number, value, proof, salt);
    }
}

/// What ids, commitments and seats bind. Keccak is taken for injective (audits/proofs.md).
contract HashingProof is Symbolic {
    uint256 private constant WORDS = 21;

    struct Commitment {
        bytes32 jobId;
        uint32 first;
        uint16 round;
        uint8 kind;
        uint32 number;
        bytes32 value;
        bytes32 proof;
        bytes32 salt;
    }

    DomainHarness private immutable _HARNESS = new DomainHarness(keccak256("any"));

    /// A job of any words, also of words that no field's type admits.
    function _id(DomainHarness market, bytes32[WORDS] calldata words) private view returns (bytes32) {
        (bool ok, bytes memory id) =
            address(market).staticcall(abi.encodePacked(DomainHarness.idOf.selector, words));
        assert(ok);
        return abi.decode(id, (bytes32));
    }

    /// Property: P-08 a job's id binds every bit of every field.
    function check_P08_jobIdBindsEveryField(bytes32[WORDS] calldata a, bytes32[WORDS] calldata b)
        external
        view
    {
        vm.assume(_id(_HARNESS, a) == _id(_HARNESS, b));
        for (uint256 i = 0; i < WORDS; ++i) {
            assert(a[i] == b[i]);
        }
    }

    /// Property: P-08 a job's id binds the market's domain (chain and address): what is signed for, or committed to
    /// in, one market is void in another.
    function check_P08_jobIdBindsDomain(bytes32 domain, bytes32 other, bytes32[WORDS] calldata job) external {
        vm.assume(domain != other);
        assert(_id(new DomainHarness(domain), job) != _id(new DomainHarness(other), job));
    }

    function _commitmentOf(Commitment calldata c) private view returns (bytes32) {
        return _HARNESS.commitmentOf(c.jobId, c.first, c.round, c.kind, c.number, c.value, c.proof, c.salt);
    }

    /// Property: P-08 a commitment opens to one content and salt, of one provider, in one round (or jury) of one lease.
    function check_P08_commitmentBinds(Commitment calldata a, Commitment calldata b) external view {
        vm.assume(_commitmentOf(a) == _commitmentOf(b));
        assert(a.jobId == b.jobId && a.first == b.first && a.round == b.round);
        assert(a.kind == b.kind && a.number == b.number);
        assert(a.value == b.value && a.proof == b.proof && a.salt == b.salt);
    }

    /// Property: P-08 the seats of two rounds, leases, juries or jobs never share a key.
    function check_P08_seatsKeyBinds(Commitment calldata a, Commitment calldata b) external view {
        vm.assume(
            _HARNESS.seatsKey(a.jobId, a.first, a.round, a.kind)
                == _HARNESS.seatsKey(b.jobId, b.first, b.round, b.kind)
        );
        assert(a.jobId == b.jobId && a.first == b.first && a.round == b.round && a.kind == b.kind);
    }

    /// Property: P-08 what a seat did last is one of five, told apart by its state: a commitment never passes for an opening,
    /// whatever its bits, nor either for a reserved, a left or an empty seat.
    function check_P08_seatStatesApart(bytes32 commitment, bytes32 value, bytes32 proof) external pure {
        SeatSlot committed = SeatSlots.committed(commitment);
        SeatSlot opened = SeatSlots.opened(value, proof);
        assert(committed.state() == IMarket.Seat.Committed);
        assert(opened.state() == IMarket.Seat.Opened);
        assert(SeatSlots.joined().state() == IMarket.Seat.Joined);
        assert(SeatSlots.left().state() == IMarket.Seat.Left);
        assert(SeatSlot.wrap(0).state() == IMarket.Seat.None);
        assert(!committed.equals(opened));
    }

    /// Property: two committed seats are equal iff the highest 248 bits of the commitments are, two opened
    /// ones iff those of the hashes of what they opened are: all that the truncation to one slot costs is 8 bits.
    function check_seatsCompare(bytes32[2] calldata a, bytes32[2] calldata b) external pure {
        assert(
            SeatSlots.committed(a[0]).equals(SeatSlots.committed(b[0]))
                == (uint256(a[0]) >> 8 == uint256(b[0]) >> 8)
        );
        uint256 hashOfA = uint256(keccak256(abi.encode(a[0], a[1])));
        uint256 hashOfB = uint256(keccak256(abi.encode(b[0], b[1])));
        bool same = SeatSlots.opened(a[0], a[1]).equals(SeatSlots.opened(b[0], b[1]));
        assert(same == (hashOfA >> 8 == hashOfB >> 8));
    }
}

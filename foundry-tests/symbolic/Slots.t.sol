// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Bits are cut and shifted on purpose.
// forge-lint: disable-start(unsafe-typecast, incorrect-shift)

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {
    AuditSlot,
    AuditSlots,
    JobSlot,
    JobSlots,
    LeaseSlot,
    LeaseSlots,
    ProviderSlot
} from "piecework/Slots.sol";

/// The packed records: every transition writes what it says, and no field leaks into a neighbour. Each
/// starts from any word at all, hence from any that the market can hold. What a transition must leave is
/// written as a mask of the bits that it may change.
contract SlotsProof is Symbolic {
    /// Bits `[from, from + width)`.
    function _bits(uint256 from, uint256 width) private pure returns (uint256) {
        return ((1 << width) - 1) << from;
    }

    function _onlyChanged(uint256 before, uint256 afterwards, uint256 mask) private pure {
        assert(before & ~mask == afterwards & ~mask);
    }

    // ------------------------------------------------------------------ jobs

    /// Property: a posted job's slot holds what was put in, and nothing beside.
    function check_jobSlotPosted(uint16 fee, uint32 task, uint64 point, uint40 time) external {
        vm.warp(time);
        JobSlot slot = JobSlots.posted(fee, task, point);
        assert(slot.status() == IMarket.JobStatus.Posted && slot.feeBps() == fee && slot.next() == task);
        assert(slot.postedAt() == time && slot.point() == point && JobSlot.unwrap(slot) >> 160 == 0);
    }

    /// Property: cancelling and taking tasks change the status and `next` alone.
    function check_jobSlotTransitions(uint256 word, uint32 task) external pure {
        JobSlot slot = JobSlot.wrap(word);
        JobSlot cancelled = slot.cancelled();
        assert(cancelled.status() == IMarket.JobStatus.Cancelled);
        _onlyChanged(word, JobSlot.unwrap(cancelled), _bits(0, 8));
        JobSlot taken = slot.withNext(task);
        assert(taken.next() == task);
        _onlyChanged(word, JobSlot.unwrap(taken), _bits(24, 32));
    }

    /// Property: P-04 a job's slot never returns to zero: the replay guard.
    function check_P04_jobSlotStays(uint256 word, uint32 task) external pure {
        JobSlot slot = JobSlot.wrap(word);
        assert(JobSlot.unwrap(slot.cancelled()) != 0);
        vm.assume(uint8(word) == 1 || uint8(word) == 2);
        assert(slot.withNext(task).status() == slot.status());
    }

    // ------------------------------------------------------------------ leases

    /// Property: a claimed lease holds what was put in, and nothing beside; a fee has 15 bits.
    function check_leaseSlotClaimed(uint32 provider, uint32 count, uint16 fee, uint40 time) external pure {
        vm.assume(fee <= 500);
        LeaseSlot slot = LeaseSlots.claimed(provider, count, fee, time);
        assert(slot.provider() == provider && slot.round() == 1 && slot.count() == count);
        assert(slot.feeBps() == fee && slot.since() == time && slot.origin() == time);
        assert(slot.phase() == IMarket.Phase.Running && slot.grade() == IMarket.Grade.None);
        assert(!slot.isRedundant() && slot.point() == 0);
    }

    /// Property: a redundant lease opens free, without seats.
    function check_leaseSlotOpened(uint32 count, uint16 fee, uint40 time, uint64 point) external pure {
        vm.assume(fee <= 500);
        LeaseSlot slot = LeaseSlots.opened(count, fee, time, point);
        assert(slot.round() == 1 && slot.count() == count && slot.feeBps() == fee);
        assert(slot.since() == time && slot.origin() == time && slot.point() == point);
        assert(slot.phase() == IMarket.Phase.Free && slot.grade() == IMarket.Grade.None);
        assert(slot.isRedundant() && slot.seats() == 0 && slot.commits() == 0 && slot.openings() == 0);
    }

    /// Property: P-44 a takeover changes holder, phase and times alone, and the place on the ramp grows by the time for which
    /// the lease was free.
    function check_P44_leaseSlotTakenOver(uint256 word, uint32 provider, uint40 time) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        unchecked {
            vm.assume(slot.since() <= time);
            uint256 origin = uint256(slot.origin()) + (time - slot.since());
            vm.assume(origin <= type(uint40).max);
            LeaseSlot taken = slot.takenOver(provider, time);
            assert(taken.provider() == provider && taken.since() == time && taken.origin() == origin);
            assert(taken.phase() == IMarket.Phase.Running);
            _onlyChanged(word, LeaseSlot.unwrap(taken), _bits(0, 8) | _bits(80, 80) | _bits(224, 32));
        }
    }

    /// Property: a freed lease keeps its last holder, and its round's number grows, up to the last one. A redundant one loses its
    /// seats too, and has another point.
    function check_leaseSlotFreed(uint256 word, uint40 time, uint64 point) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        uint256 last = slot.round();
        LeaseSlot freed = slot.freed(time);
        assert(freed.phase() == IMarket.Phase.Free && freed.since() == time);
        assert(freed.round() == (last == 65_535 ? last : last + 1));
        _onlyChanged(word, LeaseSlot.unwrap(freed), _bits(0, 8) | _bits(16, 16) | _bits(80, 40));
        LeaseSlot lapsed = slot.lapsed(time, point);
        assert(lapsed.point() == point && lapsed.round() == freed.round() && lapsed.since() == time);
        assert(lapsed.seats() == 0 && lapsed.commits() == 0 && lapsed.openings() == 0);
        uint256 mask = _bits(160, 96);
        _onlyChanged(LeaseSlot.unwrap(freed), LeaseSlot.unwrap(lapsed), mask);
    }

    /// Property: a change of phase, with or without its time, settling and another point change their own fields alone.
    function check_leaseSlotEnds(uint256 word, uint40 time, uint8 grade_, uint64 point) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        vm.assume(grade_ <= uint8(type(IMarket.Grade).max));
        IMarket.Grade grade = IMarket.Grade(grade_);
        LeaseSlot settled = slot.settled(grade);
        assert(settled.phase() == IMarket.Phase.Settled && settled.grade() == grade);
        _onlyChanged(word, LeaseSlot.unwrap(settled), _bits(0, 16));
        LeaseSlot submitted = slot.to(IMarket.Phase.Submitted, time);
        assert(submitted.phase() == IMarket.Phase.Submitted && submitted.since() == time);
        _onlyChanged(word, LeaseSlot.unwrap(submitted), _bits(0, 8) | _bits(80, 40));
        LeaseSlot voided = slot.to(IMarket.Phase.Void);
        assert(voided.phase() == IMarket.Phase.Void);
        _onlyChanged(word, LeaseSlot.unwrap(voided), _bits(0, 8));
        LeaseSlot renewed = slot.withPoint(point);
        assert(renewed.point() == point);
        _onlyChanged(word, LeaseSlot.unwrap(renewed), _bits(160, 64));
    }

    /// Property: seats, commitments and openings count in bytes of their own, up to the 15 that there are.
    function check_leaseSlotCounts(uint256 word, uint8 more) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        vm.assume(slot.seats() < 15 && slot.commits() < 15 && slot.openings() < 15 && more <= 15);
        LeaseSlot joined = slot.plusSeat();
        assert(joined.seats() == slot.seats() + 1);
        _onlyChanged(word, LeaseSlot.unwrap(joined), _bits(224, 8));
        assert(LeaseSlot.unwrap(joined.minusSeat()) == word);
        LeaseSlot committed = slot.plusCommit();
        assert(committed.commits() == slot.commits() + 1);
        _onlyChanged(word, LeaseSlot.unwrap(committed), _bits(232, 8));
        assert(LeaseSlot.unwrap(committed.minusCommit()) == word);
        LeaseSlot opened = slot.plusOpened(more);
        assert(opened.openings() == slot.openings() + more);
        _onlyChanged(word, LeaseSlot.unwrap(opened), _bits(240, 8));
    }

    // ------------------------------------------------------------------ audits

    /// Property: an audit opens with what was put in, and without jurors; so does a second one over the same task.
    function check_auditSlotOpened(uint8 jury, uint32 task, uint40 time, uint64 point) external pure {
        AuditSlot slot = AuditSlots.opened(jury, task, time, point);
        assert(slot.jury() == jury && slot.task() == task && slot.since() == time && slot.point() == point);
        assert(slot.due() == 0 && slot.seats() == 0 && slot.commits() == 0 && slot.openings() == 0);
        assert(AuditSlot.unwrap(slot) >> 208 == 0);
    }

    /// Property: after a jury without verdict the task stays, and how many votes the larger one opened; its jurors are forgotten.
    function check_auditSlotRetried(uint256 word, uint8 votes, uint40 due, uint64 point) external pure {
        AuditSlot slot = AuditSlot.wrap(word);
        AuditSlot next = slot.retried(votes, due, point);
        assert(next.jury() == slot.jury() && next.task() == slot.task());
        assert(next.due() == due && next.point() == point && next.since() == 0);
        assert(next.seats() == 0 && next.commits() == 0 && next.openings() == 0);
        assert(next.undecided() == (votes < slot.undecided() ? slot.undecided() : votes));
    }

    /// Property: the second jury is of the same task and point, and keeps how many votes the first one opened.
    function check_auditSlotSecond(uint256 word, uint8 jury, uint40 time) external pure {
        AuditSlot slot = AuditSlot.wrap(word);
        AuditSlot next = slot.second(jury, time);
        assert(next.jury() == jury && next.task() == slot.task() && next.point() == slot.point());
        assert(next.since() == time && next.due() == 0 && next.undecided() == slot.undecided());
        assert(next.seats() == 0 && next.commits() == 0 && next.openings() == 0);
    }

    /// Property: jurors, commitments, openings and times change in their own fields.
    function check_auditSlotCounts(uint256 word, uint8 more, uint40 time) external pure {
        AuditSlot slot = AuditSlot.wrap(word);
        vm.assume(slot.seats() < 3 && slot.commits() < 3 && slot.openings() < 3 && more <= 3);
        AuditSlot joined = slot.plusSeat();
        assert(joined.seats() == slot.seats() + 1);
        _onlyChanged(word, AuditSlot.unwrap(joined), _bits(8, 8));
        AuditSlot committed = slot.plusCommit();
        assert(committed.commits() == slot.commits() + 1);
        _onlyChanged(word, AuditSlot.unwrap(committed), _bits(16, 8));
        AuditSlot opened = slot.plusOpened(more);
        assert(opened.openings() == slot.openings() + more);
        _onlyChanged(word, AuditSlot.unwrap(opened), _bits(24, 8));
        AuditSlot full = slot.from(time);
        assert(full.since() == time);
        _onlyChanged(word, AuditSlot.unwrap(full), _bits(64, 40));
        AuditSlot missed = slot.withDue(time);
        assert(missed.due() == time);
        _onlyChanged(word, AuditSlot.unwrap(missed), _bits(104, 40));
    }

    // ------------------------------------------------------------------ providers

    /// Property: P-12 what is earned and what is free are added to and taken from in their own fields, as long as
    /// neither sum reaches 2^96 (the market never holds that much).
    function check_P12_providerSlotAmounts(uint256 word, uint96 amount, uint96 bond, bool done)
        external
        pure
    {
        ProviderSlot slot = ProviderSlot.wrap(word);
        uint256 earned = slot.earned();
        uint256 free = slot.free();

        ProviderSlot drawn = slot.drawn();
        assert(drawn.earned() == 0);
        _onlyChanged(word, ProviderSlot.unwrap(drawn), _bits(0, 96));

        if (bond <= free) {
            ProviderSlot locked = slot.minusFree(bond);
            assert(locked.free() == free - bond);
            _onlyChanged(word, ProviderSlot.unwrap(locked), _bits(96, 96));
        }

        vm.assume(earned + amount <= MAX && free + bond <= MAX);
        ProviderSlot unlocked = slot.plusFree(bond);
        assert(unlocked.free() == free + bond);
        _onlyChanged(word, ProviderSlot.unwrap(unlocked), _bits(96, 96));

        ProviderSlot rewarded = slot.rewarded(amount, bond, done);
        assert(rewarded.earned() == earned + amount && rewarded.free() == free + bond);
        uint256 completed = slot.completed();
        uint256 expected = !done || completed == type(uint32).max ? completed : completed + 1;
        assert(rewarded.completed() == expected);
        assert(ProviderSlot.unwrap(rewarded) >> 224 == word >> 224);
    }
}

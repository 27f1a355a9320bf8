// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Bits are cut and shifted on purpose.
// forge-lint: disable-start(unsafe-typecast, incorrect-shift)

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {
    JobSlot,
    JobSlots,
    LeaseSlot,
    LeaseSlots,
    ProviderSlot,
    SealSlot,
    SealSlots
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
    function check_jobSlotPosted(uint16 fee, uint32 task, uint96 stake, uint40 time, uint40 number) external {
        vm.warp(time);
        vm.roll(number);
        JobSlot slot = JobSlots.posted(fee, task, stake);
        assert(slot.status() == IMarket.JobStatus.Posted && slot.feeBps() == fee && slot.next() == task);
        assert(slot.postedAt() == time && slot.postedBlock() == number);
        assert(slot.totalStake() == stake && JobSlot.unwrap(slot) >> 232 == 0);
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

    /// Property: a round begins with what was put in, and with no trace of an earlier one.
    function check_leaseSlotRunning(uint32 provider, uint16 round, uint32 count, uint16 fee, uint40 time)
        external
        pure
    {
        LeaseSlot slot = LeaseSlots.running(provider, round, count, fee, time);
        assert(slot.provider() == provider && slot.round() == round && slot.count() == count);
        assert(slot.feeBps() == fee && slot.startedAt() == time);
        assert(slot.phase() == IMarket.Phase.Running && slot.how() == IMarket.How.None);
        assert(LeaseSlot.unwrap(slot) >> 152 == 0);
    }

    /// Property: a drawn round begins with the lease's count and fee, the next round's number, no provider, no seats; the
    /// time it waited saturates.
    function check_leaseSlotDrawing(uint256 word, uint40 time, uint256 waited) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        vm.assume(slot.round() != type(uint16).max);
        LeaseSlot drawing = slot.drawing(time, waited);
        assert(drawing.provider() == 0 && drawing.round() == slot.round() + 1);
        assert(drawing.count() == slot.count() && drawing.feeBps() == slot.feeBps());
        assert(drawing.phase() == IMarket.Phase.Running && drawing.how() == IMarket.How.None);
        assert(drawing.startedAt() == time && drawing.submittedAt() == 0);
        assert(drawing.waited() == (waited < type(uint24).max ? waited : type(uint24).max));
        assert(LeaseSlot.unwrap(drawing) & _bits(192, 40) == 0);
    }

    /// Property: an untouched lease is free, with its count and fee and nothing else.
    function check_leaseSlotUntouched(uint32 count, uint16 fee) external pure {
        LeaseSlot slot = LeaseSlots.untouched(count, fee);
        assert(slot.phase() == IMarket.Phase.Free && slot.count() == count && slot.feeBps() == fee);
        assert(LeaseSlot.unwrap(slot) & ~(_bits(32, 8) | _bits(64, 48)) == 0);
    }

    /// Property: submitting and settling change phase, time and how alone.
    function check_leaseSlotEnds(uint256 word, uint40 time, uint8 how_) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        vm.assume(how_ <= uint8(type(IMarket.How).max));
        IMarket.How how = IMarket.How(how_);
        LeaseSlot settled = slot.settled(how);
        assert(settled.phase() == IMarket.Phase.Settled && settled.how() == how);
        _onlyChanged(word, LeaseSlot.unwrap(settled), _bits(32, 16));
        // A result is submitted in a running round, which has no time of submission yet.
        vm.assume(slot.submittedAt() == 0);
        LeaseSlot submitted = slot.submitted(time);
        assert(submitted.phase() == IMarket.Phase.Submitted && submitted.submittedAt() == time);
        _onlyChanged(word, LeaseSlot.unwrap(submitted), _bits(32, 8) | _bits(152, 40));
    }

    /// Property: a freed lease keeps who left it, how, round, count and fee, and nothing of its round.
    function check_leaseSlotFreed(uint256 word, uint40 time) external pure {
        LeaseSlot freed = LeaseSlot.wrap(word).freed(time);
        assert(freed.phase() == IMarket.Phase.Free && freed.startedAt() == time);
        _onlyChanged(word, LeaseSlot.unwrap(freed), _bits(32, 8) | _bits(112, 144));
        assert(LeaseSlot.unwrap(freed) >> 152 == 0);
    }

    /// Property: seats, commitments and reveals count in bytes of their own, up to the 15 that there are.
    function check_leaseSlotCounts(uint256 word) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        vm.assume(slot.seats() < 15 && slot.commits() < 15 && slot.reveals() < 15);
        LeaseSlot joined = slot.plusSeat();
        assert(joined.seats() == slot.seats() + 1);
        _onlyChanged(word, LeaseSlot.unwrap(joined), _bits(192, 8));
        LeaseSlot committed = slot.plusCommit();
        assert(committed.commits() == slot.commits() + 1);
        _onlyChanged(word, LeaseSlot.unwrap(committed), _bits(200, 8));
        LeaseSlot revealed = slot.plusReveal();
        assert(revealed.reveals() == slot.reveals() + 1);
        _onlyChanged(word, LeaseSlot.unwrap(revealed), _bits(208, 8));
    }

    /// Property: a challenge counts, and saturates; a demand is marked; windows begin anew; each in its own field.
    function check_leaseSlotDisputes(uint256 word, uint40 time) external pure {
        LeaseSlot slot = LeaseSlot.wrap(word);
        LeaseSlot challenged = slot.challenged();
        uint256 count = slot.challenges();
        assert(challenged.phase() == IMarket.Phase.Challenged);
        assert(challenged.challenges() == (count == 255 ? 255 : count + 1));
        _onlyChanged(word, LeaseSlot.unwrap(challenged), _bits(32, 8) | _bits(216, 8));
        LeaseSlot restarted = slot.windowFrom(time);
        assert(restarted.submittedAt() == time);
        _onlyChanged(word, LeaseSlot.unwrap(restarted), _bits(152, 40));
        LeaseSlot demanded = slot.demandedAt(time);
        assert(demanded.phase() == IMarket.Phase.Demanded && demanded.demanded());
        assert(demanded.submittedAt() == time);
        _onlyChanged(word, LeaseSlot.unwrap(demanded), _bits(32, 8) | _bits(152, 40) | _bits(224, 8));
    }

    // ------------------------------------------------------------------ providers

    /// Property: P-10 what is earned and what is free are added to and taken from in their own fields, as long as
    /// neither sum reaches 2^96 (the market never holds that much).
    function check_P10_providerSlotAmounts(uint256 word, uint96 amount, uint96 bond) external pure {
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
        ProviderSlot richer = slot.plusEarned(amount);
        assert(richer.earned() == earned + amount);
        _onlyChanged(word, ProviderSlot.unwrap(richer), _bits(0, 96));

        ProviderSlot unlocked = slot.plusFree(bond);
        assert(unlocked.free() == free + bond);
        _onlyChanged(word, ProviderSlot.unwrap(unlocked), _bits(96, 96));

        ProviderSlot rewarded = slot.rewarded(amount, bond);
        assert(rewarded.earned() == earned + amount && rewarded.free() == free + bond);
        uint256 completed = slot.completed();
        assert(rewarded.completed() == (completed == type(uint32).max ? completed : completed + 1));
        assert(ProviderSlot.unwrap(rewarded) >> 224 == word >> 224);
    }

    // ------------------------------------------------------------------ seals

    /// Property: a seal holds the stake, the two times and the highest 80 bits of the seed.
    function check_sealSlot(bytes32 seed, uint96 stake, uint40 postedAt, uint40 time) external pure {
        SealSlot slot = SealSlots.sealed_(seed, stake, postedAt, time);
        assert(slot.totalStake() == stake && slot.sealedAt() == time && slot.postedAt() == postedAt);
        assert(uint256(slot.seed()) == uint256(seed) >> 176);
    }
}

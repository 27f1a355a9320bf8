// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// settle: which openings it takes, when, and which call ends the round.
///
/// | commitments            | openings are taken                        | the round can end                                  |
/// | ---------------------- | ----------------------------------------- | -------------------------------------------------- |
/// | fewer than Q           | never                                     | after commitBy                                     |
/// | Q to N - 1             | after commitBy, to commitBy + REVEAL      | all open, or after commitBy + REVEAL                |
/// | N                      | from the last one on, to that + REVEAL    | all open, or after that + REVEAL                    |
///
/// A call that does not end the round records what it opens. The call that ends it names all seats, ascending.
contract RedundantOpeningsTest is RedundantBase {
    uint64 private constant REVEAL = 6 hours;

    function _refused(bytes memory error_, IMarket.Opening[] memory openings) private {
        vm.expectRevert(error_);
        settle(0, openings);
    }

    function _names(address a, address b, address c) private view returns (IMarket.Opening[] memory) {
        return panel(named(a), named(b), named(c));
    }

    // ------------------------------------------------------------------ partial calls

    function test_settle_recordsWhatItOpens() public {
        threeCommit(ROOT, ROOT, ROOT);
        uint64 since = time();
        vm.warp(since + 5);
        expectOpened(0, LEASE, bob, ROOT, DIGESTS);
        settle(0, panel(opens(bob, ROOT)));
        assertSeat(0, bob, IMarket.Seat.Opened);
        assertSeat(0, alice, IMarket.Seat.Committed);
        assertLease(0, IMarket.Phase.Revealing, 1, since, 3, 3);
        assertEq(lease(0).opened, 1);
        assertEq(lease(0).root, 0, "no root before the quorum");
    }

    /// Each opens its own, and the last one brings all.
    function test_settle_inThreeCalls() public {
        threeCommit(ROOT, OTHER, ROOT);
        settle(0, panel(opens(carol, ROOT)));
        settle(0, panel(opens(alice, ROOT)));
        assertEq(lease(0).opened, 2);
        IMarket.Opening[] memory all = three(ROOT, OTHER, ROOT);
        all[0].salt = 0; // of a recorded opening the salt is not read
        settle(0, all);
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
    }

    /// Recorded and unopened seats can be named beside the one that a call opens.
    function test_settle_recordsBesideOthers() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, panel(opens(alice, ROOT)));
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT), named(carol)));
        assertEq(lease(0).opened, 2);
        assertSeat(0, carol, IMarket.Seat.Committed);
    }

    /// A quorum that is open does not end a round in which a commitment can still be opened.
    function test_settle_doesNotEndAtTheQuorum() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT), named(carol)));
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        _refused(openingsMissing(time() + REVEAL), panel(opens(alice, ROOT), opens(bob, ROOT), named(carol)));
    }

    function test_settle_needsSomethingToOpen() public {
        threeCommit(ROOT, ROOT, ROOT);
        uint64 revealBy = time() + REVEAL;
        _refused(openingsMissing(revealBy), panel());
        _refused(openingsMissing(revealBy), _names(alice, bob, carol));
        settle(0, panel(opens(alice, ROOT)));
        _refused(openingsMissing(revealBy), panel(opens(alice, ROOT)));
        vm.warp(revealBy);
        _refused(openingsMissing(revealBy), panel(opens(alice, ROOT), named(bob), named(carol)));
        vm.warp(revealBy + 1);
        settle(0, panel(opens(alice, ROOT), named(bob), named(carol)));
    }

    // ------------------------------------------------------------------ when

    function test_openings_ofAllCommitments_areTakenAtOnce() public {
        twoCommit(ROOT, ROOT);
        _refused(tooEarly(commitBy(0) + 1), two(ROOT, ROOT));
        commit(0, carol, ROOT);
        settle(0, panel(opens(alice, ROOT)));
    }

    function test_openings_ofAllCommitments_untilRevealBy() public {
        vm.warp(time() + 100);
        threeCommit(ROOT, ROOT, ROOT);
        uint64 revealBy = time() + REVEAL;
        uint256 before = vm.snapshotState();
        vm.warp(revealBy);
        settle(0, three(ROOT, ROOT, ROOT));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        vm.revertToState(before);
        vm.warp(revealBy + 1);
        _refused(tooLate(revealBy), three(ROOT, ROOT, ROOT));
        _refused(tooLate(revealBy), panel(named(alice), named(bob), opens(carol, ROOT)));
        settle(0, _names(alice, bob, carol));
        assertPhase(jobId, 0, IMarket.Phase.Free);
    }

    function test_openings_ofAQuorum_afterCommitBy() public {
        twoCommit(ROOT, ROOT);
        uint64 last = commitBy(0);
        vm.warp(last);
        _refused(tooEarly(last + 1), two(ROOT, ROOT));
        vm.warp(last + 1);
        settle(0, panel(opens(alice, ROOT)));
        assertLease(0, IMarket.Phase.Running, 1, last - 800, 2, 2);
        assertEq(lease(0).opened, 1);
        settle(0, two(ROOT, ROOT));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
    }

    function test_openings_ofAQuorum_untilRevealBy() public {
        twoCommit(ROOT, ROOT);
        uint64 revealBy = commitBy(0) + REVEAL;
        uint256 before = vm.snapshotState();
        vm.warp(revealBy);
        _refused(openingsMissing(revealBy), panel(named(alice), named(bob)));
        settle(0, two(ROOT, ROOT));
        vm.revertToState(before);
        vm.warp(revealBy + 1);
        _refused(tooLate(revealBy), two(ROOT, ROOT));
        settle(0, panel(named(alice), named(bob)));
        assertPhase(jobId, 0, IMarket.Phase.Free);
    }

    /// A seat that was reserved and never filled does not keep a round open.
    function test_openings_whileASeatIsReserved() public {
        twoCommit(ROOT, ROOT);
        join(0, carol);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT), opens(carol, OTHER)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertSeat(0, carol, IMarket.Seat.Left);
    }

    function test_openings_ofTooFew_areNeverTaken() public {
        join(0, alice);
        commit(0, bob, ROOT);
        uint64 last = commitBy(0);
        vm.warp(last);
        _refused(tooEarly(last + 1), panel(named(alice), opens(bob, ROOT)));
        vm.warp(last + 1);
        _refused(tooLate(last), panel(named(alice), opens(bob, ROOT)));
        settle(0, panel(named(alice), named(bob)));
        assertPhase(jobId, 0, IMarket.Phase.Free);
    }

    /// A round that nobody cares about ends by anyone's hand, long after the job.
    function test_settle_longAfter() public {
        threeCommit(ROOT, ROOT, ROOT);
        vm.prank(client);
        market.cancel(job);
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT)));
        vm.warp(time() + 1000 days);
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT), named(carol)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
    }

    // ------------------------------------------------------------------ what is opened

    function test_opening_isWhatWasCommitted() public {
        threeCommit(ROOT, ROOT, ROOT);
        bytes memory wrong = wrongOpening(0, bob);
        IMarket.Opening memory o = opens(bob, OTHER);
        _refused(wrong, panel(opens(alice, ROOT), o));
        o = entry(bob, ROOT, keccak256("another list"));
        _refused(wrong, panel(opens(alice, ROOT), o));
        o = opens(bob, ROOT);
        o.salt = bytes32(uint256(SALT) + 1);
        _refused(wrong, panel(opens(alice, ROOT), o));
        o.value = 0;
        _refused(abi.encodeWithSelector(IMarket.ZeroRoot.selector), panel(opens(alice, ROOT), o));
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT)));
    }

    function test_opening_ofTheZeroRoot() public {
        threeCommit(0, ROOT, ROOT);
        _refused(abi.encodeWithSelector(IMarket.ZeroRoot.selector), panel(opens(alice, 0)));
    }

    /// What was recorded is named as it was opened.
    function test_opening_recorded_isNamedAsItWas() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, panel(opens(alice, ROOT)));
        bytes memory wrong = wrongOpening(0, alice);
        _refused(wrong, three(OTHER, ROOT, ROOT));
        _refused(wrong, panel(named(alice), opens(bob, ROOT)));
        _refused(wrong, panel(entry(alice, ROOT, ROOT), opens(bob, ROOT), opens(carol, ROOT)));
        _refused(wrong, panel(entry(alice, DIGESTS, ROOT), opens(bob, ROOT), opens(carol, ROOT)));
    }

    /// Without a salt the entry opens nothing, whatever it says.
    function test_opening_withoutSalt_opensNothing() public {
        threeCommit(ROOT, ROOT, ROOT);
        IMarket.Opening memory o = opens(carol, OTHER);
        o.salt = 0;
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT), o));
        assertSeat(0, carol, IMarket.Seat.Committed);
        assertEq(lease(0).opened, 2);
    }

    // ------------------------------------------------------------------ the panel

    function test_panel_isAscendingAndOfSeats() public {
        threeCommit(ROOT, ROOT, ROOT);
        _refused(wrongPanel(1), panel(opens(bob, ROOT), opens(alice, ROOT), opens(carol, ROOT)));
        _refused(wrongPanel(2), panel(opens(alice, ROOT), opens(carol, ROOT), opens(bob, ROOT)));
        _refused(wrongPanel(1), panel(opens(alice, ROOT), opens(alice, ROOT), opens(bob, ROOT)));
        _refused(wrongPanel(2), panel(opens(alice, ROOT), opens(bob, ROOT), opens(bob, ROOT)));
        _refused(wrongPanel(2), panel(opens(alice, ROOT), opens(bob, ROOT), opens(dave, ROOT)));
        _refused(wrongPanel(0), panel(opens(anyone, ROOT), opens(alice, ROOT), opens(bob, ROOT)));
        IMarket.Opening memory o = opens(alice, ROOT);
        o.number = type(uint32).max;
        _refused(wrongPanel(1), panel(opens(alice, ROOT), o));
        assertEq(lease(0).opened, 0);
    }

    function test_panel_ofTheDecidingCall_namesAll() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, panel(opens(alice, ROOT)));
        settle(0, panel(opens(bob, ROOT)));
        _refused(wrongPanel(1), panel(opens(carol, ROOT)));
        _refused(wrongPanel(2), panel(opens(bob, ROOT), opens(carol, ROOT)));
        settle(0, three(ROOT, ROOT, ROOT));
    }

    function test_panel_atTheEnd_namesAll() public {
        threeCommit(ROOT, ROOT, ROOT);
        vm.warp(time() + REVEAL + 1);
        _refused(wrongPanel(0), panel());
        _refused(wrongPanel(2), panel(named(alice), named(carol)));
        settle(0, _names(alice, bob, carol));
    }

    function test_panel_ofTooFewCommits_namesAll() public {
        join(0, alice);
        commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        _refused(wrongPanel(0), panel());
        _refused(wrongPanel(1), panel(named(bob)));
        settle(0, panel(named(alice), named(bob)));
    }

    /// One that left has no seat.
    function test_panel_withoutALeaver() public {
        join(0, alice);
        _bobAndCarolCommit();
        leave(0, alice);
        vm.warp(commitBy(0) + 1);
        _refused(wrongPanel(0), panel(named(alice), opens(bob, ROOT), opens(carol, ROOT)));
        settle(0, panel(opens(bob, ROOT), opens(carol, ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
    }

    function _bobAndCarolCommit() private {
        commit(0, bob, ROOT);
        commit(0, carol, ROOT);
    }

    // ------------------------------------------------------------------ a commitment is its maker's, for one round

    function test_copy_ofAnotherProvider() public {
        bytes32 hash = committed(0, LEASE, alice, ROOT, DIGESTS);
        commitTo(0, alice, hash);
        commitTo(0, bob, hash);
        commit(0, carol, ROOT);
        settle(0, panel(opens(alice, ROOT)));
        _refused(wrongOpening(0, bob), panel(opens(bob, ROOT)));
    }

    function test_copy_ofAnotherLeaseRoundKindOrJob() public {
        bytes32 kept = jobId;
        bytes32 ofLease = committed(4, LEASE, alice, ROOT, DIGESTS);
        bytes32 ofKind = committed(0, 1, bob, ROOT, DIGESTS);
        round = 2;
        bytes32 ofRound = committed(0, LEASE, carol, ROOT, DIGESTS);
        (round, jobId) = (1, keccak256("another job"));
        bytes32 ofJob = committed(0, LEASE, dave, ROOT, DIGESTS);
        jobId = kept;
        uint256 before = vm.snapshotState();
        commitTo(0, alice, ofLease);
        commitTo(0, bob, ofKind);
        commitTo(0, carol, ofRound);
        _refused(wrongOpening(0, alice), panel(opens(alice, ROOT)));
        _refused(wrongOpening(0, bob), panel(opens(bob, ROOT)));
        _refused(wrongOpening(0, carol), panel(opens(carol, ROOT)));
        vm.revertToState(before);
        twoCommit(ROOT, ROOT);
        commitTo(0, dave, ofJob);
        _refused(wrongOpening(0, dave), panel(opens(dave, ROOT)));
    }

    /// A commitment to what an opened seat is kept as does not look like an opened seat.
    function test_copy_ofARecordedOpening() public {
        commitTo(0, alice, keccak256(abi.encode(ROOT, DIGESTS)));
        commit(0, bob, ROOT);
        commit(0, carol, ROOT);
        settle(0, panel(opens(bob, ROOT), opens(carol, ROOT)));
        vm.warp(time() + REVEAL + 1);
        expectClosed(0, LEASE, alice, IMarket.SeatEnd.Silent, 0, BOND);
        settle(0, panel(named(alice), opens(bob, ROOT), opens(carol, ROOT)));
    }

    // ------------------------------------------------------------------ of what

    function test_settle_ofARoundThatRuns() public {
        _refused(wrongPhase(0, IMarket.Phase.None), panel());
        join(0, alice);
        _refused(wrongPhase(0, IMarket.Phase.Free), panel(named(alice)));
        commit(0, alice, ROOT);
        commit(0, bob, OTHER);
        commit(0, carol, THIRD);
        round = 2;
        _refused(wrongRound(0, 1, 0), three(ROOT, OTHER, THIRD));
        round = 1;
        settle(0, three(ROOT, OTHER, THIRD));
        _refused(wrongPhase(0, IMarket.Phase.Void), three(ROOT, OTHER, THIRD));
        job.terms.nonce++;
        _refused(jobUnknown(market.hashJob(job)), panel());
    }

    function test_settle_once() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, three(ROOT, ROOT, ROOT));
        _refused(wrongPhase(0, IMarket.Phase.Settled), three(ROOT, ROOT, ROOT));
        assertSeat(0, alice, IMarket.Seat.None);
        vm.prank(client);
        market.cancel(job);
        close(job, 4);
        vm.expectRevert(wrongPhase(4, IMarket.Phase.Refunded));
        settle(4, panel());
    }

    function test_settle_ofARedundantJobOnly() public {
        postThis(aJob());
        claim(job, alice, 4);
        _refused(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1), panel());
    }
}

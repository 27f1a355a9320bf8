// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// reveal and settle: who, when, with what panel; and that a commitment is its maker's alone.
contract RedundantRevealTest is RedundantBase {
    uint32[] private _none;

    function setUp() public override {
        super.setUp();
        _wait();
    }

    function _threeCommitted() private {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        _commit(0, carol, ROOT);
    }

    function _panel() private view returns (uint32[] memory) {
        return panelOf(alice, bob, carol);
    }

    function _refused(address who, bytes memory error_) private {
        vm.expectRevert(error_);
        _reveal(0, who, ROOT);
    }

    function _wrongSeat(address who, IMarket.Seat is_) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, who, is_);
    }

    function _wrongPhase(IMarket.Phase phase) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, phase);
    }

    // ------------------------------------------------------------------ reveal

    function test_reveal() public {
        _threeCommitted();
        vm.expectEmit(address(market));
        emit IMarket.Revealed(jobId, 0, alice, ROOT, MANIFEST);
        _reveal(0, alice, ROOT);
        assertSeat(0, alice, IMarket.Seat.Revealed);
        assertEq(lease(0).reveals, 1);
        assertEq(lease(0).root, 0, "no root before the quorum");
        _refused(alice, _wrongSeat(alice, IMarket.Seat.Revealed));
    }

    function test_reveal_whoAndWhat() public {
        _threeCommitted();
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator));
        market.reveal(job, 0, bob, ROOT, MANIFEST, saltOf(bob), _none);
        _refused(dave, _wrongSeat(dave, IMarket.Seat.None));
        _refused(anyone, _wrongSeat(anyone, IMarket.Seat.None));
        vm.prank(alice);
        vm.expectRevert(IMarket.ZeroRoot.selector);
        market.reveal(job, 0, alice, 0, MANIFEST, saltOf(alice), _none);
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongReveal.selector, jobId, 0, alice);
        vm.expectRevert(wrong);
        _reveal(0, alice, OTHER);
        vm.prank(alice);
        vm.expectRevert(wrong);
        market.reveal(job, 0, alice, ROOT, MANIFEST, saltOf(bob), _none);
    }

    function test_reveal_ofWhat() public {
        _refused(alice, _wrongPhase(IMarket.Phase.None));
        job.terms.nonce++;
        jobId = market.hashJob(job);
        _refused(alice, abi.encodeWithSelector(IMarket.JobUnknown.selector, jobId));
        job = aJob();
        jobId = post(job);
        claim(job, alice, 4);
        _refused(alice, abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1));
    }

    /// P-34, P-23: with all seats committed, from that moment until the window is over.
    function test_reveal_windowAfterTheLastCommit() public {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        _refused(alice, abi.encodeWithSelector(IMarket.TooEarly.selector, commitBy(0) + 1, time()));
        _commit(0, carol, ROOT);
        uint64 deadline = time() + 1 hours;
        uint256 before = vm.snapshotState();
        _reveal(0, alice, ROOT);
        vm.revertToState(before);
        vm.warp(deadline);
        _reveal(0, alice, ROOT);
        vm.warp(deadline + 1);
        _refused(bob, abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1));
    }

    /// P-34, P-23: with a quorum of commitments, from when no other can come.
    function test_reveal_windowAfterCommitBy() public {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        _join(0, carol);
        uint64 last = commitBy(0);
        vm.warp(last);
        _refused(alice, abi.encodeWithSelector(IMarket.TooEarly.selector, last + 1, last));
        vm.warp(last + 1);
        _reveal(0, alice, ROOT);
        _refused(carol, _wrongSeat(carol, IMarket.Seat.Joined));
        assertPhase(jobId, 0, IMarket.Phase.Running);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, last, last + 1));
        _join(0, dave);
        vm.warp(last + 1 hours + 1);
        _refused(bob, abi.encodeWithSelector(IMarket.TooLate.selector, last + 1 hours, last + 1 hours + 1));
        vm.warp(last + 1 hours);
        _reveal(0, bob, ROOT);
    }

    function test_reveal_notWithTooFewCommits() public {
        _commit(0, alice, ROOT);
        _join(0, bob);
        uint64 last = commitBy(0);
        _refused(alice, abi.encodeWithSelector(IMarket.TooEarly.selector, last + 1, time()));
        vm.warp(last + 1);
        _refused(alice, abi.encodeWithSelector(IMarket.TooLate.selector, last, last + 1));
    }

    // ------------------------------------------------------------------ copies (P-06)

    function _copied(uint32 first, address copier, bytes32 salt) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongReveal.selector, jobId, first, copier));
        vm.prank(copier);
        market.reveal(job, first, copier, ROOT, MANIFEST, salt, _none);
    }

    function test_P06_copy_ofAnotherProvider() public {
        bytes32 hash = commitment(0, alice, ROOT);
        _commitTo(0, alice, hash);
        _commitTo(0, bob, hash);
        _commit(0, carol, ROOT);
        _reveal(0, alice, ROOT);
        _copied(0, bob, saltOf(alice));
    }

    function test_P06_copy_ofAnotherLease() public {
        bytes32 hash = commitment(0, alice, ROOT);
        _commitTo(4, alice, hash);
        _commit(4, bob, ROOT);
        _commit(4, carol, ROOT);
        _copied(4, alice, saltOf(alice));
    }

    function test_P06_copy_ofAnotherRound() public {
        bytes32 hash = commitment(0, alice, ROOT);
        _commitTo(0, alice, hash);
        vm.warp(commitBy(0) + 1);
        _settle(0, 0, panelOf(alice));
        _wait();
        round = 2;
        _commitTo(0, alice, hash);
        _commit(0, bob, ROOT);
        _commit(0, carol, ROOT);
        _copied(0, alice, saltOf(alice));
    }

    function test_P06_copy_ofAnotherJobOrChallenge() public {
        bytes32 salt = saltOf(alice);
        bytes32 hash = market.commitmentOf(keccak256("another job"), 0, 1, 0, alice, ROOT, salt);
        _commitTo(0, alice, hash);
        salt = saltOf(bob);
        hash = market.commitmentOf(jobId, 0, 1, 1, bob, ROOT, salt);
        _commitTo(0, bob, hash);
        hash = market.commitmentOf(jobId, 0, 1, 0, carol, ROOT, saltOf(carol));
        assertEq(hash, commitment(0, carol, ROOT));
        _commitTo(0, carol, hash);
        _copied(0, alice, saltOf(alice));
        _copied(0, bob, saltOf(bob));
        _reveal(0, carol, ROOT);
    }

    /// What was revealed does not look like a commitment to anything.
    function test_P06_aRevealedSeat_isNoCommitment() public {
        bytes32 hash = keccak256(abi.encode(ROOT));
        _commitTo(0, alice, hash);
        _commit(0, bob, ROOT);
        _commit(0, carol, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, ROOT);
        vm.warp(lease(0).submittedAt + 1 hours + 1);
        vm.expectEmit(address(market));
        emit IMarket.SeatClosed(jobId, 0, 1, 0, IMarket.SeatEnd.Silent, 0, 4 * UNIT);
        _settle(0, ROOT, _panel());
    }

    // ------------------------------------------------------------------ reveal with a panel

    function test_panel_isNotReadBeforeTheLastReveal() public {
        _threeCommitted();
        uint32[] memory nonsense = new uint32[](1);
        _reveal(0, alice, ROOT, nonsense);
        _reveal(0, bob, ROOT, _panel());
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        assertEq(lease(0).reveals, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPanel.selector, 1));
        _reveal(0, carol, ROOT, nonsense);
        _reveal(0, carol, ROOT);
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        _settle(0, ROOT, _panel());
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    /// The last to reveal has lost: it cannot name the quorum's root, but reveals.
    function test_panel_ofWhoLost() public {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        _commit(0, carol, OTHER);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, OTHER, _panel());
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        assertSeat(0, carol, IMarket.Seat.Revealed);
        assertEq(lease(0).reveals, 3);
        _settle(0, ROOT, _panel());
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    // ------------------------------------------------------------------ settle

    function _settleRefused(bytes memory error_, uint32 first, bytes32 root, uint32[] memory panel) private {
        vm.expectRevert(error_);
        _settle(first, root, panel);
    }

    function test_settle_ofWhat() public {
        _settleRefused(_wrongPhase(IMarket.Phase.None), 0, 0, _none);
        job.terms.nonce++;
        jobId = market.hashJob(job);
        _settleRefused(abi.encodeWithSelector(IMarket.JobUnknown.selector, jobId), 0, 0, _none);
        job = aJob();
        jobId = post(job);
        claim(job, alice, 4);
        _settleRefused(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1), 0, 0, _none);
    }

    /// P-19: what has ended does not end again.
    function test_settle_once() public {
        _threeCommitted();
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, ROOT, _panel());
        _settleRefused(_wrongPhase(IMarket.Phase.Settled), 0, ROOT, _panel());
        _refused(alice, _wrongPhase(IMarket.Phase.Settled));
        vm.expectRevert(_wrongPhase(IMarket.Phase.Settled));
        _join(0, dave);
        assertEq(lease(0).root, ROOT);
        assertSeat(0, alice, IMarket.Seat.None);
        assertSeat(0, carol, IMarket.Seat.None);
        // Refunded is final too.
        _commit(4, alice, ROOT);
        _commit(4, bob, OTHER);
        vm.warp(commitBy(4) + 1);
        _reveal(4, alice, ROOT);
        _reveal(4, bob, OTHER, panelOf(alice, bob));
        bytes memory refunded =
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 4, IMarket.Phase.Refunded);
        _settleRefused(refunded, 4, 0, panelOf(alice, bob));
        vm.expectRevert(refunded);
        _join(4, dave);
        // And a free lease has nothing to settle.
        _join(8, alice);
        vm.warp(commitBy(8) + 1);
        _settle(8, 0, panelOf(alice));
        _settleRefused(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 8, IMarket.Phase.Free),
            8,
            0,
            panelOf(alice)
        );
    }

    /// P-34: while commitments are unrevealed, not before their window is over.
    function test_settle_revealsMissing() public {
        _threeCommitted();
        uint64 deadline = time() + 1 hours;
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        vm.warp(deadline);
        _settleRefused(
            abi.encodeWithSelector(IMarket.RevealsMissing.selector, deadline, deadline), 0, ROOT, _panel()
        );
        vm.warp(deadline + 1);
        _settle(0, ROOT, _panel());
    }

    function test_settle_revealsMissing_afterCommitBy() public {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        uint64 deadline = commitBy(0) + 1 hours;
        bytes4 missing = IMarket.RevealsMissing.selector;
        _settleRefused(abi.encodeWithSelector(missing, deadline, time()), 0, 0, panelOf(alice, bob));
        vm.warp(commitBy(0) + 1);
        _reveal(0, alice, ROOT);
        vm.warp(deadline);
        _settleRefused(abi.encodeWithSelector(missing, deadline, deadline), 0, 0, panelOf(alice, bob));
        uint256 before = vm.snapshotState();
        _reveal(0, bob, ROOT);
        _settle(0, ROOT, panelOf(alice, bob)); // all are in: at once
        vm.revertToState(before);
        vm.warp(deadline + 1);
        _settle(0, 0, panelOf(alice, bob));
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
    }

    /// P-34: too few commitments lapse after the last second for them.
    function test_settle_lapsed() public {
        _commit(0, alice, ROOT);
        uint64 last = commitBy(0);
        vm.warp(last);
        _settleRefused(
            abi.encodeWithSelector(IMarket.TooEarly.selector, last + 1, last), 0, 0, panelOf(alice)
        );
        vm.warp(last + 1);
        _settleRefused(abi.encodeWithSelector(IMarket.WrongVerdict.selector, ROOT), 0, ROOT, panelOf(alice));
        _settle(0, 0, panelOf(alice));
        assertPhase(jobId, 0, IMarket.Phase.Free);
    }

    function test_settle_wrongVerdict() public {
        _threeCommitted();
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, ROOT);
        bytes32[2] memory wrong = [bytes32(0), OTHER];
        for (uint256 i; i < 2; ++i) {
            _settleRefused(
                abi.encodeWithSelector(IMarket.WrongVerdict.selector, wrong[i]), 0, wrong[i], _panel()
            );
        }
        _commit(4, alice, ROOT);
        _commit(4, bob, OTHER);
        vm.warp(commitBy(4) + 1);
        _reveal(4, alice, ROOT);
        _reveal(4, bob, OTHER);
        _settleRefused(
            abi.encodeWithSelector(IMarket.WrongVerdict.selector, ROOT), 4, ROOT, panelOf(alice, bob)
        );
        _settle(4, 0, panelOf(alice, bob));
    }

    function test_settle_wrongPanel() public {
        _threeCommitted();
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, ROOT);
        _wrongPanel(_none, 0);
        _wrongPanel(panelOf(alice, bob), 2);
        uint32[] memory four = new uint32[](4);
        (four[0], four[1], four[2], four[3]) = (1, 2, 3, 4);
        _wrongPanel(four, 4);
        _wrongPanel(panelOf(bob, alice, carol), 1); // not ascending
        _wrongPanel(panelOf(alice, carol, bob), 2);
        _wrongPanel(panelOf(alice, alice, bob), 1); // named twice
        _wrongPanel(panelOf(alice, bob, bob), 2);
        _wrongPanel(panelOf(alice, bob, dave), 2); // without a seat
        _wrongPanel(panelOf(anyone, alice, bob), 0); // number 0
        _settle(0, ROOT, _panel());
    }

    function _wrongPanel(uint32[] memory panel, uint256 index) private {
        _settleRefused(abi.encodeWithSelector(IMarket.WrongPanel.selector, index), 0, ROOT, panel);
    }

    /// P-07: a round that nobody cares for any more ends by anyone's hand, though the job is long over.
    function test_P07_settle_longAfter() public {
        _threeCommitted();
        _reveal(0, alice, ROOT);
        vm.prank(client);
        market.cancel(job);
        vm.warp(time() + 1000 days);
        _settle(0, 0, _panel());
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
    }
}

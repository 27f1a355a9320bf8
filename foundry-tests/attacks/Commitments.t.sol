// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Being paid without doing the work, by what others committed to, revealed or delivered; and silence, when
/// talking would cost more.
contract CommitmentsAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;
    uint128 private constant BOND = 4 * UNIT;

    function setUp() public override {
        super.setUp();
        job = aRedundantJob();
        jobId = postSealed(job);
    }

    function _cannotReveal(address who, bytes32 root, bytes32 salt) private {
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongReveal.selector, jobId, 0, who));
        market.reveal(job, 0, who, root, MANIFEST, salt, none);
    }

    /// P-06: a copied commitment cannot be revealed, although its root and salt become public. (iExec's PoCo
    /// seals each result with its worker's address for this reason.)
    function test_P06_copiedCommitment() public {
        uint256 before = worth(mallory);
        bytes32 copied = commitmentFor(job, 0, alice, ROOT);
        commit(job, 0, alice, ROOT);
        vm.prank(mallory);
        market.commit(job, 0, 1, mallory, copied);
        commit(job, 0, bob, ROOT);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        _cannotReveal(mallory, ROOT, SALT);
        vm.warp(time() + 1 hours + 1);
        market.settle(job, 0, ROOT, panelOf(alice, bob, mallory));
        assertEq(worth(mallory), before - BOND, "the copier lost its bond");
        assertUnharmed(alice);
        assertEq(market.balanceOf(alice), market.balanceOf(bob));
        assertGt(market.balanceOf(alice), 0);
        assertBooks(0);
    }

    /// P-06: what a reveal shows is no reveal of another's: not with the same words, not in its name.
    function test_P06_copiedReveal() public {
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        commit(job, 0, mallory, LIE);
        reveal(job, 0, alice, ROOT);
        _cannotReveal(mallory, ROOT, SALT);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, mallory));
        market.reveal(job, 0, bob, ROOT, MANIFEST, SALT, none);
        vm.stopPrank();
        // Who has no seat has nothing to reveal, and alice nothing more.
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, eve, IMarket.Seat.None));
        market.reveal(job, 0, eve, ROOT, MANIFEST, SALT, none);
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, alice, IMarket.Seat.Revealed)
        );
        market.reveal(job, 0, alice, LIE, MANIFEST, SALT, none);
    }

    /// P-06: everything that tells one seat from another is in what is committed to.
    function test_P06_boundToEverything() public view {
        bytes32 it = market.commitmentOf(jobId, 0, 1, 0, alice, ROOT, SALT);
        assertNotEq(it, market.commitmentOf(LIE, 0, 1, 0, alice, ROOT, SALT), "job, market, chain");
        assertNotEq(it, market.commitmentOf(jobId, 4, 1, 0, alice, ROOT, SALT), "lease");
        assertNotEq(it, market.commitmentOf(jobId, 0, 2, 0, alice, ROOT, SALT), "round");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 1, alice, ROOT, SALT), "jury");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, bob, ROOT, SALT), "provider");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, alice, LIE, SALT), "vote");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, alice, ROOT, LIE), "salt");
    }

    /// Round 1 lapses with alice's commitment alone.
    function _lapse() private {
        commit(job, 0, alice, ROOT);
        vm.warp(market.leaseOf(jobId, 0).startedAt + 60 + job.timing.runWindow + 1);
        uint32[] memory panel = new uint32[](1);
        panel[0] = market.providerOf(alice).number;
        market.settle(job, 0, 0, panel);
        assertUnharmed(alice);
        vm.warp(time() + 60);
    }

    /// P-43: who holds a commitment of bob's back until its round is over, does not have him lose his bond in the next.
    function test_P43_commitmentHeldBack() public {
        bytes32 held = commitmentFor(job, 0, bob, ROOT);
        _lapse();
        bytes memory refused = abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 2, 0);
        vm.startPrank(bob);
        vm.expectRevert(refused); // of the round that would begin
        market.commit(job, 0, 1, bob, held);
        vm.expectRevert(refused);
        market.join(job, 0, 1, bob);
        vm.stopPrank();
        commit(job, 0, crew[0], ROOT);
        vm.startPrank(bob);
        vm.expectRevert(refused); // of the round that runs
        market.commit(job, 0, 1, bob, held);
        vm.expectRevert(refused);
        market.join(job, 0, 1, bob);
        vm.expectRevert(refused); // nor ahead of its time
        market.commit(job, 0, 3, bob, held);
        vm.stopPrank();
        assertUnharmed(bob);
    }

    /// P-06: an old commitment cannot be used again in the next round.
    function test_P06_lastRoundsCommitment() public {
        bytes32 old = commitmentFor(job, 0, alice, ROOT);
        _lapse();
        vm.prank(alice);
        market.commit(job, 0, 2, alice, old);
        commit(job, 0, bob, ROOT);
        commit(job, 0, crew[0], ROOT);
        _cannotReveal(alice, ROOT, SALT);
    }

    /// P-23: no commitment after a reveal can be made, and no reveal before all commitments are in.
    function test_P23_voteOnPublicRoots() public {
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        vm.prank(alice);
        vm.expectRevert();
        market.reveal(job, 0, alice, ROOT, MANIFEST, SALT, none);
        uint64 commitBy = market.leaseOf(jobId, 0).startedAt + 60 + job.timing.runWindow;
        vm.warp(commitBy);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, commitBy + 1, commitBy));
        market.reveal(job, 0, alice, ROOT, MANIFEST, SALT, none);

        vm.warp(commitBy + 1);
        reveal(job, 0, alice, ROOT);
        bytes32 copy = market.commitmentOf(jobId, 0, 1, 0, mallory, ROOT, SALT);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, commitBy, commitBy + 1));
        market.commit(job, 0, 1, mallory, copy);
        // Nor may a seat change its mind.
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, commitBy, commitBy + 1));
        market.commit(job, 0, 1, bob, copy);
    }

    /// P-22: a seat commits once.
    function test_P22_changedCommitment() public {
        commit(job, 0, mallory, LIE);
        vm.startPrank(mallory);
        bytes memory refused =
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, mallory, IMarket.Seat.Committed);
        vm.expectRevert(refused);
        market.commit(job, 0, 1, mallory, SALT);
        vm.expectRevert(refused);
        market.join(job, 0, 1, mallory);
        vm.stopPrank();
        assertEq(market.providerOf(mallory).free, STAKE - BOND, "one bond for one seat");
    }

    /// P-05 P-11: who sees that it would be outvoted saves nothing by silence (the free option of commit-reveal).
    function test_P11_withheldReveal() public {
        uint256 before = worth(mallory);
        commit(job, 0, mallory, LIE);
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        uint64 revealBy = time() + 1 hours;
        uint32[] memory panel = panelOf(alice, bob, mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.RevealsMissing.selector, revealBy, time()));
        market.settle(job, 0, ROOT, panel);
        vm.warp(revealBy + 1);
        market.settle(job, 0, ROOT, panel);
        assertEq(worth(mallory), before - BOND);
        assertUnharmed(alice);
        assertUnharmed(bob);
        assertBooks(0);
    }

    /// P-08 P-11: a seat that could make the quorum and does not pays its bond; the client is refunded whole, the
    /// honest seat loses a tenth at most.
    function test_P11_withheldQuorum() public {
        uint256 before = worth(client) + 8 * 3 * UNIT; // escrow of 4 tasks, 3 seats, 2 tokens
        commit(job, 0, mallory, ROOT);
        commit(job, 0, alice, ROOT);
        vm.warp(market.leaseOf(jobId, 0).startedAt + 60 + job.timing.runWindow + 1);
        reveal(job, 0, alice, ROOT);
        vm.warp(time() + 1 hours);
        market.settle(job, 0, 0, panelOf(alice, mallory));
        assertEq(worth(client), before);
        assertEq(market.providerOf(mallory).stake, STAKE - BOND);
        assertEq(market.providerOf(alice).stake, STAKE - BOND / 10);
        (bytes32 root,, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, 0, "no outputs for a refund");
        assertEq(uint8(how), 0);
        assertBooks(0);
    }

    /// P-24 P-35: the last caller cannot settle on another root, or on a panel of its choice.
    function test_P24_settledOnAnotherRoot() public {
        commit(job, 0, mallory, LIE);
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        reveal(job, 0, mallory, LIE);
        vm.startPrank(mallory);
        uint32[] memory panel = panelOf(alice, bob, mallory);
        uint32[] memory two = panelOf(alice, mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongVerdict.selector, LIE));
        market.settle(job, 0, LIE, panel);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongVerdict.selector, bytes32(0)));
        market.settle(job, 0, 0, panel);
        // Without bob; with mallory twice; with a bystander; in another order.
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPanel.selector, 2));
        market.settle(job, 0, ROOT, two);
        (panel[0], panel[1], panel[2]) = (1, 3, 3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPanel.selector, 2));
        market.settle(job, 0, LIE, panel);
        (panel[0], panel[1], panel[2]) = (1, 3, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPanel.selector, 2));
        market.settle(job, 0, LIE, panel);
        (panel[0], panel[1], panel[2]) = (2, 1, 3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPanel.selector, 1));
        market.settle(job, 0, ROOT, panel);
        market.settle(job, 0, ROOT, panelOf(alice, bob, mallory));
        vm.stopPrank();
        assertEq(market.providerOf(mallory).stake, STAKE - BOND);
        assertBooks(0);
    }

    /// P-18: who sees a submission in the mempool cannot hand it in as its own. (Boundless closed a
    /// front-running of copied proofs after an audit, boundless-xyz/boundless#2059.)
    function test_P18_stolenDelivery() public {
        IMarket.Job memory plain = aJob();
        bytes32 id = post(plain);
        claim(plain, alice, 4);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, id, 0, mallory));
        market.submit(plain, 0, mallory, ROOT, MANIFEST);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        market.submit(plain, 0, alice, ROOT, MANIFEST);
        vm.stopPrank();
        submit(plain, alice, 0);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, id, 0, IMarket.Phase.Submitted));
        market.submit(plain, 0, mallory, LIE, MANIFEST);
    }
}

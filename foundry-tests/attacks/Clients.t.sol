// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A client that would have the work and keep the money, and a governor that would have more of it. (Markets that
/// looked at the client's balance, its allowance or the fee when they paid, and not before, were left unpaid.)
contract ClientsAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _assertAlicePaid(uint16 fee) private view {
        uint256 gross = uint256(market.priceAt(job, market.leaseOf(jobId, 0).startedAt)) * 4;
        assertEq(market.balanceOf(alice), gross - gross * fee / 10_000);
        assertEq(market.providerOf(alice).free, STAKE);
    }

    /// P-03 P-08: what a lease will cost is not the client's any more: it cannot withdraw it while the lease runs, nor
    /// cancel, close or post it away.
    function test_P03_withdrawsUnderARunningLease() public {
        claim(job, alice, 4);
        uint32[] memory firsts = new uint32[](1);
        vm.startPrank(client);
        market.withdraw(client, 1000 * UNIT - 20 * UNIT);
        bytes memory empty = abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 0, 1);
        vm.expectRevert(empty);
        market.withdraw(client, 1);
        market.cancel(job);
        assertEq(market.balanceOf(client), 12 * UNIT, "six tasks that nobody held");
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.close(job, firsts);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        market.cancel(job);
        market.withdraw(client, 12 * UNIT);
        vm.stopPrank();

        submit(job, alice, 0);
        vm.prank(client);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Submitted)
        );
        market.close(job, firsts);
        vm.warp(time() + job.timing.challengeWindow + 1);
        market.finalize(job, 0);
        _assertAlicePaid(FEE);
        assertBooks(0);
    }

    /// P-19: a settled lease is not refunded, a refunded one not settled, and no task is refunded twice, also when it is
    /// named twice in one call.
    function test_P19_refundedTwice() public {
        claim(job, alice, 4);
        vm.prank(alice);
        market.release(job, 0, alice);
        vm.warp(job.timing.closesAt + 1);
        uint32[] memory firsts = new uint32[](2);
        vm.startPrank(client);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Refunded));
        market.close(job, firsts); // [0, 0]
        (firsts[0], firsts[1]) = (4, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 4, IMarket.Phase.None));
        market.close(job, firsts);
        (firsts[0], firsts[1]) = (0, 4);
        market.close(job, firsts);
        vm.expectRevert();
        market.close(job, firsts);
        vm.stopPrank();
        assertEq(market.balanceOf(client), 1000 * UNIT);
        assertBooks(0);
    }

    /// P-16: every call brings the job; one changed field makes it another job, unknown. (Boundless did not compare
    /// a request's id with its digest, and charged whom the id named: boundless-xyz/boundless#436.)
    function test_P16_oneFieldChanged() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        for (uint256 i; i < 16; ++i) {
            IMarket.Job memory other = aJob();
            other.timing = job.timing;
            if (i == 0) other.terms.nonce += 1;
            if (i == 1) other.terms.spec = LIE;
            if (i == 2) other.terms.tasks += 1;
            if (i == 3) other.terms.maxLease += 1;
            if (i == 4) other.terms.quorum += 1;
            if (i == 5) other.terms.providers = LIE;
            if (i == 6) other.terms.verifier = mallory;
            if (i == 7) other.price.minPrice -= 1;
            if (i == 8) other.price.maxPrice += 1;
            if (i == 9) other.price.bond -= 1;
            if (i == 10) other.price.juryFee += 1;
            if (i == 11) other.timing.opensAt -= 1;
            if (i == 12) other.timing.ramp -= 1;
            if (i == 13) other.timing.closesAt += 1;
            if (i == 14) other.timing.runWindow += 1;
            if (i == 15) other.timing.challengeWindow = 0; // to finalize before the window is over
            bytes32 id = market.hashJob(other);
            vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, id));
            market.finalize(other, 0);
            vm.prank(client);
            vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, id));
            market.accept(other, 0, ROOT);
        }
        IMarket.Job memory mallorys = job;
        mallorys.terms.client = mallory; // to be paid the refund
        vm.prank(mallory);
        vm.expectPartialRevert(IMarket.JobUnknown.selector);
        market.accept(mallorys, 0, ROOT);
    }

    /// P-43: an acceptance that is held back until the result is another one's does not accept that.
    function test_P43_acceptanceOfAnotherResult() public {
        bytes32[] memory digests = Merkle.someDigests(1, 4);
        bytes32 held = Merkle.root(0, digests);
        claim(job, alice, 4);
        vm.prank(alice);
        market.submit(job, 0, alice, held, MANIFEST);
        vm.roll(block.number + 5);
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        crewVotes(job, RIGHT);
        revealAnswer(job, eve, RIGHT);
        judge(job, RIGHT);
        vm.warp(time() + 1);
        vm.prank(mallory);
        market.takeover(job, mallory, 0);
        vm.prank(mallory);
        market.submit(job, 0, mallory, LIE, MANIFEST);
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRoot.selector, jobId, 0, LIE));
        market.accept(job, 0, held);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        vm.prank(client);
        market.accept(job, 0, LIE);
    }

    /// P-15: a fee that is raised between work and payment takes nothing of it.
    function test_P15_feeRaisedBeforePayment() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.prank(governor);
        market.setFee(500, treasury);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        _assertAlicePaid(FEE);
        assertEq(market.jobOf(jobId).feeBps, FEE);
        assertBooks(12 * UNIT);
    }

    /// P-15: a recipient that is changed takes nothing of what the old one earned.
    function test_P15_recipientChanged() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        uint256 earned = market.balanceOf(treasury);
        assertGt(earned, 0);
        uint256 before = market.balanceOf(mallory);
        vm.prank(governor);
        market.setFee(FEE, mallory);
        assertEq(market.balanceOf(treasury), earned);
        assertEq(market.balanceOf(mallory), before);
        assertBooks(12 * UNIT);
    }

    /// P-17: the same job cannot be posted a second time, not after it ended either (its slot never returns to zero).
    function test_P17_postedAgain() public {
        vm.startPrank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.post(job, spec);
        vm.stopPrank();
    }

    /// P-05 P-11: a client that withholds an input gets nothing of the bond: in the first eighth the provider
    /// leaves for nothing, later for 2 %, all burned.
    function test_P11_withheldInput() public {
        uint256 clients = worth(client);
        claim(job, alice, 4);
        vm.warp(time() + job.timing.runWindow / 8);
        vm.prank(alice);
        market.release(job, 0, alice);
        assertUnharmed(alice);
        claim(job, bob, 4);
        vm.warp(time() + job.timing.runWindow / 8 + 1);
        vm.prank(bob);
        market.release(job, 4, bob);
        assertEq(market.providerOf(bob).stake, STAKE - 4 * UNIT / 50);
        assertEq(market.burned(), 4 * UNIT / 50);
        assertEq(worth(client), clients);
        assertBooks(20 * UNIT);
    }

    /// P-18: nobody posts, cancels or accepts in the client's place, or from its ledger.
    function test_P18_inTheClientsPlace() public {
        claim(job, mallory, 4);
        submit(job, mallory, 0);
        IMarket.Job memory another = aJob();
        another.terms.nonce = 8;
        vm.startPrank(mallory);
        bytes memory refused = abi.encodeWithSelector(IMarket.NotClient.selector, client, mallory);
        vm.expectRevert(refused);
        market.accept(job, 0, ROOT);
        vm.expectRevert(refused);
        market.cancel(job);
        vm.expectRevert(refused);
        market.post(another, spec);
        vm.stopPrank();
    }
}

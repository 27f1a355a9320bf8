// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `challenge`, and where a lease goes before, during and after a dispute.
contract DisputesTest is DisputeBase {
    function _challenge(uint32 task, bytes32 digest, bytes32[] memory proof) private {
        vm.prank(challenger);
        market.challenge(job, 0, round, number, task, digest, proof, OTHER);
    }

    // ------------------------------------------------------------------ challenge

    function test_challenge() public {
        vm.roll(4711);
        vm.warp(time() + 7);
        vm.expectEmit(address(market));
        emit IMarket.Challenged(jobId, 0, challenger, 1, TASK, digests[TASK], OTHER, K);
        _challenge(TASK, digests[TASK], proofOf(TASK));

        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Challenged));
        assertEq(l.challenges, 1);
        assertEq(l.submittedAt, time() - 7);
        assertEq(l.root, Merkle.root(0, digests));
        IMarket.DisputeState memory d = market.disputeOf(jobId, 0);
        assertEq(d.challenger, challenger);
        assertEq(d.task, TASK);
        assertEq(d.digest, digests[TASK]);
        assertEq(d.answer, OTHER);
        assertFalse(d.answered);
        assertEq(d.deposit, K);
        assertEq(d.openedAt, time());
        assertEq(d.openedBlock, 4711);
        assertEq(d.revealFrom, 0);
        assertEq(uint256(d.seats) + d.commits + d.reveals, 0);
        assertEq(market.balanceOf(challenger), 100 * UNIT - K);
        assertConserved(20 * UNIT, K);
    }

    function test_challenge_everyTask() public {
        for (uint32 task; task < 4; ++task) {
            uint256 before = vm.snapshotState();
            _challenge(task, digests[task], proofOf(task));
            assertEq(market.disputeOf(jobId, 0).task, task);
            vm.revertToState(before);
        }
    }

    /// P-12, P-35.
    function test_challenge_notInResult() public {
        bytes32[] memory proof = proofOf(TASK);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, TASK, RIGHT));
        _challenge(TASK, RIGHT, proof);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, 1, digests[TASK]));
        _challenge(1, digests[TASK], proof);
        // Beyond the lease: 6 has the same path as 2.
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, 6, digests[TASK]));
        _challenge(6, digests[TASK], proof);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, TASK, digests[TASK]));
        _challenge(TASK, digests[TASK], new bytes32[](0));
        proof[1] = RIGHT;
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, TASK, digests[TASK]));
        _challenge(TASK, digests[TASK], proof);
        // A node is no leaf.
        bytes32[][] memory all = Merkle.levels(0, digests);
        proof = new bytes32[](1);
        proof[0] = all[1][1];
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, 0, all[1][0]));
        _challenge(0, all[1][0], proof);
    }

    /// P-34.
    function test_challenge_window() public {
        uint64 deadline = time() + job.timing.challengeWindow;
        vm.warp(deadline + 1);
        expectTooLate(deadline);
        _challenge(TASK, digests[TASK], proofOf(TASK));
        vm.warp(deadline);
        _challenge(TASK, digests[TASK], proofOf(TASK));
    }

    function test_challenge_noJury() public {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.price.juryFee) = (8, 0);
        start(j);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoJury.selector, jobId));
        _challenge(TASK, digests[TASK], proofOf(TASK));
    }

    function test_challenge_deposit() public {
        vm.prank(challenger);
        market.withdraw(challenger, 100 * UNIT - K + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, challenger, K - 1, uint256(K))
        );
        _challenge(TASK, digests[TASK], proofOf(TASK));
        fund(challenger, 1);
        _challenge(TASK, digests[TASK], proofOf(TASK));
        assertEq(market.balanceOf(challenger), 0);
    }

    /// P-43: a challenge names the round and the number that it is for; a deposit is put down for no other.
    function test_challenge_wrongRound() public {
        bytes32[] memory proof = proofOf(TASK);
        uint16[4] memory rounds = [uint16(0), 2, 1, 1];
        uint8[4] memory numbers = [1, 1, 0, 2];
        vm.startPrank(challenger);
        for (uint256 i; i < 4; ++i) {
            // What the lease would be at with this challenge.
            vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, uint32(0), 1, 1));
            market.challenge(job, 0, rounds[i], numbers[i], TASK, digests[TASK], proof, OTHER);
        }
        assertEq(market.balanceOf(challenger), 100 * UNIT);
        market.challenge(job, 0, 1, 1, TASK, digests[TASK], proof, OTHER);
    }

    /// P-35.
    function test_challenge_unknownJob() public {
        job.terms.nonce += 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        _challenge(TASK, digests[TASK], proofOf(TASK));
        job.terms.replicas = 3;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        _challenge(TASK, digests[TASK], proofOf(TASK));
    }

    function test_challenge_wrongPhase() public {
        bytes32[] memory proof = proofOf(TASK);
        uint256 submitted = vm.snapshotState();
        bytes32 root = market.leaseOf(jobId, 0).root;
        vm.prank(client);
        market.accept(job, 0, root);
        expectWrongPhase(IMarket.Phase.Settled);
        _challenge(TASK, digests[TASK], proof);
        vm.revertToState(submitted);

        _challenge(TASK, digests[TASK], proof);
        expectWrongPhase(IMarket.Phase.Challenged);
        _challenge(TASK, digests[TASK], proof);
        vm.revertToState(submitted);

        vm.prank(client);
        market.demand(job, 0);
        expectWrongPhase(IMarket.Phase.Demanded);
        _challenge(TASK, digests[TASK], proof);

        claim(job, bob, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, uint32(4), IMarket.Phase.Running)
        );
        market.challenge(job, 4, 1, 1, 4, RIGHT, proof, OTHER);
        vm.prank(bob);
        market.release(job, 4, bob);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, uint32(4), IMarket.Phase.Free)
        );
        market.challenge(job, 4, 1, 1, 4, RIGHT, proof, OTHER);
    }

    function test_challenge_redundant() public {
        job.terms.replicas = 3;
        job.terms.quorum = 2;
        jobId = post(job);
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, uint8(3));
        vm.expectRevert(wrong);
        _challenge(TASK, digests[TASK], proofOf(TASK));
        vm.expectRevert(wrong);
        market.demand(job, 0);
    }

    // ------------------------------------------------------------------ the next challenge

    function _inconclusive() private {
        vm.warp(commitBy() + 1);
        judge(0, 0);
    }

    /// P-27.
    function test_nextChallenge_costsTwice() public {
        challenge(RIGHT);
        _inconclusive();
        number = 2;
        challenge(RIGHT);
        assertEq(market.disputeOf(jobId, 0).deposit, 2 * K);
        assertEq(market.balanceOf(challenger), 100 * UNIT - 2 * K);
        assertConserved(20 * UNIT, 2 * K);
        _inconclusive();
        number = 3;
        sealNothing();
        challenge(RIGHT);
        assertEq(market.disputeOf(jobId, 0).deposit, 4 * K);
        assertEq(market.leaseOf(jobId, 0).challenges, 3);
    }

    /// No seal without a challenge.
    function sealNothing() private {
        expectWrongPhase(IMarket.Phase.Submitted);
        market.sealJury(job, 0);
    }

    /// Nothing of the first dispute is left in the second; its jurors can sit again, and 2 K pay them.
    function test_nextChallenge_startsAnew() public {
        open(RIGHT);
        voteAll([digests[TASK], digests[TASK], digests[TASK]]);
        revealAnswer(RIGHT);
        judge(digests[TASK], 3);

        number = 2;
        vm.roll(block.number + 100);
        vm.warp(time() + job.timing.challengeWindow); // its last second
        challenge(RIGHT);
        IMarket.DisputeState memory d = market.disputeOf(jobId, 0);
        assertFalse(d.answered);
        assertEq(d.answer, answerOf(challenger, RIGHT));
        assertEq(d.revealFrom, 0);
        assertEq(uint256(d.seats) + d.commits + d.reveals, 0);
        assertEq(d.openedAt, time());
        assertEq(d.openedBlock, block.number);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSealed.selector, jobId, uint32(0)));
        joinJury(jurors[0]);
        sealAndDraw();
        assertEq(uint8(market.seatOf(jobId, 0, 1, 1, jurors[0])), uint8(IMarket.Seat.Revealed));
        assertEq(uint8(market.seatOf(jobId, 0, 1, 2, jurors[0])), uint8(IMarket.Seat.None));
        voteAll([RIGHT, RIGHT, RIGHT]);
        revealAnswer(RIGHT);
        // The reward stays as it was; 2 K return.
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, K, 2 * K, B - 6 * JURY_FEE);
        judge(RIGHT, 3);
        assertEq(market.balanceOf(challenger), 100 * UNIT); // lost K, won K
        assertConserved(20 * UNIT, 0);
    }

    /// After a lost first, a rejected second challenge burns what is left of 2 K.
    function test_nextChallenge_rejected() public {
        challenge(RIGHT);
        _inconclusive();
        number = 2;
        open(RIGHT);
        voteAll([digests[TASK], digests[TASK], digests[TASK]]);
        revealAnswer(RIGHT);
        expectJudged(IMarket.Verdict.ProviderRight, digests[TASK], 0, 0, 2 * K - 3 * JURY_FEE);
        judge(digests[TASK], 3);
        assertEq(market.burned(), 2 * K - 3 * JURY_FEE);
    }

    /// With the least fee there are 95 challenges in a round: each has a number, and a jury, of its own. (P-27)
    function test_nextChallenge_untilNoMarketHasK() public {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.price.juryFee) = (8, 1);
        start(j);
        fund(challenger, uint128(3) << 94);
        for (uint8 i = 1; i <= 95; ++i) {
            number = i;
            challenge(RIGHT);
            assertEq(market.disputeOf(jobId, 0).deposit, uint256(3) << (i - 1));
            assertEq(market.leaseOf(jobId, 0).challenges, i);
            _inconclusive();
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, uint256(3) << 95, MAX));
        _challenge(TASK, digests[TASK], proofOf(TASK));
    }

    // ------------------------------------------------------------------ the lease meanwhile, and after

    /// P-26.
    function test_challenged_nothingElseGoes() public {
        challenge(RIGHT);
        expectNothingElseGoes(IMarket.Phase.Challenged);
        expectWrongPhase(IMarket.Phase.Challenged);
        vm.prank(client);
        market.demand(job, 0);
        expectWrongPhase(IMarket.Phase.Challenged);
        vm.prank(alice);
        market.respond(job, 0, alice, digests);
        expectWrongPhase(IMarket.Phase.Challenged);
        market.forfeit(job, 0);
    }

    function test_acquitted_windowAnew() public {
        challenge(RIGHT);
        _inconclusive();
        uint64 deadline = time() + job.timing.challengeWindow;
        vm.warp(deadline);
        expectTooEarly(deadline + 1);
        market.finalize(job, 0);
        vm.warp(deadline + 1);
        market.finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
        IMarket.ProviderState memory p = market.providerOf(alice);
        assertEq(p.free, 100 * UNIT);
        assertEq(p.completed, 1);
        // The price is that of the claim.
        assertEq(market.balanceOf(alice), 4 * UNIT - 4 * UNIT * FEE / 10_000);
        assertConserved(12 * UNIT, 0);
    }

    function test_acquitted_accept() public {
        challenge(RIGHT);
        _inconclusive();
        bytes32 root = market.leaseOf(jobId, 0).root;
        vm.prank(client);
        market.accept(job, 0, root);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    function _convict() private {
        open(RIGHT);
        voteAll([RIGHT, RIGHT, RIGHT]);
        revealAnswer(RIGHT);
        judge(RIGHT, 3);
    }

    /// P-39.
    function test_convicted_nextRound() public {
        _convict();
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, uint32(0), alice));
        vm.prank(alice);
        market.takeover(job, alice, 0);
        expectTooEarly(time() + 1);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.warp(time() + 1);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        submitDigests(bob); // the same wrong result
        (round, number) = (2, 1);
        vm.roll(block.number + 10);
        open(RIGHT);
        assertEq(market.disputeOf(jobId, 0).deposit, K, "a new round, the first price");
        voteAll([RIGHT, RIGHT, RIGHT]);
        revealAnswer(RIGHT);
        judge(RIGHT, 3);
        assertStaker(bob, 0, 100 * UNIT - B, 100 * UNIT - B, 1);
        assertEq(market.balanceOf(challenger), 100 * UNIT + 2 * K);
        assertConserved(20 * UNIT, 0);
    }

    function test_convicted_afterCancel() public {
        open(RIGHT);
        vm.prank(client);
        market.cancel(job);
        voteAll([RIGHT, RIGHT, RIGHT]);
        revealAnswer(RIGHT);
        judge(RIGHT, 3);
        assertConserved(8 * UNIT, 0);
        market.close(job, new uint32[](1));
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertEq(market.balanceOf(client), 1000 * UNIT);
        assertConserved(0, 0);
    }

    function test_challenge_cancelledAndClosed() public {
        vm.prank(client);
        market.cancel(job);
        challenge(RIGHT);
        _inconclusive();
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
    }

    /// The part alone is nothing.
    function test_partByItself() public {
        IMarket part = IMarket(deployCode("Drawn.sol:Drawn", abi.encode(bytes32(0), times())));
        vm.expectRevert();
        part.demand(job, 0);
        vm.expectRevert();
        part.judge(job, 0, 0, 0, new uint32[](0));
    }
}

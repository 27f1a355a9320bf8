// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Being paid without the work, by what others committed to, opened or delivered.
contract CommitmentsAttack is AttackBase {
    function setUp() public override {
        super.setUp();
        IMarket.Job memory made = oneRedundant(3, 2);
        made.terms.tasks = 8;
        startDrawn(made);
    }

    function _refused(IMarket.Opening memory entry) private {
        bytes memory why = abi.encodeWithSelector(IMarket.WrongOpening.selector, jobId, 0, entry.number);
        IMarket.Opening[] memory one = seats(entry);
        uint16 round = roundNow();
        vm.expectRevert(why);
        market.settle(job, 0, round, one);
    }

    function _commitTo(address who, bytes32 hash) private {
        uint16 round = roundNow();
        vm.prank(who);
        market.commit(job, 0, round, who, hash);
    }

    /// Tries: mallory copies alice's commitment, and opens it with what alice opened.
    /// Fails: a commitment names its provider. (iExec's PoCo seals each result with its worker's address for this reason.)
    /// Costs: her bond.
    function test_copiedCommitment_cannotBeOpened() public {
        bytes32 copied = commitment(jobId, 0, 1, 0, alice, ROOT, DIGESTS);
        commit(alice, ROOT);
        _commitTo(mallory, copied);
        commit(bob, ROOT);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT)));
        _refused(rooted(mallory, ROOT));
        vm.warp(time() + times().revealWindow + 1);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), naming(mallory)));
        assertGain(mallory, minus(BOND));
        assertGain(alice, plus(PRICE - CUT));
        assertBurned(BOND + PRICE);
        assertBooks(3 * PRICE);
    }

    /// Tries: a juror copies another's commitment.
    /// Fails: the same.
    /// Costs: J.
    function test_copiedVote_cannotBeOpened() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        vote(1, crew[0], RIGHT);
        bytes32 copied = commitment(jobId, 0, 1, 1, crew[0], RIGHT, keyedOf(RIGHT));
        vm.prank(mallory);
        market.commitVote(job, 0, 1, 1, mallory, copied);
        vote(1, crew[1], RIGHT);
        IMarket.Opening[] memory all =
            seats(voted(crew[0], RIGHT), voted(crew[1], RIGHT), voted(mallory, RIGHT));
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongOpening.selector, jobId, 0, numberOf(mallory)));
        market.judge(job, 0, 1, 1, all, 0, new bytes32[](0));
        judgeWithoutLeaf(1, seats(voted(crew[0], RIGHT), voted(crew[1], RIGHT)));
        vm.warp(time() + times().revealWindow + 1);
        judge(1, seats(voted(crew[0], RIGHT), voted(crew[1], RIGHT), naming(mallory)));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(mallory, minus(JUROR_BOND));
        assertBurned(JUROR_BOND);
    }

    /// Tries: everything else that tells one commitment from another is exchanged.
    /// Fails: job (and with it market and chain), lease, round, kind, provider, content and salt are in it.
    function test_commitment_isBoundToEverything() public view {
        bytes32 it = market.commitmentOf(jobId, 0, 1, 0, 1, ROOT, DIGESTS, SALT);
        assertEq(it, commitment(jobId, 0, 1, 0, alice, ROOT, DIGESTS));
        assertNotEq(it, market.commitmentOf(LIE, 0, 1, 0, 1, ROOT, DIGESTS, SALT), "job");
        assertNotEq(it, market.commitmentOf(jobId, 4, 1, 0, 1, ROOT, DIGESTS, SALT), "lease");
        assertNotEq(it, market.commitmentOf(jobId, 0, 2, 0, 1, ROOT, DIGESTS, SALT), "round");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 1, 1, ROOT, DIGESTS, SALT), "kind");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, 2, ROOT, DIGESTS, SALT), "provider");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, 1, LIE, DIGESTS, SALT), "value");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, 1, ROOT, LIE, SALT), "proof");
        assertNotEq(it, market.commitmentOf(jobId, 0, 1, 0, 1, ROOT, DIGESTS, LIE), "salt");
    }

    /// Tries: alice's own commitment is used for another lease of the job.
    /// Fails: it opens in its own lease alone.
    /// Costs: who committed so, its bond.
    function test_replayInAnotherLease() public {
        bytes32 other = commitment(jobId, 4, 1, 0, mallory, ROOT, DIGESTS);
        _commitTo(mallory, other);
        commit(alice, ROOT);
        commit(bob, ROOT);
        _refused(rooted(mallory, ROOT));
    }

    /// Round 1 lapses with alice's commitment alone, beside a reserved seat of mallory's.
    function _lapse() private {
        commit(alice, ROOT);
        join(mallory);
        vm.warp(market.leaseOf(jobId, 0).since + job.timing.runWindow + 1);
        settle(seats(naming(alice), naming(mallory)));
        assertUnharmed(alice);
        drawAgain();
    }

    /// Tries: an opening of round 1 is used in round 2, and a call for round 1 is mined there.
    /// Fails: each act names its round, and so does a commitment.
    /// Costs: who committed so, its bond.
    function test_replayInAnotherRound() public {
        bytes32 held = commitment(jobId, 0, 1, 0, bob, ROOT, DIGESTS);
        _lapse();
        bytes memory refused = abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 2, 0);
        IMarket.Opening[] memory one = seats(rooted(alice, ROOT));
        vm.startPrank(bob);
        vm.expectRevert(refused);
        market.commit(job, 0, 1, bob, held);
        vm.expectRevert(refused);
        market.join(job, 0, 1, bob);
        vm.expectRevert(refused);
        market.commit(job, 0, 3, bob, held);
        vm.stopPrank();
        _commitTo(alice, commitment(jobId, 0, 1, 0, alice, ROOT, DIGESTS));
        commit(crew[0], ROOT);
        commit(crew[1], ROOT);
        vm.expectRevert(refused);
        market.settle(job, 0, 1, one);
        _refused(rooted(alice, ROOT));
    }

    /// Tries: a vote of the first jury is opened in the second, and a lease's commitment as a vote.
    /// Fails: the kind is in it.
    /// Costs: who committed so, J.
    function test_replayInAnotherKind() public {
        start(oneAudited());
        submitted(mallory, LIE);
        toss(true);
        crewJudges(1, LIE, RIGHT, RIGHT);
        tossAgain();
        bytes32 first = commitment(jobId, 0, 1, 1, crew[1], RIGHT, keyedOf(RIGHT));
        bytes32 lease = commitment(jobId, 0, 1, 0, crew[2], RIGHT, keyedOf(RIGHT));
        vm.prank(crew[1]);
        market.commitVote(job, 0, 1, 2, crew[1], first);
        vm.prank(crew[2]);
        market.commitVote(job, 0, 1, 2, crew[2], lease);
        vote(2, crew[0], RIGHT);
        for (uint256 i = 1; i < 3; ++i) {
            IMarket.Opening[] memory one = seats(voted(crew[i], RIGHT));
            bytes memory why = abi.encodeWithSelector(IMarket.WrongOpening.selector, jobId, 0, one[0].number);
            vm.expectRevert(why);
            market.judge(job, 0, 1, 2, one, 0, new bytes32[](0));
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 2));
        market.judge(job, 0, 1, 1, seats(), 0, new bytes32[](0));
    }

    /// Tries: a seat commits twice, to change its mind.
    /// Fails: a seat commits once.
    /// Costs: gas.
    function test_changedCommitment() public {
        commit(mallory, LIE);
        bytes memory refused =
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, mallory, IMarket.Seat.Committed);
        vm.startPrank(mallory);
        vm.expectRevert(refused);
        market.commit(job, 0, 1, mallory, SALT);
        vm.expectRevert(refused);
        market.join(job, 0, 1, mallory);
        vm.stopPrank();
        assertEq(market.providerOf(mallory).free, STAKE - BOND, "one bond for one seat");
    }

    /// Tries: the last caller settles on another root than the quorum's, or on one that nobody opened.
    /// Fails: the market counts the openings itself.
    /// Costs: the outvoted seat its bond.
    function test_settledOnAnotherRoot() public {
        commit(mallory, LIE);
        commit(alice, ROOT);
        commit(bob, ROOT);
        _refused(rooted(alice, LIE));
        _refused(rooted(bob, LIE));
        settle(seats(rooted(mallory, LIE), rooted(alice, ROOT), rooted(bob, ROOT)));
        (bytes32 root,, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(uint8(grade), uint8(IMarket.Grade.Quorum));
        assertGain(mallory, minus(BOND));
    }

    /// Tries: a seat opens the zero root, or a juror an abstention that carries something.
    /// Fails: neither can be opened, so both are silent seats.
    /// Costs: the whole bond.
    function test_zeroRoot_isSilence() public {
        commit(mallory, 0);
        commit(alice, ROOT);
        commit(bob, ROOT);
        IMarket.Opening[] memory one = seats(rooted(mallory, 0));
        vm.expectRevert(IMarket.ZeroRoot.selector);
        market.settle(job, 0, 1, one);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT)));
        vm.warp(time() + times().revealWindow + 1);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), naming(mallory)));
        assertGain(mallory, minus(BOND));
    }

    /// Tries: mallory sees a submission in the mempool and hands it in as her own, or in alice's name. (Boundless closed a
    /// front-running of copied proofs after an audit, boundless-xyz/boundless#2059.)
    /// Fails: only the holder of the lease submits.
    /// Costs: gas.
    function test_stolenDelivery() public {
        start(oneLease());
        claim(job, alice, 4);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, mallory));
        market.submit(job, 0, 1, mallory, ROOT, DIGESTS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        vm.stopPrank();
        submit(job, alice, 0);
        assertGain(alice, plus(PRICE - CUT));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The chain makes no block, or a provider is cut off, in every window: by chance, or because somebody wants others slashed.
/// Here no attacker acts. What is asserted is what it would gain from an outage, and what the honest lose.
contract OutagesAttack is AttackBase {
    uint64 private constant OUTAGE = 1 hours;

    /// Tries: an hour without blocks, from the second after the claim.
    /// Fails to cost more than a tenth: with a run window shorter than the outage the provider is late.
    /// Costs: the provider a tenth of its bond, the client nothing.
    function test_outageOfAnHour_inAShortRunWindow_costsATenth() public {
        start(oneAudited());
        claim(job, alice, 4);
        vm.warp(time() + OUTAGE);
        vm.prank(alice);
        vm.expectPartialRevert(IMarket.TooLate.selector);
        market.submit(job, 0, 1, alice, RIGHT, DIGESTS);
        market.expire(job, 0);
        assertGain(alice, minus(BOND / 10));
        vm.prank(bob);
        market.takeover(job, bob, 0);
        assertBurned(BOND / 10);
    }

    /// The same with a run window of two hours: nothing is lost.
    function test_outageOfAnHour_inALongRunWindow_costsNothing() public {
        IMarket.Job memory made = oneAudited();
        made.timing.runWindow = 2 hours;
        made.assurance.auditBps = 5000;
        start(made);
        claim(job, alice, 4);
        vm.warp(time() + 1 hours + OUTAGE);
        submit(job, alice, 0);
        toss(false);
        finalize(job, 0);
        assertUnharmed(alice);
        assertGain(alice, plus(PRICE - CUT));
    }

    /// Tries: an hour without blocks, from the submission: the coin's block is built after it.
    /// Fails: the window for audits is two hours at least.
    /// Costs: the liar its bond.
    function test_outageOfAnHour_beforeTheAudit_doesNotStopIt() public {
        start(oneAudited());
        submitted(mallory, LIE);
        vm.warp(time() + OUTAGE);
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: an hour without blocks from the second in which the first juror opens the audit.
    /// Fails: jurors have an hour beyond the run window.
    /// Costs: nothing.
    function test_outageOfAnHour_whileJurorsCommit_costsNothing() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        joinJury(1, crew[0]);
        vm.warp(time() + OUTAGE + job.timing.runWindow);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(crew[0], plus(JURY_FEE));
        assertBurned(0);
    }

    /// Tries: an hour without blocks from the last commitment.
    /// Fails: six hours are there to open.
    /// Costs: nothing.
    function test_outageOfAnHour_whileJurorsOpen_costsNothing() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        vm.warp(time() + OUTAGE);
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertBurned(0);
        assertBooks(0);
    }

    /// Tries: no block in the whole time for openings, of jurors (version 1 burned all their bonds).
    /// Fails: where nobody opened, nobody is to blame. Commitments are released, and a second jury may sit.
    /// Costs: time.
    /// P-05
    function test_outageWhileJurorsOpen_releasesThem() public {
        start(oneAudited());
        submitted(mallory, LIE);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        vm.warp(time() + times().revealWindow + 1);
        judgeWithoutLeaf(1, seats(naming(crew[0]), naming(crew[1]), naming(crew[2])));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertUnharmed(crew[0]);
        assertBurned(0);
        tossAgain();
        crewJudges(2, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
        assertBooks(0);
    }

    /// Tries: an hour without blocks from the moment at which the accused's leaf is first missed.
    /// Fails: a day is there to bring it, and anyone can.
    /// Costs: nothing.
    function test_outageOfAnHour_whileTheLeafIsDue_costsNothing() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        vm.warp(time() + OUTAGE);
        vm.prank(anyone);
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertUnharmed(alice);
        assertBurned(0);
    }

    /// Tries: the provider is cut off for a day from its submission on, while three hostile jurors hurry to convict it for its
    /// missing leaf (version 1: six hours, and a demand for nothing).
    /// Fails: the day to respond begins when the leaf is first missed, which is later than the submission.
    /// Costs: the jurors nothing, if they voted right.
    /// P-15
    function test_providerOfflineForADay_isAcquitted() public {
        start(oneAudited());
        uint64 gone = time();
        submitted(alice, RIGHT);
        uint64 point = market.leaseOf(jobId, 0).point;
        // The fastest jury that there can be: all drawn in the point's first second. Here they wait until all are drawn.
        toss(true);
        assertGe(time(), beacon.timeOf(point));
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        vm.warp(gone + 1 days);
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertUnharmed(alice);
        assertGain(alice, plus(PRICE - CUT));
        assertBooks(0);
    }

    /// Tries: the same for longer than the time to respond, and nobody else brings the leaf.
    /// Works: whoever does not answer for its result in a day is convicted. Any juror that has the digest list can answer for it.
    /// Costs: the provider its bond; the client the price and three fees, so it gains nothing.
    /// P-34
    function test_providerOfflineForLonger_isConvicted() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        uint256 state = vm.snapshotState();
        vm.warp(time() + times().respondWindow + 1);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGain(alice, minus(BOND));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
        assertBurned(PRICE + BOND);
        vm.revertToState(state);
        vm.warp(time() + times().respondWindow);
        vm.prank(crew[0]);
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertUnharmed(alice);
    }

    // ------------------------------------------------------------------ redundant leases

    /// Tries: an hour without blocks in a run window of 800 seconds, when one seat has committed.
    /// Fails to cost more than a tenth: of a reserved seat. The commitment is released.
    /// Costs: the reserved seat a tenth of its bond, the client nothing.
    function test_outageOfAnHour_whileSeatsCommit_costsReservedSeatsATenth() public {
        startDrawn(oneRedundant(3, 2));
        commit(alice, ROOT);
        join(bob);
        vm.warp(time() + OUTAGE);
        settle(seats(naming(alice), naming(bob)));
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertUnharmed(alice);
        assertGain(bob, minus(BOND / 10));
        assertBurned(BOND / 10);
        drawAgain();
        commit(alice, ROOT);
        commit(crew[0], ROOT);
        commit(crew[1], ROOT);
        settle(seats(rooted(alice, ROOT), rooted(crew[0], ROOT), rooted(crew[1], ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertGain(client, minus(3 * PRICE));
        assertBooks(0);
    }

    /// Tries: no block in the whole time for openings, when all seats have committed (version 1 burned three whole bonds).
    /// Fails: no commitment is slashed, and the lease has another round.
    /// Costs: time.
    /// P-05
    function test_outageWhileSeatsOpen_releasesThem() public {
        startDrawn(oneRedundant(3, 2));
        for (uint256 i; i < 3; ++i) {
            commit(crew[i], ROOT);
        }
        vm.warp(time() + times().revealWindow + 1);
        IMarket.Opening[] memory late =
            seats(rooted(crew[0], ROOT), rooted(crew[1], ROOT), rooted(crew[2], ROOT));
        vm.expectPartialRevert(IMarket.TooLate.selector);
        market.settle(job, 0, 1, late);
        settle(seats(naming(crew[0]), naming(crew[1]), naming(crew[2])));
        assertPhase(jobId, 0, IMarket.Phase.Free);
        for (uint256 i; i < 3; ++i) {
            assertUnharmed(crew[i]);
        }
        assertBurned(0);
        assertBooks(3 * PRICE);
    }

    /// Tries: an hour without blocks after the last commitment.
    /// Fails: six hours are there to open.
    /// Costs: nothing.
    function test_outageOfAnHour_whileSeatsOpen_costsNothing() public {
        startDrawn(oneRedundant(3, 2));
        for (uint256 i; i < 3; ++i) {
            commit(crew[i], ROOT);
        }
        vm.warp(time() + OUTAGE);
        settle(seats(rooted(crew[0], ROOT), rooted(crew[1], ROOT), rooted(crew[2], ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertGain(crew[0], plus(PRICE - CUT));
        assertBurned(0);
        assertBooks(0);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Every row of docs/PROTOCOL.md's table of verdicts, with everyone's money to the unit and the events in their order.
/// Bond of the accused 4, price 4, escrow 8.6; a juror's fee 0.1 and bond J = 0.8. All patterns at once: Patterns.t.sol.
///
/// | votes                              | leaf opened                                        | leaf never opened      |
/// | ---------------------------------- | -------------------------------------------------- | ---------------------- |
/// | two or three equal (D)             | D names it: acquitted, else convicted              | convicted              |
/// | two equal (D), a third E           | E names it and D does not: no verdict; else above  | convicted, E loses J   |
/// | no two equal, at least one opened  | no verdict, each vote loses a tenth of J           | the same               |
/// | two or more commitments, none open | no verdict, commitments released                   | the same               |
/// | fewer than two commitments         | no verdict, commitments released                   | the same               |
contract VerdictsTest is AuditBase {
    uint256 private _had;

    function setUp() public override {
        super.setUp();
        _had = market.balanceOf(client);
    }

    function _assertClient(uint256 refunded) private view {
        assertEq(market.balanceOf(client) - _had, refunded, "refunded");
    }

    function _assertPaid(address who) private view {
        assertHas(who, STAKE, F, 0, 0, 0);
    }

    /// Lost a tenth of J, or all of it.
    function _assertTenth(address who) private view {
        assertHas(who, STAKE - TENTH, 0, 0, 1, 0);
    }

    function _assertWhole(address who) private view {
        assertHas(who, STAKE - J, 0, 0, 0, 1);
    }

    function _neverOpened(IMarket.Opening[] memory all) private {
        judge(all);
        vm.warp(time() + RESPOND + 1);
    }

    /// No verdict: the pot is in the escrow again, the accused still locked, a second jury may come.
    function _assertUndecided(uint256 burned) private view {
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertEq(freeOf(alice), STAKE - BOND);
        assertEq(market.burned(), burned, "burned");
        assertEq(escrowIn(job), 21.5 ether);
        _assertClient(0);
        assertNoResult();
    }

    // ------------------------------------------------------------------ two or three equal

    function test_threeNameTheLeaf_acquitted() public {
        threeVote(leaf, leaf, leaf);
        expectOpened(0, FIRST, bob, leaf, keyedOf(leaf));
        expectOpened(0, FIRST, carol, leaf, keyedOf(leaf));
        expectOpened(0, FIRST, dave, leaf, keyedOf(leaf));
        expectEnds(bob, IMarket.SeatEnd.Paid, F, 0);
        expectEnds(carol, IMarket.SeatEnd.Paid, F, 0);
        expectEnds(dave, IMarket.SeatEnd.Paid, F, 0);
        expectJudged(IMarket.Verdict.Acquitted, leaf, leaf);
        expectSettled(IMarket.Grade.Audited, 4.3 ether);
        judge(three(leaf, leaf, leaf), leaf);
        assertAcquitted();
        _assertPaid(bob);
        _assertPaid(carol);
        _assertPaid(dave);
        assertEq(market.burned(), 0);
        assertEq(market.balanceOf(treasury), GROSS - PAY, "no fee on juror's pay");
        _assertClient(4.3 ether);
    }

    function test_threeNameAnother_convicted() public {
        threeVote(RIGHT, RIGHT, RIGHT);
        expectEnds(bob, IMarket.SeatEnd.Paid, F, 0);
        expectEnds(carol, IMarket.SeatEnd.Paid, F, 0);
        expectEnds(dave, IMarket.SeatEnd.Paid, F, 0);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, leaf);
        expectVoided(GROSS, 4.3 ether);
        judge(three(RIGHT, RIGHT, RIGHT), leaf);
        assertConvicted();
        _assertPaid(dave);
        assertEq(market.burned(), BOND + GROSS, "bond and price, whole");
        assertEq(market.balanceOf(treasury), 0);
        _assertClient(4.3 ether);
    }

    function test_threeEqual_leafNeverOpened_convicted() public {
        threeVote(leaf, leaf, leaf);
        _neverOpened(three(leaf, leaf, leaf));
        expectJudged(IMarket.Verdict.Convicted, leaf, 0);
        expectVoided(GROSS, 4.3 ether);
        judge(three(leaf, leaf, leaf));
        assertConvicted();
        _assertPaid(bob);
        assertEq(market.burned(), BOND + GROSS);
    }

    /// Two votes are enough; what the third juror's would have cost returns.
    function test_twoEqual_seatEmpty() public {
        vote(bob, leaf);
        vote(carol, leaf);
        vm.warp(commitBy() + 1);
        expectSettled(IMarket.Grade.Audited, 4.4 ether);
        judge(panel(opens(bob, leaf), opens(carol, leaf)), leaf);
        assertAcquitted();
        _assertClient(4.4 ether);
    }

    function test_twoEqual_oneJoinedOnly() public {
        vote(bob, RIGHT);
        vote(carol, RIGHT);
        joinJury(dave);
        vm.warp(commitBy() + 1);
        expectEnds(dave, IMarket.SeatEnd.Late, 0, TENTH);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, leaf);
        judge(panel(opens(bob, RIGHT), opens(carol, RIGHT), named(dave)), leaf);
        assertConvicted();
        _assertPaid(bob);
        _assertTenth(dave);
        _assertClient(4.4 ether);
        assertEq(market.burned(), BOND + GROSS + TENTH);
    }

    function test_twoEqual_oneAbstains() public {
        threeVote(0, leaf, leaf);
        expectEnds(bob, IMarket.SeatEnd.Abstained, 0, TENTH);
        expectEnds(carol, IMarket.SeatEnd.Paid, F, 0);
        judge(three(0, leaf, leaf), leaf);
        assertAcquitted();
        _assertTenth(bob);
        _assertPaid(carol);
        _assertClient(4.4 ether);
    }

    function test_twoEqual_oneSilent() public {
        threeVote(leaf, RIGHT, RIGHT);
        judge(panel(opens(carol, RIGHT), opens(dave, RIGHT)));
        vm.warp(time() + REVEAL + 1);
        expectEnds(bob, IMarket.SeatEnd.Silent, 0, J);
        expectEnds(carol, IMarket.SeatEnd.Paid, F, 0);
        judge(panel(named(bob), opens(carol, RIGHT), opens(dave, RIGHT)), leaf);
        assertConvicted();
        _assertWhole(bob);
        assertEq(market.burned(), BOND + GROSS + J);
    }

    // ------------------------------------------------------------------ two equal, a third

    function test_twoNameTheLeaf_aThirdAnother_acquitted() public {
        threeVote(leaf, RIGHT, leaf);
        expectEnds(bob, IMarket.SeatEnd.Paid, F, 0);
        expectEnds(carol, IMarket.SeatEnd.Outvoted, 0, J);
        expectEnds(dave, IMarket.SeatEnd.Paid, F, 0);
        expectJudged(IMarket.Verdict.Acquitted, leaf, leaf);
        expectSettled(IMarket.Grade.Audited, 4.4 ether);
        judge(three(leaf, RIGHT, leaf), leaf);
        assertAcquitted();
        _assertWhole(carol);
        assertEq(market.burned(), J);
    }

    function test_twoNameAnother_aThirdAThird_convicted() public {
        threeVote(LIE, RIGHT, RIGHT);
        expectEnds(bob, IMarket.SeatEnd.Outvoted, 0, J);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, leaf);
        expectVoided(GROSS, 4.4 ether);
        judge(three(LIE, RIGHT, RIGHT), leaf);
        assertConvicted();
        _assertWhole(bob);
        assertEq(market.burned(), BOND + GROSS + J);
    }

    /// The accused's leaf is a vote too: two against two.
    function test_twoNameAnother_aThirdTheLeaf_noVerdict() public {
        threeVote(RIGHT, leaf, RIGHT);
        expectEnds(bob, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectEnds(carol, IMarket.SeatEnd.Outvoted, 0, J);
        expectEnds(dave, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectJudged(IMarket.Verdict.NoVerdict, RIGHT, leaf);
        expectPointSet();
        judge(three(RIGHT, leaf, RIGHT), leaf);
        _assertTenth(bob);
        _assertWhole(carol);
        _assertTenth(dave);
        _assertUndecided(J + 2 * TENTH);
    }

    function test_twoNameAnother_aThirdTheLeaf_neverOpened_convicted() public {
        threeVote(RIGHT, leaf, RIGHT);
        _neverOpened(three(RIGHT, leaf, RIGHT));
        expectEnds(carol, IMarket.SeatEnd.Outvoted, 0, J);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, 0);
        judge(three(RIGHT, leaf, RIGHT));
        assertConvicted();
        _assertPaid(bob);
        _assertWhole(carol);
    }

    // ------------------------------------------------------------------ equal is the pair, naming is the digest

    /// Whoever copies the digest and cannot make the keyed one agrees with nobody.
    function test_sameDigest_otherKeyed_isNotEqual() public {
        vote(bob, leaf);
        voteFor(carol, leaf, RIGHT);
        vm.warp(commitBy() + 1);
        expectJudged(IMarket.Verdict.NoVerdict, 0, 0);
        judge(panel(opens(bob, leaf), entry(carol, leaf, RIGHT)), leaf);
        _assertTenth(bob);
        _assertTenth(carol);
        _assertUndecided(2 * TENTH);
    }

    function test_sameDigest_otherKeyed_isOutvoted() public {
        vote(bob, leaf);
        voteFor(carol, leaf, RIGHT);
        vote(dave, leaf);
        expectEnds(carol, IMarket.SeatEnd.Outvoted, 0, J);
        judge(panel(opens(bob, leaf), entry(carol, leaf, RIGHT), opens(dave, leaf)), leaf);
        assertAcquitted();
        _assertWhole(carol);
    }

    /// Both agree on a wrong keyed digest, and name the leaf all the same.
    function test_namingTheLeaf_isByTheDigest() public {
        voteFor(bob, leaf, RIGHT);
        voteFor(carol, leaf, RIGHT);
        vm.warp(commitBy() + 1);
        judge(panel(entry(bob, leaf, RIGHT), entry(carol, leaf, RIGHT)), leaf);
        assertAcquitted();
    }

    /// So does a third: its keyed digest does not matter for that.
    function test_aThirdNamesTheLeaf_byTheDigest() public {
        vote(bob, RIGHT);
        voteFor(carol, leaf, LIE);
        vote(dave, RIGHT);
        expectJudged(IMarket.Verdict.NoVerdict, RIGHT, leaf);
        judge(panel(opens(bob, RIGHT), entry(carol, leaf, LIE), opens(dave, RIGHT)), leaf);
        _assertUndecided(J + 2 * TENTH);
    }

    // ------------------------------------------------------------------ no two equal

    function test_threeDifferent_noVerdict() public {
        threeVote(RIGHT, LIE, leaf);
        expectEnds(bob, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectEnds(carol, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectEnds(dave, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectJudged(IMarket.Verdict.NoVerdict, 0, 0);
        expectPointSet();
        judge(three(RIGHT, LIE, leaf), leaf);
        _assertTenth(bob);
        _assertTenth(dave);
        _assertUndecided(3 * TENTH);
    }

    /// It needs no leaf, and waits for none.
    function test_oneVote_oneAbstention_noVerdict() public {
        vote(bob, leaf);
        vote(carol, 0);
        joinJury(dave);
        vm.warp(commitBy() + 1);
        expectEnds(bob, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectEnds(carol, IMarket.SeatEnd.Abstained, 0, TENTH);
        expectEnds(dave, IMarket.SeatEnd.Late, 0, TENTH);
        judge(panel(opens(bob, leaf), opens(carol, 0), named(dave)));
        _assertUndecided(3 * TENTH);
    }

    function test_threeAbstentions_noVerdict() public {
        threeVote(0, 0, 0);
        expectEnds(bob, IMarket.SeatEnd.Abstained, 0, TENTH);
        judge(three(0, 0, 0));
        _assertTenth(carol);
        _assertUndecided(3 * TENTH);
    }

    /// One opened, even if it is an abstention: the silent lose all.
    function test_oneAbstention_twoSilent_noVerdict() public {
        threeVote(0, leaf, leaf);
        judge(panel(opens(bob, 0)));
        vm.warp(time() + REVEAL + 1);
        expectEnds(bob, IMarket.SeatEnd.Abstained, 0, TENTH);
        expectEnds(carol, IMarket.SeatEnd.Silent, 0, J);
        expectEnds(dave, IMarket.SeatEnd.Silent, 0, J);
        judge(panel(opens(bob, 0), named(carol), named(dave)));
        _assertWhole(carol);
        _assertUndecided(2 * J + TENTH);
    }

    // ------------------------------------------------------------------ nothing opened, too few

    function test_outage_releasesVotes() public {
        threeVote(leaf, RIGHT, 0);
        vm.warp(time() + REVEAL + 1);
        expectEnds(bob, IMarket.SeatEnd.Released, 0, 0);
        expectEnds(carol, IMarket.SeatEnd.Released, 0, 0);
        expectEnds(dave, IMarket.SeatEnd.Released, 0, 0);
        expectJudged(IMarket.Verdict.NoVerdict, 0, 0);
        judge(panel(named(bob), named(carol), named(dave)));
        assertUntouched(bob);
        assertUntouched(dave);
        _assertUndecided(0);
    }

    function test_outage_oneJoinedOnly() public {
        vote(bob, leaf);
        vote(carol, leaf);
        joinJury(dave);
        vm.warp(commitBy() + REVEAL + 1);
        expectEnds(dave, IMarket.SeatEnd.Late, 0, TENTH);
        judge(panel(named(bob), named(carol), named(dave)));
        assertUntouched(bob);
        _assertUndecided(TENTH);
    }

    function test_oneCommitment_isReleased() public {
        vote(bob, leaf);
        joinJury(carol);
        vm.warp(commitBy() + 1);
        expectEnds(bob, IMarket.SeatEnd.Released, 0, 0);
        expectEnds(carol, IMarket.SeatEnd.Late, 0, TENTH);
        judge(panel(named(bob), named(carol)));
        assertUntouched(bob);
        _assertTenth(carol);
        _assertUndecided(TENTH);
    }

    function test_noCommitment() public {
        joinJury(bob);
        joinJury(carol);
        joinJury(dave);
        vm.warp(commitBy() + 1);
        judge(panel(named(bob), named(carol), named(dave)));
        _assertTenth(dave);
        _assertUndecided(3 * TENTH);
    }

    // ------------------------------------------------------------------ odd amounts

    /// A claim on the ramp: the round's price is burned or paid, what is above it returns. Tenths are rounded down.
    function test_convicted_onTheRamp() public {
        IMarket.Job memory made = auditedJob(10_000);
        (made.price.juryFee, made.price.bond) = (7, 3);
        postThis(made);
        vm.warp(time() + 500);
        claim(job, alice, 4);
        submit(job, alice, 0, root);
        callJury();
        _had = market.balanceOf(client);
        threeVote(RIGHT, RIGHT, 0);
        // 1.5 a task; the reserve is ceil(21 / 2) a task.
        vm.expectEmit(address(market));
        emit IMarket.Voided(jobId, 0, 6 * UNIT, 2 * UNIT + 44 - 14, 12);
        judge(three(RIGHT, RIGHT, 0), leaf);
        assertHas(dave, STAKE - 5, 0, 0, 1, 0); // of 56
        assertHas(bob, STAKE, 7, 0, 0, 0);
        assertEq(market.providerOf(alice).stake, STAKE - 12);
        assertEq(market.burned(), 6 * UNIT + 5 + 12);
        _assertClient(2 * UNIT + 30);
    }
}

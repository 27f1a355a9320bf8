// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Jurors that do not work, or work for somebody else. The job is always audited; crew[0] to crew[2] sit unless a test says
/// otherwise.
contract JurorsAttack is AttackBase {
    bytes32 private constant GARBAGE = keccak256("garbage");
    uint128 private constant TENTH = JUROR_BOND / 10;

    function _audited(address holder, bytes32 each) private {
        start(oneAudited());
        submitted(holder, each);
        toss(true);
    }

    // ------------------------------------------------------------------ lazy

    /// Tries: two jurors abstain without running anything, and outvote the one that worked (version 1 paid them).
    /// Fails: an abstention is no vote. No two votes are equal, so another jury decides.
    /// Costs: each abstention a tenth of J. The juror that worked loses a tenth, too, and the liar its bond in the end.
    /// P-05
    function test_lazyJurors_abstain_loseATenth() public {
        _audited(mallory, LIE);
        crewJudges(1, 0, 0, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], minus(TENTH));
        }
        tossAgain();
        crewJudges(2, 0, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(BOND));
        assertGain(crew[0], minus(2 * TENTH));
        assertGain(crew[1], plus(JURY_FEE) - plus(TENTH));
        assertGain(client, minus(PRICE + 2 * JURY_FEE));
        assertBurned(PRICE + BOND + 4 * TENTH);
        assertBooks(0);
    }

    /// Tries: a juror reads the provider's digest and commits to it without running the task.
    /// Fails: a vote is a pair, and the keyed digest can only be made from the output. It differs from the others' pairs.
    /// Costs: the lazy juror J, although it named the right digest.
    function test_lazyJuror_copiesTheDigest_losesItsBond() public {
        _audited(alice, RIGHT);
        vote(1, crew[0], RIGHT);
        vote(1, crew[1], RIGHT);
        votePair(1, crew[2], RIGHT, keccak256("a key that it never had"));
        judge(
            1,
            seats(
                voted(crew[0], RIGHT),
                voted(crew[1], RIGHT),
                opening(crew[2], RIGHT, keccak256("a key that it never had"))
            )
        );
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(crew[0], plus(JURY_FEE));
        assertGain(crew[2], minus(JUROR_BOND));
        assertGain(alice, plus(PRICE - CUT));
        assertBurned(JUROR_BOND);
        assertBooks(0);
    }

    /// Tries: two lazy jurors copy the liar's digest, each with a keyed digest of its own making.
    /// Fails: their pairs differ, so they are not two equal votes, and another jury decides.
    /// Costs: each a tenth of J. (Jurors that agree on a key beforehand collude: see below.)
    function test_lazyJurors_copyTheLie_doNotAcquit() public {
        _audited(mallory, LIE);
        votePair(1, crew[0], LIE, "one");
        votePair(1, crew[1], LIE, "two");
        vote(1, crew[2], RIGHT);
        judge(1, seats(opening(crew[0], LIE, "one"), opening(crew[1], LIE, "two"), voted(crew[2], RIGHT)));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertGain(crew[0], minus(TENTH));
        assertGain(crew[1], minus(TENTH));
    }

    /// Tries: a juror takes a seat and does nothing, to keep working jurors away.
    /// Fails: two votes decide.
    /// Costs: a tenth of J.
    function test_sleepingJuror_losesATenth() public {
        _audited(mallory, LIE);
        joinJury(1, crew[0]);
        vote(1, crew[1], RIGHT);
        vote(1, crew[2], RIGHT);
        vm.warp(time() + job.timing.runWindow + times().juryTime + 1);
        judge(1, seats(naming(crew[0]), voted(crew[1], RIGHT), voted(crew[2], RIGHT)));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(crew[0], minus(TENTH));
        assertGain(crew[1], plus(JURY_FEE));
        assertGain(mallory, minus(BOND));
        assertBurned(PRICE + BOND + TENTH);
        assertBooks(0);
    }

    // ------------------------------------------------------------------ garbage

    /// Tries: two jurors vote garbage, so that no two agree (version 1 paid all three and slashed the accuser).
    /// Fails: another jury decides, and nobody is paid.
    /// Costs: each vote a tenth of J.
    /// P-05
    function test_garbageJurors_loseATenth() public {
        _audited(mallory, LIE);
        crewJudges(1, GARBAGE, "more garbage", RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], minus(TENTH));
        }
        assertBurned(3 * TENTH);
        tossAgain();
        crewJudges(2, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: one garbage vote against two right ones.
    /// Fails: two equal votes decide.
    /// Costs: J.
    function test_garbageJuror_isOutvoted() public {
        _audited(mallory, LIE);
        crewJudges(1, GARBAGE, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(crew[0], minus(JUROR_BOND));
        assertGain(crew[1], plus(JURY_FEE));
        assertGain(client, minus(PRICE + 2 * JURY_FEE));
        assertBurned(PRICE + BOND + JUROR_BOND);
        assertBooks(0);
    }

    /// Tries: in a jury of two a garbage vote is a veto (version 1 paid it).
    /// Fails only for a while: another jury decides.
    /// Costs: a tenth of J, and the same of the honest juror.
    function test_garbageVeto_inAJuryOfTwo_isNotPaid() public {
        _audited(mallory, LIE);
        vote(1, crew[0], GARBAGE);
        vote(1, crew[1], RIGHT);
        vm.warp(time() + job.timing.runWindow + times().juryTime + 1);
        judge(1, seats(voted(crew[0], GARBAGE), voted(crew[1], RIGHT)));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertGain(crew[0], minus(TENTH));
        assertGain(crew[1], minus(TENTH));
        assertGain(client, minus(PRICE + job.terms.tasks * uint256(75 * UNIT / 1000))); // all still in escrow
    }

    // ------------------------------------------------------------------ bribed

    /// Tries: the liar bribes one juror, who names the lie, and so keeps the jury from a verdict.
    /// Fails: a second jury decides. The bribe would have to find a juror there, too.
    /// Costs: the bribed juror J and its fee, the liar its bond.
    function test_oneBribedJuror_inTheFirstJury_onlyDelays() public {
        _audited(mallory, LIE);
        crewJudges(1, LIE, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertGain(crew[0], minus(JUROR_BOND));
        assertGain(crew[1], minus(TENTH));
        assertGain(crew[2], minus(TENTH));
        tossAgain();
        crewJudges(2, RIGHT, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertEq(gain(mallory) + gain(crew[0]), minus(BOND + JUROR_BOND) + plus(JURY_FEE));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
        assertBurned(PRICE + BOND + JUROR_BOND + 2 * TENTH);
        assertBooks(0);
    }

    /// Tries: one bribed juror in each of both juries.
    /// Fails in part: the liar is paid, and the result is Contested, which no careful contract takes.
    /// Costs: 16 f of bonds are burned, and 2 f are not earned. The liar must pay more than that for it.
    /// P-05, P-07
    function test_oneBribedJuror_inBothJuries_costs16Fees() public {
        _audited(mallory, LIE);
        crewJudges(1, LIE, RIGHT, RIGHT);
        tossAgain();
        vote(2, crew[3], LIE);
        vote(2, crew[1], RIGHT);
        vote(2, crew[2], RIGHT);
        judge(2, seats(voted(crew[3], LIE), voted(crew[1], RIGHT), voted(crew[2], RIGHT)));
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertGain(mallory, plus(PRICE - CUT));
        assertEq(gain(crew[0]) + gain(crew[3]), minus(16 * JURY_FEE));
        assertGain(crew[1], minus(2 * TENTH));
        assertGain(client, minus(PRICE + 3 * TENTH));
        assertBurned(16 * JURY_FEE + (4 + 3) * TENTH);
        assertBooks(0);
    }

    /// Tries: one bribed juror convicts an honest provider.
    /// Fails: two honest jurors acquit.
    /// Costs: J.
    /// P-15
    function test_oneBribedJuror_cannotConvict() public {
        _audited(alice, RIGHT);
        crewJudges(1, LIE, RIGHT, RIGHT);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(crew[0], minus(JUROR_BOND));
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(PRICE + 2 * JURY_FEE));
        assertBurned(JUROR_BOND);
    }

    /// Tries: two jurors that trust the liar vote for its lie with one key.
    /// Works, and no bond bounds it: the draw makes it rare. Nobody but the liar is paid more than a juror's work.
    /// Costs: the third juror, who was right, loses J; the client pays what it would have paid.
    function test_twoColludingJurors_acquitALie() public {
        _audited(mallory, LIE);
        crewJudges(1, LIE, LIE, RIGHT);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(mallory, plus(PRICE - CUT));
        assertGain(crew[0], plus(JURY_FEE));
        assertGain(crew[1], plus(JURY_FEE));
        assertGain(crew[2], minus(JUROR_BOND));
        assertGain(client, minus(PRICE + 2 * JURY_FEE));
        assertBurned(JUROR_BOND);
        assertBooks(0);
    }

    /// Tries: two colluding jurors convict an honest provider beside an honest juror.
    /// Fails: the third vote names the provider's leaf, so there is no verdict, and a second jury decides.
    /// Costs: both a tenth of J. The honest juror loses J: the price of this rule.
    /// P-15
    function test_twoColludingJurors_cannotConvictBesideAnHonestOne() public {
        _audited(alice, RIGHT);
        crewJudges(1, LIE, LIE, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertGain(crew[0], minus(TENTH));
        assertGain(crew[1], minus(TENTH));
        assertGain(crew[2], minus(JUROR_BOND));
        tossAgain();
        crewJudges(2, RIGHT, RIGHT, RIGHT);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
        assertBooks(0);
    }

    /// Tries: the accused sits on its own jury, with its own key or its operator's.
    /// Fails: its number is barred.
    /// Costs: gas.
    /// P-28
    function test_accusedOnItsOwnJury_isBarred() public {
        _audited(alice, LIE);
        address[2] memory callers = [alice, operator];
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, alice));
            market.joinJury(job, 0, 1, 1, alice);
            vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, alice));
            market.commitVote(job, 0, 1, 1, alice, LIE);
            vm.stopPrank();
        }
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
    }

    // ------------------------------------------------------------------ silence

    /// Tries: a juror that sees it would be outvoted keeps silent (the free option of commit and reveal).
    /// Fails: silence costs what a contradicted vote costs.
    /// Costs: J.
    /// P-05, P-34
    function test_silentJuror_losesItsBond() public {
        _audited(mallory, LIE);
        crewVotes(1, LIE, RIGHT, RIGHT);
        uint64 revealBy = time() + times().revealWindow;
        judge(1, seats(voted(crew[1], RIGHT), voted(crew[2], RIGHT)));
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        IMarket.Opening[] memory silent = seats(naming(crew[0]));
        vm.expectRevert(abi.encodeWithSelector(IMarket.OpeningsMissing.selector, revealBy, time()));
        market.judge(job, 0, 1, 1, silent, 0, new bytes32[](0));
        vm.warp(revealBy + 1);
        judge(1, seats(naming(crew[0]), voted(crew[1], RIGHT), voted(crew[2], RIGHT)));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(crew[0], minus(JUROR_BOND));
        assertGain(crew[1], plus(JURY_FEE));
        assertBurned(PRICE + BOND + JUROR_BOND);
    }

    /// Tries: the liar does not open its leaf.
    /// Fails: it is convicted after the time to respond; a leaf that is not in its root, or zero, counts as none.
    /// Costs: its bond, and a day.
    /// P-07, P-34
    function test_liarHidesItsLeaf_isConvicted() public {
        _audited(mallory, LIE);
        (, bytes32[] memory path) = leafOf();
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        IMarket.Opening[] memory all = crewOpens(RIGHT, RIGHT, RIGHT);
        uint32 task = market.auditOf(jobId, 0).task;
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, task, RIGHT));
        market.judge(job, 0, 1, 1, all, RIGHT, path);
        judgeWithoutLeaf(1, all);
        uint64 leafBy = time() + times().respondWindow;
        vm.warp(leafBy);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeafMissing.selector, jobId, 0, leafBy));
        market.judge(job, 0, 1, 1, all, 0, path);
        vm.warp(leafBy + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, leafBy, leafBy + 1));
        market.judge(job, 0, 1, 1, all, LIE, path);
        judgeWithoutLeaf(1, all);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(BOND));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
        assertBurned(PRICE + BOND);
        assertBooks(0);
    }
}

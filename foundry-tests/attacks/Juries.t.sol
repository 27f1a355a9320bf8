// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Keeping a jury from coming together: by price, by load, by a fee of dust, without the input, or by ending the lease first.
contract JuriesAttack is AttackBase {
    uint128 private constant TENTH = JUROR_BOND / 10;

    /// Tries: a whale's lease is so large that a part of its bond is more than any juror has (version 1: a third of it).
    /// Fails: a juror locks 8 jury fees, whatever the lease's size.
    /// Costs: the whale its whole bond, 240 tokens.
    function test_hugeLease_doesNotPriceJurorsOut() public {
        address whale = makeAddr("whale");
        stakeOf(whale, 320 * UNIT);
        people.push(whale);
        vm.warp(time() + times().stakeAge + 1);
        IMarket.Job memory made = oneAudited();
        made.terms.tasks = made.terms.minLease = made.terms.maxLease = 240;
        start(made);
        submitted(whale, LIE);
        // Eight stakes of 100 beside one of 320: three places are drawn at 300 / 1120 and grow to more than 1.
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(whale, minus(240 * UNIT));
        assertGain(crew[0], plus(JURY_FEE));
        assertGain(client, minus(480 * UNIT + 3 * JURY_FEE));
        assertBurned(480 * UNIT + 240 * UNIT);
        assertBooks(0);
    }

    /// Tries: the whole market is busy with paid work, so that no juror has a free unit.
    /// Fails: a lease never locks the last quarter of a stake; juries may.
    /// Costs: the liar its bond.
    /// P-02
    function test_busyMarket_stillHasJurors() public {
        IMarket.Job memory busy = oneLease();
        busy.terms.nonce = 8;
        busy.terms.tasks = 75 * 7 + 1;
        (busy.terms.minLease, busy.terms.maxLease) = (1, 75);
        busy.price.minPrice = busy.price.maxPrice = UNIT / 100;
        busy.timing.runWindow = 30 days;
        post(busy);
        address[7] memory honest = [alice, bob, crew[0], crew[1], crew[2], crew[3], crew[4]];
        for (uint256 i; i < 7; ++i) {
            claim(busy, honest[i], 75);
            vm.prank(honest[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.InsufficientStake.selector, honest[i], 0, BOND / 4)
            );
            market.claim(busy, honest[i], 1, 1);
        }
        start(oneAudited());
        submitted(mallory, LIE);
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(BOND));
        assertGain(crew[0], plus(JURY_FEE));
    }

    /// Tries: a jury fee of one unit, for which no juror comes, holds an honest provider's bond and pay.
    /// Fails: without jurors the lease is settled when the time for audits is over, and the provider is paid.
    /// Costs: the client its price. The grade says that an audit was due and did not take place.
    /// P-09
    function test_dustFee_locksNothingForLong() public {
        IMarket.Job memory made = oneAudited();
        made.price.juryFee = 1;
        start(made);
        submitted(alice, RIGHT);
        uint64 over = time() + job.timing.auditWindow;
        toss(true);
        vm.warp(over);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        vm.warp(over + 1);
        vm.prank(anyone);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertUnharmed(alice);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(PRICE));
        assertBooks(0);
    }

    /// Tries: with a fee of one unit, jurors of the client's own convict an honest provider for a bond of eight units.
    /// Fails to pay: the bond and the price are burned. The loss of the provider remains; executors refuse such fees.
    /// Costs: the client the price.
    function test_dustFee_packedJury_paysNobody() public {
        IMarket.Job memory made = oneAudited();
        made.price.juryFee = 1;
        start(made);
        submitted(alice, RIGHT);
        toss(true);
        crewJudges(1, LIE, LIE, LIE);
        assertEq(gain(client) + gain(crew[0]) + gain(crew[1]) + gain(crew[2]), minus(PRICE));
        assertGain(alice, minus(BOND));
        assertBurned(PRICE + BOND);
        assertBooks(0);
    }

    /// Tries: a jury fee so high that no stake covers a juror's bond: the client's friend submits a lie unaudited.
    /// Fails: the grade is Contested, and the money only went round.
    /// Costs: the protocol's fee.
    /// P-20
    function test_unaffordableFee_isContested() public {
        IMarket.Job memory made = oneAudited();
        made.price.juryFee = 13 * UNIT;
        start(made);
        submitted(mallory, LIE);
        toss(true);
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, STAKE, 8 * 13 * UNIT)
        );
        market.joinJury(job, 0, 1, 1, alice);
        vm.warp(time() + 2 hours);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertEq(gain(client) + gain(mallory), minus(CUT));
        assertBooks(0);
    }

    // ------------------------------------------------------------------ the input is withheld

    /// Tries: the client serves its input to the provider, and to nobody when the jury asks.
    /// Fails: abstentions convict nobody; the provider is paid, and the client pays the whole price for Contested, and 2.4 f.
    /// Costs: jurors that took a seat before they had the input a tenth of J, in each jury.
    /// P-07, P-20
    function test_inputWithheldFromTheJury_isContested() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewJudges(1, 0, 0, 0);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        tossAgain();
        crewJudges(2, 0, 0, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertUnharmed(alice);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(PRICE + 3 * TENTH));
        assertGain(crew[0], minus(2 * TENTH));
        assertBurned((6 + 3) * TENTH);
        assertBooks(0);
    }

    /// Tries: the same against jurors that fetch the input before they take a seat, as executors do.
    /// Fails: nobody sits, nobody loses.
    /// Costs: the client its price.
    function test_inputWithheldFromTheJury_carefulJurorsLoseNothing() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        vm.warp(time() + 2 hours);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(PRICE));
        assertBurned(0);
    }

    /// Tries: the client sells its silence to a liar: it withholds the input from the jury and shares the liar's pay.
    /// Fails: the pay is the client's own price; both together lose the protocol's fee, and three tenths of J.
    /// Costs: these, and the price of a result which everybody sees is Contested.
    /// P-06
    function test_clientSellsTheWithholding_earnsNothing() public {
        start(oneAudited());
        submitted(mallory, LIE);
        toss(true);
        crewJudges(1, 0, 0, 0);
        tossAgain();
        vm.warp(time() + times().retryWindow + 1);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertEq(gain(client) + gain(mallory), minus(CUT + 3 * TENTH));
        assertBurned((3 + 3) * TENTH);
        assertBooks(0);
    }

    // ------------------------------------------------------------------ the lease is ended first

    /// Tries: the liar finalizes between the two juries, while a jury sits, or before its seed is known.
    /// Fails: an undecided lease waits for a second jury until a day after that jury's point.
    /// Costs: gas.
    /// P-34
    function test_finalizeBeforeTheSecondTry_isSkipped() public {
        start(oneAudited());
        submitted(mallory, LIE);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        toss(true);
        finalize(job, 0);
        crewVotes(1, LIE, RIGHT, RIGHT);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        judge(1, crewOpens(LIE, RIGHT, RIGHT));
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        tossAgain();
        uint64 due = market.auditOf(jobId, 0).due;
        assertEq(due, beacon.timeOf(market.auditOf(jobId, 0).point) + times().retryWindow);
        vm.warp(due);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        vote(2, crew[3], RIGHT);
        vm.warp(due + 1);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        vote(2, crew[2], RIGHT);
        vm.warp(due + job.timing.runWindow + times().juryTime + 1);
        judge(2, seats(voted(crew[2], RIGHT), voted(crew[3], RIGHT)));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: the liar's friend opens the audit, sits alone, and lets the time pass.
    /// Fails: a jury of fewer than two votes is no verdict, and a second one may sit.
    /// Costs: a tenth of J.
    function test_friendOpensTheAuditAlone_onlyDelays() public {
        start(oneAudited());
        submitted(mallory, LIE);
        toss(true);
        joinJury(1, crew[4]);
        vm.warp(time() + job.timing.runWindow + times().juryTime + 1);
        judgeWithoutLeaf(1, seats(naming(crew[4])));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertGain(crew[4], minus(TENTH));
        tossAgain();
        crewJudges(2, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
        assertBurned(PRICE + BOND + TENTH);
        assertBooks(0);
    }
}

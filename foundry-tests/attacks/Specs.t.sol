// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Specs that honest machines cannot agree on, written to take honest bonds.
contract SpecsAttack is AttackBase {
    /// eve's job of one task for one unit. A conviction costs its provider 24 tokens.
    function _timeBomb() private view returns (IMarket.Job memory made) {
        made = oneAudited();
        made.terms.client = eve;
        made.terms.tasks = made.terms.minLease = made.terms.maxLease = 1;
        made.price.minPrice = made.price.maxPrice = 1;
        made.price.bond = 24 * UNIT;
        made.price.juryFee = 4 * UNIT;
    }

    /// What the program printed before a certain hour is `LIE` here, and `RIGHT` what it prints later.
    function _explode(address holder) private {
        start(_timeBomb());
        submitted(holder, LIE);
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
    }

    /// Tries: the client's program prints something else after a certain hour, so that an honest jury convicts an honest
    /// provider and half of its bond comes to the client (version 1 paid it out).
    /// Fails: a slashed bond and the price of a convicted lease are burned, whoever was right.
    /// Costs: the client the price and three jury fees, 12 tokens; the provider its bond, 24 tokens. That loss remains.
    function test_specThatChangesWithTime_paysItsClientNothing() public {
        _explode(alice);
        assertGain(eve, minus(12 * UNIT + 1));
        assertGain(alice, minus(24 * UNIT));
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], plus(4 * UNIT));
        }
        assertBurned(24 * UNIT + 1);
        assertBooks(0);
    }

    /// Tries: the convicted provider is the client's friend, who takes the money round in a circle.
    /// Fails: nothing of bond and price comes back to either.
    /// Costs: both together 36 tokens and a unit.
    function test_specThatChangesWithTime_friendAsProvider_losesMore() public {
        _explode(mallory);
        assertEq(gain(eve) + gain(mallory), minus(36 * UNIT + 1));
        assertBurned(24 * UNIT + 1);
        assertBooks(0);
    }

    /// Tries: the client packs the jury with its friends, who convict an honest provider, to have the work for nothing.
    /// Fails: one honest juror is enough for a second jury. Even a jury without any burns the price and pays only fees that are
    /// the client's own.
    /// Costs: client and friends together the whole price and two tenths of J. The outputs are worth no more than the price.
    function test_clientPacksTheJury_stillPaysThePrice() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewJudges(1, LIE, LIE, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        tossAgain();
        vote(2, crew[0], LIE);
        vote(2, crew[1], LIE);
        vote(2, crew[3], LIE);
        judge(2, seats(voted(crew[0], LIE), voted(crew[1], LIE), voted(crew[3], LIE)));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        int256 together = gain(client) + gain(crew[0]) + gain(crew[1]) + gain(crew[3]);
        assertEq(together, minus(PRICE + 2 * JUROR_BOND / 10));
        assertGain(alice, minus(BOND));
        assertGain(crew[2], minus(JUROR_BOND));
        assertBurned(PRICE + BOND + JUROR_BOND + 2 * JUROR_BOND / 10);
        assertBooks(0);
    }

    /// Tries: the same with `refund`, where three equal votes return the price.
    /// Fails: the client gets its own price back, and nothing of the bond.
    /// Costs: three jury fees. The client may keep outputs worth the price: executors take such jobs only from specs that
    /// cannot change their mind.
    function test_refund_returnsNoMoreThanItsOwnEscrow() public {
        IMarket.Job memory made = _timeBomb();
        made.assurance.refund = true;
        made.price.minPrice = made.price.maxPrice = 50 * UNIT;
        start(made);
        submitted(alice, LIE);
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(eve, minus(12 * UNIT));
        assertGain(alice, minus(24 * UNIT));
        assertBurned(24 * UNIT);
        assertBooks(0);
    }

    /// Tries: `refund` with two bribed jurors beside an honest one, or with a leaf that was never opened.
    /// Fails: two votes return nothing, and neither do three against a leaf that nobody brought.
    /// Costs: the price, as without `refund`.
    function test_refund_needsThreeVotesAgainstAnOpenedLeaf() public {
        IMarket.Job memory made = oneAudited();
        made.assurance.refund = true;
        start(made);
        submitted(alice, LIE);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        vm.warp(time() + times().respondWindow + 1);
        uint256 state = vm.snapshotState();
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
        vm.revertToState(state);

        made.terms.nonce = 8;
        made.timing = oneAudited().timing;
        start(made);
        submitted(bob, LIE);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, keccak256("a third opinion"));
        judge(1, crewOpens(RIGHT, RIGHT, keccak256("a third opinion")));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(client, minus(PRICE + 2 * JURY_FEE));
    }

    /// Tries: a program that prints something else on every machine, so that jurors contradict an honest provider.
    /// Fails: three different votes are no verdict, and two juries without verdict settle the lease: it is paid.
    /// Costs: the client the price and three tenths of J. Each honest juror loses a tenth of its bond, in each jury: that loss remains.
    function test_specThatDiffersByMachine_settlesContested() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewJudges(1, "one", "two", "three");
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        tossAgain();
        crewJudges(2, "four", "five", "six");
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertGain(client, minus(PRICE + 3 * (JUROR_BOND / 10)));
        assertGain(alice, plus(uint256(PRICE - CUT)));
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], minus(2 * uint256(JUROR_BOND / 10)));
        }
        assertBurned((6 + 3) * (JUROR_BOND / 10));
        assertBooks(0);
    }

    /// Tries: the same with a price of nothing and a friend as provider, to burn jurors' bonds without paying.
    /// Fails only in part: nobody gains, and the attackers pay a tenth of J for each vote of the second jury. But six honest
    /// votes lose as much.
    /// Costs: the attackers 2.4 f, the jurors 4.8 f. A juror can refuse: it runs the task before it takes a seat.
    function test_specThatDiffersByMachine_atNoPrice_costsHalfOfWhatItBurns() public {
        IMarket.Job memory made = oneAudited();
        made.terms.client = eve;
        made.price.minPrice = made.price.maxPrice = 0;
        made.price.juryFee = 3 * UNIT;
        start(made);
        submitted(mallory, LIE);
        toss(true);
        crewJudges(1, "one", "two", "three");
        tossAgain();
        crewJudges(2, "four", "five", "six");
        assertGain(eve, minus(3 * 24 * UNIT / 10));
        assertGain(mallory, 0);
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], minus(2 * 24 * UNIT / 10));
        }
        assertBurned((6 + 3) * 24 * UNIT / 10);
        assertBooks(0);
    }

    /// Tries: the same, and a friend alone on the second jury, so that no vote of it counts.
    /// Fails: of the two juries the one with more votes counts.
    /// Costs: the attackers 2.4 f, the three jurors as much.
    function test_specThatDiffersByMachine_friendOnTheSecondJury_savesNothing() public {
        IMarket.Job memory made = oneAudited();
        made.terms.client = eve;
        made.price.minPrice = made.price.maxPrice = 0;
        made.price.juryFee = 3 * UNIT;
        start(made);
        submitted(mallory, LIE);
        toss(true);
        crewJudges(1, "one", "two", "three");
        tossAgain();
        vote(2, crew[3], "four");
        vm.warp(time() + 30 days);
        judge(2, seats(naming(crew[3])));
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertGain(eve, minus(3 * 24 * UNIT / 10));
        assertGain(crew[3], 0);
        assertBurned((3 + 3) * 24 * UNIT / 10);
        assertBooks(0);
    }

    /// Tries: the same in a redundant job, where version 1 returned every unit to the client.
    /// Fails: a lease without quorum burns a tenth of its whole price, and no seat loses more than a tenth of its share.
    /// Costs: the client 2.4 tokens, the seats 0.4 each.
    function test_specThatDiffersByMachine_redundant_burnsATenthOfThePrice() public {
        startDrawn(oneRedundant(3, 2));
        commit(crew[0], "one");
        commit(crew[1], "two");
        commit(crew[2], "three");
        settle(seats(rooted(crew[0], "one"), rooted(crew[1], "two"), rooted(crew[2], "three")));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(client, minus(3 * PRICE / 10));
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], minus(uint256(BOND / 10)));
        }
        assertBurned(3 * PRICE / 10 + 3 * (BOND / 10));
        assertBooks(0);
    }

    /// Tries: a price of one unit and a bond of 20 tokens, to burn two tokens of each seat for nothing.
    /// Fails: a seat loses no more than a tenth of its price where that is less than its bond.
    /// Costs: here nobody a unit, for a tenth of four units rounds down.
    function test_dearBondForADustPrice_costsSeatsNothing() public {
        IMarket.Job memory made = oneRedundant(3, 2);
        made.price.minPrice = made.price.maxPrice = 1;
        made.price.bond = 5 * UNIT;
        startDrawn(made);
        commit(crew[0], "one");
        commit(crew[1], "two");
        commit(crew[2], "three");
        settle(seats(rooted(crew[0], "one"), rooted(crew[1], "two"), rooted(crew[2], "three")));
        for (uint256 i; i < 3; ++i) {
            assertGain(crew[i], 0);
        }
        assertGain(client, -1);
        assertBurned(1);
    }

    /// Tries: a round in which a seat stays empty, so that two honest seats that differ lose their tenth and the client
    /// nothing, round after round.
    /// Fails only in part: the seats lose 0.4 tokens each in a round, the client nothing; the price stays in escrow.
    /// Costs: the client gas. Executors that saw a round without quorum stay away from the next one.
    function test_specThatDiffersByMachine_emptySeat_costsTheSeatsAlone() public {
        startDrawn(oneRedundant(3, 2));
        commit(crew[0], "one");
        commit(crew[1], "two");
        vm.warp(time() + job.timing.runWindow + 1);
        settle(seats(rooted(crew[0], "one"), rooted(crew[1], "two")));
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertGain(crew[0], minus(uint256(BOND / 10)));
        assertGain(crew[1], minus(uint256(BOND / 10)));
        assertBurned(2 * (BOND / 10));
        assertBooks(3 * PRICE);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertGain(client, 0);
    }
}

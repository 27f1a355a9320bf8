// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Every verdict, with everyone's money to the unit, the events, and where the lease goes. The lease's escrow is
/// 8 tokens (4 tasks at 2), that of the other six tasks 12.
contract DisputesVerdictsTest is DisputeBase {
    uint256 private constant ESCROW = 20 * UNIT;
    uint256 private constant S = 100 * UNIT;
    uint256 private constant MONEY = 100 * UNIT; // the challenger's

    function _all(bytes32 vote) private pure returns (bytes32[3] memory) {
        return [vote, vote, vote];
    }

    // ------------------------------------------------------------------ the provider was wrong

    /// P-11.
    function test_wrong_answered() public {
        open(RIGHT);
        assertEq(market.balanceOf(challenger), MONEY - K);
        assertConserved(ESCROW, K);
        voteAll(_all(RIGHT));
        assertJuror(0, 0, S, S - JUROR_BOND, 0);
        revealAnswer(RIGHT);
        for (uint32 i; i < 3; ++i) {
            expectClosed(i, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        }
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, IMarket.Reason.LostJury, B);
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, K, K, B - 6 * JURY_FEE);
        judge(RIGHT, 3);

        assertEq(market.balanceOf(challenger), MONEY + K, "the deposit and the reward");
        for (uint256 i; i < 3; ++i) {
            assertJuror(i, JURY_FEE, S, S, 0);
        }
        assertStaker(alice, 0, S - B, S - B, 1);
        assertEq(market.burned(), B - 6 * JURY_FEE);
        assertEq(market.totalStake(), 7 * S - B);
        assertConserved(ESCROW, 0);
        _assertFreed();
    }

    function _assertFreed() private view {
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Free));
        assertEq(l.provider, alice);
        assertEq(l.round, 1);
        assertEq(l.count, 4);
        assertEq(l.startedAt, time());
        assertEq(l.submittedAt, 0);
        assertEq(l.root, 0);
        assertEq(l.challenges, 0);
        assertEq(market.disputeOf(jobId, 0).challenger, address(0));
    }

    /// P-29.
    function test_wrong_answerNotRevealed() public {
        open(RIGHT);
        voteAll(_all(RIGHT));
        vm.warp(time() + 1 hours + 1);
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, 0, 0, B - 3 * JURY_FEE + K);
        judge(RIGHT, 3);
        assertEq(market.balanceOf(challenger), MONEY - K);
        assertEq(market.burned(), B - 3 * JURY_FEE + K);
        assertConserved(ESCROW, 0);
    }

    function test_wrong_answerToo() public {
        open(OTHER);
        voteAll(_all(RIGHT));
        revealAnswer(OTHER);
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, 0, 0, B - 3 * JURY_FEE + K);
        judge(RIGHT, 3);
        assertEq(market.balanceOf(challenger), MONEY - K);
        assertStaker(alice, 0, S - B, S - B, 1);
        assertConserved(ESCROW, 0);
    }

    function test_wrong_oneJurorOutvoted() public {
        open(RIGHT);
        voteAll([RIGHT, digests[TASK], RIGHT]);
        revealAnswer(RIGHT);
        expectClosed(0, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(1, IMarket.SeatEnd.Outvoted, 0, JUROR_BOND);
        expectClosed(2, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, K, K, B - 5 * JURY_FEE);
        judge(RIGHT, 3);
        assertJuror(1, 0, S - JUROR_BOND, S - JUROR_BOND, 1);
        assertEq(market.burned(), B - 5 * JURY_FEE + JUROR_BOND);
        assertConserved(ESCROW, 0);
    }

    function test_wrong_oneJurorSilent() public {
        open(RIGHT);
        for (uint256 i; i < 3; ++i) {
            commitVote(jurors[i], RIGHT, keyedOf(RIGHT));
        }
        revealVote(jurors[0], RIGHT, keyedOf(RIGHT));
        revealVote(jurors[2], RIGHT, keyedOf(RIGHT));
        revealAnswer(RIGHT);
        vm.warp(time() + 1 hours + 1);
        expectClosed(0, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(1, IMarket.SeatEnd.Silent, 0, JUROR_BOND);
        expectClosed(2, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        judge(RIGHT, 3);
        assertJuror(1, 0, S - JUROR_BOND, S - JUROR_BOND, 1);
        assertConserved(ESCROW, 0);
    }

    /// The least bond, 6 * juryFee, pays three jurors and the reward, and nothing is left to burn. (P-30)
    function test_wrong_leastBond() public {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.price.bond, j.price.juryFee) = (8, 0, 10 * UNIT);
        start(j);
        assertEq(market.providerOf(alice).free, S - B - 60 * UNIT);
        open(RIGHT);
        voteAll(_all(RIGHT));
        assertJuror(0, 0, S, S - 20 * UNIT, 0);
        revealAnswer(RIGHT);
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, 30 * UNIT, 30 * UNIT, 0);
        judge(RIGHT, 3);
        assertEq(market.balanceOf(challenger), MONEY + 30 * UNIT);
        assertJuror(2, 10 * UNIT, S, S, 0);
        assertEq(market.burned(), 0);
        assertConserved(ESCROW * 2, 0);
    }

    /// P-32: on a private list the client may be challenger and jury at once: no reward, whoever is right, and the
    /// jury is paid from the deposit.
    function test_wrong_privateList() public {
        address[4] memory listed = [alice, jurors[0], jurors[1], jurors[2]];
        bytes32[4] memory leaves;
        for (uint256 i; i < 4; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(listed[i]))));
        }
        bytes32[2] memory nodes = [
            Hashes.commutativeKeccak256(leaves[0], leaves[1]),
            Hashes.commutativeKeccak256(leaves[2], leaves[3])
        ];
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.terms.providers) = (8, Hashes.commutativeKeccak256(nodes[0], nodes[1]));
        for (uint256 i; i < 4; ++i) {
            bytes32[] memory proof = new bytes32[](2);
            (proof[0], proof[1]) = (leaves[i ^ 1], nodes[1 - i / 2]);
            market.admit(j.terms.providers, listed[i], proof);
        }
        start(j);
        open(RIGHT);
        bytes memory no = abi.encodeWithSelector(IMarket.NotAdmitted.selector, j.terms.providers, jurors[3]);
        vm.expectRevert(no);
        joinJury(jurors[3]);
        vm.expectRevert(no);
        vm.prank(jurors[3]);
        market.commitVote(job, 0, 1, 1, jurors[3], OTHER);
        voteAll(_all(RIGHT));
        revealAnswer(RIGHT);
        expectJudged(IMarket.Verdict.ProviderWrong, RIGHT, 0, K - 3 * JURY_FEE, B);
        judge(RIGHT, 3);
        assertEq(market.balanceOf(challenger), MONEY - 3 * JURY_FEE, "it pays the jury");
        assertJuror(0, JURY_FEE, S, S, 0);
        assertConserved(ESCROW * 2, 0);
    }

    // ------------------------------------------------------------------ the provider was right

    function _assertSubmittedAnew() private view {
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Submitted));
        assertEq(l.provider, alice);
        assertEq(l.submittedAt, time());
        assertEq(l.startedAt, job.timing.opensAt);
        assertTrue(l.root != 0);
        assertEq(l.challenges, number);
        assertEq(market.disputeOf(jobId, 0).challenger, challenger);
    }

    /// P-05.
    function test_right() public {
        open(RIGHT);
        bytes32 claimed = digests[TASK];
        voteAll(_all(claimed));
        revealAnswer(RIGHT);
        expectClosed(0, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(1, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(2, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectJudged(IMarket.Verdict.ProviderRight, claimed, 0, 0, 0);
        judge(claimed, 3);
        assertEq(market.balanceOf(challenger), MONEY - K);
        for (uint256 i; i < 3; ++i) {
            assertJuror(i, JURY_FEE, S, S, 0);
        }
        assertStaker(alice, 0, S, S - B, 0);
        assertConserved(ESCROW, 0);
        _assertSubmittedAnew();
    }

    function test_right_oneJurorOutvoted() public {
        open(RIGHT);
        bytes32 claimed = digests[TASK];
        voteAll([claimed, RIGHT, claimed]);
        revealAnswer(RIGHT);
        expectClosed(1, IMarket.SeatEnd.Outvoted, 0, JUROR_BOND);
        expectJudged(IMarket.Verdict.ProviderRight, claimed, 0, 0, JURY_FEE);
        judge(claimed, 3);
        assertEq(market.balanceOf(challenger), MONEY - K);
        assertJuror(1, 0, S - JUROR_BOND, S - JUROR_BOND, 1);
        assertEq(market.burned(), JURY_FEE + JUROR_BOND);
        assertConserved(ESCROW, 0);
    }

    /// Even a challenger that answered with the provider's digest gets nothing back.
    function test_right_answeredSo() public {
        bytes32 claimed = digests[TASK];
        open(claimed);
        voteAll(_all(claimed));
        revealAnswer(claimed);
        expectJudged(IMarket.Verdict.ProviderRight, claimed, 0, 0, 0);
        judge(claimed, 3);
        assertEq(market.balanceOf(challenger), MONEY - K);
    }

    function test_right_inputUnobtainable() public {
        open(RIGHT);
        voteAll([bytes32(0), RIGHT, 0]);
        revealAnswer(RIGHT);
        expectClosed(0, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(1, IMarket.SeatEnd.Outvoted, 0, JUROR_BOND);
        expectClosed(2, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectJudged(IMarket.Verdict.ProviderRight, 0, 0, 0, JURY_FEE);
        judge(0, 3);
        assertStaker(alice, 0, S, S - B, 0);
        assertConserved(ESCROW, 0);
        _assertSubmittedAnew();
    }

    // ------------------------------------------------------------------ no verdict

    function test_inconclusive_threeVotes() public {
        open(RIGHT);
        voteAll([RIGHT, OTHER, digests[TASK]]);
        revealAnswer(RIGHT);
        for (uint32 i; i < 3; ++i) {
            expectClosed(i, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        }
        expectJudged(IMarket.Verdict.Inconclusive, 0, 0, 0, 0);
        judge(0, 3);
        assertEq(market.balanceOf(challenger), MONEY - K);
        assertJuror(1, JURY_FEE, S, S, 0);
        assertStaker(alice, 0, S, S - B, 0);
        assertEq(market.burned(), 0);
        assertConserved(ESCROW, 0);
        _assertSubmittedAnew();
    }

    /// Only equal pairs count together: who copies a digest without the output has another keyed digest. (P-24)
    function test_inconclusive_keyedDiffer() public {
        open(RIGHT);
        commitVote(jurors[0], RIGHT, keyedOf(RIGHT));
        commitVote(jurors[1], RIGHT, keyedOf(OTHER));
        commitVote(jurors[2], OTHER, keyedOf(OTHER));
        revealVote(jurors[0], RIGHT, keyedOf(RIGHT));
        revealVote(jurors[1], RIGHT, keyedOf(OTHER));
        revealVote(jurors[2], OTHER, keyedOf(OTHER));
        revealAnswer(RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongVerdict.selector, RIGHT));
        judge(RIGHT, 3);
        expectJudged(IMarket.Verdict.Inconclusive, 0, 0, 0, 0);
        judge(0, 3);
    }

    function test_inconclusive_oneReveal() public {
        open(RIGHT);
        for (uint256 i; i < 3; ++i) {
            commitVote(jurors[i], RIGHT, keyedOf(RIGHT));
        }
        revealVote(jurors[1], RIGHT, keyedOf(RIGHT));
        vm.warp(time() + 1 hours + 1);
        expectClosed(0, IMarket.SeatEnd.Silent, 0, JUROR_BOND);
        expectClosed(1, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(2, IMarket.SeatEnd.Silent, 0, JUROR_BOND);
        expectJudged(IMarket.Verdict.Inconclusive, 0, 0, K - JURY_FEE, 0);
        judge(0, 3);
        assertEq(market.balanceOf(challenger), MONEY - JURY_FEE);
        assertEq(market.burned(), 2 * JUROR_BOND);
        assertConserved(ESCROW, 0);
        _assertSubmittedAnew();
    }

    /// Two of three committed; the one that only joined loses its bond.
    function test_inconclusive_twoVotesOneJoined() public {
        open(RIGHT);
        commitVote(jurors[0], RIGHT, keyedOf(RIGHT));
        joinJury(jurors[1]);
        commitVote(jurors[2], OTHER, keyedOf(OTHER));
        vm.warp(commitBy() + 1);
        revealVote(jurors[0], RIGHT, keyedOf(RIGHT));
        revealVote(jurors[2], OTHER, keyedOf(OTHER));
        revealAnswer(RIGHT);
        expectClosed(0, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectClosed(1, IMarket.SeatEnd.Silent, 0, JUROR_BOND);
        expectClosed(2, IMarket.SeatEnd.Paid, JURY_FEE, 0);
        expectJudged(IMarket.Verdict.Inconclusive, 0, 0, K - 2 * JURY_FEE, 0);
        judge(0, 3);
        assertJuror(1, 0, S - JUROR_BOND, S - JUROR_BOND, 1);
        assertConserved(ESCROW, 0);
    }

    /// P-05.
    function test_inconclusive_tooFewCommits() public {
        open(RIGHT);
        commitVote(jurors[0], RIGHT, keyedOf(RIGHT));
        joinJury(jurors[1]);
        vm.warp(commitBy() + 1);
        expectClosed(0, IMarket.SeatEnd.Released, 0, 0);
        expectClosed(1, IMarket.SeatEnd.Silent, 0, JUROR_BOND);
        expectJudged(IMarket.Verdict.Inconclusive, 0, 0, K, 0);
        judge(0, 2);
        assertEq(market.balanceOf(challenger), MONEY);
        assertJuror(0, 0, S, S, 0);
        assertJuror(1, 0, S - JUROR_BOND, S - JUROR_BOND, 1);
        assertConserved(ESCROW, 0);
        _assertSubmittedAnew();
    }

    /// P-07.
    function test_inconclusive_nobodyCame() public {
        challenge(RIGHT); // not even sealed
        vm.warp(commitBy() + 1);
        expectJudged(IMarket.Verdict.Inconclusive, 0, 0, K, 0);
        judge(0, 0);
        assertEq(market.balanceOf(challenger), MONEY);
        assertConserved(ESCROW, 0);
        _assertSubmittedAnew();
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Random votes, silences and answers, random fees and bonds: what everyone has afterwards against a model
/// that is written from PROTOCOL.md ("Dispute") and knows no seats, slots or panels.
contract JuryFuzzTest is DisputeBase {
    uint256 private constant ABSENT = 0;
    uint256 private constant JOINS = 1;
    uint256 private constant IS_SILENT = 2;
    uint256 private constant VOTES = 3;

    struct Play {
        uint256[3] does; // what each juror does
        uint256[3] vote; // for which of the five pairs
        uint256 answer; // which digest the challenger committed to
        bool answers;
        uint32 count; // tasks of the lease
        uint128 bond;
        uint128 fee; // of a juror
    }

    /// What everyone should have, beside what they had: money won, stake lost.
    struct Outcome {
        IMarket.Verdict verdict;
        bytes32 digest;
        uint256[3] earned;
        uint256[3] lost;
        uint256 providerLost;
        uint256 back; // of the challenger, deposit and reward
        uint256 burned;
    }

    function _pair(uint256 choice) private view returns (bytes32 digest, bytes32 keyed) {
        if (choice == 1) return (digests[0], keyedOf(digests[0]));
        if (choice == 2) return (RIGHT, keyedOf(RIGHT));
        if (choice == 3) return (RIGHT, keyedOf(OTHER)); // the same digest without the output
        if (choice == 4) return (OTHER, keyedOf(OTHER));
    }

    /// P-05, P-10, P-11, P-24, P-30: nobody is slashed without cause, every unit is somebody's, and a verdict pays what
    /// PROTOCOL grants.
    function testFuzz_jury(Play memory p) public {
        _bound(p);
        Outcome memory o = _model(p);
        _play(p);
        (uint32[] memory seats, bytes32 keyed) = _given(p, o);
        market.judge(job, 0, o.digest, keyed, seats);
        _assertOutcome(p, o);
    }

    function _bound(Play memory p) private pure {
        for (uint256 i; i < 3; ++i) {
            // Most vote, else there is nothing to see.
            uint256 dice = bound(p.does[i], 0, 9);
            p.does[i] = dice < 3 ? dice : VOTES;
            p.vote[i] = bound(p.vote[i], 0, 4);
        }
        p.answer = bound(p.answer, 0, 4);
        p.count = uint32(bound(p.count, 1, 4));
        p.bond = uint128(bound(p.bond, 0, 20 * UNIT));
        p.fee = uint128(bound(p.fee, 1, 10 * UNIT));
    }

    // ------------------------------------------------------------------ the model

    function _model(Play memory p) private view returns (Outcome memory o) {
        uint256 commits;
        for (uint256 i; i < 3; ++i) {
            if (p.does[i] >= IS_SILENT) ++commits;
        }
        // Nobody can vote unless two committed.
        uint256 lasting = commits >= 2 ? VOTES : 99;
        uint256 most;
        uint256 winner;
        for (uint256 choice; choice < 5; ++choice) {
            uint256 votes;
            for (uint256 i; i < 3; ++i) {
                if (p.does[i] == lasting && p.vote[i] == choice) ++votes;
            }
            if (votes > most) (most, winner) = (votes, choice);
        }
        o.verdict = most < 2
            ? IMarket.Verdict.Inconclusive
            : winner < 2 ? IMarket.Verdict.ProviderRight : IMarket.Verdict.ProviderWrong;
        if (most >= 2) (o.digest,) = _pair(winner);

        uint256 paid;
        for (uint256 i; i < 3; ++i) {
            if (p.does[i] == lasting && (most < 2 || p.vote[i] == winner)) {
                o.earned[i] = p.fee;
                paid += p.fee;
            } else if (p.does[i] != ABSENT && !(commits < 2 && p.does[i] >= IS_SILENT)) {
                o.lost[i] = _jurorBond(p);
                o.burned += o.lost[i];
            }
        }
        _modelMoney(p, o, paid);
    }

    function _modelMoney(Play memory p, Outcome memory o, uint256 paid) private view {
        uint256 deposit = 3 * uint256(p.fee);
        if (o.verdict == IMarket.Verdict.Inconclusive) {
            o.back = deposit - paid;
        } else if (o.verdict == IMarket.Verdict.ProviderRight) {
            o.burned += deposit - paid;
        } else {
            (bytes32 answer,) = _pair(p.answer);
            o.providerLost = _bond(p);
            if (p.answers && answer == o.digest) o.back = deposit + 3 * uint256(p.fee);
            o.burned += o.providerLost + deposit - paid - o.back;
        }
    }

    function _bond(Play memory p) private pure returns (uint256) {
        uint256 bond = uint256(p.bond) * p.count;
        uint256 least = 6 * uint256(p.fee);
        return bond < least ? least : bond;
    }

    function _jurorBond(Play memory p) private pure returns (uint256) {
        uint256 third = _bond(p) / 3;
        return third < p.bond ? p.bond : third;
    }

    // ------------------------------------------------------------------ the play

    function _play(Play memory p) private {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.price.bond, j.price.juryFee) = (8, p.bond, p.fee);
        job = j;
        jobId = post(j);
        claim(j, alice, p.count);
        bytes32[] memory list = new bytes32[](p.count);
        for (uint256 i; i < p.count; ++i) {
            list[i] = digests[i];
        }
        digests = list;
        submitDigests(alice);
        _challenge(p);
        assertConserved(40 * UNIT, 3 * uint256(p.fee));
        sealAndDraw();
        for (uint256 i; i < 3; ++i) {
            (bytes32 digest, bytes32 keyed) = _pair(p.vote[i]);
            if (p.does[i] == JOINS || (p.does[i] != ABSENT && p.vote[i] % 2 == 0)) joinJury(jurors[i]);
            if (p.does[i] >= IS_SILENT) commitVote(jurors[i], digest, keyed);
        }
        vm.warp(commitBy() + 1);
        if (market.disputeOf(jobId, 0).commits < 2) return;
        if (market.disputeOf(jobId, 0).revealFrom != 0) {
            vm.warp(market.disputeOf(jobId, 0).revealFrom);
        }
        for (uint256 i; i < 3; ++i) {
            (bytes32 digest, bytes32 keyed) = _pair(p.vote[i]);
            if (p.does[i] == VOTES) revealVote(jurors[i], digest, keyed);
        }
        (bytes32 answer,) = _pair(p.answer);
        if (p.answers) revealAnswer(answer);
        vm.warp(commitBy() + 1 hours + 1);
    }

    function _challenge(Play memory p) private {
        (bytes32 answer,) = _pair(p.answer);
        bytes32 commitment = answerOf(challenger, answer);
        bytes32[] memory path = proofOf(0);
        bytes32 digest = digests[0];
        vm.prank(challenger);
        market.challenge(job, 0, 1, 1, 0, digest, path, commitment);
    }

    function _given(Play memory p, Outcome memory o)
        private
        view
        returns (uint32[] memory seats, bytes32 keyed)
    {
        uint32[3] memory all;
        uint256 length;
        for (uint32 i; i < 3; ++i) {
            if (p.does[i] != ABSENT) all[length++] = 3 + i;
        }
        seats = new uint32[](length);
        for (uint256 i; i < length; ++i) {
            seats[i] = all[i];
        }
        // Of two pairs with the same digest, the one that two voted for.
        if (o.digest == RIGHT) {
            uint256 plain;
            for (uint256 i; i < 3; ++i) {
                if (p.does[i] == VOTES && p.vote[i] == 2) ++plain;
            }
            return (seats, plain >= 2 ? keyedOf(RIGHT) : keyedOf(OTHER));
        }
        return (seats, keyedOf(o.digest));
    }

    function _assertOutcome(Play memory p, Outcome memory o) private view {
        uint256 stake = 100 * UNIT;
        for (uint256 i; i < 3; ++i) {
            uint256 left = stake - o.lost[i];
            assertJuror(i, o.earned[i], left, left, o.lost[i] == 0 ? 0 : 1);
        }
        bool convicted = o.verdict == IMarket.Verdict.ProviderWrong;
        // The other lease, of setUp, locks B.
        uint256 locked = B + (convicted ? 0 : _bond(p));
        assertStaker(alice, 0, stake - o.providerLost, stake - o.providerLost - locked, convicted ? 1 : 0);
        assertEq(market.balanceOf(challenger), stake - 3 * uint256(p.fee) + o.back, "challenger");
        assertEq(market.burned(), o.burned, "burned");
        assertConserved(40 * UNIT, 0);
        assertPhase(jobId, 0, convicted ? IMarket.Phase.Free : IMarket.Phase.Submitted);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Random juries, first and second, and all money of their verdicts against a model written from docs/PROTOCOL.md alone.
contract VerdictsFuzzTest is AuditBase {
    /// What a juror does. `Copies` and `CopiesOther` name a digest with a keyed digest of their own making.
    enum Act {
        Absent,
        Joins,
        Silent,
        Abstains,
        NamesLeaf,
        NamesOther,
        NamesThird,
        Copies,
        CopiesOther
    }

    struct Case {
        uint256 gross;
        uint256 bond;
        uint256 fee;
        uint256 escrow;
        uint256 juryFee;
        bool leafOpened;
        bool refund;
        uint256 commits;
        uint256 opened;
        uint256 equal;
        Act winner;
    }

    struct Expected {
        uint256[3] loss;
        uint256[3] paid;
        uint256 alice;
        uint256 earned;
        uint256 client;
        uint256 treasury;
        uint256 burned;
    }

    address[3] private _jurors = [bob, dave, frank];
    Act[3] private _acts;
    Case private _case;
    Expected private _expected;
    IMarket.Verdict private _verdict;

    function testFuzz_verdict(uint256 seed, uint256 acts, uint256 prices, uint256 masks) public {
        quick = true;
        _post(seed, prices);
        if (seed >> 250 & 1 == 1) _firstJuryHasNobody();
        uint256 had = market.balanceOf(client);
        _vote(acts);
        if (_acts[0] == Act.Absent && _acts[1] == Act.Absent && _acts[2] == Act.Absent) return;
        _open(masks);
        _model(had);
        _compare();
    }

    function _post(uint256 seed, uint256 prices) private {
        Case storage c = _case;
        vm.prank(governor);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.setFee(uint16(bound(seed & 0xffff, 0, 500)), treasury);
        (uint16 feeBps,) = market.fee();
        IMarket.Job memory made = auditedJob(10_000);
        made.price.maxPrice = uint128(bound(prices & type(uint64).max, 0, 10e18));
        made.price.minPrice = uint128(bound(prices >> 64 & type(uint64).max, 0, made.price.maxPrice));
        made.price.bond = uint128(bound(prices >> 128 & type(uint64).max, 1, 10e18));
        made.price.juryFee = uint128(bound(prices >> 192, 1, 5e18));
        made.assurance.refund = seed >> 255 == 1;
        jury = FIRST;
        postThis(made);
        vm.warp(time() + (seed >> 16 & 0x7ff));
        uint256 elapsed = time() - job.timing.opensAt;
        uint256 price = elapsed >= 1000
            ? made.price.maxPrice
            : made.price.minPrice + (made.price.maxPrice - made.price.minPrice) * elapsed / 1000;
        vm.prank(alice);
        market.claim(job, alice, 4, 4);
        submit(job, alice, 0, root);
        callJury();
        c.gross = 4 * price;
        c.bond = 4 * uint256(made.price.bond);
        c.fee = c.gross * feeBps / 10_000;
        c.juryFee = made.price.juryFee;
        // minLease is 2.
        c.escrow = 4 * (made.price.maxPrice + (3 * c.juryFee + 1) / 2);
        c.leafOpened = seed >> 254 & 1 == 1;
        c.refund = made.assurance.refund;
    }

    /// erin and carol join and do nothing; the second jury is the one that is played.
    function _firstJuryHasNobody() private {
        joinJury(erin);
        vm.warp(commitBy() + 1);
        judge(panel(named(erin)));
        _expected.burned = 8 * _case.juryFee / 10;
        jury = SECOND;
        publish(audit().point, keccak256("second"));
        vm.warp(time() + 2 * JURY_STEP);
    }

    // ------------------------------------------------------------------ what is done

    function _pair(Act act) private view returns (bytes32 digest, bytes32 keyed) {
        if (act == Act.NamesLeaf || act == Act.Silent) return (leaf, keyedOf(leaf));
        if (act == Act.NamesOther) return (RIGHT, keyedOf(RIGHT));
        if (act == Act.NamesThird) return (LIE, keyedOf(LIE));
        if (act == Act.Copies) return (leaf, RIGHT);
        if (act == Act.CopiesOther) return (RIGHT, LIE);
    }

    function _speaks(Act act) private pure returns (bool) {
        return act >= Act.Abstains;
    }

    function _vote(uint256 acts) private {
        for (uint256 i; i < 3; ++i) {
            // Votes for the same are likely.
            uint256 die = (acts >> 8 * i & 0xff) % 16;
            _acts[i] = die < 9 ? Act(die) : die < 12 ? Act.NamesLeaf : Act.NamesOther;
            if (_acts[i] == Act.Absent) continue;
            if (_acts[i] == Act.Joins || acts >> 100 + i & 1 == 1) joinJury(_jurors[i]);
            if (_acts[i] == Act.Joins) continue;
            (bytes32 digest, bytes32 keyed) = _pair(_acts[i]);
            voteFor(_jurors[i], digest, keyed);
            ++_case.commits;
            if (_speaks(_acts[i])) ++_case.opened;
            vm.warp(time() + 1);
        }
        if (_case.commits < 2) _case.opened = 0;
    }

    function _open(uint256 masks) private {
        Case storage c = _case;
        uint64 opensAt = c.commits == 3 ? time() - 1 : commitBy();
        if (c.commits < 3) vm.warp(opensAt + 1);
        if (c.opened < c.commits && c.commits >= 2) {
            if (c.opened != 0) judge(_panel(7));
            vm.warp(opensAt + REVEAL + 1);
        } else if (c.commits >= 2) {
            // In parts.
            uint256 mask = masks % 7;
            uint256 some = _openedBy(_panel(mask));
            if (some != 0 && some < c.commits) judge(_panel(mask));
        }
        IMarket.Opening[] memory all = _panel(c.commits < 2 ? 0 : 7);
        if (!c.leafOpened) {
            judge(all);
            if (phaseOf(jobId, 0) != IMarket.Phase.Audited || audit().due == 0) return;
            vm.warp(time() + RESPOND + 1);
            judge(all);
        } else {
            if (masks >> 8 & 1 == 1) judge(all);
            if (phaseOf(jobId, 0) == IMarket.Phase.Audited) judge(all, leaf);
        }
    }

    function _panel(uint256 mask) private view returns (IMarket.Opening[] memory all) {
        uint256 seats;
        for (uint256 i; i < 3; ++i) {
            if (_acts[i] != Act.Absent) ++seats;
        }
        all = new IMarket.Opening[](seats);
        uint256 at;
        for (uint256 i; i < 3; ++i) {
            if (_acts[i] == Act.Absent) continue;
            (bytes32 digest, bytes32 keyed) = _pair(_acts[i]);
            bool says = _speaks(_acts[i]) && mask >> i & 1 == 1;
            all[at++] = says ? entry(_jurors[i], digest, keyed) : named(_jurors[i]);
        }
    }

    function _openedBy(IMarket.Opening[] memory some) private pure returns (uint256 n) {
        for (uint256 i; i < some.length; ++i) {
            if (some[i].salt != 0) ++n;
        }
    }

    // ------------------------------------------------------------------ the model

    function _isVote(Act act) private pure returns (bool) {
        return act > Act.Abstains;
    }

    function _nameLeaf(Act act) private pure returns (bool) {
        return act == Act.NamesLeaf || act == Act.Copies;
    }

    function _model(uint256 had) private {
        Case storage c = _case;
        uint256[9] memory votes;
        for (uint256 i; i < 3; ++i) {
            ++votes[uint256(_acts[i])];
        }
        for (uint256 a = uint256(Act.NamesLeaf); a <= uint256(Act.CopiesOther); ++a) {
            if (votes[a] >= 2) (c.winner, c.equal) = (Act(a), votes[a]);
        }
        bool aThirdNamesIt;
        for (uint256 i; i < 3; ++i) {
            if (_acts[i] != c.winner && _nameLeaf(_acts[i])) aThirdNamesIt = true;
        }
        if (c.equal == 0) _verdict = IMarket.Verdict.NoVerdict;
        else if (!c.leafOpened) _verdict = IMarket.Verdict.Convicted;
        else if (_nameLeaf(c.winner)) _verdict = IMarket.Verdict.Acquitted;
        else if (aThirdNamesIt) _verdict = IMarket.Verdict.NoVerdict;
        else _verdict = IMarket.Verdict.Convicted;
        for (uint256 i; i < 3; ++i) {
            _expected.loss[i] = _loss(_acts[i]);
            if (c.equal != 0 && _acts[i] == c.winner && _verdict != IMarket.Verdict.NoVerdict) {
                _expected.paid[i] = c.juryFee;
            }
            _expected.burned += _expected.loss[i];
        }
        _lease(had);
    }

    function _loss(Act act) private view returns (uint256) {
        Case storage c = _case;
        uint256 bond = 8 * c.juryFee;
        if (act == Act.Absent) return 0;
        if (act == Act.Joins) return bond / 10;
        if (c.commits < 2 || c.opened == 0) return 0;
        if (act == Act.Silent) return bond;
        if (!_isVote(act) || c.equal == 0) return bond / 10;
        if (act != c.winner) return bond;
        return _verdict == IMarket.Verdict.NoVerdict ? bond / 10 : 0;
    }

    function _lease(uint256 had) private {
        Case storage c = _case;
        Expected storage e = _expected;
        e.alice = STAKE;
        e.client = had;
        bool over = _verdict != IMarket.Verdict.NoVerdict || jury == SECOND;
        if (!over) {
            e.alice = STAKE; // and its bond is locked
            return;
        }
        uint256 pay = _verdict == IMarket.Verdict.NoVerdict ? 0 : c.equal * c.juryFee;
        if (_verdict == IMarket.Verdict.Convicted) {
            bool refund = c.refund && c.equal == 3 && c.leafOpened;
            e.alice -= c.bond;
            e.burned += c.bond + (refund ? 0 : c.gross);
            e.client += c.escrow - pay - (refund ? 0 : c.gross);
        } else {
            e.earned = c.gross - c.fee;
            e.treasury = c.fee;
            bool decided = _verdict == IMarket.Verdict.Acquitted;
            uint256 pot = decided || c.commits < 2 ? 0 : c.opened * (8 * c.juryFee / 10);
            e.burned += pot;
            e.client += c.escrow - pay - c.gross - pot;
        }
    }

    function _compare() private view {
        Expected storage e = _expected;
        for (uint256 i; i < 3; ++i) {
            IMarket.ProviderState memory p = market.providerOf(_jurors[i]);
            assertEq(p.stake, STAKE - e.loss[i], "stake");
            assertEq(p.free, p.stake, "nothing stays locked");
            assertEq(market.balanceOf(_jurors[i]), e.paid[i], "paid");
        }
        assertEq(market.providerOf(alice).stake, e.alice, "alice");
        assertEq(market.balanceOf(alice), e.earned, "earned");
        assertEq(market.balanceOf(client), e.client, "client");
        assertEq(market.balanceOf(treasury), e.treasury, "fee");
        assertEq(market.burned(), e.burned, "burned");
        IMarket.Phase phase = phaseOf(jobId, 0);
        if (_verdict == IMarket.Verdict.Acquitted) assertGrade(jobId, 0, IMarket.Grade.Audited);
        else if (_verdict == IMarket.Verdict.Convicted) assertPhase(jobId, 0, IMarket.Phase.Void);
        else if (jury == SECOND) assertGrade(jobId, 0, IMarket.Grade.Contested);
        else assertEq(uint8(phase), uint8(IMarket.Phase.Undecided));
        assertBooksNow();
    }
}

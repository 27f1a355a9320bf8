// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// All 84 patterns of three jurors' seats, each with the accused's leaf opened and never opened, against the table of
/// docs/PROTOCOL.md. What is expected follows from counting letters, without a look at the contract:
///
/// | letter | the seat                          |
/// | ------ | --------------------------------- |
/// | L      | votes for the accused's digest    |
/// | D, E   | vote for two other digests        |
/// | A      | abstains                          |
/// | S      | commits, and is never opened      |
/// | J      | joins, and never commits          |
/// | -      | is empty                          |
contract PatternsTest is AuditBase {
    bytes private constant LETTERS = "LDEASJ-";

    address[3] private _jurors = [bob, carol, dave];
    bytes1[3] private _acts;
    bool private _leafOpened;
    uint256 private _had;
    uint256[4] private _verdicts;

    function test_all168Patterns() public {
        _had = market.balanceOf(client);
        quick = true;
        uint256 patterns;
        for (uint256 a; a < 7; ++a) {
            for (uint256 b = a; b < 7; ++b) {
                for (uint256 c = b; c < 7; ++c) {
                    // Who does what changes from pattern to pattern.
                    uint256 turn = patterns % 3;
                    _acts[turn] = LETTERS[a];
                    _acts[(turn + 1) % 3] = LETTERS[b];
                    _acts[(turn + 2) % 3] = LETTERS[c];
                    _check(true);
                    _check(false);
                    ++patterns;
                }
            }
        }
        assertEq(patterns, 84);
        assertEq(_verdicts[uint256(IMarket.Verdict.Acquitted)], 7);
        assertEq(_verdicts[uint256(IMarket.Verdict.Convicted)], 33);
        assertEq(_verdicts[uint256(IMarket.Verdict.NoVerdict)], 128);
    }

    function _check(bool leafOpened) private {
        _leafOpened = leafOpened;
        uint256 before = vm.snapshotState();
        _play();
        IMarket.Verdict verdict = _assertSeats();
        _assertLease(verdict);
        vm.revertToStateAndDelete(before);
        ++_verdicts[uint256(verdict)];
    }

    function _count(bytes1 letter) private view returns (uint256 n) {
        for (uint256 i; i < 3; ++i) {
            if (_acts[i] == letter) ++n;
        }
    }

    function _opened() private view returns (uint256) {
        return _count("L") + _count("D") + _count("E") + _count("A");
    }

    function _commits() private view returns (uint256) {
        return _opened() + _count("S");
    }

    // ------------------------------------------------------------------ what is done

    function _digestOf(bytes1 letter) private view returns (bytes32) {
        if (letter == "L" || letter == "S") return leaf;
        if (letter == "D") return RIGHT;
        return letter == "E" ? LIE : bytes32(0);
    }

    function _play() private {
        if (_count("-") == 3) {
            // Nobody comes: no jury, and the coin said yes.
            vm.warp(lease(0).since + AUDIT_WINDOW + 1);
            return finalize(job, 0);
        }
        for (uint256 i; i < 3; ++i) {
            if (_acts[i] == "J") joinJury(_jurors[i]);
            else if (_acts[i] != "-") vote(_jurors[i], _digestOf(_acts[i]));
        }
        uint64 opensAt = _commits() == 3 ? time() : commitBy();
        if (_commits() < 3) vm.warp(opensAt + 1);
        if (_commits() >= 2 && _count("S") != 0) {
            if (_opened() != 0) judge(_panel());
            vm.warp(opensAt + REVEAL + 1);
        }
        if (_leafOpened || !_twoEqual()) return judge(_panel(), _leafOpened ? leaf : bytes32(0));
        judge(_panel());
        vm.warp(time() + RESPOND + 1);
        judge(_panel());
    }

    function _panel() private view returns (IMarket.Opening[] memory all) {
        all = new IMarket.Opening[](3 - _count("-"));
        bool open = _commits() >= 2;
        uint256 at;
        for (uint256 i; i < 3; ++i) {
            bytes1 letter = _acts[i];
            if (letter == "-") continue;
            bool says = open && letter != "S" && letter != "J";
            all[at++] = says ? opens(_jurors[i], _digestOf(letter)) : named(_jurors[i]);
        }
    }

    // ------------------------------------------------------------------ what the table says

    function _twoEqual() private view returns (bool) {
        return _count("L") >= 2 || _count("D") >= 2 || _count("E") >= 2;
    }

    function _verdict() private view returns (IMarket.Verdict) {
        if (!_twoEqual()) return IMarket.Verdict.NoVerdict;
        if (!_leafOpened) return IMarket.Verdict.Convicted;
        if (_count("L") >= 2) return IMarket.Verdict.Acquitted;
        return _count("L") == 1 ? IMarket.Verdict.NoVerdict : IMarket.Verdict.Convicted;
    }

    /// What a seat is paid and what it loses.
    function _fate(bytes1 letter, IMarket.Verdict verdict) private view returns (uint256 paid, uint256 loss) {
        if (letter == "-") return (0, 0);
        if (letter == "J") return (0, TENTH);
        if (_commits() < 2) return (0, 0); // released
        if (letter == "S") return (0, _opened() == 0 ? 0 : J); // an outage, or silent while another opened
        if (letter == "A") return (0, TENTH);
        if (!_twoEqual()) return (0, TENTH);
        if (_count(letter) < 2) return (0, J); // the third
        if (verdict == IMarket.Verdict.NoVerdict) return (0, TENTH);
        return (F, 0);
    }

    function _assertSeats() private view returns (IMarket.Verdict verdict) {
        verdict = _verdict();
        for (uint256 i; i < 3; ++i) {
            (uint256 paid, uint256 loss) = _fate(_acts[i], verdict);
            assertHas(_jurors[i], STAKE - loss, paid, 0, loss == TENTH ? 1 : 0, loss == J ? 1 : 0);
        }
    }

    function _assertLease(IMarket.Verdict verdict) private {
        uint256 pay;
        uint256 burned;
        uint256 pot = _commits() < 2 ? 0 : _opened() * TENTH;
        for (uint256 i; i < 3; ++i) {
            (uint256 paid, uint256 loss) = _fate(_acts[i], verdict);
            (pay, burned) = (pay + paid, burned + loss);
        }
        if (verdict == IMarket.Verdict.NoVerdict) {
            if (_count("-") != 3) {
                assertPhase(jobId, 0, IMarket.Phase.Undecided);
                assertEq(audit().due, beacon.timeOf(audit().point) + RETRY);
                vm.warp(audit().due + 1);
                finalize(job, 0);
            }
            assertContested();
            burned += pot;
            pay += pot;
        } else if (verdict == IMarket.Verdict.Acquitted) {
            assertAcquitted();
        } else {
            assertConvicted();
            burned += BOND + GROSS;
        }
        assertEq(market.burned(), burned, "burned");
        assertEq(market.balanceOf(client) - _had, ESCROW - GROSS - pay, "refunded");
        assertBooksNow();
    }
}

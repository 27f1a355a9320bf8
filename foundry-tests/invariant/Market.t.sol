// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IDevToken} from "../helpers/Base.sol";
import {Handler} from "./Handler.sol";
import {Test} from "forge-std/Test.sol";
import {console} from "forge-std/console.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What must always hold (audits/properties.md), after any acts of clients, providers, jurors, challengers, operators,
/// donors, strangers and a governor, while time and blocks pass. The book that `Handler` keeps foretells of each
/// call whether the market may do it, and what everyone has afterwards, to the unit.
contract MarketInvariantTest is Test {
    Handler private handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        vm.roll(1_000_000);
        IDevToken token = IDevToken(deployCode("DevToken.sol:DevToken"));
        address governor = makeAddr("governor");
        address[2] memory recipients = [makeAddr("treasury"), makeAddr("next treasury")];
        IMarket.Times memory times =
            IMarket.Times({drawTime: 60, drawStep: 5, revealWindow: 120, respondWindow: 150, stakeAge: 200});
        bytes memory arguments = abi.encode(token, governor, recipients[0], 250, times);
        IMarket market = IMarket(deployCode("Market.sol:Market", arguments));
        handler = new Handler(market, token, governor, recipients, 250);
        targetContract(address(handler));
        bytes4[] memory only = new bytes4[](1);
        only[0] = Handler.step.selector;
        targetSelector(FuzzSelector(address(handler), only));
    }

    /// All in one, so that they share their runs. What each act may do is foretold (`World._try`), so these hold too:
    /// P-06: of commitments for another job, lease, round or account none is revealed.
    /// P-16: a job with one field changed is unknown. P-17: a signature by another, of another thing, of a revoked
    /// nonce or used before does nothing. P-18: roles; P-32: lists; P-33: a verifier that refuses, reverts or acts.
    /// P-21: who is not drawn yet, or with too young a stake, gets no seat. P-23: no commitment after the last one.
    /// P-24: only the quorum's vote ends a round. P-25: no second seal. P-26: a contested lease is not settled.
    /// P-28: no party in its jury. P-29: an answer for another challenger is not revealed.
    /// P-34: deadlines, to the second. P-35: what must fail fails by name, and nothing changes.
    /// P-39: no takeover by who left, or in the second of a release. P-41: half a batch. P-42: permits.
    function invariant_market() public view {
        _all();
    }

    function _all() private view {
        check_P01_solvency();
        check_P02_lockedStake();
        check_P03_escrow();
        check_P04_noDoublePay();
        check_P05_everyonesMoney();
        check_P10_conservation();
        check_P15_jobs();
        check_P19_endsAreFinal();
        check_P20_leases();
        check_P22_seats();
    }

    function check_P01_solvency() private view {
        handler.auditSolvency();
    }

    function check_P02_lockedStake() private view {
        handler.auditLocked();
    }

    function check_P03_escrow() private view {
        handler.auditEscrow();
    }

    function check_P04_noDoublePay() private view {
        handler.auditNoDoublePay();
    }

    /// P-05, P-09: nobody has lost but for a cause that the book knows. P-11, P-30: no verdict pays more of a bond than
    /// granted, or than held. P-14, P-27, P-31: splits, deposits and demands, to the unit. P-38: counts. P-40: totals.
    function check_P05_everyonesMoney() private view {
        handler.auditLedgers();
        handler.auditStakes();
    }

    function check_P10_conservation() private view {
        handler.auditConservation();
    }

    /// P-13: the price now. P-15: the fee of the day of `post`.
    function check_P15_jobs() private view {
        handler.auditJobs();
    }

    function check_P19_endsAreFinal() private view {
        handler.auditEnds();
    }

    /// P-20: every root and how it became final; P-26: the phase.
    function check_P20_leases() private view {
        handler.auditLeases();
    }

    /// P-22: who sits where. P-25: seeds and sealed stakes.
    function check_P22_seats() private view {
        handler.auditSeats();
    }

    /// P-07, P-08: at the end of a run a stranger ends every job, and all can take out what is theirs.
    function afterInvariant() public {
        uint256 calls = handler.calls();
        if (calls > 50) assertGt(2 * handler.successes(), calls, "most calls must succeed");
        _report();
        handler.finish();
    }

    /// How often each act was done, of how often it was tried.
    function _report() private view {
        for (uint256 i; i < handler.actCount(); ++i) {
            (string memory name, uint256 done, uint256 tried) = handler.report(i);
            console.log(name, done, "of", tried);
        }
        console.log("all", handler.successes(), "of", handler.calls());
    }

    /// Every act, with fixed seeds: each must have been done, or the above says little of it.
    /// P-07, P-08: and then a stranger ends it all.
    function test_everyActSucceeds() public {
        for (uint256 i; i < 4000; ++i) {
            handler.step(uint256(keccak256(abi.encode(i))));
            if (i % 10 == 0) _all();
        }
        _report();
        assertEq(handler.actCount(), 42, "acts");
        for (uint256 i; i < handler.actCount(); ++i) {
            (string memory name, uint256 done,) = handler.report(i);
            // Of calls about nothing none may succeed.
            assertEq(done == 0, keccak256(bytes(name)) == keccak256("(about nothing)"), name);
        }
        assertGt(3 * handler.successes(), 2 * handler.calls(), "two thirds of all calls succeed");
        for (uint256 i; i < 7; ++i) {
            console.log(handler.OUTCOMES(i), handler.outcomes(i));
            assertGt(handler.outcomes(i), 2, handler.OUTCOMES(i));
        }
        handler.finish();
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IDevToken} from "../helpers/Base.sol";
import {Handler} from "./Handler.sol";
import {Law} from "./Law.sol";
import {Test} from "forge-std/Test.sol";
import {console} from "forge-std/console.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What must always hold (audits/properties.md), after any acts of clients, providers, jurors, operators, strangers and a governor,
/// while time and blocks pass and seeds become known or die. The book that `Handler` keeps foretells of each call whether
/// the market may do it, and what everyone has afterwards, to the unit.
contract MarketInvariantTest is Test {
    Handler private handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        IDevToken token = IDevToken(deployCode("DevToken.sol:DevToken"));
        address beacon = deployCode("BlockBeacon.sol:BlockBeacon", abi.encode(Law.BLOCKS, Law.MARGIN));
        address governor = makeAddr("governor");
        address[2] memory recipients = [makeAddr("treasury"), makeAddr("next treasury")];
        bytes memory arguments = abi.encode(token, beacon, governor, recipients[0], 250, _times(), true);
        IMarket market = IMarket(deployCode("Market.sol:Market", arguments));
        handler = Handler(deployCode("Handler.sol:Handler", abi.encode(market, token, governor, recipients)));
        targetContract(address(handler));
        bytes4[] memory only = new bytes4[](1);
        only[0] = Handler.step.selector;
        targetSelector(FuzzSelector(address(handler), only));
    }

    function _times() private pure returns (IMarket.Times memory) {
        return IMarket.Times({
            stakeAge: Law.STAKE_AGE,
            leaseStep: Law.LEASE_STEP,
            juryStep: Law.JURY_STEP,
            juryTime: Law.JURY_TIME,
            revealWindow: Law.REVEAL_WINDOW,
            respondWindow: Law.RESPOND_WINDOW,
            retryWindow: Law.RETRY_WINDOW,
            leastAuditWindow: Law.LEAST_AUDIT_WINDOW,
            leastRunWindow: Law.LEAST_RUN_WINDOW
        });
    }

    /// All in one, so that they share their runs. What each act may do is foretold (`Worlds.send`), so these hold too:
    /// P-08: a copied commitment is never opened. P-13: no other digest, and no digest of another task, passes for the leaf.
    /// P-15: an answer with which a juror agrees is never slashed. P-18: roles. P-19: an ended lease does not change.
    /// P-20: grades. P-21: whoever is not drawn yet gets no seat. P-22: one seat for a provider. P-23: no commitment after the last
    /// one. P-24: one winner. P-28: the accused is not its own juror. P-32: lists. P-34: deadlines, to the second.
    /// P-35: what must fail fails by name. P-38: counts. P-39: no round for its last leaver. P-44: the price.
    function invariant_market() public view {
        _all();
    }

    /// The checks that do not need the book come first.
    function _all() private view {
        check_P06_coalitions();
        check_P07_cost();
        check_P02_lockedStake();
        check_P01_solvency();
        check_P03_escrow();
        check_P04_noDoublePay();
        check_P05_causesOfLoss();
        check_P08_leasesAndSeats();
        check_P11_operators();
        check_P12_conservation();
        check_P14_seeds();
    }

    function check_P01_solvency() private view {
        handler.check(1);
    }

    function check_P02_lockedStake() private view {
        handler.check(2);
    }

    function check_P03_escrow() private view {
        handler.check(3);
    }

    function check_P04_noDoublePay() private view {
        handler.check(4);
    }

    /// P-40: totals.
    function check_P05_causesOfLoss() private view {
        handler.check(5);
    }

    function check_P06_coalitions() private view {
        handler.check(6);
    }

    function check_P07_cost() private view {
        handler.check(7);
    }

    /// P-46: a job's fee.
    function check_P08_leasesAndSeats() private view {
        handler.check(8);
    }

    function check_P11_operators() private view {
        handler.check(11);
    }

    /// P-45: pay, fee, burns and refund add up to the escrow.
    function check_P12_conservation() private view {
        handler.check(12);
    }

    function check_P14_seeds() private view {
        handler.check(14);
    }

    /// P-09: strangers bring every lease to its end. P-10: so a client that does nothing ends with results, refunds or Void.
    function check_P09_P10_everythingEnds() private {
        handler.finish();
    }

    function afterInvariant() public {
        check_P09_P10_everythingEnds();
    }

    /// Every act, with fixed seeds: each must have been done, and every outcome, or the above says little of it.
    function test_everyActSucceeds() public {
        vm.pauseGasMetering();
        uint256 steps = vm.envOr("INVARIANT_STEPS", uint256(2500));
        uint256 from = vm.envOr("INVARIANT_FROM", uint256(0));
        for (uint256 i; i < steps; ++i) {
            try this.one(uint256(keccak256(abi.encode(from, i)))) {}
            catch (bytes memory why) {
                (, uint256 made, uint256 jobs) = handler.totals();
                console.log("seen in step, after calls, jobs", i, made, jobs);
                assembly ("memory-safe") {
                    revert(add(why, 32), mload(why))
                }
            }
        }
        _report();
        assertEq(handler.acts(), 25, "acts");
        for (uint256 i; i < handler.acts(); ++i) {
            (string memory name, uint256 done,) = handler.report(i);
            assertGt(done, 0, name);
        }
        (uint256 successes, uint256 calls,) = handler.totals();
        assertGt(4 * successes, 3 * calls, "three quarters of all calls succeed");
        uint256[12] memory outcomes = handler.outcomes();
        for (uint256 i; i < outcomes.length; ++i) {
            assertGt(outcomes[i], 0, _outcome(i));
        }
        check_P09_P10_everythingEnds();
    }

    /// One act and all checks: a call of its own, so that the test can say when something was seen.
    function one(uint256 seed) external {
        handler.step(seed);
        _all();
    }

    /// How often each act was done, of how often it was tried.
    function _report() private view {
        for (uint256 i; i < handler.acts(); ++i) {
            (string memory name, uint256 done, uint256 tried) = handler.report(i);
            console.log(name, done, "of", tried);
        }
        (uint256 successes, uint256 calls, uint256 jobs) = handler.totals();
        console.log("all", successes, "of", calls);
        console.log("jobs", jobs);
        for (uint256 i; i < 12; ++i) {
            console.log(_outcome(i), handler.outcomes()[i]);
        }
    }

    function _outcome(uint256 i) private pure returns (string memory) {
        string[12] memory all = [
            "finalized as Contested",
            "finalized as Unaudited",
            "rounds with a quorum",
            "rounds void",
            "rounds without a quorum",
            "leaves missed",
            "first juries for the provider",
            "first juries against the provider",
            "first juries without a verdict",
            "second juries for the provider",
            "second juries against the provider",
            "second juries without a verdict"
        ];
        return all[i];
    }
}

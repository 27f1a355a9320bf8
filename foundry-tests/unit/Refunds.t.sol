// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Convictions in a job with `refund`: the price returns to the client only after three equal votes against an opened leaf.
///
/// | votes        | leaf         | the price          |
/// | ------------ | ------------ | ------------------ |
/// | three equal  | opened       | returns            |
/// | three equal  | never opened | is burned          |
/// | two equal    | any          | is burned          |
contract RefundsTest is AuditBase {
    uint256 private _had;

    function setUp() public override {
        super.setUp();
        _had = market.balanceOf(client);
    }

    function theJob() internal view override returns (IMarket.Job memory made) {
        made = auditedJob(5000);
        made.assurance.refund = true;
    }

    function _assertPriceBurned(uint256 jurorsPay, uint256 alsoBurned) private view {
        assertConvicted();
        assertEq(market.burned(), BOND + GROSS + alsoBurned);
        assertEq(market.balanceOf(client) - _had, ESCROW - GROSS - jurorsPay);
    }

    function test_refund_threeEqual_leafOpened() public {
        threeVote(RIGHT, RIGHT, RIGHT);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, leaf);
        expectVoided(0, 8.3 ether);
        judge(three(RIGHT, RIGHT, RIGHT), leaf);
        assertConvicted();
        assertHas(bob, STAKE, F, 0, 0, 0);
        assertEq(market.burned(), BOND, "the bond is nobody's");
        assertEq(market.balanceOf(client) - _had, ESCROW - 3 * F);
    }

    function test_refund_threeEqual_leafNeverOpened() public {
        threeVote(RIGHT, RIGHT, RIGHT);
        judge(three(RIGHT, RIGHT, RIGHT));
        vm.warp(time() + RESPOND + 1);
        expectVoided(GROSS, 4.3 ether);
        judge(three(RIGHT, RIGHT, RIGHT));
        _assertPriceBurned(3 * F, 0);
    }

    function test_refund_twoEqual_aThirdAnother() public {
        threeVote(RIGHT, LIE, RIGHT);
        judge(three(RIGHT, LIE, RIGHT), leaf);
        _assertPriceBurned(2 * F, J);
    }

    function test_refund_twoEqual_oneAbstains() public {
        threeVote(RIGHT, 0, RIGHT);
        judge(three(RIGHT, 0, RIGHT), leaf);
        _assertPriceBurned(2 * F, J / 10);
    }

    function test_refund_twoEqual_oneSilent() public {
        threeVote(RIGHT, RIGHT, RIGHT);
        judge(panel(opens(bob, RIGHT), opens(carol, RIGHT)));
        vm.warp(time() + REVEAL + 1);
        judge(panel(opens(bob, RIGHT), opens(carol, RIGHT), named(dave)), leaf);
        _assertPriceBurned(2 * F, J);
    }

    function test_refund_twoEqual_seatEmpty() public {
        vote(bob, RIGHT);
        vote(carol, RIGHT);
        vm.warp(commitBy() + 1);
        judge(panel(opens(bob, RIGHT), opens(carol, RIGHT)), leaf);
        _assertPriceBurned(2 * F, 0);
    }

    function test_refund_acquitted() public {
        threeVote(leaf, leaf, leaf);
        expectSettled(IMarket.Grade.Audited, 4.3 ether);
        judge(three(leaf, leaf, leaf), leaf);
        assertAcquitted();
    }

    function test_refund_bySecondJury() public {
        firstJuryFails();
        uint256 burned = market.burned();
        vote(erin, RIGHT);
        vote(frank, RIGHT);
        vote(bob, RIGHT);
        expectVoided(0, 8.3 ether);
        judge(panel(opens(bob, RIGHT), opens(erin, RIGHT), opens(frank, RIGHT)), leaf);
        assertConvicted();
        assertEq(market.burned(), burned + BOND);
    }

    /// With several tasks on the ramp: all of the escrow less what jurors are paid.
    function test_refund_onTheRamp() public {
        IMarket.Job memory made = auditedJob(5000);
        made.assurance.refund = true;
        postThis(made);
        vm.warp(time() + 250);
        claim(job, alice, 4);
        submit(job, alice, 0, root);
        callJury();
        _had = market.balanceOf(client);
        threeVote(RIGHT, RIGHT, RIGHT);
        judge(three(RIGHT, RIGHT, RIGHT), leaf);
        assertEq(market.balanceOf(client) - _had, ESCROW - 3 * F);
    }
}

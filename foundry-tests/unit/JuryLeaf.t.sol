// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// judge, and the leaf of the accused: needed if two votes are equal, and then once all are open or the time is over.
///
/// | two equal votes and          | judge                                            |
/// | ---------------------------- | ------------------------------------------------ |
/// | the leaf, at any time before | decides                                          |
/// | no leaf, first time          | records; the leaf is due for RESPOND_WINDOW      |
/// | no leaf, to its end          | LeafMissing                                      |
/// | no leaf, after it            | decides as if it was never opened: convicted     |
/// | the leaf, after it           | TooLate                                          |
/// | another digest               | NotInResult                                      |
contract JuryLeafTest is AuditBase {
    bytes32[] private _none;

    function _expectMissed() private {
        vm.expectEmit(address(market));
        emit IMarket.LeafMissed(jobId, 0, jury, time() + RESPOND);
    }

    function _missing(uint64 leafBy) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.LeafMissing.selector, jobId, 0, leafBy);
    }

    function _notInResult(bytes32 digest) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.NotInResult.selector, task, digest);
    }

    function test_leaf_missedTheFirstTime() public {
        threeVote(RIGHT, RIGHT, LIE);
        uint64 since = time();
        vm.warp(since + 9);
        expectOpened(0, FIRST, dave, LIE, keyedOf(LIE));
        _expectMissed();
        judge(three(RIGHT, RIGHT, LIE));
        assertAudit(1, since, time(), lease(0).point, 3, 3, 3);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        assertSeat(dave, IMarket.Seat.Opened);
    }

    function test_leaf_isMissingUntilItsTimeIsOver() public {
        threeVote(RIGHT, RIGHT, RIGHT);
        judge(three(RIGHT, RIGHT, RIGHT));
        uint64 leafBy = time() + RESPOND;
        vm.expectRevert(_missing(leafBy));
        judge(three(RIGHT, RIGHT, RIGHT));
        vm.warp(leafBy);
        vm.expectRevert(_missing(leafBy));
        judge(three(RIGHT, RIGHT, RIGHT));
        assertEq(audit().due, leafBy - RESPOND, "the clock runs once");
        vm.warp(leafBy + 1);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, 0);
        judge(three(RIGHT, RIGHT, RIGHT));
        assertConvicted();
    }

    function test_leaf_inTheLastSecond() public {
        threeVote(leaf, leaf, leaf);
        judge(three(leaf, leaf, leaf));
        uint64 leafBy = time() + RESPOND;
        uint256 before = vm.snapshotState();
        vm.warp(leafBy);
        expectJudged(IMarket.Verdict.Acquitted, leaf, leaf);
        judge(three(leaf, leaf, leaf), leaf);
        assertAcquitted();
        vm.revertToState(before);
        vm.warp(leafBy + 1);
        vm.expectRevert(tooLate(leafBy));
        judge(three(leaf, leaf, leaf), leaf);
        judge(three(leaf, leaf, leaf));
        assertConvicted();
    }

    function test_leaf_withTheFirstCall() public {
        threeVote(leaf, leaf, leaf);
        judge(three(leaf, leaf, leaf), leaf);
        assertAcquitted();
        assertEq(audit().due, 0);
    }

    /// A round that must wait for an unopened vote does not ask for the leaf before.
    function test_leaf_isNotMissedWhileVotesCanBeOpened() public {
        threeVote(leaf, leaf, leaf);
        judge(panel(opens(bob, leaf), opens(carol, leaf), named(dave)));
        assertEq(audit().due, 0);
        vm.warp(time() + REVEAL + 1);
        _expectMissed();
        judge(panel(opens(bob, leaf), opens(carol, leaf), named(dave)));
        assertAudit(1, time() - REVEAL - 1, time(), lease(0).point, 3, 3, 2);
        judge(panel(opens(bob, leaf), opens(carol, leaf), named(dave)), leaf);
        assertAcquitted();
        assertHas(dave, STAKE - J, 0, 0, 0, 1);
    }

    /// After it was missed the call that decides still names all that was recorded.
    function test_leaf_withEverythingRecorded() public {
        threeVote(leaf, leaf, RIGHT);
        judge(three(leaf, leaf, RIGHT));
        vm.expectRevert(wrongPanel(0));
        judge(panel(), leaf);
        vm.expectRevert(wrongPanel(2));
        judge(panel(opens(bob, leaf), opens(carol, leaf)), leaf);
        vm.expectRevert(wrongOpening(0, dave));
        judge(three(leaf, leaf, LIE), leaf);
        judge(three(leaf, leaf, RIGHT), leaf);
        assertAcquitted();
    }

    function test_leaf_isInTheResult() public {
        threeVote(RIGHT, RIGHT, RIGHT);
        IMarket.Opening[] memory all = three(RIGHT, RIGHT, RIGHT);
        vm.expectRevert(_notInResult(LIE));
        judge(all, LIE);
        vm.expectRevert(_notInResult(RIGHT));
        judge(all, RIGHT);
        uint32 next = (task + 1) % 4;
        vm.expectRevert(_notInResult(digests[next])); // another task's, with its proof
        judge(all, digests[next], Merkle.proof(0, digests, next));
        vm.expectRevert(_notInResult(leaf));
        judge(all, leaf, Merkle.proof(0, digests, next));
        vm.expectRevert(_notInResult(leaf));
        judge(all, leaf, _none);
        bytes32[] memory longer = new bytes32[](3);
        (longer[0], longer[1]) = (proof()[0], proof()[1]);
        vm.expectRevert(_notInResult(leaf));
        judge(all, leaf, longer);
        judge(all);
        vm.expectRevert(_notInResult(LIE)); // nor later
        judge(all, LIE);
        judge(all, leaf);
        assertConvicted();
    }

    /// Where no two agree, nobody needs the leaf, and what is brought is not read.
    function test_leaf_isIgnoredIfNotNeeded() public {
        threeVote(RIGHT, LIE, leaf);
        expectJudged(IMarket.Verdict.NoVerdict, 0, 0);
        judge(three(RIGHT, LIE, leaf), LIE, _none);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
    }
}

/// A leaf of zero cannot be opened, whatever the tree holds: it counts as never opened.
contract ZeroLeafTest is AuditBase {
    function theDigests() internal pure override returns (bytes32[] memory) {
        return new bytes32[](4);
    }

    function test_leaf_ofZero_countsAsNeverOpened() public {
        assertEq(leaf, 0);
        threeVote(RIGHT, RIGHT, LIE);
        judge(three(RIGHT, RIGHT, LIE), leaf);
        assertEq(audit().due, time());
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeafMissing.selector, jobId, 0, time() + RESPOND));
        judge(three(RIGHT, RIGHT, LIE), leaf);
        vm.warp(time() + RESPOND + 1);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, 0);
        judge(three(RIGHT, RIGHT, LIE), leaf);
        assertConvicted();
    }
}

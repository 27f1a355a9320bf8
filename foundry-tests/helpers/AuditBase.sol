// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Merkle} from "./Merkle.sol";
import {SeatsBase} from "./SeatsBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// alice's lease [0, 4) of an audited job, submitted for a tree of digests, with a seed with which chance says that it is
/// audited; bob, carol, dave, erin and frank (numbers 2 to 6) are all drawn for its jury by now. The acts of audits, each
/// of which leaves the books as they must be.
abstract contract AuditBase is SeatsBase {
    uint8 internal constant FIRST = 1;
    uint8 internal constant SECOND = 2;
    uint64 internal constant JURY_STEP = 10 minutes;
    uint64 internal constant REVEAL = 6 hours;
    uint64 internal constant RESPOND = 24 hours;
    uint64 internal constant RETRY = 1 days;
    uint64 internal constant AUDIT_WINDOW = 2 hours;
    /// runWindow and the jury's hour.
    uint64 internal constant COMMIT = 800 + 1 hours;

    /// A juror's pay and bond; the accused's bond, its price (claimed when the ramp begins) and what of that it is paid; and
    /// the lease's escrow: 4 tasks of 2 tokens and a reserve of 0.15.
    uint256 internal constant F = uint256(UNIT) / 10;
    uint256 internal constant J = 8 * F;
    uint256 internal constant TENTH = J / 10;
    uint256 internal constant BOND = 4 * uint256(UNIT);
    uint256 internal constant GROSS = 4 * uint256(UNIT);
    uint256 internal constant PAY = GROSS - GROSS * FEE / 10_000;
    uint256 internal constant ESCROW = 8.6 ether;

    bytes32[] internal digests;
    bytes32 internal root;
    /// The audited task, and the digest that the accused committed to for it.
    uint32 internal task;
    bytes32 internal leaf;
    bytes32 internal constant RIGHT = keccak256("right");
    bytes32 internal constant LIE = keccak256("lie");
    /// The jury that acts are for.
    uint8 internal jury = FIRST;

    function setUp() public virtual override {
        super.setUp();
        digests = theDigests();
        root = Merkle.root(0, digests);
        submitted(theJob());
        callJury();
    }

    /// What alice finds.
    function theDigests() internal view virtual returns (bytes32[] memory) {
        return Merkle.someDigests(1, 4);
    }

    /// The job that `setUp` posts.
    function theJob() internal view virtual returns (IMarket.Job memory) {
        return auditedJob(5000);
    }

    /// Posts the job, and alice submits its first lease in the same second.
    function submitted(IMarket.Job memory made) internal {
        jury = FIRST;
        postThis(made);
        claim(job, alice, 4);
        submit(job, alice, 0, root);
        assertBooks();
    }

    /// Publishes a seed with which the lease is audited; waits until the draw has grown to all of the stake.
    function callJury() internal {
        bytes32 seed = seedFor(job, 0, round, true);
        publish(lease(0).point, seed);
        task = auditedTask(seed, jobId, 0, round, 4);
        leaf = digests[task];
        vm.warp(time() + 2 * JURY_STEP);
    }

    // ------------------------------------------------------------------ acts

    function joinJury(address who) internal {
        vm.prank(who);
        market.joinJury(job, 0, round, jury, who);
        assertBooks();
    }

    /// Commits to the pair (digest, keyed digest of it).
    function vote(address who, bytes32 digest) internal {
        voteFor(who, digest, keyedOf(digest));
    }

    function voteFor(address who, bytes32 digest, bytes32 keyed) internal {
        voteTo(who, committed(0, jury, who, digest, keyed));
    }

    function voteTo(address who, bytes32 commitment_) internal {
        vm.prank(who);
        market.commitVote(job, 0, round, jury, who, commitment_);
        assertBooks();
    }

    /// bob, carol and dave commit to these votes.
    function threeVote(bytes32 a, bytes32 b, bytes32 c) internal {
        vote(bob, a);
        vote(carol, b);
        vote(dave, c);
    }

    function judge(IMarket.Opening[] memory openings) internal {
        judge(openings, 0);
    }

    /// Opens votes, and brings this leaf with the proof of the true one.
    function judge(IMarket.Opening[] memory openings, bytes32 brought) internal {
        judge(openings, brought, proof());
    }

    function judge(IMarket.Opening[] memory openings, bytes32 brought, bytes32[] memory path) internal {
        vm.prank(anyone);
        market.judge(job, 0, round, jury, openings, brought, path);
        assertBooks();
    }

    /// The first jury ends without a verdict, and the seed of the second one is known; all are drawn for it.
    function firstJuryFails() internal {
        threeVote(RIGHT, LIE, leaf);
        judge(three(RIGHT, LIE, leaf));
        jury = SECOND;
        publish(audit().point, keccak256("second seed"));
        vm.warp(time() + 2 * JURY_STEP);
    }

    // ------------------------------------------------------------------ what acts need

    function keyedOf(bytes32 digest) internal pure returns (bytes32) {
        return digest == 0 ? bytes32(0) : keccak256(abi.encode("keyed", digest));
    }

    function opens(address who, bytes32 digest) internal view returns (IMarket.Opening memory) {
        return entry(who, digest, keyedOf(digest));
    }

    /// bob's, carol's and dave's.
    function three(bytes32 a, bytes32 b, bytes32 c) internal view returns (IMarket.Opening[] memory) {
        return panel(opens(bob, a), opens(carol, b), opens(dave, c));
    }

    function proof() internal view returns (bytes32[] memory) {
        return Merkle.proof(0, digests, task);
    }

    // ------------------------------------------------------------------ reading

    function audit() internal view returns (IMarket.AuditState memory) {
        return market.auditOf(jobId, 0);
    }

    function commitBy() internal view returns (uint64) {
        return audit().since + COMMIT;
    }

    function assertSeat(address who, IMarket.Seat expected) internal view {
        assertSeat(0, jury, who, expected);
    }

    function assertAudit(
        uint8 jury_,
        uint64 since,
        uint64 due,
        uint64 point,
        uint8 seats,
        uint8 commits,
        uint8 opened
    ) internal view {
        IMarket.AuditState memory a = audit();
        assertEq(a.jury, jury_, "jury");
        assertEq(a.task, task, "task");
        assertEq(a.since, since, "since");
        assertEq(a.due, due, "due");
        assertEq(a.point, point, "point");
        assertEq(a.seats, seats, "seats");
        assertEq(a.commits, commits, "commits");
        assertEq(a.opened, opened, "opened");
    }

    // ------------------------------------------------------------------ events

    function expectEnds(address who, IMarket.SeatEnd end, uint256 paid, uint256 burned) internal {
        expectClosed(0, jury, who, end, paid, burned);
    }

    function expectJudged(IMarket.Verdict verdict, bytes32 digest, bytes32 leaf_) internal {
        vm.expectEmit(address(market));
        emit IMarket.Judged(jobId, 0, jury, verdict, task, digest, leaf_);
    }

    function expectSettled(IMarket.Grade grade, uint256 refunded) internal {
        vm.expectEmit(address(market));
        // forge-lint: disable-next-line(unsafe-typecast)
        emit IMarket.Settled(jobId, 0, grade, uint128(PAY), uint128(GROSS - PAY), 0, uint128(refunded));
    }

    /// The lease is settled after a jury without verdict that opened so many votes.
    function expectContested(uint256 opened) internal {
        uint256 burned = opened * TENTH;
        uint256 refunded = 4.6 ether - burned;
        IMarket.Grade grade = IMarket.Grade.Contested;
        vm.expectEmit(address(market));
        // forge-lint: disable-start(unsafe-typecast)
        emit IMarket.Settled(
            jobId, 0, grade, uint128(PAY), uint128(GROSS - PAY), uint128(burned), uint128(refunded)
        );
        // forge-lint: disable-end(unsafe-typecast)
    }

    function expectVoided(uint256 burned, uint256 refunded) internal {
        vm.expectEmit(address(market));
        // forge-lint: disable-next-line(unsafe-typecast)
        emit IMarket.Voided(jobId, 0, uint128(burned), uint128(refunded), uint128(BOND));
    }

    function expectPointSet() internal {
        uint64 point = beacon.point();
        vm.expectEmit(address(market));
        emit IMarket.PointSet(jobId, 0, point);
    }

    /// The accused lost its bond; the lease has no result.
    function assertConvicted() internal view {
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertHas(alice, STAKE - BOND, 0, 0, 0, 1);
        assertNoResult();
    }

    function assertAcquitted() internal view {
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertHas(alice, STAKE, PAY, 1, 0, 0);
        assertResult(IMarket.Grade.Audited);
    }

    function assertContested() internal view {
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertHas(alice, STAKE, PAY, 1, 0, 0);
        assertResult(IMarket.Grade.Contested);
    }

    function assertResult(IMarket.Grade expected) internal view {
        (bytes32 result, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(result, root, "root");
        assertEq(count, 4, "count");
        assertEq(uint8(grade), uint8(expected), "grade of the root");
    }

    function assertNoResult() internal view {
        (bytes32 result, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertTrue(result == 0 && count == 0 && grade == IMarket.Grade.None, "no result");
    }
}

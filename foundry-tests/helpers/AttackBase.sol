// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";
import {Merkle} from "./Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A market with victims (the client, alice, bob, the crew of five providers) and attackers: mallory, a provider with the
/// same stake as the others, and eve, an account with money and without stake. All stakes are old enough to be drawn.
/// A test starts one job, which the helpers act on, and asserts to the unit what everybody has gained or lost (`gain`).
abstract contract AttackBase is Base {
    uint128 internal constant STAKE = 100 * UNIT;
    uint128 internal constant JURY_FEE = UNIT / 10;
    /// What a juror locks.
    uint128 internal constant JUROR_BOND = 8 * JURY_FEE;
    /// Price of the one lease of `oneLease` (four tasks at two tokens), the protocol's part of it, and its bond.
    uint128 internal constant PRICE = 8 * UNIT;
    uint128 internal constant CUT = PRICE * FEE / 10_000;
    uint128 internal constant BOND = 4 * UNIT;
    bytes32 internal constant LIE = keccak256("lie");
    bytes32 internal constant RIGHT = keccak256("right");

    address internal mallory = makeAddr("mallory");
    address internal eve = makeAddr("eve");
    address[5] internal crew;
    /// Everyone that has anything in the market; a test adds its own.
    address[] internal people;
    mapping(address => uint256) private _marked;
    uint256 private _burnedBefore;

    IMarket.Job internal job;
    bytes32 internal jobId;
    /// The output digests of the lease that a helper submitted.
    bytes32[] internal digests;

    function setUp() public virtual override {
        super.setUp();
        stakeOf(mallory, STAKE);
        for (uint256 i; i < 5; ++i) {
            crew[i] = makeAddr(string.concat("crew", vm.toString(i)));
            stakeOf(crew[i], STAKE);
            people.push(crew[i]);
        }
        fund(eve, 100 * UNIT);
        fund(mallory, 100 * UNIT);
        address[8] memory others = [client, alice, bob, mallory, eve, operator, treasury, anyone];
        for (uint256 i; i < 8; ++i) {
            people.push(others[i]);
        }
        vm.warp(time() + times().stakeAge + 1);
        vm.roll(1000);
    }

    // ------------------------------------------------------------------ what everybody has

    /// All that is `who`'s: tokens, balance and earnings, stake.
    function worth(address who) internal view returns (uint256) {
        return token.balanceOf(who) + market.balanceOf(who) + market.providerOf(who).stake;
    }

    /// Remembers what everybody has.
    function mark() internal {
        for (uint256 i; i < people.length; ++i) {
            _marked[people[i]] = worth(people[i]);
        }
        _burnedBefore = market.burned();
    }

    /// What `who` has gained since `mark`.
    function gain(address who) internal view returns (int256) {
        return int256(worth(who)) - int256(_marked[who]);
    }

    /// A gain, and a loss, of so many units.
    function plus(uint256 amount) internal pure returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(amount);
    }

    function minus(uint256 amount) internal pure returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return -int256(amount);
    }

    function assertGain(address who, int256 expected) internal view {
        assertEq(gain(who), expected, string.concat("gain of ", vm.getLabel(who)));
    }

    function assertBurned(uint256 expected) internal view {
        assertEq(market.burned() - _burnedBefore, expected, "burned");
    }

    /// Every token in the market is somebody's, burned, or `held` in escrow.
    function assertBooks(uint256 held) internal view {
        uint256 sum = held + market.burned();
        uint256 stakes;
        for (uint256 i; i < people.length; ++i) {
            sum += market.balanceOf(people[i]);
            stakes += market.providerOf(people[i]).stake;
        }
        assertEq(stakes, market.totalStake(), "stakes");
        assertEq(sum + stakes, token.balanceOf(address(market)), "books");
    }

    /// Nothing of the provider's stake is locked, and it lost none.
    function assertUnharmed(address provider) internal view {
        assertProvider(provider, STAKE, STAKE, market.providerOf(provider).completed, 0);
    }

    /// The error that a call failed with.
    function errorOf(bytes memory why) internal pure returns (bytes4 selector) {
        assembly ("memory-safe") {
            selector := mload(add(why, 32))
        }
    }

    // ------------------------------------------------------------------ jobs

    /// A job of one lease of four tasks at two tokens each; never audited.
    function oneLease() internal view returns (IMarket.Job memory made) {
        made = aJob();
        made.terms.tasks = made.terms.minLease = made.terms.maxLease = 4;
        made.price.minPrice = made.price.maxPrice;
        made.timing.ramp = 0;
    }

    /// `oneLease` that is always audited.
    function oneAudited() internal view returns (IMarket.Job memory made) {
        made = oneLease();
        made.assurance.auditBps = 10_000;
        made.price.juryFee = JURY_FEE;
        made.timing.auditWindow = 2 hours;
    }

    /// `oneLease` with `replicas` seats.
    function oneRedundant(uint8 replicas, uint8 quorum) internal view returns (IMarket.Job memory made) {
        made = oneLease();
        (made.assurance.replicas, made.assurance.quorum) = (replicas, quorum);
    }

    /// Posts the job that the helpers act on, and marks.
    function start(IMarket.Job memory made) internal {
        job = made;
        mark();
        jobId = post(made);
    }

    // ------------------------------------------------------------------ ordinary leases

    /// `who` claims lease 0 and submits `digests`, of which each is `RIGHT` or each is `LIE`.
    function submitted(address who, bytes32 each) internal {
        uint32 count = job.terms.maxLease;
        claim(job, who, count);
        delete digests;
        for (uint256 i; i < count; ++i) {
            digests.push(each);
        }
        submit(job, who, 0, Merkle.root(0, digests));
    }

    /// Publishes the seed that decides whether lease 0 is audited, and waits until every provider is drawn.
    function toss(bool audited) internal {
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, market.leaseOf(jobId, 0).round, audited));
        untilAllAreDrawn(market.leaseOf(jobId, 0).point);
    }

    /// To the second step of a jury's draw over this point: four times a share of three eighths.
    function untilAllAreDrawn(uint64 point) internal {
        uint64 all = beacon.timeOf(point) + 2 * times().juryStep;
        if (time() < all) vm.warp(all);
    }

    /// Publishes the seed of the second jury's point, and waits until every provider is drawn.
    function tossAgain() internal {
        uint64 point = market.auditOf(jobId, 0).point;
        publish(point, keccak256("the second jury"));
        untilAllAreDrawn(point);
    }

    // ------------------------------------------------------------------ juries

    function keyedOf(bytes32 digest) internal pure returns (bytes32) {
        return digest == 0 ? bytes32(0) : keccak256(abi.encode("keyed", digest));
    }

    function joinJury(uint8 jury, address who) internal {
        uint16 round = market.leaseOf(jobId, 0).round;
        vm.prank(who);
        market.joinJury(job, 0, round, jury, who);
    }

    function vote(uint8 jury, address who, bytes32 digest) internal {
        votePair(jury, who, digest, keyedOf(digest));
    }

    function votePair(uint8 jury, address who, bytes32 digest, bytes32 keyed) internal {
        uint16 round = market.leaseOf(jobId, 0).round;
        bytes32 hash = commitment(jobId, 0, round, jury, who, digest, keyed);
        vm.prank(who);
        market.commitVote(job, 0, round, jury, who, hash);
    }

    /// The first three of the crew vote so.
    function crewVotes(uint8 jury, bytes32 a, bytes32 b, bytes32 c) internal {
        vote(jury, crew[0], a);
        vote(jury, crew[1], b);
        vote(jury, crew[2], c);
    }

    function voted(address who, bytes32 digest) internal view returns (IMarket.Opening memory) {
        return opening(who, digest, keyedOf(digest));
    }

    function crewOpens(bytes32 a, bytes32 b, bytes32 c) internal view returns (IMarket.Opening[] memory) {
        return seats(voted(crew[0], a), voted(crew[1], b), voted(crew[2], c));
    }

    /// The first three of the crew vote, open, and the accused's leaf is brought: the verdict.
    function crewJudges(uint8 jury, bytes32 a, bytes32 b, bytes32 c) internal {
        crewVotes(jury, a, b, c);
        judge(jury, crewOpens(a, b, c));
    }

    /// The leaf of the audited task, and its path.
    function leafOf() internal view returns (bytes32 leaf, bytes32[] memory path) {
        uint32 task = market.auditOf(jobId, 0).task;
        return (digests[task], Merkle.proof(0, digests, task));
    }

    function judge(uint8 jury, IMarket.Opening[] memory openings) internal {
        (bytes32 leaf, bytes32[] memory path) = leafOf();
        uint16 round = market.leaseOf(jobId, 0).round;
        market.judge(job, 0, round, jury, openings, leaf, path);
    }

    function judgeWithoutLeaf(uint8 jury, IMarket.Opening[] memory openings) internal {
        uint16 round = market.leaseOf(jobId, 0).round;
        market.judge(job, 0, round, jury, openings, 0, new bytes32[](0));
    }

    // ------------------------------------------------------------------ redundant leases

    /// Posts a redundant job, publishes its seed, and waits until every provider is drawn for lease 0.
    function startDrawn(IMarket.Job memory made) internal {
        start(made);
        uint64 point = market.jobOf(jobId).point;
        publish(point, keccak256(abi.encode("drawn", jobId)));
        vm.warp(beacon.timeOf(point) + 2 * made.timing.runWindow / 4);
    }

    /// The same for the next round, which has another point.
    function drawAgain() internal {
        uint64 point = market.leaseOf(jobId, 0).point;
        publish(point, keccak256(abi.encode("drawn again", point)));
        vm.warp(beacon.timeOf(point) + 2 * job.timing.runWindow / 4);
    }

    /// The round that takes seats: of a lease without a seat that is the first.
    function roundNow() internal view returns (uint16) {
        uint16 round = market.leaseOf(jobId, 0).round;
        return round == 0 ? 1 : round;
    }

    function join(address who) internal {
        uint16 round = roundNow();
        vm.prank(who);
        market.join(job, 0, round, who);
    }

    function commit(address who, bytes32 root) internal {
        uint16 round = roundNow();
        bytes32 hash = commitment(jobId, 0, round, 0, who, root, DIGESTS);
        vm.prank(who);
        market.commit(job, 0, round, who, hash);
    }

    function settle(IMarket.Opening[] memory openings) internal {
        uint16 round = roundNow();
        market.settle(job, 0, round, openings);
    }

    /// The entry that opens a seat's commitment to `root`.
    function rooted(address who, bytes32 root) internal view returns (IMarket.Opening memory) {
        return opening(who, root, DIGESTS);
    }

    // ------------------------------------------------------------------ lists of seats

    function seats() internal pure returns (IMarket.Opening[] memory) {
        return new IMarket.Opening[](0);
    }

    function seats(IMarket.Opening memory a) internal pure returns (IMarket.Opening[] memory all) {
        all = new IMarket.Opening[](1);
        all[0] = a;
    }

    function seats(IMarket.Opening memory a, IMarket.Opening memory b)
        internal
        pure
        returns (IMarket.Opening[] memory all)
    {
        all = new IMarket.Opening[](2);
        (all[0], all[1]) = (a, b);
        return sorted(all);
    }

    function seats(IMarket.Opening memory a, IMarket.Opening memory b, IMarket.Opening memory c)
        internal
        pure
        returns (IMarket.Opening[] memory all)
    {
        all = new IMarket.Opening[](3);
        (all[0], all[1], all[2]) = (a, b, c);
        return sorted(all);
    }

    /// Ascending by number.
    function sorted(IMarket.Opening[] memory all) internal pure returns (IMarket.Opening[] memory) {
        for (uint256 i = 1; i < all.length; ++i) {
            for (uint256 at = i; at != 0 && all[at - 1].number > all[at].number; --at) {
                (all[at - 1], all[at]) = (all[at], all[at - 1]);
            }
        }
        return all;
    }
}

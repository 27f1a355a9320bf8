// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IBlockBeacon} from "../helpers/Base.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {DrandRounds} from "../unit/beacons/DrandRounds.t.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IDrandBeacon {
    function publish(uint64 round, bytes calldata signature) external;
    function point() external view returns (uint64);
    function seed(uint64 round) external view returns (bytes32);
    function timeOf(uint64 round) external view returns (uint64);
}

/// A provider's operator that undoes its own submission unless it likes the coin.
contract Grinder {
    IMarket private immutable MARKET;
    IBlockBeacon private immutable BEACON;

    constructor(IMarket market, IBlockBeacon beacon) {
        (MARKET, BEACON) = (market, beacon);
    }

    /// Submits; publishes the seed if it can; reverts unless it knows a seed whose coin says no.
    function submit(IMarket.Job calldata job, address provider, bytes32 root) external {
        MARKET.submit(job, 0, 1, provider, root, 0);
        bytes32 jobId = MARKET.hashJob(job);
        uint64 point = MARKET.leaseOf(jobId, 0).point;
        try BEACON.keep(point) {} catch {}
        bytes32 seed = BEACON.seed(point);
        require(seed != 0, "unknown");
        bytes32 coin = keccak256(
            abi.encode(
                block.chainid,
                address(MARKET),
                seed,
                uint8(3),
                jobId,
                uint32(0),
                uint16(1),
                uint32(0),
                address(0)
            )
        );
        require(uint256(coin) % 10_000 >= job.assurance.auditBps, "audited");
    }
}

/// Choosing the seed of a coin or of a draw, or the moment that decides which seed counts. In version 1 whoever sealed a draw
/// could undo the seal and try again in the next block.
contract SeedsAttack is AttackBase {
    function setUp() public override {
        super.setUp();
        // The coin says yes to half of all submissions.
        IMarket.Job memory made = oneAudited();
        made.assurance.auditBps = 5000;
        start(made);
    }

    function _lies() private pure returns (bytes32 root) {
        bytes32[] memory lies = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            lies[i] = LIE;
        }
        return Merkle.root(0, lies);
    }

    /// Tries: a contract submits, looks at the coin, and reverts if the lease is audited. One try in every block.
    /// Fails: when a point is stored nobody knows its seed, so there is nothing to look at, in any block.
    /// Costs: the run window, and a tenth of the bond for being late.
    function test_seedGroundBySubmitAndRevert_neverSeesACoin() public {
        Grinder grinder = new Grinder(market, beacon);
        vm.prank(mallory);
        market.setOperator(address(grinder), true);
        claim(job, mallory, 4);
        for (uint256 i; i < job.timing.runWindow / 12; ++i) {
            vm.expectRevert("unknown");
            grinder.submit(job, mallory, _lies());
            vm.warp(time() + 12);
            vm.roll(block.number + 1);
        }
        vm.warp(time() + 12);
        vm.expectPartialRevert(IMarket.TooLate.selector);
        grinder.submit(job, mallory, _lies());
        market.expire(job, 0);
        assertGain(mallory, minus(BOND / 10));
        assertBurned(BOND / 10);
    }

    /// Tries: the provider submits late in its window, when it would know more.
    /// Fails: each second has a point of its own, and the seed of none is known in that second.
    /// Costs: nothing, and changes nothing.
    function test_waitsForACoinThatSaysNo_submitsLate() public {
        claim(job, mallory, 4);
        uint64 last = time() + job.timing.runWindow;
        for (uint64 at = time(); at <= last; at += 50) {
            vm.warp(at);
            vm.roll(block.number + 4);
            uint64 point = beacon.point();
            assertGt(beacon.timeOf(point), at);
            assertEq(beacon.seed(point), 0);
            vm.expectRevert();
            beacon.keep(point);
        }
        vm.warp(last);
        submit(job, mallory, 0, _lies());
        toss(true);
        for (uint256 i; i < 4; ++i) {
            digests.push(LIE);
        }
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: when the coin says yes the provider submits again, for another point or with another root, leaves, or is late.
    /// Fails: a lease is submitted once, and then no longer runs.
    /// Costs: its bond.
    function test_waitsForACoinThatSaysNo_resubmits() public {
        submitted(mallory, LIE);
        toss(true);
        bytes memory refused =
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Submitted);
        vm.startPrank(mallory);
        vm.expectRevert(refused);
        market.submit(job, 0, 1, mallory, RIGHT, DIGESTS);
        vm.expectRevert(refused);
        market.submit(job, 0, 2, mallory, RIGHT, DIGESTS);
        vm.expectRevert(refused);
        market.leave(job, 0, 1, mallory);
        vm.expectRevert(refused);
        market.takeover(job, mallory, 0);
        vm.stopPrank();
        vm.expectRevert(refused);
        market.expire(job, 0);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: whoever publishes a seed waits for one that it likes.
    /// Fails: the point names its block. Whoever keeps it, in whichever of 256 blocks, keeps the same hash, once.
    /// Costs: gas.
    function testFuzz_seedGroundByWaiting(uint256 wait, address who) public {
        submitted(mallory, LIE);
        uint64 point = market.leaseOf(jobId, 0).point;
        uint256 height = point & 0xffffff;
        bytes32 hash = keccak256("the block's hash");
        vm.warp(beacon.timeOf(point));
        vm.roll(height + bound(wait, 1, 256));
        vm.setBlockhash(height, hash);
        vm.prank(who);
        beacon.keep(point);
        assertEq(beacon.seed(point), hash);
        vm.setBlockhash(height, keccak256("another hash"));
        vm.roll(block.number + 1);
        beacon.keep(point);
        assertEq(beacon.seed(point), hash);
        assertEq(market.leaseOf(jobId, 0).point, point);
    }

    /// Tries: the liar hopes that nobody publishes the seed of its coin, until the chain has forgotten it.
    /// Fails where anybody publishes it in 256 blocks. Where nobody does, the result is worth what its grade says.
    /// Costs: nothing. The client pays the price for Unaudited: it, or a juror, should have published.
    function test_seedThatNobodyPublishes_isUnaudited() public {
        submitted(mallory, LIE);
        uint64 point = market.leaseOf(jobId, 0).point;
        uint64 over = time() + job.timing.auditWindow;
        vm.roll(block.number + 300);
        vm.warp(over);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        vm.prank(crew[0]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeedUnknown.selector, point));
        market.joinJury(job, 0, 1, 1, crew[0]);
        vm.warp(over + 1);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Unaudited);
        assertGain(mallory, plus(PRICE - CUT));
        assertGain(client, minus(PRICE));
        assertBurned(0);
        assertBooks(0);
    }

    /// Tries: the same, and anyone publishes in the last block that remembers.
    /// Fails: the coin says yes, and a jury sits.
    /// Costs: the liar its bond.
    function test_seedPublishedByAnyone_isEnough() public {
        submitted(mallory, LIE);
        uint64 point = market.leaseOf(jobId, 0).point;
        bytes32 seed = seedFor(job, 0, 1, true);
        vm.roll((point & 0xffffff) + 256);
        vm.warp(beacon.timeOf(point));
        vm.setBlockhash(point & 0xffffff, seed);
        vm.prank(anyone);
        beacon.keep(point);
        untilAllAreDrawn(point);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
        assertGain(client, minus(PRICE + 3 * JURY_FEE));
    }

    /// Tries: the attacker tries out addresses against a known seed until one is drawn for every seat.
    /// Fails: only stake that stood a day before `post` is drawn.
    /// Costs: gas.
    function test_addressGroundAgainstTheSeed_isNeverDrawn() public {
        submitted(mallory, LIE);
        toss(true);
        address fitting = makeAddr("ground against the seed");
        stakeOf(fitting, 1000 * UNIT);
        vm.warp(time() + 1 hours);
        vm.prank(fitting);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, 0, fitting, type(uint64).max)
        );
        market.joinJury(job, 0, 1, 1, fitting);
    }

    // ------------------------------------------------------------------ a clock that lags

    /// A market over drand's seeds, as on chains with value, by a signer of our own.
    function _withDrand() private returns (IDrandBeacon drand, uint64 genesis) {
        genesis = time();
        drand = IDrandBeacon(
            deployCode(
                "DrandBeacon.sol:DrandBeacon",
                abi.encode(DrandRounds.OWN_KEY, genesis, uint64(3), uint64(60), uint64(60))
            )
        );
        market = newMarket(address(token), address(drand), governor, treasury, FEE, times(), false);
        address[5] memory all = [mallory, crew[0], crew[1], crew[2], crew[3]];
        for (uint256 i; i < 5; ++i) {
            stakeOf(all[i], STAKE);
        }
        mint(client, 100 * UNIT);
        vm.prank(client);
        market.deposit(client, 100 * UNIT);
    }

    /// Tries: the sequencer's clock stands still, or goes back a day, while drand goes on. Its provider knows which seeds
    /// are out and stores a point whose coin says no.
    /// Fails from the moment at which anyone publishes a current round: the next point lies a minute beyond that one.
    /// Costs: gas. Until somebody publishes, whoever owns the clock chooses: that remains.
    function test_laggingClock_endsWithAPublishedRound() public {
        (IDrandBeacon drand, uint64 genesis) = _withDrand();
        DrandRounds.Round[] memory own = DrandRounds.own();
        vm.warp(genesis + 1 days);
        job = oneAudited();
        post(job);
        claim(job, mallory, 4);
        // By drand's time two minutes have passed since genesis; the chain says that it is genesis still.
        vm.warp(genesis);
        assertEq(drand.point(), own[1].round, "the lag: a point that drand has signed already");
        vm.prank(anyone);
        drand.publish(own[2].round, own[2].signature);
        uint64 beyond = own[2].round + 20;
        assertEq(drand.point(), beyond);

        job.timing.opensAt = genesis;
        job.terms.nonce = 8;
        vm.warp(genesis + 1 days);
        post(job);
        vm.warp(genesis);
        claim(job, mallory, 4);
        submit(job, mallory, 0, _lies());
        uint64 point = market.leaseOf(market.hashJob(job), 0).point;
        assertEq(point, beyond);
        assertEq(drand.seed(point), 0);
        assertEq(drand.timeOf(point), drand.timeOf(own[2].round) + 60);
    }

    /// Tries: somebody publishes an old round to turn the clock back, or one that it made itself.
    /// Fails: the newest round counts, and each is checked against drand's key.
    /// Costs: gas.
    function test_laggingClock_oldRoundsDoNotHelp() public {
        (IDrandBeacon drand, uint64 genesis) = _withDrand();
        DrandRounds.Round[] memory own = DrandRounds.own();
        vm.warp(genesis);
        drand.publish(own[2].round, own[2].signature);
        drand.publish(own[1].round, own[1].signature);
        assertEq(drand.point(), own[2].round + 20);
        vm.expectRevert();
        drand.publish(own[2].round + 20, own[2].signature);
        assertEq(drand.seed(own[2].round + 20), 0);
    }
}

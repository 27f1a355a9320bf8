// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddBeacon} from "../helpers/Beacons.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `finalize(firsts)`, by anyone. What is not due is skipped; unknown jobs revert.
///
/// | phase | seed of the point | coin | time | result |
/// | --- | --- | --- | --- | --- |
/// | Submitted | known | no | at once | Settled, Unaudited |
/// | Submitted | known | yes | `t > since + auditWindow` | Settled, Contested |
/// | Submitted | unknown, or dead | | `t > since + auditWindow` | Settled, Unaudited |
/// | Undecided | | | `t > due` | Settled, Contested |
/// | any other | | | | skipped |
contract FinalizeTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;
    uint64 private submittedAt;

    function setUp() public override {
        super.setUp();
        _posted(5000);
    }

    function _posted(uint16 bps) private {
        job = auditedJob(bps);
        jobId = post(job);
    }

    /// alice's lease of 4 for 1.5 tokens a task.
    function _submitted() private {
        vm.warp(job.timing.opensAt + 500);
        claim(job, alice, 4);
        submit(job, alice, 0);
        submittedAt = time();
    }

    /// The point's seed is known, and its coin says this.
    function _seeded(bool audited) private {
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, audited));
    }

    function _skipped() private {
        vm.recordLogs();
        finalize(job, 0);
        assertEq(vm.getRecordedLogs().length, 0, "not skipped");
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
    }

    /// Escrow of 4 tasks: 8 and a reserve of 0.6. Paid 6.
    function _settles(IMarket.Grade grade) private {
        uint128 fee = 6 * UNIT * FEE / 10_000;
        uint256 before = market.balanceOf(client);
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, grade, 6 * UNIT - fee, fee, 0, 2.6e18);
        vm.prank(anyone);
        finalize(job, 0);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0);
        assertEq(market.balanceOf(alice), 6 * UNIT - fee);
        assertEq(market.balanceOf(treasury), fee);
        assertEq(market.balanceOf(client), before + 2.6e18);
        assertGrade(jobId, 0, grade);
        (bytes32 root, uint32 count, IMarket.Grade how) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(how), uint8(grade));
        vm.recordLogs();
        finalize(job, 0); // once
        assertEq(vm.getRecordedLogs().length, 0);
    }

    // ------------------------------------------------------------------ what chance says

    function test_finalize_coinNo_settlesAtOnce() public {
        _submitted();
        _skipped(); // no seed yet
        _seeded(false);
        assertEq(time(), submittedAt + 60);
        _settles(IMarket.Grade.Unaudited);
    }

    function test_finalize_coinNoAfterWindow_isUnaudited() public {
        _submitted();
        _seeded(false);
        vm.warp(submittedAt + 30 days);
        _settles(IMarket.Grade.Unaudited);
    }

    /// P-34, P-20
    function test_finalize_coinYesNobodyCame_isContested() public {
        _submitted();
        _seeded(true);
        _skipped();
        vm.warp(submittedAt + 2 hours);
        _skipped();
        vm.warp(submittedAt + 2 hours + 1);
        _settles(IMarket.Grade.Contested);
    }

    /// P-34
    function test_finalize_seedUnknown_isUnauditedAfterWindow() public {
        _submitted();
        vm.warp(submittedAt + 2 hours);
        _skipped();
        vm.warp(submittedAt + 2 hours + 1);
        _settles(IMarket.Grade.Unaudited);
    }

    /// Nobody kept the seed in 256 blocks: the draw lapses.
    function test_finalize_deadPoint_isUnauditedAfterWindow() public {
        _submitted();
        uint64 point = market.leaseOf(jobId, 0).point;
        vm.roll(block.number + 260);
        vm.warp(submittedAt + 1 hours);
        assertTrue(beacon.isDead(point));
        vm.expectRevert();
        beacon.keep(point);
        _skipped();
        vm.warp(submittedAt + 2 hours + 1);
        _settles(IMarket.Grade.Unaudited);
    }

    /// The seed that is published late still says how: it was due.
    function test_finalize_seedAfterWindow_isContested() public {
        _submitted();
        vm.warp(submittedAt + 2 hours + 1);
        _seeded(true);
        _settles(IMarket.Grade.Contested);
    }

    function test_finalize_everyLeaseAudited_neverSettlesEarly() public {
        _posted(10_000);
        _submitted();
        publish(market.leaseOf(jobId, 0).point, keccak256("whatever"));
        _skipped();
        vm.warp(submittedAt + 2 hours + 1);
        _settles(IMarket.Grade.Contested);
    }

    /// The coin is `hash mod 10,000`, and audited means under `auditBps`: the seeds with 4,999 and 5,000 differ.
    function test_finalize_coinAtTheChance_decides() public {
        _submitted();
        uint64 point = market.leaseOf(jobId, 0).point;
        bytes32 under;
        bytes32 at;
        for (uint256 i; under == 0 || at == 0; ++i) {
            bytes32 seed = keccak256(abi.encode("coin", i));
            uint256 coin = coinOf(seed, jobId, 0, 1);
            if (coin == 4999) under = seed;
            if (coin == 5000) at = seed;
        }
        uint256 snapshot = vm.snapshotState();
        publish(point, under);
        _skipped();
        vm.revertToState(snapshot);
        publish(point, at);
        _settles(IMarket.Grade.Unaudited);
    }

    /// The round and the lease are part of the draw: what one seed says of one says nothing of another.
    function test_finalize_coin_isOfLeaseAndRound() public {
        vm.warp(job.timing.opensAt + 500);
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        claim(job, alice, 4);
        submit(job, bob, 0);
        submit(job, alice, 4);
        uint64 point = market.leaseOf(jobId, 0).point;
        assertEq(market.leaseOf(jobId, 4).point, point); // the same block
        bytes32 seed;
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("two leases", i));
            bool differs = coinOf(seed, jobId, 0, 1) >= 5000 && coinOf(seed, jobId, 0, 2) < 5000;
            if (differs && coinOf(seed, jobId, 4, 1) >= 5000) break;
        }
        publish(point, seed);
        market.finalize(job, list(0, 4));
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        assertGrade(jobId, 4, IMarket.Grade.Unaudited);
    }

    // ------------------------------------------------------------------ lists

    /// Everything that is not due, beside one lease that is, twice.
    function test_finalize_list_skipsWhatIsNotDue() public {
        job.terms.tasks = 20;
        jobId = post(job);
        claim(job, alice, 4); // 0: free
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        claim(job, alice, 4); // 4: coin yes
        claim(job, alice, 4); // 8: coin no
        submit(job, alice, 4);
        submit(job, alice, 8);
        claim(job, alice, 4); // 12: runs; 16: nobody's
        bytes32 seed;
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("list", i));
            if (coinOf(seed, jobId, 4, 1) < 5000 && coinOf(seed, jobId, 8, 1) >= 5000) break;
        }
        publish(market.leaseOf(jobId, 4).point, seed);
        uint32[] memory firsts = new uint32[](9);
        (firsts[0], firsts[1], firsts[2], firsts[3], firsts[4]) = (16, 0, 12, 8, 4);
        (firsts[5], firsts[6], firsts[7], firsts[8]) = (8, 1, 20, type(uint32).max);
        vm.recordLogs();
        market.finalize(job, firsts);
        assertEq(vm.getRecordedLogs().length, 1);
        assertGrade(jobId, 8, IMarket.Grade.Unaudited);
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertPhase(jobId, 4, IMarket.Phase.Submitted);
        assertPhase(jobId, 12, IMarket.Phase.Running);
        assertPhase(jobId, 16, IMarket.Phase.None);
        assertEq(market.providerOf(alice).completed, 1);
        market.finalize(job, new uint32[](0));
    }

    function test_finalize_unknownJob_reverts() public {
        job.terms.nonce = 8;
        bytes32 unknown = market.hashJob(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, unknown));
        market.finalize(job, list(0));
    }

    // ------------------------------------------------------------------ juries

    /// P-34: while a jury is open nothing is final; after one without verdict a second one has its time.
    function test_finalize_openJury_isSkipped() public {
        _posted(10_000);
        _submitted();
        publish(market.leaseOf(jobId, 0).point, keccak256("whatever"));
        vm.prank(bob); // half of all stake, three places: always drawn
        market.joinJury(job, 0, 1, 1, bob);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        vm.warp(submittedAt + 30 days);
        vm.recordLogs();
        finalize(job, 0);
        assertEq(vm.getRecordedLogs().length, 0);

        IMarket.Opening[] memory seats = new IMarket.Opening[](1);
        seats[0] = naming(bob);
        market.judge(job, 0, 1, 1, seats, 0, new bytes32[](0));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        uint64 due = market.auditOf(jobId, 0).due;
        assertEq(due, time() + 60 + 1 days);
        vm.warp(due);
        vm.recordLogs();
        finalize(job, 0);
        assertEq(vm.getRecordedLogs().length, 0);
        vm.warp(due + 1);
        _settles(IMarket.Grade.Contested);
    }

    // ------------------------------------------------------------------ gas

    function _needsGas(uint256 gas_) private returns (bool) {
        (bool ok, bytes memory answer) =
            address(market).call{gas: gas_}(abi.encodeCall(IMarket.finalize, (job, list(0))));
        if (ok) {
            // Never a lease that is skipped, or settled, because the beacon had too little.
            assertGrade(jobId, 0, IMarket.Grade.Contested);
            return false;
        }
        bytes memory expected =
            abi.encodeWithSelector(IMarket.NotEnoughGas.selector, uint256(200_000) * 64 / 63 + 5000);
        if (answer.length != 0) assertEq(answer, expected); // nothing: out of gas before or after
        return true;
    }

    /// P-33: at no gas limit is the beacon asked with less than its allowance. A starved answer would turn Contested into Unaudited.
    function test_finalize_littleGas_cannotStarveTheBeacon() public {
        OddBeacon odd = new OddBeacon();
        market = newMarket(address(token), address(odd), governor, treasury, FEE, times(), false);
        stakeOf(alice, 100 * UNIT);
        fund(client, 100 * UNIT);
        vm.warp(time() + 1 days);
        _posted(10_000);
        _submitted();
        odd.setSeed(market.leaseOf(jobId, 0).point, keccak256("seed"));
        odd.behave(OddBeacon.Manner.WantsGas);
        vm.warp(submittedAt + 2 hours + 1);
        (uint256 low, uint256 high) = (50_000, 1_000_000);
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            uint256 snapshot = vm.snapshotState();
            if (_needsGas(middle)) low = middle;
            else high = middle;
            vm.revertToState(snapshot);
        }
        assertGt(low, 208_174);
        assertLt(high, 300_000);
        for (uint256 i; i < 200; ++i) {
            uint256 snapshot = vm.snapshotState();
            assertFalse(_needsGas(high + 25 * i));
            vm.revertToState(snapshot);
        }
    }
}

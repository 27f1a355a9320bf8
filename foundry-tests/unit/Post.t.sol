// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddBeacon} from "../helpers/Beacons.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What `post` does, and what it refuses, in the order of its checks (`test_post_manyFaults_firstIsNamed`). unit/PostRules has the bounds.
///
/// | what | refused if | error |
/// | --- | --- | --- |
/// | caller | not the client | `NotClient` |
/// | tasks | 0 | `NoTasks` |
/// | replicas, quorum | not 1 to 15, no true majority, 1 not iff 1 | `BadQuorum` |
/// | audits, verifier | with more replicas; both | `OneReplicaOnly`; `AuditsOrVerifier` |
/// | auditBps, juryFee, auditWindow | not all 0 or none; auditBps over 10,000 | `BadAudit` |
/// | refund | without audits | `RefundNeedsAudits` |
/// | minLease, maxLease | see `test_post_leaseSizes_*` | `BadLeaseSize` |
/// | ramp, runWindow, auditWindow | over 30 days; under the market's least; ramp with more replicas | `BadWindow` |
/// | opensAt, closesAt | `closesAt <= opensAt`, closed already, over a year ahead | `BadSchedule` |
/// | spec | over 16,384 bytes; another hash | `SpecTooLong`; `SpecMismatch` |
/// | prices | min over max; not equal with more replicas | `BadPriceRange` |
/// | bond | 0 with audits | `BondNeeded` |
/// | `bond * maxLease`, `8 * juryFee`, escrow | over 96 bits | `AmountTooLarge` |
/// | the job | posted before | `JobExists` |
/// | stake | none is old enough, and someone is to be drawn | `NoStakeToDraw` |
/// | beacon | fails, in drawn N/Q | its own |
/// | balance | under the escrow | `InsufficientBalance` |
contract PostTest is Base {
    IMarket.Job private job;

    function setUp() public override {
        super.setUp();
        job = aJob();
    }

    function _refused(bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(client);
        market.post(job, spec);
    }

    function _refused(bytes4 selector) private {
        _refused(abi.encodeWithSelector(selector));
    }

    function _accepted() private {
        uint256 snapshot = vm.snapshotState();
        vm.prank(client);
        market.post(job, spec);
        vm.revertToState(snapshot);
    }

    // ------------------------------------------------------------------ what is posted

    function test_post_plainJob_isOnRecord() public {
        bytes32 jobId = market.hashJob(job);
        vm.expectEmit(address(market));
        emit IMarket.Posted(jobId, client, job, FEE, 0, spec);
        vm.prank(client);
        assertEq(market.post(job, spec), jobId);
        _stands(jobId, 0, 0);
        assertEq(market.balanceOf(client), 980 * UNIT);
    }

    function _stands(bytes32 jobId, uint32 next, uint64 point) private view {
        IMarket.JobState memory state = market.jobOf(jobId);
        assertEq(uint8(state.status), uint8(IMarket.JobStatus.Posted));
        assertEq(state.feeBps, FEE);
        assertEq(state.next, next);
        assertEq(state.postedAt, time());
        assertEq(state.point, point);
    }

    /// The reserve of audits is `ceil(3 * juryFee / minLease)` for each task. No point: `submit` takes one.
    function test_post_auditedJob_escrowsTheReserve() public {
        job = auditedJob(5000);
        job.terms.minLease = 3;
        (job.terms.maxLease, job.price.juryFee) = (5, 10);
        bytes32 jobId = market.hashJob(job);
        vm.expectEmit(address(market));
        emit IMarket.Posted(jobId, client, job, FEE, 0, spec);
        post(job);
        _stands(jobId, 0, 0);
        assertEq(market.balanceOf(client), 1000 * UNIT - 10 * (2 * UNIT + 10));
        (job.price.juryFee, job.terms.nonce) = (11, 8);
        uint256 before = market.balanceOf(client);
        post(job);
        assertEq(market.balanceOf(client), before - 10 * (2 * UNIT + 11));
        (job.terms.minLease, job.terms.nonce) = (2, 9);
        before = market.balanceOf(client);
        post(job);
        assertEq(market.balanceOf(client), before - 10 * (2 * UNIT + 17)); // 33 / 2, up
    }

    /// Drawn redundant leases are drawn by the point of `post`; the first lease is open from then on.
    function test_post_redundantJob_storesAPoint() public {
        job = redundantJob(3, 2);
        bytes32 jobId = market.hashJob(job);
        uint64 point = beacon.point();
        vm.expectEmit(address(market));
        emit IMarket.Posted(jobId, client, job, FEE, point, spec);
        post(job);
        _stands(jobId, 4, point);
        assertEq(market.balanceOf(client), 940 * UNIT);
    }

    function test_post_listedRedundantJob_storesNoPoint() public {
        job = redundantJob(3, 2);
        job.terms.providers = keccak256("list");
        bytes32 jobId = post(job);
        _stands(jobId, 4, 0);
    }

    function test_post_byAnother_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, anyone));
        vm.prank(anyone);
        market.post(job, spec);
    }

    function test_post_twice_reverts() public {
        bytes32 jobId = post(job);
        _refused(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        vm.prank(client);
        market.cancel(job);
        _refused(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        job.terms.nonce = 8;
        _accepted();
    }

    function test_post_balanceShortByOne_reverts() public {
        vm.prank(client);
        market.withdraw(client, 980 * UNIT + 1);
        _refused(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 20 * UNIT - 1, 20 * UNIT)
        );
        fund(client, 1);
        _accepted();
    }

    // ------------------------------------------------------------------ the order of the checks

    /// Every fault at once; each one is named when those before it are mended.
    function test_post_manyFaults_firstIsNamed() public {
        uint256 huge = type(uint128).max;
        uint64 now_ = time();
        spec = new bytes(16_385);
        job.terms = IMarket.Terms(client, 7, keccak256(spec), 0, 0, 0, 0);
        job.assurance = IMarket.Assurance(16, 1, 10_001, true, anyone);
        job.price = IMarket.Price(type(uint128).max, 0, 0, type(uint128).max);
        job.timing = IMarket.Timing(now_, 30 days + 1, now_, 59, 7199);

        _refused(IMarket.NoTasks.selector);
        job.terms.tasks = 10;
        _refused(abi.encodeWithSelector(IMarket.BadQuorum.selector, 16, 1));
        (job.assurance.replicas, job.assurance.quorum) = (3, 2);
        _refused(abi.encodeWithSelector(IMarket.OneReplicaOnly.selector, 3));
        (job.assurance.replicas, job.assurance.quorum) = (1, 1);
        _refused(abi.encodeWithSelector(IMarket.AuditsOrVerifier.selector, 10_001, anyone));
        job.assurance.verifier = address(0);
        _refused(abi.encodeWithSelector(IMarket.BadAudit.selector, 10_001, huge, 7199));
        (job.assurance.auditBps, job.price.juryFee, job.timing.auditWindow) = (0, 0, 0);
        _refused(IMarket.RefundNeedsAudits.selector);
        (job.assurance.auditBps, job.price.juryFee, job.timing.auditWindow) =
        (10_000, type(uint128).max, 7199);
        _refused(abi.encodeWithSelector(IMarket.BadLeaseSize.selector, 0, 0, 2048));
        (job.terms.minLease, job.terms.maxLease) = (2, 4);
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, 30 days + 1, 0, 30 days));
        job.timing.ramp = 30 days;
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, 59, 60, 30 days));
        job.timing.runWindow = 60;
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, 7199, 7200, 30 days));
        job.timing.auditWindow = 7200;
        _refused(abi.encodeWithSelector(IMarket.BadSchedule.selector, now_, now_));
        job.timing.closesAt = now_ + 1;
        _refused(abi.encodeWithSelector(IMarket.SpecTooLong.selector, 16_385, 16_384));
        spec = "other";
        _refused(abi.encodeWithSelector(IMarket.SpecMismatch.selector, job.terms.spec, keccak256("other")));
        job.terms.spec = keccak256("other");
        _refused(abi.encodeWithSelector(IMarket.BadPriceRange.selector, huge, 0));
        job.price.maxPrice = type(uint128).max;
        _refused(IMarket.BondNeeded.selector);
        job.price.bond = type(uint128).max;
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, 4 * huge, MAX));
        job.price.bond = 1;
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, 8 * huge, MAX));
        job.price.juryFee = 2;
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, 10 * (huge + 3), MAX));
        (job.price.minPrice, job.price.maxPrice) = (1, 1);
        _accepted();

        // Posted before, by a client without balance, in a market without stake: the job exists.
        bytes32 jobId = post(job);
        _empty();
        _refused(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        job.terms.nonce = 8;
        _refused(IMarket.NoStakeToDraw.selector);
        stakeOf(alice, 1);
        vm.warp(now_ + 1 days);
        job.timing.closesAt = time() + 1;
        _refused(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 0, 40));
    }

    /// Nobody has stake, and the client no balance.
    function _empty() private {
        vm.prank(alice);
        market.unstake(alice, 100 * UNIT);
        vm.prank(bob);
        market.unstake(bob, 100 * UNIT);
        uint128 balance = market.balanceOf(client);
        vm.prank(client);
        market.withdraw(client, balance);
    }

    /// A beacon that fails is met after the stake and before the balance.
    function test_post_failingBeacon_comesBeforeBalance() public {
        OddBeacon odd = new OddBeacon();
        odd.behave(OddBeacon.Manner.Reverts);
        market = newMarket(address(token), address(odd), governor, treasury, FEE, times(), false);
        job = redundantJob(3, 2);
        _refused(IMarket.NoStakeToDraw.selector);
        stakeOf(alice, 1);
        vm.warp(time() + 1 days);
        job.timing.closesAt = time() + 1;
        _refused(OddBeacon.Broken.selector);
        odd.behave(OddBeacon.Manner.Honest);
        _refused(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 0, 60 * UNIT));
    }

    // ------------------------------------------------------------------ stake to draw from

    /// Stake counts that stood for the stake age when the job is posted, to the second.
    function test_post_youngStake_cannotBeDrawn() public {
        market = newMarket(address(token), governor, treasury, FEE);
        vm.prank(client);
        token.approve(address(market), type(uint256).max);
        fund(client, 100 * UNIT);
        stakeOf(alice, 1);
        uint64 from = time() + 1 days;
        IMarket.Job[4] memory jobs = [aJob(), redundantJob(3, 2), redundantJob(3, 2), auditedJob(1)];
        jobs[2].terms.providers = keccak256("list");
        for (uint256 i; i < 4; ++i) {
            job = jobs[i];
            job.timing.closesAt = from;
            vm.warp(from - 1);
            if (i % 2 == 0) _accepted(); // nobody is drawn
            else _refused(IMarket.NoStakeToDraw.selector);
            vm.warp(from);
            _accepted();
        }
        // Stake of the past that has gone draws nobody.
        vm.prank(alice);
        market.unstake(alice, 1);
        _refused(IMarket.NoStakeToDraw.selector);
    }

    /// Where the stake age is 0, stake counts in the second in which it comes.
    function test_post_noStakeAge_drawsFreshStake() public {
        IMarket.Times memory fast = times();
        fast.stakeAge = 0;
        market = newMarket(address(token), address(beacon), governor, treasury, FEE, fast, true);
        fund(client, 100 * UNIT);
        job = auditedJob(1);
        _refused(IMarket.NoStakeToDraw.selector);
        stakeOf(alice, 1);
        _accepted();
    }

    // ------------------------------------------------------------------ calldata

    /// P-16: a field with more bits than its type has another hash; `post` refuses it.
    function test_post_dirtyCalldata_isRefused() public {
        bytes memory data = abi.encodeCall(IMarket.post, (job, spec));
        bytes memory read = abi.encodeCall(IMarket.claim, (job, alice, 1, 4));
        for (uint256 round; round < 2; ++round) {
            bytes memory calls = round == 0 ? data : read;
            for (uint256 word; word < 21; ++word) {
                if (word == 2 || word == 6) continue; // spec and providers fill their words
                bytes memory dirty = bytes.concat(calls);
                dirty[4 + 32 * word] = 0x01;
                vm.prank(round == 0 ? client : alice);
                (bool ok,) = address(market).call(dirty);
                assertFalse(ok);
            }
            if (round == 0) post(job);
        }
        vm.prank(alice);
        (bool fine,) = address(market).call(read);
        assertTrue(fine);
    }
}

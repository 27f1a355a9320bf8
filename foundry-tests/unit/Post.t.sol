// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

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

    function test_post() public {
        bytes32 jobId = market.hashJob(job);
        vm.expectEmit(address(market));
        emit IMarket.Posted(jobId, client, job, FEE, spec);
        vm.prank(client);
        assertEq(market.post(job, spec), jobId);
        IMarket.JobState memory state = market.jobOf(jobId);
        assertEq(uint8(state.status), uint8(IMarket.JobStatus.Posted));
        assertEq(state.feeBps, FEE);
        assertEq(state.next, 0);
        assertEq(state.postedAt, time());
        assertEq(market.balanceOf(client), 980 * UNIT);
    }

    function test_post_onlyTheClient() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, anyone));
        vm.prank(anyone);
        market.post(job, spec);
    }

    function test_post_once() public {
        bytes32 jobId = post(job);
        _refused(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        vm.prank(client);
        market.cancel(job);
        _refused(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        job.terms.nonce = 8;
        _accepted();
    }

    function test_post_noMoney() public {
        vm.prank(client);
        market.withdraw(client, 980 * UNIT + 1);
        _refused(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 20 * UNIT - 1, 20 * UNIT)
        );
        fund(client, 1);
        _accepted();
    }

    function test_post_tasks() public {
        job.terms.tasks = 0;
        _refused(IMarket.NoTasks.selector);
        job.terms.tasks = 1;
        _accepted();
        job.terms.tasks = type(uint32).max;
        (job.price.minPrice, job.price.maxPrice) = (1, 1);
        _accepted();
    }

    function test_post_maxLease() public {
        job.terms.maxLease = 0;
        _refused(abi.encodeWithSelector(IMarket.BadMaxLease.selector, 0, 2048));
        job.terms.maxLease = 1;
        _accepted();
        job.terms.maxLease = 2048;
        _accepted();
        job.terms.maxLease = 2049;
        _refused(abi.encodeWithSelector(IMarket.BadMaxLease.selector, 2049, 2048));
        // Redundant leases are not so bounded.
        (job.terms.replicas, job.terms.quorum) = (3, 2);
        _accepted();
        job.terms.maxLease = 0;
        _refused(abi.encodeWithSelector(IMarket.BadMaxLease.selector, 0, type(uint32).max));
    }

    function test_post_everyReplicasAndQuorum() public {
        for (uint8 replicas; replicas <= 17; ++replicas) {
            for (uint8 quorum; quorum <= 17; ++quorum) {
                (job.terms.replicas, job.terms.quorum) = (replicas, quorum);
                bool valid = replicas >= 1 && replicas <= 15 && quorum <= replicas
                    && 2 * uint256(quorum) > replicas && (replicas == 1) == (quorum == 1);
                if (valid) _accepted();
                else _refused(abi.encodeWithSelector(IMarket.BadQuorum.selector, replicas, quorum));
            }
        }
        (job.terms.replicas, job.terms.quorum) = (255, 255);
        _refused(abi.encodeWithSelector(IMarket.BadQuorum.selector, 255, 255));
    }

    function test_post_verifierAndProviders() public {
        job.terms.verifier = anyone;
        _accepted();
        (job.terms.replicas, job.terms.quorum) = (3, 2);
        _refused(abi.encodeWithSelector(IMarket.VerifierNeedsOneReplica.selector, 3));
        job = aJob();
        job.terms.providers = bytes32(uint256(1));
        _accepted();
    }

    function test_post_prices() public {
        job.price.minPrice = 2 * UNIT;
        _accepted();
        job.price.minPrice = 2 * UNIT + 1;
        _refused(abi.encodeWithSelector(IMarket.BadPriceRange.selector, 2 * UNIT + 1, 2 * UNIT));
        (job.price.minPrice, job.price.maxPrice) = (0, 0); // free of charge is allowed
        _accepted();
    }

    function test_post_amounts() public {
        // forge-lint: disable-start(unsafe-typecast)
        job.terms.tasks = 1;
        job.price.maxPrice = uint128(MAX + 1);
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, MAX + 1, MAX));
        job.price.maxPrice = uint128(MAX);
        _refused(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 1000 * UNIT, MAX));
        job.terms.tasks = 2;
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, 2 * MAX, MAX));
        (job.terms.replicas, job.terms.quorum, job.terms.tasks) = (2, 2, 1);
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, 2 * MAX, MAX));
        job.terms.tasks = type(uint32).max;
        job.price.maxPrice = type(uint128).max;
        _refused(
            abi.encodeWithSelector(
                IMarket.AmountTooLarge.selector, uint256(type(uint32).max) * 2 * type(uint128).max, MAX
            )
        );

        job = aJob();
        job.price.bond = uint128(MAX / 4);
        _accepted();
        job.price.bond = uint128(MAX / 4 + 1); // for 4 tasks in a lease
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, (MAX / 4 + 1) * 4, MAX));
        job.price.bond = 0;
        _accepted();
        job.price.juryFee = uint128(MAX / 6);
        _accepted();
        job.price.juryFee = uint128(MAX / 6 + 1);
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, (MAX / 6 + 1) * 6, MAX));
        // forge-lint: disable-end(unsafe-typecast)
    }

    function test_post_windows() public {
        uint64 most = 30 days;
        job.timing.runWindow = 0;
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, 0, most));
        job.timing.runWindow = 1;
        _accepted();
        job.timing.runWindow = most;
        _accepted();
        job.timing.runWindow = most + 1;
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, most + 1, most));
        job = aJob();
        job.timing.challengeWindow = 0;
        _accepted();
        job.timing.challengeWindow = most;
        _accepted();
        job.timing.challengeWindow = most + 1;
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, most + 1, most));
        job = aJob();
        job.timing.ramp = 0;
        _accepted();
        job.timing.ramp = most;
        _accepted();
        job.timing.ramp = type(uint64).max;
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, type(uint64).max, most));
    }

    function test_post_schedule() public {
        job.timing.closesAt = time();
        _accepted();
        job.timing.opensAt = time() - 1;
        _accepted();
        job.timing.closesAt = time() - 1;
        _refused(abi.encodeWithSelector(IMarket.BadSchedule.selector, time() - 1, time() - 1));
        (job.timing.opensAt, job.timing.closesAt) = (time() + 2, time() + 1);
        _refused(abi.encodeWithSelector(IMarket.BadSchedule.selector, time() + 2, time() + 1));
        job.timing.closesAt = type(uint40).max;
        _accepted();
        job.timing.closesAt = uint64(type(uint40).max) + 1;
        _refused(
            abi.encodeWithSelector(IMarket.BadSchedule.selector, time() + 2, uint64(type(uint40).max) + 1)
        );
    }

    function test_post_spec() public {
        bytes memory wrong = "other";
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.SpecMismatch.selector, job.terms.spec, keccak256(wrong))
        );
        vm.prank(client);
        market.post(job, wrong);
        spec = new bytes(16_384);
        job.terms.spec = keccak256(spec);
        _accepted();
        spec = new bytes(16_385);
        job.terms.spec = keccak256(spec);
        _refused(abi.encodeWithSelector(IMarket.SpecTooLong.selector, 16_385, 16_384));
    }

    /// A field with more bits than its type has another hash; `post` refuses it.
    function test_post_dirtyCalldata() public {
        bytes memory data = abi.encodeCall(IMarket.post, (job, spec));
        bytes memory read = abi.encodeCall(IMarket.claim, (job, alice, 1));
        uint256[16] memory narrow = [uint256(0), 1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
        for (uint256 i; i < narrow.length; ++i) {
            bytes memory dirty = bytes.concat(data);
            dirty[4 + 32 * narrow[i]] = 0x01;
            vm.prank(client);
            (bool ok,) = address(market).call(dirty);
            assertFalse(ok);
        }
        post(job);
        for (uint256 i; i < narrow.length; ++i) {
            bytes memory dirty = bytes.concat(read);
            dirty[4 + 32 * narrow[i]] = 0x01;
            vm.prank(alice);
            (bool ok,) = address(market).call(dirty);
            assertFalse(ok);
        }
    }

    // ------------------------------------------------------------------ priceAt

    function test_priceAt() public {
        uint64 t = job.timing.opensAt;
        assertEq(market.priceAt(job, 0), UNIT);
        assertEq(market.priceAt(job, t), UNIT);
        assertEq(market.priceAt(job, t + 1), UNIT + UNIT / 1000);
        assertEq(market.priceAt(job, t + 999), 2 * UNIT - UNIT / 1000);
        assertEq(market.priceAt(job, t + 1000), 2 * UNIT);
        assertEq(market.priceAt(job, type(uint64).max), 2 * UNIT);
        job.timing.ramp = 3;
        (job.price.minPrice, job.price.maxPrice) = (0, 2);
        assertEq(market.priceAt(job, t + 1), 0); // 2/3, down
        assertEq(market.priceAt(job, t + 2), 1); // 4/3, down
        job.timing.ramp = 0;
        assertEq(market.priceAt(job, t), 2);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The bounds of what a job may say: the last value that `post` takes, and the first that it refuses. unit/Post has their table.
contract PostRulesTest is Base {
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

    // ------------------------------------------------------------------ terms and assurance

    function test_post_tasks_upTo32Bits() public {
        (job.price.minPrice, job.price.maxPrice) = (1, 1);
        job.terms.tasks = 0;
        _refused(IMarket.NoTasks.selector);
        (job.terms.tasks, job.terms.minLease) = (1, 1);
        _accepted();
        job.terms.tasks = type(uint32).max;
        _accepted();
    }

    function _sizes(uint32 tasks, uint32 least, uint32 most, bool valid) private {
        (job.terms.tasks, job.terms.minLease, job.terms.maxLease) = (tasks, least, most);
        if (valid) return _accepted();
        uint32 max = job.assurance.replicas == 1 ? 2048 : type(uint32).max;
        _refused(abi.encodeWithSelector(IMarket.BadLeaseSize.selector, least, most, max));
    }

    function test_post_leaseSizes_ofOneReplica() public {
        (job.price.minPrice, job.price.maxPrice) = (1, 1);
        _sizes(10, 0, 4, false);
        _sizes(10, 0, 0, false);
        _sizes(10, 1, 0, false);
        _sizes(10, 1, 1, true);
        // `maxLease >= min(tasks, 2 * minLease - 1)`
        _sizes(10, 4, 6, false);
        _sizes(10, 4, 7, true);
        _sizes(10, 6, 9, false);
        _sizes(10, 6, 10, true);
        _sizes(10, 10, 10, true);
        _sizes(10, 10, 9, false);
        // `minLease <= tasks`
        _sizes(10, 11, 21, false);
        _sizes(10, type(uint32).max, 2048, false);
        // `maxLease <= 2,048`
        _sizes(10, 4, 2048, true);
        _sizes(10, 4, 2049, false);
        _sizes(type(uint32).max, 1024, 2048, true);
        _sizes(type(uint32).max, 1025, 2048, false);
    }

    function test_post_leaseSizes_ofMoreReplicas() public {
        job = redundantJob(3, 2);
        (job.price.minPrice, job.price.maxPrice) = (1, 1);
        _sizes(10, 0, 0, false);
        _sizes(10, 4, 4, true);
        _sizes(10, 4, 5, false);
        _sizes(10, 5, 4, false);
        _sizes(10, 10, 10, true);
        _sizes(10, 11, 11, false);
        _sizes(5000, 5000, 5000, true);
        job.price.bond = 0;
        _sizes(type(uint32).max, type(uint32).max, type(uint32).max, true);
    }

    function test_post_everyQuorum_followsTheRule() public {
        for (uint8 replicas; replicas <= 17; ++replicas) {
            job = redundantJob(replicas, 0);
            for (uint8 quorum; quorum <= 17; ++quorum) {
                job.assurance.quorum = quorum;
                if (replicas == 1) job.terms.minLease = 2;
                bool valid = replicas >= 1 && replicas <= 15 && quorum <= replicas
                    && 2 * uint256(quorum) > replicas && (replicas == 1) == (quorum == 1);
                if (valid) _accepted();
                else _refused(abi.encodeWithSelector(IMarket.BadQuorum.selector, replicas, quorum));
            }
        }
        (job.assurance.replicas, job.assurance.quorum) = (255, 255);
        _refused(abi.encodeWithSelector(IMarket.BadQuorum.selector, 255, 255));
    }

    function test_post_verifier_needsOneReplicaWithoutAudits() public {
        job.assurance.verifier = anyone;
        _accepted();
        job = redundantJob(3, 2);
        job.assurance.verifier = anyone;
        _refused(abi.encodeWithSelector(IMarket.OneReplicaOnly.selector, 3));
        job = auditedJob(1);
        job.assurance.verifier = anyone;
        _refused(abi.encodeWithSelector(IMarket.AuditsOrVerifier.selector, 1, anyone));
    }

    function test_post_audits_needOneReplica() public {
        job = redundantJob(2, 2);
        job.assurance.auditBps = 1;
        _refused(abi.encodeWithSelector(IMarket.OneReplicaOnly.selector, 2));
    }

    /// Chance, jury fee and window: all or none.
    function test_post_auditParts_goTogether() public {
        for (uint256 set; set < 8; ++set) {
            job.assurance.auditBps = set & 1 == 0 ? 0 : 10_000;
            job.price.juryFee = set & 2 == 0 ? 0 : 1;
            job.timing.auditWindow = set & 4 == 0 ? 0 : 2 hours;
            if (set == 0 || set == 7) {
                _accepted();
                continue;
            }
            _refused(
                abi.encodeWithSelector(
                    IMarket.BadAudit.selector,
                    job.assurance.auditBps,
                    job.price.juryFee,
                    job.timing.auditWindow
                )
            );
        }
        job = auditedJob(10_001);
        _refused(abi.encodeWithSelector(IMarket.BadAudit.selector, 10_001, UNIT / 10, 2 hours));
        job = redundantJob(3, 2);
        job.price.juryFee = 1;
        _refused(abi.encodeWithSelector(IMarket.BadAudit.selector, 0, 1, 0));
    }

    function test_post_refund_needsAudits() public {
        job.assurance.refund = true;
        _refused(IMarket.RefundNeedsAudits.selector);
        job = auditedJob(1);
        job.assurance.refund = true;
        _accepted();
        job = redundantJob(3, 2);
        job.assurance.refund = true;
        _refused(IMarket.RefundNeedsAudits.selector);
    }

    // ------------------------------------------------------------------ times

    function _badWindow(uint64 window, uint64 min, uint64 max) private {
        _refused(abi.encodeWithSelector(IMarket.BadWindow.selector, window, min, max));
    }

    function test_post_windows_haveExactBounds() public {
        uint64 most = 30 days;
        job.timing.runWindow = 59;
        _badWindow(59, 60, most);
        job.timing.runWindow = 60;
        _accepted();
        job.timing.runWindow = most;
        _accepted();
        job.timing.runWindow = most + 1;
        _badWindow(most + 1, 60, most);
        job = auditedJob(1);
        job.timing.auditWindow = 2 hours - 1;
        _badWindow(2 hours - 1, 2 hours, most);
        job.timing.auditWindow = most;
        _accepted();
        job.timing.auditWindow = most + 1;
        _badWindow(most + 1, 2 hours, most);
        job = aJob();
        job.timing.ramp = 0;
        _accepted();
        job.timing.ramp = most;
        _accepted();
        job.timing.ramp = type(uint64).max;
        _badWindow(type(uint64).max, 0, most);
    }

    function test_post_redundantJob_hasNoRamp() public {
        job = redundantJob(3, 2);
        job.timing.ramp = 1;
        _badWindow(1, 0, 0);
    }

    function _badSchedule(uint64 opensAt, uint64 closesAt) private {
        (job.timing.opensAt, job.timing.closesAt) = (opensAt, closesAt);
        _refused(abi.encodeWithSelector(IMarket.BadSchedule.selector, opensAt, closesAt));
    }

    function test_post_schedule_hasExactBounds() public {
        uint64 t = time();
        uint64 year = t + 365 days;
        (job.timing.opensAt, job.timing.closesAt) = (t - 1, t);
        _accepted(); // the last second
        _badSchedule(t - 2, t - 1); // closed already
        _badSchedule(t + 1, t + 1);
        _badSchedule(t + 2, t + 1);
        (job.timing.opensAt, job.timing.closesAt) = (year - 1, year);
        _accepted();
        _badSchedule(t, year + 1);
        _badSchedule(year + 1, year + 2);
        _badSchedule(t, type(uint64).max);
        _badSchedule(type(uint64).max - 1, type(uint64).max);
        (job.timing.opensAt, job.timing.closesAt) = (0, t);
        _accepted();
    }

    // ------------------------------------------------------------------ spec, prices, amounts

    function test_post_spec_hashAndLength() public {
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

    function test_post_prices_haveAnOrder() public {
        job.price.minPrice = 2 * UNIT;
        _accepted();
        job.price.minPrice = 2 * UNIT + 1;
        _refused(abi.encodeWithSelector(IMarket.BadPriceRange.selector, 2 * UNIT + 1, 2 * UNIT));
        (job.price.minPrice, job.price.maxPrice) = (0, 0); // free of charge is allowed
        _accepted();
        job = redundantJob(3, 2);
        job.price.minPrice = 2 * UNIT - 1;
        _refused(abi.encodeWithSelector(IMarket.BadPriceRange.selector, 2 * UNIT - 1, 2 * UNIT));
    }

    function test_post_auditsWithoutBond_revert() public {
        job.price.bond = 0;
        _accepted();
        job = auditedJob(1);
        job.price.bond = 0;
        _refused(IMarket.BondNeeded.selector);
        job.price.bond = 1;
        _accepted();
    }

    function _tooLarge(uint256 amount) private {
        _refused(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, amount, MAX));
    }

    function test_post_amounts_fitIn96Bits() public {
        // forge-lint: disable-start(unsafe-typecast)
        (job.terms.tasks, job.terms.minLease) = (1, 1);
        job.price.maxPrice = uint128(MAX + 1);
        _tooLarge(MAX + 1);
        job.price.maxPrice = uint128(MAX);
        _refused(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 1000 * UNIT, MAX));
        job.terms.tasks = 2;
        _tooLarge(2 * MAX);
        job.terms.tasks = type(uint32).max;
        job.price.maxPrice = type(uint128).max;
        _tooLarge(uint256(type(uint32).max) * type(uint128).max);
        job = redundantJob(2, 2);
        job.price.minPrice = job.price.maxPrice = uint128(MAX / 20 + 1);
        _tooLarge(20 * (MAX / 20 + 1));

        job = aJob();
        job.price.bond = uint128(MAX / 4);
        _accepted();
        job.price.bond = uint128(MAX / 4 + 1); // for 4 tasks in a lease
        _tooLarge((MAX / 4 + 1) * 4);

        job = auditedJob(1);
        job.price.juryFee = uint128(MAX / 8);
        _tooLarge(10 * (2 * uint256(UNIT) + (3 * (MAX / 8) + 1) / 2)); // the escrow; the juror's bond fits
        job.price.juryFee = uint128(MAX / 8 + 1);
        _tooLarge(8 * (MAX / 8 + 1));
        // forge-lint: disable-end(unsafe-typecast)
    }

    // ------------------------------------------------------------------ priceAt

    function test_priceAt_ramp_climbsAndRoundsDown() public {
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

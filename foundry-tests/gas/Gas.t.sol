// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What a user pays: every call is a transaction of its own (21,000, calldata and refunds included)
/// on the bytecode that is deployed. Compared with snapshots/Gas.json in every run. Of an audited lease's 198,000 gas all but 16,000
/// are what three transactions, their calldata, storage, events and the beacon cost anyhow.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract GasTest is Base {
    string private constant GROUP = "Gas";

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 10; ++i) {
            spec = bytes.concat(i == 0 ? bytes("") : spec, "0123456789abcdefghijklmnopqrstuvwxyzABCD");
        }
        assertEq(spec.length, 400);
    }

    /// Ends with every slot that a later lease changes non-zero, as they are in a market that runs.
    function _settleOneJob() private {
        IMarket.Job memory job = _job(1, 0);
        job.terms.nonce = 1;
        post(job);
        vm.warp(job.timing.opensAt + 500);
        uint32 first = claim(job, alice, 1);
        submit(job, alice, first);
    }

    /// Three leases of `count` tasks, with a surplus, a fee, and audits if `bps` is not 0.
    function _job(uint32 count, uint16 bps) private view returns (IMarket.Job memory job) {
        job = bps == 0 ? aJob() : auditedJob(bps);
        job.terms.tasks = 3 * count;
        (job.terms.minLease, job.terms.maxLease) = (count, count < 2 ? 1 : 2 * count - 1);
        job.price.minPrice = UNIT / 2000;
        job.price.maxPrice = UNIT / 1000;
        job.price.bond = UNIT / 1000;
        if (bps != 0) job.price.juryFee = UNIT / 1000;
    }

    /// Claim and submit; with audits also finalize, after the seed is known and chance said no.
    function _lease(uint32 count, uint16 bps, address caller, string memory name)
        private
        returns (uint256 total)
    {
        IMarket.Job memory job = _job(count, bps);
        bytes32 jobId = post(job);
        vm.warp(job.timing.opensAt + 500); // half way up the ramp: a surplus returns
        vm.prank(caller);
        market.claim(job, alice, count, count);
        total += vm.snapshotGasLastCall(GROUP, string.concat(name, ": claim"));
        vm.prank(caller);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        total += vm.snapshotGasLastCall(GROUP, string.concat(name, ": submit"));
        if (bps != 0) {
            publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, false));
            vm.prank(caller);
            market.finalize(job, list(0));
            total += vm.snapshotGasLastCall(GROUP, string.concat(name, ": finalize"));
        }
        assertGrade(jobId, 0, IMarket.Grade.Unaudited);
        vm.snapshotValue(GROUP, string.concat(name, ": all"), total);
        uint256 extra = caller == alice ? 0 : 2200; // one read for an operator
        assertLe(total, (bps == 0 ? 157_000 : 200_000) + extra, "grown");
        assertGt(market.balanceOf(treasury), 0, "the fee is part of what is measured");
        assertGt(market.balanceOf(client), 990 * UNIT, "so is the refund");
    }

    function test_post() public {
        _settleOneJob();
        IMarket.Job memory job = _job(1, 5000);
        vm.prank(client);
        market.post(job, spec);
        uint256 whole = vm.snapshotGasLastCall(GROUP, "post with audits, spec of 400 bytes");
        job = _job(1, 0);
        vm.prank(client);
        market.post(job, spec);
        vm.snapshotGasLastCall(GROUP, "post without audits, spec of 400 bytes");
        spec = "";
        job.terms.spec = keccak256("");
        vm.prank(client);
        market.post(job, spec);
        uint256 bare = vm.snapshotGasLastCall(GROUP, "post without audits, empty spec");
        assertLe(bare, 75_000);
        assertGt(whole, bare);
        job = redundantJob(3, 2);
        job.terms.spec = keccak256("");
        vm.prank(client);
        market.post(job, spec);
        vm.snapshotGasLastCall(GROUP, "post of 3/2, empty spec");
    }

    function test_audited() public {
        _settleOneJob();
        uint256 one = _lease(1, 5000, alice, "audits, lease of 1");
        assertGt(one, 100_000);
    }

    function test_audited1000() public {
        _settleOneJob();
        _lease(1000, 5000, alice, "audits, lease of 1,000");
    }

    function test_auditedByOperator() public {
        _settleOneJob();
        _lease(1, 5000, operator, "audits, lease of 1 by an operator");
    }

    function test_unaudited() public {
        _settleOneJob();
        uint256 one = _lease(1, 0, alice, "no audits, lease of 1");
        assertGt(one, 80_000);
    }

    function test_unaudited1000() public {
        _settleOneJob();
        _lease(1000, 0, alice, "no audits, lease of 1,000");
    }

    /// The provider's first lease and the first fee of the market.
    function test_firstOfAll() public {
        IMarket.Job memory job = _job(1, 0);
        post(job);
        claim(job, alice, 1);
        vm.snapshotGasLastCall(GROUP, "first lease of all: claim");
        vm.prank(alice);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        vm.snapshotGasLastCall(GROUP, "first lease of all: submit");
    }

    function test_otherPaths() public {
        _settleOneJob();
        IMarket.Job memory job = _job(1, 0);
        post(job);
        uint32 first = claim(job, alice, 1);
        vm.prank(alice);
        market.leave(job, first, 1, alice);
        vm.snapshotGasLastCall(GROUP, "leave, early");
        vm.warp(time() + 1);
        vm.prank(bob);
        market.takeover(job, bob, first);
        vm.snapshotGasLastCall(GROUP, "takeover of a free lease");
        vm.warp(time() + 10);
        vm.prank(bob);
        market.leave(job, first, 2, bob);
        vm.snapshotGasLastCall(GROUP, "leave, late: the first burn of all");
        vm.prank(alice);
        market.takeover(job, alice, first);
        vm.warp(time() + 10);
        vm.prank(alice);
        market.leave(job, first, 3, alice);
        vm.snapshotGasLastCall(GROUP, "leave, late");
        vm.prank(bob);
        market.takeover(job, bob, first);
        vm.warp(time() + job.timing.runWindow + 1);
        vm.prank(alice);
        market.takeover(job, alice, first);
        vm.snapshotGasLastCall(GROUP, "takeover of a late lease");
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, first);
        vm.snapshotGasLastCall(GROUP, "expire");
        vm.prank(client);
        market.cancel(job);
        vm.snapshotGasLastCall(GROUP, "cancel");
        market.close(job, list(first));
        vm.snapshotGasLastCall(GROUP, "close, one lease");
    }

    function test_money() public {
        _settleOneJob();
        mint(client, 2 * UNIT);
        vm.prank(client);
        market.deposit(client, UNIT);
        vm.snapshotGasLastCall(GROUP, "deposit");
        vm.prank(client);
        market.withdraw(client, UNIT);
        vm.snapshotGasLastCall(GROUP, "withdraw");
        mint(alice, 2 * UNIT);
        vm.prank(alice);
        market.stake(UNIT);
        vm.snapshotGasLastCall(GROUP, "stake");
        vm.warp(time() + times().stakeAge);
        vm.prank(alice);
        market.unstake(alice, UNIT);
        vm.snapshotGasLastCall(GROUP, "unstake");
        mint(anyone, UNIT);
        vm.prank(anyone);
        market.stake(UNIT);
        vm.snapshotGasLastCall(GROUP, "stake, first time");
        vm.prank(anyone);
        market.setOperator(operator, true);
        vm.snapshotGasLastCall(GROUP, "setOperator");
    }
}

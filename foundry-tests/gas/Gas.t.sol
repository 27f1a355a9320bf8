// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What a user pays: every call is a transaction of its own (21,000, calldata and refunds included)
/// on the bytecode that is deployed. Compared with snapshots/Gas.json in every run.
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
        IMarket.Job memory job = _job(1);
        job.terms.nonce = 1;
        post(job);
        vm.warp(job.timing.opensAt + 500);
        uint32 first = claim(job, alice, 1);
        submit(job, alice, first);
        vm.warp(block.timestamp + job.timing.challengeWindow + 1);
        market.finalize(job, first);
    }

    function _job(uint32 count) private view returns (IMarket.Job memory job) {
        job = aJob();
        job.terms.tasks = 3 * count;
        job.terms.maxLease = count;
        job.price.minPrice = UNIT / 2000;
        job.price.maxPrice = UNIT / 1000;
        job.price.bond = UNIT / 1000;
        job.price.juryFee = UNIT / 1000;
    }

    function _lease(uint32 count, address caller, string memory name) private returns (uint256 total) {
        IMarket.Job memory job = _job(count);
        post(job);
        vm.warp(job.timing.opensAt + 500); // half way up the ramp: a surplus returns
        vm.prank(caller);
        market.claim(job, alice, count);
        total += vm.snapshotGasLastCall(GROUP, string.concat(name, ": claim"));
        vm.prank(caller);
        market.submit(job, 0, alice, ROOT, MANIFEST);
        total += vm.snapshotGasLastCall(GROUP, string.concat(name, ": submit"));
        vm.warp(block.timestamp + job.timing.challengeWindow + 1);
        vm.prank(caller);
        market.finalize(job, 0);
        total += vm.snapshotGasLastCall(GROUP, string.concat(name, ": finalize"));
        vm.snapshotValue(GROUP, string.concat(name, ": claim + submit + finalize"), total);
        assertLe(total, caller == alice ? 180_000 : 182_200, "over the target"); // + one read for an operator
        assertGt(market.balanceOf(treasury), 0, "the fee is part of what is measured");
        assertGt(market.balanceOf(client), 999 * UNIT - 3 * UNIT, "so is the refund");
    }

    function test_post() public {
        _settleOneJob();
        IMarket.Job memory job = _job(1);
        vm.prank(client);
        market.post(job, spec);
        uint256 whole = vm.snapshotGasLastCall(GROUP, "post, spec of 400 bytes");
        spec = "";
        job.terms.spec = keccak256("");
        vm.prank(client);
        market.post(job, spec);
        uint256 bare = vm.snapshotGasLastCall(GROUP, "post, empty spec");
        assertLe(bare, 75_000);
        assertGt(whole, bare);
    }

    function test_lease() public {
        _settleOneJob();
        uint256 one = _lease(1, alice, "lease of 1");
        assertGt(one, 100_000);
    }

    function test_lease1000() public {
        _settleOneJob();
        _lease(1000, alice, "lease of 1,000");
    }

    function test_leaseByOperator() public {
        _settleOneJob();
        _lease(1, operator, "lease of 1 by an operator");
    }

    function test_leaseFirstTime() public {
        // The provider's first lease and the first fee of the market.
        _lease(1, alice, "first lease of all");
    }

    function test_otherPaths() public {
        _settleOneJob();
        IMarket.Job memory job = _job(1);
        post(job);
        claim(job, alice, 1);
        submit(job, alice, 0);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        vm.snapshotGasLastCall(GROUP, "accept");
        uint32 first = claim(job, alice, 1);
        vm.prank(alice);
        market.release(job, first, alice);
        vm.snapshotGasLastCall(GROUP, "release, early");
        vm.warp(block.timestamp + 1);
        vm.prank(bob);
        market.takeover(job, bob, first);
        vm.snapshotGasLastCall(GROUP, "takeover of a free lease");
        vm.warp(block.timestamp + job.timing.runWindow + 1);
        vm.prank(alice);
        market.takeover(job, alice, first);
        vm.snapshotGasLastCall(GROUP, "takeover of a late lease");
        vm.warp(block.timestamp + job.timing.runWindow + 1);
        market.expire(job, first);
        vm.snapshotGasLastCall(GROUP, "expire");
        vm.prank(client);
        market.cancel(job);
        vm.snapshotGasLastCall(GROUP, "cancel");
        uint32[] memory firsts = new uint32[](1);
        firsts[0] = first;
        market.close(job, firsts);
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
        unstake(alice, UNIT);
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

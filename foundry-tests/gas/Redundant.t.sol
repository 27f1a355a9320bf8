// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Gas of the transactions of a redundant lease (21,000, calldata and refunds included), against
/// snapshots/Redundant.json. The lease is of 3/2, its job has a spec of 400 bytes, half a surplus and a fee.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract RedundantGasTest is RedundantBase {
    string private constant GROUP = "Redundant";

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 10; ++i) {
            spec = bytes.concat(i == 0 ? bytes("") : spec, "0123456789abcdefghijklmnopqrstuvwxyzABCD");
        }
        assertEq(spec.length, 400);
        // Ends with every slot that a later lease changes non-zero, as they are in a market that runs.
        _postAndSeal(1);
        _wholeLease(alice, bob, carol, "");
        _postAndSeal(1);
    }

    function _postAndSeal(uint32 count) private {
        _prepare(count);
        _seal();
        vm.warp(job.timing.opensAt + 500); // half way up the ramp: a surplus returns
    }

    function _prepare(uint32 count) private {
        job = redundantJob(3, 2);
        job.terms.nonce = time();
        job.terms.tasks = 3 * count;
        job.terms.maxLease = count;
        job.price.minPrice = UNIT / 2000;
        job.price.maxPrice = UNIT / 1000;
        job.price.bond = UNIT / 1000;
        jobId = post(job);
    }

    /// Three commits that join, three reveals, settled by the last.
    function _wholeLease(address a, address b, address c, string memory name)
        private
        returns (uint256 total)
    {
        _commit(0, a, ROOT);
        total += _note(name, "first commit that joins");
        _commit(0, b, ROOT);
        total += _note(name, "second commit that joins");
        _commit(0, c, ROOT);
        total += _note(name, "last commit that joins");
        _reveal(0, a, ROOT);
        total += _note(name, "first reveal");
        _reveal(0, b, ROOT);
        total += _note(name, "second reveal");
        _reveal(0, c, ROOT, panelOf(alice, bob, carol));
        total += _note(name, "last reveal, which settles");
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    function _note(string memory name, string memory act) private returns (uint256) {
        if (bytes(name).length == 0) return 0;
        return vm.snapshotGasLastCall(GROUP, string.concat(name, ": ", act));
    }

    function test_lease() public {
        uint256 total = _wholeLease(carol, alice, bob, "lease of 1");
        vm.snapshotValue(GROUP, "lease of 1: all six", total);
        assertLe(total, 450_000, "over the target");
        assertGt(market.balanceOf(treasury), 0, "the fee is part of what is measured");
    }

    function test_lease1000() public {
        _postAndSeal(1000);
        uint256 total = _wholeLease(carol, alice, bob, "lease of 1,000");
        vm.snapshotValue(GROUP, "lease of 1,000: all six", total);
        assertLe(total, 450_000, "over the target");
    }

    function test_seal() public {
        vm.warp(time() + 1);
        _prepare(1);
        _seal();
        vm.snapshotGasLastCall(GROUP, "seal");
    }

    function test_join() public {
        _join(0, alice);
        vm.snapshotGasLastCall(GROUP, "join, first");
        _join(0, bob);
        vm.snapshotGasLastCall(GROUP, "join, second");
        _commit(0, alice, ROOT);
        vm.snapshotGasLastCall(GROUP, "commit on a reserved seat");
    }

    function test_settle() public {
        _voted(ROOT);
        _settle(0, ROOT, panelOf(alice, bob, carol));
        vm.snapshotGasLastCall(GROUP, "settle, three paid");
    }

    function test_settle_outvoted() public {
        _voted(OTHER);
        _settle(0, ROOT, panelOf(alice, bob, carol));
        vm.snapshotGasLastCall(GROUP, "settle, two paid and one outvoted");
    }

    function _voted(bytes32 last) private {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        _commit(0, carol, last);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, last);
    }

    function test_settle_lapsed() public {
        _commit(0, alice, ROOT);
        _join(0, bob);
        _join(0, carol);
        vm.warp(commitBy(0) + 1);
        _settle(0, 0, panelOf(alice, bob, carol));
        vm.snapshotGasLastCall(GROUP, "settle, too few commits");
        _wait();
        round = 2;
        _commit(0, dave, ROOT);
        vm.snapshotGasLastCall(GROUP, "first commit of a second round");
    }

    /// The largest panel, at its dearest: all lose their bonds.
    function test_settle_fifteen() public {
        uint32[] memory panel = new uint32[](15);
        vm.warp(time() + 1);
        for (uint160 i; i < 15; ++i) {
            stakeOf(address(0xa000 + i), STAKE);
            panel[i] = market.providerOf(address(0xa000 + i)).number;
        }
        vm.warp(time() + times().stakeAge);
        job = redundantJob(15, 8);
        jobId = post(job);
        _seal();
        _wait();
        for (uint160 i; i < 15; ++i) {
            _commit(0, address(0xa000 + i), ROOT);
        }
        vm.warp(time() + times().revealWindow + 1);
        _settle(0, 0, panel);
        vm.snapshotGasLastCall(GROUP, "settle, fifteen silent");
    }
}

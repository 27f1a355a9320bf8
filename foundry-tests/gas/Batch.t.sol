// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// What signatures and batches cost, as `Gas.t.sol` measures.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract BatchGasTest is Base {
    string private constant GROUP = "Batch";

    IMarket.Job private job;
    bytes32 private jobId;

    /// An audited job of leases of one task, of which the first is settled: a market that runs.
    function setUp() public override {
        super.setUp();
        job = auditedJob(5000);
        job.terms.tasks = 30;
        (job.terms.minLease, job.terms.maxLease) = (1, 1);
        jobId = post(job);
        vm.warp(job.timing.opensAt + 500); // half way up the ramp: a surplus returns
        _submitted(0);
        publish(market.leaseOf(jobId, 0).point, _seed(0, 1));
        finalize(job, 0);
    }

    function _submitted(uint32 first) private {
        claim(job, alice, 1);
        submit(job, alice, first);
    }

    /// A seed with which chance audits none of these leases.
    function _seed(uint32 from, uint32 to) private view returns (bytes32 seed) {
        for (uint256 i = 1;; ++i) {
            seed = keccak256(abi.encode("seed", i));
            uint32 first = from;
            while (first < to && coinOf(seed, jobId, first, 1) >= job.assurance.auditBps) ++first;
            if (first == to) return seed;
        }
    }

    function test_finalizeList() public {
        uint32[] memory firsts = new uint32[](10);
        for (uint32 i; i < 10; ++i) {
            firsts[i] = i + 2;
        }
        for (uint32 i = 1; i < 12; ++i) {
            _submitted(i);
        }
        publish(market.leaseOf(jobId, 1).point, _seed(1, 12));
        finalize(job, 1);
        uint256 alone = vm.snapshotGasLastCall(GROUP, "finalize, alone");
        market.finalize(job, firsts);
        uint256 all = vm.snapshotGasLastCall(GROUP, "finalize, list of 10");
        vm.snapshotValue(GROUP, "finalize, list of 10: each", all / 10);
        assertLt(all / 10, alone / 2);
        for (uint32 i; i < 10; ++i) {
            assertGrade(jobId, firsts[i], IMarket.Grade.Unaudited);
        }
    }

    /// A provider that works on without a pause: each of its transactions settles one lease, submits the next one and claims
    /// the one after that.
    function test_pipeline() public {
        claim(job, alice, 1);
        bytes[] memory calls = new bytes[](3);
        for (uint32 i = 1; i < 4; ++i) {
            publish(market.leaseOf(jobId, i - 1).point, _seed(i - 1, i));
            calls[0] = abi.encodeCall(IMarket.submit, (job, i, 1, alice, ROOT, DIGESTS));
            calls[1] = abi.encodeCall(IMarket.claim, (job, alice, 1, 1));
            calls[2] = abi.encodeCall(IMarket.finalize, (job, list(i - 1)));
            vm.prank(alice);
            IMulticall(address(market)).multicall(calls);
            vm.warp(time() + 60);
        }
        uint256 each = vm.snapshotGasLastCall(GROUP, "pipeline of one");
        assertGrade(jobId, 2, IMarket.Grade.Unaudited);
        assertLe(each, 160_000, "one lease a transaction");
    }

    function test_pipelineOfTwo() public {
        assertLe(_pipeline(2, "pipeline of two"), 130_000, "over the target");
    }

    function test_pipelineOfFive() public {
        assertLe(_pipeline(5, "pipeline of five"), 110_000, "grown");
    }

    /// The same with more machines: `width` leases of each in a transaction.
    function _pipeline(uint32 width, string memory name) private returns (uint256 each) {
        for (uint32 i = 1; i <= width; ++i) {
            _submitted(i);
        }
        for (uint32 i; i < width; ++i) {
            claim(job, alice, 1);
        }
        publish(market.leaseOf(jobId, 1).point, _seed(1, 1 + width));
        bytes[] memory calls = new bytes[](2 * width + 1);
        uint32[] memory firsts = new uint32[](width);
        for (uint32 i; i < width; ++i) {
            calls[i] = abi.encodeCall(IMarket.submit, (job, 1 + width + i, 1, alice, ROOT, DIGESTS));
            calls[width + i] = abi.encodeCall(IMarket.claim, (job, alice, 1, 1));
            firsts[i] = 1 + i;
        }
        calls[2 * width] = abi.encodeCall(IMarket.finalize, (job, firsts));
        vm.prank(alice);
        IMulticall(address(market)).multicall(calls);
        each = vm.snapshotGasLastCall(GROUP, name) / width;
        vm.snapshotValue(GROUP, string.concat(name, ": each"), each);
        assertGrade(jobId, width, IMarket.Grade.Unaudited);
        assertPhase(jobId, 2 * width + 1, IMarket.Phase.Running);
        assertPhase(jobId, 3 * width, IMarket.Phase.Running);
    }

    function test_signatures() public {
        (, uint256 key) = makeAddrAndKey("client");
        job.terms.nonce = 8;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, market.hashJob(job));
        vm.prank(anyone);
        market.postFor(job, spec, abi.encodePacked(r, s, v));
        vm.snapshotGasLastCall(GROUP, "postFor, by key");
        vm.prank(client);
        market.revoke(8);
        vm.snapshotGasLastCall(GROUP, "revoke");
    }
}

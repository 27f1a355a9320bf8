// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Gas of the transactions of an audit (21,000, calldata and refunds included), against snapshots/Audits.json. The lease has
/// eight tasks, and six providers have stake.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract AuditsGasTest is Base {
    string private constant GROUP = "Audits";
    bytes32 private constant OTHER = keccak256("another digest");
    bytes32 private constant THIRD = keccak256("a third digest");

    address private carol = makeAddr("carol");
    address private dave = makeAddr("dave");
    IMarket.Job private job;
    bytes32 private jobId;
    bytes32[] private digests;
    uint32 private task;
    uint8 private jury;

    function setUp() public override {
        super.setUp();
        address[4] memory more = [carol, dave, makeAddr("erin"), makeAddr("frank")];
        for (uint256 i; i < 4; ++i) {
            stakeOf(more[i], 100 * UNIT);
        }
        vm.warp(time() + times().stakeAge);
        digests = Merkle.someDigests(1, 8);
        // Ends with every slot that a later audit changes non-zero, as they are in a market that runs.
        _audited(digests);
        _votes(_right(), _right(), OTHER);
        _judge(_all(_right(), _right(), OTHER), _right());
        _audited(digests);
    }

    /// alice's lease of eight tasks, which chance says is audited; all are drawn for its jury then.
    function _audited(bytes32[] memory found) private {
        job = auditedJob(5000);
        job.terms.nonce = time();
        job.terms.tasks = 16;
        (job.terms.minLease, job.terms.maxLease) = (8, 15);
        jobId = post(job);
        claim(job, alice, 8);
        submit(job, alice, 0, Merkle.root(0, found));
        bytes32 seed = seedFor(job, 0, 1, true);
        publish(market.leaseOf(jobId, 0).point, seed);
        task = auditedTask(seed, jobId, 0, 1, 8);
        jury = 1;
        vm.warp(time() + 2 * times().juryStep);
    }

    function _right() private view returns (bytes32) {
        return digests[task];
    }

    function _keyed(bytes32 digest) private pure returns (bytes32) {
        return keccak256(abi.encode("keyed", digest));
    }

    function _vote(address who, bytes32 digest) private {
        bytes32 commitment_ = commitment(jobId, 0, 1, jury, who, digest, _keyed(digest));
        vm.prank(who);
        market.commitVote(job, 0, 1, jury, who, commitment_);
    }

    function _votes(bytes32 a, bytes32 b, bytes32 c) private {
        _vote(bob, a);
        _vote(carol, b);
        _vote(dave, c);
    }

    function _all(bytes32 a, bytes32 b, bytes32 c) private view returns (IMarket.Opening[] memory all) {
        all = new IMarket.Opening[](3);
        all[0] = opening(bob, a, _keyed(a));
        all[1] = opening(carol, b, _keyed(b));
        all[2] = opening(dave, c, _keyed(c));
    }

    function _judge(IMarket.Opening[] memory openings, bytes32 leaf) private {
        market.judge(job, 0, 1, jury, openings, leaf, Merkle.proof(0, digests, task));
    }

    function _note(string memory act) private returns (uint256) {
        return vm.snapshotGasLastCall(GROUP, act);
    }

    /// Three votes that join, and one judge with all openings and the leaf.
    function _audit(string memory name, bytes32 a, bytes32 b, bytes32 c, uint256 limit) private {
        _vote(bob, a);
        uint256 total = _note(string.concat(name, ": first vote, which opens the audit"));
        _vote(carol, b);
        total += _note(string.concat(name, ": second vote that joins"));
        _vote(dave, c);
        total += _note(string.concat(name, ": last vote that joins"));
        _judge(_all(a, b, c), _right());
        total += _note(string.concat(name, ": judge with openings and leaf"));
        vm.snapshotValue(GROUP, string.concat(name, ": all four"), total);
        assertLe(total, limit, "grown");
    }

    function test_acquitted() public {
        _audit("acquitted", _right(), _right(), _right(), 450_000);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
    }

    function test_convicted() public {
        _audit("convicted", OTHER, OTHER, OTHER, 520_000);
        assertPhase(jobId, 0, IMarket.Phase.Void);
    }

    function test_outvoted() public {
        _audit("acquitted, one outvoted", _right(), _right(), OTHER, 530_000);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
    }

    function test_seats() public {
        vm.prank(bob);
        market.joinJury(job, 0, 1, 1, bob);
        _note("joinJury, which opens the audit");
        vm.prank(carol);
        market.joinJury(job, 0, 1, 1, carol);
        _note("joinJury, second");
        _vote(bob, OTHER);
        _note("commitVote on a reserved seat");
    }

    function test_partial() public {
        _votes(OTHER, OTHER, OTHER);
        IMarket.Opening[] memory one = new IMarket.Opening[](1);
        one[0] = opening(bob, OTHER, _keyed(OTHER));
        _judge(one, 0);
        _note("judge, records one opening");
        _judge(_all(OTHER, OTHER, OTHER), 0);
        _note("judge, the leaf is missed");
        _judge(_all(OTHER, OTHER, OTHER), _right());
        _note("judge, all recorded");
        assertPhase(jobId, 0, IMarket.Phase.Void);
    }

    /// A first jury without a verdict, and a second one.
    function test_secondJury() public {
        _votes(_right(), OTHER, THIRD);
        _judge(_all(_right(), OTHER, THIRD), 0);
        _note("judge, no verdict");
        publish(market.auditOf(jobId, 0).point, keccak256("second seed"));
        vm.warp(time() + 2 * times().juryStep);
        jury = 2;
        _votes(_right(), OTHER, THIRD);
        _judge(_all(_right(), OTHER, THIRD), 0);
        _note("judge, no verdict of the second jury");
        assertGrade(jobId, 0, IMarket.Grade.Contested);
    }

    function test_nobodyCame() public {
        vm.warp(time() + job.timing.auditWindow);
        finalize(job, 0);
        _note("finalize, nobody came");
        assertGrade(jobId, 0, IMarket.Grade.Contested);
    }
}

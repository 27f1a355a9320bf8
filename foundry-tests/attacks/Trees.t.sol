// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Trees that are not what they should be, from a provider that would be paid for them. OpenZeppelin's notes on Merkle
/// proofs name the classes: nodes that pass for leaves, sorted pairs that hide an order. The jurors find what the honest tree
/// holds for the drawn task; only a leaf that opens there, and is the same, acquits.
contract TreesAttack is AttackBase {
    uint32 private task;

    function _leaf(uint32 index, bytes32 digest) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(abi.encode(index, digest))));
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }

    /// mallory submits this root; chance draws `drawn`; three jurors found `digests[drawn]`.
    function _accuse(uint32 count, bytes32 root, uint32 drawn) private {
        IMarket.Job memory made = oneAudited();
        made.terms.tasks = made.terms.minLease = made.terms.maxLease = count;
        start(made);
        digests = Merkle.someDigests(7, 4);
        claim(job, mallory, count);
        submit(job, mallory, 0, root);
        bytes32 seed;
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode(i));
            if (auditedTask(seed, jobId, 0, 1, count) == drawn) break;
        }
        uint64 point = market.leaseOf(jobId, 0).point;
        publish(point, seed);
        untilAllAreDrawn(point);
        crewVotes(1, digests[drawn], digests[drawn], digests[drawn]);
        task = market.auditOf(jobId, 0).task;
        assertEq(task, drawn);
    }

    function _all() private view returns (IMarket.Opening[] memory) {
        return crewOpens(digests[task], digests[task], digests[task]);
    }

    function _cannotOpen(bytes32 digest, bytes32[] memory path) private {
        IMarket.Opening[] memory all = _all();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, task, digest));
        market.judge(job, 0, 1, 1, all, digest, path);
    }

    /// What cannot be opened costs the whole bond.
    function _convicted() private {
        uint256 bond = uint256(UNIT) * market.leaseOf(jobId, 0).count;
        judgeWithoutLeaf(1, _all());
        vm.warp(time() + times().respondWindow + 1);
        judgeWithoutLeaf(1, _all());
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(bond));
        (bytes32 root,,) = market.resultRoot(jobId, 0);
        assertEq(root, 0, "no root is left behind");
        assertBooks(0);
    }

    /// Tries: all leaves are right and stand in another order, so that no position can be opened.
    /// Fails: what cannot be opened counts as never opened.
    /// Costs: the bond.
    function test_shuffledLeaves() public {
        bytes32[] memory d = Merkle.someDigests(7, 4);
        _accuse(4, _pair(_pair(_leaf(1, d[1]), _leaf(0, d[0])), _pair(_leaf(2, d[2]), _leaf(3, d[3]))), 0);
        bytes32[] memory path = Merkle.proof(0, d, 0);
        _cannotOpen(d[0], path);
        path[0] = _leaf(1, d[1]);
        _cannotOpen(d[0], path);
        _convicted();
    }

    /// Tries: two leaves for one task, the second where only padding belongs: the right one for the jury, the other for later.
    /// Fails: the padding is no task's place.
    /// Costs: the bond, for the leaf in task 2's place is the lie.
    function test_secondLeafInThePadding() public {
        bytes32[] memory d = Merkle.someDigests(7, 4);
        _accuse(3, _pair(_pair(_leaf(0, d[0]), _leaf(1, d[1])), _pair(_leaf(2, LIE), _leaf(2, d[2]))), 2);
        bytes32[] memory path = new bytes32[](2);
        (path[0], path[1]) = (_leaf(2, LIE), _pair(_leaf(0, d[0]), _leaf(1, d[1])));
        _cannotOpen(d[2], path);
        path[0] = _leaf(2, d[2]);
        _cannotOpen(d[2], path);
        market.judge(job, 0, 1, 1, _all(), LIE, path);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(3 * UNIT));
    }

    /// Tries: a node passes for a leaf, or a leaf for a node, or one task's path for another's.
    /// Fails: a path has exactly the tree's depth, leaves are hashed twice, and pairs are not sorted.
    /// Costs: gas. The honest leaf acquits.
    function test_nodesAndLeaves() public {
        bytes32[] memory d = Merkle.someDigests(7, 4);
        _accuse(4, Merkle.root(0, d), 0);
        bytes32[] memory path = Merkle.proof(0, d, 0);
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = path[1];
        bytes32[] memory longer = new bytes32[](3);
        (longer[0], longer[1], longer[2]) = (_leaf(1, d[1]), path[0], path[1]);
        _cannotOpen(_pair(_leaf(0, d[0]), _leaf(1, d[1])), shorter);
        _cannotOpen(keccak256(abi.encode(uint32(0), d[0])), longer);
        _cannotOpen(d[0], new bytes32[](0));
        _cannotOpen(d[1], Merkle.proof(0, d, 1));
        judge(1, _all());
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertUnharmed(mallory);
    }

    /// Tries: a root that is no tree at all, or a leaf of zero, which "was never opened".
    /// Fails: both are convicted.
    /// Costs: the bond.
    function test_rootOfNothing() public {
        uint256 state = vm.snapshotState();
        _accuse(1, keccak256(""), 0);
        _cannotOpen(LIE, new bytes32[](0));
        _convicted();
        vm.revertToState(state);
        _accuse(1, _leaf(0, 0), 0);
        _convicted();
    }

    /// Tries: a wrong tree of a lease that chance leaves alone.
    /// Works: what nobody looks at is worth its grade, Unaudited. A contract that takes one task's digest sees no more in it.
    /// Costs: nothing. The chance of an audit and the bond make it dear (`auditBps`).
    function test_wrongTreeThatNobodyLooksAt() public {
        IMarket.Job memory made = oneAudited();
        made.assurance.auditBps = 5000;
        start(made);
        submitted(mallory, LIE);
        toss(false);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Unaudited);
        assertGain(mallory, plus(PRICE - CUT));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A redundant job for listed providers: nobody is drawn, no point is stored, and the grade says so.
///
/// | act                   | with a list                                            |
/// | --------------------- | ------------------------------------------------------ |
/// | post                  | stores no point, needs no stake                         |
/// | join, commit          | of an admitted provider, as long as a seat is free      |
/// | a quorum              | settles the lease as Listed                             |
/// | a round without one   | frees the lease and stores no point                     |
/// | renew                 | refused: there is nothing to renew                      |
contract ListedTest is RedundantBase {
    address private young = makeAddr("young");
    bytes32 private _list;

    function setUp() public override {
        super.setUp();
        address[4] memory listed = [alice, bob, carol, young];
        stakeOf(young, STAKE);
        enrol(young);
        bytes32[4] memory leaves;
        for (uint256 i; i < 4; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(listed[i]))));
        }
        bytes32[2] memory nodes = [
            Hashes.commutativeKeccak256(leaves[0], leaves[1]),
            Hashes.commutativeKeccak256(leaves[2], leaves[3])
        ];
        _list = Hashes.commutativeKeccak256(nodes[0], nodes[1]);
        for (uint256 i; i < 4; ++i) {
            bytes32[] memory proof = new bytes32[](2);
            (proof[0], proof[1]) = (leaves[i ^ 1], nodes[1 - i / 2]);
            market.admit(_list, listed[i], proof);
        }
        IMarket.Job memory made = redundantJob(3, 2);
        made.terms.providers = _list;
        postThis(made);
    }

    function test_listed_postStoresNoPoint() public view {
        assertEq(market.jobOf(jobId).point, 0);
    }

    function test_listed_aFreeSeatIsTakenAtOnce() public {
        join(0, alice);
        commit(0, young, ROOT); // its stake is of this second
        assertLease(0, IMarket.Phase.Running, 1, time(), 2, 1);
        assertEq(lease(0).point, 0);
    }

    function test_listed_onlyAdmittedProviders() public {
        bytes memory no = abi.encodeWithSelector(IMarket.NotAdmitted.selector, _list, dave);
        vm.expectRevert(no);
        join(0, dave);
        vm.expectRevert(no);
        commit(0, dave, ROOT);
    }

    function test_listed_notBeforeTheJobOpens() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.terms.providers = _list;
        made.timing.opensAt = time() + 100;
        postThis(made);
        vm.warp(made.timing.opensAt - 1);
        vm.expectRevert(tooEarly(made.timing.opensAt));
        join(0, alice);
        vm.warp(made.timing.opensAt);
        join(0, alice);
    }

    function test_listed_aQuorumSettlesAsListed() public {
        threeCommit(ROOT, OTHER, ROOT);
        expectSettled(IMarket.Grade.Listed, 2 * PAY, 2 * (GROSS - PAY), GROSS, 0);
        settle(0, three(ROOT, OTHER, ROOT));
        assertGrade(jobId, 0, IMarket.Grade.Listed);
        (,, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(uint8(grade), uint8(IMarket.Grade.Listed));
        assertHas(bob, STAKE - BOND, 0, 0, 0, 1);
    }

    function test_listed_aRoundWithoutAQuorum_storesNoPoint() public {
        twoCommit(ROOT, OTHER);
        vm.warp(commitBy(0) + 1);
        vm.recordLogs();
        settle(0, two(ROOT, OTHER));
        assertEq(vm.getRecordedLogs().length, 5, "two opened, two closed, freed: no point set");
        assertLease(0, IMarket.Phase.Free, 2, time(), 0, 0);
        assertEq(lease(0).point, 0);
        round = 2;
        threeCommit(ROOT, ROOT, ROOT); // at once
    }

    /// Nothing is asked of the beacon.
    function test_listed_needsNoBeacon() public {
        breakBeacon();
        postThis(job);
        join(0, alice);
        join(0, bob);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(alice), named(bob)));
        round = 2;
        join(0, carol);
    }

    function test_listed_aLateSeatIsBarred() public {
        join(0, alice);
        commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(alice), named(bob)));
        round = 2;
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, alice));
        join(0, alice);
        join(0, bob);
    }

    function test_listed_renewIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.PointAlive.selector, 0));
        market.renew(job, 0);
    }

    /// No stake need be old: here there is none at all.
    function test_listed_postNeedsNoStake() public {
        market = newMarket(address(token), governor, treasury, FEE);
        fund(client, 1000 * UNIT);
        post(job);
        IMarket.Job memory open = redundantJob(3, 2);
        vm.prank(client);
        vm.expectRevert(IMarket.NoStakeToDraw.selector);
        market.post(open, spec);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {OddVerifier} from "../helpers/Verifiers.sol";
import {IMarket} from "piecework/IMarket.sol";
import {IVerifier} from "piecework/IVerifier.sol";

/// Jobs that are traps: a verifier, a list or terms of the client's own choice, set up for those who take them. (The
/// callbacks of oracle and proof markets handed control to the requester's contract.)
contract TrapsAttack is AttackBase {
    function _leaf(address who) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(abi.encode(who))));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }

    /// Puts alice and the first three of the crew on one list.
    function _list() private returns (bytes32 roll) {
        bytes32[4] memory leaves = [_leaf(alice), _leaf(crew[0]), _leaf(crew[1]), _leaf(crew[2])];
        bytes32 left = _pair(leaves[0], leaves[1]);
        bytes32 right = _pair(leaves[2], leaves[3]);
        roll = _pair(left, right);
        address[4] memory who = [alice, crew[0], crew[1], crew[2]];
        for (uint256 i; i < 4; ++i) {
            bytes32[] memory proof = new bytes32[](2);
            (proof[0], proof[1]) = (leaves[i ^ 1], i < 2 ? right : left);
            market.admit(roll, who[i], proof);
        }
    }

    /// Tries: eve's list holds alice and three of eve's own, who would judge alice (version 1 drew juries from the list).
    /// Fails: juries are drawn from all stake.
    /// Costs: her juror, which is drawn beside two honest ones, J.
    /// P-32
    function test_privateList_doesNotPackTheJury() public {
        IMarket.Job memory made = oneAudited();
        made.terms.providers = _list();
        made.terms.client = eve;
        start(made);
        submitted(alice, RIGHT);
        toss(true);
        vote(1, crew[0], LIE);
        vote(1, bob, RIGHT);
        vote(1, mallory, RIGHT);
        judge(1, seats(voted(crew[0], LIE), voted(bob, RIGHT), voted(mallory, RIGHT)));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(crew[0], minus(JUROR_BOND));
        assertGain(bob, plus(JURY_FEE));
        assertGain(eve, minus(PRICE + 2 * JURY_FEE));
        assertBurned(JUROR_BOND);
        assertBooks(0);
    }

    /// Tries: eve's list of her own providers fills two of three seats, to burn the third's bond.
    /// Works on those who join it: nobody is drawn there. All that they lose is burned, and the grade says Listed.
    /// Costs: eve and her seats the third seat's share and the protocol's fee.
    function test_privateList_fillsTheSeats_losesMoney() public {
        IMarket.Job memory made = oneRedundant(3, 2);
        made.terms.providers = _list();
        made.terms.client = eve;
        start(made);
        commit(alice, ROOT);
        commit(crew[0], LIE);
        commit(crew[1], LIE);
        settle(seats(rooted(alice, ROOT), rooted(crew[0], LIE), rooted(crew[1], LIE)));
        assertGrade(jobId, 0, IMarket.Grade.Listed);
        assertGain(alice, minus(BOND));
        assertEq(gain(eve) + gain(crew[0]) + gain(crew[1]), minus(PRICE + 2 * CUT));
        assertBurned(PRICE + BOND);
        assertBooks(0);
    }

    /// Tries: whoever is not on the list works all the same, with another's proof, or with a list of its own making.
    /// Fails: only who was shown to be on this list.
    /// Costs: gas.
    /// P-32
    function test_notOnTheList() public {
        IMarket.Job memory made = oneLease();
        bytes32 roll = _list();
        made.terms.providers = roll;
        start(made);
        bytes memory refused = abi.encodeWithSelector(IMarket.NotAdmitted.selector, roll, mallory);
        vm.startPrank(mallory);
        vm.expectRevert(refused);
        market.claim(job, mallory, 4, 4);
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (_leaf(crew[0]), _pair(_leaf(crew[1]), _leaf(crew[2])));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOnList.selector, roll, mallory));
        market.admit(roll, mallory, proof);
        market.admit(_leaf(mallory), mallory, new bytes32[](0));
        vm.expectRevert(refused);
        market.claim(job, mallory, 4, 4);
        vm.stopPrank();
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        vm.prank(mallory);
        vm.expectRevert(refused);
        market.takeover(job, mallory, 0);

        made = oneRedundant(3, 2);
        made.terms.providers = roll;
        made.terms.nonce = 8;
        start(made);
        vm.startPrank(mallory);
        vm.expectRevert(refused);
        market.join(job, 0, 1, mallory);
        vm.expectRevert(refused);
        market.commit(job, 0, 1, mallory, SALT);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ verifiers

    function _proven(OddVerifier verifier) private {
        IMarket.Job memory made = oneLease();
        made.assurance.verifier = address(verifier);
        start(made);
        claim(job, alice, 4);
        verifier.expect(
            abi.encodeCall(IVerifier.verify, (job, jobId, 0, 4, alice, ROOT, DIGESTS, bytes("proof")))
        );
    }

    function _proof() private view returns (bytes memory) {
        return abi.encodeCall(IMarket.prove, (job, 0, 1, alice, ROOT, DIGESTS, bytes("proof")));
    }

    /// Tries: a verifier that says no, fails, burns all its gas, answers with a flood, or calls back.
    /// Fails to harm others: the lease stays as it was, its holder leaves for nothing, and gas is bounded.
    /// Costs: whoever chose it.
    function test_maliciousVerifier() public {
        OddVerifier verifier = new OddVerifier();
        _proven(verifier);
        uint256 manners = uint256(type(OddVerifier.Manner).max) + 1;
        uint256 confirmed;
        for (uint256 i; i < manners; ++i) {
            verifier.behave(OddVerifier.Manner(i));
            uint256 state = vm.snapshotState();
            bytes memory proof = _proof();
            uint256 left = gasleft();
            vm.prank(alice);
            (bool ok,) = address(market).call{gas: 8_000_000}(proof);
            assertLt(left - gasleft(), 6_000_000, "bounded gas");
            if (ok) {
                ++confirmed;
                assertGrade(jobId, 0, IMarket.Grade.Proven);
            } else {
                assertPhase(jobId, 0, IMarket.Phase.Running);
                vm.prank(alice);
                market.leave(job, 0, 1, alice);
                assertUnharmed(alice);
            }
            vm.revertToState(state);
        }
        assertGt(confirmed, 0);
        assertLt(confirmed, manners);
        assertBooks(PRICE);
    }

    /// Tries: while it is asked the verifier acts in the market, or finalizes the lease, whose result is not final.
    /// Fails: it is asked statically, and a result of this second is not due; around it there is no way.
    /// Costs: gas.
    function test_verifierReenters() public {
        OddVerifier verifier = new OddVerifier();
        _proven(verifier);
        bytes memory proof = _proof();
        verifier.reenter(address(market), abi.encodeCall(IMarket.setOperator, (mallory, true)));
        vm.prank(alice);
        (bool ok, bytes memory why) = address(market).call(proof);
        assertFalse(ok);
        assertEq(why, abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(verifier)));
        uint256 state = vm.snapshotState();
        verifier.reenter(address(market), abi.encodeCall(IMarket.finalize, (job, list(0))));
        vm.prank(alice);
        (ok,) = address(market).call(proof);
        if (ok) assertGain(alice, plus(PRICE - CUT)); // once
        assertBooks(ok ? 0 : PRICE);
        vm.revertToState(state);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NeedsProof.selector, jobId, address(verifier)));
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        assertGain(alice, 0);
    }

    /// Tries: the caller starves the verifier, or the beacon, of gas, so that its failure counts as another answer.
    /// Fails: it gets its whole allowance, or the call reverts.
    /// Costs: gas.
    function test_starvedCalls() public {
        _proven(new OddVerifier());
        bytes memory proof = _proof();
        vm.prank(alice);
        (bool ok, bytes memory why) = address(market).call{gas: 5_000_000}(proof);
        assertFalse(ok);
        assertEq(errorOf(why), IMarket.NotEnoughGas.selector);

        // An audited lease whose seed is known: for whoever starves the beacon it would be unknown, hence Unaudited.
        IMarket.Job memory made = oneAudited();
        made.terms.nonce = 8;
        start(made);
        submitted(mallory, LIE);
        toss(true);
        vm.warp(time() + job.timing.auditWindow + 1);
        bytes memory act = abi.encodeCall(IMarket.finalize, (job, list(0)));
        for (uint256 gas_ = 20_000; gas_ < 400_000; gas_ += 5000) {
            uint256 state = vm.snapshotState();
            vm.prank(mallory);
            (ok,) = address(market).call{gas: gas_}(act);
            if (ok) assertGrade(jobId, 0, IMarket.Grade.Contested);
            vm.revertToState(state);
        }
        assertTrue(ok, "at last there is enough");
    }

    /// Tries: `submit` with so little gas that the beacon fails, to have a lease without a point.
    /// Fails: `submit` reverts with the beacon.
    /// Costs: gas.
    function test_starvedSubmit() public {
        start(oneAudited());
        claim(job, mallory, 4);
        bytes memory act = abi.encodeCall(IMarket.submit, (job, 0, 1, mallory, LIE, DIGESTS));
        bool done;
        for (uint256 gas_ = 10_000; gas_ < 200_000; gas_ += 1000) {
            uint256 state = vm.snapshotState();
            vm.prank(mallory);
            (bool ok,) = address(market).call{gas: gas_}(act);
            if (ok) assertGt(market.leaseOf(jobId, 0).point, 0);
            done = done || ok;
            vm.revertToState(state);
        }
        assertTrue(done);
    }
}

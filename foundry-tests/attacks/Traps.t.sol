// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {OddVerifier} from "../helpers/Verifiers.sol";
import {IMarket} from "piecework/IMarket.sol";
import {IVerifier} from "piecework/IVerifier.sol";

/// Jobs that are traps: a verifier, a list or terms of the client's own choice, set up for who takes them. (The
/// callbacks of oracle and proof markets handed control to the requester's contract; a list
/// of the accuser's making is the same for a jury.)
contract TrapsAttack is AttackBase {
    function _leaf(address who) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(abi.encode(who))));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }

    /// Puts alice and the first three of the crew on one list.
    function _list() private returns (bytes32 list) {
        bytes32[4] memory leaves = [_leaf(alice), _leaf(crew[0]), _leaf(crew[1]), _leaf(crew[2])];
        bytes32 left = _pair(leaves[0], leaves[1]);
        bytes32 right = _pair(leaves[2], leaves[3]);
        list = _pair(left, right);
        address[4] memory who = [alice, crew[0], crew[1], crew[2]];
        for (uint256 i; i < 4; ++i) {
            bytes32[] memory proof = new bytes32[](2);
            (proof[0], proof[1]) = (leaves[i ^ 1], i < 2 ? right : left);
            market.admit(list, who[i], proof);
        }
    }

    /// P-32 P-11: the list as a trap. All who may be jurors are the client's; they find the one honest provider wrong,
    /// and a jury fee that the client has set decides how large its bond is. It is lost, but none of it is theirs.
    function test_P32_privateListAsATrap() public {
        IMarket.Job memory job = aJob();
        job.terms.providers = _list();
        job.terms.client = eve;
        job.price.juryFee = 5 * UNIT; // so B = 30 tokens
        bytes32[] memory digests = Merkle.someDigests(1, 4);
        uint256 before = worth(eve) + worth(crew[0]) + worth(crew[1]) + worth(crew[2]);
        bytes32 id = submitted(job, digests);
        challenge(job, eve, digests, 2, LIE);
        sealJury(job);
        crewVotes(job, LIE);
        revealAnswer(job, eve, LIE);
        judge(job, LIE);
        assertPhase(id, 0, IMarket.Phase.Free);
        assertEq(market.providerOf(alice).stake, STAKE - 30 * UNIT);
        vm.prank(eve);
        market.cancel(job);
        market.close(job, new uint32[](1));
        uint256 afterwards = worth(eve) + worth(crew[0]) + worth(crew[1]) + worth(crew[2]);
        assertEq(afterwards, before, "nothing is gained by a trap");
        assertEq(market.burned(), 30 * UNIT);
        assertBooks(0);
    }

    /// P-32: who is not on the list cannot work, sit or vote, and cannot put itself there with another's proof.
    function test_P32_notOnTheList() public {
        IMarket.Job memory job = aJob();
        bytes32 list = _list();
        job.terms.providers = list;
        bytes32 id = post(job);
        vm.startPrank(mallory);
        bytes memory refused = abi.encodeWithSelector(IMarket.NotAdmitted.selector, list, mallory);
        vm.expectRevert(refused);
        market.claim(job, mallory, 1);
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (_leaf(crew[0]), _pair(_leaf(crew[1]), _leaf(crew[2])));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOnList.selector, list, mallory));
        market.admit(list, mallory, proof);
        // Nor by a list of its own making.
        market.admit(_leaf(mallory), mallory, new bytes32[](0));
        vm.expectRevert(refused);
        market.claim(job, mallory, 1);
        vm.stopPrank();

        claim(job, alice, 4);
        bytes32[] memory digests = Merkle.someDigests(1, 4);
        bytes32 root = Merkle.root(0, digests);
        vm.prank(alice);
        market.submit(job, 0, alice, root, MANIFEST);
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        vm.prank(mallory);
        vm.expectRevert(refused);
        market.joinJury(job, 0, 1, 1, mallory);
        assertPhase(id, 0, IMarket.Phase.Challenged);
    }

    /// P-32: nor a seat of a redundant lease, neither by joining nor by committing.
    function test_P32_noSeatForWhoIsNotOnTheList() public {
        IMarket.Job memory job = aRedundantJob();
        bytes32 list = _list();
        job.terms.providers = list;
        bytes32 id = postSealed(job);
        bytes memory refused = abi.encodeWithSelector(IMarket.NotAdmitted.selector, list, mallory);
        bytes32 commitment = commitmentFor(job, 0, mallory, LIE);
        vm.startPrank(mallory);
        vm.expectRevert(refused);
        market.join(job, 0, 1, mallory);
        vm.expectRevert(refused);
        market.commit(job, 0, 1, mallory, commitment);
        vm.stopPrank();
        join(job, 0, alice);
        commit(job, 0, crew[0], RIGHT);
        assertEq(market.leaseOf(id, 0).seats, 2);
        assertUnharmed(mallory);
    }

    /// P-33: a verifier that says no, fails, burns all its gas, answers with a flood, or calls back, harms who chose it: the lease
    /// stays as it was, its holder can still leave it for nothing, and the money of the others is untouched.
    function test_P33_maliciousVerifier() public {
        OddVerifier verifier = new OddVerifier();
        IMarket.Job memory job = aJob();
        job.terms.verifier = address(verifier);
        bytes32 id = post(job);
        claim(job, alice, 4);
        bytes memory question =
            abi.encodeCall(IVerifier.verify, (job, id, 0, 4, alice, ROOT, MANIFEST, bytes("proof")));
        verifier.expect(question);
        uint256 manners = uint256(type(OddVerifier.Manner).max) + 1;
        uint256 confirmed;
        for (uint256 i; i < manners; ++i) {
            verifier.behave(OddVerifier.Manner(i));
            uint256 state = vm.snapshotState();
            uint256 left = gasleft();
            vm.prank(alice);
            (bool ok,) = address(market).call{gas: 8_000_000}(
                abi.encodeCall(IMarket.prove, (job, 0, alice, ROOT, MANIFEST, bytes("proof")))
            );
            assertLt(left - gasleft(), 6_000_000, "bounded gas");
            if (ok) {
                ++confirmed;
                assertPhase(id, 0, IMarket.Phase.Settled);
            } else {
                assertPhase(id, 0, IMarket.Phase.Running);
                vm.prank(alice);
                market.release(job, 0, alice);
                assertUnharmed(alice);
            }
            vm.revertToState(state);
        }
        assertGt(confirmed, 0);
        assertLt(confirmed, manners);
        assertBooks(20 * UNIT);
    }

    /// P-33 P-41: while it is asked it can finalize, accept or post nothing: it is asked statically.
    function test_P33_verifierReenters() public {
        OddVerifier verifier = new OddVerifier();
        IMarket.Job memory job = aJob();
        job.terms.verifier = address(verifier);
        job.timing.challengeWindow = 0;
        bytes32 id = post(job);
        claim(job, alice, 4);
        vm.warp(time() + 1);
        verifier.expect(
            abi.encodeCall(IVerifier.verify, (job, id, 0, 4, alice, ROOT, MANIFEST, bytes("proof")))
        );
        verifier.reenter(address(market), abi.encodeCall(IMarket.finalize, (job, 0)));
        uint256 before = market.balanceOf(alice);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, id, 0, address(verifier)));
        market.prove(job, 0, alice, ROOT, MANIFEST, "proof");
        assertEq(market.balanceOf(alice), before);
        // Around the verifier there is no way either.
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NeedsProof.selector, id, address(verifier)));
        market.submit(job, 0, alice, ROOT, MANIFEST);
    }

    /// P-33: who calls cannot starve the verifier of gas, to have a failing check of its own count as another answer.
    function test_P33_starvedVerifier() public {
        OddVerifier verifier = new OddVerifier();
        IMarket.Job memory job = aJob();
        job.terms.verifier = address(verifier);
        post(job);
        claim(job, alice, 4);
        vm.prank(alice);
        (bool ok, bytes memory why) = address(market).call{gas: 5_000_000}(
            abi.encodeCall(IMarket.prove, (job, 0, alice, ROOT, MANIFEST, bytes("proof")))
        );
        assertFalse(ok);
        assertEq(errorOf(why), IMarket.VerifierNeedsGas.selector);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What disputes and demands cost: every call is a transaction of its own (21,000, calldata and refunds
/// included). Compared with snapshots/Disputes.json in every run.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract DisputesGasTest is DisputeBase {
    string private constant GROUP = "Disputes";
    /// Most gas of a transaction (EIP-7825).
    uint256 private constant CAP = 16_777_216;

    /// The jurors have earned before, and something was burned, as in a market that runs.
    function _settleOneDispute() private {
        open(RIGHT);
        voteAll([RIGHT, RIGHT, RIGHT]);
        revealAnswer(RIGHT);
        judge(RIGHT, 3);
        IMarket.Job memory j = aJob();
        j.terms.nonce = 8;
        start(j);
        vm.roll(block.number + 100);
    }

    function _snap(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall(GROUP, name);
    }

    /// Challenge, seal, three commits that take seats, three votes, the answer, the verdict.
    function _dispute(bytes32 vote, string memory name) private {
        challenge(RIGHT);
        uint256 total = _snap(string.concat(name, ": challenge"));
        vm.roll(block.number + 3);
        vm.setBlockhash(block.number - 2, keccak256("seed"));
        market.sealJury(job, 0);
        total += _snap(string.concat(name, ": sealJury"));
        vm.warp(time() + 30);
        for (uint256 i; i < 3; ++i) {
            commitVote(jurors[i], vote, keyedOf(vote));
            total += _snap(string.concat(name, ": commitVote ", vm.toString(i + 1)));
        }
        for (uint256 i; i < 3; ++i) {
            revealVote(jurors[i], vote, keyedOf(vote));
            total += _snap(string.concat(name, ": revealVote ", vm.toString(i + 1)));
        }
        revealAnswer(RIGHT);
        total += _snap(string.concat(name, ": revealAnswer"));
        judge(vote, 3);
        total += _snap(string.concat(name, ": judge"));
        vm.snapshotValue(GROUP, string.concat(name, ": all ten transactions"), total);
    }

    function test_disputeLost() public {
        _settleOneDispute();
        _dispute(RIGHT, "provider wrong");
    }

    function test_disputeWon() public {
        _settleOneDispute();
        _dispute(digests[TASK], "provider right");
    }

    function test_joinJury() public {
        _settleOneDispute();
        open(RIGHT);
        joinJury(jurors[0]);
        _snap("joinJury");
        commitVote(jurors[0], RIGHT, KEYED);
        _snap("commitVote of who joined");
        vm.warp(commitBy() + 1);
        judge(0, 1);
        _snap("judge, too few votes");
    }

    function test_forfeit() public {
        _settleOneDispute();
        vm.prank(challenger);
        market.demand(job, 0);
        _snap("demand");
        vm.warp(time() + 6 hours + 1);
        market.forfeit(job, 0);
        _snap("forfeit");
    }

    /// P-37: all leaves of the largest lease fit a transaction.
    function test_respond() public {
        uint32[3] memory counts = [uint32(1), 100, 2048];
        for (uint256 i; i < 3; ++i) {
            uint32 count = counts[i];
            IMarket.Job memory j = aJob();
            (j.terms.nonce, j.terms.tasks, j.terms.maxLease) = (100 + count, count, count);
            (j.price.minPrice, j.price.maxPrice, j.price.bond) = (1, 1, 1);
            job = j;
            jobId = post(j);
            claim(j, alice, count);
            digests = Merkle.someDigests(count, count);
            submitDigests(alice);
            vm.prank(challenger);
            market.demand(j, 0);
            vm.prank(alice);
            market.respond(j, 0, alice, digests);
            assertLt(_snap(string.concat("respond, ", vm.toString(count), " digests")), CAP);
        }
    }
}

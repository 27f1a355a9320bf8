// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Choosing the seed of a draw. Lotteries that took a block's hash in a transaction of the player's choice were emptied:
/// whoever can wait, or look first, chooses. What is left here is the first who seals, once a block.
contract SeedsAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;
    uint256 private postedBlock;

    function setUp() public override {
        super.setUp();
        job = aRedundantJob();
        jobId = post(job);
        postedBlock = market.jobOf(jobId).postedBlock;
    }

    function _hash(uint256 number) private returns (bytes32 it) {
        it = keccak256(abi.encode("block", number));
        vm.setBlockhash(number, it);
    }

    function _assertSeed(bytes32 blockHash) private view {
        (bytes32 seed,,) = market.sealOf(jobId);
        assertEq(uint256(seed), uint256(keccak256(abi.encode(blockHash, block.prevrandao))) >> 176, "seed");
        assertNotEq(seed, 0);
    }

    /// P-25: not in the block of `post`, nor before both the block whose hash counts and another one are built.
    function test_P25_tooEarly() public {
        for (uint256 i; i < 3; ++i) {
            vm.roll(postedBlock + i);
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.TooEarlyToSeal.selector, postedBlock + 3, postedBlock + i)
            );
            market.seal(job);
        }
        // Nobody can sit before.
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSealed.selector, jobId, 0));
        market.join(job, 0, 1, mallory);
    }

    /// P-25: the hash that counts is that of the block after `post`, for 256 blocks; and who seals, and where in its block,
    /// changes nothing. (Waiting does bring another randomness: whoever would choose must come first in each block,
    /// so executors seal in the third.)
    function testFuzz_P25_waiting(uint256 wait, uint256 randao, address who) public {
        wait = bound(wait, 3, 257);
        vm.roll(postedBlock + wait);
        vm.prevrandao(randao);
        bytes32 it = _hash(postedBlock + 1);
        if (wait > 2) _hash(postedBlock + wait - 1);
        vm.prank(who);
        market.seal(job);
        _assertSeed(it);
    }

    /// P-25: and then for 256 more that of one later block.
    function testFuzz_P25_missedWindows(uint256 window, uint256 wait, uint256 randao) public {
        window = bound(window, 1, 1000);
        wait = bound(wait, 1, 256);
        uint256 seedBlock = postedBlock + 1 + 256 * window;
        vm.roll(seedBlock + wait);
        vm.prevrandao(randao);
        bytes32 it = _hash(seedBlock);
        market.seal(job);
        _assertSeed(it);
    }

    /// P-25: the builder of the block that counts can try many hashes, but whatever it finds is mixed with a
    /// randomness that it does not know yet.
    function test_P25_builderGrinds() public {
        vm.roll(postedBlock + 3);
        uint256 state = vm.snapshotState();
        vm.setBlockhash(postedBlock + 1, keccak256("the best of a million"));
        vm.prevrandao(uint256(1));
        market.seal(job);
        (bytes32 hoped,,) = market.sealOf(jobId);
        vm.revertToState(state);
        vm.setBlockhash(postedBlock + 1, keccak256("the best of a million"));
        vm.prevrandao(uint256(2));
        market.seal(job);
        (bytes32 got,,) = market.sealOf(jobId);
        assertNotEq(hoped, got);
    }

    /// P-25: a draw that went badly cannot be drawn again.
    function test_P25_secondSeal() public {
        sealJob(job);
        (bytes32 seed, uint128 stakes, uint64 sealedAt) = market.sealOf(jobId);
        vm.roll(block.number + 300);
        vm.warp(time() + 3600);
        _hash(block.number - 1);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SealedAlready.selector, jobId, 0));
        market.seal(job);
        (bytes32 seed2, uint128 stakes2, uint64 sealedAt2) = market.sealOf(jobId);
        assertEq(seed, seed2);
        assertEq(stakes, stakes2);
        assertEq(sealedAt, sealedAt2);
    }

    /// P-25: a jury's seed does not exist when the challenge is made, and is not that of another challenge.
    function test_P25_jurySeed() public {
        IMarket.Job memory plain = aJob();
        bytes32[] memory digests = Merkle.someDigests(3, 4);
        bytes32 id = submitted(plain, digests);
        challenge(plain, eve, digests, 1, RIGHT);
        vm.roll(block.number + 2);
        vm.expectPartialRevert(IMarket.TooEarlyToSeal.selector);
        market.sealJury(plain, 0);
        vm.prank(crew[0]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSealed.selector, id, 0));
        market.joinJury(plain, 0, 1, 1, crew[0]);
        sealJury(plain);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SealedAlready.selector, id, 0));
        market.sealJury(plain, 0);
        (bytes32 first,,) = market.sealOf(keccak256(abi.encode(id, uint32(0), uint16(1), uint8(1))));
        crewVotes(plain, digests[1]);
        revealAnswer(plain, eve, RIGHT);
        judge(plain, digests[1]);

        vm.roll(block.number + 10);
        challenge(plain, eve, digests, 1, RIGHT);
        sealJury(plain);
        (bytes32 second,,) = market.sealOf(keccak256(abi.encode(id, uint32(0), uint16(1), uint8(2))));
        assertNotEq(first, second);
    }

    /// P-21: the address of a provider cannot be ground against a seed: it must have had its stake long before.
    function test_P21_addressAfterTheSeed() public {
        sealJob(job);
        address fitting = makeAddr("ground against the seed");
        stakeOf(fitting, 1000 * UNIT);
        vm.warp(time() + 2000);
        vm.prank(fitting);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, 0, fitting, type(uint64).max)
        );
        market.join(job, 0, 1, fitting);
    }
}

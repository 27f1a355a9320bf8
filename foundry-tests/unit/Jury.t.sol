// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `sealJury`, the draw, `joinJury` and `commitVote`.
contract JuryTest is DisputeBase {
    uint128 private constant S = 100 * UNIT;

    // ------------------------------------------------------------------ seal

    function _key() private view returns (bytes32) {
        return keccak256(abi.encode(jobId, uint32(0), round, number));
    }

    function _sealAt(uint256 block_, uint256 seedBlock) private {
        bytes32 hash = keccak256(abi.encode(block_, seedBlock));
        bytes32 randomness = keccak256(abi.encode("randomness", block_));
        vm.roll(block_);
        vm.setBlockhash(seedBlock, hash);
        vm.prevrandao(randomness);
        bytes32 seed = keccak256(abi.encode(hash, randomness)) >> 176;
        vm.expectEmit(address(market));
        emit IMarket.JurySealed(jobId, 0, 1, seed, 700 * UNIT);
        market.sealJury(job, 0);
        (bytes32 kept, uint128 stakes, uint64 sealedAt) = market.sealOf(_key());
        assertEq(kept, seed);
        assertEq(stakes, 700 * UNIT);
        assertEq(sealedAt, time());
    }

    /// P-25.
    function test_seal_fromTheThirdBlockOn() public {
        vm.roll(1000);
        challenge(RIGHT);
        for (uint64 i; i < 3; ++i) {
            vm.roll(1000 + i);
            vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarlyToSeal.selector, uint64(1003), 1000 + i));
            market.sealJury(job, 0);
        }
        vm.warp(time() + 36);
        _sealAt(1003, 1001);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SealedAlready.selector, jobId, uint32(0)));
        market.sealJury(job, 0);
    }

    function test_seal_lastBlockOfTheFirstSeed() public {
        vm.roll(1000);
        challenge(RIGHT);
        _sealAt(1257, 1001);
    }

    /// P-25.
    function test_seal_firstBlockOfTheSecondSeed() public {
        vm.roll(1000);
        challenge(RIGHT);
        _sealAt(1258, 1257);
    }

    function test_seal_anyLaterSeed() public {
        vm.roll(1000);
        challenge(RIGHT);
        _sealAt(1000 + 2 + 256 * 40 + 255, 1001 + 256 * 40);
    }

    function test_seal_inTime() public {
        challenge(RIGHT);
        vm.roll(block.number + 3);
        vm.warp(commitBy() + 1);
        expectTooLate(commitBy());
        market.sealJury(job, 0);
        vm.warp(commitBy());
        market.sealJury(job, 0);
    }

    function test_seal_wrongPhase() public {
        expectWrongPhase(IMarket.Phase.Submitted);
        market.sealJury(job, 0);
        job.terms.nonce += 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        market.sealJury(job, 0);
    }

    // ------------------------------------------------------------------ the draw

    /// Step from which `who` is drawn, from the definition: `lot < share * 3 * 2^step`, or 3 if none up to 2 is.
    function _stepOf(address who, uint256 weight, uint256 total) private view returns (uint64 step) {
        (bytes32 seed,,) = market.sealOf(_key());
        uint256 lot = uint256(keccak256(abi.encode(seed, _key(), who))) >> 192;
        while (step < 3 && lot * total / 2 ** 64 >= weight * 3 * 2 ** step) {
            ++step;
        }
    }

    function _expectNotDrawn(address who, uint64 from) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, uint32(0), who, from));
        joinJury(who);
    }

    /// Ten small providers and seeds of many blocks: all steps occur, "never" too, each to the second. (P-21)
    function test_draw() public {
        address[] memory small = new address[](10);
        for (uint256 i; i < 10; ++i) {
            small[i] = makeAddr(string.concat("small", vm.toString(i)));
            stakeOf(small[i], 100 * UNIT);
        }
        vm.warp(time() + 1 days);
        uint256[4] memory met;
        for (uint64 k; k < 6; ++k) {
            IMarket.Job memory j = aJob();
            j.terms.nonce = 100 + k;
            j.price.maxPrice = UNIT;
            start(j);
            vm.roll(2000 + 10 * k);
            challenge(RIGHT);
            vm.roll(2003 + 10 * k);
            vm.setBlockhash(2001 + 10 * k, keccak256(abi.encode(k)));
            market.sealJury(job, 0);
            uint64 sealedAt = time();
            for (uint256 i; i < 10; ++i) {
                uint64 step = _stepOf(small[i], S, 1700 * UNIT);
                ++met[step];
                uint256 before = vm.snapshotState();
                if (step == 3) {
                    _expectNotDrawn(small[i], type(uint64).max);
                    vm.warp(commitBy());
                    _expectNotDrawn(small[i], type(uint64).max);
                } else {
                    uint64 from = sealedAt + step * 15;
                    if (step != 0) {
                        vm.warp(from - 1);
                        _expectNotDrawn(small[i], from);
                        vm.warp(from);
                    }
                    joinJury(small[i]);
                }
                vm.revertToState(before);
            }
        }
        for (uint256 step; step < 4; ++step) {
            assertGt(met[step], 0, "a step was never met");
        }
    }

    /// The draw of a list's jury goes on, however small a part of all stake the list has. (P-21)
    function test_draw_ofAList() public {
        stakeOf(bob, 500_000 * UNIT);
        vm.warp(time() + 1 days);
        bytes32[2] memory leaves;
        address[2] memory listed = [alice, jurors[0]];
        for (uint256 i; i < 2; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(listed[i]))));
        }
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.terms.providers) = (100, Hashes.commutativeKeccak256(leaves[0], leaves[1]));
        for (uint256 i; i < 2; ++i) {
            bytes32[] memory proof = new bytes32[](1);
            proof[0] = leaves[1 - i];
            market.admit(j.terms.providers, listed[i], proof);
        }
        start(j);
        open(RIGHT);
        (bytes32 seed, uint128 total, uint64 sealedAt) = market.sealOf(_key());
        uint256 lot = uint256(keccak256(abi.encode(seed, _key(), jurors[0]))) >> 192;
        uint64 steps;
        while (lot * total / 2 ** 64 >= S * 3 * 2 ** steps) {
            ++steps;
        }
        assertGt(steps, 2, "an open jury would not be drawn so far");
        uint64 from = sealedAt + steps * 15;
        vm.warp(from - 1);
        _expectNotDrawn(jurors[0], from);
        vm.warp(from);
        joinJury(jurors[0]);
        assertEq(uint8(market.seatOf(jobId, 0, round, number, jurors[0])), uint8(IMarket.Seat.Joined));
    }

    /// A stake that grew less than a day before `post` does not count. (P-21)
    function test_draw_stakeAge() public {
        uint64 postedAt = market.jobOf(jobId).postedAt;
        uint256 before = vm.snapshotState();
        for (uint64 i; i < 2; ++i) {
            vm.revertToState(before);
            vm.warp(postedAt - 1 days + i);
            stakeOf(jurors[0], 1);
            vm.warp(postedAt);
            open(RIGHT);
            if (i == 1) _expectNotDrawn(jurors[0], type(uint64).max);
            else joinJury(jurors[0]);
        }
    }

    function test_draw_noProvider() public {
        open(RIGHT);
        _expectNotDrawn(anyone, type(uint64).max);
    }

    function test_draw_beforeTheSeal() public {
        challenge(RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSealed.selector, jobId, uint32(0)));
        joinJury(jurors[0]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSealed.selector, jobId, uint32(0)));
        vm.prank(jurors[0]);
        market.commitVote(job, 0, 1, 1, jurors[0], OTHER);
    }

    // ------------------------------------------------------------------ join

    function test_join() public {
        open(RIGHT);
        vm.expectEmit(address(market));
        emit IMarket.JurorJoined(jobId, 0, jurors[0], 1, JUROR_BOND);
        joinJury(jurors[0]);
        assertJuror(0, 0, S, S - JUROR_BOND, 0);
        assertEq(uint8(market.seatOf(jobId, 0, 1, 1, jurors[0])), uint8(IMarket.Seat.Joined));
        assertEq(uint8(market.seatOf(jobId, 0, 1, 0, jurors[0])), uint8(IMarket.Seat.None));
        assertEq(market.disputeOf(jobId, 0).seats, 1);
        vm.expectRevert(_wrongSeat(jurors[0], IMarket.Seat.Joined));
        joinJury(jurors[0]);
    }

    function _wrongSeat(address who, IMarket.Seat seat) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, uint32(0), who, seat);
    }

    /// A third of B, or the bond of one task if that is more.
    function test_join_bond() public {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.terms.maxLease) = (8, 1);
        job = j;
        jobId = post(j);
        claim(j, alice, 1);
        bytes32[] memory one = new bytes32[](1);
        one[0] = digests[0];
        digests = one;
        submitDigests(alice);
        vm.prank(challenger);
        market.challenge(j, 0, 1, 1, 0, digests[0], new bytes32[](0), OTHER);
        sealAndDraw();
        joinJury(jurors[0]); // B = 1 token: a third of it is less than the bond of a task
        assertJuror(0, 0, S, S - UNIT, 0);
    }

    /// P-18.
    function test_join_byOperator() public {
        address key = makeAddr("key");
        vm.prank(jurors[0]);
        market.setOperator(key, true);
        open(RIGHT);
        vm.prank(key);
        market.joinJury(job, 0, 1, 1, jurors[0]);
        bytes32 commitment = commitmentOf(jurors[0], RIGHT, KEYED);
        vm.prank(key);
        market.commitVote(job, 0, 1, 1, jurors[0], commitment);
        commitVote(jurors[1], RIGHT, KEYED);
        commitVote(jurors[2], RIGHT, KEYED);
        vm.startPrank(key);
        market.revealVote(job, 0, jurors[0], RIGHT, KEYED, SALT);
        bytes memory no = abi.encodeWithSelector(IMarket.NotOperator.selector, jurors[1], key);
        vm.expectRevert(no);
        market.joinJury(job, 0, 1, 1, jurors[1]);
        vm.expectRevert(no);
        market.commitVote(job, 0, 1, 1, jurors[1], commitment);
        vm.expectRevert(no);
        market.revealVote(job, 0, jurors[1], RIGHT, KEYED, SALT);
    }

    /// P-22.
    function test_join_seatsTaken() public {
        open(RIGHT);
        joinJury(jurors[0]);
        commitVote(jurors[1], RIGHT, KEYED);
        joinJury(jurors[2]);
        bytes memory taken = abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, uint32(0));
        vm.expectRevert(taken);
        joinJury(jurors[3]);
        vm.expectRevert(taken);
        vm.prank(jurors[4]);
        market.commitVote(job, 0, 1, 1, jurors[4], OTHER);
    }

    /// P-28.
    function test_join_barred() public {
        fund(bob, 10 * UNIT);
        challenger = bob; // a provider can challenge, but not judge as well
        open(RIGHT);
        for (uint256 i; i < 2; ++i) {
            address who = i == 0 ? alice : bob;
            bytes memory barred =
                abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, uint32(0), who);
            vm.expectRevert(barred);
            joinJury(who);
            vm.expectRevert(barred);
            vm.prank(who);
            market.commitVote(job, 0, 1, 1, who, OTHER);
        }
    }

    function test_join_stake() public {
        vm.prank(jurors[0]);
        market.unstake(jurors[0], S - JUROR_BOND + 1);
        stakeOf(bob, 1000 * UNIT); // too young to be drawn, but it counts in the sum of all stakes
        unstake(bob, 1000 * UNIT);
        vm.prank(jurors[1]);
        market.unstake(jurors[1], S - JUROR_BOND);
        // Let the rest leave, so that a small stake is a share: these two are drawn.
        for (uint256 i = 2; i < 5; ++i) {
            vm.prank(jurors[i]);
            market.unstake(jurors[i], S);
        }
        unstake(bob, S);
        vm.prank(alice);
        market.unstake(alice, S - B);
        open(RIGHT);
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarket.InsufficientStake.selector, jurors[0], JUROR_BOND - 1, uint256(JUROR_BOND)
            )
        );
        joinJury(jurors[0]);
        joinJury(jurors[1]);
        assertJuror(1, 0, JUROR_BOND, 0, 0);
    }

    /// P-34.
    function test_join_inTime() public {
        open(RIGHT);
        vm.warp(commitBy() + 1);
        expectTooLate(commitBy());
        joinJury(jurors[0]);
        vm.warp(commitBy());
        joinJury(jurors[0]);
    }

    function test_join_wrongPhase() public {
        expectWrongPhase(IMarket.Phase.Submitted);
        joinJury(jurors[0]);
        expectWrongPhase(IMarket.Phase.Submitted);
        vm.prank(jurors[0]);
        market.commitVote(job, 0, 1, 1, jurors[0], OTHER);
    }

    /// P-43: joins and votes name the round and the challenge that they are for.
    function test_wrongRound() public {
        open(RIGHT);
        bytes memory refused = abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, uint32(0), 1, 1);
        uint16[4] memory rounds = [uint16(0), 2, 1, 1];
        uint8[4] memory numbers = [1, 1, 0, 2];
        vm.startPrank(jurors[0]);
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(refused);
            market.joinJury(job, 0, rounds[i], numbers[i], jurors[0]);
            vm.expectRevert(refused);
            market.commitVote(job, 0, rounds[i], numbers[i], jurors[0], OTHER);
        }
        market.joinJury(job, 0, 1, 1, jurors[0]);
    }

    // ------------------------------------------------------------------ commit

    function test_commit_takesASeat() public {
        open(RIGHT);
        bytes32 commitment = commitmentOf(jurors[0], RIGHT, KEYED);
        vm.expectEmit(address(market));
        emit IMarket.VoteCommitted(jobId, 0, jurors[0], 1, commitment, JUROR_BOND);
        commitVote(jurors[0], RIGHT, KEYED);
        assertJuror(0, 0, S, S - JUROR_BOND, 0);
        assertEq(uint8(market.seatOf(jobId, 0, 1, 1, jurors[0])), uint8(IMarket.Seat.Committed));
        IMarket.DisputeState memory d = market.disputeOf(jobId, 0);
        assertEq(d.seats, 1);
        assertEq(d.commits, 1);
        assertEq(d.revealFrom, 0);
        vm.expectRevert(_wrongSeat(jurors[0], IMarket.Seat.Committed));
        vm.prank(jurors[0]);
        market.commitVote(job, 0, 1, 1, jurors[0], OTHER);
        vm.expectRevert(_wrongSeat(jurors[0], IMarket.Seat.Committed));
        joinJury(jurors[0]);
    }

    function test_commit_onAReservedSeat() public {
        open(RIGHT);
        joinJury(jurors[0]);
        bytes32 commitment = commitmentOf(jurors[0], RIGHT, KEYED);
        vm.expectEmit(address(market));
        emit IMarket.VoteCommitted(jobId, 0, jurors[0], 1, commitment, 0);
        commitVote(jurors[0], RIGHT, KEYED);
        assertJuror(0, 0, S, S - JUROR_BOND, 0);
        IMarket.DisputeState memory d = market.disputeOf(jobId, 0);
        assertEq(d.seats, 1);
        assertEq(d.commits, 1);
    }

    function test_commit_theThirdOpensTheReveal() public {
        open(RIGHT);
        joinJury(jurors[0]);
        commitVote(jurors[1], RIGHT, KEYED);
        commitVote(jurors[2], RIGHT, KEYED);
        assertEq(market.disputeOf(jobId, 0).revealFrom, 0);
        vm.warp(time() + 5);
        commitVote(jurors[0], RIGHT, KEYED);
        assertEq(market.disputeOf(jobId, 0).revealFrom, time());
    }

    /// P-34.
    function test_commit_inTime() public {
        open(RIGHT);
        joinJury(jurors[0]);
        vm.warp(commitBy() + 1);
        expectTooLate(commitBy());
        vm.prank(jurors[0]);
        market.commitVote(job, 0, 1, 1, jurors[0], OTHER);
        vm.warp(commitBy());
        commitVote(jurors[0], RIGHT, KEYED);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Amounts and times of tests are small.
// forge-lint: disable-start(unsafe-typecast)

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Who is drawn, and from when: the market against PROTOCOL's inequality, written here a second time.
contract RedundantDrawTest is RedundantBase {
    uint256 private constant NEVER = type(uint64).max;

    /// Without a bond: what counts here is the stake alone.
    function redundantJob(uint8 replicas, uint8 quorum)
        internal
        view
        override
        returns (IMarket.Job memory made)
    {
        made = super.redundantJob(replicas, quorum);
        made.price.bond = 0;
    }

    /// From when `who` can take a seat: H / 2^64 < weight / total * N * 2^k, with 64 bits of the hash.
    function _drawnFrom(uint32 first, uint256 round_, address who, uint256 start)
        private
        view
        returns (uint256)
    {
        (bytes32 seed, uint128 total,) = market.sealOf(jobId);
        bytes32 seats = keccak256(abi.encode(jobId, uint256(first), round_, uint256(0)));
        uint256 lot = uint256(keccak256(abi.encode(seed, seats, who))) / 2 ** 192;
        uint256 weight = market.providerOf(who).stake;
        for (uint256 k; k <= 64; ++k) {
            if (lot * total < weight * job.terms.replicas * 2 ** (64 + k)) return start + 15 * k;
        }
        return NEVER;
    }

    function _notDrawn(uint32 first, address who, uint256 from) private {
        vm.expectRevert(
            // forge-lint: disable-next-line(unsafe-typecast)
            abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, first, who, uint64(from))
        );
        vm.prank(who);
        market.join(job, first, round, who);
    }

    /// Not a second before `from`, and then.
    function _drawn(uint32 first, address who, uint256 from) private {
        uint256 before = vm.snapshotState();
        vm.warp(from - 1);
        _notDrawn(first, who, from);
        vm.warp(from);
        _join(first, who);
        vm.revertToState(before);
    }

    /// Stakes for `count` addresses, long enough ago for a new job.
    function _stakers(uint256 count, uint128 amount) private returns (address[] memory all) {
        all = new address[](count);
        for (uint256 i; i < count; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            all[i] = address(uint160(0xb000 + i));
            stakeOf(all[i], amount * uint128(1 + i % 7));
        }
        vm.warp(time() + 1 days);
    }

    /// P-21: by its share of stake, each has its time.
    function test_P21_draw_byShare() public {
        address[] memory all = _stakers(30, UNIT / 10);
        _postRedundant(3, 2);
        _seal();
        uint256 start = time();
        uint256 atOnce;
        uint256 last;
        for (uint256 i; i < all.length; ++i) {
            uint256 from = _drawnFrom(4, 1, all[i], start);
            if (from == start) ++atOnce;
            else _drawn(4, all[i], from);
            if (from > last) last = from;
        }
        assertLt(atOnce, 5);
        assertGt(last, start + 5 * 15, "the doublings were needed");
    }

    /// P-21: who is on the line is not drawn; one unit more, and it is.
    function test_P21_draw_boundary() public {
        address whale = makeAddr("whale");
        stakeOf(whale, 2 ** 70 - 6 * STAKE - 400 * UNIT);
        address who = makeAddr("who");
        stakeOf(who, 400 * UNIT);
        vm.warp(time() + 1 days);
        // lot * 2^70 = weight * 3 * 2^64 needs a lot that three divides.
        uint256 lot = 1;
        bytes32 seed;
        uint128 total;
        while (lot % 3 != 0) {
            vm.warp(time() + 1);
            _postRedundant(3, 2);
            _seal();
            (seed, total,) = market.sealOf(jobId);
            bytes32 seats = keccak256(abi.encode(jobId, uint256(0), uint256(1), uint256(0)));
            lot = uint256(keccak256(abi.encode(seed, seats, who))) >> 192;
        }
        assertEq(total, 2 ** 70);
        uint256 weight = lot * 64 / 3;
        assertGt(weight, 5 * UNIT);
        vm.prank(who);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.unstake(who, uint128(400 * UNIT - weight - 1));
        uint256 before = vm.snapshotState();
        _join(0, who);
        vm.revertToState(before);
        vm.prank(who);
        market.unstake(who, 1);
        _notDrawn(0, who, time() + 15);
    }

    /// P-21: the weight is the stake of now, against all stake of then.
    function test_draw_presentStake_sealedTotal() public {
        uint256 start = time();
        vm.prank(alice);
        market.unstake(alice, STAKE - 4 * UNIT);
        vm.prank(bob);
        market.unstake(bob, STAKE);
        uint256 from = _drawnFrom(0, 1, alice, start);
        (, uint128 total,) = market.sealOf(jobId);
        assertEq(total, 6 * STAKE);
        _drawn(0, alice, from);
        _notDrawn(0, bob, NEVER);
        vm.warp(time() + 64 * 15);
        _notDrawn(0, bob, NEVER);
        // Who never staked has no lot at all.
        _notDrawn(0, anyone, NEVER);
    }

    /// P-21: all stake is the smaller of two sums, at `post` and at the seal: what left does not make the shares of
    /// those who stayed smaller, nor does what came.
    function test_P21_seal_smallerSum() public {
        _postRedundant(3, 2);
        vm.prank(alice);
        market.unstake(alice, STAKE);
        _seal();
        (, uint128 total,) = market.sealOf(jobId);
        assertEq(total, 5 * STAKE);
        _postRedundant(3, 2);
        stakeOf(alice, 7 * STAKE);
        _seal();
        (, total,) = market.sealOf(jobId);
        assertEq(total, 5 * STAKE);
    }

    /// P-21: stake that last grew less than a day before `post` does not count at all.
    function test_P21_stakeAge() public {
        vm.warp(time() + 1 days);
        stakeOf(alice, 1);
        vm.warp(time() + 1 days - 1);
        _postRedundant(3, 2);
        vm.warp(time() + 100); // the seal comes late: it is `post` that counts
        _seal();
        _wait();
        _notDrawn(0, alice, NEVER);
        _join(0, bob);
        uint256 before = vm.snapshotState();
        vm.warp(job.timing.opensAt + 1);
        _postRedundant(3, 2);
        _seal();
        _wait();
        _join(0, alice);
        vm.revertToState(before);
        // Nor does it in a job posted before: what it adds makes it lose its seat.
        stakeOf(bob, 1);
        _notDrawn(4, bob, NEVER);
    }

    /// Growth begins when the job is open and sealed, and the lease free: whichever comes last.
    function test_growth_fromTheOpening() public {
        job.timing.opensAt = time() + 500;
        jobId = post(job);
        _seal();
        vm.warp(time() + 500);
        _everyOneFrom(0, time());
    }

    function test_growth_fromTheSeal() public {
        _postRedundant(3, 2);
        vm.warp(time() + 500);
        _seal();
        _everyOneFrom(0, time());
    }

    function test_growth_fromTheFreeing() public {
        _wait();
        _join(0, alice);
        vm.warp(commitBy(0) + 5);
        _settle(0, 0, panelOf(alice));
        round = 2;
        _everyOneFrom(0, time());
    }

    /// Within a round the growth carries on from where it was.
    function test_growth_withinTheRound() public {
        uint256 start = time();
        vm.warp(start + 90);
        _join(0, alice);
        _everyOneFrom(0, start);
    }

    /// Each of five has the time that follows from `start`, whether that is over or to come.
    function _everyOneFrom(uint32 first, uint256 start) private {
        address[5] memory all = [bob, carol, dave, erin, frank];
        uint256 toCome;
        for (uint256 i; i < 5; ++i) {
            if (market.providerOf(all[i]).stake == STAKE) {
                vm.prank(all[i]);
                market.unstake(all[i], STAKE - UNIT / 100);
            }
            uint256 from = _drawnFrom(first, round, all[i], start);
            if (from > time()) {
                ++toCome;
                _drawn(first, all[i], from);
            } else {
                uint256 before = vm.snapshotState();
                _join(first, all[i]);
                vm.revertToState(before);
            }
        }
        assertGt(toCome, 2, "most are still to be drawn");
    }

    /// A round's draw is its own: the same addresses have other lots in another lease, and round.
    function test_draw_isFresh() public view {
        uint256 start = time();
        uint256 same;
        address[6] memory all = [alice, bob, carol, dave, erin, frank];
        for (uint256 i; i < 6; ++i) {
            if (_drawnFrom(0, 1, all[i], start) == _drawnFrom(4, 1, all[i], start)) ++same;
            if (_drawnFrom(0, 1, all[i], start) == _drawnFrom(0, 2, all[i], start)) ++same;
        }
        assertLt(same, 12);
    }

    /// Many addresses with half of all stake have half of the seats that are drawn at once: 1.5 of 3, over
    /// 40 leases 60.
    function test_draw_manyAddresses() public {
        address[] memory all = new address[](60);
        for (uint256 i; i < 60; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            all[i] = address(uint160(0xc000 + i));
            stakeOf(all[i], 10 * UNIT);
        }
        vm.warp(time() + 1 days);
        job = redundantJob(3, 2);
        job.terms.tasks = 160;
        (job.price.minPrice, job.price.maxPrice) = (0, 0);
        jobId = post(job);
        _seal();
        uint256 seats;
        for (uint32 first; first < 160; first += 4) {
            for (uint256 i; i < 60; ++i) {
                uint256 before = vm.snapshotState();
                vm.prank(all[i]);
                try market.join(job, first, 1, all[i]) {
                    ++seats;
                    vm.revertToState(before);
                } catch (bytes memory error_) {
                    assertEq(bytes4(error_), IMarket.NotDrawn.selector);
                }
            }
        }
        assertGt(seats, 45);
        assertLt(seats, 75);
    }
}

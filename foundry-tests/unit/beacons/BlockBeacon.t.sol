// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Test} from "forge-std/Test.sol";
import {BlockBeacon} from "piecework/beacons/BlockBeacon.sol";

/// Which hashes BlockBeacon keeps, and when.
contract BlockBeaconTest is Test {
    uint16 private constant BLOCKS = 5;
    uint64 private constant MARGIN = 60;
    uint64 private constant START = 20_000_000;
    uint64 private constant NOW = 1_800_000_000;
    uint64 private constant WRAP = 1 << 24;

    BlockBeacon private beacon;

    function setUp() public {
        beacon = new BlockBeacon(BLOCKS, MARGIN);
        vm.roll(START);
        vm.warp(NOW);
    }

    function _hash(uint256 number) private pure returns (bytes32) {
        return keccak256(abi.encode("block", number));
    }

    /// Goes to a block, and gives `number` its hash if the chain remembers that one there.
    function _roll(uint256 to, uint256 number) private {
        vm.roll(to);
        if (number < to && to - number <= 256) vm.setBlockhash(number, _hash(number));
    }

    function _refused(uint64 id, bytes4 why) private {
        vm.expectRevert(abi.encodeWithSelector(why, id));
        beacon.keep(id);
        assertEq(beacon.seed(id), 0);
    }

    function test_constructor_refusesDelays() public {
        vm.expectRevert(abi.encodeWithSelector(BlockBeacon.BadDelay.selector, 1, MARGIN));
        new BlockBeacon(1, MARGIN);
        vm.expectRevert(abi.encodeWithSelector(BlockBeacon.BadDelay.selector, 2, 1 days + 1));
        new BlockBeacon(2, 1 days + 1);
        BlockBeacon least = new BlockBeacon(2, 0);
        assertEq(least.BLOCKS(), 2);
        assertEq(new BlockBeacon(2, 1 days).MARGIN(), 1 days);
    }

    function test_point_isItsTimeAndItsBlock() public view {
        uint64 id = beacon.point();
        assertEq(id, (NOW + MARGIN) << 24 | ((START + BLOCKS) % WRAP));
        assertEq(beacon.timeOf(id), NOW + MARGIN);
        assertEq(beacon.seed(id), 0);
        assertFalse(beacon.isDead(id));
    }

    function test_keep_storesTheHashOfThePointsBlock() public {
        uint64 id = beacon.point();
        _roll(START + BLOCKS + 1, START + BLOCKS);
        vm.expectEmit(address(beacon));
        emit BlockBeacon.Kept(id, _hash(START + BLOCKS));
        beacon.keep(id);
        assertEq(beacon.seed(id), _hash(START + BLOCKS));
    }

    function test_keep_untilTheBlockIsBuilt_reverts() public {
        uint64 id = beacon.point();
        for (uint256 n = START; n <= START + BLOCKS; ++n) {
            vm.roll(n);
            _refused(id, BlockBeacon.TooEarly.selector);
            assertFalse(beacon.isDead(id));
        }
    }

    function test_keep_withinTheChainsMemoryOnly() public {
        uint64 id = beacon.point();
        _roll(START + BLOCKS + 257, START + BLOCKS);
        _refused(id, BlockBeacon.Forgotten.selector);
        assertTrue(beacon.isDead(id));
        _roll(START + BLOCKS + 256, START + BLOCKS);
        assertFalse(beacon.isDead(id));
        beacon.keep(id);
        assertEq(beacon.seed(id), _hash(START + BLOCKS));
    }

    function test_keep_withinADayOfTheTimeOnly() public {
        uint64 id = beacon.point();
        _roll(START + BLOCKS + 1, START + BLOCKS);
        vm.warp(NOW + MARGIN + 1 days + 1);
        _refused(id, BlockBeacon.TooOld.selector);
        assertTrue(beacon.isDead(id));
        vm.warp(NOW + MARGIN + 1 days);
        assertFalse(beacon.isDead(id));
        beacon.keep(id);
        assertEq(beacon.seed(id), _hash(START + BLOCKS));
    }

    function test_keep_again_changesNothing() public {
        uint64 id = beacon.point();
        _roll(START + BLOCKS + 1, START + BLOCKS);
        beacon.keep(id);
        vm.recordLogs();
        vm.setBlockhash(START + BLOCKS, _hash(1));
        beacon.keep(id);
        vm.roll(START + 1000);
        beacon.keep(id);
        vm.warp(NOW + 365 days);
        beacon.keep(id);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(beacon.seed(id), _hash(START + BLOCKS));
        assertFalse(beacon.isDead(id));
    }

    function test_keep_acrossTheWrapOf24Bits() public {
        vm.roll(2 * WRAP - 2);
        uint64 id = beacon.point();
        assertEq(id % WRAP, 3);
        _refused(id, BlockBeacon.TooEarly.selector);
        _roll(2 * WRAP + 3, 2 * WRAP + 3);
        _refused(id, BlockBeacon.TooEarly.selector);
        _roll(2 * WRAP + 4, 2 * WRAP + 3);
        beacon.keep(id);
        assertEq(beacon.seed(id), _hash(2 * WRAP + 3));
    }

    /// 2^24 blocks later another block ends in the same 24 bits. The point does not take its hash.
    function test_keep_oneWrapLater_reverts() public {
        uint64 id = beacon.point();
        vm.warp(NOW + 30 days);
        _roll(START + BLOCKS + WRAP + 1, START + BLOCKS + WRAP);
        _refused(id, BlockBeacon.TooOld.selector);
        assertTrue(beacon.isDead(id));
    }

    /// Whoever stores the hash of a block of today for a point of the next wrap would know its seed.
    function test_keep_ofAPointOfTheNextWrap_reverts() public {
        _roll(START + 1, START);
        uint64 later = NOW + 30 days;
        uint64 id = (later + MARGIN) << 24 | (START % WRAP);
        _refused(id, BlockBeacon.TooEarly.selector);
        vm.roll(START + WRAP - BLOCKS);
        vm.warp(later);
        assertEq(beacon.point(), id);
        assertEq(beacon.seed(id), 0);
        assertFalse(beacon.isDead(id));
    }

    function test_keep_ofABlockBeforeTheFirst_reverts() public {
        vm.roll(5);
        _refused(NOW << 24 | (WRAP - 5), BlockBeacon.Forgotten.selector);
        vm.roll(300);
        _refused(NOW << 24 | (WRAP - 5), BlockBeacon.Forgotten.selector);
        _refused(0, BlockBeacon.TooOld.selector);
        _refused(type(uint64).max, BlockBeacon.TooEarly.selector);
    }

    /// `keep` and `isDead` against the rule itself, which knows the number of the block.
    function testFuzz_keep_followsTheRule(uint256 start, uint64 time, uint256 ahead, uint64 wait) public {
        start = bound(start, 1, 1 << 40);
        time = uint64(bound(time, 1, 1 << 39));
        ahead = ahead % 2 == 0 ? bound(ahead, 0, 600) : bound(ahead, 0, 1 << 22);
        wait = uint64(bound(wait, 0, 3 days));
        vm.roll(start);
        vm.warp(time);
        uint64 id = beacon.point();
        assertGt(id, 0);
        uint256 number = start + BLOCKS;
        _roll(start + ahead, number);
        vm.warp(time + wait);
        bool built = start + ahead > number;
        bool inMemory = built && start + ahead - number <= 256;
        bool inTime = wait <= MARGIN + 1 days;
        assertEq(beacon.isDead(id), !inTime || (built && !inMemory), "dead");
        if (!inTime) {
            _refused(id, BlockBeacon.TooOld.selector);
        } else if (!built) {
            _refused(id, BlockBeacon.TooEarly.selector);
        } else if (!inMemory) {
            _refused(id, BlockBeacon.Forgotten.selector);
        } else {
            beacon.keep(id);
            assertEq(beacon.seed(id), _hash(number));
            assertFalse(beacon.isDead(id));
        }
    }

    /// Whatever was kept before, a point that is given out has no seed, is not dead, and lies the whole margin and all blocks ahead.
    function testFuzz_point_isNeverKnown(uint64 id, bool near, uint256 ahead, uint64 wait) public {
        if (near) {
            // The time of a point that is given out now or soon, and a block of the last 300.
            id = (NOW + uint64(bound(id >> 24, 0, 200))) << 24 | ((START - id % 300) % WRAP);
        }
        try beacon.keep(id) {} catch {}
        vm.roll(START + bound(ahead, 0, 3 * WRAP));
        // Fewer than 48 blocks a second.
        vm.warp(NOW + vm.getBlockNumber() / 48 - START / 48 + bound(wait, 0, 1 days));
        uint64 taken = beacon.point();
        assertEq(beacon.seed(taken), 0);
        assertFalse(beacon.isDead(taken));
        assertEq(beacon.timeOf(taken), vm.getBlockTimestamp() + MARGIN);
        assertEq(taken % WRAP, (vm.getBlockNumber() + BLOCKS) % WRAP);
    }
}

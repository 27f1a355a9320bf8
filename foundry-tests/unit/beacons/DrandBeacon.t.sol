// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DrandRounds} from "./DrandRounds.t.sol";
import {Test, stdError} from "forge-std/Test.sol";
import {IBeacon} from "piecework/IBeacon.sol";
import {Bls12381} from "piecework/beacons/Bls12381.sol";
import {DrandBeacon} from "piecework/beacons/DrandBeacon.sol";
import {Quicknet} from "piecework/beacons/Quicknet.sol";

/// Which signatures DrandBeacon takes, and which seeds they give.
contract DrandBeaconTest is Test {
    uint64 private constant GENESIS = Quicknet.GENESIS;
    uint64 private constant MINUTE = 60;

    /// quicknet with a point in each minute, as it is deployed.
    DrandBeacon private beacon;
    /// quicknet where every round is a point, because few published vectors lie on whole minutes.
    DrandBeacon private every;
    /// A chain of our own signer, with a point in each minute.
    DrandBeacon private own;
    DrandRounds.Round private first;

    function setUp() public {
        beacon = new DrandBeacon(Quicknet.PUBLIC_KEY, GENESIS, Quicknet.PERIOD, MINUTE, MINUTE);
        every = new DrandBeacon(Quicknet.PUBLIC_KEY, GENESIS, Quicknet.PERIOD, Quicknet.PERIOD, MINUTE);
        own = new DrandBeacon(DrandRounds.OWN_KEY, GENESIS, 3, MINUTE, MINUTE);
        first = DrandRounds.real()[0];
        vm.warp(GENESIS + 1 days);
    }

    // ------------------------------------------------------------------ what is published

    function test_publish_takesEveryRealRound() public {
        DrandRounds.Round[] memory rounds = DrandRounds.real();
        for (uint256 i; i < rounds.length; ++i) {
            DrandRounds.Round memory r = rounds[i];
            assertEq(every.seed(r.round), 0);
            vm.expectEmit(address(every));
            emit DrandBeacon.Published(r.round, r.seed);
            every.publish(r.round, r.signature);
            assertEq(every.seed(r.round), r.seed);
            assertFalse(every.isDead(r.round));
        }
    }

    function test_publish_takesRealRoundsOfWholeMinutesOnly() public {
        DrandRounds.Round[] memory rounds = DrandRounds.real();
        uint256 points;
        for (uint256 i; i < rounds.length; ++i) {
            DrandRounds.Round memory r = rounds[i];
            bool isPoint = (beacon.timeOf(r.round) - GENESIS) % MINUTE == 0;
            if (!isPoint) vm.expectRevert(abi.encodeWithSelector(DrandBeacon.NotAPoint.selector, r.round));
            beacon.publish(r.round, r.signature);
            assertEq(beacon.seed(r.round), isPoint ? r.seed : bytes32(0));
            if (isPoint) ++points;
        }
        assertEq(points, 3);
    }

    function test_publish_takesEveryRoundOfAnotherSigner() public {
        DrandRounds.Round[] memory rounds = DrandRounds.own();
        for (uint256 i; i < rounds.length; ++i) {
            own.publish(rounds[i].round, rounds[i].signature);
            assertEq(own.seed(rounds[i].round), rounds[i].seed);
        }
    }

    function test_publish_again_changesNothing() public {
        beacon.publish(1, first.signature);
        vm.recordLogs();
        beacon.publish(1, first.signature);
        beacon.publish(1, DrandRounds.own()[0].signature);
        beacon.publish(1, "");
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(beacon.seed(1), first.seed);
    }

    function test_publish_ofAnOlderRound_keepsTheNewestTime() public {
        DrandRounds.Round memory later = DrandRounds.real()[3];
        assertEq(beacon.newestTime(), 0);
        beacon.publish(later.round, later.signature);
        assertEq(beacon.newestTime(), GENESIS + 3000);
        beacon.publish(1, first.signature);
        assertEq(beacon.newestTime(), GENESIS + 3000);
    }

    function test_publish_ofATimeBeyond64Bits_reverts() public {
        vm.expectRevert(stdError.arithmeticError);
        own.publish(DrandRounds.LAST_ROUND, DrandRounds.OWN_LAST);
        assertEq(own.seed(DrandRounds.LAST_ROUND), 0);
    }

    // ------------------------------------------------------------------ what is refused

    /// With five times the gas that publishing takes: what is refused is refused for what it is.
    function _refused(DrandBeacon to, uint64 round, bytes memory signature, bytes4 why) private {
        vm.expectRevert(abi.encodeWithSelector(why, round));
        to.publish{gas: 1_000_000}(round, signature);
        assertEq(to.seed(round), 0);
        assertEq(to.newestTime(), 0);
    }

    function _wrong(bytes memory signature) private {
        _refused(beacon, 1, signature, DrandBeacon.WrongSignature.selector);
    }

    function _malformed(bytes memory signature) private {
        _refused(beacon, 1, signature, DrandBeacon.MalformedSignature.selector);
    }

    function test_publish_ofRound0_reverts() public {
        _refused(beacon, 0, first.signature, DrandBeacon.NotAPoint.selector);
        _refused(every, 0, first.signature, DrandBeacon.NotAPoint.selector);
    }

    function test_publish_ofAnotherRoundsSignature_reverts() public {
        DrandRounds.Round[] memory rounds = DrandRounds.real();
        for (uint256 i; i < rounds.length; ++i) {
            for (uint256 j; j < rounds.length; ++j) {
                if (i == j) continue;
                _refused(every, rounds[i].round, rounds[j].signature, DrandBeacon.WrongSignature.selector);
            }
        }
    }

    function test_publish_ofAnotherSignersSignature_reverts() public {
        _wrong(DrandRounds.own()[0].signature);
        _refused(own, 1, first.signature, DrandBeacon.WrongSignature.selector);
    }

    function test_publish_ofANegatedSignature_reverts() public {
        _wrong(DrandRounds.REAL_1_NEGATED);
    }

    function test_publish_ofInfinity_reverts() public {
        _wrong(new bytes(128));
    }

    /// The right key on a message that is hashed otherwise.
    function test_publish_ofASignatureOfAnotherScheme_reverts() public {
        _refused(own, 1, DrandRounds.OWN_1_OTHER_TAG, DrandBeacon.WrongSignature.selector);
        _refused(own, 1, DrandRounds.OWN_1_LITTLE_ENDIAN, DrandBeacon.WrongSignature.selector);
    }

    /// Without this check a round would have more than one seed, and whoever publishes it would choose among them.
    function test_publish_ofASignaturePlusTorsion_reverts() public {
        _malformed(DrandRounds.REAL_1_PLUS_TORSION);
    }

    function test_publish_ofAPointOutsideG1_reverts() public {
        _malformed(DrandRounds.OUTSIDE_G1);
    }

    function test_publish_ofACoordinateThatIsNotReduced_reverts() public {
        _malformed(DrandRounds.REAL_1_X_PLUS_P);
        _malformed(DrandRounds.REAL_1_Y_PLUS_P);
    }

    function test_publish_ofAnotherLength_reverts() public {
        bytes memory signature = first.signature;
        _malformed("");
        _malformed(first.compressed);
        _malformed(new bytes(96));
        _malformed(new bytes(127));
        _malformed(bytes.concat(signature, hex"00"));
        _malformed(bytes.concat(signature, signature));
        assembly ("memory-safe") {
            mstore(signature, 127)
        }
        _malformed(signature);
    }

    /// No other bytes publish this round: a changed bit leaves the curve, the field or the encoding.
    function testFuzz_publish_ofAChangedBit_reverts(uint256 bit) public {
        bytes memory signature = first.signature;
        bit = bound(bit, 0, 1023);
        signature[bit / 8] ^= bytes1(0x80) >> (bit % 8);
        _malformed(signature);
    }

    /// The fuzzer finds the vectors of this file. Nothing else is taken.
    function testFuzz_publish_ofAnyBytes_takesRealRoundsOnly(uint64 round, bytes calldata signature) public {
        (bool ok,) =
            address(every).call{gas: 1_000_000}(abi.encodeCall(DrandBeacon.publish, (round, signature)));
        bytes32 expected;
        DrandRounds.Round[] memory rounds = DrandRounds.real();
        for (uint256 i; i < rounds.length; ++i) {
            bool real = round == rounds[i].round && keccak256(signature) == keccak256(rounds[i].signature);
            if (real) expected = rounds[i].seed;
        }
        assertEq(ok, expected != 0);
        assertEq(every.seed(round), expected);
    }

    /// One more pair before the others: e(-H, key) e(0, -G2) e(H, key) is 1 without any signature.
    function test_publish_ofAForgedThirdPair_reverts() public {
        bytes memory tag = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
        bytes memory hash = Bls12381.hashToG1(abi.encodePacked(sha256(abi.encodePacked(uint64(21)))), tag);
        bytes memory forged = bytes.concat(_negated(hash), beacon.publicKey(), new bytes(128));
        (bool valid, bool one) =
            Bls12381.pair(bytes.concat(forged, Bls12381.NEGATED_G2, hash, beacon.publicKey()));
        assertTrue(valid && one, "only its length gives it away");
        _refused(beacon, 21, forged, DrandBeacon.MalformedSignature.selector);
    }

    function _negated(bytes memory point) private pure returns (bytes memory) {
        (uint256 xHigh, uint256 xLow, uint256 yHigh, uint256 yLow) =
            abi.decode(point, (uint256, uint256, uint256, uint256));
        uint256 pLow = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
        unchecked {
            yHigh = 0x1a0111ea397fe69a4b1ba7b6434bacd7 - yHigh - (yLow > pLow ? 1 : 0);
            yLow = pLow - yLow;
        }
        return abi.encode(xHigh, xLow, yHigh, yLow);
    }

    /// A precompile that runs out of gas publishes nothing.
    function testFuzz_publish_withLittleGas_isRightOrReverts(uint256 gas) public {
        gas = bound(gas, 0, 300_000);
        (bool ok,) = address(beacon).call{gas: gas}(abi.encodeCall(DrandBeacon.publish, (1, first.signature)));
        assertEq(beacon.seed(1), ok ? first.seed : bytes32(0));
        assertEq(beacon.newestTime(), ok ? GENESIS : 0);
    }

    // ------------------------------------------------------------------ the constructor

    function _badTimes(uint64 period, uint64 pointPeriod, uint64 margin) private {
        vm.expectRevert(abi.encodeWithSelector(DrandBeacon.BadTimes.selector, period, pointPeriod, margin));
        new DrandBeacon(Quicknet.PUBLIC_KEY, GENESIS, period, pointPeriod, margin);
    }

    function test_constructor_refusesTimesThatAreNoPoints() public {
        _badTimes(0, 60, 60);
        _badTimes(3, 0, 60);
        _badTimes(3, 60, 0);
        _badTimes(3, 61, 60);
        _badTimes(60, 3, 60);
    }

    function _badKey(bytes memory key) private {
        vm.expectRevert(DrandBeacon.BadKey.selector);
        new DrandBeacon(key, GENESIS, 3, 60, 60);
    }

    function test_constructor_refusesKeysThatAreNoPoints() public {
        bytes memory key = Quicknet.PUBLIC_KEY;
        _badKey("");
        _badKey(new bytes(256));
        _badKey(bytes.concat(key, hex"00"));
        _badKey(bytes.concat(key, new bytes(384))); // and a pair of infinities
        _badKey(DrandRounds.OUTSIDE_G2);
        key[255] ^= 0x01;
        _badKey(key);
    }

    /// On a chain without the precompile the call succeeds and returns nothing.
    function test_constructor_withoutAPrecompile_reverts() public {
        address[4] memory needed = [address(0x05), address(0x10), address(0x0b), address(0x0f)];
        for (uint256 i; i < needed.length; ++i) {
            vm.mockCall(needed[i], bytes(""), "");
            vm.expectRevert(abi.encodeWithSelector(Bls12381.MissingPrecompile.selector, needed[i]));
            new DrandBeacon(Quicknet.PUBLIC_KEY, GENESIS, 3, 60, 60);
            vm.clearMockedCalls();
        }
    }

    /// forge-config: default.evm_version = "cancun"
    function test_constructor_onCancun_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Bls12381.MissingPrecompile.selector, address(0x10)));
        new DrandBeacon(Quicknet.PUBLIC_KEY, GENESIS, 3, 60, 60);
    }

    function test_views_sayWhatItWasDeployedWith() public view {
        assertEq(beacon.publicKey(), Quicknet.PUBLIC_KEY);
        assertEq(beacon.GENESIS(), GENESIS);
        assertEq(beacon.PERIOD(), 3);
        assertEq(beacon.POINT_PERIOD(), MINUTE);
        assertEq(beacon.MARGIN(), MINUTE);
        assertEq(beacon.timeOf(1), GENESIS);
        assertEq(beacon.timeOf(1001), GENESIS + 3000);
    }

    // ------------------------------------------------------------------ points

    function test_point_isTheFirstBeyondTheMargin() public {
        vm.warp(GENESIS - 1 days);
        assertEq(beacon.point(), 1);
        vm.warp(GENESIS - MINUTE);
        assertEq(beacon.point(), 1, "exactly the margin");
        vm.warp(GENESIS - MINUTE + 1);
        assertEq(beacon.point(), 21);
        vm.warp(GENESIS);
        assertEq(beacon.point(), 21);
        vm.warp(GENESIS + 1);
        assertEq(beacon.point(), 41);
    }

    /// Of a chain with any times, at any time.
    function testFuzz_point_isTheFirstBeyondTheMargin(
        uint64 genesis,
        uint64 period,
        uint64 periods,
        uint64 margin,
        uint64 time
    ) public {
        genesis = uint64(bound(genesis, 0, 1 << 40));
        period = uint64(bound(period, 1, 1 days));
        uint64 pointPeriod = period * uint64(bound(periods, 1, 1000));
        margin = uint64(bound(margin, 1, 1 days));
        time = uint64(bound(time, 0, 1 << 41));
        DrandBeacon any = new DrandBeacon(DrandRounds.OWN_KEY, genesis, period, pointPeriod, margin);
        vm.warp(time);
        _firstBeyond(any, time);
    }

    function _firstBeyond(DrandBeacon any, uint64 time) private view {
        uint64 id = any.point();
        uint64 rounds = any.POINT_PERIOD() / any.PERIOD();
        assertGt(id, 0);
        assertEq((id - 1) % rounds, 0, "it can be published");
        assertEq(any.seed(id), 0, "it is unknown");
        assertGe(any.timeOf(id), time + any.MARGIN());
        if (id > 1) assertLt(any.timeOf(id - rounds), time + any.MARGIN(), "none before is far enough");
    }

    /// A clock that lags, while others publish what drand has signed: no point that is published, or whose time passed, is ever given.
    function testFuzz_point_isNeverKnown(uint256 order, uint64[6] calldata clocks) public {
        DrandRounds.Round[] memory rounds = DrandRounds.own();
        uint64 newest;
        for (uint256 i; i < rounds.length; ++i) {
            DrandRounds.Round memory r = rounds[(order >> (8 * i)) % rounds.length];
            own.publish(r.round, r.signature);
            if (own.timeOf(r.round) > newest) newest = own.timeOf(r.round);
            uint64 clock = uint64(bound(clocks[i], GENESIS - 1 hours, GENESIS + 3 hours));
            vm.warp(clock);
            _firstBeyond(own, clock > newest ? clock : newest);
        }
    }

    function test_point_goesBeyondAPublishedRoundWhenTheClockLags() public {
        vm.warp(GENESIS + 2990);
        assertEq(beacon.point(), 1021, "one minute and ten seconds ahead");
        vm.warp(GENESIS + 100);
        assertEq(beacon.point(), 61, "drand has signed it");
        DrandRounds.Round memory newest = DrandRounds.real()[3];
        beacon.publish(newest.round, newest.signature);
        assertEq(beacon.point(), 1021);
    }

    function test_aPointOnceTaken_keepsItsSeedWhateverFollows() public {
        IBeacon any = beacon;
        vm.warp(GENESIS - MINUTE);
        uint64 id = any.point();
        beacon.publish(1001, DrandRounds.real()[3].signature);
        vm.warp(GENESIS + 365 days);
        assertEq(any.seed(id), 0);
        assertFalse(any.isDead(id));
        beacon.publish(id, first.signature);
        assertEq(any.seed(id), first.seed);
    }
}

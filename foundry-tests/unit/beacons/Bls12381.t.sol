// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DrandRounds} from "./DrandRounds.t.sol";
import {Test} from "forge-std/Test.sol";
import {Bls12381} from "piecework/beacons/Bls12381.sol";

/// The library's functions, called from outside.
contract Curve {
    function hashToG1(bytes memory message, bytes memory dst) external view returns (bytes memory) {
        return Bls12381.hashToG1(message, dst);
    }

    function pair(bytes memory pairs) external view returns (bool valid, bool one) {
        return Bls12381.pair(pairs);
    }

    function compress(bytes memory point) external pure returns (bytes memory) {
        return Bls12381.compress(point);
    }
}

/// The curve behind DrandBeacon, against what others published.
contract Bls12381Test is Test {
    bytes private constant RFC_TAG = "QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
    bytes private constant G2 = hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
        hex"000000000000000000000000000000000606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be";

    Curve private curve = new Curve();

    function _hashes(bytes memory message, bytes memory x, bytes memory y) private view {
        bytes memory zeros = new bytes(16);
        assertEq(curve.hashToG1(message, RFC_TAG), bytes.concat(zeros, x, zeros, y));
    }

    function _repeat(bytes memory start, bytes1 letter, uint256 times)
        private
        pure
        returns (bytes memory all)
    {
        all = start;
        for (uint256 i; i < times; ++i) {
            all = bytes.concat(all, letter);
        }
    }

    /// RFC 9380, J.9.1: all five messages.
    function test_hashToG1_vectorsOfTheRfc() public view {
        _hashes(
            "",
            hex"052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
            hex"08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265"
        );
        _hashes(
            "abc",
            hex"03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
            hex"0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d"
        );
        _hashes(
            "abcdef0123456789",
            hex"11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57a6a27200a784cbc248e84f357ce82d98",
            hex"03a87ae2caf14e8ee52e51fa2ed8eefe80f02457004ba4d486d6aa1f517c0889501dc7413753f9599b099ebcbbd2d709"
        );
        _hashes(
            _repeat("q128_", "q", 128),
            hex"15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf58d7cb86eefe8f2e9bc3f8cb84fac488",
            hex"1807a1d50c29f430b8cafc4f8638dfeeadf51211e1602a5f184443076715f91bb90a48ba1e370edce6ae1062f5e6dd38"
        );
        _hashes(
            _repeat("a512_", "a", 512),
            hex"082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3ca2dcfe",
            hex"05b84ae5a942248eea39e1d91030458c40153f3b654ab7872d779ad1e942856a20c438e8d99bc8abfbf74729ce1f7ac8"
        );
    }

    function test_compress_isWhatDrandServes() public view {
        DrandRounds.Round[] memory rounds = DrandRounds.real();
        for (uint256 i; i < rounds.length; ++i) {
            assertEq(curve.compress(rounds[i].signature), rounds[i].compressed);
        }
    }

    /// y = (p - 1) / 2 is the smaller root of its pair, y = (p + 1) / 2 the larger one. Halves that differ in their upper word alone.
    function test_compress_tellsTheLargerRoot() public view {
        bytes memory x = new bytes(64);
        uint256 high = 0xd0088f51cbff34d258dd3db21a5d66b;
        uint256 low = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;
        assertEq(uint8(curve.compress(bytes.concat(x, abi.encode(high, low)))[0]), 0x80);
        assertEq(uint8(curve.compress(bytes.concat(x, abi.encode(high, low + 1)))[0]), 0xa0);
        assertEq(uint8(curve.compress(bytes.concat(x, abi.encode(high + 1, 0)))[0]), 0xa0);
        assertEq(uint8(curve.compress(bytes.concat(x, abi.encode(high - 1, type(uint256).max)))[0]), 0x80);
    }

    function test_pair_ofAPointAndBothGenerators() public view {
        bytes memory point = curve.hashToG1("abc", RFC_TAG);
        (bool valid, bool one) = curve.pair(bytes.concat(point, G2, point, Bls12381.NEGATED_G2));
        assertTrue(valid && one, "e(P, G) e(P, -G) = 1");
        (valid, one) = curve.pair(bytes.concat(point, G2, point, G2));
        assertTrue(valid && !one);
        (valid, one) = curve.pair(bytes.concat(DrandRounds.OUTSIDE_G1, G2));
        assertFalse(valid || one);
    }

    /// On a chain without the precompile the call succeeds and returns nothing.
    function test_hashToG1_withoutAPrecompile_reverts() public {
        address[3] memory needed = [address(0x05), address(0x10), address(0x0b)];
        for (uint256 i; i < needed.length; ++i) {
            vm.mockCall(needed[i], bytes(""), "");
            vm.expectRevert(abi.encodeWithSelector(Bls12381.MissingPrecompile.selector, needed[i]));
            curve.hashToG1("", "");
            vm.clearMockedCalls();
        }
        assertEq(curve.hashToG1("", "").length, 128);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";

interface ITypedData {
    /// forge's own EIP-712 encoder, which reads typed data as wallets do.
    function eip712HashTypedData(string calldata json) external pure returns (bytes32);
}

/// What a wallet is shown, as JSON, and signs.
abstract contract Typed is Base {
    uint256 internal clientKey;

    function setUp() public virtual override {
        super.setUp();
        (, clientKey) = makeAddrAndKey("client");
    }

    /// The digest of a struct of one type, in the domain `name`, version 1, of `at` on this chain.
    function typed(
        string memory name,
        address at,
        string memory primary,
        string memory fields,
        string memory message
    ) internal view returns (bytes32) {
        string memory domain = string.concat(
            '"domain":{"name":"',
            name,
            '","version":"1","chainId":',
            vm.toString(block.chainid),
            ',"verifyingContract":"',
            vm.toString(at),
            '"}'
        );
        string memory types = string.concat(
            '"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},',
            '{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"',
            primary,
            '":',
            fields,
            "}"
        );
        return ITypedData(address(vm))
            .eip712HashTypedData(
                string.concat(
                    "{", types, ',"primaryType":"', primary, '",', domain, ',"message":', message, "}"
                )
            );
    }

    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// The other signature that a curve has for the same digest: refused everywhere.
    function malleated(bytes memory signature) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = parts(signature);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        return abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27));
    }

    /// The same in 64 bytes (ERC-2098).
    function compact(bytes memory signature) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = parts(signature);
        return abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255));
    }

    function parts(bytes memory signature) internal pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";
import {IMarket} from "piecework/IMarket.sol";

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

    /// The digest of a struct of one type, in the market's domain on this chain.
    function typed(string memory primary, string memory fields, string memory message)
        internal
        view
        returns (bytes32)
    {
        return typed("Piecework", "2", address(market), primary, fields, message);
    }

    /// The digest of a struct of one type, in the domain of `at` on this chain.
    function typed(
        string memory name,
        string memory version,
        address at,
        string memory primary,
        string memory fields,
        string memory message
    ) internal view returns (bytes32) {
        string memory domain = string.concat(
            '"domain":{"name":"',
            name,
            '","version":"',
            version,
            '","chainId":',
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

    /// The digest that a wallet shows and signs for a job.
    function jobDigest(IMarket.Job memory job) internal view returns (bytes32) {
        string memory fields = string.concat(
            '[{"name":"terms","type":"Terms"},{"name":"assurance","type":"Assurance"},',
            '{"name":"price","type":"Price"},{"name":"timing","type":"Timing"}],',
            '"Terms":[{"name":"client","type":"address"},{"name":"nonce","type":"uint64"},{"name":"spec","type":"bytes32"},',
            '{"name":"tasks","type":"uint32"},{"name":"minLease","type":"uint32"},{"name":"maxLease","type":"uint32"},',
            '{"name":"providers","type":"bytes32"}],',
            '"Assurance":[{"name":"replicas","type":"uint8"},{"name":"quorum","type":"uint8"},',
            '{"name":"auditBps","type":"uint16"},{"name":"refund","type":"bool"},{"name":"verifier","type":"address"}],',
            '"Price":[{"name":"minPrice","type":"uint128"},{"name":"maxPrice","type":"uint128"},',
            '{"name":"bond","type":"uint128"},{"name":"juryFee","type":"uint128"}],',
            '"Timing":[{"name":"opensAt","type":"uint64"},{"name":"ramp","type":"uint64"},{"name":"closesAt","type":"uint64"},',
            '{"name":"runWindow","type":"uint64"},{"name":"auditWindow","type":"uint64"}]'
        );
        string memory message = string.concat(
            '{"terms":',
            _terms(job.terms),
            ',"assurance":',
            _assurance(job.assurance),
            ',"price":',
            _price(job.price),
            ',"timing":',
            _timing(job.timing),
            "}"
        );
        return typed("Job", fields, message);
    }

    /// The digest that a wallet shows and signs for the end of a job.
    function cancelDigest(bytes32 jobId) internal view returns (bytes32) {
        string memory message = string.concat('{"jobId":"', vm.toString(jobId), '"}');
        return typed("Cancel", '[{"name":"jobId","type":"bytes32"}]', message);
    }

    function _terms(IMarket.Terms memory terms) private pure returns (string memory text) {
        text = string.concat(
            '{"client":"',
            vm.toString(terms.client),
            '","nonce":',
            vm.toString(terms.nonce),
            ',"spec":"',
            vm.toString(terms.spec),
            '","tasks":',
            vm.toString(terms.tasks)
        );
        return string.concat(
            text,
            ',"minLease":',
            vm.toString(terms.minLease),
            ',"maxLease":',
            vm.toString(terms.maxLease),
            ',"providers":"',
            vm.toString(terms.providers),
            '"}'
        );
    }

    function _assurance(IMarket.Assurance memory assurance) private pure returns (string memory) {
        return string.concat(
            '{"replicas":',
            vm.toString(assurance.replicas),
            ',"quorum":',
            vm.toString(assurance.quorum),
            ',"auditBps":',
            vm.toString(assurance.auditBps),
            ',"refund":',
            vm.toString(assurance.refund),
            ',"verifier":"',
            vm.toString(assurance.verifier),
            '"}'
        );
    }

    function _price(IMarket.Price memory price) private pure returns (string memory) {
        return string.concat(
            '{"minPrice":"',
            vm.toString(price.minPrice),
            '","maxPrice":"',
            vm.toString(price.maxPrice),
            '","bond":"',
            vm.toString(price.bond),
            '","juryFee":"',
            vm.toString(price.juryFee),
            '"}'
        );
    }

    function _timing(IMarket.Timing memory timing) private pure returns (string memory) {
        return string.concat(
            '{"opensAt":',
            vm.toString(timing.opensAt),
            ',"ramp":',
            vm.toString(timing.ramp),
            ',"closesAt":',
            vm.toString(timing.closesAt),
            ',"runWindow":',
            vm.toString(timing.runWindow),
            ',"auditWindow":',
            vm.toString(timing.auditWindow),
            "}"
        );
    }

    // ------------------------------------------------------------------ signatures

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

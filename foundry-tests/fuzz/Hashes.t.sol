// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base, IEip5267} from "../helpers/Base.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";
import {JobResult} from "piecework/JobResult.sol";

/// The hashes of the protocol against a second writing of them from the documented types. The
/// vectors in contracts/abi are what the Rust side is tested with; they are compared in every run
/// (WRITE_VECTORS=true writes them).
contract HashesTest is Base {
    string private constant HEAD = "Job(Terms terms,Assurance assurance,Price price,Timing timing)";
    string private constant ASSURANCE =
        "Assurance(uint8 replicas,uint8 quorum,uint16 auditBps,bool refund,address verifier)";
    string private constant PRICE = "Price(uint128 minPrice,uint128 maxPrice,uint128 bond,uint128 juryFee)";
    string private constant TERMS =
        "Terms(address client,uint64 nonce,bytes32 spec,uint32 tasks,uint32 minLease,uint32 maxLease,bytes32 providers)";
    string private constant TIMING =
        "Timing(uint64 opensAt,uint64 ramp,uint64 closesAt,uint64 runWindow,uint64 auditWindow)";
    string private constant DOMAIN =
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

    /// The type that wallets show: the struct, then its parts in alphabetical order.
    function _type() private pure returns (string memory) {
        return string.concat(HEAD, ASSURANCE, PRICE, TERMS, TIMING);
    }

    function _separator(uint256 chainId, address at) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(keccak256(bytes(DOMAIN)), keccak256("Piecework"), keccak256("2"), chainId, at)
            );
    }

    /// Each part is static: its encoding is the words of its members.
    function _struct(IMarket.Job memory job) private pure returns (bytes32) {
        bytes32 terms = keccak256(bytes.concat(keccak256(bytes(TERMS)), abi.encode(job.terms)));
        bytes32 assurance = keccak256(bytes.concat(keccak256(bytes(ASSURANCE)), abi.encode(job.assurance)));
        bytes32 price = keccak256(bytes.concat(keccak256(bytes(PRICE)), abi.encode(job.price)));
        bytes32 timing = keccak256(bytes.concat(keccak256(bytes(TIMING)), abi.encode(job.timing)));
        return keccak256(abi.encode(keccak256(bytes(_type())), terms, assurance, price, timing));
    }

    function _arguments() private view returns (bytes memory) {
        return abi.encode(address(token), address(beacon), governor, treasury, FEE, times(), false);
    }

    function _id(IMarket.Job memory job) private view returns (bytes32) {
        return
            keccak256(abi.encodePacked("\x19\x01", _separator(block.chainid, address(market)), _struct(job)));
    }

    function testFuzz_hashJob_anyJob_isItsEip712Hash(IMarket.Job memory job) public view {
        assertEq(market.hashJob(job), _id(job));
    }

    /// P-16: the id changes with every bit of every field.
    function testFuzz_hashJob_anyBit_changesIt(IMarket.Job memory job, uint256 at) public view {
        bytes memory words = abi.encode(job);
        uint256 word = at % 21;
        // Bits of each field, in the order of the struct.
        uint256[21] memory widths = [
            uint256(160), 64, 256, 32, 32, 32, 256, 8, 8, 16, 1, 160, 128, 128, 128, 128, 64, 64, 64, 64, 64
        ];
        uint256 bit = 2 ** ((at >> 8) % widths[word]);
        assembly ("memory-safe") {
            let place := add(words, mul(32, add(word, 1)))
            mstore(place, xor(mload(place), bit))
        }
        assertNotEq(market.hashJob(abi.decode(words, (IMarket.Job))), market.hashJob(job));
    }

    /// P-16: the same job has another id on another chain; a market whose chain changes its id keeps its jobs.
    function test_hashJob_otherChain_isAnother() public {
        uint256 chain = block.chainid;
        bytes32 here = market.hashJob(aJob());
        vm.chainId(chain + 1);
        assertEq(market.hashJob(aJob()), here);
        deployCodeTo("Market.sol:Market", _arguments(), address(market));
        assertEq(market.hashJob(aJob()), _id(aJob()));
        assertNotEq(market.hashJob(aJob()), here);
    }

    function test_eip712Domain_fields_areVersion2() public view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address at,
            bytes32 salt,
            uint256[] memory extensions
        ) = IEip5267(address(market)).eip712Domain();
        assertEq(fields, hex"0f");
        assertEq(name, "Piecework");
        assertEq(version, "2");
        assertEq(chainId, block.chainid);
        assertEq(at, address(market));
        assertEq(salt, 0);
        assertEq(extensions.length, 0);
    }

    /// P-12 for trees of every size.
    function testFuzz_P12_tree_anySize_provesOneDigest(
        uint32 first,
        uint16 count,
        uint16 at,
        uint16 other,
        bytes32 forged
    ) public pure {
        count = uint16(bound(count, 1, 300));
        first = uint32(bound(first, 0, type(uint32).max - count));
        at = uint16(bound(at, 0, count - 1));
        other = uint16(bound(other, 0, count - 1));
        bytes32[] memory digests = Merkle.someDigests(first, count);
        bytes32 root = Merkle.root(first, digests);
        bytes32[] memory proof = Merkle.proof(first, digests, first + at);
        assertTrue(JobResult.verify(root, first, count, first + at, digests[at], proof));
        assertFalse(JobResult.verify(root, first, count, first + at, forged, proof));
        if (other != at) {
            assertFalse(JobResult.verify(root, first, count, first + other, digests[other], proof));
            assertFalse(JobResult.verify(root, first, count, first + other, digests[at], proof));
        }
        if (proof.length > 0) {
            proof[at % proof.length] ^= bytes32(uint256(1));
            assertFalse(JobResult.verify(root, first, count, first + at, digests[at], proof));
        }
    }

    // ------------------------------------------------------------------ vectors for the other implementations

    function _same(string memory name, string memory text) private {
        string memory file = string.concat("contracts/abi/", name);
        if (vm.envOr("WRITE_VECTORS", false)) vm.writeFile(file, text);
        assertEq(vm.readFile(file), text, string.concat(name, " is stale: run with WRITE_VECTORS=true"));
    }

    function _list(bytes32[] memory values) private pure returns (string memory text) {
        for (uint256 i; i < values.length; ++i) {
            text = string.concat(text, i == 0 ? "" : ",", "\n      \"", vm.toString(values[i]), "\"");
        }
        text = string.concat("[", text, values.length == 0 ? "]" : "\n    ]");
    }

    function test_vectors_ofTrees_areFresh() public {
        uint32[8] memory counts = [uint32(1), 2, 3, 4, 5, 7, 8, 33];
        uint32[8] memory firsts = [uint32(0), 0, 7, 100, 4_294_967_290, 1, 2048, 65_535];
        uint32[8] memory tasks = [uint32(0), 1, 9, 102, 4_294_967_294, 4, 2048, 65_567];
        string memory text = "[";
        for (uint256 i; i < 8; ++i) {
            bytes32[] memory digests = Merkle.someDigests(i, counts[i]);
            bytes32 root = Merkle.root(firsts[i], digests);
            bytes32[] memory proof = Merkle.proof(firsts[i], digests, tasks[i]);
            assertTrue(
                JobResult.verify(root, firsts[i], counts[i], tasks[i], digests[tasks[i] - firsts[i]], proof)
            );
            text = string.concat(
                text,
                i == 0 ? "\n  {" : ",\n  {",
                "\n    \"first\": ",
                vm.toString(firsts[i]),
                ",\n    \"count\": ",
                vm.toString(counts[i]),
                ",\n    \"digests\": ",
                _list(digests)
            );
            text = string.concat(
                text,
                ",\n    \"root\": \"",
                vm.toString(root),
                "\",\n    \"task\": ",
                vm.toString(tasks[i]),
                ",\n    \"proof\": ",
                _list(proof),
                "\n  }"
            );
        }
        _same("merkle-vectors.json", string.concat(text, "\n]\n"));
    }

    function test_vector_ofJobHash_isFresh() public {
        IMarket.Job memory job;
        job.terms = IMarket.Terms({
            client: address(0x1111111111111111111111111111111111111111),
            nonce: 42,
            spec: keccak256("spec"),
            tasks: 48,
            minLease: 8,
            maxLease: 16,
            providers: 0
        });
        job.assurance =
            IMarket.Assurance({replicas: 1, quorum: 1, auditBps: 5000, refund: true, verifier: address(0)});
        job.price = IMarket.Price({minPrice: 1e15, maxPrice: 2e15, bond: 3e15, juryFee: 4e15});
        job.timing = IMarket.Timing({
            opensAt: 1_800_000_000, ramp: 600, closesAt: 1_800_086_400, runWindow: 900, auditWindow: 7200
        });
        vm.chainId(31_337);
        address at = address(0x2222222222222222222222222222222222222222);
        deployCodeTo("Market.sol:Market", _arguments(), at);
        market = IMarket(at);
        bytes32 id = _id(job);
        assertEq(market.hashJob(job), id);

        string memory text = string.concat(
            "{\n  \"type\": \"",
            _type(),
            "\",\n  \"chainId\": 31337,\n  \"market\": \"",
            vm.toString(at),
            "\",\n  \"name\": \"Piecework\",\n  \"version\": \"2\",\n  \"domainSeparator\": \"",
            vm.toString(_separator(31_337, at)),
            "\",\n  \"structHash\": \"",
            vm.toString(_struct(job)),
            "\",\n  \"jobId\": \"",
            vm.toString(id)
        );
        text = string.concat(
            text,
            "\",\n  \"job\": {\n    \"terms\": {\n      \"client\": \"",
            vm.toString(job.terms.client),
            "\",\n      \"nonce\": 42,\n      \"spec\": \"",
            vm.toString(job.terms.spec),
            "\",\n      \"tasks\": 48,\n      \"minLease\": 8,\n      \"maxLease\": 16,\n      \"providers\": \"",
            vm.toString(job.terms.providers),
            "\"\n    },\n    \"assurance\": {\n      \"replicas\": 1,\n      \"quorum\": 1,\n      \"auditBps\": 5000,\n",
            "      \"refund\": true,\n      \"verifier\": \"",
            vm.toString(job.assurance.verifier),
            "\"\n    },\n"
        );
        text = string.concat(
            text,
            "    \"price\": {\n      \"minPrice\": \"1000000000000000\",\n      \"maxPrice\": \"2000000000000000\",\n",
            "      \"bond\": \"3000000000000000\",\n      \"juryFee\": \"4000000000000000\"\n    },\n",
            "    \"timing\": {\n      \"opensAt\": 1800000000,\n      \"ramp\": 600,\n      \"closesAt\": 1800086400,\n",
            "      \"runWindow\": 900,\n      \"auditWindow\": 7200\n    }\n  }\n}\n"
        );
        _same("job-hash-vector.json", text);
    }
}

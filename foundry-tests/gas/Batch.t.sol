// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// What signatures, proofs and batches cost, as `Gas.t.sol` measures.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract BatchGasTest is Base {
    string private constant GROUP = "Batch";

    function test_finalizes() public {
        IMarket.Job memory job = aJob();
        job.terms.tasks = 11;
        job.terms.maxLease = 1;
        post(job);
        for (uint32 i; i < 11; ++i) {
            claim(job, alice, 1);
            submit(job, alice, i);
        }
        vm.warp(time() + job.timing.challengeWindow + 1);
        market.finalize(job, 10); // what a market that runs has warm is not zero
        uint256 alone = vm.snapshotGasLastCall(GROUP, "finalize, alone");
        bytes[] memory calls = new bytes[](10);
        for (uint32 i; i < 10; ++i) {
            calls[i] = abi.encodeCall(IMarket.finalize, (job, i));
        }
        IMulticall(address(market)).multicall(calls);
        uint256 all = vm.snapshotGasLastCall(GROUP, "batch of 10 finalizes");
        vm.snapshotValue(GROUP, "batch of 10 finalizes, each", all / 10);
        assertLt(all / 10, alone / 2);
    }

    function test_signatures() public {
        (, uint256 key) = makeAddrAndKey("client");
        IMarket.Job memory job = aJob();
        post(job); // the client's ledger and the fee's slot are warm
        job.terms.nonce = 8;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, market.hashJob(job));
        vm.prank(anyone);
        market.postFor(job, spec, abi.encodePacked(r, s, v));
        vm.snapshotGasLastCall(GROUP, "postFor, by key");
        vm.prank(client);
        market.revoke(8);
        vm.snapshotGasLastCall(GROUP, "revoke");
    }
}

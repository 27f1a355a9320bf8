// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DrandRounds} from "../unit/beacons/DrandRounds.t.sol";
import {Test} from "forge-std/Test.sol";
import {BlockBeacon} from "piecework/beacons/BlockBeacon.sol";
import {DrandBeacon} from "piecework/beacons/DrandBeacon.sol";
import {Quicknet} from "piecework/beacons/Quicknet.sol";

/// What it costs to make a seed public: `publish` and `keep` are transactions of their own (21,000 and calldata
/// included), `point` is what the market's call to it costs.
/// Compared with snapshots/Beacons.json in every run.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract BeaconsGasTest is Test {
    string private constant GROUP = "Beacons";

    function test_drand() public {
        DrandRounds.Round[] memory rounds = DrandRounds.real();
        DrandBeacon beacon = new DrandBeacon(Quicknet.PUBLIC_KEY, Quicknet.GENESIS, Quicknet.PERIOD, 60, 60);
        beacon.publish(rounds[0].round, rounds[0].signature);
        // The newest time is not zero now, as on a chain that runs.
        beacon.publish(rounds[3].round, rounds[3].signature);
        uint256 gas = vm.snapshotGasLastCall(GROUP, "DrandBeacon: publish");
        assertLt(gas, 185_000, "over the target");
        beacon.publish(rounds[3].round, rounds[3].signature);
        vm.snapshotGasLastCall(GROUP, "DrandBeacon: publish, again");
        beacon.point();
        vm.snapshotGasLastCall(GROUP, "DrandBeacon: point");
    }

    function test_block() public {
        BlockBeacon beacon = new BlockBeacon(2, 24);
        uint64 id = beacon.point();
        vm.snapshotGasLastCall(GROUP, "BlockBeacon: point");
        vm.roll(vm.getBlockNumber() + 3);
        vm.setBlockhash(vm.getBlockNumber() - 1, keccak256("seed"));
        beacon.keep(id);
        vm.snapshotGasLastCall(GROUP, "BlockBeacon: keep");
    }
}

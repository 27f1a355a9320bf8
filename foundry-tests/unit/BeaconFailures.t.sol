// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddBeacon} from "../helpers/Beacons.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A beacon that fails. Juries and rounds of redundant leases: their own folders' tests.
///
/// | act | asks for | if that fails |
/// | --- | --- | --- |
/// | `post` of a drawn redundant job, `submit` with audits | `point` | reverts, whatever the caller's gas |
/// | `finalize` | `seed`, with 200,000 gas or not at all | the seed counts as unknown: Unaudited after the time for audits |
/// | all else of jobs and ordinary leases | nothing | |
contract BeaconFailuresTest is Base {
    OddBeacon private odd;
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        odd = new OddBeacon();
        _over(address(odd));
    }

    /// A market over this beacon, with an audited job.
    function _over(address beacon_) private {
        market = newMarket(address(token), beacon_, governor, treasury, FEE, times(), false);
        stakeOf(alice, 100 * UNIT);
        stakeOf(bob, 100 * UNIT);
        fund(client, 1000 * UNIT);
        vm.warp(time() + 1 days);
        job = auditedJob(10_000);
        jobId = post(job);
    }

    /// Manners in which `point` gives no id.
    function _withoutPoint() private pure returns (OddBeacon.Manner[7] memory) {
        return [
            OddBeacon.Manner.Reverts,
            OddBeacon.Manner.RevertsWithWord,
            OddBeacon.Manner.Zero, // no point has this id
            OddBeacon.Manner.Empty,
            OddBeacon.Manner.Short,
            OddBeacon.Manner.AllOnes,
            OddBeacon.Manner.BurnsGas
        ];
    }

    /// Manners in which `seed` gives no seed. (Every other word is one.)
    function _withoutSeed() private pure returns (OddBeacon.Manner[7] memory) {
        return [
            OddBeacon.Manner.Reverts,
            OddBeacon.Manner.RevertsWithWord,
            OddBeacon.Manner.Zero,
            OddBeacon.Manner.Empty,
            OddBeacon.Manner.Short,
            OddBeacon.Manner.BurnsGas,
            OddBeacon.Manner.Bomb // costs more than its allowance
        ];
    }

    function _trySubmit() private returns (bool ok) {
        bytes memory data = abi.encodeCall(IMarket.submit, (job, 0, 1, alice, ROOT, DIGESTS));
        vm.prank(alice);
        (ok,) = address(market).call{gas: 3_000_000}(data);
    }

    // ------------------------------------------------------------------ acts that need a point

    function test_submit_beaconFails_reverts() public {
        claim(job, alice, 4);
        OddBeacon.Manner[7] memory manners = _withoutPoint();
        for (uint256 i; i < manners.length; ++i) {
            odd.behave(manners[i]);
            assertFalse(_trySubmit());
            assertPhase(jobId, 0, IMarket.Phase.Running);
            assertEq(market.leaseOf(jobId, 0).root, 0);
        }
        odd.behave(OddBeacon.Manner.Reverts);
        vm.expectRevert(OddBeacon.Broken.selector);
        vm.prank(alice);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        odd.behave(OddBeacon.Manner.Bomb); // a long answer begins with an id
        assertTrue(_trySubmit());
        assertEq(market.leaseOf(jobId, 0).point, 77);
    }

    function test_submit_withoutAudits_needsNoBeacon() public {
        odd.behave(OddBeacon.Manner.Reverts);
        job = aJob();
        jobId = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        assertGrade(jobId, 0, IMarket.Grade.Unaudited);
    }

    /// At no gas limit is a point missing in a result that was taken.
    function test_submit_littleGas_cannotStarveTheBeacon() public {
        claim(job, alice, 4);
        bytes memory data = abi.encodeCall(IMarket.submit, (job, 0, 1, alice, ROOT, DIGESTS));
        uint256 taken;
        for (uint256 gas_ = 20_000; gas_ < 160_000; gas_ += 199) {
            uint256 snapshot = vm.snapshotState();
            vm.prank(alice);
            (bool ok,) = address(market).call{gas: gas_}(data);
            if (ok) {
                ++taken;
                assertEq(market.leaseOf(jobId, 0).point, 77);
            }
            vm.revertToState(snapshot);
        }
        assertGt(taken, 100);
    }

    function test_post_beaconFails_revertsWhereItIsNeeded() public {
        uint256 before = market.balanceOf(client);
        OddBeacon.Manner[7] memory manners = _withoutPoint();
        for (uint256 i; i < manners.length; ++i) {
            odd.behave(manners[i]);
            job = redundantJob(3, 2);
            vm.prank(client);
            (bool ok,) = address(market).call{gas: 3_000_000}(abi.encodeCall(IMarket.post, (job, spec)));
            assertFalse(ok);
            assertEq(market.balanceOf(client), before);
            uint256 snapshot = vm.snapshotState();
            job.terms.providers = keccak256("list"); // nobody is drawn
            post(job);
            job = auditedJob(5000); // `submit` asks, not `post`
            post(job);
            post(aJob());
            vm.revertToState(snapshot);
        }
    }

    // ------------------------------------------------------------------ the ends

    function test_finalize_beaconFails_isUnauditedAfterWindow() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        odd.setSeed(77, keccak256("seed")); // and the coin says yes
        uint64 deadline = time() + 2 hours;
        OddBeacon.Manner[7] memory manners = _withoutSeed();
        for (uint256 i; i < manners.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            odd.behave(manners[i]);
            vm.warp(deadline);
            finalize(job, 0);
            assertPhase(jobId, 0, IMarket.Phase.Submitted);
            vm.warp(deadline + 1);
            uint256 before = gasleft();
            finalize(job, 0);
            assertLt(before - gasleft(), 500_000, "its allowance and no more");
            assertGrade(jobId, 0, IMarket.Grade.Unaudited);
            vm.revertToState(snapshot);
        }
        vm.warp(deadline + 1);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
    }

    /// A beacon that is no contract takes no audited results, and keeps nobody's money.
    function test_beacon_withoutCode_keepsNothing() public {
        _over(anyone);
        claim(job, alice, 4);
        assertFalse(_trySubmit());
        _everyUnitComesBack();
    }

    /// Whatever the beacon does, and whenever it begins to, every unit can be had back.
    function test_beacon_everyFailure_keepsNothing() public {
        for (uint256 i = 1; i <= uint256(type(OddBeacon.Manner).max); ++i) {
            for (uint256 early; early < 2; ++early) {
                uint256 snapshot = vm.snapshotState();
                claim(job, alice, 4);
                claim(job, bob, 4);
                if (early == 1) odd.behave(OddBeacon.Manner(i));
                _trySubmit();
                odd.behave(OddBeacon.Manner(i));
                _everyUnitComesBack();
                vm.revertToState(snapshot);
            }
        }
    }

    /// Strangers end all leases; then all balances and stakes are taken out.
    function _everyUnitComesBack() private {
        vm.warp(job.timing.closesAt + 1 days);
        vm.startPrank(anyone);
        market.finalize(job, list(0, 4));
        market.close(job, list(0, 4));
        vm.stopPrank();
        address[4] memory all = [client, alice, bob, treasury];
        for (uint256 i; i < 4; ++i) {
            vm.startPrank(all[i]);
            uint128 balance = market.balanceOf(all[i]);
            if (balance != 0) market.withdraw(all[i], balance);
            uint128 free = market.providerOf(all[i]).free;
            if (free != 0) market.unstake(all[i], free);
            vm.stopPrank();
        }
        assertEq(market.totalStake(), 0);
        assertEq(token.balanceOf(address(market)), market.burned());
    }
}

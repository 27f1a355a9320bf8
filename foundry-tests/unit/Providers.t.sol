// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Stake, operators, profiles. `total` is all of a provider's stake, `free` the part that no bond locks.
///
/// | act | valid | refused |
/// | --- | --- | --- |
/// | `stake` | always; the stake's age begins again | `ZeroAmount` |
/// | `unstake` | `t >= stakedAt + stakeAge`, at most `free` | `ZeroAddress`, `ZeroAmount`, `InsufficientStake`, `TooEarly` |
/// | `claim`, `takeover` lock a bond | at most `free - ceil(total / 4)` | `InsufficientStake` |
/// | `setOperator`, `setProfile` | by the provider itself | `ZeroAddress`; `EndpointTooLong` |
contract ProvidersTest is Base {
    function test_stake_newProvider_isNumbered() public {
        mint(anyone, 10);
        vm.expectEmit(address(market));
        emit IMarket.Staked(anyone, 3, 4);
        vm.startPrank(anyone);
        market.stake(4);
        vm.warp(time() + 5);
        market.stake(6);
        IMarket.ProviderState memory p = market.providerOf(anyone);
        assertEq(p.number, 3);
        assertEq(p.stake, 10);
        assertEq(p.free, 10);
        assertEq(p.stakedAt, time());
        assertEq(market.balanceOf(anyone), 0); // stake is no balance
    }

    function test_stake_badArguments_revert() public {
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroAmount.selector);
        market.stake(0);
        vm.expectRevert(); // the token's own error
        market.stake(1);
    }

    function test_unstake_all_pays() public {
        vm.expectEmit(address(market));
        emit IMarket.Unstaked(alice, anyone, 100 * UNIT);
        vm.prank(alice);
        market.unstake(anyone, 100 * UNIT);
        assertEq(token.balanceOf(anyone), 100 * UNIT);
        IMarket.ProviderState memory p = market.providerOf(alice);
        assertEq(p.stake, 0);
        assertEq(p.free, 0);
        assertEq(p.number, 1);
        assertEq(p.stakedAt, time() - 1 days);
    }

    /// P-21 P-34: stake stays for the market's stake age since it last grew, to the second, by however little that was.
    function test_unstake_beforeStakeAge_reverts() public {
        uint64 from = time(); // `setUp` waited for it
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, from, from - 1));
        vm.prank(alice);
        market.unstake(alice, 1);
        stakeOf(alice, 1);
        from = time() + 1 days;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, from, from - 1));
        vm.prank(alice);
        market.unstake(alice, 1);
        vm.warp(from);
        vm.prank(alice);
        market.unstake(alice, 100 * UNIT + 1);
        assertEq(market.totalStake(), 100 * UNIT, "bob's");
    }

    function test_unstake_badArguments_revert() public {
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroAmount.selector);
        market.unstake(alice, 0);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        market.unstake(address(0), 1);
        uint128 all = 100 * UNIT;
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, all, all + 1));
        market.unstake(alice, all + 1);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, operator, 0, 1));
        vm.prank(operator); // an operator moves no stake
        market.unstake(operator, 1);
    }

    function test_unstake_lockedStake_reverts() public {
        IMarket.Job memory job = aJob();
        post(job);
        claim(job, alice, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, 96 * UNIT, 96 * UNIT + 1)
        );
        vm.prank(alice);
        market.unstake(alice, 96 * UNIT + 1);
        vm.prank(alice);
        market.unstake(alice, 96 * UNIT);
        assertProvider(alice, 4 * UNIT, 0, 0, 0);
    }

    // ------------------------------------------------------------------ three quarters for leases

    /// A job whose leases have one task or more, with this bond for each.
    function _jobWithBond(uint128 bond) private returns (IMarket.Job memory job) {
        job = aJob();
        job.terms.nonce = 8; // the bond makes these jobs distinct
        (job.terms.minLease, job.terms.maxLease) = (1, 10);
        (job.price.minPrice, job.price.maxPrice, job.price.bond) = (0, 0, bond);
        post(job);
    }

    function _noStake(address who, uint256 available, uint256 needed) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, who, available, needed));
    }

    function test_lock_threeQuarters_noUnitMore() public {
        IMarket.Job memory job = _jobWithBond(25 * UNIT);
        IMarket.Job memory cheap = _jobWithBond(1);
        _noStake(alice, 75 * UNIT, 100 * UNIT);
        claim(job, alice, 4);
        claim(job, alice, 3);
        assertProvider(alice, 100 * UNIT, 25 * UNIT, 0, 0);
        _noStake(alice, 0, 1);
        claim(cheap, alice, 1);
        submit(job, alice, 0); // what is unlocked can be locked again
        claim(job, alice, 3);
    }

    /// A lock leaves a quarter of the stake free, rounded up: `4 * (free - bond) >= total`, whatever `total % 4` is.
    function test_lock_everyRemainder_keepsAQuarter() public {
        IMarket.Job memory job = _jobWithBond(1);
        job.terms.tasks = 200;
        (job.terms.minLease, job.terms.maxLease) = (1, 200);
        post(job);
        for (uint128 total = 1; total <= 9; ++total) {
            address who = address(uint160(0x9000 + total));
            stakeOf(who, total);
            // forge-lint: disable-next-line(unsafe-typecast)
            uint32 most = uint32(total - (total + 3) / 4);
            _noStake(who, most, most + 1);
            claim(job, who, most + 1);
            if (most == 0) continue;
            claim(job, who, most);
            assertGe(4 * market.providerOf(who).free, total);
            assertLt(4 * (market.providerOf(who).free - 1), total);
        }
    }

    /// The kept quarter can be taken out. Then nothing is available, and nothing underflows.
    function test_lock_freeUnderAQuarter_isRefused() public {
        IMarket.Job memory job = _jobWithBond(25 * UNIT);
        claim(job, alice, 3);
        vm.prank(alice);
        market.unstake(alice, 10 * UNIT); // 15 of 90 are free; a quarter is 22.5
        _noStake(alice, 0, 25 * UNIT);
        claim(job, alice, 1);
        vm.prank(alice);
        market.unstake(alice, 15 * UNIT);
        assertProvider(alice, 75 * UNIT, 0, 0, 0);
        submit(job, alice, 0);
        assertProvider(alice, 75 * UNIT, 75 * UNIT, 1, 0);
    }

    /// A bond of nothing needs no free stake, and a number all the same.
    function test_lock_zeroBond_needsANumber() public {
        IMarket.Job memory job = _jobWithBond(0);
        _noStake(anyone, 0, 0);
        claim(job, anyone, 1);
        vm.prank(alice);
        market.unstake(alice, 100 * UNIT);
        claim(job, alice, 1);
    }

    // ------------------------------------------------------------------ the stake of the past

    function test_weight_stakeThatGrew_countsThePast() public {
        uint64 before = time();
        vm.warp(before + 1);
        stakeOf(alice, 50 * UNIT);
        assertEq(market.weightAt(alice, before), 100 * UNIT);
        assertEq(market.weightAt(alice, before + 1), 150 * UNIT);
        assertEq(market.totalWeightAt(before), 200 * UNIT);
        assertEq(market.totalWeightAt(before + 1), 250 * UNIT);
        uint64 start = before - times().stakeAge;
        assertEq(market.weightAt(alice, start - 1), 0);
        assertEq(market.totalWeightAt(start - 1), 0);
        assertEq(market.weightAt(anyone, before), 0);
        assertEq(market.weightAt(alice, type(uint64).max), 150 * UNIT);
    }

    function test_weight_stakeThatShrank_countsThePresent() public {
        uint64 before = time();
        vm.warp(before + 1);
        vm.prank(alice);
        market.unstake(alice, 60 * UNIT);
        IMarket.Job memory job = aJob();
        post(job);
        claim(job, bob, 4);
        vm.warp(time() + 801);
        market.expire(job, 0); // bob loses 0.4
        assertEq(market.weightAt(alice, before), 40 * UNIT);
        assertEq(market.weightAt(bob, before), 99.6e18);
        assertEq(market.totalWeightAt(before), 139.6e18);
        assertEq(market.totalStake(), 139.6e18);
    }

    // ------------------------------------------------------------------ operators and profiles

    function test_setOperator_allowedThenStopped_holds() public {
        assertTrue(market.isOperator(alice, operator));
        assertTrue(market.isOperator(alice, alice));
        assertFalse(market.isOperator(bob, operator));
        vm.expectEmit(address(market));
        emit IMarket.OperatorSet(alice, operator, false);
        vm.prank(alice);
        market.setOperator(operator, false);
        assertFalse(market.isOperator(alice, operator));
        vm.expectRevert(IMarket.ZeroAddress.selector);
        vm.prank(alice);
        market.setOperator(address(0), true);
    }

    function test_setOperator_beforeFirstStake_numbersProvider() public {
        vm.prank(anyone);
        market.setOperator(operator, false);
        assertEq(market.providerOf(anyone).number, 0); // nothing to remember
        vm.prank(anyone);
        market.setOperator(operator, true);
        assertTrue(market.isOperator(anyone, operator));
        assertEq(market.providerOf(anyone).number, 3);
        stakeOf(anyone, 4 * UNIT);
        assertEq(market.providerOf(anyone).number, 3);
        IMarket.Job memory job = aJob();
        post(job);
        vm.prank(operator);
        market.claim(job, anyone, 2, 2);
        assertEq(market.leaseOf(market.hashJob(job), 0).provider, anyone);
    }

    function test_setProfile_new_replacesOld() public {
        vm.expectEmit(address(market));
        emit IMarket.ProfileSet(alice, "node", "caps", "https://a.example");
        vm.prank(alice);
        market.setProfile("node", "caps", "https://a.example");
        (bytes32 node, bytes32 caps, string memory endpoint) = market.profileOf(alice);
        assertEq(node, "node");
        assertEq(caps, "caps");
        assertEq(endpoint, "https://a.example");
        vm.prank(alice);
        market.setProfile(0, 0, "");
        (node, caps, endpoint) = market.profileOf(alice);
        assertEq(node, 0);
        assertEq(bytes(endpoint).length, 0);
    }

    function test_setProfile_longEndpoint_reverts() public {
        vm.startPrank(alice);
        market.setProfile(0, 0, string(new bytes(128)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.EndpointTooLong.selector, 129, 128));
        market.setProfile(0, 0, string(new bytes(129)));
    }

    function test_providers_numbers_countUp() public view {
        assertEq(market.providerOf(alice).number, 1);
        assertEq(market.providerOf(bob).number, 2);
        assertEq(market.providerOf(anyone).number, 0);
    }
}

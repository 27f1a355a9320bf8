// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddToken} from "../helpers/Tokens.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Money that comes in and goes out, and the fee.
///
/// | act | moves | refused |
/// | --- | --- | --- |
/// | `deposit` | the caller's tokens to an account's balance | `ZeroAddress`, `ZeroAmount`, `AmountTooLarge`, `DepositShort` |
/// | `depositWithPermit` | the same, after a permit that may fail | the same |
/// | `withdraw` | the caller's balance, then its earnings, then its fees, to an account | `ZeroAddress`, `ZeroAmount`, `InsufficientBalance` |
/// | `setFee` | nothing; what the fee earned stays with its old recipient | `NotGovernor`, `FeeTooHigh`, `ZeroAddress` |
contract BalancesTest is Base {
    // ------------------------------------------------------------------ deposit, withdraw

    function test_deposit_forAnother_creditsThatAccount() public {
        mint(anyone, 5);
        vm.expectEmit(address(market));
        emit IMarket.Deposited(bob, anyone, 5);
        vm.prank(anyone);
        market.deposit(bob, 5);
        assertEq(market.balanceOf(bob), 5);
        assertEq(market.balanceOf(anyone), 0);
        assertEq(token.balanceOf(anyone), 0);
    }

    function test_deposit_badArguments_revert() public {
        vm.startPrank(client);
        vm.expectRevert(IMarket.ZeroAmount.selector);
        market.deposit(client, 0);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        market.deposit(address(0), 1);
        vm.expectRevert(); // the token's own error: no balance
        market.deposit(client, 1);
    }

    function test_deposit_beyond96Bits_reverts() public {
        IMarket fresh = newMarket(address(token), governor, treasury, FEE);
        token.mint(anyone, MAX + 1);
        vm.startPrank(anyone);
        token.approve(address(fresh), type(uint256).max);
        // forge-lint: disable-start(unsafe-typecast)
        vm.expectRevert(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, MAX + 1, MAX));
        fresh.deposit(anyone, uint128(MAX + 1));
        fresh.deposit(anyone, uint128(MAX));
        vm.expectRevert(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, MAX + 1, MAX));
        fresh.stake(1);
        // What left makes room.
        fresh.withdraw(anyone, 1);
        fresh.stake(1);
        assertEq(fresh.balanceOf(anyone), MAX - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.AmountTooLarge.selector, MAX + type(uint128).max, MAX));
        fresh.deposit(anyone, type(uint128).max);
        // forge-lint: disable-end(unsafe-typecast)
    }

    function test_withdraw_part_pays() public {
        vm.expectEmit(address(market));
        emit IMarket.Withdrawn(client, anyone, 7);
        vm.prank(client);
        market.withdraw(anyone, 7);
        assertEq(token.balanceOf(anyone), 7);
        assertEq(market.balanceOf(client), 1000 * UNIT - 7);
    }

    function test_withdraw_badArguments_revert() public {
        vm.startPrank(client);
        vm.expectRevert(IMarket.ZeroAmount.selector);
        market.withdraw(client, 0);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        market.withdraw(address(0), 1);
        uint128 all = 1000 * UNIT;
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, all, all + 1));
        market.withdraw(client, all + 1);
        market.withdraw(client, all);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 0, 1));
        market.withdraw(client, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 0, type(uint128).max)
        );
        market.withdraw(client, type(uint128).max);
    }

    /// A provider that is also the fee's recipient and has a balance draws from all three.
    function test_withdraw_draws_balanceThenEarningsThenFee() public {
        vm.prank(governor);
        market.setFee(FEE, alice);
        IMarket.Job memory job = aJob();
        job.timing.ramp = 0;
        post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        assertEq(market.balanceOf(alice), 8 * UNIT); // what the fee took from her, she has
        fund(alice, 5);
        vm.prank(alice);
        market.withdraw(alice, 5); // the balance suffices
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, alice, 8 * UNIT, 8 * UNIT + 1)
        );
        vm.prank(alice);
        market.withdraw(alice, 8 * UNIT + 1);
        vm.prank(alice);
        market.withdraw(alice, 8 * UNIT - 1);
        assertEq(market.balanceOf(alice), 1);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0); // stake is not drawn
        vm.prank(alice);
        market.withdraw(alice, 1);
        assertEq(market.balanceOf(alice), 0);
    }

    // ------------------------------------------------------------------ permit

    function _permit(uint256 key, uint256 amount, uint256 deadline)
        private
        view
        returns (uint8, bytes32, bytes32)
    {
        address owner = vm.addr(key);
        bytes32 permitHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                owner,
                address(market),
                amount,
                token.nonces(owner),
                deadline
            )
        );
        return vm.sign(key, keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), permitHash)));
    }

    function test_depositWithPermit_validPermit_credits() public {
        address owner = vm.addr(77);
        token.mint(owner, 10);
        (uint8 v, bytes32 r, bytes32 s) = _permit(77, 10, time());
        vm.prank(owner);
        market.depositWithPermit(owner, 10, time(), v, r, s);
        assertEq(market.balanceOf(owner), 10);
    }

    function test_depositWithPermit_usedAlready_credits() public {
        address owner = vm.addr(77);
        token.mint(owner, 10);
        (uint8 v, bytes32 r, bytes32 s) = _permit(77, 10, time());
        (bool ok,) = address(token)
            .call(
                abi.encodeWithSignature(
                    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
                    owner,
                    address(market),
                    10,
                    time(),
                    v,
                    r,
                    s
                )
            );
        assertTrue(ok);
        vm.prank(owner);
        market.depositWithPermit(owner, 10, time(), v, r, s);
        assertEq(market.balanceOf(owner), 10);
    }

    function test_depositWithPermit_ofAnother_reverts() public {
        address owner = vm.addr(77);
        token.mint(owner, 10);
        (uint8 v, bytes32 r, bytes32 s) = _permit(77, 10, time());
        vm.expectRevert();
        vm.prank(anyone);
        market.depositWithPermit(anyone, 10, time(), v, r, s);
        assertEq(token.balanceOf(owner), 10);
    }

    // ------------------------------------------------------------------ odd tokens

    function _odd() private returns (OddToken odd, IMarket m) {
        odd = new OddToken();
        odd.mint(address(this), 1000);
        m = newMarket(address(odd), governor, treasury, FEE);
    }

    function test_token_withTransferFee_isRefused() public {
        (OddToken odd, IMarket m) = _odd();
        odd.behave(OddToken.Manner.TakesFee);
        vm.expectRevert(abi.encodeWithSelector(IMarket.DepositShort.selector, 100, 99));
        m.deposit(address(this), 100);
        vm.expectRevert(abi.encodeWithSelector(IMarket.DepositShort.selector, 100, 99));
        m.stake(100);
        odd.behave(OddToken.Manner.DeliversMore);
        vm.expectRevert(abi.encodeWithSelector(IMarket.DepositShort.selector, 100, 101));
        m.deposit(address(this), 100);
    }

    function test_token_falseOrRevert_isRefused() public {
        (OddToken odd, IMarket m) = _odd();
        m.deposit(address(this), 100);
        odd.behave(OddToken.Manner.ReturnsFalse);
        vm.expectRevert();
        m.deposit(address(this), 1);
        vm.expectRevert();
        m.withdraw(address(this), 1);
        odd.behave(OddToken.Manner.Reverts);
        vm.expectRevert();
        m.deposit(address(this), 1);
        vm.expectRevert();
        m.withdraw(address(this), 1);
        assertEq(m.balanceOf(address(this)), 100);
    }

    function test_token_withoutReturnValue_isTaken() public {
        (OddToken odd, IMarket m) = _odd();
        odd.behave(OddToken.Manner.ReturnsNothing);
        m.deposit(address(this), 100);
        m.withdraw(address(this), 100);
        assertEq(odd.balanceOf(address(this)), 1000);
    }

    function test_token_reentry_countsNothingTwice() public {
        (OddToken odd, IMarket m) = _odd();
        odd.mint(address(odd), 50);
        // A deposit within a deposit: the outer one sees more arrive than it asked for.
        odd.reenter(address(m), abi.encodeCall(IMarket.deposit, (address(odd), 50)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.DepositShort.selector, 100, 150));
        m.deposit(address(this), 100);
        // A withdrawal within a deposit.
        odd.behave(OddToken.Manner.Honest);
        m.deposit(address(odd), 20);
        odd.reenter(address(m), abi.encodeCall(IMarket.withdraw, (address(odd), 20)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.DepositShort.selector, 100, 80));
        m.deposit(address(this), 100);
        odd.reenter(address(m), abi.encodeCall(IMarket.withdraw, (address(odd), 20)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.DepositShort.selector, 10, 0));
        m.deposit(address(this), 10);
        // A withdrawal within a withdrawal finds the balance already debited.
        odd.behave(OddToken.Manner.Honest);
        odd.reenter(address(m), abi.encodeCall(IMarket.withdraw, (address(odd), 20)));
        vm.prank(address(odd));
        m.withdraw(address(odd), 20);
        assertFalse(odd.reentered());
        assertEq(m.balanceOf(address(odd)), 0);
    }

    /// Tokens that leave within a deposit and come back are a gift: nobody is credited.
    function test_token_reentryWithReturn_gainsNothing() public {
        (OddToken odd, IMarket m) = _odd();
        odd.mint(address(odd), 30);
        m.deposit(address(odd), 40);
        vm.prank(address(odd));
        m.stake(30);
        vm.warp(time() + 1 days);
        odd.reenter(address(m), abi.encodeCall(IMarket.withdraw, (address(odd), 40)));
        odd.reenterToo(address(m), abi.encodeCall(IMarket.unstake, (address(odd), 30)));
        odd.reenterToo(address(odd), abi.encodeCall(OddToken.transfer, (address(m), 70)));
        m.deposit(address(this), 100);
        assertTrue(odd.reentered());
        assertEq(m.balanceOf(address(odd)), 0);
        assertEq(m.providerOf(address(odd)).stake, 0);
        assertEq(m.balanceOf(address(this)), 100);
        assertEq(odd.balanceOf(address(m)), 170);
        m.withdraw(address(this), 100);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, address(this), 0, 1));
        m.withdraw(address(this), 1);
    }

    // ------------------------------------------------------------------ the fee

    function test_setFee_byGovernor_holds() public {
        vm.expectEmit(address(market));
        emit IMarket.FeeSet(500, bob);
        vm.prank(governor);
        market.setFee(500, bob);
        (uint16 feeBps, address recipient) = market.fee();
        assertEq(feeBps, 500);
        assertEq(recipient, bob);
    }

    function test_setFee_badArguments_revert() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotGovernor.selector, governor, anyone));
        vm.prank(anyone);
        market.setFee(0, treasury);
        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IMarket.FeeTooHigh.selector, 501, 500));
        market.setFee(501, treasury);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        market.setFee(0, address(0));
    }

    /// P-15: a job keeps the fee of its `post`. The recipient is that of the moment.
    function test_setFee_newRecipient_leavesWhatWasEarned() public {
        IMarket.Job memory job = aJob();
        post(job);
        vm.prank(governor);
        market.setFee(0, bob); // after `post`: this job's fee is fixed, its recipient is not
        vm.warp(job.timing.opensAt + job.timing.ramp);
        claim(job, alice, 4);
        claim(job, alice, 4);
        submit(job, alice, 0);
        uint128 fee = 8 * UNIT * FEE / 10_000;
        assertEq(market.balanceOf(bob), fee);
        vm.prank(governor);
        market.setFee(100, treasury);
        submit(job, alice, 4);
        assertEq(market.balanceOf(bob), fee);
        assertEq(market.balanceOf(treasury), fee);
        vm.prank(bob);
        market.withdraw(bob, fee);
        vm.prank(treasury);
        market.withdraw(treasury, fee);
        assertEq(token.balanceOf(bob), fee);
        assertEq(token.balanceOf(treasury), fee);
    }

    /// A recipient that is named again keeps what it earned.
    function test_setFee_sameRecipient_keepsEarnings() public {
        IMarket.Job memory job = aJob();
        post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.prank(governor);
        market.setFee(500, treasury);
        assertEq(market.balanceOf(treasury), 4 * UNIT * FEE / 10_000);
        vm.prank(treasury);
        market.withdraw(treasury, 4 * UNIT * FEE / 10_000);
        assertEq(market.balanceOf(treasury), 0);
    }
}

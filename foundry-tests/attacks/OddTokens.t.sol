// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddToken} from "../helpers/Tokens.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A market of a token that does not behave: everyone else in that market must come out even.
contract OddTokensAttack is Base {
    OddToken private odd;
    address private mallory = makeAddr("mallory");

    function setUp() public override {
        super.setUp();
        odd = new OddToken();
        market = newMarket(address(odd), governor, treasury, FEE);
        odd.mint(alice, 100);
        odd.mint(client, 1000);
        odd.mint(mallory, 1000);
        vm.prank(alice);
        market.stake(100);
        vm.prank(client);
        market.deposit(client, 1000);
    }

    /// The market has what it owes: `mallorys` of it to her.
    function _assertEven(uint256 mallorys) private view {
        assertEq(market.balanceOf(mallory) + market.providerOf(mallory).stake, mallorys);
        assertEq(market.balanceOf(client), 1000);
        assertEq(market.providerOf(alice).stake, 100);
        assertEq(odd.balanceOf(address(market)), 1100 + mallorys);
    }

    function _deposit() private returns (bool ok) {
        vm.prank(mallory);
        (ok,) = address(market).call(abi.encodeCall(IMarket.deposit, (mallory, 500)));
    }

    function _stake() private returns (bool ok) {
        vm.prank(mallory);
        (ok,) = address(market).call(abi.encodeCall(IMarket.stake, (500)));
    }

    /// A token that takes a fee, delivers more, answers false or fails brings in nothing.
    function test_refused() public {
        OddToken.Manner[4] memory manners = [
            OddToken.Manner.TakesFee,
            OddToken.Manner.DeliversMore,
            OddToken.Manner.ReturnsFalse,
            OddToken.Manner.Reverts
        ];
        for (uint256 i; i < 4; ++i) {
            odd.behave(manners[i]);
            assertFalse(_deposit());
            assertFalse(_stake());
            _assertEven(0);
        }
    }

    /// one that answers nothing (as USDT does) is as good as any.
    function test_noAnswer() public {
        odd.behave(OddToken.Manner.ReturnsNothing);
        assertTrue(_deposit());
        assertTrue(_stake());
        _assertEven(1000);
        vm.warp(time() + 1 days);
        vm.startPrank(mallory);
        market.withdraw(mallory, 500);
        market.unstake(mallory, 500);
        vm.stopPrank();
        assertEq(odd.balanceOf(mallory), 1000);
        _assertEven(0);
    }

    /// a payment out that fails leaves the money where it was.
    function test_failsOnTheWayOut() public {
        assertTrue(_deposit());
        OddToken.Manner[2] memory manners = [OddToken.Manner.ReturnsFalse, OddToken.Manner.Reverts];
        for (uint256 i; i < 2; ++i) {
            odd.behave(manners[i]);
            vm.prank(mallory);
            vm.expectRevert();
            market.withdraw(mallory, 500);
            _assertEven(500);
        }
    }

    /// a token whose transfer calls back (ERC-777) gives its sender no second payment: what is paid was taken from the
    /// books before.
    function test_reentersWithdraw() public {
        Thief thief = new Thief(market, odd);
        odd.mint(address(thief), 500);
        thief.deposit(500);
        bytes memory again = abi.encodeCall(Thief.withdraw, (500));
        odd.reenter(address(thief), again);
        thief.withdraw(500);
        assertFalse(odd.reentered(), "the second one failed");
        assertEq(odd.balanceOf(address(thief)), 500);
        _assertEven(0);
    }

    /// nor does one that calls back while it comes in count one transfer for two acts.
    function test_reentersDeposit() public {
        Thief thief = new Thief(market, odd);
        odd.mint(address(thief), 500);
        // While the market waits for 500, the thief brings 500 as stake: they would count for both.
        odd.reenter(address(thief), abi.encodeCall(Thief.stake, (500)));
        vm.expectRevert();
        thief.deposit(500);
        assertEq(market.balanceOf(address(thief)), 0);
        assertEq(market.providerOf(address(thief)).stake, 0);
        _assertEven(0);
    }

    /// while a token comes in, acts on jobs find the books as they were: the money on its way is nobody's yet.
    function test_postsWithWhatIsOnItsWay() public {
        Thief thief = new Thief(market, odd);
        odd.mint(address(thief), 500);
        IMarket.Job memory job = aJob();
        job.terms.client = address(thief);
        job.price.minPrice = 1;
        job.price.maxPrice = 50;
        odd.reenter(address(thief), abi.encodeCall(Thief.post, (job, spec)));
        thief.deposit(500);
        assertFalse(odd.reentered());
        assertEq(market.balanceOf(address(thief)), 500);
        assertEq(uint8(market.jobOf(market.hashJob(job)).status), 0);
    }
}

/// A contract that owns something in the market, and lets the token call it.
contract Thief {
    IMarket private immutable MARKET;

    constructor(IMarket market, OddToken token) {
        MARKET = market;
        token.approve(address(market), type(uint256).max);
    }

    function deposit(uint128 amount) external {
        MARKET.deposit(address(this), amount);
    }

    function withdraw(uint128 amount) external {
        MARKET.withdraw(address(this), amount);
    }

    function stake(uint128 amount) external {
        MARKET.stake(amount);
    }

    function post(IMarket.Job calldata job, bytes calldata spec) external {
        MARKET.post(job, spec);
    }
}

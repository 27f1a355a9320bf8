// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Amounts and times of tests are small.
// forge-lint: disable-start(unsafe-typecast)

import {AuthToken} from "../helpers/AuthToken.sol";
import {TestPermit2} from "../helpers/Permit2.sol";
import {ITypedData, Typed} from "../helpers/Typed.sol";
import {OddWallet} from "../helpers/Wallets.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Funding} from "piecework/Funding.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Deposits by signature. What is signed comes from forge's own EIP-712 encoder.
contract FundingTest is Typed {
    AuthToken private auth;
    Funding private funding;
    address private payer;
    uint256 private payerKey;
    address private permit2;

    function setUp() public override {
        super.setUp();
        auth = new AuthToken();
        market = newMarket(address(auth), governor, treasury, FEE);
        funding = new Funding(market);
        (payer, payerKey) = makeAddrAndKey("payer");
        auth.mint(payer, 100 * UNIT);
        permit2 = address(funding.PERMIT2());
        deployCodeTo("Permit2.sol:TestPermit2", permit2);
        vm.prank(payer);
        auth.approve(permit2, type(uint256).max);
    }

    // ------------------------------------------------------------------ ERC-3009

    function _digest3009(address to, bytes32 nonce) private view returns (bytes32) {
        return typed(
            "Auth",
            address(auth),
            "ReceiveWithAuthorization",
            string.concat(
                '[{"name":"from","type":"address"},{"name":"to","type":"address"},{"name":"value","type":"uint256"},',
                '{"name":"validAfter","type":"uint256"},{"name":"validBefore","type":"uint256"},{"name":"nonce","type":"bytes32"}]'
            ),
            string.concat(
                '{"from":"',
                vm.toString(payer),
                '","to":"',
                vm.toString(to),
                '","value":"',
                vm.toString(uint256(3 * UNIT)),
                '","validAfter":0,"validBefore":',
                vm.toString(time() + 60),
                ',"nonce":"',
                vm.toString(nonce),
                '"}'
            )
        );
    }

    function _authorization(bytes32 digest) private view returns (Funding.Authorization memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey, digest);
        return Funding.Authorization(payer, 3 * UNIT, 0, time() + 60, "salt", v, r, s);
    }

    function _authorization() private view returns (Funding.Authorization memory) {
        bytes32 nonce = keccak256(abi.encode(market, client, bytes32("salt")));
        assertEq(funding.nonceOf(client, "salt"), nonce);
        return _authorization(_digest3009(address(funding), nonce));
    }

    function _nothingStays() private view {
        assertEq(auth.balanceOf(address(funding)), 0);
        assertEq(auth.allowance(address(funding), address(market)), 0);
    }

    function test_authorization() public {
        Funding.Authorization memory signed_ = _authorization();
        vm.expectEmit(address(market));
        emit IMarket.Deposited(client, address(funding), 3 * UNIT);
        vm.prank(anyone);
        funding.depositWithAuthorization(client, signed_);
        assertEq(market.balanceOf(client), 3 * UNIT);
        assertEq(auth.balanceOf(payer), 97 * UNIT);
        _nothingStays();
        vm.expectRevert(
            abi.encodeWithSelector(
                ERC3009.ERC3009UsedAuthorization.selector, payer, funding.nonceOf(client, "salt")
            )
        );
        funding.depositWithAuthorization(client, signed_);
    }

    /// Who sees it first cannot send it elsewhere: not to another account, amount or market, not past the market.
    function test_authorization_cannotBeRedirected() public {
        Funding.Authorization memory signed_ = _authorization();
        vm.startPrank(anyone);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        funding.depositWithAuthorization(anyone, signed_);
        Funding other = new Funding(newMarket(address(auth), governor, treasury, FEE));
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        other.depositWithAuthorization(client, signed_);
        Funding twin = new Funding(market);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        twin.depositWithAuthorization(client, signed_);
        bytes32 nonce = funding.nonceOf(client, "salt");
        (uint8 v, bytes32 r, bytes32 s) = (signed_.v, signed_.r, signed_.s);
        uint256 until = time() + 60;
        vm.expectRevert(); // the token's own: only its receiver may call
        auth.receiveWithAuthorization(payer, address(funding), 3 * UNIT, 0, until, nonce, v, r, s);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector); // another type
        auth.transferWithAuthorization(payer, address(funding), 3 * UNIT, 0, until, nonce, v, r, s);
        signed_.amount += 1;
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        funding.depositWithAuthorization(client, signed_);
        signed_.amount -= 1;
        funding.depositWithAuthorization(client, signed_);
        assertEq(market.balanceOf(client), 3 * UNIT);
        assertEq(market.balanceOf(anyone), 0);
    }

    function test_authorization_expired() public {
        Funding.Authorization memory signed_ = _authorization();
        vm.warp(time() + 60);
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, 0, signed_.validBefore)
        );
        funding.depositWithAuthorization(client, signed_);
    }

    function test_authorization_zero() public {
        bytes32 nonce = keccak256(abi.encode(market, address(0), bytes32("salt")));
        Funding.Authorization memory signed_ = _authorization(_digest3009(address(funding), nonce));
        vm.expectRevert(IMarket.ZeroAddress.selector);
        funding.depositWithAuthorization(address(0), signed_);
    }

    /// What a token does not deliver whole goes nowhere; what was sent here by mistake helps nobody.
    function test_authorization_oddTokens() public {
        auth.mint(address(funding), 50 * UNIT);
        Funding.Authorization memory signed_ = _authorization();
        auth.behave(AuthToken.Manner.TakesFee);
        vm.expectRevert(abi.encodeWithSelector(Funding.FundingShort.selector, 3 * UNIT, 2.97e18));
        funding.depositWithAuthorization(client, signed_);
        auth.behave(AuthToken.Manner.MovesNothing);
        vm.expectRevert(abi.encodeWithSelector(Funding.FundingShort.selector, 3 * UNIT, 0));
        funding.depositWithAuthorization(client, signed_);
        bytes memory failed =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(auth));
        auth.behave(AuthToken.Manner.TransferReturnsFalse);
        vm.expectRevert(failed);
        funding.depositWithAuthorization(client, signed_);
        auth.behave(AuthToken.Manner.ApproveReturnsFalse);
        vm.expectRevert(failed);
        funding.depositWithAuthorization(client, signed_);
        auth.behave(AuthToken.Manner.ForgetsToApprove);
        vm.expectRevert(); // the token's own: no allowance
        funding.depositWithAuthorization(client, signed_);
        auth.behave(AuthToken.Manner.Honest);
        funding.depositWithAuthorization(client, signed_);
        assertEq(auth.balanceOf(address(funding)), 50 * UNIT); // the mistake's, as before
        assertEq(auth.allowance(address(funding), address(market)), 0);
        assertEq(market.balanceOf(client), 3 * UNIT);
    }

    // ------------------------------------------------------------------ Permit2

    function _digestPermit2(address spender, address market_, address account)
        private
        view
        returns (bytes32)
    {
        string memory types = string.concat(
            '{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"chainId","type":"uint256"},',
            '{"name":"verifyingContract","type":"address"}],"PermitWitnessTransferFrom":[{"name":"permitted","type":"TokenPermissions"},',
            '{"name":"spender","type":"address"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"},',
            '{"name":"witness","type":"Deposit"}],"TokenPermissions":[{"name":"token","type":"address"},{"name":"amount","type":"uint256"}],',
            '"Deposit":[{"name":"market","type":"address"},{"name":"account","type":"address"}]},"primaryType":"PermitWitnessTransferFrom",'
        );
        string memory domain = string.concat(
            '"domain":{"name":"Permit2","chainId":',
            vm.toString(block.chainid),
            ',"verifyingContract":"',
            vm.toString(permit2),
            '"},'
        );
        string memory message = string.concat(
            '"message":{"permitted":{"token":"',
            vm.toString(address(auth)),
            '","amount":"',
            vm.toString(uint256(3 * UNIT)),
            '"},"spender":"',
            vm.toString(spender),
            '","nonce":5,"deadline":'
        );
        message = string.concat(
            message,
            vm.toString(time() + 60),
            ',"witness":{"market":"',
            vm.toString(market_),
            '","account":"',
            vm.toString(account),
            '"}}}'
        );
        return ITypedData(address(vm)).eip712HashTypedData(string.concat(types, domain, message));
    }

    function _permit() private view returns (bytes memory) {
        return signed(payerKey, _digestPermit2(address(funding), address(market), client));
    }

    function _fund(address account, bytes memory signature) private {
        funding.depositWithPermit2(payer, account, 3 * UNIT, 5, time() + 60, signature);
    }

    function test_permit2() public {
        bytes memory signature = _permit();
        vm.expectEmit(address(market));
        emit IMarket.Deposited(client, address(funding), 3 * UNIT);
        vm.prank(anyone);
        _fund(client, signature);
        assertEq(market.balanceOf(client), 3 * UNIT);
        assertEq(auth.balanceOf(payer), 97 * UNIT);
        _nothingStays();
        vm.expectRevert(TestPermit2.InvalidNonce.selector);
        _fund(client, signature);
    }

    function test_permit2_cannotBeRedirected() public {
        bytes memory signature = _permit();
        vm.startPrank(anyone);
        vm.expectRevert(TestPermit2.InvalidSigner.selector);
        _fund(anyone, signature);
        vm.expectRevert(TestPermit2.InvalidSigner.selector);
        funding.depositWithPermit2(payer, client, 3 * UNIT - 1, 5, time() + 60, signature);
        vm.expectRevert(TestPermit2.InvalidSigner.selector);
        funding.depositWithPermit2(payer, client, 3 * UNIT, 6, time() + 60, signature);
        Funding twin = new Funding(market);
        vm.expectRevert(TestPermit2.InvalidSigner.selector);
        twin.depositWithPermit2(payer, client, 3 * UNIT, 5, time() + 60, signature);
        // Signed for another market, or with this contract as the account that profits.
        bytes memory other = signed(payerKey, _digestPermit2(address(funding), anyone, client));
        vm.expectRevert(TestPermit2.InvalidSigner.selector);
        _fund(client, other);
        vm.expectRevert(TestPermit2.InvalidSigner.selector);
        _fund(client, malleated(signature));
        _fund(client, signature);
        assertEq(market.balanceOf(client), 3 * UNIT);
    }

    function test_permit2_expired() public {
        bytes memory signature = _permit();
        uint256 deadline = time() + 60;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(TestPermit2.SignatureExpired.selector, deadline));
        funding.depositWithPermit2(payer, client, 3 * UNIT, 5, deadline, signature);
        vm.warp(deadline);
        funding.depositWithPermit2(payer, client, 3 * UNIT, 5, deadline, signature);
    }

    function test_permit2_ofAWallet() public {
        OddWallet wallet = new OddWallet(payer);
        auth.mint(address(wallet), 3 * UNIT);
        wallet.act(address(auth), abi.encodeCall(auth.approve, (permit2, 3 * UNIT)));
        bytes memory signature = _permit();
        funding.depositWithPermit2(address(wallet), client, 3 * UNIT, 5, time() + 60, signature);
        assertEq(market.balanceOf(client), 3 * UNIT);
        assertEq(auth.balanceOf(address(wallet)), 0);
    }

    function test_permit2_oddTokens() public {
        auth.mint(address(funding), 50 * UNIT);
        bytes memory signature = _permit();
        auth.behave(AuthToken.Manner.TakesFee);
        vm.expectRevert(abi.encodeWithSelector(Funding.FundingShort.selector, 3 * UNIT, 2.97e18));
        _fund(client, signature);
        auth.behave(AuthToken.Manner.MovesNothing);
        vm.expectRevert(abi.encodeWithSelector(Funding.FundingShort.selector, 3 * UNIT, 0));
        _fund(client, signature);
        auth.behave(AuthToken.Manner.TransferReturnsFalse);
        vm.expectRevert();
        _fund(client, signature);
        auth.behave(AuthToken.Manner.Honest);
        _fund(client, signature);
        assertEq(auth.balanceOf(address(funding)), 50 * UNIT);
    }

    // ------------------------------------------------------------------ the rest

    function test_noMarket() public {
        vm.expectRevert();
        new Funding(IMarket(anyone));
        assertEq(address(funding.MARKET()), address(market));
    }
}

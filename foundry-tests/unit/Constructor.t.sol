// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What a market is made with, and what its constructor refuses, in the order of its checks.
///
/// | argument | refused |
/// | --- | --- |
/// | token | 0 |
/// | fee | over 500; a recipient of 0, unless the fee is 0 too |
/// | beacon | 0 |
/// | times | over 30 days; under the least value; on a devnet under 1 (the stake age may be 0 there) |
contract ConstructorTest is Base {
    uint64 private constant LONGEST = 30 days;

    /// Like `newMarket`, with the constructor's own error, which `deployCode` swallows.
    function _deploy(
        address token_,
        address beacon_,
        address recipient,
        uint16 fee,
        IMarket.Times memory times_,
        bool devnet
    ) public returns (IMarket made) {
        bytes memory code = bytes.concat(
            vm.getCode("Market.sol:Market"),
            abi.encode(token_, beacon_, governor, recipient, fee, times_, devnet)
        );
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                let at := mload(0x40)
                returndatacopy(at, 0, returndatasize())
                revert(at, returndatasize())
            }
        }
    }

    function _withTimes(IMarket.Times memory times_, bool devnet) private returns (IMarket) {
        return this._deploy(address(token), address(beacon), treasury, FEE, times_, devnet);
    }

    /// `all`, in which the `i`-th time is `value`.
    function _with(IMarket.Times memory all, uint256 i, uint64 value)
        private
        pure
        returns (IMarket.Times memory)
    {
        bytes memory words = abi.encode(all);
        assembly ("memory-safe") {
            mstore(add(words, mul(32, add(i, 1))), value)
        }
        return abi.decode(words, (IMarket.Times));
    }

    /// The least times of a market that is not a devnet's.
    function _least() private pure returns (uint64[9] memory) {
        return
            [
                uint64(1 days),
                60 seconds,
                5 minutes,
                30 minutes,
                1 hours,
                6 hours,
                6 hours,
                1 hours,
                60 seconds
            ];
    }

    // ------------------------------------------------------------------ what stands

    function test_constructor_arguments_areReadable() public view {
        assertEq(market.token(), address(token));
        assertEq(market.beacon(), address(beacon));
        (uint16 feeBps, address recipient) = market.fee();
        assertEq(feeBps, FEE);
        assertEq(recipient, treasury);
        assertEq(abi.encode(market.times()), abi.encode(times()));
        assertFalse(market.isDevnet());
        assertEq(market.burned(), 0);
    }

    function test_constructor_devnet_saysSo() public {
        assertTrue(_withTimes(times(), true).isDevnet());
    }

    function test_constructor_fee_emitsFeeSet() public {
        vm.expectEmit();
        emit IMarket.FeeSet(500, treasury);
        newMarket(address(token), governor, treasury, 500);
    }

    function test_constructor_noFee_needsNoRecipient() public {
        IMarket free = newMarket(address(token), address(0), address(0), 0);
        (uint16 feeBps, address recipient) = free.fee();
        assertEq(feeBps, 0);
        assertEq(recipient, address(0));
    }

    // ------------------------------------------------------------------ what it refuses

    function test_constructor_badAddressOrFee_reverts() public {
        vm.expectRevert(IMarket.ZeroAddress.selector);
        this._deploy(address(0), address(beacon), treasury, FEE, times(), false);
        vm.expectRevert(abi.encodeWithSelector(IMarket.FeeTooHigh.selector, 501, 500));
        this._deploy(address(token), address(beacon), treasury, 501, times(), false);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        this._deploy(address(token), address(beacon), address(0), 1, times(), false);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        this._deploy(address(token), address(0), treasury, FEE, times(), false);
    }

    /// The token is checked before the fee, that before the beacon, and that before the times, which have an order too.
    function test_constructor_manyFaults_firstIsNamed() public {
        IMarket.Times memory none;
        vm.expectRevert(IMarket.ZeroAddress.selector);
        this._deploy(address(0), address(0), treasury, 501, none, false);
        vm.expectRevert(abi.encodeWithSelector(IMarket.FeeTooHigh.selector, 501, 500));
        this._deploy(address(token), address(0), address(0), 501, none, false);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        this._deploy(address(token), address(0), treasury, 500, none, false);
        uint64[9] memory least = _least();
        for (uint256 i; i < 9; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.BadWindow.selector, 0, least[i], LONGEST));
            _withTimes(none, false);
            none = _with(none, i, least[i]);
        }
        _withTimes(none, false);
    }

    /// P-34: the least and the longest time are allowed, and one second beyond is not.
    function test_constructor_times_haveExactBounds() public {
        uint64[9] memory least = _least();
        for (uint256 i; i < 9; ++i) {
            _withTimes(_with(times(), i, least[i]), false);
            _withTimes(_with(times(), i, LONGEST), false);
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.BadWindow.selector, least[i] - 1, least[i], LONGEST)
            );
            _withTimes(_with(times(), i, least[i] - 1), false);
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.BadWindow.selector, LONGEST + 1, least[i], LONGEST)
            );
            _withTimes(_with(times(), i, LONGEST + 1), false);
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.BadWindow.selector, type(uint64).max, least[i], LONGEST)
            );
            _withTimes(_with(times(), i, type(uint64).max), false);
        }
    }

    /// A devnet's times may be a second, and its stake age nothing.
    function test_constructor_devnetTimes_haveExactBounds() public {
        for (uint256 i; i < 9; ++i) {
            uint64 least = i == 0 ? 0 : 1;
            IMarket made = _withTimes(_with(times(), i, least), true);
            assertEq(abi.encode(made.times()), abi.encode(_with(times(), i, least)));
            if (i != 0) {
                vm.expectRevert(abi.encodeWithSelector(IMarket.BadWindow.selector, 0, 1, LONGEST));
                _withTimes(_with(times(), i, 0), true);
            }
            _withTimes(_with(times(), i, LONGEST), true);
            vm.expectRevert(abi.encodeWithSelector(IMarket.BadWindow.selector, LONGEST + 1, least, LONGEST));
            _withTimes(_with(times(), i, LONGEST + 1), true);
        }
    }
}

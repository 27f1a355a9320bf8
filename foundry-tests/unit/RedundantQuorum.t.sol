// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// How a redundant lease of 3/2 ends, with all balances. Every lease here is the first: four tasks, hence a
/// bond of 4 tokens for each seat and an escrow of 24 (of 60 for the whole job), begun half way up the ramp: a
/// task costs 1.5 tokens, a seat 6, of which the fee takes 0.15.
contract RedundantQuorumTest is RedundantBase {
    uint256 private constant BOND = 4 * UNIT;
    uint256 private constant TENTH = BOND / 10;
    uint256 private constant ESCROW = 24 * UNIT;
    uint256 private constant REST = 36 * UNIT;
    uint256 private constant LEDGER = 1000 * UNIT - ESCROW - REST;
    uint256 private constant FEE_OF_A_SEAT = 6 * UNIT * 250 / 10_000;
    uint256 private constant PAID = 6 * UNIT - FEE_OF_A_SEAT;

    function setUp() public override {
        super.setUp();
        vm.warp(job.timing.opensAt + 500);
    }

    function _committed(bytes32 a, bytes32 b, bytes32 c) private {
        _commit(0, alice, a);
        _commit(0, bob, b);
        _commit(0, carol, c);
    }

    function _panel() private view returns (uint32[] memory) {
        return panelOf(alice, bob, carol);
    }

    function _expectClosed(uint32 number, IMarket.SeatEnd end, uint256 paid, uint256 burned) private {
        vm.expectEmit(address(market));
        emit IMarket.SeatClosed(jobId, 0, number, 0, end, uint128(paid), uint128(burned));
    }

    function test_allAgree() public {
        _committed(ROOT, ROOT, ROOT);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        vm.expectEmit(address(market));
        emit IMarket.Revealed(jobId, 0, carol, ROOT, MANIFEST);
        for (uint32 number = 1; number <= 3; ++number) {
            _expectClosed(number, IMarket.SeatEnd.Paid, PAID, 0);
        }
        vm.expectEmit(address(market));
        emit IMarket.Settled(
            jobId,
            0,
            IMarket.How.Quorum,
            uint128(3 * PAID),
            uint128(3 * FEE_OF_A_SEAT),
            uint128(ESCROW - 18 * UNIT)
        );
        _reveal(0, carol, ROOT, _panel());
        assertHas(alice, STAKE, STAKE, PAID, 1, 0, 0);
        assertHas(bob, STAKE, STAKE, PAID, 1, 0, 0);
        assertHas(carol, STAKE, STAKE, PAID, 1, 0, 0);
        assertEq(market.balanceOf(client), LEDGER + ESCROW - 18 * UNIT);
        assertEq(market.balanceOf(treasury), 3 * FEE_OF_A_SEAT);
        assertEq(market.burned(), 0);
        assertSolvent(REST);
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(how), uint8(IMarket.How.Quorum));
        IMarket.LeaseState memory l = lease(0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Settled));
        assertEq(l.provider, carol, "one of the majority");
        assertEq(l.root, ROOT);
        assertEq(l.round, 1);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Amounts and times of tests are small.
// forge-lint: disable-start(unsafe-typecast)

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// How a redundant lease of 3/2 ends, with all balances. Every lease here is the first: four tasks, hence a
/// bond of 4 tokens for each seat and an escrow of 24 (of 60 for the whole job), begun half way up the ramp: a
/// task costs 1.5 tokens, a seat 6, of which the fee takes 0.15.
contract RedundantQuorumTest is RedundantBase {
    uint128 private constant BOND = 4 * UNIT;
    uint128 private constant TENTH = BOND / 10;
    uint128 private constant ESCROW = 24 * UNIT;
    uint128 private constant REST = 36 * UNIT;
    uint128 private constant LEDGER = 1000 * UNIT - ESCROW - REST;
    uint128 private constant FEE_OF_A_SEAT = 6 * UNIT * 250 / 10_000;
    uint128 private constant PAID = 6 * UNIT - FEE_OF_A_SEAT;

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

    function _expectClosed(uint32 number, IMarket.SeatEnd end, uint128 paid, uint128 burned) private {
        vm.expectEmit(address(market));
        emit IMarket.SeatClosed(jobId, 0, number, 0, end, paid, burned);
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
        _expectSettled(3);
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

    function test_anOutvotedSeat_losesItsBond() public {
        _committed(ROOT, OTHER, ROOT);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, OTHER);
        _expectClosed(1, IMarket.SeatEnd.Paid, PAID, 0);
        _expectClosed(2, IMarket.SeatEnd.Outvoted, 0, BOND);
        _expectClosed(3, IMarket.SeatEnd.Paid, PAID, 0);
        _expectSettled(2);
        _reveal(0, carol, ROOT, _panel());
        assertHas(bob, STAKE - BOND, STAKE - BOND, 0, 0, 0, 1);
        _assertTwoPaid(alice, carol, BOND);
    }

    /// The quorum's first seats are in already: the last one cannot save its bond by silence.
    function test_aSilentSeat_losesItsBond() public {
        _committed(ROOT, ROOT, OTHER);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        vm.warp(lease(0).submittedAt + 1 hours + 1);
        _expectClosed(1, IMarket.SeatEnd.Paid, PAID, 0);
        _expectClosed(2, IMarket.SeatEnd.Paid, PAID, 0);
        _expectClosed(3, IMarket.SeatEnd.Silent, 0, BOND);
        _expectSettled(2);
        _settle(0, ROOT, _panel());
        assertHas(carol, STAKE - BOND, STAKE - BOND, 0, 0, 0, 1);
        _assertTwoPaid(alice, bob, BOND);
    }

    function test_aSeatThatNeverCommitted_losesATenth() public {
        _commit(0, alice, ROOT);
        _join(0, bob);
        _commit(0, carol, ROOT);
        vm.warp(commitBy(0) + 1);
        _reveal(0, carol, ROOT);
        _expectClosed(1, IMarket.SeatEnd.Paid, PAID, 0);
        _expectClosed(2, IMarket.SeatEnd.Late, 0, TENTH);
        _expectClosed(3, IMarket.SeatEnd.Paid, PAID, 0);
        _expectSettled(2);
        _reveal(0, alice, ROOT, _panel());
        assertHas(bob, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        _assertTwoPaid(alice, carol, TENTH);
    }

    function test_twoSeatsOfThree_areEnough() public {
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        _reveal(0, bob, ROOT);
        _reveal(0, alice, ROOT, panelOf(alice, bob));
        assertPhase(jobId, 0, IMarket.Phase.Settled);
        assertHas(carol, STAKE, STAKE, 0, 0, 0, 0);
        _assertTwoPaid(alice, bob, 0);
    }

    function test_noQuorum_refundsTheClient() public {
        _committed(ROOT, OTHER, keccak256("third"));
        _reveal(0, alice, ROOT);
        _reveal(0, bob, OTHER);
        for (uint32 number = 1; number <= 3; ++number) {
            _expectClosed(number, IMarket.SeatEnd.Undecided, 0, TENTH);
        }
        _expectRefunded();
        _reveal(0, carol, keccak256("third"), _panel());
        assertHas(alice, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(bob, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(carol, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        _assertRefunded(3 * TENTH);
    }

    function test_noQuorum_ofASilentALateAndAnUndecidedSeat() public {
        _commit(0, alice, ROOT);
        _join(0, bob);
        _commit(0, carol, ROOT);
        uint64 deadline = commitBy(0);
        vm.warp(deadline + 1);
        _reveal(0, alice, ROOT);
        vm.warp(deadline + 1 hours + 1);
        _expectClosed(1, IMarket.SeatEnd.Undecided, 0, TENTH);
        _expectClosed(2, IMarket.SeatEnd.Late, 0, TENTH);
        _expectClosed(3, IMarket.SeatEnd.Silent, 0, BOND);
        _expectRefunded();
        _settle(0, 0, _panel());
        assertHas(alice, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(bob, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(carol, STAKE - BOND, STAKE - BOND, 0, 0, 0, 1);
        _assertRefunded(2 * TENTH + BOND);
    }

    function test_allSilent() public {
        _committed(ROOT, ROOT, ROOT);
        vm.warp(lease(0).submittedAt + 1 hours + 1);
        _settle(0, 0, _panel());
        assertHas(alice, STAKE - BOND, STAKE - BOND, 0, 0, 0, 1);
        _assertRefunded(3 * BOND);
    }

    /// P-23: a round in which too few committed ends unrevealed, and its commitments cost nothing.
    function test_tooFewCommits_freesTheLease() public {
        _join(0, alice);
        _commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        _expectClosed(1, IMarket.SeatEnd.Late, 0, TENTH);
        _expectClosed(2, IMarket.SeatEnd.Released, 0, 0);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, address(0), IMarket.Reason.TooFewCommits, TENTH);
        _settle(0, 0, panelOf(alice, bob));
        assertHas(alice, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(bob, STAKE, STAKE, 0, 0, 0, 0);
        assertEq(market.burned(), TENTH);
        assertEq(market.balanceOf(client), LEDGER);
        assertSolvent(ESCROW + REST);
        IMarket.LeaseState memory l = lease(0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Free));
        assertEq(l.startedAt, time(), "when it was freed");
        assertEq(l.round, 1);
        assertEq(l.count, 4);
        assertEq(uint256(l.seats) + l.commits + l.reveals + l.submittedAt, 0);
        assertEq(l.provider, address(0));
    }

    function test_tooFewCommits_none() public {
        _join(0, alice);
        vm.warp(commitBy(0) + 1);
        _settle(0, 0, panelOf(alice));
        assertHas(alice, STAKE - TENTH, STAKE - TENTH, 0, 0, 1, 0);
        assertSolvent(ESCROW + REST);
    }

    /// A round after a lapsed one: its price, its seats and its outcome are its own.
    function test_secondRound() public {
        _join(0, alice);
        _commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        _settle(0, 0, panelOf(alice, bob));
        assertEq(uint8(market.seatOf(jobId, 0, 1, 0, bob)), uint8(IMarket.Seat.None));
        _wait();
        round = 2;
        _committed(ROOT, ROOT, ROOT);
        assertEq(lease(0).round, 2);
        assertSeat(0, alice, IMarket.Seat.Committed);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, ROOT, _panel());
        // The ramp has ended: a task costs 2 tokens, and no surplus returns.
        uint256 paid = 8 * UNIT - 8 * UNIT * 250 / 10_000;
        assertHas(alice, STAKE - TENTH, STAKE - TENTH, paid, 1, 1, 0);
        assertHas(bob, STAKE, STAKE, paid, 1, 0, 0);
        assertEq(market.balanceOf(client), LEDGER);
        assertEq(market.balanceOf(treasury), 3 * (8 * UNIT - paid));
        assertSolvent(REST);
    }

    /// P-24: of five seats three agree; the fourth and fifth agree on another root, and lose.
    function test_fiveSeats() public {
        _postRedundant(5, 3);
        _seal();
        vm.warp(job.timing.opensAt + 500);
        address[5] memory seats = [alice, bob, carol, dave, erin];
        uint32[] memory panel = new uint32[](5);
        for (uint256 i; i < 5; ++i) {
            panel[i] = uint32(i + 1);
            _commit(0, seats[i], i % 2 == 0 ? ROOT : OTHER);
        }
        for (uint256 i; i < 5; ++i) {
            _reveal(0, seats[i], i % 2 == 0 ? ROOT : OTHER);
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongVerdict.selector, OTHER));
        _settle(0, OTHER, panel);
        _settle(0, ROOT, panel);
        assertHas(alice, STAKE, STAKE, PAID, 1, 0, 0);
        assertHas(bob, STAKE - BOND, STAKE - BOND, 0, 0, 0, 1);
        assertHas(carol, STAKE, STAKE, PAID, 1, 0, 0);
        assertHas(dave, STAKE - BOND, STAKE - BOND, 0, 0, 0, 1);
        assertHas(erin, STAKE, STAKE, PAID, 1, 0, 0);
        assertEq(market.burned(), 2 * BOND);
        // The other job's whole escrow, and this one's two other leases: 5 * 2 tokens for each of 6 tasks.
        assertSolvent(60 * UNIT + 60 * UNIT);
        assertEq(market.balanceOf(client), 1000 * UNIT - 60 * UNIT - 100 * UNIT + 40 * UNIT - 18 * UNIT);
    }

    /// The last lease holds what is left: two tasks.
    function test_theLastLease_isSmaller() public {
        _commit(8, alice, ROOT);
        assertEq(lease(8).count, 2);
        assertEq(market.providerOf(alice).free, STAKE - BOND / 2);
        _commit(8, bob, ROOT);
        _commit(8, carol, ROOT);
        _reveal(8, alice, ROOT);
        _reveal(8, bob, ROOT);
        _reveal(8, carol, ROOT, _panel());
        assertEq(market.balanceOf(alice), PAID / 2);
        assertEq(market.balanceOf(client), 1000 * UNIT - 60 * UNIT + 12 * UNIT - 9 * UNIT);
        assertSolvent(48 * UNIT);
    }

    /// The fee rounds down for each seat, and what a seat loses rounds down for it.
    function test_roundings() public {
        job = redundantJob(3, 2);
        job.terms.nonce = 99;
        (job.terms.tasks, job.terms.maxLease) = (1, 1);
        (job.price.minPrice, job.price.maxPrice, job.price.bond) = (79, 79, 19);
        jobId = post(job);
        _seal();
        _wait();
        uint256 held = market.balanceOf(client);
        _commit(0, alice, ROOT);
        _commit(0, bob, ROOT);
        _join(0, carol);
        vm.warp(commitBy(0) + 1);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT, _panel());
        // 79 * 250 / 10,000 = 1.975: each seat pays 1, not both together 3.
        assertHas(alice, STAKE, STAKE, 78, 1, 0, 0);
        assertEq(market.balanceOf(treasury), 2);
        assertEq(market.balanceOf(client) - held, 79, "the third seat's");
        assertHas(carol, STAKE - 1, STAKE - 1, 0, 0, 1, 0); // a tenth of 19
        assertSolvent(60 * UNIT);
    }

    function test_freeOfChargeAndWithoutBond() public {
        job = redundantJob(3, 2);
        (job.price.minPrice, job.price.maxPrice, job.price.bond) = (0, 0, 0);
        jobId = post(job);
        _seal();
        _wait();
        _committed(ROOT, OTHER, ROOT);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, OTHER);
        _reveal(0, carol, ROOT, _panel());
        assertHas(alice, STAKE, STAKE, 0, 1, 0, 0);
        assertHas(bob, STAKE, STAKE, 0, 0, 0, 1);
        assertSolvent(60 * UNIT);
    }

    /// A lease takes nothing from another: each settles by itself.
    function test_leasesAreIndependent() public {
        _committed(ROOT, ROOT, ROOT);
        _commit(4, alice, OTHER);
        assertEq(market.providerOf(alice).free, STAKE - 2 * BOND);
        _reveal(0, alice, ROOT);
        _reveal(0, bob, ROOT);
        _reveal(0, carol, ROOT, _panel());
        assertEq(market.providerOf(alice).free, STAKE - BOND);
        assertSeat(4, alice, IMarket.Seat.Committed);
        assertPhase(jobId, 4, IMarket.Phase.Running);
        (bytes32 root,,) = market.resultRoot(jobId, 4);
        assertEq(root, 0);
    }

    // ------------------------------------------------------------------ what outcomes have in common

    function _expectSettled(uint128 winners) private {
        vm.expectEmit(address(market));
        emit IMarket.Settled(
            jobId, 0, IMarket.How.Quorum, winners * PAID, winners * FEE_OF_A_SEAT, ESCROW - winners * 6 * UNIT
        );
    }

    function _expectRefunded() private {
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, ESCROW);
    }

    function _assertTwoPaid(address a, address b, uint256 burned) private view {
        assertPhase(jobId, 0, IMarket.Phase.Settled);
        assertHas(a, STAKE, STAKE, PAID, 1, 0, 0);
        assertHas(b, STAKE, STAKE, PAID, 1, 0, 0);
        assertEq(market.balanceOf(client), LEDGER + ESCROW - 12 * UNIT);
        assertEq(market.balanceOf(treasury), 2 * FEE_OF_A_SEAT);
        assertEq(market.burned(), burned);
        assertSolvent(REST);
        (bytes32 root,,) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
    }

    function _assertRefunded(uint256 burned) private view {
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertEq(market.balanceOf(client), LEDGER + ESCROW);
        assertEq(market.balanceOf(treasury), 0);
        assertEq(market.burned(), burned);
        assertSolvent(REST);
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(uint256(root) + count + uint8(how), 0);
        assertEq(lease(0).root, 0);
    }
}

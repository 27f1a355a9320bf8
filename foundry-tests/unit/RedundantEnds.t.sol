// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Every end of a redundant round, with everyone's money to the unit, and the events in their order. A lease of four tasks:
/// bond 4, price 8 a seat, of which 0.2 are fee; escrow 24. A seat that joined only loses 0.4 in every row.
///
/// | round                            | the seats that opened       | unopened     | the lease                                       |
/// | -------------------------------- | --------------------------- | ------------ | ------------------------------------------------ |
/// | Q equal roots                    | equal: paid; others: bond   | bond         | Settled; losers' price burned, empty seats' back |
/// | all N opened, no quorum          | a tenth of min(bond, price) | -            | Void; a tenth of the price burned, the rest back |
/// | Q or more commits, fewer open    | a tenth of min(bond, price) | bond         | Free, new round and point (NoQuorum)             |
/// | Q or more commits, none opened   | -                           | released     | Free, new round and point (Outage)               |
/// | fewer than Q commits             | -                           | released     | Free, new round and point (TooFewCommits)        |
contract RedundantEndsTest is RedundantBase {
    uint64 private constant REVEAL = 6 hours;
    uint256 private constant TENTH = BOND / 10;
    uint256 private constant FEES = GROSS - PAY;

    uint256 private _had;

    function setUp() public override {
        super.setUp();
        _had = market.balanceOf(client);
    }

    function _ends(address who, IMarket.SeatEnd end, uint256 paid, uint256 burned) private {
        expectClosed(0, LEASE, who, end, paid, burned);
    }

    function _assertBurned(uint256 burned, uint256 refunded, uint256 fee) private view {
        assertEq(market.burned(), burned, "burned");
        assertEq(market.balanceOf(client) - _had, refunded, "refunded");
        assertEq(market.balanceOf(treasury), fee, "fee");
    }

    function _assertRoot(bytes32 expected) private view {
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(root, expected);
        assertEq(count, 4);
        assertEq(uint8(grade), uint8(IMarket.Grade.Quorum));
    }

    // ------------------------------------------------------------------ a quorum

    function test_quorum_ofAll() public {
        threeCommit(ROOT, ROOT, ROOT);
        _assertNoRoot();
        expectOpened(0, LEASE, alice, ROOT, DIGESTS);
        expectOpened(0, LEASE, bob, ROOT, DIGESTS);
        expectOpened(0, LEASE, carol, ROOT, DIGESTS);
        _ends(alice, IMarket.SeatEnd.Paid, PAY, 0);
        _ends(bob, IMarket.SeatEnd.Paid, PAY, 0);
        _ends(carol, IMarket.SeatEnd.Paid, PAY, 0);
        expectSettled(IMarket.Grade.Quorum, 3 * PAY, 3 * FEES, 0, 0);
        settle(0, three(ROOT, ROOT, ROOT));
        assertHas(alice, STAKE, PAY, 1, 0, 0);
        assertHas(bob, STAKE, PAY, 1, 0, 0);
        assertHas(carol, STAKE, PAY, 1, 0, 0);
        _assertBurned(0, 0, 3 * FEES);
        _assertRoot(ROOT);
        assertEq(PAY, 7.8 ether);
    }

    function _assertNoRoot() private view {
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertTrue(root == 0 && count == 0 && grade == IMarket.Grade.None, "no result");
    }

    function test_quorum_oneOutvoted() public {
        threeCommit(OTHER, ROOT, ROOT);
        _ends(alice, IMarket.SeatEnd.Outvoted, 0, BOND);
        _ends(bob, IMarket.SeatEnd.Paid, PAY, 0);
        _ends(carol, IMarket.SeatEnd.Paid, PAY, 0);
        expectSettled(IMarket.Grade.Quorum, 2 * PAY, 2 * FEES, GROSS, 0);
        settle(0, three(OTHER, ROOT, ROOT));
        assertHas(alice, STAKE - BOND, 0, 0, 0, 1);
        assertHas(bob, STAKE, PAY, 1, 0, 0);
        _assertBurned(BOND + GROSS, 0, 2 * FEES);
        _assertRoot(ROOT);
    }

    /// P-38: otherwise a full counter would make a round impossible to end.
    function test_quorum_slashedIsFull_saturates() public {
        // `slashed` is bits 168 to 199 of the stake's slot, which comes after the number's and the provider's.
        bytes32 slot = slotReadBy(abi.encodeCall(IMarket.providerOf, (alice)), 2);
        bytes32 word = vm.load(address(market), slot) | bytes32(uint256(type(uint32).max) << 168);
        vm.store(address(market), slot, word);
        assertHas(alice, STAKE, 0, 0, 0, type(uint32).max);
        threeCommit(OTHER, ROOT, ROOT);
        settle(0, three(OTHER, ROOT, ROOT));
        assertHas(alice, STAKE - BOND, 0, 0, 0, type(uint32).max);
    }

    function test_quorum_oneSilent() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, panel(opens(alice, ROOT), opens(carol, ROOT)));
        vm.warp(time() + REVEAL + 1);
        _ends(alice, IMarket.SeatEnd.Paid, PAY, 0);
        _ends(bob, IMarket.SeatEnd.Silent, 0, BOND);
        _ends(carol, IMarket.SeatEnd.Paid, PAY, 0);
        expectSettled(IMarket.Grade.Quorum, 2 * PAY, 2 * FEES, GROSS, 0);
        settle(0, panel(opens(alice, ROOT), named(bob), opens(carol, ROOT)));
        assertHas(bob, STAKE - BOND, 0, 0, 0, 1);
        _assertBurned(BOND + GROSS, 0, 2 * FEES);
    }

    /// The share of a seat that was never taken returns to the client.
    function test_quorum_oneSeatEmpty() public {
        twoCommit(ROOT, ROOT);
        vm.warp(commitBy(0) + 1);
        expectSettled(IMarket.Grade.Quorum, 2 * PAY, 2 * FEES, 0, GROSS);
        settle(0, two(ROOT, ROOT));
        _assertBurned(0, GROSS, 2 * FEES);
    }

    /// So does the share of a seat that was taken and never filled; its holder was late.
    function test_quorum_oneSeatLate() public {
        twoCommit(ROOT, ROOT);
        join(0, carol);
        vm.warp(commitBy(0) + 1);
        _ends(alice, IMarket.SeatEnd.Paid, PAY, 0);
        _ends(bob, IMarket.SeatEnd.Paid, PAY, 0);
        _ends(carol, IMarket.SeatEnd.Late, 0, TENTH);
        expectSettled(IMarket.Grade.Quorum, 2 * PAY, 2 * FEES, 0, GROSS);
        settle(0, panel(opens(alice, ROOT), opens(bob, ROOT), named(carol)));
        assertHas(carol, STAKE - TENTH, 0, 0, 1, 0);
        _assertBurned(TENTH, GROSS, 2 * FEES);
    }

    /// Three of five: one outvoted, one silent.
    function test_quorum_threeOfFive() public {
        postThis(redundantJob(5, 3));
        awaken(0);
        _had = market.balanceOf(client);
        threeCommit(OTHER, ROOT, ROOT);
        commit(0, dave, ROOT);
        commit(0, erin, ROOT);
        IMarket.Opening[] memory all = new IMarket.Opening[](5);
        (all[0], all[1], all[2]) = (opens(alice, OTHER), opens(bob, ROOT), opens(carol, ROOT));
        (all[3], all[4]) = (opens(dave, ROOT), named(erin));
        settle(0, all);
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        vm.warp(time() + REVEAL + 1);
        expectSettled(IMarket.Grade.Quorum, 3 * PAY, 3 * FEES, 2 * GROSS, 0);
        settle(0, all);
        assertHas(alice, STAKE - BOND, 0, 0, 0, 1);
        assertHas(dave, STAKE, PAY, 1, 0, 0);
        assertHas(erin, STAKE - BOND, 0, 0, 0, 1);
        _assertBurned(2 * (BOND + GROSS), 0, 3 * FEES);
    }

    /// Equal roots decide, whatever the digest lists.
    function test_quorum_isOfRoots() public {
        commit(0, alice, ROOT);
        commitTo(0, bob, committed(0, LEASE, bob, ROOT, keccak256("another list")));
        commit(0, carol, OTHER);
        IMarket.Opening[] memory all = three(ROOT, ROOT, OTHER);
        all[1].proof = keccak256("another list");
        settle(0, all);
        _assertRoot(ROOT);
        assertHas(bob, STAKE, PAY, 1, 0, 0);
    }

    /// The fee is rounded down for each seat.
    function test_quorum_roundsTheFeeOfEachSeat() public {
        IMarket.Job memory made = redundantJob(3, 2);
        (made.price.minPrice, made.price.maxPrice, made.price.bond) = (19, 19, 7);
        postThis(made);
        awaken(0);
        _had = market.balanceOf(client);
        threeCommit(ROOT, ROOT, OTHER);
        // 76 a seat: 1.9 of fee. Two seats: 3.8.
        expectSettled(IMarket.Grade.Quorum, 150, 2, 76, 0);
        settle(0, three(ROOT, ROOT, OTHER));
        assertHas(alice, STAKE, 75, 1, 0, 0);
        assertHas(carol, STAKE - 28, 0, 0, 0, 1);
        _assertBurned(104, 0, 2);
    }

    /// The fee of the job's `post` holds.
    function test_quorum_withTheFeeOfPost() public {
        vm.prank(governor);
        market.setFee(500, treasury);
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, three(ROOT, ROOT, ROOT));
        _assertBurned(0, 0, 3 * FEES);
        awaken(4);
        commit(4, alice, ROOT);
        commit(4, bob, ROOT);
        vm.warp(commitBy(4) + 1);
        settle(4, two(ROOT, ROOT));
        assertEq(market.balanceOf(treasury), 5 * FEES);
    }

    /// A round that runs when its job is cancelled is paid.
    function test_quorum_afterTheJobsEnd() public {
        twoCommit(ROOT, ROOT);
        vm.prank(client);
        market.cancel(job);
        vm.warp(commitBy(0) + 1);
        settle(0, two(ROOT, ROOT));
        assertHas(alice, STAKE, PAY, 1, 0, 0);
        _assertRoot(ROOT);
    }

    // ------------------------------------------------------------------ all opened, no quorum

    function _expectVoided(uint256 burned, uint256 refunded) private {
        vm.expectEmit(address(market));
        // forge-lint: disable-next-line(unsafe-typecast)
        emit IMarket.Voided(jobId, 0, uint128(burned), uint128(refunded), 0);
    }

    function test_void() public {
        threeCommit(ROOT, OTHER, THIRD);
        _ends(alice, IMarket.SeatEnd.Undecided, 0, TENTH);
        _ends(bob, IMarket.SeatEnd.Undecided, 0, TENTH);
        _ends(carol, IMarket.SeatEnd.Undecided, 0, TENTH);
        _expectVoided(ESCROW / 10, ESCROW - ESCROW / 10);
        settle(0, three(ROOT, OTHER, THIRD));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertHas(alice, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(bob, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(carol, STAKE - TENTH, 0, 0, 1, 0);
        _assertBurned(3 * TENTH + 2.4 ether, 21.6 ether, 0);
        _assertNoRoot();
    }

    /// A seat loses no more than a tenth of what it could have earned.
    function test_void_withABondOverThePrice() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.price.bond = 3 * UNIT;
        postThis(made);
        awaken(0);
        threeCommit(ROOT, OTHER, THIRD);
        settle(0, three(ROOT, OTHER, THIRD));
        assertHas(alice, STAKE - GROSS / 10, 0, 0, 1, 0);
        assertEq(market.burned(), 3 * GROSS / 10 + ESCROW / 10);
    }

    /// All tenths are rounded down: of the bond, and of the price of all seats together.
    function test_void_roundsDown() public {
        IMarket.Job memory made = redundantJob(3, 2);
        (made.price.minPrice, made.price.maxPrice, made.price.bond) = (13, 13, 7);
        postThis(made);
        awaken(0);
        _had = market.balanceOf(client);
        threeCommit(ROOT, OTHER, THIRD);
        _expectVoided(15, 141); // of 156
        settle(0, three(ROOT, OTHER, THIRD));
        assertHas(alice, STAKE - 2, 0, 0, 1, 0); // of 28
        _assertBurned(21, 141, 0);
    }

    // ------------------------------------------------------------------ fewer opened, no quorum

    /// A split of two with the third seat empty: the round is over, the lease is not.
    function test_noQuorum_oneSeatEmpty() public {
        twoCommit(ROOT, OTHER);
        vm.warp(commitBy(0) + 1);
        _ends(alice, IMarket.SeatEnd.Undecided, 0, TENTH);
        _ends(bob, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectFreed(IMarket.Reason.NoQuorum);
        settle(0, two(ROOT, OTHER));
        assertHas(alice, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(bob, STAKE - TENTH, 0, 0, 1, 0);
        _assertBurned(2 * TENTH, 0, 0);
        assertLapsed();
    }

    function test_noQuorum_oneSilent() public {
        threeCommit(ROOT, ROOT, OTHER);
        settle(0, panel(opens(alice, ROOT), opens(carol, OTHER)));
        vm.warp(time() + REVEAL + 1);
        _ends(alice, IMarket.SeatEnd.Undecided, 0, TENTH);
        _ends(bob, IMarket.SeatEnd.Silent, 0, BOND);
        _ends(carol, IMarket.SeatEnd.Undecided, 0, TENTH);
        expectFreed(IMarket.Reason.NoQuorum);
        settle(0, panel(opens(alice, ROOT), named(bob), opens(carol, OTHER)));
        assertHas(bob, STAKE - BOND, 0, 0, 0, 1);
        _assertBurned(2 * TENTH + BOND, 0, 0);
        assertLapsed();
    }

    /// One that opened alone loses its tenth, the silent all.
    function test_noQuorum_oneOpened() public {
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, panel(opens(bob, ROOT)));
        vm.warp(time() + REVEAL + 1);
        settle(0, panel(named(alice), opens(bob, ROOT), named(carol)));
        assertHas(alice, STAKE - BOND, 0, 0, 0, 1);
        assertHas(bob, STAKE - TENTH, 0, 0, 1, 0);
        assertHas(carol, STAKE - BOND, 0, 0, 0, 1);
        assertLapsed();
    }

    function test_noQuorum_oneLate() public {
        twoCommit(ROOT, OTHER);
        join(0, carol);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(opens(alice, ROOT), opens(bob, OTHER), named(carol)));
        assertHas(carol, STAKE - TENTH, 0, 0, 1, 0);
        assertSeat(0, carol, IMarket.Seat.Left);
        assertSeat(0, alice, IMarket.Seat.None);
        assertLapsed();
    }

    /// What opened seats lose is bound by the price here too; what silent and late ones lose is not.
    function test_noQuorum_withABondOverThePrice() public {
        IMarket.Job memory made = redundantJob(4, 3);
        made.price.bond = 3 * UNIT;
        postThis(made);
        awaken(0);
        threeCommit(ROOT, OTHER, ROOT);
        join(0, dave);
        vm.warp(commitBy(0) + 1);
        settle(0, two(ROOT, OTHER));
        vm.warp(commitBy(0) + REVEAL + 1);
        IMarket.Opening[] memory all = new IMarket.Opening[](4);
        (all[0], all[1], all[2], all[3]) = (opens(alice, ROOT), opens(bob, OTHER), named(carol), named(dave));
        settle(0, all);
        assertHas(alice, STAKE - GROSS / 10, 0, 0, 1, 0);
        assertHas(carol, STAKE - 12 ether, 0, 0, 0, 1);
        assertHas(dave, STAKE - 1.2 ether, 0, 0, 1, 0);
    }

    // ------------------------------------------------------------------ nothing opened

    function test_outage_releasesCommitments() public {
        threeCommit(ROOT, ROOT, OTHER);
        vm.warp(time() + REVEAL + 1);
        _ends(alice, IMarket.SeatEnd.Released, 0, 0);
        _ends(bob, IMarket.SeatEnd.Released, 0, 0);
        _ends(carol, IMarket.SeatEnd.Released, 0, 0);
        expectFreed(IMarket.Reason.Outage);
        settle(0, panel(named(alice), named(bob), named(carol)));
        assertUntouched(alice);
        assertUntouched(bob);
        assertUntouched(carol);
        _assertBurned(0, 0, 0);
        assertLapsed();
    }

    function test_outage_oneLate() public {
        twoCommit(ROOT, ROOT);
        join(0, carol);
        vm.warp(commitBy(0) + REVEAL + 1);
        _ends(alice, IMarket.SeatEnd.Released, 0, 0);
        _ends(bob, IMarket.SeatEnd.Released, 0, 0);
        _ends(carol, IMarket.SeatEnd.Late, 0, TENTH);
        expectFreed(IMarket.Reason.Outage);
        settle(0, panel(named(alice), named(bob), named(carol)));
        assertHas(carol, STAKE - TENTH, 0, 0, 1, 0);
        _assertBurned(TENTH, 0, 0);
        assertLapsed();
    }

    // ------------------------------------------------------------------ too few commitments

    function test_tooFewCommits_releasesThem() public {
        join(0, alice);
        commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        _ends(alice, IMarket.SeatEnd.Late, 0, TENTH);
        _ends(bob, IMarket.SeatEnd.Released, 0, 0);
        expectFreed(IMarket.Reason.TooFewCommits);
        settle(0, panel(named(alice), named(bob)));
        assertHas(alice, STAKE - TENTH, 0, 0, 1, 0);
        assertUntouched(bob);
        _assertBurned(TENTH, 0, 0);
        assertLapsed();
    }

    function test_tooFewCommits_none() public {
        join(0, alice);
        join(0, bob);
        join(0, carol);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(alice), named(bob), named(carol)));
        assertHas(carol, STAKE - TENTH, 0, 0, 1, 0);
        _assertBurned(3 * TENTH, 0, 0);
        assertLapsed();
    }

    /// A tenth of a bond below 10 is nothing; it counts all the same.
    function test_tooFewCommits_roundsDown() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.price.bond = 2;
        postThis(made);
        awaken(0);
        join(0, alice);
        join(0, bob);
        vm.warp(commitBy(0) + 1);
        expectClosed(0, LEASE, alice, IMarket.SeatEnd.Late, 0, 0);
        settle(0, panel(named(alice), named(bob)));
        assertHas(alice, STAKE, 0, 0, 1, 0);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A market with six providers of equal, old stake (numbers 1 to 6), and what redundant leases need: a
/// sealed job, seats, votes, panels, and sums over all accounts.
abstract contract RedundantBase is Base {
    uint128 internal constant STAKE = 100 * UNIT;

    address internal carol = makeAddr("carol");
    address internal dave = makeAddr("dave");
    address internal erin = makeAddr("erin");
    address internal frank = makeAddr("frank");

    bytes32 internal constant OTHER = keccak256("another root");

    IMarket.Job internal job;
    bytes32 internal jobId;
    /// The round that acts are for.
    uint16 internal round = 1;

    function setUp() public virtual override {
        super.setUp();
        stakeOf(carol, STAKE);
        stakeOf(dave, STAKE);
        stakeOf(erin, STAKE);
        stakeOf(frank, STAKE);
        vm.warp(time() + times().stakeAge);
        vm.roll(1000);
        _postRedundant(3, 2);
        _seal();
    }

    /// 10 tasks in leases of 4, 4 and 2; prices as in `aJob`.
    function redundantJob(uint8 replicas, uint8 quorum)
        internal
        view
        virtual
        returns (IMarket.Job memory made)
    {
        made = aJob();
        (made.terms.replicas, made.terms.quorum) = (replicas, quorum);
    }

    /// Posts a job in this second and makes it the one under test.
    function _postRedundant(uint8 replicas, uint8 quorum) internal {
        job = redundantJob(replicas, quorum);
        job.terms.nonce = uint64(uint256(keccak256(abi.encode(time(), block.number, replicas))));
        jobId = post(job);
    }

    function _seal() internal {
        vm.roll(block.number + 3);
        market.seal(job);
    }

    /// To a time at which every provider is drawn: its share of a sixth, doubled six times.
    function _wait() internal {
        vm.warp(time() + 6 * times().drawStep);
    }

    // ------------------------------------------------------------------ acts

    function _join(uint32 first, address who) internal {
        vm.prank(who);
        market.join(job, first, round, who);
    }

    function _commit(uint32 first, address who, bytes32 root) internal {
        _commitTo(first, who, commitment(first, who, root));
    }

    function _commitTo(uint32 first, address who, bytes32 hash) internal {
        vm.prank(who);
        market.commit(job, first, round, who, hash);
    }

    function _reveal(uint32 first, address who, bytes32 root) internal {
        _reveal(first, who, root, new uint32[](0));
    }

    function _reveal(uint32 first, address who, bytes32 root, uint32[] memory panel) internal {
        vm.prank(who);
        market.reveal(job, first, who, root, MANIFEST, saltOf(who), panel);
    }

    function _settle(uint32 first, bytes32 root, uint32[] memory panel) internal {
        vm.prank(anyone);
        market.settle(job, first, root, panel);
    }

    // ------------------------------------------------------------------ what acts need

    function saltOf(address who) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", who));
    }

    function commitment(uint32 first, address who, bytes32 root) internal view returns (bytes32) {
        return
            keccak256(abi.encode(jobId, uint256(first), uint256(round), uint256(0), who, root, saltOf(who)));
    }

    function panelOf(address a) internal view returns (uint32[] memory panel) {
        panel = new uint32[](1);
        panel[0] = market.providerOf(a).number;
    }

    function panelOf(address a, address b) internal view returns (uint32[] memory panel) {
        panel = new uint32[](2);
        (panel[0], panel[1]) = (market.providerOf(a).number, market.providerOf(b).number);
    }

    function panelOf(address a, address b, address c) internal view returns (uint32[] memory panel) {
        panel = new uint32[](3);
        (panel[0], panel[1]) = (market.providerOf(a).number, market.providerOf(b).number);
        panel[2] = market.providerOf(c).number;
    }

    // ------------------------------------------------------------------ reading

    function lease(uint32 first) internal view returns (IMarket.LeaseState memory) {
        return market.leaseOf(jobId, first);
    }

    function seat(uint32 first, address who) internal view returns (IMarket.Seat) {
        return market.seatOf(jobId, first, lease(first).round, 0, who);
    }

    function assertSeat(uint32 first, address who, IMarket.Seat expected) internal view {
        assertEq(uint8(seat(first, who)), uint8(expected), "seat");
    }

    function commitBy(uint32 first) internal view returns (uint64) {
        return lease(first).startedAt + times().drawTime + job.timing.runWindow;
    }

    /// What a provider has: stake, free stake, earnings, and its three counts.
    function assertHas(
        address who,
        uint256 stake,
        uint256 free,
        uint256 earned,
        uint32 completed,
        uint32 late,
        uint32 slashed
    ) internal view {
        IMarket.ProviderState memory p = market.providerOf(who);
        string memory name = vm.getLabel(who);
        assertEq(p.stake, stake, string.concat("stake of ", name));
        assertEq(p.free, free, string.concat("free stake of ", name));
        assertEq(market.balanceOf(who), earned, string.concat("earnings of ", name));
        assertEq(p.completed, completed, string.concat("completed of ", name));
        assertEq(p.late, late, string.concat("late of ", name));
        assertEq(p.slashed, slashed, string.concat("slashed of ", name));
    }

    /// All that the market holds is someone's, is `escrow`, or is burned: to the unit. So is the total stake.
    function assertSolvent(uint256 escrow) internal view {
        address[6] memory providers = [alice, bob, carol, dave, erin, frank];
        uint256 stakes = 0;
        uint256 ledgers = market.balanceOf(client) + market.balanceOf(treasury);
        for (uint256 i; i < 6; ++i) {
            stakes += market.providerOf(providers[i]).stake;
            ledgers += market.balanceOf(providers[i]);
        }
        assertEq(market.totalStake(), stakes, "total stake");
        assertEq(
            token.balanceOf(address(market)), ledgers + stakes + escrow + market.burned(), "the books balance"
        );
    }
}

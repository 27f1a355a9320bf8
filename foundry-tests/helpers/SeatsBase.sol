// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A market with six providers of equal, old stake (numbers 1 to 6), and what redundant leases and audits share:
/// the books of all posted jobs, draws computed apart from the market, and short names for errors and openings.
///
/// Everything that an act needs is cached here, so that `vm.expectRevert` and `vm.expectEmit` can stand before it.
abstract contract SeatsBase is Base {
    uint128 internal constant STAKE = 100 * UNIT;
    uint256 internal constant NEVER = type(uint64).max;

    address internal carol = makeAddr("carol");
    address internal dave = makeAddr("dave");
    address internal erin = makeAddr("erin");
    address internal frank = makeAddr("frank");

    /// Everyone that has anything in the market, and the providers' numbers.
    address[] internal people;
    mapping(address => uint32) internal numbers;

    /// All jobs that the test posted, and the one under test.
    IMarket.Job[] internal posted;
    IMarket.Job internal job;
    bytes32 internal jobId;
    /// The round that acts are for.
    uint16 internal round = 1;
    /// Whether acts leave the books to the end of the test.
    bool internal quick;

    function setUp() public virtual override {
        super.setUp();
        address[4] memory more = [carol, dave, erin, frank];
        for (uint256 i; i < 4; ++i) {
            stakeOf(more[i], STAKE);
        }
        address[6] memory providers = [alice, bob, carol, dave, erin, frank];
        for (uint256 i; i < 6; ++i) {
            enrol(providers[i]);
        }
        people.push(client);
        people.push(treasury);
        people.push(anyone);
        vm.warp(time() + times().stakeAge);
    }

    function enrol(address who) internal {
        people.push(who);
        numbers[who] = numberOf(who);
    }

    /// Posts the job and makes it the one under test.
    function postThis(IMarket.Job memory made) internal {
        made.terms.nonce = uint64(100 + posted.length);
        jobId = post(made);
        job = made;
        posted.push(made);
        round = 1;
        assertBooks();
    }

    // ------------------------------------------------------------------ the books

    /// To the unit: all that the market holds is somebody's balance or stake, or in escrow, or burned. What is in escrow,
    /// and what is locked of each stake, follows from the phases of the leases and from the seats.
    function assertBooks() internal view {
        if (!quick) assertBooksNow();
    }

    function assertBooksNow() internal view {
        uint256 balances;
        uint256 stakes;
        for (uint256 i; i < people.length; ++i) {
            balances += market.balanceOf(people[i]);
            IMarket.ProviderState memory p = market.providerOf(people[i]);
            stakes += p.stake;
            assertEq(p.stake - p.free, bondsOf(people[i]), string.concat("bonds of ", vm.getLabel(people[i])));
        }
        uint256 escrow;
        for (uint256 i; i < posted.length; ++i) {
            escrow += escrowIn(posted[i]);
        }
        assertEq(market.totalStake(), stakes, "all stake");
        uint256 sum = balances + stakes + escrow + market.burned();
        assertEq(token.balanceOf(address(market)), sum, "all money");
    }

    /// What a job has in escrow: the worst case of its unclaimed and unfinished tasks.
    function escrowIn(IMarket.Job memory made) internal view returns (uint256) {
        bytes32 id = market.hashJob(made);
        uint256 tasks = made.terms.tasks - market.jobOf(id).next;
        uint32 first;
        while (first < made.terms.tasks) {
            IMarket.LeaseState memory l = market.leaseOf(id, first);
            // The first lease of a redundant job is open from `post` on, and written with its first seat.
            bool unwritten = l.count == 0 && first == 0 && made.assurance.replicas != 1;
            uint32 count = unwritten ? made.terms.maxLease : l.count;
            if (count == 0) break;
            if (l.phase < IMarket.Phase.Settled) tasks += count;
            first += count;
        }
        return tasks * escrowRate(made);
    }

    function escrowRate(IMarket.Job memory made) internal pure returns (uint256) {
        uint256 reserve = (3 * uint256(made.price.juryFee) + made.terms.minLease - 1) / made.terms.minLease;
        return uint256(made.assurance.replicas) * made.price.maxPrice + reserve;
    }

    /// The sum of the bonds of `who`'s unfinished leases and seats.
    function bondsOf(address who) internal view returns (uint256 sum) {
        for (uint256 i; i < posted.length; ++i) {
            IMarket.Job memory made = posted[i];
            bytes32 id = market.hashJob(made);
            uint32 first;
            while (first < made.terms.tasks) {
                IMarket.LeaseState memory l = market.leaseOf(id, first);
                if (l.count == 0) break;
                sum += made.assurance.replicas == 1
                    ? ordinaryBonds(made, id, first, l, who)
                    : (sits(id, first, l.round, 0, who) ? uint256(made.price.bond) * l.count : 0);
                first += l.count;
            }
        }
    }

    function ordinaryBonds(
        IMarket.Job memory made,
        bytes32 id,
        uint32 first,
        IMarket.LeaseState memory l,
        address who
    ) internal view returns (uint256 sum) {
        bool held = l.phase >= IMarket.Phase.Running && l.phase <= IMarket.Phase.Undecided;
        if (held && l.provider == who) sum = uint256(made.price.bond) * l.count;
        for (uint8 kind = 1; kind <= 2; ++kind) {
            if (sits(id, first, l.round, kind, who)) sum += 8 * uint256(made.price.juryFee);
        }
    }

    function sits(bytes32 id, uint32 first, uint16 round_, uint8 kind, address who)
        internal
        view
        returns (bool)
    {
        IMarket.Seat state = market.seatOf(id, first, round_, kind, who);
        return state != IMarket.Seat.None && state != IMarket.Seat.Left;
    }

    /// What a provider has: stake (all of it free), earnings, and its three counts.
    function assertHas(
        address who,
        uint256 stake,
        uint256 earned,
        uint32 completed,
        uint32 late,
        uint32 slashed
    ) internal view {
        IMarket.ProviderState memory p = market.providerOf(who);
        string memory name = vm.getLabel(who);
        assertEq(p.stake, stake, string.concat("stake of ", name));
        assertEq(p.free, stake, string.concat("free stake of ", name));
        assertEq(market.balanceOf(who), earned, string.concat("earnings of ", name));
        assertEq(p.completed, completed, string.concat("completed of ", name));
        assertEq(p.late, late, string.concat("late of ", name));
        assertEq(p.slashed, slashed, string.concat("slashed of ", name));
    }

    /// Nothing happened to the provider.
    function assertUntouched(address who) internal view {
        assertHas(who, STAKE, 0, 0, 0, 0);
    }

    function freeOf(address who) internal view returns (uint256) {
        return market.providerOf(who).free;
    }

    function lease(uint32 first) internal view returns (IMarket.LeaseState memory) {
        return market.leaseOf(jobId, first);
    }

    function assertSeat(uint32 first, uint8 kind, address who, IMarket.Seat expected) internal view {
        assertEq(uint8(market.seatOf(jobId, first, round, kind, who)), uint8(expected), "seat");
    }

    // ------------------------------------------------------------------ draws

    /// The step at which a ticket is drawn for one of `places`; NEVER if it is not: the line of docs/PROTOCOL.md.
    function stepOf(uint256 ticket, uint256 weight, uint256 total, uint256 places, uint256 steps)
        internal
        pure
        returns (uint256)
    {
        for (uint256 k; k <= steps; ++k) {
            // forge-lint: disable-next-line(unsafe-typecast)
            if (uint256(uint128(ticket)) * total < weight * places * 2 ** (128 + k)) return k;
        }
        return NEVER;
    }

    /// The hash of `who`'s draw with this seed, in the present round.
    function ticketOf(bytes32 seed, uint8 kind, uint32 first, uint32 task, address who)
        internal
        view
        returns (uint256)
    {
        return drawHash(seed, kind, jobId, first, round, task, who);
    }

    // ------------------------------------------------------------------ a beacon that fails

    bytes private _beaconCode;

    /// From now on every question to the beacon fails, and takes all the gas that it gets.
    function breakBeacon() internal {
        replaceBeacon(hex"fe");
    }

    /// From now on this code answers in the beacon's place; what is stored there stays.
    function replaceBeacon(bytes memory code) internal {
        if (_beaconCode.length == 0) _beaconCode = address(beacon).code;
        vm.etch(address(beacon), code);
    }

    function mendBeacon() internal {
        vm.etch(address(beacon), _beaconCode);
    }

    // ------------------------------------------------------------------ openings

    /// What `who` commits to in the present round.
    function committed(uint32 first, uint8 kind, address who, bytes32 value, bytes32 proof)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(jobId, first, round, kind, numbers[who], value, proof, SALT));
    }

    function entry(address who, bytes32 value, bytes32 proof) internal view returns (IMarket.Opening memory) {
        return IMarket.Opening({number: numbers[who], value: value, proof: proof, salt: SALT});
    }

    /// The entry of a seat that opens nothing.
    function named(address who) internal view returns (IMarket.Opening memory) {
        return IMarket.Opening({number: numbers[who], value: 0, proof: 0, salt: 0});
    }

    function panel() internal pure returns (IMarket.Opening[] memory) {
        return new IMarket.Opening[](0);
    }

    function panel(IMarket.Opening memory a) internal pure returns (IMarket.Opening[] memory all) {
        all = new IMarket.Opening[](1);
        all[0] = a;
    }

    function panel(IMarket.Opening memory a, IMarket.Opening memory b)
        internal
        pure
        returns (IMarket.Opening[] memory all)
    {
        all = new IMarket.Opening[](2);
        (all[0], all[1]) = (a, b);
    }

    function panel(IMarket.Opening memory a, IMarket.Opening memory b, IMarket.Opening memory c)
        internal
        pure
        returns (IMarket.Opening[] memory all)
    {
        all = new IMarket.Opening[](3);
        (all[0], all[1], all[2]) = (a, b, c);
    }

    // ------------------------------------------------------------------ errors and events

    function jobUnknown(bytes32 id) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.JobUnknown.selector, id);
    }

    function wrongPhase(uint32 first, IMarket.Phase phase) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, first, phase);
    }

    function wrongRound(uint32 first, uint16 round_, uint8 jury) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, first, round_, jury);
    }

    function wrongSeat(uint32 first, address who, IMarket.Seat seat) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, first, who, seat);
    }

    function notDrawn(uint32 first, address who, uint256 from) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, first, who, from);
    }

    function wrongOpening(uint32 first, address who) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongOpening.selector, jobId, first, numbers[who]);
    }

    function wrongPanel(uint256 index) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongPanel.selector, index);
    }

    function openingsMissing(uint64 deadline) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.OpeningsMissing.selector, deadline, time());
    }

    function tooEarly(uint64 notBefore) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.TooEarly.selector, notBefore, time());
    }

    function tooLate(uint64 deadline) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.TooLate.selector, deadline, time());
    }

    function expectOpened(uint32 first, uint8 kind, address who, bytes32 value, bytes32 proof) internal {
        vm.expectEmit(address(market));
        emit IMarket.Opened(jobId, first, numbers[who], round, kind, value, proof);
    }

    function expectClosed(
        uint32 first,
        uint8 kind,
        address who,
        IMarket.SeatEnd end,
        uint256 paid,
        uint256 burned
    ) internal {
        vm.expectEmit(address(market));
        // forge-lint: disable-next-line(unsafe-typecast)
        emit IMarket.SeatClosed(jobId, first, numbers[who], round, kind, end, uint128(paid), uint128(burned));
    }
}

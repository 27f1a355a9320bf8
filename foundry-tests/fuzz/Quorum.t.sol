// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Random rounds of redundant leases, and all money of their ends against a model written from docs/PROTOCOL.md alone.
contract QuorumFuzzTest is RedundantBase {
    /// What a provider does: nothing, take a seat, commit and keep silent, or vote for one of three roots.
    enum Act {
        Absent,
        Joins,
        Silent,
        VotesA,
        VotesB,
        VotesC
    }

    struct Round {
        uint256 replicas;
        uint256 quorum;
        uint256 count;
        uint256 feeBps;
        uint256 seats;
        uint256 commits;
        uint256 opened;
        uint256 winner;
        uint256 turns;
    }

    struct Expected {
        uint256[15] stake;
        uint256[15] earned;
        uint256 client;
        uint256 treasury;
        uint256 burned;
        IMarket.Phase phase;
    }

    address[15] private _all;
    Act[15] private _acts;
    Round private _round;
    Expected private _expected;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 15; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            _all[i] = address(uint160(0xd000 + i));
            stakeOf(_all[i], STAKE);
            enrol(_all[i]);
        }
        vm.warp(time() + 1 days);
        quick = true;
    }

    function _root(Act act) private pure returns (bytes32) {
        return keccak256(abi.encode("root", act));
    }

    function _votes(Act act) private pure returns (bool) {
        return act >= Act.VotesA;
    }

    function testFuzz_quorum(uint256 seed, uint256 acts, uint256 prices, uint256 turns) public {
        _post(seed, prices);
        _round.turns = turns;
        uint256 had = market.balanceOf(client);
        _seat(acts);
        if (_round.seats < _round.quorum) return; // the round has not begun
        _open();
        _model(had);
        _compare();
    }

    function _post(uint256 seed, uint256 prices) private {
        Round storage r = _round;
        r.replicas = bound(seed & 0xff, 2, 15);
        r.quorum = bound(seed >> 8 & 0xff, r.replicas / 2 + 1, r.replicas);
        r.feeBps = bound(seed >> 16 & 0xffff, 0, 500);
        vm.prank(governor);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.setFee(uint16(r.feeBps), treasury);
        // forge-lint: disable-next-line(unsafe-typecast)
        IMarket.Job memory made = redundantJob(uint8(r.replicas), uint8(r.quorum));
        // forge-lint: disable-next-line(unsafe-typecast)
        made.terms.tasks = uint32(bound(seed >> 48 & 0xffff, 1, 20));
        // forge-lint: disable-next-line(unsafe-typecast)
        made.terms.maxLease =
            uint32(bound(seed >> 32 & 0xffff, 1, made.terms.tasks < 7 ? made.terms.tasks : 7));
        made.terms.minLease = made.terms.maxLease;
        made.price.maxPrice = uint128(bound(prices & type(uint64).max, 0, 1e18));
        made.price.minPrice = made.price.maxPrice;
        made.price.bond = uint128(bound(prices >> 128 & type(uint64).max, 0, 10e18));
        r.count = made.terms.maxLease;
        fund(client, 4000 * UNIT);
        postThis(made);
        awaken(0);
    }

    /// Who is drawn takes its seat, and commits.
    function _seat(uint256 acts) private {
        Round storage r = _round;
        bytes32 seed = beacon.seed(market.jobOf(jobId).point);
        for (uint256 i; i < 15; ++i) {
            uint256 die = acts >> 4 * i & 0xf;
            _acts[i] = die < 2
                ? Act.Absent
                : die < 4
                    ? Act.Joins
                    : die < 6 ? Act.Silent : die < 12 ? Act.VotesA : die < 14 ? Act.VotesB : Act.VotesC;
            uint256 step = stepOf(ticketOf(seed, LEASE, 0, 0, _all[i]), 1, 21, r.replicas, 4);
            if (i >= r.replicas || step == NEVER) _acts[i] = Act.Absent;
            if (_acts[i] == Act.Absent) continue;
            ++r.seats;
            if (_acts[i] == Act.Joins || die % 2 == 1) join(0, _all[i]);
            if (_acts[i] == Act.Joins) continue;
            ++r.commits;
            commit(0, _all[i], _root(_acts[i]));
            if (_votes(_acts[i])) ++r.opened;
            vm.warp(time() + 1);
        }
        if (r.commits < r.quorum) r.opened = 0;
    }

    /// All votes are opened, in one call or in two, and the round ends by the call that is due.
    function _open() private {
        Round storage r = _round;
        uint64 opensAt = r.commits == r.replicas ? time() : commitBy(0);
        if (r.commits < r.replicas) vm.warp(opensAt + 1);
        if (r.commits < r.quorum) return settle(0, _panel(0));
        uint256 early = r.turns & 0x7fff;
        IMarket.Opening[] memory some = _panel(early);
        uint256 opened = _openedBy(some);
        if (opened != 0 && opened < r.commits) settle(0, some);
        IMarket.Opening[] memory all = _panel(0x7fff);
        if (r.opened < r.commits) {
            if (opened < r.opened) settle(0, all);
            vm.warp(opensAt + 6 hours + 1);
        }
        if (phaseOf(jobId, 0) < IMarket.Phase.Settled && phaseOf(jobId, 0) != IMarket.Phase.Free) {
            settle(0, all);
        }
    }

    /// All seats; the votes of those in `mask` are opened.
    function _panel(uint256 mask) private view returns (IMarket.Opening[] memory all) {
        all = new IMarket.Opening[](_round.seats);
        uint256 at;
        for (uint256 i; i < 15; ++i) {
            if (_acts[i] == Act.Absent) continue;
            bool says = _votes(_acts[i]) && mask >> i & 1 == 1;
            all[at++] = says ? opens(_all[i], _root(_acts[i])) : named(_all[i]);
        }
    }

    function _openedBy(IMarket.Opening[] memory some) private pure returns (uint256 n) {
        for (uint256 i; i < some.length; ++i) {
            if (some[i].salt != 0) ++n;
        }
    }

    // ------------------------------------------------------------------ the model

    function _majority() private view returns (uint256) {
        uint256[6] memory votes;
        for (uint256 i; i < 15; ++i) {
            ++votes[uint256(_acts[i])];
        }
        for (uint256 act = uint256(Act.VotesA); act <= uint256(Act.VotesC); ++act) {
            if (votes[act] >= _round.quorum) return act;
        }
        return 0;
    }

    function _model(uint256 had) private {
        Round storage r = _round;
        Expected storage e = _expected;
        uint256 gross = uint256(job.price.maxPrice) * r.count;
        uint256 whole = gross * r.replicas;
        uint256 fee = gross * r.feeBps / 10_000;
        if (r.commits >= r.quorum) r.winner = _majority();
        e.client = had;
        uint256 winners;
        for (uint256 i; i < 15; ++i) {
            bool wins = r.winner != 0 && uint256(_acts[i]) == r.winner;
            uint256 loss = wins ? 0 : _loss(_acts[i], gross);
            if (wins) ++winners;
            e.earned[i] = wins ? gross - fee : 0;
            e.stake[i] = STAKE - loss;
            e.burned += loss;
        }
        if (r.winner != 0) {
            e.phase = IMarket.Phase.Settled;
            e.treasury = winners * fee;
            e.burned += (r.commits - winners) * gross;
            e.client += (r.replicas - r.commits) * gross;
        } else if (r.opened == r.replicas) {
            e.phase = IMarket.Phase.Void;
            e.burned += whole / 10;
            e.client += whole - whole / 10;
        } else {
            e.phase = IMarket.Phase.Free;
        }
    }

    /// What a seat that is not paid loses.
    function _loss(Act act, uint256 gross) private view returns (uint256) {
        Round storage r = _round;
        uint256 bond = uint256(job.price.bond) * r.count;
        if (act == Act.Absent) return 0;
        if (act == Act.Joins) return bond / 10;
        if (r.commits < r.quorum || r.opened == 0) return 0;
        if (act == Act.Silent || r.winner != 0) return bond;
        return (bond < gross ? bond : gross) / 10;
    }

    function _compare() private view {
        Expected storage e = _expected;
        for (uint256 i; i < 15; ++i) {
            IMarket.ProviderState memory p = market.providerOf(_all[i]);
            assertEq(p.stake, e.stake[i], "stake");
            assertEq(p.free, e.stake[i], "nothing stays locked");
            assertEq(market.balanceOf(_all[i]), e.earned[i], "earned");
        }
        assertEq(market.balanceOf(client), e.client, "client");
        assertEq(market.balanceOf(treasury), e.treasury, "fee");
        assertEq(market.burned(), e.burned, "burned");
        assertPhase(jobId, 0, e.phase);
        (bytes32 root,,) = market.resultRoot(jobId, 0);
        assertEq(root, _round.winner == 0 ? bytes32(0) : _root(Act(_round.winner)));
        assertBooksNow();
    }
}

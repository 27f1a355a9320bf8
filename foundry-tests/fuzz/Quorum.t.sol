// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Random rounds of redundant leases, and all money of their ends against a model written from PROTOCOL.md alone.
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
        uint256 price;
        uint256 bond;
        uint256 seats;
        uint256 commits;
        uint256 winner;
    }

    address[15] private _all;
    Act[15] private _acts;
    Round private _round;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 15; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            _all[i] = address(uint160(0xd000 + i));
            stakeOf(_all[i], STAKE);
        }
        vm.warp(time() + 1 days);
    }

    function _root(Act act) private pure returns (bytes32) {
        return keccak256(abi.encode("root", act));
    }

    function _votes(Act act) private pure returns (bool) {
        return act >= Act.VotesA;
    }

    function testFuzz_P10_quorum(uint256 seed, uint256 acts, uint256 prices, uint256 wait) public {
        _post(seed, prices);
        vm.warp(time() + 150 + wait % 1200);
        _play(seed, acts);
        _model();
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
        job = redundantJob(uint8(r.replicas), uint8(r.quorum));
        // forge-lint: disable-next-line(unsafe-typecast)
        job.terms.maxLease = uint32(bound(seed >> 32 & 0xffff, 1, 9));
        // forge-lint: disable-next-line(unsafe-typecast)
        job.terms.tasks = uint32(bound(seed >> 48 & 0xffff, 1, 20));
        job.price.maxPrice = uint128(bound(prices & type(uint64).max, 0, 1e18));
        job.price.minPrice = uint128(bound(prices >> 64 & type(uint64).max, 0, job.price.maxPrice));
        job.price.bond = uint128(bound(prices >> 128 & type(uint64).max, 0, 10e18));
        r.count = job.terms.tasks < job.terms.maxLease ? job.terms.tasks : job.terms.maxLease;
        fund(client, 4000 * UNIT);
        jobId = post(job);
        _seal();
    }

    /// All acts of the round, in time; the end by whatever call is due.
    function _play(uint256 seed, uint256 acts) private {
        Round storage r = _round;
        r.price = _priceNow();
        r.bond = job.price.bond * r.count;
        for (uint256 i; i < r.replicas; ++i) {
            uint256 die = acts >> 4 * i & 0xf;
            _acts[i] = die < 2
                ? Act.Absent
                : die < 4
                    ? Act.Joins
                    : die < 6 ? Act.Silent : die < 12 ? Act.VotesA : die < 14 ? Act.VotesB : Act.VotesC;
            if (_acts[i] == Act.Absent) continue;
            ++r.seats;
            if (_acts[i] == Act.Joins || die % 2 == 1) _join(0, _all[i]);
            if (_acts[i] == Act.Joins) continue;
            ++r.commits;
            _commit(0, _all[i], _root(_acts[i]));
            vm.warp(time() + 1);
        }
        vm.assume(r.seats != 0);
        uint32[] memory panel = _panel();
        if (r.commits < r.replicas) vm.warp(commitBy(0) + 1);
        if (r.commits < r.quorum) return _settle(0, 0, panel);
        for (uint256 i; i < r.replicas; ++i) {
            if (_votes(_acts[i])) {
                _reveal(0, _all[i], _root(_acts[i]), seed >> 255 == 0 ? new uint32[](0) : panel);
            }
        }
        if (lease(0).reveals < r.commits) vm.warp(time() + 1 hours + 1);
        IMarket.Phase phase = phaseOf(jobId, 0);
        if (phase == IMarket.Phase.Settled || phase == IMarket.Phase.Refunded) return;
        uint256 winner = _majority();
        _settle(0, winner == 0 ? bytes32(0) : _root(Act(winner)), panel);
    }

    function _priceNow() private view returns (uint256) {
        uint256 elapsed = time() - job.timing.opensAt;
        if (elapsed >= job.timing.ramp) return job.price.maxPrice;
        return job.price.minPrice + (job.price.maxPrice - job.price.minPrice) * elapsed / job.timing.ramp;
    }

    function _panel() private view returns (uint32[] memory panel) {
        panel = new uint32[](_round.seats);
        uint256 at;
        for (uint256 i; i < _round.replicas; ++i) {
            if (_acts[i] != Act.Absent) panel[at++] = market.providerOf(_all[i]).number;
        }
    }

    function _majority() private view returns (uint256) {
        uint256[6] memory votes;
        for (uint256 i; i < _round.replicas; ++i) {
            ++votes[uint256(_acts[i])];
        }
        for (uint256 act = uint256(Act.VotesA); act <= uint256(Act.VotesC); ++act) {
            if (votes[act] >= _round.quorum) return act;
        }
        return 0;
    }

    // ------------------------------------------------------------------ the model

    struct Expected {
        uint256[15] stake;
        uint256[15] earned;
        uint256 client;
        uint256 treasury;
        uint256 burned;
        uint256 escrow;
        IMarket.Phase phase;
    }

    Expected private _expected;

    function _model() private {
        Round storage r = _round;
        Expected storage e = _expected;
        uint256 whole = uint256(job.price.maxPrice) * r.replicas * r.count;
        uint256 rest = uint256(job.price.maxPrice) * r.replicas * job.terms.tasks - whole;
        e.client = 1000 * UNIT - 60 * UNIT + 4000 * UNIT - whole - rest;
        e.escrow = 60 * UNIT + rest;
        bool lapsed = r.commits < r.quorum;
        r.winner = lapsed ? 0 : _majority();
        uint256 gross = r.price * r.count;
        uint256 fee = gross * r.feeBps / 10_000;
        uint256 spent;
        for (uint256 i; i < 15; ++i) {
            uint256 loss;
            Act act = _acts[i];
            if (act == Act.Joins) loss = r.bond / 10;
            if (act == Act.Silent && !lapsed) loss = r.bond;
            if (_votes(act) && !lapsed) {
                if (r.winner == 0) {
                    loss = r.bond / 10;
                } else if (uint256(act) == r.winner) {
                    e.earned[i] = gross - fee;
                    e.treasury += fee;
                    spent += gross;
                } else {
                    loss = r.bond;
                }
            }
            e.stake[i] = STAKE - loss;
            e.burned += loss;
        }
        if (lapsed) {
            e.phase = IMarket.Phase.Free;
            e.escrow += whole;
        } else {
            e.phase = r.winner == 0 ? IMarket.Phase.Refunded : IMarket.Phase.Settled;
            e.client += whole - spent;
        }
    }

    function _compare() private view {
        Expected storage e = _expected;
        uint256 sum = e.client + e.treasury + e.burned + e.escrow + 6 * STAKE;
        for (uint256 i; i < 15; ++i) {
            IMarket.ProviderState memory p = market.providerOf(_all[i]);
            assertEq(p.stake, e.stake[i], "stake");
            assertEq(p.free, e.stake[i], "nothing stays locked");
            assertEq(market.balanceOf(_all[i]), e.earned[i], "earned");
            sum += e.stake[i] + e.earned[i];
        }
        assertEq(market.balanceOf(client), e.client, "client");
        assertEq(market.balanceOf(treasury), e.treasury, "fee");
        assertEq(market.burned(), e.burned, "burned");
        assertPhase(jobId, 0, e.phase);
        assertEq(token.balanceOf(address(market)), sum, "all of it");
        (bytes32 root,,) = market.resultRoot(jobId, 0);
        assertEq(root, _round.winner == 0 ? bytes32(0) : _root(Act(_round.winner)));
    }
}

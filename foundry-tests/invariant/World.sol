// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IDevToken} from "../helpers/Base.sol";
import {Book} from "./Book.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The market, its people, chance and time; and the one way in which acts reach the market.
abstract contract World is Book, StdCheats {
    uint256 internal constant CLIENTS = 4;
    uint256 internal constant PROVIDERS = 9;
    /// Of the providers all but the last two have much stake; the last but one has little, the last none.
    uint256 internal constant RICH = 7;

    IMarket internal market;
    IDevToken internal token;
    address internal governor;
    address[2] internal recipients;
    address[CLIENTS] internal clients;
    uint256[CLIENTS] internal keys;
    address[PROVIDERS] internal providers;
    address internal operator = makeAddr("operator of all");
    address internal stranger = makeAddr("stranger");
    address[] internal everyone;
    /// Roots of the lists of providers that jobs may name.
    bytes32[2] internal lists;

    /// The present act is one that nobody in their senses would do.
    bool internal wild;
    uint256 private _entropy;
    string[] internal names;
    mapping(string name => uint256) internal tried;
    mapping(string name => uint256) internal done;
    string[7] public OUTCOMES = [
        "rounds with too few commitments",
        "rounds without a quorum",
        "rounds with a quorum",
        "juries without a verdict",
        "juries for the provider",
        "juries against the provider",
        "challengers rewarded"
    ];
    uint256[7] public outcomes;
    uint256 public calls;
    uint256 public successes;

    /// The market did what the book does not expect, or refused what the book does.
    error Unforeseen(string name, bool expected, bytes answer);
    /// A refusal without a name: a panic or an empty revert.
    error Unnamed(string name, bytes answer);

    // ------------------------------------------------------------------ chance and time

    function _shake(uint256 seed) internal {
        _entropy = uint256(keccak256(abi.encode(_entropy, seed)));
    }

    /// A number below `n`.
    function _below(uint256 n) internal returns (uint256) {
        _shake(0);
        return _entropy % n;
    }

    /// True once in `n` times.
    function _once(uint256 n) internal returns (bool) {
        return _below(n) == 0;
    }

    function _between(uint256 least, uint256 most) internal returns (uint256) {
        return least + _below(most - least + 1);
    }

    function _pass(uint256 time) internal {
        vm.warp(_time() + time);
        vm.roll(vm.getBlockNumber() + 1 + time / 12);
        vm.prevrandao(bytes32(_below(1e18)));
    }

    function _passTo(uint256 time) internal {
        if (time > _time()) _pass(time - _time());
    }

    /// Moves past a deadline; now and then exactly to it, which is too early for what follows.
    function _passOver(uint64 deadline) internal {
        _passTo(_once(6) ? deadline : deadline + 1);
    }

    /// Now and then moves to the very last second of a window.
    function _passWithin(uint64 deadline) internal {
        if (_once(8)) _passTo(_once(2) ? deadline + 1 : deadline);
    }

    // ------------------------------------------------------------------ people

    function _anyone() internal returns (address) {
        return everyone[_below(everyone.length)];
    }

    function _client() internal returns (address) {
        return clients[_below(CLIENTS)];
    }

    function _provider() internal returns (address) {
        return providers[_below(wild ? PROVIDERS : RICH)];
    }

    /// Who acts for `who`: itself or its operator; in a wild act anyone.
    function _for(address who) internal returns (address) {
        if (wild && _once(2)) return _anyone();
        return _once(2) && operators[who][operator] ? operator : who;
    }

    /// Who calls as `who`, where nobody else may.
    function _as(address who) internal returns (address) {
        return wild && _once(2) ? _anyone() : who;
    }

    function _keyOf(address who) internal view returns (uint256) {
        for (uint256 i; i < CLIENTS; ++i) {
            if (clients[i] == who) return keys[i];
        }
        return 1;
    }

    // ------------------------------------------------------------------ calls

    /// Calls the market. It must do so iff the book says that it may, and refuse by name.
    function _try(string memory name, address caller, bytes memory data, bool may)
        internal
        returns (bool ok)
    {
        bytes memory answer;
        vm.prank(caller);
        (ok, answer) = address(market).call(data);
        if (tried[name]++ == 0) names.push(name);
        ++calls;
        if (ok != may) revert Unforeseen(name, may, answer);
        if (ok) {
            ++done[name];
            ++successes;
            return true;
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes4 why = bytes4(answer);
        if (answer.length < 4 || why == 0x08c379a0 || why == 0x4e487b71) revert Unnamed(name, answer);
    }

    function report(uint256 i) external view returns (string memory, uint256, uint256) {
        return (names[i], done[names[i]], tried[names[i]]);
    }

    function actCount() external view returns (uint256) {
        return names.length;
    }

    // ------------------------------------------------------------------ the beginning

    function _bringIn(address who, uint256 amount) internal {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(market), type(uint256).max);
    }

    function _noteStake(address who, uint256 amount) internal {
        _noteNumber(who);
        Record storage record = records[who];
        record.stake += amount;
        record.stakedAt = _time();
        broughtIn += amount;
    }

    /// Providers are numbered in the order of their first stake or operator.
    function _noteNumber(address who) internal {
        if (records[who].registered) return;
        records[who].registered = true;
        records[who].number = ++registered;
    }

    function _populate() internal {
        for (uint256 i; i < CLIENTS; ++i) {
            (clients[i], keys[i]) = makeAddrAndKey(string.concat("client ", vm.toString(i)));
            everyone.push(clients[i]);
            uint128 amount = i == 0 ? 3e18 : 1e24; // one is poor
            _bringIn(clients[i], amount);
            vm.prank(clients[i]);
            market.deposit(clients[i], amount);
            ledger[clients[i]] += amount;
            broughtIn += amount;
        }
        for (uint256 i; i < PROVIDERS; ++i) {
            // One is client and provider.
            providers[i] = i == 3 ? clients[3] : makeAddr(string.concat("provider ", vm.toString(i)));
            if (i != 3) everyone.push(providers[i]);
            if (i == PROVIDERS - 1) continue;
            // forge-lint: disable-next-line(unsafe-typecast)
            uint128 amount = i < RICH ? uint128(4e20 + i * 1e20 + i) : 2e18;
            _bringIn(providers[i], amount);
            vm.prank(providers[i]);
            market.stake(amount);
            _noteStake(providers[i], amount);
            token.mint(providers[i], 1e22);
            vm.prank(providers[i]);
            market.deposit(providers[i], 1e22);
            ledger[providers[i]] += 1e22;
            broughtIn += 1e22;
            if (i % 2 == 1) continue;
            vm.prank(providers[i]);
            market.setOperator(operator, true);
            operators[providers[i]][operator] = true;
        }
        everyone.push(recipients[0]);
        everyone.push(recipients[1]);
        everyone.push(operator);
        everyone.push(stranger);
        // Later jobs find the stakes old enough.
        _pass(STAKE_AGE + 1);
    }
}

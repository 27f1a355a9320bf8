// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBlockBeacon, IDevToken} from "../helpers/Base.sol";
import {Book, Books, Person, Posting, VM} from "./Book.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {Watch, Watched} from "./Watch.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The market, its people, its jobs, and chance. Acts work on it; `book` says what must come of them.
/// @param wild whether the present act is one that nobody in their senses would do
/// @param by the caller of the present act
/// @param may whether the market must take that call; otherwise it must refuse it
/// @param job the job in hand
/// @param lease the lease in hand
/// @param locker who locked stake for a lease in the present act
struct World {
    IMarket market;
    IDevToken token;
    IBlockBeacon beacon;
    address governor;
    address[2] recipients;
    address[] clients;
    address[] providers;
    address operator;
    address stranger;
    address[] everyone;
    bytes32[2] lists;
    Book book;
    Watched watched;
    uint256[] live;
    bool wild;
    address by;
    bool may;
    uint256 job;
    uint256 lease;
    address locker;
    uint256 entropy;
    string[] names;
    mapping(string name => uint256) tried;
    mapping(string name => uint256) done;
    uint256 calls;
    uint256 successes;
    uint256[12] outcomes;
}

library Worlds {
    using Books for Book;
    using Leases for Posting;

    /// Of the providers the first have much stake; the last but one has little, the last none.
    uint256 internal constant RICH = 7;

    /// The market did what the book does not expect, or refused what the book does.
    error Unforeseen(string name, bool expected, bytes answer);
    /// A refusal without a name: a panic or an empty revert.
    error Unnamed(string name, bytes answer);

    // ------------------------------------------------------------------ chance and time

    function shake(World storage w, uint256 seed) internal {
        w.entropy = uint256(keccak256(abi.encode(w.entropy, seed)));
    }

    /// A number below `n`.
    function below(World storage w, uint256 n) internal returns (uint256) {
        shake(w, 0);
        return w.entropy % n;
    }

    /// True once in `n` times.
    function once(World storage w, uint256 n) internal returns (bool) {
        return below(w, n) == 0;
    }

    function between(World storage w, uint256 least, uint256 most) internal returns (uint256) {
        return least + below(w, most - least + 1);
    }

    function pass(uint256 seconds_) internal {
        VM.warp(Books.time() + seconds_);
        VM.roll(VM.getBlockNumber() + 1 + seconds_ / 12);
    }

    function height() internal view returns (uint256) {
        return VM.getBlockNumber();
    }

    function passTo(uint256 when) internal {
        if (when > Books.time()) pass(when - Books.time());
    }

    /// Moves past a deadline; now and then exactly to it, which is too early for what follows.
    function passOver(World storage w, uint256 deadline) internal {
        passTo(once(w, 10) ? deadline : deadline + 1);
    }

    /// Now and then moves to the last second of a window, or to the one after it.
    function passWithin(World storage w, uint256 deadline) internal {
        if (once(w, 12)) passTo(once(w, 3) ? deadline + 1 : deadline);
    }

    // ------------------------------------------------------------------ people

    function anyone(World storage w) internal returns (address) {
        return w.everyone[below(w, w.everyone.length)];
    }

    function someClient(World storage w) internal returns (address) {
        return w.clients[below(w, w.clients.length)];
    }

    function someProvider(World storage w) internal returns (address) {
        return w.providers[below(w, w.wild ? w.providers.length : RICH)];
    }

    /// Who acts for `who`: itself or its operator; in a wild act anyone.
    function speaker(World storage w, address who) internal returns (address) {
        if (w.wild && once(w, 2)) return anyone(w);
        return once(w, 2) && w.book.operators[who][w.operator] ? w.operator : who;
    }

    /// Who calls as `who`, where nobody else may.
    function caller(World storage w, address who) internal returns (address) {
        return w.wild && once(w, 2) ? anyone(w) : who;
    }

    /// Whether the caller of the present act may act for `who`.
    function speaksFor(World storage w, address who) internal view returns (bool) {
        return w.by == who || w.book.operators[who][w.by];
    }

    function admits(World storage w, uint256 j, address who) internal view returns (bool) {
        bytes32 list = w.book.jobs[j].job.terms.providers;
        return list == 0 || w.book.admitted[list][who];
    }

    /// A provider that the job takes and that can lock `bond`; not `barred`. Now and then one that would lock its last quarter, and
    /// somebody else if there is none.
    function worker(World storage w, uint256 j, uint256 bond, address barred) internal returns (address) {
        uint256 turn = below(w, RICH);
        if (w.wild && once(w, 2)) return someProvider(w);
        for (uint256 greedy = once(w, 8) ? 0 : 1; greedy < 2; ++greedy) {
            for (uint256 n; n < RICH; ++n) {
                address one = w.providers[(turn + n) % RICH];
                bool fits = greedy == 0 ? wouldLockAll(w, one, bond) : w.book.canLock(one, bond);
                if (one != barred && fits && admits(w, j, one)) return one;
            }
        }
        return w.providers[turn];
    }

    /// Whether the provider has `bond` free, but not beside the quarter that leases leave to juries.
    function wouldLockAll(World storage w, address who, uint256 bond) internal view returns (bool) {
        return w.book.canSit(who, bond) && !w.book.canLock(who, bond);
    }

    function client(World storage w, uint256 j) internal view returns (address) {
        return w.book.jobs[j].job.terms.client;
    }

    // ------------------------------------------------------------------ calls

    /// Calls the market as `by`, for nobody's job.
    function send(World storage w, string memory name, bytes memory data) internal returns (bool ok) {
        bytes memory answer;
        VM.prank(w.by);
        (ok, answer) = address(w.market).call(data);
        if (w.tried[name]++ == 0) w.names.push(name);
        ++w.calls;
        if (ok != w.may) revert Unforeseen(name, w.may, answer);
        if (ok) {
            ++w.done[name];
            ++w.successes;
            return true;
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes4 why = bytes4(answer);
        if (answer.length < 4 || why == 0x08c379a0 || why == 0x4e487b71) revert Unnamed(name, answer);
    }

    /// Calls the market as `by`, for a job.
    function sendFor(World storage w, uint256 j, string memory name, bytes memory data)
        internal
        returns (bool ok)
    {
        uint256 before = w.market.balanceOf(client(w, j));
        ok = send(w, name, data);
        if (ok) Watch.note(w.watched, w.market, w.book.jobs[j], before);
    }
}

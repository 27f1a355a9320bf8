// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, Posting, VM} from "./Book.sol";
import {Draws} from "./Draws.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Time passes, and seeds become known or die.
library TimeActs {
    using Draws for World;
    using Worlds for World;

    error Reseeded(uint64 point);

    function wait(World storage w) internal {
        Worlds.pass(w.once(6) ? w.below(4000) : w.below(120));
    }

    /// The chain builds so many blocks that it forgets the hashes of all points that are waited for.
    function letDie() internal {
        VM.warp(Books.time() + 60);
        VM.roll(Worlds.height() + 300);
    }

    /// Publishes the seed of a point, whose block gets a hash by chance. It can come too late.
    function publish(World storage w, uint64 point, bytes32 seed) internal {
        if (w.book.seeds[point] != 0) return _publishAgain(w, point);
        uint256 height = point & 0xffffff;
        if (Worlds.height() <= height) VM.roll(height + 1 + w.below(4));
        Worlds.passTo(point >> 24);
        bool dead = Worlds.height() > height + 256;
        if (!dead) VM.setBlockhash(height, seed);
        bool may = !dead && Books.time() <= (point >> 24) + 1 days;
        VM.prank(w.anyone());
        (bool ok,) = address(w.beacon).call(abi.encodeCall(w.beacon.keep, (point)));
        if (ok != may) revert Worlds.Unforeseen("keep", may, "");
        _count(w, ok);
        if (ok) w.book.seeds[point] = seed;
    }

    function _count(World storage w, bool ok) private {
        if (w.tried["publish"]++ == 0) w.names.push("publish");
        ++w.calls;
        if (!ok) return;
        ++w.done["publish"];
        ++w.successes;
    }

    /// P-14: whoever publishes again changes nothing.
    function _publishAgain(World storage w, uint64 point) private {
        uint256 height = point & 0xffffff;
        if (Worlds.height() <= height + 256) VM.setBlockhash(height, keccak256("another seed"));
        w.beacon.keep(point);
        if (w.beacon.seed(point) != w.book.seeds[point]) revert Reseeded(point);
    }

    function anySeed(World storage w) internal returns (bytes32) {
        w.shake(0);
        return bytes32(w.entropy);
    }

    /// A seed with which the submitted lease is audited or not, if one is found soon.
    function seedFor(World storage w, uint256 j, uint256 l, bool audited) internal returns (bytes32 seed) {
        for (uint256 i; i < 8; ++i) {
            seed = anySeed(w);
            if (w.coin(j, l, seed) == audited) return seed;
        }
    }
}

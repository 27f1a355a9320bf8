// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Posting} from "./Book.sol";
import {Law} from "./Law.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What is seen from outside, without the book: what each job took from its client's balance, and which results the client got.
/// @param spent what left the client's balance for the job, less what came back
/// @param price the price of all its results that were submitted or won a quorum, paid or burned
/// @param mostForJuries three jury fees for each lease of which an audit was opened
/// @param ended leases that are final
/// @param isMixed whether its client earns as a provider, or it has refunds: then `spent` says nothing alone
/// @param received results that an account got, at their price
struct Watched {
    mapping(bytes32 jobId => int256) spent;
    mapping(bytes32 jobId => uint256) price;
    mapping(bytes32 jobId => uint256) mostForJuries;
    mapping(bytes32 jobId => mapping(uint32 first => bytes32)) ended;
    mapping(bytes32 jobId => bool) isMixed;
    mapping(address => uint256) received;
}

library Watch {
    error Changed(string what, bytes32 jobId, uint32 first);

    /// Looks at a job after an act on it.
    /// @param before what its client's balance was
    function note(Watched storage s, IMarket market, Posting storage job, uint256 before) internal {
        address client = job.job.terms.client;
        bytes32 id = job.id;
        if (job.job.assurance.refund || market.providerOf(client).number != 0) s.isMixed[id] = true;
        // Amounts have 96 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        s.spent[id] += int256(before) - int256(uint256(market.balanceOf(client)));
        for (uint256 l; l < job.leases.length; ++l) {
            uint32 first = job.leases[l].first;
            if (s.ended[id][first] != 0) continue;
            bytes32 ending = _ending(market, id, first);
            if (ending == 0) continue;
            s.ended[id][first] = ending;
            _receive(s, market, job, id, first);
        }
    }

    /// The state of an ended lease, as a hash; 0 if it has not ended.
    function _ending(IMarket market, bytes32 id, uint32 first) private view returns (bytes32) {
        IMarket.LeaseState memory lease = market.leaseOf(id, first);
        if (lease.phase < IMarket.Phase.Settled) return 0;
        return keccak256(abi.encode(lease.phase, lease.grade, lease.round, lease.count, lease.root));
    }

    /// P-19: looks at the leases of an ended job again.
    function recall(Watched storage s, IMarket market, Posting storage job) internal view {
        for (uint256 l; l < job.leases.length; ++l) {
            uint32 first = job.leases[l].first;
            bool same = s.ended[job.id][first] == _ending(market, job.id, first);
            if (!same) revert Changed("an ended lease", job.id, first);
        }
    }

    /// What the client got with a lease. It has the outputs of a submitted lease whatever the verdict, and of a redundant one once a
    /// quorum agreed: then each commitment is work.
    function _receive(Watched storage s, IMarket market, Posting storage job, bytes32 id, uint32 first)
        private
    {
        IMarket.LeaseState memory lease = market.leaseOf(id, first);
        uint256 gross = Law.price(job.job, lease.origin) * lease.count;
        bool redundant = job.job.assurance.replicas != 1;
        if (lease.phase == IMarket.Phase.Refunded) return;
        if (redundant && lease.phase == IMarket.Phase.Void) {
            s.price[id] += gross * job.job.assurance.replicas / 10;
            return;
        }
        if (redundant) gross *= lease.commits;
        else if (market.auditOf(id, first).jury != 0) s.mostForJuries[id] += 3 * job.job.price.juryFee;
        s.price[id] += gross;
        // A job with refunds may return the price of a result, and no more.
        bool refunds = job.job.assurance.refund && lease.phase == IMarket.Phase.Void;
        if (!refunds) s.received[job.job.terms.client] += gross;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeActs} from "./DisputeActs.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Calls that are never right, and what a stranger can do at the very end.
abstract contract StrangerActs is DisputeActs {
    /// Any call about a job that differs from a posted one in a field, or about a lease that there is not. Callers are
    /// those who might do it to the real one.
    function _aboutNothing(uint256 j) internal {
        IMarket.Job memory job = jobs[j].job;
        uint256 l = jobs[j].leases.length;
        uint32 first = 1_000_003;
        if (_once(2)) {
            _tamper(job);
            if (l != 0) first = jobs[j].leases[l = _below(l)].first;
        }
        address client = jobs[j].job.terms.client;
        uint256 which = _below(19);
        uint32[] memory list = new uint32[](1);
        list[0] = first;
        if (which == 0) _never(client, abi.encodeCall(IMarket.accept, (job, first, keccak256("root"))));
        if (which == 1) _never(client, abi.encodeCall(IMarket.finalize, (job, first)));
        if (which == 2) _never(client, abi.encodeCall(IMarket.expire, (job, first)));
        if (which == 3) _never(client, abi.encodeCall(IMarket.close, (job, list)));
        if (which == 4) _never(client, abi.encodeCall(IMarket.settle, (job, first, 0, new uint32[](0))));
        if (which == 5) _never(client, abi.encodeCall(IMarket.sealJury, (job, first)));
        if (which == 6) _never(client, abi.encodeCall(IMarket.judge, (job, first, 0, 0, new uint32[](0))));
        if (which == 7) _never(client, abi.encodeCall(IMarket.demand, (job, first)));
        if (which == 8) _never(client, abi.encodeCall(IMarket.forfeit, (job, first)));
        if (which == 9) _never(client, abi.encodeCall(IMarket.revealAnswer, (job, first, 0, 0)));
        if (which < 10) return;
        address who = providers[_below(PROVIDERS)];
        if (which == 10) _never(who, abi.encodeCall(IMarket.takeover, (job, who, first)));
        if (which == 11) {
            _never(who, abi.encodeCall(IMarket.submit, (job, first, who, keccak256("root"), 0)));
        }
        if (which == 12) _never(who, abi.encodeCall(IMarket.release, (job, first, who)));
        if (which == 13) _never(who, abi.encodeCall(IMarket.join, (job, first, 1, who)));
        if (which == 14) _never(who, abi.encodeCall(IMarket.commit, (job, first, 1, who, keccak256("c"))));
        if (which == 15) {
            _never(
                who, abi.encodeCall(IMarket.reveal, (job, first, who, keccak256("r"), 0, 0, new uint32[](0)))
            );
        }
        if (which == 16) _never(who, abi.encodeCall(IMarket.joinJury, (job, first, 1, 1, who)));
        if (which == 17) {
            _never(who, abi.encodeCall(IMarket.commitVote, (job, first, 1, 1, who, keccak256("c"))));
        }
        if (which == 18) _never(who, abi.encodeCall(IMarket.respond, (job, first, who, new bytes32[](0))));
    }

    function _never(address caller, bytes memory data) private {
        _try("(about nothing)", caller, data, false);
    }

    function _tamper(IMarket.Job memory job) private {
        uint256 how = _below(18);
        if (how == 0) job.terms.client = stranger;
        if (how == 1) ++job.terms.nonce;
        if (how == 2) job.terms.spec = keccak256("another");
        if (how == 3) ++job.terms.tasks;
        if (how == 4) ++job.terms.maxLease;
        if (how == 5) ++job.terms.replicas;
        if (how == 6) ++job.terms.quorum;
        if (how == 7) job.terms.providers = keccak256("another");
        if (how == 8) job.terms.verifier = stranger;
        if (how == 9) ++job.price.minPrice;
        if (how == 10) ++job.price.maxPrice;
        if (how == 11) ++job.price.bond;
        if (how == 12) ++job.price.juryFee;
        if (how == 13) ++job.timing.opensAt;
        if (how == 14) ++job.timing.ramp;
        if (how == 15) ++job.timing.closesAt;
        if (how == 16) ++job.timing.runWindow;
        if (how == 17) ++job.timing.challengeWindow;
    }

    // ------------------------------------------------------------------ the end

    /// When all have gone, a stranger brings every job to its end. Nobody else's help, and no luck, is needed.
    function _endAll() internal {
        wild = false;
        for (uint256 n; n < everyone.length; ++n) {
            everyone[n] = stranger; // whoever calls below is the stranger
        }
        for (uint256 turn; turn < 2; ++turn) {
            _pass(10_000); // every window is over
            for (uint256 j; j < jobs.length; ++j) {
                if (jobs[j].next < jobs[j].job.terms.tasks) _close(j);
                for (uint256 l; l < jobs[j].leases.length; ++l) {
                    _endNow(j, l);
                }
            }
        }
    }

    function _endNow(uint256 j, uint256 l) private {
        if (_seatsAreDue(j, l)) _settleSeats(j, l);
        if (_juryIsDue(j, l)) _judge(j, l);
        IMarket.Phase phase = jobs[j].leases[l].phase;
        if (phase == IMarket.Phase.Submitted && _time() > _windowUntil(j, l)) _finalize(j, l);
        if (phase == IMarket.Phase.Demanded) _forfeit(j, l);
        if (_closable(j, l)) _close(j);
    }
}

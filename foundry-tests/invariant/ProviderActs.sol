// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ClientActs} from "./ClientActs.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Optimistic leases: who takes, submits, proves, gives up, and who ends them.
abstract contract ProviderActs is ClientActs {
    /// Who takes an optimistic lease of this job: rather one that may.
    function _taker(uint256 j, address barred) private returns (address who) {
        for (uint256 n; n < 9; ++n) {
            who = _provider();
            if (wild || (who != barred && _admits(j, who))) return who;
        }
    }

    function _claim(uint256 j) internal {
        Posting storage posting = jobs[j];
        address who = _taker(j, address(0));
        address caller = _for(who);
        // forge-lint: disable-next-line(unsafe-typecast)
        uint32 ask = uint32(wild ? _below(4) : _between(1, 8));
        uint32 taken = posting.job.terms.tasks - posting.next;
        if (taken > posting.job.terms.maxLease) taken = posting.job.terms.maxLease;
        if (taken > ask) taken = ask;
        bool may = _authorized(who, caller) && _isOpen(j) && !_isRedundant(j) && taken != 0 && _admits(j, who)
            && records[who].registered && _free(who) >= _bondOf(j, taken);
        if (!_try("claim", caller, abi.encodeCall(IMarket.claim, (posting.job, who, ask)), may)) return;
        Lease storage lease = posting.leases.push();
        lease.first = posting.next;
        lease.count = taken;
        posting.next += taken;
        _take(j, posting.leases.length - 1, who);
    }

    function _take(uint256 j, uint256 l, address who) private {
        Lease storage lease = jobs[j].leases[l];
        lease.bond = _bondOf(j, lease.count);
        _beginRound(j, l, who);
        _lock(who, lease.bond);
    }

    /// Of a free lease, or of one whose holder is late.
    function _takeover(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = _taker(j, wild ? address(0) : lease.holder);
        address caller = _for(who);
        bool late = lease.phase == IMarket.Phase.Running && _time() > _runsUntil(j, l);
        bool may = _authorized(who, caller) && _isOpen(j) && !_isRedundant(j) && _admits(j, who)
            && (lease.phase == IMarket.Phase.Free || late) && lease.holder != who && _time() > lease.freedAt
            && records[who].registered && _free(who) >= _bondOf(j, lease.count);
        bytes memory data = abi.encodeCall(IMarket.takeover, (jobs[j].job, who, lease.first));
        if (!_try(late ? "takeover (late)" : "takeover", caller, data, may)) return;
        if (late) _expire(j, l);
        _take(j, l, who);
    }

    /// A lease runs, is of this provider, and in time.
    function _holds(uint256 j, uint256 l, address who) private view returns (bool) {
        Lease storage lease = jobs[j].leases[l];
        return lease.phase == IMarket.Phase.Running && !_isRedundant(j) && lease.holder == who
            && _time() <= _runsUntil(j, l);
    }

    /// The truth, most often.
    function _lie() internal returns (uint256) {
        return _once(3) ? _between(1, 1e6) : 0;
    }

    function _submit(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = wild ? _anyone() : lease.holder;
        address caller = _for(who);
        uint256 lie = _lie();
        bytes32 root = wild && _once(4) ? bytes32(0) : _rootOf(j, l, lie);
        bool may = _authorized(who, caller) && _holds(j, l, who) && jobs[j].job.terms.verifier == address(0)
            && root != 0;
        bytes memory data = abi.encodeCall(IMarket.submit, (jobs[j].job, lease.first, who, root, 0));
        if (!_try("submit", caller, data, may)) return;
        lease.phase = IMarket.Phase.Submitted;
        lease.since = _time();
        (lease.lie, lease.root) = (lie, root);
    }

    /// The verifier confirms the proof 0 and does what it likes with others (`OddVerifier`).
    function _prove(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = wild ? _anyone() : lease.holder;
        address caller = _for(who);
        uint256 proof = wild ? _below(4) : 0;
        bytes32 root = _rootOf(j, l, 0);
        bool may = _authorized(who, caller) && _holds(j, l, who) && jobs[j].job.terms.verifier != address(0)
            && proof == 0;
        bytes memory data =
            abi.encodeCall(IMarket.prove, (jobs[j].job, lease.first, who, root, 0, abi.encode(proof)));
        if (!_try("prove", caller, data, may)) return;
        lease.since = _time();
        (lease.lie, lease.root) = (0, root);
        _settle(j, l, IMarket.How.Proven);
    }

    function _finalize(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        bool may = lease.phase == IMarket.Phase.Submitted && _time() > _windowUntil(j, l);
        bytes memory data = abi.encodeCall(IMarket.finalize, (jobs[j].job, lease.first));
        if (_try("finalize", _anyone(), data, may)) _settle(j, l, IMarket.How.Unchallenged);
    }

    function _expireNow(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        bool may = lease.phase == IMarket.Phase.Running && !_isRedundant(j) && _time() > _runsUntil(j, l);
        bytes memory data = abi.encodeCall(IMarket.expire, (jobs[j].job, lease.first));
        if (_try("expire", _anyone(), data, may)) _expire(j, l);
    }

    function _release(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = wild ? _anyone() : lease.holder;
        address caller = _for(who);
        bool may = _authorized(who, caller) && _holds(j, l, who);
        bytes memory data = abi.encodeCall(IMarket.release, (jobs[j].job, lease.first, who));
        if (!_try("release", caller, data, may)) return;
        // Free within the first eighth of the run window, later 2 %.
        uint256 part;
        if (_time() > lease.startedAt + jobs[j].job.timing.runWindow / 8) {
            part = lease.bond / 50;
            ++records[who].late;
        }
        burned += part;
        _endRound(j, l, part);
    }

    /// Of this list rather a member that is not admitted yet.
    function _admit(uint256 which) internal {
        address who = wild ? _anyone() : providers[which + _below(4)];
        for (uint256 i; i < 4 && !wild && admitted[lists[which]][who]; ++i) {
            who = providers[which + i];
        }
        (bool member, bytes32[] memory proof) = _membership(which, who);
        bytes memory data = abi.encodeCall(IMarket.admit, (lists[which], who, proof));
        if (_try("admit", _anyone(), data, member && records[who].registered)) {
            admitted[lists[which]][who] = true;
        }
    }

    // ------------------------------------------------------------------ lists

    /// The first four providers are on the first list, the second to the fifth on the other. Two pairs
    /// make a tree, hashed in order as OpenZeppelin's.
    function _membership(uint256 which, address who) private view returns (bool, bytes32[] memory proof) {
        proof = new bytes32[](2);
        for (uint256 i; i < 4; ++i) {
            if (providers[which + i] != who) continue;
            proof[0] = _leaf(providers[which + (i ^ 1)]);
            uint256 other = i < 2 ? 2 : 0;
            proof[1] = _pair(_leaf(providers[which + other]), _leaf(providers[which + other + 1]));
            return (true, proof);
        }
        return (false, proof);
    }

    function _listRoot(uint256 which) internal view returns (bytes32) {
        return _pair(
            _pair(_leaf(providers[which]), _leaf(providers[which + 1])),
            _pair(_leaf(providers[which + 2]), _leaf(providers[which + 3]))
        );
    }

    function _leaf(address who) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(abi.encode(who))));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {MoneyActs} from "./MoneyActs.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What clients do, and what others do with their signatures.
abstract contract ClientActs is MoneyActs {
    bytes internal constant SPEC = "spec";
    bytes32 private constant CANCEL = keccak256("Cancel(bytes32 jobId)");
    bytes32 private constant ACCEPT = keccak256("Accept(bytes32 jobId,uint32 first,bytes32 root)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    address internal verifier;

    // ------------------------------------------------------------------ jobs

    // Casts of small numbers.
    // forge-lint: disable-start(unsafe-typecast)

    function _newJob(address client, uint64 nonce) private returns (IMarket.Job memory job) {
        uint256 kind = _below(20);
        job.terms.client = client;
        job.terms.nonce = nonce;
        job.terms.spec = keccak256(SPEC);
        (job.terms.replicas, job.terms.quorum) = (1, 1);
        job.terms.tasks = uint32(_between(1, 9));
        job.terms.maxLease = uint32(_between(1, 6));
        if (kind < 8) {
            uint8[2][5] memory modes = [[2, 2], [3, 2], [3, 2], [3, 3], [4, 3]];
            uint256 mode = _below(5);
            (job.terms.replicas, job.terms.quorum) = (modes[mode][0], modes[mode][1]);
            job.terms.maxLease = uint32(_between(job.terms.tasks / 3 + 1, 8));
        } else if (kind < 10) {
            job.terms.verifier = verifier;
        }
        if (_once(6)) job.terms.providers = lists[_below(2)];
        job.price.maxPrice = uint128(_once(16) ? 0 : _between(1, 1e17));
        job.price.minPrice = uint128(_between(0, job.price.maxPrice));
        job.price.bond = uint128(_once(16) ? _below(10) : _between(1, 1e18));
        job.price.juryFee = uint128(_once(8) ? 0 : _between(1, _once(2) ? 1e16 : 4e17));
        job.timing.opensAt = uint64(_once(6) ? _time() + _below(20) : _time() - _below(50));
        job.timing.ramp = uint64(_once(4) ? 0 : _between(1, 400));
        job.timing.closesAt = uint64(_time() + _between(200, 1500));
        job.timing.runWindow = uint64(_between(60, 300));
        job.timing.challengeWindow = uint64(_once(12) ? 0 : _between(40, 200));
    }

    /// Makes a job that nobody may post.
    function _spoil(IMarket.Job memory job) private returns (bool) {
        uint256 how = _below(9);
        if (how == 0) job.terms.tasks = 0;
        if (how == 1) job.terms.maxLease = 0;
        if (how == 2) job.terms.quorum = job.terms.replicas / 2;
        if (how == 3) job.terms.quorum = job.terms.replicas + 1;
        if (how == 4) job.terms.replicas = 16;
        if (how == 5) (job.timing.closesAt, job.timing.opensAt) = (uint64(_time() - 1), uint64(_time() - 1));
        if (how == 6) job.timing.runWindow = 0;
        if (how == 7) job.terms.spec = keccak256("another");
        if (how == 8) job.price.minPrice = job.price.maxPrice + 1;
        return false;
    }

    function _post() internal {
        address client = _client();
        uint64 nonce = uint64(_below(40));
        IMarket.Job memory job = _newJob(client, nonce);
        bool may = true;
        if (wild && _once(2)) may = _spoil(job);
        if (wild && jobs.length != 0 && _once(3)) {
            job = jobs[_below(jobs.length)].job; // once more
            client = job.terms.client;
            may = false;
        }
        uint256 escrow = uint256(job.price.maxPrice) * job.terms.tasks * job.terms.replicas;
        if (!wild && ledger[client] < escrow) return;
        may = may && ledger[client] >= escrow;
        address caller = _as(client);
        bool ok;
        if (_once(2) || (!wild && revoked[client][nonce])) {
            ok = _try("post", caller, abi.encodeCall(IMarket.post, (job, SPEC)), may && caller == client);
        } else {
            (bool valid, bytes memory signature) = _sign(client, market.hashJob(job));
            may = may && valid && !revoked[client][job.terms.nonce];
            ok = _try("postFor", _anyone(), abi.encodeCall(IMarket.postFor, (job, SPEC, signature)), may);
        }
        if (ok) _notePost(job, escrow);
    }

    function _notePost(IMarket.Job memory job, uint256 escrow) private {
        uint256 j = jobs.length;
        Posting storage posting = jobs.push();
        posting.job = job;
        posting.id = market.hashJob(job);
        posting.feeBps = feeBps;
        posting.postedAt = _time();
        posting.postedBlock = vm.getBlockNumber();
        posting.postedStake = _totalStake();
        posting.escrow = escrow;
        ledger[job.terms.client] -= escrow;
        if (job.terms.replicas == 1) return;
        posting.next = job.terms.tasks;
        for (uint32 first; first < job.terms.tasks; first += job.terms.maxLease) {
            Lease storage lease = jobs[j].leases.push();
            lease.first = first;
            uint32 left = job.terms.tasks - first;
            lease.count = left < job.terms.maxLease ? left : job.terms.maxLease;
            lease.phase = IMarket.Phase.Free;
        }
    }

    function _cancel(uint256 j) internal {
        IMarket.Job memory job = jobs[j].job;
        address client = job.terms.client;
        bool may = !jobs[j].cancelled;
        bool ok;
        if (_once(2)) {
            address caller = _as(client);
            ok = _try("cancel", caller, abi.encodeCall(IMarket.cancel, (job)), may && caller == client);
        } else {
            bytes32 hash = _typed(keccak256(abi.encode(CANCEL, jobs[j].id)));
            (bool valid, bytes memory signature) = _sign(client, hash);
            ok = _try(
                "cancelFor", _anyone(), abi.encodeCall(IMarket.cancelFor, (job, signature)), may && valid
            );
        }
        if (!ok) return;
        jobs[j].cancelled = true;
        _refundUnclaimed(j);
    }

    function _accept(uint256 j, uint256 l) internal {
        IMarket.Job memory job = jobs[j].job;
        Lease storage lease = jobs[j].leases[l];
        address client = job.terms.client;
        bool may = lease.phase == IMarket.Phase.Submitted;
        bool ok;
        // The call, or the signature, names the root that the client has seen.
        bytes32 root = wild && _once(2) ? _rootOf(j, l, lease.lie + 1) : lease.root;
        if (_once(2)) {
            address caller = _as(client);
            may = may && caller == client && root == lease.root;
            ok = _try("accept", caller, abi.encodeCall(IMarket.accept, (job, lease.first, root)), may);
        } else {
            bytes32 hash = _typed(keccak256(abi.encode(ACCEPT, jobs[j].id, lease.first, root)));
            (bool valid, bytes memory signature) = _sign(client, hash);
            may = may && valid && root == lease.root;
            bytes memory data = abi.encodeCall(IMarket.acceptFor, (job, lease.first, signature));
            ok = _try("acceptFor", _anyone(), data, may);
        }
        if (ok) _settle(j, l, IMarket.How.Accepted);
    }

    /// An optimistic lease ends well.
    function _settle(uint256 j, uint256 l, IMarket.How how) internal {
        Lease storage lease = jobs[j].leases[l];
        _unlock(lease.holder, lease.bond, 0);
        lease.how = how;
        _endLease(j, l, IMarket.Phase.Settled, _pay(j, l, lease.holder));
    }

    function _revoke() internal {
        address client = _client();
        uint64 nonce = uint64(_below(40));
        _try("revoke", client, abi.encodeCall(IMarket.revoke, (nonce)), true);
        revoked[client][nonce] = true;
    }

    /// Two calls in one: both are made, or none.
    function _batch() internal {
        address client = _client();
        uint64 nonce = uint64(_below(40));
        uint256 amount = _once(2) ? ledger[client] + 1 : ledger[client] / 32;
        bytes[] memory batch = new bytes[](2);
        batch[0] = abi.encodeCall(IMarket.revoke, (nonce));
        batch[1] = abi.encodeCall(IMarket.withdraw, (client, uint128(amount)));
        bool may = amount != 0 && amount <= ledger[client];
        if (_try("multicall", client, abi.encodeCall(Multicall.multicall, (batch)), may)) {
            revoked[client][nonce] = true;
            ledger[client] -= amount;
            takenOut += amount;
        }
        _sure(market.isRevoked(client, nonce) == revoked[client][nonce], "half a batch");
    }

    // ------------------------------------------------------------------ the end of a job

    /// A lease that `close` would refund now.
    function _closable(uint256 j, uint256 l) internal view returns (bool) {
        Lease storage lease = jobs[j].leases[l];
        if (lease.phase == IMarket.Phase.Free) return true;
        return lease.phase == IMarket.Phase.Running && !_isRedundant(j) && _time() > _runsUntil(j, l);
    }

    function _isOver(uint256 j) internal view returns (bool) {
        return jobs[j].cancelled || _time() > jobs[j].job.timing.closesAt;
    }

    /// Closes all that is free, in one call.
    function _close(uint256 j) internal {
        Posting storage posting = jobs[j];
        bool may = _isOver(j);
        uint32[] memory firsts = new uint32[](posting.leases.length + 2);
        uint256 n = 0;
        if (posting.next < posting.job.terms.tasks) firsts[n++] = posting.next;
        for (uint256 l; l < posting.leases.length; ++l) {
            if (_closable(j, l)) firsts[n++] = posting.leases[l].first;
        }
        if (wild && n != 0 && _once(2)) {
            firsts[n] = firsts[_below(n)]; // one of them twice
            ++n;
            may = false;
        }
        assembly ("memory-safe") {
            mstore(firsts, n)
        }
        if (!_try("close", _anyone(), abi.encodeCall(IMarket.close, (posting.job, firsts)), may)) return;
        _refundUnclaimed(j);
        for (uint256 l; l < posting.leases.length; ++l) {
            if (!_closable(j, l)) continue;
            if (posting.leases[l].phase == IMarket.Phase.Running) _expire(j, l);
            _endLease(j, l, IMarket.Phase.Refunded, 0);
        }
    }

    // forge-lint: disable-end(unsafe-typecast)

    // ------------------------------------------------------------------ signatures

    /// The client's signature; in a wild act also one of somebody else, or of something else.
    function _sign(address client, bytes32 hash) internal returns (bool valid, bytes memory signature) {
        uint256 key = _keyOf(client);
        valid = true;
        if (wild && _once(3)) (valid, key) = (false, 2);
        else if (wild && _once(3)) (valid, hash) = (false, keccak256(abi.encode(hash)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        signature = abi.encodePacked(r, s, v);
    }

    function _typed(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN, keccak256("Piecework"), keccak256("1"), block.chainid, address(market))
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}

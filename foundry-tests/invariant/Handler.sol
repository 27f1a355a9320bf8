// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IDevToken} from "../helpers/Base.sol";
import {Test} from "forge-std/Test.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Actors that use a market as they like, within reason, and a book that is kept apart from it: every
/// amount below is computed from the job's terms, never read from the market.
contract Handler is Test {
    struct GhostLease {
        uint32 first;
        uint32 count;
        uint256 bond;
        address holder;
        IMarket.Phase phase;
        uint64 since;
        uint256 price;
    }

    IMarket public market;
    IDevToken public token;
    address public governor;
    address[2] public recipients;
    address[4] public clients;
    address[4] public providers;
    address public operator = makeAddr("operator of all");

    IMarket.Job[] internal _jobs;
    bytes32[] public ids;
    mapping(uint256 job => GhostLease[]) internal _leases;
    mapping(uint256 job => uint32) public unclaimed;
    mapping(uint256 job => bool) public cancelled;
    mapping(uint256 job => uint16) public feeOf;
    mapping(uint256 job => mapping(uint32 task => uint256)) public timesPaid;

    mapping(address => uint256) public stakeOf;
    mapping(address => uint256) public ledgerOf;
    uint256 public broughtIn;
    uint256 public takenOut;
    uint256 public donated;
    uint256 public burned;
    uint256 public paid;
    uint256 public fees;
    uint256 public refunded;
    uint16 public feeBps = 250;
    address public recipient;

    string[20] public ACTS = [
        "deposit",
        "withdraw",
        "stake",
        "unstake",
        "donate",
        "setFee",
        "post",
        "cancel",
        "claim",
        "claim",
        "takeover",
        "takeoverLate",
        "submit",
        "submit",
        "submit",
        "accept",
        "finalize",
        "expire",
        "release",
        "close"
    ];
    string public broken;
    uint256 public calls;
    uint256 public successes;
    mapping(string name => uint256) public tried;
    mapping(string name => uint256) public done;

    bytes internal constant SPEC = "spec";

    constructor(IMarket market_, IDevToken token_, address governor_, address[2] memory recipients_) {
        (market, token, governor, recipients, recipient) =
        (market_, token_, governor_, recipients_, recipients_[0]);
        for (uint256 i; i < 4; ++i) {
            clients[i] = makeAddr(string.concat("client ", vm.toString(i)));
            providers[i] = makeAddr(string.concat("provider ", vm.toString(i)));
        }
        providers[3] = clients[3]; // one is both
        for (uint256 i; i < 4; ++i) {
            _bringIn(clients[i], 1e24);
            vm.prank(clients[i]);
            market.deposit(clients[i], 5e23);
            ledgerOf[clients[i]] += 5e23;
            _bringIn(providers[i], 1e24);
            vm.prank(providers[i]);
            market.stake(5e23);
            stakeOf[providers[i]] += 5e23;
            broughtIn += 1e24;
            vm.prank(providers[i]);
            market.setOperator(operator, true);
        }
    }

    function _bringIn(address who, uint256 amount) private {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(market), type(uint256).max);
    }

    // ------------------------------------------------------------------ counting

    /// There is nothing that this act could be done to.
    error Nothing();

    /// One act, chosen by the fuzzer; time passes before it. A refusal by the market is counted; any
    /// other failure (a panic, a check of this book) makes the run fail.
    function step(uint256 act, uint256 a, uint256 b, uint256 c, uint256 wait) external {
        vm.warp(block.timestamp + bound(wait, 0, 60));
        string memory name = ACTS[act % ACTS.length];
        (bool ok, bytes memory answer) = address(this)
            .call(abi.encodeWithSignature(string.concat(name, "(uint256,uint256,uint256)"), a, b, c));
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes4 why = bytes4(answer);
        if (!ok && why == Nothing.selector) return;
        ++calls;
        ++tried[name];
        if (ok) {
            ++successes;
            ++done[name];
        } else if (answer.length < 4 || why == 0x08c379a0 || why == 0x4e487b71 || why == 0xeeaa9e6f) {
            broken = string.concat(name, ": ", vm.toString(answer)); // Error, Panic, CheatcodeError
        }
    }

    modifier inside() {
        require(msg.sender == address(this));
        _;
    }

    function _assume(bool there) private pure {
        if (!there) revert Nothing();
    }

    function actCount() external view returns (uint256) {
        return ACTS.length;
    }

    // ------------------------------------------------------------------ money

    function deposit(uint256 from, uint256 to, uint256 amount) external inside {
        address account = clients[to % 4];
        amount = bound(amount, 1, 1e21);
        _bringIn(clients[from % 4], amount);
        vm.prank(clients[from % 4]);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.deposit(account, uint128(amount));
        ledgerOf[account] += amount;
        broughtIn += amount;
    }

    function withdraw(uint256 who, uint256 kind, uint256 amount) external inside {
        address account =
            kind % 3 == 0 ? clients[who % 4] : kind % 3 == 1 ? providers[who % 4] : recipients[who % 2];
        _assume(ledgerOf[account] != 0);
        amount = bound(amount, 1, kind % 5 == 0 ? 1e24 : ledgerOf[account]);
        vm.prank(account);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.withdraw(account, uint128(amount));
        ledgerOf[account] -= amount; // underflows if the market paid what the book does not know
        takenOut += amount;
    }

    function stake(uint256 who, uint256 amount, uint256) external inside {
        address provider = providers[who % 4];
        amount = bound(amount, 1, 1e20);
        _bringIn(provider, amount);
        vm.prank(provider);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.stake(uint128(amount));
        stakeOf[provider] += amount;
        broughtIn += amount;
    }

    function unstake(uint256 who, uint256 amount, uint256) external inside {
        address provider = providers[who % 4];
        amount = bound(amount, 1, 1e20);
        vm.prank(provider);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.unstake(provider, uint128(amount));
        stakeOf[provider] -= amount;
        takenOut += amount;
    }

    function donate(uint256 amount, uint256, uint256) external inside {
        amount = bound(amount, 1, 1e18);
        token.mint(address(market), amount);
        donated += amount;
    }

    function setFee(uint256 bps, uint256 to, uint256) external inside {
        bps = bound(bps, 0, 500);
        vm.prank(governor);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.setFee(uint16(bps), recipients[to % 2]);
        // forge-lint: disable-next-line(unsafe-typecast)
        (feeBps, recipient) = (uint16(bps), recipients[to % 2]);
    }

    // ------------------------------------------------------------------ jobs

    function post(uint256 who, uint256 seed, uint256 tasks) external inside {
        IMarket.Job memory job;
        job.terms.client = clients[who % 4];
        job.terms.nonce = uint64(_jobs.length);
        job.terms.spec = keccak256(SPEC);
        job.terms.tasks = uint32(bound(tasks, 1, 40));
        job.terms.maxLease = uint32(bound(seed >> 8, 1, 12));
        (job.terms.replicas, job.terms.quorum) = (1, 1);
        job.price.maxPrice = uint128(bound(seed >> 16, 0, 1e18));
        job.price.minPrice = uint128(bound(seed >> 24, 0, job.price.maxPrice));
        job.price.bond = uint128(bound(seed >> 32, 0, 3e18));
        job.price.juryFee = uint128(bound(seed >> 40, 0, 1e18));
        job.timing.opensAt = uint64(block.timestamp);
        job.timing.ramp = uint64(bound(seed >> 48, 0, 1000));
        job.timing.closesAt = uint64(block.timestamp + bound(seed >> 56, 500, 20_000));
        job.timing.runWindow = uint64(bound(seed >> 64, 100, 900));
        job.timing.challengeWindow = uint64(bound(seed >> 72, 0, 300));
        vm.prank(job.terms.client);
        market.post(job, SPEC);
        ledgerOf[job.terms.client] -= uint256(job.price.maxPrice) * job.terms.tasks;
        feeOf[_jobs.length] = feeBps;
        _jobs.push(job);
        ids.push(market.hashJob(job));
    }

    function cancel(uint256 which, uint256 lottery, uint256) external inside {
        uint256 j = _pick(which);
        _assume(lottery % 3 == 0 && !cancelled[j]);
        vm.prank(_jobs[j].terms.client);
        market.cancel(_jobs[j]);
        cancelled[j] = true;
        _refund(j, _jobs[j].terms.tasks - unclaimed[j]);
        unclaimed[j] = _jobs[j].terms.tasks;
    }

    /// A young job that has tasks to claim, most often.
    function _open(uint256 which) private view returns (uint256 j) {
        for (uint256 n; n < 6; ++n) {
            j = _pick(which / 2 + n);
            if (unclaimed[j] < _jobs[j].terms.tasks && block.timestamp <= _jobs[j].timing.closesAt) return j;
        }
        _assume(which % 16 == 0);
    }

    /// A job, rather a young one.
    function _pick(uint256 which) private view returns (uint256) {
        _assume(_jobs.length > 0);
        return _jobs.length - 1 - bound(which, 0, _jobs.length < 6 ? _jobs.length - 1 : 5);
    }

    function _refund(uint256 j, uint256 count) private {
        ledgerOf[_jobs[j].terms.client] += count * _jobs[j].price.maxPrice;
        refunded += count * _jobs[j].price.maxPrice;
    }

    // ------------------------------------------------------------------ leases

    function claim(uint256 which, uint256 who, uint256 count) external inside {
        uint256 j = _open(which);
        IMarket.Job memory job = _jobs[j];
        address provider = providers[who % 4];
        uint32 ask = uint32(bound(count, 1, 15));
        vm.prank(who % 2 == 0 ? provider : operator);
        (uint32 first, uint32 taken) = market.claim(job, provider, ask);
        assertEq(first, unclaimed[j], "leases do not overlap");
        unclaimed[j] += taken;
        assertLe(unclaimed[j], job.terms.tasks);
        _leases[j].push();
        _begin(j, _leases[j].length - 1, provider, first, taken);
    }

    function _begin(uint256 j, uint256 l, address provider, uint32 first, uint32 count) private {
        IMarket.Job memory job = _jobs[j];
        uint256 bond = uint256(job.price.bond) * count;
        if (bond < 6 * uint256(job.price.juryFee)) bond = 6 * uint256(job.price.juryFee);
        uint256 price = job.price.maxPrice;
        uint256 passed = block.timestamp - job.timing.opensAt;
        if (passed < job.timing.ramp) {
            price = job.price.minPrice + (price - job.price.minPrice) * passed / job.timing.ramp;
        }
        _leases[j][l] =
            GhostLease(first, count, bond, provider, IMarket.Phase.Running, uint64(block.timestamp), price);
    }

    /// A lease of a young job in one of two phases.
    function _lease(uint256 which, IMarket.Phase a, IMarket.Phase b) private view returns (uint256, uint256) {
        for (uint256 n; n < 6 && n < _jobs.length; ++n) {
            uint256 j = _jobs.length - 1 - (which / 2 + n) % (_jobs.length < 6 ? _jobs.length : 6);
            for (uint256 l; l < _leases[j].length; ++l) {
                if (_leases[j][l].phase == a || _leases[j][l].phase == b) return (j, l);
            }
        }
        _assume(false);
        return (0, 0);
    }

    function _burn(uint256 j, uint256 l, uint256 slash) private {
        GhostLease storage lease = _leases[j][l];
        lease.phase = IMarket.Phase.Free;
        stakeOf[lease.holder] -= slash;
        burned += slash;
    }

    function takeover(uint256 which, uint256 who, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Free, IMarket.Phase.Free);
        GhostLease memory lease = _leases[j][l];
        _assume(block.timestamp <= _jobs[j].timing.closesAt && !cancelled[j] || who % 16 == 0);
        address provider = providers[who % 4];
        if (provider == lease.holder) provider = providers[(who % 4 + 1) % 4];
        vm.prank(provider);
        market.takeover(_jobs[j], provider, lease.first);
        assertGt(block.timestamp, lease.since, "not in the second of its release");
        _begin(j, l, provider, lease.first, lease.count);
    }

    function takeoverLate(uint256 which, uint256 who, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Running, IMarket.Phase.Running);
        GhostLease memory lease = _leases[j][l];
        address provider = providers[who % 4];
        _assume(provider != lease.holder && !cancelled[j]);
        _assume(lease.since + _jobs[j].timing.runWindow < _jobs[j].timing.closesAt);
        _late(lease.since, _jobs[j].timing.runWindow, which);
        vm.prank(provider);
        market.takeover(_jobs[j], provider, lease.first);
        _burn(j, l, lease.bond / 10);
        _begin(j, l, provider, lease.first, lease.count);
    }

    /// Most often moves past a deadline.
    function _late(uint64 since, uint64 window, uint256 lottery) private {
        if (lottery % 8 != 0 && block.timestamp <= since + window) vm.warp(since + window + 1);
    }

    function submit(uint256 which, uint256, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Running, IMarket.Phase.Running);
        GhostLease storage lease = _leases[j][l];
        vm.prank(which % 2 == 0 ? lease.holder : operator);
        market.submit(_jobs[j], lease.first, lease.holder, keccak256(abi.encode(j, l)), 0);
        assertLe(block.timestamp, lease.since + _jobs[j].timing.runWindow);
        lease.phase = IMarket.Phase.Submitted;
        lease.since = uint64(block.timestamp);
    }

    function accept(uint256 which, uint256, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Submitted, IMarket.Phase.Submitted);
        vm.prank(_jobs[j].terms.client);
        market.accept(_jobs[j], _leases[j][l].first);
        _settle(j, l);
    }

    function finalize(uint256 which, uint256, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Submitted, IMarket.Phase.Submitted);
        _late(_leases[j][l].since, _jobs[j].timing.challengeWindow, which);
        market.finalize(_jobs[j], _leases[j][l].first);
        assertGt(block.timestamp, _leases[j][l].since + _jobs[j].timing.challengeWindow);
        _settle(j, l);
    }

    function _settle(uint256 j, uint256 l) private {
        GhostLease storage lease = _leases[j][l];
        lease.phase = IMarket.Phase.Settled;
        uint256 gross = lease.price * lease.count;
        uint256 fee = gross * feeOf[j] / 10_000;
        ledgerOf[lease.holder] += gross - fee;
        ledgerOf[recipient] += fee;
        paid += gross - fee;
        fees += fee;
        _refundSurplus(j, uint256(_jobs[j].price.maxPrice) * lease.count - gross);
        for (uint32 i; i < lease.count; ++i) {
            ++timesPaid[j][lease.first + i];
        }
    }

    function _refundSurplus(uint256 j, uint256 amount) private {
        ledgerOf[_jobs[j].terms.client] += amount;
        refunded += amount;
    }

    function expire(uint256 which, uint256, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Running, IMarket.Phase.Running);
        _late(_leases[j][l].since, _jobs[j].timing.runWindow, which);
        market.expire(_jobs[j], _leases[j][l].first);
        assertGt(block.timestamp, _leases[j][l].since + _jobs[j].timing.runWindow);
        _burn(j, l, _leases[j][l].bond / 10);
    }

    function release(uint256 which, uint256, uint256) external inside {
        (uint256 j, uint256 l) = _lease(which, IMarket.Phase.Running, IMarket.Phase.Running);
        GhostLease memory lease = _leases[j][l];
        vm.prank(lease.holder);
        market.release(_jobs[j], lease.first, lease.holder);
        bool early = block.timestamp <= lease.since + _jobs[j].timing.runWindow / 8;
        _burn(j, l, early ? 0 : lease.bond / 50);
        _leases[j][l].since = uint64(block.timestamp);
    }

    function close(uint256 which, uint256, uint256 c) external inside {
        uint256 j = _pick(which);
        uint64 end = _jobs[j].timing.closesAt;
        if (!cancelled[j] && block.timestamp <= end) {
            _assume(c % 8 == 0);
            if (c % 64 != 0) vm.warp(end + 1);
        }
        uint256 n = 0;
        uint32[] memory firsts = new uint32[](50);
        if (unclaimed[j] < _jobs[j].terms.tasks) firsts[n++] = unclaimed[j];
        for (uint256 l; l < _leases[j].length; ++l) {
            if (_closable(j, l)) firsts[n++] = _leases[j][l].first;
        }
        // Now and then one of them is named twice: it must not be refunded twice.
        if (n > 0 && which % 4 == 0) firsts[n++] = firsts[0];
        assembly ("memory-safe") {
            mstore(firsts, n)
        }
        market.close(_jobs[j], firsts);
        _refund(j, _jobs[j].terms.tasks - unclaimed[j]);
        unclaimed[j] = _jobs[j].terms.tasks;
        for (uint256 l; l < _leases[j].length; ++l) {
            if (!_closable(j, l)) continue;
            if (_leases[j][l].phase == IMarket.Phase.Running) _burn(j, l, _leases[j][l].bond / 10);
            _leases[j][l].phase = IMarket.Phase.Refunded;
            _refund(j, _leases[j][l].count);
        }
    }

    function _closable(uint256 j, uint256 l) private view returns (bool) {
        GhostLease memory lease = _leases[j][l];
        return lease.phase == IMarket.Phase.Free
            || (lease.phase == IMarket.Phase.Running
                && block.timestamp > lease.since + _jobs[j].timing.runWindow);
    }

    // ------------------------------------------------------------------ what the invariants ask

    function jobCount() external view returns (uint256) {
        return _jobs.length;
    }

    function jobAt(uint256 j) external view returns (IMarket.Job memory) {
        return _jobs[j];
    }

    function leasesOf(uint256 j) external view returns (GhostLease[] memory) {
        return _leases[j];
    }
}

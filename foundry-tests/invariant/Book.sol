// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Law} from "./Law.sol";
import {Vm} from "forge-std/Vm.sol";
import {IMarket} from "piecework/IMarket.sol";

Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// Why stake is burned: what docs/PROTOCOL.md lists, and nothing else.
enum Cause {
    LeftLate,
    Late,
    Unused,
    Abstained,
    Undecided,
    Silent,
    Outvoted,
    Convicted
}

/// What an amount was at any time.
struct History {
    uint64[] times;
    uint256[] values;
}

/// @param done pay for work and for juries, before the fee
/// @param fees what it received as the fee's recipient
/// @param brought what came in for it, as a deposit or as stake
/// @param takenOut what went out from it
struct Person {
    uint256 balance;
    uint256 stake;
    uint256 locked;
    uint64 stakedAt;
    uint32 number;
    uint32 completed;
    uint32 late;
    uint32 slashed;
    uint256 done;
    uint256 fees;
    uint256 brought;
    uint256 takenOut;
    History history;
}

/// @param vote what counts of it: the root, or both digests; 0 for an abstention
/// @param silent whether its holder will not open what it committed to
/// @param copied whether the commitment is another seat's
struct Seat {
    address who;
    IMarket.Seat state;
    bytes32 value;
    bytes32 proof;
    bytes32 salt;
    bytes32 vote;
    bool silent;
    bool copied;
}

/// @param lie which of its digests the holder made up; 0 for none
struct Lease {
    uint32 first;
    uint32 count;
    uint16 round;
    IMarket.Phase phase;
    IMarket.Grade grade;
    address holder;
    uint64 since;
    uint64 origin;
    uint64 point;
    bytes32 root;
    uint256 lie;
    uint8 jury;
    uint32 task;
    uint64 auditSince;
    uint64 due;
    uint64 auditPoint;
    uint256 undecided;
}

/// @param plot the lie on which its people agreed; 0 if they are honest
struct Posting {
    IMarket.Job job;
    bytes32 id;
    uint16 feeBps;
    uint32 next;
    uint64 postedAt;
    uint64 point;
    bool cancelled;
    uint256 escrow;
    uint256 plot;
    Lease[] leases;
    mapping(uint32 task => uint256) timesPaid;
}

/// What the market must have, kept apart from it.
struct Book {
    mapping(address => Person) people;
    uint32 providers;
    uint256 totalStake;
    History history;
    Posting[] jobs;
    /// By round: the job, the lease, the round's number, and its kind (0 lease, 1 and 2 juries).
    mapping(bytes32 key => Seat[]) seats;
    mapping(bytes32 key => mapping(address => bool)) left;
    mapping(bytes32 list => mapping(address => bool)) admitted;
    mapping(address provider => mapping(address => bool)) operators;
    mapping(uint64 point => bytes32) seeds;
    uint256 burned;
    uint256[8] burnedStake;
    uint256 burnedPrice;
    uint256 broughtIn;
    uint256 takenOut;
    uint256 donated;
    uint16 feeBps;
    address recipient;
}

/// Entries of money.
library Books {
    error Impossible(string what);

    function sure(bool holds, string memory what) internal pure {
        if (!holds) revert Impossible(what);
    }

    function time() internal view returns (uint64) {
        return uint64(VM.getBlockTimestamp());
    }

    // ------------------------------------------------------------------ stake

    function register(Book storage b, address who) internal {
        if (b.people[who].number == 0) b.people[who].number = ++b.providers;
    }

    function setStake(Book storage b, address who, uint256 amount) internal {
        Person storage person = b.people[who];
        b.totalStake = b.totalStake + amount - person.stake;
        person.stake = amount;
        _push(person.history, amount);
        _push(b.history, b.totalStake);
    }

    function _push(History storage history, uint256 value) private {
        history.times.push(time());
        history.values.push(value);
    }

    function _at(History storage history, uint256 when) private view returns (uint256) {
        for (uint256 i = history.times.length; i != 0; --i) {
            if (history.times[i - 1] <= when) return history.values[i - 1];
        }
        return 0;
    }

    function weight(Book storage b, address who, uint256 when) internal view returns (uint256) {
        uint256 then = _at(b.people[who].history, when);
        return then < b.people[who].stake ? then : b.people[who].stake;
    }

    function totalWeight(Book storage b, uint256 when) internal view returns (uint256) {
        uint256 then = _at(b.history, when);
        return then < b.totalStake ? then : b.totalStake;
    }

    /// Whether a lease can lock this much: a quarter of all stake stays free. No bond at all locks nothing.
    function canLock(Book storage b, address who, uint256 bond) internal view returns (bool) {
        Person storage person = b.people[who];
        uint256 free = person.stake - person.locked;
        if (person.number == 0 || free < bond) return false;
        return bond == 0 || 4 * (free - bond) >= person.stake;
    }

    /// Whether a juror can lock this much.
    function canSit(Book storage b, address who, uint256 bond) internal view returns (bool) {
        Person storage person = b.people[who];
        return person.number != 0 && person.stake - person.locked >= bond;
    }

    function lock(Book storage b, address who, uint256 bond) internal {
        b.people[who].locked += bond;
        sure(b.people[who].locked <= b.people[who].stake, "more locked than staked");
    }

    function unlock(Book storage b, address who, uint256 bond) internal {
        b.people[who].locked -= bond;
    }

    /// A bond returns less `taken`, which is burned.
    function slash(Book storage b, address who, uint256 bond, uint256 taken, Cause cause) internal {
        unlock(b, who, bond);
        sure(taken <= bond, "more burned than the bond");
        if (cause >= Cause.Silent) ++b.people[who].slashed;
        else ++b.people[who].late;
        if (taken == 0) return;
        setStake(b, who, b.people[who].stake - taken);
        b.burned += taken;
        b.burnedStake[uint256(cause)] += taken;
    }

    // ------------------------------------------------------------------ balances

    function credit(Book storage b, address who, uint256 amount) internal {
        b.people[who].balance += amount;
    }

    /// Pays a seat of a lease for its tasks.
    function pay(Book storage b, uint256 j, uint256 l, address who) internal returns (uint256 gross) {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        gross = Law.price(job.job, lease.origin) * lease.count;
        uint256 fee = gross * job.feeBps / 10_000;
        credit(b, who, gross - fee);
        credit(b, b.recipient, fee);
        b.people[b.recipient].fees += fee;
        b.people[who].done += gross;
        ++b.people[who].completed;
        unlock(b, who, Law.bond(job.job, lease.count));
        for (uint32 i; i < lease.count; ++i) {
            ++job.timesPaid[lease.first + i];
        }
    }

    /// Pays a juror.
    function payJuror(Book storage b, uint256 j, address who) internal returns (uint256 fee) {
        fee = b.jobs[j].job.price.juryFee;
        credit(b, who, fee);
        b.people[who].done += fee;
        unlock(b, who, Law.jurorBond(b.jobs[j].job));
    }

    function burnPrice(Book storage b, uint256 amount) internal {
        b.burned += amount;
        b.burnedPrice += amount;
    }

    /// The escrow of `count` tasks ends: the client gets what was not `spent`.
    function release(Book storage b, uint256 j, uint256 count, uint256 spent) internal {
        Posting storage job = b.jobs[j];
        uint256 held = Law.escrow(job.job, count);
        sure(spent <= held, "more spent than was in escrow");
        job.escrow -= held;
        credit(b, job.job.terms.client, held - spent);
    }

    /// Gives up the tasks from `next` on.
    function releaseTail(Book storage b, uint256 j) internal {
        Posting storage job = b.jobs[j];
        release(b, j, job.job.terms.tasks - job.next, 0);
        job.next = job.job.terms.tasks;
    }
}

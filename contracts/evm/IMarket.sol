// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title The Piecework market
/// @notice One market serves one ERC-20 token, in which jobs are paid and providers stake.
/// Amounts are in the token's smallest unit, times in Unix seconds, windows in seconds, shares in
/// basis points (1/10,000). An act is valid iff `t <= deadline`; an ending iff `t > deadline`.
/// @dev The ABI must also fit ink! (at most 12 fields in a tuple, integers of 8, 16, 32, 64, 128
/// and 256 bits): hence the nested `Job` and the wide types. Every amount is at most 2^96 - 1 and
/// every time at most 2^40 - 1, on every implementation; larger values revert.
interface IMarket {
    // ------------------------------------------------------------------ the job

    /// @notice Who asks for what.
    /// @param client the account that pays, and that alone may cancel
    /// @param nonce any number that the client has not revoked; makes equal jobs distinct
    /// @param spec keccak256 of the job-spec bytes, which travel in `Posted`
    /// @param tasks size of the array, at least 1
    /// @param minLease fewest tasks in a lease, 1 to `tasks`
    /// @param maxLease most tasks in a lease. With one replica: at most 2,048 and at least `min(tasks, 2 * minLease - 1)`.
    /// With more: equal to `minLease`, for leases are the fixed parts `[k * maxLease, ...)`
    /// @param providers 0 for an open market; otherwise the Merkle root of the providers that may claim, take over
    /// and join. Juries are drawn from all stake all the same. With more than one replica nobody is drawn then
    struct Terms {
        address client;
        uint64 nonce;
        bytes32 spec;
        uint32 tasks;
        uint32 minLease;
        uint32 maxLease;
        bytes32 providers;
    }

    /// @notice How the result is checked.
    /// @param replicas seats of a lease, 1 to 15; 1 is the ordinary lease
    /// @param quorum equal roots that settle a lease: more than half of `replicas`, and 1 iff `replicas` is 1
    /// @param auditBps chance in basis points that a submitted lease is audited; one replica only
    /// @param refund whether a conviction by three equal votes against an opened leaf returns the price to the client;
    /// with audits only
    /// @param verifier 0, or the contract that decides proofs; one replica without audits only
    struct Assurance {
        uint8 replicas;
        uint8 quorum;
        uint16 auditBps;
        bool refund;
        address verifier;
    }

    /// @notice What it costs. The price climbs linearly from `minPrice` to `maxPrice` in `ramp` seconds of time in which
    /// the lease is free.
    /// @param minPrice per task and seat at the beginning of the ramp
    /// @param maxPrice per task and seat at its end; what is held in escrow
    /// @param bond stake locked per task and seat; not 0 where audits are
    /// @param juryFee what a juror of the majority is paid; 0 iff there are no audits
    struct Price {
        uint128 minPrice;
        uint128 maxPrice;
        uint128 bond;
        uint128 juryFee;
    }

    /// @notice When.
    /// @param opensAt first second in which a lease can be claimed or joined
    /// @param ramp seconds from `minPrice` to `maxPrice`; 0 means `maxPrice` at once
    /// @param closesAt last second of new leases, takeovers and rounds
    /// @param runWindow seconds that a round has for the work
    /// @param auditWindow seconds after submission in which a due audit can be opened; 0 iff there are no audits
    struct Timing {
        uint64 opensAt;
        uint64 ramp;
        uint64 closesAt;
        uint64 runWindow;
        uint64 auditWindow;
    }

    /// @notice A job: `tasks` tasks that share one spec. EIP-712 type; every call passes it as calldata, storage
    /// keeps its hash and its state.
    struct Job {
        Terms terms;
        Assurance assurance;
        Price price;
        Timing timing;
    }

    // ------------------------------------------------------------------ states

    /// @notice Times that the market fixes for all jobs, in seconds. A devnet has shorter ones.
    /// @param stakeAge how long before `post` (leases) or `submit` (juries) stake must have stood to be drawn; how long
    /// stake stays after it last grew: 1 day
    /// @param leaseStep least time after which twice as many providers are drawn for a lease, otherwise a quarter of
    /// `runWindow`: 60
    /// @param juryStep time after which twice as many providers are drawn for a jury: 10 minutes
    /// @param juryTime what jurors have beyond the job's `runWindow`: 1 hour
    /// @param revealWindow in which commitments are opened: 6 hours
    /// @param respondWindow in which the accused's leaf is brought: 24 hours
    /// @param retryWindow in which a second jury can be opened: 1 day
    /// @param leastAuditWindow least `auditWindow` of a job: 2 hours
    /// @param leastRunWindow least `runWindow` of a job: 60
    struct Times {
        uint64 stakeAge;
        uint64 leaseStep;
        uint64 juryStep;
        uint64 juryTime;
        uint64 revealWindow;
        uint64 respondWindow;
        uint64 retryWindow;
        uint64 leastAuditWindow;
        uint64 leastRunWindow;
    }

    /// @notice What became of a job.
    enum JobStatus {
        None,
        Posted,
        Cancelled
    }

    /// @notice Phases of a lease. Of an ordinary lease: `Free` waits for a takeover or for `close`, `Submitted` for chance,
    /// `Audited` for a jury's verdict, `Undecided` for a second jury. Of a redundant lease: `Free` until its Q-th seat is
    /// taken, then `Running`, and `Revealing` from the N-th commitment on. `Settled`, `Void` (no result; price burned) and
    /// `Refunded` are final.
    enum Phase {
        None,
        Free,
        Running,
        Submitted,
        Audited,
        Undecided,
        Revealing,
        Settled,
        Void,
        Refunded
    }

    /// @notice How sure a final root is. `Contested`: an audit was due, and nobody came or two juries found no verdict.
    /// `Unaudited`: no audit was due. `Audited`: a drawn jury agreed on one drawn task of the lease. `Listed`: a quorum of
    /// providers that the client listed. `Quorum`: a quorum of drawn providers. `Proven`: the job's verifier confirmed it.
    enum Grade {
        None,
        Contested,
        Unaudited,
        Audited,
        Listed,
        Quorum,
        Proven
    }

    /// @notice Why a round ended without a result: nobody submitted in time; its holder left; too few seats
    /// committed; enough committed and none opened; too few opened for a quorum.
    enum Reason {
        None,
        Late,
        Left,
        TooFewCommits,
        Outage,
        NoQuorum
    }

    /// @notice What a seat has done so far. `Left`: its holder left, or was late, and takes no seat of this round or the next.
    enum Seat {
        None,
        Joined,
        Committed,
        Opened,
        Left
    }

    /// @notice How a seat (of a redundant lease or of a jury) ended. `Paid`: of the majority. `Outvoted` (opened something
    /// else) and `Silent` (committed, not opened though another was) lose the bond. `Late` (joined, never committed),
    /// `Abstained` (opened the zero digest) and `Undecided` (opened without verdict or quorum) lose a tenth. `Released`
    /// loses nothing.
    enum SeatEnd {
        None,
        Paid,
        Outvoted,
        Silent,
        Late,
        Abstained,
        Undecided,
        Released
    }

    /// @notice What a jury found.
    enum Verdict {
        None,
        Acquitted,
        Convicted,
        NoVerdict
    }

    /// @notice State of a job, as `jobOf` returns it.
    /// @param status None for a job that was never posted
    /// @param feeBps the protocol fee, fixed at `post`
    /// @param next first task that no lease holds, or (with more than one replica) of the first lease that has not opened;
    /// `tasks` when there is none
    /// @param postedAt time of `post`
    /// @param point the beacon's point of the job's draws; 0 where nobody is drawn for its leases
    struct JobState {
        JobStatus status;
        uint16 feeBps;
        uint32 next;
        uint64 postedAt;
        uint64 point;
    }

    /// @notice State of a lease, as `leaseOf` returns it. All zero for a lease that does not exist.
    /// @param provider its holder; of a free lease its last holder, which is barred from the next round; 0 of a redundant lease
    /// @param phase where it stands
    /// @param grade how sure its root is, once settled
    /// @param round 1 for the first
    /// @param count tasks in it
    /// @param since when the phase began: the round (`Running`), the submission (`Submitted`, `Audited`, `Undecided`), the N-th
    /// commitment (`Revealing`), the freeing (`Free`)
    /// @param origin of an ordinary lease the time on the ramp that prices its round; of a redundant lease when it opened
    /// @param point the beacon's point: of the audit, or of the round's draw; 0 if there is none
    /// @param root Merkle root of its result; 0 before `submit` or the quorum
    /// @param seats seats taken in a redundant round
    /// @param commits how many of them committed
    /// @param opened how many commitments were opened
    struct LeaseState {
        address provider;
        Phase phase;
        Grade grade;
        uint16 round;
        uint32 count;
        uint64 since;
        uint64 origin;
        uint64 point;
        bytes32 root;
        uint8 seats;
        uint8 commits;
        uint8 opened;
    }

    /// @notice State of a lease's last audit, as `auditOf` returns it. All zero if none was opened.
    /// @param jury 1 or 2
    /// @param task the drawn task
    /// @param since the later of its opening and its point's time; once all three committed, when the last did
    /// @param due when the accused's leaf was first missed; of an undecided lease the last second to open a second jury
    /// @param point the beacon's point that draws the jury
    /// @param seats jurors
    /// @param commits how many of them committed
    /// @param opened how many of those votes were opened
    /// @param undecided how many votes the first jury opened, if it found no verdict
    struct AuditState {
        uint8 jury;
        uint32 task;
        uint64 since;
        uint64 due;
        uint64 point;
        uint8 seats;
        uint8 commits;
        uint8 opened;
        uint8 undecided;
    }

    /// @notice State of a provider, as `providerOf` returns it.
    /// @param number its place in the order of first `stake` or `setOperator`, from 1; 0 for no provider
    /// @param stake all its stake
    /// @param free the part of it that no bond locks
    /// @param stakedAt when its stake last increased
    /// @param completed leases settled in its favour (saturating). No proof of merit: whoever is client and
    /// provider at once settles leases for the fee, and for nothing where the price is 0
    /// @param late rounds that it left late, let expire or did not finish (saturating)
    /// @param slashed bonds that it lost whole (saturating)
    struct ProviderState {
        uint32 number;
        uint128 stake;
        uint128 free;
        uint64 stakedAt;
        uint32 completed;
        uint32 late;
        uint32 slashed;
    }

    /// @notice A seat of a round, and what opens its commitment: of a redundant lease `value` is the root and `proof` the
    /// address of the digest list, of a jury the output digest and the keyed digest.
    /// @param number the provider's number
    /// @param value what was found; the zero digest is an abstention
    /// @param proof what comes with it
    /// @param salt the secret of the commitment; 0 names a seat and opens nothing
    struct Opening {
        uint32 number;
        bytes32 value;
        bytes32 proof;
        bytes32 salt;
    }

    // ------------------------------------------------------------------ events (they suffice to rebuild the state)

    /// @notice `amount` came in from `from` for `account`.
    event Deposited(address indexed account, address indexed from, uint128 amount);
    /// @notice `amount` left `account`'s balance for `to`.
    event Withdrawn(address indexed account, address indexed to, uint128 amount);
    /// @notice `provider` added `amount` to its stake.
    event Staked(address indexed provider, uint32 number, uint128 amount);
    /// @notice `provider` took `amount` of its free stake out, to `to`.
    event Unstaked(address indexed provider, address indexed to, uint128 amount);
    /// @notice `operator` may (or may no longer) act for `provider`.
    event OperatorSet(address indexed provider, address indexed operator, bool allowed);
    /// @notice How to reach `provider`: its peer-to-peer node, what its machines can do, its URL.
    event ProfileSet(address indexed provider, bytes32 nodeId, bytes32 capabilities, string endpoint);
    /// @notice The protocol fee for jobs posted from now on.
    event FeeSet(uint16 feeBps, address recipient);
    /// @notice A job was posted and its worst case moved from the client's balance into escrow.
    event Posted(
        bytes32 indexed jobId, address indexed client, Job job, uint16 feeBps, uint64 point, bytes spec
    );
    /// @notice The client stopped new leases, takeovers and rounds.
    event Cancelled(bytes32 indexed jobId);
    /// @notice `provider` is on the list with this Merkle root: it may work for jobs that name it.
    event Admitted(bytes32 indexed list, address indexed provider);
    /// @notice `client` withdrew its signatures under jobs with this nonce.
    event Revoked(address indexed client, uint64 nonce);

    /// @notice A round began: `provider` holds `[first, first + count)` at `price` per task.
    event Claimed(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint32 count,
        uint16 round,
        uint128 price
    );
    /// @notice A result was submitted; `digestList` addresses the list of its output digests. `point` decides whether it
    /// is audited; 0 if it never is.
    event Submitted(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint16 round,
        bytes32 root,
        bytes32 digestList,
        uint64 point
    );
    /// @notice A lease ended with a final root. `paid` went to its provider, or in equal parts to the seats that
    /// `SeatClosed` names as paid; `fee` to the protocol, `burned` to nobody, `refunded` to the client. With what jurors
    /// were paid they add up to the lease's escrow.
    event Settled(
        bytes32 indexed jobId,
        uint32 indexed first,
        Grade grade,
        uint128 paid,
        uint128 fee,
        uint128 burned,
        uint128 refunded
    );
    /// @notice A lease ended without a result, after a conviction or a split vote: `burned` of its escrow went to nobody,
    /// `refunded` to the client. `slashed` is what its holder lost of its bond; seats' losses are in `SeatClosed`.
    event Voided(
        bytes32 indexed jobId, uint32 indexed first, uint128 burned, uint128 refunded, uint128 slashed
    );
    /// @notice A round ended without a result, and `round` is the lease's next one. `burned` was taken from the holder's
    /// bond. Of a redundant lease `provider` is 0, and `SeatClosed` says what each seat lost.
    event Freed(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint16 round,
        Reason reason,
        uint128 burned
    );
    /// @notice `count` tasks from `first` will not be run; `refunded` went back to the client.
    event Refunded(bytes32 indexed jobId, uint32 indexed first, uint32 count, uint128 refunded);

    /// @notice The lease's next draw has another point: of its next round, or of its second jury.
    event PointSet(bytes32 indexed jobId, uint32 indexed first, uint64 point);
    /// @notice `provider` reserved a seat of a redundant lease.
    event Joined(bytes32 indexed jobId, uint32 indexed first, address indexed provider, uint16 round);
    /// @notice `provider` committed to a result, on a seat that it had or took with it.
    event Committed(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint16 round,
        bytes32 commitment
    );
    /// @notice `provider` left its seat of a redundant lease; `burned` was taken from its bond.
    event SeatLeft(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, uint16 round, uint128 burned
    );
    /// @notice What the seat of provider `number` had committed to: `kind` is 0 for a lease, 1 and 2 for juries.
    /// @param value the root, or the output digest
    /// @param proof the address of the digest list, or the keyed digest
    event Opened(
        bytes32 indexed jobId,
        uint32 indexed first,
        uint32 indexed number,
        uint16 round,
        uint8 kind,
        bytes32 value,
        bytes32 proof
    );
    /// @notice How the seat of provider `number` ended. `paid` are its earnings, `burned` was taken from its bond.
    event SeatClosed(
        bytes32 indexed jobId,
        uint32 indexed first,
        uint32 indexed number,
        uint16 round,
        uint8 kind,
        SeatEnd end,
        uint128 paid,
        uint128 burned
    );

    /// @notice A drawn audit was opened: jury `jury` runs `task` again and commits its votes until `commitBy`.
    event AuditOpened(
        bytes32 indexed jobId, uint32 indexed first, uint16 round, uint8 jury, uint32 task, uint64 commitBy
    );
    /// @notice `provider` reserved a juror's seat.
    event JurorJoined(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, uint16 round, uint8 jury
    );
    /// @notice `provider` committed to a vote, on a seat that it had or took with it.
    event VoteCommitted(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint16 round,
        uint8 jury,
        bytes32 commitment
    );
    /// @notice Two jurors agree, and only the accused's leaf is missing: it can be brought until `leafBy`.
    event LeafMissed(bytes32 indexed jobId, uint32 indexed first, uint8 jury, uint64 leafBy);
    /// @notice The jury's verdict. `digest` is what two or more jurors found (0 if none did), `leaf` what the accused had
    /// committed to (0 if nobody opened it).
    event Judged(
        bytes32 indexed jobId,
        uint32 indexed first,
        uint8 jury,
        Verdict verdict,
        uint32 task,
        bytes32 digest,
        bytes32 leaf
    );

    // ------------------------------------------------------------------ errors

    /// @notice An amount must not be zero.
    error ZeroAmount();
    /// @notice An address must not be zero.
    error ZeroAddress();
    /// @notice An amount, or a sum of amounts, is over what the market keeps.
    error AmountTooLarge(uint256 amount, uint256 max);
    /// @notice The token did not deliver what it was asked to: fee-on-transfer tokens are refused.
    error DepositShort(uint256 expected, uint256 arrived);
    /// @notice The account's balance does not cover the amount.
    error InsufficientBalance(address account, uint256 available, uint256 needed);
    /// @notice The provider's free stake does not cover the amount. Leases leave a quarter of all stake to juries.
    error InsufficientStake(address provider, uint256 available, uint256 needed);
    /// @notice The profile's endpoint is longer than 128 bytes.
    error EndpointTooLong(uint256 length, uint256 max);
    /// @notice The caller is neither the provider nor one of its operators.
    error NotOperator(address provider, address caller);
    /// @notice Only the job's client may do this.
    error NotClient(address client, address caller);
    /// @notice Only the governor of the fee may do this.
    error NotGovernor(address governor, address caller);
    /// @notice The fee is over its hard cap.
    error FeeTooHigh(uint256 feeBps, uint256 max);

    /// @notice This very job was posted before.
    error JobExists(bytes32 jobId);
    /// @notice No such job was posted (every field of it counts).
    error JobUnknown(bytes32 jobId);
    /// @notice The job was cancelled: no new leases, takeovers and rounds.
    error JobIsCancelled(bytes32 jobId);
    /// @notice The job is neither cancelled nor past its `closesAt`.
    error JobStillOpen(bytes32 jobId, uint64 closesAt);
    /// @notice A job needs at least one task.
    error NoTasks();
    /// @notice `minLease` and `maxLease` do not fit the tasks, the replicas or each other; `maxLease` is at most `max`.
    error BadLeaseSize(uint32 minLease, uint32 maxLease, uint32 max);
    /// @notice Replicas and quorum do not fit: 1 to 15 replicas, a true majority, 1 iff 1.
    error BadQuorum(uint8 replicas, uint8 quorum);
    /// @notice Chance, jury fee and window of audits go together: all zero or none, the chance at most 10,000.
    error BadAudit(uint16 auditBps, uint128 juryFee, uint64 auditWindow);
    /// @notice Audits, and verifiers, go with one replica only.
    error OneReplicaOnly(uint8 replicas);
    /// @notice A job has audits or a verifier, not both.
    error AuditsOrVerifier(uint16 auditBps, address verifier);
    /// @notice Only a job with audits can ask for a refund.
    error RefundNeedsAudits();
    /// @notice Where audits are, a bond must be at stake.
    error BondNeeded();
    /// @notice The minimum price is over the maximum, or (with more than one replica) not equal to it.
    error BadPriceRange(uint128 minPrice, uint128 maxPrice);
    /// @notice A window is shorter than `min` or longer than `max`.
    error BadWindow(uint64 window, uint64 min, uint64 max);
    /// @notice The job closes before it opens, or has closed already, or opens or closes more than a year from now.
    error BadSchedule(uint64 opensAt, uint64 closesAt);
    /// @notice The spec's bytes do not hash to the job's `spec`.
    error SpecMismatch(bytes32 expected, bytes32 actual);
    /// @notice The spec is longer than 16,384 bytes.
    error SpecTooLong(uint256 length, uint256 max);
    /// @notice Nobody could be drawn: no stake is old enough.
    error NoStakeToDraw();
    /// @notice The call is for the other kind of job: with one replica (ordinary), or with more (redundant).
    error WrongMode(bytes32 jobId, uint8 replicas);
    /// @notice The job has a verifier: its results come with a proof (`prove`).
    error NeedsProof(bytes32 jobId, address verifier);
    /// @notice The job has no verifier.
    error NoVerifier(bytes32 jobId);
    /// @notice The job's verifier did not confirm the proof.
    error ProofRejected(bytes32 jobId, uint32 first, address verifier);
    /// @notice Not enough gas is left to give the verifier or the beacon its whole allowance: `needed` must be.
    error NotEnoughGas(uint256 needed);
    /// @notice The job is for listed providers, and this one has not been admitted (`admit`).
    error NotAdmitted(bytes32 list, address provider);
    /// @notice The proof does not lead from the provider to the list's root.
    error NotOnList(bytes32 list, address provider);
    /// @notice The signature is not `signer`'s, or not for this.
    error BadSignature(address signer);
    /// @notice The client revoked this nonce.
    error NonceIsRevoked(address client, uint64 nonce);
    /// @notice Signatures are for the chain on which the market was deployed.
    error WrongChain(uint256 chainId, uint256 expected);
    /// @notice The act is for another round of the lease than the present `round`, or for another jury than `jury` (0 where
    /// no jury is meant).
    error WrongRound(bytes32 jobId, uint32 first, uint16 round, uint8 jury);
    /// @notice The redundant job has no such lease, or it has not opened yet.
    error NoSuchLease(bytes32 jobId, uint32 first);
    /// @notice The beacon's point has no seed yet (or there is no point).
    error SeedUnknown(uint64 point);
    /// @notice The lease's point is alive: its seed is known or will be.
    error PointAlive(uint64 point);
    /// @notice Chance decided that this lease is not audited.
    error NotAudited(bytes32 jobId, uint32 first);
    /// @notice The provider is not drawn for a seat (yet): `from` is when it will be, the greatest time if never.
    error NotDrawn(bytes32 jobId, uint32 first, address provider, uint64 from);
    /// @notice All seats are taken.
    error SeatsTaken(bytes32 jobId, uint32 first);
    /// @notice The provider's seat is past (or before) this act.
    error WrongSeat(bytes32 jobId, uint32 first, address provider, Seat seat);
    /// @notice What is opened is not what the seat committed to.
    error WrongOpening(bytes32 jobId, uint32 first, uint32 number);
    /// @notice Openings name providers with a seat, ascending, and a call that ends the round names them all: not so at
    /// `index`.
    error WrongPanel(uint256 index);
    /// @notice Nothing to open, and the round does not end before `deadline`.
    error OpeningsMissing(uint64 deadline, uint64 time);
    /// @notice Two jurors agree, and the accused's leaf can be brought until `leafBy`.
    error LeafMissing(bytes32 jobId, uint32 first, uint64 leafBy);
    /// @notice The result does not hold `digest` for `task`.
    error NotInResult(uint32 task, bytes32 digest);
    /// @notice The accused cannot be its own juror.
    error BarredFromJury(bytes32 jobId, uint32 first, address provider);

    /// @notice Too early: the act is valid from `notBefore` on.
    error TooEarly(uint64 notBefore, uint64 time);
    /// @notice Too late: the act was valid until `deadline`.
    error TooLate(uint64 deadline, uint64 time);
    /// @notice Every task is in a lease already (or was refunded).
    error NothingLeft(bytes32 jobId);
    /// @notice The lease would have `count` tasks, which is not between `least` and `most`.
    error LeaseDoesNotFit(uint32 count, uint32 least, uint32 most);
    /// @notice The lease is in another phase than the act needs.
    error WrongPhase(bytes32 jobId, uint32 first, Phase phase);
    /// @notice Another provider holds the lease.
    error NotHolder(bytes32 jobId, uint32 first, address provider);
    /// @notice A provider that left a lease, or was late, cannot take its next round.
    error BarredFromRound(bytes32 jobId, uint32 first, address provider);
    /// @notice The lease has used up its rounds.
    error TooManyRounds(bytes32 jobId, uint32 first);
    /// @notice A result's root must not be zero.
    error ZeroRoot();

    // ------------------------------------------------------------------ balances

    /// @notice Takes `amount` tokens from the caller and credits them to `account`.
    /// @param account whose balance grows
    /// @param amount tokens, not zero; they must arrive whole
    function deposit(address account, uint128 amount) external;

    /// @notice `deposit` with an ERC-2612 permit of the caller. A permit that fails (used already,
    /// by a front-runner) is ignored if the allowance suffices.
    /// @param account whose balance grows
    /// @param amount tokens, not zero
    /// @param deadline the permit's deadline
    /// @param v signature
    /// @param r signature
    /// @param s signature
    function depositWithPermit(
        address account,
        uint128 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Pays `amount` from the caller's balance (a provider's earnings included) to `to`.
    /// @param to who receives the tokens
    /// @param amount tokens, not zero
    function withdraw(address to, uint128 amount) external;

    /// @notice What `account` can withdraw or post with: deposits, refunds and earnings.
    function balanceOf(address account) external view returns (uint128);

    // ------------------------------------------------------------------ providers

    /// @notice Adds `amount` of the caller's tokens to its stake.
    /// @param amount tokens, not zero
    function stake(uint128 amount) external;

    /// @notice Takes free stake of the caller out, not before it stood for the market's stake age since it last grew.
    /// @param to who receives the tokens
    /// @param amount tokens, not zero, at most what no bond locks
    function unstake(address to, uint128 amount) external;

    /// @notice Allows (or stops) `operator` to act for the caller as a provider. An operator can never take
    /// stake or earnings out. It locks stake, and its wrong results have locked stake burned.
    /// @param operator the key of one machine's executor
    /// @param allowed whether it may act
    function setOperator(address operator, bool allowed) external;

    /// @notice Publishes how to reach the caller as a provider.
    /// @param nodeId peer-to-peer node id, or 0
    /// @param capabilities digest of its machines' description, or 0
    /// @param endpoint base URL of its blob server, at most 128 bytes
    function setProfile(bytes32 nodeId, bytes32 capabilities, string calldata endpoint) external;

    /// @notice Puts on record that `provider` is on a list, so that it may work for jobs that name it. Anyone may call.
    /// @param list Merkle root over the listed addresses: OpenZeppelin's standard tree of `(address)` leaves
    /// @param provider who is listed
    /// @param proof its path in the tree
    function admit(bytes32 list, address provider, bytes32[] calldata proof) external;

    /// @notice Whether `provider` was admitted to `list`.
    function isAdmitted(bytes32 list, address provider) external view returns (bool);

    /// @notice State of a provider.
    function providerOf(address provider) external view returns (ProviderState memory);

    /// @notice The last profile of a provider.
    function profileOf(address provider)
        external
        view
        returns (bytes32 nodeId, bytes32 capabilities, string memory endpoint);

    /// @notice Whether `operator` may act for `provider`; true for the provider itself.
    function isOperator(address provider, address operator) external view returns (bool);

    /// @notice What `provider` weighs in a draw that counts the stake of `time`: the lesser of its stake then and now.
    function weightAt(address provider, uint64 time) external view returns (uint128);

    /// @notice What all stake weighs in a draw that counts the stake of `time`: the lesser of all stake then and now.
    function totalWeightAt(uint64 time) external view returns (uint128);

    // ------------------------------------------------------------------ jobs

    /// @notice Posts a job of the caller and moves its worst case into escrow: for each task
    /// `replicas * maxPrice + ceil(JURY * juryFee / minLease)`.
    /// @param job the job
    /// @param spec the job-spec bytes, at most 16,384
    /// @return jobId the job's EIP-712 hash
    function post(Job calldata job, bytes calldata spec) external returns (bytes32 jobId);

    /// @notice `post` for a client that signed the job: the EIP-712 digest of a `Job` is its id. Anyone may call.
    /// @param job the job; its client pays from its balance
    /// @param spec the job-spec bytes, at most 16,384
    /// @param signature the client's, by key or by ERC-1271
    /// @return jobId the job's EIP-712 hash
    function postFor(Job calldata job, bytes calldata spec, bytes calldata signature)
        external
        returns (bytes32 jobId);

    /// @notice Revokes the caller's signatures under jobs with this nonce that are not posted yet.
    /// @param nonce as in the job's terms
    function revoke(uint64 nonce) external;

    /// @notice Whether `client` revoked `nonce`.
    function isRevoked(address client, uint64 nonce) external view returns (bool);

    /// @notice Stops new leases, takeovers and new rounds and refunds the tasks from `next` on. Rounds that run go to
    /// their end.
    /// @param job the caller's job
    function cancel(Job calldata job) external;

    /// @notice `cancel` for a client that signed `Cancel(bytes32 jobId)`. Anyone may call.
    /// @param job the job
    /// @param signature the client's, by key or by ERC-1271
    function cancelFor(Job calldata job, bytes calldata signature) external;

    /// @notice Once the job is cancelled or past `closesAt`: refunds the tasks from `next` on, and the listed leases that
    /// are free. Skips others. Anyone may call.
    /// @param job the job
    /// @param firsts first tasks of leases
    function close(Job calldata job, uint32[] calldata firsts) external;

    /// @notice The job's id: its EIP-712 hash in this market's domain.
    function hashJob(Job calldata job) external view returns (bytes32 jobId);

    /// @notice State of a job.
    function jobOf(bytes32 jobId) external view returns (JobState memory);

    /// @notice The price of a task and seat at a `time` on the ramp; rounds down.
    function priceAt(Job calldata job, uint64 time) external pure returns (uint128);

    // ------------------------------------------------------------------ ordinary leases (one replica)

    /// @notice Takes the next tasks: `min(most, maxLease, what is left)`, adjusted so that what is left afterwards is 0 or
    /// at least `minLease`. Locks the bond `bond * count`.
    /// @param job the job
    /// @param provider for whom; the caller is it or its operator
    /// @param least fewest tasks that the caller takes
    /// @param most most tasks that the caller takes
    /// @return first the lease's first task
    /// @return count tasks in the lease
    function claim(Job calldata job, address provider, uint32 least, uint32 most)
        external
        returns (uint32 first, uint32 count);

    /// @notice Takes a free lease in a new round, performing `expire` itself if that is due.
    /// @param job the job
    /// @param provider for whom; not the lease's last holder
    /// @param first the lease's first task
    function takeover(Job calldata job, address provider, uint32 first) external;

    /// @notice Gives a running lease up, or the seat of a redundant round. In a lease's first round that is free within
    /// the first eighth of the window; later `10 % * elapsed / window` of the bond is burned. A seat is free to leave
    /// before its round begins. Once the lease is refunded anyone may call for a seat that is left in it.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param provider who holds the lease or the seat
    function leave(Job calldata job, uint32 first, uint16 round, address provider) external;

    /// @notice Submits a lease's result within its run window. Without audits that settles the lease.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param provider who holds the lease
    /// @param root positional Merkle root over the output digests (`JobResult`), not zero
    /// @param digestList content address of the list of output digests
    function submit(
        Job calldata job,
        uint32 first,
        uint16 round,
        address provider,
        bytes32 root,
        bytes32 digestList
    ) external;

    /// @notice `submit` for a job with a verifier: settles the lease if that confirms the proof (`IVerifier`).
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param provider who holds the lease
    /// @param root positional Merkle root over the output digests, not zero
    /// @param digestList content address of the list of output digests
    /// @param proof for the verifier
    function prove(
        Job calldata job,
        uint32 first,
        uint16 round,
        address provider,
        bytes32 root,
        bytes32 digestList,
        bytes calldata proof
    ) external;

    /// @notice Ends a round whose run window passed without a result: burns a tenth of its bond and frees the lease.
    /// Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    function expire(Job calldata job, uint32 first) external;

    /// @notice Settles submitted leases: at once if the seed is known and chance says no audit; otherwise when the time for
    /// audits is over and none is open. Skips leases that are not due. Anyone may call.
    /// @param job the job
    /// @param firsts first tasks of leases
    function finalize(Job calldata job, uint32[] calldata firsts) external;

    /// @notice State of a lease.
    function leaseOf(bytes32 jobId, uint32 first) external view returns (LeaseState memory);

    /// @notice The final root of a lease; all zero unless it is settled.
    /// @return root positional Merkle root over its output digests
    /// @return count tasks in it
    /// @return grade how sure it is
    function resultRoot(bytes32 jobId, uint32 first)
        external
        view
        returns (bytes32 root, uint32 count, Grade grade);

    // ------------------------------------------------------------------ redundant leases (more replicas)

    /// @notice Reserves a drawn seat and locks its bond `bond * count`. The Q-th seat begins the round.
    /// @param job the job
    /// @param first the lease's first task, a multiple of `maxLease`
    /// @param round the lease's round
    /// @param provider for whom; the caller is it or its operator
    function join(Job calldata job, uint32 first, uint16 round, address provider) external;

    /// @notice Commits to a result, on a reserved seat or on one that it takes as `join` does.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round, as in `commitment`
    /// @param provider for whom
    /// @param commitment `commitmentOf` the root, the address of the digest list and a secret salt
    function commit(Job calldata job, uint32 first, uint16 round, address provider, bytes32 commitment)
        external;

    /// @notice Opens commitments, once all seats committed, or the time for it is over and a quorum did. Ends the round
    /// when all commitments are open or the time for that is over, and when too few committed in time. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param openings seats, ascending by number: all of them if the call ends the round
    function settle(Job calldata job, uint32 first, uint16 round, Opening[] calldata openings) external;

    /// @notice Takes a new point for a free redundant lease whose point is dead or missing. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    function renew(Job calldata job, uint32 first) external;

    // ------------------------------------------------------------------ audits

    /// @notice Reserves a drawn juror's seat and locks its bond `8 * juryFee`. The first one opens the audit.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param jury 1, or 2 for the second try
    /// @param provider for whom; not the accused
    function joinJury(Job calldata job, uint32 first, uint16 round, uint8 jury, address provider) external;

    /// @notice Commits a juror's vote, on a reserved seat or on one that it takes as `joinJury` does.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round, as in `commitment`
    /// @param jury 1, or 2 for the second try, as in `commitment`
    /// @param provider for whom
    /// @param commitment `commitmentOf` the output digest, the keyed digest and a secret salt
    function commitVote(
        Job calldata job,
        uint32 first,
        uint16 round,
        uint8 jury,
        address provider,
        bytes32 commitment
    ) external;

    /// @notice Opens votes, once all three jurors committed, or the time for it is over and two did. Decides when all
    /// commitments are open or the time for that is over, and when too few committed in time. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param jury 1, or 2 for the second try
    /// @param openings seats, ascending by number: all of them if the call decides
    /// @param leaf the output digest that the accused committed to for the audited task; 0 if it is not brought
    /// @param proof its path in the result's tree
    function judge(
        Job calldata job,
        uint32 first,
        uint16 round,
        uint8 jury,
        Opening[] calldata openings,
        bytes32 leaf,
        bytes32[] calldata proof
    ) external;

    /// @notice State of a lease's last audit.
    function auditOf(bytes32 jobId, uint32 first) external view returns (AuditState memory);

    /// @notice What a seat has done.
    /// @param jobId the job
    /// @param first the lease's first task
    /// @param round of the lease
    /// @param kind 0 for a seat of the lease, 1 or 2 for a jury's
    /// @param provider who holds the seat
    function seatOf(bytes32 jobId, uint32 first, uint16 round, uint8 kind, address provider)
        external
        view
        returns (Seat);

    /// @notice What a seat commits to:
    /// `keccak256(abi.encode(jobId, first, round, kind, number, value, proof, salt))`. The job's id stands for chain and market.
    /// @param jobId the job
    /// @param first the lease's first task
    /// @param round of the lease
    /// @param kind 0 for a lease, 1 or 2 for a jury
    /// @param number of the provider that holds the seat
    /// @param value the root, or the output digest
    /// @param proof the address of the digest list, or the keyed digest
    /// @param salt 32 random bytes, not zero, secret until the opening
    function commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 kind,
        uint32 number,
        bytes32 value,
        bytes32 proof,
        bytes32 salt
    ) external pure returns (bytes32);

    // ------------------------------------------------------------------ the market

    /// @notice The times that hold for all jobs.
    function times() external view returns (Times memory);

    /// @notice Whether the market is a devnet's, whose times may be shorter than is sane.
    function isDevnet() external view returns (bool);

    /// @notice Where seeds come from (`IBeacon`).
    function beacon() external view returns (address);

    /// @notice All providers' stake.
    function totalStake() external view returns (uint128);

    /// @notice The token of payments and stakes.
    function token() external view returns (address);

    /// @notice The fee for jobs posted now, and who receives it.
    function fee() external view returns (uint16 feeBps, address recipient);

    /// @notice Changes the fee for jobs posted from now on; by its governor only.
    /// @param feeBps basis points, at most 500
    /// @param recipient who receives it, not zero
    function setFee(uint16 feeBps, address recipient) external;

    /// @notice Tokens that nobody will ever receive. They stay in the contract.
    function burned() external view returns (uint128);
}

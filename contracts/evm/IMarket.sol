// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title The Piecework market
/// @notice One market serves one ERC-20 token, in which jobs are paid and providers stake.
/// Amounts are in the token's smallest unit, times in Unix seconds, windows in seconds, fees in
/// basis points (1/10,000). An act is valid iff `t <= deadline`; `expire`, `finalize` and `close`
/// iff `t > deadline`.
/// @dev The ABI must also fit ink! (at most 12 fields in a tuple, integers of 8, 16, 32, 64, 128
/// and 256 bits): hence the nested `Job` and the wide types. Every amount is at most 2^96 - 1 and
/// every time at most 2^40 - 1, on every implementation; larger values revert.
interface IMarket {
    // ------------------------------------------------------------------ the job

    /// @notice Who asks for what.
    /// @param client the account that pays, and that alone may cancel and accept
    /// @param nonce any number the client has not revoked; makes equal jobs distinct
    /// @param spec keccak256 of the job-spec bytes, which travel in `Posted`
    /// @param tasks size of the array, at least 1
    /// @param maxLease most tasks in one lease; at most 2,048 when optimistic
    /// @param replicas seats of a lease, 1 to 15
    /// @param quorum equal roots that settle a lease; 1 iff `replicas` is 1 (optimistic)
    /// @param providers 0 for an open market, else the Merkle root of the admitted providers
    /// @param verifier 0, or the contract that decides proofs (1/1 only)
    struct Terms {
        address client;
        uint64 nonce;
        bytes32 spec;
        uint32 tasks;
        uint32 maxLease;
        uint8 replicas;
        uint8 quorum;
        bytes32 providers;
        address verifier;
    }

    /// @notice What it costs. The price climbs linearly from `minPrice` at `opensAt` to `maxPrice`
    /// at `opensAt + ramp`.
    /// @param minPrice per task and seat at `opensAt`
    /// @param maxPrice per task and seat from `opensAt + ramp` on; what is held in escrow
    /// @param bond stake locked per task and seat
    /// @param juryFee what one juror of a dispute is paid
    struct Price {
        uint128 minPrice;
        uint128 maxPrice;
        uint128 bond;
        uint128 juryFee;
    }

    /// @notice When.
    /// @param opensAt first second in which a lease can be claimed
    /// @param ramp seconds from `minPrice` to `maxPrice`; 0 means `maxPrice` at once
    /// @param closesAt last second of new leases and takeovers
    /// @param runWindow seconds that a round has for the work
    /// @param challengeWindow seconds in which an optimistic result can be challenged
    struct Timing {
        uint64 opensAt;
        uint64 ramp;
        uint64 closesAt;
        uint64 runWindow;
        uint64 challengeWindow;
    }

    /// @notice A job: `tasks` tasks that share one container spec. EIP-712 type; every call passes
    /// it as calldata, storage keeps its hash and its state.
    struct Job {
        Terms terms;
        Price price;
        Timing timing;
    }

    // ------------------------------------------------------------------ states

    /// @notice What became of a job.
    enum JobStatus {
        None,
        Posted,
        Cancelled
    }

    /// @notice Phases of a lease. `Free` waits for a takeover or for `close`; `Settled` and
    /// `Refunded` are final.
    enum Phase {
        None,
        Running,
        Submitted,
        Free,
        Settled,
        Refunded
    }

    /// @notice How a final root became final.
    enum How {
        None,
        Accepted,
        Unchallenged,
        Quorum,
        Proven
    }

    /// @notice Why a round ended without a result.
    enum Reason {
        None,
        Expired,
        ReleasedEarly,
        ReleasedLate
    }

    /// @notice State of a job, as `jobOf` returns it.
    /// @param status None for a job that was never posted
    /// @param feeBps the protocol fee, fixed at `post`
    /// @param next first task that no lease holds; `tasks` when all are claimed or refunded
    /// @param postedAt time of `post`
    struct JobState {
        JobStatus status;
        uint16 feeBps;
        uint32 next;
        uint64 postedAt;
    }

    /// @notice State of a lease, as `leaseOf` returns it. All zero for a lease that does not exist.
    /// @param provider who holds it; of a free lease who left it last (barred from its next round)
    /// @param phase where it stands
    /// @param how how it was settled, else None
    /// @param round 1 for the first holder, one more for each takeover
    /// @param count tasks in it
    /// @param startedAt when its round began; fixes its price. Of a lease that was released, when that was
    /// @param submittedAt when its result was submitted, else 0
    /// @param root Merkle root of its result, 0 before `submit`
    struct LeaseState {
        address provider;
        Phase phase;
        How how;
        uint16 round;
        uint32 count;
        uint64 startedAt;
        uint64 submittedAt;
        bytes32 root;
    }

    /// @notice State of a provider, as `providerOf` returns it.
    /// @param number its place in the order of first `stake` or `setOperator`, from 1; 0 for no provider
    /// @param stake all its stake
    /// @param free the part of it that no lease locks
    /// @param stakedAt when its stake last increased
    /// @param completed leases settled in its favour (saturating). No proof of merit: who is client and
    /// provider at once settles leases for the fee, and for nothing where the price is 0
    /// @param late leases it let expire or released late (saturating)
    /// @param slashed leases lost to a jury or a quorum (saturating)
    struct ProviderState {
        uint32 number;
        uint128 stake;
        uint128 free;
        uint64 stakedAt;
        uint32 completed;
        uint32 late;
        uint32 slashed;
    }

    // ------------------------------------------------------------------ events (they suffice to rebuild the state)

    /// @notice `amount` came in from `from` for `account`.
    event Deposited(address indexed account, address indexed from, uint128 amount);
    /// @notice `amount` left `account`'s ledger for `to`.
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
    /// @notice A job was posted and its worst case moved from the client's ledger into escrow.
    event Posted(bytes32 indexed jobId, address indexed client, Job job, uint16 feeBps, bytes spec);
    /// @notice The client stopped new leases and takeovers.
    event Cancelled(bytes32 indexed jobId);
    /// @notice A round began: `provider` holds `[first, first + count)` at `price` per task.
    event Claimed(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint32 count,
        uint16 round,
        uint128 price,
        uint128 bond
    );
    /// @notice A result was submitted; `manifest` addresses the list of its output digests.
    event Submitted(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, bytes32 root, bytes32 manifest
    );
    /// @notice A lease ended well. `paid` went to the provider, `fee` to the protocol, `refunded`
    /// to the client; the three add up to the lease's escrow.
    event Settled(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        How how,
        uint128 paid,
        uint128 fee,
        uint128 refunded
    );
    /// @notice A round ended without a result; `burned` was taken from the provider's bond.
    event Freed(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, Reason reason, uint128 burned
    );
    /// @notice `count` tasks from `first` will not be run; `refunded` went back to the client.
    event Refunded(bytes32 indexed jobId, uint32 indexed first, uint32 count, uint128 refunded);

    // ------------------------------------------------------------------ errors

    /// @notice An amount must not be zero.
    error ZeroAmount();
    /// @notice An address must not be zero.
    error ZeroAddress();
    /// @notice An amount, or a sum of amounts, is over what the market keeps.
    error AmountTooLarge(uint256 amount, uint256 max);
    /// @notice The token did not deliver what it was asked to: fee-on-transfer tokens are refused.
    error DepositShort(uint256 expected, uint256 arrived);
    /// @notice The account's ledger does not cover the amount.
    error InsufficientBalance(address account, uint256 available, uint256 needed);
    /// @notice The provider's free stake does not cover the amount.
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
    /// @notice The job was cancelled: no new leases, no takeovers.
    error JobIsCancelled(bytes32 jobId);
    /// @notice The job is neither cancelled nor past its `closesAt`.
    error JobStillOpen(bytes32 jobId, uint64 closesAt);
    /// @notice A job needs at least one task.
    error NoTasks();
    /// @notice `maxLease` is zero or over its limit.
    error BadMaxLease(uint32 maxLease, uint32 max);
    /// @notice Replicas and quorum do not fit: 1 to 15 replicas, a true majority, 1 iff 1.
    error BadQuorum(uint8 replicas, uint8 quorum);
    /// @notice A verifier goes with one replica only.
    error VerifierNeedsOneReplica(uint8 replicas);
    /// @notice The minimum price is over the maximum.
    error BadPriceRange(uint128 minPrice, uint128 maxPrice);
    /// @notice A window is zero (where it must not be) or longer than 30 days.
    error BadWindow(uint64 window, uint64 max);
    /// @notice The job closes before it opens, or has closed already, or too far away.
    error BadSchedule(uint64 opensAt, uint64 closesAt);
    /// @notice The spec's bytes do not hash to the job's `spec`.
    error SpecMismatch(bytes32 expected, bytes32 actual);
    /// @notice The spec is longer than 16,384 bytes.
    error SpecTooLong(uint256 length, uint256 max);
    /// @notice This market does not run such jobs (yet): redundant, verified or private ones.
    error Unsupported();

    /// @notice Too early: the act is valid from `notBefore` on.
    error TooEarly(uint64 notBefore, uint64 time);
    /// @notice Too late: the act was valid until `deadline`.
    error TooLate(uint64 deadline, uint64 time);
    /// @notice A lease must hold at least one task.
    error NothingAsked();
    /// @notice Every task is in a lease already (or was refunded).
    error NothingLeft(bytes32 jobId);
    /// @notice The lease is in another phase than the act needs.
    error WrongPhase(bytes32 jobId, uint32 first, Phase phase);
    /// @notice Another provider holds the lease.
    error NotHolder(bytes32 jobId, uint32 first, address provider);
    /// @notice Who left a lease cannot take its next round.
    error BarredFromRound(bytes32 jobId, uint32 first, address provider);
    /// @notice The lease has used up its rounds.
    error TooManyRounds(bytes32 jobId, uint32 first);
    /// @notice A result's root must not be zero.
    error ZeroRoot();

    // ------------------------------------------------------------------ ledger

    /// @notice Takes `amount` tokens from the caller and credits them to `account`.
    /// @param account whose ledger grows
    /// @param amount tokens, not zero; they must arrive whole
    function deposit(address account, uint128 amount) external;

    /// @notice `deposit` with an ERC-2612 permit of the caller. A permit that fails (used already,
    /// by a front-runner) is ignored if the allowance suffices.
    /// @param account whose ledger grows
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

    /// @notice Pays `amount` from the caller's ledger (a provider's earnings included) to `to`.
    /// @param to who receives the tokens
    /// @param amount tokens, not zero
    function withdraw(address to, uint128 amount) external;

    /// @notice What `account` can withdraw or post with: deposits, refunds and earnings.
    function balanceOf(address account) external view returns (uint128);

    // ------------------------------------------------------------------ providers

    /// @notice Adds `amount` of the caller's tokens to its stake.
    /// @param amount tokens, not zero
    function stake(uint128 amount) external;

    /// @notice Takes free stake of the caller out.
    /// @param to who receives the tokens
    /// @param amount tokens, not zero, at most what no lease locks
    function unstake(address to, uint128 amount) external;

    /// @notice Allows (or stops) `operator` to claim, submit and release for the caller. An
    /// operator can never move stake or earnings.
    /// @param operator the key of one machine's executor
    /// @param allowed whether it may act
    function setOperator(address operator, bool allowed) external;

    /// @notice Publishes how to reach the caller as a provider.
    /// @param nodeId peer-to-peer node id, or 0
    /// @param capabilities digest of its machines' description, or 0
    /// @param endpoint base URL of its blob server, at most 128 bytes
    function setProfile(bytes32 nodeId, bytes32 capabilities, string calldata endpoint) external;

    /// @notice State of a provider.
    function providerOf(address provider) external view returns (ProviderState memory);

    /// @notice The last profile of a provider.
    function profileOf(address provider)
        external
        view
        returns (bytes32 nodeId, bytes32 capabilities, string memory endpoint);

    /// @notice Whether `operator` may act for `provider`; true for the provider itself.
    function isOperator(address provider, address operator) external view returns (bool);

    // ------------------------------------------------------------------ jobs

    /// @notice Posts a job of the caller and moves `tasks * replicas * maxPrice` into escrow.
    /// @param job the job
    /// @param spec the job-spec bytes, at most 16,384
    /// @return jobId the job's EIP-712 hash
    function post(Job calldata job, bytes calldata spec) external returns (bytes32 jobId);

    /// @notice Stops new leases and takeovers and refunds the tasks that no lease holds. Rounds
    /// that run go to their end.
    /// @param job the caller's job
    function cancel(Job calldata job) external;

    /// @notice Once the job is cancelled or past `closesAt`: refunds free leases, and the tasks
    /// that no lease ever held. Anyone may call.
    /// @param job the job
    /// @param firsts first tasks of free leases; the first unclaimed task stands for all of them
    function close(Job calldata job, uint32[] calldata firsts) external;

    /// @notice The job's id: its EIP-712 hash in this market's domain.
    function hashJob(Job calldata job) external view returns (bytes32 jobId);

    /// @notice State of a job.
    function jobOf(bytes32 jobId) external view returns (JobState memory);

    /// @notice The price of a task and seat in a round that begins at `time`; rounds down.
    function priceAt(Job calldata job, uint64 time) external pure returns (uint128);

    // ------------------------------------------------------------------ optimistic leases

    /// @notice Takes the next unclaimed tasks, `count` clamped to `maxLease` and to what is left.
    /// Locks the bond `max(bond * count, 2 * JURY * juryFee)`.
    /// @param job the job
    /// @param provider for whom; the caller is it or its operator
    /// @param count tasks asked for, at least 1
    /// @return first the lease's first task
    /// @return taken tasks in the lease
    function claim(Job calldata job, address provider, uint32 count)
        external
        returns (uint32 first, uint32 taken);

    /// @notice Takes a free lease in a new round, performing `expire` itself if that is due. A lease
    /// that was released can be taken from the next second on.
    /// @param job the job
    /// @param provider for whom; not who left the lease last
    /// @param first the lease's first task
    function takeover(Job calldata job, address provider, uint32 first) external;

    /// @notice Submits a lease's result within its run window.
    /// @param job the job
    /// @param first the lease's first task
    /// @param provider who holds the lease
    /// @param root positional Merkle root over the output digests (`JobResult`), not zero
    /// @param manifest content address of the list of output digests
    function submit(Job calldata job, uint32 first, address provider, bytes32 root, bytes32 manifest) external;

    /// @notice The client settles a submitted lease at once, for good.
    /// @param job the caller's job
    /// @param first the lease's first task
    function accept(Job calldata job, uint32 first) external;

    /// @notice Settles a submitted lease whose challenge window is over. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    function finalize(Job calldata job, uint32 first) external;

    /// @notice Ends a round whose run window passed without a result: burns 10 % of its bond and
    /// frees the lease. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    function expire(Job calldata job, uint32 first) external;

    /// @notice Gives a running lease up: free within the first eighth of the run window, later 2 %
    /// of the bond are burned.
    /// @param job the job
    /// @param first the lease's first task
    /// @param provider who holds the lease
    function release(Job calldata job, uint32 first, address provider) external;

    /// @notice State of a lease.
    function leaseOf(bytes32 jobId, uint32 first) external view returns (LeaseState memory);

    /// @notice The final root of a lease; all zero unless it is settled.
    /// @return root positional Merkle root over its output digests
    /// @return count tasks in it
    /// @return how how it became final
    function resultRoot(bytes32 jobId, uint32 first)
        external
        view
        returns (bytes32 root, uint32 count, How how);

    // ------------------------------------------------------------------ the market

    /// @notice The token of payments and stakes.
    function token() external view returns (address);

    /// @notice The fee for jobs posted now, and who receives it.
    function fee() external view returns (uint16 feeBps, address recipient);

    /// @notice Changes the fee for jobs posted from now on; by its governor only.
    /// @param feeBps basis points, at most 500
    /// @param recipient who receives it, not zero
    function setFee(uint16 feeBps, address recipient) external;

    /// @notice Slashed tokens that nobody will ever receive. They stay in the contract.
    function burned() external view returns (uint128);
}

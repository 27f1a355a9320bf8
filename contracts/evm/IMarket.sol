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

    /// @notice Times that the market fixes for all jobs, in seconds. A devnet has shorter ones.
    /// @param drawTime what a round of drawn seats lasts beyond the job's run window: 60
    /// @param drawStep after each of which twice as many providers are drawn: 15
    /// @param revealWindow in which commitments are revealed: 1 hour
    /// @param respondWindow in which a demand is answered: 6 hours
    /// @param stakeAge how long before `post` a provider's stake last grew, if it is to be drawn: 1 day
    struct Times {
        uint64 drawTime;
        uint64 drawStep;
        uint64 revealWindow;
        uint64 respondWindow;
        uint64 stakeAge;
    }

    /// @notice What became of a job.
    enum JobStatus {
        None,
        Posted,
        Cancelled
    }

    /// @notice Phases of a lease. `Free` waits for a new round or for `close`; `Settled` and
    /// `Refunded` are final. A redundant lease is `Running` until its last seat committed, then
    /// `Revealing`. `Challenged` waits for a jury, `Demanded` for the provider's digests.
    enum Phase {
        None,
        Running,
        Submitted,
        Free,
        Settled,
        Refunded,
        Revealing,
        Challenged,
        Demanded
    }

    /// @notice How a final root became final.
    enum How {
        None,
        Accepted,
        Unchallenged,
        Quorum,
        Proven
    }

    /// @notice Why a round ended without a result: nobody submitted in time; its holder gave it up; a jury
    /// found its result wrong; its holder did not answer a demand; too few seats committed.
    enum Reason {
        None,
        Expired,
        ReleasedEarly,
        ReleasedLate,
        LostJury,
        Withheld,
        TooFewCommits
    }

    /// @notice What a seat has done so far.
    enum Seat {
        None,
        Joined,
        Committed,
        Revealed
    }

    /// @notice How a seat (of a redundant lease or of a jury) ended. `Paid`: it was of the majority, or
    /// revealed in a jury that came to no verdict. `Outvoted` and `Silent` (committed, not revealed; of
    /// a jury: not committed either) lose the bond; `Late` (joined, never committed) and `Undecided` (revealed,
    /// but no quorum) lose a tenth; `Released` loses nothing.
    enum SeatEnd {
        None,
        Paid,
        Outvoted,
        Silent,
        Late,
        Undecided,
        Released
    }

    /// @notice What a jury found. `ProviderRight` also when its quorum could not obtain the input.
    enum Verdict {
        None,
        ProviderWrong,
        ProviderRight,
        Inconclusive
    }

    /// @notice State of a job, as `jobOf` returns it.
    /// @param status None for a job that was never posted
    /// @param feeBps the protocol fee, fixed at `post`
    /// @param next first task that no lease holds; `tasks` when all are claimed or refunded, and always
    /// of a redundant job, whose leases are fixed
    /// @param postedAt time of `post`
    /// @param postedBlock block of `post`
    struct JobState {
        JobStatus status;
        uint16 feeBps;
        uint32 next;
        uint64 postedAt;
        uint64 postedBlock;
    }

    /// @notice State of a lease, as `leaseOf` returns it. All zero for a lease that does not exist.
    /// @param provider who holds it; of a free lease who left it last (barred from its next round); of a redundant
    /// lease 0, once it is settled one of those whose root it is
    /// @param phase where it stands
    /// @param how how it was settled, else None
    /// @param round 1 for the first, one more for each new one
    /// @param count tasks in it
    /// @param startedAt when its round began; fixes its price. Of a lease that was freed by other than
    /// `expire`, when that was
    /// @param submittedAt when its challenge window began (with `submit`, a jury's verdict or an answer to
    /// a demand), of a redundant lease when its last seat committed; else 0
    /// @param root Merkle root of its result, 0 before `submit` or the quorum
    /// @param seats seats taken in a redundant round
    /// @param commits how many of them committed
    /// @param reveals how many of them revealed
    /// @param challenges challenges of the present round so far; each next one costs twice the last
    struct LeaseState {
        address provider;
        Phase phase;
        How how;
        uint16 round;
        uint32 count;
        uint64 startedAt;
        uint64 submittedAt;
        bytes32 root;
        uint8 seats;
        uint8 commits;
        uint8 reveals;
        uint8 challenges;
    }

    /// @notice State of the last dispute over a lease's present round, as `disputeOf` returns it.
    /// @param challenger who challenged; 0 if nobody did
    /// @param task the task whose output is contested
    /// @param digest the output digest that the provider committed to
    /// @param answer the challenger's commitment; once it is revealed, the digest that it was to
    /// @param answered whether it was revealed
    /// @param deposit K, what the challenger put down
    /// @param openedAt when it was opened
    /// @param openedBlock in which block
    /// @param revealFrom when the last juror committed, else 0
    /// @param seats jurors
    /// @param commits how many of them committed
    /// @param reveals how many of them revealed
    struct DisputeState {
        address challenger;
        uint32 task;
        bytes32 digest;
        bytes32 answer;
        bool answered;
        uint128 deposit;
        uint64 openedAt;
        uint64 openedBlock;
        uint64 revealFrom;
        uint8 seats;
        uint8 commits;
        uint8 reveals;
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
    /// @notice A lease ended well. `paid` went to its provider, or in equal parts to the seats that
    /// `SeatClosed` names as paid; `fee` to the protocol, `refunded` to the client; the three add up to the
    /// lease's escrow.
    event Settled(
        bytes32 indexed jobId, uint32 indexed first, How how, uint128 paid, uint128 fee, uint128 refunded
    );
    /// @notice A round ended without a result; `burned` was taken from the provider's bond (by a lost jury, all of
    /// it: `Judged` says where it went). Of a redundant lease `provider` is 0, and `SeatClosed` says who lost what.
    event Freed(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, Reason reason, uint128 burned
    );
    /// @notice `count` tasks from `first` will not be run; `refunded` went back to the client.
    event Refunded(bytes32 indexed jobId, uint32 indexed first, uint32 count, uint128 refunded);

    /// @notice `provider` is on the list with this Merkle root: it may work for jobs that name it.
    event Admitted(bytes32 indexed list, address indexed provider);
    /// @notice `client` withdrew its signatures under jobs with this nonce.
    event Revoked(address indexed client, uint64 nonce);
    /// @notice The seed of a redundant job's draws, and all stake that it is drawn from.
    event Sealed(bytes32 indexed jobId, bytes32 seed, uint128 totalStake);
    /// @notice `provider` reserved a seat of a redundant lease.
    event Joined(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, uint16 round, uint128 bond
    );
    /// @notice `provider` committed to a result. `bond` is what that locked: 0 if it had joined before.
    event Committed(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint16 round,
        bytes32 commitment,
        uint128 bond
    );
    /// @notice `provider` revealed what it had committed to.
    event Revealed(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, bytes32 root, bytes32 manifest
    );
    /// @notice How the seat of provider `number` ended: of the lease's round if `challenge` is 0, else of the jury
    /// of that challenge. `paid` are its earnings, `burned` was taken from its bond.
    event SeatClosed(
        bytes32 indexed jobId,
        uint32 indexed first,
        uint32 indexed number,
        uint8 challenge,
        SeatEnd end,
        uint128 paid,
        uint128 burned
    );
    /// @notice `challenger` contests the output of `task` and put down `deposit`. `challenge` counts from 1
    /// in each round.
    event Challenged(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed challenger,
        uint8 challenge,
        uint32 task,
        bytes32 digest,
        bytes32 answer,
        uint128 deposit
    );
    /// @notice The seed of a jury's draw and of its keyed manifest, and all stake that it is drawn from.
    event JurySealed(
        bytes32 indexed jobId, uint32 indexed first, uint8 challenge, bytes32 seed, uint128 totalStake
    );
    /// @notice `provider` reserved a juror's seat.
    event JurorJoined(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, uint8 challenge, uint128 bond
    );
    /// @notice A juror committed to its vote. `bond` is what that locked: 0 if it had joined before.
    event VoteCommitted(
        bytes32 indexed jobId,
        uint32 indexed first,
        address indexed provider,
        uint8 challenge,
        bytes32 commitment,
        uint128 bond
    );
    /// @notice A juror revealed its vote: the output digest, and the same manifest keyed by the jury's seed.
    event VoteRevealed(
        bytes32 indexed jobId, uint32 indexed first, address indexed provider, bytes32 digest, bytes32 keyed
    );
    /// @notice The challenger revealed the digest that it holds for right.
    event AnswerRevealed(bytes32 indexed jobId, uint32 indexed first, bytes32 digest);
    /// @notice The jury's verdict on `digest`. `reward` and what of the deposit was due to it
    /// (`returned`) went to the challenger, `burned` (of the provider's bond or the deposit) to nobody.
    event Judged(
        bytes32 indexed jobId,
        uint32 indexed first,
        uint8 challenge,
        Verdict verdict,
        bytes32 digest,
        uint128 reward,
        uint128 returned,
        uint128 burned
    );
    /// @notice `demander` put down `deposit` to see all output digests of a lease.
    event DemandMade(bytes32 indexed jobId, uint32 indexed first, address indexed demander, uint128 deposit);
    /// @notice The provider gave all output digests (they are this call's argument) and earned the deposit.
    event Responded(bytes32 indexed jobId, uint32 indexed first, address indexed provider, uint128 earned);

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
    /// @notice The call is for the other kind of job: with one replica (optimistic), or with more (redundant).
    error WrongMode(bytes32 jobId, uint8 replicas);
    /// @notice The job has a verifier: its results come with a proof (`prove`), and without disputes.
    error NeedsProof(bytes32 jobId, address verifier);
    /// @notice The job has no verifier.
    error NoVerifier(bytes32 jobId);
    /// @notice The job's verifier did not confirm the proof.
    error ProofRejected(bytes32 jobId, uint32 first, address verifier);
    /// @notice Not enough gas is left to give the verifier its whole allowance: `needed` must be.
    error VerifierNeedsGas(uint256 needed);
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
    /// @notice The act is for another round of the lease, or another challenge in it, than the present `round` and
    /// `challenge` (the ones that it would begin, if it can; `challenge` is 0 for the lease's own seats).
    error WrongRound(bytes32 jobId, uint32 first, uint16 round, uint8 challenge);
    /// @notice The lease has another result than `root`.
    error WrongRoot(bytes32 jobId, uint32 first, bytes32 root);
    /// @notice A redundant job's leases begin at multiples of `maxLease`.
    error NoSuchLease(bytes32 jobId, uint32 first);
    /// @notice The draw has no seed yet (`seal`, `sealJury`).
    error NotSealed(bytes32 jobId, uint32 first);
    /// @notice The draw has its seed already.
    error SealedAlready(bytes32 jobId, uint32 first);
    /// @notice The seed's block is not final yet: possible from block `fromBlock` on.
    error TooEarlyToSeal(uint64 fromBlock, uint64 blockNumber);
    /// @notice The provider is not drawn for a seat (yet): `from` is when it will be, the greatest time if never.
    error NotDrawn(bytes32 jobId, uint32 first, address provider, uint64 from);
    /// @notice All seats are taken.
    error SeatsTaken(bytes32 jobId, uint32 first);
    /// @notice The provider's seat is past (or before) this act.
    error WrongSeat(bytes32 jobId, uint32 first, address provider, Seat seat);
    /// @notice What is revealed is not what was committed to, or no vote, or an answer that was revealed before.
    error WrongReveal(bytes32 jobId, uint32 first, address provider);
    /// @notice The panel must be the numbers of exactly the seats' providers, ascending: not so at `index`.
    error WrongPanel(uint256 index);
    /// @notice Not what the quorum voted for; 0 if there is no quorum.
    error WrongVerdict(bytes32 given);
    /// @notice Too early: not all that committed have revealed, and they have time until `deadline`.
    error RevealsMissing(uint64 deadline, uint64 time);
    /// @notice A job whose `juryFee` is 0 has no disputes.
    error NoJury(bytes32 jobId);
    /// @notice The result does not hold `digest` for `task`.
    error NotInResult(uint32 task, bytes32 digest);
    /// @notice Provider and challenger cannot be jurors of their own dispute.
    error BarredFromJury(bytes32 jobId, uint32 first, address provider);
    /// @notice Only the challenger may do this.
    error NotChallenger(address challenger, address caller);
    /// @notice The digests of this round were demanded before.
    error DemandedAlready(bytes32 jobId, uint32 first);
    /// @notice The digests do not add up to the result's root.
    error RootMismatch(bytes32 expected, bytes32 actual);

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

    /// @notice Takes free stake of the caller out, not before it stood for the market's stake age since it last grew: all
    /// stake counts in the draws of others, and must not come and go with one of them.
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

    // ------------------------------------------------------------------ jobs

    /// @notice Posts a job of the caller and moves `tasks * replicas * maxPrice` into escrow.
    /// @param job the job
    /// @param spec the job-spec bytes, at most 16,384
    /// @return jobId the job's EIP-712 hash
    function post(Job calldata job, bytes calldata spec) external returns (bytes32 jobId);

    /// @notice `post` for a client that signed the job: the EIP-712 digest of a `Job` is its id. Anyone may call.
    /// @param job the job; its client pays from its ledger
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

    /// @notice Stops new leases, takeovers and new rounds and refunds the tasks that no lease holds (of a
    /// redundant job, `close` does). Rounds that run go to their end.
    /// @param job the caller's job
    function cancel(Job calldata job) external;

    /// @notice `cancel` for a client that signed `Cancel(bytes32 jobId)`. Anyone may call.
    /// @param job the job
    /// @param signature the client's, by key or by ERC-1271
    function cancelFor(Job calldata job, bytes calldata signature) external;

    /// @notice Once the job is cancelled or past `closesAt`: refunds free leases, and the tasks
    /// that no lease ever held. Anyone may call.
    /// @param job the job
    /// @param firsts first tasks of free leases, of a redundant job also of such as never had a round; of an
    /// optimistic job the first unclaimed task stands for all of them
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

    /// @notice `submit` for a job with a verifier: settles the lease at once if that confirms the proof (`IVerifier`).
    /// @param job the job
    /// @param first the lease's first task
    /// @param provider who holds the lease
    /// @param root positional Merkle root over the output digests, not zero
    /// @param manifest content address of the list of output digests
    /// @param proof for the verifier
    function prove(
        Job calldata job,
        uint32 first,
        address provider,
        bytes32 root,
        bytes32 manifest,
        bytes calldata proof
    ) external;

    /// @notice The client settles a submitted lease at once, for good.
    /// @param job the caller's job
    /// @param first the lease's first task
    /// @param root the result that is accepted; another one, of a later round, is not
    function accept(Job calldata job, uint32 first, bytes32 root) external;

    /// @notice `accept` for a client that signed `Accept(bytes32 jobId,uint32 first,bytes32 root)`. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    /// @param signature the client's, by key or by ERC-1271
    function acceptFor(Job calldata job, uint32 first, bytes calldata signature) external;

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

    // ------------------------------------------------------------------ redundant leases

    /// @notice Fixes the seed and the total stake of a redundant job's draws, from the third block after `post` on. The seed
    /// is made of the hash of the block after `post` (of every 256th later one, if nobody called in time) and of
    /// the present block's randomness (`prevrandao`). Anyone may call.
    /// @param job the job
    function seal(Job calldata job) external;

    /// @notice Reserves a drawn seat and locks its bond `bond * count`; begins a round if none runs.
    /// @param job the job
    /// @param first the lease's first task, a multiple of `maxLease`
    /// @param round the round that is meant: of a free lease the next one (1, if it never had any)
    /// @param provider for whom; the caller is it or its operator
    function join(Job calldata job, uint32 first, uint16 round, address provider) external;

    /// @notice Commits to a result, on a reserved seat or on one that it takes as `join` does. The last
    /// seat's commitment opens the reveal.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the round that is meant, as in `commitment`: mined in a later one, it could not be revealed
    /// @param provider for whom
    /// @param commitment `commitmentOf` the root and a secret salt
    function commit(Job calldata job, uint32 first, uint16 round, address provider, bytes32 commitment)
        external;

    /// @notice Reveals a commitment, once all seats committed, or the time for it is over and a quorum did.
    /// With a panel it also settles the lease, if that is due and this root, or none, has the quorum.
    /// @param job the job
    /// @param first the lease's first task
    /// @param provider for whom
    /// @param root positional Merkle root over the output digests, not zero
    /// @param manifest content address of the list of output digests
    /// @param salt the secret of the commitment
    /// @param panel empty, or the seats' provider numbers, ascending
    function reveal(
        Job calldata job,
        uint32 first,
        address provider,
        bytes32 root,
        bytes32 manifest,
        bytes32 salt,
        uint32[] calldata panel
    ) external;

    /// @notice Ends a round: with all commitments revealed or the window for that over, it is settled by
    /// the quorum's root or, without one, refunded; with too few commitments in time, the lease is
    /// free again. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    /// @param root the quorum's root, 0 if there is no quorum
    /// @param panel the seats' provider numbers, ascending
    function settle(Job calldata job, uint32 first, bytes32 root, uint32[] calldata panel) external;

    /// @notice The seed of a draw. `NotDrawn` says when a provider that tries too early can take a seat.
    /// @param key a redundant job's id; of a jury `keccak256(abi.encode(jobId, first, round, challenge))`
    /// @return seed of the draw, 80 bits; a jury's keyed digests use these 32 bytes as their key
    /// @return stakes all stake at that moment, or at `post` if that was less
    /// @return sealedAt when it was sealed, 0 if it was not
    function sealOf(bytes32 key) external view returns (bytes32 seed, uint128 stakes, uint64 sealedAt);

    /// @notice What a seat has done; None once a lease's round has ended.
    /// @param jobId the job
    /// @param first the lease's first task
    /// @param round of the lease
    /// @param challenge 0 for a seat of the lease, else the number of the challenge whose jury is meant
    /// @param provider who holds the seat
    function seatOf(bytes32 jobId, uint32 first, uint16 round, uint8 challenge, address provider)
        external
        view
        returns (Seat);

    /// @notice What a seat commits to: `keccak256(abi.encode(jobId, first, round, challenge, provider, vote, salt))`.
    /// The job's id stands for chain and market.
    /// @param jobId the job
    /// @param first the lease's first task
    /// @param round of the lease
    /// @param challenge 0 for a seat of the lease, else the number of the challenge
    /// @param provider who holds the seat
    /// @param vote the root; of a juror `keccak256(abi.encode(digest, keyed))`
    /// @param salt 32 random bytes, secret until the reveal
    function commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 challenge,
        address provider,
        bytes32 vote,
        bytes32 salt
    ) external pure returns (bytes32);

    // ------------------------------------------------------------------ disputes

    /// @notice Contests one output of a submitted lease within its window: opens a jury over that task.
    /// Puts down `JURY * juryFee`, twice as much for every further challenge of the round.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param number of this challenge in the round, from 1: it says what is put down
    /// @param task whose output is wrong
    /// @param digest the output digest that the provider committed to
    /// @param proof that it did: the digest's path in the result's tree
    /// @param answer `commitmentOf` the right digest as the vote, and a secret salt, with the challenger as
    /// `provider` and the number of this challenge
    function challenge(
        Job calldata job,
        uint32 first,
        uint16 round,
        uint8 number,
        uint32 task,
        bytes32 digest,
        bytes32[] calldata proof,
        bytes32 answer
    ) external;

    /// @notice Fixes the seed of a jury's draw, from the third block after the challenge on. As `seal`.
    /// @param job the job
    /// @param first the lease's first task
    function sealJury(Job calldata job, uint32 first) external;

    /// @notice Reserves a drawn juror's seat and locks its bond `max(bond, B / JURY)`. As `join`.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round
    /// @param number of the challenge in the round
    /// @param provider for whom; neither the lease's provider nor the challenger
    function joinJury(Job calldata job, uint32 first, uint16 round, uint8 number, address provider) external;

    /// @notice Commits a juror's vote. As `commit`.
    /// @param job the job
    /// @param first the lease's first task
    /// @param round the lease's round, as in `commitment`
    /// @param number of the challenge in the round, as in `commitment`
    /// @param provider for whom
    /// @param commitment `commitmentOf` the vote and a secret salt
    function commitVote(
        Job calldata job,
        uint32 first,
        uint16 round,
        uint8 number,
        address provider,
        bytes32 commitment
    ) external;

    /// @notice Reveals a juror's vote, once all three committed, or the time for it is over and two did.
    /// @param job the job
    /// @param first the lease's first task
    /// @param provider for whom
    /// @param digest the output digest that it found; 0 if the input cannot be obtained
    /// @param keyed BLAKE3 of the same result manifest, keyed with the jury's seed; 0 with digest 0
    /// @param salt the secret of the commitment
    function revealVote(
        Job calldata job,
        uint32 first,
        address provider,
        bytes32 digest,
        bytes32 keyed,
        bytes32 salt
    ) external;

    /// @notice Reveals the challenger's answer, when votes are revealed.
    /// @param job the job
    /// @param first the lease's first task
    /// @param digest the digest that the challenger holds for right
    /// @param salt the secret of the answer
    function revealAnswer(Job calldata job, uint32 first, bytes32 digest, bytes32 salt) external;

    /// @notice Ends a dispute: with all votes and the answer revealed or the window for that over, or with too
    /// few votes in time. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    /// @param digest of the quorum's vote; 0 if there is no quorum
    /// @param keyed of the quorum's vote; 0 if there is no quorum
    /// @param panel the jurors' provider numbers, ascending
    function judge(Job calldata job, uint32 first, bytes32 digest, bytes32 keyed, uint32[] calldata panel)
        external;

    /// @notice Demands all output digests of a submitted lease, within its window and once in a round. Puts down
    /// `juryFee`, which the answer earns.
    /// @param job the job
    /// @param first the lease's first task
    function demand(Job calldata job, uint32 first) external;

    /// @notice Answers a demand in time: the window starts anew.
    /// @param job the job
    /// @param first the lease's first task
    /// @param provider who holds the lease
    /// @param digests all output digests of the lease, in order
    function respond(Job calldata job, uint32 first, address provider, bytes32[] calldata digests) external;

    /// @notice Ends a round whose provider did not answer a demand in time: burns its bond, returns the
    /// deposit, frees the lease. Anyone may call.
    /// @param job the job
    /// @param first the lease's first task
    function forfeit(Job calldata job, uint32 first) external;

    /// @notice The last dispute over the lease's present round.
    function disputeOf(bytes32 jobId, uint32 first) external view returns (DisputeState memory);

    // ------------------------------------------------------------------ the market

    /// @notice The times that hold for all jobs.
    function times() external view returns (Times memory);

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

    /// @notice Slashed tokens that nobody will ever receive. They stay in the contract.
    function burned() external view returns (uint128);
}

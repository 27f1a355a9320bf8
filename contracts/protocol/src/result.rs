//! The tree over a lease's output digests (`JobResult`): positional, so that one root opens to one digest for a task.
//! Leaves are padded with zero to `2^d`, `d = ceil(log2 count)`; a node is `keccak256(left ++ right)`.

use crate::abi::number;
use crate::hash::{pair, words};
use crate::host::Host;
use crate::types::{Bytes32, ZERO};

/// The leaf of a task's output. Hashed twice: a node can never pass for a leaf.
pub fn leaf(host: &impl Host, task: u64, digest: &Bytes32) -> Bytes32 {
    let inner = pair(host, &number(task.into()), digest);
    words(host, [inner])
}

/// Number of elements of a proof in a lease of `count` tasks: `ceil(log2 count)`.
pub fn depth(count: u32) -> usize {
    let mut depth = 0;
    while 1_u64 << depth < u64::from(count) {
        depth += 1;
    }
    depth
}

/// Whether `root`, over the tasks `[first, first + count)`, holds `digest` for `task`: the bits of `task - first`,
/// lowest first, say on which side each element of the proof stands.
pub fn verify(
    host: &impl Host,
    root: &Bytes32,
    (first, count): (u32, u32),
    (task, digest): (u32, &Bytes32),
    proof: &[Bytes32],
) -> bool {
    let Some(mut path) = task.checked_sub(first).filter(|place| *place < count) else {
        return false;
    };
    if proof.len() != depth(count) {
        return false;
    }
    let mut node = leaf(host, task.into(), digest);
    for other in proof {
        node = if path & 1 == 0 { pair(host, &node, other) } else { pair(host, other, &node) };
        path >>= 1;
    }
    node == *root
}

/// The root over the outputs of the tasks from `first` on; `None` without any. The nodes that wait for their right
/// neighbour are all that is kept, one for each level.
pub fn root_of(host: &impl Host, first: u32, digests: &[Bytes32]) -> Option<Bytes32> {
    let depth = depth(u32::try_from(digests.len()).ok()?);
    let mut waiting = [ZERO; 33];
    for place in 0..1_u64 << depth {
        let digest = usize::try_from(place).ok().and_then(|place| digests.get(place));
        let mut node = digest.map_or(ZERO, |digest| leaf(host, u64::from(first) + place, digest));
        let mut levels = waiting.iter_mut();
        let mut left = place;
        while left & 1 == 1 {
            node = pair(host, levels.next()?, &node);
            left >>= 1;
        }
        *levels.next()? = node;
    }
    if digests.is_empty() { None } else { waiting.get(depth).copied() }
}

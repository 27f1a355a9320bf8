//! The positional Merkle tree over the output digests of a lease.
//!
//! Leaf: `keccak256(keccak256(abi.encode(uint32 task, bytes32 digest)))`. The leaves are padded with
//! zero words to a power of two, a node is `keccak256(left ‖ right)`, and a proof has exactly
//! `ceil(log2 count)` elements whose sides are the bits of `task - first`. So one root opens to one
//! digest for a task: with sorted pairs it could hide a second one.

use alloy_primitives::{B256, keccak256};

use super::Digest;

/// The leaf of one task's output.
pub fn leaf(task: u32, digest: Digest) -> B256 {
    let mut words = [0; 64];
    let (head, output) = words.split_at_mut(32);
    if let Some(low) = head.last_chunk_mut::<4>() {
        *low = task.to_be_bytes();
    }
    output.copy_from_slice(&digest.0);
    keccak256(keccak256(words))
}

/// Elements in a proof of a lease of `count` tasks.
pub fn depth(count: u32) -> u32 {
    count
        .checked_next_power_of_two()
        .map_or(32, u32::trailing_zeros)
}

/// The result root of the lease whose first task is `first` and whose outputs are `digests`.
///
/// # Errors
/// [`TreeError`] if there are no digests, or more than there are task numbers.
pub fn root(first: u32, digests: &[Digest]) -> Result<B256, TreeError> {
    let mut row = leaves(first, digests)?;
    let mut padding = B256::ZERO;
    while row.len() > 1 {
        row = parents(&row, padding);
        padding = node(padding, padding);
    }
    row.first().copied().ok_or(TreeError::Empty)
}

/// The proof that `task` has its digest under the root of the lease.
///
/// # Errors
/// [`TreeError`] as [`root`], and if `task` is not one of the lease.
pub fn proof(first: u32, digests: &[Digest], task: u32) -> Result<Vec<B256>, TreeError> {
    let mut row = leaves(first, digests)?;
    let outside = TreeError::Outside {
        task,
        first,
        count: digests.len(),
    };
    let mut place = match task.checked_sub(first) {
        Some(place) if (place as usize) < row.len() => place as usize,
        _ => return Err(outside),
    };
    let mut padding = B256::ZERO;
    let mut proof = Vec::new();
    while row.len() > 1 {
        proof.push(row.get(place ^ 1).copied().unwrap_or(padding));
        row = parents(&row, padding);
        padding = node(padding, padding);
        place /= 2;
    }
    Ok(proof)
}

/// Whether `proof` shows that `task`, in the lease of `count` tasks from `first` with this result
/// root, has this output digest.
pub fn verify(
    root: B256,
    first: u32,
    count: u32,
    task: u32,
    digest: Digest,
    proof: &[B256],
) -> bool {
    let Some(place) = task.checked_sub(first).filter(|place| *place < count) else {
        return false;
    };
    if proof.len() != depth(count) as usize {
        return false;
    }
    let mut hash = leaf(task, digest);
    for (level, sibling) in proof.iter().enumerate() {
        let right = (u64::from(place) >> level) & 1 == 1;
        hash = if right {
            node(*sibling, hash)
        } else {
            node(hash, *sibling)
        };
    }
    hash == root
}

fn leaves(first: u32, digests: &[Digest]) -> Result<Vec<B256>, TreeError> {
    let count = digests.len();
    let last = count.checked_sub(1).ok_or(TreeError::Empty)?;
    let end = u32::try_from(last)
        .ok()
        .and_then(|last| first.checked_add(last));
    let end = end.ok_or(TreeError::TooMany { first, count })?;
    Ok((first..=end)
        .zip(digests)
        .map(|(task, digest)| leaf(task, *digest))
        .collect())
}

/// The row above, where what is missing on the right is `padding`.
fn parents(row: &[B256], padding: B256) -> Vec<B256> {
    row.chunks(2)
        .map(|pair| match pair {
            [left, right] => node(*left, *right),
            [left] => node(*left, padding),
            _ => padding,
        })
        .collect()
}

fn node(left: B256, right: B256) -> B256 {
    let mut pair = [0; 64];
    let (head, tail) = pair.split_at_mut(32);
    head.copy_from_slice(&left.0);
    tail.copy_from_slice(&right.0);
    keccak256(pair)
}

/// A tree or proof that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A lease has at least one task.
    #[error("a lease without tasks has no result root")]
    Empty,
    /// The task numbers would leave 32 bits.
    #[error("{count} tasks from task {first} on go beyond the last task number")]
    TooMany {
        /// First task of the lease.
        first: u32,
        /// Digests that were given.
        count: usize,
    },
    /// The task is not in the lease.
    #[error("task {task} is not in the lease of {count} tasks from task {first} on")]
    Outside {
        /// The task that was asked for.
        task: u32,
        /// First task of the lease.
        first: u32,
        /// Tasks in the lease.
        count: usize,
    },
}

impl TreeError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "tree-empty",
            Self::TooMany { .. } => "tree-too-many",
            Self::Outside { .. } => "tree-outside",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use alloy_primitives::U256;
    use alloy_sol_types::SolValue;
    use proptest::prelude::*;

    fn digests(count: u32) -> Vec<Digest> {
        (0..count)
            .map(|task| Digest::of(&task.to_be_bytes()))
            .collect()
    }

    /// The definition, word for word: all leaves padded with zero words, then pairs.
    fn naive_root(first: u32, digests: &[Digest]) -> B256 {
        let mut row: Vec<B256> = digests
            .iter()
            .enumerate()
            .map(|(i, digest)| {
                keccak256(keccak256(
                    (first + i as u32, B256::from(*digest)).abi_encode(),
                ))
            })
            .collect();
        row.resize(row.len().next_power_of_two(), B256::ZERO);
        while row.len() > 1 {
            row = row
                .chunks(2)
                .map(|pair| keccak256((pair[0], pair[1]).abi_encode()))
                .collect();
        }
        row[0]
    }

    #[test]
    fn depths() {
        let depths = [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (2048, 11),
            (1 << 31, 31),
            (u32::MAX, 32),
        ];
        for (count, expected) in depths {
            assert_eq!(depth(count), expected, "{count}");
        }
    }

    #[test]
    fn what_cannot_be() {
        assert_eq!(root(0, &[]).unwrap_err().code(), "tree-empty");
        assert_eq!(
            root(u32::MAX, &digests(2)).unwrap_err().code(),
            "tree-too-many"
        );
        assert!(root(u32::MAX, &digests(1)).is_ok());
        assert_eq!(proof(5, &digests(3), 4).unwrap_err().code(), "tree-outside");
        assert_eq!(proof(5, &digests(3), 8).unwrap_err().code(), "tree-outside");
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        first: u32,
        count: u32,
        digests: Vec<B256>,
        root: B256,
        task: u32,
        proof: Vec<B256>,
    }

    /// What the contracts compute, from the file that their tests write.
    #[test]
    fn the_contracts_vectors() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/abi/merkle-vectors.json"
        );
        let vectors: Vec<Vector> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(!vectors.is_empty());
        for Vector {
            first,
            count,
            digests,
            root: expected,
            task,
            proof: path,
        } in vectors
        {
            let digests: Vec<Digest> = digests.into_iter().map(Digest::from).collect();
            assert_eq!(digests.len(), count as usize);
            assert_eq!(root(first, &digests).unwrap(), expected, "{first} {count}");
            assert_eq!(
                proof(first, &digests, task).unwrap(),
                path,
                "{first} {count}"
            );
            let digest = digests[(task - first) as usize];
            assert!(verify(expected, first, count, task, digest, &path));
        }
    }

    /// A big lease; checked with the contracts' helper once.
    #[test]
    fn a_root_that_never_changes() {
        let one = |i| {
            let words = ("piecework output", U256::from(1), U256::from(i));
            Digest::from(keccak256(words.abi_encode_params()))
        };
        let digests: Vec<Digest> = (0..1000).map(one).collect();
        let expected = "0x8296e346c599485d760f56e1cb75e0bb7ec8e9b5153cc15ec3ab11f17df4d0d1";
        assert_eq!(root(0, &digests).unwrap().to_string(), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn equals_the_definition(first in 0u32..1_000_000, count in 1u32..70) {
            let digests = digests(count);
            prop_assert_eq!(root(first, &digests).unwrap(), naive_root(first, &digests));
        }

        #[test]
        fn proofs_hold_and_mutations_fail(
            first in 0u32..1_000_000, count in 1u32..70, at in any::<prop::sample::Index>(),
            spot in any::<prop::sample::Index>(), bit in 0usize..256,
        ) {
            let digests = digests(count);
            let root = root(first, &digests).unwrap();
            let place = at.index(count as usize);
            let (task, digest) = (first + place as u32, digests[place]);
            let proof = proof(first, &digests, task).unwrap();
            prop_assert!(verify(root, first, count, task, digest, &proof));

            let mut wrong = digest;
            wrong.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify(root, first, count, task, wrong, &proof));
            if count > 1 {
                let other = if place == 0 { task + 1 } else { task - 1 };
                prop_assert!(!verify(root, first, count, other, digest, &proof));
            }
            prop_assert!(!verify(root, first, count, first + count, digest, &proof));
            // Nobody can make the lease look bigger than it is, though the hashes would fit.
            let bigger = count.next_power_of_two() * 2;
            prop_assert!(!verify(root, first, bigger, task, digest, &proof));
            let mut long = proof.clone();
            long.push(B256::ZERO);
            prop_assert!(!verify(root, first, count, task, digest, &long));
            if !proof.is_empty() {
                prop_assert!(!verify(root, first, count, task, digest, &proof[1..]));
                let mut mutated = proof.clone();
                let element = spot.index(proof.len());
                mutated[element].0[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!verify(root, first, count, task, digest, &mutated));
            }
        }
    }
}

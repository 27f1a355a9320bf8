//! Digests: what identifies a blob, a task's output, a lease's result.

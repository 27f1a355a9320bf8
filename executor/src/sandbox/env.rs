//! The environment of a task: all of it, so that honest providers get equal results.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use piecework_core::spec::JobSpec;

use super::engine::ImageDefaults;

/// What Docker would set; stated, so that no engine chooses.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables by which libraries choose how many threads to start.
const THREADS: [&str; 6] = [
    "GOMAXPROCS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// The whole environment of task `task`: the image's, then the pins, then the spec's, then ours.
pub(super) fn environment(
    spec: &JobSpec,
    seed: B256,
    task: u32,
    image: &ImageDefaults,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), "/tmp".to_owned()),
    ]);
    let image = image.env.iter().flatten();
    env.extend(image.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    }));
    let mut pin = |name: &str, value: String| env.insert(name.to_owned(), value);
    pin("HOSTNAME", "piecework".to_owned());
    pin("TZ", "UTC".to_owned());
    pin("LC_ALL", "C.UTF-8".to_owned());
    pin("SOURCE_DATE_EPOCH", "0".to_owned());
    pin("PYTHONHASHSEED", "0".to_owned());
    let threads = spec.resources.cpu_millis.div_ceil(1000).max(1);
    for name in THREADS {
        pin(name, threads.to_string());
    }
    env.extend(spec.env.clone());
    let mut own = |name: &str, value: String| env.insert(name.to_owned(), value);
    own("PIECEWORK_TASK_INDEX", task.to_string());
    own("PIECEWORK_TASK_COUNT", spec.tasks.to_string());
    own("PIECEWORK_SEED", alloy::hex::encode(seed));
    env
}

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const HEX: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

fn least() -> Value {
    json!({
        "version": 1,
        "image": { "manifest": format!("sha256:{HEX}"), "platform": "linux/amd64", "archive": HEX },
        "tasks": 48,
        "resources": { "cpu_millis": 1000, "memory_bytes": 1 << 29, "disk_bytes": 1 << 20, "timeout_seconds": 60 },
    })
}

fn full() -> Value {
    let mut spec = least();
    spec["image"]["reference"] = json!(format!(
        "registry.example.org:5000/team/render@sha256:{HEX}"
    ));
    spec["command"] = json!(["/render"]);
    spec["args"] = json!(["--tile", ""]);
    spec["env"] = json!({"SCENE": "island", "A": ""});
    spec["input"] = json!(HEX);
    spec["sources"] = json!(["https://blobs.example.org/x", "http://192.0.2.1:8080"]);
    spec
}

fn parse(value: &Value) -> Result<JobSpec, SpecError> {
    JobSpec::parse(value.to_string().as_bytes())
}

#[test]
fn canonical_form() {
    let spec = parse(&least()).unwrap();
    let bytes = spec.to_bytes().unwrap();
    let text = format!(
        r#"{{"version":1,"image":{{"manifest":"sha256:{HEX}","platform":"linux/amd64","archive":"{HEX}"}},"tasks":48,"resources":{{"cpu_millis":1000,"memory_bytes":536870912,"disk_bytes":1048576,"timeout_seconds":60}}}}"#
    );
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
    assert_eq!(spec.hash().unwrap(), alloy_primitives::keccak256(&bytes));
    assert_eq!(hash_bytes(&bytes), spec.hash().unwrap());
    let spec = parse(&full()).unwrap();
    assert_eq!(JobSpec::parse(&spec.to_bytes().unwrap()).unwrap(), spec);
    // Form does not matter for what is meant, but it does for the hash.
    let pretty = serde_json::to_vec_pretty(&full()).unwrap();
    assert_eq!(JobSpec::parse(&pretty).unwrap(), spec);
    assert_ne!(hash_bytes(&pretty), spec.hash().unwrap());
}

#[test]
fn refused_fields() {
    let manifest = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3263";
    let strings = |count: usize| json!(vec!["x"; count]);
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        ("/version", json!(2), "spec-version", "version"),
        ("/version", json!("1"), "spec-form", "version"),
        ("/image/manifest", json!(HEX), "spec-form", "image.manifest"),
        (
            "/image/manifest",
            json!(format!("sha512:{HEX}")),
            "spec-form",
            "image.manifest",
        ),
        (
            "/image/archive",
            json!(format!("sha256:{HEX}")),
            "spec-form",
            "image.archive",
        ),
        (
            "/image/archive",
            json!(HEX.to_uppercase()),
            "spec-form",
            "image.archive",
        ),
        (
            "/image/platform",
            json!("windows/amd64"),
            "spec-value",
            "image.platform",
        ),
        (
            "/image/platform",
            json!("linux/AMD64"),
            "spec-value",
            "image.platform",
        ),
        (
            "/image/reference",
            json!("render:v1"),
            "spec-value",
            "image.reference",
        ),
        (
            "/image/reference",
            json!(format!("render@sha256:{manifest}")),
            "spec-value",
            "image.reference",
        ),
        (
            "/image/reference",
            json!(format!("a/../b@sha256:{HEX}")),
            "spec-value",
            "image.reference",
        ),
        (
            "/image/reference",
            json!(format!("-x@sha256:{HEX}")),
            "spec-value",
            "image.reference",
        ),
        (
            "/image/reference",
            json!(format!("a?b@sha256:{HEX}")),
            "spec-value",
            "image.reference",
        ),
        (
            "/image/reference",
            json!(format!("h:0/b@sha256:{HEX}")),
            "spec-value",
            "image.reference",
        ),
        ("/command", json!([]), "spec-value", "command"),
        ("/command", json!([""]), "spec-value", "command"),
        ("/command", json!(["a\0"]), "spec-value", "command"),
        ("/command", json!("sh"), "spec-form", "command"),
        ("/args", json!(["a\0"]), "spec-value", "args"),
        ("/args", strings(1025), "spec-too-many", "args"),
        ("/args", json!([1]), "spec-form", "args[0]"),
        (
            "/args",
            json!(["x".repeat(12_288)]),
            "spec-too-many",
            "command, args, env",
        ),
        (
            "/env",
            json!({"PIECEWORK_SEED": ""}),
            "spec-value",
            "env.PIECEWORK_SEED",
        ),
        ("/env", json!({"TZ": "UTC"}), "spec-value", "env.TZ"),
        ("/env", json!({"1A": ""}), "spec-value", "env"),
        ("/env", json!({"": ""}), "spec-value", "env"),
        ("/env", json!({"A=B": ""}), "spec-value", "env"),
        ("/env", json!({"A": "\0"}), "spec-value", "env.A"),
        ("/env", json!({"A": 1}), "spec-form", "env.A"),
        ("/env", json!([]), "spec-form", "env"),
        ("/input", json!(""), "spec-form", "input"),
        ("/tasks", json!(0), "spec-range", "tasks"),
        ("/tasks", json!(1.0), "spec-form", "tasks"),
        (
            "/tasks",
            json!(u64::from(u32::MAX) + 1),
            "spec-form",
            "tasks",
        ),
        ("/tasks", json!(-1), "spec-form", "tasks"),
        (
            "/resources/cpu_millis",
            json!(49),
            "spec-range",
            "resources.cpu_millis",
        ),
        (
            "/resources/memory_bytes",
            json!(1 << 20),
            "spec-range",
            "resources.memory_bytes",
        ),
        (
            "/resources/memory_bytes",
            json!(u64::MAX),
            "spec-range",
            "resources.memory_bytes",
        ),
        (
            "/resources/disk_bytes",
            json!(0),
            "spec-range",
            "resources.disk_bytes",
        ),
        (
            "/resources/timeout_seconds",
            json!(0),
            "spec-range",
            "resources.timeout_seconds",
        ),
        (
            "/resources/timeout_seconds",
            json!(2_592_001),
            "spec-range",
            "resources.timeout_seconds",
        ),
        ("/sources/0", json!("ftp://a"), "spec-value", "sources[0]"),
        ("/sources/1", json!("a"), "spec-form", "sources[1]"),
        (
            "/sources/0",
            json!("http://u:p@a"),
            "spec-value",
            "sources[0]",
        ),
        (
            "/sources/0",
            json!("http://a/?q"),
            "spec-value",
            "sources[0]",
        ),
        (
            "/sources/0",
            json!("http://a/#f"),
            "spec-value",
            "sources[0]",
        ),
        (
            "/sources/0",
            json!("http://192.0.2.1:8080/"),
            "spec-value",
            "sources[1]",
        ),
        (
            "/sources/0",
            json!(format!("http://a/{}", "x".repeat(512))),
            "spec-too-many",
            "sources[0]",
        ),
        ("/sources", strings(9), "spec-form", "sources[0]"),
    ];
    for (pointer, bad, code, field) in cases {
        let mut spec = full();
        *spec.pointer_mut(pointer).unwrap() = bad;
        let error = parse(&spec).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            (code, field),
            "{pointer}: {error}"
        );
    }
}

#[test]
fn refused_documents() {
    let text = least().to_string();
    let inserted = |at: &str, more: &str| text.replacen(at, &format!("{more}{at}"), 1);
    let urls: Vec<String> = (0..9).map(|i| format!("http://a/{i}")).collect();
    let mut crowded = least();
    crowded["sources"] = json!(urls);
    let mut nowhere = least();
    nowhere["image"].as_object_mut().unwrap().remove("archive");
    let mut variables = least();
    variables["env"] = (0..129).map(|i| (format!("V{i}"), json!(""))).collect();
    let cases = [
        (text.replace("tasks", "task"), "spec-form"),
        (inserted("\"tasks\"", "\"extra\":1,"), "spec-form"),
        (inserted("\"tasks\"", "\"tasks\":48,"), "spec-form"),
        (
            inserted("\"tasks\"", "\"env\":{\"A\":\"1\",\"A\":\"2\"},"),
            "spec-form",
        ),
        (inserted("\"platform\"", "\"tag\":\"v1\","), "spec-form"),
        (inserted("\"cpu_millis\"", "\"gpus\":1,"), "spec-form"),
        (text.replace("\"tasks\":48,", ""), "spec-form"),
        (format!("{text}{text}"), "spec-form"),
        (format!("[{text}]"), "spec-form"),
        (text.replace('}', ""), "spec-form"),
        (String::new(), "spec-form"),
        ("[".repeat(16_000), "spec-form"),
        (format!("{text}{}", " ".repeat(16_384)), "spec-too-long"),
        (crowded.to_string(), "spec-too-many"),
        (nowhere.to_string(), "spec-value"),
        (variables.to_string(), "spec-too-many"),
    ];
    for (text, code) in cases {
        let error = JobSpec::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    assert_eq!(JobSpec::parse(b"\xff").unwrap_err().code(), "spec-form");
}

/// What fits when it is written must fit when it is read: escapes make the document longer.
#[test]
fn no_spec_is_written_that_cannot_be_read() {
    let mut spec = parse(&least()).unwrap();
    spec.args = vec!["\u{1}".repeat(8_000)];
    assert_eq!(spec.to_bytes().unwrap_err().code(), "spec-too-long");
    spec.args = vec!["\u{1}".repeat(2_000)];
    assert_eq!(JobSpec::parse(&spec.to_bytes().unwrap()).unwrap(), spec);
    spec.tasks = 0;
    assert_eq!(spec.hash().unwrap_err().code(), "spec-range");
}

prop_compose! {
    fn any_spec()(
        manifest in any::<[u8; 32]>(), archive in any::<[u8; 32]>(), refer in any::<bool>(),
        command in option::of(vec("[^\0]{1,6}", 1..4)), args in vec("[^\0]{0,6}", 0..4),
        env in btree_map("[A-Y_][A-Za-z0-9_]{0,6}", "[^\0]{0,6}", 0..4),
        input in option::of(any::<[u8; 32]>()), tasks in 1u32..,
        cpu_millis in limits::CPU_MILLIS, memory_bytes in limits::MEMORY_BYTES,
        disk_bytes in limits::DISK_BYTES, timeout_seconds in limits::TIMEOUT_SECONDS,
        ports in proptest::collection::btree_set(1u16.., 0..8), fetch_key in option::of(any::<[u8; 20]>()),
    ) -> JobSpec {
        let manifest = OciDigest(manifest);
        let mut env = env;
        env.retain(|name, _| !limits::RESERVED_ENV.contains(&name.as_str()));
        JobSpec {
            version: VERSION,
            image: ImageSpec {
                manifest,
                platform: limits::PLATFORMS[0].into(),
                archive: Some(Digest(archive)),
                reference: refer.then(|| format!("a/b_c.d@{manifest}")),
            },
            command, args, env, input: input.map(Digest), tasks,
            resources: Resources { cpu_millis, memory_bytes, disk_bytes, timeout_seconds },
            sources: ports.iter().map(|port| format!("http://a:{port}").parse().unwrap()).collect(),
            fetch_key: fetch_key.map(Into::into),
        }
    }
}

proptest! {
    #[test]
    fn round_trip(spec in any_spec()) {
        let bytes = spec.to_bytes().unwrap();
        let read = JobSpec::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &spec);
        prop_assert_eq!(read.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        let _ = JobSpec::parse(&bytes);
    }

    #[test]
    fn a_changed_byte(spec in any_spec(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = spec.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = JobSpec::parse(&bytes) {
            prop_assert!(JobSpec::parse(&read.to_bytes().unwrap()).is_ok());
        }
    }
}

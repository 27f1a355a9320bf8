#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use alloy_primitives::B256;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::digest::Digest;

const EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

#[test]
fn the_form() {
    let mut tree = Tree::builder();
    tree.file(path("b/x"), BlobRef::of(b"#!"), true).unwrap();
    tree.file(path("b-a"), BlobRef::of(b""), false).unwrap();
    tree.directory(path("b")).unwrap();
    let result = ResultManifest::exited(3, BlobRef::of(b"hi\n"), tree.finish().unwrap());
    let text = format!(
        "exit 3\nstdout 3 {}\nd b\nf 0 {EMPTY} b-a\nx 2 {} b/x\n",
        Digest::of(b"hi\n"),
        Digest::of(b"#!")
    );
    assert_eq!(String::from_utf8(result.to_bytes()).unwrap(), text);
    assert_eq!(result.digest(), Digest::of(text.as_bytes()));
    assert_eq!(ResultManifest::parse(text.as_bytes()).unwrap(), result);
    assert_eq!(result.tree().total_bytes(), 2);
    assert_eq!(result.blobs().count(), 3);
}

#[test]
fn outcomes_without_bytes() {
    let mut all = vec![
        (ResultManifest::timeout(), "timeout\n".to_owned()),
        (ResultManifest::memory(), "memory\n".to_owned()),
    ];
    for fault in OutputFault::ALL {
        all.push((ResultManifest::output(fault), format!("output {fault}\n")));
    }
    for (result, text) in all {
        assert_eq!(result.to_bytes(), text.as_bytes());
        assert_eq!(ResultManifest::parse(text.as_bytes()).unwrap(), result);
        let more = format!("{text}stdout 0 {EMPTY}\n");
        assert_eq!(
            ResultManifest::parse(more.as_bytes()).unwrap_err().code(),
            "manifest-line"
        );
    }
}

#[test]
fn results_that_are_refused() {
    let head = format!("exit 0\nstdout 0 {EMPTY}\n");
    let file = format!("f 0 {EMPTY}");
    let upper = EMPTY.to_uppercase();
    let cases = [
        (String::new(), "manifest-line"),
        ("exit 0".into(), "manifest-not-text"),
        ("exit 0\n".into(), "manifest-line"),
        ("exit 256\n".into(), "manifest-line"),
        (format!("exit 00\nstdout 0 {EMPTY}\n"), "manifest-line"),
        (format!("exit +1\nstdout 0 {EMPTY}\n"), "manifest-line"),
        (format!("exit -1\nstdout 0 {EMPTY}\n"), "manifest-line"),
        (format!("exit  0\nstdout 0 {EMPTY}\n"), "manifest-line"),
        (format!("exit 0\nstdout 00 {EMPTY}\n"), "manifest-line"),
        (format!("exit 0\nstdout 0 {upper}\n"), "manifest-line"),
        (format!("exit 0\nstdout 0 {EMPTY} \n"), "manifest-line"),
        (format!("exit 0\r\nstdout 0 {EMPTY}\n"), "manifest-line"),
        ("output none\n".into(), "manifest-line"),
        ("timeout \n".into(), "manifest-line"),
        ("\ntimeout\n".into(), "manifest-line"),
        (format!("{head}\n"), "manifest-line"),
        (format!("{head}d\n"), "manifest-line"),
        (format!("{head}l a\n"), "manifest-line"),
        (format!("{head}f 0 a\n"), "manifest-line"),
        (format!("{head}f 01 {EMPTY} a\n"), "manifest-line"),
        (
            format!("{head}f 18446744073709551616 {EMPTY} a\n"),
            "manifest-line",
        ),
        (format!("{head}f -0 {EMPTY} a\n"), "manifest-line"),
        (format!("{head}d \n"), "manifest-path"),
        (format!("{head}d ../a\n"), "manifest-path"),
        (format!("{head}d a\0\n"), "manifest-path"),
        (format!("{head}{file} /a\n"), "manifest-path"),
        (format!("{head}{file} a\n{file} a\n"), "manifest-duplicate"),
        (format!("{head}d a\n{file} a\n"), "manifest-duplicate"),
        (format!("{head}{file} b\n{file} a\n"), "manifest-unsorted"),
        (
            format!("{head}d a\n{file} a/b\n{file} a-b\n"),
            "manifest-unsorted",
        ),
        (format!("{head}{file} a/b\n"), "manifest-orphan"),
        (format!("{head}{file} a\n{file} a/b\n"), "manifest-orphan"),
        (
            format!("{head}f {} {EMPTY} a\nf 1 {EMPTY} b\n", u64::MAX),
            "manifest-too-big",
        ),
    ];
    for (text, code) in cases {
        let error = ResultManifest::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{text:?}: {error}");
    }
    assert_eq!(
        Tree::parse(b"d \xff\n").unwrap_err().code(),
        "manifest-not-text"
    );
}

#[test]
fn limits_hold() {
    let many = |count: usize| {
        (0..count)
            .map(|i| format!("d {i:05}\n"))
            .collect::<String>()
    };
    assert_eq!(
        Tree::parse(many(MAX_ENTRIES).as_bytes())
            .unwrap()
            .entries()
            .len(),
        MAX_ENTRIES
    );
    let error = Tree::parse(many(MAX_ENTRIES + 1).as_bytes()).unwrap_err();
    assert_eq!(
        (error.code(), error.output_fault()),
        ("manifest-too-many", Some(OutputFault::Entries))
    );
    let long = vec![b'\n'; MAX_MANIFEST_BYTES + 1];
    assert_eq!(Tree::parse(&long).unwrap_err().code(), "manifest-too-long");

    // The biggest tree that can be built is one that can be read.
    let mut builder = Tree::builder();
    for i in 0..MAX_ENTRIES {
        let blob = BlobRef {
            size: u64::MAX / 20_000,
            digest: Digest::default(),
        };
        builder
            .file(path(&format!("{i:0512}")), blob, true)
            .unwrap();
    }
    let tree = builder.finish().unwrap();
    let result = ResultManifest::exited(
        255,
        BlobRef {
            size: u64::MAX,
            ..BlobRef::of(b"")
        },
        tree,
    );
    assert_eq!(ResultManifest::parse(&result.to_bytes()).unwrap(), result);
}

fn any_component() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        "[a-z\\-. ä]{1,4}"
    ]
    .prop_filter("not a component", |text| {
        !matches!(text.as_str(), "." | "..")
    })
}

prop_compose! {
    /// Any tree: files and directories in any order, with every parent.
    fn any_tree()(
        files in btree_map(vec(any_component(), 1..5), (any::<u32>(), any::<[u8; 32]>(), any::<bool>()), 0..12),
        shuffle in any::<u64>(),
    ) -> Tree {
        let mut entries = Vec::new();
        let mut folders = std::collections::BTreeSet::new();
        for parts in files.keys() {
            for depth in 1..parts.len() {
                folders.insert(parts[..depth].join("/"));
            }
        }
        for (parts, (size, digest, executable)) in &files {
            let name = parts.join("/");
            if !folders.contains(&name) {
                let blob = BlobRef { size: (*size).into(), digest: Digest(*digest) };
                entries.push(Entry { path: path(&name), kind: EntryKind::File { blob, executable: *executable } });
            }
        }
        entries.extend(folders.iter().map(|name| Entry { path: path(name), kind: EntryKind::Directory }));
        entries.sort_by_key(|entry| blake3::hash(format!("{shuffle}{}", entry.path).as_bytes()).to_hex().to_string());
        let mut builder = Tree::builder();
        for entry in entries {
            builder.insert(entry).unwrap();
        }
        builder.finish().unwrap()
    }
}

proptest! {
    #[test]
    fn round_trip(tree in any_tree(), code in any::<u8>()) {
        prop_assert_eq!(&Tree::parse(&tree.to_bytes()).unwrap(), &tree);
        let result = ResultManifest::exited(code, BlobRef::of(b"out"), tree);
        prop_assert_eq!(ResultManifest::parse(&result.to_bytes()).unwrap(), result);
    }

    /// Whatever is accepted is the one form of what it means.
    #[test]
    fn accepted_is_canonical(tree in any_tree(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = ResultManifest::exited(0, BlobRef::of(b""), tree).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(result) = ResultManifest::parse(&bytes) {
            prop_assert_eq!(result.to_bytes(), bytes);
        }
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Tree::parse(&bytes);
        let _ = ResultManifest::parse(&bytes);
    }

    #[test]
    fn nearly_a_manifest(lines in vec("(exit|stdout|f|x|d|timeout) ?[0-9]{0,3} ?[0-9a-f]{0,4} ?[a-z/.]{0,5}", 0..6)) {
        let text = lines.join("\n") + "\n";
        if let Ok(tree) = Tree::parse(text.as_bytes()) {
            prop_assert_eq!(tree.to_bytes(), text.as_bytes());
        }
    }
}

#[test]
fn a_keyed_digest_needs_the_bytes_of_every_blob() {
    let files: [&[u8]; 3] = [b"line\n", b"one", b"two"];
    let mut tree = Tree::builder();
    for (name, bytes) in [("a", files[1]), ("b", files[2])] {
        let path = EntryPath::new(name).unwrap();
        tree.file(path, BlobRef::of(bytes), false).unwrap();
    }
    let result = ResultManifest::exited(0, BlobRef::of(files[0]), tree.finish().unwrap());
    let keyed = |key: B256, changed: &[u8]| {
        let of = |blob: BlobRef| {
            let bytes = files.iter().find(|bytes| Digest::of(bytes) == blob.digest);
            let bytes = match bytes.copied() {
                Some(b"two") => changed,
                other => other.ok_or("a blob is missing")?,
            };
            Ok::<_, &str>(Digest::keyed_of(key, bytes).unwrap())
        };
        result.keyed_digest(key, of).unwrap()
    };
    let key = B256::repeat_byte(7);
    let right = keyed(key, b"two");
    assert_eq!(right, keyed(key, b"two"));
    assert_ne!(right, keyed(key, b"too"));
    assert_ne!(right, keyed(B256::ZERO, b"two"));
    assert_ne!(
        right,
        Digest::keyed(key, &result.to_bytes()),
        "of the manifest alone"
    );
    let failed = result.keyed_digest(key, |_| Err::<Digest, _>("no bytes"));
    assert_eq!(failed, Err("no bytes"));
}

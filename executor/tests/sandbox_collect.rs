//! The collector against tar streams that no honest engine sends. Needs no engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::io::Read;

use piecework::{
    blobs::DirStore,
    digest::manifest::{OutputFault, Tree},
};
use piecework_executor::sandbox::collect::{CollectError, Collected, collect};
use proptest::prelude::*;
use tar::{EntryType, Header};

const MAX: u64 = 1 << 20;

fn store() -> (tempfile::TempDir, DirStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    (folder, store)
}

/// One entry with exactly these bytes as its name.
fn entry(name: &[u8], kind: u8, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let length = (1..9)
        .map(|digits| digits + key.len() + value.len() + 3)
        .find(|length| length.to_string().len() + key.len() + value.len() + 3 == *length)
        .unwrap();
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend(value);
    record.push(b'\n');
    entry(b"PaxHeaders/x", b'x', 0o644, &record)
}

fn directory(name: &[u8]) -> Vec<u8> {
    entry(name, b'5', 0o755, b"")
}

fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    entry(name, b'0', 0o644, content)
}

fn stream(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = directory(b"out/");
    bytes.extend(entries.concat());
    bytes.extend([0; 1024]);
    bytes
}

fn collected(entries: &[Vec<u8>]) -> Result<Collected, CollectError> {
    let (_folder, store) = store();
    collect(stream(entries).as_slice(), &store, MAX)
}

#[track_caller]
fn refused(entries: &[Vec<u8>], fault: OutputFault) {
    match collected(entries) {
        Ok(Collected::Refused(found)) => assert_eq!(found, fault),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn malformed(entries: &[Vec<u8>]) {
    let error = collected(entries).unwrap_err();
    assert_eq!(error.code(), "outputs-malformed", "{error}");
}

fn tree(entries: &[Vec<u8>]) -> Tree {
    match collected(entries) {
        Ok(Collected::Tree(tree)) => tree,
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_files_are_kept_and_refused_ones_are_not() {
    let many: Vec<_> = (0..2_000_u32)
        .map(|number| file(format!("out/{number}").as_bytes(), &number.to_le_bytes()))
        .collect();
    let (_folder, store) = store();
    let collected = collect(stream(&many).as_slice(), &store, MAX).unwrap();
    assert!(matches!(collected, Collected::Tree(tree) if tree.entries().len() == 2_000));
    assert_eq!(
        (store.list().unwrap().len(), store.used_bytes()),
        (2_000, 8_000)
    );
    for (digest, _) in store.list().unwrap().into_iter().take(50) {
        assert_eq!(store.verify(&digest).unwrap(), 4);
    }

    let (_folder, store) = self::store();
    let link = entry(b"out/link", b'2', 0o777, b"");
    let refused = [file(b"out/a", b"one"), file(b"out/b", b"two"), link];
    let collected = collect(stream(&refused).as_slice(), &store, MAX).unwrap();
    assert_eq!(collected, Collected::Refused(OutputFault::Link));
    assert_eq!((store.list().unwrap(), store.used_bytes()), (vec![], 0));
    let left = std::fs::read_dir(store.root().join("tmp")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn files_and_directories_are_collected() {
    let long = vec![b'n'; 400];
    let mut named = b"out/d/".to_vec();
    named.extend(&long);
    let tree = tree(&[
        directory(b"out/d/"),
        file(b"out/a", b"content"),
        entry(b"out/b", b'0', 0o100, b""),
        pax("path", &named),
        file(b"out/d/short", b"long name"),
        pax("mtime", b"12.5"),
        file(b"out/d/c", &[9; 1000]),
    ]);
    assert_eq!(tree.entries().len(), 5);
    assert_eq!(tree.total_bytes(), 7 + 9 + 1000);
    assert!(
        tree.files()
            .any(|(path, _, executable)| path.as_str() == "b" && executable)
    );
    assert!(tree.files().any(|(path, _, _)| path.as_str().len() == 402));
}

#[test]
fn an_empty_directory_is_an_empty_tree() {
    assert!(tree(&[]).is_empty());
}

#[test]
fn bad_entries_are_refused_by_class() {
    use OutputFault::{Depth, Duplicate, Entries, Link, Path, Setuid, Size, Special};
    refused(&[entry(b"out/l", b'1', 0o644, b"")], Link);
    refused(&[entry(b"out/l", b'2', 0o777, b"")], Link);
    for kind in [b'3', b'4', b'6'] {
        refused(&[entry(b"out/s", kind, 0o644, b"")], Special);
    }
    for name in [
        b"out//etc".as_slice(),
        b"out/../x",
        b"out/.",
        b"out/a/../b",
        b"out/a\nb",
        b"out/\xff",
        b"out/a//b",
        b"out/\x7f",
        b"out/",
    ] {
        refused(&[file(name, b"")], Path);
    }
    refused(&[file(b"out/a", b"1"), file(b"out/a", b"2")], Duplicate);
    refused(&[file(b"out/a", b"1"), directory(b"out/a/")], Duplicate);
    for mode in [0o4755, 0o2755, 0o1644] {
        refused(&[entry(b"out/a", b'0', mode, b"")], Setuid);
    }
    refused(
        &[
            pax("SCHILY.xattr.security.capability", b"x"),
            file(b"out/a", b""),
        ],
        Setuid,
    );
    let deep = [b"out".to_vec(), b"/d".repeat(33)].concat();
    refused(&[directory(&deep)], Depth);
    refused(
        &[file(b"out/a", &vec![0; MAX as usize]), file(b"out/b", b"1")],
        Size,
    );
    let many: Vec<_> = (0..10_001)
        .map(|n| directory(format!("out/{n}/").as_bytes()))
        .collect();
    refused(&many, Entries);
    // The worst counts, in any order.
    let (link, path) = (entry(b"out/l", b'2', 0o777, b""), file(b"out/a\n", b""));
    refused(&[link.clone(), path.clone()], Link);
    refused(&[path, link], Link);
}

#[test]
fn what_engines_do_not_send_is_an_error_and_not_an_outcome() {
    for kind in [b'7', b'g', b'L', b'K', b'S', b'V', b'D', 0xff] {
        malformed(&[entry(b"out/x", kind, 0o644, b"")]);
    }
    malformed(&[file(b"elsewhere", b"")]);
    malformed(&[entry(b"out/d/", b'5', 0o755, b"a directory with content")]);
    malformed(&[
        pax("path", b"out/a"),
        pax("path", b"out/b"),
        file(b"out/c", b""),
    ]);
    malformed(&[pax("GNU.sparse.size", b"1"), file(b"out/c", b"")]);
    malformed(&[pax("size", b"-1"), file(b"out/c", b"")]);
    malformed(&[pax("path", b"out/a")]);
    malformed(&[
        entry(b"x", b'x', 0o644, &vec![b'1'; 17 << 10]),
        file(b"out/c", b""),
    ]);
    malformed(&[file(b"out/a/b", b"no directory a")]);
    let mut broken = file(b"out/a", b"");
    broken[0] = b'p';
    malformed(&[broken]);
}

#[test]
fn a_stream_that_ends_early_is_an_error() {
    let whole = stream(&[directory(b"out/d/"), file(b"out/d/a", &[1; 700])]);
    let (_folder, store) = store();
    for cut in (0..whole.len() - 1024).step_by(100) {
        let error = collect(&whole[..cut], &store, MAX).unwrap_err();
        assert_eq!(error.code(), "outputs-malformed", "{cut}: {error}");
    }
}

/// Counts what is read.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1 += read as u64;
        Ok(read)
    }
}

#[test]
fn a_size_that_is_a_lie_is_not_waited_for() {
    let (_folder, store) = store();
    let sizes = [pax("size", b"1099511627776"), file(b"out/a", b"")];
    let start = stream(&sizes);
    let mut endless = Counted(start.chain(std::io::repeat(0)), 0);
    let result = collect(&mut endless, &store, MAX).unwrap();
    assert_eq!(result, Collected::Refused(OutputFault::Size));
    assert!(endless.1 < 10_000);
    // Small lies for ever: the cap on the stream ends them.
    let start = directory(b"out/");
    let links = entry(b"out/l", b'2', 0o777, b"").repeat(2_000);
    let mut endless: Box<dyn Read> = Box::new(start.as_slice());
    for _ in 0..200 {
        endless = Box::new(endless.chain(links.as_slice()));
    }
    let result = collect(endless, &store, MAX).unwrap();
    assert_eq!(result, Collected::Refused(OutputFault::Size));
    assert_eq!(store.list().unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..5_000)) {
        let (_folder, store) = store();
        let _ = collect(bytes.as_slice(), &store, MAX);
        prop_assert!(store.used_bytes() <= MAX);
    }

    #[test]
    fn mutated_streams_are_survived_within_the_caps(
        changes in prop::collection::vec((0usize..6_000, any::<u8>()), 1..8),
        fix in any::<bool>(),
        cap in 0u64..3_000,
    ) {
        let mut bytes = stream(&[
            directory(b"out/d/"),
            file(b"out/a", &[1; 700]),
            pax("path", b"out/d/a name"),
            file(b"out/d/x", &[2; 600]),
            entry(b"out/d/run", b'0', 0o755, b"x"),
        ]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
            if fix {
                // Make the checksum right again, so that the mutation gets further in.
                let start = at / 512 * 512;
                let mut header = Header::new_ustar();
                header.as_mut_bytes().copy_from_slice(&bytes[start..start + 512]);
                header.set_cksum();
                bytes[start..start + 512].copy_from_slice(header.as_bytes());
            }
        }
        let (_folder, store) = store();
        if let Ok(Collected::Tree(tree)) = collect(bytes.as_slice(), &store, cap) {
            prop_assert!(tree.total_bytes() <= cap);
            prop_assert_eq!(Tree::parse(&tree.to_bytes()).unwrap(), tree);
        }
        prop_assert!(store.used_bytes() <= cap);
    }
}

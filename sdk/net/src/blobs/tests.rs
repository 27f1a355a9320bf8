#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use bytes::Bytes;
use piecework_core::digest::manifest::{BlobRef, EntryPath, ManifestError, Tree};
use tempfile::TempDir;
use url::Url;

use super::*;

fn store() -> (TempDir, DirStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path().join("store")).unwrap();
    (folder, store)
}

fn temporaries(store: &DirStore) -> usize {
    fs::read_dir(store.temporary()).unwrap().count()
}

/// A real server on this machine.
async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&format!("http://{address}")).unwrap()
}

fn devnet() -> HttpClient {
    HttpClient::new(&HttpPolicy {
        allow_private: true,
        idle_timeout: Duration::from_millis(300),
        ..HttpPolicy::default()
    })
    .unwrap()
}

#[test]
fn what_is_written_is_read() {
    let (_folder, store) = store();
    let digest = store.put_bytes(b"hello").unwrap();
    assert_eq!(digest, Digest::of(b"hello"));
    assert_eq!(store.put_bytes(b"hello").unwrap(), digest);
    assert_eq!(store.read(&digest, 5).unwrap(), b"hello");
    assert_eq!(store.read(&digest, 4).unwrap_err().code(), "blob-too-long");
    assert_eq!((store.used_bytes(), store.size(&digest)), (5, Some(5)));
    assert_eq!(store.verify(&digest).unwrap(), 5);
    assert_eq!(store.list().unwrap(), [(digest, 5)]);
    assert_eq!(DirStore::open(store.root()).unwrap().used_bytes(), 5);

    let mut writer = store.writer(100).unwrap();
    writer.write_all(b"hel").unwrap();
    writer.write_all(b"lo!").unwrap();
    assert_eq!(writer.commit().unwrap(), (Digest::of(b"hello!"), 6));
    assert_eq!(temporaries(&store), 0);

    assert!(store.remove(&digest).unwrap());
    assert!(!store.remove(&digest).unwrap());
    assert_eq!(store.read(&digest, 5).unwrap_err().code(), "blob-not-found");
    assert_eq!(store.used_bytes(), 6);
}

#[test]
fn what_the_disk_changed_is_refused() {
    let (_folder, store) = store();
    let digest = store.put_bytes(b"hello").unwrap();
    fs::write(store.path_of(&digest), b"hellO").unwrap();
    assert_eq!(
        store.read(&digest, 5).unwrap_err().code(),
        "blob-wrong-digest"
    );
    assert_eq!(
        store.verify(&digest).unwrap_err().code(),
        "blob-wrong-digest"
    );
}

#[test]
fn caps_hold_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open_with(folder.path(), StoreLimits { max_bytes: 10 }).unwrap();
    let mut writer = store.writer(4).unwrap();
    writer.append(b"four").unwrap();
    assert_eq!(writer.append(b"!").unwrap_err().code(), "blob-too-long");
    drop(writer);
    assert_eq!((store.used_bytes(), temporaries(&store)), (0, 0));

    let mut writer = store.writer(u64::MAX).unwrap();
    writer.append(b"12345678").unwrap();
    assert_eq!(
        store.put_bytes(b"abc").unwrap_err().code(),
        "blob-store-full"
    );
    drop(writer);
    store.put_bytes(b"abc").unwrap();
    assert_eq!((store.used_bytes(), store.free_bytes()), (3, 7));
}

#[test]
fn a_crash_leaves_only_what_sweep_removes() {
    let (_folder, store) = store();
    let mut writer = store.writer(10).unwrap();
    writer.append(b"half").unwrap();
    std::mem::forget(writer);
    assert_eq!(store.sweep(Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(store.sweep(Duration::ZERO).unwrap(), 1);
    assert_eq!((temporaries(&store), store.list().unwrap().len()), (0, 0));
}

#[test]
fn publishing_links_or_copies() {
    use std::os::unix::fs::MetadataExt as _;
    let (_one, work) = store();
    let (_two, published) = store();
    let digest = work.put_bytes(b"result").unwrap();
    assert_eq!(work.publish_into(&digest, &published).unwrap(), 6);
    assert_eq!(work.publish_into(&digest, &published).unwrap(), 6);
    assert_eq!(fs::metadata(published.path_of(&digest)).unwrap().nlink(), 2);
    assert_eq!(published.used_bytes(), 6);
    work.remove(&digest).unwrap();
    assert_eq!(published.read(&digest, 6).unwrap(), b"result");

    // Another file system cannot be linked to.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let elsewhere = DirStore::open(memory.path()).unwrap();
    published.publish_into(&digest, &elsewhere).unwrap();
    assert_eq!(elsewhere.read(&digest, 6).unwrap(), b"result");
    let none = Digest::of(b"none");
    assert_eq!(
        work.publish_into(&none, &published).unwrap_err().code(),
        "blob-not-found"
    );
}

#[test]
fn a_directory_goes_round() {
    let (folder, store) = store();
    let source = folder.path().join("source");
    fs::create_dir_all(source.join("a/empty")).unwrap();
    fs::write(source.join("a/file"), b"content").unwrap();
    fs::write(source.join("run"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(source.join("run"), fs::Permissions::from_mode(0o700)).unwrap();

    let published = publish_directory(&source, &store).unwrap();
    let text = String::from_utf8(published.tree.to_bytes()).unwrap();
    let expected = format!(
        "d a\nd a/empty\nf 7 {} a/file\nx 10 {} run\n",
        Digest::of(b"content"),
        Digest::of(b"#!/bin/sh\n")
    );
    assert_eq!(text, expected);
    let manifest = store.read(&published.digest, 1 << 20).unwrap();
    assert_eq!(Tree::parse(&manifest).unwrap(), published.tree);

    let target = folder.path().join("deep/target");
    materialize(&published.tree, &store, &target).unwrap();
    let again = publish_directory(&target, &store).unwrap();
    assert_eq!(again.digest, published.digest);
    for (path, mode) in [
        ("", 0o755),
        ("a", 0o755),
        ("a/empty", 0o755),
        ("a/file", 0o644),
        ("run", 0o755),
    ] {
        let data = fs::metadata(target.join(path)).unwrap();
        assert_eq!(data.permissions().mode() & 0o7777, mode, "{path}");
        assert_eq!(data.modified().unwrap(), SystemTime::UNIX_EPOCH, "{path}");
    }
    // A second time there is something in the way; an empty directory is not.
    let error = materialize(&published.tree, &store, &target).unwrap_err();
    assert_eq!(error.code(), "blob-occupied");
    fs::create_dir(folder.path().join("vacant")).unwrap();
    materialize(&published.tree, &store, &folder.path().join("vacant")).unwrap();
}

#[test]
fn what_died_long_ago_is_gone_when_the_store_is_opened() {
    let (_folder, store) = store();
    for (name, hours) in [("old", 25), ("new", 1)] {
        let file = fs::File::create(store.temporary().join(name)).unwrap();
        let time = SystemTime::now() - Duration::from_secs(hours * 3_600);
        file.set_modified(time).unwrap();
    }
    DirStore::open(store.root()).unwrap();
    let left: Vec<_> = fs::read_dir(store.temporary()).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(store.temporary().join("new").exists());
}

#[test]
fn links_and_special_files_are_not_published() {
    let (folder, store) = store();
    let secret = folder.path().join("secret");
    fs::write(&secret, b"secret").unwrap();
    type Make<'a> = &'a dyn Fn(&Path);
    let make: [(&str, Make<'_>); 4] = [
        ("file link", &|path| symlink(&secret, path).unwrap()),
        ("folder link", &|path| symlink(folder.path(), path).unwrap()),
        ("fifo", &|path| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        }),
        ("socket", &|path| {
            drop(std::os::unix::net::UnixListener::bind(path).unwrap())
        }),
    ];
    for (name, make) in make {
        let source = folder.path().join(name);
        fs::create_dir(&source).unwrap();
        make(&source.join("it"));
        let error = publish_directory(&source, &store).unwrap_err();
        assert_eq!(error.code(), "blob-unpublishable", "{name}");
        assert!(error.to_string().contains(&format!("{name}/it")), "{error}");
    }
    let odd = folder.path().join("odd");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("line\nfeed"), b"").unwrap();
    assert_eq!(
        publish_directory(&odd, &store).unwrap_err().code(),
        "manifest-path"
    );
    assert!(!store.contains(&Digest::of(b"secret")));
}

#[test]
fn unpacking_leaves_nothing_behind_when_it_fails() {
    let (folder, store) = store();
    let digest = store.put_bytes(b"here").unwrap();
    let path = |text: &str| EntryPath::new(text).unwrap();
    let cases = [
        (
            BlobRef {
                size: 7,
                digest: Digest::of(b"missing"),
            },
            "blob-not-found",
        ),
        (BlobRef { size: 5, digest }, "blob-wrong-size"),
    ];
    for (blob, code) in cases {
        let mut builder = Tree::builder();
        builder
            .file(path("a"), BlobRef { size: 4, digest }, false)
            .unwrap();
        builder.file(path("b"), blob, false).unwrap();
        let tree = builder.finish().unwrap();
        let parent = folder.path().join(code);
        fs::create_dir(&parent).unwrap();
        let error = materialize(&tree, &store, &parent.join("out")).unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0, "{code}");
    }
}

#[tokio::test]
async fn over_http_from_store_to_store() {
    let (_one, theirs) = store();
    let (_two, ours) = store();
    let big = vec![7; 3 << 20];
    let digest = theirs.put_bytes(&big).unwrap();
    let base = serve(blob_router(theirs.clone())).await;
    let source = devnet().source(&base).unwrap();
    assert_eq!(
        fetch(&source, &ours, digest, 4 << 20).await.unwrap(),
        3 << 20
    );
    assert_eq!(ours.read(&digest, 4 << 20).unwrap(), big);
    assert_eq!(fetch_bytes(&source, digest, 4 << 20).await.unwrap(), big);

    let error = fetch_bytes(&source, digest, 10).await.unwrap_err();
    assert_eq!(error.code(), "blob-too-long");
    let none = Digest::of(b"none");
    let error = fetch(&source, &ours, none, 10).await.unwrap_err();
    assert_eq!(error.code(), "blob-not-found");
    let sources: Vec<Box<dyn BlobSource>> = vec![Box::new(source), Box::new(theirs.clone())];
    let error = fetch_any(&sources, &ours, none, 10).await.unwrap_err();
    assert_eq!(error.code(), "blob-no-source");
    let small = theirs.put_bytes(b"small").unwrap();
    assert_eq!(fetch_any(&sources, &ours, small, 5).await.unwrap(), 5);
    assert_eq!(temporaries(&ours), 0);
}

#[tokio::test]
async fn what_the_router_answers() {
    let (_folder, store) = store();
    let digest = store.put_bytes(b"hello").unwrap();
    let base = serve(blob_router(store)).await;
    let client = reqwest::Client::new();
    let url = |name: &str| base.join(&format!("/v1/blobs/{name}")).unwrap();

    let head = client.head(url(&digest.to_string())).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &"5".parse().unwrap())
    );
    assert!(
        head.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(head.bytes().await.unwrap().len(), 0);
    let got = client.get(url(&digest.to_string())).send().await.unwrap();
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.bytes().await.unwrap(), "hello");
    let upper = digest.to_string().to_uppercase();
    for name in [
        "x",
        "..%2f..%2fetc%2fpasswd",
        &upper,
        &Digest::of(b"none").to_string(),
    ] {
        assert_eq!(
            client.get(url(name)).send().await.unwrap().status(),
            404,
            "{name}"
        );
    }
    let post = client.post(url(&digest.to_string())).send().await.unwrap();
    assert_eq!(post.status(), 405);
}

#[tokio::test]
async fn a_source_that_lies_or_stalls() {
    let endless = || {
        let chunks = futures::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from(vec![0; 64 << 10]))
        });
        Body::from_stream(chunks)
    };
    let answer = |router: Router| async move { devnet().source(&serve(router).await).unwrap() };
    let path = "/v1/blobs/{digest}";
    let digest = Digest::of(b"asked");
    let (_folder, store) = store();

    let wrong = answer(Router::new().route(path, get(|| async { "other" }))).await;
    let error = fetch(&wrong, &store, digest, 100).await.unwrap_err();
    assert_eq!(error.code(), "blob-wrong-digest");
    let long = answer(Router::new().route(path, get(move || async move { endless() }))).await;
    let error = fetch(&long, &store, digest, 5 << 20).await.unwrap_err();
    assert_eq!(error.code(), "blob-too-long");
    let moved = Router::new().route(path, get(|| async { Redirect::permanent("/elsewhere") }));
    let error = fetch(&answer(moved).await, &store, digest, 100)
        .await
        .unwrap_err();
    assert!(
        matches!(error, BlobError::Refused { status: 308, .. }),
        "{error}"
    );
    let stall = Router::new().route(
        path,
        get(|| async {
            Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
                .into_response()
        }),
    );
    let error = fetch(&answer(stall).await, &store, digest, 100)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "blob-unreachable");
    assert_eq!(
        (
            temporaries(&store),
            store.list().unwrap().len(),
            store.used_bytes()
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn transient_errors_are_tried_again() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let router = Router::new().route(
        "/v1/blobs/{digest}",
        get(move || async move {
            match counter.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
                _ => "asked".into_response(),
            }
        }),
    );
    let (_folder, store) = store();
    let source = devnet().source(&serve(router).await).unwrap();
    assert_eq!(
        fetch(&source, &store, Digest::of(b"asked"), 5)
            .await
            .unwrap(),
        5
    );
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn private_addresses_are_refused_by_number_and_by_name() {
    let (_folder, store) = store();
    store.put_bytes(b"inside").unwrap();
    let base = serve(blob_router(store.clone())).await;
    let port = base.port().unwrap();
    let strict = HttpClient::new(&HttpPolicy::default()).unwrap();
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "169.254.169.254",
    ] {
        let url = Url::parse(&format!("http://{host}:{port}")).unwrap();
        assert_eq!(
            strict.source(&url).unwrap_err().code(),
            "blob-forbidden",
            "{host}"
        );
    }
    // A name that resolves to this machine gets through the check of the URL, but not further.
    let url = Url::parse(&format!("http://localhost:{port}")).unwrap();
    let source = strict.source(&url).unwrap();
    let error = source.open(Digest::of(b"inside")).await.err().unwrap();
    assert_eq!(error.code(), "blob-forbidden", "{error}");
    let source = devnet().source(&url).unwrap();
    assert_eq!(
        fetch_bytes(&source, Digest::of(b"inside"), 6)
            .await
            .unwrap(),
        b"inside"
    );
    for url in ["ftp://example.org", "file:///etc/passwd"] {
        let url = Url::parse(url).unwrap();
        assert_eq!(strict.source(&url).unwrap_err().code(), "blob-forbidden");
    }
}

#[tokio::test]
async fn what_nobody_verifies_is_asked_for_as_carefully_and_bounded() {
    let router = Router::new().route("/base/v1/logs/1", get(|| async { "x".repeat(100_000) }));
    let base = serve(router).await.join("/base/").unwrap();
    let limit = Duration::from_secs(5);
    let source = devnet().source(&base).unwrap();
    let bytes = source.unverified("v1/logs/1", 8_192, limit).await.unwrap();
    assert_eq!(bytes.len(), 8_192);
    let error = source.unverified("v1/logs/2", 8_192, limit).await;
    assert_eq!(error.unwrap_err().code(), "blob-refused");

    let mut inside = base.clone();
    inside.set_host(Some("localhost")).unwrap();
    let strict = HttpClient::new(&HttpPolicy::default()).unwrap();
    let source = strict.source(&inside).unwrap();
    let error = source.unverified("v1/logs/1", 8_192, limit).await;
    assert_eq!(error.unwrap_err().code(), "blob-forbidden");
}

#[test]
fn transient_or_not() {
    let refused = |status| BlobError::Refused {
        origin: String::new(),
        status,
    };
    assert!(refused(503).is_transient() && refused(429).is_transient());
    assert!(!refused(403).is_transient());
    assert!(!BlobError::Manifest(ManifestError::NotText).is_transient());
}

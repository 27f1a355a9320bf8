//! Archives that strangers tampered with.

use super::*;

#[test]
fn archives_that_are_refused() {
    let other = OciDigest::of(b"other");
    let place = |digest| oci::place(digest);
    let layer = layer_of(&[("hello", b'0', b"hello")]);
    let diff_id = OciDigest::of(&layer);
    let cases: Vec<(&str, Forged, &str)> = vec![
        (
            "another image",
            Forged::plain().with(|f| f.pin = other),
            "image-pin",
        ),
        (
            "a link",
            Forged::plain().with(|f| f.push(&place(other), b'2', b"")),
            "image-not-a-file",
        ),
        (
            "a hard link",
            Forged::plain().with(|f| f.push(&place(other), b'1', b"")),
            "image-not-a-file",
        ),
        (
            "a device",
            Forged::plain().with(|f| f.push("index.json", b'3', b"")),
            "image-not-a-file",
        ),
        (
            "a directory",
            Forged::plain().with(|f| f.push("etc/", b'5', b"")),
            "image-not-a-file",
        ),
        (
            "long names",
            Forged::plain().with(|f| f.entries.insert(0, ("x".into(), b'x', vec![]))),
            "image-not-a-file",
        ),
        (
            "a traversal",
            Forged::plain().with(|f| f.push("blobs/sha256/../../x", b'0', b"")),
            "image-unknown",
        ),
        (
            "an absolute name",
            Forged::plain().with(|f| f.push("/index.json", b'0', b"")),
            "image-unknown",
        ),
        (
            "another dot",
            Forged::plain().with(|f| f.push("./index.json", b'0', b"")),
            "image-unknown",
        ),
        (
            "old tags",
            Forged::plain().with(|f| f.add("repositories", json!({}))),
            "image-unknown",
        ),
        (
            "a stray blob",
            Forged::plain().with(|f| f.push(&place(other), b'0', b"other")),
            "image-unknown",
        ),
        (
            "an entry twice",
            Forged::plain().with(|f| f.add("index.json", json!({}))),
            "image-duplicate",
        ),
        (
            "no layout",
            Forged::plain().with(|f| drop(f.entries.remove(0))),
            "image-missing",
        ),
        (
            "no layer",
            Forged::plain().with(|f| drop(f.entries.pop())),
            "image-missing",
        ),
        (
            "no table",
            Forged::plain().with(|f| drop(f.entries.remove(2))),
            "image-missing",
        ),
        (
            "another version",
            Forged::plain().json("oci-layout", |v| v["imageLayoutVersion"] = json!("2")),
            "image-document",
        ),
        (
            "two manifests",
            Forged::plain().json("index.json", |v| {
                let one = v["manifests"][0].clone();
                v["manifests"].as_array_mut().unwrap().push(one);
            }),
            "image-document",
        ),
        (
            "an index of indexes",
            Forged::plain().json("index.json", |v| {
                v["manifests"][0]["mediaType"] = json!(oci::OCI_INDEX)
            }),
            "image-document",
        ),
        (
            "a lying platform",
            Forged::plain().json("index.json", |v| {
                v["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "arm64"})
            }),
            "image-document",
        ),
        (
            "a name in the index",
            Forged::plain().json("index.json", |v| {
                v["manifests"][0]["annotations"] =
                    json!({"io.containerd.image.name": "docker.io/library/debian:12"})
            }),
            "image-named",
        ),
        (
            "a name in the table",
            Forged::plain().json("manifest.json", |v| v[0]["RepoTags"] = json!(["debian:12"])),
            "image-named",
        ),
        (
            "a wrong size",
            Forged::plain().json("index.json", |v| v["manifests"][0]["size"] = json!(1)),
            "image-size",
        ),
        (
            "a changed manifest",
            Forged::plain().with(|f| f.entries[3].2[0] = b' '),
            "image-digest",
        ),
        (
            "a changed config",
            Forged::plain().with(|f| f.entries[4].2[0] = b' '),
            "image-digest",
        ),
        (
            "a changed layer",
            Forged::plain().with(|f| f.entries[5].2[512] = b'H'),
            "image-digest",
        ),
        (
            "another config in the table",
            Forged::plain().json("manifest.json", |v| v[0]["Config"] = json!(place(other))),
            "image-disagreement",
        ),
        (
            "other layers in the table",
            Forged::plain().json("manifest.json", |v| v[0]["Layers"] = json!([])),
            "image-disagreement",
        ),
        (
            "two images in the table",
            Forged::plain().json("manifest.json", |v| {
                let one = v[0].clone();
                v.as_array_mut().unwrap().push(one)
            }),
            "image-document",
        ),
        (
            "an unknown field in the table",
            Forged::plain().json("manifest.json", |v| v[0]["Parent"] = json!("x")),
            "image-document",
        ),
        (
            "a wrong diff_id",
            Forged::new(&[(oci::OCI_LAYER, layer.clone(), other)], None),
            "image-digest",
        ),
        (
            "a layer without diff_id",
            Forged::with_config(|v| v["rootfs"]["diff_ids"] = json!([])),
            "image-document",
        ),
        ("no layers", Forged::new(&[], None), "image-document"),
        (
            "zstd",
            Forged::new(
                &[(
                    "application/vnd.oci.image.layer.v1.tar+zstd",
                    layer.clone(),
                    diff_id,
                )],
                None,
            ),
            "image-layer",
        ),
        (
            "a gzip that is none",
            Forged::new(&[(oci::OCI_LAYER_GZIP, layer.clone(), diff_id)], None),
            "image-layer",
        ),
        (
            "another system",
            Forged::with_config(|v| v["os"] = json!("windows")),
            "image-platform",
        ),
        (
            "volumes that hide",
            Forged::with_config(|v| v["config"]["volumes"] = json!({"/x": {}})),
            "image-document",
        ),
        (
            "a config that hides",
            Forged::with_config(|v| v["Config"] = json!({})),
            "image-document",
        ),
        (
            "a fold of letters",
            Forged::with_config(|v| v["config"]["Volume\u{17f}"] = json!({"/x": {}})),
            "image-document",
        ),
        (
            "something after the end",
            Forged::plain().with(|f| f.tail = vec![0, 1]),
            "image-tar",
        ),
        (
            "an entry after the end",
            Forged::plain().with(|f| f.tail = layer_of(&[("x", b'0', b"")])),
            "image-tar",
        ),
    ];
    Forged::plain().verify().unwrap();
    for (name, forged, code) in cases {
        let error = forged.verify().unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    }
}

#[test]
fn keys_that_stand_twice_are_refused() {
    let layer = layer_of(&[("hello", b'0', b"hello")]);
    let diff_id = OciDigest::of(&layer);
    let mut forged = Forged::new(&[(oci::OCI_LAYER, layer, diff_id)], None);
    let table = String::from_utf8(forged.entries[2].2.clone()).unwrap();
    forged.entries[2].2 = table
        .replace("\"Layers\"", "\"Layers\":[],\"Layers\"")
        .into_bytes();
    assert_eq!(forged.verify().unwrap_err().code(), "image-document");
}

#[test]
fn layers_that_are_refused() {
    let sparse = b"22 GNU.sparse.major=1\n";
    let moved = b"13 size=1024\n";
    let end = vec![0; 1024];
    let hidden = [
        &layer_of(&[("a", b'0', b"")])[..],
        &layer_of(&[("b", b'S', b"")]),
    ]
    .concat();
    let mut odd = layer_of(&[("a", b'0', b"")]);
    odd[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\0");
    let sum: u32 = odd[..148]
        .iter()
        .chain(&odd[156..512])
        .map(|b| u32::from(*b))
        .sum::<u32>()
        + 256;
    odd[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not a tar", b"hello".repeat(200)),
        ("sparse", layer_of(&[("a", b'S', b"")])),
        (
            "sparse by extension",
            layer_of(&[("x", b'x', sparse), ("a", b'0', b"a")]),
        ),
        (
            "size by extension",
            layer_of(&[("x", b'x', moved), ("a", b'0', b"a")]),
        ),
        ("a link with content", layer_of(&[("a", b'2', &end)])),
        ("a directory with content", layer_of(&[("a/", b'\0', &end)])),
        ("an unknown type", layer_of(&[("a", b'Z', b"")])),
        ("hidden after the end", hidden),
        ("a size in another form", odd),
    ];
    for (name, layer) in cases {
        let error = Forged::with_layer(layer).verify().unwrap_err();
        assert_eq!(error.code(), "image-layer", "{name}: {error}");
    }
}

#[test]
fn bombs_and_crowds_are_cut_off() {
    let many: Vec<(String, u8, Vec<u8>)> =
        (0..50).map(|i| (format!("{i}"), b'0', vec![])).collect();
    let many: Vec<(&str, u8, &[u8])> = many.iter().map(|e| (&e.0[..], e.1, &e.2[..])).collect();
    let limits = ImageLimits {
        entries: 49,
        ..ImageLimits::default()
    };
    let crowd = Forged::with_layer(layer_of(&many));
    assert_eq!(
        crowd.verify_within(&limits).unwrap_err().code(),
        "image-too-many"
    );
    crowd
        .verify_within(&ImageLimits {
            entries: 50,
            ..limits
        })
        .unwrap();

    let bomb = layer_of(&[("zeros", b'0', &vec![0; 8 << 20])]);
    let diff_id = OciDigest::of(&bomb);
    let bomb = Forged::new(&[(oci::OCI_LAYER_GZIP, gzip(&bomb), diff_id)], None);
    let limits = ImageLimits {
        unpacked_bytes: 8 << 20,
        ..ImageLimits::default()
    };
    assert_eq!(
        bomb.verify_within(&limits).unwrap_err().code(),
        "image-too-many"
    );
    bomb.verify_within(&ImageLimits {
        unpacked_bytes: 9 << 20,
        ..limits
    })
    .unwrap();
    let limits = ImageLimits {
        archive_bytes: 1024,
        ..ImageLimits::default()
    };
    assert_eq!(
        bomb.verify_within(&limits).unwrap_err().code(),
        "image-too-many"
    );
    let limits = ImageLimits {
        layers: 0,
        ..ImageLimits::default()
    };
    assert_eq!(
        bomb.verify_within(&limits).unwrap_err().code(),
        "image-too-many"
    );
}

//! What tasks leave in `/out`.

use piecework::digest::manifest::{Outcome, OutputFault};

use crate::{harness::Bench, image::Image};

#[tokio::test]
async fn what_must_not_be_collected_is_an_outcome_of_its_class() {
    let bench = Bench::new().await;
    for (what, fault) in [
        ("symlink", OutputFault::Link),
        ("hardlink", OutputFault::Link),
        ("fifo", OutputFault::Special),
        ("setuid", OutputFault::Setuid),
        ("setgid", OutputFault::Setuid),
        ("sticky", OutputFault::Setuid),
        ("control", OutputFault::Path),
        ("not-utf8", OutputFault::Path),
        ("long", OutputFault::Path),
        ("deep", OutputFault::Depth),
        ("abyss", OutputFault::Path),
        // Two faults: the worse one, whichever comes first in the stream.
        ("mixed", OutputFault::Link),
    ] {
        let result = bench.run(&["put", what]).await;
        assert_eq!(result.outcome, Outcome::Output(fault), "{what}");
        assert_eq!(
            result.manifest.to_bytes(),
            format!("output {fault}\n").as_bytes()
        );
    }
    bench.finish().await;
}

#[tokio::test]
async fn what_is_odd_but_harmless_is_collected() {
    let bench = Bench::new().await;
    let paths = async |what| {
        let result = bench.run(&["put", what]).await;
        assert_eq!(result.outcome, Outcome::Exit(0), "{what}");
        let entries = result.manifest.tree().entries();
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.to_string()).collect();
        (paths, bench.stdout(&result))
    };
    assert_eq!(
        paths("device").await,
        (vec!["file".to_owned()], "mknod: -1\n".to_owned())
    );
    assert_eq!(paths("backslash").await.0, ["..\\..\\file", "file"]);
    // Engines leave sockets out.
    assert_eq!(paths("socket").await.0, ["file"]);
    assert_eq!(paths("locked").await.0, ["file", "locked", "locked/file"]);
    bench.finish().await;
}

#[tokio::test]
async fn outputs_are_bounded_in_bytes_and_in_files() {
    for bench in [Bench::new().await, Bench::volumes().await] {
        for (directory, most) in [("/out", 4 << 20), ("/tmp", 4 << 20), ("/dev/shm", 1 << 20)] {
            let result = bench.run(&["fill", directory]).await;
            assert_eq!(result.outcome, Outcome::Exit(0), "{directory}");
            let said = bench.stdout(&result);
            assert!(
                said.ends_with(" bytes, then StorageFull\n"),
                "{directory}: {said}"
            );
            let written: u64 = said.split(' ').next().unwrap().parse().unwrap();
            assert!(
                written <= most && written >= most - (64 << 10),
                "{directory}: {said}"
            );
        }
        let result = bench.run(&["files", "10000"]).await;
        assert_eq!(result.outcome, Outcome::Exit(0));
        assert_eq!(result.manifest.tree().entries().len(), 10_000);
        let result = bench.run(&["files", "10001"]).await;
        assert_eq!(result.outcome, Outcome::Output(OutputFault::Entries));
        let result = bench.run(&["files", "20000"]).await;
        assert_eq!(bench.stdout(&result), "StorageFull\n");
        bench.finish().await;
    }
}

#[tokio::test]
async fn sparse_files_are_bounded_by_what_they_would_send() {
    let bench = Bench::new().await;
    let tebibyte = (1u64 << 40).to_string();
    let result = bench.run(&["sparse", "1", &tebibyte]).await;
    assert_eq!(result.outcome, Outcome::Exit(0));
    assert_eq!(bench.stdout(&result), "FileTooLarge\n");
    // Each as long as a file may be, together too long.
    let most = (4u64 << 20).to_string();
    let result = bench.run(&["sparse", "1", &most]).await;
    assert_eq!(result.manifest.tree().total_bytes(), 4 << 20);
    let result = bench.run(&["sparse", "1000", &most]).await;
    assert_eq!(result.outcome, Outcome::Output(OutputFault::Size));
    assert!(result.timings.collect.as_secs() < 5, "{:?}", result.timings);
    bench.finish().await;
}

#[tokio::test]
async fn an_image_whose_out_is_a_link_gains_nothing_by_it() {
    let bench = Bench::new().await;
    let plain = bench.run(&["hello"]).await;
    for target in ["/elsewhere", "../../../../elsewhere"] {
        let image = Image {
            out: Some(target),
            ..Image::default()
        };
        let mut spec = bench.spec(&["hello"]);
        spec.image = image.publish(&bench.client);
        let result = bench.run_spec(&spec).await.unwrap();
        assert_eq!(result.digest, plain.digest, "{target}");
        spec.args = vec!["fill".to_owned(), "/out".to_owned()];
        let result = bench.run_spec(&spec).await.unwrap();
        assert!(bench.stdout(&result).ends_with("StorageFull\n"), "{target}");
    }
    bench.finish().await;
}

/// An engine that lives in another mount namespace would bind the bare directory below our mount,
/// which nothing bounds.
#[tokio::test]
async fn an_engine_that_does_not_see_our_mounts_gets_volumes() {
    const NAME: &str = "outputs::an_engine_that_does_not_see_our_mounts_gets_volumes";
    let bench = Bench::new().await;
    if bench.sandbox.mounts_outputs() {
        // This process may mount: once more where the engine does not see it.
        let child = std::process::Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("PIECEWORK_TEST_UNSHARED", "1")
            .output()
            .unwrap();
        assert!(std::env::var_os("PIECEWORK_TEST_UNSHARED").is_none());
        assert!(child.status.success(), "{child:?}");
    } else {
        let result = bench.run(&["fill", "/out"]).await;
        assert!(bench.stdout(&result).ends_with("StorageFull\n"));
    }
    bench.finish().await;
}

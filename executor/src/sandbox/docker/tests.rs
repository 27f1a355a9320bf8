#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::Path, http::StatusCode, routing};

use super::*;
use crate::sandbox::profile::{Container as Asked, Output};

fn version(newest: &str, oldest: &str) -> Option<usize> {
    let answer = json!({ "ApiVersion": newest, "MinAPIVersion": oldest });
    agree(&serde_json::from_value(answer).unwrap())
}

#[test]
fn agrees_on_an_api_version() {
    assert_eq!(version("1.41", "1.12"), Some(41));
    assert_eq!(version("1.43", "1.12"), Some(43));
    assert_eq!(version("1.51", "1.24"), Some(43));
    assert_eq!(version("1.52", "1.44"), Some(44));
    assert_eq!(version("1.40", "1.12"), None);
    assert_eq!(version("nonsense", ""), None);
}

#[test]
fn a_discarded_swap_limit_matters_only_where_there_is_swap() {
    let warning = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
    let warnings = [warning.to_owned()];
    assert_eq!(unbounded(&warnings, false), BTreeSet::new());
    assert_eq!(unbounded(&warnings, true), BTreeSet::from([Limit::Swap]));
}

/// Answers as an engine whose kernel lacks the controller of processes does: no kernel of our tests lacks it.
#[tokio::test]
async fn a_container_whose_limits_are_discarded_is_removed_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    let removed = Arc::new(Mutex::new(Vec::new()));
    let told = removed.clone();
    let warning = "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.";
    let router = Router::new()
        .route(
            "/version",
            routing::get(|| async {
                Json(json!({ "ApiVersion": "1.41", "MinAPIVersion": "1.12" }))
            }),
        )
        .route(
            "/v1.41/containers/create",
            routing::post(move || async move {
                let answer = json!({ "Id": "12", "Warnings": [warning] });
                (StatusCode::CREATED, Json(answer))
            }),
        )
        .route(
            "/v1.41/containers/{name}",
            routing::delete(move |Path(name): Path<String>| async move {
                told.lock().unwrap().push(name);
                StatusCode::NO_CONTENT
            }),
        );
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let engine = DockerEngine::connect(&format!("unix://{}", path.display())).await;
    let asked = Asked {
        image: "sha256:00".to_owned(),
        entrypoint: None,
        args: Vec::new(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        cpu_millis: 100,
        cpuset: None,
        memory_bytes: 16 << 20,
        disk_bytes: 1 << 20,
        input: None,
        output: Output::Volume("out".to_owned()),
        runtime: None,
    };
    let error = engine
        .unwrap()
        .create("task", &asked.request())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "engine-unbounded");
    assert!(
        error.to_string().contains("the number of processes"),
        "{error}"
    );
    assert_eq!(*removed.lock().unwrap(), ["task"]);
}

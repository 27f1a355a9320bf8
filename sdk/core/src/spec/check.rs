//! The rules of a spec that its types do not carry.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use url::Url;

use super::{JobSpec, SpecError, VERSION, limits};

/// Refuses a document that is too long.
pub(super) fn length(length: usize) -> Result<(), SpecError> {
    if length > limits::MAX_SPEC_BYTES {
        return Err(SpecError::TooLong { length });
    }
    Ok(())
}

/// Every rule of a spec.
pub(super) fn spec(spec: &JobSpec) -> Result<(), SpecError> {
    if spec.version != VERSION {
        return Err(SpecError::Version {
            version: spec.version,
        });
    }
    image(spec)?;
    arguments(spec)?;
    environment(spec)?;
    range("tasks", spec.tasks, 1..=u32::MAX)?;
    let resources = &spec.resources;
    range(
        "resources.cpu_millis",
        resources.cpu_millis,
        limits::CPU_MILLIS,
    )?;
    range(
        "resources.memory_bytes",
        resources.memory_bytes,
        limits::MEMORY_BYTES,
    )?;
    range(
        "resources.disk_bytes",
        resources.disk_bytes,
        limits::DISK_BYTES,
    )?;
    range(
        "resources.timeout_seconds",
        resources.timeout_seconds,
        limits::TIMEOUT_SECONDS,
    )?;
    sources(&spec.sources)
}

fn image(spec: &JobSpec) -> Result<(), SpecError> {
    let image = &spec.image;
    if !limits::PLATFORMS.contains(&image.platform.as_str()) {
        return Err(value(
            "image.platform",
            "neither linux/amd64 nor linux/arm64",
        ));
    }
    let Some(reference) = &image.reference else {
        return match image.archive {
            Some(_) => Ok(()),
            None => Err(value(
                "image",
                "neither an archive nor a reference to get it by",
            )),
        };
    };
    at_most(
        "image.reference",
        reference.len(),
        "bytes",
        limits::MAX_REFERENCE_BYTES,
    )?;
    let Some((repository, digest)) = reference.split_once('@') else {
        return Err(value(
            "image.reference",
            "not of the form repository@sha256:<digest>",
        ));
    };
    if digest.parse() != Ok(image.manifest) {
        return Err(value(
            "image.reference",
            "its digest is not that of image.manifest",
        ));
    }
    if !is_repository(repository) {
        return Err(value(
            "image.reference",
            "its repository is not a name of one",
        ));
    }
    Ok(())
}

/// `[host[:port]/]name[/name]…` without a tag; what a registry client would also accept.
fn is_repository(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, text),
    };
    let host_is_fine = host.is_none_or(|host| {
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        name.split('.').all(is_label) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    host_is_fine && path.split('/').all(is_component)
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_component(text: &str) -> bool {
    let ends = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    ends(text.bytes().next())
        && ends(text.bytes().next_back())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        })
}

fn arguments(spec: &JobSpec) -> Result<(), SpecError> {
    if spec
        .command
        .as_ref()
        .is_some_and(|command| command.first().is_none_or(String::is_empty))
    {
        return Err(value("command", "it has no program to run"));
    }
    let command = spec.command.iter().flatten();
    for (field, strings) in [
        ("command", command.clone().count()),
        ("args", spec.args.len()),
    ] {
        at_most(field, strings, "strings", limits::MAX_ARGUMENTS)?;
    }
    for (field, string) in command
        .map(|string| ("command", string))
        .chain(spec.args.iter().map(|string| ("args", string)))
    {
        if string.contains('\0') {
            return Err(value(field, "a string in it has a zero byte"));
        }
    }
    let bytes = spec
        .command
        .iter()
        .flatten()
        .chain(&spec.args)
        .map(|string| string.len() + 1);
    let env = spec
        .env
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2);
    at_most(
        "command, args, env",
        bytes.chain(env).sum(),
        "bytes together",
        limits::MAX_ARGUMENT_BYTES,
    )
}

fn environment(spec: &JobSpec) -> Result<(), SpecError> {
    at_most("env", spec.env.len(), "variables", limits::MAX_ENV)?;
    for (name, content) in &spec.env {
        if !is_name(name) {
            return Err(value(
                "env",
                "a name is not of the form [A-Za-z_][A-Za-z0-9_]*",
            ));
        }
        let field = || format!("env.{name}");
        at_most(
            "env",
            name.len(),
            "bytes in a name",
            limits::MAX_ENV_NAME_BYTES,
        )?;
        if name.starts_with(limits::RESERVED_ENV_PREFIX)
            || limits::RESERVED_ENV.contains(&name.as_str())
        {
            return Err(value(
                field(),
                "the executor sets this variable, a spec may not",
            ));
        }
        if content.contains('\0') {
            return Err(value(field(), "its value has a zero byte"));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn sources(sources: &[Url]) -> Result<(), SpecError> {
    at_most("sources", sources.len(), "URLs", limits::MAX_SOURCES)?;
    let mut seen = BTreeSet::new();
    for (place, source) in sources.iter().enumerate() {
        let field = format!("sources[{place}]");
        at_most(
            &field,
            source.as_str().len(),
            "bytes",
            limits::MAX_SOURCE_BYTES,
        )?;
        let problem = if !matches!(source.scheme(), "http" | "https") {
            "neither http nor https"
        } else if source.host().is_none() {
            "it names no host"
        } else if !source.username().is_empty() || source.password().is_some() {
            "a user name or password in it would be public"
        } else if source.query().is_some() || source.fragment().is_some() {
            "it has a query or fragment"
        } else if !seen.insert(source) {
            "it stands twice"
        } else {
            continue;
        };
        return Err(value(field, problem));
    }
    Ok(())
}

fn range<T: Copy + PartialOrd + Into<u64>>(
    field: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), SpecError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (min, max) = ((*range.start()).into(), (*range.end()).into());
    Err(SpecError::Range {
        field,
        value: value.into(),
        min,
        max,
    })
}

fn at_most(field: &str, count: usize, unit: &'static str, max: usize) -> Result<(), SpecError> {
    if count <= max {
        return Ok(());
    }
    Err(SpecError::TooMany {
        field: field.into(),
        count,
        unit,
        max,
    })
}

fn value(field: impl Into<String>, problem: &'static str) -> SpecError {
    SpecError::Value {
        field: field.into(),
        problem,
    }
}

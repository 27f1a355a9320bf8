//! A container of ours that does nothing: it keeps a volume alive, and shows whether the engine
//! sees our mounts. Its image is one file of some 150 bytes, made here.

use std::{collections::BTreeMap, path::Path};

use piecework_core::digest::OciDigest;
use serde_json::json;

use super::{
    SandboxError,
    engine::{ContainerEngine, EngineError},
    profile::{Container, Output},
};

const TAG: &str = "piecework-holder:1";

/// `for (;;) pause();` for x86-64.
const CODE_X86_64: &[u8] = &[
    0xb8, 0x22, 0x00, 0x00, 0x00, // mov eax, 34 (pause)
    0x0f, 0x05, // syscall
    0xeb, 0xf7, // jmp to the start
];

/// `for (;;) ppoll(NULL, 0, NULL, NULL);` for aarch64, which has no pause.
const CODE_AARCH64: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, // mov x0, #0
    0x01, 0x00, 0x80, 0xd2, // mov x1, #0
    0x02, 0x00, 0x80, 0xd2, // mov x2, #0
    0x03, 0x00, 0x80, 0xd2, // mov x3, #0
    0x28, 0x09, 0x80, 0xd2, // mov x8, #73 (ppoll)
    0x01, 0x00, 0x00, 0xd4, // svc #0
    0xfa, 0xff, 0xff, 0x17, // b to the start
];

/// A static ELF program of one segment: the file header, one program header, the code.
fn program(machine: u16, code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut elf = Vec::new();
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend(2u16.to_le_bytes()); // executable
    elf.extend(machine.to_le_bytes());
    elf.extend(1u32.to_le_bytes()); // version
    elf.extend((BASE + HEADERS).to_le_bytes()); // entry point
    elf.extend(64u64.to_le_bytes()); // program headers begin here
    elf.extend(0u64.to_le_bytes()); // no section headers
    elf.extend(0u32.to_le_bytes()); // flags
    for field in [64u16, 56, 1, 64, 0, 0] {
        elf.extend(field.to_le_bytes()); // sizes and counts of headers
    }
    elf.extend(1u32.to_le_bytes()); // load
    elf.extend(5u32.to_le_bytes()); // readable, executable
    for field in [0u64, BASE, BASE, size, size, 0x1000] {
        elf.extend(field.to_le_bytes()); // offset, addresses, sizes, alignment
    }
    elf.extend(code);
    elf
}

/// Loads the image unless the engine has it; its id.
pub(super) async fn ensure_image(
    engine: &dyn ContainerEngine,
    dir: &Path,
) -> Result<String, SandboxError> {
    let (archive, layer) = archive().map_err(|error| SandboxError::host("make", dir, error))?;
    let layers = Some(vec![layer.to_string()]);
    if let Some(facts) = engine.image(TAG).await?
        && facts.root_fs.layers == layers
    {
        return Ok(facts.id);
    }
    let path = dir.join("holder.tar");
    std::fs::write(&path, archive).map_err(|error| SandboxError::host("write", &path, error))?;
    engine.load_image(&path).await?;
    match engine.image(TAG).await? {
        Some(facts) if facts.root_fs.layers == layers => Ok(facts.id),
        _ => Err(SandboxError::Engine(EngineError::Protocol {
            what: "load an image",
            message: format!("{TAG} is not what was loaded"),
        })),
    }
}

/// The image as `docker load` takes it, and the digest of its layer.
fn archive() -> std::io::Result<(Vec<u8>, OciDigest)> {
    let (architecture, elf) = if cfg!(target_arch = "aarch64") {
        ("arm64", program(183, CODE_AARCH64))
    } else {
        ("amd64", program(62, CODE_X86_64))
    };
    let layer = tar_of([("hold", 0o755, elf.as_slice())])?;
    let digest = OciDigest::of(&layer);
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": ["/hold"] },
        "rootfs": { "type": "layers", "diff_ids": [digest.to_string()] },
    })
    .to_string();
    let manifest = json!([{
        "Config": "config.json",
        "RepoTags": [TAG],
        "Layers": ["layer.tar"],
    }])
    .to_string();
    let archive = tar_of([
        ("config.json", 0o644, config.as_bytes()),
        ("layer.tar", 0o644, layer.as_slice()),
        ("manifest.json", 0o644, manifest.as_bytes()),
    ])?;
    Ok((archive, digest))
}

fn tar_of<const N: usize>(files: [(&str, u32, &[u8]); N]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, name, bytes)?;
    }
    tar.into_inner()
}

/// The hardened profile for the holder.
pub(super) fn container(
    image: &str,
    labels: &BTreeMap<String, String>,
    output: Output,
    input: Option<String>,
) -> Container {
    Container {
        image: image.to_owned(),
        entrypoint: None,
        args: Vec::new(),
        env: BTreeMap::new(),
        labels: labels.clone(),
        cpu_millis: 100,
        cpuset: None,
        memory_bytes: 16 << 20,
        disk_bytes: 1 << 20,
        input,
        output,
        runtime: None,
    }
}

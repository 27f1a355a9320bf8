//! Makes a PolkaVM blob of an ELF file, or prints what the compiler must know of PolkaVM.
//!
//!     piecework-ink-linker target            the compiler's target description (JSON), on standard output
//!     piecework-ink-linker link ELF BLOB     the blob that pallet-revive takes

use std::fs;

use anyhow::{Context, Result, bail};
use polkavm_linker::{Config, TARGET_JSON_64_BIT_NEW, TargetInstructionSet, program_from_elf};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["target"] => print!("{TARGET_JSON_64_BIT_NEW}"),
        ["link", elf, blob] => {
            let program = fs::read(elf).with_context(|| format!("cannot read {elf}"))?;
            let mut config = Config::default();
            config.set_strip(true);
            config.set_optimize(true);
            let linked = program_from_elf(config, TargetInstructionSet::ReviveV1, &program)
                .map_err(|error| anyhow::anyhow!("{elf} does not link: {error}"))?;
            fs::write(blob, linked).with_context(|| format!("cannot write {blob}"))?;
        }
        _ => bail!("usage: piecework-ink-linker target | link ELF BLOB"),
    }
    Ok(())
}

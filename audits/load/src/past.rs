//! A long past for a chain: empty blocks, each on the one before, which anvil loads instead of making them.
//!
//! Anvil copies the hashes of all blocks for each block that it makes. So it makes some thousand blocks, but not 200,000.

use std::{ffi::OsString, io::Read as _, path::Path};

use alloy::{
    consensus::Header,
    primitives::{Bytes, U64},
    providers::{Provider as _, ext::AnvilApi as _},
};
use anyhow::Context as _;
use flate2::read::GzDecoder;
use piecework::{
    chain::{ChainOptions, connect},
    devnet::{Anvil, AnvilOptions},
};
use serde_json::{Value, json};

/// Writes a state of anvil with so many blocks, a second apart, for a chain that began at `began`.
pub(crate) async fn write(
    program: &Path,
    chain_id: u64,
    began: u64,
    blocks: u64,
    file: &Path,
) -> anyhow::Result<()> {
    let options = AnvilOptions {
        program: Some(program.to_owned()),
        chain_id,
        args: vec![OsString::from(format!("--timestamp={began}"))],
        ..AnvilOptions::default()
    };
    let anvil = tokio::task::spawn_blocking(move || Anvil::start(&options)).await??;
    let (rpc, _) = connect(&ChainOptions::new(anvil.url())).await?;
    rpc.anvil_mine(Some(1), Some(1)).await?;
    let packed: Bytes = rpc.client().request("anvil_dumpState", ()).await?;
    let mut text = String::new();
    GzDecoder::new(packed.as_ref()).read_to_string(&mut text)?;
    let mut state: Value = serde_json::from_str(&text)?;

    let known = state.get_mut("blocks").and_then(Value::as_array_mut);
    let known = known.context("anvil's state has no blocks")?;
    known.sort_by_key(|block| number(block.pointer("/header/number")));
    let template = known.last().context("anvil's state has no block")?.clone();
    known.pop();
    let header = template.get("header").context("a block has no header")?;
    let mut header: Header = serde_json::from_value(header.clone())?;
    for height in 1..=blocks {
        (header.number, header.timestamp) = (height, began + height);
        let mut block = template.clone();
        *block.get_mut("header").context("a block has no header")? = serde_json::to_value(&header)?;
        known.push(block);
        header.parent_hash = header.hash_slow();
    }
    let mut set = |path: &str, value: Value| {
        let place = state.pointer_mut(path);
        place
            .map(|place| *place = value)
            .context("anvil's state has another form")
    };
    set("/block/number", json!(format!("{blocks:#x}")))?;
    set("/block/timestamp", json!(format!("{:#x}", began + blocks)))?;
    set("/best_block_number", json!(blocks))?;
    std::fs::write(file, serde_json::to_vec(&state)?)?;
    Ok(())
}

fn number(value: Option<&Value>) -> u64 {
    let number = value.and_then(|value| serde_json::from_value::<U64>(value.clone()).ok());
    number.map_or(0, |number| number.to())
}

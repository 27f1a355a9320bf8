//! Paints one tile of one picture and writes it as a PNG file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use piecework_render::{Scene, paint, png, tile};

const HELP: &str = "\
Paints one tile of one picture.

Usage: piecework-render [--scene FILE] [--out FILE]
       piecework-render noop

  --scene FILE  parameters of the picture [default: /in/scene.toml, if it exists]
  --out FILE    the tile [default: /out/tile.png]
  noop          does nothing and exits: what a task costs that only exits

The environment says which tile (in a container the provider's executor sets it):
  PIECEWORK_TASK_INDEX  which task this is, from 0 [default: 0]
  PIECEWORK_TASK_COUNT  how many tasks share the picture [default: 1]

Example: paint the whole picture
  piecework-render --scene sdk/examples/render/scene/scene.toml --out picture.png
";

/// A scene file is a few lines; whatever is longer is none.
const MAX_SCENE_BYTES: u64 = 16_384;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("piecework-render: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut scene_file = None;
    let mut out = PathBuf::from("/out/tile.png");
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a file name"));
        match arg.as_str() {
            "noop" => return Ok(()),
            "-h" | "--help" => {
                return io::stdout()
                    .write_all(HELP.as_bytes())
                    .map_err(|e| e.to_string());
            }
            "--scene" => scene_file = Some(PathBuf::from(value()?)),
            "--out" => out = PathBuf::from(value()?),
            _ => return Err(format!("unknown argument `{arg}`; see --help")),
        }
    }
    let scene = read_scene(scene_file.as_deref())?;
    let index = number("PIECEWORK_TASK_INDEX", 0)?;
    let count = number("PIECEWORK_TASK_COUNT", 1)?;
    let tile = tile(scene.width, scene.height, index, count).ok_or_else(|| {
        format!(
            "there is no task {index} of {count} in a picture of {} x {} pixels",
            scene.width, scene.height
        )
    })?;
    png(tile, &paint(&scene, tile))
        .and_then(|file| std::fs::write(&out, file))
        .map_err(|e| format!("{}: {e}", out.display()))
}

fn read_scene(file: Option<&Path>) -> Result<Scene, String> {
    let default = Path::new("/in/scene.toml");
    let path = match file {
        Some(path) => path,
        None if default.exists() => default,
        None => return Ok(Scene::default()),
    };
    let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = std::fs::metadata(path).map_err(|e| say(&e))?.len();
    if bytes > MAX_SCENE_BYTES {
        return Err(say(&format!(
            "{bytes} bytes; a scene has at most {MAX_SCENE_BYTES}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| say(&e))?;
    Scene::parse(&text).map_err(|e| say(&e))
}

fn number(name: &str, default: u32) -> Result<u32, String> {
    match std::env::var(name) {
        Err(std::env::VarError::NotPresent) => Ok(default),
        Ok(text) => text.parse().map_err(|e| format!("{name} is `{text}`: {e}")),
        Err(e) => Err(format!("{name}: {e}")),
    }
}

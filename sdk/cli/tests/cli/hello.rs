//! The README's program, as it is built and run by a stranger.

use std::path::Path;
use std::process::{Command, Stdio};

use piecework_render::{Scene, paint, tile};

use crate::harness::{Devnet, Image, Ran};

#[test]
fn hello_world_gets_48_tiles_of_the_picture() {
    let program = Path::new(env!("CARGO_BIN_EXE_piecework"))
        .with_file_name("examples")
        .join("hello");
    assert!(
        program.is_file(),
        "{} is missing: cargo build -p piecework --example hello",
        program.display()
    );
    let devnet = Devnet::start(4);
    let image = Image::build("hello");
    let text = "width = 96\nheight = 64\nsamples = 1\n";
    let scene = devnet.home.path().join("scene");
    std::fs::create_dir(&scene).unwrap();
    std::fs::write(scene.join("scene.toml"), text).unwrap();

    let ran: Ran = Command::new(program)
        .arg(&image.0)
        .current_dir(devnet.home.path())
        .env("XDG_STATE_HOME", devnet.home.path().join("state"))
        .env_remove("PIECEWORK_RPC_URL")
        .env_remove("PIECEWORK_MARKET")
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);

    let scene = Scene::parse(text).unwrap();
    for task in 0..48 {
        let file = devnet.home.path().join(format!("out/{task}/out/tile.png"));
        let file = std::fs::File::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut reader = png::Decoder::new(std::io::BufReader::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let expected = paint(&scene, tile(scene.width, scene.height, task, 48).unwrap());
        assert!(pixels == expected, "tile {task} is another");
    }
    assert_eq!(devnet.interrupt().0, 0);
}

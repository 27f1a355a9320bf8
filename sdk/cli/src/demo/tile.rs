//! One task's result, made on this machine and without a container: what the client compares a provider's
//! with, and what the cheat begins with.

use piecework::digest::manifest::{BlobRef, EntryPath, ResultManifest, Tree};
use piecework_render::{Scene, paint, png, tile};

use crate::fail::Failure;

/// The file that a task leaves in `/out`.
pub(crate) const FILE: &str = "tile.png";

/// A tile, and the result manifest of the task that left it.
pub(crate) struct Tile {
    pub(crate) png: Vec<u8>,
    pub(crate) result: ResultManifest,
}

impl Tile {
    /// Paints tile `task` of `tasks`; `retouch` gets at its pixels (three bytes each) before they become a file.
    pub(crate) async fn paint(
        scene: &Scene,
        task: u32,
        tasks: u32,
        retouch: fn(&mut [u8]),
    ) -> Result<Self, Failure> {
        let scene = scene.clone();
        let painted = tokio::task::spawn_blocking(move || Self::new(&scene, task, tasks, retouch));
        painted.await.map_err(Failure::internal)?
    }

    fn new(scene: &Scene, task: u32, tasks: u32, retouch: fn(&mut [u8])) -> Result<Self, Failure> {
        let failed =
            |e: &dyn std::fmt::Display| Failure::new("demo-tile", format!("tile {task}: {e}"));
        let place = tile(scene.width, scene.height, task, tasks)
            .ok_or_else(|| failed(&format!("a picture of {tasks} tiles has no such tile")))?;
        let mut pixels = paint(scene, place);
        retouch(&mut pixels);
        let png = png(place, &pixels).map_err(|e| failed(&e))?;
        let mut files = Tree::builder();
        let path = EntryPath::new(FILE).map_err(|e| failed(&e))?;
        files
            .file(path, BlobRef::of(&png), false)
            .map_err(|e| failed(&e))?;
        let files = files.finish().map_err(|e| failed(&e))?;
        // The workload prints nothing.
        let result = ResultManifest::exited(0, BlobRef::of(b""), files);
        Ok(Self { png, result })
    }
}

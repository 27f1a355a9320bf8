//! The picture out of its tiles.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use piecework_render::{Scene, Tile, tile};

use crate::fail::Failure;

/// A picture that is filled tile by tile.
pub(crate) struct Picture {
    scene: Scene,
    tasks: u32,
    pixels: Vec<u8>,
}

impl Picture {
    /// An empty picture of a scene painted by `tasks` tasks.
    pub(crate) fn new(scene: Scene, tasks: u32) -> Self {
        let pixels = vec![0; scene.width as usize * scene.height as usize * 3];
        Self {
            scene,
            tasks,
            pixels,
        }
    }

    /// Puts the PNG file of one task into its place.
    pub(crate) fn put(&mut self, task: u32, file: &Path) -> Result<(), Failure> {
        let wrong = |what: String| {
            Failure::new(
                "demo-tile",
                format!("tile {task} ({}): {what}", file.display()),
            )
        };
        let place =
            tile(self.scene.width, self.scene.height, task, self.tasks).ok_or_else(|| {
                wrong(format!(
                    "a picture of {} tiles has no such tile",
                    self.tasks
                ))
            })?;
        let pixels = read_rgb(file, place).map_err(wrong)?;
        let row = place.width as usize * 3;
        for (line, bytes) in pixels.chunks_exact(row).enumerate() {
            let start =
                ((place.y as usize + line) * self.scene.width as usize + place.x as usize) * 3;
            let target = self.pixels.get_mut(start..start + row);
            target
                .ok_or_else(|| wrong("it does not fit".into()))?
                .copy_from_slice(bytes);
        }
        Ok(())
    }

    /// Whether it is to the last pixel what one machine paints alone.
    pub(crate) fn is_painted_well(&self) -> bool {
        let whole = tile(self.scene.width, self.scene.height, 0, 1);
        whole.is_some_and(|whole| self.pixels == piecework_render::paint(&self.scene, whole))
    }

    /// Writes the picture.
    pub(crate) fn save(&self, file: &Path) -> Result<(), Failure> {
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new("demo-picture", format!("{}: {e}", file.display()))
        };
        let target = BufWriter::new(File::create(file).map_err(|e| failed(&e))?);
        let mut encoder = png::Encoder::new(target, self.scene.width, self.scene.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
        writer
            .write_image_data(&self.pixels)
            .map_err(|e| failed(&e))?;
        writer.finish().map_err(|e| failed(&e))
    }
}

/// The pixels of a PNG file that must have exactly the size of its place.
fn read_rgb(file: &Path, place: Tile) -> Result<Vec<u8>, String> {
    let source = BufReader::new(File::open(file).map_err(|e| e.to_string())?);
    let mut reader = png::Decoder::new(source)
        .read_info()
        .map_err(|e| e.to_string())?;
    let info = reader.info();
    if (info.width, info.height) != (place.width, place.height) {
        let (w, h) = (info.width, info.height);
        return Err(format!(
            "{w} x {h} pixels instead of {} x {}",
            place.width, place.height
        ));
    }
    if (info.color_type, info.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err("not a picture of 8-bit RGB".into());
    }
    let mut pixels = vec![0; place.width as usize * place.height as usize * 3];
    reader.next_frame(&mut pixels).map_err(|e| e.to_string())?;
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tiles_become_the_picture() {
        let dir = tempfile::tempdir().unwrap();
        let scene = Scene {
            width: 40,
            height: 30,
            samples: 1,
            ..Scene::default()
        };
        let one = |tasks: u32| {
            let mut picture = Picture::new(scene.clone(), tasks);
            for task in 0..tasks {
                let place = tile(40, 30, task, tasks).unwrap();
                let file = dir.path().join(format!("{task}.png"));
                let single = Picture {
                    scene: Scene {
                        width: place.width,
                        height: place.height,
                        ..scene.clone()
                    },
                    tasks: 1,
                    pixels: piecework_render::paint(&scene, place),
                };
                single.save(&file).unwrap();
                picture.put(task, &file).unwrap();
            }
            picture.pixels
        };
        assert!(one(6) == one(1), "six tiles make another picture than one");
    }

    #[test]
    fn a_wrong_tile_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.png");
        let scene = Scene {
            width: 16,
            height: 16,
            ..Scene::default()
        };
        Picture::new(scene.clone(), 1).save(&file).unwrap();
        let mut picture = Picture::new(scene, 4);
        assert!(
            picture
                .put(0, &file)
                .unwrap_err()
                .to_string()
                .contains("16 x 16 pixels instead of 8 x 8")
        );
        assert!(picture.put(4, &file).is_err());
        std::fs::write(&file, b"\x89PNG").unwrap();
        assert!(picture.put(0, &file).is_err());
    }
}

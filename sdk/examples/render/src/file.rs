//! A tile as a file.

use std::io;

use crate::tiles::Tile;

/// The PNG file of a tile's pixels: the same bytes on every machine, for the file is what tasks are
/// compared by.
///
/// # Errors
/// If there are not exactly three bytes for each pixel.
pub fn png(tile: Tile, pixels: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, tile.width, tile.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

//! Which part of the picture a task paints.

/// A part of the picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width; at least 1.
    pub width: u32,
    /// Height; at least 1.
    pub height: u32,
}

/// The tile of task `index` of `count` in a picture of `width` times `height` pixels.
///
/// The tiles are the cells of a grid in reading order. They cover the picture, no pixel twice.
/// `None` when there is no such task, or more tasks in a row or column than pixels.
pub fn tile(width: u32, height: u32, index: u32, count: u32) -> Option<Tile> {
    if index >= count {
        return None;
    }
    let columns = columns(width, height, count)?;
    let rows = count / columns;
    let (x, right) = cut(width, index % columns, columns);
    let (y, bottom) = cut(height, index / columns, rows);
    Some(Tile {
        x,
        y,
        width: right - x,
        height: bottom - y,
    })
}

/// Columns of the grid: the divisor of `count` that makes the tiles most nearly square.
fn columns(width: u32, height: u32, count: u32) -> Option<u32> {
    (1..=count)
        .filter(|columns| count.is_multiple_of(*columns))
        .filter(|columns| *columns <= width && count / columns <= height)
        .min_by_key(|columns| {
            // |tile width - tile height|, both multiplied by `count` to stay in integers.
            let wide = u64::from(width) * u64::from(count / columns);
            let high = u64::from(height) * u64::from(*columns);
            wide.abs_diff(high)
        })
}

/// Both ends of part `part` of `parts` of a length.
fn cut(length: u32, part: u32, parts: u32) -> (u32, u32) {
    let at = |n: u32| (u64::from(length) * u64::from(n) / u64::from(parts)) as u32;
    (at(part), at(part + 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn tiles_partition_the_picture() {
        for (width, height) in [(1280, 800), (97, 61), (7, 300), (64, 64)] {
            for count in [1, 2, 3, 7, 12, 48, 49, 60, 61] {
                let mut painted = vec![0u8; (width * height) as usize];
                for index in 0..count {
                    let t = tile(width, height, index, count).unwrap();
                    assert!(t.width > 0 && t.height > 0);
                    for y in t.y..t.y + t.height {
                        for x in t.x..t.x + t.width {
                            painted[(y * width + x) as usize] += 1;
                        }
                    }
                }
                assert!(
                    painted.iter().all(|n| *n == 1),
                    "{width}x{height} in {count}"
                );
            }
        }
    }

    #[test]
    fn tiles_are_nearly_square() {
        let t = tile(1280, 800, 0, 60).unwrap();
        assert_eq!((t.width, t.height), (128, 133));
    }

    #[test]
    fn no_tile_outside() {
        assert_eq!(tile(100, 100, 4, 4), None);
        assert_eq!(tile(100, 100, 0, 0), None);
        assert_eq!(tile(2, 2, 0, 5), None, "more tasks than fit");
    }
}

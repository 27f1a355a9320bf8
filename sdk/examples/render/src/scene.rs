//! What can be chosen about the picture: `scene.toml`.

use serde::Deserialize;

/// The parameters of the picture. A file may leave any of them out, but may name no other.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// Width of the picture in pixels, 16 to 8,192.
    pub width: u32,
    /// Height of the picture in pixels, 16 to 8,192.
    pub height: u32,
    /// Samples of a pixel are the square of this, 1 to 4.
    pub samples: u32,
    /// Where the camera stands around the island, in degrees, -360 to 360.
    pub azimuth: f32,
    /// How high the camera stands over the sea, 0.1 to 4; the island is about 1 high.
    pub height_above_sea: f32,
    /// How far the camera stands from the island, 2 to 12.
    pub distance: f32,
    /// How high the sun stands, in degrees, 1 to 80.
    pub sun: f32,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 800,
            samples: 2,
            azimuth: 32.0,
            height_above_sea: 0.62,
            distance: 3.4,
            sun: 14.0,
        }
    }
}

impl Scene {
    /// Reads the text of a `scene.toml`.
    ///
    /// # Errors
    /// A sentence that names the line or the field that is wrong, and what it may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scene: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let bounds = [
            ("width", scene.width as f32, 16.0, 8192.0),
            ("height", scene.height as f32, 16.0, 8192.0),
            ("samples", scene.samples as f32, 1.0, 4.0),
            ("azimuth", scene.azimuth, -360.0, 360.0),
            ("height_above_sea", scene.height_above_sea, 0.1, 4.0),
            ("distance", scene.distance, 2.0, 12.0),
            ("sun", scene.sun, 1.0, 80.0),
        ];
        for (name, value, min, max) in bounds {
            // A NaN is in no range.
            if !(min..=max).contains(&value) {
                return Err(format!(
                    "`{name}` is {value}; it must be between {min} and {max}"
                ));
            }
        }
        Ok(scene)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_committed_scene_is_read() {
        assert_eq!(
            Scene::parse(include_str!("../scene/scene.toml")),
            Ok(Scene::default())
        );
        assert_eq!(Scene::parse(""), Ok(Scene::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(
            Scene::parse("widht = 100")
                .unwrap_err()
                .contains("unknown field `widht`")
        );
        assert!(Scene::parse("width = 1e3").unwrap_err().contains("width"));
        assert!(
            Scene::parse("width = 100000")
                .unwrap_err()
                .contains("between 16 and 8192")
        );
        assert!(
            Scene::parse("sun = nan")
                .unwrap_err()
                .contains("`sun` is NaN")
        );
        assert!(Scene::parse("width = -1").is_err());
    }
}

//! What can be chosen about the picture: `scene.toml`.

/// The parameters of the picture. A file may leave any of them out, but may name no other.
#[derive(Clone, Debug, PartialEq)]
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
            azimuth: 24.0,
            height_above_sea: 0.5,
            distance: 2.9,
            sun: 13.0,
        }
    }
}

/// The text of a `scene.toml` that says the same.
impl std::fmt::Display for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            width,
            height,
            samples,
            azimuth,
            height_above_sea,
            distance,
            sun,
        } = self;
        writeln!(f, "width = {width}\nheight = {height}\nsamples = {samples}")?;
        writeln!(
            f,
            "azimuth = {azimuth}\nheight_above_sea = {height_above_sea}"
        )?;
        writeln!(f, "distance = {distance}\nsun = {sun}")
    }
}

impl Scene {
    /// Reads the text of a `scene.toml`.
    ///
    /// # Errors
    /// A sentence that names the line or the field that is wrong, and what it may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut scene = Self::default();
        for (name, value) in &text.parse::<toml::Table>().map_err(|e| e.to_string())? {
            match name.as_str() {
                "width" => scene.width = whole(name, value, 16, 8192)?,
                "height" => scene.height = whole(name, value, 16, 8192)?,
                "samples" => scene.samples = whole(name, value, 1, 4)?,
                "azimuth" => scene.azimuth = number(name, value, -360.0, 360.0)?,
                "height_above_sea" => scene.height_above_sea = number(name, value, 0.1, 4.0)?,
                "distance" => scene.distance = number(name, value, 2.0, 12.0)?,
                "sun" => scene.sun = number(name, value, 1.0, 80.0)?,
                _ => return Err(format!("unknown field `{name}`")),
            }
        }
        Ok(scene)
    }
}

// Read by hand: a derive macro cannot be built together with a static binary.
fn whole(name: &str, value: &toml::Value, min: u32, max: u32) -> Result<u32, String> {
    let number = value.as_integer().and_then(|n| u32::try_from(n).ok());
    number.filter(|n| (min..=max).contains(n)).ok_or_else(|| {
        format!("`{name}` is {value}; it must be a whole number from {min} to {max}")
    })
}

fn number(name: &str, value: &toml::Value, min: f32, max: f32) -> Result<f32, String> {
    let number = value
        .as_float()
        .or_else(|| value.as_integer().map(|n| n as f64));
    number
        .map(|n| n as f32)
        // A NaN is in no range.
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| format!("`{name}` is {value}; it must be a number from {min} to {max}"))
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
    fn what_is_written_is_read() {
        let scene = Scene {
            width: 320,
            azimuth: -0.1,
            sun: 1.0,
            distance: 1.0 / 0.3,
            ..Scene::default()
        };
        assert_eq!(Scene::parse(&scene.to_string()), Ok(scene));
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
                .contains("`width` is 100000; it must be a whole number from 16 to 8192")
        );
        assert!(
            Scene::parse("sun = nan")
                .unwrap_err()
                .contains("`sun` is nan")
        );
        assert!(Scene::parse("width = -1").is_err());
    }
}

//! Light from the island, the sea and the sky to the camera.

use crate::island;
use crate::scene::Scene;
use crate::sky::{fbm, sea_normal, sky};
use crate::tiles::Tile;
use crate::vec3::{Vec3, smoothstep, vec3};

/// How high the sea stands; the island's centre is the origin.
const SEA: f32 = -0.42;
/// Rays flatter than this never reach the sea.
const FLATTEST: f32 = 5e-4;
const HAZE: Vec3 = vec3(0.78, 0.42, 0.36);

/// The pixels of a tile, three bytes (sRGB) each, row by row.
pub fn paint(scene: &Scene, tile: Tile) -> Vec<u8> {
    let camera = Camera::new(scene);
    let mut pixels = Vec::with_capacity(tile.width as usize * tile.height as usize * 3);
    for y in tile.y..tile.y + tile.height {
        for x in tile.x..tile.x + tile.width {
            let mut sum = vec3(0.0, 0.0, 0.0);
            for sample in 0..scene.samples * scene.samples {
                let (i, j) = (sample % scene.samples, sample / scene.samples);
                let n = scene.samples as f32;
                let dx = (i as f32 + 0.5) / n;
                let dy = (j as f32 + 0.5) / n;
                // Each sample is tone-mapped by itself: the sun's edge stays smooth.
                sum = sum + tone(camera.light(x as f32 + dx, y as f32 + dy));
            }
            let colour = sum * (1.0 / (scene.samples * scene.samples) as f32);
            pixels.extend([colour.x, colour.y, colour.z].map(|c| (c * 255.0 + 0.5) as u8));
        }
    }
    pixels
}

struct Camera {
    from: Vec3,
    right: Vec3,
    up: Vec3,
    ahead: Vec3,
    width: f32,
    height: f32,
    pixel: f32,
    sun: Vec3,
}

impl Camera {
    fn new(scene: &Scene) -> Self {
        let (sin, cos) = sin_cos(scene.azimuth);
        let from = vec3(
            scene.distance * sin,
            SEA + scene.height_above_sea,
            scene.distance * cos,
        );
        // The island stands a little to the right of the middle.
        let target = vec3(-0.30 * cos, 0.26, 0.30 * sin);
        let ahead = (target - from).unit();
        let right = ahead.cross(vec3(0.0, 1.0, 0.0)).unit();
        // The sun stands ahead and to the left of whoever looks.
        let (side_sin, side_cos) = sin_cos(scene.azimuth + 180.0 + 33.0);
        let (height_sin, height_cos) = sin_cos(scene.sun);
        Self {
            from,
            right,
            up: right.cross(ahead),
            ahead,
            width: scene.width as f32,
            height: scene.height as f32,
            pixel: 1.2 / scene.height as f32 / scene.samples as f32,
            sun: vec3(side_sin * height_cos, height_sin, side_cos * height_cos),
        }
    }

    /// Light that arrives at a place of the picture, in pixels.
    fn light(&self, x: f32, y: f32) -> Vec3 {
        let u = (2.0 * x - self.width) / self.height;
        let v = (self.height - 2.0 * y) / self.height;
        let to = (self.right * (u * 0.60) + self.up * (v * 0.60) + self.ahead).unit();
        let light = self.trace(to);
        let edge = (u * u + v * v) * 0.11;
        light * (1.0 - edge.min(0.45))
    }

    fn trace(&self, to: Vec3) -> Vec3 {
        let to_sea = if to.y < -FLATTEST {
            (SEA - self.from.y) / to.y
        } else {
            f32::MAX
        };
        if let Some(hit) = island::march(self.from, to, to_sea, self.pixel) {
            let p = self.from + to * hit.distance;
            return self.rock(p, to, &hit).mix(HAZE, 0.012 * hit.distance);
        }
        if to_sea == f32::MAX {
            return sky(vec3(to.x, to.y.max(0.0), to.z), self.sun);
        }
        self.sea(self.from + to * to_sea, to, to_sea)
    }

    fn sea(&self, p: Vec3, to: Vec3, distance: f32) -> Vec3 {
        let normal = sea_normal(p.x, p.z, distance);
        let mut mirrored = to.reflect(normal);
        mirrored.y = mirrored.y.abs().max(0.002);
        let mirrored = mirrored.unit();
        let image = match island::march(p, mirrored, f32::MAX, 4.0 * self.pixel) {
            Some(hit) => self.rock(p + mirrored * hit.distance, mirrored, &hit),
            None => sky(mirrored, self.sun),
        };
        let facing = (-to.dot(normal)).clamp(0.0, 1.0);
        let k = 1.0 - facing;
        let fresnel = 0.03 + 0.97 * k * k * k * k * k;
        let deep = vec3(0.010, 0.040, 0.058);
        // Shallow water shows where the island is close under the surface.
        let depth = if p.dot(p) < 4.0 {
            island::estimate(p).0
        } else {
            1.0
        };
        let shallow = smoothstep(0.22, 0.0, depth);
        let body =
            deep.mix(vec3(0.03, 0.22, 0.22), shallow) * (0.4 + 0.6 * island::sunlight(p, self.sun));
        let foam =
            smoothstep(0.035, 0.0, depth) * smoothstep(0.35, 0.65, fbm(p.x * 26.0, p.z * 26.0, 3));
        let light = body
            .mix(image, fresnel)
            .mix(vec3(0.85, 0.66, 0.58), 0.6 * foam);
        light.mix(HAZE, 1.0 - 1.0 / (1.0 + 0.0012 * distance * distance))
    }

    fn rock(&self, p: Vec3, to: Vec3, hit: &island::Hit) -> Vec3 {
        let normal = island::normal(p, (self.pixel * hit.distance).max(6e-4));
        let [a, b, c, d] = hit.trap;
        let stone = vec3(0.20, 0.16, 0.17)
            .mix(vec3(0.80, 0.38, 0.16), smoothstep(0.0, 0.45, a))
            .mix(vec3(0.10, 0.34, 0.36), smoothstep(0.05, 0.50, b) * 0.75)
            .mix(vec3(0.95, 0.72, 0.34), smoothstep(0.10, 0.60, c) * 0.45)
            * (0.35 + 0.65 * smoothstep(0.10, 0.85, d));
        // Dark and wet just over the water.
        let wet = smoothstep(0.10, 0.0, p.y - SEA);
        let stone = stone * (1.0 - 0.55 * wet);

        let open = island::openness(p, normal) * (0.3 + 0.7 * smoothstep(0.0, 0.5, d));
        let facing = normal.dot(self.sun).max(0.0);
        let sun = if facing > 0.0 {
            island::sunlight(p + normal * 0.003, self.sun)
        } else {
            0.0
        };
        let half = (self.sun - to).unit();
        let mut gloss = normal.dot(half).max(0.0);
        for _ in 0..5 {
            gloss *= gloss;
        }
        let rim = 1.0 + normal.dot(to).min(0.0);
        let upward = 0.5 + 0.5 * normal.y;

        let direct = stone.tint(vec3(6.2, 3.7, 1.9)) * (facing * sun);
        let fill = stone.tint(vec3(0.34, 0.36, 0.62)) * (upward * open);
        let bounce = stone.tint(vec3(0.55, 0.30, 0.22)) * ((1.0 - upward) * open * 0.8);
        let front = stone.tint(vec3(0.46, 0.42, 0.50)) * (normal.dot(-to).max(0.0) * open);
        let shine = vec3(1.0, 0.72, 0.45) * (gloss * sun * (0.5 + 1.4 * wet));
        let edge = sky(to.reflect(normal), self.sun).tint(stone) * (rim * rim * rim * open * 0.9);
        direct + fill + bounce + front + shine + edge
    }
}

fn sin_cos(degrees: f32) -> (f32, f32) {
    libm::sincosf(degrees * (std::f32::consts::PI / 180.0))
}

/// Light of any strength to sRGB, 0 to 1: a filmic curve, then the transfer function.
fn tone(light: Vec3) -> Vec3 {
    let curve = |x: f32| {
        let x = (x * 0.82).max(0.0);
        let y = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14);
        let y = y.clamp(0.0, 1.0);
        if y <= 0.003_130_8 {
            12.92 * y
        } else {
            1.055 * libm::powf(y, 1.0 / 2.4) - 0.055
        }
    };
    vec3(curve(light.x), curve(light.y), curve(light.z))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::tiles::tile;

    fn small() -> Scene {
        Scene {
            width: 48,
            height: 30,
            samples: 1,
            ..Scene::default()
        }
    }

    #[test]
    fn tiles_together_are_the_picture() {
        let scene = small();
        let whole = paint(&scene, tile(48, 30, 0, 1).unwrap());
        let mut stitched = vec![0; whole.len()];
        for index in 0..6 {
            let t = tile(48, 30, index, 6).unwrap();
            let pixels = paint(&scene, t);
            let row = t.width as usize * 3;
            for (line, bytes) in pixels.chunks(row).enumerate() {
                let at = ((t.y as usize + line) * 48 + t.x as usize) * 3;
                stitched[at..at + row].copy_from_slice(bytes);
            }
        }
        assert_eq!(stitched, whole);
    }

    #[test]
    fn the_picture_shows_something() {
        let pixels = paint(&small(), tile(48, 30, 0, 1).unwrap());
        let distinct: std::collections::BTreeSet<_> = pixels.chunks(3).collect();
        assert!(distinct.len() > 400, "{} colours", distinct.len());
    }
}

//! Sky and sea.

use crate::vec3::{Vec3, smoothstep, vec3};

/// Light from a direction; `sun` is where the sun stands.
pub(crate) fn sky(to: Vec3, sun: Vec3) -> Vec3 {
    let up = to.y.max(0.0);
    let near_sun = to.dot(sun).max(0.0);
    let zenith = vec3(0.035, 0.075, 0.20);
    let middle = vec3(0.20, 0.22, 0.42);
    let horizon = vec3(0.98, 0.50, 0.26);
    let low = horizon.mix(vec3(0.62, 0.30, 0.42), 1.0 - near_sun);
    let mut light = low
        .mix(middle, smoothstep(0.0, 0.28, up))
        .mix(zenith, smoothstep(0.15, 0.75, up));

    let glow2 = near_sun * near_sun;
    let glow8 = glow2 * glow2 * glow2 * glow2;
    light = light + vec3(1.0, 0.45, 0.16) * (0.40 * glow8);
    let glow64 = power(glow8, 3);
    light = light + vec3(1.0, 0.66, 0.30) * (0.55 * glow64);

    // Thin clouds on a plane far above, drawn out along the wind.
    if to.y > 0.01 {
        let at = (to.x / (to.y + 0.12), to.z / (to.y + 0.12));
        let veil = fbm(at.0 * 0.9 + 3.1, at.1 * 2.6 + 1.7, 5);
        let cover = smoothstep(0.48, 0.80, veil) * smoothstep(0.01, 0.16, to.y);
        let lit = vec3(0.46, 0.30, 0.42)
            .mix(vec3(1.25, 0.66, 0.40), glow2 * (1.6 - veil).clamp(0.0, 1.0));
        light = light.mix(lit, 0.75 * cover);
        light = light + stars(to) * (1.0 - cover) * smoothstep(0.30, 0.75, up);
    }
    light + vec3(9.0, 6.2, 3.4) * smoothstep(0.99945, 0.99965, to.dot(sun))
}

/// Stars: one in some cells of a grid on the sphere.
fn stars(to: Vec3) -> Vec3 {
    let at = to * 90.0;
    let cell = (at.x.floor(), at.y.floor(), at.z.floor());
    let pick = hash(cell.0 + 31.0 * cell.1, cell.2 - 17.0 * cell.1);
    if pick < 0.985 {
        return vec3(0.0, 0.0, 0.0);
    }
    let d = vec3(
        at.x - cell.0 - 0.5,
        at.y - cell.1 - 0.5,
        at.z - cell.2 - 0.5,
    );
    let light = smoothstep(0.16, 0.0, d.length()) * (pick - 0.985) * 50.0;
    vec3(0.85, 0.9, 1.0) * light
}

/// The direction away from the sea at a place; waves flatten with the distance from the camera.
pub(crate) fn sea_normal(x: f32, z: f32, distance: f32) -> Vec3 {
    let e = 0.004 + 0.0015 * distance;
    let here = waves(x, z);
    let slope = 1.0 / (1.0 + 0.035 * distance * distance);
    vec3(
        (here - waves(x + e, z)) / e * slope,
        1.0,
        (here - waves(x, z + e)) / e * slope,
    )
    .unit()
}

fn waves(x: f32, z: f32) -> f32 {
    let swell =
        0.010 * libm::sinf(2.1 * x + 3.3 * z) + 0.006 * libm::sinf(-4.7 * x + 6.1 * z + 1.0);
    swell + 0.030 * fbm(x * 2.3 + 5.0, z * 4.1, 4)
}

/// Noise of several octaves, about 0 to 1.
pub(crate) fn fbm(mut x: f32, mut z: f32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 0.5, 0.0);
    for _ in 0..octaves {
        sum += weight * noise(x, z);
        total += weight;
        weight *= 0.5;
        // Turned by an angle whose sine and cosine are 0.6 and 0.8, so that no lattice shows.
        (x, z) = (
            2.03 * (0.8 * x + 0.6 * z) + 7.3,
            2.03 * (0.8 * z - 0.6 * x) - 3.9,
        );
    }
    sum / total
}

fn noise(x: f32, z: f32) -> f32 {
    let (ix, iz) = (x.floor(), z.floor());
    let (fx, fz) = (x - ix, z - iz);
    let (ux, uz) = (fx * fx * (3.0 - 2.0 * fx), fz * fz * (3.0 - 2.0 * fz));
    let near = hash(ix, iz) * (1.0 - ux) + hash(ix + 1.0, iz) * ux;
    let far = hash(ix, iz + 1.0) * (1.0 - ux) + hash(ix + 1.0, iz + 1.0) * ux;
    near * (1.0 - uz) + far * uz
}

/// A number from 0 to 1 for a cell of a grid.
fn hash(x: f32, z: f32) -> f32 {
    let mut h =
        (x as i32 as u32).wrapping_mul(0x9E37_79B1) ^ (z as i32 as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / 16_777_216.0
}

/// `x` squared `times` times.
fn power(mut x: f32, times: u32) -> f32 {
    for _ in 0..times {
        x *= x;
    }
    x
}

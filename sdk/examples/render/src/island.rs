//! The island: the upper part of a Mandelbulb of power 8, as a distance estimate.

use crate::vec3::{Vec3, vec3};

/// Everything of the island lies within this distance of its centre.
const BOUND: f32 = 1.2;
const ITERATIONS: u32 = 5;

/// A point of the surface.
pub(crate) struct Hit {
    /// How far along the ray.
    pub(crate) distance: f32,
    /// How closely the orbit of the point came to the axes and to the centre: its colour.
    pub(crate) trap: [f32; 4],
}

/// A distance that is not more than the one to the surface, and the orbit's trap.
pub(crate) fn estimate(p: Vec3) -> (f32, [f32; 4]) {
    // Tilted, for an island that grew: the sine and cosine of this angle are exact.
    let p = vec3(0.96 * p.x + 0.28 * p.y, 0.96 * p.y - 0.28 * p.x, p.z);
    let p = vec3(p.x, 0.8 * p.y - 0.6 * p.z, 0.8 * p.z + 0.6 * p.y);
    let mut w = p;
    let mut m = w.dot(w);
    let mut trap = [w.x.abs(), w.y.abs(), w.z.abs(), m];
    let mut dz = 1.0;
    for _ in 0..ITERATIONS {
        dz = 8.0 * m * m * m * m.sqrt() * dz + 1.0;
        w = power8(w) + p;
        m = w.dot(w);
        let [a, b, c, d] = trap;
        trap = [
            a.min(w.x.abs()),
            b.min(w.y.abs()),
            c.min(w.z.abs()),
            d.min(m),
        ];
        if m > 256.0 {
            break;
        }
    }
    (0.25 * libm::logf(m.max(1e-9)) * m.sqrt() / dz, trap)
}

/// The eighth power of the triplex algebra, in polynomials: no sine differs between machines.
fn power8(w: Vec3) -> Vec3 {
    let (x, y, z) = (w.x, w.y, w.z);
    let (x2, y2, z2) = (x * x, y * y, z * z);
    let (x4, y4, z4) = (x2 * x2, y2 * y2, z2 * z2);
    let k3 = (x2 + z2).max(1e-12);
    let k2 = 1.0 / (k3 * k3 * k3 * k3 * k3 * k3 * k3).max(1e-30).sqrt();
    let k1 = x4 + y4 + z4 - 6.0 * y2 * z2 - 6.0 * x2 * y2 + 2.0 * z2 * x2;
    let k4 = x2 - y2 + z2;
    vec3(
        64.0 * x * y * z * (x2 - z2) * k4 * (x4 - 6.0 * x2 * z2 + z4) * k1 * k2,
        -16.0 * y2 * k3 * k4 * k4 + k1 * k1,
        -8.0 * y
            * k4
            * (x4 * x4 - 28.0 * x4 * x2 * z2 + 70.0 * x4 * z4 - 28.0 * x2 * z2 * z4 + z4 * z4)
            * k1
            * k2,
    )
}

/// Where the ray meets the island; `pixel` is the width of a sample at distance 1.
pub(crate) fn march(from: Vec3, to: Vec3, limit: f32, pixel: f32) -> Option<Hit> {
    let (near, far) = bound(from, to)?;
    let mut t = near;
    let far = far.min(limit);
    for _ in 0..160 {
        if t > far {
            return None;
        }
        let (d, trap) = estimate(from + to * t);
        if d < (0.5 * pixel * t).max(2e-4) {
            return Some(Hit { distance: t, trap });
        }
        t += d;
    }
    None
}

/// How much of the sun reaches a point, 0 to 1, with a soft edge.
pub(crate) fn sunlight(from: Vec3, sun: Vec3) -> f32 {
    let Some((near, far)) = bound(from, sun) else {
        return 1.0;
    };
    let mut light = 1.0f32;
    let mut t = near.max(0.004);
    for _ in 0..56 {
        let (d, _) = estimate(from + sun * t);
        light = light.min(24.0 * d / t);
        if light < 0.005 || t > far {
            break;
        }
        t += d.clamp(0.004, 0.12);
    }
    let light = light.clamp(0.0, 1.0);
    light * light * (3.0 - 2.0 * light)
}

/// How open a point is to the sky, 0 to 1.
pub(crate) fn openness(p: Vec3, normal: Vec3) -> f32 {
    let mut shade = 0.0;
    let mut weight = 1.0;
    for step in 1..=4u8 {
        let h = 0.025 * f32::from(step);
        let (d, _) = estimate(p + normal * h);
        shade += (h - d).max(0.0) * weight;
        weight *= 0.75;
    }
    (1.0 - 5.0 * shade).clamp(0.0, 1.0)
}

/// The direction away from the surface at `p`.
pub(crate) fn normal(p: Vec3, e: f32) -> Vec3 {
    let side = |k: Vec3| k * estimate(p + k * e).0;
    let sum = side(vec3(1.0, -1.0, -1.0))
        + side(vec3(-1.0, -1.0, 1.0))
        + side(vec3(-1.0, 1.0, -1.0))
        + side(vec3(1.0, 1.0, 1.0));
    if sum.dot(sum) > 0.0 {
        sum.unit()
    } else {
        vec3(0.0, 1.0, 0.0)
    }
}

/// The part of the ray inside the ball around the island.
fn bound(from: Vec3, to: Vec3) -> Option<(f32, f32)> {
    let b = from.dot(to);
    let h = b * b - from.dot(from) + BOUND * BOUND;
    if h < 0.0 {
        return None;
    }
    let h = h.sqrt();
    (h - b > 0.0).then_some(((-b - h).max(0.0), h - b))
}

//! Binomial odds and confidence intervals. `libm` and not `std`, so that every platform prints the same digits.

/// `P(X = 0), ..., P(X = cap - 1), P(X >= cap)` of `n` independent events of probability `p` each.
pub(crate) fn binomial(n: u32, p: f64, cap: u32) -> Vec<f64> {
    let mut mass = Vec::new();
    if p >= 1.0 {
        mass.resize(n.min(cap) as usize, 0.0);
        mass.push(1.0);
        return mass;
    }
    let mut term = libm::pow(1.0 - p, f64::from(n));
    let mut below = 0.0;
    for k in 0..cap.min(n) {
        mass.push(term);
        below += term;
        term *= f64::from(n - k) / f64::from(k + 1) * p / (1.0 - p);
    }
    // The term of n itself is exact; a tail of many terms is what is left.
    mass.push(if n <= cap {
        term
    } else {
        f64::max(1.0 - below, 0.0)
    });
    mass
}

/// Ways to choose `k` of `n`.
pub(crate) fn choose(n: u32, k: u32) -> f64 {
    (0..k).fold(1.0, |ways, i| ways * f64::from(n - i) / f64::from(i + 1))
}

/// Wilson score interval of `hits` in `trials`, `z` standard deviations wide on each side.
pub(crate) fn interval(hits: u32, trials: u32, z: f64) -> (f64, f64) {
    let n = f64::from(trials);
    let mean = f64::from(hits) / n;
    let centre = mean + z * z / (2.0 * n);
    let half = z * (mean * (1.0 - mean) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (
        f64::max((centre - half) / scale, 0.0),
        f64::min((centre + half) / scale, 1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::{binomial, choose, interval};

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn masses_are_those_of_the_textbook() {
        let mass = binomial(3, 0.25, 3);
        let want = [27.0 / 64.0, 27.0 / 64.0, 9.0 / 64.0, 1.0 / 64.0];
        assert!(
            mass.iter().zip(want).all(|(got, want)| near(*got, want)),
            "{mass:?}"
        );
        assert!(near(choose(5, 2), 10.0) && near(choose(5, 0), 1.0) && near(choose(2, 3), 0.0));
    }

    #[test]
    fn capped_masses_keep_the_whole() {
        for (n, p, cap) in [
            (100, 0.03, 4),
            (2, 0.5, 4),
            (0, 0.5, 2),
            (5, 1.0, 3),
            (5, 0.0, 3),
        ] {
            let mass = binomial(n, p, cap);
            assert!(near(mass.iter().sum(), 1.0), "{n} {p} {cap}: {mass:?}");
        }
    }

    #[test]
    fn wilson_interval_covers_the_mean() {
        let (low, high) = interval(500, 1000, 1.96);
        assert!(
            near(low + high, 1.0) && (high - low - 0.0619).abs() < 1e-3,
            "{low} {high}"
        );
    }
}

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

/// `P(X >= least)` of `n` independent events of probability `p` each.
pub(crate) fn at_least(least: u32, n: u32, p: f64) -> f64 {
    binomial(n, p, n).into_iter().skip(least as usize).sum()
}

/// Probability that at least one of `times` independent tries succeeds.
pub(crate) fn once_in(times: u32, p: f64) -> f64 {
    1.0 - libm::pow(1.0 - p, f64::from(times))
}

/// A frequency that was counted, with its Wilson interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) hits: u32,
    pub(crate) trials: u32,
}

impl Counted {
    /// Share of the trials that hit.
    pub(crate) fn mean(self) -> f64 {
        f64::from(self.hits) / f64::from(self.trials)
    }

    /// Wilson score interval of `z` standard deviations (1.96: 95 %).
    pub(crate) fn interval(self, z: f64) -> (f64, f64) {
        let n = f64::from(self.trials);
        let mean = self.mean();
        let centre = mean + z * z / (2.0 * n);
        let half = z * (mean * (1.0 - mean) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z * z / n;
        (
            f64::max((centre - half) / scale, 0.0),
            f64::min((centre + half) / scale, 1.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, at_least, binomial, once_in};

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn masses_are_those_of_the_textbook() {
        let mass = binomial(3, 0.25, 3);
        for (got, want) in mass
            .iter()
            .zip([27.0 / 64.0, 27.0 / 64.0, 9.0 / 64.0, 1.0 / 64.0])
        {
            assert!(near(*got, want), "{mass:?}");
        }
        assert!(near(at_least(2, 3, 0.25), 10.0 / 64.0));
        assert!(near(once_in(2, 0.25), 7.0 / 16.0));
    }

    #[test]
    fn capping_keeps_the_whole() {
        for (n, p, cap) in [
            (100, 0.03, 4),
            (2, 0.5, 4),
            (0, 0.5, 2),
            (5, 1.0, 3),
            (5, 0.0, 3),
            (3, 1.0, 3),
            (2, 1.0, 5),
        ] {
            let mass = binomial(n, p, cap);
            assert!(near(mass.iter().sum(), 1.0), "{n} {p} {cap}: {mass:?}");
            assert_eq!(mass.len() as u32, n.min(cap) + 1);
        }
    }

    #[test]
    fn wilson_is_within_bounds_and_covers_the_mean() {
        let none = Counted {
            hits: 0,
            trials: 1000,
        }
        .interval(1.96);
        assert!(
            none.0 == 0.0 && none.1 > 0.003 && none.1 < 0.005,
            "{none:?}"
        );
        let half = Counted {
            hits: 500,
            trials: 1000,
        }
        .interval(1.96);
        assert!(
            near(half.0 + half.1, 1.0) && (half.1 - half.0 - 0.0619).abs() < 1e-3,
            "{half:?}"
        );
    }
}

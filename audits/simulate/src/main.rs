//! What deters a cheat: collusion, juries and redundancy with the rules of `piecework-protocol`, and what each role of the
//! market can earn and lose. Writes the pictures and tables of `audits/simulation` and the tables of
//! `audits/economics.md`, always the same.

mod audit;
mod draw;
mod figures;
mod money;
mod odds;
mod plot;
mod text;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, anyhow, bail};

fn main() -> anyhow::Result<()> {
    let check = match env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            bail!("{other} is unknown: --check writes nothing and fails if a file is out of date")
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, text) in files(&root)? {
        if !check {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        } else if !is_current(&path, &text) {
            bail!("{} is out of date: run `make simulate`", path.display());
        }
    }
    Ok(())
}

/// The files and what they hold.
fn files(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let out = root.join("audits/simulation");
    let charts = figures::charts()?;
    let mut files = vec![filled(out.join("README.md"), &figures::tables()?)?];
    let gas = money::Gas::read(root)?;
    let economics = root.join("audits/economics.md");
    files.push(filled(economics, &money::tables(&gas)?)?);
    let points: String = charts.iter().map(plot::Chart::csv).collect();
    files.push((
        out.join("figures.csv"),
        format!("picture,line,x,y\n{points}"),
    ));
    for chart in &charts {
        let svg = chart
            .svg()
            .map_err(|error| anyhow!("cannot draw {}: {error}", chart.file))?;
        files.push((out.join(format!("{}.svg", chart.file)), svg));
    }
    Ok(files)
}

/// The file with the text of `blocks` in place of what stands between their marks.
fn filled(path: PathBuf, blocks: &[(&str, String)]) -> anyhow::Result<(PathBuf, String)> {
    let old =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let new = text::fill(&old, blocks).with_context(|| path.display().to_string())?;
    Ok((path, new))
}

fn is_current(path: &Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|found| found == text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::{Path, PathBuf};
    use std::str::FromStr;

    use super::draw::{Draw, Market};
    use super::figures::{
        BOND, ENOUGH, LARGEST, Q, SDK_K, SMALLEST, deterrence, effective_ks, framed, least_bond,
        leaves, seat_chance,
    };
    use super::money::{JURY_FEE, REDUNDANT_LEASE};
    use super::text::{one, percent, two};
    use super::{files, is_current};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn committed_files_are_what_the_code_computes() {
        let stale: Vec<PathBuf> = files(&root())
            .unwrap()
            .into_iter()
            .filter(|(path, text)| !is_current(path, text))
            .map(|(path, _)| path)
            .collect();
        assert!(stale.is_empty(), "run `make simulate`: {stale:?}");
    }

    /// The constant `name` of a file of the SDK.
    fn sdk<T: FromStr>(file: &str, name: &str) -> T {
        let text = fs::read_to_string(root().join("sdk/src/market").join(file)).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains(&format!("const {name}:")));
        let value = line.unwrap().split_once("= ").unwrap().1;
        value.replace(['_', ';'], "").parse().ok().unwrap()
    }

    #[test]
    fn sdk_has_the_constants_that_are_studied() {
        let same = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        for ((_, k), name) in SDK_K
            .into_iter()
            .zip(["CONVICTED_AT_10", "CONVICTED_AT_20"])
        {
            same(sdk("deterrence.rs", name), k);
        }
        same(sdk("deterrence.rs", "ENOUGH"), ENOUGH);
        same(
            sdk::<f64>("assurance.rs", "DEFAULT_AUDIT_BPS") / 10_000.0,
            Q,
        );
        same(sdk("job.rs", "JURY_FEES"), LARGEST);
        same(sdk("job.rs", "AUDITED_BOND"), BOND);
        assert_eq!(sdk::<u128>("job.rs", "JURY_FEE"), JURY_FEE);
        assert_eq!(sdk::<u32>("job.rs", "REDUNDANT_LEASE"), REDUNDANT_LEASE);
    }

    /// The SDK's k is that of a coalition which is first at every step.
    #[test]
    fn sdk_k_is_that_of_the_quickest_coalition() {
        for (share, k) in SDK_K {
            let (first, even) = effective_ks(share).unwrap();
            assert!((first - k).abs() < 0.01, "{share}: {first}");
            assert!(even > k + 0.05, "{share}: {even}");
        }
    }

    /// Figures in the text outside the tables.
    #[test]
    fn prose_quotes_what_the_code_computes() {
        let draw = |share| Draw::jury(Market::with(share), true);
        let of = |share, lease| two(deterrence(&draw(share), Q, (lease, BOND)).unwrap());
        let (ten, twenty) = (of(0.10, LARGEST), of(0.20, LARGEST));
        let (small_ten, small_twenty) = (of(0.10, SMALLEST), of(0.20, SMALLEST));
        let [k_ten, k_twenty] = [0.10, 0.20].map(|share| effective_ks(share).unwrap());
        let bond = one(least_bond(0.20, LARGEST, ENOUGH).unwrap());
        let framed = |share| framed(&Draw::jury(Market::with(share), false)).unwrap();
        let cost = |share| percent(Q * (1.0 + BOND) * framed(share).convicted);
        let left = |share| two(deterrence(&leaves(share), Q, (LARGEST, BOND)).unwrap());
        let seat = |share| (100.0 * seat_chance(share)).round();
        let readme = [
            format!("**{} and {}**", two(k_ten.0), two(k_twenty.0)),
            format!(
                "nobody is quicker: {} and {}",
                two(k_ten.1),
                two(k_twenty.1)
            ),
            format!("**{ten} and {twenty}** (largest lease), {small_ten} and {small_twenty}"),
            format!("**{bond} x price**"),
            format!("in {} to {} of 100 cases", seat(0.20), seat(0.05)),
        ];
        let economics = [
            format!("leaves {} and {}", two(k_ten.0), two(k_twenty.0)),
            format!("{ten} times at 10 % and {twenty} times at 20 %"),
            format!("unless the bond is {bond} p"),
            format!(
                "{} of their price on average; at 20 % it is {}",
                cost(0.10),
                cost(0.20)
            ),
            format!(
                "from {ten} to {}, at 20 % from {twenty} to {}",
                left(0.10),
                left(0.20)
            ),
        ];
        for (file, quotes) in [
            ("simulation/README.md", readme),
            ("economics.md", economics),
        ] {
            let text = fs::read_to_string(root().join("audits").join(file)).unwrap();
            for quote in quotes {
                assert!(text.contains(&quote), "{file} does not say: {quote}");
            }
        }
    }
}

//! How likely a wrong result is accepted, against the share of all stake that a colluding group holds: exact and by Monte
//! Carlo, for every level of assurance. Writes the figures, the plot and the tables of `audits/simulation`, always the same.

mod draw;
mod lease;
mod odds;
mod plot;
mod study;
mod table;

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, anyhow, bail};
use clap::Parser;

/// What stands between these lines of the README is written by the program.
const BEGIN: &str = "<!-- Written by `make simulate`: -->\n";
const END: &str = "<!-- Up to here. -->\n";

/// Simulates collusion and writes collusion.svg, collusion.csv and the tables of README.md.
#[derive(Parser)]
struct Arguments {
    /// Write nothing; fail if a file is not what would be written
    #[arg(long)]
    check: bool,
    /// Where the files are
    #[arg(long, default_value = "audits/simulation")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for (path, text) in files(&arguments.out, &study::rows())? {
        if arguments.check {
            check(&path, &text)?;
        } else {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// The files and what they hold.
fn files(out: &Path, rows: &[study::Row]) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let readme = out.join("README.md");
    let old =
        fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let (before, rest) = old
        .split_once(BEGIN)
        .context("the README has no place for the tables")?;
    let (_, after) = rest
        .split_once(END)
        .context("the README's tables have no end")?;
    let new = format!("{before}{BEGIN}\n{}\n{END}{after}", table::markdown(rows));
    let svg = plot::svg(rows).map_err(|error| anyhow!(error).context("cannot draw the plot"))?;
    Ok(vec![
        (readme, new),
        (out.join("collusion.csv"), table::csv(rows)),
        (out.join("collusion.svg"), svg),
    ])
}

fn check(path: &Path, text: &str) -> anyhow::Result<()> {
    match fs::read_to_string(path) {
        Ok(found) if found == text => Ok(()),
        Ok(_) => bail!("{} is out of date: run `make simulate`", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{} is missing: run `make simulate`", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use super::{check, files, study};

    /// Computed once for all tests.
    pub(crate) static ROWS: LazyLock<Vec<study::Row>> = LazyLock::new(study::rows);

    #[test]
    fn committed_files_are_what_the_study_gives() -> anyhow::Result<()> {
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation");
        for (path, text) in files(&out, &ROWS)? {
            check(&path, &text)?;
        }
        Ok(())
    }
}

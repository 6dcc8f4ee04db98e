//! What was measured: as a table, as a file, and as a page with charts.
//!
//! - `table`: what `run` prints at its end.
//! - `record`: the JSON file that `run` writes; `recorded`: what is read of such files.
//! - `charts`: which charts there are; `drawing`: how one looks; `palette`: the colour of each engine.
//! - `page`: the HTML page that `report` writes; `results`: the same as tables in Markdown.

mod charts;
mod drawing;
mod page;
mod palette;
mod record;
mod recorded;
mod results;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

pub use record::record;
pub use table::print;

use crate::engines::Engine;
use crate::run::Measured;
use crate::workloads::Metric;

/// Writes the page and the charts beside it; returns where the page is.
pub fn report(files: &[PathBuf], folder: Option<PathBuf>) -> Result<PathBuf> {
    let files = match files {
        [] => recorded::files_in(&default_folder()?)?,
        named => named.to_vec(),
    };
    let recorded = recorded::read(&files)?;
    if recorded.is_empty() {
        bail!("nothing is recorded; `run` does that");
    }
    let folder = match folder {
        Some(folder) => folder,
        None => default_folder()?.join("report"),
    };
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let charts = charts::headlines(&recorded)?;
    for chart in &charts {
        write(&folder.join(format!("{}.svg", chart.name)), &chart.svg)?;
    }
    let page = folder.join("report.html");
    write(&page, &page::page(&recorded, &charts)?)?;
    write(&folder.join("results.md"), &results::page(&recorded))?;
    Ok(page)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// `bench/` in the target directory, where this program is in `release/`.
fn default_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("no target directory")?;
    Ok(target.join("bench"))
}

/// Every engine, metric and case for which there are numbers.
fn lines(results: &[Measured]) -> impl Iterator<Item = (&Measured, &Metric, Engine, Vec<f64>)> {
    results.iter().flat_map(|result| {
        let metrics = result.case.metrics.iter();
        metrics.flat_map(move |metric| {
            Engine::ALL.iter().filter_map(move |&engine| {
                let numbers = result.numbers(engine, metric);
                (!numbers.is_empty()).then_some((result, metric, engine, numbers))
            })
        })
    })
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => thousands(value.round() as i64),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size == 0.0 || size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

/// `1,000`: as the names of cases have it, too.
pub fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 {
        text.insert(0, '-');
    }
    text
}

/// The least and the most of all rounds.
fn spread(numbers: &[f64]) -> Option<(f64, f64)> {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (numbers.len() > 1).then_some((least, most))
}

/// The same in words; nothing for a single round.
fn range(numbers: &[f64]) -> String {
    spread(numbers).map_or_else(String::new, |(least, most)| {
        format!("{} .. {}", number(least), number(most))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_mean_something() {
        let texts = [0.0, 0.0012, 0.25, 2.5, 25.0, 250.4, 1_234_567.0, -12_000.0].map(number);
        let expected = [
            "0.000",
            "0.00120",
            "0.250",
            "2.50",
            "25.0",
            "250",
            "1,234,567",
            "-12,000",
        ];
        assert_eq!(texts, expected);
    }
}

//! The file that a run leaves behind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{default_folder, lines};
use crate::engines::Engine;
use crate::run::{Failure, Measured, Plan, Results};
use crate::stats::median;
use crate::system::Machine;
use crate::verdict::{judge, Verdict};
use crate::workloads::{Metric, CURVE};

#[derive(Serialize)]
struct Record<'a> {
    machine: Machine,
    quick: bool,
    rounds: usize,
    /// Of workloads that had a number of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rounds_of: &'a BTreeMap<&'static str, usize>,
    /// Engines that could not run, and why.
    absent: &'a BTreeMap<Engine, String>,
    failures: &'a [Failure],
    results: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    workload: &'a str,
    case: &'a str,
    engine: Engine,
    metric: &'a str,
    unit: &'a str,
    median: f64,
    ratio_to_mio: Option<f64>,
    ratio_to_wakeful: Option<f64>,
    goal: Option<String>,
    verdict: Option<Verdict>,
    rounds: Vec<f64>,
    /// Of the traced run, between the marks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    calls: BTreeMap<&'a str, f64>,
    /// Medians of all rounds, by the share of operations that took no longer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    curve: BTreeMap<&'a str, f64>,
}

/// Writes the file, named by the date, beside what is there; returns where it is.
pub fn record(plan: &Plan, results: &Results, folder: Option<PathBuf>) -> Result<PathBuf> {
    let machine = Machine::here();
    let folder = folder.map_or_else(default_folder, Ok)?;
    let name = machine.date.replace(':', "");
    let record = Record {
        machine,
        quick: plan.quick,
        rounds: plan.rounds.of_all,
        rounds_of: &plan.rounds.of,
        absent: &results.absent,
        failures: &results.failures,
        results: lines(&results.measured).map(entry).collect(),
    };
    let text = serde_json::to_string_pretty(&record)? + "\n";
    fs::create_dir_all(&folder)
        .and_then(|()| write_new(&folder, &name, &text))
        .with_context(|| format!("writing {name}.json in {}", folder.display()))
}

/// Never writes over a file: what has ended within one second has names that are numbered.
fn write_new(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let numbered = (2..).map(|number| format!("{name}-{number}.json"));
    for file in iter::once(format!("{name}.json")).chain(numbered) {
        let path = folder.join(file);
        match File::create_new(&path) {
            Ok(mut file) => return file.write_all(text.as_bytes()).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("there are numbers enough")
}

fn entry<'a>(
    (result, metric, engine, rounds): (&'a Measured, &'a Metric, Engine, Vec<f64>),
) -> Entry<'a> {
    let judged = judge(result, engine, metric);
    Entry {
        workload: result.workload,
        case: &result.case.name,
        engine,
        metric: metric.key,
        unit: metric.unit,
        median: median(&rounds),
        ratio_to_mio: result.ratio_to_mio(engine, metric),
        ratio_to_wakeful: result.ratio(engine, metric, Engine::Wakeful),
        verdict: judged.as_ref().map(|judged| judged.verdict),
        goal: judged.map(|judged| judged.goal),
        rounds,
        calls: calls(result, engine, metric),
        curve: curve(result, engine, metric),
    }
}

/// System calls per operation, by name.
fn calls<'a>(result: &'a Measured, engine: Engine, metric: &Metric) -> BTreeMap<&'a str, f64> {
    let counted = result.calls.get(&engine);
    let counted = counted.filter(|_| metric.key == crate::workloads::SYSCALLS);
    let each = counted.into_iter().flat_map(|(calls, operations)| {
        let each = calls.iter();
        each.map(move |(name, number)| (name.as_str(), *number as f64 / operations))
    });
    each.collect()
}

/// The distribution that a program told, recorded once: with the median.
fn curve<'a>(result: &'a Measured, engine: Engine, metric: &Metric) -> BTreeMap<&'a str, f64> {
    let rounds = result.values.get(&engine).filter(|_| metric.key == "p50");
    let rounds = rounds.map_or(&[][..], Vec::as_slice);
    let keys = rounds.iter().flat_map(|values| values.keys());
    keys.filter_map(|key| Some((key, key.strip_prefix(CURVE)?)))
        .map(|(key, share)| {
            let numbers: Vec<f64> = rounds.iter().filter_map(|v| v.get(key).copied()).collect();
            (share, median(&numbers))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_records_of_one_second_are_both_kept() {
        let folder = std::env::temp_dir().join(format!("bench-records-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();

        let paths = ["one", "two", "three"].map(|text| write_new(&folder, "now", text).unwrap());

        let names = ["now.json", "now-2.json", "now-3.json"].map(|name| folder.join(name));
        assert_eq!(paths, names);
        let texts = paths.map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(texts, ["one", "two", "three"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}

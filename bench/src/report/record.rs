//! The file that a run leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

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

/// Writes the file, named by the date; returns where it is.
pub fn record(plan: &Plan, results: &Results, folder: Option<PathBuf>) -> Result<PathBuf> {
    let machine = Machine::here();
    let folder = folder.map_or_else(default_folder, Ok)?;
    let path = folder.join(format!("{}.json", machine.date.replace(':', "")));
    let record = Record {
        machine,
        quick: plan.quick,
        rounds: plan.rounds.of_all,
        rounds_of: &plan.rounds.of,
        absent: &results.absent,
        failures: &results.failures,
        results: lines(&results.measured).map(entry).collect(),
    };
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, serde_json::to_string_pretty(&record)? + "\n"))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
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

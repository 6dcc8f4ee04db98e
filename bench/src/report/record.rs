//! The file that a run leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{default_folder, goal, lines};
use crate::engines::Engine;
use crate::run::{Measured, Plan};
use crate::stats::median;
use crate::system::Machine;
use crate::workloads::{Metric, CURVE};

#[derive(Serialize)]
struct Record<'a> {
    machine: Machine,
    quick: bool,
    rounds: usize,
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
    is_goal_met: Option<bool>,
    rounds: Vec<f64>,
    /// Of the traced run, between the marks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    calls: BTreeMap<&'a str, f64>,
    /// Medians of all rounds, by the share of operations that took no longer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    curve: BTreeMap<&'a str, f64>,
}

/// Writes the file, named by the date; returns where it is.
pub fn record(plan: &Plan, results: &[Measured], folder: Option<PathBuf>) -> Result<PathBuf> {
    let machine = Machine::here();
    let folder = folder.map_or_else(default_folder, Ok)?;
    let path = folder.join(format!("{}.json", machine.date.replace(':', "")));
    let record = Record {
        machine,
        quick: plan.quick,
        rounds: plan.rounds,
        results: lines(results)
            .map(|(result, metric, engine, numbers)| Entry {
                workload: result.workload,
                case: &result.case.name,
                engine,
                metric: metric.key,
                unit: metric.unit,
                median: median(&numbers),
                ratio_to_mio: result.ratio_to_mio(engine, metric),
                ratio_to_wakeful: result.ratio(engine, metric, Engine::Wakeful),
                goal: goal(result, engine, metric),
                is_goal_met: result.is_met(engine, metric),
                rounds: numbers,
                calls: calls(result, engine, metric),
                curve: curve(result, engine, metric),
            })
            .collect(),
    };
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, serde_json::to_string_pretty(&record)? + "\n"))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
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

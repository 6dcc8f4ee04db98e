//! What was measured, as a table and as a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

use crate::engines::Engine;
use crate::run::{Measured, Plan};
use crate::stats::median;
use crate::system::Machine;
use crate::workloads::{Goal, Metric};

/// The table: a row for each engine, metric and case. Markdown, so that it can be shown as it is.
pub fn print(results: &[Measured]) {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "workload", "metric", "engine", "median", "spread", "to mio", "goal",
    ]);
    for column in 3..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (result, metric, engine, numbers) in lines(results) {
        let ratio = result.ratio_to_mio(engine, metric);
        table.add_row([
            format!("{} {}", result.workload, result.case.name),
            name_of(metric),
            engine.name().to_owned(),
            number(median(&numbers)),
            spread(&numbers),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            verdict(result, engine, metric),
        ]);
    }
    println!("{table}");
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

fn name_of(metric: &Metric) -> String {
    match metric.key {
        "register" | "reregister" | "deregister" => format!("{}, {}", metric.key, metric.unit),
        _ => metric.unit.to_owned(),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size == 0.0 || size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

/// The least and the most of all rounds.
fn spread(numbers: &[f64]) -> String {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match numbers.len() {
        1 => String::new(),
        _ => format!("{} .. {}", number(least), number(most)),
    }
}

fn verdict(result: &Measured, engine: Engine, metric: &Metric) -> String {
    let (Some(is_met), Some(goal)) = (result.is_met(engine, metric), metric.goal) else {
        return String::new();
    };
    let goal = match goal {
        Goal::TimesMio(times, noise) if noise > 0.0 => {
            format!("<= {times} x mio (+{:.0} %)", noise * 100.0)
        }
        Goal::TimesMio(times, _) => format!("<= {times} x mio"),
        Goal::AtMost(most) => format!("<= {most}"),
        Goal::SpinTimesMio(times) => format!("<= {times} x mio"),
        Goal::TimesBest(times, peers) => {
            let ratio = result.ratio_to_best(engine, metric, peers);
            let names: Vec<_> = peers.iter().map(|peer| peer.name()).collect();
            let names = names.join(", ");
            format!("<= {times:.2} x {names} ({:.3})", ratio.unwrap_or(f64::NAN))
        }
    };
    format!("{} {goal}", if is_met { "met:" } else { "MISSED:" })
}

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
    is_goal_met: Option<bool>,
    rounds: Vec<f64>,
    /// Of the traced run, between the marks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    calls: BTreeMap<&'a str, f64>,
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
                is_goal_met: result.is_met(engine, metric),
                rounds: numbers,
                calls: calls(result, engine, metric),
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

/// `bench/` in the target directory, where this program is in `release/`.
fn default_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("no target directory")?;
    Ok(target.join("bench"))
}

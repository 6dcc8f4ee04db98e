//! The table at the end of a run: one for each case, a row for each metric and engine.
//!
//! Markdown, so that it can be shown as it is.

use comfy_table::{presets, CellAlignment, Table};

use super::{lines, number, range};
use crate::engines::Engine;
use crate::run::{Measured, Results};
use crate::stats::median;
use crate::verdict::{judge, Verdict};
use crate::workloads::Metric;

pub fn print(results: &Results) {
    for result in &results.measured {
        println!("### {} {}\n", result.workload, result.case.name);
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["metric", "engine", "median", "spread", "x wakeful", "goal"]);
        for column in 2..=4 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut last = None;
        for (_, metric, engine, numbers) in lines(std::slice::from_ref(result)) {
            // Named once: what stands below is of the same metric.
            let is_new = last.replace(metric.key) != Some(metric.key);
            let ratio = result.ratio(engine, metric, Engine::Wakeful);
            table.add_row([
                if is_new {
                    named(result, metric)
                } else {
                    String::new()
                },
                engine.name().to_owned(),
                number(median(&numbers)),
                range(&numbers),
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
                verdict(result, engine, metric),
            ]);
        }
        println!("{table}\n");
    }
    print_left_out(results);
}

/// Who is not in the tables, and why.
fn print_left_out(results: &Results) {
    if !results.absent.is_empty() {
        println!("### Not measured\n");
        for (engine, reason) in &results.absent {
            println!("- {}: {reason}", engine.name());
        }
        println!();
    }
    if !results.failures.is_empty() {
        println!("### FAILED\n");
        for failure in &results.failures {
            println!(
                "- {} {}, {}: {}",
                failure.workload,
                failure.case,
                failure.engine.name(),
                failure.error
            );
        }
        println!();
    }
}

/// The unit, and before it which metric that is if another has the same unit.
fn named(result: &Measured, metric: &Metric) -> String {
    let metrics = result.case.metrics.iter();
    match metrics.filter(|other| other.unit == metric.unit).count() {
        1 => metric.unit.to_owned(),
        _ => format!("{}, {}", metric.key, metric.unit),
    }
}

fn verdict(result: &Measured, engine: Engine, metric: &Metric) -> String {
    let Some(judged) = judge(result, engine, metric) else {
        return String::new();
    };
    let verdict = match judged.verdict {
        Verdict::Missed => "MISSED",
        other => other.name(),
    };
    format!("{verdict}: {}", judged.goal)
}

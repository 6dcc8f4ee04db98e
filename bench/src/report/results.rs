//! All that is recorded as one page of Markdown: a table for each workload with a column for each engine, and the goals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;

use comfy_table::{presets, CellAlignment, Table};

use super::recorded::{Case, Entry, Failure, Recorded, Run};
use super::{number, palette, range};
use crate::verdict::Verdict;

/// Of whom the cells of the others tell the ratio.
const OURS: &str = "wakeful";

pub fn page(recorded: &Recorded) -> String {
    let mut page = String::from(
        "# Results\n\nWritten by `cargo run --release -p bench -- report`; what it means is in [benchmarks.md](benchmarks.md). \
         Each cell is the median of all rounds, and behind it the ratio to wakeful: the median of the ratios of the rounds.\n",
    );
    page += &about(&recorded.runs);
    page += &left_out(&recorded.runs);
    page += "\n## Goals\n\n";
    page += &goals(recorded);
    for workload in recorded.workloads() {
        let cases: Vec<_> = recorded.of(workload).collect();
        let _ = write!(page, "\n## {workload}\n\n{}", medians(&cases));
    }
    page
}

/// Each machine once, with the runs on it.
fn about(runs: &[Run]) -> String {
    let mut on_machine: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in runs {
        let facts = run.machine.iter().filter(|(key, _)| *key != "date");
        let facts: Vec<_> = facts.map(|(key, value)| format!("{key} {value}")).collect();
        let date = run.machine.get("date").map_or("", String::as_str);
        let short = if run.quick { ", a quick one" } else { "" };
        let run = format!("{date} ({}{short})", run.rounds());
        on_machine.entry(facts.join(", ")).or_default().push(run);
    }
    let mut text = String::new();
    for (facts, runs) in on_machine {
        let _ = write!(text, "\nMachine: {facts}. Runs: {}.\n", runs.join(", "));
    }
    text
}

/// Who is missing from the tables, and why.
fn left_out(runs: &[Run]) -> String {
    let mut lines = BTreeSet::new();
    for run in runs {
        let absent = run.absent.iter();
        lines.extend(absent.map(|(engine, why)| format!("- Not measured: {engine}: {why}\n")));
        lines.extend(run.failures.iter().map(|failure| {
            let Failure {
                workload,
                case,
                engine,
                error,
            } = failure;
            format!("- **Failed**: {workload} {case}, {engine}: {error}\n")
        }));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n{}", String::from_iter(lines)),
    }
}

fn goals(recorded: &Recorded) -> String {
    let header = ["case", "what", "of", "median", "spread", "goal", "reached"];
    let mut table = markdown(header, 3..5);
    for (case, entry, verdict) in recorded.judged() {
        table.add_row([
            format!("{} {}", case.workload, case.name),
            case.label(entry),
            entry.engine.clone(),
            median(entry),
            range(&entry.numbers()),
            entry.goal.clone().unwrap_or_default(),
            match verdict {
                Verdict::Met => "yes".to_owned(),
                Verdict::WithinNoise => "within noise".to_owned(),
                Verdict::Missed => "**no**".to_owned(),
            },
        ]);
    }
    format!("{table}\n")
}

/// A row for each metric of each case, a column for each engine that any of them has.
fn medians(cases: &[&Case]) -> String {
    let names = cases
        .iter()
        .flat_map(|case| &case.entries)
        .map(|entry| &*entry.engine);
    let engines: BTreeSet<_> = names.map(|name| (palette::place(name), name)).collect();
    let header = ["case", "what"].into_iter();
    let names = engines.iter().map(|(_, name)| *name);
    let mut table = markdown(header.chain(names), 2..2 + engines.len());
    for case in cases {
        for (metric, _) in case.metrics() {
            let entries = case.of(metric);
            let Some(first) = entries.first() else {
                continue;
            };
            let of_engine = |name: &str| {
                let entry = entries.iter().find(|entry| entry.engine == name);
                entry.map_or_else(String::new, |entry| cell(entry))
            };
            let row = [case.name.clone(), case.label(first)].into_iter();
            table.add_row(row.chain(engines.iter().map(|(_, name)| of_engine(name))));
        }
    }
    format!("{table}\n")
}

fn cell(entry: &Entry) -> String {
    match entry.ratio_to_wakeful {
        Some(ratio) if entry.engine != OURS && ratio.is_finite() => {
            format!("{} ({ratio:.2})", median(entry))
        }
        _ => median(entry),
    }
}

fn median(entry: &Entry) -> String {
    entry.median.map_or_else(String::new, number)
}

/// A table whose columns of numbers are aligned to the right.
fn markdown<'a>(header: impl IntoIterator<Item = &'a str>, numbers: Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_columns_and_goals_have_a_verdict() {
        let entry = |engine: &str, median, ratio, goal: Option<&str>| Entry {
            workload: "echo".to_owned(),
            case: "1 conn".to_owned(),
            engine: engine.to_owned(),
            metric: "cpu".to_owned(),
            unit: "ns".to_owned(),
            median: Some(median),
            ratio_to_mio: None,
            ratio_to_wakeful: Some(ratio),
            goal: goal.map(str::to_owned),
            verdict: goal.map(|_| Verdict::Missed),
            is_goal_met: None,
            rounds: vec![Some(median)],
            curve: Default::default(),
        };
        let case = Case {
            workload: "echo".to_owned(),
            name: "1 conn".to_owned(),
            run: 0,
            entries: vec![
                entry("mio", 300.0, 1.5, None),
                entry("wakeful", 200.0, 1.0, Some("<= 1 x mio")),
            ],
        };
        let page = page(&Recorded {
            runs: vec![Run {
                machine: BTreeMap::new(),
                quick: false,
                rounds: 3,
                rounds_of: BTreeMap::new(),
                absent: [("libev".to_owned(), "not installed".to_owned())].into(),
                failures: Vec::new(),
            }],
            cases: vec![case],
        });
        let row = |text: &str| {
            page.lines()
                .any(|line| text.split(' ').all(|word| line.contains(word)))
        };
        assert!(row("| case what wakeful mio"), "{page}");
        assert!(row("| conn ns 200 300 (1.50)"), "{page}");
        assert!(row("echo <= mio **no**"), "{page}");
        assert!(row("Not measured: libev: not installed"), "{page}");
    }
}

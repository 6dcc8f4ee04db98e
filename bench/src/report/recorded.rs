//! What earlier runs have recorded, put together: of each case the newest.
//!
//! A case comes from one run as a whole, so what stands side by side was measured side by side. A run with `--quick`
//! counts only where there is no other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::palette;
use crate::verdict::Verdict;
use crate::workloads::WORKLOADS;

#[derive(Deserialize)]
struct File {
    machine: BTreeMap<String, Value>,
    quick: bool,
    rounds: usize,
    #[serde(default)]
    rounds_of: BTreeMap<String, usize>,
    #[serde(default)]
    absent: BTreeMap<String, String>,
    #[serde(default)]
    failures: Vec<Failure>,
    results: Vec<Entry>,
}

/// A measurement that failed.
#[derive(Clone, Deserialize)]
pub struct Failure {
    pub workload: String,
    pub case: String,
    pub engine: String,
    pub error: String,
}

/// One metric of one engine in one case.
#[derive(Clone, Deserialize)]
pub struct Entry {
    pub workload: String,
    pub case: String,
    pub engine: String,
    pub metric: String,
    pub unit: String,
    /// Nothing where it is no number.
    pub median: Option<f64>,
    #[serde(default)]
    pub ratio_to_mio: Option<f64>,
    #[serde(default)]
    pub ratio_to_wakeful: Option<f64>,
    #[serde(default)]
    pub goal: Option<String>,
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// What older files have in its place.
    #[serde(default)]
    pub is_goal_met: Option<bool>,
    pub rounds: Vec<Option<f64>>,
    #[serde(default)]
    pub curve: BTreeMap<String, f64>,
}

impl Entry {
    pub fn numbers(&self) -> Vec<f64> {
        self.rounds.iter().flatten().copied().collect()
    }

    /// `None` for what is not judged.
    pub fn verdict(&self) -> Option<Verdict> {
        let older = self.is_goal_met.map(|is_met| match is_met {
            true => Verdict::Met,
            false => Verdict::Missed,
        });
        self.verdict.or(older)
    }
}

/// Where, when and with what a run took place.
pub struct Run {
    pub machine: BTreeMap<String, String>,
    pub quick: bool,
    pub rounds: usize,
    pub rounds_of: BTreeMap<String, usize>,
    /// Engines that could not run, and why.
    pub absent: BTreeMap<String, String>,
    pub failures: Vec<Failure>,
}

impl Run {
    /// `3 rounds, 9 of wake`
    pub fn rounds(&self) -> String {
        let others = self.rounds_of.iter();
        let others: String = others
            .map(|(workload, number)| format!(", {number} of {workload}"))
            .collect();
        format!("{} rounds{others}", self.rounds)
    }
}

/// A case, and the run that it is from.
pub struct Case {
    pub workload: String,
    pub name: String,
    /// Its place in the list of runs.
    pub run: usize,
    pub entries: Vec<Entry>,
}

impl Case {
    /// What was measured of one metric, in the order of the palette.
    pub fn of(&self, metric: &str) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.iter().filter(|e| e.metric == metric).collect();
        entries.sort_by_key(|entry| palette::place(&entry.engine));
        entries
    }

    /// The unit of a metric, and before it which metric that is if another has the same unit.
    pub fn label(&self, entry: &Entry) -> String {
        let mut others = self.entries.iter().filter(|other| other.unit == entry.unit);
        match others.any(|other| other.metric != entry.metric) {
            false => entry.unit.clone(),
            true => format!("{}, {}", entry.metric, entry.unit),
        }
    }

    /// The metrics with their units, in the order in which they were recorded.
    pub fn metrics(&self) -> Vec<(&str, &str)> {
        let mut seen = BTreeSet::new();
        let named = self.entries.iter().map(|e| (&*e.metric, &*e.unit));
        named.filter(|&(metric, _)| seen.insert(metric)).collect()
    }
}

pub struct Recorded {
    /// Those that some case is from, newest first.
    pub runs: Vec<Run>,
    /// In the order of workloads; those of one workload as the newest run has them.
    pub cases: Vec<Case>,
}

impl Recorded {
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    pub fn of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Case> {
        self.cases
            .iter()
            .filter(move |case| case.workload == workload)
    }

    /// What has a goal, and what was decided.
    pub fn judged(&self) -> impl Iterator<Item = (&Case, &Entry, Verdict)> {
        let cases = self.cases.iter();
        let entries = cases.flat_map(|case| case.entries.iter().map(move |entry| (case, entry)));
        entries.filter_map(|(case, entry)| Some((case, entry, entry.verdict()?)))
    }

    pub fn workloads(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let names = self.cases.iter().map(|case| &*case.workload);
        names.filter(|name| seen.insert(*name)).collect()
    }
}

/// The JSON files of a folder, which may not be there yet.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let reading = || format!("reading {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    Ok(files)
}

pub fn read(paths: &[PathBuf]) -> Result<Recorded> {
    let mut files = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let file: File = serde_json::from_str(&text)
            .with_context(|| format!("{} is not of this bench", path.display()))?;
        files.push(file);
    }
    Ok(merge(files))
}

fn merge(mut files: Vec<File>) -> Recorded {
    // Dates as they are recorded sort as text.
    files.sort_by_key(|file| (file.quick, Reverse(date(file))));
    let mut recorded = Recorded {
        runs: Vec::new(),
        cases: Vec::new(),
    };
    let mut places = BTreeMap::new();
    for file in files {
        let run = recorded.runs.len();
        for entry in file.results {
            let key = (entry.workload.clone(), entry.case.clone());
            let place = *places.entry(key).or_insert_with(|| {
                recorded.cases.push(Case {
                    workload: entry.workload.clone(),
                    name: entry.case.clone(),
                    run,
                    entries: Vec::new(),
                });
                recorded.cases.len() - 1
            });
            if recorded.cases[place].run == run {
                recorded.cases[place].entries.push(entry);
            }
        }
        if recorded.cases.iter().any(|case| case.run == run) {
            recorded.runs.push(Run {
                machine: file
                    .machine
                    .into_iter()
                    .map(|(key, value)| (key, fact(text(value))))
                    .collect(),
                quick: file.quick,
                rounds: file.rounds,
                rounds_of: file.rounds_of,
                absent: file.absent,
                failures: file.failures,
            });
        }
    }
    // As the bench lists them, whichever run they are from.
    let place = |case: &Case| {
        WORKLOADS
            .iter()
            .position(|workload| workload.name == case.workload)
    };
    recorded
        .cases
        .sort_by_key(|case| place(case).unwrap_or(usize::MAX));
    recorded
}

fn date(file: &File) -> String {
    file.machine
        .get("date")
        .map(|date| text(date.clone()))
        .unwrap_or_default()
}

/// Without the name of what it is the version of, which older files repeat.
fn fact(text: String) -> String {
    match text.strip_prefix("rustc ") {
        Some(version) => version.to_owned(),
        None => text,
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Object(map) => {
            let parts = map
                .into_iter()
                .map(|(key, value)| format!("{key} {}", text(value)));
            parts.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(date: &str, quick: bool, case: &str, median: f64) -> File {
        serde_json::from_value(json!({
            "machine": { "date": date }, "quick": quick, "rounds": 1,
            "results": [{ "workload": "echo", "case": case, "engine": "mio", "metric": "cpu", "unit": "ns",
                "median": median, "is_goal_met": null, "rounds": [median] }],
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_of_each_case_is_taken_and_quick_runs_last() {
        let recorded = merge(vec![
            file("2026-01-01", false, "1 conn", 1.0),
            file("2026-01-02", false, "1 conn", 2.0),
            file("2026-01-03", true, "1 conn", 3.0),
            file("2026-01-01", true, "64 conn", 4.0),
        ]);
        let medians: Vec<_> = recorded
            .cases
            .iter()
            .map(|case| case.entries[0].median)
            .collect();
        assert_eq!(medians, [Some(2.0), Some(4.0)]);
        assert_eq!(recorded.runs.len(), 2);
    }

    #[test]
    fn a_run_tells_who_was_absent_and_what_failed() {
        let file: File = serde_json::from_value(json!({
            "machine": { "date": "2026-01-01", "rustc": "rustc 1.95.0", "dirty": true },
            "quick": false, "rounds": 3, "rounds_of": { "wake": 9 },
            "absent": { "libev": "not installed" },
            "failures": [{ "workload": "echo", "case": "1 conn", "engine": "mio", "error": "lost" }],
            "results": [{ "workload": "echo", "case": "1 conn", "engine": "wakeful", "metric": "cpu", "unit": "ns",
                "median": 1.0, "verdict": "within-noise", "rounds": [1.0] }],
        }))
        .unwrap();
        let recorded = merge(vec![file]);
        let run = &recorded.runs[0];
        assert_eq!(run.machine["rustc"], "1.95.0");
        assert_eq!(run.machine["dirty"], "true");
        assert_eq!(run.rounds(), "3 rounds, 9 of wake");
        assert_eq!(run.absent["libev"], "not installed");
        assert_eq!(run.failures[0].error, "lost");
        let verdicts: Vec<_> = recorded.judged().map(|(.., verdict)| verdict).collect();
        assert_eq!(verdicts, [Verdict::WithinNoise]);
    }

    #[test]
    fn older_files_say_only_whether_a_goal_is_met() {
        let entry: Entry = serde_json::from_value(json!({
            "workload": "echo", "case": "1 conn", "engine": "wakeful", "metric": "cpu", "unit": "ns",
            "median": 1.0, "is_goal_met": false, "rounds": [1.0],
        }))
        .unwrap();
        assert_eq!(entry.verdict(), Some(Verdict::Missed));
    }
}

//! Which charts there are: those that README and the documentation show, and those of a single case.
//!
//! Cases that differ only in a count, such as the number of connections, make one chart of lines over that count.

use std::collections::BTreeMap;

use anyhow::Result;

use super::drawing::{self, Axis, Bar, Line, Row};
use super::palette;
use super::recorded::{Case, Entry, Recorded};
use super::spread;

/// A picture, also written as a file of its own.
pub struct Chart {
    /// Of the file, without its ending.
    pub name: String,
    pub workload: String,
    pub svg: String,
}

/// What is counted in the names of cases: `64 conn`, `1,000 pairs`.
const COUNTED: &[(&str, &str)] = &[
    ("conn", "connections"),
    ("conns", "connections"),
    ("connections", "connections"),
    ("armed", "timers"),
    ("timers", "timers"),
    ("pairs", "socket pairs"),
    ("idle", "idle sources"),
    ("sources", "sources"),
];

/// The metrics of which a chart over counts is drawn: key, what it is called.
const SCALING: &[(&str, &str)] = &[
    ("cpu", "CPU"),
    ("time", "time"),
    ("insert and cancel", "insert and cancel"),
    ("expire", "expire"),
    ("bytes", "bytes"),
    ("memory", "memory"),
    ("event", "event"),
];

pub fn headlines(recorded: &Recorded) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    charts.extend(overview(recorded));
    for workload in recorded.workloads() {
        charts.extend(scaling(recorded, workload));
        charts.extend(recorded.of(workload).filter_map(latency));
        for case in recorded.of(workload) {
            if matches!(
                workload,
                "wake" | "rtt" | "churn" | "register" | "http" | "startup"
            ) {
                charts.extend(headline_bars(case));
            }
            charts.extend(throughput_bars(case));
        }
    }
    Ok(charts)
}

/// What an operation costs, of every case: CPU where it was measured, else time.
fn overview(recorded: &Recorded) -> Option<Chart> {
    let mut rows = Vec::new();
    for case in &recorded.cases {
        let metric = ["cpu", "time", "insert and cancel"];
        let entries = metric
            .map(|metric| case.of(metric))
            .into_iter()
            .find(|e| !e.is_empty());
        let dots: Vec<_> = entries
            .iter()
            .flatten()
            .filter_map(|entry| Some((&*entry.engine, entry.ratio_to_wakeful?)))
            .filter(|(_, ratio)| ratio.is_finite() && *ratio > 0.0)
            .collect();
        if dots.len() > 1 {
            rows.push(Row {
                name: format!("{} {}", case.workload, case.name),
                dots,
            });
        }
    }
    (!rows.is_empty()).then(|| Chart {
        name: "overview".to_owned(),
        workload: "overview".to_owned(),
        svg: drawing::dots(
            "What an operation costs, in ratio to wakeful",
            "CPU time where it is measured, else time; right of 1 x is dearer than wakeful",
            &rows,
        ),
    })
}

/// The cases that differ by a count only: the rest of their name, what is counted, and they with their counts.
type Group<'a> = (String, &'a str, Vec<(f64, &'a Case)>);

/// Charts over a count.
fn scaling(recorded: &Recorded, workload: &str) -> Vec<Chart> {
    let mut charts = Vec::new();
    // The cases of a chart have the same name but for the count.
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in recorded.of(workload) {
        let Some((count, counted, rest)) = split(&case.name) else {
            continue;
        };
        let is_of = |group: &&mut Group<'_>| group.0 == rest && group.1 == counted;
        match groups.iter_mut().find(is_of) {
            Some((.., cases)) => cases.push((count, case)),
            None => groups.push((rest, counted, vec![(count, case)])),
        }
    }
    for (rest, counted, mut cases) in groups.into_iter().filter(|(.., cases)| cases.len() > 1) {
        cases.sort_by(|one, other| one.0.total_cmp(&other.0));
        let comma = if rest.is_empty() { "" } else { ", " };
        for &(metric, name) in SCALING {
            // Of an echo it is the throughput that people ask for.
            if (workload, metric) == ("echo", "time") {
                continue;
            }
            let about = format!("{workload}{comma}{rest}: {name}");
            let file = slug(&format!("{workload} {rest} {name}"));
            let identity = |value: f64| value;
            charts.extend(over_count(
                &cases, counted, metric, &about, file, None, identity,
            ));
        }
        if workload == "echo" {
            let about = format!("echo{comma}{rest}: throughput");
            let file = slug(&format!("echo {rest} throughput"));
            let unit = Some("requests/s");
            charts.extend(over_count(
                &cases,
                counted,
                "time",
                &about,
                file,
                unit,
                |ns| 1e9 / ns,
            ));
        }
    }
    charts
}

fn over_count(
    cases: &[(f64, &Case)],
    counted: &str,
    metric: &str,
    about: &str,
    name: String,
    unit: Option<&str>,
    convert: fn(f64) -> f64,
) -> Option<Chart> {
    let mut points: BTreeMap<(usize, &str), Vec<(f64, f64)>> = BTreeMap::new();
    let mut own_unit = None;
    for (place, (_, case)) in cases.iter().enumerate() {
        for entry in case.of(metric) {
            own_unit = Some(&*entry.unit);
            if let Some(value) = entry.median.filter(|value| *value > 0.0) {
                let engine = (palette::place(&entry.engine), &*entry.engine);
                points
                    .entry(engine)
                    .or_default()
                    .push((place as f64, convert(value)));
            }
        }
    }
    // One point is no line.
    points.retain(|_, points| points.len() > 1);
    let unit = unit.or(own_unit)?;
    if points.is_empty() {
        return None;
    }
    let lines: Vec<_> = points
        .into_iter()
        .map(|((_, engine), points)| Line { engine, points })
        .collect();
    // The counts are far apart: each has its place, one beside the other.
    let counts = cases.iter().map(|(count, _)| drawing::short(*count));
    let axis = Axis {
        label: counted,
        ticks: counts
            .enumerate()
            .map(|(place, name)| (place as f64, name))
            .collect(),
    };
    let workload = cases[0].1.workload.clone();
    let svg = drawing::lines(about, unit, &axis, &lines);
    Some(Chart {
        name,
        workload,
        svg,
    })
}

/// `64 conn, 4 KiB` is 64 of `conn`, and `4 KiB`.
fn split(name: &str) -> Option<(f64, &'static str, String)> {
    let words: Vec<_> = name.split_whitespace().collect();
    // Both ends of it in one number.
    if words.first() == Some(&"growth") {
        return None;
    }
    if let [active, "of", number] | [active, "of", number, "pairs"] = words[..] {
        let rest = format!("{active} active");
        return Some((number.replace(',', "").parse().ok()?, "socket pairs", rest));
    }
    for place in 1..words.len() {
        let bare = words[place].trim_end_matches(',');
        let Some((_, counted)) = COUNTED.iter().find(|(word, _)| *word == bare) else {
            continue;
        };
        let count = words[place - 1].replace([',', '_'], "");
        let Ok(count) = count.parse::<f64>() else {
            continue;
        };
        let rest = [&words[..place - 1], &words[place + 1..]]
            .concat()
            .join(" ");
        return Some((count, *counted, rest.trim_matches([',', ' ']).to_owned()));
    }
    None
}

/// Latency by percentile: the recorded curve, or else the few percentiles that are metrics.
fn latency(case: &Case) -> Option<Chart> {
    let mut lines = Vec::new();
    let mut ticks: Vec<(f64, String)> = Vec::new();
    let medians = case.of("p50");
    let has_curves = medians.iter().any(|entry| !entry.curve.is_empty());
    for entry in &medians {
        let points: Vec<_> = match has_curves {
            true => entry.curve.iter().filter_map(curve_point).collect(),
            false => percentiles(case, &entry.engine),
        };
        let mut points = points;
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        if points.len() > 1 {
            lines.push(Line {
                engine: &entry.engine,
                points,
            });
        }
    }
    if lines.is_empty() {
        return None;
    }
    for percent in [0.0, 50.0, 90.0, 99.0, 99.9, 99.99] {
        let at = nines(percent / 100.0);
        let is_reached = lines
            .iter()
            .any(|line| line.points.iter().any(|p| p.0 >= at - 1e-9));
        let is_after = lines
            .iter()
            .any(|line| line.points.iter().any(|p| p.0 <= at + 1e-9));
        if is_reached && is_after {
            ticks.push((at, format!("{percent} %")));
        }
    }
    let unit = medians
        .first()
        .map(|entry| entry.unit.replace(", median", ""))?;
    let axis = Axis {
        label: "share that took no longer",
        ticks,
    };
    let title = format!("{} {}: latency", case.workload, case.name);
    Some(Chart {
        name: slug(&format!("{} {} latency", case.workload, case.name)),
        workload: case.workload.clone(),
        svg: drawing::lines(&title, &unit, &axis, &lines),
    })
}

fn curve_point((share, value): (&String, &f64)) -> Option<(f64, f64)> {
    let share: f64 = share.parse().ok()?;
    (share < 1.0).then_some((nines(share), *value))
}

fn percentiles(case: &Case, engine: &str) -> Vec<(f64, f64)> {
    let of_engine = case.entries.iter().filter(|entry| entry.engine == engine);
    of_engine
        .filter_map(|entry| {
            let percent: f64 = entry.metric.strip_prefix('p')?.parse().ok()?;
            Some((nines(percent / 100.0), entry.median?))
        })
        .collect()
}

/// Each further nine takes as much room as the one before.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// The first metric of a case, as bars; but where lines show it, nothing.
fn headline_bars(case: &Case) -> Option<Chart> {
    let metric = ["cpu", "time", "register", "p50"];
    let metric = metric
        .into_iter()
        .find(|metric| !case.of(metric).is_empty());
    let metric = metric.or_else(|| case.metrics().first().map(|(metric, _)| *metric))?;
    let svg = bars(case, metric)?;
    let name = slug(&format!("{} {} {metric}", case.workload, case.name));
    Some(Chart {
        name,
        workload: case.workload.clone(),
        svg,
    })
}

/// Operations per second, where a case tells them.
fn throughput_bars(case: &Case) -> Option<Chart> {
    Some(Chart {
        name: slug(&format!("{} {} throughput", case.workload, case.name)),
        workload: case.workload.clone(),
        svg: bars(case, "rate")?,
    })
}

/// One metric of one case.
pub fn bars(case: &Case, metric: &str) -> Option<String> {
    let entries = case.of(metric);
    let bars: Vec<_> = entries.iter().filter_map(|entry| bar(entry)).collect();
    let title = format!("{} {}", case.workload, case.name);
    let unit = case.label(entries.first()?);
    (!bars.is_empty()).then(|| drawing::bars(&title, &unit, &bars))
}

fn bar(entry: &Entry) -> Option<Bar<'_>> {
    Some(Bar {
        engine: &entry.engine,
        value: entry.median?,
        spread: spread(&entry.numbers()),
        ratio: entry.ratio_to_wakeful.filter(|ratio| ratio.is_finite()),
    })
}

/// For a file's name.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            ',' => {}
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_found_in_a_name() {
        let found = |count, counted, rest: &str| Some((count, counted, rest.to_owned()));
        assert_eq!(split("64 conn"), found(64.0, "connections", ""));
        assert_eq!(
            split("1,000 conn, 4 KiB"),
            found(1000.0, "connections", "4 KiB")
        );
        assert_eq!(
            split("100 active of 10,000 pairs"),
            found(10_000.0, "socket pairs", "100 active of")
        );
        assert_eq!(
            split("100 of 10,000 pairs"),
            found(10_000.0, "socket pairs", "100 active")
        );
        // As older files have it.
        assert_eq!(
            split("100 of 10000"),
            found(10_000.0, "socket pairs", "100 active")
        );
        assert_eq!(split("growth from 100 to 10,000 pairs"), None);
        assert_eq!(split("2 producers"), None);
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(slug("echo 64 conn, 4 KiB"), "echo-64-conn-4-kib");
    }
}

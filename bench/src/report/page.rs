//! The page: everything in one file, without scripts, to be opened anywhere.

use std::fmt::Write;

use anyhow::Result;

use super::charts::{self, Chart};
use super::drawing::escaped;
use super::palette;
use super::recorded::{Case, Entry, Recorded, Run};
use super::{number, range};
use crate::verdict::Verdict;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;max-width:1340px;margin:2rem auto;padding:0 1rem;\
background:#fff;color:#1f2328}\
table{border-collapse:collapse;font-size:13px;margin:.5rem 0;font-variant-numeric:tabular-nums}\
th,td{border-bottom:1px solid #8886;padding:.2rem .7rem;text-align:left}\
td.n{text-align:right;white-space:nowrap}\
.charts{display:flex;flex-wrap:wrap;gap:1rem}.charts svg{max-width:100%;height:auto}\
.met{color:#1a7f37}.missed{color:#cf222e;font-weight:600}.dim{color:#59636e}\
summary{cursor:pointer;font-weight:600;margin:.6rem 0}.scroll{overflow-x:auto}\
i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}\
nav a{margin-right:1rem}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}.met{color:#3fb950}.missed{color:#ff7b72}\
.dim{color:#9aa4af}a{color:#58a6ff}}";

pub fn page(recorded: &Recorded, charts: &[Chart]) -> Result<String> {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>wakeful beside its peers</title><style>{STYLE}</style></head><body>\n\
         <h1>wakeful beside its peers</h1>\n<nav>"
    );
    let workloads = recorded.workloads();
    for name in ["goals"].iter().chain(&workloads) {
        write!(html, "<a href=\"#{0}\">{0}</a>", escaped(name))?;
    }
    html += "</nav>\n";
    for (number_of, run) in recorded.runs.iter().enumerate() {
        run_of(&mut html, number_of, run)?;
    }
    html += "<p>Medians of all rounds; thin lines in bars, and the column <em>spread</em>, are the least and the most. \
             <em>x wakeful</em> is the median of the ratios of pairs that were measured in the same round.</p>\n";

    pictures(
        &mut html,
        charts.iter().filter(|chart| chart.workload == "overview"),
    )?;
    goals(&mut html, recorded)?;
    for workload in workloads {
        writeln!(html, "<h2 id=\"{0}\">{0}</h2>", escaped(workload))?;
        pictures(
            &mut html,
            charts.iter().filter(|chart| chart.workload == workload),
        )?;
        for case in recorded.of(workload) {
            case_of(&mut html, recorded, case)?;
        }
    }
    Ok(html + "</body></html>\n")
}

fn run_of(html: &mut String, number_of: usize, run: &Run) -> Result<()> {
    let quick = if run.quick {
        " <strong class=\"missed\">--quick: not to be quoted</strong>"
    } else {
        ""
    };
    write!(
        html,
        "<p class=\"dim\">Run {}, {}{quick}: ",
        number_of + 1,
        run.rounds()
    )?;
    // The date first, the others as they come.
    let (dates, others): (Vec<_>, Vec<_>) = run.machine.iter().partition(|(key, _)| *key == "date");
    let parts = dates.iter().chain(&others);
    let parts: Vec<_> = parts
        .map(|(key, value)| match key.as_str() {
            "date" | "cpu" => escaped(value),
            _ => format!("{} {}", escaped(key), escaped(value)),
        })
        .collect();
    writeln!(html, "{}</p>", parts.join(" &middot; "))?;
    for (engine, reason) in &run.absent {
        let (engine, reason) = (escaped(engine), escaped(reason));
        writeln!(
            html,
            "<p class=\"dim\"><strong>Not measured</strong>: {engine}: {reason}</p>"
        )?;
    }
    for failure in &run.failures {
        writeln!(
            html,
            "<p class=\"missed\">Failed: {} {}, {}: {}</p>",
            escaped(&failure.workload),
            escaped(&failure.case),
            escaped(&failure.engine),
            escaped(&failure.error),
        )?;
    }
    Ok(())
}

fn pictures<'a>(html: &mut String, charts: impl Iterator<Item = &'a Chart>) -> Result<()> {
    html.push_str("<div class=\"charts\">\n");
    for chart in charts {
        writeln!(html, "{}", chart.svg)?;
    }
    html.push_str("</div>\n");
    Ok(())
}

fn goals(html: &mut String, recorded: &Recorded) -> Result<()> {
    html.push_str(
        "<h2 id=\"goals\">Goals</h2>\n<div class=\"scroll\"><table><tr><th>case<th>metric<th>engine<th>goal<th>median\
         <th>to mio<th>\n",
    );
    let (mut met, mut undecided, mut all) = (0, 0, 0);
    for (case, entry, verdict) in recorded.judged() {
        all += 1;
        met += usize::from(verdict == Verdict::Met);
        undecided += usize::from(verdict == Verdict::WithinNoise);
        let word = verdict.name();
        let class = match verdict {
            Verdict::Met => "met",
            Verdict::WithinNoise => "dim",
            Verdict::Missed => "missed",
        };
        let ratio = entry
            .ratio_to_mio
            .map_or_else(String::new, |ratio| format!("{ratio:.3}"));
        writeln!(
            html,
            "<tr><td>{} {}<td>{}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{ratio}<td class=\"{class}\">{word}",
            escaped(&entry.workload),
            escaped(&entry.case),
            escaped(&case.label(entry)),
            escaped(&entry.engine),
            escaped(entry.goal.as_deref().unwrap_or("")),
            entry.median.map_or_else(String::new, number),
        )?;
    }
    write!(
        html,
        "</table></div>\n<p>{met} of {all} met, {undecided} within noise: missed by less than the rounds differ, so \
         that a quarter of them has met it.</p>\n"
    )?;
    Ok(())
}

fn case_of(html: &mut String, recorded: &Recorded, case: &Case) -> Result<()> {
    let run = match recorded.runs.len() {
        1 => String::new(),
        _ => format!(" <span class=\"dim\">(run {})</span>", case.run + 1),
    };
    writeln!(
        html,
        "<details><summary>{}{run}</summary>",
        escaped(&case.name)
    )?;
    pictures(
        html,
        case.metrics()
            .iter()
            .filter_map(|(metric, _)| {
                let svg = charts::bars(case, metric)?;
                Some(Chart {
                    name: String::new(),
                    workload: String::new(),
                    svg,
                })
            })
            .collect::<Vec<_>>()
            .iter(),
    )?;
    html.push_str(
        "<div class=\"scroll\"><table><tr><th>metric<th>engine<th>median<th>spread<th>x wakeful<th>to mio\n",
    );
    for (metric, _) in case.metrics() {
        for (place, entry) in case.of(metric).into_iter().enumerate() {
            let unit = if place == 0 {
                case.label(entry)
            } else {
                String::new()
            };
            line(html, &unit, entry)?;
        }
    }
    html.push_str("</table></div></details>\n");
    Ok(())
}

fn line(html: &mut String, unit: &str, entry: &Entry) -> Result<()> {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
    let spread = range(&entry.numbers());
    writeln!(
        html,
        "<tr><td>{}<td><i style=\"background:{}\"></i>{}<td class=\"n\">{}<td class=\"n\">{spread}<td class=\"n\">{}\
         <td class=\"n\">{}",
        escaped(unit),
        palette::colour(&entry.engine),
        escaped(&entry.engine),
        entry.median.map_or_else(String::new, number),
        ratio(entry.ratio_to_wakeful),
        ratio(entry.ratio_to_mio),
    )?;
    Ok(())
}

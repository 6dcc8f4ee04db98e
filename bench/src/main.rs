//! Measures wakeful beside its peers, in one run.
//!
//! ```text
//! cargo run --release -p bench -- list
//! cargo run --release -p bench -- run [WORKLOAD..] [OPTION..]
//!     --quick             few rounds of short measurements: to see that it works, not to quote
//!     --engine A,B..      these engines; may be repeated; all of them if none is named
//!     --rounds N,WORKLOAD=N..   how often each case is measured on each engine: 21 times (--quick: 2), or as often as this
//!                         says for all, and for single workloads
//!     --no-trace          without the traced runs that count system calls
//!     --out DIR           where the JSON file goes; `bench/` in the target directory by default
//! cargo run --release -p bench -- report [FILE..] [--out DIR]
//!     of these files, or of all in `bench/` of the target directory; into DIR, or `bench/report/` there
//! ```
//!
//! - `workloads/`: one file for each workload: its cases, what is read off them, the goals.
//! - `engines/`: what is measured. Each workload's program is written once, and compiled for each
//!   engine.
//! - `run`: repeats each case, the engines taking turns; `process`: each measurement is a process
//!   of its own; `trace`: the system calls of one, counted in a run apart.
//! - `verdict`: whether a goal is met.
//! - `report`: the table, the JSON file, and the page with charts.
//!
//! How long something took never makes a run fail. A wrong answer does: a lost byte, a missing
//! event, a wait that ends early. What was measured beside it is recorded all the same.

mod allocations;
mod engines;
mod on_wakeful;
mod parked;
mod process;
mod report;
mod rounds;
mod run;
mod stats;
mod system;
mod trace;
mod verdict;
mod workloads;

use std::path::PathBuf;

use anyhow::{bail, Result};
use clap::{Parser, Subcommand};

use crate::engines::Engine;
use crate::rounds::{Asked, Rounds};
use crate::workloads::WORKLOADS;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// Measures wakeful beside its peers, in one run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists workloads with their cases, and engines.
    List,
    /// Measures, prints a table and records the results.
    Run(Options),
    /// Writes a page with charts of what is recorded.
    Report(Report),
    /// One measurement, in this process; `run` starts it.
    #[command(hide = true)]
    Measure { order: String },
}

#[derive(clap::Args)]
struct Options {
    /// Which workloads; all if none is named.
    workloads: Vec<String>,
    /// Few rounds of short measurements: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Which engines, with commas between them or repeated; all if none is named.
    #[arg(long = "engine", value_enum, value_delimiter = ',')]
    engines: Vec<Engine>,
    /// How often each case is measured on each engine, of all workloads or of one: `3,wake=9`.
    #[arg(long, value_delimiter = ',')]
    rounds: Vec<Asked>,
    /// Where the JSON file goes; `bench/` in the target directory by default.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Leaves out the traced runs that count system calls.
    #[arg(long)]
    no_trace: bool,
}

#[derive(clap::Args)]
struct Report {
    /// Which files; all in `bench/` of the target directory if none is named.
    files: Vec<PathBuf>,
    /// Where the page and the charts go; `bench/report/` in the target directory by default.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::List => list(),
        Command::Run(options) => start(options)?,
        Command::Report(options) => {
            let page = report::report(&options.files, options.out)?;
            println!("written to {}", page.display());
        }
        Command::Measure { order } => process::measure(&order)?,
    }
    Ok(())
}

fn list() {
    for workload in WORKLOADS {
        println!("{:<10} {}", workload.name, workload.about);
        for case in (workload.cases)(false) {
            println!("{:<12} {:<28} {}", "", case.name, case.about);
        }
    }
    println!();
    for engine in Engine::ALL {
        println!("{:<18} {}", engine.name(), engine.about());
        if let Some(reason) = engine.absence() {
            println!("{:<18} ABSENT: {reason}", "");
        }
    }
}

fn start(options: Options) -> Result<()> {
    if cfg!(debug_assertions) {
        bail!("built without optimisation, nothing would be worth measuring: use `cargo run --release -p bench`");
    }
    let workloads = if options.workloads.is_empty() {
        WORKLOADS.iter().collect()
    } else {
        options
            .workloads
            .iter()
            .map(|name| workloads::by_name(name))
            .collect::<Result<Vec<_>>>()?
    };
    let engines = match options.engines.is_empty() {
        true => Engine::ALL.to_vec(),
        false => options.engines,
    };
    let plan = run::Plan {
        workloads,
        engines,
        quick: options.quick,
        rounds: Rounds::new(&options.rounds, if options.quick { 2 } else { 21 }),
        traced: !options.no_trace,
    };
    let results = run::run(&plan)?;
    report::print(&results);
    let path = report::record(&plan, &results, options.out)?;
    println!("recorded in {}", path.display());
    results.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        let words = ["bench", "run"].into_iter().chain(line.split(' '));
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Run(options) => options,
            _ => panic!("not a run"),
        }
    }

    #[test]
    fn engines_are_named_with_commas_or_one_by_one() {
        let expected = [Engine::WakefulPoll, Engine::Mio];
        assert_eq!(options("--engine wakeful-poll,mio").engines, expected);
        let twice = options("echo --engine wakeful-poll --engine mio");
        assert_eq!(twice.engines, expected);
        assert_eq!(twice.workloads, ["echo"]);
    }

    #[test]
    fn every_engine_is_known_by_the_name_it_has() {
        for &engine in Engine::ALL {
            let named = options(&format!("--engine {}", engine.name()));
            assert_eq!(named.engines, [engine]);
        }
    }
}

//! Measures wakeful beside its peers, in one run.
//!
//! ```text
//! cargo run --release -p bench -- list
//! cargo run --release -p bench -- run [WORKLOAD..] [--quick] [--engine ENGINE]..
//! cargo run --release -p bench -- report [FILES..] [--out DIR]
//! ```
//!
//! - `workloads/`: one file for each workload: its cases, what is read off them, the goals.
//! - `engines/`: what is measured. Each workload's program is written once, and compiled for each
//!   engine.
//! - `run`: repeats each case, the engines taking turns; `process`: each measurement is a process
//!   of its own; `trace`: the system calls of one, counted in a run apart.
//! - `report`: the table, the JSON file, and the page with charts.
//!
//! How long something took never makes a run fail. A wrong answer does: a lost byte, a missing
//! event, a wait that ends early.

mod allocations;
mod engines;
mod on_wakeful;
mod parked;
mod process;
mod report;
mod run;
mod stats;
mod system;
mod trace;
mod workloads;

use std::path::PathBuf;

use anyhow::{bail, Result};
use clap::{Parser, Subcommand};

use crate::engines::Engine;
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
    /// Which engines (may be repeated); all that run by default if none is named.
    #[arg(long = "engine", value_enum)]
    engines: Vec<Engine>,
    /// How often each case is measured on each engine.
    #[arg(long)]
    rounds: Option<usize>,
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
            println!("{:<12} {:<18} {}", "", case.name, case.about);
        }
    }
    println!();
    for engine in Engine::ALL {
        println!("{:<14} {}", engine.name(), engine.about());
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
    let mut engines = options.engines;
    if engines.is_empty() {
        engines = Engine::DEFAULT.to_vec();
    }
    let plan = run::Plan {
        workloads,
        engines,
        quick: options.quick,
        rounds: options
            .rounds
            .unwrap_or(if options.quick { 2 } else { 21 })
            .max(1),
        traced: !options.no_trace,
    };
    let results = run::run(&plan)?;
    report::print(&results);
    let path = report::record(&plan, &results, options.out)?;
    println!("recorded in {}", path.display());
    Ok(())
}

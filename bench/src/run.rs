//! Repeats each case, the engines taking turns: what disturbs the machine for a while disturbs all of them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::engines::Engine;
use crate::on_wakeful;
use crate::process::run as measure;
use crate::stats::median;
use crate::system;
use crate::trace;
use crate::workloads::{Case, Goal, Metric, Values, Workload, OPERATIONS, SYSCALLS};

/// What is to be measured.
pub struct Plan {
    pub workloads: Vec<&'static Workload>,
    pub engines: Vec<Engine>,
    pub quick: bool,
    pub rounds: usize,
    pub traced: bool,
}

/// What was measured: one entry for each case.
pub struct Measured {
    pub workload: &'static str,
    pub case: Case,
    /// One entry for each round.
    pub values: BTreeMap<Engine, Vec<Values>>,
    /// System calls by name, and the operations for which they were made.
    pub calls: BTreeMap<Engine, (BTreeMap<String, u64>, f64)>,
}

impl Measured {
    /// The numbers of one metric, in the order of rounds.
    pub fn numbers(&self, engine: Engine, metric: &Metric) -> Vec<f64> {
        if metric.key == SYSCALLS {
            let calls = self.calls.get(&engine);
            let each = calls.map(|(calls, number)| calls.values().sum::<u64>() as f64 / number);
            return each.into_iter().collect();
        }
        let rounds = self.values.get(&engine).map_or(&[][..], Vec::as_slice);
        let numbers = rounds.iter().filter_map(|values| values.get(metric.key));
        numbers.copied().collect()
    }

    /// How an engine compares to mio: the median of the ratios of pairs, each measured one after the other.
    pub fn ratio_to_mio(&self, engine: Engine, metric: &Metric) -> Option<f64> {
        self.ratio(engine, metric, Engine::Mio)
    }

    /// How an engine compares to a peer, in the same way.
    pub fn ratio(&self, engine: Engine, metric: &Metric, peer: Engine) -> Option<f64> {
        let peers = self.numbers(peer, metric);
        let pairs = self.numbers(engine, metric).into_iter().zip(peers);
        let ratios: Vec<f64> = pairs
            .filter(|&(_, peer)| peer > 0.0)
            .map(|(own, peer)| own / peer)
            .collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// How an engine compares to the best of those: as above, whichever is the largest.
    pub fn ratio_to_best(&self, engine: Engine, metric: &Metric, peers: &[Engine]) -> Option<f64> {
        let ratios = peers
            .iter()
            .filter_map(|&peer| self.ratio(engine, metric, peer));
        ratios.max_by(f64::total_cmp)
    }

    /// Whether wakeful reaches the goal; `None` if there is none, or nothing to compare.
    pub fn is_met(&self, engine: Engine, metric: &Metric) -> Option<bool> {
        let goal = metric.goal?;
        let judged = match goal {
            Goal::SpinTimesMio(_) => Engine::WakefulSpin,
            _ => Engine::Wakeful,
        };
        if engine != judged {
            return None;
        }
        match goal {
            Goal::TimesMio(times, noise) => {
                Some(self.ratio_to_mio(engine, metric)? <= times + noise)
            }
            Goal::AtMost(most) => {
                let numbers = self.numbers(engine, metric);
                (!numbers.is_empty()).then(|| median(&numbers) <= most)
            }
            Goal::TimesBest(times, peers) => {
                Some(self.ratio_to_best(engine, metric, peers)? <= times)
            }
            Goal::TimesEach(peers) => {
                let mut ratios = peers
                    .iter()
                    .filter_map(|&(times, peer)| Some(self.ratio(engine, metric, peer)? <= times));
                let first = ratios.next()?;
                Some(ratios.fold(first, |all, is_met| all && is_met))
            }
            Goal::SpinTimesMio(times) => Some(self.ratio_to_mio(engine, metric)? <= times),
        }
    }
}

pub fn run(plan: &Plan) -> Result<Vec<Measured>> {
    let traced = plan.traced && trace::is_possible();
    if plan.traced && !traced {
        eprintln!(
            "WARNING: strace is not installed, or may not trace: NO SYSTEM CALLS ARE COUNTED"
        );
    }
    for &engine in &plan.engines {
        if let Some(reason) = engine.absence() {
            let name = engine.name();
            eprintln!("WARNING: {} IS NOT MEASURED: {reason}", name.to_uppercase());
        }
    }
    if system::cores()?.len() < 2 {
        eprintln!("WARNING: there is one core only: CLIENTS DISTURB WHAT IS MEASURED");
    }
    let mut measured: Vec<_> = plan
        .workloads
        .iter()
        .flat_map(|workload| {
            (workload.cases)(plan.quick)
                .into_iter()
                .map(|case| Measured {
                    workload: workload.name,
                    case,
                    values: BTreeMap::new(),
                    calls: BTreeMap::new(),
                })
        })
        .collect();

    let on_wakeful = Engine::TokioOnWakeful;
    let does_something = |measured: &Measured| (measured.case.fits)(on_wakeful);
    if plan.engines.contains(&on_wakeful) && measured.iter().any(does_something) {
        on_wakeful::build()?;
    }

    let turns = (plan.rounds + usize::from(traced)) * plan.engines.len();
    let progress = progress(measured.len() * turns);
    for measured in &mut measured {
        let name = format!("{} {}", measured.workload, measured.case.name);
        let metrics = measured.case.metrics;
        let has_syscalls = metrics.iter().any(|metric| metric.key == SYSCALLS);
        for round in 0..plan.rounds + usize::from(traced) {
            for &engine in &plan.engines {
                let is_asked = round < plan.rounds || has_syscalls;
                if is_asked && engine.is_here() && (measured.case.fits)(engine) {
                    progress.set_message(format!("{name}, {}", engine.name()));
                    let outcome = if round == plan.rounds {
                        trace_calls(measured, engine)
                    } else if round < measured.case.job.most_rounds() {
                        take(measured, engine)
                    } else {
                        Ok(())
                    };
                    outcome.with_context(|| format!("{name}, {}", engine.name()))?;
                }
                progress.inc(1);
            }
        }
        // For logs, where the progress is hidden.
        if progress.is_hidden() {
            eprintln!("{name}: done");
        }
    }
    progress.finish_and_clear();
    Ok(measured)
}

fn take(measured: &mut Measured, engine: Engine) -> Result<()> {
    let values = measure(engine, &measured.case.job, None)?;
    measured.values.entry(engine).or_default().push(values);
    Ok(())
}

fn trace_calls(measured: &mut Measured, engine: Engine) -> Result<()> {
    let mut metrics = measured.case.metrics.iter();
    if !metrics.any(|metric| metric.key == SYSCALLS) {
        return Ok(());
    }
    let file = env::temp_dir().join(format!("bench-{}.strace", process::id()));
    let outcome = measure(engine, &measured.case.traced, Some(&file))
        .and_then(|values| Ok((trace::count(&file)?, values)));
    // Not there if strace did not start; then that is the error.
    let _ = fs::remove_file(&file);
    let (calls, values) = outcome.context("traced")?;
    let operations = values.get(OPERATIONS).copied().unwrap_or(f64::NAN);
    measured.calls.insert(engine, (calls, operations));
    Ok(())
}

/// Shown on a terminal only.
fn progress(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} {bar:30} {pos}/{len}  {msg}");
    ProgressBar::new(length as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

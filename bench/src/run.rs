//! Repeats each case, the engines taking turns: what disturbs the machine for a while disturbs all of them.
//!
//! A measurement that fails is noted, and its engine is left out of the rest of that case; everything else goes on, so that
//! nothing that was measured is lost. What failed makes the run fail in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::process;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::engines::Engine;
use crate::on_wakeful;
use crate::process::run as measure;
use crate::rounds::Rounds;
use crate::stats::median;
use crate::system;
use crate::trace;
use crate::workloads::{Case, Metric, Values, Workload, OPERATIONS, SYSCALLS};

/// What is to be measured.
pub struct Plan {
    pub workloads: Vec<&'static Workload>,
    pub engines: Vec<Engine>,
    pub quick: bool,
    pub rounds: Rounds,
    pub traced: bool,
}

/// What came out of it.
pub struct Results {
    /// One entry for each case.
    pub measured: Vec<Measured>,
    /// Engines that could not run, and why.
    pub absent: BTreeMap<Engine, String>,
    pub failures: Vec<Failure>,
}

impl Results {
    /// An error if anything failed.
    pub fn check(&self) -> Result<()> {
        match self.failures.len() {
            0 => Ok(()),
            number => bail!("{number} of the measurements failed, see above"),
        }
    }
}

/// A measurement that failed: a wrong answer, a hang, a program that does not build.
#[derive(Serialize)]
pub struct Failure {
    pub workload: &'static str,
    pub case: String,
    pub engine: Engine,
    pub error: String,
}

/// What was measured of one case.
pub struct Measured {
    pub workload: &'static str,
    pub case: Case,
    /// One entry for each round.
    pub values: BTreeMap<Engine, Vec<Values>>,
    /// System calls by name, and the operations for which they were made.
    pub calls: BTreeMap<Engine, (BTreeMap<String, u64>, f64)>,
}

impl Measured {
    fn new(workload: &'static str, case: Case) -> Self {
        Self {
            workload,
            case,
            values: BTreeMap::new(),
            calls: BTreeMap::new(),
        }
    }

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
        let ratios = self.ratios(engine, metric, peer);
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// The ratios of all rounds.
    pub fn ratios(&self, engine: Engine, metric: &Metric, peer: Engine) -> Vec<f64> {
        let peers = self.numbers(peer, metric);
        let pairs = self.numbers(engine, metric).into_iter().zip(peers);
        let pairs = pairs.filter(|&(_, peer)| peer > 0.0);
        pairs.map(|(own, peer)| own / peer).collect()
    }

    /// What it is called where there are others.
    fn name(&self) -> String {
        format!("{} {}", self.workload, self.case.name)
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// Place in the list of cases.
    case: usize,
    engine: Engine,
    is_traced: bool,
}

pub fn run(plan: &Plan) -> Result<Results> {
    let traced = plan.traced && trace::is_possible();
    if plan.traced && !traced {
        eprintln!(
            "WARNING: strace is not installed, or may not trace: NO SYSTEM CALLS ARE COUNTED"
        );
    }
    if system::cores()?.len() < 2 {
        eprintln!("WARNING: there is one core only: CLIENTS DISTURB WHAT IS MEASURED");
    }
    let cases = plan.workloads.iter().flat_map(|workload| {
        let cases = (workload.cases)(plan.quick).into_iter();
        cases.map(|case| Measured::new(workload.name, case))
    });
    let mut results = Results {
        measured: cases.collect(),
        absent: absent(&plan.engines),
        failures: Vec::new(),
    };
    let mut steps = steps(&results, plan, traced);
    if steps.is_empty() {
        bail!("nothing to measure: {}", why_nothing(plan));
    }
    build_on_wakeful(&mut steps, &mut results);
    take_all(&steps, &mut results);
    Ok(results)
}

/// Those that cannot run; says so.
fn absent(engines: &[Engine]) -> BTreeMap<Engine, String> {
    let reasons = engines.iter().filter_map(|&e| Some((e, e.absence()?)));
    let absent: BTreeMap<_, _> = reasons.collect();
    for (engine, reason) in &absent {
        let name = engine.name().to_uppercase();
        eprintln!("WARNING: {name} IS NOT MEASURED: {reason}");
    }
    absent
}

fn why_nothing(plan: &Plan) -> String {
    let workloads: Vec<_> = plan.workloads.iter().map(|w| w.name).collect();
    let engines: Vec<_> = plan.engines.iter().map(|e| e.name()).collect();
    format!(
        "no case of {} is for {} (see `list`), or what it takes is not installed (see above)",
        workloads.join(", "),
        engines.join(", ")
    )
}

/// Everything that is to be done, in order: case after case, in each the rounds, in each the engines; then they are traced.
fn steps(results: &Results, plan: &Plan, traced: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for (place, measured) in results.measured.iter().enumerate() {
        let case = &measured.case;
        let mut turn = |is_traced| {
            let fitting = plan.engines.iter().filter(|&&engine| (case.fits)(engine));
            let here = fitting.filter(|engine| !results.absent.contains_key(engine));
            steps.extend(here.map(|&engine| Step {
                case: place,
                engine,
                is_traced,
            }));
        };
        let rounds = plan.rounds.of(measured.workload);
        for _ in 0..rounds.min(case.job.most_rounds()) {
            turn(false);
        }
        if traced && case.metrics.iter().any(|metric| metric.key == SYSCALLS) {
            turn(true);
        }
    }
    steps
}

/// Builds the program in which tokio is on wakeful, if a step needs it.
fn build_on_wakeful(steps: &mut Vec<Step>, results: &mut Results) {
    let engine = Engine::TokioOnWakeful;
    let Some(first) = steps.iter().find(|step| step.engine == engine) else {
        return;
    };
    if let Err(err) = on_wakeful::build() {
        note(
            &mut results.failures,
            &results.measured[first.case],
            engine,
            &err,
        );
        results.absent.insert(engine, format!("{err:#}"));
        steps.retain(|step| step.engine != engine);
    }
}

fn take_all(steps: &[Step], results: &mut Results) {
    let progress = progress(steps.len());
    let start = Instant::now();
    let mut failed = BTreeSet::new();
    for (number, step) in steps.iter().enumerate() {
        let measured = &mut results.measured[step.case];
        let left = time_left(start.elapsed(), number, steps.len());
        if !failed.contains(&(step.case, step.engine)) {
            let (name, engine) = (measured.name(), step.engine.name());
            progress.set_message(format!("{left}; {name}, {engine}"));
            let outcome = match step.is_traced {
                true => trace_calls(measured, step.engine),
                false => take(measured, step.engine),
            };
            if let Err(err) = outcome {
                failed.insert((step.case, step.engine));
                progress.suspend(|| note(&mut results.failures, measured, step.engine, &err));
            }
        }
        progress.inc(1);
        // For logs, where the progress is hidden.
        let is_last = steps
            .get(number + 1)
            .is_none_or(|next| next.case != step.case);
        if is_last && progress.is_hidden() {
            let left = time_left(start.elapsed(), number + 1, steps.len());
            let done = results.measured[step.case].name();
            eprintln!("{done}: done; {left}");
        }
    }
    progress.finish_and_clear();
}

fn note(failures: &mut Vec<Failure>, measured: &Measured, engine: Engine, err: &anyhow::Error) {
    eprintln!("FAILED: {}, {}: {err:#}", measured.name(), engine.name());
    failures.push(Failure {
        workload: measured.workload,
        case: measured.case.name.clone(),
        engine,
        error: format!("{err:#}"),
    });
}

fn take(measured: &mut Measured, engine: Engine) -> Result<()> {
    let values = measure(engine, &measured.case.job, None)?;
    measured.values.entry(engine).or_default().push(values);
    Ok(())
}

fn trace_calls(measured: &mut Measured, engine: Engine) -> Result<()> {
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

/// As if what is to come took as long as what is done, each.
fn time_left(elapsed: Duration, done: usize, all: usize) -> String {
    if done == 0 {
        return format!("{all} measurements to come");
    }
    let seconds = elapsed.as_secs_f64() / done as f64 * (all - done) as f64;
    match seconds.round() as u64 {
        seconds @ ..=90 => format!("about {seconds} s left"),
        seconds => format!("about {} min left", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::workloads::{self, values};

    /// A case in which a metric called `cpu` has these numbers.
    pub fn measured(numbers: &[(Engine, &[f64])]) -> Measured {
        let workload = workloads::by_name("churn").unwrap();
        let case = (workload.cases)(true).remove(0);
        let mut measured = Measured::new(workload.name, case);
        for (engine, numbers) in numbers {
            let rounds = numbers.iter().map(|&number| values([("cpu", number)]));
            measured.values.insert(*engine, rounds.collect());
        }
        measured
    }

    fn plan(workload: &str, engines: &[Engine], rounds: usize) -> Plan {
        Plan {
            workloads: vec![workloads::by_name(workload).unwrap()],
            engines: engines.to_vec(),
            quick: true,
            rounds: Rounds::new(&[], rounds),
            traced: false,
        }
    }

    fn results(measured: Vec<Measured>) -> Results {
        Results {
            measured,
            absent: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn engines_take_turns_and_are_traced_at_the_end() {
        let results = results(vec![measured(&[])]);
        let plan = plan("churn", &[Engine::Wakeful, Engine::Mio, Engine::Wheel], 2);
        let steps = steps(&results, &plan, true);
        let order: Vec<_> = steps.iter().map(|s| (s.engine, s.is_traced)).collect();
        let (ours, mio) = (Engine::Wakeful, Engine::Mio);
        let round = |is_traced| [(ours, is_traced), (mio, is_traced)];
        assert_eq!(order, [round(false), round(false), round(true)].concat());
    }

    #[test]
    fn who_is_absent_has_no_turn() {
        let mut results = results(vec![measured(&[])]);
        results.absent.insert(Engine::Mio, "gone".to_owned());
        let plan = plan("churn", &[Engine::Mio], 2);
        assert_eq!(steps(&results, &plan, false), []);
    }

    #[test]
    fn an_empty_plan_is_an_error_that_says_so() {
        let Err(err) = run(&plan("idle", &[Engine::Tokio], 1)) else {
            panic!("it was measured");
        };
        let text = err.to_string();
        assert!(text.contains("no case of idle is for tokio"), "{text}");
    }

    #[test]
    fn what_failed_fails_the_run_in_the_end() {
        let measured = measured(&[]);
        let mut results = results(Vec::new());
        assert!(results.check().is_ok());
        let err = anyhow::anyhow!("a byte was lost");
        note(&mut results.failures, &measured, Engine::Mio, &err);
        assert!(results.check().is_err());
        assert_eq!(results.failures[0].error, "a byte was lost");
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let metric = Metric {
            key: "cpu",
            unit: "ns",
            goal: None,
        };
        let result = measured(&[
            (Engine::Wakeful, &[10.0, 40.0]),
            (Engine::Mio, &[20.0, 40.0, 60.0]),
        ]);
        let ratios = result.ratios(Engine::Wakeful, &metric, Engine::Mio);
        assert_eq!(ratios, [0.5, 1.0]);
        assert_eq!(result.ratio_to_mio(Engine::Wakeful, &metric), Some(0.75));
    }

    #[test]
    fn the_time_left_is_in_proportion() {
        let left = |seconds, done| time_left(Duration::from_secs(seconds), done, 100);
        assert_eq!(left(0, 0), "100 measurements to come");
        assert_eq!(left(10, 50), "about 10 s left");
        assert_eq!(left(600, 50), "about 10 min left");
    }
}

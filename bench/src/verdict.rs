//! Whether wakeful reaches what it is to reach, in three values: a noisy machine does not decide everything.
//!
//! A goal is met if the median of the rounds is; a median of ratios, each of two engines in the same round. If it is
//! not, but a quarter of the rounds is, the miss is smaller than what the rounds differ by: that is within noise, and
//! more rounds may tell. No goal has a tolerance.

use serde::{Deserialize, Serialize};

use crate::engines::Engine;
use crate::run::Measured;
use crate::stats::{median, percentile};
use crate::workloads::{Goal, Metric};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Met,
    WithinNoise,
    Missed,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::WithinNoise => "within noise",
            Self::Missed => "missed",
        }
    }

    /// Of the numbers of all rounds, of which there is one at least.
    fn of(numbers: &[f64], most: f64) -> Self {
        if median(numbers) <= most {
            Self::Met
        } else if percentile(numbers, 0.25) <= most {
            Self::WithinNoise
        } else {
            Self::Missed
        }
    }
}

/// A goal in words, with what was reached, and whether it was.
pub struct Judged {
    pub goal: String,
    pub verdict: Verdict,
}

/// `None` if there is no goal, or nothing to compare.
pub fn judge(result: &Measured, engine: Engine, metric: &Metric) -> Option<Judged> {
    let goal = metric.goal?;
    let judged = match goal {
        Goal::SpinTimesMio(_) => Engine::WakefulSpin,
        _ => Engine::Wakeful,
    };
    if engine != judged {
        return None;
    }
    let each = |peers: &[(f64, Engine)]| {
        let parts = peers.iter().filter_map(|&(times, peer)| {
            let ratios = result.ratios(engine, metric, peer);
            (!ratios.is_empty()).then(|| Compared::new(times, peer, &ratios))
        });
        let parts: Vec<_> = parts.collect();
        Some((parts.iter().map(|part| part.verdict).max()?, parts))
    };
    match goal {
        Goal::TimesMio(times) | Goal::SpinTimesMio(times) => {
            let (verdict, parts) = each(&[(times, Engine::Mio)])?;
            Some(Judged {
                goal: parts[0].alone(),
                verdict,
            })
        }
        Goal::TimesEach(peers) => {
            let (verdict, parts) = each(peers)?;
            let parts: Vec<_> = parts.iter().map(Compared::alone).collect();
            Some(Judged {
                goal: parts.join(", "),
                verdict,
            })
        }
        Goal::TimesBest(times, peers) => {
            let peers: Vec<_> = peers.iter().map(|&peer| (times, peer)).collect();
            let (verdict, parts) = each(&peers)?;
            let parts: Vec<_> = parts.iter().map(Compared::beside_others).collect();
            Some(Judged {
                goal: format!("<= {times:.2} x the best of {}", parts.join(", ")),
                verdict,
            })
        }
        Goal::AtMost(most) => {
            let numbers = result.numbers(engine, metric);
            (!numbers.is_empty()).then(|| Judged {
                goal: format!("<= {most}"),
                verdict: Verdict::of(&numbers, most),
            })
        }
        Goal::Flat(peers) => {
            let numbers = result.numbers(engine, metric);
            (!numbers.is_empty()).then(|| Judged {
                goal: format!("flat, <= 1{}", beside(result, metric, peers)),
                verdict: Verdict::of(&numbers, 1.0),
            })
        }
    }
}

/// What peers reach, as it was measured: `; mio 1.21, epoll 1.19`.
fn beside(result: &Measured, metric: &Metric, peers: &[Engine]) -> String {
    let parts = peers.iter().filter_map(|&peer| {
        let numbers = result.numbers(peer, metric);
        (!numbers.is_empty()).then(|| format!("{} {:.2}", peer.name(), median(&numbers)))
    });
    let parts: Vec<_> = parts.collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("; {}", parts.join(", ")),
    }
}

/// wakeful beside one peer that was measured.
struct Compared {
    times: f64,
    peer: Engine,
    ratio: f64,
    verdict: Verdict,
}

impl Compared {
    fn new(times: f64, peer: Engine, ratios: &[f64]) -> Self {
        Self {
            times,
            peer,
            ratio: median(ratios),
            verdict: Verdict::of(ratios, times),
        }
    }

    fn alone(&self) -> String {
        format!("<= {:.2} x {}", self.times, self.beside_others())
    }

    fn beside_others(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Met => String::new(),
            other => format!(", {}", other.name()),
        };
        format!("{} ({:.3}{verdict})", self.peer.name(), self.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::measured;

    const fn metric(goal: Goal) -> Metric {
        Metric {
            key: "cpu",
            unit: "ns",
            goal: Some(goal),
        }
    }

    #[test]
    fn a_miss_within_the_spread_is_no_miss() {
        assert_eq!(Verdict::of(&[0.9, 1.0, 1.2], 1.0), Verdict::Met);
        assert_eq!(Verdict::of(&[0.9, 1.01, 1.2], 1.0), Verdict::WithinNoise);
        assert_eq!(Verdict::of(&[1.01, 1.02, 1.03], 1.0), Verdict::Missed);
        // One round of many is luck.
        let rounds = [0.9, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1];
        assert_eq!(Verdict::of(&rounds, 1.0), Verdict::Missed);
    }

    #[test]
    fn a_single_round_has_no_spread() {
        assert_eq!(Verdict::of(&[1.01], 1.0), Verdict::Missed);
    }

    #[test]
    fn there_is_no_tolerance() {
        assert_eq!(Verdict::of(&[1.001, 1.001, 1.001], 1.0), Verdict::Missed);
    }

    #[test]
    fn only_peers_that_ran_are_named_and_the_worst_decides() {
        static METRIC: Metric = metric(Goal::TimesEach(&[
            (1.0, Engine::Mio),
            (0.85, Engine::Tokio),
            (0.85, Engine::Libuv),
        ]));
        let result = measured(&[
            (Engine::Wakeful, &[90.0, 90.0, 90.0]),
            (Engine::Mio, &[100.0, 100.0, 100.0]),
            (Engine::Tokio, &[100.0, 100.0, 110.0]),
        ]);
        let judged = judge(&result, Engine::Wakeful, &METRIC).unwrap();
        assert_eq!(
            judged.goal,
            "<= 1.00 x mio (0.900), <= 0.85 x tokio (0.900, within noise)"
        );
        assert_eq!(judged.verdict, Verdict::WithinNoise);
        assert!(judge(&result, Engine::Mio, &METRIC).is_none());
    }

    #[test]
    fn the_best_of_the_peers_counts() {
        static METRIC: Metric = metric(Goal::TimesBest(1.0, &[Engine::Mio, Engine::Libev]));
        let result = measured(&[
            (Engine::Wakeful, &[100.0]),
            (Engine::Mio, &[120.0]),
            (Engine::Libev, &[80.0]),
        ]);
        let judged = judge(&result, Engine::Wakeful, &METRIC).unwrap();
        assert_eq!(
            judged.goal,
            "<= 1.00 x the best of mio (0.833), libev (1.250, missed)"
        );
        assert_eq!(judged.verdict, Verdict::Missed);
    }

    #[test]
    fn growth_stands_beside_that_of_the_peers() {
        static METRIC: Metric = metric(Goal::Flat(&[Engine::Mio, Engine::Epoll]));
        let result = measured(&[(Engine::Wakeful, &[1.2]), (Engine::Epoll, &[1.25])]);
        let judged = judge(&result, Engine::Wakeful, &METRIC).unwrap();
        assert_eq!(judged.goal, "flat, <= 1; epoll 1.25");
        assert_eq!(judged.verdict, Verdict::Missed);
    }

    #[test]
    fn without_its_peer_nothing_is_judged() {
        static METRIC: Metric = metric(Goal::TimesMio(1.0));
        let result = measured(&[(Engine::Wakeful, &[100.0])]);
        assert!(judge(&result, Engine::Wakeful, &METRIC).is_none());
    }
}

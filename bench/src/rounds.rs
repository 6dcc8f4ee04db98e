//! How often each case is measured: a number for all, and others for some workloads.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{ensure, Context, Result};

use crate::workloads;

/// What stands behind `--rounds`, between commas: `3`, or `wake=9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    workload: Option<&'static str>,
    number: usize,
}

impl FromStr for Asked {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (workload, number) = match text.split_once('=') {
            Some((name, number)) => (Some(workloads::by_name(name)?.name), number),
            None => (None, text),
        };
        let number = number.parse().context("a number of rounds")?;
        ensure!(number > 0, "a number of rounds is at least 1");
        Ok(Self { workload, number })
    }
}

pub struct Rounds {
    pub of_all: usize,
    /// By the name of the workload.
    pub of: BTreeMap<&'static str, usize>,
}

impl Rounds {
    /// What is asked for; `usual` where nothing is.
    pub fn new(asked: &[Asked], usual: usize) -> Self {
        let mut rounds = Self {
            of_all: usual,
            of: BTreeMap::new(),
        };
        for asked in asked {
            match asked.workload {
                Some(name) => {
                    rounds.of.insert(name, asked.number);
                }
                None => rounds.of_all = asked.number,
            }
        }
        rounds
    }

    pub fn of(&self, workload: &str) -> usize {
        self.of.get(workload).copied().unwrap_or(self.of_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(text: &str) -> Rounds {
        let asked: Vec<Asked> = text.split(',').map(|part| part.parse().unwrap()).collect();
        Rounds::new(&asked, 21)
    }

    #[test]
    fn some_workloads_have_a_number_of_their_own() {
        let rounds = rounds("3,wake=9");
        assert_eq!(rounds.of("echo"), 3);
        assert_eq!(rounds.of("wake"), 9);
    }

    #[test]
    fn what_is_not_named_keeps_the_usual_number() {
        assert_eq!(rounds("wake=9").of("echo"), 21);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "0", "many", "wake=", "wake=0", "nothing=3"] {
            assert!(text.parse::<Asked>().is_err(), "{text}");
        }
    }
}

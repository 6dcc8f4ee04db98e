//! The contract and its tests: no promise without a test, no test without a promise, and no name of a test
//! that does not exist.

use std::collections::{BTreeMap, BTreeSet};

const CONTRACT: &str = include_str!("../../docs/contract.md");

/// The files of this suite that hold its tests.
const SUITE: &[(&str, &str)] = &[
    ("channels", include_str!("channels.rs")),
    ("drop", include_str!("drop.rs")),
    ("errors", include_str!("errors.rs")),
    ("events", include_str!("events.rs")),
    ("exclusive", include_str!("exclusive.rs")),
    ("metrics", include_str!("metrics.rs")),
    ("modes", include_str!("modes.rs")),
    ("readiness", include_str!("readiness.rs")),
    ("threads", include_str!("threads.rs")),
    ("timeouts", include_str!("timeouts.rs")),
    ("timers", include_str!("timers.rs")),
    ("user_sources", include_str!("user_sources.rs")),
    ("wakes", include_str!("wakes.rs")),
];

/// The other files that the contract names.
const OTHERS: &[(&str, &str)] = &[
    ("builder", include_str!("../builder.rs")),
    ("channels", include_str!("../channels.rs")),
    ("errors", include_str!("../errors.rs")),
    ("exhaustion", include_str!("../exhaustion.rs")),
    ("hygiene", include_str!("../hygiene.rs")),
    ("interrupts", include_str!("../interrupts.rs")),
    ("named_pipes", include_str!("../named_pipes.rs")),
    ("nested", include_str!("../nested.rs")),
    ("old_kernels", include_str!("../old_kernels.rs")),
    ("source_fd", include_str!("../source_fd.rs")),
    ("source_handles", include_str!("../source_handles.rs")),
    ("source_socket", include_str!("../source_socket.rs")),
    ("stress_edges", include_str!("../stress_edges.rs")),
    ("tcp", include_str!("../tcp.rs")),
    ("threads", include_str!("../threads.rs")),
    ("timeouts", include_str!("../timeouts.rs")),
    ("timers", include_str!("../timers.rs")),
    ("user_sources", include_str!("../user_sources.rs")),
    ("wakers", include_str!("../wakers.rs")),
];

/// The names of the functions that are marked as tests.
fn tests_of(source: &'static str) -> impl Iterator<Item = &'static str> {
    source.split("#[test]").skip(1).map(|after| {
        let name = after.split("fn ").nth(1).expect("a test is a function");
        name.split('(').next().unwrap()
    })
}

/// The numbers of the contract, as tests are named after them.
fn promises() -> Vec<String> {
    CONTRACT
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(number, _)| number.to_lowercase())
        .collect()
}

#[test]
fn every_number_is_used_once() {
    let promises = promises();
    let different: BTreeSet<_> = promises.iter().collect();
    assert_eq!(different.len(), promises.len());
    assert!(promises.len() > 70, "the contract could not be read");
}

#[test]
fn every_promise_has_a_test_and_every_test_a_promise() {
    let mut shown: BTreeMap<String, usize> = promises().into_iter().map(|n| (n, 0)).collect();
    for (file, source) in SUITE {
        for test in tests_of(source) {
            let (number, _) = test.split_once('_').unwrap();
            match shown.get_mut(number) {
                Some(tests) => *tests += 1,
                None => panic!("{file}::{test} shows no promise of the contract"),
            }
        }
    }
    let bare: Vec<_> = shown.iter().filter(|(_, &tests)| tests == 0).collect();
    assert!(bare.is_empty(), "no test shows {bare:?}");
}

#[test]
fn every_test_that_the_contract_names_exists() {
    let names = CONTRACT.split('`').filter(|word| {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
        word.contains("::") && word.chars().all(is_name)
    });
    for name in names {
        let (file, test) = name.split_once("::").unwrap();
        let (_, source) = OTHERS
            .iter()
            .find(|(other, _)| *other == file)
            .unwrap_or_else(|| panic!("{name}: no such file is known here"));
        let mut tests = tests_of(source);
        assert!(tests.any(|other| other == test), "{name} does not exist");
    }
}

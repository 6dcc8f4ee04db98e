//! What a script did on one library, and how two such records are compared and shown.

use std::fmt::Write;

use crate::promise::Edges;

/// The record of one run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) steps: Vec<Step>,
    /// A promise that the last step broke.
    pub(crate) broken: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Step {
    /// What was done, with names.
    pub(crate) what: String,
    pub(crate) outcome: String,
    pub(crate) is_poll: bool,
}

/// The first step in which `other` is not what `mio` is, and whether it has to be.
pub(crate) fn compare(mio: &Trace, other: &Trace, edges: Edges) -> Result<(), String> {
    let differ = |(place, (mio, other)): (usize, (&Step, &Step))| {
        let is_free = edges == Edges::Emulated && mio.is_poll;
        let is_same = mio.what == other.what && (is_free || mio.outcome == other.outcome);
        (!is_same).then(|| format!("step {place} differs from mio's"))
    };
    let pairs = mio.steps.iter().zip(&other.steps).enumerate();
    if let Some(difference) = pairs.filter_map(differ).next() {
        return Err(difference);
    }
    if mio.steps.len() != other.steps.len() {
        return Err("one run is longer than the other".into());
    }
    Ok(())
}

/// Both records, line by line, as far as both go.
pub(crate) fn table(mio: &Trace, name: &str, other: &Trace) -> String {
    let mut table = String::new();
    for (place, (mio, other)) in mio.steps.iter().zip(&other.steps).enumerate() {
        let (what, mio, other) = (&mio.what, &mio.outcome, &other.outcome);
        let _ = if mio == other {
            writeln!(table, "{place:3}  {what:<48} {mio}")
        } else {
            writeln!(
                table,
                "{place:3}  {what}\n{0:16}mio: {mio}\n{name:>19}: {other}",
                ""
            )
        };
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(outcomes: [&str; 2]) -> Trace {
        let step = |(outcome, is_poll): (&&str, bool)| Step {
            what: "something".into(),
            outcome: (*outcome).to_owned(),
            is_poll,
        };
        Trace {
            steps: outcomes.iter().zip([false, true]).map(step).collect(),
            broken: None,
        }
    }

    #[test]
    fn native_events_must_be_equal() {
        let (mio, other) = (trace(["1", "[a readable]"]), trace(["1", "[]"]));
        compare(&mio, &mio, Edges::Native).unwrap();
        compare(&mio, &other, Edges::Native).unwrap_err();
        compare(&mio, &other, Edges::Emulated).unwrap();
    }

    #[test]
    fn outcomes_must_be_equal_on_all() {
        let (mio, other) = (trace(["1", "[]"]), trace(["WouldBlock", "[]"]));
        compare(&mio, &other, Edges::Emulated).unwrap_err();
    }

    #[test]
    fn the_table_shows_both_where_they_differ() {
        let (mio, other) = (trace(["1", "[a readable]"]), trace(["1", "[]"]));
        let table = table(&mio, "other", &other);
        assert!(table.contains("mio: [a readable]") && table.contains("other: []"));
        assert_eq!(table.lines().count(), 4, "{table}");
    }
}

//! The rules of the house, checked: who may import whom, and where `cfg` and `unsafe` may stand.
//!
//! Reads `src/` as tokens; knows as much of Rust's grammar as the rules need, and no more. The
//! floors are those of `docs/architecture.md`. All breaches are reported at once, as `file:line`.

// A guest of WASI sees no files.
#![cfg(not(target_family = "wasm"))]

#[path = "house/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Place, Source};

#[test]
fn the_house_is_in_order() {
    let house = House::of_files();
    let breaches: Vec<_> = house
        .files
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(house.root.join(path)).unwrap();
            house.inspect(path, &text)
        })
        .collect();
    assert!(
        breaches.is_empty(),
        "{} breaches of the rules in docs/architecture.md:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn every_file_has_its_line_in_the_architecture() {
    let house = House::of_files();
    let page = fs::read_to_string(house.root.join("../docs/architecture.md")).unwrap();
    let is_told = |path: &&String| {
        let name = path.rsplit('/').next().unwrap();
        name == "mod.rs" || page.contains(name)
    };
    let untold: Vec<_> = house.files.iter().filter(|path| !is_told(path)).collect();
    assert!(
        untold.is_empty(),
        "docs/architecture.md does not name {untold:?}"
    );
}

/// In the same order, so that the page can say which lane is which.
#[test]
fn the_table_of_checks_is_what_ci_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The published package has no checks but the tests.
    if !root.join("ci").exists() {
        return;
    }
    let checks = checks_of(&fs::read_to_string(root.join(".ci/run")).unwrap());
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let rows = page.split("| command |").nth(1).unwrap().lines();
    let rows = rows.take_while(|line| !line.is_empty());
    let told: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(told, checks);
    for script in checks.iter().filter(|check| check.starts_with("ci/")) {
        assert!(root.join(script).exists(), "there is no {script}");
    }
}

/// The commands of `.ci/run`: its steps before the lanes, then what each lane lists.
fn checks_of(script: &str) -> Vec<String> {
    let steps = script.lines().filter_map(|line| {
        let (_name, command) = line.strip_prefix("step ")?.split_once(' ')?;
        Some(command.to_owned())
    });
    let lanes = ["compiling=(", "running=("].map(|lane| {
        let (_, rest) = script.split_once(lane).unwrap();
        let names = rest.split(')').next().unwrap().split_whitespace();
        names.map(|name| format!("ci/{name}.sh"))
    });
    steps.chain(lanes.into_iter().flatten()).collect()
}

/// A file with more code than this wants splitting. Comments, blank lines and tests do not count.
const MOST_LINES: usize = 600;

/// The floor of a file; imports go to the same floor or to a lower one.
fn floor(path: &str) -> u8 {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        ["lib.rs" | "guide.rs" | "features.rs"] => 7,
        ["source", ..] => 6,
        ["reactor", ..] => 5,
        ["sys", "mod.rs"] => 4,
        ["sys", "rearm.rs" | "levels.rs"] | ["sys", _, "os", ..] | ["sys", _, "doorbell", ..] => 2,
        ["sys", ..] => 3,
        ["base" | "diagnostics", ..] => 1,
        _ => panic!("{path} is on no floor: give it one here and in docs/architecture.md"),
    }
}

/// Where system calls are made.
fn is_os(path: &str) -> bool {
    path.starts_with("sys/") && path.contains("/os/")
}

/// Where `unsafe` may be opened.
fn may_be_unsafe(path: &str) -> bool {
    is_os(path) || path == "reactor/ready_list.rs"
}

/// Where `cfg` may name an operating system, a vendor, a C library, or a processor.
fn may_name_systems(path: &str) -> bool {
    is_os(path)
}

/// Where `cfg` may name a family of systems; `on_module` is true for the attribute of a `mod`.
fn may_name_families(path: &str, on_module: bool) -> bool {
    let lists_files = path.ends_with("/mod.rs") && floor(path) > 4;
    is_os(path) || matches!(path, "lib.rs" | "sys/mod.rs") || (lists_files && on_module)
}

/// The files below `src/`, by their paths in it.
struct House {
    root: PathBuf,
    files: BTreeSet<String>,
}

impl House {
    fn of_files() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let parts: Vec<_> = path.strip_prefix(&root).unwrap().iter().collect();
                    let parts = parts.iter().map(|part| part.to_str().unwrap());
                    files.insert(parts.collect::<Vec<_>>().join("/"));
                }
            }
        }
        assert!(files.contains("lib.rs"));
        Self { root, files }
    }

    /// What is wrong with one file.
    fn inspect(&self, path: &str, text: &str) -> Vec<String> {
        let source = Source::read(text);
        let mut report = Report {
            path,
            breaches: Vec::new(),
        };
        let head = if path == "lib.rs" { "#![doc" } else { "//!" };
        if !text.starts_with(head) {
            report.add(1, format_args!("the file does not start with `{head}`"));
        }
        let lines = source.lines_of_code();
        if lines > MOST_LINES {
            report.add(
                1,
                format_args!("{lines} lines of code; the most is {MOST_LINES}"),
            );
        }
        self.check_imports(&source, &mut report);
        check_cfgs(&source, &mut report);
        check_unsafe(&source, &mut report);
        report.breaches
    }

    /// Paths lead to the same floor or a lower one, and to a file rather than to the roof.
    fn check_imports(&self, source: &Source, report: &mut Report<'_>) {
        let home = module_of(report.path);
        for at in 0..source.tokens.len() {
            let start = match source.text(at) {
                "crate" => Vec::new(),
                "self" | "super" if source.is_path_start(at) => {
                    let mut module = home.clone();
                    module.extend(source.tokens[at].modules.iter().cloned());
                    if source.text(at) == "super" {
                        module.pop();
                    }
                    module
                }
                _ => continue,
            };
            let mut ends = Vec::new();
            source.paths_after(at + 1, start, &mut ends);
            for (line, end) in ends {
                self.check_import(line, &home, &end, report);
            }
        }
    }

    fn check_import(&self, line: usize, home: &[String], end: &[String], report: &mut Report<'_>) {
        if end.starts_with(home) {
            return; // our own, or of a module below us
        }
        let (mine, target) = (floor(report.path), self.file_of(end));
        let theirs = floor(&target);
        let named = end.join("::");
        if target == "lib.rs" {
            report.add(
                line,
                format_args!("`crate::{named}` is the roof: name the file it comes from"),
            );
        } else if theirs > mine {
            report.add(
                line,
                format_args!("`crate::{named}` is on floor {theirs} ({target}), above our {mine}"),
            );
        }
    }

    /// The file of the innermost module that a path names.
    fn file_of(&self, path: &[String]) -> String {
        for length in (1..=path.len()).rev() {
            let stem = path[..length].join("/");
            for file in [format!("{stem}.rs"), format!("{stem}/mod.rs")] {
                if self.files.contains(&file) {
                    return file;
                }
            }
        }
        "lib.rs".to_owned()
    }
}

fn module_of(path: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap();
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" => Vec::new(),
        _ => stem.split('/').map(str::to_owned).collect(),
    }
}

/// `cfg` names systems and families only where it may, and stays away from statements,
/// parameters and macros.
fn check_cfgs(source: &Source, report: &mut Report<'_>) {
    const SYSTEMS: [&str; 4] = ["target_os", "target_vendor", "target_env", "target_arch"];
    const FAMILIES: [&str; 3] = ["unix", "windows", "target_family"];
    for (at, token) in source.tokens.iter().enumerate() {
        if !matches!(&*token.text, "cfg" | "cfg_attr") {
            continue;
        }
        let open = at + 1 + usize::from(source.text(at + 1) == "!");
        if source.text(open) != "(" {
            continue;
        }
        let close = source.closing(open);
        let names = || source.tokens[open..close].iter();
        let on_module = source.is_on_module(close);
        let path = report.path;
        for name in names() {
            if SYSTEMS.contains(&&*name.text) && !may_name_systems(path) {
                report.add(name.line, format_args!("`{}` outside `os/`", name.text));
            }
            if FAMILIES.contains(&&*name.text) && !may_name_families(path, on_module) {
                let message = "outside `os/`, `sys/mod.rs`, `lib.rs` and lists of files";
                report.add(name.line, format_args!("`{}` {message}", name.text));
            }
        }
        let place = match token.place {
            Place::Item => continue,
            Place::Body => "within the body of a function",
            Place::Signature => "on a parameter",
            Place::Macro => "within a macro",
        };
        if !is_os(path) {
            report.add(token.line, format_args!("`cfg` {place}"));
        }
    }
}

/// `unsafe` stands only where it may, and says why it is sound.
fn check_unsafe(source: &Source, report: &mut Report<'_>) {
    for (at, token) in source.tokens.iter().enumerate() {
        if token.text == "unsafe_code" && !may_be_unsafe(report.path) {
            report.add(
                token.line,
                format_args!("`unsafe_code` must stay denied here"),
            );
        }
        if token.text != "unsafe" {
            continue;
        }
        if !may_be_unsafe(report.path) {
            report.add(token.line, format_args!("`unsafe` outside `os/`"));
        }
        let word = match source.text(at + 1) {
            "fn" | "trait" | "extern" => "# Safety",
            _ => "SAFETY:",
        };
        if !source.is_explained(token.line, word) {
            report.add(
                token.line,
                format_args!("`unsafe` without `{word}` before it"),
            );
        }
    }
}

struct Report<'a> {
    path: &'a str,
    breaches: Vec<String>,
}

impl Report<'_> {
    fn add(&mut self, line: usize, message: impl Display) {
        self.breaches
            .push(format!("src/{}:{line}: {message}", self.path));
    }
}

/// Each rule notices its breach, and lets pass what keeps it.
mod rules {
    use super::*;

    /// What is wrong with a file of these lines; a head is put before them.
    fn breaches(path: &str, code: &str) -> Vec<String> {
        House::of_files().inspect(path, &format!("//! Head.\n{code}\n"))
    }

    #[track_caller]
    fn is_breach(path: &str, code: &str, says: &str) {
        let found = breaches(path, code);
        assert_eq!(found.len(), 1, "{code}: {found:?}");
        assert!(found[0].starts_with(&format!("src/{path}:")), "{found:?}");
        assert!(found[0].contains(says), "{found:?}");
    }

    #[track_caller]
    fn is_allowed(path: &str, code: &str) {
        assert_eq!(breaches(path, code), [""; 0], "{code}");
    }

    #[test]
    fn imports_never_go_up() {
        is_breach("base/wait.rs", "use crate::sys::rearm::Arm;", "floor 2");
        is_breach(
            "sys/levels.rs",
            "use crate::reactor::{ready::Ready};",
            "floor 5",
        );
        is_breach(
            "sys/mod.rs",
            "fn f() { crate::source::waker::g() }",
            "floor 6",
        );
        is_allowed(
            "source/waker.rs",
            "use crate::{base::token::Token, reactor::ready::Ready};",
        );
        is_allowed("sys/rearm.rs", "use super::levels::Levels;");
        is_breach(
            "sys/levels.rs",
            "use super::super::reactor::poll;",
            "floor 5",
        );
        is_allowed(
            "sys/levels.rs",
            "mod tests { use super::*; use super::super::rearm; }",
        );
    }

    #[test]
    fn nobody_imports_the_roof() {
        is_breach("reactor/poll.rs", "use crate::Token;", "roof");
        is_breach(
            "source/pipe.rs",
            "fn f(x: crate::net::TcpStream) {}",
            "roof",
        );
        is_allowed(
            "source/pipe.rs",
            "/// See [`crate::Token`].\npub(crate) fn f() {}",
        );
    }

    #[test]
    fn systems_are_named_where_system_calls_are() {
        let code = "#[cfg(any(target_os = \"linux\"))]\nfn f() {}";
        is_breach("sys/unix/poll.rs", code, "`target_os`");
        is_allowed("sys/unix/os/poll.rs", code);
    }

    #[test]
    fn families_are_named_at_the_door() {
        let module = "#[cfg(all(unix, test))]\npub(crate) mod pipe;";
        is_breach("reactor/poll.rs", module, "`unix`");
        is_allowed("source/mod.rs", module);
        is_breach("source/mod.rs", "#[cfg(windows)]\nfn f() {}", "`windows`");
        is_allowed("sys/mod.rs", "#[cfg(not(unix))]\nfn f() {}");
        is_allowed(
            "reactor/mod.rs",
            "fn unix() { let windows = \"cfg(unix)\"; }",
        );
    }

    #[test]
    fn cfg_stays_out_of_functions_and_macros() {
        let body = "fn f() -> u8 {\n    #[cfg(test)]\n    g();\n    1\n}";
        is_breach("base/wait.rs", body, "wait.rs:3: `cfg` within the body");
        is_allowed("sys/unix/os/poll.rs", body);
        is_breach("base/wait.rs", "fn f(#[cfg(test)] x: u8) {}", "parameter");
        is_breach(
            "base/wait.rs",
            "macro_rules! m { () => { #[cfg(test)] fn f() {} } }",
            "macro",
        );
        is_allowed(
            "base/wait.rs",
            "const F: fn(u8) = { #[cfg(test)] const G: u8 = 1; g };",
        );
    }

    #[test]
    fn unsafe_is_opened_per_file() {
        let code = "fn f() {\n    // SAFETY: a fact.\n    unsafe { g() }\n}";
        is_breach("sys/unix/epoll.rs", code, "outside `os/`");
        is_allowed("sys/unix/os/epoll.rs", code);
        is_breach("sys/unix/epoll.rs", "#![allow(unsafe_code)]", "denied");
    }

    #[test]
    fn unsafe_says_why_it_is_sound() {
        let silent = "fn f() {\n    // SAFETY: of another.\n    g();\n    unsafe { h() }\n}";
        is_breach(
            "reactor/ready_list.rs",
            silent,
            "ready_list.rs:5: `unsafe` without `SAFETY:`",
        );
        is_allowed(
            "reactor/ready_list.rs",
            "fn f() {\n    // SAFETY: a fact,\n    // in two lines.\n    let x =\n        unsafe { h() };\n}",
        );
        is_breach(
            "reactor/ready_list.rs",
            "/// Docs.\nunsafe fn f() {}",
            "# Safety",
        );
        is_allowed(
            "reactor/ready_list.rs",
            "/// # Safety\n///\n/// None.\n#[inline]\nunsafe fn f() {}",
        );
    }

    #[test]
    fn files_have_a_head_and_an_end() {
        let house = House::of_files();
        assert_eq!(house.inspect("base/wait.rs", "use std::io;\n").len(), 1);
        let long = |lines| "use std::io; // again\n\n".repeat(lines);
        is_breach("base/wait.rs", &long(MOST_LINES + 1), "601 lines");
        is_allowed("base/wait.rs", &long(MOST_LINES));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}", long(MOST_LINES + 1));
        is_allowed("base/wait.rs", &tests);
    }
}

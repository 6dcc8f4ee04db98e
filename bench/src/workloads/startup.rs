//! `startup`: what it takes to begin: from the start of a program to its first answer, its size, how long it takes to build, and out of
//! how many crates.
//!
//! The program is the example `tcp_echo`: of wakeful, the same file over mio, and a small equal one on tokio (bench/startup/). Each is a
//! package of its own, in a folder of the target directory, built from the crates that are in cargo's store, by the
//! versions of the lock file, on one core. A build is clean: nothing of an earlier one is used.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};

use super::{http, values, Case, Goal, Job, Metric, Values, Workload};
use crate::engines::Engine;
use crate::stats::median;

pub const WORKLOAD: Workload = Workload {
    name: "startup",
    about: "the example tcp_echo: to its first answer, its size, its build, its crates",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Startup {
    /// How often it is started.
    pub starts: usize,
    /// Anew, and timed; otherwise only what is not built yet.
    pub builds: bool,
}

const STARTED: &[Metric] = &[
    Metric {
        key: "time",
        unit: "us from the start to the first answer",
        goal: None,
    },
    Metric {
        key: "size",
        unit: "KiB, stripped",
        goal: Some(Goal::TimesMio(1.3)),
    },
    Metric {
        key: "crates",
        unit: "crates",
        goal: None,
    },
];

const BUILT: &[Metric] = &[Metric {
    key: "build",
    unit: "s/clean build, one core",
    goal: Some(Goal::TimesMio(1.3)),
}];

fn cases(quick: bool) -> Vec<Case> {
    let job = |starts, builds| Job::Startup(Startup { starts, builds });
    let fits: fn(Engine) -> bool = match quick {
        // One build is enough to see that it works.
        true => |engine| engine == Engine::Wakeful,
        false => |engine| matches!(engine, Engine::Wakeful | Engine::Mio | Engine::Tokio),
    };
    let mut cases = vec![Case {
        name: "tcp_echo".to_owned(),
        about: "",
        job: job(if quick { 5 } else { 50 }, false),
        traced: job(1, false),
        metrics: STARTED,
        fits,
    }];
    if !quick {
        cases.push(Case {
            name: "build".to_owned(),
            about: "",
            job: job(0, true),
            traced: job(0, false),
            metrics: BUILT,
            fits,
        });
    }
    cases
}

pub fn run(engine: Engine, job: &Startup) -> Result<Values> {
    let package = Package::write(engine)?;
    if job.builds {
        let _ = fs::remove_dir_all(package.target());
        let start = Instant::now();
        package.cargo(&["build", "--release"])?;
        return Ok(values([("build", start.elapsed().as_secs_f64())]));
    }
    package.cargo(&["build", "--release"])?;
    let program = package.target().join("release/startup");
    let times: Vec<f64> = (0..job.starts)
        .map(|_| first_answer(&program))
        .collect::<Result<_>>()?;
    // The first start reads the program from the disk.
    let size = fs::metadata(&program)?.len() as f64 / 1024.0;
    Ok(values([
        ("time", median(&times[times.len().min(1)..])),
        ("size", size),
        ("crates", package.crates()? as f64),
        ("operations", job.starts as f64),
    ]))
}

/// Starts it, and sends it a byte; when that is back, in microseconds.
fn first_answer(program: &Path) -> Result<f64> {
    let start = Instant::now();
    let mut server = Command::new(program)
        .arg("127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let mut line = String::new();
    let out = server.stdout.take().context("no output")?;
    let mut out = BufReader::new(out);
    out.read_line(&mut line)?;
    // `listening on ADDRESS (Ctrl-C to stop)`.
    let address = line.split_whitespace().nth(2);
    let address = address.with_context(|| format!("where it listens: {line:?}"))?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(&[7])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    let elapsed = start.elapsed();
    ensure!(answer == [7], "a wrong byte came back");
    drop(stream);
    http::end(server)?;
    Ok(elapsed.as_nanos() as f64 / 1000.0)
}

/// The example and what it depends on, alone.
struct Package {
    folder: PathBuf,
}

impl Package {
    fn write(engine: Engine) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let example = fs::read_to_string(root.join("examples/tcp_echo.rs"))?;
        let helpers =
            "slab = \"0.4\"\nsignal-hook = { version = \"0.3\", default-features = false }\n";
        let (program, library) = match engine {
            Engine::Wakeful => (
                example,
                format!(
                    "wakeful = {{ path = {root:?}, default-features = false, features = [\"os-poll\", \"net\"] }}\n{helpers}"
                ),
            ),
            Engine::Mio => (
                example.replace("wakeful::", "mio::"),
                format!(
                    "mio = {{ version = \"1.2.5\", default-features = false, features = [\"os-poll\", \"net\"] }}\n{helpers}"
                ),
            ),
            Engine::Tokio => (
                include_str!("../../startup/tokio.rs").to_owned(),
                "tokio = { version = \"1\", features = [\"io-util\", \"net\", \"rt\"] }\n".to_owned(),
            ),
            _ => bail!("there is no such program for {}", engine.name()),
        };
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).context("no target directory")?;
        let folder = target.join("bench/startup").join(engine.name());
        fs::create_dir_all(folder.join("src"))?;
        // Written only if it is another, so that cargo builds what has changed.
        let manifest = format!(
            "[package]\nname = \"startup\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n{library}\n\
             [profile.release]\nstrip = true\n\n[workspace]\n"
        );
        for (name, text) in [("Cargo.toml", manifest), ("src/main.rs", program)] {
            let path = folder.join(name);
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                fs::write(&path, text)?;
            }
        }
        if !folder.join("Cargo.lock").exists() {
            // The same versions; what is not needed cargo takes out.
            fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        }
        Ok(Self { folder })
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn cargo(&self, arguments: &[&str]) -> Result<String> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(arguments)
            .args(["--offline", "--quiet"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.target())
            .env_remove("RUSTFLAGS")
            .output()
            .context("starting cargo")?;
        ensure!(
            output.status.success(),
            "cargo {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Those that are compiled for this system into the program, besides its own.
    fn crates(&self) -> Result<usize> {
        let tree = self.cargo(&["tree", "--edges", "normal", "--prefix", "none"])?;
        let names = tree.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        });
        Ok(names.collect::<BTreeSet<_>>().len().saturating_sub(1))
    }
}

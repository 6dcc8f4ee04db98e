//! Each measurement is a process of its own, this program again: fresh, pinned, and ended if it hangs.
//!
//! What it is to do goes in as an argument, what it found comes out as the last line of its output. A server
//! first [announces](announce) where it listens, and gets a client, which is a second process.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};

use crate::engines::Engine;
use crate::on_wakeful;
use crate::system::{self, Side};
use crate::workloads::{churn, echo, Job, Values};

/// Far longer than any measurement takes, also on a machine that is busy with other things. One that
/// reaches it has lost an event, and waits for it.
const PATIENCE_SECONDS: u32 = 120;

#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// What is measured.
    Run(Engine, Job),
    /// The client of a server on that engine.
    Client(Engine, Job, SocketAddr),
}

/// Does one job in a process of its own, and with a client if it needs one. With `trace`, system calls are recorded in that file.
pub fn run(engine: Engine, job: &Job, trace: Option<&Path>) -> Result<Values> {
    let mut main = Process::start(engine, &Order::Run(engine, job.clone()), trace)?;
    let mut client = None;
    if job.has_client() {
        let address = main.line()?.parse().context("where the server listens")?;
        let mut process =
            Process::start(engine, &Order::Client(engine, job.clone(), address), None)?;
        client = Some(process.finish().context("client"));
    }
    let outcome = main.finish().with_context(|| engine.name());
    let mut values = match client.transpose() {
        Ok(client) => client.unwrap_or_default(),
        // The client failed, and the server too: that may be why.
        Err(err) => return Err(outcome.err().unwrap_or(err)),
    };
    values.extend(outcome?);
    Ok(values)
}

/// Tells the parent where a server listens.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()
}

/// The other end of [`run`]: does what is ordered, here.
pub fn measure(order: &str) -> Result<()> {
    system::end_with_parent()?;
    system::end_by_interrupt();
    system::end_after(PATIENCE_SECONDS);
    system::raise_descriptor_limit()?;
    let values = match serde_json::from_str(order)? {
        Order::Run(engine, job) => {
            system::pin(Side::Server)?;
            engine.run(&job)?
        }
        Order::Client(engine, job, server) => {
            system::pin(Side::Client)?;
            match job {
                Job::Echo(job) => echo::client(&job, server)?,
                Job::Churn(job) => churn::client(&job, server)?,
                // Both ends wait, so both are what is measured.
                Job::Rtt(job) => engine.run(&Job::RttClient(job, server))?,
                other => bail!("there is no client for {other:?}"),
            }
        }
    };
    println!("{}", serde_json::to_string(&values)?);
    Ok(())
}

/// A child, which is ended when this is dropped.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(engine: Engine, order: &Order, trace: Option<&Path>) -> Result<Self> {
        let this: OsString = match (engine, order) {
            (Engine::TokioOnWakeful, Order::Run(..) | Order::Client(_, Job::Rtt(_), _)) => {
                on_wakeful::program()?.into()
            }
            _ => std::env::current_exe()?.into(),
        };
        let mut command = match trace {
            None => Command::new(this),
            Some(file) => {
                let mut command = crate::trace::command(file);
                command.arg(this);
                command
            }
        };
        let mut child = command
            .arg("measure")
            .arg(serde_json::to_string(order)?)
            .env("WAKEFUL_BACKEND", engine.backend())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {:?}", command.get_program()))?;
        let output = child.stdout.take().context("no output")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "the process ended early");
        Ok(line.trim_end().to_owned())
    }

    fn finish(&mut self) -> Result<Values> {
        let line = self.line();
        let status = self.child.wait()?;
        if !status.success() {
            match status.signal() {
                Some(libc::SIGALRM) => {
                    bail!("ended after {PATIENCE_SECONDS} s of waiting for what did not come")
                }
                _ => bail!("{status}"),
            }
        }
        Ok(serde_json::from_str(&line?)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

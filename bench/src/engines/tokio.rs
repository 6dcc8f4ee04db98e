//! tokio's current-thread runtime: a task for each connection, as its guide shows. Over mio, or, in the program of
//! `bench/tokio-on-wakeful`, over wakeful under the name of mio.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{bail, ensure, Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::trips::{self, Trips};
use super::window::Window;
use crate::process::announce;
use crate::workloads::churn::Churn;
use crate::workloads::echo::Echo;
use crate::workloads::rtt::Rtt;
use crate::workloads::{Job, Values};

pub fn run(job: &Job) -> Result<Values> {
    let runtime = runtime()?;
    match job {
        Job::Echo(job) => runtime.block_on(echo(job)),
        Job::Churn(job) => runtime.block_on(churn(job)),
        Job::Rtt(job) => runtime.block_on(rtt(job)),
        Job::RttClient(job, server) => runtime.block_on(rtt_client(job, *server)),
        other => bail!("tokio has no program for {other:?}"),
    }
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_io().build()?)
}

/// Tasks may go to other threads by their type, so it is shared as if they did.
type Shared = Arc<Mutex<Window>>;

fn count(window: &Shared, number: u64) {
    let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
    window.count(number);
}

fn close(window: Shared, operations: u64) -> Result<Values> {
    let window = Arc::into_inner(window).context("a task is left")?;
    let window = window.into_inner().unwrap_or_else(PoisonError::into_inner);
    window.close(operations)
}

async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

async fn echo(job: &Echo) -> Result<Values> {
    let listener = listen().await?;
    let window = Arc::new(Mutex::new(job.window()));
    let mut tasks = JoinSet::new();
    for _ in 0..job.connections {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tasks.spawn(send_back(stream, job.buffer(), Arc::clone(&window)));
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    close(window, job.requests)
}

async fn send_back(mut stream: TcpStream, size: usize, window: Shared) -> Result<()> {
    let mut buffer = vec![0; size];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
        count(&window, length as u64);
    }
}

async fn churn(job: &Churn) -> Result<Values> {
    let listener = listen().await?;
    let window = Arc::new(Mutex::new(job.window()));
    let mut tasks = JoinSet::new();
    for _ in 0..job.total() {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tasks.spawn(answer(stream, Arc::clone(&window)));
        while let Some(outcome) = tasks.try_join_next() {
            outcome??;
        }
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    close(window, job.connections)
}

async fn answer(mut stream: TcpStream, window: Shared) -> Result<()> {
    let mut message = [0; Churn::MESSAGE];
    stream.read_exact(&mut message).await?;
    stream.write_all(&message).await?;
    drop(stream);
    count(&window, 1);
    Ok(())
}

async fn rtt(job: &Rtt) -> Result<Values> {
    let listener = listen().await?;
    let (mut stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut window = job.window();
    let mut message = [0; trips::MESSAGE];
    for _ in 0..job.total() {
        stream.read_exact(&mut message).await?;
        stream.write_all(&message).await?;
        window.count(1);
    }
    ensure!(stream.read(&mut message).await? == 0, "bytes too many");
    window.close(job.trips)
}

async fn rtt_client(job: &Rtt, server: SocketAddr) -> Result<Values> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut trips = Trips::new(job)?;
    while let Some(mut message) = trips.next() {
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        trips.came(&message)?;
    }
    trips.close()
}

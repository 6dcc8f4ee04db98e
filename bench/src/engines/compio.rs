//! compio on io_uring: a task for each connection, buffers that are handed over and come back.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{anyhow, bail, ensure, Context, Result};
use compio::buf::{BufResult, IntoInner, IoBuf};
use compio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{spawn, Runtime};

use super::trips::{self, Trips};
use super::window::Window;
use crate::process::announce;
use crate::system::set_nodelay;
use crate::workloads::churn::Churn;
use crate::workloads::echo::Echo;
use crate::workloads::rtt::Rtt;
use crate::workloads::{Job, Values};

pub fn run(job: &Job) -> Result<Values> {
    let runtime = Runtime::new()?;
    match job {
        Job::Echo(job) => runtime.block_on(echo(job)),
        Job::Churn(job) => runtime.block_on(churn(job)),
        Job::Rtt(job) => runtime.block_on(rtt(job)),
        Job::RttClient(job, server) => runtime.block_on(rtt_client(job, *server)),
        other => bail!("compio has no program for {other:?}"),
    }
}

type Shared = Rc<RefCell<Window>>;

fn close(window: Shared, operations: u64) -> Result<Values> {
    let window = Rc::into_inner(window).context("a task is left")?;
    window.into_inner().close(operations)
}

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

async fn echo(job: &Echo) -> Result<Values> {
    let listener = listen().await?;
    let window = Rc::new(RefCell::new(job.window()));
    let mut tasks = Vec::new();
    for _ in 0..job.connections {
        let (stream, _) = listener.accept().await?;
        set_nodelay(&stream)?;
        let task = send_back(stream, job.buffer(), Rc::clone(&window));
        tasks.push(spawn(task));
    }
    for task in tasks {
        task.await.map_err(|_| anyhow!("a task panicked"))??;
    }
    close(window, job.requests)
}

async fn send_back(mut stream: TcpStream, size: usize, window: Shared) -> Result<()> {
    let mut buffer = Vec::with_capacity(size);
    loop {
        let BufResult(length, read) = stream.read(buffer).await;
        let length = length?;
        if length == 0 {
            return Ok(());
        }
        let BufResult(written, slice) = stream.write_all(read.slice(..length)).await;
        written?;
        buffer = slice.into_inner();
        window.borrow_mut().count(length as u64);
    }
}

async fn churn(job: &Churn) -> Result<Values> {
    let listener = listen().await?;
    let window = Rc::new(RefCell::new(job.window()));
    let mut tasks = Vec::new();
    for _ in 0..job.total() {
        let (stream, _) = listener.accept().await?;
        set_nodelay(&stream)?;
        tasks.push(spawn(answer(stream, Rc::clone(&window))));
    }
    for task in tasks {
        task.await.map_err(|_| anyhow!("a task panicked"))??;
    }
    close(window, job.connections)
}

async fn answer(mut stream: TcpStream, window: Shared) -> Result<()> {
    let BufResult(outcome, message) = stream.read_exact([0; Churn::MESSAGE]).await;
    outcome?;
    let BufResult(outcome, _) = stream.write_all(message).await;
    outcome?;
    drop(stream);
    window.borrow_mut().count(1);
    Ok(())
}

async fn rtt(job: &Rtt) -> Result<Values> {
    let listener = listen().await?;
    let (mut stream, _) = listener.accept().await?;
    set_nodelay(&stream)?;
    let mut window = job.window();
    let mut message = [0; trips::MESSAGE];
    for _ in 0..job.total() {
        let BufResult(outcome, came) = stream.read_exact(message).await;
        outcome?;
        let BufResult(outcome, sent) = stream.write_all(came).await;
        outcome?;
        message = sent;
        window.count(1);
    }
    let BufResult(rest, _) = stream.read(message).await;
    ensure!(rest? == 0, "bytes too many");
    window.close(job.trips)
}

async fn rtt_client(job: &Rtt, server: SocketAddr) -> Result<Values> {
    let mut stream = TcpStream::connect(server).await?;
    set_nodelay(&stream)?;
    let mut trips = Trips::new(job)?;
    while let Some(message) = trips.next() {
        let BufResult(outcome, sent) = stream.write_all(message).await;
        outcome?;
        let BufResult(outcome, came) = stream.read_exact(sent).await;
        outcome?;
        trips.came(&came)?;
    }
    trips.close()
}

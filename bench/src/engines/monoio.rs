//! monoio on io_uring: a task for each connection, buffers that are handed over and come back.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{bail, ensure, Context, Result};
use monoio::io::{AsyncReadRent, AsyncReadRentExt, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};

use super::trips::{self, Trips};
use super::window::Window;
use crate::process::announce;
use crate::workloads::churn::Churn;
use crate::workloads::echo::Echo;
use crate::workloads::rtt::Rtt;
use crate::workloads::{Job, Values};

pub fn run(job: &Job) -> Result<Values> {
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().build()?;
    match job {
        Job::Echo(job) => runtime.block_on(echo(job)),
        Job::Churn(job) => runtime.block_on(churn(job)),
        Job::Rtt(job) => runtime.block_on(rtt(job)),
        Job::RttClient(job, server) => runtime.block_on(rtt_client(job, *server)),
        other => bail!("monoio has no program for {other:?}"),
    }
}

type Shared = Rc<RefCell<Window>>;

fn close(window: Shared, operations: u64) -> Result<Values> {
    let window = Rc::into_inner(window).context("a task is left")?;
    window.into_inner().close(operations)
}

fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

async fn echo(job: &Echo) -> Result<Values> {
    let listener = listen()?;
    let window = Rc::new(RefCell::new(job.window()));
    let mut tasks = Vec::new();
    for _ in 0..job.connections {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let task = send_back(stream, job.buffer(), Rc::clone(&window));
        tasks.push(monoio::spawn(task));
    }
    for task in tasks {
        task.await?;
    }
    close(window, job.requests)
}

async fn send_back(mut stream: TcpStream, size: usize, window: Shared) -> Result<()> {
    let mut buffer = Vec::with_capacity(size);
    loop {
        let (length, read) = stream.read(buffer).await;
        let length = length?;
        if length == 0 {
            return Ok(());
        }
        let (written, whole) = stream.write_all(read).await;
        written?;
        buffer = whole;
        window.borrow_mut().count(length as u64);
    }
}

async fn churn(job: &Churn) -> Result<Values> {
    let listener = listen()?;
    let window = Rc::new(RefCell::new(job.window()));
    let mut tasks = Vec::new();
    for _ in 0..job.total() {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tasks.push(monoio::spawn(answer(stream, Rc::clone(&window))));
    }
    for task in tasks {
        task.await?;
    }
    close(window, job.connections)
}

async fn answer(mut stream: TcpStream, window: Shared) -> Result<()> {
    let (outcome, message) = stream.read_exact(vec![0; Churn::MESSAGE]).await;
    outcome?;
    let (outcome, _) = stream.write_all(message).await;
    outcome?;
    drop(stream);
    window.borrow_mut().count(1);
    Ok(())
}

async fn rtt(job: &Rtt) -> Result<Values> {
    let listener = listen()?;
    let (mut stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut window = job.window();
    let mut message = vec![0; trips::MESSAGE];
    for _ in 0..job.total() {
        let (outcome, came) = stream.read_exact(message).await;
        outcome?;
        let (outcome, sent) = stream.write_all(came).await;
        outcome?;
        message = sent;
        window.count(1);
    }
    let (rest, _) = stream.read(message).await;
    ensure!(rest? == 0, "bytes too many");
    window.close(job.trips)
}

async fn rtt_client(job: &Rtt, server: SocketAddr) -> Result<Values> {
    let mut stream = TcpStream::connect_addr(server).await?;
    stream.set_nodelay(true)?;
    let mut trips = Trips::new(job)?;
    let mut buffer = vec![0; trips::MESSAGE];
    while let Some(message) = trips.next() {
        buffer.copy_from_slice(&message);
        let (outcome, sent) = stream.write_all(buffer).await;
        outcome?;
        let (outcome, came) = stream.read_exact(sent).await;
        outcome?;
        trips.came(&came)?;
        buffer = came;
    }
    trips.close()
}

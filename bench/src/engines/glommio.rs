//! glommio, on io_uring: one executor, a task for each connection.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{anyhow, bail, ensure, Context, Result};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder};

use super::trips::{self, Trips};
use super::window::Window;
use crate::process::announce;
use crate::workloads::churn::Churn;
use crate::workloads::echo::Echo;
use crate::workloads::rtt::Rtt;
use crate::workloads::{Job, Values};

pub fn run(job: &Job) -> Result<Values> {
    let executor = executor()?;
    match job {
        Job::Echo(job) => executor.run(echo(job)),
        Job::Churn(job) => executor.run(churn(job)),
        Job::Rtt(job) => executor.run(rtt(job)),
        Job::RttClient(job, server) => executor.run(rtt_client(job, *server)),
        other => bail!("glommio has no program for {other:?}"),
    }
}

pub fn executor() -> Result<LocalExecutor> {
    LocalExecutorBuilder::default().make().map_err(error)
}

fn error(err: GlommioError<()>) -> anyhow::Error {
    anyhow!("{err}")
}

type Shared = Rc<RefCell<Window>>;

fn close(window: Shared, operations: u64) -> Result<Values> {
    let window = Rc::into_inner(window).context("a task is left")?;
    window.into_inner().close(operations)
}

fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(error)?;
    announce(listener.local_addr().map_err(error)?)?;
    Ok(listener)
}

async fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let stream = listener.accept().await.map_err(error)?;
    stream.set_nodelay(true).map_err(error)?;
    Ok(stream)
}

async fn echo(job: &Echo) -> Result<Values> {
    let listener = listen()?;
    let window = Rc::new(RefCell::new(job.window()));
    let mut tasks = Vec::new();
    for _ in 0..job.connections {
        let stream = accept(&listener).await?;
        let task = send_back(stream, job.buffer(), Rc::clone(&window));
        tasks.push(glommio::spawn_local(task).detach());
    }
    for task in tasks {
        task.await.context("a task was cancelled")??;
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
        window.borrow_mut().count(length as u64);
    }
}

async fn churn(job: &Churn) -> Result<Values> {
    let listener = listen()?;
    let window = Rc::new(RefCell::new(job.window()));
    let mut tasks = Vec::new();
    for _ in 0..job.total() {
        let stream = accept(&listener).await?;
        tasks.push(glommio::spawn_local(answer(stream, Rc::clone(&window))).detach());
    }
    for task in tasks {
        task.await.context("a task was cancelled")??;
    }
    close(window, job.connections)
}

async fn answer(mut stream: TcpStream, window: Shared) -> Result<()> {
    let mut message = [0; Churn::MESSAGE];
    stream.read_exact(&mut message).await?;
    stream.write_all(&message).await?;
    drop(stream);
    window.borrow_mut().count(1);
    Ok(())
}

async fn rtt(job: &Rtt) -> Result<Values> {
    let listener = listen()?;
    let mut stream = accept(&listener).await?;
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
    let mut stream = TcpStream::connect(server).await.map_err(error)?;
    stream.set_nodelay(true).map_err(error)?;
    let mut trips = Trips::new(job)?;
    while let Some(mut message) = trips.next() {
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        trips.came(&message)?;
    }
    trips.close()
}

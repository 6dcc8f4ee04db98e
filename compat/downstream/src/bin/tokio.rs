//! tokio's drivers: TCP, UDP, Unix sockets, child processes, signals, pipes, foreign descriptors, timers.
//!
//! Everything runs twice: on four workers, and on one thread.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use downstream::{assert_polls_are_ours, run, step, Folder, Pattern};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

fn main() {
    run("tokio", || {
        let workers = Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .expect("a runtime");
        workers.block_on(everything("4 workers"));
        drop(workers);

        let single = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        single.block_on(everything("1 thread"));
    });
}

async fn everything(flavour: &str) {
    assert_polls_are_ours();
    let step = |name: &str| step(&format!("{flavour}: {name}"));

    step("tcp: 300 connections, 20 messages each");
    many_connections().await;
    step("tcp: 4 x 16 MiB in both directions at once");
    both_directions_at_once().await;
    step("tcp: 50 reset connections and 50 refused ones");
    for _ in 0..50 {
        reset_and_refused().await;
    }
    step("udp: 8 pairs, 200 datagrams each");
    udp().await;
    step("udp: 200 datagrams through try_io");
    udp_by_own_system_calls().await;
    step("unix stream: 4 x 8 MiB in both directions at once");
    unix_stream().await;
    step("unix datagram: 5000 against back-pressure");
    unix_datagram().await;
    step("process: 4 MiB through cat, both ends at once");
    child_with_pipes().await;
    step("process: 20 exits and a kill");
    child_exits().await;
    step("signal: 50 times SIGUSR1");
    signals().await;
    step("pipe: 4 MiB");
    pipes().await;
    step("AsyncFd: 500 rounds");
    foreign_descriptor().await;
    step("timers: 200 at once, none early");
    timers().await;
    step("tasks: 5000 rounds between a task and a blocking thread");
    wakes_from_outside().await;
    assert_polls_are_ours();
}

async fn many_connections() {
    const CONNECTIONS: u64 = 300;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");

    let server = tokio::spawn(async move {
        let mut serving = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            serving.spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer)
                    .await
                    .expect("an echo")
            });
        }
        serving.join_all().await.into_iter().sum::<u64>()
    });

    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        clients.spawn(async move {
            let pattern = Pattern::new(number);
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let mut total = 0;
            for message in 0..20 {
                let len = 1 + message * 157;
                let mut answer = vec![0; len];
                stream
                    .write_all(pattern.at(total, len))
                    .await
                    .expect("a send");
                stream.read_exact(&mut answer).await.expect("an answer");
                pattern.check(total, &answer);
                total += len;
            }
            stream.shutdown().await.expect("a half-close");
            assert_eq!(stream.read(&mut [0; 8]).await.expect("the end"), 0);
            total as u64
        });
    }
    let sent: u64 = clients.join_all().await.into_iter().sum();
    assert_eq!(server.await.expect("no panic"), sent);
}

async fn both_directions_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut work = JoinSet::new();
    for seed in 0..4 {
        let near = TcpStream::connect(address).await.expect("a connection");
        let (far, _) = listener.accept().await.expect("a connection");
        work.spawn(flood_both_ways(near, far, seed, 16 << 20));
    }
    work.join_all().await;
}

/// Sends `len` bytes each way at the same time, closes, and checks what arrived.
async fn flood_both_ways<S>(near: S, far: S, seed: u64, len: usize)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (near_reader, near_writer) = tokio::io::split(near);
    let (far_reader, far_writer) = tokio::io::split(far);
    let mut flood = JoinSet::new();
    flood.spawn(send_pattern(near_writer, 2 * seed, len));
    flood.spawn(send_pattern(far_writer, 2 * seed + 1, len));
    flood.spawn(expect_pattern(far_reader, 2 * seed, len));
    flood.spawn(expect_pattern(near_reader, 2 * seed + 1, len));
    flood.join_all().await;
}

async fn send_pattern(mut writer: impl AsyncWrite + Unpin, seed: u64, len: usize) {
    let pattern = Pattern::new(seed);
    let mut sent = 0;
    while sent < len {
        let chunk = (len - sent).min(1 + sent % Pattern::MAX);
        sent += writer.write(pattern.at(sent, chunk)).await.expect("a send");
    }
    // Sockets end here; pipes when the writer is dropped, right after.
    writer.shutdown().await.expect("a half-close");
}

async fn expect_pattern(mut reader: impl AsyncRead + Unpin, seed: u64, len: usize) {
    let pattern = Pattern::new(seed);
    let mut buffer = vec![0; Pattern::MAX];
    let mut received = 0;
    loop {
        let room = 1 + received % Pattern::MAX;
        let n = reader.read(&mut buffer[..room]).await.expect("a chunk");
        if n == 0 {
            break;
        }
        pattern.check(received, &buffer[..n]);
        received += n;
    }
    assert_eq!(received, len);
}

async fn reset_and_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");

    let mut near = TcpStream::connect(address).await.expect("a connection");
    let (far, _) = listener.accept().await.expect("a connection");
    let reading = tokio::spawn(async move { near.read(&mut [0; 8]).await });
    far.set_zero_linger().expect("no linger");
    drop(far);
    let error = reading.await.expect("no panic").expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    // Closed when `drop` returns, also while another worker waits in the poll.
    drop(listener);
    let error = TcpStream::connect(address)
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

async fn udp() {
    let mut pairs = JoinSet::new();
    for _ in 0..8 {
        pairs.spawn(async {
            let server = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
            let client = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
            client
                .connect(server.local_addr().unwrap())
                .await
                .expect("a peer");
            let serving = tokio::spawn(async move {
                let mut buffer = [0; 2048];
                for _ in 0..200 {
                    let (n, from) = server.recv_from(&mut buffer).await.expect("a datagram");
                    server.send_to(&buffer[..n], from).await.expect("an answer");
                }
            });
            // One at a time, so that none is dropped for lack of room.
            for round in 0..200_u8 {
                let datagram = vec![round; 1 + usize::from(round) * 7];
                client.send(&datagram).await.expect("a send");
                // Through readiness, as those who bring their own system calls do.
                let mut answer = vec![0; 2048];
                let n = loop {
                    client.readable().await.expect("readiness");
                    match client.try_recv(&mut answer) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        result => break result.expect("an answer"),
                    }
                };
                assert_eq!(answer[..n], datagram);
            }
            serving.await.expect("no panic");
        });
    }
    pairs.join_all().await;
}

/// As QUIC stacks do: the socket tells of readiness, the caller makes the system calls.
async fn udp_by_own_system_calls() {
    let client = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    client
        .connect(server.local_addr().unwrap())
        .await
        .expect("a peer");
    server
        .connect(client.local_addr().unwrap())
        .await
        .expect("a peer");
    let serving = tokio::spawn(async move {
        for round in 0..200 {
            assert_eq!(receive_by_hand(&server).await, round);
            server.send(&[round]).await.expect("an answer");
        }
    });
    for round in 0..200 {
        client.send(&[round]).await.expect("a send");
        assert_eq!(receive_by_hand(&client).await, round);
    }
    serving.await.expect("no panic");
}

async fn receive_by_hand(socket: &UdpSocket) -> u8 {
    // The same socket behind a second descriptor, whose calls the library cannot see.
    let descriptor = socket.as_fd().try_clone_to_owned().expect("a descriptor");
    let by_hand = std::net::UdpSocket::from(descriptor);
    let mut byte = [0];
    let n = socket
        .async_io(Interest::READABLE, || by_hand.recv(&mut byte))
        .await
        .expect("a datagram");
    assert_eq!(n, 1);
    byte[0]
}

async fn unix_stream() {
    let folder = Folder::new("tokio");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a listener");
    let mut work = JoinSet::new();
    for seed in 0..4 {
        let near = UnixStream::connect(&path).await.expect("a connection");
        let (far, _) = listener.accept().await.expect("a connection");
        work.spawn(flood_both_ways(near, far, 100 + seed, 8 << 20));
    }
    work.join_all().await;
}

async fn unix_datagram() {
    const COUNT: u32 = 5000;
    let (sender, receiver) = UnixDatagram::pair().expect("a pair");
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            // A Unix datagram waits for room at the receiver and is never dropped.
            sender.send(&number.to_ne_bytes()).await.expect("a send");
        }
    });
    for number in 0..COUNT {
        let mut bytes = [0; 8];
        let n = receiver.recv(&mut bytes).await.expect("a datagram");
        assert_eq!(bytes[..n], number.to_ne_bytes());
    }
    sending.await.expect("no panic");
}

async fn child_with_pipes() {
    const LENGTH: usize = 4 << 20;
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let stdin = child.stdin.take().expect("a pipe");
    let stdout = child.stdout.take().expect("a pipe");
    let sending = tokio::spawn(send_pattern(stdin, 200, LENGTH));
    expect_pattern(stdout, 200, LENGTH).await;
    sending.await.expect("no panic");
    assert!(child.wait().await.expect("an exit").success());

    // Question and answer, so that each side waits for the other.
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = child.stdout.take().expect("a pipe");
    for round in 0..100_u8 {
        stdin.write_all(&[round; 10]).await.expect("a question");
        let mut answer = [0; 10];
        stdout.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(answer, [round; 10]);
    }
    drop(stdin);
    assert_eq!(stdout.read(&mut [0; 8]).await.expect("the end"), 0);
    assert!(child.wait().await.expect("an exit").success());
}

async fn child_exits() {
    let mut children = JoinSet::new();
    for code in 0..20 {
        children.spawn(async move {
            let output = Command::new("sh")
                .arg("-c")
                .arg(format!("echo out {code}; echo err {code} >&2; exit {code}"))
                .output()
                .await
                .expect("a child");
            assert_eq!(output.status.code(), Some(code));
            assert_eq!(output.stdout, format!("out {code}\n").into_bytes());
            assert_eq!(output.stderr, format!("err {code}\n").into_bytes());
        });
    }
    children.join_all().await;

    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("a child");
    child.start_kill().expect("a kill");
    let status = child.wait().await.expect("an exit");
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

async fn signals() {
    let mut stream = signal(SignalKind::user_defined1()).expect("a handler");
    let mut other = signal(SignalKind::user_defined2()).expect("a handler");
    for _ in 0..50 {
        raise(libc::SIGUSR1);
        stream.recv().await.expect("the signal");
    }
    raise(libc::SIGUSR2);
    other.recv().await.expect("the other signal");
}

fn raise(signal: libc::c_int) {
    // SAFETY: no pointers; tokio has installed a handler for the signal.
    let result = unsafe { libc::kill(libc::getpid(), signal) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

async fn pipes() {
    let (reader, writer) = io::pipe().expect("a pipe");
    let sender = pipe::Sender::from_owned_fd(OwnedFd::from(writer)).expect("a sender");
    let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).expect("a receiver");
    let sending = tokio::spawn(send_pattern(sender, 300, 4 << 20));
    expect_pattern(receiver, 300, 4 << 20).await;
    sending.await.expect("no panic");
}

async fn foreign_descriptor() {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let near = watched(near);
    let far = Arc::new(watched(far));

    let echo = tokio::spawn({
        let far = Arc::clone(&far);
        async move {
            for _ in 0..500 {
                let byte = receive(&far).await;
                send(&far, byte).await;
            }
        }
    });
    for round in 0..500_u32 {
        send(&near, round as u8).await;
        assert_eq!(receive(&near).await, round as u8);
    }
    echo.await.expect("no panic");
}

fn watched(stream: StdUnixStream) -> AsyncFd<StdUnixStream> {
    stream.set_nonblocking(true).expect("non-blocking");
    // SAFETY: the stream owns one descriptor and keeps it open until it is dropped.
    unsafe { AsyncFd::register(stream) }.expect("a registration")
}

async fn receive(stream: &AsyncFd<StdUnixStream>) -> u8 {
    loop {
        let mut guard = stream.readable().await.expect("readiness");
        let mut byte = [0];
        if let Ok(result) = guard.try_io(|stream| stream.get_ref().read(&mut byte)) {
            assert_eq!(result.expect("a byte"), 1);
            return byte[0];
        }
    }
}

async fn send(stream: &AsyncFd<StdUnixStream>, byte: u8) {
    loop {
        let mut guard = stream.writable().await.expect("readiness");
        if let Ok(result) = guard.try_io(|stream| stream.get_ref().write(&[byte])) {
            assert_eq!(result.expect("a byte"), 1);
            return;
        }
    }
}

async fn timers() {
    let mut sleeps = JoinSet::new();
    for number in 0..200_u64 {
        sleeps.spawn(async move {
            let wanted = Duration::from_micros(number * 500);
            let start = Instant::now();
            tokio::time::sleep(wanted).await;
            assert!(start.elapsed() >= wanted);
        });
    }
    sleeps.join_all().await;
    let never = std::future::pending::<()>();
    let limit = Duration::from_millis(5);
    tokio::time::timeout(limit, never)
        .await
        .expect_err("the limit");
}

/// Each message finds the runtime asleep in the poll, so each needs a wake.
async fn wakes_from_outside() {
    let (to_thread, questions) = std::sync::mpsc::channel::<u32>();
    let (answers, mut from_thread) = mpsc::unbounded_channel();
    let thread = std::thread::spawn(move || {
        for question in questions {
            answers.send(question + 1).expect("the task lives");
        }
    });
    for round in 0..5000 {
        to_thread.send(round).expect("the thread lives");
        assert_eq!(from_thread.recv().await, Some(round + 1));
    }
    drop(to_thread);
    thread.join().expect("no panic in the thread");
}

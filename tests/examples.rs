//! Every example does what it shows, on every backend, and ends on Ctrl-C with success.
//!
//! The examples run as child processes, as a reader would run them. `cargo test` builds them
//! first; `cargo test --test examples` alone does not.

#![cfg(all(any(unix, windows), feature = "os-poll", feature = "net"))]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::{env, thread};

use wakeful::Backend;

#[path = "common/patience.rs"]
mod patience;
#[path = "common/program.rs"]
mod program;

use patience::PATIENCE;
use program::program;

#[test]
fn token_serves_32_clients_and_ends() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "token", &[]).run_to_end();

        let summary = "32 accepted, 32 closed";
        assert!(output.contains(summary), "{backend}: {output}");
        assert!(output.contains(&format!("backend {backend}")), "{output}");
        assert!(
            !output.contains('\x1b'),
            "colours only for terminals: {output}"
        );
    }
}

#[test]
fn wake_from_thread_loses_no_result() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "wake_from_thread", &[]).run_to_end();

        // The number of primes below 200,000.
        assert!(
            output.contains("17984 primes in all"),
            "{backend}: {output}"
        );
    }
}

#[test]
#[cfg(feature = "log")]
fn lost_edge_detector_explains_the_hang_once() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "lost_edge_detector", &[]).run_to_end();

        assert_eq!(output.matches("lost edge").count(), 1, "{output}");
        let registered = "with Token(1), registered at examples/lost_edge_detector.rs:";
        assert!(output.contains(registered), "{backend}: {output}");
        assert!(output.contains("488 bytes unread: it hangs"), "{output}");
        assert!(output.contains("was read and answered"), "{output}");
    }
}

#[test]
fn timers_close_idle_connections_and_no_others() {
    for &backend in Backend::available() {
        let example = Example::start(backend, "timer_wheel_of_idle_connections", &[]);
        let output = example.run_to_end();

        let summary = "3 connections, 2 closed for being idle";
        assert!(output.contains(summary), "{backend}: {output}");
    }
}

#[test]
fn worker_pool_with_channel_does_every_job() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "worker_pool_with_channel", &[]).run_to_end();

        assert!(output.contains("60 jobs"), "{backend}: {output}");
        let longest = "below 300000 has 442 steps and begins with 230631";
        assert!(output.contains(longest), "{backend}: {output}");
    }
}

#[test]
fn low_latency_spin_compares_both_ways() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "low_latency_spin", &["1000"]).run_to_end();

        for row in ["  off  ", " 50µs  ", "spinning takes"] {
            assert!(output.contains(row), "{backend}: {output}");
        }
    }
}

#[test]
fn oneshot_worker_threads_answer_every_word() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "oneshot_worker_threads", &[]).run_to_end();

        assert!(
            output.contains("8 clients, 200 words"),
            "{backend}: {output}"
        );
    }
}

#[test]
fn exclusive_accept_serves_every_client_either_way() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "exclusive_accept", &[]).run_to_end();

        let ways = if backend == Backend::Epoll { 2 } else { 1 };
        let served = output.matches("400 clients").count();
        assert_eq!(served, ways, "{backend}: {output}");
        let refused = output.contains("exclusive: exclusive interest needs");
        assert_eq!(refused, ways == 1, "{backend}: {output}");
    }
}

#[test]
fn adaptive_events_grow_and_metrics_count() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "adaptive_events_and_metrics", &[]).run_to_end();

        let rooms: Vec<_> = output
            .lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .map(|line| line.split_whitespace().nth(1).unwrap())
            .collect();
        assert_eq!(rooms, ["16", "32", "64", "128", "256", "512"], "{output}");
        let count = |name| {
            let row = output.lines().find(|line| line.starts_with(name)).unwrap();
            let counts = row.split_whitespace().skip(1);
            counts.map(|n| n.parse().unwrap()).collect::<Vec<u64>>()
        };
        assert_eq!(count("events"), [1000, 100], "{backend}: {output}");
        assert_eq!(count("wakes"), [2000, 100], "{backend}: {output}");
        assert_eq!(count("coalesced"), [1000, 0], "{backend}: {output}");
        assert_eq!(count("doorbells")[0], 0, "{backend}: {output}");
    }
}

#[test]
fn user_source_ends_with_the_newest_value() {
    for &backend in Backend::available() {
        let output = Example::start(backend, "user_source", &[]).run_to_end();

        let last = "the last one is Some(10000)";
        assert!(output.contains(last), "{backend}: {output}");
    }
}

#[test]
fn tcp_echo_returns_all_bytes_after_half_close() {
    for &backend in Backend::available() {
        let (example, address) = Example::listening(backend, "tcp_echo");
        let sent: Vec<u8> = (0..4_000_000u32).map(|n| (n % 251) as u8).collect();

        let client = connect(address);
        let mut writer = client.try_clone().unwrap();
        let copy = sent.clone();
        let writing = thread::spawn(move || {
            writer.write_all(&copy).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let received = read_to_end(client);
        writing.join().unwrap();

        assert!(received == sent, "{backend}: the echo differs");
        example.interrupt_and_hear("1 connections, 4000000 bytes");
    }
}

#[test]
fn tcp_echo_serves_others_while_one_does_not_read() {
    for &backend in Backend::available() {
        let (example, address) = Example::listening(backend, "tcp_echo");

        // Write until every buffer between us is full.
        let mut deaf = connect(address);
        deaf.set_nonblocking(true).unwrap();
        let chunk = [7; 64 * 1024];
        let mut sent = 0;
        let mut other = connect(address);
        loop {
            match deaf.write(&chunk) {
                Ok(n) => sent += n,
                Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                Err(err) => panic!("{backend}: {err}"),
            }
            // A turn for somebody else is also time for the server to fill its buffers.
            assert_eq!(ask(&mut other, b"ping", 4), b"ping", "{backend}");
        }
        assert_eq!(ask(&mut other, b"pong", 4), b"pong", "{backend}");

        // And nothing is lost once it reads.
        deaf.set_nonblocking(false).unwrap();
        deaf.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(deaf).len(), sent, "{backend}");
        example.interrupt();
    }
}

#[test]
fn tcp_echo_outlives_a_reset() {
    for &backend in Backend::available() {
        let (mut example, address) = Example::listening(backend, "tcp_echo");

        // To close while the echo is still unread sends a reset.
        let mut rude = connect(address);
        rude.write_all(b"unread").unwrap();
        rude.peek(&mut [0]).unwrap();
        drop(rude);
        let line = example.line().expect("the server lives on");
        assert!(line.starts_with("connection 0 failed"), "{backend}: {line}");
        assert_eq!(ask(&mut connect(address), b"ping", 4), b"ping", "{backend}");

        let output = example.interrupt();
        assert!(output.contains("2 connections"), "{backend}: {output}");
        assert!(output.contains("1 failed"), "{backend}: {output}");
    }
}

#[test]
fn udp_echo_returns_every_datagram_to_its_sender() {
    for &backend in Backend::available() {
        let (example, address) = Example::listening(backend, "udp_echo");
        let clients: Vec<_> = (0..4).map(|_| datagram_client(address)).collect();

        let mut buffer = [0; 2000];
        for round in 0..25 {
            for (number, client) in clients.iter().enumerate() {
                // An empty datagram is one, too.
                client.send(&vec![number as u8; 40 * round]).unwrap();
            }
            for (number, client) in clients.iter().enumerate() {
                let n = client.recv(&mut buffer).unwrap();
                assert_eq!(
                    buffer[..n],
                    vec![number as u8; 40 * round],
                    "{backend}, client {number}"
                );
            }
        }

        example.interrupt_and_hear("100 datagrams");
    }
}

#[test]
fn http_hello_answers_pipelined_requests_in_order() {
    for &backend in Backend::available() {
        let (example, address) = Example::listening(backend, "http_hello");
        let requests = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(999)
            + "HEAD /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

        let answers = http(address, &requests);

        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1000);
        assert_eq!(answers.matches("Hello, world!\n").count(), 999);
        assert!(
            answers.ends_with("Connection: close\r\n\r\n"),
            "no body for HEAD"
        );
        example.interrupt_and_hear("1 connections, 1000 requests");
    }
}

#[test]
fn http_hello_understands_a_request_that_comes_byte_by_byte() {
    for &backend in Backend::available() {
        let (example, address) = Example::listening(backend, "http_hello");
        let mut client = connect(address);
        client.set_nodelay(true).unwrap();

        for byte in b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" {
            client.write_all(&[*byte]).unwrap();
        }
        // The body was skipped, not taken for a request.
        client
            .write_all(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
            .unwrap();
        let answers = String::from_utf8(read_to_end(client)).unwrap();

        assert_eq!(answers.matches("200 OK").count(), 3, "{answers}");
        assert_eq!(answers.matches("keep-alive").count(), 1, "{answers}");
        assert_eq!(answers.matches("close").count(), 1, "{answers}");
        example.interrupt();
    }
}

#[test]
fn http_hello_refuses_what_it_cannot_serve() {
    let huge = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "X: x\r\n".repeat(100)
    );
    let cases = [
        ("400", "nonsense\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"),
        (
            "400",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n",
        ),
        (
            "400",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ),
        (
            "413",
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        ),
        (
            "417",
            "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        ),
        (
            "501",
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("431", &huge),
        ("431", &many),
    ];
    for &backend in Backend::available() {
        let (example, address) = Example::listening(backend, "http_hello");
        for (status, request) in cases {
            let answer = http(address, request);
            let start = format!("HTTP/1.1 {status} ");
            assert!(
                answer.starts_with(&start),
                "{backend}: {request:.80}\n{answer}"
            );
            assert!(
                answer.ends_with("Connection: close\r\n\r\n"),
                "{backend}: {answer}"
            );
        }
        example.interrupt();
    }
}

/// An example that runs; ended when dropped.
struct Example {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl Example {
    #[track_caller]
    fn start(backend: Backend, name: &'static str, arguments: &[&str]) -> Self {
        Self::spawn(name, program(path_of(name)).args(arguments), backend)
    }

    /// Starts a server on a free port of the loopback interface.
    #[track_caller]
    fn listening(backend: Backend, name: &'static str) -> (Self, SocketAddr) {
        let mut example = Self::start(backend, name, &["127.0.0.1:0"]);
        let address = example.address();
        (example, address)
    }

    #[track_caller]
    fn spawn(name: &'static str, command: &mut Command, backend: Backend) -> Self {
        Self::with_stdin(name, command, backend, Stdio::null())
    }

    #[track_caller]
    fn with_stdin(
        name: &'static str,
        command: &mut Command,
        backend: Backend,
        stdin: Stdio,
    ) -> Self {
        let mut child = command
            .env("WAKEFUL_BACKEND", backend.to_string())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|err| panic!("{name}: {err}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { name, child, lines }
    }

    /// The next line of its output; `None` when it has ended.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} says nothing", self.name),
        }
    }

    /// The address in the first line: "listening on ADDRESS ...".
    #[track_caller]
    fn address(&mut self) -> SocketAddr {
        let line = self.line().expect("a server says where it listens");
        let word = line.split_whitespace().nth(2);
        word.and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("{} says {line:?}", self.name))
    }

    /// Waits until it has ended by itself: whether it did well, and what it said.
    #[track_caller]
    fn ended(mut self) -> (bool, String) {
        let mut output = String::new();
        while let Some(line) = self.line() {
            output.push_str(&line);
            output.push('\n');
        }
        (self.child.wait().unwrap().success(), output)
    }

    #[track_caller]
    fn run_to_end(self) -> String {
        let name = self.name;
        let (success, output) = self.ended();
        assert!(success, "{name} failed: {output}");
        output
    }

    /// Sends what Ctrl-C sends; the example must then end with success.
    #[cfg(unix)]
    #[track_caller]
    fn interrupt(self) -> String {
        self.press_ctrl_c();
        self.run_to_end()
    }

    /// The same, and in the end it says so much.
    #[track_caller]
    fn interrupt_and_hear(self, summary: &str) {
        let output = self.interrupt();
        assert!(cfg!(windows) || output.contains(summary), "{output}");
    }

    /// Ends the example: nobody can press Ctrl-C there for another process without a console.
    #[cfg(windows)]
    #[track_caller]
    fn interrupt(mut self) -> String {
        self.child.kill().unwrap();
        self.ended().1
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // A no-op if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo puts examples into a directory beside that of the tests.
#[track_caller]
fn path_of(example: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples");
    let path = path.join(format!("{example}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not built: use `cargo test`, or `cargo build --examples` before",
        path.display()
    );
    path
}

#[track_caller]
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[track_caller]
fn datagram_client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket
}

#[track_caller]
fn ask(stream: &mut TcpStream, question: &[u8], len: usize) -> Vec<u8> {
    stream.write_all(question).unwrap();
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).unwrap();
    answer
}

#[track_caller]
fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Sends `requests` and returns everything until the server closes.
#[track_caller]
fn http(address: SocketAddr, requests: &str) -> String {
    let mut client = connect(address);
    client.write_all(requests.as_bytes()).unwrap();
    String::from_utf8(read_to_end(client)).unwrap()
}

/// Where there are signals, descriptors and Unix domain sockets.
#[cfg(unix)]
mod of_unix {
    use std::fs;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    #[cfg(feature = "os-ext")]
    fn level_triggered_stdin_reads_a_pipe_bit_by_bit() {
        for &backend in Backend::available() {
            let mut command = program(path_of("level_triggered_stdin"));
            let mut example = Example::with_stdin(
                "level_triggered_stdin",
                &mut command,
                backend,
                Stdio::piped(),
            );
            let mut stdin = example.child.stdin.take().unwrap();
            stdin.write_all(&[b'x'; 40]).unwrap();
            drop(stdin);

            let output = example.run_to_end();
            let line = format!("\"{}\"\n", "x".repeat(16));
            assert!(output.starts_with(&line.repeat(2)), "{backend}: {output}");
            assert!(
                output.contains("40 bytes in 3 reads"),
                "{backend}: {output}"
            );
        }
    }

    #[test]
    #[cfg(feature = "os-ext")]
    fn level_triggered_stdin_reads_a_file_without_a_poll() {
        for &backend in Backend::available() {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&[b'x'; 40]).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let mut command = program(path_of("level_triggered_stdin"));
            let example =
                Example::with_stdin("level_triggered_stdin", &mut command, backend, file.into());

            let output = example.run_to_end();
            let summary = "40 bytes in 3 reads, no poll";
            assert!(output.contains(summary), "{backend}: {output}");
        }
    }

    #[test]
    fn graceful_shutdown_says_bye_and_waits_for_its_clients() {
        for &backend in Backend::available() {
            let (example, address) = Example::listening(backend, "graceful_shutdown");
            let mut client = connect(address);
            assert_eq!(ask(&mut client, b"ping", 4), b"ping", "{backend}");

            // It closes when it has heard all; the server ends after that.
            let client = thread::spawn(move || read_to_end(client));
            let output = example.interrupt();

            assert_eq!(client.join().unwrap(), b"bye\n", "{backend}");
            assert!(output.contains("nobody was cut off"), "{backend}: {output}");
        }
    }

    #[test]
    fn graceful_shutdown_cuts_off_at_the_second_ctrl_c() {
        for &backend in Backend::available() {
            let (mut example, address) = Example::listening(backend, "graceful_shutdown");
            let mut client = connect(address);
            assert_eq!(ask(&mut client, b"ping", 4), b"ping", "{backend}");

            example.press_ctrl_c();
            let line = example.line().expect("it waits for its client");
            assert_eq!(line, "stopping, 1 still connected", "{backend}");
            let output = example.interrupt();

            assert!(output.contains("1 cut off"), "{backend}: {output}");
        }
    }

    #[test]
    fn clients_beyond_the_limit_of_descriptors_are_served_later() {
        for &backend in Backend::available() {
            for name in ["tcp_echo", "http_hello"] {
                let mut example = Example::limited(backend, name, &["127.0.0.1:0"], 16);
                let address = example.address();
                let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

                // The backlog takes more clients than the server has descriptors.
                let mut clients: Vec<_> = (0..32).map(|_| connect(address)).collect();
                for client in &mut clients {
                    client.write_all(request).unwrap();
                }
                // The first are served, and each one that goes makes room for another.
                for mut client in clients {
                    client.read_exact(&mut [0; 8]).unwrap();
                }
                example.interrupt();
            }
        }
    }

    #[test]
    fn unix_chat_brings_a_line_to_all_others() {
        for &backend in Backend::available() {
            let path = socket_path(backend, "lines");
            let example = Example::chat(backend, &path);

            let mut ann = Member::join(&path);
            // Nobody hears a member before its arrival is announced.
            let mut bob = Member::join(&path);
            assert_eq!(ann.line(), "* member 1 has joined\n");
            let mut cid = Member::join(&path);
            assert_eq!(ann.line(), "* member 2 has joined\n");
            assert_eq!(bob.line(), "* member 2 has joined\n");

            ann.say("hello\nall\n");
            for other in [&mut bob, &mut cid] {
                assert_eq!(other.line(), "0: hello\n");
                assert_eq!(other.line(), "0: all\n");
            }
            // Terminals are safe from what others send.
            bob.say("\x1b[2J cleared?\n");
            assert_eq!(ann.line(), "1: [2J cleared?\n");
            drop(cid);
            assert_eq!(ann.line(), "* member 2 has left\n");

            let output = example.interrupt();
            assert!(output.contains("3 members, 3 lines"), "{backend}: {output}");
            assert!(!path.exists(), "{backend}: the socket file was left behind");
        }
    }

    #[test]
    fn unix_chat_is_not_held_up_by_a_member_that_does_not_read() {
        for &backend in Backend::available() {
            let path = socket_path(backend, "deaf");
            let example = Example::chat(backend, &path);

            let mut deaf = Member::join(&path);
            let mut ann = Member::join(&path);
            assert_eq!(deaf.line(), "* member 1 has joined\n");
            let mut bob = Member::join(&path);
            assert_eq!(ann.line(), "* member 2 has joined\n");

            // Far more than socket buffers and an outbox hold. Ann and Bob take turns.
            let words = "x".repeat(1000);
            for _ in 0..1000 {
                ann.say(&format!("{words}\n"));
                assert_eq!(bob.line().len(), words.len() + 4);
            }
            // The deaf one hears the oldest lines, then learns what it has missed when it reads and
            // somebody speaks again.
            let missed = loop {
                match deaf.line() {
                    line if line.contains("missed") => break line,
                    line if line.starts_with("* member") => {}
                    line => {
                        assert_eq!(line.len(), words.len() + 4);
                        ann.say("still there?\n");
                        assert_eq!(bob.line(), "1: still there?\n");
                    }
                }
            };
            assert!(missed.starts_with("* you have missed "), "{missed}");
            example.interrupt();
        }
    }

    #[test]
    fn unix_chat_takes_over_a_dead_socket_file_and_no_live_one() {
        for &backend in Backend::available() {
            let path = socket_path(backend, "dead");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());

            let example = Example::chat(backend, &path);
            let mut second = program(path_of("unix_chat"));
            second.arg(&path).stderr(Stdio::null());
            let second = Example::spawn("unix_chat", &mut second, backend);
            assert!(!second.ended().0, "{backend}: two servers on one path");

            let mut ann = Member::join(&path);
            let _bob = Member::join(&path);
            // The second server has knocked, so news of its leaving may come before.
            while !ann.line().ends_with("has joined\n") {}
            example.interrupt();
        }
    }

    impl Example {
        /// Starts an example that may open so many descriptors only.
        #[track_caller]
        fn limited(backend: Backend, name: &'static str, arguments: &[&str], limit: u32) -> Self {
            let script = format!(r#"ulimit -n {limit} && exec "$0" "$@""#);
            let example = program(path_of(name));
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(script);
            shell.arg(example.get_program()).args(example.get_args());
            // It complains about the limit, as it should.
            shell.stderr(Stdio::null());
            Self::spawn(name, shell.args(arguments), backend)
        }

        #[track_caller]
        fn chat(backend: Backend, path: &std::path::Path) -> Self {
            let mut example = Self::start(backend, "unix_chat", &[path.to_str().unwrap()]);
            let first = example.line().expect("the chat says where it listens");
            assert!(first.contains(path.to_str().unwrap()), "{first}");
            example
        }

        #[track_caller]
        #[allow(unsafe_code)] // kill(2) has no safe form in the standard library.
        pub(super) fn press_ctrl_c(&self) {
            let process = libc::pid_t::try_from(self.child.id()).unwrap();
            // SAFETY: kill(2) touches no memory of ours. The child is not waited for yet, so the
            // number is still its own.
            let outcome = unsafe { libc::kill(process, libc::SIGINT) };
            assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
        }
    }

    fn socket_path(backend: Backend, purpose: &str) -> PathBuf {
        let name = format!("wakeful-{}-{backend}-{purpose}.sock", std::process::id());
        let path = env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        path
    }

    struct Member {
        stream: BufReader<UnixStream>,
    }

    impl Member {
        #[track_caller]
        fn join(path: &std::path::Path) -> Self {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let stream = BufReader::new(stream);
            Self { stream }
        }

        #[track_caller]
        fn say(&mut self, text: &str) {
            self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        }

        #[track_caller]
        fn line(&mut self) -> String {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            assert!(line.ends_with('\n'), "the server hung up after {line:?}");
            line
        }
    }
}

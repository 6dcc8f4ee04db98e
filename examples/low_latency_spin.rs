//! How long a message and its answer take, with and without spinning before sleep.
//!
//! Two threads throw one byte back and forth over TCP, each with its own [`Poll`]. Without spinning
//! each of them sleeps until the byte comes, and it takes the system some microseconds to wake it.
//! With [`spin`](wakeful::Builder::spin) a poll looks for a while before it sleeps, and finds the
//! byte at once. That costs a processor for each side. Where two are not to spare, on a busy machine,
//! whoever spins keeps the other one from answering, and spinning makes things worse: look at the
//! misses.
//!
//! ```text
//! cargo run --release --example low_latency_spin [ROUND_TRIPS]
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};
use std::{env, thread};

use wakeful::net::TcpStream;
use wakeful::{Events, Interest, Metrics, Poll, Token};

const SPIN: Duration = Duration::from_micros(50);
const WARM_UP: usize = 500;

fn main() -> io::Result<()> {
    let rounds = rounds()?;
    println!("{rounds} round trips of one byte\n");
    println!("spin     median     99 %      polls  spin hits  misses");
    let mut medians = Vec::new();
    for spin in [Duration::ZERO, SPIN] {
        let (mut times, metrics) = measure(spin, rounds)?;
        times.sort_unstable();
        let (median, late) = (times[rounds / 2], times[rounds / 100 * 99]);
        println!(
            "{:>5}  {:>8}  {:>8}  {:9}  {:9}  {:6}",
            if spin.is_zero() {
                "off".to_owned()
            } else {
                format!("{spin:?}")
            },
            format!("{median:.1?}"),
            format!("{late:.1?}"),
            metrics.waits,
            metrics.spin_hits,
            metrics.spin_misses
        );
        medians.push(median.as_secs_f64());
    }
    println!("\nspinning takes {:.2} x the time", medians[1] / medians[0]);
    Ok(())
}

/// As many as the argument says, but enough for a percentile.
fn rounds() -> io::Result<usize> {
    let argument = env::args().nth(1).unwrap_or_else(|| "10000".to_owned());
    let wrong = |_| io::Error::new(ErrorKind::InvalidInput, format!("{argument} is no number"));
    Ok(argument.parse::<usize>().map_err(wrong)?.max(100))
}

/// The times of all round trips, and what the poll of the client did.
fn measure(spin: Duration, rounds: usize) -> io::Result<(Vec<Duration>, Metrics)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut client = Peer::new(TcpStream::connect(listener.local_addr()?)?, spin)?;
    let mut server = Peer::new(TcpStream::try_from(listener.accept()?.0)?, spin)?;

    let echo = thread::spawn(move || -> io::Result<()> {
        while server.wait_for_byte()? {
            server.send_byte()?;
        }
        Ok(())
    });

    let mut times = Vec::with_capacity(rounds);
    for round in 0..WARM_UP + rounds {
        let start = Instant::now();
        client.send_byte()?;
        client.wait_for_byte()?;
        if round >= WARM_UP {
            times.push(start.elapsed());
        }
    }
    let metrics = client.poll.metrics();
    drop(client);
    echo.join().expect("the echo does not panic")?;
    Ok((times, metrics))
}

/// One end of the connection.
struct Peer {
    stream: TcpStream,
    poll: Poll,
    events: Events,
}

impl Peer {
    fn new(mut stream: TcpStream, spin: Duration) -> io::Result<Self> {
        let poll = Poll::builder().spin(spin).build()?;
        poll.registry()
            .register(&mut stream, Token(0), Interest::READABLE)?;
        // One byte is all there is: nothing to wait for before it is sent.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            poll,
            events: Events::with_capacity(8),
        })
    }

    /// Returns when a byte has come; `false` is the end of the stream.
    fn wait_for_byte(&mut self) -> io::Result<bool> {
        loop {
            match self.poll.poll(&mut self.events, None) {
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            // A short read drains as well as `WouldBlock`: there is room for two.
            match self.stream.read(&mut [0; 2]) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {} // spurious
                outcome => return outcome.map(|n| n > 0),
            }
        }
    }

    fn send_byte(&mut self) -> io::Result<()> {
        // One byte is never refused: the last one has been read.
        self.stream.write_all(b"!")
    }
}

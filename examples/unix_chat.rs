//! A chat room on a Unix socket, until Ctrl-C: a line from one member goes to all others.
//!
//! Shows connections that write to each other. Each member has an outbox of bounded size: whoever
//! reads too slowly misses lines, is told how many, and holds up nobody. Shows also how to take
//! over a socket file that was left behind, and a `Waker` that is woken by a signal handler.
//!
//! ```text
//! cargo run --release --example unix_chat [PATH]     # in the temporary directory if not given
//! nc -U PATH                                         # or: socat - UNIX-CONNECT:PATH
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use slab::Slab;
use wakeful::net::{UnixListener, UnixStream};
use wakeful::{Events, Interest, Poll, Registry, Token, Waker};

// The tokens of members are their indices in a slab, which never gets this far.
const LISTENER: Token = Token(usize::MAX);
const CTRL_C: Token = Token(usize::MAX - 1);

/// What may wait for a slow member.
const OUTBOX: usize = 64 * 1024;
/// A longer line is cut in pieces.
const LINE: usize = 1024;
/// How long to wait before we try again to accept after a lack of descriptors or memory.
const RETRY: Duration = Duration::from_millis(100);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    wake_on_ctrl_c(poll.registry())?;

    let path = env::args_os().nth(1).map(PathBuf::from);
    let path = path.unwrap_or_else(|| env::temp_dir().join("wakeful-chat.sock"));
    let mut listener = bind(&path)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {} (Ctrl-C to stop)", path.display());
    println!("join with: nc -U {}", path.display());

    let mut room = Room {
        members: Slab::new(),
        joined: 0,
        lines: 0,
    };
    // What has become ready and did not say `WouldBlock` since.
    let mut backlog = false;
    let mut ready: Vec<usize> = Vec::new();

    'serving: loop {
        let timeout = match (ready.is_empty(), backlog) {
            (false, _) => Some(Duration::ZERO),
            (true, true) => Some(RETRY),
            (true, false) => None,
        };
        match poll.poll(&mut events, timeout) {
            // A signal came. If it was Ctrl-C, the next call tells.
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                CTRL_C => break 'serving,
                LISTENER => backlog = true,
                Token(key) => ready.push(key),
            }
        }
        ready.sort_unstable();
        ready.dedup();
        ready.retain(|&key| room.serve(key));
        // After the members: those that ended have freed their descriptors.
        if backlog {
            backlog = !room.accept_all(&listener, poll.registry());
        }
    }

    println!("{} members, {} lines", room.joined, room.lines);
    fs::remove_file(&path)
}

/// Binds to `path`, also if a server that has ended left its socket file there.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(err) if err.kind() == ErrorKind::AddrInUse => match UnixStream::connect(path) {
            Err(err) if err.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            _ => Err(err),
        },
        outcome => outcome,
    }
}

struct Room {
    members: Slab<Member>,
    joined: usize,
    lines: usize,
}

impl Room {
    /// Accepts until it would block; `false` if clients may still be waiting.
    fn accept_all(&mut self, listener: &UnixListener, registry: &Registry) -> bool {
        loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    let key = self.members.vacant_entry().key();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    if let Err(err) = registry.register(&mut stream, Token(key), both) {
                        eprintln!("cannot watch a member: {err}");
                        continue;
                    }
                    self.members.insert(Member::new(stream));
                    self.joined += 1;
                    self.say_to_others(key, &format!("* member {key} has joined\n"));
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => return true,
                // That client has given up while it waited. Another may be behind it.
                Err(err) if err.kind() == ErrorKind::ConnectionAborted => {}
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                // Mostly no descriptor is free (EMFILE, ENFILE). The clients keep their place in
                // the backlog, but no new edge will tell of them: we have to come back by
                // ourselves. Not at once, which would spin, but when something else happens or
                // after a while.
                Err(err) => {
                    eprintln!("cannot accept, will try again: {err}");
                    return false;
                }
            }
        }
    }

    /// Does what a member is ready for; `true` if it needs another turn.
    fn serve(&mut self, key: usize) -> bool {
        // Events may be spurious: one for a member that is no more is passed over.
        let Some(member) = self.members.get_mut(key) else {
            return false;
        };
        let mut said = Vec::new();
        let next = member.flush().and_then(|()| member.read(&mut said));
        for line in &said {
            self.lines += 1;
            self.say_to_others(key, &format!("{key}: {line}\n"));
        }
        match next {
            Ok(Next::Continue) => return true,
            Ok(Next::Wait) => return false,
            // An error is the end of this member only.
            Ok(Next::Leave) | Err(_) => drop(self.members.remove(key)),
        }
        self.say_to_others(key, &format!("* member {key} has left\n"));
        false
    }

    fn say_to_others(&mut self, speaker: usize, line: &str) {
        for (key, member) in &mut self.members {
            if key != speaker {
                member.send(line);
            }
        }
    }
}

/// What a member needs next.
enum Next {
    /// An event: a call would have blocked.
    Wait,
    /// Another turn: it had its share of this one.
    Continue,
    /// Nothing: it has closed.
    Leave,
}

struct Member {
    stream: UnixStream,
    /// The beginning of a line.
    inbox: Vec<u8>,
    /// What is to be written as soon as the member reads.
    outbox: Vec<u8>,
    /// Lines that found no room in the outbox.
    missed: usize,
}

impl Member {
    /// Reads in a row before the others have their turn.
    const SHARE: usize = 4;

    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            outbox: Vec::new(),
            missed: 0,
        }
    }

    /// Puts `line` into the outbox, if it has room, and sends what can be sent.
    fn send(&mut self, line: &str) {
        if self.outbox.len() + line.len() > OUTBOX {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            let note = format!("* you have missed {} lines\n", self.missed);
            self.outbox.extend_from_slice(note.as_bytes());
            self.missed = 0;
        }
        self.outbox.extend_from_slice(line.as_bytes());
        // An error here comes with an event, and is met again in `serve`.
        let _ = self.flush();
    }

    /// Writes until the outbox is empty or it would block.
    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let outcome = loop {
            if sent == self.outbox.len() {
                break Ok(());
            }
            match self.stream.write(&self.outbox[sent..]) {
                Ok(n) => sent += n,
                Err(err) if err.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => break Err(err),
            }
        };
        self.outbox.drain(..sent);
        outcome
    }

    /// Reads until it would block, and splits what came into lines.
    fn read(&mut self, lines: &mut Vec<String>) -> io::Result<Next> {
        let mut buffer = [0; LINE];
        for _ in 0..Self::SHARE {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Next::Leave),
                Ok(n) => self.inbox.extend_from_slice(&buffer[..n]),
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                Err(err) => return Err(err),
            }
            while let Some(end) = self.end_of_line() {
                let line: Vec<u8> = self.inbox.drain(..end).collect();
                let mut line = String::from_utf8_lossy(&line).into_owned();
                // Nobody shall repaint the terminals of the others.
                line.retain(|letter| !letter.is_control());
                lines.push(line);
            }
        }
        Ok(Next::Continue)
    }

    fn end_of_line(&self) -> Option<usize> {
        let newline = self.inbox.iter().position(|&byte| byte == b'\n');
        let newline = newline.map(|at| at + 1);
        newline.or((self.inbox.len() >= LINE).then_some(LINE))
    }
}

/// From now on Ctrl-C does not end the process: it makes an event with the token [`CTRL_C`].
#[allow(unsafe_code)] // To register a signal handler is a promise that only we can make.
fn wake_on_ctrl_c(registry: &Registry) -> io::Result<()> {
    let waker = Waker::new(registry, CTRL_C)?;
    let handler = move || {
        // The only error is that the `Poll` is gone, and we with it.
        let _ = waker.wake();
    };
    // SAFETY: a handler may only do what signal-safety(7) allows. `Waker::wake` keeps to that:
    // atomic operations and at most one write(2), no lock, no allocation.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGINT, handler) }?;
    Ok(())
}

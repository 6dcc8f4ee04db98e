//! crossterm's event source: keys, a paste and a resize on a pseudo-terminal.
//!
//! The parent holds the terminal's other end and types; the child, this same program, has it as its controlling
//! terminal, reads events and says on its standard output what it saw. The parent goes on when it has read that.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal;
use downstream::{assert_polls_are_ours, run, step};

const CHILD: &str = "child";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        return child().unwrap();
    }
    run("crossterm", || {
        let (master, slave) = open_terminal().expect("a pseudo-terminal");
        let mut master = File::from(master);
        let mut child = Command::new(std::env::current_exe().expect("a path"));
        child.arg(CHILD).stdin(slave).stdout(Stdio::piped());
        // SAFETY: between fork and exec, two system calls without pointers and no allocation.
        unsafe { child.pre_exec(take_terminal) };
        let mut child = child.spawn().expect("a child");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut expect = |line: &str| {
            let said = said.next().expect("the child lives").expect("a line");
            assert_eq!(said, line);
        };

        step("an idle poll times out, then 200 keys one by one");
        expect("ready");
        for number in 0..200_u8 {
            let key = char::from(b'a' + number % 26);
            write!(master, "{key}").expect("a key");
            expect(&format!("key {key}"));
        }

        step("arrow, function and control keys");
        for (bytes, said) in [("\x1b[A", "Up"), ("\x1b[15~", "F5"), ("\x03", "ctrl-c")] {
            master.write_all(bytes.as_bytes()).expect("a key");
            expect(&format!("key {said}"));
        }

        step("3000 keys in bursts");
        for burst in 0..10 {
            let key = char::from(b'0' + burst);
            let keys: String = std::iter::repeat_n(key, 300).collect();
            master.write_all(keys.as_bytes()).expect("keys");
            for _ in 0..300 {
                expect(&format!("key {key}"));
            }
        }

        step("20 resizes");
        for rows in 30..50 {
            resize(&master, 100, rows).expect("a new size");
            expect(&format!("size 100x{rows}"));
        }

        step("the child ends");
        master.write_all(b"\x04").expect("a key");
        expect("end");
        assert!(child.wait().expect("an exit").success());
    });
}

fn child() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    // Nobody types before we say that we are ready; this also makes crossterm's poll.
    assert!(!event::poll(Duration::from_millis(20))?);
    assert_polls_are_ours();
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    loop {
        match event::read()? {
            Event::Key(key) => match (key.modifiers, key.code) {
                (KeyModifiers::CONTROL, KeyCode::Char('d')) => break,
                (KeyModifiers::CONTROL, code) => writeln!(out, "key ctrl-{code}")?,
                (_, KeyCode::Char(char)) => writeln!(out, "key {char}")?,
                (_, code) => writeln!(out, "key {code}")?,
            },
            Event::Resize(columns, rows) => writeln!(out, "size {columns}x{rows}")?,
            other => writeln!(out, "{other:?}")?,
        }
    }
    writeln!(out, "end")?;
    terminal::disable_raw_mode()
}

/// The two ends of a new pseudo-terminal of 80 columns and 24 rows.
fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let size = window(80, 24);
    // SAFETY: the numbers and the size are ours; the name and the modes may be null.
    let result =
        unsafe { libc::openpty(&mut master, &mut slave, ptr::null_mut(), ptr::null(), &size) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openpty gave us these descriptors, and nobody else has them.
    let ends = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    // The child must not keep the master, or it would not see the parent go.
    // SAFETY: no pointers.
    match unsafe { libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(ends),
    }
}

/// Makes standard input the controlling terminal, so that it delivers SIGWINCH.
fn take_terminal() -> io::Result<()> {
    // SAFETY: no pointers.
    if unsafe { libc::setsid() } < 0 || unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn resize(master: &File, columns: u16, rows: u16) -> io::Result<()> {
    let size = window(columns, rows);
    // SAFETY: the system call reads one `winsize`, which lives until then.
    match unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn window(columns: u16, rows: u16) -> libc::winsize {
    libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

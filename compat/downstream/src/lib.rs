//! What the programs in `bin/` share: the proof that they run on wakeful, and a bound on their time.
//!
//! Each program is written for mio or for a user of mio, and panics where a result is not the expected one. A lost
//! event makes a program wait for ever; the watchdog ends it then and names the step that it was in.

use std::fs;
use std::process;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Backend, Poll};

/// How long a step may last. Only a failing one does.
const PATIENCE: Duration = Duration::from_secs(60);

static STEP: Mutex<Option<(String, Instant)>> = Mutex::new(None);

/// Runs `body` under the watchdog and says on which backend.
///
/// # Panics
///
/// When `mio` is not wakeful's, or the backend is not the one that `WAKEFUL_BACKEND` names.
pub fn run(program: &'static str, body: impl FnOnce()) {
    let backend = backend();
    thread::spawn(move || watch(program, backend));

    let start = Instant::now();
    body();
    leave_step();
    println!(
        "{program}: all done on {backend} in {:.2} s",
        start.elapsed().as_secs_f32()
    );
}

/// Begins the next step; the one before is done.
pub fn step(name: &str) {
    leave_step();
    *STEP.lock().unwrap() = Some((name.to_owned(), Instant::now()));
}

fn leave_step() {
    if let Some((name, start)) = STEP.lock().unwrap().take() {
        println!("  {:>8.1} ms  {name}", start.elapsed().as_secs_f32() * 1e3);
    }
}

fn watch(program: &str, backend: Backend) {
    loop {
        thread::sleep(PATIENCE / 30);
        match &*STEP.lock().unwrap() {
            Some((name, start)) if start.elapsed() > PATIENCE => {
                eprintln!("{program} on {backend}: no end of `{name}` after {PATIENCE:?}; is an event lost?");
                process::exit(1);
            }
            _ => {}
        }
    }
}

/// The backend that a new `Poll` has here.
///
/// `Backend` is wakeful's alone: over crates.io's mio this function does not build.
fn backend() -> Backend {
    let backend = Poll::new().expect("a poll").backend();
    assert!(Backend::available().contains(&backend));
    if let Ok(wanted) = std::env::var("WAKEFUL_BACKEND") {
        assert_eq!(backend.to_string(), wanted, "the backend asked for");
    }
    backend
}

/// Checks that the polls that exist now, whoever made them, are on the backend of this run.
///
/// An epoll instance shows up among the descriptors of the process. So a runtime or a watcher that is alive has one on
/// the epoll backend, and there is none on the other.
#[track_caller]
pub fn assert_polls_are_ours() {
    let instances = fs::read_dir("/proc/self/fd")
        .expect("a list of descriptors")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.as_os_str() == "anon_inode:[eventpoll]")
        .count();
    match backend() {
        Backend::Epoll => assert!(instances > 0, "no epoll instance on the epoll backend"),
        other => assert_eq!(instances, 0, "epoll instances on the backend {other}"),
    }
}

/// Bytes whose value tells their place, so that a lost, doubled or moved chunk shows.
pub struct Pattern {
    table: Vec<u8>,
}

impl Pattern {
    const PERIOD: usize = 65_521;
    /// The longest chunk.
    pub const MAX: usize = 65_536;

    /// A pattern that differs for each `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Pattern {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let mut table: Vec<u8> = (0..Self::PERIOD)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        // As much again, so that every chunk is one slice.
        table.extend_from_within(..);
        table.extend_from_within(..Self::MAX - Self::PERIOD);
        Pattern { table }
    }

    /// `len` bytes, as they stand `offset` bytes from the start.
    #[must_use]
    pub fn at(&self, offset: usize, len: usize) -> &[u8] {
        let start = offset % Self::PERIOD;
        &self.table[start..start + len]
    }

    /// Checks that `chunk` is what stands at `offset`.
    #[track_caller]
    pub fn check(&self, offset: usize, chunk: &[u8]) {
        assert!(
            self.at(offset, chunk.len()) == chunk,
            "other bytes at {offset}"
        );
    }
}

/// A fresh folder below the system's for temporary files; removed on drop.
pub struct Folder(std::path::PathBuf);

impl Folder {
    /// Makes a folder that no other process uses.
    #[must_use]
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("downstream-{name}-{}", process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

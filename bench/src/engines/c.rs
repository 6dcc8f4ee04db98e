//! Event loops in C: what `bench/c/` has for each library, as Rust calls it.
//!
//! `echo` and `rtt` are whole programs in C, where callbacks do the work, as these libraries want it. For everything else the shared
//! programs run over as much of their API as these libraries have: a callback notes which source it was, and the
//! program handles what is noted.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::bare;
use super::trips::{Trips, MESSAGE};
use super::window::Window;
use crate::process::announce;
use crate::workloads::echo::Echo;
use crate::workloads::rtt::Rtt;
use crate::workloads::{Job, Values};

type Echoed = extern "C" fn(*mut c_void, usize);
type Answer = extern "C" fn(*mut c_void, *mut u8) -> c_int;
type Note = extern "C" fn(*mut c_void, usize);

/// `struct library` of bench/c/bench.h.
#[repr(C)]
pub struct Functions {
    version: unsafe extern "C" fn() -> *const c_char,
    echo: unsafe extern "C" fn(c_int, usize, usize, *mut c_void, Echoed) -> c_int,
    exchange: unsafe extern "C" fn(c_int, usize, *mut c_void, Answer) -> c_int,
    loop_new: unsafe extern "C" fn(c_int) -> *mut c_void,
    watch: unsafe extern "C" fn(*mut c_void, c_int, usize) -> *mut c_void,
    rewatch: unsafe extern "C" fn(*mut c_void, usize) -> c_int,
    unwatch: unsafe extern "C" fn(*mut c_void),
    waker_new: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    wake: unsafe extern "C" fn(*mut c_void),
    run: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void, Note) -> c_int,
}

/// One of the libraries.
pub trait Library: Send + Sync + 'static {
    fn functions() -> &'static Functions;
}

/// What the library calls its version.
pub fn version<L: Library>() -> String {
    // SAFETY: takes nothing.
    let text = unsafe { (L::functions().version)() };
    // SAFETY: a text that ends, and lives until the next call at least.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// The echo server.
pub fn echo<L: Library>(job: &Echo) -> Result<Values> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?)?;
    let mut window = job.window();
    let context: *mut Window = &mut window;
    // Theirs from now on: libuv closes it.
    let listener = listener.into_raw_fd();
    let echo = L::functions().echo;
    // SAFETY: the listener is open; the window lives as long as the call, and nobody else uses it meanwhile.
    check(unsafe {
        echo(
            listener,
            job.connections,
            job.buffer(),
            context.cast(),
            echoed,
        )
    })?;
    window.close(job.requests)
}

extern "C" fn echoed(context: *mut c_void, bytes: usize) {
    // SAFETY: that is what `echo` passes, and C holds no other reference.
    let window = unsafe { &mut *context.cast::<Window>() };
    window.count(bytes as u64);
}

const STOP: c_int = 0;
const SEND: c_int = 1;
const SEND_AND_STOP: c_int = 2;
const FAIL: c_int = 3;

/// Sends back what comes.
pub fn rtt<L: Library>(job: &Rtt) -> Result<Values> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?)?;
    let stream = ready(listener.accept()?.0)?;
    let mut pong = Pong {
        to_come: job.total(),
        is_under_way: false,
        window: job.window(),
    };
    exchange::<L, _>(&stream, &mut pong, send_back)?;
    // The last is sent when the callback has returned.
    pong.window.count(1);
    pong.window.close(job.trips)
}

/// Sends, and waits for what comes back.
pub fn rtt_client<L: Library>(job: &Rtt, server: SocketAddr) -> Result<Values> {
    let stream = ready(TcpStream::connect(server)?)?;
    let mut ping = Ping {
        trips: Trips::new(job)?,
        error: None,
    };
    let message = ping.trips.next().context("nothing to send")?;
    let length = io::Write::write(&mut &stream, &message)?;
    ensure!(length == MESSAGE, "no room to send a message");
    let outcome = exchange::<L, _>(&stream, &mut ping, count);
    if let Some(err) = ping.error {
        return Err(err);
    }
    outcome?;
    ping.trips.close()
}

fn ready(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn exchange<L: Library, T>(stream: &TcpStream, context: &mut T, answer: Answer) -> io::Result<()> {
    let context: *mut T = context;
    let exchange = L::functions().exchange;
    // SAFETY: the socket is open; `context` is what `answer` expects, and lives as long as the call.
    check(unsafe { exchange(stream.as_raw_fd(), MESSAGE, context.cast(), answer) })
}

struct Pong {
    to_come: u64,
    is_under_way: bool,
    window: Window,
}

extern "C" fn send_back(context: *mut c_void, _message: *mut u8) -> c_int {
    // SAFETY: that is what `rtt` passes, and C holds no other reference.
    let pong = unsafe { &mut *context.cast::<Pong>() };
    // Whatever came before this one is sent.
    if pong.is_under_way {
        pong.window.count(1);
    }
    pong.is_under_way = true;
    pong.to_come -= 1;
    match pong.to_come {
        0 => SEND_AND_STOP,
        _ => SEND,
    }
}

struct Ping<'a> {
    trips: Trips<'a>,
    error: Option<anyhow::Error>,
}

extern "C" fn count(context: *mut c_void, message: *mut u8) -> c_int {
    // SAFETY: that is what `rtt_client` passes; 'static stands for a lifetime that is longer than the call.
    let ping = unsafe { &mut *context.cast::<Ping<'static>>() };
    // SAFETY: a message is that long, and C does not look at it meanwhile.
    let message = unsafe { &mut *message.cast::<[u8; MESSAGE]>() };
    if let Err(err) = ping.trips.came(message) {
        ping.error = Some(err);
        return FAIL;
    }
    match ping.trips.next() {
        Some(next) => {
            *message = next;
            SEND
        }
        None => STOP,
    }
}

/// Whether loops are made so that wakers may be used from other threads: libevent takes locks then.
static WAKES: AtomicBool = AtomicBool::new(false);

/// Sees to it that loops are made as the job needs them.
pub fn prepare(job: &Job) {
    let wakes = matches!(
        job,
        Job::Awake(_) | Job::Harvest(_) | Job::Many(_) | Job::Producers(_) | Job::PingPong(_)
    );
    WAKES.store(wakes, Ordering::Relaxed);
}

/// The loop, behind as much of the shared API as it can do. It lives until the process ends.
pub struct Poll<L> {
    registry: Registry<L>,
}

impl<L: Library> Poll<L> {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a number only.
        let handle =
            some(unsafe { (L::functions().loop_new)(WAKES.load(Ordering::Relaxed).into()) })?;
        Ok(Self {
            registry: Registry {
                handle,
                watches: RefCell::new(Vec::new()),
                library: PhantomData,
            },
        })
    }

    pub fn registry(&self) -> &Registry<L> {
        &self.registry
    }

    /// Waits without a limit, or not at all.
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        let list: *mut Vec<Event> = &mut events.list;
        let wait = match timeout {
            None => 1,
            Some(Duration::ZERO) => 0,
            Some(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        loop {
            let run = L::functions().run;
            // SAFETY: the loop lives; the list lives as long as the call, and only `note` uses it meanwhile.
            check(unsafe { run(self.registry.handle, wait, list.cast(), note) })?;
            // A loop may also turn for what is its own.
            if wait == 0 || !events.list.is_empty() {
                return Ok(());
            }
        }
    }
}

// SAFETY: a loop may be moved to another thread as long as one thread at a time uses it, as `&mut` sees to.
unsafe impl<L> Send for Poll<L> {}

extern "C" fn note(list: *mut c_void, token: usize) {
    // SAFETY: that is what `poll` passes.
    let list = unsafe { &mut *list.cast::<Vec<Event>>() };
    list.push(Event(bare::Token(token)));
}

pub struct Registry<L> {
    handle: *mut c_void,
    /// By descriptor.
    watches: RefCell<Vec<Option<*mut c_void>>>,
    library: PhantomData<L>,
}

impl<L: Library> Registry<L> {
    pub fn register(
        &self,
        source: &mut impl AsRawFd,
        token: bare::Token,
        _interest: bare::Interest,
    ) -> io::Result<()> {
        let fd = source.as_raw_fd();
        // SAFETY: the loop lives, the descriptor is open.
        let watch = some(unsafe { (L::functions().watch)(self.handle, fd, token.0) })?;
        let mut watches = self.watches.borrow_mut();
        if watches.len() <= fd as usize {
            watches.resize(fd as usize + 1, None);
        }
        watches[fd as usize] = Some(watch);
        Ok(())
    }

    pub fn reregister(
        &self,
        source: &mut impl AsRawFd,
        token: bare::Token,
        _interest: bare::Interest,
    ) -> io::Result<()> {
        let watch = self.watch_of(source.as_raw_fd(), false)?;
        // SAFETY: it is watched.
        check(unsafe { (L::functions().rewatch)(watch, token.0) })
    }

    pub fn deregister(&self, source: &mut impl AsRawFd) -> io::Result<()> {
        let watch = self.watch_of(source.as_raw_fd(), true)?;
        // SAFETY: it was watched, and nobody knows it any more.
        unsafe { (L::functions().unwatch)(watch) };
        Ok(())
    }

    fn watch_of(&self, fd: RawFd, take: bool) -> io::Result<*mut c_void> {
        let mut watches = self.watches.borrow_mut();
        let watch = watches.get_mut(fd as usize);
        let watch = watch.and_then(|watch| if take { watch.take() } else { *watch });
        watch.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

pub struct Events {
    list: Vec<Event>,
}

impl Events {
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Event> + '_ {
        self.list.iter()
    }
}

pub struct Event(bare::Token);

impl Event {
    pub fn token(&self) -> bare::Token {
        self.0
    }

    /// The libraries do not tell: it may be.
    pub fn is_read_closed(&self) -> bool {
        true
    }
}

pub struct Waker<L> {
    handle: *mut c_void,
    library: PhantomData<L>,
}

// SAFETY: to be used from any thread is what these are for; they live until the process ends.
unsafe impl<L> Send for Waker<L> {}
// SAFETY: as above.
unsafe impl<L> Sync for Waker<L> {}

impl<L: Library> Waker<L> {
    pub fn new(registry: &Registry<L>, token: bare::Token) -> io::Result<Self> {
        // SAFETY: the loop lives.
        let handle = some(unsafe { (L::functions().waker_new)(registry.handle, token.0) })?;
        Ok(Self {
            handle,
            library: PhantomData,
        })
    }

    pub fn wake(&self) -> io::Result<()> {
        // SAFETY: the waker lives.
        unsafe { (L::functions().wake)(self.handle) };
        Ok(())
    }
}

fn some(pointer: *mut c_void) -> io::Result<*mut c_void> {
    match pointer.is_null() {
        true => Err(io::Error::other("the library made nothing")),
        false => Ok(pointer),
    }
}

fn check(outcome: c_int) -> io::Result<()> {
    match outcome {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

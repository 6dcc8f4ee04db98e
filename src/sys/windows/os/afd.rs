//! The Ancillary Function Driver, which is behind every socket: asked about one socket at a time,
//! it completes the request when one of the conditions holds that were asked about.
//!
//! `\Device\Afd` is opened like a file; a request is `IOCTL_AFD_POLL`. It is *level-triggered*: it
//! completes at once if a condition holds already; and *one-shot*: the next question is the next
//! request.
//!
//! # Memory
//!
//! The kernel writes to a request until it is completed, whatever becomes of the socket, of the
//! poll and of the thread. So a request in flight owns itself: a reference is given to the kernel
//! with it, and taken back from the packet that tells of its end. There is always one: also
//! when the request is cancelled, and when its socket is closed.
//!
//! Reference: [NtDeviceIoControlFile][io], [NtCreateFile][create]; the request is that of `select`, as
//! <https://github.com/piscisaureus/wepoll> has described it.
//!
//! [io]: https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntdeviceiocontrolfile
//! [create]: https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntcreatefile

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::mem;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle, RawSocket};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    NtCreateFile, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT,
};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{
    ERROR_NOT_FOUND, HANDLE, NTSTATUS, STATUS_CANCELLED, STATUS_PENDING,
    STATUS_REQUEST_NOT_ACCEPTED, STATUS_TIMEOUT, UNICODE_STRING,
};
use windows_sys::Win32::Networking::WinSock::{
    WSAIoctl, SIO_BASE_HANDLE, SIO_BSP_HANDLE, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT, SOCKET,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE};
use windows_sys::Win32::System::Threading::{WaitForSingleObject, INFINITE};
use windows_sys::Win32::System::IO::{CancelIoEx, IO_STATUS_BLOCK};

use super::iocp::{Origin, Port};
use super::{check, error_of, has_failed};

/// `IOCTL_AFD_POLL`.
const POLL: u32 = 0x0001_2024;

/// `AFD_POLL_HANDLE_INFO`.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
struct Entry {
    handle: HANDLE,
    events: u32,
    status: NTSTATUS,
}

/// `AFD_POLL_INFO`, with room for one socket. What goes in has the layout of what comes out.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
struct Question {
    /// In 100 ns; zero is "do not wait".
    timeout: i64,
    entries: u32,
    exclusive: u32,
    entry: Entry,
}

/// The layouts that the driver expects: checked here for targets that nobody runs, too.
const _: () = {
    const WORD: usize = mem::size_of::<usize>();
    assert!(mem::size_of::<Entry>() == WORD + 8);
    assert!(mem::align_of::<Entry>() == WORD);
    // 16 bytes and an entry, up to a multiple of 8.
    assert!(mem::size_of::<Question>() == 32);
    assert!(mem::align_of::<Question>() == 8);
    assert!(mem::size_of::<IO_STATUS_BLOCK>() == 2 * WORD);
};

impl Question {
    fn new(socket: Base, events: u32, timeout: i64) -> Self {
        Self {
            timeout,
            entries: 1,
            exclusive: 0,
            entry: Entry {
                handle: socket.0 as HANDLE,
                events,
                status: 0,
            },
        }
    }

    /// The conditions that hold, of what the kernel has written.
    ///
    /// What went in has the place of what comes out. So where the kernel has written nothing, there stands what
    /// was asked about, and that must not be taken for the answer: when the time was over, or when it says that it
    /// has written less than the entry. (The request is a buffered one: just so many bytes are copied back.)
    fn answer(&self, outcome: NTSTATUS, written: usize) -> u32 {
        if outcome == STATUS_TIMEOUT || written < Self::WITH_ENTRY || self.entries == 0 {
            0
        } else {
            self.entry.events
        }
    }

    /// How many bytes an answer has that is one.
    const WITH_ENTRY: usize =
        mem::size_of::<i64>() + 2 * mem::size_of::<u32>() + mem::size_of::<Entry>();
}

/// The socket of the system's own provider, which is what the driver knows.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base(SOCKET);

/// How a request ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Conditions that held, of those that were asked about.
    Holds(u32),
    /// It was called back, by us or by the end of the thread that made it.
    Cancelled,
    /// The driver does not answer, as for a socket that is closed.
    Refused(Refusal),
}

/// Why the driver does not answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: NTSTATUS,
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        error_of(refusal.status)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {:#x})", error_of(self.status), self.status)
    }
}

/// A question to the driver, made again and again for one registration.
// The status block comes first: its address is that of the request.
#[repr(C)]
pub(crate) struct Request {
    status: UnsafeCell<IO_STATUS_BLOCK>,
    question: UnsafeCell<Question>,
    /// The kernel may write to the two above, and holds a reference.
    in_flight: AtomicBool,
    /// Whose it is.
    pub(crate) owner: Owner,
}

/// The registration that a request belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) index: usize,
    pub(crate) registration: u64,
}

// SAFETY: the cells are written by `Afd::poll`, which gets past `in_flight` alone, then by the
// kernel, and then read by `completed`, which ends the flight.
unsafe impl Send for Request {}
// SAFETY: as above; a shared reference leads to the cells only through `in_flight`.
unsafe impl Sync for Request {}

impl Request {
    pub(crate) fn new(owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            status: UnsafeCell::new(IO_STATUS_BLOCK::default()),
            question: UnsafeCell::new(Question::new(Base(0), 0, 0)),
            in_flight: AtomicBool::new(false),
            owner,
        })
    }

    /// Takes back what was given to the kernel, and what it has answered.
    ///
    /// # Safety
    ///
    /// `context` is that of a packet for a request of `Afd::poll`, and this is the only call for
    /// it.
    pub(super) unsafe fn completed(context: *const c_void) -> (Arc<Self>, Answer) {
        // SAFETY: `Afd::poll` has made the pointer of an `Arc`, and the kernel hands it back once.
        let request = unsafe { Arc::from_raw(context.cast::<Self>()) };
        // SAFETY: the kernel is done with the request; the flight is ours until we end it.
        let block = unsafe { *request.status.get() };
        // SAFETY: as above.
        let question = unsafe { *request.question.get() };
        // SAFETY: both fields of the union are plain numbers; the kernel has written this one.
        let status = unsafe { block.Anonymous.Status };
        #[cfg(test)]
        let status = faults::instead_of(faults::Call::Answer, status);
        // Release: pairs with the next flight's acquire.
        request.in_flight.store(false, Ordering::Release);
        let answer = match status {
            STATUS_CANCELLED => Answer::Cancelled,
            status if has_failed(status) => Answer::Refused(Refusal { status }),
            status => Answer::Holds(question.answer(status, block.Information)),
        };
        (request, answer)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("owner", &self.owner)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// The driver, opened to make requests whose end makes a packet at a port.
#[derive(Debug)]
pub(crate) struct Afd {
    handle: OwnedHandle,
}

impl Afd {
    pub(crate) fn open(port: &Port) -> io::Result<Self> {
        let handle = open(0)?;
        port.attach(handle.as_handle(), Origin::Afd)?;
        Ok(Self { handle })
    }

    /// Asks to be told by a packet when one of `events` holds, which may be now.
    ///
    /// The request must not be in flight already.
    pub(crate) fn poll(
        &self,
        request: &Arc<Request>,
        socket: Base,
        events: u32,
    ) -> Result<(), Refusal> {
        #[cfg(test)]
        faults::check(faults::Call::Poll)?;
        // Acquire: pairs with `completed`.
        if request.in_flight.swap(true, Ordering::Acquire) {
            return Err(Refusal {
                status: STATUS_REQUEST_NOT_ACCEPTED,
            });
        }
        let (status, question) = (request.status.get(), request.question.get());
        // SAFETY: the flight is ours alone until the kernel has the request.
        unsafe { *status = IO_STATUS_BLOCK::default() };
        // SAFETY: as above.
        unsafe { *question = Question::new(socket, events, i64::MAX) };
        let given = Arc::into_raw(Arc::clone(request)).cast::<c_void>();
        let size = mem::size_of::<Question>() as u32;
        // SAFETY: the reference that is given away keeps both alive until the packet has come.
        let outcome = unsafe {
            NtDeviceIoControlFile(
                self.handle.as_raw_handle(),
                ptr::null_mut(),
                None,
                given,
                status,
                POLL,
                question.cast(),
                size,
                question.cast(),
                size,
            )
        };
        if !has_failed(outcome) {
            return Ok(());
        }
        // SAFETY: the kernel has refused the request, so there will be no packet to take it from.
        drop(unsafe { Arc::from_raw(given.cast::<Request>()) });
        request.in_flight.store(false, Ordering::Release);
        Err(Refusal { status: outcome })
    }

    /// Calls a request back. Its packet comes all the same, if it is not there already.
    pub(crate) fn cancel(&self, request: &Request) -> io::Result<()> {
        if !request.in_flight.load(Ordering::Acquire) {
            return Ok(());
        }
        // SAFETY: the address is only compared with those of the requests in flight.
        let outcome =
            check(unsafe { CancelIoEx(self.handle.as_raw_handle(), request.status.get().cast()) });
        match outcome {
            Err(err) if err.raw_os_error() == Some(ERROR_NOT_FOUND as i32) => Ok(()),
            outcome => outcome,
        }
    }
}

/// The driver, opened to be asked what holds now.
#[derive(Debug)]
pub(crate) struct Look {
    handle: OwnedHandle,
}

impl Look {
    pub(crate) fn open() -> io::Result<Self> {
        let handle = open(FILE_SYNCHRONOUS_IO_NONALERT)?;
        Ok(Self { handle })
    }

    /// Which of `events` hold now.
    pub(crate) fn at(&self, socket: Base, events: u32) -> Result<u32, Refusal> {
        #[cfg(test)]
        faults::check(faults::Call::Look)?;
        let mut question = Question::new(socket, events, 0);
        let mut status = IO_STATUS_BLOCK::default();
        let size = mem::size_of::<Question>() as u32;
        let pointer: *mut Question = &mut question;
        // SAFETY: the handle was opened for synchronous use, so the kernel is done with both when the
        // call returns; or after the wait that follows, if it says that it is not.
        let mut outcome = unsafe {
            NtDeviceIoControlFile(
                self.handle.as_raw_handle(),
                ptr::null_mut(),
                None,
                ptr::null(),
                &mut status,
                POLL,
                pointer.cast(),
                size,
                pointer.cast(),
                size,
            )
        };
        if outcome == STATUS_PENDING {
            // SAFETY: the handle is open.
            unsafe { WaitForSingleObject(self.handle.as_raw_handle(), INFINITE) };
            // SAFETY: the request is over, and the kernel has written its status.
            outcome = unsafe { status.Anonymous.Status };
        }
        if has_failed(outcome) {
            return Err(Refusal { status: outcome });
        }
        Ok(question.answer(outcome, status.Information))
    }
}

/// Opens the driver. What follows its name only has to be there.
fn open(options: u32) -> io::Result<OwnedHandle> {
    let mut name: Vec<u16> = r"\Device\Afd\Wakeful".encode_utf16().collect();
    let length = mem::size_of_val(&name[..]) as u16;
    let name = UNICODE_STRING {
        Length: length,
        MaximumLength: length,
        Buffer: name.as_mut_ptr(),
    };
    let attributes = OBJECT_ATTRIBUTES {
        Length: mem::size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: ptr::null_mut(),
        ObjectName: &name,
        // Without `OBJ_INHERIT`.
        Attributes: 0,
        SecurityDescriptor: ptr::null(),
        SecurityQualityOfService: ptr::null(),
    };
    let mut handle = ptr::null_mut();
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: everything that is pointed to outlives the call, the characters of the name too.
    let outcome = unsafe {
        NtCreateFile(
            &mut handle,
            SYNCHRONIZE,
            &attributes,
            &mut status,
            ptr::null(),
            0,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            FILE_OPEN,
            options,
            ptr::null(),
            0,
        )
    };
    if outcome != 0 {
        return Err(error_of(outcome));
    }
    // SAFETY: the handle is new, so nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Finds the socket that the driver knows.
///
/// Programs that filter traffic may put their own provider on top of the system's; their sockets
/// are not the driver's. Some of them do not answer `SIO_BASE_HANDLE`, which they should, but do answer one
/// of the others with the socket of the next layer.
pub(crate) fn base(socket: RawSocket) -> io::Result<Base> {
    base_of(socket as SOCKET, ask_for_handle)
}

/// Another socket that the driver may know, if it does not know `base`: a layer may name itself as the base.
pub(crate) fn base_instead(socket: RawSocket, base: Base) -> Option<Base> {
    base_instead_of(base, socket as SOCKET, ask_for_handle)
}

fn base_of(
    mut socket: SOCKET,
    ask: impl Fn(SOCKET, u32) -> io::Result<SOCKET>,
) -> io::Result<Base> {
    /// Nobody has so many layers; but some may lead in a circle.
    const MOST_LAYERS: usize = 16;

    for _ in 0..MOST_LAYERS {
        let error = match ask(socket, SIO_BASE_HANDLE) {
            Ok(base) => return Ok(Base(base)),
            Err(err) => err,
        };
        socket = below(socket, &ask).ok_or(error)?;
    }
    Err(io::Error::new(
        io::ErrorKind::Other,
        "the providers of the socket lead nowhere: none of them names the system's own socket",
    ))
}

fn base_instead_of(
    base: Base,
    socket: SOCKET,
    ask: impl Fn(SOCKET, u32) -> io::Result<SOCKET>,
) -> Option<Base> {
    let below = below(socket, &ask)?;
    let of_below = base_of(below, &ask).ok();
    [of_below, Some(Base(below))]
        .into_iter()
        .flatten()
        .find(|other| *other != base)
}

/// The socket of the next layer.
fn below(socket: SOCKET, ask: impl Fn(SOCKET, u32) -> io::Result<SOCKET>) -> Option<SOCKET> {
    [SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE]
        .into_iter()
        .filter_map(|code| ask(socket, code).ok())
        // A layer that names itself would be asked for ever.
        .find(|below| *below != socket)
}

fn ask_for_handle(socket: SOCKET, code: u32) -> io::Result<SOCKET> {
    let mut found: SOCKET = 0;
    let mut length = 0;
    // SAFETY: the answer is a handle, for which there is room; there is no `OVERLAPPED`, so the call
    // is over when it returns.
    let outcome = unsafe {
        WSAIoctl(
            socket,
            code,
            ptr::null(),
            0,
            ptr::addr_of_mut!(found).cast(),
            mem::size_of::<SOCKET>() as u32,
            &mut length,
            ptr::null_mut(),
            None,
        )
    };
    if outcome != 0 {
        return Err(super::last_socket_error());
    }
    Ok(found)
}

/// Refusals that no system can be talked into, for tests of what follows from them.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::RefCell;

    use super::{Refusal, NTSTATUS};

    /// The calls that can be refused.
    #[derive(Copy, Clone, Debug, PartialEq, Eq)]
    pub(crate) enum Call {
        Poll,
        Look,
        /// The end of a request that was accepted.
        Answer,
    }

    thread_local! {
        static NEXT: RefCell<Vec<(Call, NTSTATUS)>> = const { RefCell::new(Vec::new()) };
    }

    /// Lets this thread's next calls of that kind end with `status`, so many times.
    pub(crate) fn refuse(call: Call, status: NTSTATUS, times: usize) {
        NEXT.with(|next| {
            let mut next = next.borrow_mut();
            next.extend(std::iter::repeat((call, status)).take(times));
        });
    }

    /// How many refusals are still to come.
    pub(crate) fn left() -> usize {
        NEXT.with(|next| next.borrow().len())
    }

    pub(super) fn check(call: Call) -> Result<(), Refusal> {
        match instead_of(call, 0) {
            0 => Ok(()),
            status => Err(Refusal { status }),
        }
    }

    pub(super) fn instead_of(call: Call, status: NTSTATUS) -> NTSTATUS {
        NEXT.with(|next| {
            let mut next = next.borrow_mut();
            match next.iter().position(|(refused, _)| *refused == call) {
                Some(at) => next.remove(at).1,
                None => status,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_where_the_driver_looks_for_it() {
        let word = mem::size_of::<usize>();
        let question = Question::new(Base(0), 0, 0);
        let start = ptr::addr_of!(question) as usize;
        assert_eq!(ptr::addr_of!(question.timeout) as usize - start, 0);
        assert_eq!(ptr::addr_of!(question.entries) as usize - start, 8);
        assert_eq!(ptr::addr_of!(question.exclusive) as usize - start, 12);
        assert_eq!(ptr::addr_of!(question.entry.handle) as usize - start, 16);
        let events = ptr::addr_of!(question.entry.events) as usize;
        assert_eq!(events - start, 16 + word);
        let status = ptr::addr_of!(question.entry.status) as usize;
        assert_eq!(status - start, 20 + word);
    }

    /// A request is called back by the address of its status block.
    #[test]
    fn a_request_begins_with_its_status_block() {
        let owner = Owner {
            index: 0,
            registration: 0,
        };
        let request = Request::new(owner);
        assert_eq!(
            request.status.get() as usize,
            Arc::as_ptr(&request) as usize
        );
    }

    #[test]
    fn what_the_kernel_has_not_written_is_no_answer() {
        let question = Question::new(Base(1), 0x1ff, 0);
        let all = mem::size_of::<Question>();
        assert_eq!(question.answer(0, all), 0x1ff);
        assert_eq!(question.answer(0, Question::WITH_ENTRY), 0x1ff);
        assert_eq!(question.answer(STATUS_TIMEOUT, all), 0);
        for written in [0, 16, Question::WITH_ENTRY - 1] {
            assert_eq!(question.answer(0, written), 0, "{written} bytes");
        }
        let nobody = Question {
            entries: 0,
            ..question
        };
        assert_eq!(nobody.answer(0, all), 0);
    }

    /// Layers by number: which codes each of them answers, and with what.
    type Layers = &'static [(SOCKET, u32, SOCKET)];

    fn answers(layers: Layers) -> impl Fn(SOCKET, u32) -> io::Result<SOCKET> {
        move |socket, code| {
            let answer = layers
                .iter()
                .find(|layer| (layer.0, layer.1) == (socket, code));
            answer.map_or_else(
                || Err(io::ErrorKind::Unsupported.into()),
                |layer| Ok(layer.2),
            )
        }
    }

    #[test]
    fn the_base_is_found_below_layers_that_do_not_name_it() {
        let plain: Layers = &[(1, SIO_BASE_HANDLE, 1)];
        let silent: Layers = &[
            (1, SIO_BSP_HANDLE_SELECT, 1),
            (1, SIO_BSP_HANDLE_POLL, 2),
            (2, SIO_BSP_HANDLE, 3),
            (3, SIO_BASE_HANDLE, 4),
        ];
        assert_eq!(base_of(1, answers(plain)).unwrap(), Base(1));
        assert_eq!(base_of(1, answers(silent)).unwrap(), Base(4));
    }

    #[test]
    fn layers_that_lead_nowhere_are_an_error() {
        let circle: Layers = &[(1, SIO_BSP_HANDLE_SELECT, 2), (2, SIO_BSP_HANDLE_POLL, 1)];
        assert!(base_of(1, answers(circle)).is_err());
        assert!(base_of(1, answers(&[])).is_err());
    }

    #[test]
    fn a_layer_that_names_itself_as_the_base_is_passed_by() {
        let liar: Layers = &[
            (1, SIO_BASE_HANDLE, 1),
            (1, SIO_BSP_HANDLE_SELECT, 2),
            (2, SIO_BASE_HANDLE, 3),
        ];
        assert_eq!(base_instead_of(Base(1), 1, answers(liar)), Some(Base(3)));
        let silent_below: Layers = &[(1, SIO_BASE_HANDLE, 1), (1, SIO_BSP_HANDLE_POLL, 2)];
        assert_eq!(
            base_instead_of(Base(1), 1, answers(silent_below)),
            Some(Base(2))
        );
        let plain: Layers = &[(1, SIO_BASE_HANDLE, 1)];
        assert_eq!(base_instead_of(Base(1), 1, answers(plain)), None);
    }
}

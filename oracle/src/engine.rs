//! The [`Subject`] that is made of a library.
//!
//! This file is compiled twice, see the crate's documentation: `super::library` is mio here, and wakeful there.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::library::event::{Event, Source};
use super::library::net::{TcpListener, TcpStream, UnixStream};
use super::library::unix::pipe::{self, Receiver, Sender};
use super::library::{Events, Interest, Poll, Token, Waker};
use crate::subject::{Flags, Id, Report, Subject, Wanted};

pub(super) struct Engine {
    poll: Poll,
    events: Events,
    waker: Option<Waker>,
    objects: Vec<Option<Object>>,
}

enum Object {
    Listener(TcpListener),
    Tcp(TcpStream),
    Unix(UnixStream),
    Receiver(Receiver),
    Sender(Sender),
}

impl Object {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Listener(source) => source,
            Self::Tcp(source) => source,
            Self::Unix(source) => source,
            Self::Receiver(source) => source,
            Self::Sender(source) => source,
        }
    }
}

impl Engine {
    pub(super) fn new(poll: Poll, capacity: usize) -> Self {
        Self {
            poll,
            events: Events::with_capacity(capacity),
            waker: None,
            objects: Vec::new(),
        }
    }

    fn add(&mut self, object: Object) -> Id {
        self.objects.push(Some(object));
        Id(self.objects.len() - 1)
    }

    fn object(&self, id: Id) -> &Object {
        self.objects[id.0].as_ref().expect("it is open")
    }

    /// The object as a source, and the registry to register it with.
    fn source(&mut self, id: Id) -> (&mut dyn Source, &super::library::Registry) {
        let object = self.objects[id.0].as_mut().expect("it is open");
        (object.source(), self.poll.registry())
    }
}

impl Subject for Engine {
    fn listen(&mut self, address: SocketAddr) -> io::Result<Id> {
        let listener = TcpListener::bind(address)?;
        Ok(self.add(Object::Listener(listener)))
    }

    fn address(&self, listener: Id) -> io::Result<SocketAddr> {
        match self.object(listener) {
            Object::Listener(listener) => listener.local_addr(),
            _ => unreachable!("only listeners have an address"),
        }
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<Id> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(self.add(Object::Tcp(stream)))
    }

    fn accept(&mut self, listener: Id) -> io::Result<Id> {
        let stream = match self.object(listener) {
            Object::Listener(listener) => listener.accept()?.0,
            _ => unreachable!("only listeners accept"),
        };
        stream.set_nodelay(true)?;
        Ok(self.add(Object::Tcp(stream)))
    }

    fn unix_pair(&mut self) -> io::Result<[Id; 2]> {
        let (one, other) = UnixStream::pair()?;
        Ok([self.add(Object::Unix(one)), self.add(Object::Unix(other))])
    }

    fn pipe(&mut self) -> io::Result<[Id; 2]> {
        let (sender, receiver) = pipe::new()?;
        Ok([
            self.add(Object::Receiver(receiver)),
            self.add(Object::Sender(sender)),
        ])
    }

    fn read(&mut self, id: Id, buffer: &mut [u8]) -> io::Result<usize> {
        match self.object(id) {
            Object::Tcp(stream) => (&*stream).read(buffer),
            Object::Unix(stream) => (&*stream).read(buffer),
            Object::Receiver(receiver) => (&*receiver).read(buffer),
            Object::Listener(_) | Object::Sender(_) => unreachable!("nothing to read"),
        }
    }

    fn write(&mut self, id: Id, bytes: &[u8]) -> io::Result<usize> {
        match self.object(id) {
            Object::Tcp(stream) => (&*stream).write(bytes),
            Object::Unix(stream) => (&*stream).write(bytes),
            Object::Sender(sender) => (&*sender).write(bytes),
            Object::Listener(_) | Object::Receiver(_) => unreachable!("nowhere to write"),
        }
    }

    fn try_io(
        &mut self,
        id: Id,
        operation: &mut dyn FnMut() -> io::Result<usize>,
    ) -> io::Result<usize> {
        match self.object(id) {
            Object::Tcp(stream) => stream.try_io(operation),
            Object::Unix(stream) => stream.try_io(operation),
            Object::Receiver(receiver) => receiver.try_io(operation),
            Object::Sender(sender) => sender.try_io(operation),
            Object::Listener(_) => unreachable!("listeners have no `try_io`"),
        }
    }

    fn shutdown_write(&mut self, id: Id) -> io::Result<()> {
        match self.object(id) {
            Object::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Object::Unix(stream) => stream.shutdown(Shutdown::Write),
            _ => unreachable!("only streams have halves"),
        }
    }

    fn take_error(&mut self, id: Id) -> io::Result<Option<io::Error>> {
        match self.object(id) {
            Object::Tcp(stream) => stream.take_error(),
            Object::Unix(stream) => stream.take_error(),
            _ => unreachable!("only streams have errors to take"),
        }
    }

    fn expose(&mut self, id: Id) {
        let _fd = match self.object(id) {
            Object::Listener(source) => source.as_raw_fd(),
            Object::Tcp(source) => source.as_raw_fd(),
            Object::Unix(source) => source.as_raw_fd(),
            Object::Receiver(source) => source.as_raw_fd(),
            Object::Sender(source) => source.as_raw_fd(),
        };
    }

    fn close(&mut self, id: Id) {
        self.objects[id.0] = None;
    }

    fn register(&mut self, id: Id, token: usize, wanted: Wanted) -> io::Result<()> {
        let (source, registry) = self.source(id);
        source.register(registry, Token(token), interest(wanted))
    }

    fn reregister(&mut self, id: Id, token: usize, wanted: Wanted) -> io::Result<()> {
        let (source, registry) = self.source(id);
        source.reregister(registry, Token(token), interest(wanted))
    }

    fn deregister(&mut self, id: Id) -> io::Result<()> {
        let (source, registry) = self.source(id);
        source.deregister(registry)
    }

    fn make_waker(&mut self, token: usize) -> io::Result<()> {
        self.waker = Some(Waker::new(self.poll.registry(), Token(token))?);
        Ok(())
    }

    fn wake(&mut self) -> io::Result<()> {
        self.waker.as_ref().expect("it was made").wake()
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Report>> {
        self.poll.poll(&mut self.events, timeout)?;
        Ok(self.events.iter().map(report).collect())
    }
}

fn report(event: &Event) -> Report {
    let flags = Flags::READABLE.when(event.is_readable())
        | Flags::WRITABLE.when(event.is_writable())
        | Flags::PRIORITY.when(event.is_priority())
        | Flags::ERROR.when(event.is_error())
        | Flags::READ_CLOSED.when(event.is_read_closed())
        | Flags::WRITE_CLOSED.when(event.is_write_closed());
    (event.token().0, flags)
}

fn interest(wanted: Wanted) -> Interest {
    let choices = [
        (wanted.readable, Interest::READABLE),
        (wanted.writable, Interest::WRITABLE),
        (wanted.priority, Interest::PRIORITY),
    ];
    choices
        .into_iter()
        .filter_map(|(chosen, interest)| chosen.then_some(interest))
        .reduce(Interest::add)
        .expect("something is wanted")
}

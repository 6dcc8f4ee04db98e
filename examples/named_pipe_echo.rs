//! A server on a named pipe of Windows that sends back what it receives, to many clients at once.
//!
//! ```text
//! cargo run --example named_pipe_echo
//! ```
//!
//! Then, in another window: `echo hello > \\.\pipe\wakeful-echo`, or run the example with the
//! argument `self-test`, which makes it its own client.
//!
//! Each client has an instance of the pipe. When one has come, the next instance is opened; when it
//! is gone, its instance is dropped.

#[cfg(windows)]
fn main() -> std::io::Result<()> {
    echo::main()
}

#[cfg(not(windows))]
fn main() {
    eprintln!("named pipes are a thing of Windows");
    std::process::exit(1);
}

#[cfg(windows)]
mod echo {
    use std::fs::File;
    use std::io::{self, ErrorKind, Read, Write};
    use std::thread;

    use slab::Slab;
    use wakeful::windows::NamedPipe;
    use wakeful::{Events, Interest, Poll, Token};

    const NAME: &str = r"\\.\pipe\wakeful-echo";
    const CLIENTS: usize = 3;

    /// An instance of the pipe, and what is still to be sent back.
    struct Client {
        pipe: NamedPipe,
        is_connected: bool,
        owed: Vec<u8>,
    }

    pub(crate) fn main() -> io::Result<()> {
        let is_test = std::env::args().nth(1).as_deref() == Some("self-test");
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(64);
        let mut clients = Slab::new();
        wait_for_client(&poll, &mut clients)?;
        println!("listening on {NAME}");

        let test = is_test.then(|| thread::spawn(|| (0..CLIENTS).try_for_each(self_test)));
        let mut served = 0;
        while !is_test || served < CLIENTS {
            poll.poll(&mut events, None)?;
            for event in &events {
                let token = event.token().0;
                let Some(client) = clients.get_mut(token) else {
                    continue;
                };
                let was_connected = client.is_connected;
                let goes_on = client.serve().unwrap_or_else(|err| {
                    println!("client {token}: {err}");
                    false
                });
                let has_come = !was_connected && client.is_connected;
                if has_come {
                    println!("client {token} is there");
                    wait_for_client(&poll, &mut clients)?;
                }
                if !goes_on {
                    println!("client {token} is gone");
                    clients.remove(token);
                    served += 1;
                }
            }
        }
        match test {
            Some(test) => test.join().expect("the test does not panic"),
            None => Ok(()),
        }
    }

    /// Opens the next instance.
    fn wait_for_client(poll: &Poll, clients: &mut Slab<Client>) -> io::Result<()> {
        let entry = clients.vacant_entry();
        let mut pipe = instance::open(NAME)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut pipe, Token(entry.key()), interest)?;
        entry.insert(Client {
            pipe,
            is_connected: false,
            owed: Vec::new(),
        });
        Ok(())
    }

    impl Client {
        /// Does what can be done; `false` when the client is gone.
        fn serve(&mut self) -> io::Result<bool> {
            if !self.is_connected {
                match self.pipe.connect() {
                    Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
                    outcome => outcome?,
                }
                self.is_connected = true;
            }
            let mut buf = [0; 4096];
            loop {
                while !self.owed.is_empty() {
                    match self.pipe.write(&self.owed) {
                        Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
                        outcome => drop(self.owed.drain(..outcome?)),
                    }
                }
                match self.pipe.read(&mut buf) {
                    Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Ok(0) => return Ok(false),
                    outcome => self.owed.extend_from_slice(&buf[..outcome?]),
                }
            }
        }
    }

    fn self_test(number: usize) -> io::Result<()> {
        let mut pipe = loop {
            match File::options().read(true).write(true).open(NAME) {
                // The next instance is not there yet.
                Err(_) => thread::yield_now(),
                Ok(pipe) => break pipe,
            }
        };
        let message = format!("hello from client {number}");
        pipe.write_all(message.as_bytes())?;
        let mut echo = vec![0; message.len()];
        pipe.read_exact(&mut echo)?;
        assert_eq!(echo, message.as_bytes());
        Ok(())
    }

    /// `NamedPipe::new` opens the first instance only.
    mod instance {
        use std::io;
        use std::os::windows::io::FromRawHandle;
        use std::ptr;

        use wakeful::windows::NamedPipe;
        use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
        use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
        use windows_sys::Win32::System::Pipes::{
            CreateNamedPipeW, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES,
        };

        #[allow(unsafe_code)]
        pub(super) fn open(name: &str) -> io::Result<NamedPipe> {
            let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
            // SAFETY: the name ends with a NUL character; no attributes are given.
            let pipe = unsafe {
                CreateNamedPipeW(
                    name.as_ptr(),
                    PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                    PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
                    PIPE_UNLIMITED_INSTANCES,
                    4096,
                    4096,
                    0,
                    ptr::null(),
                )
            };
            if pipe == INVALID_HANDLE_VALUE {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the handle is new, and nobody else owns it.
            Ok(unsafe { NamedPipe::from_raw_handle(pipe) })
        }
    }
}

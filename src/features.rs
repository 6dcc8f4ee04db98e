//! # Cargo features
//!
//! All are on by default. To choose: `default-features = false, features = [..]`. Every
//! combination builds.
//!
//! | feature | adds | crates |
//! |---|---|---|
//! | `os-poll` | the operating system: [`Poll`], [`Registry`] and [`Waker`] work | |
//! | `net` | the module `net`: TCP, UDP and Unix domain sockets | `socket2` |
//! | `os-ext` | what only some systems have: `unix::SourceFd` and `unix::pipe`; `windows::NamedPipe`, `windows::SourceHandle` and `windows::SourceSocket`; turns on `os-poll` | |
//! | `log` | trace lines through the facade of the same name | `log` |
//!
//! Unix builds always have `libc`, those for Windows `windows-sys`.
//!
//! The names are mio's, with mio's meaning. The default is not: mio turns on `log` alone.
//! The package `compat/mio` has mio's default.
//!
//! ## Without `os-poll`
//!
//! Everything builds and nothing works: [`Poll::new`] is an error of the kind [`Unsupported`]. That is
//! for libraries that name our types (implement [`Source`], say) and leave it to the program to turn on
//! the feature. Such a build is possible on systems that wakeful does not know.
//!
//! Sockets (`net`) open, read and write without it, for what that is worth: nothing tells when.
//!
//! ## `log`
//!
//! Registrations and what a poll has found, at the level `trace`. Without the feature there is no code
//! for it; with it and without a logger, one load and one comparison for each line.
//!
//! [`Poll`]: crate::Poll
//! [`Poll::new`]: crate::Poll::new
//! [`Registry`]: crate::Registry
//! [`Source`]: crate::event::Source
//! [`Unsupported`]: std::io::ErrorKind::Unsupported
//! [`Waker`]: crate::Waker

//! wakeful, with polls that spin before they sleep.

mod api {
    use std::io;
    use std::time::Duration;

    pub use ::wakeful::{net, unix, Events, Interest, Registry, Token, Waker};

    pub struct Poll(::wakeful::Poll);

    impl Poll {
        pub fn new() -> io::Result<Self> {
            let builder = ::wakeful::Poll::builder().spin(Duration::from_micros(50));
            builder.build().map(Self)
        }

        pub fn registry(&self) -> &Registry {
            self.0.registry()
        }

        pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
            self.0.poll(events, timeout)
        }
    }
}

// Compiled once for each engine, that is the point: see engines/mod.rs.
#[allow(clippy::duplicate_mod)]
#[path = "program/mod.rs"]
mod program;

pub use program::run;

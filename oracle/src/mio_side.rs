//! mio, as it is published.

use mio_peer as library;

use crate::subject::Subject;

#[path = "engine.rs"]
mod engine;

pub(crate) fn new(capacity: usize) -> std::io::Result<Box<dyn Subject>> {
    let poll = library::Poll::new()?;
    Ok(Box::new(engine::Engine::new(poll, capacity)))
}

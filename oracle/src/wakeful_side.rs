//! wakeful, with a backend of choice.

use wakeful as library;

use crate::subject::Subject;

#[path = "engine.rs"]
mod engine;

pub(crate) fn new(backend: library::Backend, capacity: usize) -> std::io::Result<Box<dyn Subject>> {
    let poll = library::Poll::builder().backend(backend).build()?;
    Ok(Box::new(engine::Engine::new(poll, capacity)))
}

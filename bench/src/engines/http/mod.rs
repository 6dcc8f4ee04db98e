//! The servers of `http`: the example `http_hello` of wakeful, the same file over other crates, and one that answers the same on tokio.

mod tokio_hello;

use anyhow::{bail, ensure, Result};

use super::Engine;
use crate::workloads::Values;

/// Serves until SIGINT.
pub fn serve(engine: Engine) -> Result<Values> {
    match engine {
        #[cfg(feature = "peers")]
        Engine::Wakeful | Engine::WakefulPoll => over_wakeful::main()?,
        #[cfg(feature = "peers")]
        Engine::Mio => over_mio::main()?,
        #[cfg(feature = "peers")]
        Engine::Polling => over_polling::main()?,
        #[cfg(feature = "peers")]
        Engine::Epoll => over_epoll::main()?,
        Engine::Tokio | Engine::TokioOnWakeful => {
            ensure!(engine.is_this_program(), "the wrong program");
            tokio_hello::main()?;
        }
        _ => bail!("{} has no web server", engine.name()),
    }
    Ok(Values::new())
}

// build.rs has put `api` for the name of the crate.
#[cfg(feature = "peers")]
#[allow(clippy::duplicate_mod)]
mod over_wakeful {
    use ::wakeful as api;
    include!(concat!(env!("OUT_DIR"), "/http_hello.rs"));
}

#[cfg(feature = "peers")]
mod over_mio {
    use ::mio_peer as api;
    include!(concat!(env!("OUT_DIR"), "/http_hello.rs"));
}

#[cfg(feature = "peers")]
mod over_polling {
    use super::super::polling::api;
    include!(concat!(env!("OUT_DIR"), "/http_hello.rs"));
}

#[cfg(feature = "peers")]
mod over_epoll {
    use super::super::bare as api;
    include!(concat!(env!("OUT_DIR"), "/http_hello.rs"));
}

//! The servers of `http`: the example `http_hello` of wakeful, the same file over mio, and one that answers the same on tokio.

use anyhow::{bail, Result};

use super::Engine;
use crate::workloads::Values;

/// Serves until SIGINT.
pub fn serve(engine: Engine) -> Result<Values> {
    match engine {
        Engine::Wakeful | Engine::WakefulPoll => over_wakeful::main()?,
        Engine::Mio => over_mio::main()?,
        Engine::Tokio => tokio_hello::main()?,
        _ => bail!("{} has no web server", engine.name()),
    }
    Ok(Values::new())
}

// build.rs has put `api` for the name of the crate.
#[allow(clippy::duplicate_mod)]
mod over_wakeful {
    use ::wakeful as api;
    include!(concat!(env!("OUT_DIR"), "/http_hello.rs"));
}

mod over_mio {
    use ::mio_peer as api;
    include!(concat!(env!("OUT_DIR"), "/http_hello.rs"));
}

/// As much of HTTP as wrk asks for: a task for each connection, which answers what one read brings with one write.
mod tokio_hello {
    use std::io;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n";

    pub fn main() -> io::Result<()> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("listening on {} (Ctrl-C to stop)", listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                // An error is mostly a reset, and the end of this connection only.
                tokio::spawn(answer(stream));
            }
        })
    }

    async fn answer(mut stream: TcpStream) -> io::Result<()> {
        let mut input = vec![0; 16 * 1024];
        let mut output = Vec::with_capacity(4096);
        let mut length = 0;
        loop {
            let came = stream.read(&mut input[length..]).await?;
            if came == 0 {
                return Ok(());
            }
            length += came;
            let mut start = 0;
            while start < length {
                let mut fields = [httparse::EMPTY_HEADER; 64];
                let mut request = httparse::Request::new(&mut fields);
                match request.parse(&input[start..length]) {
                    Ok(httparse::Status::Complete(head)) => start += head,
                    Ok(httparse::Status::Partial) => break,
                    Err(err) => return Err(io::Error::other(err)),
                }
                output.extend_from_slice(ANSWER);
            }
            input.copy_within(start..length, 0);
            length -= start;
            stream.write_all(&output).await?;
            output.clear();
        }
    }
}

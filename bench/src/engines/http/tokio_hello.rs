//! As much of HTTP as wrk asks for: a task for each connection, which answers what one read brings with one write.

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

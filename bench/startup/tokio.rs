//! A TCP server that sends back what it receives, until Ctrl-C: what the example `tcp_echo` is, on tokio.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().build()?;
    runtime.block_on(async {
        let address = std::env::args().nth(1);
        let address = address.as_deref().unwrap_or("127.0.0.1:7777");
        let listener = TcpListener::bind(address).await?;
        println!("listening on {} (Ctrl-C to stop)", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(echo(stream));
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

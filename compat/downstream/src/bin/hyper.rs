//! hyper on tokio: HTTP/1.1 with keep-alive, bodies both ways, and pipelining.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use bytes::Bytes;
use downstream::{assert_polls_are_ours, run, step, Pattern};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const CLIENTS: usize = 8;
const REQUESTS: usize = 200;

fn main() {
    run("hyper", || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let connections = Arc::new(AtomicUsize::new(0));
            let address = serve(Arc::clone(&connections)).await;
            assert_polls_are_ours();

            step("8 clients, 200 requests each over one connection");
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                clients.spawn(ask(address, number));
            }
            clients.join_all().await;
            assert_eq!(
                connections.load(Ordering::Relaxed),
                CLIENTS,
                "connections are kept alive"
            );

            step("200 pipelined requests");
            pipeline(address).await;
            assert_eq!(connections.load(Ordering::Relaxed), CLIENTS + 1);
        });
    });
}

async fn serve(connections: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer)),
            );
        }
    });
    address
}

/// Greets by path, and gives bodies back.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match *request.method() {
        Method::POST => request
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes(),
        _ => Bytes::from(format!("hello {}", request.uri().path())),
    };
    Ok(Response::new(Full::new(body)))
}

async fn ask(address: SocketAddr, number: usize) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    let connection = tokio::spawn(connection);

    let pattern = Pattern::new(number as u64);
    for round in 0..REQUESTS {
        let path = format!("/{number}/{round}");
        // Every tenth carries a body that does not fit a socket's buffer at once.
        let (method, body) = if round % 10 == 0 {
            let parts: Vec<u8> = (0..8)
                .flat_map(|part| pattern.at(part * Pattern::MAX, Pattern::MAX))
                .copied()
                .collect();
            (Method::POST, Bytes::from(parts))
        } else {
            (Method::GET, Bytes::new())
        };
        let expected = if method == Method::POST {
            body.clone()
        } else {
            Bytes::from(format!("hello {path}"))
        };

        let request = Request::builder()
            .method(method)
            .uri(&path)
            .header("host", "localhost")
            .body(Full::new(body))
            .expect("a request");
        sender.ready().await.expect("an open connection");
        let response = sender.send_request(request).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        assert!(body == expected, "another body for {path}");
    }
    drop(sender);
    connection.await.expect("no panic").expect("a clean end");
}

/// Sends all requests before it reads an answer.
async fn pipeline(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let mut requests = String::new();
    let mut expected = Vec::new();
    for round in 0..REQUESTS {
        let last = if round == REQUESTS - 1 {
            "connection: close\r\n"
        } else {
            ""
        };
        requests += &format!("GET /pipeline/{round} HTTP/1.1\r\nhost: localhost\r\n{last}\r\n");
        expected.push(format!("hello /pipeline/{round}"));
    }
    stream.write_all(requests.as_bytes()).await.expect("a send");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.expect("answers");

    let bodies: Vec<&str> = answers
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|answer| answer.split_once("\r\n\r\n").expect("a head").1)
        .collect();
    assert_eq!(bodies, expected);
}

//! Passes connections on as Rust programs do: tokio's copy_bidirectional, a task a connection.
//! copy-rust LISTEN TARGET, addresses as tests/bench_relay.c has them.

use std::io;
use tokio::io::{copy_bidirectional, AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_vsock::{VsockAddr, VsockListener, VsockStream, VMADDR_CID_ANY};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
    Vsock(VsockListener),
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

async fn listen(address: &str) -> io::Result<Listener> {
    let parts: Vec<&str> = address.split(':').collect();
    let last = parts[parts.len() - 1];
    Ok(match parts[0] {
        "vsock" => Listener::Vsock(VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, number(last)))?),
        "unix" => Listener::Unix(UnixListener::bind(last)?),
        _ => Listener::Tcp(TcpListener::bind(format!("127.0.0.1:{last}")).await?),
    })
}

async fn accept(listener: &Listener) -> io::Result<Box<dyn Stream>> {
    Ok(match listener {
        Listener::Tcp(l) => {
            let conn = l.accept().await?.0;
            conn.set_nodelay(true)?;
            Box::new(conn)
        }
        Listener::Unix(l) => Box::new(l.accept().await?.0),
        Listener::Vsock(l) => Box::new(l.accept().await?.0),
    })
}

async fn dial(address: &str) -> io::Result<Box<dyn Stream>> {
    let parts: Vec<&str> = address.split(':').collect();
    let last = parts[parts.len() - 1];
    Ok(match parts[0] {
        "vsock" => Box::new(VsockStream::connect(VsockAddr::new(number(parts[1]), number(last))).await?),
        "unix" => Box::new(UnixStream::connect(last).await?),
        _ => {
            let conn = TcpStream::connect(format!("127.0.0.1:{last}")).await?;
            conn.set_nodelay(true)?;
            Box::new(conn)
        }
    })
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let listener = listen(&args[1]).await?;
    loop {
        let mut from = accept(&listener).await?;
        let target = args[2].clone();
        tokio::spawn(async move {
            match dial(&target).await {
                Ok(mut to) => {
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                }
                Err(e) => eprintln!("{e}"),
            }
        });
    }
}

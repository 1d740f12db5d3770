//! A relay before a real server, to catch it in the middle of an answer.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::upstream_server::soon;

/// Little, so that the rest of a long answer stays with the server.
const RECEIVE_BUFFER: u32 = 16 * 1024;

/// A running relay; stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) port: u16,
    halted: watch::Receiver<bool>,
    may_go_on: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// To the server at `port` of this machine. Connections halt when more than `bytes` have come from it.
    pub(crate) async fn halting_after(bytes: usize, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let (has_halted, halted) = watch::channel(false);
        let (may_go_on, go_on) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let halt = Halt { bytes, has_halted: has_halted.clone(), go_on: go_on.clone() };
                // Broken connections are what this is for.
                tokio::spawn(async move { carry(near, port, halt).await.ok() });
            }
        });
        Self { port: here, halted, may_go_on, task }
    }

    /// Waits until a connection has halted.
    pub(crate) async fn halted(&mut self) {
        soon(self.halted.wait_for(|halted| *halted)).await.unwrap();
    }

    /// Lets all connections go on.
    pub(crate) fn go_on(&self) {
        self.may_go_on.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a connection halts, and how it says so.
struct Halt {
    bytes: usize,
    has_halted: watch::Sender<bool>,
    go_on: watch::Receiver<bool>,
}

async fn carry(near: TcpStream, port: u16, mut halt: Halt) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let far = socket.connect(([127, 0, 0, 1], port).into()).await?;
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let there = tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
    let (mut chunk, mut passed) = (vec![0; 16 * 1024], 0);
    while let Ok(read @ 1..) = from_far.read(&mut chunk).await {
        to_near.write_all(&chunk[..read]).await?;
        passed += read;
        if passed > halt.bytes {
            halt.has_halted.send_replace(true);
            // Fails if the relay is gone, which ends this as well.
            let _ = halt.go_on.wait_for(|may| *may).await;
        }
    }
    there.abort();
    to_near.shutdown().await
}

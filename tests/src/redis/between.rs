//! A go-between that lets commands through and, from a moment on, no reply back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stands between a client and a server, and counts how often a word has gone to the server.
pub struct Between {
    /// Where to connect to.
    pub port: u16,
    seen: Arc<AtomicUsize>,
    limit: usize,
}

impl Between {
    /// From the `limit`th command `word` on, no reply comes back: the server has done it, and nobody hears.
    pub fn silent_after(limit: usize, word: &'static str, server: u16) -> Between {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = seen.clone();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let upstream = TcpStream::connect(("127.0.0.1", server)).expect("the server listens");
                let (mut from_client, mut to_server) =
                    (client.try_clone().expect("a socket"), upstream.try_clone().expect("one"));
                let counter = counter.clone();
                let watch = counter.clone();
                std::thread::spawn(move || {
                    let needle = format!("\r\n{word}\r\n");
                    let mut tail = Vec::new();
                    let mut buffer = [0; 1 << 16];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer) {
                        tail.extend_from_slice(&buffer[..read]);
                        while let Some(at) = tail.windows(needle.len()).position(|part| part == needle.as_bytes()) {
                            tail.drain(..at + needle.len());
                            counter.fetch_add(1, Ordering::SeqCst);
                        }
                        let keep = tail.len().saturating_sub(needle.len());
                        tail.drain(..keep);
                        if to_server.write_all(&buffer[..read]).is_err() {
                            return;
                        }
                    }
                });
                std::thread::spawn(move || {
                    let (mut upstream, mut client) = (upstream, client);
                    let mut buffer = [0; 1 << 16];
                    while let Ok(read @ 1..) = upstream.read(&mut buffer) {
                        if watch.load(Ordering::SeqCst) >= limit || client.write_all(&buffer[..read]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Between { port, seen, limit }
    }

    /// Whether the time has come.
    pub fn is_silent(&self) -> bool {
        self.seen.load(Ordering::SeqCst) >= self.limit
    }

    /// Where to connect to.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

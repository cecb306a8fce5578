//! Ports for servers of tests.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// Below what systems take for connections, which would come in between; and with room for [`BUS`].
const PORTS: std::ops::Range<u16> = 11_000..21_000;

/// A cluster's node listens for other nodes on the port this far above its own; before 7.0 there is no other way.
const BUS: u16 = 10_000;

/// A port of the loopback that nobody listens on, nor on the one for the nodes of a cluster, and that no other test is
/// given until this process has ended.
pub fn free_port() -> u16 {
    // The claim on a port is the one for UDP, which nobody wants here.
    static CLAIMED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let first = (RandomState::new().hash_one(()) % PORTS.len() as u64) as u16;
    for i in 0..PORTS.len() as u16 {
        let port = PORTS.start + (first + i) % PORTS.len() as u16;
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            && is_free(port)
            && is_free(port + BUS)
        {
            CLAIMED.lock().expect("the claims").push(claim);
            return port;
        }
    }
    panic!("no port from {PORTS:?} is free");
}

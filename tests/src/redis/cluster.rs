//! A real cluster on the loopback.

use super::{Redis, free_port, number, text, wait_until};

/// Three nodes, with a third of the slots each.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts a cluster, or says that the test is left out.
    pub fn start() -> Option<Cluster> {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let bus = free_port().to_string();
            nodes.push(Redis::start(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "5000",
            ])?);
            buses.push(bus);
        }
        for (node, (from, to)) in nodes.iter_mut().zip([(0, 5_460), (5_461, 10_922), (10_923, 16_383)]) {
            node.call(&format!("CLUSTER ADDSLOTSRANGE {from} {to}"));
        }
        for other in 1..3 {
            let (port, bus) = (nodes[other].port, buses[other].clone());
            nodes[0].call(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
        }
        for node in &mut nodes {
            wait_until("a cluster that agrees", || {
                let info = text(&node.call("CLUSTER INFO"));
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
        Some(Cluster { nodes })
    }

    /// The node that has a key.
    pub fn of(&mut self, key: &str) -> &mut Redis {
        let slot = number(&self.nodes[0].call(&format!("CLUSTER KEYSLOT {key}")));
        let node = match slot {
            0..=5_460 => 0,
            5_461..=10_922 => 1,
            _ => 2,
        };
        &mut self.nodes[node]
    }
}

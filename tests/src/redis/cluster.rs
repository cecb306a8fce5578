//! A real cluster on the loopback.

use super::{Redis, binaries, free_port, list, number, text, wait_until};

/// Three nodes, with a third of the slots each.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts a cluster, or says that the test is left out.
    pub fn start() -> Option<Cluster> {
        let binary = binaries().into_iter().next()?;
        let node = |_| {
            let dir = tempfile::tempdir().expect("a folder");
            Redis::at(&binary, dir, free_port(), &["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"])
        };
        let mut nodes: Vec<Redis> = (0..3).map(node).collect();
        for (node, (from, to)) in nodes.iter_mut().zip([(0, 5_460), (5_461, 10_922), (10_923, 16_383)]) {
            // Of two nodes with one epoch neither yields a slot; `redis-cli --cluster create` sets them apart, too.
            node.call(&format!("CLUSTER SET-CONFIG-EPOCH {}", to / 5_460));
            // ADDSLOTSRANGE came with 7.0.
            let slots: Vec<String> = (from..=to).map(|slot: u16| slot.to_string()).collect();
            node.call(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
        }
        for other in 1..3 {
            let port = nodes[other].port;
            nodes[0].call(&format!("CLUSTER MEET 127.0.0.1 {port}"));
        }
        for node in &mut nodes {
            wait_until("a cluster that agrees", || {
                let info = text(&node.call("CLUSTER INFO"));
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
        Some(Cluster { nodes })
    }

    /// The node that has a key, unless its slot was moved.
    pub fn of(&mut self, key: &str) -> &mut Redis {
        let (_, node) = self.home(key);
        &mut self.nodes[node]
    }

    /// A key's slot, and the node that it was given to in the beginning.
    pub fn home(&mut self, key: &str) -> (i64, usize) {
        let slot = number(&self.nodes[0].call(&format!("CLUSTER KEYSLOT {key}")));
        let node = match slot {
            0..=5_460 => 0,
            5_461..=10_922 => 1,
            _ => 2,
        };
        (slot, node)
    }

    /// From now on the slot is on its way; its keys have not moved yet.
    pub fn begin_move(&mut self, slot: i64, from: usize, to: usize) {
        let (source, target) = (self.id(from), self.id(to));
        self.nodes[to].call(&format!("CLUSTER SETSLOT {slot} IMPORTING {source}"));
        self.nodes[from].call(&format!("CLUSTER SETSLOT {slot} MIGRATING {target}"));
    }

    /// Moves the keys of a slot that is on its way.
    pub fn move_keys(&mut self, slot: i64, from: usize, to: usize) {
        let port = self.nodes[to].port;
        for key in list(self.nodes[from].call(&format!("CLUSTER GETKEYSINSLOT {slot} 100"))) {
            self.nodes[from].call(&format!("MIGRATE 127.0.0.1 {port} {} 0 60000", text(&key)));
        }
    }

    /// The slot has arrived, and every node knows it.
    ///
    /// What the nodes tell each other takes a second or two. A node that gave the slot back before it had heard of the
    /// new owner's epoch would lose it again to an older message of the other's.
    pub fn end_move(&mut self, slot: i64, from: usize, to: usize) {
        let target = self.id(to);
        for node in [to, from, 3 - to - from] {
            self.nodes[node].call(&format!("CLUSTER SETSLOT {slot} NODE {target}"));
        }
        for node in 0..3 {
            wait_until("nodes that know the slot's new home", || {
                self.epoch(node, &target) == self.epoch(to, &target) && self.owner(node, slot) == target
            });
        }
    }

    /// The epoch of a node's slots, as another node has heard of it.
    fn epoch(&mut self, asked: usize, id: &str) -> String {
        let nodes = text(&self.nodes[asked].call("CLUSTER NODES"));
        let line = nodes.lines().find(|line| line.starts_with(id)).expect("a node that is known");
        line.split(' ').nth(6).expect("its epoch").to_owned()
    }

    /// The node that has a slot, in the eyes of another.
    fn owner(&mut self, asked: usize, slot: i64) -> String {
        let of = |range: &str| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            (from.parse::<i64>().is_ok_and(|from| from <= slot)) && to.parse::<i64>().is_ok_and(|to| slot <= to)
        };
        let nodes = text(&self.nodes[asked].call("CLUSTER NODES"));
        let line = nodes.lines().find(|line| line.split(' ').skip(8).any(of)).unwrap_or_default();
        line.split(' ').next().unwrap_or_default().to_owned()
    }

    fn id(&mut self, node: usize) -> String {
        text(&self.nodes[node].call("CLUSTER MYID"))
    }
}

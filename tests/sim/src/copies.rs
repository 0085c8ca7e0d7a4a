//! Copies of disks: a device put back to an older copy, a device that runs twice.

use std::collections::VecDeque;

use accord_protocol::input::Command;
use accord_protocol::step::{Table, Write};
use rand::Rng;

use crate::node::Node;
use crate::world::World;

impl World {
    /// Puts a device's disk back to its copy, marked as restored the way a backup is, and starts it.
    pub fn restore(&mut self, n: usize) {
        let Some(copy) = self.nodes[n].backup.take() else { return };
        self.crash(n);
        self.note(|world| format!("the disk of {} is put back", world.nodes[n].name));
        self.nodes[n].disk = copy;
        let index: [u8; 16] = self.rng.random();
        let put = |key: &[u8], value: Vec<u8>| Write::Put { table: Table::Local, key: key.to_vec(), value: Some(value) };
        let marks = [put(b"restored", 1_u64.to_be_bytes().to_vec()), put(b"index", index.to_vec())];
        if let Err(why) = self.nodes[n].disk.commit(&marks) {
            self.fail(&why);
        }
        self.oracle.restored(&self.nodes[n]);
        self.watch.restored(&self.nodes[n]);
        self.boot(n);
        self.officers_again(n);
    }

    /// After a restore an officer may be without the key that was made since.
    fn officers_again(&mut self, n: usize) {
        let names: Vec<String> = self.nodes[n].officers.iter().map(|officer| officer.name.clone()).collect();
        for name in names {
            let works = self.nodes[n].officers.iter().find(|o| o.name == name).cloned().is_some_and(|o| {
                let command = Command::Unlock { name: o.name, certificate: o.certificate, signer: o.key };
                matches!(self.try_ask(n, command), Some(Ok(_)))
            });
            if !works && !self.nodes[n].laptop && matches!(self.try_ask(n, Command::OfficerReset { name: name.clone() }), Some(Ok(_))) {
                self.nodes[n].officers.retain(|officer| officer.name != name);
                self.log_in(n, &name);
            }
        }
    }

    /// A second device with the same keys and the same disk, as when a virtual machine is copied while it runs.
    pub fn clone_device(&mut self, n: usize) -> usize {
        let twin = self.nodes.len();
        let node = &self.nodes[n];
        let copy = Node {
            instance: twin,
            skew: None,
            swallows: None,
            hostile: false,
            backup: None,
            cloned_from: Some(n),
            retired: false,
            name: format!("{}的副本", node.name),
            bureau: node.bureau,
            laptop: node.laptop,
            identity: node.identity.clone(),
            transport: node.transport,
            disk: node.disk.clone(),
            core: None,
            officers: node.officers.clone(),
            clock_off: node.clock_off,
            clock_seen: node.clock_off,
            booted: self.now,
            inbox: VecDeque::new(),
            wake_at: None,
            gate: 0,
            directory: None,
            allow: Vec::new(),
            links: std::collections::BTreeMap::new(),
            next_link: 0,
            next_command: 0,
            starts: 0,
        };
        self.oracle.copied(&self.nodes[n], twin);
        self.nodes.push(copy);
        self.boot(twin);
        twin
    }
}

//! Copies of disks: a device put back to an older copy, a device that runs twice.

use std::collections::VecDeque;

use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::input::Command;
use accord_protocol::step::{Gates, Table, Write};
use accord_protocol::view::View;
use rand::Rng;

use crate::node::{Node, Officer};
use crate::world::World;

impl World {
    /// Copies a device's disk and key files aside.
    pub fn back_up(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.backup = Some((node.disk.clone(), node.officers.clone()));
    }

    /// Puts a device's disk back to its copy, marked as restored the way a backup is, and starts it.
    pub fn restore(&mut self, n: usize) {
        let Some((copy, keys)) = self.nodes[n].backup.take() else { return };
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
        self.officers_again(n, keys);
    }

    /// Puts a home node's disk back to its copy. With `says_so` the place knows that it is a restore, as one from a backup or on another
    /// machine does; else it is a snapshot of the machine that says nothing.
    pub fn put_back(&mut self, n: usize, says_so: bool) {
        let Some((copy, keys)) = self.nodes[n].backup.take() else { return };
        let crash = std::mem::take(&mut self.weather.crash);
        self.crash(n);
        self.note(|world| format!("the disk of {} is put back{}", world.nodes[n].name, if says_so { ", which it knows" } else { "" }));
        self.nodes[n].disk = copy;
        if says_so && let Err(why) = self.nodes[n].disk.commit(&[note_suspicion(Suspicion::Restored)]) {
            self.fail(&why);
        }
        self.nodes[n].unconfirmed = says_so;
        self.shaken = true;
        self.oracle.restored(&self.nodes[n]);
        self.watch.restored(&self.nodes[n]);
        self.boot(n);
        self.officers_again(n, keys);
        self.weather.crash = crash;
    }

    /// A home node runs twice. With `notices` the second finds itself on another machine.
    pub fn double(&mut self, n: usize, notices: bool) -> usize {
        self.shaken = true;
        let twin = self.clone_device(n);
        if notices {
            self.crash(twin);
            if let Err(why) = self.nodes[twin].disk.commit(&[note_suspicion(Suspicion::Cloned)]) {
                self.fail(&why);
            }
            self.nodes[twin].unconfirmed = true;
            self.boot(twin);
        }
        twin
    }

    /// Officers of home nodes that doubt their store state what is missing; once `healed` also where nobody was heard, and pair by pair.
    pub fn officers_rule(&mut self, healed: bool) {
        let crash = std::mem::take(&mut self.weather.crash);
        for n in 0..self.nodes.len() {
            if self.nodes[n].laptop || !self.nodes[n].is_up() || self.nodes[n].cloned_from.is_some() {
                continue;
            }
            let confirm =
                |alone: bool, pair: Option<String>| Command::StoreConfirm { missing: "自备份以来的记录".into(), alone, pair };
            if !self.status(n).catching_up.is_empty() {
                // With the officer's word records may be written, at once.
                let before = std::mem::take(&mut self.nodes[n].unconfirmed);
                if self.ruled(n, &confirm(healed, None), healed) {
                    self.figures.count("faults", "store-confirmed");
                } else {
                    self.nodes[n].unconfirmed = before;
                }
            }
            if !healed {
                continue;
            }
            let Ok(View::Inbox { items }) = self.ask(n, Command::Inbox) else { continue };
            for item in items.into_iter().filter(|item| matches!(item.kind.as_str(), "pair_behind" | "pair_not_covered")) {
                if self.ruled(n, &confirm(false, Some(item.id)), true) {
                    self.figures.count("faults", "pair-confirmed");
                }
            }
        }
        self.weather.crash = crash;
    }

    /// Whether an officer's word was taken. Of a node that ran twice the copy may have made them new keys, with which nobody can log in at the
    /// node that stays: who finds the own key replaced is made another, `again`.
    fn ruled(&mut self, n: usize, word: &Command, again: bool) -> bool {
        match self.ask(n, word.clone()) {
            Ok(_) => true,
            Err(no) if again && matches!(no.code.as_str(), "not_logged_in" | "certificate_not_good") => {
                self.officers_again(n, Vec::new());
                self.ask(n, word.clone()).is_ok()
            }
            Err(_) => false,
        }
    }

    /// After a restore an officer may be without the key that was made since: then the older one does, which the copy brought back, but only
    /// until a partner says what became of it. So it serves to make new ones, for whoever is without any too.
    fn officers_again(&mut self, n: usize, keys: Vec<Officer>) {
        let works = |world: &mut Self, officer: &Officer| {
            let Officer { name, certificate, key } = officer.clone();
            matches!(world.try_ask(n, Command::Unlock { name, certificate, signer: key }), Some(Ok(_)))
        };
        let mut lacking: Vec<String> = Vec::new();
        for at in 0..self.nodes[n].officers.len() {
            let officer = self.nodes[n].officers[at].clone();
            if works(self, &officer) {
                continue;
            }
            if let Some(older) = keys.iter().find(|key| key.name == officer.name && key.certificate != officer.certificate)
                && works(self, older)
            {
                self.nodes[n].officers[at] = older.clone();
                lacking.push(officer.name.clone());
            }
        }
        let names: Vec<String> = self.nodes[n].officers.iter().map(|officer| officer.name.clone()).collect();
        for name in names {
            let known = self.nodes[n].officers.iter().find(|officer| officer.name == name).cloned();
            let lacks = lacking.contains(&name) || known.is_some_and(|officer| !works(self, &officer));
            if !lacks || self.nodes[n].laptop {
                continue;
            }
            // Where a new key is awaited already the next login makes it; else somebody has to reset the old one.
            if self.awaits_login(n, &name) || matches!(self.try_ask(n, Command::OfficerReset { name: name.clone() }), Some(Ok(_))) {
                self.nodes[n].officers.retain(|officer| officer.name != name);
                self.log_in(n, &name);
            }
        }
    }

    /// Whether the next login of an officer makes a new key.
    fn awaits_login(&mut self, n: usize, name: &str) -> bool {
        let Some(Ok(View::Officers { officers })) = self.try_ask(n, Command::OfficerList) else { return false };
        officers.iter().any(|officer| officer.name == name && officer.state == "awaiting_login")
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
            root: node.root.clone(),
            transport: node.transport,
            disk: node.disk.clone(),
            core: None,
            officers: node.officers.clone(),
            clock_off: node.clock_off,
            clock_seen: node.clock_off,
            unconfirmed: node.unconfirmed,
            booted: self.now,
            inbox: VecDeque::new(),
            wake_at: None,
            gates: Gates::default(),
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

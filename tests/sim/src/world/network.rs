//! Connections: who dials whom, frames in a queue, on the wire, lost, doubled, overtaken.

use std::collections::VecDeque;

use accord_protocol::input::{Input, LinkId};
use accord_protocol::wire;
use rand::Rng;

use super::{BASE_WALL, Connection, DriverFault, Event, OnWire, Queued, World, describe};
use crate::node::{Skew, Swallows};

/// Shortest and longest wait before a pair that could not stay connected is tried again, milliseconds.
const DIAL_AGAIN_MS: (u64, u64) = (1_000, 300_000);
/// A connection that lasted so long forgives what was before, milliseconds.
const GOOD_CONNECTION_MS: u64 = 10_000;
/// Payload of one packet, bytes: what QUIC sends before it has probed for more.
const PACKET_BYTES: usize = 1_200;

impl World {
    pub(super) fn end_of(&self, id: u64, node: usize) -> usize {
        usize::from(self.connections.get(&id).is_some_and(|c| c.ends[1] == node))
    }

    /// Whether two nodes are connected, as both believe.
    pub fn connected(&self, a: usize, b: usize) -> bool {
        self.connections.values().any(|c| (c.ends == [a, b] || c.ends == [b, a]) && c.up == [true, true])
    }

    fn touched_by(&self, a: usize, b: usize) -> bool {
        self.connections.values().any(|c| (c.ends == [a, b] || c.ends == [b, a]) && (c.up[0] || c.up[1]))
    }

    /// Plans the next look at who could connect, at the latest in so many milliseconds.
    pub(super) fn plan_dial(&mut self, within: u64) {
        let at = self.now + within;
        if self.dial_planned <= self.now || at < self.dial_planned {
            self.dial_planned = at;
            self.plan(within, Event::Dial);
        }
    }

    pub(super) fn dial(&mut self) {
        let mut soonest = 60_000;
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let (one, other) = (&self.nodes[a], &self.nodes[b]);
                if !one.is_up() || !other.is_up() || self.parted.contains(&(a, b)) || self.touched_by(a, b) {
                    continue;
                }
                let there = one.allow.iter().find(|peer| peer.transport == other.transport);
                let back = other.allow.iter().find(|peer| peer.transport == one.transport);
                let (Some(there), Some(back)) = (there, back) else { continue };
                if !(there.dial || back.dial) {
                    continue;
                }
                match self.dial_again.get(&(a, b)).map(|(at, _)| *at).filter(|at| *at > self.now) {
                    Some(at) => soonest = soonest.min(at - self.now),
                    None if self.net.random_bool(0.7) => self.connect(a, b),
                    None => soonest = 1_000,
                }
            }
        }
        let wait = soonest + self.net.random_range(100..1_000);
        self.dial_planned = 0;
        self.plan_dial(wait);
    }

    /// A connection ended: who could not stay connected waits longer each time.
    fn ended(&mut self, ends: [usize; 2], since: u64) {
        let pair = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let before = if self.now >= since + GOOD_CONNECTION_MS { 0 } else { self.dial_again.get(&pair).map_or(0, |(_, wait)| *wait) };
        let wait = (before * 2).clamp(DIAL_AGAIN_MS.0, DIAL_AGAIN_MS.1);
        let jitter = self.net.random_range(wait / 2..=wait);
        self.dial_again.insert(pair, (self.now + jitter, wait));
        self.plan_dial(jitter);
    }

    fn connect(&mut self, a: usize, b: usize) {
        self.note(|world| format!("{} and {} connect", world.nodes[a].name, world.nodes[b].name));
        self.serial += 1;
        let id = self.serial;
        let links = [self.new_link(a, id), self.new_link(b, id)];
        let connection = Connection {
            ends: [a, b],
            links,
            up: [true, true],
            queue: [VecDeque::new(), VecDeque::new()],
            wire: [VecDeque::new(), VecDeque::new()],
            arrives: [0, 0],
            delay: self.draw_delay(),
            since: self.now,
        };
        self.connections.insert(id, connection);
        for (end, (node, peer)) in [(a, b), (b, a)].into_iter().enumerate() {
            let transport = self.nodes[peer].transport;
            self.nodes[node].inbox.push_back(Input::LinkUp { link: links[end], transport, outgoing: end == 0 });
        }
        for (end, (node, peer)) in [(a, b), (b, a)].into_iter().enumerate() {
            self.work(node);
            if self.weather.replay > 0 && self.net.random_range(0..10_000) < self.weather.replay {
                let old = self.old_frames.get(&(node, peer)).filter(|old| !old.is_empty());
                if let Some(old) = old {
                    let bytes = old[self.net.random_range(0..old.len())].clone();
                    self.figures.count("faults", "replay");
                    if self.connections.get(&id).is_some_and(|c| c.up[end]) {
                        self.put_on_wire(id, end, OnWire::Frame(bytes));
                    }
                }
            }
        }
    }

    fn new_link(&mut self, node: usize, id: u64) -> LinkId {
        self.nodes[node].next_link += 1;
        let link = LinkId(self.nodes[node].next_link);
        self.nodes[node].links.insert(link, id);
        link
    }

    pub(super) fn enqueue(&mut self, id: u64, end: usize, queued: Queued) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.queue[end].push_back(queued);
        let node = connection.ends[end];
        let wait = if self.weather.queue == 0 { 0 } else { self.net.random_range(0..=self.weather.queue) };
        let frame = self.service.map_or(0, |service| service.frame_us);
        // Nothing leaves before what was asked earlier is done.
        let ready = self.occupy(node, frame).div_ceil(1_000).saturating_sub(self.now);
        self.plan(wait.max(ready), Event::HandOff(id, end));
    }

    pub(super) fn hand_off(&mut self, id: u64, end: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.up[end] {
            return;
        }
        let (node, peer, link) = (connection.ends[end], connection.ends[1 - end], connection.links[end]);
        match connection.queue[end].pop_front() {
            None => {}
            Some(Queued::Close) => {
                self.nodes[node].links.remove(&link);
                self.hang_up(id, end);
                self.nodes[node].inbox.push_back(Input::LinkDown { link });
                self.work(node);
            }
            Some(Queued::Frame { permit, .. })
                if permit.is_some_and(|number| number != self.nodes[node].gates.of(link)) && self.fault != DriverFault::IgnoresGate =>
            {
                self.note(|world| format!("{} drops a stale frame", world.nodes[node].name));
                self.nodes[node].inbox.push_back(Input::FrameDropped { link });
                self.work(node);
            }
            Some(Queued::Frame { bytes, .. }) => {
                self.figures.frames += 1;
                self.figures.bytes += bytes.len() as u64;
                if let Some(meter) = &mut self.meter {
                    meter.sends(node, peer, bytes.len());
                }
                if !self.judged {
                    return self.transmit(id, end, bytes);
                }
                let world_wall = BASE_WALL + self.now / 1_000;
                let wall = world_wall.saturating_add_signed(self.nodes[node].clock_seen);
                let message = wire::Message::decode(&bytes).ok();
                if let Err(why) = self.watch.frame(&self.nodes[node], &self.nodes[peer], &bytes, message.as_ref()) {
                    self.fail(&why);
                }
                if matches!(message, Some(wire::Message::Hello(_))) {
                    self.hellos.insert((node, peer), bytes.clone());
                }
                self.oracle.frame(&self.nodes[node], &self.nodes[peer], (id, end), &bytes, wall, world_wall);
                self.note(|world| format!("{} -> {} {}", world.nodes[node].name, world.nodes[peer].name, describe(&world.network, &bytes)));
                self.oracle_verdict();
                if self.keep_said {
                    self.said.push((node, peer, bytes.clone()));
                }
                if matches!(bytes.get(1), Some(2..=4 | 18)) {
                    let old = self.old_frames.entry((node, peer)).or_default();
                    if old.len() < 64 {
                        old.push(bytes.clone());
                    }
                }
                self.transmit(id, end, bytes);
            }
        }
    }

    fn chance(&mut self, ten_thousandths: u32) -> bool {
        ten_thousandths > 0 && self.net.random_range(0..10_000) < ten_thousandths
    }

    /// A frame leaves the building, with whatever the network does to it.
    fn transmit(&mut self, id: u64, end: usize, mut bytes: Vec<u8>) {
        let Some(connection) = self.connections.get(&id) else { return };
        let node = connection.ends[end];
        if let (Some(version), Some(byte)) = (self.nodes[node].skew.and_then(Skew::version), bytes.first_mut()) {
            *byte = version;
        }
        // What is terse must never come to one that said it cannot read it.
        if self.nodes[node].skew == Some(Skew::Deaf)
            && let Ok(wire::Message::Hello(mut hello)) = wire::Message::decode(&bytes)
        {
            hello.version = wire::OLDEST;
            bytes = wire::Message::Hello(hello).encode();
        }
        let kept = match self.nodes[node].swallows {
            Some(Swallows::Statements) => matches!(bytes.get(1), Some(2)),
            Some(Swallows::Documents) => matches!(bytes.get(1), Some(4 | 18)),
            _ => false,
        };
        if kept {
            return;
        }
        if self.chance(self.weather.drop) {
            self.figures.count("faults", "drop");
            return self.sever_one(id, None);
        }
        let twice = self.chance(self.weather.duplicate);
        let overtakes = self.chance(self.weather.reorder);
        if twice {
            self.figures.count("faults", "duplicate");
            self.note(|world| format!("a frame of {} goes twice", world.nodes[node].name));
            self.put_on_wire(id, end, OnWire::Frame(bytes.clone()));
        }
        self.put_on_wire(id, end, OnWire::Frame(bytes));
        if overtakes
            && let Some(connection) = self.connections.get_mut(&id)
            && let Some(last) = connection.wire[end].len().checked_sub(1).filter(|last| *last > 0)
        {
            connection.wire[end].swap(last, last - 1);
            self.figures.count("faults", "reorder");
            self.note(|world| format!("two frames of {} change places", world.nodes[node].name));
        }
    }

    fn draw_delay(&mut self) -> (u64, u64) {
        let (low, high) = self.weather.delay;
        if self.weather.steady {
            let way = self.net.random_range(low..=high);
            return (way, way);
        }
        let most = if high <= low { low } else { low + (high - low) / (1 << self.net.random_range(0..12_u32)) };
        (low, most.max(low))
    }

    /// Round trips a frame takes longer because packets of it were lost: those are sent once more, and again if lost again.
    fn lost_trips(&mut self, bytes: usize) -> u64 {
        let mut packets = bytes.div_ceil(PACKET_BYTES);
        let mut trips = 0;
        while self.weather.loss > 0 && packets > 0 && trips < 20 {
            packets = (0..packets).filter(|_| self.net.random_range(0..10_000) < self.weather.loss).count();
            trips += u64::from(packets > 0);
        }
        trips
    }

    fn put_on_wire(&mut self, id: u64, end: usize, what: OnWire) {
        let Some((low, high)) = self.connections.get(&id).map(|c| c.delay) else { return };
        let mut delay = self.net.random_range(low..=high);
        if let OnWire::Frame(bytes) = &what {
            delay += self.lost_trips(bytes.len()) * 2 * delay;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let at = connection.arrives[end].max(self.now + delay);
        connection.arrives[end] = at;
        connection.wire[end].push_back(what);
        let after = at - self.now;
        self.plan(after, Event::Arrive(id, end));
    }

    /// One end is gone: what it handed over may still arrive, then the other end notices.
    pub(super) fn hang_up(&mut self, id: u64, end: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.up[end] {
            return;
        }
        connection.up[end] = false;
        connection.queue[end].clear();
        if connection.up[1 - end] {
            self.put_on_wire(id, end, OnWire::Down);
        } else if let Some(gone) = self.connections.remove(&id) {
            self.ended(gone.ends, gone.since);
        }
    }

    /// Breaks a connection in the middle: everything under way is lost, both ends notice.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.sever(a, b, None);
    }

    fn sever(&mut self, a: usize, b: usize, in_its_turn: Option<usize>) {
        let ids: Vec<u64> = self.connections.iter().filter(|(_, c)| c.ends == [a, b] || c.ends == [b, a]).map(|(id, _)| *id).collect();
        for id in ids {
            self.sever_one(id, in_its_turn);
        }
    }

    fn sever_one(&mut self, id: u64, in_its_turn: Option<usize>) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.ended(connection.ends, connection.since);
        for end in [0, 1] {
            if connection.up[end] {
                let (node, link) = (connection.ends[end], connection.links[end]);
                self.nodes[node].links.remove(&link);
                if self.nodes[node].is_up() {
                    self.nodes[node].inbox.push_back(Input::LinkDown { link });
                    if in_its_turn != Some(node) {
                        self.work(node);
                    }
                }
            }
        }
    }

    /// Breaks every connection and forgets how often each failed.
    pub fn cut_all(&mut self) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.sever_one(id, None);
        }
        self.dial_again.clear();
        self.plan_dial(500);
    }

    /// Breaks the connection of two nodes and lets none come about.
    pub fn part(&mut self, a: usize, b: usize) {
        self.note(|world| format!("{} and {} are parted", world.nodes[a].name, world.nodes[b].name));
        self.parted.insert((a.min(b), a.max(b)));
        self.cut(a, b);
    }

    /// Lets two nodes connect again.
    pub fn join_again(&mut self, a: usize, b: usize) {
        self.parted.remove(&(a.min(b), a.max(b)));
        self.dial_again.remove(&(a.min(b), a.max(b)));
        self.plan_dial(500);
    }

    pub(super) fn drop_disallowed(&mut self, n: usize) {
        let gone: Vec<(usize, usize)> = self
            .connections
            .values()
            .filter(|c| c.ends.contains(&n) && c.up == [true, true])
            .map(|c| (c.ends[0], c.ends[1]))
            .filter(|(a, b)| {
                let other = if *a == n { *b } else { *a };
                !self.nodes[n].allow.iter().any(|peer| peer.transport == self.nodes[other].transport)
            })
            .collect();
        for (a, b) in gone {
            self.sever(a, b, Some(n));
        }
    }

    pub(super) fn arrive(&mut self, id: u64, end: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (node, link) = (connection.ends[1 - end], connection.links[1 - end]);
        let up = connection.up[1 - end];
        match connection.wire[end].pop_front() {
            None => {}
            Some(OnWire::Down) => {
                if up {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.up[1 - end] = false;
                    }
                    self.nodes[node].links.remove(&link);
                    self.nodes[node].inbox.push_back(Input::LinkDown { link });
                    self.work(node);
                }
                if let Some(gone) = self.connections.remove(&id) {
                    self.ended(gone.ends, gone.since);
                }
            }
            Some(OnWire::Forged(bytes)) if up && self.nodes[node].is_up() => {
                if self.judged {
                    self.oracle.arrived((id, end), &bytes, true);
                }
                self.receive(node, link, &bytes);
                self.work(node);
            }
            Some(OnWire::Frame(bytes)) if up && self.nodes[node].is_up() => {
                if self.judged {
                    self.oracle.arrived((id, end), &bytes, false);
                }
                let arrival = self.service.map_or(0, |service| service.arrival_us);
                self.occupy(node, arrival);
                self.begins();
                self.receive(node, link, &bytes);
                self.worked(node);
                self.work(node);
            }
            Some(OnWire::Frame(_) | OnWire::Forged(_)) => {}
        }
    }

    /// What the verify workers do with received bytes.
    pub fn receive(&mut self, node: usize, link: LinkId, bytes: &[u8]) {
        let directory = self.nodes[node].directory.clone().unwrap_or_else(|| self.fail("a running node has a directory"));
        if self.nodes[node].swallows == Some(Swallows::Incoming)
            && let Ok(wire::Message::Push(push)) = wire::Message::decode(bytes)
            && let Some(id) = self.nodes[node].links.get(&link).copied()
        {
            let end = self.end_of(id, node);
            let lie = wire::Message::Ack(push.mark).encode();
            return self.put_on_wire(id, end, OnWire::Forged(lie));
        }
        match self.nodes[node].skew {
            Some(Skew::Older | Skew::Newer) => {
                let why = "another wire version".to_owned();
                return self.nodes[node].inbox.push_back(Input::Garbage { link, why });
            }
            // A build that does not know the later message types lets them pass.
            Some(Skew::Deaf) if bytes.get(1) == Some(&18) => self.fail("a terse push went to a node that cannot read it"),
            Some(Skew::Deaf) if bytes.get(1).is_some_and(|kind| *kind > 12) => return,
            _ => {}
        }
        let input = match wire::check(&directory, &self.network, bytes) {
            Ok(message) => Input::Message { link, message },
            Err(error) => {
                self.note(|world| format!("garbage at {}: {error}", world.nodes[node].name));
                Input::Garbage { link, why: error.to_string() }
            }
        };
        self.nodes[node].inbox.push_back(input);
    }

    /// Puts bytes on the way from `from` to `to` as if `from` had sent them: what a hostile member does. False when they are not connected.
    pub fn inject(&mut self, from: usize, to: usize, bytes: Vec<u8>) -> bool {
        let found = self.connections.iter().find(|(_, c)| c.up == [true, true] && (c.ends == [from, to] || c.ends == [to, from]));
        let Some((id, end)) = found.map(|(id, c)| (*id, usize::from(c.ends[1] == from))) else { return false };
        self.oracle.injected(self.nodes[from].bureau, self.nodes[to].bureau, &bytes);
        self.put_on_wire(id, end, OnWire::Forged(bytes));
        true
    }
}

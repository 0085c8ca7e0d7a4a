//! What is watched at every frame and every commit besides who may hear what: bounds, accounts, secrets, what never goes backwards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use accord_keys::canon;
use accord_keys::seal::Sealed;
use accord_protocol::access::log::{Record, RecordKind};
use accord_protocol::bureau::AccountLine;
use accord_protocol::id::{BureauId, DocumentId};
use accord_protocol::intake::Item;
use accord_protocol::limits;
use accord_protocol::step::{Table, Write};
use accord_protocol::wire::Message;

use crate::canary::Finder;
use crate::node::Node;

/// See the module.
#[derive(Default)]
pub struct Watch {
    /// Bytes nobody but their holder may ever see.
    pub secrets: Finder,
    /// Disclosures each device accounted for: document and bureau.
    disclosed: BTreeSet<(usize, DocumentId, BureauId)>,
    /// References of refusals each device accounted for, and when it last wrote some.
    references: BTreeSet<(usize, String)>,
    refusals: BTreeMap<usize, VecDeque<u64>>,
    floors: BTreeMap<usize, u64>,
    anchors: BTreeMap<(usize, DocumentId), VecDeque<u64>>,
    events: BTreeMap<usize, u64>,
    /// Disclosures and refusals found in accounts.
    pub accounted: u64,
}

impl Watch {
    /// A device committed these writes at a world time.
    ///
    /// # Errors
    /// What was broken.
    pub fn committed(&mut self, node: &Node, writes: &[Write], now: u64) -> Result<(), String> {
        let n = node.instance;
        for write in writes {
            let bytes = match write {
                Write::Put { value, .. } => value.as_deref().unwrap_or_default(),
                Write::Item { body, .. } => body,
                Write::Account(line) => line,
            };
            if self.secrets.any(bytes) {
                return Err(format!("I16: {} stores a secret", node.name));
            }
            match write {
                Write::Put { table: Table::Local, key, value: Some(value) } if key == b"floor" => {
                    let floor = <[u8; 8]>::try_from(value.as_slice()).map_or(0, u64::from_be_bytes);
                    let before = self.floors.insert(n, floor).unwrap_or(0);
                    if floor < before {
                        return Err(format!("I8: the clock floor of {} goes back from {before} to {floor}", node.name));
                    }
                }
                Write::Put { table: Table::Events, value, .. } => {
                    let kept = self.events.entry(n).or_default();
                    *kept = if value.is_some() { *kept + 1 } else { kept.saturating_sub(1) };
                    if *kept > limits::EVENTS_KEPT + 1 {
                        return Err(format!("I10: {} keeps {kept} events", node.name));
                    }
                }
                Write::Item { document, body, .. } => self.anchored(node, document, body, now)?,
                Write::Account(line) => self.accounts(node, line, now)?,
                Write::Put { .. } => {}
            }
        }
        Ok(())
    }

    fn anchored(&mut self, node: &Node, document: &DocumentId, body: &[u8], now: u64) -> Result<(), String> {
        let Some(Item::Record(bytes)) = Item::from_bytes(body) else { return Ok(()) };
        let Ok(sealed) = Sealed::<Record>::from_bytes(&bytes) else { return Ok(()) };
        if sealed.claimed().registrar != node.identity.certificate || !matches!(sealed.claimed().kind, RecordKind::Anchor(..)) {
            return Ok(());
        }
        let recent = self.anchors.entry((node.instance, *document)).or_default();
        recent.push_back(now);
        while recent.front().is_some_and(|at| at + 60_000 <= now) {
            recent.pop_front();
        }
        // An officer's cut or grant anchors first, on top of what the machine may do by itself; a restart forgets the count.
        if recent.len() > 4 * limits::ANCHORS_PER_MINUTE {
            return Err(format!("I10: {} anchors {document:?} {} times in a minute", node.name, recent.len()));
        }
        Ok(())
    }

    fn accounts(&mut self, node: &Node, line: &[u8], now: u64) -> Result<(), String> {
        let line: AccountLine = canon::decode(line).map_err(|e| format!("I13: an account line of {} is unreadable: {e}", node.name))?;
        match (line.kind.as_str(), line.document, line.bureau) {
            ("sent" | "cut_told" | "relayed" | "offered_held", Some(document), Some(bureau)) => {
                self.disclosed.insert((node.instance, document, bureau));
            }
            (kind, ..) if kind.starts_with("refused") => {
                let recent = self.refusals.entry(node.instance).or_default();
                recent.push_back(now);
                while recent.front().is_some_and(|at| at + 60_000 < now) {
                    recent.pop_front();
                }
                if let Some(reference) = line.detail.split_whitespace().last() {
                    self.references.insert((node.instance, reference.to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A disk was put back: its floor and events are those of the copy.
    pub fn restored(&mut self, node: &Node) {
        let floor = node.disk.get(Table::Local, b"floor").and_then(|v| <[u8; 8]>::try_from(v).ok()).map_or(0, u64::from_be_bytes);
        self.floors.insert(node.instance, floor);
        self.events.insert(node.instance, node.disk.table(Table::Events).count() as u64);
    }

    /// A frame is handed over.
    ///
    /// # Errors
    /// What was broken.
    pub fn frame(&mut self, from: &Node, to: &Node, bytes: &[u8], message: Option<&Message>) -> Result<(), String> {
        if self.secrets.any(bytes) {
            return Err(format!("I16: {} told {} a secret", from.name, to.name));
        }
        let framed = |m: &Message| {
            matches!(m, Message::Push(_) | Message::Hello(_) | Message::Statements(_) | Message::Welcome(_))
                || matches!(m, Message::Symbols { .. } | Message::Differs { .. })
        };
        let most = if message.is_some_and(framed) { limits::FRAME_BYTES_MAX } else { limits::CONTROL_BYTES_MAX };
        if bytes.len() > most {
            return Err(format!("I10: {} sends a frame of {} bytes", from.name, bytes.len()));
        }
        if from.bureau == to.bureau {
            return Ok(());
        }
        let n = from.instance;
        match message {
            Some(Message::Push(push)) if from.unconfirmed => {
                return Err(format!("I8: {} gives {} something of {:?} before its store was confirmed", from.name, to.name, push.document));
            }
            Some(Message::Push(push)) => {
                if !self.disclosed.contains(&(n, push.document, to.bureau)) {
                    return Err(format!("I13: {} gave {} something of {:?} and did not account for it", from.name, to.name, push.document));
                }
                self.accounted += 1;
            }
            Some(Message::Declined { reference, .. } | Message::Refusal { reference, .. }) => {
                let known = self.references.contains(&(n, format!("{reference:016x}")));
                let many = self.refusals.get(&n).is_some_and(|all| all.len() >= limits::REFUSALS_NOTED_PER_MINUTE as usize);
                if !known && !many {
                    return Err(format!("I13: {} refused {} without an account line", from.name, to.name));
                }
                self.accounted += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a device's account says it refused or was refused, for the trace.
pub fn refusals(writes: &[Write]) -> Vec<String> {
    let lines = writes.iter().filter_map(|write| match write {
        Write::Account(line) => canon::decode::<AccountLine>(line).ok(),
        _ => None,
    });
    let refused = lines.filter(|line| line.kind.contains("refused") || line.kind.starts_with("declined"));
    refused.map(|line| format!("{} {:?} {:?}: {}", line.kind, line.document, line.bureau, line.detail)).collect()
}

//! What a run did, in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counters of one or many worlds. Names are stable: they are keys of the printed JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Turns of nodes.
    pub steps: u64,
    /// Frames handed over.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Most sync rounds a world needed to come to rest after it was healed.
    pub rounds_most: u64,
    /// By group (`acts`, `faults`, `hostile`, `checks`) and name.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Figures {
    /// One more of this.
    pub fn count(&mut self, group: &'static str, name: &'static str) {
        self.add(group, name, 1);
    }
    /// Some more of this.
    pub fn add(&mut self, group: &'static str, name: &'static str, more: u64) {
        *self.counts.entry((group, name)).or_default() += more;
    }
    /// How many of this.
    pub fn of(&self, group: &'static str, name: &'static str) -> u64 {
        self.counts.get(&(group, name)).copied().unwrap_or(0)
    }
    /// Takes another world's figures in.
    pub fn merge(&mut self, other: &Self) {
        self.virtual_ms += other.virtual_ms;
        self.steps += other.steps;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.rounds_most = self.rounds_most.max(other.rounds_most);
        for (key, value) in &other.counts {
            *self.counts.entry(*key).or_default() += value;
        }
    }
    /// The groups as members of a JSON object, each an object of its own: `"acts":{..},"faults":{..}`.
    pub fn groups_json(&self) -> String {
        let mut groups: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        for ((group, name), value) in &self.counts {
            groups.entry(group).or_default().push((name, *value));
        }
        let mut out = String::new();
        for (group, members) in groups {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let comma = if out.is_empty() { "" } else { "," };
            let _ = write!(out, "{comma}\"{group}\":{{{}}}", members.join(","));
        }
        out
    }
}

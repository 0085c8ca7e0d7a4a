//! Hostile members by name, each for lines of the threat catalogue. What they do goes through the wire as bytes, as a modified node would send it.

use accord_protocol::id::DocumentId;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::world::World;

/// One way to cheat.
#[derive(Clone, Copy)]
pub struct Personality {
    /// Name on the command line and in figures.
    pub name: &'static str,
    /// Lines of the threat catalogue it stands for.
    pub lines: &'static [u8],
    /// What it does and what it must get.
    pub about: &'static str,
    /// Does one thing towards a connected node; false when it had nothing to do it with.
    pub act: fn(&mut World, Attack) -> bool,
}

/// Who cheats towards whom, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// The hostile node.
    pub from: usize,
    /// The node it is connected to.
    pub to: usize,
    /// A document the hostile node holds, if it holds any.
    pub held: Option<DocumentId>,
    /// A thread it holds and its officer once wrote in, if there is one.
    pub wrote: Option<DocumentId>,
}

macro_rules! personalities {
    ($list:ident: $($name:literal [$($line:literal),*] $act:path, $about:literal;)*) => {
        /// Hostile members, in the order in which dice name them.
        pub const $list: &[Personality] = &[$(Personality { name: $name, lines: &[$($line),*], about: $about, act: $act }),*];
    };
}
use super::{bytes, changes, logs, speech, statements};
personalities! {
    FIRST:
    "forger" [1] changes::forger, "a garbled signature under a segment: refused, nothing kept";
    "odd-signature" [2] changes::odd_signature, "small-order R, S of zero or above the group order: refused";
    "wrong-context" [3] statements::wrong_context, "a good seal where another type belongs: refused";
    "other-document" [4] changes::other_document, "a segment of one document in a push of another: refused";
    "old-envelope" [5] changes::old_envelope, "everything once more: nothing changes";
    "false-author" [6] changes::false_author, "another's certificate on one's own work: refused";
    "two-tongues" [7] changes::two_tongues, "two changes for one position: the life is frozen, nobody else";
    "leaper" [8] changes::leaper, "gaps and leaps in sequence and operation numbers: refused";
    "ghost-object" [9] changes::ghost_object, "operations on what does not exist: refused";
    "bad-chunk" [11, 12] changes::bad_chunk, "wrong checksum, other chunk types, compressed chunks, bytes behind: refused";
    "noise" [13, 14, 50] bytes::noise, "random bytes, altered messages";
    "deep-nest" [15] bytes::deep_nest, "nested and endless CBOR: refused without allocation";
    "ghost-deps" [16] changes::ghost_deps, "changes on changes nobody has: asked for a few times, then kept apart or refused";
    "false-offers" [17, 18] speech::false_offers, "tips and sums that do not exist: bounded repair";
    "many-lives" [19] changes::many_lives, "a crowd of lives in one thread: readers go on";
    "wide-change" [19] changes::wide_change, "more dependencies than may be: refused";
    "back-dater" [21, 23] changes::back_dater, "signing times years off, citing the log's beginning: decides nothing";
    "soothsayer" [23, 24] speech::soothsayer, "a wall clock ten years off in its hellos: moves nobody's floor";
    "downgrader" [25] statements::downgrader, "older sealed versions again: the newest stands";
    "double-spender" [26] statements::double_spender, "a second conclusion for a version: the intersection counts";
    "lone-signer" [27] statements::lone_signer, "one's own accept, a conclusion without one: refused";
    "chain-confuser" [28] statements::chain_confuser, "certificates of another bureau, by those who may not issue, too long a chain: refused";
    "old-root" [29] statements::old_root, "a root version its bureau never sealed, or one skipped: refused";
    "revocation-stripper" [30, 52] speech::revocation_stripper, "says nothing of statements: what others know stays known";
    "silent" [17, 52] speech::silent, "swallows documents it owes: they come once it speaks again";
    "hand-on" [31, 54] changes::hand_on, "a document to whom it is not for: not taken";
    "guesser" [32, 33, 34] speech::guesser, "asks for documents by id, held, cut, or guessed: one answer";
    "open-to-nobody" [36] logs::open_to_nobody, "a document without audience, pushed all the same: refused";
    "unknown-words" [36, 50] statements::unknown_words, "terms and messages with fields and words nobody knows: refused";
    "false-registrar" [27, 35] logs::false_registrar, "records in a log of another bureau: refused";
    "log-forker" [26] logs::log_forker, "two records for one index of its own log: nothing more is granted";
    "orderless" [27] logs::orderless, "a grant without an officer's order: refused";
    "ack-liar" [51] speech::ack_liar, "acknowledges what it drops, and what never was: comparing brings it out";
}
personalities! {
    NEWER:
    "reader" [27, 31] changes::reader, "writes, well signed, where it may only read: not admitted";
    "lowerer" [35] logs::lowerer, "lowers a traffic light, or raises it and shuts its owner out: refused";
    "pass-forger" [31, 34] statements::pass_forger, "a relay pass in another's name, or its own for too long: refused";
    "false-stopper" [27] statements::false_stopper, "stops an agreement in the other side's name: refused";
    "alarmist" [20, 53] bytes::alarmist, "hundreds of refusable pushes at once: noted up to a bound, others go on";
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Personality> {
    FIRST.iter().chain(NEWER)
}

impl World {
    /// A hostile member does one thing, of the named kinds only if any are named.
    pub fn mischief_by(&mut self, from: usize, only: &[String]) {
        let others: Vec<usize> = (0..self.nodes.len()).filter(|m| *m != from && self.connected(from, *m)).collect();
        let Some(to) = others.choose(&mut self.rng).copied() else { return };
        let held: Vec<DocumentId> = self.documents().into_iter().filter(|d| self.holds(from, d)).collect();
        let held = held.choose(&mut self.rng).copied();
        let mut attack = Attack { from, to, held, wrote: self.written_by_officer(from) };
        // Mostly towards somebody who holds what it speaks of.
        if let Some(document) = attack.wrote.filter(|_| self.rng.random_bool(0.8)) {
            let readers: Vec<usize> = others.into_iter().filter(|m| self.holds(*m, &document)).collect();
            attack.to = readers.choose(&mut self.rng).copied().unwrap_or(to);
        }
        // Those that came later have dice of their own: a world without them is the world it was before.
        let newer = only.is_empty() && self.newer.as_mut().is_some_and(|dice| dice.random_bool(0.15));
        let some: Vec<&Personality> = match only {
            [] if newer => NEWER.iter().collect(),
            [] => FIRST.iter().collect(),
            only => all().filter(|p| only.iter().any(|name| name == p.name)).collect(),
        };
        let Some(one) = some.choose(&mut self.rng) else { return };
        let done = (one.act)(self, attack);
        if done {
            self.figures.count("hostile", one.name);
        }
        self.note(|world| format!("hostile {} as {} towards {}: {done}", world.nodes[from].name, one.name, world.nodes[attack.to].name));
    }

    /// A thread in which the newest officer of a node wrote.
    fn written_by_officer(&mut self, n: usize) -> Option<DocumentId> {
        let officer = self.nodes[n].officers.last()?.certificate;
        let all: Vec<DocumentId> = self.documents().into_iter().filter(|d| self.holds(n, d)).collect();
        let wrote: Vec<DocumentId> =
            all.into_iter().filter(|document| self.segments_of(n, document).iter().any(|s| s.certificate == officer)).collect();
        wrote.choose(&mut self.rng).copied()
    }
}

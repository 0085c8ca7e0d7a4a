//! What must hold at any moment, and what must hold once everything healed.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::seal::Sealed;
use accord_protocol::access::pass::RelayPass;
use accord_protocol::bureau::Bureau;
use accord_protocol::id::{BureauId, DocumentId, StatementId};
use accord_protocol::input::{Command, CommandId, Input};
use accord_protocol::intake::Item;
use accord_protocol::rules::ChangeHash;
use accord_protocol::segment;
use accord_protocol::step::Table;
use accord_protocol::time::DAY_S;
use accord_protocol::view::{AgreementView, DocumentView, Refused, StatusView, View};

use crate::node::Node;
use crate::oracle::entitles;
use crate::reference;
use crate::world::{BASE_WALL, CALM, World};

/// Records and segments a node holds of a document.
type Held = (BTreeSet<[u8; 32]>, BTreeSet<[u8; 32]>);

impl World {
    /// I14: what a running node shows is what its disk gives back.
    pub fn check_mirror(&mut self, n: usize) {
        if !self.nodes[n].is_up() {
            return;
        }
        let crash = std::mem::take(&mut self.weather.crash);
        self.nodes[n].inbox.push_back(Input::Wake);
        self.work(n);
        let documents: Vec<DocumentId> = self.documents().into_iter().filter(|d| self.holds(n, d)).collect();
        // Nobody is logged in at the other one: what is kept from the officer who is logged in here cannot be compared.
        let documents: Vec<DocumentId> = documents.into_iter().filter(|document| !self.is_kept_from_officer(n, document)).collect();
        let live: Vec<Option<DocumentView>> = documents.iter().map(|document| self.show(n, document)).collect();
        let live_agreements = self.agreements(n);
        let live_status = self.status(n);
        self.weather.crash = crash;
        let node = &self.nodes[n];
        let now = node.clocks(self.now, BASE_WALL);
        let mut twin = match Bureau::open(now, node.identity.clone(), node.disk.rows()) {
            Ok(twin) => twin,
            Err(why) => self.fail(&format!("I14: {} does not open from its disk: {why}", node.name)),
        };
        let mut asked = 0;
        let mut ask = |command: Command| {
            asked += 1;
            let step = twin.handle(now, [9; 32], Input::Command { id: CommandId(asked), person: None, dry_run: false, command });
            step.answers.into_iter().next().map(|(_, answer)| answer)
        };
        let status = match ask(Command::Status) {
            Some(Ok(View::Status(status))) => status,
            _ => StatusView::default(),
        };
        let gist = |s: &StatusView| (s.documents, s.changes, s.content_sum.clone(), s.root_version, s.sequence);
        if gist(&status) != gist(&live_status) {
            self.fail(&format!("I14: {} after a restart: {:?}, before: {:?}", node.name, gist(&status), gist(&live_status)));
        }
        if let Some(Ok(View::Agreements { agreements })) = ask(Command::AgreementList) {
            let standing =
                |all: &[AgreementView]| all.iter().map(|a| (a.id.clone(), (a.standing.clone(), a.to))).collect::<BTreeMap<_, _>>();
            if standing(&agreements) != standing(&live_agreements) {
                self.fail(&format!(
                    "I14: agreements of {} differ after a restart: now {:?} {} {} {:?} {:?}",
                    node.name,
                    now,
                    live_status.now,
                    status.now,
                    standing(&agreements),
                    standing(&live_agreements)
                ));
            }
        }
        let at_home = live_status.reading.as_ref().is_some_and(|reading| reading.home);
        for (document, live) in documents.iter().zip(live) {
            if let Err(why) = twin.hold(*document, node.disk.items(document)) {
                self.fail(&format!("I14: {} cannot read {document:?} back: {why}", node.name));
            }
            asked += 1;
            let command = Command::DocumentShow { id: document.to_string() };
            let step = twin.handle(now, [9; 32], Input::Command { id: CommandId(asked), person: None, dry_run: false, command });
            let back = match step.answers.into_iter().next() {
                Some((_, Ok(View::Document(view)))) => Some(view),
                // A laptop at home shows everything; started anew it has no link yet, and its clock may say that it was away for too long.
                Some((_, Err(refused))) if at_home && locked_by(&refused, now.wall.0.max(status.now)) => continue,
                _ => None,
            };
            if back.as_ref().map(gist_of) != live.as_ref().map(gist_of) {
                self.fail(&format!(
                    "I14: {document:?} of {} after a restart:\n{:?}\nbefore:\n{:?}",
                    node.name,
                    back.as_ref().map(gist_of),
                    live.as_ref().map(gist_of)
                ));
            }
        }
    }

    /// The status of a node.
    pub fn status(&mut self, n: usize) -> StatusView {
        match self.ask(n, Command::Status) {
            Ok(View::Status(status)) => status,
            other => self.fail(&format!("no status: {other:?}")),
        }
    }

    /// Agreements as a node shows them.
    pub fn agreements(&mut self, n: usize) -> Vec<AgreementView> {
        match self.ask(n, Command::AgreementList) {
            Ok(View::Agreements { agreements }) => agreements,
            other => self.fail(&format!("no agreements: {other:?}")),
        }
    }

    /// I3, I5: of every document a device took something of since the last look, it admits what the plain reading admits.
    pub fn check_touched(&mut self) {
        let crash = std::mem::take(&mut self.weather.crash);
        for (n, document) in std::mem::take(&mut self.oracle.touched) {
            if !self.nodes[n].is_up() || !self.holds(n, &document) {
                continue;
            }
            if let Some(view) = self.show(n, &document) {
                self.check_reference(n, &document, &view);
                self.figures.count("checks", "admission");
            }
        }
        self.weather.crash = crash;
    }

    /// I6: nodes that hold the same parts of a document show the same, and admit what the plain reading admits.
    pub fn check_documents(&mut self) {
        let crash = std::mem::take(&mut self.weather.crash);
        for document in self.documents() {
            let mut groups: BTreeMap<Held, (usize, DocumentView)> = BTreeMap::new();
            for n in 0..self.nodes.len() {
                if !self.nodes[n].is_up() || !self.holds(n, &document) {
                    continue;
                }
                let Some(view) = self.show(n, &document) else { continue };
                // Of a document whose beginning has not come there is nothing to show yet.
                if view.cannot_show && view.line.changes > 0 {
                    self.fail(&format!("I6: {} cannot show {document:?}", self.nodes[n].name));
                }
                self.check_reference(n, &document, &view);
                let parts = self.parts_of(n, &document);
                if let Some((other, same)) = groups.get(&parts) {
                    if shown(same) != shown(&view) {
                        let why = format!(
                            "I6: {} and {} hold the same of {document:?} and show\n{:?}\n{:?}",
                            self.nodes[*other].name,
                            self.nodes[n].name,
                            shown(same),
                            shown(&view)
                        );
                        self.fail(&why);
                    }
                } else {
                    groups.insert(parts, (n, view));
                }
            }
        }
        self.weather.crash = crash;
    }

    fn check_reference(&mut self, n: usize, document: &DocumentId, view: &DocumentView) {
        let node = &self.nodes[n];
        let Some(directory) = node.core.as_ref().map(|core| core.directory()) else { return };
        let Some(plain) = reference::admitted(node, &directory, document) else {
            self.fail(&format!("{} lists {document:?} without a genesis on disk", node.name))
        };
        let heads: BTreeSet<String> = plain.tips.iter().map(ChangeHash::to_string).collect();
        let core: BTreeSet<String> = view.heads.iter().cloned().collect();
        let counts = (plain.changes.len() as u64, plain.settled.len() as u64, (plain.known.len() - plain.changes.len()) as u64);
        // I5 where only what anchors settle differs, I3 where what is admitted does.
        let broken = if heads == core && counts.0 == view.line.changes { "I5" } else { "I3" };
        if heads != core || counts != (view.line.changes, view.line.settled, view.line.held) {
            self.fail(&format!(
                "{broken}: {} admits {core:?} ({}, {}, {}) of {document:?}, the plain reading {heads:?} {counts:?}\n{}",
                node.name,
                view.line.changes,
                view.line.settled,
                view.line.held,
                reference::told(node, document)
            ));
        }
    }

    /// Records, and places of writers, that a disk holds of a document.
    fn parts_of(&self, n: usize, document: &DocumentId) -> (BTreeSet<[u8; 32]>, BTreeSet<[u8; 32]>) {
        let node = &self.nodes[n];
        let records = crate::oracle::log_of(node, document).map(|log| log.records.keys().map(|id| id.0).collect()).unwrap_or_default();
        let mut places = BTreeSet::new();
        for (_, bytes) in node.disk.items(document) {
            let Some(Item::Segment(bytes)) = Item::from_bytes(&bytes) else { continue };
            let Ok(s) = segment::decode(&bytes) else { continue };
            let cited = s.cited.iter().flat_map(|run| std::iter::repeat_n(run.record, run.count as usize));
            let mut before = s.before;
            for (at, (raw, cited)) in s.changes.iter().zip(cited).enumerate() {
                let Ok(change) = accord_protocol::rules::parse(&raw.0) else { continue };
                let n = s.from + at as u64;
                before = segment::attest(&s.document, &s.certificate, &s.life, n, &change.hash(), &cited, &before);
                places.insert(before.0);
            }
        }
        (records, places)
    }

    /// Ends all faults: the network is good, clocks are right, everyone runs this build, hostile members fall silent, copies are retired.
    pub fn end_faults(&mut self) {
        self.note(|_| "everything heals".to_owned());
        self.weather = CALM;
        self.parted.clear();
        for n in 0..self.nodes.len() {
            self.nodes[n].clock_off = 0;
            self.nodes[n].skew = None;
            self.nodes[n].swallows = None;
            if self.nodes[n].cloned_from.is_some() {
                self.crash(n);
                self.nodes[n].retired = true;
            } else if !self.nodes[n].is_up() {
                self.boot(n);
            }
        }
        self.cut_all();
    }

    /// Ends all faults and lets the world come to rest.
    pub fn heal(&mut self) {
        self.end_faults();
        self.run(30 * 60_000);
    }

    /// Once healed: everyone entitled shows the same, sums agree, promises are kept, no disk holds what it must not.
    pub fn check_healed(&mut self) {
        self.check_documents();
        for n in 0..self.nodes.len() {
            self.check_mirror(n);
            if let Some(why) = self.oracle.search_disk(&self.nodes[n]) {
                self.fail(&why);
            }
        }
        if let Err(why) = self.at_rest() {
            self.fail(&why);
        }
        for (n, document, mark) in self.oracle.promised.clone() {
            if self.nodes[n].retired || self.nodes[n].hostile {
                continue;
            }
            let kept = self.nodes[n].disk.items(&document).iter().any(|(_, body)| body.windows(mark.len()).any(|w| w == mark.as_bytes()));
            let view = self.show(n, &document);
            let said = view
                .as_ref()
                .is_some_and(|v| v.text.contains(&mark) || v.entries.iter().any(|e| e.text.contains(&mark) || e.title.contains(&mark)));
            let held = view.as_ref().is_some_and(|v| v.line.held > 0);
            // What is kept from the officer who is logged in is not lost.
            let hidden = kept && view.is_none() && self.is_kept_from_officer(n, &document);
            if !hidden && (!kept || !(said || held)) {
                self.fail(&format!("I4: {} lost {mark} of {document:?} (on disk: {kept}, shown: {said})", self.nodes[n].name));
            }
        }
    }

    /// Whether everyone entitled holds the same and every pair knows it.
    ///
    /// # Errors
    /// The first difference.
    pub fn at_rest(&mut self) -> Result<(), String> {
        for document in self.documents_in_use() {
            self.converged(&document)?;
        }
        self.statements_agree()?;
        self.sums_agree()
    }

    /// I8: two that are connected know the same roots, appointments and revocations of each other, and the same concluded agreements.
    fn statements_agree(&self) -> Result<(), String> {
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                let (one, other) = (&self.nodes[a], &self.nodes[b]);
                if a == b || one.hostile || other.hostile || !self.connected(a, b) {
                    continue;
                }
                let lacking = crate::oracle::lasting(one, one.bureau).difference(&crate::oracle::lasting(other, one.bureau)).count();
                if lacking > 0 {
                    return Err(format!("I8: {} lacks {lacking} lasting statements of {}", other.name, one.name));
                }
                let (known, own) = (crate::oracle::lasting(other, one.bureau), crate::oracle::lasting(one, one.bureau));
                let forgot: Vec<_> = known.difference(&own).collect();
                if !forgot.is_empty() {
                    return Err(format!("I8: {} forgot lasting statements of its own, which {} knows: {forgot:?}", one.name, other.name));
                }
                if a < b && one.bureau != other.bureau {
                    let known = |node: &Node| {
                        let papers = node.papers();
                        let (of_pair, stops) = (papers.sealed(one.bureau, other.bureau), papers.stopped(one.bureau, other.bureau));
                        let lifted: BTreeSet<StatementId> = stops.intersection(&papers.lifted).copied().collect();
                        (of_pair, stops, lifted)
                    };
                    if known(one) != known(other) {
                        return Err(format!(
                            "I8: {} and {} know different agreements, suspensions or notices of theirs: {:?} {:?}",
                            one.name,
                            other.name,
                            known(one),
                            known(other)
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a document is here and is not for the officer who is logged in, as one whose key was cut: what that officer sees says nothing then.
    fn is_kept_from_officer(&mut self, n: usize, document: &DocumentId) -> bool {
        self.holds(n, document) && {
            let shown = self.ask(n, Command::DocumentShow { id: document.to_string() });
            shown.is_err_and(|refused| refused.code == "may_not_read")
        }
    }

    fn converged(&mut self, document: &DocumentId) -> Result<(), String> {
        let Some((owner, _)) = self.oracle.documents.get(document).copied() else { return Ok(()) };
        let home = self.nodes_of(&owner);
        let Some(node) = home.iter().copied().find(|n| !self.nodes[*n].laptop) else { return Ok(()) };
        // Whoever cheats may keep its own documents from whom it likes; what others hold of them is compared in any case.
        if self.nodes[node].hostile {
            return Ok(());
        }
        let Some(truth) = self.show(node, document) else {
            // A store put back, or the end of a copy, may leave it with others; where the pair is stopped it does not come home before that ends.
            return match (0..self.nodes.len()).find(|n| self.may_bring_home(*n, node, document)) {
                Some(n) => Err(format!("I6: the owner's node does not hold {document:?}, which {} may bring", self.nodes[n].name)),
                None => Ok(()),
            };
        };
        for n in 0..self.nodes.len() {
            if n == node || self.nodes[n].retired || self.nodes[n].hostile {
                continue;
            }
            let must = if self.nodes[n].bureau == owner {
                true
            } else if self.nodes[n].laptop {
                // A laptop of a partner has what its home node has.
                let bureau = self.nodes[n].bureau;
                let home = self.nodes_of(&bureau).into_iter().find(|m| !self.nodes[*m].laptop);
                if self.is_kept_from_officer(n, document) || home.is_some_and(|home| self.is_kept_from_officer(home, document)) {
                    continue;
                }
                let home_view = home.and_then(|home| self.show(home, document));
                let own_view = self.show(n, document);
                if home_view.as_ref().map(shown) != own_view.as_ref().map(shown) {
                    return Err(format!("I6: {} differs from its home node on {document:?}", self.nodes[n].name));
                }
                false
            } else {
                self.both_agree(node, n) && entitles(&self.nodes[node], document, self.nodes[n].bureau, &[self.own_time(node)])
            };
            if must && !self.waits_for_a_person(n, document, &truth) {
                let (here, there) = (reference::forks(&self.nodes[n], document), reference::forks(&self.nodes[node], document));
                if here != there {
                    return Err(format!(
                        "I9: {} and {} hold other proofs of {document:?}: {here:?} {there:?}",
                        self.nodes[n].name, self.nodes[node].name
                    ));
                }
                let view = self.show(n, document);
                if view.is_none() && self.is_kept_from_officer(n, document) {
                    continue;
                }
                if view.as_ref().map(shown) != Some(shown(&truth)) {
                    return Err(format!(
                        "I6: {document:?} at {}:\n{:?}\nat its owner {}:\n{:?}",
                        self.nodes[n].name,
                        view.as_ref().map(gist_of),
                        self.nodes[node].name,
                        gist_of(&truth)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a node takes nothing of a document before its owner's officers confirmed it: its creator was revoked, which the node knows.
    fn waits_for_a_person(&self, n: usize, document: &DocumentId, at_owner: &DocumentView) -> bool {
        let Some(log) = self.nodes.iter().find_map(|node| crate::oracle::log_of(node, document)) else { return false };
        let Some(directory) = self.nodes[n].core.as_ref().map(|core| core.directory()) else { return false };
        !at_owner.line.adopted && !self.holds(n, document) && directory.revoked(&log.genesis.creator).is_some()
    }

    /// Whether a node holds a document and may hand it to its owner's node.
    fn may_bring_home(&self, n: usize, owner: usize, document: &DocumentId) -> bool {
        let node = &self.nodes[n];
        if n == owner || node.retired || node.hostile || !self.connected(n, owner) || !self.holds(n, document) {
            return false;
        }
        let home = self.nodes[owner].bureau;
        node.bureau == home || (self.both_agree(n, owner) && entitles(node, document, home, &[self.own_time(n)]))
    }

    /// A node's own idea of now, as it states it.
    fn own_time(&self, n: usize) -> u64 {
        let floor = self.nodes[n].disk.get(accord_protocol::step::Table::Local, b"floor");
        let floor = floor.and_then(|v| <[u8; 8]>::try_from(v).ok()).map_or(0, u64::from_be_bytes);
        self.wall().max(floor)
    }

    /// Whether two nodes go by the same agreements and stops of their pair, and something is in force.
    fn both_agree(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.nodes[a], &self.nodes[b]);
        let ground = |n: usize| {
            let papers = self.nodes[n].papers();
            let between = papers.between(one.bureau, other.bureau, self.own_time(n));
            between.is_open().then(|| between.ground())
        };
        ground(a).is_some() && ground(a) == ground(b)
    }

    /// Whether a relay pass between two bureaus begins or ends between their times: a floor that ran ahead stays ahead until time has come
    /// up with it, and until then the two rightly count by different passes.
    fn passes_turn_between(&self, a: usize, b: usize) -> bool {
        let (low, high) = (self.own_time(a).min(self.own_time(b)), self.own_time(a).max(self.own_time(b)));
        let (one, other) = (self.nodes[a].bureau, self.nodes[b].bureau);
        [a, b].into_iter().any(|n| {
            let rows = self.nodes[n].disk.table(Table::Passes).filter_map(|(_, bytes)| Sealed::<RelayPass>::from_bytes(bytes).ok());
            rows.map(|sealed| sealed.claimed().clone()).any(|pass| {
                let theirs = (pass.holder == one && pass.names(&other)) || (pass.holder == other && pass.names(&one));
                theirs && [pass.from.0, pass.until.0].into_iter().any(|at| low < at && at <= high)
            })
        })
    }

    /// Relay passes on a disk, for the report of a violation.
    fn passes(&self, n: usize) -> Vec<String> {
        let name = |bureau: &BureauId| self.nodes.iter().find(|node| node.bureau == *bureau).map_or("?", |node| node.name.as_str());
        let rows = self.nodes[n].disk.table(Table::Passes).filter_map(|(_, bytes)| Sealed::<RelayPass>::from_bytes(bytes).ok());
        rows.map(|sealed| {
            let (id, pass) = (sealed.id(&self.network), sealed.claimed());
            let shown: Vec<&str> = pass.shown_to.iter().map(name).collect();
            format!(
                "{} of {} for {} shown to {shown:?} {}..{}",
                id.short(),
                name(&pass.issuer),
                name(&pass.holder),
                pass.from.0,
                pass.until.0
            )
        })
        .collect()
    }

    fn sums_agree(&mut self) -> Result<(), String> {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let (one, other) = (&self.nodes[a], &self.nodes[b]);
                let own = one.bureau == other.bureau;
                if one.hostile || other.hostile || !self.connected(a, b) || !(own || self.both_agree(a, b)) {
                    continue;
                }
                match self.oracle.sums(a, b) {
                    Some((x, y)) if x == y => {}
                    Some(_) if !own && self.passes_turn_between(a, b) => continue,
                    found => {
                        let why = format!("I6: the sums of {} and {} at rest: {found:?}", one.name, other.name);
                        let detail = [a, b].map(|n| {
                            let status = self.status(n);
                            (
                                self.own_time(n),
                                status.now,
                                status.clock,
                                self.agreements(n).into_iter().map(|a| (a.standing, a.from, a.to)).collect::<Vec<_>>(),
                                self.passes(n),
                            )
                        });
                        return Err(format!("{why} {detail:?}"));
                    }
                }
                let marked = !own && (self.partner(a, b).divergent || self.partner(b, a).divergent);
                if marked {
                    return Err(format!("I6: {} and {} call each other divergent", self.nodes[a].name, self.nodes[b].name));
                }
            }
        }
        Ok(())
    }
}

/// What a reader sees.
type Shown = (String, String, Vec<String>, String, Vec<bool>, u64);

fn shown(view: &DocumentView) -> Shown {
    let settled = view.entries.iter().map(|e| e.settled).collect();
    (view.content_hash.clone(), view.text.clone(), view.heads.clone(), view.log_head.clone(), settled, view.line.changes)
}

/// What must not change by a restart.
fn gist_of(view: &DocumentView) -> (Shown, u64, u64, bool, String, String, u64) {
    let line = &view.line;
    (shown(view), line.settled, line.held, line.adopted, line.number.clone(), line.title.clone(), line.sequence)
}

/// Whether a refusal says that a document is locked, and the lock it names has closed at that time (seconds).
fn locked_by(refused: &Refused, time: u64) -> bool {
    let number = |name| refused.params.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<u64>().ok());
    let closed = number("since").zip(number("days")).is_some_and(|(since, days)| since + days * DAY_S <= time);
    refused.code == "reading_locked" && closed
}

//! Real cores that talk to each other in one thread: the whole node without disk and network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::id::{NetworkId, TransportKey};
use accord_keys::seal::Sealed;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::bundle;
use accord_protocol::bureau::{self, AccountLine, Bureau, FoundPlan, Identity};
use accord_protocol::id::{BureauId, Bytes, CertificateId, DocumentId};
use accord_protocol::input::{Command, CommandId, Draft, Input, LinkId};
use accord_protocol::intake::{DocState, Item, Stored};
use accord_protocol::step::{Send, Table, Write};
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use accord_protocol::view::{Refused, View};
use accord_protocol::wire::{self, Message};

use crate::world::START;

/// The officer every bureau begins with.
pub const OFFICER: &str = "first officer";

/// One node with what it would have on disk.
pub struct Node {
    pub core: Bureau,
    pub name: String,
    pub id: BureauId,
    pub identity: Identity,
    pub rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub items: BTreeMap<DocumentId, Vec<(u64, Vec<u8>)>>,
    pub accounts: Vec<AccountLine>,
    /// Documents whose keys were destroyed.
    pub purged: BTreeSet<DocumentId>,
    transport: TransportKey,
    /// Most bytes one step handed to the links.
    pub most_sent: usize,
    sends: VecDeque<(Send, u64)>,
    wants: Vec<DocumentId>,
    /// It wishes to be woken at once, to go on.
    soon: bool,
    inputs: u64,
    /// Tells the dice of two nodes of one bureau apart.
    dice: u8,
    /// Links the core wished closed.
    pub closed: Vec<LinkId>,
    /// What the core answered to steps of packing and unpacking.
    bundled: Vec<Result<bundle::Answer, Refused>>,
}

/// Bureaus that all know each other; the link of node `a` to node `b` has the number `b`.
pub struct County {
    pub nodes: Vec<Node>,
    pub now: Now,
    /// What was said: from, to, message. Only while it is `Some`.
    pub heard: Option<Vec<(usize, usize, Message)>>,
    /// Frames are carried by turns; else whoever comes first says all it has to say.
    pub by_turns: bool,
}

fn network() -> NetworkId {
    NetworkId::named("county")
}

impl Node {
    fn found(n: u8, now: Now) -> Self {
        let signer = Arc::new(SecretKey::from_seed([n; 32]));
        let transport = TransportKey(SecretKey::from_seed([n + 40; 32]).public().0);
        let name = format!("Bureau {n}");
        let founded = bureau::found(&FoundPlan {
            network: network(),
            unit_code: format!("99010{n}"),
            name: name.clone(),
            addresses: Vec::new(),
            phone: "0000-0000000".to_owned(),
            officer: OFFICER.to_owned(),
            root: &SecretKey::from_seed([n + 80; 32]),
            node: signer.as_ref(),
            transport,
            hpke: HpkeSecret::from_seed([n + 120; 32]).public(),
            now: now.wall,
            random: [n; 64],
        })
        .expect("founds");
        let put = |write| match write {
            Write::Put { table, key, value: Some(value) } => Some(((table, key), value)),
            _ => None,
        };
        let rows: BTreeMap<_, _> = founded.writes.into_iter().filter_map(put).collect();
        let identity =
            Identity { network: network(), bureau: founded.bureau, certificate: founded.certificate, signer, cursor_key: [n; 32] };
        let stored = rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
        let core = Bureau::open(now, identity.clone(), stored).expect("opens");
        Self {
            core,
            name,
            id: founded.bureau,
            identity,
            rows,
            items: BTreeMap::new(),
            accounts: Vec::new(),
            purged: BTreeSet::new(),
            transport,
            most_sent: 0,
            sends: VecDeque::new(),
            wants: Vec::new(),
            soon: false,
            closed: Vec::new(),
            bundled: Vec::new(),
            inputs: 0,
            dice: 0,
        }
    }

    /// Whether something waits to be sent.
    pub fn has_sends(&self) -> bool {
        !self.sends.is_empty()
    }

    /// Loses what waits to be sent.
    pub fn lose_sends(&mut self) {
        self.sends.clear();
    }

    /// Whether something waits to be sent to one other node.
    pub fn has_sends_to(&self, other: usize) -> bool {
        self.sends.iter().any(|(send, _)| send.link == LinkId(other as u64))
    }

    /// Starts again from what is on disk.
    pub fn reopen(&mut self, now: Now) {
        let stored = self.rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
        self.core = Bureau::open(now, self.identity.clone(), stored).expect("opens again");
        self.core.raise_sequence(self.items.values().flatten().map(|(seq, _)| *seq).max().unwrap_or(0));
        self.sends.clear();
    }

    fn give(&mut self, now: Now, input: Input) -> Option<Result<View, Refused>> {
        let (mut needs, mut before) = (self.core.needs(&input), Vec::new());
        while !needs.is_empty() && needs != before {
            for document in &needs {
                self.core.hold(*document, self.items.get(document).cloned().unwrap_or_default()).expect("what was stored reads back");
            }
            before = std::mem::replace(&mut needs, self.core.needs(&input));
        }
        self.inputs += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.inputs.to_be_bytes());
        (seed[8], seed[9]) = (self.id.0[0], self.dice);
        let step = self.core.handle(now, seed, input);
        self.soon = step.wake_at == Some(now.mono.plus(1));
        for write in step.writes {
            match write {
                Write::Put { table, key, value: Some(value) } => drop(self.rows.insert((table, key), value)),
                Write::Put { table, key, value: None } => drop(self.rows.remove(&(table, key))),
                Write::Item { document, seq, body } => {
                    assert!(!self.purged.contains(&document), "the store takes nothing more of what it destroyed");
                    self.items.entry(document).or_default().push((seq, body));
                }
                Write::Account(line) => self.accounts.push(AccountLine::from_bytes(&line).expect("an account line reads back")),
            }
        }
        self.most_sent = self.most_sent.max(step.sends.iter().map(|send| send.bytes.len()).sum());
        for document in step.purges {
            self.items.remove(&document);
            self.purged.insert(document);
        }
        self.core.committed();
        // What lies in memory and what lies below it change places all the time: nobody may see a difference.
        match self.inputs % 5 {
            0 => self.core.rest_in_memory(),
            2 if self.core.take_inventory(false).is_some() => self.core.inventory_failed(),
            _ => {}
        }
        self.wants.extend(step.wants);
        self.closed.extend(step.close);
        self.bundled.extend(step.bundles.into_iter().map(|(_, answer)| answer));
        let gates = step.gates;
        self.sends.extend(step.sends.into_iter().map(|send| (gates.of(send.link), send)).map(|(permit, send)| (send, permit)));
        step.answers.into_iter().next().map(|(_, answer)| answer)
    }
}

impl County {
    /// `count` bureaus whose cards everybody checked, all linked, one officer each.
    pub fn new(count: u8) -> Self {
        Self::where_checked(count, |_, _| true)
    }

    /// As [`County::new`], where `checked(reader, owner)` says whose cards were compared by people.
    pub fn where_checked(count: u8, checked: impl Fn(usize, usize) -> bool) -> Self {
        let now = Now { mono: MonoMillis(0), wall: START };
        let mut county = Self { nodes: (1..=count).map(|n| Node::found(n, now)).collect(), now, heard: None, by_turns: false };
        for at in 0..county.nodes.len() {
            let n = u8::try_from(at).expect("few") + 1;
            county.log_in(at, OFFICER, SecretKey::from_seed([n + 160; 32]));
        }
        for reader in 0..county.nodes.len() {
            for owner in 0..county.nodes.len() {
                if reader != owner {
                    let View::Card(card) = county.ask(owner, Command::CardShow) else { panic!("a card") };
                    let checking_code = checked(reader, owner).then_some(card.checking_code);
                    county.ask(reader, Command::PartnerAdd { card: card.text, checking_code, alias: None });
                }
            }
        }
        for at in 0..county.nodes.len() {
            county.link_up(at);
        }
        county.run();
        county
    }

    /// A second node of a bureau, certified by its root, which knows what the first knows of bureaus and agreements and holds no document; not linked
    /// yet. Answers its place.
    pub fn add_sibling(&mut self, of: usize) -> usize {
        self.add_device(of, MemberKind::Node)
    }

    /// As [`County::add_sibling`], a device of either kind.
    pub fn add_device(&mut self, of: usize, kind: MemberKind) -> usize {
        let first = &self.nodes[of];
        let n = u8::try_from(of).expect("few") + 1;
        let dice = u8::try_from(self.nodes.len()).expect("few");
        let root = SecretKey::from_seed([n + 80; 32]);
        let signer = Arc::new(SecretKey::from_seed([dice + 20; 32]));
        let transport = TransportKey(SecretKey::from_seed([dice + 60; 32]).public().0);
        let root_id = first.core.directory().root_head(&first.id).expect("known");
        let of_first = first.core.directory().certificate(&first.identity.certificate).expect("its own").body().clone();
        let certificate = MemberCertificate {
            key: signer.public(),
            kind,
            transport: Some(transport),
            capabilities: vec![Capability::Write],
            serial: [dice; 16],
            issuer: Issuer::Root(root_id),
            ..of_first
        };
        let sealed = Sealed::seal(&network(), certificate, &[&root]).expect("seals");
        let id = sealed.certificate_id(&network());
        self.ask(of, Command::Install { bytes: sealed.to_bytes() });
        self.run();
        let first = &self.nodes[of];
        let known = [Table::Statements, Table::Partners, Table::Agreements, Table::Officers];
        let mut rows: BTreeMap<_, _> =
            first.rows.iter().filter(|((table, _), _)| known.contains(table)).map(|(key, value)| (key.clone(), value.clone())).collect();
        rows.insert((Table::Local, b"index".to_vec()), vec![dice; 16]);
        rows.insert((Table::Local, b"floor".to_vec()), self.now.wall.0.to_be_bytes().to_vec());
        let identity = Identity { certificate: id, signer, cursor_key: [dice + 30; 32], ..first.identity.clone() };
        let stored = rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
        let core = Bureau::open(self.now, identity.clone(), stored).expect("opens");
        let node = Node {
            core,
            name: first.name.clone(),
            id: first.id,
            identity,
            rows,
            items: BTreeMap::new(),
            accounts: Vec::new(),
            purged: BTreeSet::new(),
            transport,
            most_sent: 0,
            sends: VecDeque::new(),
            wants: Vec::new(),
            soon: false,
            closed: Vec::new(),
            bundled: Vec::new(),
            inputs: 0,
            dice,
        };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Connects a node anew to all the others.
    pub fn link_up(&mut self, at: usize) {
        for other in 0..self.nodes.len() {
            if other != at {
                let transport = self.nodes[other].transport;
                let input = Input::LinkUp { link: LinkId(other as u64), transport, outgoing: at < other };
                self.nodes[at].give(self.now, input);
            }
        }
    }

    /// An officer's first login on a node.
    pub fn log_in(&mut self, at: usize, name: &str, key: SecretKey) {
        let key = Arc::new(key);
        self.ask(at, Command::OfficerEnrol { name: name.to_owned(), key: key.public() });
        let View::Officers { officers } = self.ask(at, Command::OfficerFind { name: name.to_owned() }) else { panic!("officers") };
        let certificate = CertificateId::from_hex(&officers[0].certificate).expect("a certificate");
        self.ask(at, Command::Unlock { name: name.to_owned(), certificate, signer: key });
    }

    /// Unlocks the first officer's key again, after a restart.
    pub fn log_in_again(&mut self, at: usize, key: SecretKey) {
        let View::Officers { officers } = self.ask(at, Command::OfficerFind { name: OFFICER.to_owned() }) else { panic!("officers") };
        let certificate = CertificateId::from_hex(&officers[0].certificate).expect("a certificate");
        self.ask(at, Command::Unlock { name: OFFICER.to_owned(), certificate, signer: Arc::new(key) });
    }

    /// Breaks the connection of two nodes, or makes it anew.
    pub fn link(&mut self, one: usize, other: usize, up: bool) {
        self.link_quietly(one, other, up);
        self.run();
    }

    /// As [`County::link`], and nothing is carried yet.
    pub fn link_quietly(&mut self, one: usize, other: usize, up: bool) {
        for (at, peer) in [(one, other), (other, one)] {
            let link = LinkId(peer as u64);
            let transport = self.nodes[peer].transport;
            let input = if up { Input::LinkUp { link, transport, outgoing: at < peer } } else { Input::LinkDown { link } };
            self.nodes[at].sends.retain(|(send, _)| send.link != link);
            self.nodes[at].give(self.now, input);
        }
    }

    /// Bytes that wait to go from one node to another.
    pub fn queued(&self, from: usize, to: usize) -> usize {
        let sends = self.nodes[from].sends.iter().filter(|(send, _)| send.link == LinkId(to as u64));
        sends.map(|(send, _)| send.bytes.len()).sum()
    }

    /// A node's transport key.
    pub fn transport(&self, at: usize) -> TransportKey {
        self.nodes[at].transport
    }

    /// One node's end of a connection comes or goes, whatever is at the other.
    pub fn link_one(&mut self, at: usize, peer: usize, transport: TransportKey, up: bool) {
        let link = LinkId(peer as u64);
        self.nodes[at].sends.retain(|(send, _)| send.link != link);
        let input = if up { Input::LinkUp { link, transport, outgoing: false } } else { Input::LinkDown { link } };
        self.nodes[at].give(self.now, input);
    }

    /// A node ends and starts again from what is on disk; its officer logs in, and its links in `linked` come back.
    pub fn restart(&mut self, at: usize, linked: &[usize]) {
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            self.nodes[other].sends.retain(|(send, _)| send.link != LinkId(at as u64));
            self.nodes[other].give(self.now, Input::LinkDown { link: LinkId(at as u64) });
        }
        let now = self.now;
        self.nodes[at].reopen(now);
        self.log_in_again(at, Self::key(at));
        for other in linked {
            self.link(at, *other, true);
        }
    }

    /// The key of a bureau's first officer.
    pub fn key(at: usize) -> SecretKey {
        SecretKey::from_seed([u8::try_from(at).expect("few") + 161; 32])
    }

    /// Hands a node a message as if the other had sent it.
    pub fn bring(&mut self, from: usize, to: usize, message: &wire::Message) {
        let message = wire::check(&self.nodes[to].core.directory(), &network(), &message.encode()).expect("its seals are good");
        self.nodes[to].give(self.now, Input::Message { link: LinkId(from as u64), message });
        self.run();
    }

    pub fn asked(&mut self, at: usize, person: Option<&str>, dry_run: bool, command: Command) -> Result<View, Refused> {
        let person = person.map(str::to_owned);
        let input = Input::Command { id: CommandId(1), person, dry_run, command };
        self.nodes[at].give(self.now, input).expect("every command is answered")
    }

    /// Asks as the first officer and expects a yes.
    pub fn ask(&mut self, at: usize, command: Command) -> View {
        let person = if self.nodes[at].accounts.iter().any(|line| line.kind == "login") { Some(OFFICER) } else { None };
        let answer = self.asked(at, person, false, command);
        answer.unwrap_or_else(|refused| panic!("{} refused: {refused:?}", self.nodes[at].name))
    }

    /// Hands one node a message as if another had sent it.
    pub fn hand(&mut self, from: usize, to: usize, message: &wire::Message) {
        let message = wire::check(&self.nodes[to].core.directory(), &network(), &message.encode()).expect("its seals verify");
        self.nodes[to].give(self.now, Input::Message { link: LinkId(from as u64), message });
    }

    /// One step of packing or unpacking on a node; what it wants to read is read.
    pub fn bundle_step(&mut self, at: usize, ask: bundle::Ask) -> Result<bundle::Answer, Refused> {
        self.nodes[at].give(self.now, Input::Bundle { id: CommandId(2), person: None, ask: Box::new(ask) });
        for document in std::mem::take(&mut self.nodes[at].wants) {
            let items = self.nodes[at].items.get(&document).cloned().unwrap_or_default();
            self.nodes[at].core.hold_wanted(document, items).expect("what was stored reads back");
        }
        self.nodes[at].bundled.pop().expect("every step is answered")
    }

    /// Carries frames until nobody has anything to say.
    pub fn run(&mut self) {
        assert_eq!(self.run_some(100_000), 0, "they never stop talking");
    }

    /// Carries frames until nobody has anything to say, or so many went; answers how many more could have gone.
    pub fn run_some(&mut self, most: u32) -> u32 {
        let mut frames = 0;
        loop {
            for at in 0..self.nodes.len() {
                while self.nodes[at].soon {
                    self.nodes[at].give(self.now, Input::Wake);
                }
                for document in std::mem::take(&mut self.nodes[at].wants) {
                    let items = self.nodes[at].items.get(&document).cloned().unwrap_or_default();
                    self.nodes[at].core.hold_wanted(document, items).expect("what was stored reads back");
                    self.nodes[at].give(self.now, Input::Wake);
                }
            }
            if frames == most {
                return self.nodes.iter().map(|node| u32::try_from(node.sends.len()).expect("few")).sum();
            }
            let first = if self.by_turns { frames as usize % self.nodes.len() } else { 0 };
            let count = self.nodes.len();
            let next = (0..count).map(|at| (first + at) % count).find_map(|at| self.nodes[at].sends.pop_front().map(|sent| (at, sent)));
            let Some((from, (send, permit))) = next else { return 0 };
            frames += 1;
            let now_in_force = self.nodes[from].core.gates().of(send.link);
            if send.gated && permit != now_in_force {
                // What waits behind it for the same link is dropped with it and reported once, as the driver does.
                self.nodes[from].sends.retain(|(other, permit)| other.link != send.link || !other.gated || *permit == now_in_force);
                self.nodes[from].give(self.now, Input::FrameDropped { link: send.link });
                continue;
            }
            let to = usize::try_from(send.link.0).expect("few");
            let link = LinkId(from as u64);
            if let Some(heard) = &mut self.heard {
                heard.push((from, to, Message::decode(&send.bytes).expect("honest nodes send messages")));
            }
            let message = wire::check(&self.nodes[to].core.directory(), &network(), &send.bytes).expect("honest nodes send messages");
            self.nodes[to].give(self.now, Input::Message { link, message });
        }
    }

    /// A few seconds pass, and nothing is carried meanwhile.
    pub fn pass_quietly(&mut self, seconds: u64) {
        self.now.mono = MonoMillis(self.now.mono.0 + seconds * 1_000);
        self.now.wall = WallSeconds(self.now.wall.0 + seconds);
        for at in 0..self.nodes.len() {
            self.nodes[at].give(self.now, Input::Wake);
        }
    }

    /// Time passes, in steps that no clock takes for a jump.
    pub fn pass(&mut self, seconds: u64) {
        let mut left = seconds;
        while left > 0 {
            let step = left.min(60).max(left / 200).min(550);
            left -= step;
            self.now.mono = MonoMillis(self.now.mono.0 + step * 1_000);
            self.now.wall = WallSeconds(self.now.wall.0 + step);
            for at in 0..self.nodes.len() {
                self.nodes[at].give(self.now, Input::Wake);
            }
            self.run();
        }
    }

    /// An agreement of `from` with `to` that both concluded.
    pub fn agree(&mut self, from: usize, to: usize, terms: Terms) -> String {
        let partner = self.nodes[to].name.clone();
        let View::Agreements { agreements } = self.ask(from, Command::AgreementOffer { partner, terms }) else { panic!("an offer") };
        let id = agreements[0].id.clone();
        self.run();
        self.ask(to, Command::AgreementAccept { id: id.clone() });
        self.run();
        id
    }

    /// A case of `owner` with a text, for these bureaus.
    pub fn open_case(&mut self, owner: usize, with: &[usize], title: &str, text: &str) -> String {
        let with = with.iter().map(|at| self.nodes[*at].name.clone()).collect();
        let draft = Draft { title: title.to_owned(), text: text.to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
        let View::Sending(sent) = self.ask(owner, Command::CaseOpen { draft, with, continues: None }) else { panic!("it is sent") };
        self.run();
        sent.id
    }

    pub fn note(&mut self, at: usize, id: &str, text: &str) {
        self.ask(at, Command::CaseNote { id: id.to_owned(), kind: "note".to_owned(), text: text.to_owned() });
        self.run();
    }
}

/// Terms from now on for `days`, with one line per category: both give `verbs` up to the ceiling.
pub fn terms(now: WallSeconds, days: u64, lines: &[(Category, Verb, Tlp)]) -> Terms {
    let grant = |(category, verb, tlp_ceiling): &(Category, Verb, Tlp)| Grant {
        direction: Direction::Both,
        category: *category,
        verbs: vec![*verb],
        tlp_ceiling: *tlp_ceiling,
        until: None,
        onward: Onward::None,
        offline_days_max: None,
        subjects_max: None,
        units: None,
        seats: None,
    };
    Terms {
        title: "Cooperation".to_owned(),
        text_hash: None,
        from: now,
        to: now.plus(days * 86_400),
        grants: lines.iter().map(grant).collect(),
        grace_days: 30,
        annex: None,
    }
}

/// What nearly every test agrees on: thread writing for a year, up to AMBER+STRICT.
pub fn usual(now: WallSeconds) -> Terms {
    terms(now, 365, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)])
}

/// A push of a document as its stored items give it, held work too: what somebody says who keeps silent about everything since.
#[expect(clippy::disallowed_methods, reason = "what this test stored itself")]
pub fn push_of(directory: &accord_keys::directory::Directory, document: DocumentId, stored: Vec<(u64, Vec<u8>)>) -> wire::Push {
    let state = DocState::load(directory, Stored::given(document, stored)).expect("reads back");
    let (mut genesis, mut records, mut segments) = (None, Vec::new(), Vec::new());
    for (_, item) in state.items_after(0, true) {
        let bytes = Bytes(item.bytes().to_vec());
        match item {
            Item::Genesis(_) => genesis = Some(bytes),
            Item::Record(_) => records.push(bytes),
            Item::Segment(_) => segments.push(bytes),
            Item::Opening(_) | Item::Receipt(_) => {}
        }
    }
    wire::Push { mark: 7, document, evidence: Vec::new(), genesis, records, segments, cursor: None, openings: None, receipts: None }
}

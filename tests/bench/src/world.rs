//! Bureaus in this process, without disk or network: the real core, every frame it sends counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use accord_keys::directory::Directory;
use accord_keys::id::NetworkId;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_node::swarm::OnWire;
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::bureau::{self, Bureau, FoundPlan, Identity};
use accord_protocol::id::{CertificateId, DocumentId, TransportKey};
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::intake::Stored;
use accord_protocol::step::{Table, Write};
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use accord_protocol::view::{Refused, View};
use accord_protocol::wire::{self, Message};

use crate::Failed;

/// 2030-01-01T00:00:00Z.
pub const START_S: u64 = 1_893_456_000;
/// More frames than this in one exchange are a conversation that does not end.
const FRAMES_MAX: usize = 1_000_000;

/// A command and what the core said to it.
type Answer = (CommandId, Result<View, Refused>);

/// Bytes of the frames of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many.
    pub frames: u64,
    /// Bytes before compression.
    pub plain: u64,
    /// Bytes with header after compression, as on the control stream.
    pub wire: u64,
}

/// Frames by kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Frames that carry documents.
    pub pushes: Tally,
    /// What answers documents: acknowledgements, and the receipts both sides state for good.
    pub answers: Tally,
    /// All others: hello, sums, what differs.
    pub others: Tally,
}

/// One bureau and what a disk would hold of it.
pub struct Member {
    /// Its core.
    pub core: Bureau,
    /// Its officer's certificate.
    pub officer: CertificateId,
    /// Its officer's key.
    pub key: Arc<SecretKey>,
    name: String,
    identity: Identity,
    transport: TransportKey,
    directory: Arc<Directory>,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// Stored parts of documents, in sequence order.
    pub items: BTreeMap<DocumentId, Vec<(u64, Vec<u8>)>>,
    sent: VecDeque<(LinkId, Vec<u8>)>,
    /// Highest sequence of what was lost.
    highest: u64,
    commands: u64,
}

/// All of them. The first has an agreement with each of the others.
pub struct World {
    /// The bureaus.
    pub members: Vec<Member>,
    /// The network of all.
    pub network: NetworkId,
    /// Frames since this was last reset.
    pub counted: Counted,
    /// How the control streams pack, by link and sender.
    packing: BTreeMap<(LinkId, usize), OnWire>,
    /// The longest a core took for one input since this was last set to 0, seconds.
    pub slowest: f64,
    /// Turns of conversations since this was last set to 0: frames in a row from one side are one.
    pub turns: u64,
    /// A member, and a number of documents: the turn with which it held so many is noted.
    pub awaited: Option<(usize, usize)>,
    /// See `awaited`.
    pub arrived: Option<u64>,
    seeds: u64,
    mono: u64,
    links: u64,
    /// Who is at the two ends of a link that stands.
    ends: BTreeMap<LinkId, [usize; 2]>,
}

impl World {
    /// Two bureaus with an agreement, linked.
    ///
    /// # Errors
    /// When the core refuses a step.
    pub fn agreed() -> Result<Self, Failed> {
        Self::county(2, 365)
    }

    /// Founds bureaus; the first checks the others' cards and signs an agreement with each that ends after `days`: threads append, hazards
    /// read. Those two are linked.
    ///
    /// # Errors
    /// When the core refuses a step.
    pub fn county(bureaus: u8, days: u64) -> Result<Self, Failed> {
        let network = NetworkId::named("bench");
        let name = |n: u8| match n {
            1 => "河东县公安局".to_owned(),
            2 => "河西县消防大队".to_owned(),
            n => format!("第{n}县公安局"),
        };
        let members = (1..=bureaus).map(|n| member(network, n, &name(n))).collect::<Result<Vec<_>, _>>()?;
        let mut world = Self {
            members,
            network,
            counted: Counted::default(),
            packing: BTreeMap::new(),
            slowest: 0.0,
            turns: 0,
            awaited: None,
            arrived: None,
            seeds: 0,
            mono: 0,
            links: 0,
            ends: BTreeMap::new(),
        };
        for at in 0..world.members.len() {
            world.enrol(at)?;
        }
        for other in 1..world.members.len() {
            world.agree(other, days)?;
        }
        Ok(world)
    }

    fn agree(&mut self, other: usize, days: u64) -> Result<(), Failed> {
        for (at, of) in [(0, other), (other, 0)] {
            let View::Card(card) = self.ask(of, Command::CardShow)? else { return Err("no card".into()) };
            self.ask(at, Command::PartnerAdd { card: card.text, checking_code: Some(card.checking_code), alias: None })?;
        }
        self.connect_with(other)?;
        let grant = |category, verb, tlp_ceiling| Grant {
            direction: Direction::Both,
            category,
            verbs: vec![verb],
            tlp_ceiling,
            until: None,
            onward: Onward::None,
            offline_days_max: None,
            subjects_max: None,
            units: None,
            seats: None,
        };
        let terms = Terms {
            title: "协作协议".to_owned(),
            text_hash: None,
            from: WallSeconds(START_S),
            to: WallSeconds(START_S + days * 86_400),
            grants: vec![grant(Category::CrimSeries, Verb::Append, Tlp::Red), grant(Category::FireHaz, Verb::Read, Tlp::Red)],
            grace_days: 30,
            annex: None,
        };
        let partner = self.members[other].name.clone();
        let View::Agreements { agreements } = self.ask(0, Command::AgreementOffer { partner, terms })? else {
            return Err("no agreement".into());
        };
        self.exchange()?;
        let id = agreements.first().ok_or("no agreement")?.id.clone();
        self.ask(other, Command::AgreementAccept { id })?;
        self.exchange()
    }

    /// Lets time pass; nobody is asked anything.
    pub fn pass(&mut self, seconds: u64) {
        self.mono += seconds * 1_000;
        if seconds > 0 {
            for packing in self.packing.values_mut() {
                packing.rest();
            }
        }
    }

    /// Gives a member nothing but time; answers how long its core took, seconds.
    ///
    /// # Errors
    /// When a stored document cannot be read back.
    pub fn wake(&mut self, at: usize) -> Result<f64, Failed> {
        let begun = std::time::Instant::now();
        self.handle(at, Input::Wake)?;
        Ok(begun.elapsed().as_secs_f64())
    }

    fn enrol(&mut self, at: usize) -> Result<(), Failed> {
        let key = Arc::clone(&self.members[at].key);
        self.ask(at, Command::OfficerEnrol { name: "officer".to_owned(), key: key.public() })?;
        let View::Officers { officers } = self.ask(at, Command::OfficerFind { name: "officer".to_owned() })? else {
            return Err("no officer".into());
        };
        let certificate = officers.first().and_then(|officer| CertificateId::from_hex(&officer.certificate)).ok_or("no certificate")?;
        self.members[at].officer = certificate;
        self.ask(at, Command::Unlock { name: "officer".to_owned(), certificate, signer: key })?;
        Ok(())
    }

    /// What a member calls itself.
    pub fn name(&self, at: usize) -> String {
        self.members[at].name.clone()
    }

    /// One command in the name of the only officer.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask(&mut self, at: usize, command: Command) -> Result<View, Failed> {
        self.members[at].commands += 1;
        let id = CommandId(self.members[at].commands);
        let answers = self.handle(at, Input::Command { id, person: None, dry_run: false, command })?;
        let answer = answers.into_iter().find(|(answered, _)| *answered == id).ok_or("no answer")?.1;
        answer.map_err(|refused| format!("refused: {} {:?}", refused.code, refused.params).into())
    }

    /// Opens a member's core anew from what its disk would hold.
    ///
    /// # Errors
    /// When that is no state of a bureau.
    pub fn reopen(&mut self, at: usize) -> Result<(), Failed> {
        let now = Now { mono: MonoMillis(self.mono), wall: WallSeconds(START_S + self.mono / 1_000) };
        let member = &mut self.members[at];
        let stored = member.rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
        member.core = Bureau::open(now, member.identity.clone(), stored).map_err(|error| error.to_string())?;
        member.core.raise_sequence(member.items.values().flatten().map(|(seq, _)| *seq).max().unwrap_or(0).max(member.highest));
        member.directory = member.core.directory();
        Ok(())
    }

    /// Ends every link.
    ///
    /// # Errors
    /// When a stored document cannot be read back.
    pub fn disconnect(&mut self) -> Result<(), Failed> {
        for (link, ends) in std::mem::take(&mut self.ends) {
            for at in ends {
                self.handle(at, Input::LinkDown { link })?;
                self.members[at].sent.clear();
            }
        }
        Ok(())
    }

    /// Links the first two and lets them talk until both are silent.
    ///
    /// # Errors
    /// When a stored document cannot be read back or they never fall silent.
    pub fn connect(&mut self) -> Result<(), Failed> {
        self.connect_with(1)
    }

    fn connect_with(&mut self, other: usize) -> Result<(), Failed> {
        self.links += 1;
        let link = LinkId(self.links);
        self.ends.insert(link, [0, other]);
        for (at, of) in [(0, other), (other, 0)] {
            let transport = self.members[of].transport;
            self.handle(at, Input::LinkUp { link, transport, outgoing: at == 0 })?;
        }
        self.exchange()
    }

    /// Carries frames until all are silent.
    ///
    /// # Errors
    /// As [`World::connect`].
    pub fn exchange(&mut self) -> Result<(), Failed> {
        let mut speaks = None;
        for _ in 0..FRAMES_MAX {
            // Who speaks says all it has to say.
            let order = speaks.into_iter().chain(0..self.members.len());
            let next = order.into_iter().find_map(|at: usize| Some((at, self.members[at].sent.pop_front()?)));
            let Some((from, (link, bytes))) = next else { return Ok(()) };
            if speaks != Some(from) {
                self.turns += 1;
                speaks = Some(from);
            }
            let Some(ends) = self.ends.get(&link) else { continue };
            let to = if ends[0] == from { ends[1] } else { ends[0] };
            self.count(link, from, &bytes);
            let directory = Arc::clone(&self.members[to].directory);
            let message = wire::check(&directory, &self.network, &bytes).map_err(|error| format!("own frame refused: {error}"))?;
            self.handle(to, Input::Message { link, message })?;
            if self.arrived.is_none() && self.awaited.is_some_and(|(at, documents)| self.members[at].documents() >= documents) {
                self.arrived = Some(self.turns);
            }
        }
        Err("they never fall silent".into())
    }

    fn count(&mut self, link: LinkId, from: usize, bytes: &[u8]) {
        let tally = match Message::decode(bytes) {
            Ok(Message::Push(_)) => &mut self.counted.pushes,
            Ok(Message::Ack(_) | Message::Ledger(_)) => &mut self.counted.answers,
            _ => &mut self.counted.others,
        };
        tally.frames += 1;
        tally.plain += bytes.len() as u64;
        tally.wire += self.packing.entry((link, from)).or_insert_with(OnWire::begin).frame(bytes) as u64;
    }

    /// One input as the driver gives it: bodies first, writes kept before anything is sent.
    fn handle(&mut self, at: usize, input: Input) -> Result<Vec<Answer>, Failed> {
        let mut answers = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now { mono: MonoMillis(self.mono), wall: WallSeconds(START_S + self.mono / 1_000) };
            self.seeds += 1;
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&self.seeds.to_be_bytes());
            let member = &mut self.members[at];
            for document in member.core.needs(&input) {
                member.hold(document)?;
            }
            let begun = std::time::Instant::now();
            let step = member.core.handle(now, seed, input);
            self.slowest = self.slowest.max(begun.elapsed().as_secs_f64());
            for write in step.writes {
                match write {
                    Write::Put { table, key, value: Some(value) } => drop(member.rows.insert((table, key), value)),
                    Write::Put { table, key, value: None } => drop(member.rows.remove(&(table, key))),
                    Write::Item { document, seq, body } => member.items.entry(document).or_default().push((seq, body)),
                    Write::Account(_) => {}
                }
            }
            member.core.committed();
            if step.directory_changed {
                member.directory = member.core.directory();
            }
            member.sent.extend(step.sends.into_iter().map(|send| (send.link, send.bytes)));
            answers.extend(step.answers);
            for document in &step.wants {
                member.hold_wanted(*document)?;
            }
            if !step.wants.is_empty() {
                inputs.push_back(Input::Wake);
            }
        }
        Ok(answers)
    }
}

impl Member {
    /// Parts of documents held.
    pub fn parts(&self) -> usize {
        self.items.values().map(Vec::len).sum()
    }

    /// Documents listed.
    pub fn documents(&self) -> usize {
        self.rows.keys().filter(|(table, _)| *table == Table::Documents).count()
    }

    /// Loses a document without a trace, as a damaged disk might.
    pub fn lose(&mut self, document: &DocumentId) {
        let highest = self.items.remove(document).and_then(|items| items.last().map(|(seq, _)| *seq));
        self.highest = self.highest.max(highest.unwrap_or(0));
        self.rows.remove(&(Table::Documents, document.0.to_vec()));
    }

    /// Values of one table, as a disk would hold them.
    pub fn rows(&self, table: Table) -> impl Iterator<Item = &Vec<u8>> {
        self.rows.iter().filter(move |((of, _), _)| *of == table).map(|(_, value)| value)
    }

    fn hold_wanted(&mut self, document: DocumentId) -> Result<(), Failed> {
        let items = self.items.get(&document).cloned().unwrap_or_default();
        self.core.hold_wanted(document, items).map_err(|error| error.to_string().into())
    }

    fn hold(&mut self, document: DocumentId) -> Result<(), Failed> {
        let items = self.items.get(&document).cloned().unwrap_or_default();
        self.core.hold(document, items).map_err(|error| error.to_string().into())
    }
}

fn member(network: NetworkId, n: u8, name: &str) -> Result<Member, Failed> {
    // A seed of its own for each key of each bureau.
    let seed = |of: u8| std::array::from_fn(|at| if at == 0 { of } else { n });
    let node = Arc::new(SecretKey::from_seed(seed(0)));
    let transport = TransportKey(SecretKey::from_seed(seed(1)).public().0);
    let founded = bureau::found(&FoundPlan {
        network,
        unit_code: format!("3301{n:02}"),
        name: name.to_owned(),
        addresses: vec![format!("127.0.0.1:74{n:02}")],
        phone: "0571-0000000".to_owned(),
        officer: "officer".to_owned(),
        root: &SecretKey::from_seed(seed(2)),
        node: node.as_ref(),
        transport,
        hpke: HpkeSecret::from_seed(seed(3)).public(),
        now: WallSeconds(START_S),
        random: [n; 64],
    })
    .map_err(|error| error.to_string())?;
    let mut rows = BTreeMap::new();
    for write in founded.writes {
        if let Write::Put { table, key, value: Some(value) } = write {
            rows.insert((table, key), value);
        }
    }
    let identity = Identity { network, bureau: founded.bureau, certificate: founded.certificate, signer: node, cursor_key: seed(4) };
    let stored = rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
    let now = Now { mono: MonoMillis(0), wall: WallSeconds(START_S) };
    let core = Bureau::open(now, identity.clone(), stored).map_err(|error| error.to_string())?;
    Ok(Member {
        directory: core.directory(),
        core,
        officer: founded.certificate,
        key: Arc::new(SecretKey::from_seed(seed(5))),
        name: name.to_owned(),
        identity,
        transport,
        rows,
        items: BTreeMap::new(),
        sent: VecDeque::new(),
        highest: 0,
        commands: 0,
    })
}

/// Items of one document as a store gives them.
pub fn stored(document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Stored {
    Stored::given(document, items)
}

#[cfg(test)]
mod tests {
    use accord_protocol::input::Draft;

    use super::*;

    #[test]
    fn two_bureaus_in_one_process_hold_the_same_thread() {
        let mut world = World::agreed().expect("an agreement");
        let draft = Draft { title: "线索".into(), text: "内容".into(), category: "CRIM.SERIES".into(), ..Draft::default() };
        let with = vec![world.name(1)];
        let View::Sending(sent) = world.ask(0, Command::CaseOpen { draft, with, continues: None }).expect("opened") else {
            panic!("no sending")
        };
        world.exchange().expect("silent");
        let show = |world: &mut World, at| match world.ask(at, Command::DocumentShow { id: sent.id.clone() }) {
            Ok(View::Document(view)) => view.content_hash,
            other => panic!("{other:?}"),
        };
        assert_eq!(show(&mut world, 0), show(&mut world, 1));
        assert!(world.counted.pushes.wire > 0 && world.counted.pushes.wire <= world.counted.pushes.plain + 5 * world.counted.pushes.frames);
    }
}

//! Two bureaus in this process, without disk or network: the real core, every frame it sends counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use accord_keys::directory::Directory;
use accord_keys::id::NetworkId;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::bureau::{self, Bureau, FoundPlan, Identity};
use accord_protocol::id::{CertificateId, DocumentId, TransportKey};
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::step::{Table, Write};
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use accord_protocol::view::{Refused, View};
use accord_protocol::wire::{self, Message};

use crate::Failed;

/// 2030-01-01T00:00:00Z.
const START_S: u64 = 1_893_456_000;
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
    /// All others: hello, acknowledgements, sums.
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
    transport: TransportKey,
    directory: Arc<Directory>,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// Stored parts of documents, in sequence order.
    pub items: BTreeMap<DocumentId, Vec<(u64, Vec<u8>)>>,
    sent: VecDeque<Vec<u8>>,
    commands: u64,
}

/// Both of them.
pub struct World {
    /// The bureaus.
    pub members: [Member; 2],
    /// The network of both.
    pub network: NetworkId,
    /// Frames since this was last reset.
    pub counted: Counted,
    seeds: u64,
    mono: u64,
    links: u64,
}

impl World {
    /// Founds two bureaus, lets them check each other's cards and sign an agreement: threads append, hazards read.
    ///
    /// # Errors
    /// When the core refuses a step.
    pub fn agreed() -> Result<Self, Failed> {
        let network = NetworkId::named("bench");
        let members = [member(network, 1, "河东县公安局")?, member(network, 2, "河西县消防大队")?];
        let mut world = Self { members, network, counted: Counted::default(), seeds: 0, mono: 0, links: 0 };
        for at in [0, 1] {
            world.enrol(at)?;
            let View::Card(card) = world.ask(1 - at, Command::CardShow)? else { return Err("no card".into()) };
            let add = Command::PartnerAdd { card: card.text, checking_code: Some(card.checking_code), alias: None };
            world.ask(at, add)?;
        }
        world.connect()?;
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
            to: WallSeconds(START_S + 365 * 86_400),
            grants: vec![grant(Category::CrimSeries, Verb::Append, Tlp::Red), grant(Category::FireHaz, Verb::Read, Tlp::Red)],
            grace_days: 30,
            annex: None,
        };
        let partner = world.members[1].name.clone();
        let View::Agreements { agreements } = world.ask(0, Command::AgreementOffer { partner, terms })? else {
            return Err("no agreement".into());
        };
        world.exchange()?;
        let id = agreements.first().ok_or("no agreement")?.id.clone();
        world.ask(1, Command::AgreementAccept { id })?;
        world.exchange()?;
        Ok(world)
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

    /// Ends the link between them.
    ///
    /// # Errors
    /// When a stored document cannot be read back.
    pub fn disconnect(&mut self) -> Result<(), Failed> {
        let link = LinkId(self.links);
        for at in [0, 1] {
            self.handle(at, Input::LinkDown { link })?;
            self.members[at].sent.clear();
        }
        Ok(())
    }

    /// Links them and lets them talk until both are silent.
    ///
    /// # Errors
    /// When a stored document cannot be read back or they never fall silent.
    pub fn connect(&mut self) -> Result<(), Failed> {
        self.links += 1;
        let link = LinkId(self.links);
        for at in [0, 1] {
            let transport = self.members[1 - at].transport;
            self.handle(at, Input::LinkUp { link, transport, outgoing: at == 0 })?;
        }
        self.exchange()
    }

    /// Carries frames until both are silent.
    ///
    /// # Errors
    /// As [`World::connect`].
    pub fn exchange(&mut self) -> Result<(), Failed> {
        let link = LinkId(self.links);
        for _ in 0..FRAMES_MAX {
            let Some((from, bytes)) = [0, 1].into_iter().find_map(|at| self.members[at].sent.pop_front().map(|bytes| (at, bytes))) else {
                return Ok(());
            };
            self.count(&bytes);
            let directory = Arc::clone(&self.members[1 - from].directory);
            let message = wire::check(&directory, &self.network, &bytes).map_err(|error| format!("own frame refused: {error}"))?;
            self.handle(1 - from, Input::Message { link, message })?;
        }
        Err("the two never fall silent".into())
    }

    fn count(&mut self, bytes: &[u8]) {
        let tally = match Message::decode(bytes) {
            Ok(Message::Push(_)) => &mut self.counted.pushes,
            _ => &mut self.counted.others,
        };
        tally.frames += 1;
        tally.plain += bytes.len() as u64;
        tally.wire += accord_node::swarm::frame_on_wire(bytes).len() as u64;
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
            let step = member.core.handle(now, seed, input);
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
            member.sent.extend(step.sends.into_iter().map(|send| send.bytes));
            answers.extend(step.answers);
            for document in &step.wants {
                member.hold(*document)?;
            }
            if !step.wants.is_empty() {
                inputs.push_back(Input::Wake);
            }
        }
        Ok(answers)
    }
}

impl Member {
    fn hold(&mut self, document: DocumentId) -> Result<(), Failed> {
        let items = self.items.get(&document).cloned().unwrap_or_default();
        self.core.hold(document, items).map_err(|error| error.to_string().into())
    }
}

fn member(network: NetworkId, n: u8, name: &str) -> Result<Member, Failed> {
    let node = Arc::new(SecretKey::from_seed([n; 32]));
    let transport = TransportKey(SecretKey::from_seed([n + 10; 32]).public().0);
    let founded = bureau::found(&FoundPlan {
        network,
        unit_code: format!("33010{n}"),
        name: name.to_owned(),
        addresses: vec![format!("127.0.0.1:740{n}")],
        phone: "0571-0000000".to_owned(),
        officer: "officer".to_owned(),
        root: &SecretKey::from_seed([n + 20; 32]),
        node: node.as_ref(),
        transport,
        hpke: HpkeSecret::from_seed([n + 30; 32]).public(),
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
    let identity = Identity { network, bureau: founded.bureau, certificate: founded.certificate, signer: node, cursor_key: [n + 40; 32] };
    let stored = rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
    let now = Now { mono: MonoMillis(0), wall: WallSeconds(START_S) };
    let core = Bureau::open(now, identity, stored).map_err(|error| error.to_string())?;
    Ok(Member {
        directory: core.directory(),
        core,
        officer: founded.certificate,
        key: Arc::new(SecretKey::from_seed([n + 50; 32])),
        name: name.to_owned(),
        transport,
        rows,
        items: BTreeMap::new(),
        sent: VecDeque::new(),
        commands: 0,
    })
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
        let View::Sending(sent) = world.ask(0, Command::CaseOpen { draft, with }).expect("opened") else { panic!("no sending") };
        world.exchange().expect("silent");
        let show = |world: &mut World, at| match world.ask(at, Command::DocumentShow { id: sent.id.clone() }) {
            Ok(View::Document(view)) => view.content_hash,
            other => panic!("{other:?}"),
        };
        assert_eq!(show(&mut world, 0), show(&mut world, 1));
        assert!(world.counted.pushes.wire > 0 && world.counted.pushes.wire <= world.counted.pushes.plain + 5 * world.counted.pushes.frames);
    }
}

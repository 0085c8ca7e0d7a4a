//! The core alone: two bureaus in one process agree, one publishes a bulletin, both end with the same document.
//!
//! The core ([`Bureau`]) never reads a clock, a disk, a socket or dice. Whoever embeds it repeats one thing: give it an input with the
//! time and a seed, keep what the step asks to keep, and only then carry what it sends. Here "keep" is a map and "carry" is a queue.
//!
//! ## Usage
//! `cargo run -p accord-examples --bin embed_core`

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::Arc;

use accord_keys::id::NetworkId;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::bureau::{self, Bureau, FoundPlan, Identity};
use accord_protocol::id::{CertificateId, DocumentId, TransportKey};
use accord_protocol::input::{Command, CommandId, Draft, Input, LinkId};
use accord_protocol::step::{Table, Write};
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use accord_protocol::view::View;
use accord_protocol::wire;

/// The moment of the whole example: 2030-01-01T00:00:00Z.
const NOW: Now = Now { mono: MonoMillis(0), wall: WallSeconds(1_893_456_000) };
const LINK: LinkId = LinkId(1);
const OFFICER: &str = "值班员";

/// A bureau, its "disk" and what it wants to send.
struct Node {
    core: Bureau,
    name: &'static str,
    transport: TransportKey,
    items: BTreeMap<DocumentId, Vec<(u64, Vec<u8>)>>,
    sends: VecDeque<Vec<u8>>,
    inputs: u64,
}

impl Node {
    /// Founds a bureau. Real keys come from the system's randomness; fixed ones make this example say the same every time.
    fn found(n: u8, name: &'static str) -> Result<Self, Box<dyn Error>> {
        let network = NetworkId::named("example");
        let signer = Arc::new(SecretKey::from_seed([n; 32]));
        let transport = TransportKey(SecretKey::from_seed([n + 10; 32]).public().0);
        let founded = bureau::found(&FoundPlan {
            network,
            unit_code: format!("99010{n}"),
            name: name.to_owned(),
            addresses: Vec::new(),
            phone: "0000-0000000".to_owned(),
            officer: OFFICER.to_owned(),
            root: &SecretKey::from_seed([n + 20; 32]),
            node: signer.as_ref(),
            transport,
            hpke: HpkeSecret::from_seed([n + 30; 32]).public(),
            now: NOW.wall,
            random: [n; 64],
        })?;
        let mut rows: Vec<(Table, Vec<u8>, Vec<u8>)> = Vec::new();
        for write in founded.writes {
            if let Write::Put { table, key, value: Some(value) } = write {
                rows.push((table, key, value));
            }
        }
        let identity = Identity { network, bureau: founded.bureau, certificate: founded.certificate, signer, cursor_key: [n; 32] };
        let core = Bureau::open(NOW, identity, rows)?;
        let mut node = Self { core, name, transport, items: BTreeMap::new(), sends: VecDeque::new(), inputs: 0 };
        node.log_in(Arc::new(SecretKey::from_seed([n + 40; 32])))?;
        Ok(node)
    }

    /// The officer's first login: a certificate for the key, then the key for this shift.
    fn log_in(&mut self, key: Arc<SecretKey>) -> Result<(), Box<dyn Error>> {
        self.ask(Command::OfficerEnrol { name: OFFICER.to_owned(), key: key.public() })?;
        let View::Officers { officers } = self.ask(Command::OfficerFind { name: OFFICER.to_owned() })? else {
            return Err("no officer".into());
        };
        let certificate = officers.first().and_then(|officer| CertificateId::from_hex(&officer.certificate)).ok_or("no certificate")?;
        self.ask(Command::Unlock { name: OFFICER.to_owned(), certificate, signer: key })?;
        Ok(())
    }

    /// The whole driver: bodies the input needs, the input, what is to be kept, what is to be sent.
    fn give(&mut self, input: Input) -> Result<Option<View>, Box<dyn Error>> {
        for document in self.core.needs(&input) {
            self.core.hold(document, self.items.get(&document).cloned().unwrap_or_default())?;
        }
        self.inputs += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.inputs.to_be_bytes());
        let step = self.core.handle(NOW, seed, input);
        for write in step.writes {
            if let Write::Item { document, seq, body } = write {
                self.items.entry(document).or_default().push((seq, body));
            }
        }
        self.core.committed();
        self.sends.extend(step.sends.into_iter().map(|send| send.bytes));
        match step.answers.into_iter().next() {
            Some((_, Ok(view))) => Ok(Some(view)),
            Some((_, Err(refused))) => Err(format!("{} refused: {}", self.name, refused.code).into()),
            None => Ok(None),
        }
    }

    fn ask(&mut self, command: Command) -> Result<View, Box<dyn Error>> {
        let input = Input::Command { id: CommandId(self.inputs), person: None, dry_run: false, command };
        self.give(input)?.ok_or_else(|| "no answer".into())
    }
}

/// Carries frames both ways until neither has anything to say.
fn talk(nodes: &mut [Node; 2]) -> Result<usize, Box<dyn Error>> {
    let mut frames = 0;
    while let Some((from, bytes)) = [0, 1].into_iter().find_map(|at| nodes[at].sends.pop_front().map(|bytes| (at, bytes))) {
        let to = &mut nodes[1 - from];
        let message = wire::check(&to.core.directory(), &NetworkId::named("example"), &bytes)?;
        to.give(Input::Message { link: LINK, message })?;
        frames += 1;
    }
    Ok(frames)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut nodes = [Node::found(1, "临溪县公安局")?, Node::found(2, "北岭县消防救援大队")?];

    // Each side takes the other's card; the checking code is what two officers would read to each other on the phone.
    for (reader, owner) in [(0, 1), (1, 0)] {
        let View::Card(card) = nodes[owner].ask(Command::CardShow)? else { return Err("no card".into()) };
        nodes[reader].ask(Command::PartnerAdd { card: card.text, checking_code: Some(card.checking_code), alias: None })?;
    }
    for at in [0, 1] {
        let transport = nodes[1 - at].transport;
        nodes[at].give(Input::LinkUp { link: LINK, transport, outgoing: at == 0 })?;
    }
    talk(&mut nodes)?;

    let terms = Terms {
        title: "火灾隐患抄告协议".to_owned(),
        text_hash: None,
        from: NOW.wall,
        to: NOW.wall.plus(365 * 86_400),
        grants: vec![Grant {
            direction: Direction::OffererGives,
            category: Category::FireHaz,
            verbs: vec![Verb::Read],
            tlp_ceiling: Tlp::Amber,
            until: None,
            onward: Onward::None,
            offline_days_max: None,
            subjects_max: None,
            units: None,
            seats: None,
        }],
        grace_days: 30,
        annex: None,
    };
    let partner = nodes[1].name.to_owned();
    let offer = nodes[0].ask(Command::AgreementOffer { partner: partner.clone(), terms })?;
    let View::Agreements { agreements } = offer else { return Err("no offer".into()) };
    let id = agreements.first().ok_or("no offer")?.id.clone();
    talk(&mut nodes)?;
    nodes[1].ask(Command::AgreementAccept { id: id.clone() })?;
    talk(&mut nodes)?;
    let View::Agreements { agreements } = nodes[0].ask(Command::AgreementShow { id })? else { return Err("no agreement".into()) };
    println!("agreement   {}", agreements.first().ok_or("no agreement")?.standing);

    let text = Draft {
        title: "关于某仓库消防通道堵塞的抄告".to_owned(),
        text: "现场检查发现消防通道被货物堵塞，请依法处理。".to_owned(),
        category: "FIRE.HAZ".to_owned(),
        subkind: "hazard".to_owned(),
        ..Draft::default()
    };
    let published = nodes[0].ask(Command::BulletinPublish { draft: None, text: Some(text), to: vec![partner], open: false })?;
    let View::Sending(sent) = published else { return Err("nothing was sent".into()) };
    println!("bulletin    {} {}", &sent.id[..8], sent.number);
    println!("frames      {}", talk(&mut nodes)?);

    let mut shown = Vec::new();
    for node in &mut nodes {
        let View::Document(view) = node.ask(Command::DocumentShow { id: sent.id.clone() })? else { return Err("no document".into()) };
        println!("{}\t{} {}", node.name, view.line.title, &view.content_hash[..16]);
        shown.push(view.content_hash);
    }
    if shown[0] != shown[1] {
        return Err("the two show different documents".into());
    }
    println!("converged   true");
    Ok(())
}

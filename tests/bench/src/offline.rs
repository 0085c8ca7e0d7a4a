//! A stopped daemon's folder, worked on by the real core over the real store: how many documents come into it without asking the API for each.

use std::path::Path;
use std::sync::{Arc, mpsc};

use accord_keys::directory::Directory;
use accord_keys::keyfile::KdfParams;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_node::driver::Clock;
use accord_node::invite::Invite;
use accord_node::keystore::KeyFolder;
use accord_node::store::{Store, StoreKey};
use accord_node::swarm;
use accord_protocol::access::log::Grantee;
use accord_protocol::agreement::Verb;
use accord_protocol::bureau::{Bureau, Identity, LaptopPlan, found_laptop};
use accord_protocol::id::{AgreementId, BureauId, Bytes, CertificateId, DocumentId, NetworkId, TransportKey};
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::intake::Item;
use accord_protocol::step::{Send, Table, Write};
use accord_protocol::view::View;
use accord_protocol::wire::{self, Checked, Join, Message, Push};

use crate::county::PASSPHRASE;
use crate::documents::{self, Shape, Writer};
use crate::{Failed, seconds};

/// The link the documents come over.
const LINK: LinkId = LinkId(1);
/// Documents in one durable batch, about what a busy turn of the daemon holds.
const PER_BATCH: usize = 64;
/// Documents written ahead.
const AHEAD: usize = 256;
/// Ids told.
const IDS_KEPT: usize = 1_000;

/// The core of a stopped daemon.
pub struct Offline {
    core: Bureau,
    store: Store,
    clock: Clock,
    network: NetworkId,
    transport: TransportKey,
    writes: Vec<Write>,
    commands: u64,
}

/// What was written into a folder.
pub struct Filled {
    /// Ids of the first documents.
    pub ids: Vec<String>,
    /// Raw changes of the first documents, for peers.
    pub raw: Vec<Vec<Vec<u8>>>,
    /// Bytes of the segments of all documents as stored, and of their raw changes.
    pub segment_bytes: u64,
    /// See `segment_bytes`.
    pub raw_bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// What goes out, and the answer to a command.
type Heard = (Vec<Send>, Option<Result<View, Failed>>);

/// What stands in for the laptop that brings the documents: a device of the same bureau, with its own core and no store.
struct Laptop {
    core: Bureau,
    transport: TransportKey,
}

impl Offline {
    /// Opens a folder whose daemon does not run.
    ///
    /// # Errors
    /// When keys or store cannot be opened.
    pub fn open(data: &Path) -> Result<Self, Failed> {
        let clock = Clock::start();
        let keys = KeyFolder::open(data, KdfParams::default())?.read_node(PASSPHRASE)?;
        let (store, _) = Store::open(&data.join("store"), &StoreKey::new(keys.store), &mut |_| {})?;
        let identity = Identity {
            network: keys.network,
            bureau: keys.bureau,
            certificate: keys.certificate,
            signer: Arc::new(SecretKey::from_seed(keys.signing)),
            cursor_key: keys.cursor,
        };
        let mut rows = Vec::new();
        for table in Table::ALL {
            rows.extend(store.scan(table)?.into_iter().map(|(key, value)| (table, key, value)));
        }
        let mut core = Bureau::open(clock.now(), identity, rows)?;
        core.raise_sequence(store.sequence());
        let transport = swarm::transport_key(&keys.transport)?;
        Ok(Self { core, store, clock, network: keys.network, transport, writes: Vec::new(), commands: 0 })
    }

    /// One input, as the driver gives it.
    fn handle(&mut self, input: Input) -> Result<Heard, Failed> {
        let missing = self.core.needs(&input);
        if !missing.is_empty() {
            self.flush()?;
        }
        for document in missing {
            self.core.hold(document, self.store.items(&document, 0)?)?;
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        let step = self.core.handle(self.clock.now(), seed, input);
        self.writes.extend(step.writes);
        let answer = step.answers.into_iter().next();
        let answer = answer.map(|(_, answer)| answer.map_err(|refused| format!("refused: {} {:?}", refused.code, refused.params).into()));
        Ok((step.sends, answer))
    }

    /// Commits what was decided.
    fn flush(&mut self) -> Result<(), Failed> {
        self.store.commit(&std::mem::take(&mut self.writes))?;
        self.core.committed();
        Ok(())
    }

    /// One command in nobody's name.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask(&mut self, command: Command) -> Result<View, Failed> {
        self.commands += 1;
        let (_, answer) = self.handle(Input::Command { id: CommandId(self.commands), person: None, dry_run: false, command })?;
        self.flush()?;
        answer.ok_or("no answer")?
    }

    /// Bytes of the stored segments of some documents, in the order in which they came.
    ///
    /// # Errors
    /// When the store does not give what was written.
    pub fn segments(self, ids: &[String]) -> Result<Vec<Vec<usize>>, Failed> {
        let mut out = Vec::new();
        for id in ids {
            let id = DocumentId::from_hex(id).ok_or("no id")?;
            let items = self.store.items(&id, 0)?;
            let size = |bytes: &[u8]| match Item::from_bytes(bytes) {
                Some(Item::Segment(bytes)) => Some(bytes.len()),
                _ => None,
            };
            out.push(items.iter().filter_map(|(_, bytes)| size(bytes)).collect());
        }
        self.store.close()?;
        Ok(out)
    }

    /// Enrols an officer's key; the officer was added before.
    ///
    /// # Errors
    /// The refusal.
    pub fn writer(&mut self, name: &str, seed: [u8; 32]) -> Result<Writer, Failed> {
        let key = Arc::new(SecretKey::from_seed(seed));
        self.ask(Command::OfficerEnrol { name: name.to_owned(), key: key.public() })?;
        let View::Officers { officers } = self.ask(Command::OfficerFind { name: name.to_owned() })? else {
            return Err("no officer".into());
        };
        let certificate = officers.first().and_then(|officer| CertificateId::from_hex(&officer.certificate)).ok_or("no certificate")?;
        let member = self.core.directory().certificate(&certificate).ok_or("an unknown certificate")?.body().clone();
        Ok(Writer { certificate, member, key })
    }

    /// The partners with the agreement each is under, as those who hold a document from its beginning.
    fn audience(&mut self) -> Result<Vec<Grantee>, Failed> {
        let View::Agreements { agreements } = self.ask(Command::AgreementList)? else { return Err("no agreements".into()) };
        let View::Partners { partners } = self.ask(Command::PartnerList)? else { return Err("no partners".into()) };
        let mut out = Vec::new();
        for partner in partners {
            let bureau = BureauId::from_hex(&partner.bureau).ok_or("no bureau")?;
            let agreement = agreements.iter().find(|agreement| agreement.partner_name == partner.name).ok_or("no agreement")?;
            out.push(Grantee::plain(bureau, Verb::Append, AgreementId::from_hex(&agreement.id)));
        }
        out.sort();
        Ok(out)
    }

    /// Takes in `count` documents by two officers, brought by a laptop of this bureau over a link: checked, admitted, adopted by the
    /// registrar and stored as everything a laptop brings. Ends with the store closed.
    ///
    /// # Errors
    /// When the core refuses a document.
    pub fn fill(mut self, invite: &str, count: usize, kept: usize, changes: usize) -> Result<Filled, Failed> {
        let begun = std::time::Instant::now();
        let writers = [self.writer("first", [81; 32])?, self.writer("second", [82; 32])?];
        let mut laptop = self.join(invite)?;
        self.greet(&mut laptop)?;
        let shape = Shape { audience: self.audience()?, at: self.clock.now().wall, changes, ..Shape::single() };
        let (directory, network) = (self.core.directory(), self.network);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut filled = Filled { ids: Vec::new(), raw: Vec::new(), segment_bytes: 0, raw_bytes: 0, seconds: 0.0 };
        std::thread::scope(|scope| -> Result<(), Failed> {
            let mut made = Vec::new();
            for thread in 0..threads {
                let (out, into) = mpsc::sync_channel(AHEAD);
                let (shape, writers, directory) = (&shape, &writers, &directory);
                scope.spawn(move || {
                    for n in (thread..count).step_by(threads) {
                        let made = pushed(&network, directory, writers, shape, n).map_err(|failed| failed.to_string());
                        if out.send(made).is_err() {
                            return;
                        }
                    }
                });
                made.push(into);
            }
            for n in 0..count {
                let (message, raw, bytes) = made[n % threads].recv()??;
                filled.segment_bytes += bytes;
                filled.raw_bytes += raw.iter().map(|raw| raw.len() as u64).sum::<u64>();
                if let Checked::Push(push) = &message
                    && filled.ids.len() < IDS_KEPT
                {
                    filled.ids.push(push.document.to_string());
                }
                if n < kept {
                    filled.raw.push(raw);
                }
                let (sends, _) = self.handle(Input::Message { link: LINK, message })?;
                if sends.iter().any(|send| matches!(Message::decode(&send.bytes), Ok(Message::Declined { .. } | Message::Want(_)))) {
                    return Err(format!("document {n} was not taken in").into());
                }
                if (n + 1) % PER_BATCH == 0 {
                    self.flush()?;
                }
            }
            Ok(())
        })?;
        self.handle(Input::LinkDown { link: LINK })?;
        let last = self.core.stopping(self.clock.now());
        self.writes.extend(last.writes);
        self.flush()?;
        self.store.close()?;
        filled.seconds = seconds(begun);
        Ok(filled)
    }

    /// Enrols the laptop with an invitation's code.
    fn join(&mut self, code: &str) -> Result<Laptop, Failed> {
        let invite = Invite::parse(code)?;
        let invitation = swarm::transport_key(&invite.transport_seed())?;
        let (device, officer) = (Arc::new(SecretKey::from_seed([91; 32])), SecretKey::from_seed([92; 32]));
        let transport = swarm::transport_key(&[93; 32])?;
        let hpke = HpkeSecret::from_seed([94; 32]).public();
        let join = Join { device: device.public(), transport, hpke, officer: officer.public() };
        self.handle(Input::LinkUp { link: LINK, transport: invitation, outgoing: false })?;
        let (sends, _) = self.handle(Input::Message { link: LINK, message: Checked::Plain(Message::Join(join)) })?;
        self.handle(Input::LinkDown { link: LINK })?;
        self.flush()?;
        let welcome = sends.iter().find_map(|send| match Message::decode(&send.bytes) {
            Ok(Message::Welcome(welcome)) => Some(welcome),
            _ => None,
        });
        let founded = found_laptop(&LaptopPlan {
            network: self.network,
            bureau: self.core.id(),
            welcome: &welcome.ok_or("no welcome")?,
            device: device.public(),
            officer: officer.public(),
            now: self.clock.now().wall,
            random: [95; 32],
        })?;
        let identity = Identity {
            network: self.network,
            bureau: founded.bureau,
            certificate: founded.certificate,
            signer: device,
            cursor_key: [96; 32],
        };
        let rows = founded.writes.into_iter().filter_map(|write| match write {
            Write::Put { table, key, value: Some(value) } => Some((table, key, value)),
            _ => None,
        });
        Ok(Laptop { core: Bureau::open(self.clock.now(), identity, rows.collect())?, transport })
    }

    /// Links the laptop: both hellos are heard.
    fn greet(&mut self, laptop: &mut Laptop) -> Result<(), Failed> {
        let (mut to_us, mut to_it) = (Vec::new(), Vec::new());
        to_it.extend(self.handle(Input::LinkUp { link: LINK, transport: laptop.transport, outgoing: false })?.0);
        let up = Input::LinkUp { link: LINK, transport: self.transport, outgoing: true };
        to_us.extend(laptop.core.handle(self.clock.now(), [97; 32], up).sends);
        while !to_us.is_empty() || !to_it.is_empty() {
            for send in std::mem::take(&mut to_it) {
                let message = wire::check(&laptop.core.directory(), &self.network, &send.bytes)?;
                to_us.extend(laptop.core.handle(self.clock.now(), [98; 32], Input::Message { link: LINK, message }).sends);
            }
            for send in std::mem::take(&mut to_us) {
                let message = wire::check(&self.core.directory(), &self.network, &send.bytes)?;
                to_it.extend(self.handle(Input::Message { link: LINK, message })?.0);
            }
        }
        self.flush()
    }
}

/// A document as the laptop sends it, checked as the daemon's workers check it; its raw changes; bytes of its segments.
fn pushed(
    network: &NetworkId,
    directory: &Directory,
    writers: &[Writer; 2],
    shape: &Shape,
    n: usize,
) -> Result<(Checked, Vec<Vec<u8>>, u64), Failed> {
    let document = documents::write(network, writers, shape, n)?;
    let segments: Vec<Bytes> = document.segments.iter().map(|(segment, _)| Bytes(accord_keys::canon::encode(segment))).collect();
    let bytes = segments.iter().map(|segment| segment.0.len() as u64).sum();
    let push = Push { genesis: Some(Bytes(document.genesis.sealed().to_bytes())), segments, ..Push::empty(n as u64 + 1, document.id()) };
    let checked = wire::check(directory, network, &Message::Push(push).encode())?;
    Ok((checked, document.raw, bytes))
}

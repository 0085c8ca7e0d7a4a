//! What people do in a world: found bureaus, log in, exchange cards, agree, write.

use std::sync::Arc;

use accord_keys::appointment::Appointment;
use accord_keys::certificate::{Issuer, MemberCertificate};
use accord_keys::root::RootStatement;
use accord_keys::seal::Sealed;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::bureau::{FoundPlan, Identity, LaptopPlan, found, found_laptop};
use accord_protocol::id::{AgreementId, BureauId, CertificateId, DocumentId, HpkeKey, TransportKey};
use accord_protocol::input::{Command, Draft, Input};
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{AgreementView, PartnerView, Refused, SendingView, View};
use accord_protocol::wire::{Checked, Join, Message, Welcome};
use rand::Rng;

use crate::disk::Disk;
use crate::node::{Node, Officer};
use crate::world::{BASE_WALL, World};

/// A grant line.
pub fn grant(direction: Direction, category: Category, verbs: &[Verb], tlp_ceiling: Tlp) -> Grant {
    Grant {
        direction,
        category,
        verbs: verbs.to_vec(),
        tlp_ceiling,
        until: None,
        onward: Onward::None,
        offline_days_max: None,
        subjects_max: None,
        units: None,
        seats: None,
    }
}

/// Terms from now on for some seconds.
pub fn terms(from: u64, seconds: u64, grants: Vec<Grant>) -> Terms {
    Terms {
        title: "协作约定".into(),
        text_hash: None,
        from: WallSeconds(from),
        to: WallSeconds(from + seconds),
        grants,
        grace_days: 30,
        annex: None,
    }
}

/// Both sides read and append series and read fire hazards, up to AMBER+STRICT.
pub fn usual_grants() -> Vec<Grant> {
    vec![
        grant(Direction::Both, Category::CrimSeries, &[Verb::Append], Tlp::AmberStrict),
        grant(Direction::Both, Category::FireHaz, &[Verb::Read], Tlp::AmberStrict),
    ]
}

impl World {
    /// 32 bytes that nobody but their holder may ever see.
    fn secret(&mut self) -> [u8; 32] {
        let secret = self.draw32();
        if self.judged {
            self.watch.secrets.add(&secret);
        }
        secret
    }

    /// A key from the dice.
    pub fn key(&mut self) -> SecretKey {
        let seed = self.secret();
        SecretKey::from_seed(seed)
    }

    fn transport(&mut self) -> TransportKey {
        TransportKey(self.key().public().0)
    }

    /// World time as a right clock tells it.
    pub fn wall(&self) -> u64 {
        BASE_WALL + self.now / 1_000
    }

    /// Founds a bureau with one node and one officer, who logs in.
    pub fn bureau(&mut self, name: &str) -> usize {
        let root = self.key();
        let signer = Arc::new(self.key());
        let transport = self.transport();
        let hpke = HpkeSecret::from_seed(self.secret()).public();
        let mut random = [0; 64];
        self.rng.fill(&mut random);
        let plan = FoundPlan {
            network: self.network,
            unit_code: "530000".into(),
            name: name.into(),
            addresses: vec![format!("node-{}.example:7411", self.nodes.len())],
            phone: "0000-110".into(),
            officer: "值班员".into(),
            root: &root,
            node: signer.as_ref(),
            transport,
            hpke,
            now: WallSeconds(self.wall()),
            random,
        };
        let founded = match found(&plan) {
            Ok(founded) => founded,
            Err(why) => self.fail(&format!("cannot found: {why}")),
        };
        let identity =
            Identity { network: self.network, bureau: founded.bureau, certificate: founded.certificate, signer, cursor_key: self.secret() };
        let disk = self.disk_with(&founded.writes);
        let n = self.add_node(name, founded.bureau, false, identity, transport, disk);
        self.nodes[n].root = Some(Arc::new(root));
        self.log_in(n, "值班员");
        n
    }

    /// A new device takes a home node's place, with its disk and officers: the root certifies it and appoints it for the next epoch. The old
    /// one hears of it and goes on as it can.
    pub fn replace_home(&mut self, old: usize, name: &str, epoch: u32) -> usize {
        let (signer, transport) = (Arc::new(self.key()), self.transport());
        let hpke = HpkeSecret::from_seed(self.secret()).public();
        let (identity, at) = (self.nodes[old].identity.clone(), WallSeconds(self.wall()));
        let Some(root) = self.nodes[old].root.clone() else { self.fail("no bureau was founded here") };
        let Some(directory) = self.nodes[old].core.as_ref().map(|core| core.directory()) else { self.fail("the old node runs") };
        let Some(before) = directory.certificate(&identity.certificate).map(|c| c.body().clone()) else { self.fail("it is certified") };
        let Some(newest) = directory.bureau(&identity.bureau).map(|record| record.head()) else { self.fail("its bureau is known") };
        let serial: [u8; 16] = self.rng.random();
        let body = MemberCertificate {
            key: signer.public(),
            transport: Some(transport),
            hpke: Some(hpke),
            serial,
            issuer: Issuer::Root(newest),
            ..before
        };
        let seal = "a root key seals";
        let certificate = Sealed::seal(&self.network, body, &[root.as_ref()]).expect(seal);
        let id = CertificateId(certificate.id(&self.network).0);
        let appointment = Appointment { bureau: identity.bureau, epoch, registrar: id, at, root: newest };
        let appointment = Sealed::seal(&self.network, appointment, &[root.as_ref()]).expect(seal);
        for bytes in [certificate.to_bytes(), appointment.to_bytes()] {
            if let Err(why) = self.ask(old, Command::Install { bytes }) {
                self.fail(&format!("not installed: {why:?}"));
            }
        }
        let identity = Identity { certificate: id, signer, ..identity };
        self.oracle.copied(&self.nodes[old], self.nodes.len());
        let disk = self.nodes[old].disk.clone();
        let new = self.add_node(name, identity.bureau, false, identity, transport, disk);
        self.nodes[new].officers = self.nodes[old].officers.clone();
        self.nodes[new].root = Some(root);
        self.restart(new);
        new
    }

    /// The next version of a bureau's root: new keys, sealed by the old and the new one. Answers its bytes and the new key.
    pub fn next_root(&mut self, n: usize) -> (Vec<u8>, Arc<SecretKey>) {
        let new = Arc::new(self.key());
        let Some(old) = self.nodes[n].root.clone() else { self.fail("no bureau was founded here") };
        let Some(directory) = self.nodes[n].core.as_ref().map(|core| core.directory()) else { self.fail("the node runs") };
        let Some(record) = directory.bureau(&self.nodes[n].bureau) else { self.fail("its bureau is known") };
        let before = record.head_statement();
        let created = WallSeconds(self.wall());
        let body = RootStatement {
            version: before.version + 1,
            previous: Some(record.head()),
            keys: vec![new.public()],
            created,
            ..before.clone()
        };
        let sealed = Sealed::seal(&self.network, body, &[old.as_ref(), new.as_ref()]).expect("both seal");
        (sealed.to_bytes(), new)
    }

    fn disk_with(&self, writes: &[accord_protocol::step::Write]) -> Disk {
        let mut disk = Disk::default();
        if let Err(why) = disk.commit(writes) {
            self.fail(&why);
        }
        disk
    }

    fn add_node(&mut self, name: &str, bureau: BureauId, laptop: bool, identity: Identity, transport: TransportKey, disk: Disk) -> usize {
        self.nodes.push(Node {
            instance: self.nodes.len(),
            skew: None,
            swallows: None,
            hostile: false,
            backup: None,
            cloned_from: None,
            retired: false,
            name: name.to_owned(),
            bureau,
            laptop,
            identity,
            root: None,
            transport,
            disk,
            core: None,
            officers: Vec::new(),
            clock_off: 0,
            clock_seen: 0,
            unconfirmed: false,
            booted: 0,
            inbox: std::collections::VecDeque::new(),
            wake_at: None,
            gates: accord_protocol::step::Gates::default(),
            directory: None,
            allow: Vec::new(),
            links: std::collections::BTreeMap::new(),
            next_link: 0,
            next_command: 0,
            starts: 0,
        });
        let n = self.nodes.len() - 1;
        self.boot(n);
        n
    }

    /// First login of an officer: a key is made, certified and unlocked.
    pub fn log_in(&mut self, n: usize, name: &str) {
        let key = Arc::new(self.key());
        let enrolled = self.ask(n, Command::OfficerEnrol { name: name.into(), key: key.public() });
        let certificate = match &enrolled {
            Ok(View::Done { id: Some(id) }) => CertificateId::from_hex(id),
            _ => None,
        };
        let Some(certificate) = certificate else { self.fail(&format!("{name} cannot enrol: {enrolled:?}")) };
        self.unlock(n, Officer { name: name.into(), certificate, key });
    }

    fn unlock(&mut self, n: usize, officer: Officer) {
        let command = Command::Unlock { name: officer.name.clone(), certificate: officer.certificate, signer: officer.key.clone() };
        self.nodes[n].officers.push(officer);
        if let Err(why) = self.ask(n, command) {
            self.fail(&format!("cannot log in: {why:?}"));
        }
    }

    /// Invites a laptop of a node's bureau and lets it join over a connection of its own.
    pub fn laptop(&mut self, home: usize, name: &str) -> usize {
        let invitation = self.transport();
        let invited = self.ask(home, Command::DeviceInvite { officer: "值班员".into(), transport: invitation });
        if let Err(why) = invited {
            self.fail(&format!("no invitation: {why:?}"));
        }
        let (device, officer) = (Arc::new(self.key()), Arc::new(self.key()));
        let transport = self.transport();
        let hpke = HpkeSecret::from_seed(self.secret()).public();
        let join = Join { device: device.public(), transport, hpke: HpkeKey(hpke.0), officer: officer.public() };
        let welcome = self.enrol(home, invitation, join);
        let plan = LaptopPlan {
            network: self.network,
            bureau: self.nodes[home].bureau,
            welcome: &welcome,
            device: device.public(),
            officer: officer.public(),
            now: WallSeconds(self.wall()),
            random: self.rng.random(),
        };
        let founded = match found_laptop(&plan) {
            Ok(founded) => founded,
            Err(why) => self.fail(&format!("laptop cannot join: {why}")),
        };
        let identity = Identity {
            network: self.network,
            bureau: founded.bureau,
            certificate: founded.certificate,
            signer: device,
            cursor_key: self.secret(),
        };
        let disk = self.disk_with(&founded.writes);
        let n = self.add_node(name, founded.bureau, true, identity, transport, disk);
        self.unlock(n, Officer { name: welcome.officer_name.clone(), certificate: welcome.officer, key: officer });
        n
    }

    /// The short conversation over an invitation, frame by frame.
    fn enrol(&mut self, home: usize, invitation: TransportKey, join: Join) -> Welcome {
        self.nodes[home].next_link += 1;
        let link = accord_protocol::input::LinkId(self.nodes[home].next_link);
        let inputs = [
            Input::LinkUp { link, transport: invitation, outgoing: false },
            Input::Message { link, message: Checked::Plain(Message::Join(join)) },
            Input::LinkDown { link },
        ];
        self.nodes[home].inbox.extend(inputs);
        let now = self.nodes[home].clocks(self.now, BASE_WALL);
        let seeds: Vec<[u8; 32]> = (0..16).map(|_| self.draw32()).collect();
        let mut seeds = seeds.into_iter();
        let outcome = self.nodes[home].decide(16, now, || seeds.next().unwrap_or([7; 32]));
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(why) => self.fail(&why),
        };
        let answer = outcome.sends.iter().filter(|(send, _)| send.link == link).find_map(|(send, _)| match Message::decode(&send.bytes) {
            Ok(Message::Welcome(welcome)) => Some(welcome),
            _ => None,
        });
        self.finish(home, outcome);
        match answer {
            Some(welcome) => welcome,
            None => self.fail("no welcome"),
        }
    }

    /// Exchanges cards; with `checked` the codes are compared on the phone.
    pub fn introduce(&mut self, a: usize, b: usize, checked: bool) {
        for (here, there) in [(a, b), (b, a)] {
            let card = match self.ask(there, Command::CardShow) {
                Ok(View::Card(card)) => card,
                other => self.fail(&format!("no card: {other:?}")),
            };
            let command = Command::PartnerAdd { card: card.text, checking_code: checked.then_some(card.checking_code), alias: None };
            if let Err(why) = self.ask(here, command) {
                self.fail(&format!("card refused: {why:?}"));
            }
        }
    }

    /// The id of a node's bureau in hex, as people may name it.
    pub fn name(&self, n: usize) -> String {
        self.nodes[n].bureau.to_string()
    }

    /// Offers terms; answers the offer.
    ///
    /// # Errors
    /// The refusal.
    pub fn offer(&mut self, a: usize, b: usize, terms: Terms) -> Result<AgreementId, Refused> {
        let command = Command::AgreementOffer { partner: self.name(b), terms };
        match self.ask(a, command)? {
            View::Agreements { agreements } => Ok(AgreementId::from_hex(&agreements[0].id).unwrap_or_else(|| self.fail("an id is hex"))),
            other => self.fail(&format!("not an agreement: {other:?}")),
        }
    }

    /// Offers, waits, accepts, waits: both sides end with the agreement in force.
    pub fn agree(&mut self, a: usize, b: usize, terms: Terms) -> AgreementId {
        let id = match self.offer(a, b, terms) {
            Ok(id) => id,
            Err(why) => self.fail(&format!("offer refused: {why:?}")),
        };
        self.run(5_000);
        if let Err(why) = self.ask(b, Command::AgreementAccept { id: id.to_string() }) {
            self.fail(&format!("accept refused: {why:?}"));
        }
        self.run(5_000);
        for n in [a, b] {
            let standing = self.agreement(n, &id).map(|view| view.standing);
            if standing.as_deref() != Some("in_force") {
                self.fail(&format!("agreement at {}: {standing:?}", self.nodes[n].name));
            }
        }
        id
    }

    /// An agreement as a node shows it.
    pub fn agreement(&mut self, n: usize, id: &AgreementId) -> Option<AgreementView> {
        match self.ask(n, Command::AgreementShow { id: id.to_string() }) {
            Ok(View::Agreements { agreements }) => agreements.into_iter().next(),
            _ => None,
        }
    }

    /// A partner as a node shows it.
    pub fn partner(&mut self, n: usize, other: usize) -> PartnerView {
        let partner = self.name(other);
        match self.ask(n, Command::PartnerShow { partner }) {
            Ok(View::Partners { partners }) => partners.into_iter().next().unwrap_or_default(),
            other => self.fail(&format!("no partner: {other:?}")),
        }
    }

    /// A text with a mark nobody else has.
    pub fn mark(&mut self) -> String {
        format!("CANARY{:012x}", self.rng.random::<u64>() & 0xffff_ffff_ffff)
    }

    /// A draft whose title and text carry a mark.
    pub fn draft(&mut self, category: &str) -> (Draft, String) {
        let mark = self.mark();
        let draft = Draft {
            title: format!("通报 {mark}"),
            text: format!("今晨发生的情况如下。{mark} 请各单位注意。"),
            category: category.into(),
            tlp: None,
            subkind: String::new(),
            case_number: None,
        };
        (draft, mark)
    }

    fn sent(&mut self, n: usize, answer: Result<View, Refused>, mark: &str) -> Result<DocumentId, Refused> {
        let view = match answer? {
            View::Sending(view) => view,
            other => self.fail(&format!("not a sending view: {other:?}")),
        };
        let SendingView { id, .. } = view;
        let document = DocumentId::from_hex(&id).unwrap_or_else(|| self.fail("an id is hex"));
        if !self.judged {
            return Ok(document);
        }
        self.oracle.promise(&self.nodes[n], document, mark);
        if let Some(why) = self.oracle.verdict.take() {
            self.fail(&why);
        }
        Ok(document)
    }

    /// One bureau with an agreement of so many days with each of two others, which do not know each other.
    pub fn star(&mut self, days: u64) -> [usize; 3] {
        let [a, b, c] = ["甲局", "乙局", "丙局"].map(|name| self.bureau(name));
        for other in [b, c] {
            self.introduce(a, other, true);
            self.run(5_000);
            let pact = terms(self.wall(), days * 24 * 3_600, usual_grants());
            self.agree(a, other, pact);
        }
        [a, b, c]
    }

    /// Publishes a bulletin.
    ///
    /// # Errors
    /// The refusal.
    pub fn publish(&mut self, n: usize, to: &[usize], category: &str) -> Result<DocumentId, Refused> {
        self.publish_to(n, to, category, false)
    }

    /// Publishes a bulletin, with an open audience or a hidden one.
    ///
    /// # Errors
    /// The refusal.
    pub fn publish_to(&mut self, n: usize, to: &[usize], category: &str, open: bool) -> Result<DocumentId, Refused> {
        let (draft, mark) = self.draft(category);
        let to = to.iter().map(|m| self.name(*m)).collect();
        let answer = self.ask(n, Command::BulletinPublish { draft: None, text: Some(draft), to, open });
        self.sent(n, answer, &mark)
    }

    /// Opens a case thread.
    ///
    /// # Errors
    /// The refusal.
    pub fn open_case(&mut self, n: usize, with: &[usize], category: &str) -> Result<DocumentId, Refused> {
        let (draft, mark) = self.draft(category);
        let with = with.iter().map(|m| self.name(*m)).collect();
        let answer = self.ask(n, Command::CaseOpen { draft, with, continues: None });
        self.sent(n, answer, &mark)
    }

    /// Adds an entry; answers its mark.
    ///
    /// # Errors
    /// The refusal.
    pub fn write_note(&mut self, n: usize, document: &DocumentId) -> Result<String, Refused> {
        let mark = self.mark();
        let command = Command::CaseNote { id: document.to_string(), kind: "note".into(), text: format!("记录 {mark}") };
        let answer = self.ask(n, command);
        self.sent(n, answer, &mark)?;
        Ok(mark)
    }

    /// Cuts a bureau.
    ///
    /// # Errors
    /// The refusal.
    pub fn cut_access(&mut self, n: usize, document: &DocumentId, whom: usize, strict: bool) -> Result<(), Refused> {
        let subject = self.name(whom);
        self.ask(n, Command::AccessCut { id: document.to_string(), subject, strict }).map(drop)
    }

    /// Lets a bureau in.
    ///
    /// # Errors
    /// The refusal.
    pub fn grant_access(&mut self, n: usize, document: &DocumentId, whom: usize, verb: &str) -> Result<(), Refused> {
        let partner = self.name(whom);
        self.ask(n, Command::AccessGrant { id: document.to_string(), partner, verb: verb.into(), terms: Default::default() }).map(drop)
    }

    /// Three bureaus A, B, C: A-B and B-C agree, all cards are checked; and a laptop of A.
    pub fn county(&mut self) -> [usize; 4] {
        let (a, b, c) = (self.bureau("甲局"), self.bureau("乙局"), self.bureau("丙局"));
        for (one, other) in [(a, b), (b, c), (a, c)] {
            self.introduce(one, other, true);
        }
        self.run(10_000);
        for (one, other) in [(a, b), (b, c)] {
            let terms = terms(self.wall(), 30 * 24 * 3_600, usual_grants());
            self.agree(one, other, terms);
        }
        let laptop = self.laptop(a, "甲局笔记本");
        self.run(10_000);
        [a, b, c, laptop]
    }
}

//! What a proof states, as plain data: strings, numbers and lists only.
//!
//! Its canonical form is JSON with keys in ascending order and no spaces; two verifiers agree exactly if these bytes are equal. Every list has
//! an order that follows from what is in it.

use accord_keys::code::CheckingCode;
use accord_keys::revocation::RevocationClass;
use serde::{Deserialize, Serialize};

use super::file::ProofError;
use super::verify::Proof;
use crate::access::log::{Entry, Grantee, RecordKind, Subject};
use crate::id::{AgreementId, CertificateId, RecordId};
use crate::intake::{Held, ShownAct, Standing};
use crate::ledger::Says;

/// Everything a proof states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofStatement {
    /// The network and the document, ids in hex as everywhere below.
    pub network: String,
    /// See `network`.
    pub document: String,
    /// What it is and whose.
    pub kind: String,
    /// Category code.
    pub category: String,
    /// The strictest traffic light it was ever put under.
    pub tlp: String,
    /// Its owner bureau.
    pub owner: String,
    /// When its genesis was sealed, by its creator's clock, Unix seconds as all times.
    pub created: u64,
    /// Official number; empty before it is adopted.
    pub number: String,
    /// Empty, or why it ended: `retention`, `disown`.
    pub ended: String,
    /// Newest record in the file, and whether the log has branched.
    pub log_head: String,
    /// See `log_head`.
    pub log_forked: bool,
    /// H(document, log heads, admitted tips): equal on every node that holds the same.
    pub entry: String,
    /// The bureaus in the file, by id.
    pub bureaus: Vec<BureauStated>,
    /// The members that the document names, by certificate.
    pub certificates: Vec<CertificateStated>,
    /// The agreements the log relied on, by id.
    pub agreements: Vec<AgreementStated>,
    /// The log, the genesis first, by place and id.
    pub records: Vec<RecordStated>,
    /// Every admitted change: settled ones in the order of the anchors that settled them, then the others; within each by hash.
    pub changes: Vec<ChangeStated>,
    /// What people stated, in settled order.
    pub entries: Vec<EntryStated>,
    /// The shared text.
    pub text: String,
    /// Changes that are not admitted, and why, by hash.
    pub held: Vec<HeldStated>,
    /// Who signed two changes for one position, by actor.
    pub forks: Vec<ForkStated>,
    /// Who stated to whom that it had received the document, by bureau and place; left out where the file holds no receipts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<ReceiptStated>,
    /// Readers of a hidden audience whose places the file opens, by bureau; left out where it opens none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<OpenedStated>,
    /// How many places the hidden audience has, the padding among them; left out where the file opens none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<u64>,
}

/// One reader of a hidden audience.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedStated {
    /// Who.
    pub bureau: String,
    /// The commitment in the genesis that it opens.
    pub commitment: String,
}

/// One bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BureauStated {
    /// Its id.
    pub bureau: String,
    /// What it calls itself.
    pub name: String,
    /// Its unit code.
    pub unit_code: String,
    /// Its root versions, oldest first. Nothing here proves that they are whose they claim to be: people compare the checking codes.
    pub roots: Vec<RootStated>,
}

/// One root version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootStated {
    /// Its id.
    pub root: String,
    /// Its version.
    pub version: u32,
    /// What is read out on the phone.
    pub checking_code: String,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStated {
    /// Its id.
    pub certificate: String,
    /// Its bureau.
    pub bureau: String,
    /// `node`, `laptop`, `officer`, `service`.
    pub kind: String,
    /// Unit and seats it names.
    pub unit: String,
    /// See `unit`.
    pub seats: Vec<String>,
    /// Empty, `retired` or `compromised`, by the revocations in the file.
    pub revoked: String,
}

/// One agreement the log relied on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementStated {
    /// Its id: the hash of the offer both sealed.
    pub agreement: String,
    /// Whether its statements are in the file; else all that follows is empty.
    pub whole: bool,
    /// Its version.
    pub version: u32,
    /// Who offered and who accepted.
    pub offerer: String,
    /// See `offerer`.
    pub acceptor: String,
    /// Its title.
    pub title: String,
    /// In force from and to.
    pub from: u64,
    /// See `from`.
    pub to: u64,
    /// Whether the offerer's registrar concluded it, and not by crossing against a no.
    pub concluded: bool,
}

/// One record of the access log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStated {
    /// Its id.
    pub record: String,
    /// Its place.
    pub index: u32,
    /// `genesis`, `adopt`, `anchor`, `grant`, `cut`, ...
    pub kind: String,
    /// When, by its sealer's clock.
    pub at: u64,
    /// The certificate that sealed it.
    pub by: String,
    /// The officer whose sealed order it carries out; empty where the machine may act by itself.
    pub ordered_by: String,
    /// `genesis`, `grant`: who was let in.
    pub grantees: Vec<GranteeStated>,
    /// `reclassify`: the new traffic light, and who lost the document by it.
    pub tlp: String,
    /// See `tlp`.
    pub narrowed: Vec<String>,
    /// `void`: the changes whose acts count no more, and why.
    pub voids: Vec<String>,
    /// See `voids`. `end`: `retention` or `disown`.
    pub reason: String,
    /// `erase`: the parts removed everywhere.
    pub blobs: Vec<String>,
    /// `continue`: the heads it names, and whether the others' key was called compromised.
    pub heads: Vec<String>,
    /// See `heads`.
    pub compromised: bool,
    /// `cut`: whom, as `word id` or `word id name`, what is taken, and whether strictly.
    pub subject: String,
    /// See `subject`.
    pub verbs: Vec<String>,
    /// See `subject`.
    pub strict: bool,
    /// `cut`: what stays of each writer's life, as `actor position`.
    pub frontier: Vec<String>,
    /// `adopt`, `anchor`, `admit`: the changes it settles with all before them.
    pub tips: Vec<String>,
}

/// Who was let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GranteeStated {
    /// Which bureau.
    pub bureau: String,
    /// To do what.
    pub verb: String,
    /// Under which agreement, as the owner says.
    pub agreement: String,
    /// On conditions: handed on by whom, up to which traffic light, until when (0: no end), and without asking for a fourth.
    pub via: String,
    /// See `via`.
    pub tlp: String,
    /// See `via`.
    pub until: u64,
    /// See `via`.
    pub no_fourth: bool,
}

/// One admitted change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeStated {
    /// Its hash.
    pub change: String,
    /// Who signed it.
    pub certificate: String,
    /// Its place in that writer's life.
    pub position: u64,
    /// The record under whose rights it was written.
    pub cited: String,
    /// The first anchor that contains it; empty: provisional.
    pub settled_by: String,
}

/// What somebody stated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryStated {
    /// `publish`, `open`, `note`, ...
    pub kind: String,
    /// Headline.
    pub title: String,
    /// What was written.
    pub text: String,
    /// By whose bureau, certificate and seat.
    pub bureau: String,
    /// See `bureau`.
    pub certificate: String,
    /// See `bureau`; a claim of the writer, to be looked up among its certificate's seats.
    pub seat: String,
    /// When, by the writer's clock.
    pub signed_at: u64,
    /// The change it is in.
    pub change: String,
    /// The agreement on which the writer's bureau was let in; empty for the owner's own.
    pub agreement: String,
    /// The anchor that settled it; empty: provisional.
    pub settled_by: String,
    /// The record that says it counts no more; empty: it counts.
    pub voided_by: String,
    /// Who entered it again in its author's name, and by which change; both left out where its author's own change counts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reentered_by: String,
    /// See `reentered_by`. What settles the entry settles this change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reentered_in: String,
    /// The manifest of the file it attaches; left out where it attaches none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

/// One change that is not admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldStated {
    /// Its hash.
    pub change: String,
    /// Who signed it.
    pub certificate: String,
    /// Its place in that writer's life.
    pub position: u64,
    /// `cut`, `ended`, `fork`, `right`, `citation`, `dependency`.
    pub why: String,
    /// The cut that covers it.
    pub cut: String,
}

/// One writer who signed two changes for one position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkStated {
    /// The life.
    pub actor: String,
    /// Whose.
    pub certificate: String,
    /// From which position on.
    pub position: u64,
}

/// One receipt, as a line of a pair's ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptStated {
    /// Who states that the document is durable there.
    pub by: String,
    /// To whom it is stated.
    pub to: String,
    /// The line, and its place in that chain.
    pub line: String,
    /// See `line`.
    pub place: u64,
    /// The registrar that sealed it.
    pub certificate: String,
    /// When the document was taken, by that registrar's clock.
    pub at: u64,
    /// H(document, log heads, admitted tips) there, then.
    pub entry: String,
    /// The newest record known there, then.
    pub log_head: String,
}

impl Proof {
    /// What follows from the parts.
    ///
    /// # Errors
    /// [`ProofError::CannotShow`] when Automerge cannot show what was admitted.
    pub fn states(&mut self) -> Result<ProofStatement, ProofError> {
        let (entries, text) = self.content()?;
        let state = &self.state;
        let log = state.log();
        let genesis = log.genesis().body();
        let (held, standing): (Vec<Standing>, Vec<Standing>) = state.standings().into_iter().partition(|one| one.held.is_some());
        Ok(ProofStatement {
            network: self.directory.network().to_string(),
            document: state.id().to_string(),
            kind: genesis.kind.word().to_owned(),
            category: genesis.category.code().to_owned(),
            tlp: log.tlp().word().to_owned(),
            owner: genesis.owner.to_string(),
            created: genesis.at.0,
            number: state.adopted_number().unwrap_or_default(),
            ended: log.ended().map_or("", |(_, kind)| kind.word()).to_owned(),
            log_head: log.head().to_string(),
            log_forked: log.is_forked(),
            entry: state.entry().to_string(),
            bureaus: self.bureaus(),
            certificates: state.certificates(true).iter().filter_map(|id| self.certificate(id)).collect(),
            agreements: self.agreements(),
            records: log.entries().iter().map(|(id, entry)| self.record(id, entry)).collect(),
            changes: standing
                .iter()
                .map(|one| ChangeStated {
                    change: one.change.to_string(),
                    certificate: one.certificate.to_string(),
                    position: one.position,
                    cited: one.cited.to_string(),
                    settled_by: or_empty(one.settled_by),
                })
                .collect(),
            entries,
            text,
            held: held.iter().map(stated_held).collect(),
            forks: state
                .forked_actors()
                .into_iter()
                .map(|(actor, certificate, position)| ForkStated {
                    actor: actor.to_string(),
                    certificate: certificate.to_string(),
                    position,
                })
                .collect(),
            receipts: self.received(),
            opened: self.opened(),
            places: log.openings().next().and(log.genesis().body().hidden.as_ref()).map(|places| places.len() as u64),
        })
    }

    fn opened(&self) -> Vec<OpenedStated> {
        let stated = |opening: &crate::access::audience::Opening| OpenedStated {
            bureau: opening.bureau.to_string(),
            commitment: opening.commitment().to_string(),
        };
        let mut out: Vec<OpenedStated> = self.state.log().openings().map(stated).collect();
        out.sort_by(|one, other| (&one.bureau, &one.commitment).cmp(&(&other.bureau, &other.commitment)));
        out
    }

    fn received(&self) -> Vec<ReceiptStated> {
        let mut out = Vec::new();
        for line in &self.receipts {
            let body = line.body();
            let Says::Receipts(receipts) = &body.says else { continue };
            out.extend(receipts.iter().filter(|receipt| receipt.document == self.state.id()).map(|receipt| ReceiptStated {
                by: body.from.to_string(),
                to: body.to.to_string(),
                line: line.id().to_string(),
                place: body.n,
                certificate: body.certificate.to_string(),
                at: receipt.at.0,
                entry: receipt.entry.to_string(),
                log_head: receipt.head.to_string(),
            }));
        }
        out
    }

    fn content(&mut self) -> Result<(Vec<EntryStated>, String), ProofError> {
        let shown = self.state.acts().map_err(|error| ProofError::CannotShow(error.to_string()))?;
        let text = self.state.text().map_err(|error| ProofError::CannotShow(error.to_string()))?;
        let cited: std::collections::BTreeMap<_, RecordId> =
            self.state.standings().into_iter().map(|one| (one.change, one.cited)).collect();
        let agreement = |shown: &ShownAct| {
            let cited = match &shown.reentered {
                Some(reentry) => self.state.quoted_citation(&reentry.change, &shown.change)?,
                None => *cited.get(&shown.change)?,
            };
            self.state.log().get(&cited)?.rights.bureaus.get(&shown.bureau)?.agreement
        };
        let counts = |shown: &ShownAct| shown.reentered.map_or(shown.change, |reentry| reentry.change);
        let entries = shown
            .into_iter()
            .map(|shown| EntryStated {
                kind: shown.act.kind.word().to_owned(),
                bureau: shown.bureau.to_string(),
                certificate: shown.certificate.to_string(),
                signed_at: shown.act.signed_at.0,
                change: shown.change.to_string(),
                agreement: or_empty(agreement(&shown)),
                settled_by: or_empty(self.state.first_anchor(&counts(&shown))),
                voided_by: or_empty(shown.voided),
                reentered_by: or_empty(shown.reentered.map(|reentry| reentry.certificate)),
                reentered_in: or_empty(shown.reentered.map(|reentry| reentry.change)),
                file: or_empty(shown.act.file),
                title: shown.act.title,
                text: shown.act.text,
                seat: shown.act.seat,
            })
            .collect();
        Ok((entries, text))
    }

    fn bureaus(&self) -> Vec<BureauStated> {
        let stated = |record: &accord_keys::directory::BureauRecord| BureauStated {
            bureau: record.id().to_string(),
            name: record.name().to_owned(),
            unit_code: record.unit_code().to_owned(),
            roots: record
                .roots()
                .map(|root| {
                    let id = accord_keys::id::RootId(root.id().0);
                    let checking_code = CheckingCode::of(&record.id(), &id).to_string();
                    RootStated { root: id.to_string(), version: root.body().version, checking_code }
                })
                .collect(),
        };
        self.directory.bureaus().map(stated).collect()
    }

    fn certificate(&self, id: &CertificateId) -> Option<CertificateStated> {
        use accord_keys::certificate::MemberKind;
        let body = self.directory.certificate(id)?.body();
        Some(CertificateStated {
            certificate: id.to_string(),
            bureau: body.bureau.to_string(),
            kind: match body.kind {
                MemberKind::Node => "node",
                MemberKind::Laptop => "laptop",
                MemberKind::Officer => "officer",
                MemberKind::Service => "service",
            }
            .to_owned(),
            unit: body.unit.clone(),
            seats: body.seats.clone(),
            revoked: match self.directory.revoked(id) {
                None => "",
                Some(RevocationClass::Retired) => "retired",
                Some(RevocationClass::Compromised) => "compromised",
            }
            .to_owned(),
        })
    }

    fn agreements(&self) -> Vec<AgreementStated> {
        let log = self.state.log();
        let granted = log.entries().into_iter().flat_map(|(_, entry)| match entry.record.as_ref().map(|record| &record.body().kind) {
            Some(RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..)) => grantees.clone(),
            None => log.genesis().body().audience.clone(),
            Some(_) => Vec::new(),
        });
        let cited: std::collections::BTreeSet<AgreementId> = granted.filter_map(|grantee| grantee.agreement).collect();
        let stated = |id: AgreementId| {
            let Some(entry) = self.book.get(&id) else {
                return AgreementStated { agreement: id.to_string(), ..AgreementStated::default() };
            };
            let offer = entry.offer.body();
            AgreementStated {
                agreement: id.to_string(),
                whole: true,
                version: offer.version,
                offerer: offer.offerer.to_string(),
                acceptor: offer.acceptor.to_string(),
                title: offer.terms.title.clone(),
                from: offer.terms.from.0,
                to: offer.terms.to.0,
                concluded: entry.conclude.is_some() && !self.book.is_void(entry),
            }
        };
        cited.into_iter().map(stated).collect()
    }

    fn record(&self, id: &RecordId, entry: &Entry) -> RecordStated {
        let Some(record) = &entry.record else {
            let genesis = self.state.log().genesis().body();
            return RecordStated {
                record: id.to_string(),
                kind: "genesis".to_owned(),
                at: genesis.at.0,
                by: genesis.creator.to_string(),
                grantees: genesis.audience.iter().map(stated_grantee).collect(),
                ..RecordStated::default()
            };
        };
        let body = record.body();
        let mut stated = RecordStated {
            record: id.to_string(),
            index: body.index,
            kind: body.kind.word().to_owned(),
            at: body.at.0,
            by: body.registrar.to_string(),
            ordered_by: or_empty(body.kind.ordering_officer()),
            tips: body.kind.anchors().iter().map(ToString::to_string).collect(),
            ..RecordStated::default()
        };
        match &body.kind {
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => {
                stated.grantees = grantees.iter().map(stated_grantee).collect()
            }
            RecordKind::Cut(subject, verbs, frontier, strict, _) => {
                stated.subject = stated_subject(subject);
                stated.verbs = verbs.iter().map(|verb| verb.word().to_owned()).collect();
                stated.frontier = frontier.iter().map(|line| format!("{} {}", line.actor, line.position)).collect();
                stated.strict = *strict;
            }
            RecordKind::Void(changes, reason, _) => {
                stated.voids = changes.iter().map(ToString::to_string).collect();
                stated.reason.clone_from(reason);
            }
            RecordKind::Reclassify(tlp, narrowed, _) => {
                tlp.word().clone_into(&mut stated.tlp);
                stated.narrowed = narrowed.iter().map(ToString::to_string).collect();
            }
            RecordKind::Erase(blobs, _) => stated.blobs = blobs.iter().map(ToString::to_string).collect(),
            RecordKind::End(kind, _) => kind.word().clone_into(&mut stated.reason),
            RecordKind::Continue(heads, compromised, _) => {
                stated.heads = heads.iter().map(ToString::to_string).collect();
                stated.compromised = *compromised;
            }
            RecordKind::Adopt(..) | RecordKind::Anchor(_) | RecordKind::Admit(..) => {}
        }
        stated
    }
}

fn stated_held(one: &Standing) -> HeldStated {
    HeldStated {
        change: one.change.to_string(),
        certificate: one.certificate.to_string(),
        position: one.position,
        why: one.held.map_or("", Held::word).to_owned(),
        cut: or_empty(if let Some(Held::Cut(record)) = one.held { Some(record) } else { None }),
    }
}

fn stated_grantee(grantee: &Grantee) -> GranteeStated {
    GranteeStated {
        bureau: grantee.bureau.to_string(),
        verb: grantee.verb.word().to_owned(),
        agreement: or_empty(grantee.agreement),
        via: or_empty(grantee.via),
        tlp: grantee.tlp.map_or("", crate::agreement::Tlp::word).to_owned(),
        until: grantee.until.map_or(0, |at| at.0),
        no_fourth: grantee.no_fourth,
    }
}

fn stated_subject(subject: &Subject) -> String {
    let word = subject.word();
    match subject {
        Subject::Bureau(id) => format!("{word} {id}"),
        Subject::Key(id) => format!("{word} {id}"),
        Subject::Certificate(id) | Subject::Issuer(id) => format!("{word} {id}"),
        Subject::Seat(bureau, name) | Subject::Unit(bureau, name) => format!("{word} {bureau} {name}"),
        Subject::Root(id) => format!("{word} {id}"),
    }
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

//! The account that auditors read: who may read it, who may read nothing else, and what of people's doings goes into it.
//!
//! Every disclosure, every denial and every reading has its line, with ids, clauses and references and never with content. A person whose
//! certificate holds `audit` and nothing else reads the account only: no list, no title, no text.

use std::collections::BTreeMap;

use accord_keys::certificate::Capability;

use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::log::RecordKind;
use crate::id::{BureauId, CertificateId, DocumentId};
use crate::input::Command;
use crate::limits;
use crate::time::MonoMillis;
use crate::view::{JournalView, NameView, Refused, RefusedKind, SendingView, View};

/// What keeps the account short.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// When each reading was last noted.
    read: BTreeMap<(Option<CertificateId>, DocumentId), MonoMillis>,
    /// Refused commands noted since the start of this minute.
    refused_since: MonoMillis,
    refused: u32,
}

impl Bureau {
    /// Carries out a command, unless it would show an auditor what is not the account; what was refused goes into the account.
    pub(super) fn accounted(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, command: Command) -> Result<View, Refused> {
        let document = self.command_document(&command);
        let answer = match self.keep_to_account(person, &command) {
            Err(refused) => Err(refused),
            Ok(()) => match self.foresee(turn, person, &command).filter(|_| dry_run) {
                Some(foreseen) => foreseen,
                None => self.command(turn, person, dry_run, command),
            },
        };
        if let Err(refused) = &answer
            && refused.kind == RefusedKind::Refused
            && !dry_run
            && self.is_noted(turn)
        {
            self.account(turn, "refused_command", document, None, self.reader(person), &refused.code);
        }
        answer
    }

    /// Refuses content to whoever may only audit.
    fn keep_to_account(&self, person: Option<&str>, command: &Command) -> Result<(), Refused> {
        let shows = matches!(
            command,
            Command::DocumentShow { .. }
                | Command::BulletinList(_)
                | Command::CaseList(_)
                | Command::Inbox
                | Command::Events { .. }
                | Command::RetentionList
                | Command::HeldList
                | Command::HeldShow { .. }
                | Command::AccessList { .. }
                | Command::AccessExplain { .. }
                | Command::ProofExport { .. }
                | Command::FileList { .. }
                | Command::FileRead { .. }
                | Command::AccessPending
                | Command::OnwardList
                | Command::OnwardShow { .. }
        );
        let name = person.map(|p| p.split_once('/').map_or(p, |(name, _)| name));
        let mut acting = self.unlocked.values().filter(|u| name.is_none_or(|name| u.name == name)).peekable();
        match acting.peek().map(|found| found.name.clone()) {
            Some(officer) if shows && acting.all(|found| self.only_audits(found)) => {
                Err(Refused::new(RefusedKind::Refused, "auditor_reads_accounts").with("officer", officer))
            }
            _ => Ok(()),
        }
    }

    /// What commands that state something about ourselves would do: sealed statements about a bureau go to every partner, the rest to nobody.
    /// `None` for commands that foresee themselves or change nothing.
    fn foresee(&self, turn: &Turn, person: Option<&str>, command: &Command) -> Option<Result<View, Refused>> {
        let (needed, told) = match command {
            Command::OfficerAdd { .. } | Command::DeviceInvite { .. } | Command::CertRenew { .. } => (Some(Capability::Order), false),
            Command::OfficerReset { .. } => (Some(Capability::Order), true),
            Command::ClockCorrect { .. } => (Some(Capability::ClockCorrect), false),
            Command::PartnerAdd { .. } => (Some(Capability::SignAgreement), false),
            Command::Install { .. } | Command::SetContact { .. } => (None, true),
            Command::PartnerSet { .. } | Command::OfficerEnrol { .. } | Command::Unlock { .. } | Command::Lock { .. } => (None, false),
            _ => return None,
        };
        if let Some(Err(refused)) = needed.map(|needed| self.acting(turn, person, needed)) {
            return Some(Err(refused));
        }
        let receivers = self.partners.keys().filter(|_| told).map(|bureau| self.receiver(bureau, true, "ok", "")).collect();
        Some(Ok(View::Sending(SendingView { dry_run: true, receivers, ..SendingView::default() })))
    }

    fn only_audits(&self, officer: &Unlocked) -> bool {
        self.directory.certificate(&officer.certificate).is_some_and(|c| c.body().capabilities == [Capability::Audit])
    }

    fn is_noted(&mut self, turn: &Turn) -> bool {
        let noted = &mut self.noted;
        if turn.now.mono >= noted.refused_since.plus(60_000) {
            noted.refused_since = turn.now.mono;
            noted.refused = 0;
        }
        noted.refused += 1;
        noted.refused <= limits::COMMANDS_NOTED_PER_MINUTE
    }

    /// Uptime of a laptop counts up to the last content that was shown, whatever ends the process and whoever sets the clock back then.
    pub(super) fn shown_here(&mut self, turn: &mut Turn) {
        if self.is_laptop() {
            self.write_floor(turn);
        }
    }

    /// Notes that a document was shown to somebody: once an hour for each reader.
    pub(super) fn note_read(&mut self, turn: &mut Turn, document: DocumentId, person: Option<&str>) {
        self.shown_here(turn);
        let reader = self.reader(person);
        if self.is_first_read(turn, reader, document) {
            self.account(turn, "read", Some(document), None, reader, "");
        }
    }

    /// Whether a reader was not shown a document, or a file by its name, within the hour.
    pub(super) fn is_first_read(&mut self, turn: &Turn, reader: Option<CertificateId>, id: DocumentId) -> bool {
        let now = turn.now.mono;
        let hour = |at: &MonoMillis| at.plus(limits::READ_NOTED_EVERY_MS) > now;
        if self.noted.read.get(&(reader, id)).is_some_and(hour) {
            return false;
        }
        if self.noted.read.len() >= limits::READS_REMEMBERED_MAX {
            self.noted.read.retain(|_, at| hour(at));
        }
        if self.noted.read.len() < limits::READS_REMEMBERED_MAX {
            self.noted.read.insert((reader, id), now);
        }
        true
    }

    /// Notes a record of ours: a line for each bureau it lets in or cuts, in the name of the officer who ordered it.
    pub(super) fn account_record(&mut self, turn: &mut Turn, document: DocumentId, kind: &RecordKind, registrar: CertificateId) {
        let by = kind.ordering_officer().unwrap_or(registrar);
        let word = kind.word();
        match kind {
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => {
                for grantee in grantees {
                    let under =
                        grantee.agreement.map(|agreement| agreement.short()).or(grantee.ask.map(|ask| ask.short())).unwrap_or_default();
                    let detail = format!("{} {under}", grantee.verb.word());
                    self.account(turn, word, Some(document), Some(grantee.bureau), Some(by), detail.trim_end());
                }
            }
            RecordKind::Cut(subject, _, _, strict, _) => {
                let bureau = match subject {
                    crate::access::log::Subject::Bureau(bureau) => Some(*bureau),
                    _ => None,
                };
                let detail = if *strict { format!("{} strict", subject.word()) } else { subject.word().to_owned() };
                self.account(turn, word, Some(document), bureau, Some(by), &detail);
            }
            RecordKind::Reclassify(tlp, narrowed, _) => {
                self.account(turn, word, Some(document), None, Some(by), tlp.word());
                for bureau in narrowed {
                    self.account(turn, word, Some(document), Some(*bureau), Some(by), tlp.word());
                }
            }
            RecordKind::End(how, _) => self.account(turn, word, Some(document), None, Some(by), how.word()),
            _ => self.account(turn, word, Some(document), None, Some(by), ""),
        }
    }

    /// A copy of everything leaves the node, sealed. Whoever may ask the daemon may make one; that one was made is not to be hidden.
    pub(super) fn backup_note(&mut self, turn: &mut Turn, dry_run: bool) -> View {
        if !dry_run {
            self.account(turn, "backup", None, None, None, "");
        }
        View::Done { id: None }
    }

    /// Lets an auditor read the account: says what ids in it stand for, and what the filters mean.
    pub(super) fn journal_read(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        document: Option<&str>,
        partner: Option<&str>,
        of: Option<&str>,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Audit)?;
        let document = match document {
            None => String::new(),
            Some(word) => match DocumentId::from_hex(word.trim()) {
                // Also what was purged, or never was here: the account may still speak of it.
                Some(id) => id.to_string(),
                None => self.resolve_document(word)?.to_string(),
            },
        };
        let partner = match partner {
            None => String::new(),
            Some(word) => match BureauId::from_hex(word.trim()) {
                Some(id) => id.to_string(),
                None => self.resolve_partner(word)?.to_string(),
            },
        };
        let certificates = match of {
            None => Vec::new(),
            Some(word) => match (CertificateId::from_hex(word.trim()), self.officers.get(word)) {
                (Some(id), _) => vec![id.to_string()],
                (None, Some(row)) => row.certificates.iter().map(ToString::to_string).collect(),
                (None, None) => return Err(Refused::new(RefusedKind::NotFound, "unknown_officer").with("officer", word)),
            },
        };
        self.account(turn, "journal_read", None, None, Some(by.certificate), "");
        let name = |id: String, name: String| NameView { id, name };
        let bureaus = self.directory.bureaus().map(|record| name(record.id().to_string(), record.name().to_owned()));
        let officers = self.officers.values().flat_map(|row| row.certificates.iter().map(|id| name(id.to_string(), row.name.clone())));
        let documents = self.documents.values().map(|summary| name(summary.document.to_string(), summary.number().to_owned()));
        Ok(View::Journal(JournalView {
            bureau: self.identity.bureau.to_string(),
            name: self.name_of(&self.identity.bureau),
            now: turn.stamp.0,
            document,
            partner,
            certificates,
            names: bureaus.chain(officers).chain(documents).collect(),
            countersigned: self.countersigned(),
        }))
    }
}

//! What one person may read and write here: the rule is [`access::check_reading`]'s and [`access::check_person`]'s, asked at every face that shows or
//! takes content.
//!
//! A laptop that is away from its registrar for too long shows nothing of what is locked, to nobody: such a document stays in lists, without its title.
//!
//! Most documents are for the whole bureau, and then nobody has to say who reads. Where a cut named a seat or unit of ours, or the agreement
//! gives its line to certain seats or units only, a reader is somebody logged in. Refusals stand in the account like every refused command.

use std::collections::BTreeMap;

use super::rows::Summary;
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::{self, Contact, Refusal};
use crate::agreement::Verb;
use crate::id::{CertificateId, DocumentId};
use crate::limits;
use crate::time::{DAY_S, WallSeconds};
use crate::view::{InboxItem, ReadingView, Refused, RefusedKind};

/// How a document stands in a list for whoever reads the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It may be read.
    Open,
    /// It would be, were this laptop not away for too long: it is listed without its title.
    Locked,
    /// It is not for this reader.
    Not,
}

/// When documents of a laptop lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Locks {
    locked: u64,
    /// The next to lock, at what time.
    next: Option<WallSeconds>,
}

impl Bureau {
    /// The one check, asked of a member for a verb, or of nobody in particular for reading.
    fn ask_person(&self, turn: &Turn, summary: &Summary, certificate: Option<&CertificateId>, verb: Verb) -> Result<(), Refusal> {
        let member = match certificate.map(|id| (id, self.directory.certificate(id))) {
            Some((id, None)) => return Err(Refusal::NotThisMember { certificate: *id, verb }),
            Some((id, Some(member))) => Some((id, member.body())),
            None => None,
        };
        // The body's own rights, where it is here: a row keeps only so many denials.
        let rights = self.bodies.get(&summary.document).map(|state| state.log().rights());
        let facts = access::Facts { rights: rights.as_deref().unwrap_or(&summary.rights), ..summary.facts() };
        match (verb, member) {
            (Verb::Read, _) | (_, None) => {
                access::check_reading(&self.book, &facts, self.identity.bureau, member, self.contact(), turn.effective)
            }
            (_, Some((id, member))) => access::check_person(&self.book, &facts, id, member, verb, turn.effective),
        }
    }

    /// Who may be reading: the officer named, or everybody logged in.
    pub(super) fn readers(&self, person: Option<&str>) -> Vec<&Unlocked> {
        let name = person.map(|p| p.split_once('/').map_or(p, |(name, _)| name));
        self.unlocked.values().filter(|unlocked| name.is_none_or(|name| unlocked.name == name)).collect()
    }

    fn reads(&self, turn: &Turn, summary: &Summary, person: Option<&str>) -> Result<(), Refused> {
        let readers = self.readers(person);
        let refusals: Vec<(&Unlocked, Refusal)> = readers
            .iter()
            .filter_map(|reader| Some((*reader, self.ask_person(turn, summary, Some(&reader.certificate), Verb::Read).err()?)))
            .collect();
        if readers.is_empty() {
            if access::depends_on_person(&self.book, &summary.facts(), self.identity.bureau, turn.effective) {
                let who = person.unwrap_or_default();
                return Err(Refused::new(RefusedKind::Refused, "not_logged_in").with("officer", who));
            }
            return self.ask_person(turn, summary, None, Verb::Read).map_err(|refusal| may_not_read(summary, "", &refusal));
        }
        let Some((reader, refusal)) = refusals.first() else { return Ok(()) };
        if refusals.len() < readers.len() {
            // Some of those logged in may read it: they have to say which of them reads.
            let names: Vec<&str> = readers.iter().map(|reader| reader.name.as_str()).collect();
            return Err(Refused::new(RefusedKind::Ambiguous, "which_officer").with("candidates", names.join(", ")));
        }
        Err(may_not_read(summary, &reader.name, refusal))
    }

    /// Refuses content to a person it is not for.
    pub(super) fn may_read(&self, turn: &Turn, person: Option<&str>, document: &DocumentId) -> Result<(), Refused> {
        self.documents.get(document).map_or(Ok(()), |summary| self.reads(turn, &summary, person))
    }

    /// Refuses an entry by a person who may not write here.
    pub(super) fn may_write(&self, turn: &Turn, by: &Unlocked, document: &DocumentId) -> Result<(), Refused> {
        let Some(summary) = self.documents.get(document) else { return Ok(()) };
        self.ask_person(turn, &summary, Some(&by.certificate), Verb::Append).map_err(|refusal| {
            Refused::new(RefusedKind::Refused, "may_not_append")
                .with("id", document.short())
                .with("cites", refusal.cites())
                .with("why", refusal.word())
        })
    }

    /// How a person sees a document in a list. Asked for thousands: what is alike is asked about once.
    pub(super) fn listed<'a>(&'a self, turn: &'a Turn, person: Option<&'a str>) -> impl FnMut(&Summary) -> Seen + 'a {
        let mut known = BTreeMap::new();
        move |summary| {
            let seen = |summary: &Summary| match self.reads(turn, summary, person) {
                Ok(()) => Seen::Open,
                Err(refused) if refused.code == READING_LOCKED => Seen::Locked,
                Err(_) => Seen::Not,
            };
            let own = self.identity.bureau;
            let alike = (summary.owner, summary.category, summary.tlp, summary.rights.bureaus.get(&own).and_then(|held| held.via));
            // Cuts are of one document; agreements speak of all of a kind.
            if summary.rights.denies_anybody() {
                return seen(summary);
            }
            *known.entry(alike).or_insert_with(|| seen(summary))
        }
    }

    /// Whether a laptop shows nothing of a document to whoever is logged in, not even its title.
    pub(super) fn is_locked(&self, turn: &Turn, summary: &Summary) -> bool {
        self.is_laptop() && self.listed(turn, None)(summary) != Seen::Open
    }

    /// What a laptop says of its own reading; a node has nothing to say.
    pub(super) fn reading_view(&self, turn: &Turn) -> Option<ReadingView> {
        if !self.is_laptop() {
            return None;
        }
        let contact = self.contact();
        let since = if let Contact::Away(since) = contact { since } else { turn.stamp };
        let locks = self.locks(turn, since);
        Some(ReadingView {
            home: contact == Contact::Home,
            since: since.0,
            locked: match contact {
                Contact::Home => 0,
                Contact::Away(_) => locks.locked,
                Contact::Revoked(_) => self.documents.len() as u64,
            },
            next: locks.next.map_or(0, |at| at.0),
            days_left: locks.next.map_or(0, |at| at.0.saturating_sub(turn.effective.0) / DAY_S),
        })
    }

    /// What of a laptop's reading waits for a person: what is locked, and what will be soon.
    pub(super) fn reading_items(&self, turn: &Turn, items: &mut Vec<InboxItem>) {
        let Some(reading) = self.reading_view(turn).filter(|reading| !reading.home) else { return };
        let mut item = |kind: &str, title: u64, since: u64| {
            let (kind, title) = (kind.to_owned(), title.to_string());
            items.push(InboxItem { kind, title, since, ..InboxItem::default() });
        };
        if reading.locked > 0 {
            item("reading_locked", reading.locked, reading.since);
        }
        if reading.next > 0 && reading.next < turn.effective.0.saturating_add(limits::LOCK_WARN_S) {
            item("reading_locks", reading.days_left, reading.next);
        }
    }

    /// How many days this laptop keeps a document readable for whoever is logged in: of several officers the one it locks first for.
    pub(super) fn offline_days_here(&self, turn: &Turn, facts: &access::Facts<'_>) -> access::Allowed {
        let of = |reader| access::offline_days(&self.book, facts, self.identity.bureau, reader, turn.effective);
        let members = self.readers(None).into_iter().filter_map(|reader| self.directory.certificate(&reader.certificate));
        members.map(|member| of(Some(member.body()))).min_by_key(|allowed| allowed.days).unwrap_or_else(|| of(None))
    }

    /// What is locked, and what locks next, of all that is here, counted from a contact. What is alike is asked about once.
    fn locks(&self, turn: &Turn, since: WallSeconds) -> Locks {
        let own = self.identity.bureau;
        let mut known = BTreeMap::new();
        let mut locks = Locks::default();
        for line in self.documents.values() {
            let alike = (line.owner, line.category, line.tlp, line.holder(&own).and_then(|held| held.via));
            let at = *known.entry(alike).or_insert_with(|| self.offline_days_here(turn, &line.summary().facts()).locks(since));
            if at <= turn.effective {
                locks.locked += 1;
            } else {
                locks.next = Some(locks.next.map_or(at, |next| next.min(at)));
            }
        }
        locks
    }
}

/// The code of a refusal to show what is locked.
const READING_LOCKED: &str = "reading_locked";

fn may_not_read(summary: &Summary, officer: &str, refusal: &Refusal) -> Refused {
    let code = if matches!(refusal, Refusal::ReadingLocked { .. }) { READING_LOCKED } else { "may_not_read" };
    let refused = Refused::new(RefusedKind::Refused, code).with("id", summary.document.short());
    match refusal {
        Refusal::ReadingLocked { since, days, .. } => refused.with("since", since.0).with("days", days).with("cites", refusal.cites()),
        _ => refused.with("officer", officer).with("cites", refusal.cites()).with("why", refusal.word()),
    }
}

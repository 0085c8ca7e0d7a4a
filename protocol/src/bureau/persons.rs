//! What one person may read and write here: the rule is [`access::check_person`]'s, asked at every face that shows or takes content.
//!
//! Most documents are for the whole bureau, and then nobody has to say who reads. Where a cut named a seat or unit of ours, or the agreement
//! gives its line to certain seats or units only, a reader is somebody logged in. Refusals stand in the account like every refused command.

use std::collections::BTreeMap;

use super::rows::Summary;
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::{self, Refusal};
use crate::agreement::Verb;
use crate::id::{CertificateId, DocumentId};
use crate::view::{Refused, RefusedKind};

impl Bureau {
    fn ask_person(&self, turn: &Turn, summary: &Summary, certificate: &CertificateId, verb: Verb) -> Result<(), Refusal> {
        let Some(member) = self.directory.certificate(certificate) else {
            return Err(Refusal::NotThisMember { certificate: *certificate, verb });
        };
        // The body's own rights, where it is here: a row keeps only so many denials.
        let rights = self.bodies.get(&summary.document).map(|state| state.log().rights());
        let facts = access::Facts { rights: rights.as_deref().unwrap_or(&summary.rights), ..summary.facts() };
        access::check_person(&self.book, &facts, certificate, member.body(), verb, turn.effective)
    }

    /// Who may be reading: the officer named, or everybody logged in.
    fn readers(&self, person: Option<&str>) -> Vec<&Unlocked> {
        let name = person.map(|p| p.split_once('/').map_or(p, |(name, _)| name));
        self.unlocked.values().filter(|unlocked| name.is_none_or(|name| unlocked.name == name)).collect()
    }

    fn reads(&self, turn: &Turn, summary: &Summary, person: Option<&str>) -> Result<(), Refused> {
        let readers = self.readers(person);
        let refusals: Vec<(&Unlocked, Refusal)> = readers
            .iter()
            .filter_map(|reader| Some((*reader, self.ask_person(turn, summary, &reader.certificate, Verb::Read).err()?)))
            .collect();
        let Some((reader, refusal)) = refusals.first() else {
            let open =
                !readers.is_empty() || !access::depends_on_person(&self.book, &summary.facts(), self.identity.bureau, turn.effective);
            let who = person.unwrap_or_default();
            return if open { Ok(()) } else { Err(Refused::new(RefusedKind::Refused, "not_logged_in").with("officer", who)) };
        };
        if refusals.len() < readers.len() {
            // Some of those logged in may read it: they have to say which of them reads.
            let names: Vec<&str> = readers.iter().map(|reader| reader.name.as_str()).collect();
            return Err(Refused::new(RefusedKind::Ambiguous, "which_officer").with("candidates", names.join(", ")));
        }
        Err(Refused::new(RefusedKind::Refused, "may_not_read")
            .with("id", summary.document.short())
            .with("officer", &reader.name)
            .with("cites", refusal.cites())
            .with("why", refusal.word()))
    }

    /// Refuses content to a person it is not for.
    pub(super) fn may_read(&self, turn: &Turn, person: Option<&str>, document: &DocumentId) -> Result<(), Refused> {
        self.documents.get(document).map_or(Ok(()), |summary| self.reads(turn, summary, person))
    }

    /// Refuses an entry by a person who may not write here.
    pub(super) fn may_write(&self, turn: &Turn, by: &Unlocked, document: &DocumentId) -> Result<(), Refused> {
        let Some(summary) = self.documents.get(document) else { return Ok(()) };
        self.ask_person(turn, summary, &by.certificate, Verb::Append).map_err(|refusal| {
            Refused::new(RefusedKind::Refused, "may_not_append")
                .with("id", document.short())
                .with("cites", refusal.cites())
                .with("why", refusal.word())
        })
    }

    /// Whether a person may see a document in a list. Asked for thousands: what is alike is asked about once.
    pub(super) fn listed<'a>(&'a self, turn: &'a Turn, person: Option<&'a str>) -> impl FnMut(&Summary) -> bool + 'a {
        let mut known = BTreeMap::new();
        move |summary| {
            let own = self.identity.bureau;
            let alike = (summary.owner, summary.category, summary.tlp, summary.rights.bureaus.get(&own).and_then(|held| held.via));
            // Cuts are of one document; agreements speak of all of a kind.
            if summary.rights.denies_anybody() {
                return self.reads(turn, summary, person).is_ok();
            }
            *known.entry(alike).or_insert_with(|| self.reads(turn, summary, person).is_ok())
        }
    }
}

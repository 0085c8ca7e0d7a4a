//! Held work: what there is, why it is held, and entering it again in its author's name.
//!
//! Letting held work in as it is takes an order of the owner ([`super::orders`]) and brings all it builds on. Where that is too much, or the
//! writer signed two changes for one position so that nothing above can be let in, an officer enters it again: a new act of the officer's
//! own that quotes what the author signed. The owner's officers may do so for everybody, a bureau's for their own.

use std::collections::BTreeSet;

use accord_keys::certificate::Capability;

use super::Bureau;
use super::turn::Turn;
use crate::access;
use crate::act::{Act, ActKind};
use crate::content::Edit;
use crate::id::{CertificateId, DocumentId};
use crate::intake::{Held, HeldAct, Reentry};
use crate::rules::ChangeHash;
use crate::view::{EntryView, HeldDocumentView, HeldEntryView, ReentryView, Refused, RefusedKind, View};

/// Held acts shown in full.
const HELD_SHOWN: usize = 200;

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

impl Bureau {
    /// Documents with held work that waits, newest first.
    pub(super) fn held_list(&self, turn: &Turn, person: Option<&str>) -> View {
        let mut listed = self.listed(turn, person);
        let mut waiting: Vec<_> = self.documents.open().filter(|line| line.held > 0).collect();
        waiting.sort_unstable_by_key(|line| std::cmp::Reverse(line.newest_seq));
        let lines = waiting.into_iter().map(|line| line.summary()).filter_map(|summary| self.line_seen(&summary, listed(&summary)));
        let documents = lines.map(|line| HeldDocumentView { line, entries: Vec::new() });
        View::Held { documents: documents.collect() }
    }

    /// Every held act of one document that is ours to see: of our own writers, and all of them where the document is ours.
    pub(super) fn held_show(&mut self, turn: &mut Turn, person: Option<&str>, id: &str) -> Result<View, Refused> {
        let document = self.resolve_document(id)?;
        self.may_read(turn, person, &document)?;
        self.body(&document)?;
        self.note_read(turn, document, person);
        let acts = self.held_here(&document);
        let state = self.body(&document)?;
        let entries = acts.into_iter().take(HELD_SHOWN).map(|act| {
            let record = act.since.and_then(|record| state.log().get(&record)?.record.as_ref());
            HeldEntryView {
                why: act.why.word().to_owned(),
                record: if let Held::Cut(record) = act.why { record.to_string() } else { String::new() },
                since: record.map_or(act.act.signed_at.0, |record| record.body().at.0),
                entry: self.held_entry(act),
            }
        });
        let entries = entries.collect();
        let line = self.line(&self.documents.here(&document));
        Ok(View::Held { documents: vec![HeldDocumentView { line, entries }] })
    }

    /// Held acts that concern us.
    pub(super) fn held_here(&self, document: &DocumentId) -> Vec<HeldAct> {
        let Some(state) = self.bodies.get(document) else { return Vec::new() };
        let own = self.identity.bureau;
        let meant = |act: &HeldAct| act.bureau == own || state.owner() == own;
        state.held_acts().into_iter().filter(meant).collect()
    }

    pub(super) fn held_entry(&self, act: HeldAct) -> EntryView {
        let reentered = act.reentered.map(|wrapper| (act.document, wrapper));
        EntryView {
            kind: act.act.kind.word().to_owned(),
            file: act.act.file.map(|file| file.to_string()).unwrap_or_default(),
            title: act.act.title,
            text: act.act.text,
            signed_at: act.act.signed_at.0,
            bureau: act.bureau.to_string(),
            bureau_name: self.name_of(&act.bureau),
            seats: self.seats_of(&act.certificate),
            certificate: act.certificate.to_string(),
            person: self.person_of(&act.certificate),
            settled: false,
            change: act.change.to_string(),
            voided: None,
            reentered: reentered.and_then(|(document, wrapper)| {
                let reentry = self.bodies.get(&document)?.reentry(&wrapper)?;
                Some(self.reentry_view(&reentry))
            }),
        }
    }

    /// Who entered an act again.
    pub(super) fn reentry_view(&self, reentry: &Reentry) -> ReentryView {
        ReentryView {
            bureau: reentry.bureau.to_string(),
            bureau_name: self.name_of(&reentry.bureau),
            seats: self.seats_of(&reentry.certificate),
            person: self.person_of(&reentry.certificate),
            certificate: reentry.certificate.to_string(),
            change: reentry.change.to_string(),
        }
    }

    pub(super) fn seats_of(&self, certificate: &CertificateId) -> Vec<String> {
        self.directory.certificate(certificate).map(|c| c.body().seats.clone()).unwrap_or_default()
    }

    /// Our own officers by name.
    pub(super) fn person_of(&self, certificate: &CertificateId) -> String {
        let found = self.officers.values().find(|row| row.certificates.contains(certificate));
        found.map(|row| row.name.clone()).unwrap_or_default()
    }

    /// Enters held work again: all of it that we may, or the changes named.
    pub(super) fn held_reenter(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        acts: &[String],
    ) -> Result<View, Refused> {
        let own = self.identity.bureau;
        let document = self.resolve_document(id)?;
        // What others wrote is the owner's to decide, by an order; a bureau's own work takes no more than writing.
        let owned = self.body(&document)?.owner() == own;
        let by = self.acting(turn, person, if owned { Capability::Order } else { Capability::Write })?;
        let named = self.named_changes(&document, acts)?;
        let state = self.body(&document)?;
        if state.log().ended().is_some() {
            return Err(refused("has_ended").with("id", document.short()));
        }
        self.may_write(turn, &by, &document)?;
        let meant = |act: &HeldAct| {
            let wanted = named.is_empty() || named.contains(&act.change);
            let ours = access::may_reenter(state.owner(), own, act.bureau);
            wanted && ours && act.reentered.is_none() && act.act.kind != ActKind::Reentered
        };
        let held: Vec<HeldAct> = state.held_acts().into_iter().filter(meant).collect();
        let changes: BTreeSet<ChangeHash> = held.iter().map(|act| act.change).collect();
        if changes.is_empty() {
            return Err(refused("nothing_held").with("id", document.short()));
        }
        let mut quotes = Vec::with_capacity(changes.len());
        for change in &changes {
            match state.quote_of(change) {
                Some(quote) => quotes.push(quote),
                None => return Err(refused("too_long_to_reenter").with("change", change)),
            }
        }
        let count = held.iter().filter(|act| changes.contains(&act.change)).count();
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            return Ok(Self::foreseen(document, receivers, count));
        }
        let edits: Vec<Edit> = quotes
            .into_iter()
            .map(|quote| {
                let act = Act { seat: by.seat.clone(), quote: Some(quote), ..Act::new(turn.nonce(), ActKind::Reentered, turn.stamp) };
                Edit::Act(act.to_bytes())
            })
            .collect();
        self.edit(turn, &by, document, &edits)?;
        let authors: BTreeSet<_> = held.iter().map(|act| (act.bureau, act.certificate)).collect();
        for (bureau, author) in authors {
            self.account(turn, "reentered", Some(document), Some(bureau), Some(by.certificate), &author.short());
        }
        self.touched(turn, document, "reentered");
        Ok(self.ordered(document, receivers, count))
    }
}

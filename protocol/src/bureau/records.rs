//! What our officers order about who holds a document: cuts, and how every record that embeds an order is written. Grants: [`super::onward`].

use accord_keys::certificate::{Capability, MemberCertificate};
use accord_keys::seal::Sealed;

use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::log::{Order, OrderAct, RecordKind, Subject};
use crate::agreement::Verb;
use crate::id::{BureauId, Bytes, CertificateId, DocumentId, PublicKey};
use crate::intake::DocState;
use crate::view::{Refused, RefusedKind, SendingView, View};

impl Bureau {
    pub(super) fn access_cut(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        subject: &str,
        strict: bool,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        let subject = self.cut_subject(&document, subject)?;
        let state = self.owned(&document)?;
        let directory = &self.directory;
        let frontier = state.frontier_of(strict, |id| directory.certificate(id).is_some_and(|c| subject.covers(id, c.body())));
        if let Subject::Bureau(bureau) = &subject
            && !state.log().rights().bureaus.contains_key(bureau)
        {
            // It holds nothing yet, but an order waits that would let it in: that is what is taken back.
            if self.grant_waits(&document, bureau) {
                if !dry_run {
                    self.withdraw_grants(turn, document, *bureau);
                    self.account(turn, "grant_withdrawn", Some(document), Some(*bureau), Some(by.certificate), "");
                }
                return Ok(View::Sending(SendingView { id: document.to_string(), dry_run, ..SendingView::default() }));
            }
            return Err(Refused::new(RefusedKind::Refused, "holds_nothing").with("name", self.name_of(bureau)));
        }
        if dry_run {
            return Ok(View::Sending(SendingView { id: document.to_string(), dry_run, ..SendingView::default() }));
        }
        if let Subject::Bureau(bureau) = &subject {
            self.withdraw_grants(turn, document, *bureau);
        }
        let verbs = vec![Verb::Read, Verb::Append];
        let order = self.order(turn, &by, document, OrderAct::Cut(subject.clone(), verbs.clone(), strict))?;
        self.record(turn, document, RecordKind::Cut(subject, verbs, frontier, strict, order))?;
        self.policy_changed(turn, None);
        Ok(self.sent(document, Vec::new()))
    }

    /// Whom a cut names: a bureau, `seat:BUREAU/SEAT`, `unit:BUREAU/UNIT`, `key:HEX`, or the id of a certificate. Nobody known is a slip of
    /// the pen, and a cut cannot be taken back.
    fn cut_subject(&self, document: &DocumentId, word: &str) -> Result<Subject, Refused> {
        let misuse = |code: &str| Refused::new(RefusedKind::Misuse, code).with("name", word.chars().take(120).collect::<String>());
        if let Some(key) = word.strip_prefix("key:") {
            let key = PublicKey::from_hex(&key.trim().to_ascii_lowercase()).ok_or_else(|| misuse("bad_cut_subject"))?;
            let known = self.directory.bureaus().any(|bureau| self.has_member(&bureau.id(), |member| member.key == key));
            return if known { Ok(Subject::Key(key)) } else { Err(misuse("nobody_like_that")) };
        }
        let part = |prefix: &str| {
            let rest = word.strip_prefix(prefix)?;
            Some(rest.rsplit_once('/').ok_or_else(|| misuse("bad_cut_subject")))
        };
        for (prefix, seat) in [("seat:", true), ("unit:", false)] {
            let Some(found) = part(prefix) else { continue };
            let (bureau, name) = found?;
            let bureau = self.resolve_bureau(bureau).or_else(|refused| self.resolve_holder(document, bureau).ok_or(refused))?;
            let holds = |member: &MemberCertificate| if seat { member.seats.iter().any(|held| held == name) } else { member.unit == name };
            if !self.has_member(&bureau, holds) {
                return Err(misuse("nobody_like_that"));
            }
            return Ok(if seat { Subject::Seat(bureau, name.to_owned()) } else { Subject::Unit(bureau, name.to_owned()) });
        }
        match CertificateId::from_hex(word).filter(|c| self.directory.certificate(c).is_some()) {
            Some(certificate) => Ok(Subject::Certificate(certificate)),
            None => Ok(Subject::Bureau(self.resolve_partner(word).or_else(|refused| self.resolve_holder(document, word).ok_or(refused))?)),
        }
    }

    fn has_member(&self, bureau: &BureauId, wanted: impl Fn(&MemberCertificate) -> bool) -> bool {
        self.directory.members(bureau).iter().filter_map(|id| self.directory.certificate(id)).any(|member| wanted(member.body()))
    }

    pub(super) fn order(&mut self, turn: &mut Turn, by: &Unlocked, document: DocumentId, act: OrderAct) -> Result<Bytes, Refused> {
        let order = Order { document, officer: by.certificate, act, at: turn.stamp, nonce: turn.nonce() };
        let sealed = Sealed::seal(&self.identity.network, order, &[by.signer.as_ref()])
            .map_err(|e| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", e))?;
        Ok(Bytes(sealed.to_bytes()))
    }

    pub(super) fn record(&mut self, turn: &mut Turn, document: DocumentId, kind: RecordKind) -> Result<(), Refused> {
        // Record 1 is adopt: a document that was not adopted yet is now.
        if self.bodies.get(&document).is_some_and(|state| state.adopted_number().is_none()) {
            self.anchor(turn, document);
        }
        if self.write_record(turn, document, kind) {
            Ok(())
        } else {
            Err(Refused::new(RefusedKind::Fault, "record_not_taken").with("id", document.short()))
        }
    }

    /// A loaded document of ours, on the node that writes its records.
    pub(super) fn owned(&self, document: &DocumentId) -> Result<&DocState, Refused> {
        let state = self.body(document)?;
        if state.owner() != self.identity.bureau {
            return Err(Refused::new(RefusedKind::Refused, "not_the_owner")
                .with("id", document.short())
                .with("owner", self.name_of(&state.owner())));
        }
        if self.registrar_epoch().is_none() {
            return Err(Refused::new(RefusedKind::Refused, "not_the_registrar"));
        }
        Ok(state)
    }
}

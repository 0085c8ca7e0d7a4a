//! What our officers order about who holds a document: cuts, and how every record that embeds an order is written. Grants: [`super::onward`].

use accord_keys::certificate::Capability;
use accord_keys::seal::Sealed;

use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::log::{Order, OrderAct, RecordKind, Subject};
use crate::agreement::Verb;
use crate::id::{Bytes, CertificateId, DocumentId};
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
        let subject = match CertificateId::from_hex(subject).filter(|c| self.directory.certificate(c).is_some()) {
            Some(certificate) => Subject::Certificate(certificate),
            None => {
                Subject::Bureau(self.resolve_partner(subject).or_else(|refused| self.resolve_holder(&document, subject).ok_or(refused))?)
            }
        };
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

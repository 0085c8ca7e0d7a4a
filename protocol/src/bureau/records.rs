//! What our officers order about who holds a document: grants, cuts, and the other records that embed an order.

use accord_keys::certificate::Capability;
use accord_keys::seal::Sealed;

use super::author::refuse_partial;
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access;
use crate::access::log::{Grantee, Kind, Order, OrderAct, RecordKind, Subject};
use crate::agreement::Verb;
use crate::id::{Bytes, CertificateId, DocumentId};
use crate::intake::DocState;
use crate::view::{Refused, RefusedKind, SendingView, View};

impl Bureau {
    pub(super) fn access_grant(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        partner: &str,
        verb: &str,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        let bureau = self.resolve_partner(partner)?;
        let verb = match Verb::from_word(verb) {
            Some(verb @ (Verb::Read | Verb::Append)) => verb,
            _ => return Err(Refused::new(RefusedKind::Misuse, "unknown_verb").with("verb", verb.chars().take(40).collect::<String>())),
        };
        let state = self.owned(&document)?;
        let genesis = state.log().genesis().body();
        let (kind, category, tlp) = (genesis.kind, genesis.category, state.log().tlp());
        if kind == Kind::Draft || (kind == Kind::Bulletin && verb == Verb::Append) {
            return Err(Refused::new(RefusedKind::Refused, "kind_forbids").with("kind", kind.word()));
        }
        // A record names whom it lets in, to every reader: a bulletin with a hidden audience is published anew instead.
        if state.log().is_hidden() {
            return Err(Refused::new(RefusedKind::Refused, "hidden_audience").with("id", document.short()));
        }
        // Entries of other bureaus go to a further one only with their consent, which is not yet supported.
        // A bureau that wrote and was cut may come back to its own.
        if state.has_foreign_to(&bureau) && !state.log().rights().bureaus.contains_key(&bureau) {
            return Err(Refused::new(RefusedKind::Refused, "needs_consent").with("id", document.short()));
        }
        let entries = self.bodies.get_mut(&document).expect("owned() found it").acts().map(|a| a.len() as u64).unwrap_or(0);
        let clause = match access::may_grant(&self.book, self.identity.bureau, bureau, category, tlp, verb, turn.effective) {
            Ok(clause) => clause,
            Err(refusal) => {
                let receivers = vec![self.receiver(&bureau, false, refusal.word(), "")];
                if dry_run {
                    return Ok(View::Sending(SendingView { id: document.to_string(), dry_run, receivers, ..SendingView::default() }));
                }
                refuse_partial(&receivers)?;
                unreachable!("a receiver that will not receive is refused");
            }
        };
        let receivers = vec![self.receiver(&bureau, true, "ok", &format!("{}#{}", clause.agreement.short(), clause.line))];
        if dry_run {
            return Ok(View::Sending(SendingView {
                id: document.to_string(),
                dry_run,
                receivers,
                visible_entries: entries,
                ..SendingView::default()
            }));
        }
        let grantees = vec![Grantee::plain(bureau, verb, Some(clause.agreement))];
        let order = self.order(turn, &by, document, OrderAct::Grant(grantees.clone()))?;
        self.record(turn, document, RecordKind::Grant(grantees, order))?;
        let View::Sending(mut view) = self.sent(document, receivers) else { unreachable!("sent() makes a sending view") };
        view.visible_entries = entries;
        Ok(View::Sending(view))
    }

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
            None => Subject::Bureau(self.resolve_partner(subject)?),
        };
        let state = self.owned(&document)?;
        let directory = &self.directory;
        let frontier = state.frontier_of(strict, |id| directory.certificate(id).is_some_and(|c| subject.covers(id, c.body())));
        if let Subject::Bureau(bureau) = &subject
            && !state.log().rights().bureaus.contains_key(bureau)
        {
            return Err(Refused::new(RefusedKind::Refused, "holds_nothing").with("name", self.name_of(bureau)));
        }
        if dry_run {
            return Ok(View::Sending(SendingView { id: document.to_string(), dry_run, ..SendingView::default() }));
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

//! Our card and theirs; who may connect.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use accord_keys::card::{Card, CardError};
use accord_keys::certificate::MemberKind;
use accord_keys::code::Reading;
use accord_keys::contact::Contact;
use accord_keys::directory::CertStanding;
use accord_keys::seal::{Sealed, Verified};

use super::Bureau;
use super::rows::{PartnerRow, write};
use super::turn::Turn;
use crate::id::{BureauId, StatementId, TransportKey};
use crate::limits;
use crate::step::{AllowedPeer, Table};
use crate::time::WallSeconds;
use crate::view::{Refused, RefusedKind, View};
use crate::wire::IdentityStatement;

/// Addresses of one device out of all that its certificates were given: the transport tries fewer.
const ADDRESSES_MERGED_MAX: usize = 64;

impl Bureau {
    /// Keeps the newest contact a node sealed for itself. Its authority: the key of the certificate it names.
    pub(super) fn learn_contact(&mut self, turn: &mut Turn, contact: Verified<Contact>) -> bool {
        let body = contact.body();
        let Some(certificate) = self.directory.certificate(&body.certificate) else { return false };
        if certificate.body().bureau != body.bureau || !contact.is_sealed_by_only(&certificate.body().key) {
            return false;
        }
        if self.contacts.get(&body.certificate).is_some_and(|old| old.body().at >= body.at) {
            return false;
        }
        if let Some(old) = self.contacts.get(&body.certificate) {
            let old = old.id();
            turn.remove(Table::Statements, &old.0);
            self.forget_learnt(turn, &old);
        }
        turn.put(Table::Statements, &contact.id().0, contact.sealed().to_bytes());
        self.note_learnt(turn, contact.id());
        self.contacts.insert(body.certificate, contact);
        self.refresh_allow(turn);
        true
    }

    pub(super) fn set_contact(&mut self, turn: &mut Turn, addresses: Vec<String>, phone: String) -> Result<View, Refused> {
        let contact = Contact {
            bureau: self.identity.bureau,
            certificate: self.identity.certificate,
            addresses,
            phone,
            at: turn.stamp.max(self.contacts.get(&self.identity.certificate).map_or(turn.stamp, |old| old.body().at.plus(1))),
        };
        let sealed = Sealed::seal(&self.identity.network, contact, &[self.identity.signer.as_ref()])
            .map_err(|e| Refused::new(RefusedKind::Misuse, "bad_contact").with("why", e))?;
        let bytes = sealed.to_bytes();
        let verified = sealed.verify(&self.identity.network).map_err(|e| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", e))?;
        self.learn_contact(turn, verified);
        self.tell_statement(turn, &bytes);
        Ok(View::Done { id: None })
    }

    /// A renewed certificate needs its own contact: the old one's, sealed anew.
    pub(super) fn refresh_contact(&mut self, turn: &mut Turn) {
        if self.contacts.contains_key(&self.identity.certificate) {
            return;
        }
        let own = self.own_certificate();
        let before = self
            .contacts
            .values()
            .filter(|c| self.directory.certificate(&c.body().certificate).is_some_and(|old| old.body().key == own.key))
            .max_by_key(|c| c.body().at)
            .map(|c| (c.body().addresses.clone(), c.body().phone.clone()));
        if let Some((addresses, phone)) = before {
            let _ = self.set_contact(turn, addresses, phone);
        }
    }

    /// Our card as it stands.
    pub(super) fn own_card(&self) -> Option<Card> {
        let record = self.directory.bureau(&self.identity.bureau)?;
        let contact = self.contacts.get(&self.identity.certificate)?;
        let certificates = self
            .directory
            .members(&self.identity.bureau)
            .into_iter()
            .filter_map(|id| self.directory.certificate(&id))
            .filter(|c| c.body().kind == MemberKind::Node)
            .map(|c| c.sealed().clone())
            .collect();
        Some(Card {
            roots: record.roots().map(|root| root.sealed().clone()).collect(),
            certificates,
            appointments: record.appointments().map(|a| a.sealed().clone()).collect(),
            contact: contact.sealed().clone(),
        })
    }

    pub(super) fn partner_add(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        card: &str,
        heard: Option<&str>,
        alias: Option<String>,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, accord_keys::certificate::Capability::SignAgreement)?;
        let read = Card::from_text(card).and_then(|card| card.verify(&self.identity.network)).map_err(|error| match error {
            CardError::NotACard => Refused::new(RefusedKind::Misuse, "not_a_card"),
            CardError::Damaged(_) | CardError::Form(_) | CardError::TooLong => {
                Refused::new(RefusedKind::Misuse, "damaged_card").with("why", error)
            }
            other => Refused::new(RefusedKind::Refused, "foreign_card").with("why", other),
        })?;
        let bureau = read.bureau();
        if bureau == self.identity.bureau {
            return Err(Refused::new(RefusedKind::Misuse, "own_card"));
        }
        let mut row = self.partners.get(&bureau).cloned().unwrap_or(PartnerRow { version: 1, ..PartnerRow::default() });
        if let Some(heard) = heard {
            match read.checking_code().compare(heard) {
                Reading::Same => row.checked = true,
                other => {
                    self.account(turn, "checking_code_mismatch", None, Some(bureau), Some(by.certificate), "");
                    return Err(Refused::new(RefusedKind::Refused, "checking_code_differs")
                        .with("name", read.name())
                        .with("where", format!("{other:?}")));
                }
            }
        }
        let mut roots: Vec<_> = read.roots().to_vec();
        roots.sort_by_key(|root| root.body().version);
        let mut certificates: Vec<_> = read.certificates().to_vec();
        // Issuers before what they issued: a chain is root, issuer, member.
        certificates.sort_by_key(|c| matches!(c.body().issuer, accord_keys::certificate::Issuer::Member(_)));
        let foreign = |e| Refused::new(RefusedKind::Refused, "foreign_card").with("why", e);
        let newest = roots.last().map(Verified::root_id);
        for root in roots {
            self.learn_identity(turn, IdentityStatement::Root(root)).map_err(foreign)?;
        }
        // Of rival roots the one whose code was read out goes on.
        if let Some(root) = newest.filter(|_| heard.is_some() && self.directory.is_frozen(&bureau)) {
            std::sync::Arc::make_mut(&mut self.directory).confirm_root(&root);
            row.root = Some(root);
            turn.step.directory_changed = true;
            self.account(turn, "root_confirmed", None, Some(bureau), Some(by.certificate), &StatementId(root.0).short());
            self.policy_changed(turn, Some(bureau));
        }
        let statements = certificates
            .into_iter()
            .map(IdentityStatement::Certificate)
            .chain(read.appointments().iter().cloned().map(IdentityStatement::Appointment));
        for statement in statements {
            self.learn_identity(turn, statement).map_err(foreign)?;
        }
        self.learn_contact(turn, read.contact().clone());
        if let Some(alias) = alias {
            self.set_alias(&bureau, &mut row, alias)?;
        }
        turn.put(Table::Partners, &bureau.0, write(&row));
        let word = if row.checked { "checked" } else { "unchecked" };
        self.partners.insert(bureau, row);
        self.note_all_ends(turn.effective);
        self.account(turn, "partner_add", None, Some(bureau), Some(by.certificate), word);
        self.event(turn, "partner", None, Some(bureau), word);
        self.refresh_allow(turn);
        Ok(View::Partners { partners: vec![self.partner_view(turn, &bureau)] })
    }

    fn set_alias(&self, bureau: &BureauId, row: &mut PartnerRow, alias: String) -> Result<(), Refused> {
        if alias.len() > 64 || !crate::act::is_plain(&alias) || alias.contains(['\n', '\t', '/']) {
            return Err(Refused::new(RefusedKind::Misuse, "bad_name"));
        }
        if !alias.is_empty() && self.partners.iter().any(|(other, r)| other != bureau && r.alias == alias) {
            return Err(Refused::new(RefusedKind::Refused, "alias_taken").with("alias", alias));
        }
        row.alias = alias;
        Ok(())
    }

    pub(super) fn partner_set(
        &mut self,
        turn: &mut Turn,
        partner: &str,
        alias: Option<String>,
        address: Option<String>,
    ) -> Result<View, Refused> {
        let bureau = self.resolve_partner(partner)?;
        let mut row = self.partners[&bureau].clone();
        if let Some(alias) = alias {
            self.set_alias(&bureau, &mut row, alias)?;
        }
        if let Some(address) = address {
            if address.len() > 200 || !crate::act::is_plain(&address) {
                return Err(Refused::new(RefusedKind::Misuse, "bad_address"));
            }
            row.address = address;
        }
        turn.put(Table::Partners, &bureau.0, write(&row));
        self.partners.insert(bureau, row);
        self.refresh_allow(turn);
        Ok(View::Partners { partners: vec![self.partner_view(turn, &bureau)] })
    }

    pub(super) fn store_partner(&mut self, turn: &mut Turn, bureau: BureauId) {
        if let Some(row) = self.partners.get(&bureau) {
            turn.put(Table::Partners, &bureau.0, write(row));
        }
    }

    /// Who may connect: good nodes of partners, other devices of our own bureau, open invitations. Laptops dial their nodes and nobody else.
    /// Of a partner's devices those come first whose certificates have not ended by `now`.
    pub(super) fn compute_allow(&self, now: WallSeconds) -> Vec<AllowedPeer> {
        let own_kind = self.own_certificate().kind;
        let mut out = Vec::new();
        let mut add = |bureau: &BureauId, partner: Option<&PartnerRow>| {
            let Some(record) = self.directory.bureau(bureau) else { return };
            let registrar = self.directory.registrar(bureau).map(|(_, registrar)| registrar);
            let mut found = Vec::new();
            for certificate in record.certificates() {
                let (id, body) = (certificate.certificate_id(), certificate.body());
                let Some(transport) = body.transport else { continue };
                if id == self.identity.certificate {
                    continue;
                }
                if partner.is_some() && (body.kind != MemberKind::Node || own_kind != MemberKind::Node) {
                    continue;
                }
                let has_ended = now >= body.not_after;
                found.push((has_ended, registrar != Some(id), Reverse(body.not_before), id, transport, body.kind));
            }
            // A partner certifies as many devices as it likes: so many of them are let in, and fewer dialled.
            found.sort();
            // With how many addresses.
            let mut devices: BTreeMap<TransportKey, usize> = BTreeMap::new();
            let mut dialled = BTreeSet::new();
            for (_, _, _, id, transport, kind) in found {
                let mut addresses = self.contacts.get(&id).map_or(&[][..], |c| &c.body().addresses);
                if let Some(row) = partner.filter(|row| !row.address.is_empty()) {
                    addresses = std::slice::from_ref(&row.address);
                }
                // Whether it is revoked is asked of those only that have something to add: a device, or addresses of one.
                let adds = match devices.get(&transport) {
                    None => devices.len() < limits::DEVICES_ALLOWED_MAX,
                    Some(so_far) => !addresses.is_empty() && *so_far < ADDRESSES_MERGED_MAX,
                };
                if partner.is_some() && !adds {
                    continue;
                }
                // A revoked device of our own may come and hear so; it is not dialled.
                let revoked = self.directory.revoked(&id).is_some();
                if revoked && (partner.is_some() || own_kind != MemberKind::Node) {
                    continue;
                }
                *devices.entry(transport).or_default() += addresses.len();
                let room = partner.is_none() || dialled.contains(&transport) || dialled.len() < limits::DEVICES_DIALLED_MAX;
                let dial = !addresses.is_empty() && kind == MemberKind::Node && !revoked && room;
                if dial {
                    dialled.insert(transport);
                }
                out.push(AllowedPeer { transport, addresses: addresses.to_vec(), dial });
            }
        };
        add(&self.identity.bureau, None);
        for (bureau, row) in &self.partners {
            add(bureau, Some(row));
        }
        out.extend(self.invites.keys().map(|transport| AllowedPeer { transport: *transport, addresses: Vec::new(), dial: false }));
        out.sort_by_key(|peer| peer.transport);
        // A renewed certificate keeps its transport key; and whoever certifies another's transport key adds a hint where to dial, no more.
        let mut merged: Vec<AllowedPeer> = Vec::with_capacity(out.len());
        for peer in out {
            match merged.last_mut().filter(|last| last.transport == peer.transport) {
                Some(last) => {
                    last.dial |= peer.dial;
                    for address in peer.addresses {
                        if last.addresses.len() < ADDRESSES_MERGED_MAX && !last.addresses.contains(&address) {
                            last.addresses.push(address);
                        }
                    }
                }
                None => merged.push(peer),
            }
        }
        merged
    }

    /// Recomputes the allow-list and hands it out if it changed.
    pub(super) fn refresh_allow(&mut self, turn: &mut Turn) {
        let fresh = self.compute_allow(turn.stamp);
        if fresh != self.allow {
            self.allow.clone_from(&fresh);
            turn.step.allow = Some(fresh);
        }
    }

    /// Whether a device certificate may hold a session now.
    pub(super) fn may_connect(&self, turn: &Turn, id: &crate::id::CertificateId) -> bool {
        self.directory.standing(id, turn.stamp) == CertStanding::Good
    }
}

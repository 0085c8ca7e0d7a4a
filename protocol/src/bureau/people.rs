//! Officers, devices and statements made elsewhere.

use std::sync::Arc;

use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::clock_reset::ClockReset;
use accord_keys::directory::CertStanding;
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::seal::{Sealed, Statement};
use accord_keys::secret::Signer;

use super::rows::{InviteRow, OfficerRow, write};
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::id::{CertificateId, HpkeKey, PublicKey, TransportKey};
use crate::input::LinkId;
use crate::limits;
use crate::step::Table;
use crate::time::WallSeconds;
use crate::view::{Refused, RefusedKind, View};
use crate::wire::{IdentityStatement, Join, Message, Welcome};

/// How long an officer's or laptop's certificate is good, seconds.
const MEMBER_S: u64 = 90 * 24 * 3_600;

impl Bureau {
    /// The officer who acts: the one named, or the only one logged in; with a good certificate and the capability.
    pub(super) fn acting(&self, turn: &Turn, person: Option<&str>, needed: Capability) -> Result<Unlocked, Refused> {
        self.acting_as(turn, person, needed, false)
    }

    /// As [`Bureau::acting`], for what a store that was put back needs before anything else: there an officer's word counts also by a key that
    /// was replaced since, if this store knows no newer one.
    pub(super) fn acting_put_back(&self, turn: &Turn, person: Option<&str>, needed: Capability) -> Result<Unlocked, Refused> {
        self.acting_as(turn, person, needed, true)
    }

    /// Whether an officer's key was replaced after the time to which this store was put back, or by a copy of it: partners said so, and the newer
    /// key is not here, like what else came since. The node's own key, which is here, could issue that officer another; so nothing is given away. Never a key that
    /// was called compromised.
    fn is_replaced_since(&self, name: &str, certificate: &CertificateId) -> bool {
        let newest = self.officers.get(name).filter(|row| !row.awaiting).is_some_and(|row| {
            // An officer's key on a laptop is under the same name, and serves nobody here.
            let used = row.certificates.iter().rev().find(|known| self.memory.is_used_here(known));
            used.or(row.certificates.last()) == Some(certificate)
        });
        newest && self.memory.knows_of_another_self() && self.directory.revoked(certificate) == Some(RevocationClass::Retired)
    }

    /// Has an officer make a new key at the next login, where the one used is revoked.
    pub(super) fn await_new_key(&mut self, turn: &mut Turn, name: &str, certificate: &CertificateId) {
        if self.directory.revoked(certificate).is_none() || self.may_issue().is_err() {
            return;
        }
        let Some(mut row) = self.officers.get(name).cloned() else { return };
        row.certificates.iter().for_each(|certificate| drop(self.unlocked.remove(certificate)));
        row.awaiting = true;
        self.store_officer(turn, row);
        self.event(turn, "officer", None, None, "reset");
    }

    fn acting_as(&self, turn: &Turn, person: Option<&str>, needed: Capability, put_back: bool) -> Result<Unlocked, Refused> {
        let (name, seat) = match person.map(|p| p.split_once('/').unwrap_or((p, ""))) {
            Some((name, seat)) => (Some(name), seat),
            None => (None, ""),
        };
        let mut matching = self.unlocked.values().filter(|u| name.is_none_or(|name| u.name == name));
        let Some(found) = matching.next() else {
            return Err(Refused::new(RefusedKind::Refused, "not_logged_in").with("officer", name.unwrap_or("")));
        };
        if matching.next().is_some() {
            let names: Vec<&str> = self.unlocked.values().map(|u| u.name.as_str()).collect();
            return Err(Refused::new(RefusedKind::Ambiguous, "which_officer").with("candidates", names.join(", ")));
        }
        let certificate = self.directory.certificate(&found.certificate).expect("unlocked only with a known certificate").body();
        match self.directory.standing(&found.certificate, turn.stamp) {
            CertStanding::Good => {}
            _ if put_back && self.is_replaced_since(&found.name, &found.certificate) => {}
            other => {
                return Err(Refused::new(RefusedKind::Refused, "certificate_not_good")
                    .with("officer", &found.name)
                    .with("standing", standing_word(other)));
            }
        }
        if !certificate.may(needed) {
            return Err(Refused::new(RefusedKind::Refused, "not_allowed")
                .with("officer", &found.name)
                .with("capability", needed.word().unwrap_or("?")));
        }
        if !seat.is_empty() && !certificate.seats.iter().any(|s| s == seat) {
            return Err(Refused::new(RefusedKind::Refused, "no_such_seat").with("officer", &found.name).with("seat", seat));
        }
        let mut acting = found.clone();
        acting.seat = if seat.is_empty() { certificate.seats.first().cloned().unwrap_or_default() } else { seat.to_owned() };
        Ok(acting)
    }

    fn store_officer(&mut self, turn: &mut Turn, row: OfficerRow) {
        turn.put(Table::Officers, row.name.as_bytes(), write(&row));
        self.officers.insert(row.name.clone(), row);
    }

    pub(super) fn officer_add(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        name: String,
        mut seats: Vec<String>,
        mut capabilities: Vec<String>,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        self.may_issue()?;
        let name = name.trim().to_owned();
        if name.is_empty() || name.len() > 96 || !crate::act::is_plain(&name) || name.contains(['/', '\n', '\t']) {
            return Err(Refused::new(RefusedKind::Misuse, "bad_name"));
        }
        if self.officers.contains_key(&name) {
            return Err(Refused::new(RefusedKind::Refused, "officer_exists").with("officer", &name));
        }
        if capabilities.is_empty() {
            capabilities = ["create", "write"].map(str::to_owned).to_vec();
        }
        for word in &capabilities {
            match Capability::from_word(word) {
                Some(capability) if !capability.is_root_only() => {}
                Some(_) => return Err(Refused::new(RefusedKind::Refused, "root_only_capability").with("capability", word)),
                None => return Err(Refused::new(RefusedKind::Misuse, "unknown_capability").with("capability", word)),
            }
        }
        seats.sort();
        seats.dedup();
        capabilities.sort();
        capabilities.dedup();
        self.account(turn, "officer_add", None, None, Some(by.certificate), "");
        let row = OfficerRow { version: 1, name, seats, capabilities, certificates: Vec::new(), awaiting: true };
        let id = row.name.clone();
        self.store_officer(turn, row);
        self.event(turn, "officer", None, None, "added");
        Ok(View::Done { id: Some(id) })
    }

    pub(super) fn officer_reset(&mut self, turn: &mut Turn, person: Option<&str>, name: &str) -> Result<View, Refused> {
        let by = self.acting_put_back(turn, person, Capability::Order)?;
        self.may_issue()?;
        let mut row = self.find_officer(name)?.clone();
        for certificate in row.certificates.clone() {
            self.unlocked.remove(&certificate);
            if self.directory.standing(&certificate, turn.stamp) != CertStanding::Good {
                continue;
            }
            let revocation = Revocation {
                bureau: self.identity.bureau,
                target: RevocationTarget::Certificate(certificate),
                class: RevocationClass::Retired,
                at: turn.stamp,
                issuer: Issuer::Member(self.identity.certificate),
            };
            let sealed = self.seal(revocation)?;
            let bytes = sealed.to_bytes();
            self.learn_own(turn, &bytes)?;
        }
        row.awaiting = true;
        self.account(turn, "officer_reset", None, None, Some(by.certificate), "");
        self.store_officer(turn, row);
        self.event(turn, "officer", None, None, "reset");
        Ok(View::Done { id: Some(name.to_owned()) })
    }

    pub(super) fn officer_enrol(&mut self, turn: &mut Turn, name: &str, key: PublicKey) -> Result<View, Refused> {
        let row = self.find_officer(name)?.clone();
        if !row.awaiting {
            return Err(Refused::new(RefusedKind::Refused, "officer_has_key").with("officer", name));
        }
        self.may_issue()?;
        let certificate = self.issue_officer(turn, row, key)?;
        Ok(View::Done { id: Some(certificate.to_string()) })
    }

    fn issue_officer(&mut self, turn: &mut Turn, mut row: OfficerRow, key: PublicKey) -> Result<CertificateId, Refused> {
        let mut capabilities: Vec<Capability> = row.capabilities.iter().filter_map(|word| Capability::from_word(word)).collect();
        capabilities.sort();
        let unit = self.own_certificate().unit.clone();
        let body = MemberCertificate {
            bureau: self.identity.bureau,
            network: self.identity.network,
            kind: MemberKind::Officer,
            key,
            transport: None,
            hpke: None,
            unit,
            seats: row.seats.clone(),
            capabilities,
            name_commitment: None,
            scope_commitment: None,
            not_before: begins(turn.stamp),
            not_after: turn.stamp.plus(MEMBER_S),
            serial: turn.nonce().0,
            issuer: Issuer::Member(self.identity.certificate),
        };
        let certificate = self.issue(turn, body)?;
        row.certificates.push(certificate);
        row.awaiting = false;
        self.store_officer(turn, row);
        Ok(certificate)
    }

    fn issue(&mut self, turn: &mut Turn, body: MemberCertificate) -> Result<CertificateId, Refused> {
        let sealed = self.seal(body)?;
        let id = sealed.certificate_id(&self.identity.network);
        self.learn_own(turn, &sealed.to_bytes())?;
        self.account(turn, "issued", None, None, Some(id), "");
        Ok(id)
    }

    /// Seals with this device's key.
    pub(super) fn seal<T: Statement>(&self, body: T) -> Result<Sealed<T>, Refused> {
        Sealed::seal(&self.identity.network, body, &[self.identity.signer.as_ref()])
            .map_err(|e| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", e))
    }

    pub(super) fn find_officer(&self, name: &str) -> Result<&OfficerRow, Refused> {
        self.officers.get(name).ok_or_else(|| Refused::new(RefusedKind::NotFound, "unknown_officer").with("officer", name))
    }

    /// This device's own certificate.
    pub(super) fn own_certificate(&self) -> &MemberCertificate {
        self.directory.certificate(&self.identity.certificate).expect("checked when the store was opened").body()
    }

    fn may_issue(&self) -> Result<(), Refused> {
        if self.own_certificate().may(Capability::Issue) { Ok(()) } else { Err(Refused::new(RefusedKind::Refused, "not_an_issuer")) }
    }

    pub(super) fn officer_find(&self, turn: &Turn, name: &str) -> Result<View, Refused> {
        let row = self.find_officer(name)?;
        Ok(View::Officers { officers: vec![self.officer_view(turn, row)] })
    }

    pub(super) fn unlock(
        &mut self,
        turn: &mut Turn,
        name: &str,
        certificate: CertificateId,
        signer: Arc<dyn Signer>,
    ) -> Result<View, Refused> {
        let row = self.find_officer(name)?;
        if !row.certificates.contains(&certificate) {
            return Err(Refused::new(RefusedKind::Refused, "foreign_key").with("officer", name));
        }
        let body = self.directory.certificate(&certificate).map(|c| c.body().clone());
        if body.is_none_or(|body| body.key != signer.public()) {
            return Err(Refused::new(RefusedKind::Refused, "foreign_key").with("officer", name));
        }
        let standing = self.directory.standing(&certificate, turn.stamp);
        if standing != CertStanding::Good && !self.is_replaced_since(name, &certificate) {
            return Err(Refused::new(RefusedKind::Refused, "certificate_not_good")
                .with("officer", name)
                .with("standing", standing_word(standing)));
        }
        self.unlocked.insert(certificate, Unlocked { name: name.to_owned(), certificate, signer, seat: String::new() });
        self.key_used_here(turn, certificate);
        self.account(turn, "login", None, None, Some(certificate), "");
        Ok(self.show_whoami(turn))
    }

    pub(super) fn lock(&mut self, turn: &mut Turn, name: Option<&str>) -> Result<View, Refused> {
        let gone: Vec<CertificateId> =
            self.unlocked.values().filter(|u| name.is_none_or(|name| u.name == name)).map(|u| u.certificate).collect();
        if gone.is_empty() && name.is_some() {
            return Err(Refused::new(RefusedKind::Refused, "not_logged_in").with("officer", name.unwrap_or("")));
        }
        for certificate in gone {
            self.unlocked.remove(&certificate);
            self.account(turn, "logout", None, None, Some(certificate), "");
        }
        Ok(self.show_whoami(turn))
    }

    pub(super) fn clock_correct(&mut self, turn: &mut Turn, person: Option<&str>, confirm: bool) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::ClockCorrect)?;
        if !self.clock.is_held() && (!confirm || self.clock.is_corroborated(turn.now)) {
            return Err(Refused::new(RefusedKind::Refused, "clock_not_held"));
        }
        if confirm && self.clock.is_held() && !self.clock.may_confirm(turn.now) {
            return Err(Refused::new(RefusedKind::Refused, "clock_behind"));
        }
        self.account(turn, "clock_correct", None, None, Some(by.certificate), if confirm { "confirm" } else { "undo" });
        let event = self.clock.correct(confirm, turn.now);
        turn.read(&self.clock);
        self.clock_changed(turn, event);
        self.write_floor(turn);
        Ok(View::Done { id: None })
    }

    /// The root lowers a poisoned floor of its own devices, once: that it is known is kept with it.
    fn clock_reset(&mut self, turn: &mut Turn, reset: &ClockReset) {
        let newest = self.directory.root_head(&self.identity.bureau) == Some(reset.root);
        let done = newest && self.clock.reset(reset.floor, turn.now);
        turn.read(&self.clock);
        let word = if done { "reset" } else { "reset without effect" };
        self.account(turn, "clock", None, None, None, word);
        self.event(turn, "clock", None, None, word);
        if done {
            self.told_by_a_poisoned_clock(turn);
            self.policy_changed(turn, None);
        }
    }

    /// A sealed statement made elsewhere (on the machine that holds the root key).
    pub(super) fn install(&mut self, turn: &mut Turn, bytes: &[u8]) -> Result<View, Refused> {
        let statement = IdentityStatement::from_bytes(&self.identity.network, bytes)
            .map_err(|e| Refused::new(RefusedKind::Misuse, "bad_statement").with("why", e))?;
        let id = statement.id();
        if let IdentityStatement::Certificate(certificate) = &statement
            && certificate.body().bureau != self.identity.bureau
        {
            return Err(Refused::new(RefusedKind::Refused, "statement_of_another_bureau"));
        }
        if let IdentityStatement::ClockReset(reset) = &statement {
            if reset.body().bureau != self.identity.bureau {
                return Err(Refused::new(RefusedKind::Refused, "statement_of_another_bureau"));
            }
            // It works once: spent on a clock that is not held back it could not help when it is.
            if !self.clock.is_behind(turn.now) {
                return Err(Refused::new(RefusedKind::Refused, "clock_not_behind"));
            }
        }
        let new = self.learn_own(turn, bytes)?;
        if new {
            self.event(turn, "statement", None, None, "installed");
        }
        Ok(View::Done { id: Some(id.to_string()) })
    }

    /// Learns a statement of our own bureau and tells everyone linked.
    pub(super) fn learn_own(&mut self, turn: &mut Turn, bytes: &[u8]) -> Result<bool, Refused> {
        let statement = IdentityStatement::from_bytes(&self.identity.network, bytes)
            .map_err(|e| Refused::new(RefusedKind::Misuse, "bad_statement").with("why", e))?;
        let new =
            self.learn_identity(turn, statement).map_err(|e| Refused::new(RefusedKind::Refused, "statement_not_taken").with("why", e))?;
        if new {
            self.refresh_allow(turn);
            self.tell_statement(turn, bytes);
        }
        Ok(new)
    }

    /// Learns any statement about identities; persists it when new.
    pub(super) fn learn_identity(
        &mut self,
        turn: &mut Turn,
        statement: IdentityStatement,
    ) -> Result<bool, accord_keys::directory::DirectoryError> {
        let id = statement.id();
        let bytes = statement.to_bytes();
        if let IdentityStatement::Contact(contact) = statement {
            return Ok(self.learn_contact(turn, contact));
        }
        let reset = match &statement {
            IdentityStatement::ClockReset(reset) if reset.body().bureau != self.identity.bureau => return Ok(false),
            IdentityStatement::ClockReset(reset) => Some(reset.body().clone()),
            _ => None,
        };
        let revokes = matches!(statement, IdentityStatement::Revocation(_));
        let new = statement.teach(Arc::make_mut(&mut self.directory))?;
        if new && revokes {
            self.revocation_came();
        }
        if let Some(reset) = reset.filter(|_| new) {
            self.clock_reset(turn, &reset);
        }
        if new {
            turn.put(Table::Statements, &id.0, bytes);
            self.note_learnt(turn, id);
            turn.step.directory_changed = true;
            self.file_renewal(turn, CertificateId(id.0));
        }
        Ok(new)
    }

    /// A renewed certificate of our own: the device takes it on, an officer's is filed under the officer whose key it is.
    fn file_renewal(&mut self, turn: &mut Turn, id: CertificateId) {
        let Some(body) = self.directory.certificate(&id).map(|c| c.body().clone()) else { return };
        if body.bureau != self.identity.bureau {
            return;
        }
        if body.kind != MemberKind::Officer {
            return self.choose_certificate(turn.stamp);
        }
        let owner = self.officers.values().find(|row| {
            !row.certificates.contains(&id)
                && row.certificates.iter().any(|old| self.directory.certificate(old).is_some_and(|c| c.body().key == body.key))
        });
        if let Some(mut row) = owner.cloned() {
            row.certificates.push(id);
            self.store_officer(turn, row);
        }
    }

    /// The newest good certificate for this device's key: what it shows, issues and seals under.
    pub(super) fn choose_certificate(&mut self, now: crate::time::WallSeconds) {
        let own = self.own_certificate().clone();
        let newest = self
            .directory
            .members(&self.identity.bureau)
            .into_iter()
            .filter_map(|id| self.directory.certificate(&id).map(|c| (id, c.body())))
            .filter(|(id, body)| {
                body.key == own.key
                    && body.transport == own.transport
                    && body.kind == own.kind
                    && self.directory.standing(id, now) == CertStanding::Good
            })
            .max_by_key(|(id, body)| (body.not_after, *id))
            .map(|(id, _)| id);
        self.identity.certificate = newest.unwrap_or(self.identity.certificate);
    }

    pub(super) fn cert_renew(&mut self, turn: &mut Turn, person: Option<&str>, name: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        self.may_issue()?;
        if let Some(row) = self.officers.get(name).cloned() {
            return self.renew_officer(turn, by.certificate, row);
        }
        let old = self.find_device(name)?;
        let mut body = self.directory.certificate(&old).expect("listed certificates are known").body().clone();
        if matches!(body.issuer, Issuer::Root(_)) {
            return Err(Refused::new(RefusedKind::Refused, "issued_by_root").with("name", name));
        }
        if matches!(self.directory.standing(&old, turn.stamp), CertStanding::Revoked(_) | CertStanding::Disputed) {
            return Err(Refused::new(RefusedKind::Refused, "certificate_not_good").with("officer", name).with("standing", "revoked"));
        }
        let new = self.renewed(turn, &mut body)?;
        self.account(turn, "renewed", None, None, Some(by.certificate), "");
        Ok(View::Done { id: Some(new.to_string()) })
    }

    fn renewed(&mut self, turn: &mut Turn, body: &mut MemberCertificate) -> Result<CertificateId, Refused> {
        body.capabilities.retain(|c| !c.is_root_only());
        body.issuer = Issuer::Member(self.identity.certificate);
        body.not_before = begins(turn.stamp);
        body.not_after = turn.stamp.plus(MEMBER_S);
        body.serial = turn.nonce().0;
        self.issue(turn, body.clone())
    }

    /// New certificates for every key of an officer that was not revoked: the one at home and those on laptops.
    fn renew_officer(&mut self, turn: &mut Turn, by: CertificateId, row: OfficerRow) -> Result<View, Refused> {
        let mut keys: Vec<(CertificateId, MemberCertificate)> = Vec::new();
        for id in row.certificates.iter().rev() {
            let body = self.directory.certificate(id).expect("listed certificates are known").body();
            let revoked = matches!(self.directory.standing(id, turn.stamp), CertStanding::Revoked(_) | CertStanding::Disputed);
            if !revoked && keys.iter().all(|(_, known)| known.key != body.key) {
                keys.push((*id, body.clone()));
            }
        }
        if keys.is_empty() {
            return Err(Refused::new(RefusedKind::Refused, "officer_has_no_key").with("officer", &row.name));
        }
        let mut newest = None;
        for (old, mut body) in keys.into_iter().rev() {
            // learn_identity() files the new certificate under the officer, by its key.
            let new = self.renewed(turn, &mut body)?;
            if let Some(unlocked) = self.unlocked.remove(&old) {
                self.unlocked.insert(new, Unlocked { certificate: new, ..unlocked });
            }
            newest = Some(new);
        }
        self.account(turn, "renewed", None, None, Some(by), "");
        Ok(View::Done { id: newest.map(|id| id.to_string()) })
    }

    fn find_device(&self, name: &str) -> Result<CertificateId, Refused> {
        let matching: Vec<CertificateId> = self
            .directory
            .members(&self.identity.bureau)
            .into_iter()
            .filter(|id| {
                let body = self.directory.certificate(id).expect("members are known").body();
                body.transport.is_some() && name.len() >= 4 && id.to_string().starts_with(&name.to_ascii_lowercase())
            })
            .collect();
        match matching.as_slice() {
            [one] => Ok(*one),
            [] => Err(Refused::new(RefusedKind::NotFound, "unknown_device").with("name", name)),
            many => Err(Refused::new(RefusedKind::Ambiguous, "ambiguous_name")
                .with("candidates", many.iter().map(CertificateId::short).collect::<Vec<_>>().join(", "))),
        }
    }

    pub(super) fn device_invite(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        officer: &str,
        transport: TransportKey,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        self.may_issue()?;
        self.find_officer(officer)?;
        let row = InviteRow { version: 1, officer: officer.to_owned(), expires: turn.stamp.plus(limits::INVITE_EXPIRES_S), device: None };
        turn.put(Table::Devices, &transport.0, write(&row));
        self.invites.insert(transport, row);
        self.refresh_allow(turn);
        self.account(turn, "device_invite", None, None, Some(by.certificate), "");
        Ok(View::Done { id: Some(transport.to_string()) })
    }

    pub(super) fn drop_invite(&mut self, turn: &mut Turn, transport: &TransportKey) {
        if self.invites.remove(transport).is_some() {
            turn.remove(Table::Devices, &transport.0);
        }
    }

    /// A laptop asks over its invitation's transport key: certificates for the device and for the officer's key on it.
    pub(super) fn join(&mut self, turn: &mut Turn, link: LinkId, invitation: TransportKey, join: Join) {
        let Some(invite) = self.invites.get(&invitation).cloned() else { return self.refuse_link(turn, link, crate::wire::Reason::No) };
        let device = join.device;
        if invite.device.is_some_and(|used| used != device) {
            return self.refuse_link(turn, link, crate::wire::Reason::No);
        }
        let welcome = self.enrol_laptop(turn, &invite, join);
        match welcome {
            Ok(welcome) => {
                // Kept until the laptop's first hello: a lost answer is asked for again with the same keys.
                let row = InviteRow { device: Some(device), ..invite };
                turn.put(Table::Devices, &invitation.0, write(&row));
                self.invites.insert(invitation, row);
                self.send(turn, link, &Message::Welcome(welcome), false);
                self.event(turn, "device", None, None, "joined");
            }
            Err(_) => self.refuse_link(turn, link, crate::wire::Reason::Protocol),
        }
    }

    fn enrol_laptop(&mut self, turn: &mut Turn, invite: &InviteRow, join: Join) -> Result<Welcome, Refused> {
        let own = self.own_certificate().clone();
        let known = |key: PublicKey, kind: MemberKind| {
            self.directory
                .members(&self.identity.bureau)
                .into_iter()
                .find(|id| self.directory.certificate(id).is_some_and(|c| c.body().key == key && c.body().kind == kind))
        };
        let (device_before, officer_before) = (known(join.device, MemberKind::Laptop), known(join.officer, MemberKind::Officer));
        let device = MemberCertificate {
            bureau: self.identity.bureau,
            network: self.identity.network,
            kind: MemberKind::Laptop,
            key: join.device,
            transport: Some(join.transport),
            hpke: Some(HpkeKey(join.hpke.0)),
            unit: own.unit,
            seats: Vec::new(),
            capabilities: vec![Capability::Create, Capability::Write],
            name_commitment: None,
            scope_commitment: None,
            not_before: begins(turn.stamp),
            not_after: turn.stamp.plus(MEMBER_S),
            serial: turn.nonce().0,
            issuer: Issuer::Member(self.identity.certificate),
        };
        let device = match device_before {
            Some(device) => device,
            None => self.issue(turn, device)?,
        };
        let row = self.find_officer(&invite.officer)?.clone();
        let awaiting = row.awaiting;
        let officer = match officer_before {
            Some(officer) => officer,
            None => self.issue_officer(turn, row, join.officer)?,
        };
        // The key at home is still to be made if it was: the laptop's is another one.
        if awaiting {
            let mut row = self.find_officer(&invite.officer)?.clone();
            row.awaiting = true;
            self.store_officer(turn, row);
        }
        let addresses = self.contacts.get(&self.identity.certificate).map(|c| c.body().addresses.clone()).unwrap_or_default();
        Ok(Welcome {
            // With the contact of this node, else the laptop would know nobody to dial.
            statements: self.public_statements(true),
            device,
            officer,
            officer_name: invite.officer.clone(),
            addresses,
        })
    }
}

/// When a certificate made now begins: as much earlier as clocks may differ, so that nobody whose clock is behind is told "not yet".
pub(super) fn begins(now: WallSeconds) -> WallSeconds {
    WallSeconds(now.0.saturating_sub(limits::CLOCK_JUMP_S))
}

/// Stable word for a certificate's standing.
pub(super) fn standing_word(standing: CertStanding) -> &'static str {
    match standing {
        CertStanding::Good => "good",
        CertStanding::NotYet => "not_yet",
        CertStanding::Expired => "expired",
        CertStanding::Revoked(_) => "revoked",
        CertStanding::Disputed => "disputed",
        CertStanding::Unknown => "unknown",
    }
}

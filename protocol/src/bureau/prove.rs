//! Putting a proof together from what this node holds of one document.

use std::collections::BTreeSet;

use accord_keys::certificate::Issuer;
use accord_keys::revocation::{Revocation, RevocationTarget};
use accord_keys::seal::Verified;

use super::Bureau;
use super::turn::Turn;
use crate::access::log::{Grantee, Log};
use crate::agreement::exchange::Entry;
use crate::id::{AgreementId, BureauId, Bytes, CertificateId, PublicKey, StatementId};
use crate::intake::{DocState, Item};
use crate::ledger::Says;
use crate::proof::{ProofError, ProofFile};
use crate::segment;
use crate::view::{ProofView, Refused, RefusedKind, View};

/// What a proof names and has to hold the statements of.
#[derive(Default)]
struct Named {
    certificates: BTreeSet<CertificateId>,
    appointments: BTreeSet<StatementId>,
    bureaus: BTreeSet<BureauId>,
}

impl Bureau {
    /// A proof of a document. With `full` the agreements its log relied on are in it whole, as far as they are known here, and so is held work.
    pub(super) fn proof_export(&mut self, turn: &mut Turn, person: Option<&str>, id: &str, full: bool) -> Result<View, Refused> {
        let document = self.resolve_document(id)?;
        self.may_read(turn, person, &document)?;
        let state = self.body(&document)?;
        let file = self.proof_of(state, full);
        let entry = state.entry().to_string();
        let bytes = file.to_bytes().map_err(|error| match error {
            ProofError::TooLong(bytes) => {
                let most = crate::limits::PROOF_BYTES_MAX;
                Refused::new(RefusedKind::Refused, "proof_too_long").with("id", document.short()).with("bytes", bytes).with("most", most)
            }
            other => Refused::new(RefusedKind::Fault, "cannot_prove").with("id", document.short()).with("why", other),
        })?;
        let number = self.documents.get(&document).map(|summary| summary.number.clone()).unwrap_or_default();
        self.shown_here(turn);
        let reader = self.reader(person);
        self.account(turn, "proof_export", Some(document), None, reader, if full { "full" } else { "" });
        Ok(View::Proof(ProofView { document: document.to_string(), number, entry, bytes: accord_keys::armour::encode_base64(&bytes) }))
    }

    fn proof_of(&self, state: &DocState, full: bool) -> ProofFile {
        let log = state.log();
        let mut named = Named::default();
        named.certificates.insert(log.genesis().body().creator);
        named.bureaus.insert(state.owner());
        let mut records = Vec::new();
        for (_, entry) in log.entries() {
            let Some(record) = &entry.record else { continue };
            let body = record.body();
            named.certificates.insert(body.registrar);
            named.certificates.extend(body.kind.officers());
            named.appointments.insert(body.appointment);
            records.push(Bytes(record.sealed().to_bytes()));
        }
        let mut segments: Vec<Bytes> = Vec::new();
        let mut seen = BTreeSet::new();
        for (_, item) in state.items_after(0, full) {
            let Item::Segment(bytes) = item else { continue };
            // What was let in late is stored twice.
            if !seen.insert(*blake3::hash(&bytes).as_bytes()) {
                continue;
            }
            if let Ok(raw) = segment::decode(&bytes) {
                named.certificates.insert(raw.certificate);
            }
            segments.push(Bytes(bytes));
        }
        // Whoever is quoted in work entered again signed it too.
        named.certificates.extend(state.certificates(full));
        let agreements = if full { self.agreements_of(log, &mut named) } else { Vec::new() };
        let receipts = self.receipts_of(log, full, &mut named);
        ProofFile {
            network: self.identity.network,
            document: state.id(),
            statements: self.statements_of(named),
            agreements,
            genesis: Bytes(log.genesis().sealed().to_bytes()),
            records,
            segments,
            receipts,
            openings: {
                let mut openings: Vec<Bytes> = log.openings().filter(|_| full).map(|opening| Bytes(opening.to_bytes())).collect();
                openings.sort();
                (!openings.is_empty()).then_some(openings)
            },
        }
    }

    /// The newest receipt each bureau that ever held the document stated to each other one. A line that names other documents as well tells
    /// their ids, and any line opens a hidden audience: these go along only with everything else.
    fn receipts_of(&self, log: &Log, full: bool, named: &mut Named) -> Option<Vec<Bytes>> {
        if log.is_hidden() && !full {
            return None;
        }
        let mut held: BTreeSet<BureauId> = log.openings().map(|opening| opening.bureau).collect();
        held.insert(log.genesis().body().owner);
        held.extend(grantees_of(log).map(|grantee| grantee.bureau));
        let mut lines = self.receipt_lines(&log.document());
        lines.retain(|line| held.contains(&line.body().from));
        lines.retain(|line| full || matches!(&line.body().says, Says::Receipts(receipts) if receipts.len() == 1));
        lines.sort_by_key(|line| (line.body().from, line.body().to, std::cmp::Reverse(line.body().n), line.id()));
        lines.dedup_by_key(|line| (line.body().from, line.body().to));
        let key = |id: &CertificateId| self.directory.certificate(id).map(|certificate| certificate.body().key);
        for line in &lines {
            let body = line.body();
            named.certificates.insert(body.certificate);
            let appointments = self.directory.bureau(&body.from).into_iter().flat_map(|record| record.appointments());
            let same = |registrar: &CertificateId| *registrar == body.certificate || key(registrar) == key(&body.certificate);
            named.appointments.extend(appointments.filter(|a| same(&a.body().registrar)).map(Verified::id));
        }
        (!lines.is_empty()).then(|| lines.into_iter().map(|line| Bytes(line.sealed().to_bytes())).collect())
    }

    /// The agreements the log relied on with the versions before them, oldest first, each as offer, accept, conclusion.
    fn agreements_of(&self, log: &Log, named: &mut Named) -> Vec<Bytes> {
        let mut chain: BTreeSet<(u32, AgreementId)> = BTreeSet::new();
        let mut open: Vec<AgreementId> = grantees_of(log).filter_map(|grantee| grantee.agreement).collect();
        while let Some(id) = open.pop() {
            let Some(offer) = self.book.get(&id).map(|entry| entry.offer.body()) else { continue };
            if chain.insert((offer.version, id)) {
                open.extend(offer.previous);
            }
        }
        let mut out = Vec::new();
        for (_, id) in chain {
            let Some(Entry { offer, accept, decline, conclude, .. }) = self.book.get(&id) else { continue };
            // Of two equal offers that crossed, one is the accept of the other: it stands in the file before the conclusion that names it.
            let crossed = conclude.as_ref().and_then(|conclude| self.book.get(&AgreementId(conclude.body().accept.0)));
            named.certificates.insert(offer.body().officer);
            named.bureaus.extend([offer.body().offerer, offer.body().acceptor]);
            out.push(Bytes(offer.sealed().to_bytes()));
            if let Some(accept) = accept {
                named.certificates.insert(accept.body().officer);
                out.push(Bytes(accept.sealed().to_bytes()));
            }
            if let Some(Entry { offer, .. }) = crossed {
                named.certificates.insert(offer.body().officer);
                out.push(Bytes(offer.sealed().to_bytes()));
            }
            // A no makes such a conclusion void.
            for decline in crossed.into_iter().flat_map(|other| [decline, &other.decline]).flatten() {
                named.certificates.insert(decline.body().officer);
                out.push(Bytes(decline.sealed().to_bytes()));
            }
            if let Some(conclude) = conclude {
                let (registrar, epoch) = (conclude.body().registrar, conclude.body().epoch);
                named.certificates.insert(registrar);
                let appointments = self.directory.bureau(&offer.body().offerer).into_iter().flat_map(|bureau| bureau.appointments());
                named
                    .appointments
                    .extend(appointments.filter(|a| a.body().epoch == epoch && a.body().registrar == registrar).map(|a| a.id()));
                out.push(Bytes(conclude.sealed().to_bytes()));
            }
        }
        out
    }

    /// The sealed statements behind what is named, in an order in which an empty directory learns them: of members only those named and
    /// their issuers, of revocations those that meet one of them.
    fn statements_of(&self, mut named: Named) -> Vec<Bytes> {
        for id in named.certificates.clone() {
            let Some(body) = self.directory.certificate(&id).map(|c| c.body()) else { continue };
            named.bureaus.insert(body.bureau);
            if let Issuer::Member(issuer) = body.issuer {
                named.certificates.insert(issuer);
            }
        }
        let records: Vec<_> = named.bureaus.iter().filter_map(|bureau| self.directory.bureau(bureau)).collect();
        for appointment in records.iter().flat_map(|record| record.appointments()) {
            if named.appointments.contains(&appointment.id()) {
                named.certificates.insert(appointment.body().registrar);
            }
        }
        let keys: BTreeSet<PublicKey> =
            named.certificates.iter().filter_map(|id| self.directory.certificate(id)).map(|c| c.body().key).collect();
        let meets = |revocation: &Revocation| match &revocation.target {
            RevocationTarget::Key(key) => keys.contains(key),
            RevocationTarget::Certificate(certificate) | RevocationTarget::Issuer { certificate, .. } => {
                named.certificates.contains(certificate)
            }
            RevocationTarget::Root { .. } => true,
        };
        let revocations: Vec<_> = records.iter().flat_map(|record| record.revocations()).filter(|r| meets(r.body())).collect();
        let mut certificates = named.certificates.clone();
        certificates.extend(revocations.iter().filter_map(|r| match r.body().issuer {
            Issuer::Member(issuer) => Some(issuer),
            Issuer::Root(_) => None,
        }));
        let members = certificates.iter().filter_map(|id| self.directory.certificate(id));
        let (by_root, by_member): (Vec<_>, Vec<_>) = members.partition(|c| matches!(c.body().issuer, Issuer::Root(_)));
        let roots = records.iter().flat_map(|record| record.roots()).map(|root| root.sealed().to_bytes());
        let appointments = records.iter().flat_map(|record| record.appointments()).filter(|a| named.appointments.contains(&a.id()));
        roots
            .chain(by_root.into_iter().chain(by_member).map(|certificate| certificate.sealed().to_bytes()))
            .chain(revocations.iter().map(|revocation| revocation.sealed().to_bytes()))
            .chain(appointments.map(|appointment| appointment.sealed().to_bytes()))
            .map(Bytes)
            .collect()
    }
}

/// Everybody any record of a log let in, again wherever that happened again.
fn grantees_of(log: &Log) -> impl Iterator<Item = Grantee> {
    log.entries().into_iter().flat_map(|(_, entry)| match &entry.record {
        Some(record) => record.body().kind.grantees().to_vec(),
        None => log.genesis().body().audience.clone(),
    })
}

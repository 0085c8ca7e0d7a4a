//! Asking onward and asking for consent: what our officers ask and answer, and what is kept of it.
//!
//! A reader asks a document's owner to let a third bureau in; the owner answers with a grant that names the asker as the way (`via`), or with
//! a no. Before a grant on a document with entries of others, the owner asks each of them; the grant waits for their consents with the
//! officer's order in it ([`pending`]). Asks and answers are sealed by officers, stored, and told to the partner at every greeting until
//! they are answered or lapse ([`travel`]): a restart or a week without a link loses none. Silence is a no.
//!
//! Only the registrar's node speaks here: the answer is a record, and one place per bureau counts what was asked. In this version no clause
//! allows beforehand (`none` and `ask` are all the words there are), so every contributor is asked.

mod asks;
mod pending;
mod shown;
mod travel;

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::Capability;
use accord_keys::seal::{Sealed, Statement, Verified};
use minicbor::{Decode, Encode};

use super::author::refuse_partial;
use super::rows::{RowError, Summary, read, write};
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::consent::{Consent, ConsentAsk, GROUNDS, OnwardAsk, OnwardRefuse, OnwardStatement};
use crate::access::log::Kind;
use crate::access::{self, Refusal};
use crate::agreement::annex::Urgency;
use crate::agreement::{Tlp, Verb};
use crate::id::{BureauId, Bytes, CertificateId, DocumentId, NetworkId, RecordId, StatementId};
use crate::input::NewAsk;
use crate::intake::DocState;
use crate::limits;
use crate::step::Table;
use crate::time::WallSeconds;
use crate::view::{Refused, RefusedKind, SendingView, View};
use asks::Asks;
use pending::Pending;

/// First byte of a row's key: what it is.
const ASK: u8 = b'a';
const PENDING: u8 = b'p';
const WITHOUT: u8 = b'w';
const MORE: u8 = b'm';
/// Fewest hex digits an ask may be shortened to.
const PREFIX_MIN: usize = 4;

/// One ask, as stored.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct AskRow {
    #[n(0)]
    version: u8,
    /// The sealed ask.
    #[n(1)]
    ask: Bytes,
    /// The other side of the pair.
    #[n(2)]
    partner: BureauId,
    /// Whether the other side asked.
    #[n(3)]
    theirs: bool,
    /// When it was sealed or heard here.
    #[n(4)]
    heard: WallSeconds,
    #[n(5)]
    lapses: WallSeconds,
    /// The sealed consent that answers it; of an ask onward: the asker's own, which came along.
    #[n(6)]
    consent: Option<Bytes>,
    /// The sealed no.
    #[n(7)]
    refusal: Option<Bytes>,
    /// The grant that answers it, or holds its consent.
    #[n(8)]
    record: Option<RecordId>,
}

/// One ask with what came of it.
#[derive(Debug)]
struct Kept {
    row: AskRow,
    ask: OnwardStatement,
    consent: Option<Verified<Consent>>,
    refusal: Option<Verified<OnwardRefuse>>,
}

/// What an ask is about, whichever of the two it is.
#[derive(Debug)]
struct Wanted<'a> {
    document: DocumentId,
    recipient: BureauId,
    recipient_name: &'a str,
    verb: Verb,
    tlp: Option<Tlp>,
    until: Option<WallSeconds>,
    purpose: &'a str,
    officer: CertificateId,
    at: WallSeconds,
}

impl Kept {
    fn of_row(network: &NetworkId, row: AskRow) -> Result<Self, RowError> {
        let why = |e: accord_keys::seal::SealError| RowError { table: "onward", why: e.to_string() };
        let ask = OnwardStatement::from_bytes(network, &row.ask.0).map_err(why)?;
        let sealed = |bytes: &Bytes| OnwardStatement::from_bytes(network, &bytes.0).map_err(why);
        let mut kept = Self { ask, consent: None, refusal: None, row };
        for answer in [&kept.row.consent, &kept.row.refusal].into_iter().flatten() {
            match sealed(answer)? {
                OnwardStatement::Consent(consent) => kept.consent = Some(consent),
                OnwardStatement::Refuse(refusal) => kept.refusal = Some(refusal),
                _ => return Err(RowError { table: "onward", why: "an answer that is none".into() }),
            }
        }
        Ok(kept)
    }

    fn wanted(&self) -> Wanted<'_> {
        match &self.ask {
            OnwardStatement::Ask(ask) => {
                let body = ask.body();
                Wanted {
                    document: body.document,
                    recipient: body.recipient,
                    recipient_name: &body.recipient_name,
                    verb: body.verb,
                    tlp: None,
                    until: None,
                    purpose: &body.purpose,
                    officer: body.officer,
                    at: body.at,
                }
            }
            OnwardStatement::ConsentAsk(ask) => {
                let body = ask.body();
                Wanted {
                    document: body.document,
                    recipient: body.recipient,
                    recipient_name: &body.recipient_name,
                    verb: body.verb,
                    tlp: Some(body.tlp),
                    until: body.until,
                    purpose: &body.purpose,
                    officer: body.officer,
                    at: body.at,
                }
            }
            OnwardStatement::Consent(_) | OnwardStatement::Refuse(_) => unreachable!("only asks are kept as asks"),
        }
    }
    fn is_onward(&self) -> bool {
        matches!(self.ask, OnwardStatement::Ask(_))
    }
    /// Whether it still waits for an answer.
    fn is_open(&self, now: WallSeconds) -> bool {
        let answered = self.row.record.is_some() || self.refusal.is_some() || (!self.is_onward() && self.consent.is_some());
        !answered && now < self.row.lapses
    }
    /// Whether a no still counts: it is open, or consented to and no record holds the consent yet.
    fn takes_a_no(&self, now: WallSeconds) -> bool {
        self.is_open(now) || (!self.is_onward() && self.consent.is_some() && self.refusal.is_none() && self.row.record.is_none())
    }
    /// How it stands.
    fn word(&self, now: WallSeconds) -> &'static str {
        if self.row.record.is_some() {
            "granted"
        } else if self.refusal.is_some() {
            "refused"
        } else if !self.is_onward() && self.consent.is_some() {
            "consented"
        } else if now >= self.row.lapses {
            "lapsed"
        } else {
            "open"
        }
    }
}

/// What was asked and answered, what waits for consents, and where a consent was passed over.
#[derive(Debug, Default)]
pub(super) struct Onwards {
    asks: Asks,
    pending: BTreeMap<StatementId, Pending>,
    /// Grants that let a bureau in after we wrote and without our consent, with when we saw it.
    without: BTreeMap<(DocumentId, RecordId, BureauId), WallSeconds>,
    /// Such grants above an owner's share: in which document how many records, and when the newest was seen.
    more: BTreeMap<(BureauId, DocumentId), (u64, WallSeconds)>,
    /// When records end what they gave, and to whom.
    ends: BTreeSet<(WallSeconds, DocumentId, BureauId)>,
    /// Partners for whom something ended since views were last compared for it, and when they are next.
    ended: BTreeSet<BureauId>,
    ended_due: Option<WallSeconds>,
    /// Something may have to be told, or a grant may be complete.
    pub(super) dirty: bool,
    due: Option<WallSeconds>,
}

impl Onwards {
    /// As stored.
    pub(super) fn open(network: &NetworkId, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, RowError> {
        let bad = || RowError { table: "onward", why: "key".into() };
        let mut out = Self { dirty: true, ..Self::default() };
        let id = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| bad());
        for (key, value) in rows {
            match key.split_first().ok_or_else(bad)? {
                (&ASK, rest) => out.asks.insert(StatementId(id(rest)?), Kept::of_row(network, read("onward", &value)?)?),
                (&PENDING, rest) => drop(out.pending.insert(StatementId(id(rest)?), Pending::of_row(network, read("onward", &value)?)?)),
                (&MORE, rest) if value.len() == 16 && rest.len() == 64 => {
                    let both = u128::from_be_bytes(<[u8; 16]>::try_from(value.as_slice()).map_err(|_| bad())?);
                    let key = (BureauId(id(&rest[..32])?), DocumentId(id(&rest[32..])?));
                    out.more.insert(key, ((both >> 64) as u64, WallSeconds(both as u64)));
                }
                (&WITHOUT, rest) if rest.len() == 96 => {
                    let key = (DocumentId(id(&rest[..32])?), RecordId(id(&rest[32..64])?), BureauId(id(&rest[64..])?));
                    let at = <[u8; 8]>::try_from(value.as_slice()).map_err(|_| bad())?;
                    out.without.insert(key, WallSeconds(u64::from_be_bytes(at)));
                }
                _ => return Err(bad()),
            }
        }
        Ok(out)
    }

    /// When something lapses next.
    pub(super) fn due(&self) -> Option<WallSeconds> {
        self.due
    }
    /// When what records gave next ends by time alone, or is next looked at.
    pub(super) fn next_end(&self) -> Option<WallSeconds> {
        self.ends.first().map(|(at, ..)| *at).into_iter().chain(self.ended_due).min()
    }
    /// Notes when the records of a document end what they gave; what has ended already changes nothing more.
    pub(super) fn note_ends(
        &mut self,
        document: DocumentId,
        before: &[(WallSeconds, BureauId)],
        after: &[(WallSeconds, BureauId)],
        now: WallSeconds,
    ) {
        for (at, bureau) in before {
            self.ends.remove(&(*at, document, *bureau));
        }
        self.ends.extend(after.iter().filter(|(at, _)| *at > now).map(|(at, bureau)| (*at, document, *bureau)));
    }
    /// Open asks with one partner that one of the two sides made.
    fn open_with(&self, partner: &BureauId, theirs: bool, now: WallSeconds) -> usize {
        self.asks.with(partner).filter(|(_, kept)| kept.row.theirs == theirs && kept.is_open(now)).count()
    }
}

fn key(kind: u8, id: &StatementId) -> Vec<u8> {
    [&[kind], id.0.as_slice()].concat()
}

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

impl Bureau {
    /// Whether an end concerns anybody here: a partner, or ourselves.
    fn end_matters(&self, bureau: &BureauId) -> bool {
        *bureau == self.identity.bureau || self.partners.contains_key(bureau)
    }
    /// When what the records of a document gave ends, as far as it concerns anybody here.
    pub(super) fn ends_of(&self, summary: &Summary) -> Vec<(WallSeconds, BureauId)> {
        summary.ends(|bureau| self.end_matters(bureau))
    }
    /// Notes all ends anew: at the start, with a new partner, and when a wild clock went back.
    pub(super) fn note_all_ends(&mut self, now: WallSeconds) {
        let all = self.documents.ending().map(|line| line.summary());
        let all = all.flat_map(|s| self.ends_of(&s).into_iter().map(move |(at, bureau)| (at, s.document, bureau)));
        self.onward.ends = all.filter(|(at, ..)| *at > now).collect();
    }

    /// What records gave has ended by time alone. The check refuses it from this moment; what is on its way to a holder is made stale. Views
    /// are compared anew only with those concerned and once a minute: whoever writes the log chooses how often something ends.
    pub(super) fn ends_passed(&mut self, turn: &mut Turn) {
        let now = turn.effective;
        let own = self.identity.bureau;
        let mut stale = false;
        while let Some((_, document, bureau)) = self.onward.ends.first().copied().filter(|(at, ..)| *at <= now) {
            self.onward.ends.pop_first();
            // The links concerned alone: whoever grants ends by the thousand would else stop everybody's frames.
            for link in self.links.values_mut().filter(|link| (bureau == own || link.is_with(&bureau)) && link.is_sending(&document)) {
                link.make_stale();
                stale = true;
            }
            self.onward.ended.insert(bureau);
            self.bundles.took_away();
            if self.onward.ended_due.is_none() {
                self.onward.ended_due = Some(now.plus(limits::ENDS_EVERY_S));
                self.write_floor(turn);
            }
        }
        if stale {
            self.write_floor(turn);
        }
        if self.onward.ended_due.is_some_and(|at| now >= at) {
            self.onward.ended_due = None;
            self.write_floor(turn);
            let ended = std::mem::take(&mut self.onward.ended);
            if ended.contains(&own) {
                return self.compare_anew(turn, None);
            }
            for bureau in ended {
                self.compare_anew(turn, Some(bureau));
            }
        }
    }

    /// A reader asks a document's owner to let a third bureau in.
    pub(super) fn onward_ask(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, wish: NewAsk) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Invite)?;
        let document = self.resolve_document(&wish.id)?;
        let recipient = self.resolve_partner(&wish.recipient)?;
        let own = self.identity.bureau;
        let verb = verb_of(&wish.verb)?;
        let urgency = Urgency::from_word(&wish.urgency).ok_or_else(|| unknown("urgency", &wish.urgency))?;
        let purpose = purpose_of(&wish.purpose)?;
        if purpose.is_empty() {
            return Err(Refused::new(RefusedKind::Misuse, "no_purpose"));
        }
        let answer_by = self.answer_by(turn, wish.answer_by)?;
        self.speaks_for_all()?;
        let summary = self.documents.here(&document);
        let owner = summary.owner;
        if owner == own {
            return Err(refused("own_document").with("id", document.short()));
        }
        if !self.partners.contains_key(&owner) {
            return Err(refused("owner_no_partner").with("owner", self.name_of(&owner)));
        }
        let facts = summary.facts();
        if !facts.kind.allows(verb) {
            return Err(refused("kind_forbids").with("kind", facts.kind.word()));
        }
        if recipient == owner || facts.rights.still_holds(&recipient, turn.effective).is_some() {
            return Err(refused("already_holds").with("name", self.name_of(&recipient)));
        }
        let clause = access::may_ask(&self.book, &facts, own, turn.effective).map_err(|refusal| self.may_not_ask(&refusal, &owner))?;
        // What our own agreement with it does not give it would not reach it through us.
        if let Err(refusal) = access::may_grant(&self.book, own, recipient, facts.category, facts.tlp, Verb::Read, turn.effective) {
            refuse_partial(&[self.receiver(&recipient, false, refusal.word(), &refusal.cites())])?;
        }
        let same = |kept: &&Kept| {
            let wanted = kept.wanted();
            kept.is_onward() && !kept.row.theirs && wanted.document == document && wanted.recipient == recipient && kept.is_open(turn.stamp)
        };
        if let Some((_, open)) = self.onward.asks.with(&owner).find(|(_, kept)| same(kept)) {
            return Err(refused("already_asked").with("id", open.ask.id().short()));
        }
        if self.onward.open_with(&owner, false, turn.stamp) >= limits::ONWARD_OPEN_MAX {
            return Err(refused("too_many_asks").with("name", self.name_of(&owner)).with("most", limits::ONWARD_OPEN_MAX));
        }
        if dry_run {
            let receivers = vec![self.receiver(&owner, true, "ok", &format!("{}#{}", clause.agreement.short(), clause.line))];
            return Ok(View::Sending(SendingView { id: document.to_string(), dry_run, receivers, ..SendingView::default() }));
        }
        let (kind, tlp) = (facts.kind, facts.tlp);
        let ask = OnwardAsk {
            document,
            via: own,
            recipient,
            recipient_name: self.name_of(&recipient),
            verb,
            purpose,
            urgency,
            answer_by,
            officer: by.certificate,
            at: turn.stamp,
            nonce: turn.nonce(),
        };
        let ask = self.seal_onward(&by, ask)?;
        // Who asks agrees for its own part, where the officer may say so: the owner need not ask back.
        let may_consent =
            kind == Kind::Case && self.directory.certificate(&by.certificate).is_some_and(|c| c.body().may(Capability::Order));
        let consent = match may_consent {
            true => Some(self.seal_consent(turn, &by, ask.id(), (document, recipient), (verb, tlp, None))?),
            false => None,
        };
        let id = ask.id();
        self.keep_ask(turn, ask, owner, false, answer_by);
        if let Some(consent) = consent {
            self.keep_answer(turn, &id, consent);
        }
        self.account(
            turn,
            "onward_asked",
            Some(document),
            Some(owner),
            Some(by.certificate),
            &format!("{} {}", id.short(), recipient.short()),
        );
        self.event(turn, "onward", Some(document), Some(owner), "asked");
        self.show_onward(turn, Some(&id))
    }

    /// Says no to an ask, with one word.
    pub(super) fn onward_refuse(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        reason: &str,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let id = self.ask_to_answer(id, |kept| kept.takes_a_no(turn.stamp), turn.stamp)?;
        let reason = reason.trim();
        if !GROUNDS.contains(&reason) {
            return Err(Refused::new(RefusedKind::Misuse, "unknown_ground").with("known", GROUNDS.join(", ")));
        }
        let kept = &self.onward.asks[&id];
        let (document, partner) = (kept.wanted().document, kept.row.partner);
        if dry_run {
            let receivers = vec![self.receiver(&partner, true, "ok", "")];
            return Ok(View::Sending(SendingView { dry_run, receivers, ..SendingView::default() }));
        }
        let refuse = OnwardRefuse { ask: id, officer: by.certificate, reason: reason.to_owned(), at: turn.stamp };
        let refuse = self.seal_onward(&by, refuse)?;
        self.keep_answer(turn, &id, refuse);
        // An order that waits to answer it is withdrawn with it.
        self.drop_pending(turn, |_, pending| pending.row.ask == Some(id));
        self.account(turn, "onward_refused", Some(document), Some(partner), Some(by.certificate), &format!("{} {reason}", id.short()));
        self.event(turn, "onward", Some(document), Some(partner), "refused");
        self.show_onward(turn, Some(&id))
    }

    /// A contributor agrees that a further bureau may read what it wrote.
    pub(super) fn onward_consent(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, id: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let id = self.ask_to_answer(id, |kept| kept.is_open(turn.stamp), turn.stamp)?;
        let kept = &self.onward.asks[&id];
        self.asker_speaks(turn, kept)?;
        if kept.is_onward() {
            return Err(refused("grant_answers_it").with("id", id.short()));
        }
        let wanted = kept.wanted();
        let (document, recipient, partner) = (wanted.document, wanted.recipient, kept.row.partner);
        let given = (wanted.verb, wanted.tlp.unwrap_or(Tlp::Clear), wanted.until);
        if dry_run {
            let receivers = vec![self.receiver(&partner, true, "ok", "")];
            let visible_entries = self.own_entries(&document);
            return Ok(View::Sending(SendingView {
                id: document.to_string(),
                dry_run,
                receivers,
                visible_entries,
                ..SendingView::default()
            }));
        }
        let consent = self.seal_consent(turn, &by, id, (document, recipient), given)?;
        self.keep_answer(turn, &id, consent);
        let said = format!("{} {}", id.short(), recipient.short());
        self.account(turn, "consent_given", Some(document), Some(partner), Some(by.certificate), &said);
        self.event(turn, "onward", Some(document), Some(partner), "consented");
        self.show_onward(turn, Some(&id))
    }

    /// The ask a word means.
    pub(super) fn resolve_ask(&self, word: &str) -> Result<StatementId, Refused> {
        let lower = word.trim().to_ascii_lowercase();
        let like = |id: &&StatementId| lower.len() >= PREFIX_MIN && id.to_string().starts_with(&lower);
        let found: Vec<StatementId> = self.onward.asks.keys().filter(like).copied().collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Refused::new(RefusedKind::NotFound, "unknown_ask").with("name", word.chars().take(80).collect::<String>())),
            many => {
                let candidates: Vec<String> = many.iter().take(10).map(StatementId::short).collect();
                Err(Refused::new(RefusedKind::Ambiguous, "ambiguous_name").with("candidates", candidates.join(", ")))
            }
        }
    }
    /// The document an ask is about.
    pub(super) fn document_of_ask(&self, word: &str) -> Option<DocumentId> {
        let id = self.resolve_ask(word).ok()?;
        Some(self.onward.asks.get(&id)?.wanted().document).filter(|document| self.documents.contains_key(document))
    }

    /// Nothing is given on the word of an officer whose bureau revoked it.
    fn asker_speaks(&self, turn: &Turn, kept: &Kept) -> Result<(), Refused> {
        let asked = kept.wanted().officer;
        if self.still_speaks(turn, &asked) { Ok(()) } else { Err(refused("asker_revoked").with("name", self.name_of(&kept.row.partner))) }
    }

    /// An ask of a partner that an answer of this kind still suits.
    fn ask_to_answer(&self, word: &str, suits: impl Fn(&Kept) -> bool, now: WallSeconds) -> Result<StatementId, Refused> {
        let id = self.resolve_ask(word)?;
        let kept = &self.onward.asks[&id];
        if !kept.row.theirs {
            return Err(refused("own_ask").with("id", id.short()));
        }
        if !suits(kept) {
            return Err(refused("ask_not_open").with("id", id.short()).with("state", kept.word(now)));
        }
        self.speaks_for_all()?;
        Ok(id)
    }

    /// One place per bureau counts what was asked: the node that also writes the records.
    fn speaks_for_all(&self) -> Result<(), Refused> {
        if self.registrar_epoch().is_some() { Ok(()) } else { Err(refused("not_the_registrar")) }
    }

    fn may_not_ask(&self, refusal: &Refusal, owner: &BureauId) -> Refused {
        match refusal {
            Refusal::OnwardNone { .. } => refused("onward_none").with("clause", refusal.cites()).with("owner", self.name_of(owner)),
            other => refused("may_not_ask").with("why", other.word()).with("owner", self.name_of(owner)),
        }
    }

    /// Until when an answer is waited for.
    fn answer_by(&self, turn: &Turn, wish: Option<WallSeconds>) -> Result<WallSeconds, Refused> {
        let by = wish.unwrap_or_else(|| turn.stamp.plus(limits::ONWARD_ANSWER_S));
        if by > turn.stamp && by.0 - turn.stamp.0 <= limits::ONWARD_ANSWER_S_MAX {
            return Ok(by);
        }
        Err(Refused::new(RefusedKind::Misuse, "bad_answer_by").with("days", limits::ONWARD_ANSWER_S_MAX / 86_400))
    }

    fn seal_onward<T: Statement>(&self, by: &Unlocked, body: T) -> Result<OnwardStatement, Refused> {
        let fault = |why: String| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", why);
        let sealed = Sealed::seal(&self.identity.network, body, &[by.signer.as_ref()]).map_err(|e| fault(e.to_string()))?;
        OnwardStatement::from_bytes(&self.identity.network, &sealed.to_bytes()).map_err(|e| fault(e.to_string()))
    }

    fn seal_consent(
        &self,
        turn: &mut Turn,
        by: &Unlocked,
        ask: StatementId,
        (document, recipient): (DocumentId, BureauId),
        (verb, tlp, until): (Verb, Tlp, Option<WallSeconds>),
    ) -> Result<OnwardStatement, Refused> {
        let consent = Consent {
            document,
            contributor: self.identity.bureau,
            recipient,
            verb,
            tlp,
            until,
            officer: by.certificate,
            at: turn.stamp,
            nonce: turn.nonce(),
            ask: Some(ask),
        };
        self.seal_onward(by, consent)
    }

    /// Keeps an ask, ours or a partner's.
    fn keep_ask(&mut self, turn: &mut Turn, ask: OnwardStatement, partner: BureauId, theirs: bool, lapses: WallSeconds) {
        let id = ask.id();
        let bytes = Bytes(ask.to_bytes());
        let row = AskRow { version: 1, ask: bytes, partner, theirs, heard: turn.stamp, lapses, consent: None, refusal: None, record: None };
        self.onward.asks.insert(id, Kept { row, ask, consent: None, refusal: None });
        self.store_ask(turn, &id);
    }
    /// Keeps what answers an ask, or came along with it.
    fn keep_answer(&mut self, turn: &mut Turn, id: &StatementId, answer: OnwardStatement) {
        let Some(kept) = self.onward.asks.get_mut(id) else { return };
        let bytes = Some(Bytes(answer.to_bytes()));
        match answer {
            OnwardStatement::Consent(consent) => (kept.row.consent, kept.consent) = (bytes, Some(consent)),
            OnwardStatement::Refuse(refusal) => (kept.row.refusal, kept.refusal) = (bytes, Some(refusal)),
            OnwardStatement::Ask(_) | OnwardStatement::ConsentAsk(_) => return,
        }
        self.store_ask(turn, id);
    }
    /// Notes the grant that answers an ask, or holds its consent.
    fn keep_record(&mut self, turn: &mut Turn, id: &StatementId, record: RecordId) {
        if let Some(kept) = self.onward.asks.get_mut(id) {
            kept.row.record = Some(record);
        }
        self.store_ask(turn, id);
    }
    fn store_ask(&mut self, turn: &mut Turn, id: &StatementId) {
        if let Some(kept) = self.onward.asks.get(id) {
            turn.put(Table::Onward, &key(ASK, id), write(&kept.row));
        }
        self.onward.dirty = true;
    }

    /// How many entries of ours a document holds, as far as it can be shown.
    fn own_entries(&mut self, document: &DocumentId) -> u64 {
        let own = self.identity.bureau;
        let acts = self.bodies.get_mut(document).and_then(|state| state.acts().ok()).unwrap_or_default();
        acts.iter().filter(|act| act.bureau == own).count() as u64
    }
}

/// `read` or `append`.
pub(super) fn verb_of(word: &str) -> Result<Verb, Refused> {
    match Verb::from_word(word) {
        Some(verb @ (Verb::Read | Verb::Append)) => Ok(verb),
        _ => Err(unknown("verb", word)),
    }
}

/// A purpose as typed, without blanks around it.
fn purpose_of(text: &str) -> Result<String, Refused> {
    let purpose = text.trim();
    if purpose.len() <= limits::PURPOSE_BYTES_MAX && crate::act::is_plain(purpose) {
        return Ok(purpose.to_owned());
    }
    Err(Refused::new(RefusedKind::Misuse, "bad_purpose").with("most", limits::PURPOSE_BYTES_MAX))
}

fn unknown(what: &str, word: &str) -> Refused {
    Refused::new(RefusedKind::Misuse, &format!("unknown_{what}")).with(what, word.chars().take(40).collect::<String>())
}

//! Asks, answers and waiting grants as people see them.

use super::*;
use crate::view::{AlarmView, AskView, InboxItem, OnwardView, PendingView, WaitView};

impl Bureau {
    /// Every ask, newest first, or one of them.
    pub(in crate::bureau) fn show_onward(&self, turn: &Turn, only: Option<&StatementId>) -> Result<View, Refused> {
        let wanted = self.onward.asks.iter().filter(|(id, _)| only.is_none_or(|only| only == *id));
        let mut asks: Vec<AskView> = wanted.map(|(id, kept)| self.ask_view(turn, id, kept)).collect();
        asks.sort_by(|one, other| (other.at, &other.id).cmp(&(one.at, &one.id)));
        Ok(View::Onward(OnwardView { asks, pending: Vec::new() }))
    }

    /// Grants that wait for consents, and how the last ones ended.
    pub(in crate::bureau) fn show_pending(&self, turn: &Turn) -> View {
        let mut pending: Vec<PendingView> = self.onward.pending.iter().map(|(id, pending)| self.pending_view(turn, id, pending)).collect();
        pending.sort_by(|one, other| (other.at, &other.id).cmp(&(one.at, &one.id)));
        View::Onward(OnwardView { asks: Vec::new(), pending })
    }

    fn ask_view(&self, turn: &Turn, id: &StatementId, kept: &Kept) -> AskView {
        let own = self.identity.bureau;
        let wanted = kept.wanted();
        let (asker, asked) = if kept.row.theirs { (kept.row.partner, own) } else { (own, kept.row.partner) };
        let (number, title) = self.number_and_title(turn, &wanted.document);
        let officer = self.directory.certificate(&wanted.officer);
        let (recipient_name, claimed) = self.name_or_claim(&wanted.recipient, wanted.recipient_name);
        let urgency = if let OnwardStatement::Ask(ask) = &kept.ask { ask.body().urgency.word() } else { "" };
        AskView {
            id: id.to_string(),
            kind: if kept.is_onward() { "onward" } else { "consent" }.to_owned(),
            theirs: kept.row.theirs,
            document: wanted.document.to_string(),
            number,
            title,
            asker: asker.to_string(),
            asker_name: self.name_of(&asker),
            asked: asked.to_string(),
            asked_name: self.name_of(&asked),
            recipient: wanted.recipient.to_string(),
            recipient_name,
            recipient_claimed: claimed,
            verb: wanted.verb.word().to_owned(),
            tlp: wanted.tlp.map_or("", Tlp::word).to_owned(),
            until: wanted.until.map_or(0, |at| at.0),
            purpose: wanted.purpose.to_owned(),
            urgency: urgency.to_owned(),
            at: wanted.at.0,
            lapses: kept.row.lapses.0,
            seats: officer.map(|c| c.body().seats.clone()).unwrap_or_default(),
            certificate: wanted.officer.to_string(),
            state: kept.word(turn.stamp).to_owned(),
            reason: kept.refusal.as_ref().map(|refusal| refusal.body().reason.clone()).unwrap_or_default(),
            record: kept.row.record.map(|record| record.to_string()).unwrap_or_default(),
            consented_along: kept.is_onward() && kept.consent.is_some(),
        }
    }

    fn pending_view(&self, turn: &Turn, id: &StatementId, pending: &Pending) -> PendingView {
        let (number, title) = self.number_and_title(turn, &pending.row.document);
        let grantee = &pending.grantee;
        let waits_for = pending.row.asks.iter().filter_map(|ask| {
            let kept = self.onward.asks.get(ask)?;
            let consented = kept.consent.is_some() && kept.refusal.is_none();
            let state = if consented { "consented" } else { kept.word(turn.stamp) };
            Some(WaitView { bureau: kept.row.partner.to_string(), name: self.name_of(&kept.row.partner), state: state.to_owned() })
        });
        PendingView {
            id: id.to_string(),
            document: pending.row.document.to_string(),
            number,
            title,
            recipient: grantee.bureau.to_string(),
            recipient_name: self.name_or_claim(&grantee.bureau, &pending.row.recipient_name).0,
            verb: grantee.verb.word().to_owned(),
            via: grantee.via.map(|via| via.to_string()).unwrap_or_default(),
            via_name: grantee.via.map(|via| self.name_of(&via)).unwrap_or_default(),
            tlp: grantee.tlp.map_or("", Tlp::word).to_owned(),
            until: grantee.until.map_or(0, |at| at.0),
            at: pending.at.0,
            lapses: pending.row.lapses.0,
            state: pending.row.outcome.map_or("waiting", |outcome| outcome.word()).to_owned(),
            waits_for: waits_for.collect(),
        }
    }

    /// Who sealed an ask kept here, and when.
    pub(in crate::bureau) fn sealed_ask(&self, id: &StatementId) -> Option<(CertificateId, WallSeconds)> {
        let wanted = self.onward.asks.get(id)?.wanted();
        Some((wanted.officer, wanted.at))
    }

    /// A document's title is not shown where the document is locked.
    fn number_and_title(&self, turn: &Turn, document: &DocumentId) -> (String, String) {
        let Some(summary) = self.documents.get(document) else { return (String::new(), String::new()) };
        let title = if self.is_locked(turn, &summary) { String::new() } else { summary.title.clone() };
        (summary.number.clone(), title)
    }
    /// A bureau's own name where we know it, else what another says it is called.
    fn name_or_claim(&self, bureau: &BureauId, claim: &str) -> (String, bool) {
        match self.directory.bureau(bureau) {
            Some(record) => (record.name().to_owned(), false),
            None => (claim.to_owned(), true),
        }
    }

    /// A bureau a document was given to, or is to be, that is no partner of ours: by name, or the beginning of its id.
    pub(in crate::bureau) fn resolve_holder(&self, document: &DocumentId, word: &str) -> Option<BureauId> {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        let summary = self.documents.get(document)?;
        let rights = &summary.rights;
        let about = |kept: &&Kept| kept.wanted().document == *document;
        let claims = self.onward.asks.values().filter(about).map(|kept| (kept.wanted().recipient, kept.wanted().recipient_name));
        let known = rights.bureaus.keys().copied().chain(rights.all_parted().into_keys()).map(|bureau| (bureau, ""));
        let meant = |(bureau, claim): &(BureauId, &str)| {
            (lower.len() >= PREFIX_MIN && bureau.to_string().starts_with(&lower)) || self.name_or_claim(bureau, claim).0 == word
        };
        let found: BTreeSet<BureauId> = claims.chain(known).filter(meant).map(|(bureau, _)| bureau).collect();
        found.first().copied().filter(|_| found.len() == 1)
    }

    /// Grants that passed our consent over, newest first.
    pub(in crate::bureau) fn alarms(&self) -> Vec<AlarmView> {
        let one = |((document, record, bureau), at): (&(DocumentId, RecordId, BureauId), &WallSeconds)| {
            let number = self.documents.get(document).map(|summary| summary.number.clone()).unwrap_or_default();
            AlarmView {
                kind: "grant_without_consent".to_owned(),
                document: document.to_string(),
                number,
                bureau: bureau.to_string(),
                bureau_name: self.name_of(bureau),
                record: record.to_string(),
                at: at.0,
                more: 0,
            }
        };
        let mut out: Vec<AlarmView> = self.onward.without.iter().map(one).collect();
        out.sort_by_key(|alarm| std::cmp::Reverse(alarm.at));
        // What is above an owner's share is counted.
        let mut more: BTreeMap<BureauId, (u64, WallSeconds)> = BTreeMap::new();
        for ((owner, _), (count, at)) in &self.onward.more {
            let sum = more.entry(*owner).or_insert((0, *at));
            *sum = (sum.0.saturating_add(*count), sum.1.max(*at));
        }
        out.extend(more.iter().map(|(owner, (count, at))| AlarmView {
            kind: "grant_without_consent_more".to_owned(),
            bureau: owner.to_string(),
            bureau_name: self.name_of(owner),
            at: at.0,
            more: *count,
            ..AlarmView::default()
        }));
        out
    }

    /// What waits for a person here.
    pub(in crate::bureau) fn onward_items(&self, turn: &Turn, items: &mut Vec<InboxItem>) {
        let mut item = |kind: &str, id: String, title: String, from: String, since: WallSeconds| {
            items.push(InboxItem { kind: kind.to_owned(), id, title, from, since: since.0 });
        };
        for (id, kept) in self.onward.asks.iter().filter(|(_, kept)| kept.row.theirs && kept.is_open(turn.stamp)) {
            let wanted = kept.wanted();
            // An order that waits answers it: it is nobody's task now.
            if self.onward.pending.values().any(|pending| pending.is_open() && pending.row.ask == Some(*id)) {
                continue;
            }
            let kind = if kept.is_onward() { "onward_ask" } else { "consent_ask" };
            item(kind, id.to_string(), self.number_and_title(turn, &wanted.document).1, self.name_of(&kept.row.partner), kept.row.heard);
        }
        for (id, pending) in &self.onward.pending {
            let title = self.number_and_title(turn, &pending.row.document).1;
            let name = self.name_or_claim(&pending.grantee.bureau, &pending.row.recipient_name).0;
            match (pending.row.outcome, pending.row.ended) {
                (Some(outcome), Some(ended)) if turn.stamp < ended.plus(limits::ONWARD_ANSWER_S) => {
                    item(outcome.word(), id.to_string(), title, name, ended);
                }
                (None, _) => item("grant_waits", id.to_string(), title, name, pending.at),
                _ => {}
            }
        }
        for ((document, record, bureau), at) in &self.onward.without {
            // Cut meanwhile, or granted anew with our consent: the status and the account still tell of it.
            let stands = |summary: &super::super::rows::Summary| {
                let held = summary.rights.bureaus.get(bureau);
                held.is_some_and(|held| held.record == *record && !held.consents.contains_key(&self.identity.bureau))
            };
            if self.documents.get(document).as_deref().is_some_and(stands) {
                item("grant_without_consent", document.to_string(), self.number_and_title(turn, document).1, self.name_of(bureau), *at);
            }
        }
    }
}

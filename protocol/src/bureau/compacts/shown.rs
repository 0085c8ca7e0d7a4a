//! A compact as a plain answer: its text, how each of our pairs stands under it, and the file to be carried.

use accord_keys::seal::Verified;

use crate::agreement::compact::{Compact, CompactFile, Place};
use crate::agreement::diff;
use crate::agreement::exchange::{Entry, Standing};
use crate::agreement::{Giver, Pair};
use crate::bureau::Bureau;
use crate::bureau::pact_views::{annex_view, diff_view, grant_views};
use crate::bureau::turn::Turn;
use crate::id::{BureauId, Bytes, CompactId};
use crate::view::{CompactCountsView, CompactPairView, CompactView, Refused, View};

impl Bureau {
    pub(in crate::bureau) fn compact_list(&self, turn: &Turn) -> View {
        let mut compacts: Vec<CompactView> = self.compacts.all().map(|(id, compact)| self.compact_view(turn, id, compact)).collect();
        compacts.sort_by(|a, b| (&a.name, b.version).cmp(&(&b.name, a.version)));
        View::Compacts { compacts }
    }

    pub(in crate::bureau) fn compact_status(&self, turn: &Turn, word: &str, text: bool) -> Result<View, Refused> {
        let id = self.resolve_compact(word, false)?;
        let mut view = self.compact_view(turn, id, self.compacts.get(&id).expect("resolved above"));
        if text {
            view.text = self.compact_text(&id);
        }
        Ok(View::Compact(Box::new(view)))
    }

    fn compact_text(&self, id: &CompactId) -> String {
        let sealed = self.compacts.sealed(id).expect("resolved");
        let compact = sealed.body();
        let roots = self.directory.bureau(&compact.initiator).into_iter().flat_map(|record| record.roots().map(Verified::id));
        let roots = roots.filter_map(|root| self.directory.statement_bytes(&root)).map(Bytes);
        let evidence = roots.chain(self.agreement_evidence([compact.officer])).collect();
        CompactFile { compact: Bytes(sealed.sealed().to_bytes()), evidence }.to_text()
    }

    pub(super) fn compact_view(&self, turn: &Turn, id: CompactId, compact: &Compact) -> CompactView {
        let pairs: Vec<CompactPairView> = self.others_of(compact).map(|bureau| self.compact_pair(turn, id, compact, &bureau)).collect();
        let newer = self.compacts.versions(&self.compacts.family(&id)).into_iter().rev().find(|(_, other)| other.version > compact.version);
        let annex = compact.pair_terms(id).annex.map(|annex| annex_view(&annex, Giver::Offerer)).unwrap_or_default();
        CompactView {
            id: id.to_string(),
            name: compact.name.clone(),
            version: compact.version,
            previous: compact.previous.map(|id| id.to_string()).unwrap_or_default(),
            newer: newer.map(|(id, _)| id.to_string()).unwrap_or_default(),
            initiator: compact.initiator.to_string(),
            initiator_name: self.member_name(compact, &compact.initiator),
            at: compact.at.0,
            title: compact.terms.title.clone(),
            text_hash: compact.terms.text_hash.map(|hash| hash.to_string()).unwrap_or_default(),
            from: compact.terms.from.0,
            to: compact.terms.to.0,
            grace_days: compact.terms.grace_days,
            grants: grant_views(&compact.terms, Giver::Offerer),
            annex,
            roster: compact.roster.len() as u64,
            counts: counts(compact.version, &pairs),
            pairs,
            text: String::new(),
            dry_run: false,
        }
    }

    /// A name from one's own card, else as the compact names it.
    pub(super) fn member_name(&self, compact: &Compact, bureau: &BureauId) -> String {
        let own = *bureau == self.identity.bureau || self.partners.contains_key(bureau);
        match compact.name_of(bureau) {
            Some(name) if !own => name.to_owned(),
            _ => self.name_of(bureau),
        }
    }

    fn compact_pair(&self, turn: &Turn, id: CompactId, compact: &Compact, bureau: &BureauId) -> CompactPairView {
        let own = self.identity.bureau;
        let pair = Pair::of(own, *bureau);
        let family = self.compacts.family(&id);
        let state = self.book.state(pair, turn.effective);
        let card = match self.partners.get(bureau) {
            Some(row) if row.checked => "checked",
            Some(_) => "unchecked",
            None => "none",
        };
        let mut view = CompactPairView {
            bureau: bureau.to_string(),
            name: self.member_name(compact, bureau),
            card: card.to_owned(),
            standing: "none".to_owned(),
            next: self.next_of(turn, id, compact, bureau).word().to_owned(),
            ..CompactPairView::default()
        };
        // What runs; before anything does, what was concluded and has not begun.
        let current = state.current.first().copied();
        let of_family = |entry: &Entry| match entry.offer.body().terms.compact() {
            Some(named) => self.compacts.get(&named).is_some() && self.compacts.family(&named) == family || named == id,
            None => false,
        };
        let concluded = || self.book.newest_concluded(pair).filter(|entry| !self.book.is_void(entry));
        if let Some(entry) = current.or_else(concluded).filter(|entry| of_family(entry)) {
            let running = current.is_some();
            let offer = entry.offer.body();
            view.agreement = entry.id().to_string();
            view.agreement_version = offer.version;
            let others = if running { state.current.as_slice() } else { &[] };
            match self.under(entry) {
                Ok((under, place)) if others.iter().all(|other| self.under(other).is_ok()) => {
                    let text = self.compacts.get(&under).expect("it is under it");
                    let standing = if running { state.standing } else { Some(Standing::NotYet) };
                    view.standing = standing.map_or("none", Standing::word).to_owned();
                    view.version = text.version;
                    view.ends = state.ends.unwrap_or(offer.terms.to).0;
                    view.differs = (place == Place::Deviates).then(|| {
                        let common = text.pair_terms(under);
                        let found = diff::diff((&common, Giver::Offerer), (&offer.terms, self.our_role(entry)));
                        diff_view(found, under.to_string(), entry.id().to_string())
                    });
                }
                _ => view.standing = "not_under".to_owned(),
            }
            view.stops = self.stops_of(pair, turn.effective);
        }
        for entry in self.book.entries_of(pair) {
            let offer = entry.offer.body();
            if offer.terms.compact() == Some(id) {
                let ours = offer.offerer == own;
                view.we_signed |= ours || entry.accept.is_some();
                view.they_signed |= !ours || entry.accept.is_some();
            }
        }
        view
    }
}

fn counts(version: u32, pairs: &[CompactPairView]) -> CompactCountsView {
    let mut out = CompactCountsView::default();
    for pair in pairs {
        let runs = ["in_force", "under_notice"].contains(&pair.standing.as_str());
        let open = ["offered", "accepted", "to_accept", "deviation_by_us", "deviation_to_us"].contains(&pair.next.as_str());
        let place = match () {
            () if runs && pair.version == version => &mut out.in_force,
            () if runs => &mut out.other_version,
            () if pair.standing == "suspended" => &mut out.suspended,
            () if open || pair.standing == "not_yet" => &mut out.open,
            () if pair.card != "checked" => &mut out.card,
            () => &mut out.none,
        };
        *place += 1;
        if runs {
            out.deviating += u64::from(pair.differs.is_some());
            out.next_end = if out.next_end == 0 { pair.ends } else { out.next_end.min(pair.ends) };
        }
    }
    out
}

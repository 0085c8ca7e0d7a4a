//! Comparing at quiet moments, and repairing what differs.

use super::*;

impl Bureau {
    /// Whether a document belongs to the view of a link: what its owner may give the other side, asked alike by both.
    pub(in crate::bureau) fn in_view(&self, turn: &Turn, link: &Link, summary: &Summary) -> bool {
        let Some(peer) = link.peer else { return false };
        if link.declined.contains(&summary.document)
            || link.refused.contains(&summary.document)
            || self.cannot_load.contains_key(&summary.document)
        {
            return false;
        }
        self.is_shared(turn, &peer.bureau, summary)
    }

    /// Whether a document counts between us and a bureau, whatever a single link may not have taken.
    pub(in crate::bureau) fn is_shared(&self, turn: &Turn, bureau: &BureauId, summary: &Summary) -> bool {
        let (own, bureau) = (self.identity.bureau, *bureau);
        if bureau == own {
            return true;
        }
        let facts = summary.facts();
        // The check lets nothing go to whom the log does not let in; most of many documents are no matter of this bureau's.
        let concerns = |to: &BureauId| summary.owner == *to || summary.rights.bureaus.contains_key(to);
        let may = |from, to| concerns(&to) && self.may_go(turn, &facts, from, to).is_ok();
        if summary.owner == own {
            may(own, bureau)
        } else if summary.owner == bureau {
            may(bureau, own)
        } else {
            // A third bureau's document counts where either of us may have it from the other: then both know that both do.
            may(own, bureau) && may(bureau, own)
        }
    }

    /// At a quiet moment each side tells its sum; the other compares.
    pub(in crate::bureau) fn compare_quiet(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| {
                // What most links are stopped by comes first.
                !link.compared
                    && link.in_flight.is_empty()
                    && link.whole.is_empty()
                    && !link.has_dues()
                    && link.walked >= self.sequence
                    && now >= link.quiet_since.plus(limits::QUIET_MS)
                    && link.peer.is_some_and(|peer| self.silence(&peer.bureau).is_none())
                    && self.mode(turn, link) == Mode::Full
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let peer = self.links[&id].peer.expect("filtered above");
            // Counting goes on in the next turn; whoever has something to do meanwhile does it first.
            let Some((sum, count)) = self.view_sum(turn, id) else { continue };
            if self.homeward_due(turn, id) {
                continue;
            }
            let policy = self.policy_digest(&peer.bureau, turn);
            self.send(turn, id, &Message::Equality { sum, count, policy }, true);
            if let Some(link) = self.links.get_mut(&id) {
                link.compared = true;
                link.compared_at = turn.now.mono;
            }
        }
    }

    pub(in crate::bureau) fn equality_came(&mut self, turn: &mut Turn, id: LinkId, word: Word) {
        let peer = self.links[&id].peer.expect("checked by message()");
        // What differs would be told by its id.
        if self.silence(&peer.bureau).is_some() {
            return;
        }
        // What differs costs a walk over the view: a peer that asks more often than it can be quiet waits. Its word may be the last it says,
        // so that ours follows at the next quiet moment.
        if turn.now.mono < self.links[&id].equality_heard.plus(limits::QUIET_MS / 4) {
            if let Some(link) = self.links.get_mut(&id) {
                link.busy(turn.now.mono);
            }
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.equality_heard = turn.now.mono;
            link.word = None;
        }
        self.weigh(turn, id, word);
    }

    /// Reads what was said while our own sum was not counted yet.
    pub(in crate::bureau) fn weigh_words(&mut self, turn: &mut Turn) {
        let waiting: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.word.is_some() && link.peer.is_some()).map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(word) = self.links.get_mut(&id).and_then(|link| link.word.take()) {
                self.weigh(turn, id, word);
            }
        }
    }

    /// Compares what the other end holds with what we hold.
    fn weigh(&mut self, turn: &mut Turn, id: LinkId, Word { sum, count, policy }: Word) {
        let link = &self.links[&id];
        let peer = link.peer.expect("the caller looked");
        let quiet = link.in_flight.is_empty() && link.whole.is_empty() && !link.has_dues() && link.walked >= self.sequence;
        if !quiet || self.silence(&peer.bureau).is_some() {
            return; // Our own word follows when we are.
        }
        // It may have waited while the link became another.
        if turn.step.close.contains(&id) || self.mode(turn, link) != Mode::Full || !self.still_stands(turn, id) {
            return;
        }
        // Our symbols are on their way: its word is older than they are, or it has not read them yet. One that never answers is not waited for.
        let link = &self.links[&id];
        let telling = matches!(link.repairing, Some(super::repair::Repairing::Telling { .. }));
        if telling && link.listed_at.is_some_and(|at| turn.now.mono < at.plus(limits::LISTED_MS)) {
            if let Some(link) = self.links.get_mut(&id) {
                link.busy(turn.now.mono);
            }
            return;
        }
        if policy != self.policy_digest(&peer.bureau, turn) {
            // Our own word follows when both hold the same agreements and passes.
            return self.show_passes_back(turn, id);
        }
        let Some(ours) = self.view_sum(turn, id) else {
            // What it said is read once ours is counted.
            if let Some(link) = self.links.get_mut(&id) {
                link.word = Some(Word { sum, count, policy });
            }
            return;
        };
        if ours == (sum, count) {
            let was = self.partners.get(&peer.bureau).is_some_and(|row| row.divergent);
            if let Some(link) = self.links.get_mut(&id) {
                link.begin_repairs_anew();
                link.tips_sent = false;
                link.wanted.clear();
            }
            if was {
                self.mark_divergent(turn, peer.bureau, false);
            }
            self.echoed(turn, &peer);
            self.settled_with(turn, id, &peer);
            self.left_compared(turn, &peer);
            let shared = self.unnoted(turn, id, |_| true);
            return self.all_delivered(turn, id, shared);
        }
        let link = &self.links[&id];
        let view = usize::try_from(ours.1).unwrap_or(usize::MAX);
        let by_symbols = link.version >= 4 && !link.by_symbols && view <= limits::SYMBOLS_DOCUMENTS_MAX;
        // A repair by symbols that did not help leaves one by tips.
        let most = limits::REPAIRS_MAX + u32::from(link.by_symbols);
        if link.repairs >= most || (view > limits::TIPS_DOCUMENTS_MAX && !by_symbols) {
            if !link.own && !self.partners.get(&peer.bureau).is_some_and(|row| row.divergent) {
                self.mark_divergent(turn, peer.bureau, true);
            }
            return;
        }
        // Both mostly fall silent at once, and their words cross: the lower device begins, whose symbols count anyway. It may have heard our word
        // when it was not quiet, so one that is not fresh is said again.
        if by_symbols && link.compared && peer.certificate < self.identity.certificate {
            let fresh = turn.now.mono < link.compared_at.plus(limits::QUIET_MS);
            if let Some(link) = self.links.get_mut(&id).filter(|_| !fresh) {
                link.busy(turn.now.mono);
            }
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            if !link.may_walk_view(turn.now.mono) {
                return link.busy(turn.now.mono);
            }
            link.repairs += 1;
        }
        self.account(turn, "repair", None, Some(peer.bureau), Some(peer.certificate), "");
        if by_symbols {
            return self.send_first_symbols(turn, id, view, count);
        }
        self.send_tips(turn, id);
    }

    pub(in crate::bureau) fn mark_divergent(&mut self, turn: &mut Turn, bureau: BureauId, divergent: bool) {
        if let Some(row) = self.partners.get_mut(&bureau) {
            row.divergent = divergent;
        }
        self.store_partner(turn, bureau);
        self.event(turn, "divergent", None, Some(bureau), if divergent { "unequal after a repair" } else { "equal again" });
    }

    pub(in crate::bureau) fn send_tips(&mut self, turn: &mut Turn, id: LinkId) {
        let link = &self.links[&id];
        let view = self.view_of(turn, link);
        let lines: Vec<TipLine> = view.map(|summary| TipLine { document: summary.document, entry: summary.entry }).collect();
        let mut pages: Vec<Vec<TipLine>> = lines.chunks(limits::TIPS_PAGE).map(<[TipLine]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let count = pages.len();
        for (at, lines) in pages.into_iter().enumerate() {
            // Ids of documents are content to whoever is not entitled: tips are gated like pushes.
            let bytes = Message::Tips { lines, last: at + 1 == count }.encode();
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.tips_sent = true;
            link.listed_at = Some(turn.now.mono);
            link.busy(turn.now.mono);
        }
    }

    pub(in crate::bureau) fn tips_came(&mut self, turn: &mut Turn, id: LinkId, lines: Vec<TipLine>, last: bool) {
        if self.links[&id].bureau().is_some_and(|bureau| self.silence(&bureau).is_some()) {
            return;
        }
        let link = self.links.get_mut(&id).expect("checked by message()");
        link.tips_heard.extend(lines.into_iter().map(|line| (line.document, line.entry)));
        link.busy(turn.now.mono);
        if link.tips_heard.len() > limits::TIPS_DOCUMENTS_MAX {
            link.tips_heard.clear();
            return self.garbage(turn, id, "tips exchange above its bound");
        }
        if !last {
            return;
        }
        let heard = std::mem::take(&mut link.tips_heard);
        let answered = std::mem::replace(&mut link.tips_sent, false);
        if !link.may_walk_view(turn.now.mono) || (!answered && link.repairs > limits::REPAIRS_MAX + u32::from(link.by_symbols)) {
            return;
        }
        let peer = link.peer.expect("checked by message()");
        let link = &self.links[&id];
        let (mut alike, mut differing) = (0, Vec::new());
        for summary in self.view_of(turn, link) {
            if heard.get(&summary.document) == Some(&summary.entry) {
                alike += 1;
            } else {
                differing.push(summary.document);
            }
        }
        // Who holds just what we hold learns nothing by an answer, which it would answer in turn.
        let same = differing.is_empty() && heard.len() == alike;
        if !answered && !same {
            if let Some(link) = self.links.get_mut(&id) {
                link.repairs += 1;
            }
            self.send_tips(turn, id);
            if let Some(link) = self.links.get_mut(&id) {
                link.tips_sent = false;
            }
        }
        // What the other side still counts as its own view and was cut from: it has to hear so.
        let parted: Vec<DocumentId> = heard
            .keys()
            .filter(|document| {
                let summary = self.documents.get(document);
                summary.is_some_and(|summary| access::parting(&summary.facts(), self.identity.bureau, peer.bureau).is_some())
            })
            .copied()
            .collect();
        let shared = self.unnoted(turn, id, |summary| heard.get(&summary.document) == Some(&summary.entry));
        self.all_delivered(turn, id, shared);
        if let Some(link) = self.links.get_mut(&id) {
            link.whole.extend(differing);
            link.whole.extend(parted);
        }
    }

    /// Notes as given what the other end showed that it holds.
    pub(super) fn all_delivered(&mut self, turn: &mut Turn, id: LinkId, documents: Vec<DocumentId>) {
        let Some(peer) = self.links.get(&id).and_then(|link| link.peer) else { return };
        for document in documents {
            self.delivered(turn, &peer, document);
        }
    }
}

//! How a compact comes and goes: what is kept, and to whom it is shown on a link.

use std::collections::BTreeSet;

use accord_keys::seal::Verified;

use crate::agreement::Pair;
use crate::agreement::compact::{Compact, CompactError};
use crate::bureau::Bureau;
use crate::bureau::turn::Turn;
use crate::id::{BureauId, Bytes, CompactId, StatementId};
use crate::input::LinkId;
use crate::limits;
use crate::step::Table;
use crate::wire::Message;

impl Bureau {
    /// Takes in a compact from anywhere; a new one is stored, told to our own devices and, if it is ours, to its roster.
    pub(super) fn learn_compact(&mut self, turn: &mut Turn, compact: Verified<Compact>) -> Result<bool, CompactError> {
        let (id, bytes) = (CompactId(compact.id().0), compact.sealed().to_bytes());
        let roster: BTreeSet<BureauId> = self.others_of(compact.body()).collect();
        let ours = compact.body().initiator == self.identity.bureau;
        if !self.compacts.learn(&self.directory, compact)? {
            return Ok(false);
        }
        turn.put(Table::Compacts, &id.0, bytes);
        let mut to = BTreeSet::from([self.identity.bureau]);
        if ours {
            to.extend(roster);
        }
        self.tell_compact(turn, id, &to);
        Ok(true)
    }

    /// What a partner's or sibling's link brought. From a partner only what its own officers wrote, or those of another partner of ours: what
    /// bureaus without a card here wrote is carried by file.
    pub(in crate::bureau) fn compacts_came(&mut self, turn: &mut Turn, link: LinkId, compacts: Vec<Verified<Compact>>) {
        let Some(from) = self.links.get(&link).and_then(crate::bureau::links::Link::bureau) else { return };
        let own = from == self.identity.bureau;
        for compact in compacts {
            let (id, initiator) = (CompactId(compact.id().0), compact.body().initiator);
            let why = if own || self.has_room_for_compact(&id, &initiator) {
                // What it brought it need not be shown; what is not taken here may yet come from elsewhere.
                let shown = self.links.get_mut(&link).is_some_and(|link| link.shown.insert(StatementId(id.0)));
                let learnt = self.learn_compact(turn, compact);
                if learnt.is_err()
                    && shown
                    && let Some(link) = self.links.get_mut(&link)
                {
                    link.shown.remove(&StatementId(id.0));
                }
                match learnt {
                    Ok(true) => {
                        self.account(turn, "compact_heard", None, Some(initiator), None, &id.short());
                        self.event(turn, "compact", None, Some(initiator), "heard");
                        None
                    }
                    Ok(false) => None,
                    Err(error) => Some(error.to_string()),
                }
            } else {
                Some("of no partner, or too many that nobody here signed".to_owned())
            };
            if let Some(why) = why.filter(|_| !self.is_noise(turn, link)) {
                self.account(turn, "compact_refused", None, Some(from), None, &why);
            }
        }
    }

    fn has_room_for_compact(&self, id: &CompactId, initiator: &BureauId) -> bool {
        let unsigned = |(other, compact): &(CompactId, &Compact)| compact.initiator == *initiator && !self.we_signed(other);
        self.compacts.get(id).is_some()
            || self.partners.contains_key(initiator) && self.compacts.all().filter(unsigned).count() < limits::COMPACTS_UNSIGNED_MAX
    }

    /// Shows a compact on the live links to these bureaus, once on each.
    pub(super) fn tell_compact(&mut self, turn: &mut Turn, id: CompactId, to: &BTreeSet<BureauId>) {
        for link in self.live_links(|peer| to.contains(&peer)) {
            self.show_compact(link, id);
            self.send_dues(turn, link);
        }
    }

    fn show_compact(&mut self, link: LinkId, id: CompactId) {
        let Some(peer) = self.links.get(&link).and_then(crate::bureau::links::Link::bureau) else { return };
        let shown = StatementId(id.0);
        let own = self.identity.bureau;
        let due = |compact: &Compact| (peer == own || compact.holds(&peer)) && !self.links[&link].shown.contains(&shown);
        let Some(sealed) = self.compacts.sealed(&id).filter(|sealed| due(sealed.body())) else { return };
        let (bytes, officer) = (Bytes(sealed.sealed().to_bytes()), sealed.body().officer);
        let evidence = self.with_grounds([officer], Some(peer), &BTreeSet::new()).into_iter().map(|(_, bytes)| bytes).collect();
        self.say_statements(link, evidence);
        self.say(link, &Message::Compacts(vec![bytes]), false);
        if let Some(link) = self.links.get_mut(&link) {
            link.shown.insert(shown);
        }
    }

    /// At a greeting, before the agreements that name them: to our own devices all, to a partner on the roster those our officers wrote and
    /// those the two of us stated something under.
    pub(in crate::bureau) fn show_compacts(&mut self, link: LinkId) {
        let Some(peer) = self.links.get(&link).and_then(crate::bureau::links::Link::bureau) else { return };
        let own = self.identity.bureau;
        let pair = Pair::of(own, peer);
        let named: BTreeSet<CompactId> = self
            .book
            .entries_of(pair)
            .filter(|entry| entry.offer.body().offerer == own || entry.accept.is_some())
            .filter_map(|entry| entry.offer.body().terms.compact())
            .collect();
        let due =
            |(id, compact): &(CompactId, &Compact)| peer == own || compact.holds(&peer) && (compact.initiator == own || named.contains(id));
        let due: Vec<CompactId> = self.compacts.all().filter(due).map(|(id, _)| id).collect();
        for id in due {
            self.show_compact(link, id);
        }
    }
}

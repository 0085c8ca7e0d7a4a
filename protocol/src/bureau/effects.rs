//! What an act on an agreement would change, said before anything is sealed: the book as it is beside the book as it would be.

use std::collections::BTreeMap;

use super::Bureau;
use crate::access;
use crate::agreement::diff::Way;
use crate::agreement::exchange::AgreementBook;
use crate::agreement::lifecycle::LinkMode;
use crate::agreement::{Category, Pair, Tlp, Verb};
use crate::id::BureauId;
use crate::time::WallSeconds;
use crate::view::{EffectsView, FlowView};

impl Bureau {
    /// Effects of an act on the pair with `partner`, compared at the moment it takes effect. `then` is the book with the act in it.
    pub(super) fn effects(&self, act: &str, partner: BureauId, then: &AgreementBook, at: WallSeconds) -> EffectsView {
        let pair = Pair::of(self.identity.bureau, partner);
        let (before, after) = (self.book.state(pair, at), then.state(pair, at));
        let standing = |state: &crate::agreement::book::PairState<'_>| state.standing.map(|s| s.word().to_owned()).unwrap_or_default();
        let link = |mode: LinkMode| if mode == LinkMode::Full { "full" } else { "restricted" }.to_owned();
        EffectsView {
            act: act.to_owned(),
            partner: partner.to_string(),
            partner_name: self.name_of(&partner),
            at: at.0,
            standing_before: standing(&before),
            standing_after: standing(&after),
            link_before: link(before.link_mode()),
            link_after: link(after.link_mode()),
            flows: self.flows(partner, then, at),
            ..EffectsView::default()
        }
    }

    /// What starts and stops, by direction and category.
    fn flows(&self, partner: BureauId, then: &AgreementBook, at: WallSeconds) -> Vec<FlowView> {
        let own = self.identity.bureau;
        let mut counts: BTreeMap<(Way, Category), (u64, u64)> = BTreeMap::new();
        for line in self.documents.values() {
            let (way, from, to) = match line.owner {
                owner if owner == own && line.holder(&partner).is_some() => (Way::WeGive, own, partner),
                owner if owner == partner => (Way::TheyGive, partner, own),
                _ => continue,
            };
            let summary = line.summary();
            let facts = summary.facts();
            let ask = access::Ask { facts: &facts, from, to, now: at, epoch: self.policy_epoch };
            // What this device itself heard lately is no part of the effect.
            let flows =
                |book: &AgreementBook| access::check(&access::Ground { own, book, passes: &self.passes, in_touch: true }, &ask).is_ok();
            let count = counts.entry((way, summary.category)).or_default();
            match (flows(&self.book), flows(then)) {
                (false, true) => count.0 += 1,
                (true, false) => count.1 += 1,
                _ => {}
            }
        }
        let verbs = |book: &AgreementBook, way: Way, category: Category| -> Vec<String> {
            let (giver, receiver) = if way == Way::WeGive { (own, partner) } else { (partner, own) };
            let held = |verb: &Verb| book.clause(giver, receiver, category, Tlp::Clear, *verb, at).is_some();
            [Verb::Read, Verb::Append, Verb::Request].iter().filter(|verb| held(verb)).map(|verb| verb.word().to_owned()).collect()
        };
        let mut out = Vec::new();
        for way in [Way::WeGive, Way::TheyGive] {
            for category in Category::ALL {
                let (before, after) = (verbs(&self.book, way, *category), verbs(then, way, *category));
                let (start, stop) = counts.get(&(way, *category)).copied().unwrap_or_default();
                if before != after || start > 0 || stop > 0 {
                    let (direction, category) = (way.word().to_owned(), category.code().to_owned());
                    out.push(FlowView { direction, category, before, after, start, stop });
                }
            }
        }
        out
    }
}

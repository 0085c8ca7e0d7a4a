//! Agreements as plain answers: terms seen from our side, what stops them, who sealed them.

use super::Bureau;
use super::turn::Turn;
use crate::agreement::annex::{Annex, Form, Side};
use crate::agreement::diff::{self, TermsDiff, Way};
use crate::agreement::exchange::{Entry, Standing};
use crate::agreement::lifecycle::{Notice, Suspend};
use crate::agreement::{Giver, Grant, Onward, Pair, Terms};
use crate::id::{AgreementId, BureauId, CertificateId, StatementId};
use crate::time::WallSeconds;
use crate::view::{
    AgreementView, AnnexView, ArticleView, ClusterView, GrantView, LiaisonView, LineChangeView, PairingView, Refused, ResponseView,
    ResumeView, RetentionView, SealView, StopView, TermsDiffView, View,
};
use accord_keys::seal::Verified;

impl Bureau {
    pub(super) fn show_agreements(&self, turn: &Turn) -> View {
        let mut agreements: Vec<AgreementView> = self.book.entries().map(|entry| self.agreement_view(turn, entry)).collect();
        agreements.sort_by(|a, b| (&a.partner, b.version).cmp(&(&b.partner, a.version)));
        View::Agreements { agreements }
    }

    pub(super) fn show_agreement(&self, turn: &Turn, id: &str) -> Result<View, Refused> {
        let id = self.resolve_agreement(id)?;
        let entry = self.book.get(&id).expect("resolved");
        Ok(View::Agreements { agreements: vec![self.agreement_view(turn, entry)] })
    }

    pub(super) fn agreement_diff(&self, before: &str, after: &str) -> Result<View, Refused> {
        let (before, after) = (self.resolve_agreement(before)?, self.resolve_agreement(after)?);
        Ok(View::TermsDiff(self.terms_diff(&before, &after)))
    }

    /// Our role in an agreement.
    pub(super) fn our_role(&self, entry: &Entry) -> Giver {
        if entry.offer.body().offerer == self.identity.bureau { Giver::Offerer } else { Giver::Acceptor }
    }

    pub(super) fn terms_diff(&self, before: &AgreementId, after: &AgreementId) -> TermsDiffView {
        let (old, new) = (self.book.get(before).expect("resolved"), self.book.get(after).expect("resolved"));
        let found = diff::diff((&old.offer.body().terms, self.our_role(old)), (&new.offer.body().terms, self.our_role(new)));
        diff_view(found, before.to_string(), after.to_string())
    }

    pub(super) fn agreement_view(&self, turn: &Turn, entry: &Entry) -> AgreementView {
        let offer = entry.offer.body();
        let ours = self.our_role(entry);
        let pair = entry.pair();
        let partner = pair.other(&self.identity.bureau);
        let standing = match self.book.standing(&entry.id(), turn.effective) {
            Some(Standing::Offered) if ours == Giver::Offerer => "offered_by_us",
            Some(Standing::Offered) => "offered_to_us",
            Some(other) => other.word(),
            None => "unknown",
        };
        let state = self.book.state(pair, turn.effective);
        let is_current = state.current.iter().any(|current| current.id() == entry.id());
        let of_current = |at: Option<WallSeconds>| at.filter(|_| is_current).map_or(0, |at| at.0);
        let open = |resumption: &&crate::agreement::book::Resumption| resumption.accept.is_none();
        AgreementView {
            id: entry.id().to_string(),
            version: offer.version,
            partner: partner.to_string(),
            partner_name: self.name_of(&partner),
            standing: standing.to_owned(),
            title: offer.terms.title.clone(),
            from: offer.terms.from.0,
            to: offer.terms.to.0,
            offer_expires: offer.expires.0,
            grants: grant_views(&offer.terms, ours),
            reason: entry.decline.as_ref().map(|d| d.body().reason.clone()).unwrap_or_default(),
            previous: offer.previous.map(|id| id.to_string()).unwrap_or_default(),
            text_hash: offer.terms.text_hash.map(|hash| hash.to_string()).unwrap_or_default(),
            grace_days: offer.terms.grace_days,
            annex: annex_view(&offer.terms.annex.as_deref().cloned().unwrap_or_default(), ours),
            ends: of_current(state.ends),
            winds_down: of_current(state.winds_down),
            stops: self.stops_of(pair, turn.effective),
            resumes: self
                .book
                .resumes_of(pair)
                .filter(open)
                .map(|resumption| ResumeView {
                    id: resumption.resume.id().to_string(),
                    by: self.side_word(&resumption.resume.body().by),
                    lifts: resumption.resume.body().lifts.iter().map(ToString::to_string).collect(),
                    at: resumption.resume.body().at.0,
                })
                .collect(),
            seals: self.seal_views(entry),
        }
    }

    /// Suspensions and notices of a pair that stand.
    pub(super) fn stops_of(&self, pair: Pair, now: WallSeconds) -> Vec<StopView> {
        let state = self.book.state(pair, now);
        let suspensions = state.suspensions.iter().map(|s| self.suspension_view(s));
        suspensions.chain(state.notices.iter().map(|s| self.notice_view(s))).collect()
    }

    /// One of them by id; a bare id when it never came here.
    pub(super) fn stop_view(&self, pair: Pair, id: &StatementId) -> StopView {
        let suspension = self.book.suspension(pair, id).map(|s| self.suspension_view(s));
        suspension
            .or_else(|| self.book.notice(pair, id).map(|s| self.notice_view(s)))
            .unwrap_or_else(|| StopView { id: id.to_string(), ..StopView::default() })
    }

    fn suspension_view(&self, stop: &Verified<Suspend>) -> StopView {
        let body = stop.body();
        StopView {
            id: stop.id().to_string(),
            kind: "suspension".to_owned(),
            by: self.side_word(&body.by),
            categories: body.categories.iter().flatten().map(|category| category.code().to_owned()).collect(),
            reason: body.reason.clone(),
            at: body.at.0,
            ends: 0,
        }
    }

    fn notice_view(&self, stop: &Verified<Notice>) -> StopView {
        let body = stop.body();
        StopView {
            id: stop.id().to_string(),
            kind: "notice".to_owned(),
            by: self.side_word(&body.by),
            categories: Vec::new(),
            reason: body.reason.clone(),
            at: body.at.0,
            ends: body.ends.0,
        }
    }

    fn side_word(&self, bureau: &BureauId) -> String {
        if *bureau == self.identity.bureau { "ours" } else { "theirs" }.to_owned()
    }

    fn seal_views(&self, entry: &Entry) -> Vec<SealView> {
        let offer = entry.offer.body();
        let seal = |bureau: &BureauId, what: &str, certificate: CertificateId, at: WallSeconds| SealView {
            side: self.side_word(bureau),
            what: what.to_owned(),
            seats: self.directory.certificate(&certificate).map(|c| c.body().seats.clone()).unwrap_or_default(),
            certificate: certificate.to_string(),
            at: at.0,
        };
        let mut out = vec![seal(&offer.offerer, "offered", offer.officer, offer.at)];
        out.extend(entry.accept.as_ref().map(|s| seal(&offer.acceptor, "accepted", s.body().officer, s.body().at)));
        out.extend(entry.decline.as_ref().map(|s| seal(&offer.acceptor, "declined", s.body().officer, s.body().at)));
        out.extend(entry.conclude.as_ref().map(|s| seal(&offer.offerer, "concluded", s.body().registrar, s.body().at)));
        out
    }
}

pub(super) fn diff_view(found: TermsDiff, before: String, after: String) -> TermsDiffView {
    let times = |pair: Option<(WallSeconds, WallSeconds)>| pair.map(|(old, new)| (old.0, new.0));
    TermsDiffView {
        before,
        after,
        title: found.title,
        text: found.text,
        from: times(found.from),
        to: times(found.to),
        grace_days: found.grace_days,
        lines: found
            .lines
            .into_iter()
            .map(|line| LineChangeView {
                direction: line.way.word().to_owned(),
                category: line.category.code().to_owned(),
                change: line.change.word().to_owned(),
                before: line.before.as_ref().map(|grant| grant_view(line.way, grant)),
                after: line.after.as_ref().map(|grant| grant_view(line.way, grant)),
            })
            .collect(),
        annex: found.annex.into_iter().map(str::to_owned).collect(),
    }
}

/// The grant lines of terms, seen from our role.
pub(super) fn grant_views(terms: &Terms, ours: Giver) -> Vec<GrantView> {
    terms.grants.iter().flat_map(|grant| Way::of(grant.direction, ours).iter().map(|way| grant_view(*way, grant))).collect()
}

fn grant_view(way: Way, grant: &Grant) -> GrantView {
    GrantView {
        direction: way.word().to_owned(),
        category: grant.category.code().to_owned(),
        verbs: grant.verbs.iter().map(|verb| verb.word().to_owned()).collect(),
        tlp_ceiling: grant.tlp_ceiling.word().to_owned(),
        until: grant.until.map_or(0, |at| at.0),
        onward: if grant.onward == Onward::Ask { "ask" } else { "none" }.to_owned(),
        offline_days_max: grant.offline_days_max.unwrap_or(0),
        subjects_max: grant.subjects_max.unwrap_or(0),
        units: grant.units.clone().unwrap_or_default(),
        seats: grant.seats.clone().unwrap_or_default(),
    }
}

pub(super) fn annex_view(annex: &Annex, ours: Giver) -> AnnexView {
    let annex = if ours == Giver::Offerer { annex.clone() } else { annex.mirrored() };
    let (our_head, their_head) = annex.heads.map(|heads| (heads.offerer, heads.acceptor)).unwrap_or_default();
    AnnexView {
        number: annex.number,
        form: if annex.form == Form::Emergency { "emergency" } else { "ordinary" }.to_owned(),
        notice_days: annex.notice_days,
        emergency_clause: annex.emergency_clause,
        excluded: annex.excluded.iter().map(|category| category.code().to_owned()).collect(),
        responses: annex
            .responses
            .iter()
            .map(|r| ResponseView { urgency: r.urgency.word().to_owned(), sign_minutes: r.sign_minutes, answer_minutes: r.answer_minutes })
            .collect(),
        liaisons: annex
            .liaisons
            .into_iter()
            .map(|liaison| LiaisonView {
                side: if liaison.side == Side::Offerer { "ours" } else { "theirs" }.to_owned(),
                category: liaison.category.map(|category| category.code().to_owned()).unwrap_or_default(),
                seat: liaison.seat,
                deputy: liaison.deputy.unwrap_or_default(),
                phone: liaison.phone,
                may_order: liaison.may_order,
            })
            .collect(),
        pairings: annex.pairings.into_iter().map(|p| PairingView { ours: p.offerer_unit, theirs: p.acceptor_unit }).collect(),
        clusters: annex.clusters.into_iter().map(|c| ClusterView { name: c.name, units: c.units }).collect(),
        retention: annex.retention.iter().map(|r| RetentionView { category: r.category.code().to_owned(), days: r.days }).collect(),
        our_head,
        their_head,
        articles: annex.articles.into_iter().map(|a| ArticleView { title: a.title, text: a.text }).collect(),
        calendar: annex.calendar.map(|hash| hash.to_string()).unwrap_or_default(),
        compact: annex.compact.map(|id| id.to_string()).unwrap_or_default(),
        lifts: annex.lifts.iter().map(ToString::to_string).collect(),
    }
}

//! Every route and the command it stands for.

use accord_keys::time::WallSeconds;
use accord_protocol::input::{Command, CompactDraft, Draft, GrantTerms, NewAsk, Page};
use accord_protocol::view::View;
use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::App;
use super::bodies;
use super::events;
use super::extract::{Answer, Json, Name, Names, Problems, Query, Who};
use super::login::{login, reset};
use crate::daemon;
use crate::doctor::{self, Finding};
use crate::failure::Failure;
use crate::invite::Invite;

type Done = Result<Answer<View>, Problems>;

/// All routes.
pub fn router(app: App) -> Router {
    let router = Router::new()
        .route("/v1/status", get(async |app, who| ask(app, who, Command::Status).await))
        .route("/v1/whoami", get(async |app, who| ask(app, who, Command::WhoAmI).await))
        .route("/v1/inbox", get(async |app, who| ask(app, who, Command::Inbox).await))
        .route("/v1/doctor", get(examine))
        .route("/v1/traffic", get(async |State(app): State<App>| axum::Json(app.traffic.view())))
        .route("/v1/clock", post(clock))
        .route("/v1/backup", post(super::backup::create))
        .route("/v1/bundles", post(super::bundles::pack))
        .route("/v1/bundles/unpack", post(super::bundles::unpack))
        .route("/v1/bundles/{id}/file", post(super::bundles::file))
        .route("/v1/store/confirm", post(store_confirm))
        .route("/v1/store/compact", post(super::store::compact))
        .route("/v1/events", get(events::page))
        .route("/v1/events/stream", get(events::stream))
        .route("/v1/officers", get(async |app, who| ask(app, who, Command::OfficerList).await).post(officer_add))
        .route("/v1/officers/{name}/reset", post(reset))
        .route("/v1/login", post(login))
        .route("/v1/logout", post(logout))
        .route("/v1/statements", get(async |app, who| ask(app, who, Command::OwnStatements).await).post(install))
        .route("/v1/certificates/{name}/renew", post(async |app, who, Name(name)| ask(app, who, Command::CertRenew { name }).await))
        .route("/v1/devices", get(async |app, who| ask(app, who, Command::DeviceList).await).post(device_invite))
        .route("/v1/card", get(async |app, who| ask(app, who, Command::CardShow).await).post(contact))
        .route("/v1/progress", get(async |app, who| ask(app, who, Command::Progress).await))
        .route("/v1/partners", get(async |app, who| ask(app, who, Command::PartnerList).await).post(partner_add))
        .route(
            "/v1/partners/{name}",
            get(async |app, who, Name(partner)| ask(app, who, Command::PartnerShow { partner }).await).post(partner_set),
        )
        .route("/v1/partners/{name}/test", post(partner_test))
        .route("/v1/partners/{name}/ledger", get(ledger_show))
        .route("/v1/partners/{name}/ledger/diff", get(ledger_diff))
        .route("/v1/agreements", get(async |app, who| ask(app, who, Command::AgreementList).await).post(offer))
        .route("/v1/agreements/{id}", get(async |app, who, Name(id)| ask(app, who, Command::AgreementShow { id }).await))
        .route("/v1/agreements/{id}/accept", post(async |app, who, Name(id)| ask(app, who, Command::AgreementAccept { id }).await))
        .route("/v1/agreements/{id}/decline", post(decline))
        .route("/v1/agreements/{id}/renew", post(renew))
        .route("/v1/agreements/{id}/amend", post(amend))
        .route("/v1/agreements/{id}/suspend", post(suspend))
        .route("/v1/agreements/{id}/resume", post(resume))
        .route("/v1/agreements/{id}/end", post(end))
        .route("/v1/agreements/{id}/diff/{other}", get(diff))
        .route("/v1/compacts", get(async |app, who| ask(app, who, Command::CompactList).await).post(compact_new))
        .route("/v1/compacts/import", post(compact_import))
        .route("/v1/compacts/{id}", get(compact_status))
        .route("/v1/compacts/{id}/sign", post(async |app, who, Name(id)| ask(app, who, Command::CompactSign { id }).await))
        .route("/v1/compacts/{id}/deviate", post(compact_deviate))
        .route("/v1/drafts", post(draft))
        .route("/v1/bulletins", get(async |app, query| list(app, query, Command::BulletinList).await).post(publish))
        .route("/v1/cases", get(async |app, query| list(app, query, Command::CaseList).await).post(case_open))
        .route("/v1/cases/{id}/entries", post(case_note))
        .route("/v1/documents/{id}", get(async |app, who, Name(id)| ask(app, who, Command::DocumentShow { id }).await))
        .route("/v1/documents/{id}/access", get(async |app, who, Name(id)| ask(app, who, Command::AccessList { id }).await))
        .route("/v1/journal", get(super::journal::lines))
        .route("/v1/journal/head", get(super::journal::head))
        .route("/v1/documents/{id}/explain", get(explain))
        .route("/v1/documents/{id}/proof", get(proof))
        .route("/v1/documents/{id}/grants", post(grant))
        .route("/v1/documents/{id}/onward", post(onward_ask))
        .route("/v1/grants/waiting", get(async |app, who| ask(app, who, Command::AccessPending).await))
        .route("/v1/onward", get(async |app, who| ask(app, who, Command::OnwardList).await))
        .route("/v1/onward/{id}", get(async |app, who, Name(id)| ask(app, who, Command::OnwardShow { id }).await))
        .route("/v1/onward/{id}/grant", post(onward_grant))
        .route("/v1/onward/{id}/refuse", post(onward_refuse))
        .route("/v1/onward/{id}/consent", post(async |app, who, Name(id)| ask(app, who, Command::OnwardConsent { id }).await))
        .route("/v1/documents/{id}/cuts", post(cut))
        .route("/v1/documents/{id}/admits", post(admit))
        .route("/v1/roots", get(async |app, who| ask(app, who, Command::RootList).await))
        .route("/v1/roots/confirm", post(root_confirm))
        .route("/v1/retention", get(async |app, who| ask(app, who, Command::RetentionList).await))
        .route("/v1/retention/confirm", post(retention_confirm))
        .route("/v1/documents/{id}/hold", post(hold_place))
        .route("/v1/documents/{id}/hold/lift", post(async |app, who, Name(id)| ask(app, who, Command::HoldLift { id }).await))
        .route("/v1/held", get(async |app, who| ask(app, who, Command::HeldList).await))
        .route("/v1/documents/{id}/held", get(async |app, who, Name(id)| ask(app, who, Command::HeldShow { id }).await))
        .route("/v1/documents/{id}/reentries", post(reenter))
        .route("/v1/documents/{id}/voids", post(void))
        .route("/v1/documents/{id}/erasures", post(erase))
        .route("/v1/documents/{id}/files", get(async |app, who, Name(id)| ask(app, who, Command::FileList { id }).await).post(file_attach))
        .route("/v1/documents/{id}/files/{file}", get(file_read))
        .route("/v1/documents/{id}/pieces", post(file_piece))
        .route("/v1/documents/{id}/reclassify", post(reclassify))
        .route("/v1/documents/{id}/end", post(async |app, who, Name(id)| ask(app, who, Command::AccessEnd { id }).await))
        .route("/v1/documents/{id}/disown", post(async |app, who, Name(id)| ask(app, who, Command::AccessDisown { id }).await))
        .route("/v1/documents/{id}/adopt", post(async |app, who, Name(id)| ask(app, who, Command::AccessAdopt { id }).await))
        .route("/v1/cuts/confirm", post(async |app, who| ask(app, who, Command::AccessConfirm).await));
    let router = if app.demo { router.route("/v1/demo/dump", get(dump)) } else { router };
    router.fallback(no_route).method_not_allowed_fallback(no_route).with_state(app)
}

async fn ask(State(app): State<App>, who: Who, command: Command) -> Done {
    Ok(Answer(app.handle.ask(who.person, who.dry_run, command).await?))
}

/// A page of a list: `?limit=N`, at most 1,000, and `before=` what the page before answered as `next`.
async fn list(State(app): State<App>, query: Query, make: impl FnOnce(Page) -> Command) -> Done {
    query.only(&["before"])?;
    if query.after.is_some() {
        return Err(Problems(Failure::misuse("bad_query").with("name", "after")));
    }
    let limit = query.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let command = make(Page { before: query.number("before")?, limit });
    Ok(Answer(app.handle.ask(query.who.person, query.who.dry_run, command).await?))
}

async fn no_route(method: Method, uri: Uri) -> Problems {
    Problems(Failure::not_found("no_route").with("method", method).with("path", uri.path()))
}

async fn clock(app: State<App>, who: Who, Json(bodies::Clock { confirm }): Json<bodies::Clock>) -> Done {
    ask(app, who, Command::ClockCorrect { confirm }).await
}

async fn ledger_show(app: State<App>, query: Query, Name(partner): Name) -> Done {
    query.only(&[])?;
    ask(app, query.who, Command::LedgerShow { partner, limit: query.limit }).await
}

async fn ledger_diff(app: State<App>, query: Query, Name(partner): Name) -> Done {
    query.only(&["month"])?;
    let month = query.value("month").ok_or_else(|| Failure::misuse("bad_query").with("name", "month"))?.to_owned();
    ask(app, query.who, Command::LedgerDiff { partner, month }).await
}

async fn store_confirm(app: State<App>, who: Who, Json(said): Json<bodies::StoreConfirm>) -> Done {
    let bodies::StoreConfirm { missing, alone, pair } = said;
    ask(app, who, Command::StoreConfirm { missing, alone, pair }).await
}

async fn officer_add(app: State<App>, who: Who, Json(officer): Json<bodies::Officer>) -> Done {
    let bodies::Officer { name, seats, capabilities } = officer;
    ask(app, who, Command::OfficerAdd { name, seats, capabilities }).await
}

async fn logout(app: State<App>, who: Who, Json(bodies::Logout { name }): Json<bodies::Logout>) -> Done {
    ask(app, who, Command::Lock { name }).await
}

async fn install(app: State<App>, who: Who, Json(statement): Json<bodies::Statement>) -> Done {
    let bytes = hex_bytes(&statement.bytes).ok_or_else(|| Failure::misuse("bad_body").with("name", "bytes"))?;
    ask(app, who, Command::Install { bytes }).await
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.trim().chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() % 2 == 1 {
        return None;
    }
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// A new invitation.
#[derive(Serialize)]
struct Invitation {
    code: String,
    /// Unix seconds.
    expires: u64,
}

async fn device_invite(
    State(app): State<App>,
    who: Who,
    Json(bodies::Device { officer }): Json<bodies::Device>,
) -> Result<Response, Problems> {
    let View::Card(card) = app.handle.command(Command::CardShow).await? else {
        return Err(Failure::fault("internal").with("cause", "CardShow answered something else").into());
    };
    let address = card.addresses.first().filter(|address| address.len() <= crate::invite::ADDRESS_BYTES_MAX);
    let address = address.ok_or_else(|| Failure::misuse("no_address"))?.clone();
    let secret = zeroize::Zeroizing::new(crate::keystore::random()?);
    let invite = Invite { network: app.network, bureau: app.bureau, home: app.transport, address, secret };
    let transport = crate::swarm::transport_key(&invite.transport_seed()).map_err(|error| Failure::fault("internal").because(error))?;
    let dry_run = who.dry_run;
    let view = app.handle.ask(who.person, dry_run, Command::DeviceInvite { officer, transport }).await?;
    if dry_run {
        return Ok(Answer(view).into_response());
    }
    let expires = app.handle.clock().now().wall.0 + accord_protocol::limits::INVITE_EXPIRES_S;
    Ok(Answer(Invitation { code: invite.code().to_string(), expires }).into_response())
}

async fn contact(app: State<App>, who: Who, Json(bodies::Contact { addresses, phone }): Json<bodies::Contact>) -> Done {
    daemon::check_addresses(&addresses)?;
    ask(app, who, Command::SetContact { addresses, phone }).await
}

async fn partner_add(app: State<App>, who: Who, Json(partner): Json<bodies::NewPartner>) -> Done {
    let bodies::NewPartner { card, checking_code, alias } = partner;
    ask(app, who, Command::PartnerAdd { card, checking_code, alias }).await
}

async fn partner_set(app: State<App>, who: Who, Name(partner): Name, Json(set): Json<bodies::Partner>) -> Done {
    let bodies::Partner { alias, address } = set;
    // An empty one takes the address away again.
    daemon::check_addresses(address.iter().filter(|address| !address.is_empty()))?;
    ask(app, who, Command::PartnerSet { partner, alias, address }).await
}

async fn partner_test(State(app): State<App>, who: Who, Name(partner): Name) -> Result<Answer<Vec<Finding>>, Problems> {
    Ok(Answer(doctor::partner(&app, who.person, partner).await?))
}

async fn examine(State(app): State<App>) -> Result<Answer<Vec<Finding>>, Problems> {
    Ok(Answer(doctor::examine(&app).await?))
}

async fn offer(app: State<App>, who: Who, Json(bodies::Offer { partner, terms }): Json<bodies::Offer>) -> Done {
    let terms = bodies::terms(terms)?;
    ask(app, who, Command::AgreementOffer { partner, terms }).await
}

async fn decline(app: State<App>, who: Who, Name(id): Name, Json(bodies::Decline { reason }): Json<bodies::Decline>) -> Done {
    ask(app, who, Command::AgreementDecline { id, reason }).await
}

async fn renew(app: State<App>, who: Who, Name(id): Name, Json(bodies::Renew { from, to }): Json<bodies::Renew>) -> Done {
    ask(app, who, Command::AgreementRenew { id, from: from.map(WallSeconds), to: WallSeconds(to) }).await
}

async fn amend(app: State<App>, who: Who, Name(id): Name, Json(bodies::Amend { terms }): Json<bodies::Amend>) -> Done {
    let terms = bodies::terms(terms)?;
    ask(app, who, Command::AgreementAmend { id, terms }).await
}

async fn suspend(app: State<App>, who: Who, Name(id): Name, Json(body): Json<bodies::Suspend>) -> Done {
    let bodies::Suspend { categories, reason } = body;
    ask(app, who, Command::AgreementSuspend { id, categories, reason }).await
}

async fn resume(app: State<App>, who: Who, Name(id): Name, Json(bodies::Resume { notices }): Json<bodies::Resume>) -> Done {
    ask(app, who, Command::AgreementResume { id, notices }).await
}

async fn end(app: State<App>, who: Who, Name(id): Name, Json(bodies::End { ends, reason }): Json<bodies::End>) -> Done {
    ask(app, who, Command::AgreementEnd { id, ends: ends.map(WallSeconds), reason }).await
}

async fn diff(app: State<App>, who: Who, Names(before, after): Names) -> Done {
    ask(app, who, Command::AgreementDiff { before, after }).await
}

async fn compact_new(app: State<App>, who: Who, Json(form): Json<bodies::NewCompact>) -> Done {
    let bodies::NewCompact { name, roster, terms, previous } = form;
    let terms = bodies::terms(terms)?;
    ask(app, who, Command::CompactNew(CompactDraft { name, terms, roster, previous })).await
}

async fn compact_import(app: State<App>, who: Who, Json(bodies::CompactFile { text }): Json<bodies::CompactFile>) -> Done {
    ask(app, who, Command::CompactImport { text }).await
}

async fn compact_status(app: State<App>, query: Query, Name(id): Name) -> Done {
    query.only(&["text"])?;
    let text = yes_or_no(&query, "text")?;
    ask(app, query.who, Command::CompactStatus { id, text }).await
}

async fn compact_deviate(app: State<App>, who: Who, Name(id): Name, Json(bodies::Offer { partner, terms }): Json<bodies::Offer>) -> Done {
    let terms = bodies::terms(terms)?;
    ask(app, who, Command::CompactDeviate { id, partner, terms }).await
}

/// A query parameter that is `true` or `false`; absent is no.
fn yes_or_no(query: &Query, name: &str) -> Result<bool, Problems> {
    match query.value(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Failure::misuse("bad_query").with("name", name).into()),
    }
}

async fn draft(app: State<App>, who: Who, Json(form): Json<bodies::DraftForm>) -> Done {
    ask(app, who, Command::BulletinNew(form.into())).await
}

async fn publish(app: State<App>, who: Who, Json(bodies::Publish { draft, text, to, open }): Json<bodies::Publish>) -> Done {
    ask(app, who, Command::BulletinPublish { draft, text: text.map(Draft::from), to, open }).await
}

async fn case_open(app: State<App>, who: Who, Json(case): Json<bodies::Case>) -> Done {
    let bodies::Case { title, text, category, tlp, case_number, with, continues } = case;
    let draft = Draft { title, text, category, tlp, subkind: String::new(), case_number };
    ask(app, who, Command::CaseOpen { draft, with, continues }).await
}

async fn case_note(app: State<App>, who: Who, Name(id): Name, Json(bodies::Entry { kind, text }): Json<bodies::Entry>) -> Done {
    ask(app, who, Command::CaseNote { id, kind, text }).await
}

async fn explain(app: State<App>, query: Query, Name(id): Name) -> Done {
    query.only(&["bureau", "at", "verb"])?;
    let bureau = query.value("bureau").ok_or_else(|| Failure::misuse("bad_query").with("name", "bureau"))?.to_owned();
    let at = query.number("at")?.map(WallSeconds);
    let verb = query.value("verb").unwrap_or("read").to_owned();
    ask(app, query.who, Command::AccessExplain { id, bureau, at, verb }).await
}

async fn proof(app: State<App>, query: Query, Name(id): Name) -> Done {
    query.only(&["full"])?;
    let full = yes_or_no(&query, "full")?;
    ask(app, query.who, Command::ProofExport { id, full }).await
}

async fn grant(app: State<App>, who: Who, Name(id): Name, Json(body): Json<bodies::NewGrant>) -> Done {
    let bodies::NewGrant { partner, verb, tlp, until, no_fourth_party, purpose, answer_by } = body;
    let fourth = no_fourth_party.then_some(false);
    let terms = GrantTerms { tlp, until: until.map(WallSeconds), fourth, purpose, answer_by: answer_by.map(WallSeconds) };
    ask(app, who, Command::AccessGrant { id, partner, verb, terms }).await
}

async fn onward_ask(app: State<App>, who: Who, Name(id): Name, Json(body): Json<bodies::OnwardAsk>) -> Done {
    let bodies::OnwardAsk { recipient, verb, purpose, urgency, answer_by } = body;
    let answer_by = answer_by.map(WallSeconds);
    ask(app, who, Command::OnwardAsk(NewAsk { id, recipient, verb, purpose, urgency, answer_by })).await
}

async fn onward_grant(app: State<App>, who: Who, Name(id): Name, Json(body): Json<bodies::OnwardGrant>) -> Done {
    let bodies::OnwardGrant { verb, tlp, until, fourth_party, purpose, answer_by } = body;
    let fourth = fourth_party.then_some(true);
    let terms = GrantTerms { tlp, until: until.map(WallSeconds), fourth, purpose, answer_by: answer_by.map(WallSeconds) };
    ask(app, who, Command::OnwardGrant { id, verb, terms }).await
}

async fn onward_refuse(app: State<App>, who: Who, Name(id): Name, Json(bodies::Decline { reason }): Json<bodies::Decline>) -> Done {
    ask(app, who, Command::OnwardRefuse { id, reason }).await
}

async fn cut(app: State<App>, who: Who, Name(id): Name, Json(bodies::Cut { subject, strict }): Json<bodies::Cut>) -> Done {
    ask(app, who, Command::AccessCut { id, subject, strict }).await
}

async fn admit(app: State<App>, who: Who, Name(id): Name, Json(bodies::Admit { acts }): Json<bodies::Admit>) -> Done {
    ask(app, who, Command::AccessAdmit { id, acts }).await
}

async fn root_confirm(app: State<App>, who: Who, Json(said): Json<bodies::RootConfirm>) -> Done {
    ask(app, who, Command::RootConfirm { checking_code: said.checking_code }).await
}

async fn retention_confirm(app: State<App>, who: Who, Json(bodies::Retain { documents }): Json<bodies::Retain>) -> Done {
    ask(app, who, Command::RetentionConfirm { documents }).await
}

async fn hold_place(app: State<App>, who: Who, Name(id): Name, Json(bodies::Decline { reason }): Json<bodies::Decline>) -> Done {
    ask(app, who, Command::HoldPlace { id, reason }).await
}

async fn reenter(app: State<App>, who: Who, Name(id): Name, Json(bodies::Admit { acts }): Json<bodies::Admit>) -> Done {
    ask(app, who, Command::HeldReenter { id, acts }).await
}

async fn void(app: State<App>, who: Who, Name(id): Name, Json(bodies::Void { acts, reason }): Json<bodies::Void>) -> Done {
    ask(app, who, Command::AccessVoid { id, acts, reason }).await
}

async fn erase(app: State<App>, who: Who, Name(id): Name, Json(bodies::Erase { files }): Json<bodies::Erase>) -> Done {
    ask(app, who, Command::AccessErase { id, files }).await
}

async fn file_piece(app: State<App>, who: Who, Name(id): Name, Json(bodies::Piece { upload, bytes }): Json<bodies::Piece>) -> Done {
    let bytes = accord_keys::armour::decode_base64(&bytes).ok_or_else(|| Failure::misuse("bad_body").with("name", "bytes"))?;
    ask(app, who, Command::FilePiece { id, upload, bytes }).await
}

async fn file_attach(app: State<App>, who: Who, Name(id): Name, Json(file): Json<bodies::NewFile>) -> Done {
    let bodies::NewFile { upload, name, media } = file;
    ask(app, who, Command::FileAttach { id, upload, name, media }).await
}

async fn file_read(app: State<App>, query: Query, Names(id, file): Names) -> Done {
    query.only(&["piece"])?;
    let bad = || Failure::misuse("bad_query").with("name", "piece");
    let piece = query.number("piece")?.and_then(|piece| u32::try_from(piece).ok()).ok_or_else(bad)?;
    ask(app, query.who, Command::FileRead { id, file, piece }).await
}

async fn reclassify(app: State<App>, who: Who, Name(id): Name, Json(bodies::Reclassify { tlp }): Json<bodies::Reclassify>) -> Done {
    ask(app, who, Command::AccessReclassify { id, tlp }).await
}

/// Everything in a demonstration's store, one piece a line in hex. There is no such route in any other store.
async fn dump(State(app): State<App>) -> Result<String, Problems> {
    let pieces = app.handle.dump().await?;
    let mut text = String::with_capacity(pieces.iter().map(|piece| piece.len() * 2 + 1).sum());
    for piece in pieces {
        for byte in piece {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or_default());
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or_default());
        }
        text.push('\n');
    }
    Ok(text)
}

//! Logging an officer in: the key file is opened, or at the first login made, and only then does the core get the key.

use std::collections::BTreeSet;
use std::sync::Arc;

use accord_keys::id::{CertificateId, PublicKey};
use accord_keys::secret::SecretKey;
use accord_protocol::input::Command;
use accord_protocol::view::{OfficerView, View};
use axum::extract::State;
use zeroize::Zeroizing;

use super::App;
use super::bodies::Login;
use super::extract::{Answer, Json, Name, Problems, Who};
use crate::failure::Failure;

/// `POST /v1/login`.
pub(super) async fn login(State(app): State<App>, who: Who, Json(login): Json<Login>) -> Result<Answer<View>, Problems> {
    if who.dry_run {
        return Err(Failure::misuse("bad_query").with("name", "dry_run").into());
    }
    // Found first, and counted by the name it is kept under: names nobody has would fill the count and push out those of officers.
    let name = officer(&app, &login.name).await?.name;
    app.attempts.begin(&name, app.handle.clock().now().mono)?;
    // A task of its own: a caller who hangs up must not leave half a first login to race with the next one.
    let done = tokio::spawn(async move { attempt(&app, &login).await }).await;
    Ok(Answer(done.unwrap_or_else(|error| Err(Failure::fault("internal").with("cause", "login").because(error)))?))
}

async fn attempt(app: &App, login: &Login) -> Result<View, Failure> {
    let _turn = app.logins.lock().await;
    let officer = officer(app, &login.name).await?;
    let (certificate, key) =
        if officer.state == "awaiting_login" { first_login(app, login).await? } else { open(app, login, &officer).await? };
    app.attempts.succeeded(&officer.name);
    app.handle.command(Command::Unlock { name: login.name.clone(), certificate, signer: Arc::new(key) }).await
}

async fn officer(app: &App, name: &str) -> Result<OfficerView, Failure> {
    let View::Officers { officers } = app.handle.command(Command::OfficerFind { name: name.to_owned() }).await? else {
        return Err(Failure::fault("internal").with("cause", "OfficerFind answered something else"));
    };
    officers.into_iter().next().ok_or_else(|| Failure::not_found("not_found").with("found", name).with("noun", "officer"))
}

/// One key of the officer, and the certificates it ever had.
struct Held {
    certificate: CertificateId,
    key: PublicKey,
    all: Vec<CertificateId>,
}

/// The key of whichever of the officer's certificates has its key here: those of a laptop have none.
async fn open(app: &App, login: &Login, officer: &OfficerView) -> Result<(CertificateId, SecretKey), Failure> {
    let members = app.members();
    // Without a good one the core says what is wrong with the newest.
    let good = officer.certificates.iter().chain(officer.certificates.is_empty().then_some(&officer.certificate));
    let held: Vec<Held> = good
        .filter_map(|hex| CertificateId::from_hex(hex))
        .filter_map(|id| members.iter().find(|member| member.certificate == id))
        .map(|found| Held {
            certificate: found.certificate,
            key: found.key,
            all: members.iter().filter(|member| member.key == found.key).map(|member| member.certificate).collect(),
        })
        .collect();
    let (keys, name, passphrase) = (app.keys.clone(), login.name.clone(), Zeroizing::new(login.passphrase.clone()));
    in_worker(app, move || {
        let mut problem: Option<Failure> = None;
        let mut tried = BTreeSet::new();
        for held in held.into_iter().filter(|held| tried.insert(held.key)) {
            match keys.read_officer(&name, &held.key, &held.all, &passphrase) {
                Ok(secret) => return Ok((held.certificate, secret)),
                // That a key is elsewhere says less than what is wrong with one that is here.
                Err(failure) if problem.as_ref().is_none_or(|held| held.code == "key_file_missing") => problem = Some(failure),
                Err(_) => {}
            }
        }
        Err(problem.unwrap_or_else(|| Failure::refused("officer_has_no_key").with("officer", &name)))
    })
    .await
}

/// Makes the key, asks for its certificate, and gives the file its name: each step durable before the next.
async fn first_login(app: &App, login: &Login) -> Result<(CertificateId, SecretKey), Failure> {
    let (keys, name, passphrase) = (app.keys.clone(), login.name.clone(), Zeroizing::new(login.passphrase.clone()));
    let revoked: BTreeSet<PublicKey> = app.members().into_iter().filter(|member| member.revoked).map(|member| member.key).collect();
    let key = in_worker(app, move || keys.make_officer(&name, &passphrase, |key| revoked.contains(key))).await?;
    let enrolled = app.handle.command(Command::OfficerEnrol { name: login.name.clone(), key: key.public() }).await?;
    let View::Done { id: Some(hex) } = enrolled else {
        return Err(Failure::fault("internal").with("cause", "enrolment gave no certificate"));
    };
    let certificate = CertificateId::from_hex(&hex);
    let member = app.members().into_iter().find(|member| Some(member.certificate) == certificate && member.key == key.public());
    let member = member.ok_or_else(|| Failure::fault("internal").with("cause", "enrolment gave a certificate for another key"))?;
    app.keys.name_pending(&login.name, &key.public())?;
    Ok((member.certificate, key))
}

/// `POST /v1/officers/NAME/reset`: what the core revoked has no key file any more.
pub(super) async fn reset(State(app): State<App>, who: Who, Name(name): Name) -> Result<Answer<View>, Problems> {
    let _turn = app.logins.lock().await;
    let view = app.handle.ask(who.person, who.dry_run, Command::OfficerReset { name: name.clone() }).await?;
    if !who.dry_run {
        let gone: BTreeSet<[u8; 32]> =
            app.members().into_iter().filter(|member| member.revoked).flat_map(|member| [member.certificate.0, member.key.0]).collect();
        if let Err(failure) = app.keys.forget_officer(&name, |id| gone.contains(id)) {
            tracing::warn!(%failure, "the key files of revoked certificates are still there; they open nothing, remove them by hand");
        }
    }
    Ok(Answer(view))
}

/// argon2 takes a second of a processor and 64 MiB: never on the event loop, never two at once.
async fn in_worker<T: Send + 'static>(app: &App, work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let _turn = app.passphrases.acquire().await.map_err(|_| Failure::unreachable("stopping"))?;
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::fault("internal").with("cause", "login").because(error)))
}

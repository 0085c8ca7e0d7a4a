//! Logging an officer in: the key file is opened, or at the first login made, and only then does the core get the key.

use std::sync::Arc;

use accord_keys::id::CertificateId;
use accord_keys::secret::SecretKey;
use accord_protocol::input::Command;
use accord_protocol::view::View;

use super::App;
use super::bodies::Login;
use super::extract::{Answer, Json, Problems};
use crate::failure::Failure;

/// `POST /v1/login`.
pub(super) async fn login(app: axum::extract::State<App>, Json(login): Json<Login>) -> Result<Answer<View>, Problems> {
    app.attempts.begin(&login.name, app.handle.clock().now().mono)?;
    let (certificate, key) = match certificate_of(&app, &login.name).await? {
        Some(certificate) => (certificate, open(&app, &login, certificate).await?),
        None => first_login(&app, &login).await?,
    };
    app.attempts.succeeded(&login.name);
    let unlock = Command::Unlock { name: login.name.clone(), certificate, signer: Arc::new(key) };
    Ok(Answer(app.handle.command(unlock).await?))
}

/// The officer's certificate; `None` before the first login.
pub(super) async fn certificate_of(app: &App, name: &str) -> Result<Option<CertificateId>, Failure> {
    let View::Officers { officers } = app.handle.command(Command::OfficerFind { name: name.to_owned() }).await? else {
        return Err(Failure::fault("internal").with("cause", "OfficerFind answered something else"));
    };
    let officer = officers.into_iter().next().ok_or_else(|| Failure::not_found("not_found").with("found", name).with("noun", "officer"))?;
    if officer.certificate.is_empty() {
        return Ok(None);
    }
    certificate(&officer.certificate).map(Some)
}

fn certificate(hex: &str) -> Result<CertificateId, Failure> {
    CertificateId::from_hex(hex).ok_or_else(|| Failure::fault("internal").with("cause", "a certificate id that is none"))
}

async fn open(app: &App, login: &Login, certificate: CertificateId) -> Result<SecretKey, Failure> {
    let (keys, name, passphrase) = (app.keys.clone(), login.name.clone(), zeroize::Zeroizing::new(login.passphrase.clone()));
    in_worker(app, move || keys.read_officer(&name, &certificate, &passphrase)).await
}

/// Makes the key, asks for its certificate, and gives the file its name: each step durable before the next.
async fn first_login(app: &App, login: &Login) -> Result<(CertificateId, SecretKey), Failure> {
    let (keys, name, passphrase) = (app.keys.clone(), login.name.clone(), zeroize::Zeroizing::new(login.passphrase.clone()));
    let key = in_worker(app, move || keys.make_officer(&name, &passphrase)).await?;
    app.handle.command(Command::OfficerEnrol { name: login.name.clone(), key: key.public() }).await?;
    let certificate =
        certificate_of(app, &login.name).await?.ok_or_else(|| Failure::fault("internal").with("cause", "enrolment gave no certificate"))?;
    app.keys.name_pending(&login.name, &certificate)?;
    Ok((certificate, key))
}

/// argon2 takes a second of a processor and 64 MiB: never on the event loop, never two at once.
async fn in_worker<T: Send + 'static>(app: &App, work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let _turn = app.passphrases.acquire().await.map_err(|_| Failure::unreachable("stopping"))?;
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::fault("internal").with("cause", "login").because(error)))
}

//! `accord root` and `accord cert`: acts of the bureau's root, and renewed certificates.
//!
//! Root keys live on sticks, away from the node. So an act of the root is a paper ([`paper::Paper`]): made here from what the daemon knows,
//! signed on any machine with the stick in it, and given back to the daemon when enough keys have signed. With `--key` all of it happens in
//! one command, for the bureau that has one key.

mod paper;

use std::path::{Path, PathBuf};

use accord_keys::appointment::Appointment;
use accord_keys::certificate::{MemberCertificate, NODE_SECONDS};
use accord_keys::clock_reset::ClockReset;
use accord_keys::directory::Directory;
use accord_keys::id::{BureauId, CertificateId, NetworkId, PublicKey, RootId};
use accord_keys::keyfile::{self, KdfParams};
use accord_keys::root::RootStatement;
use accord_keys::secret::SecretKey;
use accord_keys::time::WallSeconds;
use accord_keys::{canon, seal};
use accord_protocol::view::{DeviceView, StatusView, View};
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::output::write_file;
use super::sending::{Ask, act, tell};
use super::{Context, ask, render};
use crate::client::escape;
use crate::failure::{Failure, Kind};
use crate::keystore::{self, KeyFolder, SigningKey};
use crate::text_input;
use paper::{Paper, Summary};

#[derive(Debug, Subcommand)]
pub(super) enum RootVerb {
    Rotate {
        #[arg(long, value_name = "FILE", conflicts_with_all = ["add", "drop", "threshold", "name"])]
        make_key: Option<PathBuf>,
        #[arg(long, value_name = "PUBLIC-KEY")]
        add: Vec<String>,
        #[arg(long, value_name = "PUBLIC-KEY")]
        drop: Vec<String>,
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=9))]
        threshold: Option<u8>,
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        signing: SigningArgs,
    },
    Sign {
        #[arg(required = true, value_name = "FILE")]
        papers: Vec<PathBuf>,
        #[command(flatten)]
        signing: SigningArgs,
        #[arg(long, conflicts_with = "out")]
        install: bool,
    },
    ClockReset {
        #[arg(long, value_name = "TIME")]
        to: String,
        #[command(flatten)]
        signing: SigningArgs,
    },
    List,
    Confirm {
        #[arg(long, value_name = "DIGITS")]
        code: String,
    },
    Appoint {
        #[arg(value_name = "NODE")]
        node: String,
        #[command(flatten)]
        signing: SigningArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum CertVerb {
    Renew {
        name: Option<String>,
        #[command(flatten)]
        signing: SigningArgs,
    },
}

// With which key to sign, and where the paper goes.
#[derive(Debug, Default, Args)]
pub(super) struct SigningArgs {
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(verb: RootVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        RootVerb::Rotate { make_key: Some(path), signing, .. } => make_key(cx, &path, signing.passphrase_file.as_deref()),
        RootVerb::Rotate { add, drop, threshold, name, signing, .. } => {
            if add.is_empty() && drop.is_empty() && threshold.is_none() && name.is_none() {
                return Err(Failure::misuse("nothing_to_set"));
            }
            let own = Own::ask(cx)?;
            let next = own.next(&add, &drop, threshold, name)?;
            finish(cx, own.paper(&next)?, &signing)
        }
        RootVerb::Sign { papers, signing, install } => sign(cx, &papers, &signing, install),
        RootVerb::ClockReset { to, signing } => {
            let own = Own::ask(cx)?;
            let body = ClockReset { bureau: own.bureau, floor: WallSeconds(ask::moment(&to, false)?), at: own.now, root: own.head };
            finish(cx, own.paper(&body)?, &signing)
        }
        RootVerb::List => {
            cx.out.view(&cx.client()?.get("/v1/roots")?);
            Ok(())
        }
        RootVerb::Confirm { code } => {
            let view = act(cx, "/v1/roots/confirm", &json!({ "checking_code": code }), Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("identity.root_confirmed")));
            Ok(())
        }
        RootVerb::Appoint { node, signing } => {
            let own = Own::ask(cx)?;
            let registrar = certificate_of(&node_of(cx, Some(&node))?)?;
            let record = own.directory.bureau(&own.bureau).ok_or_else(no_own_root)?;
            let epoch = record.epochs().max().unwrap_or(0) + 1;
            let body = Appointment { bureau: own.bureau, epoch, registrar, at: own.now, root: own.head };
            finish(cx, own.paper(&body)?, &signing)
        }
    }
}

/// Renews an officer's or laptop's certificate through the daemon, and a node's by a paper of the root.
pub(super) fn cert(verb: CertVerb, cx: &Context) -> Result<(), Failure> {
    let CertVerb::Renew { name, signing } = verb;
    let node = match (node_of(cx, name.as_deref()), &name) {
        (Ok(node), _) => node,
        // Officers and laptops have names of their own; the core knows them.
        (Err(failure), Some(name)) if failure.code == "unknown_device" => {
            let view = act(cx, &format!("/v1/certificates/{}/renew", escape(name)), &json!({}), Ask::Never)?;
            tell(cx, &view, Some(&cx.words.fill("identity.cert_renewed", &[("name", name)])));
            return Ok(());
        }
        (Err(failure), _) => return Err(failure),
    };
    let own = Own::ask(cx)?;
    let old = own.directory.certificate(&certificate_of(&node)?).ok_or_else(no_own_root)?.body();
    let body = MemberCertificate {
        not_before: own.now,
        not_after: WallSeconds(own.now.0.saturating_add(NODE_SECONDS)),
        serial: keystore::random()?,
        issuer: accord_keys::certificate::Issuer::Root(own.head),
        ..old.clone()
    };
    finish(cx, own.paper(&body)?, &signing)
}

/// Our own bureau as the daemon knows it.
struct Own {
    network: NetworkId,
    bureau: BureauId,
    head: RootId,
    now: WallSeconds,
    directory: Directory,
    roots: Vec<Vec<u8>>,
}

impl Own {
    fn ask(cx: &Context) -> Result<Self, Failure> {
        let client = cx.client()?;
        let (View::Status(status), View::Statements { statements }) = (client.get("/v1/status")?, client.get("/v1/statements")?) else {
            return Err(Failure::fault("daemon_answer").with("path", "/v1/statements"));
        };
        Self::of(&status, &statements)
    }

    fn of(status: &StatusView, statements: &[String]) -> Result<Self, Failure> {
        let network = NetworkId::from_hex(&status.network).ok_or_else(no_own_root)?;
        let bureau = BureauId::from_hex(&status.bureau).ok_or_else(no_own_root)?;
        let mut directory = Directory::new(network);
        let mut roots = Vec::new();
        for statement in statements {
            let bytes = from_hex(statement).ok_or_else(no_own_root)?;
            let learned = directory.learn_bytes(&bytes);
            learned.map_err(|error| Failure::fault("daemon_answer").with("path", "/v1/statements").because(error))?;
            if seal::peek_type(&bytes) == Some(<RootStatement as seal::Statement>::TYPE.number()) {
                roots.push(bytes);
            }
        }
        let head = directory.bureau(&bureau).ok_or_else(no_own_root)?.head();
        Ok(Self { network, bureau, head, now: WallSeconds(status.now), directory, roots })
    }

    fn paper<T: seal::Statement>(&self, body: &T) -> Result<Paper, Failure> {
        Paper::new(self.network, self.bureau, body, &self.roots)
    }

    /// The next root version: the one in force with keys added and dropped.
    fn next(&self, add: &[String], drop: &[String], threshold: Option<u8>, name: Option<String>) -> Result<RootStatement, Failure> {
        let now = self.directory.bureau(&self.bureau).ok_or_else(no_own_root)?.head_statement().clone();
        let mut keys = now.keys.clone();
        for text in drop {
            let named = |key: &PublicKey| text.len() >= 8 && key.to_string().starts_with(&text.to_ascii_lowercase());
            let at = keys.iter().position(named).ok_or_else(|| Failure::not_found("no_root_key").with("name", text))?;
            keys.remove(at);
        }
        for text in add {
            keys.push(PublicKey::from_hex(text).ok_or_else(|| Failure::misuse("bad_public_key").with("found", text))?);
        }
        keys.sort();
        keys.dedup();
        let threshold = threshold.unwrap_or(now.threshold);
        if usize::from(threshold) > keys.len() {
            return Err(Failure::misuse("threshold_too_high").with("threshold", threshold).with("keys", keys.len()));
        }
        Ok(RootStatement {
            version: now.version + 1,
            previous: Some(self.head),
            keys,
            threshold,
            name: name.unwrap_or(now.name),
            created: self.now,
            ..now
        })
    }
}

/// Signs if a key is at hand; installs if nothing is missing then, else writes the paper for the next machine.
fn finish(cx: &Context, mut paper: Paper, signing: &SigningArgs) -> Result<(), Failure> {
    let summary = paper.summary()?;
    if cx.globals.dry_run {
        cx.out.result(&summary, &told(&summary, cx));
        cx.out.note(cx.words.say("prompt.dry_run"));
        return Ok(());
    }
    if signing.key.is_none() && signing.out.is_none() {
        return Err(Failure::misuse("key_or_out"));
    }
    cx.out.note(&told(&summary, cx));
    ask::confirm(cx)?;
    if let Some(key) = &signing.key {
        paper.sign(&root_key(cx, key, signing.passphrase_file.as_deref())?)?;
    }
    match (&signing.out, paper.complete()?) {
        (None, Some(statement)) => install(cx, &paper, &statement),
        (Some(out), _) => write(cx, out, &paper),
        (None, None) => Err(Failure::misuse("out_missing").with("missing", paper.missing()?)),
    }
}

/// Signs a paper (or several copies of one), and writes it back or hands it to the daemon.
fn sign(cx: &Context, files: &[PathBuf], signing: &SigningArgs, install_it: bool) -> Result<(), Failure> {
    let mut papers = files.iter().map(|file| Paper::from_text(&read_paper(file)?));
    let mut paper = papers.next().ok_or_else(|| Failure::misuse("paper_damaged"))??;
    for other in papers {
        paper.merge(&other?)?;
    }
    let summary = paper.summary()?;
    if cx.globals.dry_run || (signing.key.is_none() && !install_it && signing.out.is_none()) {
        cx.out.result(&summary, &told(&summary, cx));
        return Ok(());
    }
    cx.out.note(&told(&summary, cx));
    ask::confirm(cx)?;
    if let Some(key) = &signing.key {
        paper.sign(&root_key(cx, key, signing.passphrase_file.as_deref())?)?;
    }
    if install_it {
        let statement = paper.complete()?.ok_or(Failure::refused("seals_missing").with("missing", paper.missing()?))?;
        return install(cx, &paper, &statement);
    }
    write(cx, signing.out.as_deref().unwrap_or(&files[0]), &paper)
}

fn install(cx: &Context, paper: &Paper, statement: &[u8]) -> Result<(), Failure> {
    let view: View = cx.client()?.post("/v1/statements", &json!({ "bytes": hex(statement) }), cx.globals.dry_run)?;
    let done = match paper.summary()?.kind {
        "root" => cx.words.say("identity.root_rotated"),
        "appointment" => cx.words.say("identity.appointed"),
        "clock_reset" => cx.words.say("identity.clock_reset"),
        _ => cx.words.say("identity.node_renewed"),
    };
    tell(cx, &view, Some(done));
    Ok(())
}

fn write(cx: &Context, out: &Path, paper: &Paper) -> Result<(), Failure> {
    let name = out.display();
    write_file(out, paper.to_text().as_bytes())?;
    let summary = paper.summary()?;
    let text = match summary.missing {
        0 => cx.words.fill("identity.paper_complete", &[("file", &name)]),
        missing => cx.words.fill("identity.paper_needs", &[("file", &name), ("missing", &missing)]),
    };
    cx.out.result(&json!({ "file": name.to_string(), "paper": summary }), &text);
    Ok(())
}

/// Makes a root key for a version to come; prints its public half.
fn make_key(cx: &Context, path: &Path, passphrase_file: Option<&Path>) -> Result<(), Failure> {
    cx.no_dry_run()?;
    let path = &super::init::new_file(path)?;
    let name = path.display();
    let passphrase = ask::new_passphrase(cx, passphrase_file, cx.words.say("init.ask_root_passphrase"))?;
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(keystore::random()?);
    let public = SecretKey::from_seed(*seed).public();
    let plain = Zeroizing::new(canon::encode(&SigningKey { version: 1, kind: "root".to_owned(), seed: *seed }));
    let sealed = keyfile::seal_secret(&plain, &passphrase, &keystore::random()?, &keystore::random()?, &KdfParams::default())
        .map_err(|error| Failure::fault("key_file_unsealed").with("path", name.to_string()).because(error))?;
    keystore::write_private(path, &sealed)?;
    let text = cx.words.fill("identity.root_key_made", &[("file", &name), ("key", &public)]);
    cx.out.result(&json!({ "file": name.to_string(), "public_key": public.to_string() }), &text);
    Ok(())
}

fn root_key(cx: &Context, path: &Path, passphrase_file: Option<&Path>) -> Result<SecretKey, Failure> {
    let passphrase = ask::passphrase(cx, passphrase_file, cx.words.say("prompt.root_passphrase"))?;
    Ok(SecretKey::from_seed(*KeyFolder::read_root(path, &passphrase)?))
}

fn read_paper(path: &Path) -> Result<String, Failure> {
    text_input::read_up_to(path, paper::TEXT_BYTES_MAX)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| Failure::misuse("paper_damaged")))
}

fn told(summary: &Summary, cx: &Context) -> String {
    let mut text = format!("{}\n{}\n", cx.words.term("paper", summary.kind), summary.bureau);
    for (name, value) in &summary.facts {
        text += &format!("  {}: {value}\n", cx.words.term("paper_fact", name));
    }
    text + &cx.words.fill("identity.paper_missing", &[("missing", &summary.missing)])
}

/// The node named (by first digits of its certificate), or this one.
fn node_of(cx: &Context, name: Option<&str>) -> Result<DeviceView, Failure> {
    let View::Devices { devices } = cx.client()?.get("/v1/devices")? else {
        return Err(Failure::fault("daemon_answer").with("path", "/v1/devices"));
    };
    let wanted = |device: &DeviceView| match name {
        Some(name) => device.certificate.starts_with(name) && name.len() >= 4,
        None => device.here,
    };
    let mut found: Vec<DeviceView> = devices.into_iter().filter(|device| device.kind == "node" && wanted(device)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(device), true) => Ok(device),
        (None, _) => Err(Failure::not_found("unknown_device").with("name", name.unwrap_or("–"))),
        (Some(last), false) => {
            found.push(last);
            let first = Failure::new(Kind::Ambiguous, "ambiguous_name");
            Err(found.iter().fold(first, |failure, device| failure.with("candidates", render::short(&device.certificate))))
        }
    }
}

fn certificate_of(device: &DeviceView) -> Result<CertificateId, Failure> {
    CertificateId::from_hex(&device.certificate).ok_or_else(|| Failure::fault("daemon_answer").with("path", "/v1/devices"))
}

fn no_own_root() -> Failure {
    Failure::fault("daemon_answer").with("path", "/v1/statements")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use accord_keys::seal::Sealed;

    use super::*;

    fn own() -> Own {
        let network = NetworkId::named("test");
        let key = SecretKey::from_seed([1; 32]);
        let root = RootStatement {
            version: 1,
            previous: None,
            keys: vec![key.public()],
            threshold: 1,
            unit_code: "330000".into(),
            name: "临溪".into(),
            network,
            created: WallSeconds(1),
        };
        let sealed = Sealed::seal(&network, root, &[&key]).expect("a good statement");
        let status = StatusView {
            bureau: BureauId::from(sealed.root_id(&network)).to_string(),
            network: network.to_string(),
            now: 2,
            ..StatusView::default()
        };
        Own::of(&status, &[hex(&sealed.to_bytes())]).expect("what a daemon answers")
    }

    fn public(seed: u8) -> String {
        SecretKey::from_seed([seed; 32]).public().to_string()
    }

    #[test]
    fn the_next_root_version_follows_the_one_in_force() {
        let own = own();
        let next = own.next(&[public(2), public(3)], &[public(1)[..8].to_owned()], Some(2), None).expect("possible");
        assert_eq!((next.version, next.previous, next.threshold, next.created), (2, Some(own.head), 2, WallSeconds(2)));
        let mut expect = vec![public(2), public(3)];
        expect.sort();
        assert_eq!(next.keys.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
        own.paper(&next).expect("it can be put on paper");
    }

    #[test]
    fn an_impossible_root_version_is_refused_with_its_reason() {
        let own = own();
        let check = |add: &[String], drop: &[String], threshold, code: &str| {
            assert_eq!(own.next(add, drop, threshold, None).expect_err("impossible").code, code);
        };
        check(&[], &[], Some(2), "threshold_too_high");
        check(&[], &[public(1)], None, "threshold_too_high");
        check(&[], &[public(9)], None, "no_root_key");
        check(&[], &[public(1)[..4].to_owned()], None, "no_root_key");
        check(&["xyz".to_owned()], &[], None, "bad_public_key");
    }

    #[test]
    fn hex_reads_back_and_other_text_does_not() {
        assert_eq!(from_hex(&hex(&[0, 0xab, 255])), Some(vec![0, 0xab, 255]));
        assert_eq!((from_hex("abc"), from_hex("zz"), from_hex("é")), (None, None, None));
    }
}

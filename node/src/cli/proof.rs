//! `accord proof`: one file from which anyone can see, without us, who wrote what.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use accord_keys::armour::decode_base64;
use accord_protocol::limits;
use accord_protocol::proof::{Proof, ProofError, ProofStatement};
use accord_protocol::view::{ProofView, View};
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::render;
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum ProofVerb {
    Export {
        document: String,
        #[arg(long)]
        full: bool,
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Verify {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn run(verb: ProofVerb, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    match verb {
        ProofVerb::Export { document, full, out } => export(cx, &document, full, out),
        ProofVerb::Verify { file } => verify(cx, &file),
    }
}

fn export(cx: &Context, document: &str, full: bool, out: Option<PathBuf>) -> Result<(), Failure> {
    let path = format!("/v1/documents/{}/proof?full={full}", escape(document));
    let View::Proof(ProofView { document, entry, bytes, .. }) = cx.client()?.get(&path)? else {
        return Err(Failure::fault("daemon_answer").with("path", path));
    };
    let bytes = decode_base64(&bytes).ok_or_else(|| Failure::fault("daemon_answer").with("path", path))?;
    // Nothing is handed out that would not convince its reader, or that says less than this node shows.
    let stated = stated(&bytes, &document)?;
    if stated.entry != entry {
        return Err(Failure::refused("proof_differs").with("id", render::short(&document)));
    }
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{}.proof", render::short(&document))));
    let name = out.display().to_string();
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&out)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::misuse("file_exists").with("path", &name),
        _ => Failure::misuse("file_not_written").with("path", &name).because(error),
    })?;
    let told = json!({ "document": document, "file": name, "bytes": bytes.len(), "entry": entry });
    cx.out.result(&told, &cx.words.fill("proof.written", &[("file", &name), ("bytes", &bytes.len())]));
    Ok(())
}

fn verify(cx: &Context, file: &Path) -> Result<(), Failure> {
    let name = file.display().to_string();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::misuse("file_not_found").with("path", &name),
        _ => Failure::misuse("file_unreadable").with("path", &name).because(error),
    };
    let mut bytes = Vec::new();
    let most = limits::PROOF_BYTES_MAX as u64 + 1;
    std::fs::File::open(file).map_err(unreadable)?.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    let stated = stated(&bytes, &name)?;
    if cx.out.json() {
        // Through a value: keys in ascending order, so that two verifiers print the same bytes.
        let value = serde_json::to_value(&stated).map_err(|error| Failure::fault("internal").with("cause", error))?;
        cx.out.text(&value.to_string());
    } else {
        cx.out.text(&render::proof(&stated, &cx.words));
    }
    Ok(())
}

fn stated(bytes: &[u8], name: &str) -> Result<ProofStatement, Failure> {
    Proof::verify(bytes).and_then(|mut proof| proof.states()).map_err(|error| match error {
        ProofError::NotAProof => Failure::misuse("not_a_proof").with("path", name),
        other => Failure::refused("proof_refused").with("path", name).because(other),
    })
}

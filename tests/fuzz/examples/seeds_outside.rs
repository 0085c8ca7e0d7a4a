//! Writes the seed corpora of the targets `wire` and `sealed`: committed messages, and the parts of committed proofs.

use std::path::{Path, PathBuf};

use accord_fuzz::outside::{BODY, LIES, Outside, SEGMENT, STATEMENT};
use accord_protocol::proof::{MAGIC, ProofFile};

fn main() -> std::io::Result<()> {
    let top = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned()));
    messages(&top.join("wire"))?;
    sealed(&top.join("sealed"))
}

/// Every hex string of the committed messages that is read as one.
fn messages(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let text = include_str!("../../../protocol/vectors/messages.json");
    let words = text.split('"').filter(|word| word.len() > 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) && word.len() % 2 == 0);
    let bytes = words.map(|word| (0..word.len()).step_by(2).filter_map(|at| u8::from_str_radix(&word[at..at + 2], 16).ok()).collect::<Vec<u8>>());
    for (place, bytes) in bytes.filter(|bytes| accord_protocol::wire::Message::decode(bytes).is_ok()).enumerate() {
        std::fs::write(folder.join(format!("message-{place:02}")), bytes)?;
    }
    Ok(())
}

fn sealed(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (which, (body, _)) in Outside::new().proofs.iter().enumerate() {
        std::fs::write(folder.join(format!("body-{which}")), [&[BODY], &body[..]].concat())?;
        std::fs::write(folder.join(format!("lies-{which}")), [LIES, which as u8, 1, 7, 1, 2, 200, 128])?;
        let mut file = [&MAGIC[..], body].concat();
        let digest = blake3::hash(&file);
        file.extend_from_slice(digest.as_bytes());
        let Ok(file) = ProofFile::from_bytes(&file) else { continue };
        let statements = file.statements.iter().chain(&file.agreements).chain(&file.records).chain(file.receipts.iter().flatten());
        let parts = statements.map(|part| (STATEMENT, part)).chain(file.segments.iter().map(|part| (SEGMENT, part)));
        for (place, (kind, part)) in parts.enumerate().filter(|(place, _)| which == 3 || place % 7 == 0) {
            std::fs::write(folder.join(format!("part-{which}-{place:02}")), [&[kind], &part.0[..]].concat())?;
        }
    }
    Ok(())
}

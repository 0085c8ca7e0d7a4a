//! A copy of every plaintext frame handed to the transport: how `accord demo` shows what a partner was *not* sent.
//!
//! Works only on a store that `accord demo` made: a switch that writes plaintext to a file must not exist in a real node's life.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::swarm::Tap;

/// Opens the tap's file. One line a frame: `{"to":"<transport key>","bytes":"<hex>"}`.
///
/// # Errors
/// `tap_refused` when `demo` is false; `tap_unwritable`.
pub(super) fn open(path: &Path, demo: bool) -> Result<Tap, Failure> {
    if !demo {
        return Err(Failure::misuse("tap_refused").with("path", path.display()));
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    let file = Mutex::new(file.map_err(|error| Failure::misuse("tap_unwritable").with("path", path.display()).because(error))?);
    Ok(Arc::new(move |to, bytes| {
        use std::fmt::Write as _;
        let mut line = String::with_capacity(bytes.len() * 2 + 100);
        let _ = write!(line, "{{\"to\":\"{to}\",\"bytes\":\"");
        for byte in bytes {
            let _ = write!(line, "{byte:02x}");
        }
        line.push_str("\"}\n");
        if let Err(error) = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()) {
            tracing::error!(%error, "the tap missed a frame");
        }
    }))
}

#[cfg(test)]
mod tests {
    use accord_keys::id::TransportKey;

    use super::*;

    #[test]
    fn a_tap_is_refused_outside_a_demonstration_and_leaves_no_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("tap");
        let failure = open(&path, false).err().expect("refused");
        assert_eq!((failure.code.as_str(), failure.kind.exit_code()), ("tap_refused", 2));
        assert!(!path.exists());
    }

    #[test]
    fn every_frame_becomes_one_line_with_its_receiver() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("tap");
        let tap = open(&path, true).expect("a demonstration's store");
        tap(&TransportKey([0xab; 32]), &[0, 255]);
        tap(&TransportKey([1; 32]), b"");
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(
            text,
            format!("{{\"to\":\"{}\",\"bytes\":\"00ff\"}}\n{{\"to\":\"{}\",\"bytes\":\"\"}}\n", "ab".repeat(32), "01".repeat(32))
        );
    }
}

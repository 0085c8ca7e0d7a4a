//! Where the node's passphrase comes from: so that a node restarts by itself, and says so when it cannot.
//!
//! In order: the systemd credential `accord.passphrase` (`LoadCredentialEncrypted=` binds it to the machine's TPM), a file named on the
//! command line that nobody else may read, a person at a terminal. None of them: "operator needed".

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::keystore::{PASSPHRASE_BYTES_MAX, check_private};

/// Name of the systemd credential.
pub const CREDENTIAL: &str = "accord.passphrase";

/// What may give the passphrase.
pub struct Sources<'a> {
    /// `$CREDENTIALS_DIRECTORY`, set by systemd.
    pub credentials: Option<PathBuf>,
    /// `--passphrase-file`.
    pub file: Option<PathBuf>,
    /// Asks a person; `None` when there is no terminal.
    pub prompt: Option<&'a mut dyn FnMut() -> std::io::Result<String>>,
}

/// The passphrase from the first source that has one.
///
/// # Errors
/// `operator_needed` when no source has one; `key_file_open`, `passphrase_unreadable` when a source is there and cannot be used: a later source
/// never covers up for a broken one.
pub fn passphrase(sources: Sources<'_>) -> Result<Zeroizing<String>, Failure> {
    if let Some(path) = sources.credentials.map(|dir| dir.join(CREDENTIAL)).filter(|path| path.exists()) {
        return read(&path);
    }
    if let Some(path) = sources.file {
        check_private(&path).map_err(|failure| match failure.code.as_str() {
            "key_file_unreadable" => Failure::misuse("passphrase_unreadable").with("path", path.display()),
            _ => failure,
        })?;
        return read(&path);
    }
    let Some(prompt) = sources.prompt else {
        return Err(Failure::misuse("operator_needed").with("credential", CREDENTIAL));
    };
    let typed = prompt().map_err(|error| Failure::misuse("operator_needed").with("credential", CREDENTIAL).because(error))?;
    Ok(Zeroizing::new(typed))
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let unreadable = || Failure::misuse("passphrase_unreadable").with("path", path.display());
    let length = std::fs::metadata(path).map_err(|error| unreadable().because(error))?.len();
    if length > PASSPHRASE_BYTES_MAX as u64 + 2 {
        return Err(unreadable());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| unreadable().because(error))?);
    // An editor ends the file with a line end; it is no part of the passphrase.
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("chmod");
        path
    }

    fn check(credentials: Option<&Path>, file: Option<&Path>, typed: Option<&str>, expect: &str) {
        let mut prompt = || Ok(typed.unwrap_or_default().to_owned());
        let sources = Sources {
            credentials: credentials.map(Path::to_path_buf),
            file: file.map(Path::to_path_buf),
            prompt: typed.is_some().then_some(&mut prompt as &mut dyn FnMut() -> std::io::Result<String>),
        };
        match passphrase(sources) {
            Ok(found) => assert_eq!(found.as_str(), expect),
            Err(failure) => assert_eq!(failure.code, expect),
        }
    }

    #[test]
    fn the_credential_comes_before_the_file_and_the_file_before_the_person() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = place(dir.path(), "pass", "from the file\n", 0o600);
        check(None, None, None, "operator_needed");
        check(None, None, Some("typed"), "typed");
        check(None, Some(&file), Some("typed"), "from the file");
        check(Some(dir.path()), Some(&file), None, "from the file");
        place(dir.path(), CREDENTIAL, "from systemd", 0o400);
        check(Some(dir.path()), Some(&file), Some("typed"), "from systemd");
    }

    #[test]
    fn a_broken_source_is_reported_and_not_covered_up_by_the_next() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let open = place(dir.path(), "open", "secret", 0o644);
        check(None, Some(&open), Some("typed"), "key_file_open");
        check(None, Some(&dir.path().join("absent")), Some("typed"), "passphrase_unreadable");
        let long = place(dir.path(), "long", &"x".repeat(5_000), 0o600);
        check(None, Some(&long), Some("typed"), "passphrase_unreadable");
    }
}

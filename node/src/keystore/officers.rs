//! Officers' keys: made at the first login, sealed by their owner's passphrase, in memory only for a shift.
//!
//! At the first login the new key is written as `pending-HASH.key` *before* its certificate is asked for, and gets the certificate's name
//! after. So neither a certificate without a key nor a key in use without a file can come of a crash: the next login takes up the pending
//! file where it was left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use accord_keys::id::CertificateId;
use accord_keys::secret::SecretKey;
use accord_protocol::time::MonoMillis;
use zeroize::Zeroizing;

use super::{KeyFolder, SigningKey, private, random, read_signing};
use crate::failure::Failure;

/// Wrong passphrases one name may try within [`ATTEMPT_WINDOW_MS`].
pub const ATTEMPTS_MAX: usize = 5;
/// The time an attempt counts, milliseconds.
pub const ATTEMPT_WINDOW_MS: u64 = 60_000;
/// Names whose attempts are remembered; above it the oldest is forgotten.
const NAMES_MAX: usize = 1_024;

impl KeyFolder {
    fn officer_path(&self, certificate: &CertificateId) -> PathBuf {
        self.dir.join("officers").join(format!("{certificate}.key"))
    }

    /// A name becomes a hash: officers' names are nobody's business who lists a folder.
    fn pending_path(&self, name: &str) -> PathBuf {
        let mut hasher = blake3::Hasher::new_derive_key("accord pending officer key v1");
        hasher.update(name.as_bytes());
        self.dir.join("officers").join(format!("pending-{}.key", &hasher.finalize().to_hex()[..16]))
    }

    /// The key of a certified officer.
    ///
    /// # Errors
    /// `wrong_passphrase`; `key_file_missing` when the key lives elsewhere (on a laptop); `key_file_damaged`; `key_file_open`.
    pub fn read_officer(&self, name: &str, certificate: &CertificateId, passphrase: &str) -> Result<SecretKey, Failure> {
        let path = self.officer_path(certificate);
        let pending = self.pending_path(name);
        if !path.exists() && pending.exists() {
            let key = SecretKey::from_seed(*read_signing(&pending, "officer", passphrase)?);
            self.name_pending(name, certificate)?;
            return Ok(key);
        }
        Ok(SecretKey::from_seed(*read_signing(&path, "officer", passphrase)?))
    }

    /// A key for an officer who has none: the pending one, else a new one, durable on return. A pending key was given its passphrase when the
    /// bureau was founded or at a first login cut short; whoever does not know it gets no other key in its place.
    ///
    /// # Errors
    /// `wrong_passphrase` for a pending key; `weak_passphrase`, `no_randomness`, or a failed write.
    pub fn make_officer(&self, name: &str, passphrase: &str) -> Result<SecretKey, Failure> {
        super::check_passphrase(passphrase)?;
        let path = self.pending_path(name);
        if path.exists() {
            return Ok(SecretKey::from_seed(*read_signing(&path, "officer", passphrase)?));
        }
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        self.write(&path, &SigningKey::new("officer", *seed), passphrase)?;
        Ok(SecretKey::from_seed(*seed))
    }

    /// Seals and writes the key of an officer whose certificate is there already.
    ///
    /// # Errors
    /// `weak_passphrase`, or a failed write.
    pub fn write_officer(&self, certificate: &CertificateId, seed: &[u8; 32], passphrase: &str) -> Result<(), Failure> {
        self.write(&self.officer_path(certificate), &SigningKey::new("officer", *seed), passphrase)
    }

    /// The pending key got its certificate: gives the file its lasting name, durably.
    ///
    /// # Errors
    /// `keys_unwritable`.
    pub fn name_pending(&self, name: &str, certificate: &CertificateId) -> Result<(), Failure> {
        let (from, to) = (self.pending_path(name), self.officer_path(certificate));
        std::fs::rename(&from, &to).map_err(|error| Failure::misuse("keys_unwritable").with("path", to.display()).because(error))?;
        private::sync_folder(&self.dir.join("officers"))
    }

    /// An officer was reset: a key that waited for its first login is gone, and the next login makes another.
    ///
    /// # Errors
    /// `keys_unwritable`.
    pub fn forget_pending(&self, name: &str) -> Result<(), Failure> {
        let path = self.pending_path(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::misuse("keys_unwritable").with("path", path.display()).because(error))
            }
            _ => private::sync_folder(&self.dir.join("officers")),
        }
    }

    /// A renewed certificate has the same key: copies the sealed file to the new name.
    ///
    /// # Errors
    /// `keys_unwritable`; `key_file_missing`.
    pub fn follow_renewal(&self, old: &CertificateId, new: &CertificateId) -> Result<(), Failure> {
        let from = self.officer_path(old);
        let sealed =
            std::fs::read(&from).map_err(|error| Failure::misuse("key_file_missing").with("path", from.display()).because(error))?;
        private::write_private(&self.officer_path(new), &sealed)
    }

    /// The folder itself.
    pub fn folder(&self) -> PathBuf {
        self.dir.clone()
    }

    /// Everything in the folder and in `officers/`, for `doctor`.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = [&self.dir, &self.dir.join("officers")]
            .into_iter()
            .filter_map(|dir| std::fs::read_dir(dir).ok())
            .flatten()
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .collect();
        files.sort();
        files
    }
}

/// Counts wrong passphrases, so that a thief at an open terminal cannot guess on.
#[derive(Clone, Debug, Default)]
pub struct Attempts(Arc<Mutex<BTreeMap<String, Vec<MonoMillis>>>>);

impl Attempts {
    /// Notes an attempt before it is made, so that parallel ones count too.
    ///
    /// # Errors
    /// `too_many_attempts` with the seconds to wait.
    pub fn begin(&self, name: &str, now: MonoMillis) -> Result<(), Failure> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, times| {
            times.retain(|at| now.0.saturating_sub(at.0) < ATTEMPT_WINDOW_MS);
            !times.is_empty()
        });
        while names.len() >= NAMES_MAX && !names.contains_key(name) {
            names.pop_first();
        }
        let times = names.entry(name.to_owned()).or_default();
        if times.len() >= ATTEMPTS_MAX {
            let wait_ms = ATTEMPT_WINDOW_MS.saturating_sub(now.0.saturating_sub(times.first().map_or(0, |at| at.0)));
            return Err(Failure::refused("too_many_attempts").with("name", name).with("seconds", wait_ms.div_ceil(1_000)));
        }
        times.push(now);
        Ok(())
    }

    /// The passphrase was right: the name starts afresh.
    pub fn succeeded(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::cheap;
    use super::*;

    #[test]
    fn a_first_login_cut_short_is_taken_up_where_it_was_left() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        let first = folder.make_officer("一号", "correct horse").expect("made").public();
        assert_eq!(folder.make_officer("一号", "correct horse").expect("the pending one").public(), first);
        // The certificate was given and the process died before the file got its name.
        let certificate = CertificateId([3; 32]);
        assert_eq!(folder.read_officer("一号", &certificate, "wrong horse").err().map(|f| f.code), Some("wrong_passphrase".to_owned()));
        assert_eq!(folder.read_officer("一号", &certificate, "correct horse").expect("found").public(), first);
        assert!(folder.officer_path(&certificate).exists() && !folder.pending_path("一号").exists());
        assert_eq!(folder.read_officer("一号", &certificate, "correct horse").expect("under its name").public(), first);
        let absent = folder.read_officer("二号", &CertificateId([4; 32]), "correct horse").err().map(|f| f.code);
        assert_eq!(absent, Some("key_file_missing".to_owned()));
    }

    #[test]
    fn a_key_that_waits_for_its_first_login_yields_to_its_passphrase_or_a_reset_and_to_nothing_else() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        let first = folder.make_officer("一号", "correct horse").expect("made").public();
        assert_eq!(folder.make_officer("一号", "another horse").err().map(|f| f.code), Some("wrong_passphrase".to_owned()));
        assert_eq!(folder.make_officer("一号", "correct horse").expect("still there").public(), first);
        folder.forget_pending("一号").expect("reset");
        assert_ne!(folder.make_officer("一号", "another horse").expect("made").public(), first);
        folder.forget_pending("二号").expect("nothing to forget");
    }

    #[test]
    fn a_renewed_certificate_opens_with_the_same_passphrase() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        let key = folder.make_officer("一号", "correct horse").expect("made").public();
        let (old, new) = (CertificateId([3; 32]), CertificateId([4; 32]));
        folder.name_pending("一号", &old).expect("named");
        folder.follow_renewal(&old, &new).expect("copied");
        assert_eq!(folder.read_officer("一号", &new, "correct horse").expect("found").public(), key);
    }

    #[test]
    fn the_sixth_attempt_within_a_minute_waits_and_a_success_starts_afresh() {
        let attempts = Attempts::default();
        for at in 0..5 {
            attempts.begin("一号", MonoMillis(at * 1_000)).expect("within the bound");
        }
        let refused = attempts.begin("一号", MonoMillis(5_000)).expect_err("the sixth");
        assert_eq!((refused.code.as_str(), refused.param("seconds")), ("too_many_attempts", Some("55")));
        attempts.begin("二号", MonoMillis(5_000)).expect("another name");
        attempts.begin("一号", MonoMillis(60_000)).expect("the first has lapsed");
        attempts.succeeded("一号");
        attempts.begin("一号", MonoMillis(60_001)).expect("afresh");
    }
}

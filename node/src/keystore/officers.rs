//! Officers' keys: made at the first login, sealed by their owner's passphrase, in memory only for a shift.
//!
//! A key file bears the name of its public key, so a renewed certificate finds it and a laptop's certificate for the same officer does not.
//! At the first login the new key is written as `pending-HASH.key` *before* its certificate is asked for, and gets its lasting name after.
//! So neither a certificate without a key nor a key in use without a file can come of a crash: the next login takes up the pending file
//! where it was left. No file is renamed before it was opened and holds the key it will be named after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use accord_keys::id::{CertificateId, PublicKey};
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
    fn officers(&self) -> PathBuf {
        self.dir.join("officers")
    }

    /// Files were named by certificate once; they are still found and get the name of their key.
    fn path_by_certificate(&self, certificate: &CertificateId) -> PathBuf {
        self.officers().join(format!("{certificate}.key"))
    }

    fn path_by_key(&self, key: &PublicKey) -> PathBuf {
        self.officers().join(format!("{key}.key"))
    }

    /// A name becomes a hash: officers' names are nobody's business who lists a folder.
    fn pending_path(&self, name: &str) -> PathBuf {
        let mut hasher = blake3::Hasher::new_derive_key("accord pending officer key v1");
        hasher.update(name.as_bytes());
        self.officers().join(format!("pending-{}.key", &hasher.finalize().to_hex()[..16]))
    }

    /// The secret of the public key `key` of the officer `name`; `certificates` are all that were ever issued for it.
    ///
    /// # Errors
    /// `wrong_passphrase`; `key_file_missing` when the key lives elsewhere (on a laptop); `key_file_damaged`; `key_file_open`.
    pub fn read_officer(
        &self,
        name: &str,
        key: &PublicKey,
        certificates: &[CertificateId],
        passphrase: &str,
    ) -> Result<SecretKey, Failure> {
        let place = self.path_by_key(key);
        let others = certificates.iter().map(|certificate| self.path_by_certificate(certificate)).chain([self.pending_path(name)]);
        let mut problem = None;
        for path in std::iter::once(place.clone()).chain(others).filter(|path| path.exists()) {
            match read_signing(&path, "officer", passphrase) {
                Ok(seed) => {
                    let secret = SecretKey::from_seed(*seed);
                    if secret.public() == *key {
                        if path != place {
                            self.rename(&path, &place)?;
                        }
                        return Ok(secret);
                    }
                }
                Err(failure) => drop(problem.get_or_insert(failure)),
            }
        }
        let missing = || Failure::misuse("key_file_missing").with("path", place.display()).with("folder", self.officers().display());
        Err(problem.unwrap_or_else(missing))
    }

    /// A key for an officer who has none: the pending one if the passphrase opens it and it is not `spent`, else a new one, durable on return.
    ///
    /// # Errors
    /// `weak_passphrase`, `no_randomness`, or a failed write.
    pub fn make_officer(&self, name: &str, passphrase: &str, spent: impl Fn(&PublicKey) -> bool) -> Result<SecretKey, Failure> {
        super::check_passphrase(passphrase)?;
        let path = self.pending_path(name);
        if path.exists() {
            // It was given its passphrase when the bureau was founded or at a first login cut short; whoever does not know it gets no other
            // key in its place.
            let key = SecretKey::from_seed(*read_signing(&path, "officer", passphrase)?);
            if !spent(&key.public()) {
                return Ok(key);
            }
        }
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        self.write(&path, &SigningKey::new("officer", *seed), passphrase)?;
        Ok(SecretKey::from_seed(*seed))
    }

    /// Seals and writes the key of an officer whose certificate is there already.
    ///
    /// # Errors
    /// `weak_passphrase`, or a failed write.
    pub fn write_officer(&self, seed: &[u8; 32], passphrase: &str) -> Result<(), Failure> {
        let place = self.path_by_key(&SecretKey::from_seed(*seed).public());
        self.write(&place, &SigningKey::new("officer", *seed), passphrase)
    }

    /// The pending key got its certificate: gives the file its lasting name, durably. The caller opened the file and found `key` in it.
    ///
    /// # Errors
    /// `keys_unwritable`.
    pub fn name_pending(&self, name: &str, key: &PublicKey) -> Result<(), Failure> {
        self.rename(&self.pending_path(name), &self.path_by_key(key))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Failure> {
        std::fs::rename(from, to).map_err(|error| Failure::misuse("keys_unwritable").with("path", to.display()).because(error))?;
        private::sync_folder(&self.officers())
    }

    /// An officer starts anew: removes the pending key of that name and every file `gone` names by its key or its certificate.
    ///
    /// # Errors
    /// `keys_unwritable` with the file that could not be removed.
    pub fn forget_officer(&self, name: &str, gone: impl Fn(&[u8; 32]) -> bool) -> Result<(), Failure> {
        let pending = self.pending_path(name);
        for path in self.files() {
            let id = path.file_name().and_then(|file| file.to_str()?.strip_suffix(".key")).and_then(PublicKey::from_hex);
            if path == pending || (path.parent() == Some(&self.officers()) && id.is_some_and(|id| gone(&id.0))) {
                std::fs::remove_file(&path)
                    .map_err(|error| Failure::misuse("keys_unwritable").with("path", path.display()).because(error))?;
            }
        }
        private::sync_folder(&self.officers())
    }

    /// The folder itself.
    pub fn folder(&self) -> PathBuf {
        self.dir.clone()
    }

    /// Everything in the folder and in `officers/`, for `doctor`.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = [&self.dir, &self.officers()]
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
            let oldest = names.iter().min_by_key(|(_, times)| times.last().copied()).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            names.remove(&oldest);
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

    fn folder() -> (tempfile::TempDir, KeyFolder) {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        (data, folder)
    }

    fn code<T>(result: Result<T, Failure>) -> String {
        result.err().map_or_else(|| "ok".to_owned(), |failure| failure.code)
    }

    #[test]
    fn a_first_login_cut_short_is_taken_up_where_it_was_left() {
        let (_data, folder) = folder();
        let first = folder.make_officer("一号", "correct horse", |_| false).expect("made").public();
        assert_eq!(folder.make_officer("一号", "correct horse", |_| false).expect("the pending one").public(), first);
        // The certificate was given and the process died before the file got its name.
        assert_eq!(code(folder.read_officer("一号", &first, &[], "wrong horse")), "wrong_passphrase");
        assert_eq!(folder.read_officer("一号", &first, &[], "correct horse").expect("found").public(), first);
        assert!(folder.path_by_key(&first).exists() && !folder.pending_path("一号").exists());
        assert_eq!(folder.read_officer("一号", &first, &[], "correct horse").expect("under its name").public(), first);
        assert_eq!(code(folder.read_officer("二号", &PublicKey([4; 32]), &[], "correct horse")), "key_file_missing");
    }

    #[test]
    fn a_pending_file_is_not_given_the_name_of_a_key_it_does_not_hold() {
        let (_data, folder) = folder();
        let pending = folder.make_officer("一号", "correct horse", |_| false).expect("made").public();
        // The certificate is for the key of a laptop.
        assert_eq!(code(folder.read_officer("一号", &PublicKey([4; 32]), &[], "correct horse")), "key_file_missing");
        assert!(folder.pending_path("一号").exists());
        assert_eq!(folder.make_officer("一号", "correct horse", |_| false).expect("still there").public(), pending);
    }

    #[test]
    fn another_passphrase_gets_no_key_and_a_spent_one_is_replaced() {
        let (_data, folder) = folder();
        let first = folder.make_officer("一号", "correct horse", |_| false).expect("made").public();
        assert_eq!(code(folder.make_officer("一号", "another horse", |_| false)), "wrong_passphrase");
        assert_ne!(folder.make_officer("一号", "correct horse", |key| *key == first).expect("made").public(), first);
    }

    #[test]
    fn a_file_named_by_its_certificate_is_found_and_named_by_its_key() {
        let (_data, folder) = folder();
        let key = folder.make_officer("一号", "correct horse", |_| false).expect("made").public();
        let old = CertificateId([3; 32]);
        std::fs::rename(folder.pending_path("一号"), folder.path_by_certificate(&old)).expect("as it was once");
        assert_eq!(code(folder.read_officer("一号", &key, &[CertificateId([5; 32])], "correct horse")), "key_file_missing");
        let found = folder.read_officer("一号", &key, &[CertificateId([5; 32]), old], "correct horse").expect("found");
        assert_eq!(found.public(), key);
        assert!(folder.path_by_key(&key).exists() && !folder.path_by_certificate(&old).exists());
    }

    #[test]
    fn a_reset_removes_the_keys_that_are_gone_and_no_other() {
        let (data, folder) = folder();
        let keys = [1, 2].map(|seed| SecretKey::from_seed([seed; 32]).public());
        for seed in [1, 2] {
            folder.write_officer(&[seed; 32], "correct horse").expect("written");
        }
        folder.write_root(&[9; 32], "battery staple").expect("written");
        folder.make_officer("一号", "correct horse", |_| false).expect("pending");
        folder.make_officer("二号", "correct horse", |_| false).expect("pending");
        folder.forget_officer("一号", |id| *id == keys[0].0).expect("removed");
        let there = [folder.path_by_key(&keys[0]), folder.path_by_key(&keys[1]), folder.pending_path("一号"), folder.pending_path("二号")]
            .map(|path| path.exists());
        assert_eq!(there, [false, true, false, true]);
        assert!(KeyFolder::root_file(data.path()).exists());
    }

    #[test]
    fn many_names_push_out_the_one_tried_longest_ago() {
        let attempts = Attempts::default();
        attempts.begin("zz old", MonoMillis(0)).expect("the first");
        for at in 0..NAMES_MAX as u64 - 1 {
            attempts.begin(&format!("{at:04}"), MonoMillis(1 + at)).expect("within the bound");
        }
        for _ in 0..4 {
            attempts.begin("0000", MonoMillis(2_000)).expect("within the bound");
        }
        attempts.begin("another", MonoMillis(2_001)).expect("room is made");
        assert_eq!(code(attempts.begin("0000", MonoMillis(2_002))), "too_many_attempts", "it is remembered");
        assert!(!attempts.0.lock().expect("no panic").contains_key("zz old"));
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

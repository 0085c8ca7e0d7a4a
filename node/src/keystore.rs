//! The key files of one data folder: who this node is, and its officers' sealed keys.
//!
//! `keys/` is a folder only its owner may enter; every file in it is sealed by a passphrase ([`accord_keys::keyfile`]) and written
//! durably before it is used. A file or folder others may read is refused with the command that corrects it: a key that lay open is no
//! key. Nothing here prompts, logs a secret or keeps a passphrase.

pub mod backup_keys;
pub mod officers;
mod private;

use std::path::{Path, PathBuf};

use accord_keys::canon;
use accord_keys::id::{BureauId, CertificateId, NetworkId};
use accord_keys::keyfile::{self, KdfParams, KeyFileError, RecoveryKey};
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::failure::Failure;
use crate::store::backup::is_ours;
use backup_keys::BackupKeys;

pub use private::{check_private, make_folder, random, write_private};

/// Fewest characters of a passphrase.
pub const PASSPHRASE_CHARS_MIN: usize = 8;
/// Longest passphrase, bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;
/// Longest key file that is read, bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who this node is, and every secret it starts with. Zeroized when dropped; has no Debug.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct NodeKeys {
    /// Format version; 1.
    #[n(0)]
    pub version: u32,
    /// The network all statements are bound to.
    #[n(1)]
    #[zeroize(skip)]
    pub network: NetworkId,
    /// The bureau this node belongs to.
    #[n(2)]
    #[zeroize(skip)]
    pub bureau: BureauId,
    /// The certificate this node was made with; renewals keep the key and live in the store.
    #[n(3)]
    #[zeroize(skip)]
    pub certificate: CertificateId,
    /// Seed of the key that signs statements.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub signing: [u8; 32],
    /// Seed of the key the transport proves.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub transport: [u8; 32],
    /// Seed of the key bundles are sealed to.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub hpke: [u8; 32],
    /// Key of everything in the store.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub store: [u8; 32],
    /// Key of the cursors we give partners.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub cursor: [u8; 32],
}

/// What the paper recovery key opens: the store and the cursors, nothing that signs.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Recovery {
    /// Format version; 1.
    #[n(0)]
    pub version: u32,
    /// Key of everything in the store.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub store: [u8; 32],
    /// Key of the cursors we give partners.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub cursor: [u8; 32],
    /// First of the dated keys of backups; absent in what was wrapped before there were any.
    #[n(3)]
    backup: Option<BackupKeys>,
}

/// What a laptop has before its certificates.
#[derive(Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
struct Draft {
    #[n(0)]
    version: u32,
    #[n(1)]
    node: NodeKeys,
    #[cbor(n(2), with = "minicbor::bytes")]
    officer: [u8; 32],
}

/// One signing key in a file of its own: the root's, or an officer's.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct SigningKey {
    /// Format version; 1.
    #[n(0)]
    pub version: u32,
    /// `root` or `officer`: a file put in the wrong place is refused.
    #[n(1)]
    pub kind: String,
    /// The seed.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub seed: [u8; 32],
}

impl SigningKey {
    /// The only format there is.
    fn new(kind: &str, seed: [u8; 32]) -> Self {
        Self { version: 1, kind: kind.to_owned(), seed }
    }
}

/// Keys of a laptop that has not joined yet: its own, and the seed of its officer's.
pub type JoinKeys = (NodeKeys, Zeroizing<[u8; 32]>);

/// The `keys/` folder of a data folder.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    dir: PathBuf,
    cost: KdfParams,
}

/// A key file as it lies in the folder: its name and its sealed bytes.
pub type SealedFile = (String, Zeroizing<Vec<u8>>);

impl KeyFolder {
    /// Makes `keys/` and `keys/officers/`, mode 0700.
    ///
    /// # Errors
    /// `keys_unwritable` when the folders cannot be made.
    pub fn create(data: &Path, cost: KdfParams) -> Result<Self, Failure> {
        let dir = data.join("keys");
        private::make_folder(&dir)?;
        private::make_folder(&dir.join("officers"))?;
        Ok(Self { dir, cost })
    }

    /// Opens the folder of an existing node.
    ///
    /// # Errors
    /// `not_initialised` when there is none; `key_file_open` when others may enter it.
    pub fn open(data: &Path, cost: KdfParams) -> Result<Self, Failure> {
        let dir = data.join("keys");
        if !dir.join("node.keys").exists() {
            return Err(Failure::misuse("not_initialised").with("path", data.display()));
        }
        check_private(&dir)?;
        check_private(&dir.join("officers"))?;
        Ok(Self { dir, cost })
    }

    /// Opens a folder of key files that lies elsewhere: a copy kept on a medium.
    ///
    /// # Errors
    /// `key_file_missing` when it holds no node's keys; `key_file_open` when others may enter it.
    pub fn elsewhere(dir: &Path, cost: KdfParams) -> Result<Self, Failure> {
        let node = dir.join("node.keys");
        if !node.exists() {
            return Err(Failure::misuse("key_file_missing").with("path", node.display()).with("folder", dir.display()));
        }
        check_private(dir)?;
        Ok(Self { dir: dir.to_path_buf(), cost })
    }

    /// What a backup takes along, as it lies here: the node's keys and the officers', all sealed by passphrases. Names are relative to the data
    /// folder. The root key is not among them: it does not belong on this machine. Nor is a file whose name accord did not give.
    ///
    /// # Errors
    /// `key_file_unreadable`.
    pub fn sealed_files(&self) -> Result<Vec<SealedFile>, Failure> {
        let unreadable =
            |path: &Path, error: std::io::Error| Failure::misuse("key_file_unreadable").with("path", path.display()).because(error);
        let get = |path: &Path| std::fs::read(path).map(Zeroizing::new).map_err(|error| unreadable(path, error));
        let mut files = vec![("keys/node.keys".to_owned(), get(&self.dir.join("node.keys"))?)];
        let officers = self.dir.join("officers");
        let mut stray = 0;
        for entry in std::fs::read_dir(&officers).map_err(|error| unreadable(&officers, error))? {
            let path = entry.map_err(|error| unreadable(&officers, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).map(|name| format!("keys/officers/{name}"));
            match name.filter(|name| is_ours(name)) {
                Some(name) => files.push((name, get(&path)?)),
                None => stray += 1,
            }
        }
        if stray > 0 {
            tracing::warn!(stray, "files among the officers' keys whose names accord did not give are not backed up");
        }
        files.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(files)
    }

    /// The wrap for the paper recovery key as it lies here; `None` where there is none.
    ///
    /// # Errors
    /// `key_file_unreadable`.
    pub fn recovery_wrap(&self) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.dir.join("recovery.wrap");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::misuse("key_file_unreadable").with("path", path.display()).because(error)),
        }
    }

    /// The file of the root key of a data folder, until it is moved to a stick.
    pub fn root_file(data: &Path) -> PathBuf {
        data.join("keys/root.key")
    }

    /// Seals and writes `node.keys`.
    ///
    /// # Errors
    /// `weak_passphrase`, or a failed write.
    pub fn write_node(&self, keys: &NodeKeys, passphrase: &str) -> Result<(), Failure> {
        self.write(&self.dir.join("node.keys"), keys, passphrase)
    }

    /// Opens `node.keys`.
    ///
    /// # Errors
    /// `wrong_passphrase`, `key_file_damaged`, `key_file_open`.
    pub fn read_node(&self, passphrase: &str) -> Result<NodeKeys, Failure> {
        let path = self.dir.join("node.keys");
        let keys: NodeKeys = read(&path, |sealed| keyfile::open_secret(sealed, passphrase))?;
        if keys.version == 1 { Ok(keys) } else { Err(newer(&path, keys.version)) }
    }

    /// Seals and writes the root key; answers where.
    ///
    /// # Errors
    /// `weak_passphrase`, or a failed write.
    pub fn write_root(&self, seed: &[u8; 32], passphrase: &str) -> Result<PathBuf, Failure> {
        let path = self.dir.join("root.key");
        self.write(&path, &SigningKey::new("root", *seed), passphrase)?;
        Ok(path)
    }

    /// Opens a root key file, here or on a stick.
    ///
    /// # Errors
    /// `wrong_passphrase`, `key_file_damaged`, `key_file_open`, `wrong_key_kind`.
    pub fn read_root(path: &Path, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
        read_signing(path, "root", passphrase)
    }

    /// Wraps store key, cursor key and a new chain of backup keys that begins on `day` under a new paper recovery key, and answers that key.
    ///
    /// # Errors
    /// A failed write.
    pub fn write_recovery(&self, keys: &NodeKeys, day: u32) -> Result<RecoveryKey, Failure> {
        let path = self.dir.join("recovery.wrap");
        let paper = RecoveryKey::from_bytes(random()?);
        let chain = BackupKeys::begin(day, random()?);
        self.write_backup_keys(&chain, &keys.store)?;
        let plain = Zeroizing::new(canon::encode(&Recovery { version: 1, store: keys.store, cursor: keys.cursor, backup: Some(chain) }));
        let sealed = keyfile::wrap_secret(&plain, paper.expose(), &random()?, &random()?)
            .map_err(|error| Failure::fault("key_file_unsealed").with("path", path.display()).because(error))?;
        write_private(&path, &sealed)?;
        Ok(paper)
    }

    /// Opens `recovery.wrap` with the key on paper.
    ///
    /// # Errors
    /// `wrong_passphrase`, `key_file_damaged`, `key_file_open`.
    pub fn read_recovery(&self, paper: &RecoveryKey) -> Result<Recovery, Failure> {
        let path = self.dir.join("recovery.wrap");
        let recovery: Recovery = read(&path, |sealed| keyfile::unwrap_secret(sealed, paper.expose()))?;
        if recovery.version == 1 { Ok(recovery) } else { Err(newer(&path, recovery.version)) }
    }

    /// Opens a wrap that lies elsewhere, for instance in the backup `path`, with the key on paper.
    ///
    /// # Errors
    /// `backup_key` for another key; `backup_damaged`; `key_file_newer`.
    pub fn open_recovery(wrap: &[u8], paper: &RecoveryKey, path: &Path) -> Result<Recovery, Failure> {
        let damaged = || Failure::refused("backup_damaged").with("path", path.display()).with("offset", 0);
        let plain = keyfile::unwrap_secret(wrap, paper.expose()).map_err(|error| match error {
            KeyFileError::WrongKey => Failure::refused("backup_key").with("path", path.display()),
            KeyFileError::Version(found) => newer(path, found.into()),
            other => damaged().because(other),
        })?;
        let recovery: Recovery = canon::decode(&plain).map_err(|error| damaged().because(error))?;
        if recovery.version == 1 { Ok(recovery) } else { Err(newer(path, recovery.version)) }
    }

    /// Seals and writes keys a laptop is about to ask certificates for, as `name` in the folder.
    ///
    /// # Errors
    /// `weak_passphrase`, or a failed write.
    pub fn write_draft(&self, name: &str, keys: &NodeKeys, officer: &[u8; 32], passphrase: &str) -> Result<(), Failure> {
        self.write(&self.dir.join(name), &Draft { version: 1, node: keys.clone(), officer: *officer }, passphrase)
    }

    /// Opens what [`KeyFolder::write_draft`] left, if it did.
    ///
    /// # Errors
    /// `wrong_passphrase`, `key_file_damaged`, `key_file_open`.
    pub fn read_draft(&self, name: &str, passphrase: &str) -> Result<Option<JoinKeys>, Failure> {
        let path = self.dir.join(name);
        if !path.exists() {
            return Ok(None);
        }
        let draft: Draft = read(&path, |sealed| keyfile::open_secret(sealed, passphrase))?;
        if draft.version == 1 { Ok(Some((draft.node.clone(), Zeroizing::new(draft.officer)))) } else { Err(newer(&path, draft.version)) }
    }

    /// The draft became the keys of a node.
    ///
    /// # Errors
    /// `keys_unwritable`.
    pub fn drop_draft(&self, name: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        std::fs::remove_file(&path).map_err(|error| Failure::misuse("keys_unwritable").with("path", path.display()).because(error))
    }

    fn write<T: Encode<()>>(&self, path: &Path, what: &T, passphrase: &str) -> Result<(), Failure> {
        check_passphrase(passphrase)?;
        let plain = Zeroizing::new(canon::encode(what));
        let sealed = keyfile::seal_secret(&plain, passphrase, &random()?, &random()?, &self.cost)
            .map_err(|error| Failure::fault("key_file_unsealed").with("path", path.display()).because(error))?;
        write_private(path, &sealed)
    }
}

/// Whether a passphrase is long enough to be one.
///
/// # Errors
/// `weak_passphrase` with the fewest characters accepted.
pub fn check_passphrase(passphrase: &str) -> Result<(), Failure> {
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN || passphrase.len() > PASSPHRASE_BYTES_MAX {
        return Err(Failure::misuse("weak_passphrase").with("min", PASSPHRASE_CHARS_MIN).with("max", PASSPHRASE_BYTES_MAX));
    }
    Ok(())
}

fn read_signing(path: &Path, kind: &str, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let key: SigningKey = read(path, |sealed| keyfile::open_secret(sealed, passphrase))?;
    if key.version != 1 {
        return Err(newer(path, key.version));
    }
    if key.kind != kind {
        return Err(Failure::misuse("wrong_key_kind").with("path", path.display()).with("expected", kind).with("found", &key.kind));
    }
    Ok(Zeroizing::new(key.seed))
}

fn read<T: for<'b> Decode<'b, ()> + Encode<()>>(
    path: &Path,
    open: impl FnOnce(&[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError>,
) -> Result<T, Failure> {
    let damaged = || Failure::misuse("key_file_damaged").with("path", path.display());
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            Failure::misuse("key_file_missing").with("path", path.display()).with("folder", folder.display())
        }
        _ => Failure::misuse("key_file_unreadable").with("path", path.display()).because(error),
    };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    check_private(path)?;
    if length > KEY_FILE_BYTES_MAX {
        return Err(damaged());
    }
    let sealed = std::fs::read(path).map_err(unreadable)?;
    let plain = open(&sealed).map_err(|error| match error {
        KeyFileError::WrongPassphrase | KeyFileError::WrongKey => Failure::refused("wrong_passphrase").with("path", path.display()),
        other => damaged().because(other),
    })?;
    canon::decode(&plain).map_err(|error| damaged().because(error))
}

fn newer(path: &Path, found: u32) -> Failure {
    Failure::misuse("key_file_newer").with("path", path.display()).with("found", found).with("known", 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// As little argon2 as the format allows: these tests are about files.
    pub(crate) fn cheap() -> KdfParams {
        KdfParams::WEAKEST
    }

    pub(crate) fn node_keys() -> NodeKeys {
        NodeKeys {
            version: 1,
            network: NetworkId::named("test"),
            bureau: BureauId([7; 32]),
            certificate: CertificateId([8; 32]),
            signing: [1; 32],
            transport: [2; 32],
            hpke: [3; 32],
            store: [4; 32],
            cursor: [5; 32],
        }
    }

    fn code<T>(result: Result<T, Failure>) -> String {
        result.err().map_or_else(|| "ok".to_owned(), |failure| failure.code)
    }

    #[test]
    fn keys_read_back_with_their_passphrase_and_no_other() {
        let data = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(code(KeyFolder::open(data.path(), cheap())), "not_initialised");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        folder.write_node(&node_keys(), "correct horse").expect("written");
        let folder = KeyFolder::open(data.path(), cheap()).expect("made just now");
        assert!(folder.read_node("correct horse").expect("the right passphrase") == node_keys());
        assert_eq!(code(folder.read_node("correct hores")), "wrong_passphrase");
        assert_eq!(code(folder.write_node(&node_keys(), "short")), "weak_passphrase");
    }

    #[test]
    fn files_and_folders_are_made_private_and_refused_when_open() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        folder.write_node(&node_keys(), "correct horse").expect("written");
        let file = data.path().join("keys/node.keys");
        let mode = |path: &Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&data.path().join("keys"))), (0o600, 0o700));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("chmod");
        let failure = folder.read_node("correct horse").err().expect("an open file");
        assert_eq!((failure.code.as_str(), failure.param("found")), ("key_file_open", Some("0640")));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).expect("chmod");
        assert_eq!(code(folder.read_node("correct horse")), "ok");
        std::fs::set_permissions(data.path().join("keys"), PermissionsExt::from_mode(0o755)).expect("chmod");
        assert_eq!(code(KeyFolder::open(data.path(), cheap())), "key_file_open");
    }

    #[test]
    fn a_damaged_key_file_is_told_apart_from_a_wrong_passphrase() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        folder.write_node(&node_keys(), "correct horse").expect("written");
        let file = data.path().join("keys/node.keys");
        let good = std::fs::read(&file).expect("it exists");
        let mut flipped = good.clone();
        flipped[70] ^= 1;
        for bytes in [good[..good.len() / 2].to_vec(), Vec::new(), vec![0xff; 200], flipped, vec![0; 70_000]] {
            std::fs::write(&file, &bytes).expect("overwritten");
            assert_eq!(code(folder.read_node("correct horse")), "key_file_damaged", "{} bytes", bytes.len());
        }
        std::fs::write(&file, &good).expect("put back");
        assert_eq!(code(folder.read_node("correct horse")), "ok");
    }

    #[test]
    fn the_recovery_key_on_paper_opens_store_and_cursors() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        let paper = folder.write_recovery(&node_keys(), 20_000).expect("written");
        let typed = RecoveryKey::from_groups(&paper.to_groups()).expect("the groups just printed");
        let recovery = folder.read_recovery(&typed).expect("the key on paper");
        assert_eq!((recovery.store, recovery.cursor), ([4; 32], [5; 32]));
        assert_eq!(code(folder.read_recovery(&RecoveryKey::from_bytes([0; 32]))), "wrong_passphrase");
    }

    #[test]
    fn an_officers_key_is_not_taken_for_a_root_key() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), cheap()).expect("a new folder");
        let path = folder.write_root(&[9; 32], "correct horse").expect("written");
        assert_eq!(*KeyFolder::read_root(&path, "correct horse").expect("the root key"), [9; 32]);
        assert_eq!(code(read_signing(&path, "officer", "correct horse")), "wrong_key_kind");
    }
}

//! What store, network, configuration and loop report, in the words of the command line.

use std::path::Path;

use crate::config::ConfigError;
use crate::driver::DriverError;
use crate::failure::Failure;
use crate::store::backup::BackupError;
use crate::store::{StoreError, is_full};
use crate::swarm::SwarmError;

/// A configuration that cannot be used: exit 2, with its line.
pub(crate) fn config(path: &Path, error: ConfigError) -> Failure {
    let failure = |code: &str, line: Option<usize>| {
        let failure = Failure::misuse(code).with("path", path.display());
        line.map_or_else(|| Failure::misuse(code).with("path", path.display()), |line| failure.with("line", line))
    };
    match &error {
        ConfigError::Unreadable { .. } => failure("config_unreadable", None).because(error),
        ConfigError::Syntax { line, .. } => failure("config_syntax", Some(*line)).because(error),
        ConfigError::UnknownKey { line, key, nearest } => {
            let failure = failure("config_unknown_key", Some(*line)).with("key", key);
            nearest
                .map_or(failure, |_| {
                    Failure::misuse("config_unknown_key")
                        .with("path", path.display())
                        .with("line", line)
                        .with("key", key)
                        .with("nearest", nearest.unwrap_or_default())
                })
                .because(error)
        }
        ConfigError::WrongType { line, key, expected, found } | ConfigError::OutOfBounds { line, key, expected, found } => {
            failure("config_value", Some(*line)).with("key", key).with("expected", expected).with("found", found)
        }
    }
}

/// The store did not open, or stopped.
pub(crate) fn store(dir: &Path, error: StoreError) -> Failure {
    let failure = match &error {
        StoreError::NotFound { .. } => Failure::misuse("not_initialised"),
        StoreError::Exists { .. } => Failure::misuse("data_exists"),
        StoreError::Locked { .. } => Failure::misuse("store_in_use"),
        StoreError::OpenModes { path, found, expected } => {
            return Failure::misuse("key_file_open")
                .with("path", path.display())
                .with("found", format!("{found:04o}"))
                .with("expected", format!("{expected:04o}"))
                .with("command", format!("chmod {expected:04o} {}", path.display()));
        }
        StoreError::WrongKey => Failure::misuse("store_key"),
        StoreError::Newer { file, found, known } => {
            Failure::misuse("store_newer").with("file", file).with("found", found).with("known", known)
        }
        StoreError::Damaged(damage) => {
            Failure::fault("journal_damaged").with("file", &damage.file).with("offset", damage.offset).with("what", &damage.what)
        }
        StoreError::RepairCutShort { .. } => Failure::misuse("repair_cut_short"),
        // Only who opens a store by itself comes here: a start, or a command beside a stopped node. The running node says `disk_full`.
        StoreError::Full { free, needed } => Failure::fault("store_no_room").with("free", free).with("needed", needed),
        StoreError::Io { source, .. } if is_full(source) => Failure::fault("store_no_room"),
        StoreError::Fatal(cause) => Failure::fault("disk_failed").with("cause", cause),
        StoreError::Refused { .. } | StoreError::Purged(_) => Failure::fault("internal").with("cause", &error),
        StoreError::Io { .. } => Failure::fault("disk_failed").with("cause", &error),
    };
    failure.with("path", dir.display()).because(error)
}

/// A backup was not made, read or restored.
pub(crate) fn backup(file: &Path, error: BackupError) -> Failure {
    let error = match error {
        BackupError::Store(error) => return store(file, error),
        other => other,
    };
    let failure = match &error {
        BackupError::Foreign => Failure::refused("backup_foreign"),
        BackupError::Newer { found, known } => Failure::misuse("backup_newer").with("found", found).with("known", known),
        BackupError::Truncated { have, want } => Failure::refused("backup_truncated").with("have", have).with("want", want),
        BackupError::Damaged { at, what } => Failure::refused("backup_damaged").with("offset", at).with("what", what),
        BackupError::WrongKey => Failure::refused("backup_key"),
        BackupError::NoRoom { free, needed } => Failure::fault("backup_no_room").with("free", free).with("needed", needed),
        BackupError::Exists => Failure::misuse("file_exists"),
        BackupError::Gone => Failure::unreachable("stopping"),
        BackupError::Io { action: "reading" | "measuring", .. } => Failure::misuse("file_unreadable"),
        BackupError::Io { .. } => Failure::misuse("file_not_written"),
        BackupError::Store(error) => Failure::fault("disk_failed").with("cause", error),
    };
    failure.with("path", file.display()).because(error)
}

/// The network did not start.
pub(super) fn swarm(error: SwarmError) -> Failure {
    match &error {
        SwarmError::KeyLog => Failure::misuse("keylog_set"),
        SwarmError::AddressInUse { address, .. } => Failure::misuse("address_in_use").with("address", address).because(error),
        SwarmError::Address(problem) => Failure::misuse("listen_invalid").with("found", problem).because(error),
        SwarmError::Listen { address, .. } => Failure::misuse("listen_invalid").with("found", address).because(error),
        SwarmError::NoTransport | SwarmError::Tls(_) | SwarmError::Seed => Failure::fault("internal").with("cause", &error).because(error),
    }
}

/// The loop ended by itself: exit 4.
pub(super) fn driver(dir: &Path, error: DriverError) -> Failure {
    match error {
        DriverError::Store(error) => store(dir, error),
        other => Failure::fault("internal").with("cause", &other).because(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_the_configuration_names_file_line_and_key() {
        let path = Path::new("/d/accord.toml");
        for (text, code, line) in [("x = 1", "config_unknown_key", "1"), ("\nlisten = 1", "config_value", "2"), ("[", "config_syntax", "1")]
        {
            let failure = config(path, crate::config::Config::parse(text).expect_err("at fault"));
            assert_eq!((failure.code.as_str(), failure.param("line"), failure.param("path")), (code, Some(line), Some("/d/accord.toml")));
            assert_eq!(failure.kind.exit_code(), 2);
        }
    }

    #[test]
    fn a_second_daemon_is_wrong_use_and_a_failed_disk_is_our_fault() {
        let dir = Path::new("/d/store");
        let locked = store(dir, StoreError::Locked { dir: dir.to_path_buf() });
        assert_eq!((locked.code.as_str(), locked.kind.exit_code()), ("store_in_use", 2));
        let failed = store(dir, StoreError::Fatal("fsync".to_owned()));
        assert_eq!((failed.code.as_str(), failed.kind.exit_code()), ("disk_failed", 4));
        assert_eq!(swarm(SwarmError::KeyLog).code, "keylog_set");
    }

    #[test]
    fn a_disk_without_room_for_a_start_or_a_repair_is_no_failed_disk_and_reads_nothing() {
        let dir = Path::new("/d/store");
        let full = store(dir, StoreError::Full { free: 7, needed: 4096 });
        let unwritten = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let io = store(dir, StoreError::Io { action: "writing", file: "journal/00000002.journal.repaired".to_owned(), source: unwritten });
        for failure in [&full, &io] {
            assert_eq!((failure.code.as_str(), failure.kind.exit_code()), ("store_no_room", 4));
        }
        let told = crate::words::Words::of(crate::words::Lang::En).sentences(&full);
        assert!(told.cause.is_some_and(|cause| cause.contains("4096")) && told.error.contains("/d/store"));
    }
}

//! What the daemon tells its operator: log lines on stderr, without case content.
//!
//! Ids are logged short; people's names and free text only wrapped in [`Private`], which prints `…`. The level comes from the configuration
//! alone: an environment variable cannot make a node talkative.

use std::fmt;

use tracing_subscriber::filter::LevelFilter;

use crate::config::Config;

/// A value that must not be read in a log: prints `…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Private<T>(pub T);

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Starts logging to stderr; a second call in one process changes nothing.
pub fn start(config: &Config) {
    let level = match config.log_level.as_str() {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    // Libraries below us log addresses and frame sizes at debug; they get one step less than we do.
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "{},accord={level},accord_node={level},accord_protocol={level},accord_keys={level}",
        if level > LevelFilter::WARN { LevelFilter::WARN } else { level }
    ));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A subscriber already set (a test, an embedding program) stays.
    let _ = if config.log_format == "json" { lines.json().try_init() } else { lines.try_init() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_values_print_nothing_of_themselves() {
        assert_eq!(format!("{} {:?}", Private("王"), Private(vec![1, 2])), "… …");
    }
}

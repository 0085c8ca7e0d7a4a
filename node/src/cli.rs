//! The command line: what a person or script types, asked of the daemon and told back in their language.
//!
//! One verb family per file. The definition of every flag is here and there in Rust; every sentence, help included, is in the catalogues
//! ([`crate::words`]). Almost everything is asked over the API ([`crate::client`]); only what works without a daemon (founding, joining,
//! running, offline sealing, store and configuration checks) calls this crate directly. Exit codes: 0 done, 1 refused or not found, 2 wrong use
//! or configuration, 3 daemon not reached, 4 our fault.

mod access;
mod agreement;
mod ask;
mod backup;
mod bulletin;
mod bundle;
mod card;
mod case;
mod clock;
mod compact;
mod completion;
mod config;
mod demo;
mod device;
#[cfg(test)]
mod dry_run;
mod events;
#[cfg(test)]
mod examples;
mod file;
mod held;
mod help;
mod hold;
mod init;
mod journal;
mod ledger;
mod list;
mod officer;
mod onward;
mod output;
mod partner;
mod progress;
mod proof;
mod render;
pub(crate) use render::time;
mod root;
mod sending;
mod status;
mod store;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args, FromArgMatches, Parser, Subcommand};

use crate::client::Client;
use crate::config::Config;
use crate::failure::Failure;
use crate::words::{Lang, Words};
use output::Output;

// Plain comments, not doc comments: help is filled in from the catalogue, and a doc comment would become a second, English one.
#[derive(Debug, Parser)]
#[command(name = "accord", version, disable_help_flag = true, disable_help_subcommand = true, disable_version_flag = true)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Option<Verb>,
}

// Flags of every verb.
#[derive(Clone, Debug, Default, Args)]
struct Globals {
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[arg(long = "as", id = "as", global = true, value_name = "PERSON[/SEAT]")]
    person: Option<String>,
    #[arg(long, global = true, value_name = "zh|en", value_parser = ["zh", "en"], hide_possible_values = true)]
    lang: Option<String>,
    #[arg(long, global = true)]
    json: bool,
    #[arg(long, global = true)]
    dry_run: bool,
    #[arg(long, short = 'y', global = true)]
    yes: bool,
    #[arg(long, short = 'q', global = true)]
    quiet: bool,
    #[arg(long, short = 'h', global = true, action = ArgAction::Help)]
    help: Option<bool>,
    #[arg(long, short = 'V', action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Run(init::Run),
    Status(status::Status),
    Doctor,
    Demo(demo::Demo),
    #[command(subcommand)]
    Backup(backup::BackupVerb),
    #[command(subcommand)]
    Clock(clock::ClockVerb),
    #[command(subcommand)]
    Ledger(ledger::LedgerVerb),
    Login(officer::Login),
    Logout(officer::Logout),
    Whoami,
    #[command(subcommand)]
    Root(root::RootVerb),
    #[command(subcommand)]
    Cert(root::CertVerb),
    #[command(subcommand)]
    Officer(officer::OfficerVerb),
    #[command(subcommand)]
    Device(device::DeviceVerb),
    #[command(subcommand)]
    Card(card::CardVerb),
    #[command(subcommand)]
    Partner(partner::PartnerVerb),
    #[command(subcommand)]
    Agreement(agreement::AgreementVerb),
    #[command(subcommand)]
    Compact(compact::CompactVerb),
    #[command(subcommand)]
    Bulletin(bulletin::BulletinVerb),
    #[command(subcommand)]
    Bundle(bundle::BundleVerb),
    #[command(subcommand)]
    Case(case::CaseVerb),
    #[command(subcommand)]
    Access(access::AccessVerb),
    #[command(subcommand)]
    File(file::FileVerb),
    #[command(subcommand)]
    Held(held::HeldVerb),
    #[command(subcommand)]
    Hold(hold::HoldVerb),
    #[command(subcommand)]
    Retention(hold::RetentionVerb),
    #[command(subcommand)]
    Onward(onward::OnwardVerb),
    #[command(subcommand)]
    Proof(proof::ProofVerb),
    #[command(subcommand)]
    Journal(journal::JournalVerb),
    Inbox,
    Events(events::Events),
    #[command(subcommand)]
    Store(store::StoreVerb),
    #[command(subcommand)]
    Config(config::ConfigVerb),
    Completion(completion::Completion),
}

/// Everything a verb needs besides its own arguments.
struct Context {
    globals: Globals,
    words: Words,
    out: Output,
}

impl Context {
    /// The data folder: `--data`, `$ACCORD_DATA`, `$XDG_DATA_HOME/accord`, `~/.local/share/accord`, the first that is set.
    fn data(&self) -> Result<PathBuf, Failure> {
        data_folder(self.globals.data.clone(), |name| std::env::var_os(name)).ok_or_else(|| Failure::misuse("no_data_folder"))
    }

    /// A way to the daemon of the data folder.
    fn client(&self) -> Result<Client, Failure> {
        let data = self.data()?;
        // A configuration that cannot be read is told by `config check` and by the daemon; asking a daemon that runs still works.
        let socket = Config::load(&data).unwrap_or_default().socket(&data);
        // No daemon and nothing it could run on: "start it" would only lead to the next refusal. What cannot be looked at counts as there.
        let is_there = |path: &Path| path.try_exists().unwrap_or(true);
        if !is_there(&socket) && !is_there(&data.join("keys")) {
            return Err(Failure::unreachable("not_initialised").with("path", data.display()));
        }
        Ok(Client::new(socket)?.acting_as(self.globals.person.as_deref()))
    }

    /// Refuses `--dry-run` where there is nothing to foresee, rather than act after all.
    fn no_dry_run(&self) -> Result<(), Failure> {
        if self.globals.dry_run { Err(Failure::misuse("dry_run_not_here")) } else { Ok(()) }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let line = help::asked_as_a_verb(std::env::args_os().collect());
    let lang = language(&line);
    let words = Words::of(lang);
    let globals_as_typed = |flag: &str| line.iter().any(|word| word == flag);
    let mut out = Output::of_process(words, globals_as_typed("--json"), globals_as_typed("--quiet") || globals_as_typed("-q"));
    let parsed = help::translated(words).try_get_matches_from(&line).and_then(|matches| Line::from_arg_matches(&matches));
    let done = match parsed {
        Ok(line) => {
            out.set(line.globals.json, line.globals.quiet);
            run(line, words, out.clone())
        }
        Err(error) => help::answer(&error, &line, words, &out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn run(line: Line, words: Words, out: Output) -> Result<(), Failure> {
    let cx = Context { globals: line.globals, words, out };
    match line.verb {
        None => status::bare(&cx),
        Some(Verb::Init(args)) => init::init(args, &cx),
        Some(Verb::Run(args)) => init::run(args, &cx),
        Some(Verb::Status(args)) => status::status(&args, &cx),
        Some(Verb::Doctor) => status::doctor(&cx),
        Some(Verb::Demo(args)) => demo::run(args, &cx),
        Some(Verb::Backup(verb)) => backup::run(verb, &cx),
        Some(Verb::Clock(verb)) => clock::run(verb, &cx),
        Some(Verb::Ledger(verb)) => ledger::run(verb, &cx),
        Some(Verb::Login(args)) => officer::login(args, &cx),
        Some(Verb::Logout(args)) => officer::logout(args, &cx),
        Some(Verb::Whoami) => officer::whoami(&cx),
        Some(Verb::Root(verb)) => root::run(verb, &cx),
        Some(Verb::Cert(verb)) => root::cert(verb, &cx),
        Some(Verb::Officer(verb)) => officer::run(verb, &cx),
        Some(Verb::Device(verb)) => device::run(verb, &cx),
        Some(Verb::Card(verb)) => card::run(verb, &cx),
        Some(Verb::Partner(verb)) => partner::run(verb, &cx),
        Some(Verb::Agreement(verb)) => agreement::run(verb, &cx),
        Some(Verb::Compact(verb)) => compact::run(verb, &cx),
        Some(Verb::Bulletin(verb)) => bulletin::run(verb, &cx),
        Some(Verb::Bundle(verb)) => bundle::run(verb, &cx),
        Some(Verb::Case(verb)) => case::run(verb, &cx),
        Some(Verb::Access(verb)) => access::run(verb, &cx),
        Some(Verb::File(verb)) => file::run(verb, &cx),
        Some(Verb::Held(verb)) => held::run(verb, &cx),
        Some(Verb::Hold(verb)) => hold::hold(verb, &cx),
        Some(Verb::Retention(verb)) => hold::retention(verb, &cx),
        Some(Verb::Onward(verb)) => onward::run(verb, &cx),
        Some(Verb::Journal(verb)) => journal::run(verb, &cx),
        Some(Verb::Proof(verb)) => proof::run(verb, &cx),
        Some(Verb::Inbox) => status::inbox(&cx),
        Some(Verb::Events(args)) => events::run(args, &cx),
        Some(Verb::Store(verb)) => store::run(verb, &cx),
        Some(Verb::Config(verb)) => config::run(verb, &cx),
        Some(Verb::Completion(args)) => completion::run(args, &cx),
    }
}

/// The language: `--lang`, else the configuration's, else the locale's. Read before parsing, since help and refusals of the parser need it.
fn language(line: &[OsString]) -> Lang {
    let configured = || {
        let data = data_folder(typed(line, "--data").map(PathBuf::from), |name| std::env::var_os(name))?;
        Lang::from_word(&Config::load(&data).ok()?.language)
    };
    let locale = || Lang::from_locale(|name| std::env::var(name).ok());
    typed(line, "--lang").and_then(Lang::from_word).or_else(configured).unwrap_or_else(locale)
}

/// The value of a flag as typed, before anything is parsed.
fn typed<'a>(line: &'a [OsString], flag: &str) -> Option<&'a str> {
    line.iter().enumerate().find_map(|(at, word)| {
        let word = word.to_str()?;
        if word == flag { line.get(at + 1)?.to_str() } else { word.strip_prefix(flag)?.strip_prefix('=') }
    })
}

fn data_folder(typed: Option<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    typed
        .or_else(|| set("ACCORD_DATA"))
        .or_else(|| set("XDG_DATA_HOME").map(|folder| folder.join("accord")))
        .or_else(|| set("HOME").map(|folder| folder.join(".local").join("share").join("accord")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_the_first_one_named() {
        let check = |typed: Option<&str>, variables: &[(&str, &str)], expect: Option<&str>| {
            let found = data_folder(typed.map(PathBuf::from), |name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            });
            assert_eq!(found, expect.map(PathBuf::from), "{typed:?} {variables:?}");
        };
        check(Some("/x"), &[("ACCORD_DATA", "/y")], Some("/x"));
        check(None, &[("ACCORD_DATA", "/y"), ("HOME", "/h")], Some("/y"));
        check(None, &[("ACCORD_DATA", ""), ("XDG_DATA_HOME", "/d"), ("HOME", "/h")], Some("/d/accord"));
        check(None, &[("HOME", "/h")], Some("/h/.local/share/accord"));
        check(None, &[], None);
    }

    #[test]
    fn where_no_node_was_set_up_the_next_step_is_to_set_one_up() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let asked = |data: &Path| {
            let globals = Globals { data: Some(data.to_path_buf()), ..Globals::default() };
            let words = Words::of(Lang::En);
            let cx = Context { globals, words, out: Output::of_process(words, true, true) };
            let failure = status::bare(&cx).expect_err("no daemon runs");
            (failure.kind.exit_code(), failure.code.clone(), words.sentences(&failure).hint.unwrap_or_default())
        };
        for data in [dir.path().join("none"), dir.path().to_path_buf()] {
            let (exit, code, next) = asked(&data);
            assert_eq!((exit, code.as_str()), (3, "not_initialised"));
            assert!(next.contains("`accord init`"), "{next}");
        }
        std::fs::create_dir(dir.path().join("keys")).expect("a folder");
        let (exit, code, next) = asked(dir.path());
        assert_eq!((exit, code.as_str()), (3, "daemon_not_running"));
        assert!(next.contains("`accord run`"), "{next}");
    }

    #[test]
    fn the_language_is_read_before_anything_is_parsed() {
        let check = |line: &str, expect: Lang| {
            let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(language(&line), expect);
        };
        check("accord --lang en status", Lang::En);
        check("accord status --lang=zh", Lang::Zh);
        check("accord partner nonsense --lang en", Lang::En);
    }

    #[test]
    fn the_configured_language_stands_unless_the_line_names_another() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (configured, expect) in [("en", Lang::En), ("zh", Lang::Zh)] {
            std::fs::write(Config::path(dir.path()), format!("language = \"{configured}\"\n")).expect("written");
            let line = |more: &[&str]| {
                let data = format!("--data={}", dir.path().display());
                ["accord", &data].into_iter().chain(more.iter().copied()).map(OsString::from).collect::<Vec<_>>()
            };
            assert_eq!(language(&line(&["status"])), expect);
            assert_eq!(language(&line(&["--lang", "en"])), Lang::En);
            assert_eq!(language(&line(&["--lang=zh"])), Lang::Zh);
        }
    }
}

//! Help and complaints of the parser, in the reader's language.
//!
//! The parser is built from the argument definitions; this file lays the catalogue over it: `help.VERB` is the one line, `example.VERB` the
//! example below it, `arg.VERB.NAME` or `arg.NAME` the meaning of an argument. A test walks the whole tree, so nothing is left in English
//! by accident.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::Line;
use super::output::Output;
use crate::failure::Failure;
use crate::words::Words;

/// The parser with every sentence from the catalogue.
pub(super) fn translated(words: Words) -> Command {
    let command = Line::command().about(words.say("help.long"));
    let command = command.after_help(words.say("example.accord"));
    translate(command, "", &words).subcommand_help_heading(words.say("help.verbs")).subcommand_value_name(words.say("help.verb"))
}

/// `bulletin publish` is `bulletin_publish` in the catalogue.
fn join(path: &str, name: &str) -> String {
    let name = name.replace('-', "_");
    if path.is_empty() { name } else { format!("{path}_{name}") }
}

fn translate(command: Command, path: &str, words: &Words) -> Command {
    let template = format!("{{about-with-newline}}\n{}: {{usage}}\n\n{{all-args}}{{after-help}}", words.say("help.usage"));
    let arguments: Vec<(String, bool)> = command.get_arguments().map(|arg| (arg.get_id().to_string(), arg.is_positional())).collect();
    let mut command = command.help_template(template);
    for (place, (id, positional)) in arguments.into_iter().enumerate() {
        let text = argument(path, &id, words).unwrap_or_default();
        let global = path.is_empty();
        command = command.mut_arg(&id, |arg| {
            let heading = match (positional, global) {
                (true, _) => words.say("help.arguments"),
                (false, false) => words.say("help.flags"),
                (false, true) => words.say("help.globals"),
            };
            // What is told by its place stands in that order.
            let arg = if positional { arg.display_order(place) } else { arg };
            arg.help(text).help_heading(heading)
        });
    }
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for name in names {
        let at = join(path, &name);
        command = command.mut_subcommand(&name, |verb| {
            let mut verb = verb.about(words.term("help", &at)).disable_help_subcommand(true);
            if let Some(example) = words.find(&format!("example.{at}")) {
                verb = verb.after_help(format!("{}\n{}", words.say("help.example"), indent(example)));
            }
            translate(verb, &at, words).subcommand_help_heading(words.say("help.verbs")).subcommand_value_name(words.say("help.verb"))
        });
    }
    command
}

fn argument(path: &str, id: &str, words: &Words) -> Option<&'static str> {
    words.find(&format!("arg.{path}.{id}")).or_else(|| words.find(&format!("arg.{id}")))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// `accord help partner add` is `accord partner add --help`, with flags of every verb before it or not.
pub(super) fn asked_as_a_verb(mut line: Vec<OsString>) -> Vec<OsString> {
    let command = Line::command();
    let valued: Vec<String> = command
        .get_arguments()
        .filter(|arg| arg.get_action().takes_values())
        .filter_map(|arg| arg.get_long().map(|name| format!("--{name}")))
        .collect();
    let mut at = 1;
    while let Some(word) = line.get(at).and_then(|word| word.to_str()).filter(|word| word.starts_with('-')) {
        at += if valued.iter().any(|flag| flag == word) { 2 } else { 1 };
    }
    if line.get(at).is_some_and(|word| word == "help") {
        line.remove(at);
        line.push("--help".into());
    }
    line
}

/// The help of the noun that a line ends with.
fn help_of(line: &[OsString], words: Words) -> Option<String> {
    let asked = line.iter().cloned().chain(["--help".into()]);
    let error = translated(words).try_get_matches_from(asked).err().filter(|error| error.kind() == ErrorKind::DisplayHelp)?;
    Some(error.render().to_string())
}

/// What the parser answered to `line` instead of a command: help and version are results, everything else is misuse.
pub(super) fn answer(error: &clap::Error, line: &[OsString], words: Words, out: &Output) -> Result<(), Failure> {
    let value = |kind| {
        error.get(kind).map(|value| match value {
            ContextValue::Strings(list) => list.join(", "),
            other => other.to_string(),
        })
    };
    let with = |failure: Failure, name: &str, kind: ContextKind| match value(kind) {
        Some(found) => failure.with(name, found),
        None => failure,
    };
    let failure = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out.text(&error.render().to_string().replace("[OPTIONS]", words.say("help.any_flags")));
            return Ok(());
        }
        // A noun without a verb: its help is what helps, but nothing was done.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            out.note(&error.render().to_string());
            Failure::misuse("usage_verb_missing")
        }
        // The same with a flag beside it, for which the parser has no help at hand.
        ErrorKind::MissingSubcommand => {
            if let Some(help) = help_of(line, words) {
                out.note(&help);
            }
            Failure::misuse("usage_verb_missing")
        }
        ErrorKind::InvalidSubcommand => {
            let failure = with(Failure::misuse("usage_unknown_verb"), "found", ContextKind::InvalidSubcommand);
            with(failure, "suggested", ContextKind::SuggestedSubcommand)
        }
        ErrorKind::UnknownArgument => {
            let failure = with(Failure::misuse("usage_unknown_argument"), "found", ContextKind::InvalidArg);
            with(failure, "suggested", ContextKind::SuggestedArg)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let failure = with(Failure::misuse("usage_value"), "argument", ContextKind::InvalidArg);
            let failure = with(failure, "found", ContextKind::InvalidValue);
            with(failure, "known", ContextKind::ValidValue)
        }
        ErrorKind::MissingRequiredArgument => with(Failure::misuse("usage_missing"), "argument", ContextKind::InvalidArg),
        ErrorKind::ArgumentConflict => {
            let failure = with(Failure::misuse("usage_conflict"), "argument", ContextKind::InvalidArg);
            with(failure, "other", ContextKind::PriorArg)
        }
        _ => Failure::misuse("usage_other").with("problem", error.kind()),
    };
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::words::Lang;

    /// Every verb due, as a person types it.
    const VERBS: &[&str] = &[
        "init",
        "demo",
        "run",
        "device join",
        "backup create",
        "backup verify",
        "backup restore",
        "store verify",
        "store repair",
        "store compact",
        "store confirm",
        "ledger show",
        "ledger diff",
        "config check",
        "config show",
        "status",
        "doctor",
        "clock correct",
        "login",
        "root rotate",
        "root sign",
        "root appoint",
        "root clock-reset",
        "root list",
        "root confirm",
        "cert renew",
        "logout",
        "whoami",
        "officer add",
        "officer reset",
        "officer list",
        "officer show",
        "device invite",
        "device list",
        "device show",
        "card show",
        "card export",
        "card set",
        "partner add",
        "partner test",
        "partner set",
        "partner list",
        "partner show",
        "agreement template",
        "agreement offer",
        "agreement accept",
        "agreement decline",
        "agreement renew",
        "agreement amend",
        "agreement suspend",
        "agreement resume",
        "agreement end",
        "agreement diff",
        "agreement print",
        "agreement list",
        "agreement show",
        "compact template",
        "compact new",
        "compact amend",
        "compact import",
        "compact export",
        "compact sign",
        "compact deviate",
        "compact status",
        "compact list",
        "bulletin new",
        "bulletin publish",
        "bulletin list",
        "bulletin show",
        "case open",
        "bundle pack",
        "bundle unpack",
        "bundle show",
        "case continue",
        "case note",
        "case continue",
        "case list",
        "case show",
        "access grant",
        "access cut",
        "access admit",
        "access void",
        "access reclassify",
        "access end",
        "access erase",
        "access adopt",
        "access disown",
        "access confirm",
        "access list",
        "access explain",
        "access pending",
        "held list",
        "held show",
        "held reenter",
        "file add",
        "file get",
        "file list",
        "held admit",
        "hold place",
        "hold lift",
        "hold list",
        "retention list",
        "retention confirm",
        "onward ask",
        "onward grant",
        "onward refuse",
        "onward consent",
        "onward list",
        "onward show",
        "proof export",
        "journal export",
        "journal anchor",
        "proof verify",
        "inbox",
        "events",
        "completion",
    ];

    fn leaves(command: &Command, path: &str, out: &mut BTreeSet<String>) {
        if command.get_subcommands().next().is_none() {
            out.insert(path.to_owned());
        }
        for verb in command.get_subcommands() {
            let at = if path.is_empty() { verb.get_name().to_owned() } else { format!("{path} {}", verb.get_name()) };
            leaves(verb, &at, out);
        }
    }

    #[test]
    fn no_verb_is_forgotten_and_none_is_extra() {
        let mut found = BTreeSet::new();
        leaves(&Line::command(), "", &mut found);
        assert_eq!(found, VERBS.iter().map(|verb| (*verb).to_owned()).collect());
    }

    #[test]
    fn every_verb_and_argument_is_explained_in_both_languages_and_every_verb_has_an_example() {
        fn walk(command: &Command, path: &str, words: &Words, missing: &mut Vec<String>) {
            for arg in command.get_arguments() {
                if argument(path, arg.get_id().as_str(), words).is_none() {
                    missing.push(format!("arg.{path}.{}", arg.get_id()));
                }
            }
            for verb in command.get_subcommands() {
                let at = join(path, verb.get_name());
                if words.find(&format!("help.{at}")).is_none() {
                    missing.push(format!("help.{at}"));
                }
                if verb.get_subcommands().next().is_none() {
                    match words.find(&format!("example.{at}")) {
                        Some(example) => check_example(example),
                        None => missing.push(format!("example.{at}")),
                    }
                }
                walk(verb, &at, words, missing);
            }
        }
        for lang in [Lang::Zh, Lang::En] {
            let mut missing = Vec::new();
            walk(&Line::command(), "", &Words::of(lang), &mut missing);
            assert!(missing.is_empty(), "{lang:?}: {missing:#?}");
        }
    }

    #[test]
    fn no_help_is_left_of_a_verb_that_is_gone() {
        fn walk(command: &Command, path: &str, out: &mut BTreeSet<String>) {
            for verb in command.get_subcommands() {
                let at = join(path, verb.get_name());
                walk(verb, &at, out);
                out.extend([format!("help.{at}"), format!("example.{at}")]);
            }
        }
        // What frames every help text.
        let frame = ["about", "usage", "example", "long", "verbs", "verb", "arguments", "flags", "any_flags", "globals"]
            .map(|word| format!("help.{word}"));
        let mut known: BTreeSet<String> = frame.into_iter().chain(["example.accord".to_owned()]).collect();
        walk(&Line::command(), "", &mut known);
        let mut left: Vec<_> = Words::of(Lang::En).keys().filter(|key| key.starts_with("help.") || key.starts_with("example.")).collect();
        left.retain(|key| !known.contains(*key));
        assert!(left.is_empty(), "about no verb: {left:?}");
    }

    /// An example that does not parse would teach something wrong.
    fn check_example(example: &str) {
        for line in example.lines().filter(|line| line.starts_with("accord ")) {
            let line = line.split(" | ").next().unwrap_or(line).split(" > ").next().unwrap_or(line);
            let words = line.split(' ').filter(|word| !word.is_empty());
            if let Err(error) = Line::command().try_get_matches_from(words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn help_holds_no_words_of_the_parser_in_another_language() {
        for verb in VERBS {
            let line = format!("accord {verb} --help");
            let error = translated(Words::of(Lang::Zh)).try_get_matches_from(line.split(' ')).expect_err("help is no command");
            let text = error.render().to_string();
            assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{line}");
            for word in ["Usage", "Options", "Arguments", "Commands", "Print help", "possible values", "default:"] {
                assert!(!text.contains(word), "{line} says {word}:\n{text}");
            }
            assert!(text.contains("示例"), "{line} has no example:\n{text}");
        }
    }

    #[test]
    fn the_parser_accepts_its_own_definition() {
        for lang in [Lang::Zh, Lang::En] {
            translated(Words::of(lang)).debug_assert();
        }
    }

    fn typed(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_noun_without_a_verb_is_told_with_its_verbs_whatever_flags_stand_beside_it() {
        for line in ["accord bulletin", "accord bulletin --lang zh", "accord --json bulletin"] {
            let help = help_of(&typed(line), Words::of(Lang::Zh)).expect("help");
            assert!(help.contains("publish") && help.contains("用法"), "{line}: {help}");
        }
    }

    #[test]
    fn help_may_be_asked_for_as_a_verb_after_any_flags_of_every_verb() {
        let check = |line: &str, expect: &str| assert_eq!(asked_as_a_verb(typed(line)), typed(expect));
        check("accord help", "accord --help");
        check("accord help partner add", "accord partner add --help");
        check("accord --lang zh help", "accord --lang zh --help");
        check("accord --lang=zh -q help partner add", "accord --lang=zh -q partner add --help");
        check("accord --data help status", "accord --data help status");
        check("accord --json --as help help case", "accord --json --as help case --help");
        check("accord partner add help", "accord partner add help");
        check("accord --lang", "accord --lang");
        check("accord", "accord");
    }

    #[test]
    fn misuse_is_told_by_code_with_what_was_typed() {
        let check = |line: &str, code: &str, found: Option<(&str, &str)>| {
            let words = Words::of(Lang::Zh);
            let error = translated(words).try_get_matches_from(line.split(' ')).expect_err("misuse");
            let out = Output::of_process(words, true, true);
            let failure = answer(&error, &typed(line), words, &out).expect_err("misuse");
            assert_eq!((failure.kind.exit_code(), failure.code.as_str()), (2, code), "{line}");
            if let Some((name, value)) = found {
                assert_eq!(failure.param(name), Some(value), "{line}");
            }
        };
        check("accord bulletn list", "usage_unknown_verb", Some(("found", "bulletn")));
        check("accord bulletin", "usage_verb_missing", None);
        check("accord bulletin --lang zh", "usage_verb_missing", None);
        check("accord --json bulletin", "usage_verb_missing", None);
        check("accord inbox --loud", "usage_unknown_argument", Some(("found", "--loud")));
        check("accord case note 3f9a --kind rumour", "usage_value", Some(("found", "rumour")));
        check("accord partner show", "usage_missing", Some(("argument", "<NAME>")));
        check("accord case note 3f9a -f x --text y", "usage_conflict", None);
        check("accord --lang fr status", "usage_value", Some(("known", "zh, en")));
    }
}

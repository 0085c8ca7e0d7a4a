//! `accord init` and `accord run`: a node comes to be, and lives.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Context, ask, render};
use crate::daemon::{self, InitPlan, RunPlan, StartSheet};
use crate::failure::Failure;
use crate::keystore;
use crate::swarm;

#[derive(Debug, Args)]
pub(super) struct Init {
    #[arg(long, value_name = "CODE")]
    unit_code: Option<String>,
    #[arg(long)]
    name: Option<String>,
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    #[arg(long = "address", value_name = "HOST:PORT")]
    addresses: Vec<String>,
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<String>,
    #[arg(long)]
    phone: Option<String>,
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    officer_passphrase_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    recovery_out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<String>,
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    tap: Option<PathBuf>,
}

/// Founds a bureau: asks a person for what the line does not say, makes keys and store, tells the start sheet.
pub(super) fn init(args: Init, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    let data = cx.data()?;
    let recovery_out = args.recovery_out.as_deref().map(new_file).transpose()?;
    if cx.out.person() {
        cx.out.note(&cx.words.fill("init.welcome", &[("path", &data.display())]));
    }
    let plan = plan(args, data, cx)?;
    let network = plan.network.clone();
    let unit_code = plan.unit_code.clone();
    let addresses = plan.addresses.join(", ");
    cx.out.note(cx.words.say("init.making_keys"));
    let place = plan.data.clone();
    let told = daemon::init_told(plan, |sheet| {
        if let Some(path) = &recovery_out {
            keystore::write_private(path, format!("{}\n", sheet.recovery_key).as_bytes())?;
        }
        // This key exists nowhere else: it is shown before there is anything it could be missing for.
        let told = Told { sheet, network, unit_code, addresses, recovery_out: recovery_out.as_deref() };
        cx.out.told(&told.json(), &told.text(cx))
    });
    if told.is_err()
        && let Some(path) = recovery_out.filter(|_| !place.join("keys/node.keys").exists())
    {
        // It opens nothing, and would stand in the way of the next try.
        let _ = std::fs::remove_file(path);
    }
    told.map(|_| ())
}

/// The absolute path of a file to be made: nothing stands there yet, and its folder does.
pub(super) fn new_file(path: &Path) -> Result<PathBuf, Failure> {
    let path =
        std::path::absolute(path).map_err(|error| Failure::misuse("file_not_written").with("path", path.display()).because(error))?;
    if path.exists() {
        return Err(Failure::misuse("file_exists").with("path", path.display()));
    }
    if path.parent().is_none_or(|folder| !folder.is_dir()) {
        return Err(Failure::misuse("file_not_written").with("path", path.display()));
    }
    Ok(path)
}

/// Runs the daemon in the foreground until it is told to stop.
pub(super) fn run(args: Run, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    crate::allocator::bound();
    daemon::run(RunPlan {
        data: cx.data()?,
        listen: args.listen,
        passphrase_file: args.passphrase_file,
        tap: args.tap,
        prompt: cx.words.say("prompt.node_passphrase").to_owned(),
    })
}

fn plan(args: Init, data: PathBuf, cx: &Context) -> Result<InitPlan, Failure> {
    let words = cx.words;
    let mut missing = Vec::new();
    let mut needed = |given: Option<String>, flag: &'static str, question: &str| match given {
        Some(value) => Ok(value),
        None if cx.out.person() => answer(question),
        None => {
            missing.push(flag);
            Ok(String::new())
        }
    };
    let unit_code = needed(args.unit_code, "--unit-code", words.say("init.ask_code"))?;
    let name = needed(args.name, "--name", words.say("init.ask_name"))?;
    let network = needed(args.network, "--network", words.say("init.ask_network"))?;
    let officer = needed(args.officer, "--officer", words.say("init.ask_officer"))?;
    if !missing.is_empty() {
        return Err(Failure::misuse("init_missing").with("flags", missing.join(" ")));
    }
    let mut addresses = args.addresses;
    let mut phone = args.phone.unwrap_or_default();
    if cx.out.person() {
        if addresses.is_empty() {
            addresses = Some(ask::line(words.say("init.ask_address"))?).filter(|typed| !typed.is_empty()).into_iter().collect();
        }
        // Before more is asked.
        daemon::check_addresses(&addresses)?;
        if phone.is_empty() {
            phone = ask::line(words.say("init.ask_phone"))?;
        }
    }
    // Before two passphrases are thought of.
    daemon::check_addresses(&addresses)?;
    daemon::check_listens(&args.listen)?;
    let node_passphrase = ask::new_passphrase(cx, args.passphrase_file.as_deref(), words.say("init.ask_node_passphrase"))?;
    let root_passphrase = loop {
        let root = ask::new_passphrase(cx, args.root_passphrase_file.as_deref(), words.say("init.ask_root_passphrase"))?;
        if *node_passphrase != *root {
            break root;
        }
        // Nobody types all of it again for one answer that will not do.
        if args.root_passphrase_file.is_some() || !cx.out.person() {
            return Err(Failure::misuse("same_passphrase"));
        }
        cx.out.note(words.say("refused.same_passphrase.what"));
    };
    let officer_passphrase: Option<Zeroizing<String>> = match &args.officer_passphrase_file {
        Some(path) => Some(ask::new_passphrase(cx, Some(path), words.say("prompt.passphrase"))?),
        None => None,
    };
    let listen = if args.listen.is_empty() { listen_for(&addresses) } else { args.listen };
    Ok(InitPlan { data, network, unit_code, name, addresses, listen, phone, officer, node_passphrase, root_passphrase, officer_passphrase })
}

/// Where to listen when only the public address is known: on its port, on every interface.
fn listen_for(addresses: &[String]) -> Vec<String> {
    addresses.iter().find_map(|address| swarm::port_of(address)).map(|port| format!("0.0.0.0:{port}")).into_iter().collect()
}

fn answer(question: &str) -> Result<String, Failure> {
    let typed = ask::line(question)?;
    if typed.is_empty() { Err(Failure::refused("cancelled")) } else { Ok(typed) }
}

/// Groups of digits in lines that no terminal breaks.
fn in_lines(key: &str) -> String {
    let groups: Vec<&str> = key.split_whitespace().collect();
    groups.chunks(6).map(|line| format!("\n  {}", line.join(" "))).collect()
}

/// The start sheet with what the plan knew.
struct Told<'a> {
    sheet: &'a StartSheet,
    network: String,
    unit_code: String,
    addresses: String,
    recovery_out: Option<&'a Path>,
}

impl Told<'_> {
    fn json(&self) -> serde_json::Value {
        let sheet = self.sheet;
        let mut value = json!({
            "bureau": sheet.bureau,
            "name": sheet.name,
            "unit_code": self.unit_code,
            "network": self.network,
            "checking_code": sheet.checking_code,
            "transport": sheet.transport,
            "registrar": sheet.registrar,
            "root_key_file": sheet.root_key_file,
            "data": sheet.data,
        });
        match self.recovery_out {
            Some(path) => value["recovery_key_file"] = json!(path.display().to_string()),
            None => value["recovery_key"] = json!(sheet.recovery_key),
        }
        value
    }

    fn text(&self, cx: &Context) -> String {
        let (sheet, words) = (self.sheet, cx.words);
        let mut lines = vec![
            words.fill("init.done", &[("path", &sheet.data)]),
            String::new(),
            format!("==== {} ====", words.say("start_sheet.title")),
            words.say("start_sheet.keep").to_owned(),
            String::new(),
            words.fill("start_sheet.bureau", &[("name", &sheet.name), ("code", &self.unit_code)]),
            words.fill("start_sheet.bureau_id", &[("id", &sheet.bureau)]),
            words.fill("start_sheet.network", &[("name", &self.network)]),
            words.say("start_sheet.checking_code").to_owned(),
            render::checking_code(&sheet.checking_code).trim_end().to_owned(),
        ];
        if !self.addresses.is_empty() {
            lines.push(words.fill("start_sheet.addresses", &[("addresses", &self.addresses)]));
        }
        lines.push(words.fill("start_sheet.folder", &[("path", &sheet.data)]));
        lines.push(words.fill("start_sheet.root_key", &[("path", &sheet.root_key_file)]));
        lines.push(match self.recovery_out {
            Some(path) => words.fill("start_sheet.recovery_file", &[("path", &path.display())]),
            None => words.fill("start_sheet.recovery_key", &[("words", &in_lines(&sheet.recovery_key))]),
        });
        lines.push(String::new());
        lines.push(words.say("start_sheet.next_head").to_owned());
        lines.push(words.say("start_sheet.next_run").to_owned());
        lines.push(words.say("start_sheet.next_login").to_owned());
        lines.push(words.say("start_sheet.next_card").to_owned());
        lines.push(words.say("start_sheet.next_partner").to_owned());
        lines.push(words.say("start_sheet.next_agreement").to_owned());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Globals, Output};
    use crate::words::{Lang, Words};

    fn sheet() -> StartSheet {
        StartSheet {
            bureau: "7c".repeat(32),
            name: "临溪县公安局".into(),
            checking_code: "11111 22222 33333 44444 55555".into(),
            recovery_key: "12345 67890".into(),
            transport: "3f".repeat(32),
            registrar: "9a".repeat(32),
            root_key_file: "/d/keys/root.key".into(),
            data: "/d".into(),
        }
    }

    #[test]
    fn the_recovery_key_is_told_once_or_written_but_never_both() {
        let sheet = sheet();
        for lang in [Lang::Zh, Lang::En] {
            let words = Words::of(lang);
            let cx = Context { globals: Globals::default(), words, out: Output::of_process(words, false, true) };
            let told = |recovery_out| Told {
                sheet: &sheet,
                network: "accord".into(),
                unit_code: "330000".into(),
                addresses: "10.0.0.1:4600".into(),
                recovery_out,
            };
            let shown = told(None);
            assert_eq!(shown.text(&cx).matches("12345 67890").count(), 1);
            assert_eq!(shown.json()["recovery_key"], "12345 67890");
            let written = told(Some(Path::new("/media/paper")));
            assert!(!written.text(&cx).contains("12345 67890") && written.text(&cx).contains("/media/paper"));
            assert!(!written.json().to_string().contains("12345 67890"));
        }
    }

    #[test]
    fn a_file_to_be_made_needs_a_folder_and_a_free_name() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let code = |path: &Path| new_file(path).map_or_else(|failure| failure.code, |path| path.is_absolute().to_string());
        assert_eq!(code(&dir.path().join("paper")), "true");
        assert_eq!(code(Path::new("paper-that-does-not-exist")), "true");
        assert_eq!(code(&dir.path().join("no/folder/paper")), "file_not_written");
        assert_eq!(code(dir.path()), "file_exists");
    }

    #[test]
    fn the_start_sheet_holds_what_the_safe_needs() {
        let sheet = sheet();
        let words = Words::of(Lang::En);
        let cx = Context { globals: Globals::default(), words, out: Output::of_process(words, false, true) };
        let told =
            Told { sheet: &sheet, network: "accord".into(), unit_code: "330000".into(), addresses: String::new(), recovery_out: None };
        let text = told.text(&cx);
        for part in ["330000", "accord run", "    11111  22222  33333  44444\n    55555", "/d/keys/root.key", &"7c".repeat(32)] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(!text.contains('{'), "{text}");
    }

    #[test]
    fn the_port_to_listen_on_follows_the_public_address() {
        let check = |addresses: &[&str], expect: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
            assert_eq!(listen_for(&addresses), expect, "{addresses:?}");
        };
        check(&["node.example:4600"], &["0.0.0.0:4600"]);
        check(&["/dns/node/udp/4600/quic-v1", "node:4601"], &["0.0.0.0:4600"]);
        check(&["/ip4/192.0.2.1/tcp/4602"], &["0.0.0.0:4602"]);
        check(&[], &[]);
    }
}

//! What is asked for on the command line.

use clap::{Arg, ArgAction, Command, value_parser};

use crate::Failed;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The control: plain sled must lose.
    Sled,
    /// Our store must not.
    Store,
    /// Nor the daemon.
    Daemon,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The first seed.
    pub seed: u64,
    /// How many.
    pub seeds: u64,
    /// Power cuts for each seed of store and daemon.
    pub rounds: u64,
    /// Parts of the unsynced come through, torn and in no order.
    pub torn: bool,
    /// Syncs of store and daemon are answered and not done.
    pub deaf: bool,
    /// Only to show that a loss is seen: it counts apart.
    pub control: bool,
    /// Only this.
    pub only: Option<Part>,
    /// Nothing on standard output but one JSON object, as the last line.
    pub json: bool,
}

impl Plan {
    /// Reads the command line; ends the process where it makes no sense.
    pub fn from_arguments() -> Self {
        let matches = command().get_matches();
        let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or_default();
        let one = matches.get_one::<u64>("seed").copied();
        let only = matches.get_one::<String>("only").map(|name| match name.as_str() {
            "sled" => Part::Sled,
            "store" => Part::Store,
            _ => Part::Daemon,
        });
        Self {
            seed: one.unwrap_or(1),
            seeds: matches.get_one::<u64>("seeds").copied().unwrap_or(if one.is_some() { 1 } else { 50 }),
            rounds: number("rounds"),
            torn: matches.get_flag("torn"),
            deaf: matches.get_flag("deaf"),
            control: false,
            only,
            json: matches.get_flag("json"),
        }
    }

    /// Whether a part is tried.
    pub fn tries(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// The seeds, in order.
    pub fn all(&self) -> std::ops::Range<u64> {
        self.seed..self.seed + self.seeds
    }
}

/// A number among the arguments of a worker.
///
/// # Errors
/// When it is none.
pub fn number(word: &str) -> Result<u64, Failed> {
    word.parse().map_err(|_| format!("not a number: {word}").into())
}

fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u64).range(1..1_000_000)).help(help)
    };
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("accord-amnesia")
        .about("A file system that forgets what was not synced when the power goes: what sled, our store and the daemon lose on it")
        .arg(number("seeds", "Seeds played; 50, or 1 with --seed"))
        .arg(number("seed", "The first seed; 1"))
        .arg(number("rounds", "Power cuts for each seed of store and daemon").default_value("4"))
        .arg(flag("torn", "Parts of what was not synced come through: sectors in no order, the last write torn"))
        .arg(flag("deaf", "Every sync is answered and not done: store and daemon must be seen losing, so the exit code is 1"))
        .arg(Arg::new("only").long("only").value_name("PART").value_parser(["sled", "store", "daemon"]).help("Try only one of the parts"))
        .arg(flag("json", "Only one JSON object on standard output, as the last line"))
}

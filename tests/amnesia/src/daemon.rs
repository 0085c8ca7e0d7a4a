//! The real daemon under the same cuts: founded, agreed with a partner, written to by several hands, cut, and asked for everything again.
//!
//! The partner's node stands on an ordinary disk and is there only while the agreement is made: every seed begins from the same disk of
//! ours, and a partner who remembers other seeds would say so.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use accord_node::client::Client;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::disk::Disk;
use crate::lab::{Lab, Machine};
use crate::survives::Survives;
use crate::tally::Tally;
use crate::{Failed, Plan};

mod bureau;

pub use bureau::NAME;
use bureau::{Bureau, Started};

const PARTNER: &str = "乙县公安局";
/// Hands that write at once, so that commits carry more than one change.
const HANDS: u64 = 2;
/// What a hand writes at most between two cuts.
const WRITINGS_MAX: u64 = 60;
/// The cut comes at the latest after so many operations of a running daemon, or of one that starts.
const OPERATIONS_MAX: u64 = 160;
const START_OPERATIONS_MAX: u64 = 60;

/// What an agreement is made of.
const GRANTS: &str = "grace_days = 30\n[[grants]]\ndirection = \"both\"\ncategory = \"CRIM.SERIES\"\nverbs = [\"append\"]\ntlp_ceiling = \"AMBER+STRICT\"\nonward = \"none\"\n";

/// What was acknowledged before the first seed: two nodes, an agreement, a case.
pub const FOUNDED: u64 = 4;

/// Something the daemon acknowledged.
#[derive(Clone, Debug)]
struct Acknowledged {
    /// The document it is in.
    document: String,
    /// A word that stands nowhere else.
    marker: String,
    /// The number the bureau gave it, of drafts and bulletins.
    number: Option<String>,
}

/// A bureau on a disk that forgets, with an agreement and a case.
pub struct County {
    disk: Disk,
    ours: Bureau,
    case: String,
}

impl County {
    /// Founds it, and cuts the power right after `init`, and again right after the agreement stood and the case was opened. Before that another is
    /// founded, in a folder that was there, and cut right after `init`.
    ///
    /// # Errors
    /// When the lab fails, and when what `init` answered for is not there after the cut.
    pub fn found(lab: &mut Lab) -> Result<Self, Failed> {
        let mut none = SmallRng::seed_from_u64(0);
        // In a folder that is there, as of a service.
        let machine = lab.switch_on(Disk::new())?;
        let there = machine.at().join("there");
        std::fs::create_dir(&there)?;
        std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o700))?;
        machine.disk().settle();
        let alone = Bureau::found(lab.folder(), &there, "丙县公安局")?;
        let machine = lab.switch_on(machine.cut(Survives::Synced, &mut none))?;
        drop(alone.start(Some(&machine))?.up("right after init in a folder that was there")?);
        drop(machine);
        // And in one that is made, with those around it.
        let machine = lab.switch_on(Disk::new())?;
        let ours = Bureau::found(lab.folder(), &machine.at().join("county/bureau"), "甲县公安局")?;
        let theirs = Bureau::found(lab.folder(), &lab.folder().join("partner"), PARTNER)?;
        let machine = lab.switch_on(machine.cut(Survives::Synced, &mut none))?;
        let (running, partner) = (ours.start(Some(&machine))?.up("right after init")?, theirs.start(None)?.up("the partner")?);
        for bureau in [&ours, &theirs] {
            bureau.login()?;
        }
        ours.knows(&theirs)?;
        theirs.knows(&ours)?;
        ours.agree(&theirs, GRANTS)?;
        let opened = ours.json(&["case", "open", "--text", "串案", "--category", "CRIM.SERIES", "--with", PARTNER, "--yes"])?;
        let case = opened["id"].as_str().ok_or("a case without an id")?.to_owned();
        drop((running, partner));
        let disk = machine.cut(Survives::Synced, &mut none);
        Ok(Self { disk, ours, case })
    }

    /// Plays one seed.
    ///
    /// # Errors
    /// When the lab fails, not when the daemon does.
    pub fn play(&self, lab: &mut Lab, plan: &Plan, seed: u64, tally: &mut Tally) -> Result<String, Failed> {
        let mut dice = SmallRng::seed_from_u64(seed ^ 0xdae_0000);
        let survives = if plan.torn { Survives::Parts } else { Survives::Synced };
        let (mut acknowledged, mut why) = (Vec::new(), Vec::new());
        let (mut lost, mut sequence) = (0, 0);
        let mut machine = lab.switch_on(self.disk.clone())?;
        for round in 0..plan.rounds {
            if plan.deaf {
                machine.disk().turn_deaf();
            }
            let early = dice.random_range(0..4) == 0;
            if early {
                machine.disk().cut_after(dice.random_range(0..START_OPERATIONS_MAX));
            }
            match self.ours.start(Some(&machine))? {
                Started::Up(mut running) => {
                    if !early {
                        machine.disk().cut_after(dice.random_range(0..OPERATIONS_MAX));
                    }
                    let (told, refused) = self.write(&machine, seed, round, &mut || running.kill());
                    acknowledged.extend(told);
                    why.extend(refused);
                    running.kill();
                }
                // A start that the power cut off.
                Started::Ended(_) if machine.disk().is_off() => {}
                Started::Ended(log) => {
                    tally.damage += 1;
                    why.push(format!("round {round}: it does not start: {log}"));
                }
            }
            tally.cuts += 1;
            let remembered: Vec<String> = machine.disk().remembered().map(str::to_owned).collect();
            machine = lab.switch_on(machine.cut(survives, &mut dice))?;
            let before = why.len();
            match self.ours.start(Some(&machine))? {
                Started::Up(running) => {
                    match self.compare(&acknowledged, &mut sequence, &mut why) {
                        Ok(missing) => lost += missing,
                        Err(failed) => {
                            tally.damage += 1;
                            why.push(format!("round {round}: {failed}: {}", self.ours.last_words()));
                        }
                    }
                    let last = round + 1 == plan.rounds;
                    if last && let Err(failed) = self.ours.stop_and_verify(running) {
                        tally.damage += 1;
                        why.push(failed.to_string());
                    }
                }
                Started::Ended(log) => {
                    tally.damage += 1;
                    lost += acknowledged.len() as u64;
                    why.push(format!("round {round}: after the cut it does not start: {log}"));
                }
            }
            if why.len() > before {
                why.push(format!("round {round}; the last operations before the cut:\n  {}", remembered.join("\n  ")));
                break;
            }
        }
        tally.daemon_acknowledged += acknowledged.len() as u64;
        tally.daemon_lost += lost;
        if !why.is_empty() {
            tally.fail(seed);
        }
        let why = why.iter().map(|why| format!("\n{why}")).collect::<String>();
        Ok(format!("daemon lost {lost} of {} acknowledged, {} cuts{why}", acknowledged.len(), plan.rounds))
    }

    /// Several hands write until the power goes; what was acknowledged, and what was refused while the power was on.
    fn write(&self, machine: &Machine, seed: u64, round: u64, kill: &mut dyn FnMut()) -> (Vec<Acknowledged>, Vec<String>) {
        let (told, refused) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        if let Err(failed) = self.ours.login() {
            // The officer's key is opened on a machine that may be going down.
            return (Vec::new(), if machine.disk().is_off() { Vec::new() } else { vec![failed.to_string()] });
        }
        let writing = AtomicBool::new(true);
        std::thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS)
                .map(|hand| {
                    let (told, refused, writing) = (&told, &refused, &writing);
                    scope.spawn(move || {
                        for at in 0..WRITINGS_MAX {
                            let marker = format!("暗记{seed}-{round}-{hand}-{at}。");
                            match self.write_one(&marker, hand + at) {
                                Ok(acknowledged) => held(told).push(acknowledged),
                                Err(_) if machine.disk().is_off() || !writing.load(Ordering::SeqCst) => break,
                                Err(failed) => {
                                    held(refused).push(format!("refused with the power on: {failed}"));
                                    break;
                                }
                            }
                        }
                    })
                })
                .collect();
            // The power takes the process along at once, so that nobody waits for its answers.
            while !machine.disk().is_off() && hands.iter().any(|hand| !hand.is_finished()) {
                std::thread::sleep(bureau::LOOK);
            }
            writing.store(false, Ordering::SeqCst);
            kill();
        });
        (told.into_inner().unwrap_or_default(), refused.into_inner().unwrap_or_default())
    }

    /// One acknowledged writing: a bulletin to the partner, a draft, or a note in the case.
    fn write_one(&self, marker: &str, kind: u64) -> Result<Acknowledged, Failed> {
        let client = self.ours.client()?;
        let text = json!({ "title": marker, "text": format!("{marker}\n\n情况如下。"), "category": "CRIM.SERIES" });
        let post = |path: &str, body: Value| client.post::<Value>(path, &body, false).map_err(|failure| failure.to_string());
        let answer = match kind % 3 {
            0 => post("/v1/bulletins", json!({ "text": text, "to": [PARTNER] }))?,
            1 => post("/v1/drafts", text)?,
            _ => {
                post(&format!("/v1/cases/{}/entries", self.case), json!({ "kind": "note", "text": marker }))?;
                return Ok(Acknowledged { document: self.case.clone(), marker: marker.to_owned(), number: None });
            }
        };
        let part = |name: &str| answer[name].as_str().map(str::to_owned);
        let document = part("id").ok_or_else(|| format!("an answer without an id: {answer}"))?;
        Ok(Acknowledged { document, marker: marker.to_owned(), number: part("number") })
    }

    /// Asks for everything that was acknowledged; how much is not there.
    fn compare(&self, acknowledged: &[Acknowledged], sequence: &mut u64, why: &mut Vec<String>) -> Result<u64, Failed> {
        self.ours.login()?;
        let client = self.ours.client()?;
        let case = shown(&client, &self.case);
        let mut lost = 0;
        for one in acknowledged {
            let there = match one.document == self.case {
                true => case.contains(&one.marker),
                false => shown(&client, &one.document).contains(&one.marker),
            };
            if !there {
                lost += 1;
                why.push(format!("not there: {one:?}"));
            }
        }
        let mut numbers: Vec<&String> = acknowledged.iter().filter_map(|one| one.number.as_ref()).collect();
        numbers.sort();
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            why.push(format!("the number {} was given twice", pair[0]));
        }
        // The sequence goes on: not behind what it was, and a new writing moves it.
        let before = self.sequence()?;
        self.write_one("续写", 1)?;
        let after = self.sequence()?;
        if before < *sequence || after <= before {
            why.push(format!("the sequence was {sequence}, is {before} and becomes {after}"));
        }
        *sequence = after;
        Ok(lost)
    }

    fn sequence(&self) -> Result<u64, Failed> {
        let status = self.ours.json(&["status"])?;
        status["sequence"].as_u64().ok_or_else(|| format!("a status without a sequence: {status}").into())
    }
}

/// What is shown of a document, as text; nothing if it is not there.
fn shown(client: &Client, document: &str) -> String {
    client.get::<Value>(&format!("/v1/documents/{document}")).map(|view| view.to_string()).unwrap_or_default()
}

fn held<T>(list: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    list.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

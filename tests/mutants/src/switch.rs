//! Put into the scratch copy of the crate under test: says whether a mutant is on, or writes down which were met.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

const UNREAD: u32 = u32::MAX;
const RECORD: u32 = u32::MAX - 1;
const MANY: usize = 65_536;

static ACTIVE: AtomicU32 = AtomicU32::new(UNREAD);
static MET: [AtomicBool; MANY] = [const { AtomicBool::new(false) }; MANY];
static TO: OnceLock<Mutex<File>> = OnceLock::new();

/// Whether mutant `id` is the one that `ACCORD_MUTANT` names. With `ACCORD_MUTANTS_MET` none is, and each that is asked about is appended there.
#[inline]
pub fn mutant(id: u32) -> bool {
    let active = ACTIVE.load(Ordering::Relaxed);
    if active < RECORD { active == id } else { first(active, id) }
}

#[cold]
fn first(active: u32, id: u32) -> bool {
    if active == UNREAD {
        let now = match std::env::var_os("ACCORD_MUTANTS_MET") {
            Some(path) => {
                TO.get_or_init(|| Mutex::new(File::options().create(true).append(true).open(path).expect("opens")));
                RECORD
            }
            None => std::env::var("ACCORD_MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(0),
        };
        ACTIVE.store(now, Ordering::SeqCst);
        return mutant(id);
    }
    if !MET[id as usize].swap(true, Ordering::Relaxed) {
        let mut file = TO.get().expect("opened before").lock().expect("nobody panics in here");
        file.write_all(format!("{id}\n").as_bytes()).expect("written");
    }
    false
}

/// What a function returns whose type has no name: the mutant's value or its own.
#[derive(Clone)]
pub enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<L: Iterator, R: Iterator<Item = L::Item>> Iterator for Either<L, R> {
    type Item = L::Item;
    fn next(&mut self) -> Option<L::Item> {
        match self {
            Either::Left(one) => one.next(),
            Either::Right(other) => other.next(),
        }
    }
}

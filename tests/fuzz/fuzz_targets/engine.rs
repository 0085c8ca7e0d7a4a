//! Hostile changes against the rules, and against Automerge when the rules let them pass: no input may panic, and what passes must be shown
//! the same when replayed and leave the document editable.
#![no_main]

use std::sync::OnceLock;

use accord_fuzz::{Reach, Scene};
use libfuzzer_sys::fuzz_target;

static SCENE: OnceLock<Scene> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    SCENE.get_or_init(Scene::new).attack(data, Reach::Engine);
});

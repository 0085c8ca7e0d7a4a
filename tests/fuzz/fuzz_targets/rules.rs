//! Hostile changes against the decoder and the rules. No input may panic.
#![no_main]

use std::sync::OnceLock;

use accord_fuzz::{Reach, Scene};
use libfuzzer_sys::fuzz_target;

static SCENE: OnceLock<Scene> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    SCENE.get_or_init(Scene::new).attack(data, Reach::Rules);
});

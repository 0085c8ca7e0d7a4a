//! Sealed statements, segments and proofs as they come from outside: no input may panic, and nothing that was altered states anything else.
//!
//! The first byte says as what the rest is read. Seeds are the committed vectors, so mutations start from what stands.
#![no_main]

use std::sync::OnceLock;

use accord_fuzz::outside::Outside;
use libfuzzer_sys::fuzz_target;

static OUTSIDE: OnceLock<Outside> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    OUTSIDE.get_or_init(Outside::new).attack(data);
});

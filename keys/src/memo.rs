//! Verdicts of pure checks, remembered per thread: for simulations only.

use std::cell::RefCell;
use std::collections::HashMap;

/// Verdicts kept by one thread before all are forgotten.
const KEPT_MAX: usize = 1 << 18;

thread_local! {
    static VERDICTS: RefCell<HashMap<[u8; 32], bool>> = RefCell::default();
}

/// The verdict on these inputs, worked out once. The first part names the check and has no length of its own to confuse: all but the last
/// part have fixed sizes.
pub(crate) fn verdict(parts: &[&[u8]], work_out: impl FnOnce() -> bool) -> bool {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let key = *hasher.finalize().as_bytes();
    if let Some(known) = VERDICTS.with_borrow(|all| all.get(&key).copied()) {
        return known;
    }
    let verdict = work_out();
    VERDICTS.with_borrow_mut(|all| {
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert(key, verdict);
    });
    verdict
}

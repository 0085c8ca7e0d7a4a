//! Frames as a partner may send them: no input may panic, what is a message is written back as the same message, and symbols of no set come to an end.
#![no_main]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use accord_keys::directory::Directory;
use accord_protocol::agreement::Pair;
use accord_protocol::equality::sketch::{self, Item, Key};
use accord_protocol::id::{BureauId, Digest, NetworkId};
use accord_protocol::wire::{self, Message};
use libfuzzer_sys::fuzz_target;

static NOBODY: OnceLock<Directory> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let network = NetworkId::named("demo");
    let _ = wire::check(NOBODY.get_or_init(|| Directory::new(network)), &network, data);
    if let Ok(message) = Message::decode(data) {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message), "what was read is not what is written");
        if let Message::Symbols { nonce, symbols, .. } = message {
            let pair = Pair::of(BureauId([1; 32]), BureauId([2; 32]));
            let key = Key::new(&network, &pair, &nonce);
            let items: BTreeSet<Item> = (0..9).map(|n| key.item(&Digest([n; 32]))).collect();
            if let Some(found) = sketch::difference(&key, &items, &symbols.0) {
                assert!(found.ours.is_subset(&items) && found.ours.len() + found.theirs.len() <= symbols.0.len() / sketch::SYMBOL_BYTES);
            }
        }
    }
});

//! Frames as a partner may send them: no input may panic, and what is a message is written back as the same message.
#![no_main]

use std::sync::OnceLock;

use accord_keys::directory::Directory;
use accord_protocol::id::NetworkId;
use accord_protocol::wire::{self, Message};
use libfuzzer_sys::fuzz_target;

static NOBODY: OnceLock<Directory> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let network = NetworkId::named("demo");
    let _ = wire::check(NOBODY.get_or_init(|| Directory::new(network)), &network, data);
    if let Ok(message) = Message::decode(data) {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message), "what was read is not what is written");
    }
});

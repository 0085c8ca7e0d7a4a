//! The loop on a real store, with a network that is only a queue.

use std::path::Path;

use accord_keys::id::{NetworkId, TransportKey};
use accord_keys::seal::Sealed;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::bureau::{self, FoundPlan};
use accord_protocol::id::{BureauId, Digest, RecordId};
use accord_protocol::input::{Draft, Page};
use accord_protocol::ledger::{Line, ReceiptLine, Says};
use accord_protocol::step::Table;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::CardView;

use super::*;
use crate::failure::Failure;
use crate::handle::Handle;
use crate::store::{Options, StoreKey};

/// A running loop and everything around it.
struct Loop {
    handle: Handle,
    inputs: mpsc::Sender<Input>,
    network: mpsc::Receiver<SwarmCommand>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<Result<Store, DriverError>>,
}

/// Founds a bureau in a new store; its identity.
fn found(dir: &Path) -> Identity {
    let (root, node) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
    let network = NetworkId::named("test");
    let founded = bureau::found(&FoundPlan {
        network,
        unit_code: "330100-01".to_owned(),
        name: "河东县公安局".to_owned(),
        addresses: vec!["127.0.0.1:7400".to_owned()],
        phone: "110".to_owned(),
        officer: "值班一".to_owned(),
        root: &root,
        node: &node,
        transport: swarm::transport_key(&[3; 32]).expect("a key"),
        hpke: HpkeSecret::from_seed([4; 32]).public(),
        now: Clock::start().now().wall,
        random: [5; 64],
    })
    .expect("sound values");
    let mut store = Store::create(dir, &StoreKey::new([6; 32])).expect("a new store");
    store.commit(&founded.writes).expect("written");
    store.close().expect("closed");
    Identity { network, bureau: founded.bureau, certificate: founded.certificate, signer: Arc::new(node), cursor_key: [7; 32] }
}

fn start(dir: &Path, identity: &Identity, options: &Options) -> Loop {
    let (driver, (handle, inputs, network, stop)) = driver(dir, identity, options);
    let runtime = tokio::runtime::Handle::current();
    Loop { handle, inputs, network, stop, thread: std::thread::spawn(move || runtime.block_on(driver.run())) }
}

type Outside = (Handle, mpsc::Sender<Input>, mpsc::Receiver<SwarmCommand>, watch::Sender<bool>);

/// A loop that does not run yet, and what is around it.
fn driver(dir: &Path, identity: &Identity, options: &Options) -> (Driver, Outside) {
    let (store, _) = Store::open_with(dir, &StoreKey::new([6; 32]), options, &mut |_| {}).expect("the store just made");
    let clock = Clock::start();
    let (handle, asks, events) = Handle::new(clock.clone());
    let (inputs, inputs_in) = mpsc::channel(16);
    let (swarm, network) = mpsc::channel(64);
    let (directory, _) = watch::channel(Arc::new(Directory::new(identity.network)));
    let (stop, stops) = watch::channel(false);
    let (identity, store) = (identity.clone(), store.into());
    let (stalled, _) = tokio::sync::watch::channel(Default::default());
    let parts =
        Parts { identity, store, clock, asks, inputs: inputs_in, stalled, swarm, events, directory, stop: stops, inputs_per_turn_max: 16 };
    (Driver::open(parts).expect("the state of a founded bureau"), (handle, inputs, network, stop))
}

async fn card(handle: &Handle) -> CardView {
    match handle.command(Command::CardShow).await.expect("our card") {
        View::Card(card) => card,
        other => panic!("{other:?}"),
    }
}

fn set_phone(phone: &str) -> Command {
    Command::SetContact { addresses: vec!["127.0.0.1:7400".to_owned()], phone: phone.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_the_process_died() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let node = start(&dir, &identity, &Options::default());
    node.handle.command(set_phone("119")).await.expect("done");
    // The network task dies: the loop ends with an error and the store is never closed.
    drop(node.network);
    let ended = tokio::task::spawn_blocking(|| node.thread.join().expect("no panic")).await.expect("no panic");
    assert!(matches!(ended, Err(DriverError::SwarmGone)));
    let again = start(&dir, &identity, &Options::default());
    assert_eq!(card(&again.handle).await.phone, "119");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_writes_answers_what_reads_and_closes_links() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    // As if the disk had less room than the store wants to keep free.
    let mut node = start(&dir, &identity, &Options { low_water_bytes: u64::MAX / 4, ..Options::default() });
    assert!(matches!(node.network.recv().await, Some(SwarmCommand::Allow(_))));
    let link = LinkId(7);
    node.inputs.send(Input::LinkUp { link, transport: TransportKey([9; 32]), outgoing: false }).await.expect("the loop runs");
    let refused: Failure = node.handle.command(set_phone("119")).await.expect_err("no room");
    assert_eq!((refused.code.as_str(), refused.kind.exit_code()), ("disk_full", 4));
    assert_eq!(card(&node.handle).await.phone, "110", "nothing of it is remembered either");
    let mut closed = false;
    while let Ok(command) = node.network.try_recv() {
        closed |= matches!(command, SwarmCommand::Close { link: swarm::LinkId(7), .. });
    }
    assert!(closed, "a conversation the new core does not know is over");
    node.stop.send(true).expect("the loop runs");
    let store = tokio::task::spawn_blocking(|| node.thread.join().expect("no panic")).await.expect("no panic");
    store.expect("a full disk is no reason to die").close().expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_compacted_while_commands_are_answered_one_round_at_a_time() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let options = Options { file_bytes: 4 << 10, compact_percent: 0, compact_pause_ms: 0, ..Options::default() };
    let node = start(&dir, &identity, &options);
    for number in 0..40 {
        node.handle.command(set_phone(&format!("{number}"))).await.expect("done");
    }
    assert!(node.handle.compact_begin(false).await.expect("asked").is_some());
    assert!(node.handle.compact_begin(false).await.expect("asked").is_none(), "one at a time");
    node.handle.compact_leave().await.expect("left");
    let mut progress = node.handle.compact_begin(false).await.expect("asked").expect("the first was left");
    let mut number = 40;
    while !progress.ended {
        number += 1;
        node.handle.command(set_phone(&format!("{number}"))).await.expect("done");
        progress = node.handle.compact_step().await.expect("asked");
    }
    let report = progress.report;
    assert!(report.rewritten > 2 && report.after < report.before && report.damage.is_empty(), "{report:?}");
    assert_eq!(card(&node.handle).await.phone, format!("{number}"));
    let account = node.handle.account().await.expect("read");
    let mut batches = 0;
    let read = account.read(&mut |batch, _| {
        batches = batch;
        true
    });
    read.expect("every batch is there");
    assert!(batches == account.batches() && batches > number);
    drop(account);
    end(node).await;
    let again = start(&dir, &identity, &options);
    assert_eq!(card(&again.handle).await.phone, format!("{number}"));
}

/// Logs the founding officer in, at the first time with a new certificate.
async fn unlock(handle: &Handle, certificate: Option<CertificateId>) -> CertificateId {
    let (name, key) = ("值班一".to_owned(), SecretKey::from_seed([8; 32]));
    let certificate = match certificate {
        Some(certificate) => certificate,
        None => match handle.command(Command::OfficerEnrol { name: name.clone(), key: key.public() }).await.expect("enrolled") {
            View::Done { id } => id.and_then(|hex| CertificateId::from_hex(&hex)).expect("a certificate"),
            other => panic!("{other:?}"),
        },
    };
    handle.command(Command::Unlock { name, certificate, signer: Arc::new(key) }).await.expect("unlocked");
    certificate
}

async fn end(node: Loop) {
    node.stop.send(true).expect("the loop runs");
    let store = tokio::task::spawn_blocking(|| node.thread.join().expect("no panic")).await.expect("no panic");
    store.expect("a clean end").close().expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_not_written_to_again_and_again_and_nobody_is_logged_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let node = start(&dir, &identity, &Options::default());
    let certificate = unlock(&node.handle, None).await;
    end(node).await;
    let mut node = start(&dir, &identity, &Options { low_water_bytes: u64::MAX / 4, ..Options::default() });
    unlock(&node.handle, Some(certificate)).await;
    for _ in 0..3 {
        assert_eq!(node.handle.command(set_phone("119")).await.expect_err("no room").code, "disk_full");
        // Asked together: the one that reads must not hear of the one that fails.
        let (failed, read) = tokio::join!(node.handle.command(set_phone("120")), card(&node.handle));
        assert_eq!((failed.expect_err("no room").code.as_str(), read.phone.as_str()), ("disk_full", "110"));
        let View::WhoAmI { officers } = node.handle.command(Command::WhoAmI).await.expect("an answer") else { panic!("who am I") };
        assert_eq!(officers.len(), 1, "the officer is still logged in");
    }
    // Each time the core is built anew the network is told whom to let in. A loop would have filled the queue.
    let mut told = 0;
    while let Ok(command) = node.network.try_recv() {
        told += usize::from(matches!(command, SwarmCommand::Allow(_)));
    }
    assert!((2..40).contains(&told), "the core was built anew {told} times");
    end(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_read_back_is_no_reason_to_stop() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let journal = dir.join("journal/00000001.journal");
    let len = || usize::try_from(std::fs::metadata(&journal).expect("it exists").len()).expect("small");
    // Where the file ends is where the last batch does.
    let node = start(&dir, &identity, &Options { ahead_bytes: 0, ..Options::default() });
    let certificate = unlock(&node.handle, None).await;
    // Long and without pattern, so that the middle of what is written is the middle of this text.
    let text: String = (0..1_200_u32).map(|at| blake3::hash(&at.to_be_bytes()).to_hex()[..32].to_owned()).collect();
    let draft = Draft { title: "电动车".into(), text, category: "TRAF".into(), ..Draft::default() };
    let before = len();
    let opened = node.handle.command(Command::BulletinNew(draft)).await.expect("opened");
    let after = len();
    node.handle.command(set_phone("119")).await.expect("done");
    end(node).await;
    let mut bytes = std::fs::read(&journal).expect("readable");
    bytes[before.midpoint(after)] ^= 1;
    std::fs::write(&journal, bytes).expect("written");

    let node = start(&dir, &identity, &Options::default());
    unlock(&node.handle, Some(certificate)).await;
    let View::Documents { documents, .. } = node.handle.command(Command::BulletinList(Page::default())).await.expect("a list") else {
        panic!("{opened:?}")
    };
    let id = documents.first().expect("still listed").id.clone();
    let shown = node.handle.command(Command::DocumentShow { id }).await;
    assert_ne!(shown.expect_err("not readable").code, "stopping");
    assert_eq!(card(&node.handle).await.phone, "119");
    end(node).await;
}

/// All bulletins, by title.
async fn titles(handle: &Handle) -> Vec<String> {
    let asked = handle.command(Command::BulletinList(Page { limit: Some(1_000), ..Page::default() })).await;
    let View::Documents { documents, .. } = asked.expect("a list") else { panic!("a list") };
    let mut titles: Vec<String> = documents.into_iter().map(|line| line.title).collect();
    titles.sort();
    titles
}

fn inventories(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("readable").path());
    files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("inventory-"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_at_rest_are_read_from_the_inventory_and_from_the_store_when_it_breaks() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let node = start(&dir, &identity, &Options::default());
    let certificate = unlock(&node.handle, None).await;
    let mut all = Vec::new();
    for number in 100..160 {
        all.push(format!("通报 {number}"));
        let draft = Draft { title: format!("通报 {number}"), text: "电动车".into(), category: "TRAF".into(), ..Draft::default() };
        node.handle.command(Command::BulletinNew(draft)).await.expect("opened");
    }
    assert_eq!(titles(&node.handle).await, all);
    end(node).await;
    assert_eq!(inventories(&dir).len(), 1, "one is left by a clean stop");

    // A start from it, and what is written since lies above it.
    let node = start(&dir, &identity, &Options::default());
    unlock(&node.handle, Some(certificate)).await;
    assert_eq!(titles(&node.handle).await, all);
    assert_eq!(inventories(&dir).len(), 1, "it is believed");
    let draft = Draft { title: "通报 160".into(), text: "电动车".into(), category: "TRAF".into(), ..Draft::default() };
    all.push("通报 160".to_owned());
    node.handle.command(Command::BulletinNew(draft)).await.expect("opened");
    // The disk forgets what its sheets said.
    let path = inventories(&dir).remove(0);
    let mut bytes = std::fs::read(&path).expect("readable");
    let sheets = bytes.len() * 3 / 4;
    bytes[42..sheets].fill(0x55);
    std::fs::write(&path, bytes).expect("written");
    assert_eq!(titles(&node.handle).await, all, "nobody is given a list with holes");
    assert!(!inventories(&dir).contains(&path), "it is not met again");
    assert_eq!(titles(&node.handle).await, all);
    end(node).await;

    // So it is where it breaks between two runs.
    let path = inventories(&dir).remove(0);
    let mut bytes = std::fs::read(&path).expect("readable");
    let sheets = bytes.len() / 2;
    bytes[42..sheets].fill(0x55);
    std::fs::write(&path, bytes).expect("written");
    let node = start(&dir, &identity, &Options::default());
    assert_eq!(titles(&node.handle).await, all);
    end(node).await;
}

/// Lines of ours to somebody, of three documents each and every fifth of none, as they are stored.
fn lines(identity: &Identity, count: u64) -> Vec<Write> {
    let to = BureauId([9; 32]);
    let mut previous = Digest([0; 32]);
    let stored = (1..=count).map(|n| {
        let at = WallSeconds(1_900_000_000 + n);
        let receipt = |document| ReceiptLine { document, entry: Digest([1; 32]), head: RecordId([2; 32]), at };
        let says = match n % 5 {
            0 => Says::Denials { count: n, references: vec![n] },
            _ => Says::Receipts((0..3).map(|k| receipt(told(n, k))).collect()),
        };
        let line = Line { from: identity.bureau, to, n, previous, says, at, certificate: identity.certificate };
        let sealed = Sealed::seal(&identity.network, line, &[&SecretKey::from_seed([2; 32])]).expect("sealed");
        previous = Digest(sealed.id(&identity.network).0);
        let key = [to.0.as_slice(), &[0], &n.to_be_bytes()].concat();
        Write::Put { table: Table::Ledger, key, value: Some(sealed.to_bytes()) }
    });
    stored.collect()
}

/// A document that line `n` tells of.
fn told(n: u64, k: u8) -> DocumentId {
    let mut id = [k; 32];
    id[24..].copy_from_slice(&n.to_be_bytes());
    DocumentId(id)
}

/// Writes into a store that nobody has open.
fn write_into(dir: &Path, writes: &[Write]) {
    let (mut store, _) = Store::open(dir, &StoreKey::new([6; 32]), &mut |_| {}).expect("the store");
    store.commit(writes).expect("written");
    store.close().expect("closed");
}

/// Of which lines the receipts are found, and whether the start was from an inventory.
fn found_lines(dir: &Path, identity: &Identity, of: &[u64]) -> (Vec<u64>, bool) {
    let (driver, _) = driver(dir, identity, &Options::default());
    let found = |n: &&u64| driver.bureau.receipted_under(&told(**n, 1)).len() == 1;
    let all = of.iter().filter(found).copied().collect();
    let rests = driver.keeping.is_resting();
    driver.into_store().expect("nobody else has it").close().expect("closed");
    (all, rests)
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_pair_are_read_back_where_they_were_stored_whatever_a_start_reads() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let writes = lines(&identity, 210);
    write_into(&dir, &writes[..200]);
    let asked = [1, 99, 101, 151, 199, 201, 209];
    assert_eq!(found_lines(&dir, &identity, &asked), (vec![1, 99, 101, 151, 199], false), "from all rows");
    // Many documents, so that a stop leaves an inventory.
    let node = start(&dir, &identity, &Options::default());
    unlock(&node.handle, None).await;
    for number in 0..40 {
        let draft = Draft { title: format!("通报 {number}"), text: "电动车".into(), category: "TRAF".into(), ..Draft::default() };
        node.handle.command(Command::BulletinNew(draft)).await.expect("opened");
    }
    end(node).await;
    assert_eq!(found_lines(&dir, &identity, &asked), (vec![1, 99, 101, 151, 199], true), "from the inventory");
    write_into(&dir, &writes[200..]);
    assert_eq!(found_lines(&dir, &identity, &asked), (asked.to_vec(), true), "and the rows since");

    // One is lost: it is missed where it is asked for, and nothing else is.
    let Write::Put { key, .. } = &writes[100] else { panic!("a row") };
    write_into(&dir, &[Write::Put { table: Table::Ledger, key: key.clone(), value: None }]);
    assert_eq!(found_lines(&dir, &identity, &asked), (vec![1, 99, 151, 199, 201, 209], true));
    // So it is where all rows are read: nothing is ever stated in its place.
    inventories(&dir).iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
    assert_eq!(found_lines(&dir, &identity, &asked), (vec![1, 99, 151, 199, 201, 209], false));
}

#[test]
fn the_clock_counts_time_asleep() {
    let clock = Clock::start();
    let (one, uptime) = (clock.now().mono.0, uptime_ms());
    assert!(one < 60_000 && uptime >= clock.start_ms && clock.now().mono.0 >= one);
    // The system's own statement of the same clock, in seconds.
    let text = std::fs::read_to_string("/proc/uptime").expect("Linux");
    let seconds: f64 = text.split(' ').next().expect("two numbers").parse().expect("a number");
    assert!((seconds * 1_000.0 - uptime as f64).abs() < 60_000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_queue_of_a_link_that_went_down_goes_no_further() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let (mut driver, (_handle, _inputs, mut network, _stop)) = driver(&dir, &identity, &Options::default());
    let link = LinkId(7);
    let gated = || Turn { sends: vec![(Send { link, bytes: vec![1], gated: true }, 0)], ..Turn::default() };
    driver.note(&Input::LinkUp { link, transport: TransportKey([9; 32]), outgoing: true }, &mut Turn::default());
    driver.dispatch(gated()).await.expect("handed over");
    let gate = match network.try_recv() {
        Ok(SwarmCommand::Send { frame, .. }) => frame.gate.expect("gated"),
        other => panic!("{}", other.is_ok()),
    };
    assert_eq!((gate.epoch.load(Ordering::Acquire), gate.permit_epoch), (0, 0), "it may go");
    driver.note(&Input::LinkDown { link }, &mut Turn::default());
    assert_ne!(gate.epoch.load(Ordering::Acquire), gate.permit_epoch, "nobody asks the core about it any more");
    // Whatever the core decides later, its gate stays shut, and what it said within the turn is not handed over.
    driver.dispatch(gated()).await.expect("nothing to hand over");
    assert!(network.try_recv().is_err());
    assert_eq!(gate.epoch.load(Ordering::Acquire), u64::MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_nobody_wrongly_and_hands_the_store_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("store");
    let identity = found(&dir);
    let node = start(&dir, &identity, &Options::default());
    node.handle.command(Command::Status).await.expect("a status");
    node.stop.send(true).expect("the loop runs");
    let store = tokio::task::spawn_blocking(|| node.thread.join().expect("no panic")).await.expect("no panic");
    store.expect("a clean end").close().expect("closed");
    let late = node.handle.command(Command::Status).await.expect_err("nobody is there");
    assert_eq!(late.code, "stopping");
}

//! What the file system promises and what it forgets, without a kernel.

use rand::SeedableRng as _;

use super::*;

const FACTS: Facts = Facts { mode: 0o600, uid: 0, gid: 0 };

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

/// A new file with these bytes, not synced.
fn written(disk: &mut Disk, folder: u64, file: &str, bytes: &[u8]) -> u64 {
    let number = disk.make(folder, name(file), Shape::File, FACTS).expect("a free name").number;
    disk.write(number, None, bytes).expect("written");
    number
}

fn folder(disk: &mut Disk, within: u64, file: &str) -> u64 {
    disk.make(within, name(file), Shape::Folder, FACTS).expect("a free name").number
}

fn forget(disk: &Disk) -> Disk {
    disk.after_cut(Survives::Synced, &mut SmallRng::seed_from_u64(0))
}

/// What a power cut that spares nothing unsynced leaves of the files of a disk.
fn check(disk: &Disk, expected: &[(&str, Option<&[u8]>)]) {
    let left = forget(disk);
    for (path, bytes) in expected {
        assert_eq!(left.content(path).as_deref(), *bytes, "{path}");
    }
}

#[test]
fn a_synced_file_without_a_synced_name_is_gone() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"bytes");
    disk.sync_file(a, false).expect("synced");
    assert_eq!(disk.content("a").as_deref(), Some(&b"bytes"[..]));
    check(&disk, &[("a", None)]);
    disk.sync_folder(ROOT).expect("synced");
    check(&disk, &[("a", Some(b"bytes"))]);
}

#[test]
fn a_synced_name_of_a_file_never_synced_is_an_empty_file() {
    let mut disk = Disk::new();
    written(&mut disk, ROOT, "a", b"bytes");
    disk.sync_folder(ROOT).expect("synced");
    check(&disk, &[("a", Some(b""))]);
}

#[test]
fn what_was_written_after_the_last_sync_is_forgotten() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"first");
    disk.sync_folder(ROOT).expect("synced");
    disk.sync_file(a, true).expect("synced");
    disk.write(a, None, b", second").expect("written");
    disk.write(a, Some(0), b"F").expect("written");
    assert_eq!(disk.content("a").as_deref(), Some(&b"First, second"[..]));
    check(&disk, &[("a", Some(b"first"))]);
    disk.set_len(a, 2).expect("cut");
    check(&disk, &[("a", Some(b"first"))]);
    disk.sync_file(a, true).expect("synced");
    check(&disk, &[("a", Some(b"Fi"))]);
}

#[test]
fn a_rename_is_forgotten_until_its_folder_is_synced_and_never_half_kept() {
    let mut disk = Disk::new();
    let old = written(&mut disk, ROOT, "a", b"old");
    disk.sync_file(old, false).expect("synced");
    disk.sync_folder(ROOT).expect("synced");
    let new = written(&mut disk, ROOT, "a.next", b"new");
    disk.rename((ROOT, name("a.next")), (ROOT, name("a")), true).expect("renamed");
    assert_eq!(disk.content("a").as_deref(), Some(&b"new"[..]));
    check(&disk, &[("a", Some(b"old")), ("a.next", None)]);
    // Without a sync of the file itself the new name leads to nothing.
    let mut hasty = disk.clone();
    hasty.sync_folder(ROOT).expect("synced");
    check(&hasty, &[("a", Some(b"")), ("a.next", None)]);
    disk.sync_file(new, false).expect("synced");
    disk.sync_folder(ROOT).expect("synced");
    check(&disk, &[("a", Some(b"new")), ("a.next", None)]);
    assert_eq!(disk.rename((ROOT, name("a")), (ROOT, name("a")), true), Ok(()));
}

#[test]
fn a_rename_between_folders_is_durable_in_both_or_in_neither() {
    let mut disk = Disk::new();
    let (x, y) = (folder(&mut disk, ROOT, "x"), folder(&mut disk, ROOT, "y"));
    let a = written(&mut disk, x, "a", b"bytes");
    disk.settle();
    disk.rename((x, name("a")), (y, name("b")), true).expect("renamed");
    disk.write(a, None, b"!").expect("written");
    check(&disk, &[("x/a", Some(b"bytes")), ("y/b", None)]);
    let mut other = disk.clone();
    for (disk, synced) in [(&mut disk, x), (&mut other, y)] {
        disk.sync_folder(synced).expect("synced");
        check(disk, &[("x/a", None), ("y/b", Some(b"bytes"))]);
    }
}

#[test]
fn earlier_steps_of_a_joined_folder_do_not_come_back_later() {
    let mut disk = Disk::new();
    let (x, y) = (folder(&mut disk, ROOT, "x"), folder(&mut disk, ROOT, "y"));
    disk.settle();
    written(&mut disk, x, "a", b"");
    disk.rename((x, name("a")), (y, name("a")), true).expect("renamed");
    disk.sync_folder(y).expect("synced");
    disk.sync_folder(x).expect("synced");
    check(&disk, &[("x/a", None), ("y/a", Some(b""))]);
}

#[test]
fn a_folder_is_there_only_with_its_own_name_and_its_files_only_with_theirs() {
    let mut disk = Disk::new();
    let x = folder(&mut disk, ROOT, "x");
    let a = written(&mut disk, x, "a", b"bytes");
    disk.sync_file(a, false).expect("synced");
    disk.sync_folder(x).expect("synced");
    check(&disk, &[("x/a", None)]);
    disk.sync_folder(ROOT).expect("synced");
    check(&disk, &[("x/a", Some(b"bytes"))]);
}

#[test]
fn a_removed_name_is_back_until_its_folder_is_synced_and_a_second_name_keeps_the_file() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"bytes");
    disk.settle();
    disk.link(a, ROOT, name("b")).expect("linked");
    disk.remove(ROOT, name("a"), false).expect("removed");
    assert_eq!(disk.find(ROOT, name("a")), Err(Refusal::Missing));
    check(&disk, &[("a", Some(b"bytes")), ("b", None)]);
    disk.sync_folder(ROOT).expect("synced");
    check(&disk, &[("a", None), ("b", Some(b"bytes"))]);
}

#[test]
fn the_mode_is_durable_with_the_file_but_not_with_its_data_alone() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"");
    disk.settle();
    disk.set_facts(a, |facts| facts.mode = 0o400).expect("changed");
    disk.sync_file(a, true).expect("synced");
    assert_eq!(forget(&disk).look(a).expect("there").facts.mode, 0o600);
    disk.sync_file(a, false).expect("synced");
    assert_eq!(forget(&disk).look(a).expect("there").facts.mode, 0o400);
}

#[test]
fn names_and_lengths_that_make_no_sense_are_refused() {
    let mut disk = Disk::new();
    let x = folder(&mut disk, ROOT, "x");
    let a = written(&mut disk, x, "a", b"");
    assert_eq!(disk.make(x, name("a"), Shape::File, FACTS), Err(Refusal::Exists));
    assert_eq!(disk.make(a, name("b"), Shape::File, FACTS), Err(Refusal::NotFolder));
    assert_eq!(disk.remove(ROOT, name("x"), true), Err(Refusal::NotEmpty));
    assert_eq!(disk.remove(ROOT, name("x"), false), Err(Refusal::IsFolder));
    assert_eq!(disk.remove(x, name("a"), true), Err(Refusal::NotFolder));
    assert_eq!(disk.remove(x, name("b"), false), Err(Refusal::Missing));
    assert_eq!(disk.write(a, Some(FILE_BYTES_MAX), b"b"), Err(Refusal::TooLong));
    assert_eq!(disk.set_len(a, FILE_BYTES_MAX + 1), Err(Refusal::TooLong));
    assert_eq!(disk.write(x, None, b"b"), Err(Refusal::IsFolder));
    written(&mut disk, ROOT, "b", b"");
    assert_eq!(disk.rename((ROOT, name("b")), (x, name("a")), false), Err(Refusal::Exists));
    assert_eq!(disk.rename((ROOT, name("b")), (ROOT, name("x")), true), Err(Refusal::IsFolder));
    assert_eq!(disk.rename((ROOT, name("x")), (ROOT, name("b")), true), Err(Refusal::NotFolder));
}

#[test]
fn the_power_goes_at_the_operation_that_was_named_and_nothing_answers_after_it() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"kept");
    disk.settle();
    disk.cut_after(2);
    disk.write(a, None, b" too").expect("written");
    disk.sync_file(a, true).expect("synced");
    assert_eq!(disk.write(a, None, b" lost"), Err(Refusal::Dead));
    assert!(disk.is_off());
    assert_eq!(disk.sync_file(a, true), Err(Refusal::Dead));
    assert_eq!(disk.read(a, 0, 4), Err(Refusal::Dead));
    assert_eq!(disk.find(ROOT, name("a")), Err(Refusal::Dead));
    let left = forget(&disk);
    assert!(!left.is_off());
    assert_eq!(left.content("a").as_deref(), Some(&b"kept too"[..]));
    assert!(disk.remembered().any(|line| line.contains("the power goes")));
}

#[test]
fn of_the_write_under_way_at_the_cut_parts_may_come_through() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", &[1; 512]);
    disk.settle();
    disk.cut_after(0);
    assert_eq!(disk.write(a, None, &[2; 1024]), Err(Refusal::Dead));
    let lengths: BTreeSet<(usize, usize)> = (0..200)
        .map(|seed| {
            let left = disk.after_cut(Survives::Parts, &mut SmallRng::seed_from_u64(seed)).content("a").expect("there");
            (left.len(), left.iter().filter(|byte| **byte == 2).count())
        })
        .collect();
    assert_eq!(lengths, BTreeSet::from([(512, 0), (1536, 0), (1536, 512), (1536, 1024)]));
}

#[test]
fn names_come_through_in_parts_but_a_step_is_never_halved() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"a");
    disk.settle();
    disk.rename((ROOT, name("a")), (ROOT, name("b")), true).expect("renamed");
    disk.link(a, ROOT, name("c")).expect("linked");
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let left = disk.after_cut(Survives::Parts, &mut SmallRng::seed_from_u64(seed));
        let [a, b, c] = ["a", "b", "c"].map(|name| left.content(name).is_some());
        assert!(a != b, "seed {seed}: half a rename");
        seen.insert((b, c));
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_deaf_disk_says_that_it_synced_and_did_not() {
    let mut disk = Disk::new();
    let a = written(&mut disk, ROOT, "a", b"before");
    disk.settle();
    disk.turn_deaf();
    disk.write(a, None, b" and after").expect("written");
    disk.sync_file(a, false).expect("it says so");
    disk.sync_folder(ROOT).expect("it says so");
    check(&disk, &[("a", Some(b"before"))]);
}

//! Two counties without a line between them: everything, the agreement included, goes by stick.

use std::path::Path;

use serde_json::Value;

use super::harness::*;

/// A bureau nobody reaches: its card names a port at which nothing listens.
fn apart(dir: &Path, name: &str) -> Bureau {
    let mut bureau = Bureau::found(dir, name, Plan { card_address: Some("127.0.0.1:9".to_owned()), ..Plan::default() });
    bureau.start();
    bureau.login();
    bureau
}

/// Packs on one side, carries, unpacks on the other; answers both reports.
fn carry(stick: &Path, from: &Bureau, to: &Bureau) -> (Value, Value) {
    let packed = from.json(&["bundle", "pack", "--for", &to.name, "--out", stick.to_str().expect("plain path")]);
    let file = packed["file"].as_str().expect("a path").to_owned();
    let unpacked = to.json(&["bundle", "unpack", &file]);
    std::fs::remove_file(&file).expect("it was there");
    (packed, unpacked)
}

#[test]
fn two_counties_that_never_connect_agree_and_exchange_by_stick() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let stick = dir.path().join("stick");
    std::fs::create_dir(&stick).expect("a stick");
    let path = stick.to_str().expect("plain path");
    let (a, b) = (apart(dir.path(), "甲县公安局"), apart(dir.path(), "乙县公安局"));
    a.knows(&b);
    b.knows(&a);
    let terms = private(&a.file("terms.toml"), &terms(now() + 86_400 * 365, GRANTS));
    a.json(&["agreement", "offer", terms.to_str().expect("plain path"), "--to", &b.name, "--yes"]);
    carry(&stick, &a, &b);
    let agreement = standing(&b, "offered_to_us");
    b.json(&["agreement", "accept", &agreement, "--yes"]);
    carry(&stick, &b, &a);
    standing(&a, "in_force");
    carry(&stick, &a, &b);
    standing(&b, "in_force");
    // Documents and an answer.
    let secret = "三轮车两辆夜间自桥北驶出";
    let opened =
        a.json(&["case", "open", "--text", secret, "--title", "系列盗窃", "--category", "CRIM.SERIES", "--with", &b.name, "--yes"]);
    let case = opened["id"].as_str().expect("an id").to_owned();
    let would = a.json(&["bundle", "pack", "--for", &b.name, "--dry-run"]);
    assert_eq!((would["documents"].as_u64(), std::fs::read_dir(&stick).expect("readable").count()), (Some(1), 0));
    let (packed, unpacked) = carry(&stick, &a, &b);
    assert_eq!((packed["documents"].as_u64(), unpacked["new"].as_u64(), unpacked["noted"].as_bool()), (Some(1), Some(1), Some(true)));
    b.json(&["case", "note", &case, "--text", "桥南卡口有记录"]);
    let (_, unpacked) = carry(&stick, &b, &a);
    assert_eq!((unpacked["new"].as_u64(), unpacked["changed"].as_u64()), (Some(0), Some(1)), "{unpacked}");
    let shown = a.json(&["case", "show", &case]).to_string();
    assert!(shown.contains(secret) && shown.contains("桥南卡口有记录"), "{shown}");
    // What lies on a stick besides: junk is passed over, what is cut short or too long is told, and the good one is taken all the same.
    a.json(&["case", "note", &case, "--text", "再记一条"]);
    let packed = a.json(&["bundle", "pack", "--for", &b.name, "--out", path]);
    let file = packed["file"].as_str().expect("a path");
    let name = Path::new(file).file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("accord-") && name.ends_with("-1.bundle") && name.is_ascii(), "{name}");
    let bytes = std::fs::read(file).expect("readable");
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    std::fs::write(stick.join("autorun.inf"), "[autorun]\nopen=x.exe\n").expect("written");
    std::fs::write(stick.join("a-half.bundle"), &bytes[..bytes.len() / 2]).expect("written");
    let sparse = std::fs::File::create(stick.join("b-long.bundle")).expect("made");
    sparse.set_len(1 << 40).expect("a hole of a terabyte");
    std::fs::write(stick.join("c-other.bundle"), [0x41; 4_096]).expect("written");
    b.refused(&["bundle", "unpack", stick.join("a-half.bundle").to_str().expect("plain path")], 1, "bundle_damaged");
    b.refused(&["bundle", "unpack", stick.join("b-long.bundle").to_str().expect("plain path")], 1, "bundle_too_large");
    b.refused(&["bundle", "unpack", stick.join("c-other.bundle").to_str().expect("plain path")], 2, "bundle_foreign");
    a.refused(&["bundle", "unpack", file], 1, "bundle_not_for_us");
    let looked = b.json(&["bundle", "show", file]);
    assert_eq!((looked["documents"].as_u64(), looked["bureau"].as_str().map(str::len)), (Some(1), Some(64)), "{looked}");
    let done = b.cli(&["--json", "bundle", "unpack", path]);
    assert_eq!(done.code, 1, "something was refused: {done:?}");
    let report: Value = serde_json::from_str(done.out.trim()).expect("the report is told all the same");
    assert_eq!((report["ignored"].as_u64(), report["bundles"].as_array().map(Vec::len)), (Some(1), Some(4)), "{report}");
    assert!(b.json(&["case", "show", &case]).to_string().contains("再记一条"));
    // Once more, by a person: nothing new, and nothing on the way lies about.
    let told = b.cli(&["--lang", "zh", "bundle", "unpack", file]);
    assert!(told.code == 0 && told.out.contains("没有新内容"), "{told:?}");
    for bureau in [&a, &b] {
        assert_eq!(std::fs::read_dir(bureau.data.join("bundles")).expect("its folder").count(), 0, "nothing stays behind");
        assert!(!bureau.log().contains("三轮车") && !bureau.log().contains("系列盗窃"), "no case content in a log");
        let partners = bureau.json(&["partner", "list"]).to_string();
        assert!(!partners.contains("\"connected\":true"), "they never met: {partners}");
    }
    b.refused(&["bundle", "unpack", dir.path().to_str().expect("plain path")], 1, "bundle_none");
    a.refused(&["bundle", "pack", "--for", "own-device", "--out", path], 1, "bundle_no_device");
}

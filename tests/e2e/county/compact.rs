//! One text, three bureaus: written, carried, signed with one act each, addressed by name, one pair suspended.

use serde_json::Value;

use crate::harness::{Bureau, GRANTS, now, terms, until};

const NAME: &str = "沿河公约";

fn status(bureau: &Bureau) -> Value {
    bureau.json(&["compact", "status", NAME])
}

/// Waits until so many pairs of a bureau are in force.
fn in_force(bureau: &Bureau, pairs: u64) {
    until(&format!("{pairs} pairs of {} in force", bureau.name), || (status(bureau)["counts"]["in_force"] == pairs).then_some(()));
}

/// Whom a publication to the compact would reach, and the others.
fn reached(bureau: &Bureau) -> (Vec<String>, Vec<String>) {
    let address = format!("compact:{NAME}");
    let told = bureau.json(&["--dry-run", "bulletin", "publish", "--text", "试", "--category", "CRIM.SERIES", "--to", &address]);
    let receivers = told["receivers"].as_array().expect("receivers");
    let names = |will: bool| {
        let mut names: Vec<String> = receivers
            .iter()
            .filter(|receiver| receiver["will_receive"] == will)
            .map(|receiver| receiver["name"].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        names
    };
    (names(true), names(false))
}

fn sorted(of: &[&Bureau]) -> Vec<String> {
    let mut names: Vec<String> = of.iter().map(|bureau| bureau.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn three_bureaus_sign_one_text_and_address_each_other_by_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, mut b, c) =
        (Bureau::open(dir.path(), "甲县公安局"), Bureau::open(dir.path(), "乙县公安局"), Bureau::open(dir.path(), "丙县公安局"));
    for (one, other) in [(&a, &b), (&a, &c), (&b, &a), (&b, &c), (&c, &a)] {
        one.knows(other);
    }

    // The template is a valid file but for its bureaus; what is written names those of this county.
    let template = a.cli(&["--lang", "zh", "compact", "template"]);
    assert!(template.code == 0 && template.out.contains("roster"), "{template:?}");
    let file = a.file("compact.toml");
    let text = terms(now() + 86_400 * 90, GRANTS);
    let written = format!("name = \"{NAME}\"\nroster = [\"{}\", \"{}\"]\n{text}", b.name, c.name);
    std::fs::write(&file, &written).expect("written");
    let (file, letter) = (file.to_str().expect("plain path").to_owned(), a.file("compact.txt"));
    let letter_path = letter.to_str().expect("plain path").to_owned();
    a.refused(&["agreement", "offer", &file, "--to", &b.name, "--yes"], 2, "agreement_file");
    let made = a.json(&["compact", "new", &file, "--out", &letter_path]);
    assert_eq!((made["roster"].as_u64(), made["version"].as_u64()), (Some(3), Some(1)), "{made}");
    a.refused(&["compact", "new", &file, "--yes"], 1, "compact_name_taken");
    a.refused(
        &["bulletin", "publish", "--text", "试", "--category", "CRIM.SERIES", "--to", &format!("compact:{NAME}"), "--yes"],
        1,
        "nobody_in_compact",
    );

    // A partner hears of it over the link, another reads the letter; an altered letter is none.
    until("the compact over the link", || (b.cli(&["--json", "compact", "status", NAME]).code == 0).then_some(()));
    let armoured = std::fs::read_to_string(&letter).expect("the letter");
    let altered = c.file("altered.txt");
    std::fs::write(&altered, armoured.replacen("checksum: ", "checksum: 0", 1)).expect("written");
    c.refused(&["compact", "import", altered.to_str().expect("plain path")], 2, "not_a_compact");
    c.json(&["compact", "import", &letter_path]);
    c.refused(&["compact", "sign", "无此公约", "--yes"], 1, "unknown_compact");

    // What one act would do comes first, and a script must say yes.
    let told = b.json(&["--dry-run", "compact", "sign", NAME]);
    assert!(
        told["pairs"].as_array().is_some_and(|pairs| pairs.iter().all(|pair| pair["effects"]["standing_after"] == "in_force")),
        "{told}"
    );
    c.refused(&["compact", "sign", NAME], 2, "not_a_terminal");
    for bureau in [&c, &a, &b] {
        bureau.json(&["compact", "sign", NAME, "--yes"]);
    }
    // The third bureau has not checked the second's card: its own pair waits, the others stand.
    in_force(&a, 2);
    in_force(&c, 1);
    assert_eq!((status(&c)["counts"]["card"].as_u64(), reached(&c)), (Some(1), (sorted(&[&a]), sorted(&[&b]))));
    c.knows(&b);
    c.json(&["compact", "sign", NAME, "--yes"]);
    for bureau in [&a, &b, &c] {
        in_force(bureau, 2);
    }
    for (lang, word) in [("zh", "生效"), ("en", "in force")] {
        let page = b.cli(&["--lang", lang, "compact", "status", NAME]);
        assert!(page.code == 0 && page.out.contains(word) && page.out.contains(&a.name) && page.out.contains(&c.name), "{page:?}");
    }

    let to = format!("compact:{NAME}");
    let first = a.publishes("协查通报一", &to);
    b.receives(&first);
    c.receives(&first);
    let case = b.json(&["case", "open", "--text", "串案\n\n情况。", "--category", "CRIM.SERIES", "--with", &to, "--yes"]);
    let case = case["id"].as_str().expect("an id").to_owned();
    a.receives(&case);
    c.receives(&case);

    // One pair is suspended: it is off the address, the others go on.
    let pairs = status(&c)["pairs"].clone();
    let with_a = pairs.as_array().and_then(|pairs| pairs.iter().find(|pair| pair["name"] == a.name.as_str())).expect("a pair");
    c.json(&["agreement", "suspend", with_a["agreement"].as_str().expect("an id"), "--reason", "核查", "--yes"]);
    until("the suspension at the first bureau", || (status(&a)["counts"]["suspended"] == 1).then_some(()));
    assert_eq!(reached(&a), (sorted(&[&b]), sorted(&[&c])));
    let second = a.publishes("协查通报二", &to);
    b.receives(&second);
    assert!(c.document(&second).is_none());
    assert_eq!(status(&b)["counts"]["in_force"], 2);

    // All of it is on disk.
    b.kill();
    b.start();
    assert_eq!(status(&b)["counts"]["in_force"], 2);
    assert_eq!(reached_without_login(&b), sorted(&[&a, &c]));
}

/// Members by the status alone: nobody is logged in after a restart.
fn reached_without_login(bureau: &Bureau) -> Vec<String> {
    let mut names: Vec<String> = status(bureau)["pairs"]
        .as_array()
        .expect("pairs")
        .iter()
        .filter(|pair| pair["standing"] == "in_force")
        .map(|pair| pair["name"].as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    names
}

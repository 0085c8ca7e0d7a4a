//! What is given wrongly: keys, settings, cards, words. Each is told with its code and a next step, and leaves everything as it was.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::harness::*;

#[test]
fn a_node_that_must_not_start_says_why_and_starts_once_it_is_corrected() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    let keys = a.data.join("keys/node.keys");

    private(&a.pass("node"), "wrong horse battery");
    a.start_refused(1, "wrong_passphrase");
    private(&a.pass("node"), NODE_PASS);

    for open in [a.pass("node"), keys.clone()] {
        std::fs::set_permissions(&open, Permissions::from_mode(0o644)).expect("ours");
        let problem = a.start_refused(2, "key_file_open");
        assert!(
            problem["params"]["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(open.file_name().expect("a name").to_str().expect("plain")))
        );
        std::fs::set_permissions(&open, Permissions::from_mode(0o600)).expect("ours");
    }

    let sealed = std::fs::read(&keys).expect("readable");
    let mut garbled = sealed.clone();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 1;
    std::fs::write(&keys, &garbled).expect("written");
    a.start_refused(2, "key_file_damaged");
    std::fs::write(&keys, &sealed[..40]).expect("written");
    a.start_refused(2, "key_file_damaged");
    std::fs::write(&keys, &sealed).expect("written");

    let settings = a.data.join("accord.toml");
    let good = std::fs::read_to_string(&settings).expect("readable");
    std::fs::write(&settings, "lisen = []\n").expect("written");
    let problem = a.start_refused(2, "config_unknown_key");
    assert!(problem["next"].as_str().is_some_and(|next| !next.is_empty()), "a next step in JSON too: {problem}");
    assert_eq!((problem["params"]["line"].as_str(), problem["params"]["nearest"].as_str()), (Some("1"), Some("listen")));
    a.refused(&["config", "check"], 2, "config_unknown_key");
    std::fs::write(&settings, &good).expect("written");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    a.run_args = vec!["--listen".to_owned(), taken.local_addr().expect("bound").to_string()];
    a.start_refused(2, "address_in_use");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    a.run_args = vec!["--listen".to_owned(), taken.local_addr().expect("bound").to_string()];
    a.start_refused(2, "address_in_use");
    a.run_args.clear();

    let secrets = a.file("secrets");
    a.env = vec![("SSLKEYLOGFILE".to_owned(), secrets.display().to_string())];
    a.start_refused(2, "keylog_set");
    assert!(!secrets.exists());
    a.env.clear();

    a.start();
    a.start_refused(2, "store_in_use");
    a.login();
    assert_eq!(a.status()["clock"], "good");
    a.stop();
    let nothing = Bureau::laptop(dir.path(), "空");
    nothing.start_refused(2, "not_initialised");
}

#[test]
fn a_wrong_officers_passphrase_opens_nothing_and_many_of_them_are_slowed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    a.start();
    let wrong = private(&a.file("wrong"), "not the horse at all");
    a.refused(&["login", OFFICER, "--passphrase-file", wrong.to_str().expect("plain path")], 1, "wrong_passphrase");
    // The call above tried three times; the sixth within a minute is not even looked at.
    let login = |pass: &std::path::Path| a.cli(&["--json", "login", OFFICER, "--passphrase-file", pass.to_str().expect("plain path")]);
    assert_eq!(
        (login(&wrong).problem_code(), login(&wrong).problem_code()),
        ("wrong_passphrase".to_owned(), "wrong_passphrase".to_owned())
    );
    assert_eq!(login(&a.pass("officer")).problem_code(), "too_many_attempts");
    a.refused(&["login", "无此人", "--passphrase-file", wrong.to_str().expect("plain path")], 1, "unknown_officer");
    assert_eq!(a.json(&["whoami"])["officers"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_card_that_is_damaged_foreign_or_not_the_one_read_out_is_not_taken_in() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = (Bureau::open(dir.path(), "甲县公安局"), Bureau::open(dir.path(), "乙县公安局"));
    let mut far = Bureau::found(dir.path(), "远县公安局", Plan { network: "another-network", ..Plan::default() });
    far.start();
    let card_of = |bureau: &Bureau| {
        bureau.json(&["card", "export", bureau.file("card").to_str().expect("plain path")]);
        std::fs::read_to_string(bureau.file("card")).expect("written")
    };
    let (own, good, foreign) = (card_of(&a), card_of(&b), card_of(&far));
    let try_card = |text: &str, code: &str, exit: i32, expect: &str| {
        let path = a.file("given");
        std::fs::write(&path, text).expect("written");
        a.refused(&["partner", "add", path.to_str().expect("plain path"), "--code", code], exit, expect);
    };
    // One letter in the middle of the armour, another letter of the same alphabet.
    let middle = good.lines().nth(good.lines().count() / 2).expect("a line").to_owned();
    let letter = middle.chars().nth(10).expect("a letter");
    let slip = middle.replacen(letter, if letter == 'A' { "B" } else { "A" }, 1);
    try_card(&good.replacen(&middle, &slip, 1), &b.checking_code, 2, "damaged_card");
    let half: String = good.lines().take(good.lines().count() / 2).collect::<Vec<_>>().join("\n");
    try_card(&half, &b.checking_code, 2, "damaged_card");
    try_card("一张照片", &b.checking_code, 2, "not_a_card");
    try_card(&foreign, &far.checking_code, 1, "foreign_card");
    try_card(&own, &a.checking_code, 2, "own_card");
    // The code of somebody else: what was read out is not what this card says.
    try_card(&good, &a.checking_code, 1, "checking_code_differs");
    let mut swapped = b.checking_code.clone().into_bytes();
    let digit = swapped.iter().rposition(u8::is_ascii_digit).expect("digits");
    swapped[digit] = if swapped[digit] == b'0' { b'1' } else { b'0' };
    try_card(&good, std::str::from_utf8(&swapped).expect("digits"), 1, "checking_code_differs");
    assert_eq!(a.json(&["partner", "list"])["partners"].as_array().map(Vec::len), Some(0), "nothing of it was kept");
    // Without any code a script must say so, and such a card signs nothing.
    a.refused(&["partner", "add", b.file("card").to_str().expect("plain path")], 2, "code_missing");
    a.json(&["partner", "add", b.file("card").to_str().expect("plain path"), "--unchecked"]);
    let file = a.file("terms.toml");
    std::fs::write(&file, terms(now() + 86_400, GRANTS)).expect("written");
    a.refused(&["agreement", "offer", file.to_str().expect("plain path"), "--to", &b.name, "--yes"], 1, "unchecked_card");
    a.knows(&b);
}

#[test]
fn nothing_is_published_beyond_an_agreement_that_both_sealed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = (Bureau::open(dir.path(), "甲县公安局"), Bureau::open(dir.path(), "乙县公安局"));
    a.knows(&b);
    b.knows(&a);
    let publish = |text: &str, category: &'static str, more: &[&str]| {
        let mut line: Vec<String> = ["bulletin", "publish", "--text", text, "--category", category, "--yes"].map(str::to_owned).to_vec();
        line.extend(more.iter().map(|word| (*word).to_owned()));
        line
    };
    let refused = |line: &[String], exit: i32, code: &str| {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        a.refused(&words, exit, code)
    };
    let to_b = ["--to", b.name.as_str()];
    let problem = refused(&publish("通报", "CRIM.SERIES", &to_b), 1, "receiver_not_entitled");
    assert!(problem.to_string().contains(&b.name), "who would not receive is named: {problem}");

    // Offered and never accepted: one-sided.
    let file = a.file("terms.toml");
    std::fs::write(&file, terms(now() + 86_400, GRANTS)).expect("written");
    let offering = ["agreement", "offer", file.to_str().expect("plain path"), "--to", &b.name];
    let sealing = [offering.as_slice(), &["--yes"]].concat();
    a.refused(&offering, 2, "not_a_terminal");
    a.json(&sealing);
    a.refused(&sealing, 1, "offer_stands");
    let offer = standing(&b, "offered_to_us");
    refused(&publish("通报", "CRIM.SERIES", &to_b), 1, "receiver_not_entitled");
    let foreseen = a.json(&["bulletin", "publish", "--text", "通报", "--category", "CRIM.SERIES", "--to", &b.name, "--dry-run"]);
    assert_eq!(foreseen["receivers"][0]["will_receive"], false);
    b.json(&["agreement", "decline", &offer, "--reason", "条款待议", "--yes"]);
    standing(&a, "declined");
    refused(&publish("通报", "CRIM.SERIES", &to_b), 1, "receiver_not_entitled");

    agree(&a, &b, &terms(now() + 86_400, GRANTS));
    refused(&publish("通报", "CRIM.NOSUCH", &to_b), 2, "unknown_category");
    refused(&publish("通报", "CRIM.SERIES", &[]), 2, "empty_audience");
    refused(&publish("通报", "CRIM.PROP", &to_b), 1, "receiver_not_entitled");
    refused(&publish("通报", "CRIM.SERIES", &["--to", &b.name, "--tlp", "RED"]), 1, "receiver_not_entitled");
    refused(&publish("通报", "CRIM.SERIES", &["--to", "丁县公安局"]), 1, "unknown_partner");
    refused(&publish("通报", "CRIM.SERIES", &["--to", &b.name, "--tlp", "PURPLE"]), 2, "unknown_tlp");
    refused(&publish("   ", "CRIM.SERIES", &to_b), 2, "empty_text");

    // Ten megabytes: by the command line, and straight at the API.
    let big = a.file("big.txt");
    std::fs::write(&big, "大".repeat(10 * 1024 * 1024 / 3)).expect("written");
    let line =
        ["bulletin", "publish", "-f", big.to_str().expect("plain path"), "--title", "大", "--category", "CRIM.SERIES", "--to", &b.name];
    a.refused(&line, 2, "text_too_long");
    let draft =
        |text: String| serde_json::json!({"text": {"title": "大", "text": text, "category": "CRIM.SERIES", "subkind": ""}, "to": [b.name]});
    let post = |text: String| a.client().post::<serde_json::Value>("/v1/bulletins", &draft(text), false);
    assert_eq!(post("大".repeat(10 * 1024 * 1024 / 3)).expect_err("too large").code, "body_too_large");
    assert_eq!(post("大".repeat(200_000)).expect_err("too long").code, "text_too_long");
    let pictures = a.file("picture.txt");
    std::fs::write(&pictures, [0xff, 0xd8, 0xff, 0xe0, 0, 0x10]).expect("written");
    let line = ["bulletin", "publish", "-f", pictures.to_str().expect("plain path"), "--category", "CRIM.SERIES", "--to", &b.name];
    a.refused(&line, 2, "text_encoding");

    let good = a.publishes("最后这一份", &b.name);
    b.receives(&good);
    let held = b.json(&["bulletin", "list"]);
    assert_eq!(held["documents"].as_array().map(Vec::len), Some(1), "nothing that was refused was sent: {held}");
    assert_eq!(a.status()["documents"], 1, "nothing that was refused was made");
}

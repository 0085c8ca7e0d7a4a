//! The story, step by step.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use accord_protocol::view::{AgreementView, View};
use serde_json::json;

use super::checks::{self, Canary};
use super::county::{Node, free_port, until};
use super::wire::Cable;
use super::{DemoPlan, Narrator, Outcome};
use crate::client::Client;
use crate::failure::Failure;
use crate::text_input;
use crate::words::Words;

const STEPS: u64 = 9;
/// Entries written by each side while the laptop is away.
const OFFLINE_WRITES: u64 = 12;
/// Acknowledged entries after which B is killed; the burst goes on until it dies.
const BURST_WRITES: usize = 25;
/// How long anything may take to arrive.
const ARRIVE_S: u64 = 90;

/// The texts the demo publishes, as the repository's examples hold them.
const TEXTS: [(&str, &[u8]); 5] = [
    ("theft-series.md", include_bytes!("../../../examples/texts/theft-series.md")),
    ("fire-hazard.md", include_bytes!("../../../examples/texts/fire-hazard.md")),
    ("flood-warning.txt", include_bytes!("../../../examples/texts/flood-warning.txt")),
    ("hit-and-run-vehicle.txt", include_bytes!("../../../examples/texts/hit-and-run-vehicle.txt")),
    ("case-opening.md", include_bytes!("../../../examples/texts/case-opening.md")),
];

/// A write some node acknowledged.
#[derive(Clone, Debug)]
struct Written {
    document: String,
    /// Text that stands in it and nowhere else.
    marker: String,
}

/// A document and who may hold it.
struct Published {
    id: String,
    title: String,
    /// Indices of the nodes that may hold it: 0 A, 1 B, 2 C, 3 the laptop.
    entitled: Vec<usize>,
    markers: Vec<String>,
}

/// Tells the story in `folder`.
///
/// # Errors
/// A step that could not be carried out.
pub fn tell(plan: &DemoPlan, folder: &Path, out: &mut dyn Narrator) -> Result<Outcome, Failure> {
    let words = &plan.words;
    let mut step = 0;
    let mut head = |out: &mut dyn Narrator, key: &str, values: &[(&str, &dyn std::fmt::Display)]| {
        step += 1;
        let text = words.fill(key, values);
        out.line("");
        out.line(&words.fill("demo.step", &[("n", &step), ("total", &STEPS), ("text", &text)]));
    };
    out.line(words.say("demo.title"));
    out.line(words.say("demo.intro"));
    out.line(&words.fill("demo.folder", &[("path", &folder.display())]));
    let texts = folder.join("texts");
    std::fs::create_dir_all(&texts).map_err(|e| Failure::misuse("folder_unwritable").with("path", texts.display()).because(e))?;
    for (name, bytes) in TEXTS {
        std::fs::write(texts.join(name), bytes)
            .map_err(|e| Failure::misuse("folder_unwritable").with("path", texts.display()).because(e))?;
    }

    // 1 Found.
    head(out, "demo.found_head", &[]);
    let port_a = free_port()?;
    let cable = Cable::lay(std::net::SocketAddr::from(([127, 0, 0, 1], port_a)))?;
    let listen = |port: u16| format!("127.0.0.1:{port}");
    let names = ["demo.name_a", "demo.name_b", "demo.name_c"].map(|key| words.say(key).to_owned());
    let plans = [
        ("a", "值班员甲", "510000", cable.address(), listen(port_a)),
        ("b", "值班员乙", "520000", listen(free_port()?), String::new()),
        ("c", "值班员丙", "530000", listen(free_port()?), String::new()),
    ];
    let mut nodes: Vec<Node> = Vec::new();
    for (at, (dir, officer, code, reached, own)) in plans.into_iter().enumerate() {
        out.progress(words.say("demo.progress_keys"), at as u64, 3);
        let own = if own.is_empty() { reached.clone() } else { own };
        let (mut node, sheet) = Node::found(&folder.join(dir), &names[at], officer, code, &reached, &own)?;
        node.start()?;
        let begin: String = sheet.checking_code.chars().take(11).collect();
        out.line(&words.fill("demo.found", &[("bureau", &names[at]), ("code", &begin)]));
        nodes.push(node);
    }
    out.progress(words.say("demo.progress_keys"), 3, 3);
    let laptop_name = words.say("demo.name_laptop").to_owned();
    let code = nodes[0].invite("值班员甲")?;
    let mut laptop = Node::join(&folder.join("laptop"), &laptop_name, "值班员甲", &code)?;
    laptop.start()?;
    out.line(&words.fill("demo.join", &[("laptop", &laptop_name)]));
    nodes.push(laptop);

    // 2 Cards.
    head(out, "demo.cards_head", &[]);
    for (one, other) in [(0, 1), (1, 2)] {
        exchange_cards(&nodes[one], &nodes[other])?;
        exchange_cards(&nodes[other], &nodes[one])?;
        out.line(&words.fill("demo.cards", &[("bureau", &names[one]), ("partner", &names[other])]));
    }
    // A's card names the cable, which is pulled later; B goes round it.
    nodes[1].post(&format!("/v1/partners/{}", crate::client::escape(&names[0])), &json!({ "address": listen(port_a) }))?;

    // 3 Agreements.
    head(out, "demo.agreements_head", &[]);
    for (one, other) in [(0, 1), (1, 2)] {
        let id = agree(&nodes[one], &nodes[other], &names[other])?;
        out.line(&words.fill("demo.agreement", &[("bureau", &names[one]), ("partner", &names[other]), ("id", &&id[..8])]));
    }
    out.line(&words.fill("demo.no_agreement", &[("bureau", &names[0]), ("partner", &names[2])]));

    // 4 Bulletins.
    head(out, "demo.publish_head", &[]);
    let mut acknowledged: Vec<Written> = Vec::new();
    let mut documents: Vec<Published> = Vec::new();
    for (file, category, subkind, from, to) in [
        ("theft-series.md", "CRIM.SERIES", "series", 0_usize, vec![1_usize]),
        ("hit-and-run-vehicle.txt", "TRAF", "vehicle", 0, vec![1]),
        ("fire-hazard.md", "FIRE.HAZ", "hazard", 1, vec![0, 2]),
        ("flood-warning.txt", "FIRE.HAZ", "warning", 1, vec![0, 2]),
    ] {
        let marker = format!("暗记{}", token()?);
        let text = text_input::read(&texts.join(file))?.text;
        let title = text_input::title_of(&text)?;
        let body = json!({
            "text": { "title": title, "text": format!("{text}\n{marker}\n"), "category": category, "subkind": subkind },
            "to": to.iter().map(|at| names[*at].clone()).collect::<Vec<_>>(),
        });
        let id = sent(nodes[from].post("/v1/bulletins", &body)?)?;
        acknowledged.push(Written { document: id.clone(), marker: marker.clone() });
        let begun = jiff::Timestamp::now();
        for at in &to {
            arrived(&nodes[*at], &id, &names[*at])?;
        }
        let millis = begun.until(jiff::Timestamp::now()).map_or(0, |span| span.get_milliseconds() + span.get_seconds() * 1_000);
        match to.as_slice() {
            [one] => out.line(
                &words.fill("demo.publish_one", &[("bureau", &names[from]), ("title", &title), ("file", &file), ("partner", &names[*one])]),
            ),
            [first, second, ..] => out.line(&words.fill(
                "demo.publish_two",
                &[("bureau", &names[from]), ("title", &title), ("file", &file), ("first", &names[*first]), ("second", &names[*second])],
            )),
            [] => {}
        }
        let receivers: Vec<&str> = to.iter().map(|at| names[*at].as_str()).collect();
        out.line(&words.fill("demo.received", &[("bureau", &receivers.join(words.say("demo.between"))), ("millis", &millis)]));
        let mut entitled = vec![from];
        entitled.extend(&to);
        if entitled.contains(&0) {
            entitled.push(3);
        }
        documents.push(Published { id, title, entitled, markers: vec![marker] });
    }

    // 5 A case.
    head(out, "demo.case_head", &[]);
    let marker = format!("暗记{}", token()?);
    let text = text_input::read(&texts.join("case-opening.md"))?.text;
    let title = text_input::title_of(&text)?;
    let body = json!({
        "title": title, "text": format!("{text}\n{marker}\n"), "category": "CRIM.SERIES", "with": [names[1]],
    });
    let case = sent(nodes[0].post("/v1/cases", &body)?)?;
    acknowledged.push(Written { document: case.clone(), marker: marker.clone() });
    out.line(&words.fill("demo.case", &[("bureau", &names[0]), ("partner", &names[1]), ("title", &title)]));
    arrived(&nodes[1], &case, &names[1])?;
    arrived(&nodes[3], &case, &laptop_name)?;
    let mut markers = vec![marker];
    for at in [0, 1] {
        let marker = note(&nodes[at], &case, "note")?;
        out.line(&words.fill("demo.case_note", &[("bureau", &names[at]), ("summary", &marker)]));
        markers.push(marker.clone());
        acknowledged.push(Written { document: case.clone(), marker });
    }

    // 6 The laptop goes offline; both sides write.
    head(out, "demo.offline_head", &[]);
    cable.pull();
    until(words.say("demo.offline_head"), ARRIVE_S, || {
        Ok((!nodes[0].status()?.devices.iter().any(|d| !d.here && d.connected)).then_some(()))
    })?;
    out.line(&words.fill("demo.offline", &[("laptop", &laptop_name)]));
    for round in 0..OFFLINE_WRITES {
        out.progress(words.say("demo.progress_writes"), round, OFFLINE_WRITES);
        for at in [3, 0] {
            let marker = note(&nodes[at], &case, "finding")?;
            markers.push(marker.clone());
            acknowledged.push(Written { document: case.clone(), marker });
        }
    }
    out.progress(words.say("demo.progress_writes"), OFFLINE_WRITES, OFFLINE_WRITES);
    out.line(&words.fill(
        "demo.offline_wrote",
        &[("laptop", &laptop_name), ("laptop_count", &OFFLINE_WRITES), ("bureau", &names[0]), ("bureau_count", &OFFLINE_WRITES)],
    ));

    // 7 B dies in the middle of a burst.
    head(out, "demo.kill_head", &[("bureau", &names[1])]);
    let burst = burst_and_kill(&mut nodes[1], &case, words, out)?;
    markers.extend(burst.iter().map(|written| written.marker.clone()));
    out.line(&words.fill("demo.burst", &[("bureau", &names[1]), ("count", &burst.len())]));
    acknowledged.extend(burst);
    out.line(&words.fill("demo.killed", &[("bureau", &names[1])]));
    let begun = jiff::Timestamp::now();
    nodes[1].start()?;
    let millis = begun.until(jiff::Timestamp::now()).map_or(0, |span| span.get_milliseconds() + span.get_seconds() * 1_000);
    out.line(&words.fill("demo.restarted", &[("bureau", &names[1]), ("millis", &millis)]));
    documents.push(Published { id: case, title, entitled: vec![0, 1, 3], markers });

    // 8 Everyone comes back.
    head(out, "demo.reconnect_head", &[]);
    cable.plug();
    let begun = jiff::Timestamp::now();
    let total = documents.len() as u64;
    let settled = until(words.say("demo.converging"), ARRIVE_S, || {
        let mut same = 0;
        for document in &documents {
            same += u64::from(is_same(&nodes, document)? && holds_all(&nodes, document, &acknowledged)?);
        }
        out.progress(words.say("demo.progress_sync"), same, total);
        Ok((same == total).then_some(()))
    });
    if settled.is_ok() {
        let millis = begun.until(jiff::Timestamp::now()).map_or(0, |span| span.get_milliseconds() + span.get_seconds() * 1_000);
        out.line(&words.fill("demo.converged", &[("millis", &millis)]));
    }

    // 9 The checks.
    head(out, "demo.check_head", &[]);
    let outcome = check(&nodes, &names, &documents, &acknowledged, words, out)?;
    if plan.stay {
        out.line("");
        out.line(words.say("demo.staying"));
        for node in &nodes {
            out.line(&words.fill("demo.stay_line", &[("bureau", &node.name), ("path", &node.data.display())]));
        }
        out.wait_for_end();
    }
    for node in nodes.iter_mut().filter(|node| node.is_running()) {
        node.stop()?;
    }
    Ok(outcome)
}

fn exchange_cards(reader: &Node, owner: &Node) -> Result<(), Failure> {
    let View::Card(card) = owner.get("/v1/card")? else { return Err(Failure::fault("daemon_answer").with("path", "/v1/card")) };
    // The two liaison officers read the code to each other on the phone; here the owner's own screen is the phone.
    reader.post("/v1/partners", &json!({ "card": card.text, "checking_code": card.checking_code }))?;
    Ok(())
}

fn agree(offerer: &Node, acceptor: &Node, partner: &str) -> Result<String, Failure> {
    let now = offerer.status()?.now;
    let both = |category: &str, verbs: &[&str], ceiling: &str| json!({ "direction": "both", "category": category, "verbs": verbs, "tlp_ceiling": ceiling, "onward": "none" });
    let terms = json!({
        "title": "警务与消防协作协议", "from": now, "to": now + 365 * 24 * 3_600, "grace_days": 30,
        "grants": [
            both("CRIM.SERIES", &["append"], "AMBER+STRICT"),
            both("TRAF", &["read"], "AMBER"),
            both("FIRE.HAZ", &["read"], "GREEN"),
        ],
    });
    let View::Agreements { agreements } = offerer.post("/v1/agreements", &json!({ "partner": partner, "terms": terms }))? else {
        return Err(Failure::fault("daemon_answer").with("path", "/v1/agreements"));
    };
    let id = agreements.first().map(|a| a.id.clone()).ok_or_else(|| Failure::fault("daemon_answer").with("path", "/v1/agreements"))?;
    let standing = |node: &Node| -> Result<Option<String>, Failure> {
        match node.get("/v1/agreements")? {
            View::Agreements { agreements } => Ok(agreements.into_iter().find(|a: &AgreementView| a.id == id).map(|a| a.standing)),
            _ => Ok(None),
        }
    };
    until(partner, ARRIVE_S, || Ok(standing(acceptor)?.filter(|s| s == "offered_to_us")))?;
    acceptor.post(&format!("/v1/agreements/{id}/accept"), &json!({}))?;
    for node in [offerer, acceptor] {
        until(partner, ARRIVE_S, || Ok(standing(node)?.filter(|s| s == "in_force")))?;
    }
    Ok(id)
}

fn sent(view: View) -> Result<String, Failure> {
    match view {
        View::Sending(sending) if !sending.id.is_empty() => Ok(sending.id),
        _ => Err(Failure::fault("daemon_answer").with("path", "/v1")),
    }
}

fn arrived(node: &Node, id: &str, what: &str) -> Result<(), Failure> {
    until(what, ARRIVE_S, || Ok(node.document(id)?.filter(|d| !d.heads.is_empty()).map(|_| ())))
}

/// Writes one entry with a marker of its own; returns the marker once the node acknowledged it.
fn note(node: &Node, case: &str, kind: &str) -> Result<String, Failure> {
    let marker = format!("暗记{}", token()?);
    let text = format!("走访沿线商户，调取监控，{marker}");
    node.post(&format!("/v1/cases/{case}/entries"), &json!({ "kind": kind, "text": text }))?;
    Ok(marker)
}

/// Sixteen random hex digits.
fn token() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| Failure::fault("no_random").because(e.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes without pause from another thread and kills the process while it does; returns what it acknowledged.
fn burst_and_kill(node: &mut Node, case: &str, words: &Words, out: &mut dyn Narrator) -> Result<Vec<Written>, Failure> {
    let acknowledged: Arc<Mutex<Vec<Written>>> = Arc::default();
    let (enough, wait) = mpsc::sync_channel(BURST_WRITES);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (acknowledged, stop, case) = (Arc::clone(&acknowledged), Arc::clone(&stop), case.to_owned());
        let client = Client::new(node.data.join("run").join("api.sock"))?;
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let Ok(token) = token() else { break };
                let marker = format!("暗记{token}");
                let body = json!({ "kind": "note", "text": format!("连续记录，{marker}") });
                // The node is expected to die in one of these calls; what it did not answer does not count.
                if client.post::<View>(&format!("/v1/cases/{case}/entries"), &body, false).is_err() {
                    break;
                }
                let mut held = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                held.push(Written { document: case.clone(), marker });
                let _ = enough.try_send(held.len());
            }
        })
    };
    let total = BURST_WRITES as u64;
    while let Ok(count) = wait.recv() {
        out.progress(words.say("demo.progress_writes"), (count as u64).min(total), total);
        if count >= BURST_WRITES {
            break;
        }
    }
    node.kill()?;
    stop.store(true, Ordering::SeqCst);
    if writer.join().is_err() {
        return Err(Failure::fault("demo_writer"));
    }
    let held = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if held.len() < BURST_WRITES {
        return Err(Failure::fault("demo_burst").with("count", held.len()));
    }
    Ok(held)
}

fn is_same(nodes: &[Node], document: &Published) -> Result<bool, Failure> {
    let mut shown = BTreeSet::new();
    for at in &document.entitled {
        match nodes[*at].document(&document.id)? {
            Some(view) if !view.cannot_show => {
                shown.insert((view.content_hash, view.heads, view.text));
            }
            _ => return Ok(false),
        }
    }
    Ok(shown.len() == 1)
}

fn holds_all(nodes: &[Node], document: &Published, acknowledged: &[Written]) -> Result<bool, Failure> {
    for at in &document.entitled {
        if missing_at(&nodes[*at], &document.id, acknowledged)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many acknowledged writes of a document a node does not show.
fn missing_at(node: &Node, id: &str, acknowledged: &[Written]) -> Result<u64, Failure> {
    let expected = acknowledged.iter().filter(|written| written.document == id);
    let Some(view) = node.document(id)? else { return Ok(expected.count() as u64) };
    Ok(expected.filter(|w| !view.text.contains(&w.marker) && !view.entries.iter().any(|e| e.text.contains(&w.marker))).count() as u64)
}

fn check(
    nodes: &[Node],
    names: &[String; 3],
    documents: &[Published],
    acknowledged: &[Written],
    words: &Words,
    out: &mut dyn Narrator,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome { bureaus: 3, laptops: 1, converged: true, acknowledged: acknowledged.len() as u64, ..Outcome::default() };
    for document in documents {
        let holders: Vec<&str> = document.entitled.iter().map(|at| nodes[*at].name.as_str()).collect();
        if is_same(nodes, document)? {
            out.line(&words.fill("demo.check_same", &[("title", &document.title), ("bureaus", &holders.join(words.say("demo.between")))]));
        } else {
            outcome.converged = false;
            out.line(&words.fill("demo.failed_same", &[("title", &document.title), ("bureau", &holders.join(words.say("demo.between")))]));
        }
        if let Some(view) = nodes[document.entitled[0]].document(&document.id)? {
            outcome.documents += 1;
            outcome.changes += view.line.changes;
        }
        let lost = document.entitled.iter().map(|at| missing_at(&nodes[*at], &document.id, acknowledged)).collect::<Result<Vec<_>, _>>()?;
        outcome.lost += lost.into_iter().max().unwrap_or(0);
    }

    // C may hold what B gave it and nothing of what passed between A and B.
    let mut secret: BTreeSet<Canary> = BTreeSet::new();
    let mut known: BTreeSet<Canary> = BTreeSet::new();
    for document in documents {
        let Some(view) = nodes[document.entitled[0]].document(&document.id)? else { continue };
        let found = checks::canaries(&view, &document.markers);
        if document.entitled.contains(&2) { known.extend(found) } else { secret.extend(found) }
    }
    secret = secret.difference(&known).cloned().collect();
    let mut progress = |searched: u64| out.progress(words.say("demo.progress_search"), searched, u64::MAX);
    let mut leaked = 0;
    let mut searched = 0;
    let to = nodes[2].transport.clone();
    let journal = checks::search_journal(&nodes[2], &secret, &mut progress)?;
    leaked += journal.leaked;
    searched += journal.searched;
    for node in nodes {
        let frames = checks::search_tap(&node.data.join("tap"), &to, &secret, &mut progress)?;
        leaked += frames.leaked;
        searched += frames.searched;
    }
    // A search that could not find anything proves nothing: the same search must find these canaries where they belong.
    let control = checks::search_journal(&nodes[1], &secret, &mut progress)?.leaked;
    let control_tap = checks::search_tap(&nodes[0].data.join("tap"), &nodes[1].transport, &secret, &mut progress)?.leaked;
    let control_c = checks::search_journal(&nodes[2], &known, &mut progress)?.leaked;
    out.progress(words.say("demo.progress_search"), u64::MAX, u64::MAX);
    if control == 0 || control_tap == 0 || control_c == 0 || searched == 0 {
        return Err(Failure::fault("demo_search"));
    }
    outcome.leaked_bytes = leaked;
    if leaked == 0 {
        let values: &[(&str, &dyn std::fmt::Display)] =
            &[("bureau", &names[2]), ("first", &names[0]), ("second", &names[1]), ("canaries", &secret.len()), ("bytes", &searched)];
        out.line(&words.fill("demo.check_leak", values));
    } else {
        out.line(&words.fill("demo.failed_leak", &[("bureau", &names[2]), ("bytes", &leaked)]));
    }
    if outcome.lost == 0 {
        out.line(&words.fill("demo.check_acknowledged", &[("count", &outcome.acknowledged)]));
    } else {
        out.line(&words.fill("demo.failed_lost", &[("lost", &outcome.lost)]));
    }
    Ok(outcome)
}

//! What a proof states, in sentences: who, under what, in which order, what does not count, and what only people can check.

use std::collections::BTreeMap;

use accord_protocol::proof::{EntryStated, ProofStatement, RecordStated};

use super::{category, clean, clean_lines, joined, line, short, time, tlp};
use crate::words::Words;

/// Names of bureaus and seats of members, as the file itself states them.
struct Names<'a> {
    bureaus: BTreeMap<&'a str, &'a str>,
    members: BTreeMap<&'a str, (&'a str, &'a [String], &'a str)>,
    records: BTreeMap<&'a str, u32>,
}

/// The whole statement.
pub(in crate::cli) fn proof(found: &ProofStatement, words: &Words) -> String {
    let names = Names {
        bureaus: found.bureaus.iter().map(|bureau| (bureau.bureau.as_str(), bureau.name.as_str())).collect(),
        members: found
            .certificates
            .iter()
            .map(|member| (member.certificate.as_str(), (member.bureau.as_str(), member.seats.as_slice(), member.revoked.as_str())))
            .collect(),
        records: found.records.iter().map(|record| (record.record.as_str(), record.index)).collect(),
    };
    let mut text = line(words.say("proof.stands"));
    text += &line(&words.fill(
        "proof.head",
        &[
            ("kind", &words.term("kind", &found.kind)),
            ("number", &clean(&found.number)),
            ("id", &found.document),
            ("owner", &names.bureau(&found.owner)),
            ("created", &time(found.created)),
        ],
    ));
    text += &line(&words.fill("document.class", &[("category", &category(&found.category, words)), ("tlp", &tlp(&found.tlp, words))]));
    let last = found.records.iter().map(|record| record.index).max().unwrap_or(0);
    text += &line(&words.fill("proof.log_head", &[("index", &last), ("id", &short(&found.log_head))]));
    if found.log_forked {
        text += &line(words.say("proof.log_forked"));
    }
    if !found.ended.is_empty() {
        text += &line(&words.fill("proof.ended", &[("how", &words.term("ended", &found.ended))]));
    }
    text += "\n";
    text += &line(words.say("proof.codes"));
    for bureau in &found.bureaus {
        for root in &bureau.roots {
            text += &line(&words.fill("proof.root", &[("bureau", &clean(&bureau.name)), ("version", &root.version)]));
            text += &super::checking_code(&root.checking_code);
        }
    }
    if !found.agreements.is_empty() {
        text += "\n";
    }
    for agreement in &found.agreements {
        text += &line(&if agreement.whole {
            words.fill(
                "proof.agreement",
                &[
                    ("id", &short(&agreement.agreement)),
                    ("version", &agreement.version),
                    ("title", &clean(&agreement.title)),
                    ("one", &names.bureau(&agreement.offerer)),
                    ("other", &names.bureau(&agreement.acceptor)),
                    ("from", &time(agreement.from)),
                    ("to", &time(agreement.to)),
                ],
            )
        } else {
            words.fill("proof.agreement_by_hash", &[("id", &agreement.agreement)])
        });
    }
    text += "\n";
    text += &line(words.say("proof.records"));
    for record in &found.records {
        text += &line(&format!("  {}", record_line(record, &names, words)));
    }
    if !found.text.trim().is_empty() {
        text += "\n";
        text += &clean_lines(&found.text);
    }
    for entry in &found.entries {
        text += "\n";
        text += &entry_lines(entry, &names, words);
    }
    text += "\n";
    let provisional = found.changes.iter().filter(|change| change.settled_by.is_empty()).count();
    text += &line(&words.fill("proof.changes", &[("changes", &found.changes.len()), ("provisional", &provisional)]));
    for held in &found.held {
        let why = match names.records.get(held.cut.as_str()) {
            Some(index) => words.fill("proof.held_cut", &[("index", index)]),
            None => words.term("held_why", &held.why),
        };
        let who = names.member(&held.certificate, words);
        text += &line(&words.fill("proof.held", &[("change", &short(&held.change)), ("who", &who), ("why", &why)]));
    }
    for fork in &found.forks {
        let who = names.member(&fork.certificate, words);
        text += &line(&words.fill("proof.fork", &[("who", &who), ("position", &fork.position)]));
    }
    for member in found.certificates.iter().filter(|member| !member.revoked.is_empty()) {
        let who = names.member(&member.certificate, words);
        text += &line(&words.fill("proof.revoked", &[("who", &who), ("how", &words.term("revoked", &member.revoked))]));
    }
    text + &line(words.say("proof.by_people"))
}

impl Names<'_> {
    fn bureau(&self, id: &str) -> String {
        self.bureaus.get(id).map_or_else(|| short(id), |name| clean(name))
    }

    fn member(&self, certificate: &str, words: &Words) -> String {
        match self.members.get(certificate) {
            Some((bureau, seats, _)) => format!("{} · {} · {}", self.bureau(bureau), joined(seats, words), short(certificate)),
            None => short(certificate),
        }
    }
}

fn record_line(found: &RecordStated, names: &Names<'_>, words: &Words) -> String {
    let grantees: Vec<String> =
        found.grantees.iter().map(|one| format!("{} {}", names.bureau(&one.bureau), words.term("verb", &one.verb))).collect();
    let mut said = grantees.join(", ");
    if !found.subject.is_empty() {
        let mut parts = found.subject.splitn(3, ' ');
        let (word, id, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let verbs: Vec<String> = found.verbs.iter().map(|verb| words.term("verb", verb)).collect();
        said = format!("{} {} {} {}", words.term("subject", word), names.bureau(id), clean(name), verbs.join(", "));
    }
    if !found.tlp.is_empty() {
        said = tlp(&found.tlp, words);
    }
    if !found.reason.is_empty() {
        said = words.find(&format!("ended.{}", found.reason)).map_or_else(|| clean(&found.reason), str::to_owned);
    }
    if !found.voids.is_empty() {
        let changes: Vec<String> = found.voids.iter().map(|change| short(change)).collect();
        said = format!("{} ({said})", changes.join(", "));
    }
    let by = if found.ordered_by.is_empty() { &found.by } else { &found.ordered_by };
    words.fill(
        "proof.record",
        &[
            ("index", &found.index),
            ("kind", &words.term("record", &found.kind)),
            ("time", &time(found.at)),
            ("who", &names.member(by, words)),
            ("said", &said),
        ],
    )
}

fn entry_lines(found: &EntryStated, names: &Names<'_>, words: &Words) -> String {
    let state = match names.records.get(found.settled_by.as_str()) {
        Some(index) => words.fill("proof.settled_by", &[("index", index)]),
        None => words.say("word.provisional").to_owned(),
    };
    let state = match names.records.get(found.voided_by.as_str()) {
        Some(index) => format!("{state} · {}", words.fill("proof.voided_by", &[("index", index)])),
        None => state,
    };
    let mut text = line(&words.fill(
        "proof.entry",
        &[
            ("kind", &words.term("entry", &found.kind)),
            ("bureau", &names.bureau(&found.bureau)),
            ("seat", &clean(&found.seat)),
            ("certificate", &short(&found.certificate)),
            ("time", &time(found.signed_at)),
            ("state", &state),
        ],
    ));
    if !found.agreement.is_empty() {
        text += &line(&words.fill("proof.under", &[("id", &short(&found.agreement))]));
    }
    if !found.reentered_by.is_empty() {
        let who = names.member(&found.reentered_by, words);
        text += &line(&words.fill("proof.reentered", &[("who", &who), ("change", &short(&found.reentered_in))]));
    }
    if !found.title.is_empty() {
        text += &line(&clean(&found.title));
    }
    text + &clean_lines(&found.text)
}

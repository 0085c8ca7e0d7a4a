//! Files of a document in words.

use accord_protocol::view::{AttestedView, FileView, FilesView};

use super::table::Table;
use super::{clean, line, or_short, progress, short, time};
use crate::words::Words;

/// The files of one document.
pub(super) fn files(found: &FilesView, words: &Words) -> String {
    let head = line(&words.fill("file.head", &[("number", &or_short(&found.number, &found.document))]));
    if found.files.is_empty() {
        return head + &line(words.say("file.none"));
    }
    let mut table = Table::new(words, &["id", "file", "size", "state", "from_whom", "time"]);
    for file in &found.files {
        table.row([
            short(&file.id),
            name(file, words),
            size(file),
            state(file, words),
            or_short(&file.bureau_name, &file.bureau),
            time(file.signed_at),
        ]);
    }
    let mut text = head + &table.text();
    for file in found.files.iter().filter(|file| file.state == "erased") {
        text += &line(&erased(file, words));
    }
    text
}

/// One file on a line of its own, beside what else a document says.
pub(super) fn beside(file: &FileView, words: &Words) -> String {
    line(&words.fill(
        "file.beside",
        &[("id", &short(&file.id)), ("name", &name(file, words)), ("size", &size(file)), ("state", &state(file, words))],
    ))
}

/// Who said that what was erased is gone there too.
pub(super) fn attested(found: &AttestedView, words: &Words) -> String {
    let mut text = words.fill("file.attested", &[("count", &found.attested), ("of", &found.of)]);
    if !found.waits.is_empty() {
        let names: Vec<String> = found.waits.iter().map(|name| clean(name)).collect();
        text += &words.fill("file.attested_waits", &[("names", &names.join(", "))]);
    }
    text
}

fn name(file: &FileView, words: &Words) -> String {
    if file.name.is_empty() { words.say("file.unnamed").to_owned() } else { clean(&file.name) }
}

fn size(file: &FileView) -> String {
    if file.name.is_empty() { "–".to_owned() } else { progress::size(file.size) }
}

fn state(file: &FileView, words: &Words) -> String {
    let state = words.term("file_state", &file.state);
    if file.state == "coming" && file.parts > 1 { format!("{state} {}/{}", file.here, file.parts) } else { state }
}

fn erased(file: &FileView, words: &Words) -> String {
    let values: [(&str, &dyn std::fmt::Display); 3] =
        [("id", &short(&file.id)), ("time", &time(file.erased_at)), ("by", &clean(&file.erased_by))];
    let mut text = words.fill("file.erased", &values);
    if let Some(found) = &file.attested {
        // Between sentences Chinese has no blank.
        if text.ends_with('.') {
            text.push(' ');
        }
        text += &attested(found, words);
    }
    text
}

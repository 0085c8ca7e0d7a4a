//! `accord file`: files beside a document's history, put there, fetched and listed. What erases them is `accord access erase`.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use accord_keys::armour::{decode_base64, encode_base64};
use accord_protocol::limits;
use accord_protocol::part::safe_name;
use accord_protocol::view::{FileView, PieceView, View};
use clap::Subcommand;
use serde_json::{Value, json};

use super::progress::Bar;
use super::sending::tell;
use super::{Context, ask, render};
use crate::client::{Client, escape};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum FileVerb {
    Add {
        document: String,
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_name = "TYPE")]
        media: Option<String>,
    },
    Get {
        document: String,
        #[arg(value_name = "NAME|PART")]
        file: String,
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    List {
        document: String,
    },
}

pub(super) fn run(verb: FileVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        FileVerb::Add { document, file, name, media } => add(cx, &document, &file, name, media),
        FileVerb::Get { document, file, out } => {
            cx.no_dry_run()?;
            get(cx, &document, &file, out)
        }
        FileVerb::List { document } => {
            cx.out.view(&cx.client()?.get(&path(&document, "files"))?);
            Ok(())
        }
    }
}

fn path(document: &str, what: &str) -> String {
    format!("/v1/documents/{}/{what}", escape(document))
}

/// Media types by the usual endings of files; what is not listed goes without one.
const MEDIA: [(&str, &str); 16] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("zip", "application/zip"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ofd", "application/ofd"),
];

fn media_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    MEDIA.iter().find(|(known, _)| *known == ending).map_or("", |(_, media)| media)
}

fn add(cx: &Context, document: &str, file: &Path, name: Option<String>, media: Option<String>) -> Result<(), Failure> {
    let told = file.display().to_string();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::misuse("file_not_found").with("path", &told),
        _ => Failure::misuse("file_unreadable").with("path", &told).because(error),
    };
    let facts = std::fs::metadata(file).map_err(unreadable)?;
    if !facts.is_file() {
        return Err(Failure::misuse("file_unreadable").with("path", &told));
    }
    if facts.len() > limits::FILE_BYTES_MAX {
        return Err(Failure::misuse("file_too_large").with("most", limits::FILE_BYTES_MAX));
    }
    let mut from = std::fs::File::open(file).map_err(unreadable)?;
    let own = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = name.or(own).ok_or_else(|| Failure::misuse("bad_file_name").with("most", limits::FILE_NAME_BYTES_MAX))?;
    let media = media.unwrap_or_else(|| media_of(&name).to_owned());
    let client = cx.client()?;
    let attach = |upload: Option<&str>, dry_run: bool| -> Result<View, Failure> {
        client.post(&path(document, "files"), &json!({ "upload": upload, "name": name, "media": media }), dry_run)
    };
    // Nothing is laid down for a name, a person or a document that would be refused.
    let foreseen = attach(None, true)?;
    if cx.globals.dry_run {
        tell(cx, &foreseen, None);
        return Ok(());
    }
    if cx.out.person() && !cx.globals.yes {
        cx.out.note(&render::view(&foreseen, &cx.words));
        ask::confirm(cx)?;
    }
    let mut bar = Bar::new(cx, cx.words.say("file.laying_down"));
    let mut upload: Option<String> = None;
    let mut done = 0;
    loop {
        let mut piece = Vec::with_capacity(limits::PIECE_BYTES);
        Read::by_ref(&mut from).take(limits::PIECE_BYTES as u64).read_to_end(&mut piece).map_err(unreadable)?;
        if piece.is_empty() {
            break;
        }
        done += piece.len() as u64;
        let body = json!({ "upload": upload, "bytes": encode_base64(&piece) });
        let answer: View = client.post(&path(document, "pieces"), &body, false)?;
        let View::Piece(PieceView { upload: laid, .. }) = answer else {
            return Err(Failure::fault("daemon_answer").with("path", path(document, "pieces")));
        };
        upload = Some(laid);
        bar.at(done, facts.len().max(done));
    }
    bar.end();
    let view = attach(upload.as_deref(), false)?;
    let file = if let View::Sending(sent) = &view { render::short(&sent.file) } else { String::new() };
    tell(cx, &view, Some(&cx.words.fill("file.added", &[("id", &file), ("size", &render::size(done))])));
    Ok(())
}

/// The one file that a word means: its name, or the first digits of its id.
fn chosen<'a>(files: &'a [FileView], word: &str) -> Result<&'a FileView, Failure> {
    let by_name: Vec<&FileView> = files.iter().filter(|file| file.name == word).collect();
    let lower = word.to_ascii_lowercase();
    let by_id = || files.iter().filter(|file| lower.len() >= 4 && file.id.starts_with(&lower)).collect();
    let found: Vec<&FileView> = if by_name.is_empty() { by_id() } else { by_name };
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::not_found("unknown_file")),
        several => {
            let ids: Vec<String> = several.iter().map(|file| render::short(&file.id)).collect();
            Err(Failure::misuse("ambiguous_name").with("candidates", ids.join(", ")))
        }
    }
}

fn get(cx: &Context, document: &str, word: &str, out: Option<PathBuf>) -> Result<(), Failure> {
    let client = cx.client()?;
    let from = path(document, "files");
    let View::Files(view) = client.get(&from)? else { return Err(Failure::fault("daemon_answer").with("path", from)) };
    let file = chosen(&view.files, word)?;
    let id = render::short(&file.id);
    match file.state.as_str() {
        "here" => {}
        "erased" => return Err(Failure::refused("file_erased").with("id", id)),
        "unreadable" => return Err(Failure::refused("file_unreadable_here").with("id", id)),
        _ => return Err(Failure::refused("file_not_here").with("id", id)),
    }
    // What its author called it is no path: only an ordinary name goes into a folder.
    let name = safe_name(&file.name, &id);
    let out = match out {
        None => PathBuf::from(name),
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(out) => out,
    };
    let told = out.display().to_string();
    let unwritten = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::misuse("file_exists").with("path", &told),
        _ => Failure::misuse("file_not_written").with("path", &told).because(error),
    };
    let mut to = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&out).map_err(unwritten)?;
    let written = copy(cx, &client, document, file, &mut |bytes| to.write_all(bytes).map_err(unwritten))
        .and_then(|()| to.sync_all().map_err(unwritten));
    if let Err(failure) = written {
        // Half a file is none.
        let _ = std::fs::remove_file(&out);
        return Err(failure);
    }
    let result = json!({ "document": view.document, "file": file.id, "out": told, "bytes": file.size });
    cx.out.result(&result, &cx.words.fill("file.written", &[("file", &told), ("size", &render::size(file.size))]));
    Ok(())
}

/// Hands over a file's pieces in order.
fn copy(
    cx: &Context,
    client: &Client,
    document: &str,
    file: &FileView,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut bar = Bar::new(cx, cx.words.say("file.fetching"));
    let mut done = 0;
    for number in 0.. {
        if done >= file.size {
            break;
        }
        let from = format!("{}?piece={number}", path(document, &format!("files/{}", file.id)));
        let wrong = || Failure::fault("daemon_answer").with("path", &from);
        let View::Piece(piece) = client.get(&from)? else { return Err(wrong()) };
        let bytes = decode_base64(&piece.bytes).filter(|bytes| !bytes.is_empty()).ok_or_else(wrong)?;
        done += bytes.len() as u64;
        each(&bytes)?;
        bar.at(done, file.size);
    }
    bar.end();
    Ok(())
}

/// What an order to erase says.
pub(super) fn erasure(files: &[String]) -> Value {
    json!({ "files": files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<FileView> {
        let file = |id: &str, name: &str| FileView { id: id.to_owned(), name: name.to_owned(), ..FileView::default() };
        vec![file("aaaa01", "照片.jpg"), file("aaaa02", "两份.pdf"), file("bbbb03", "两份.pdf"), file("cccc04", "aaaa")]
    }

    #[test]
    fn a_file_is_meant_by_its_name_or_the_first_digits_of_its_id() {
        let files = files();
        let check = |word: &str, expect: Result<&str, &str>| {
            let found = chosen(&files, word);
            assert_eq!(found.as_ref().map(|file| file.id.as_str()).map_err(|failure| failure.code.as_str()), expect, "{word}");
        };
        check("照片.jpg", Ok("aaaa01"));
        check("AAAA02", Ok("aaaa02"));
        check("aaaa", Ok("cccc04"));
        check("aaaa0", Err("ambiguous_name"));
        check("两份.pdf", Err("ambiguous_name"));
        check("bbb", Err("unknown_file"));
        check("", Err("unknown_file"));
    }

    #[test]
    fn usual_endings_say_what_a_file_is() {
        assert_eq!(
            (media_of("现场.JPG"), media_of("a.tar.zip"), media_of("none"), media_of("x.exe")),
            ("image/jpeg", "application/zip", "", "")
        );
        assert!(MEDIA.iter().all(|(_, media)| accord_protocol::part::is_media(media)));
    }
}

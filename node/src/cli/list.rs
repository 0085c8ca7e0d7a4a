//! Lists of documents, page by page: the newest, as many as asked for, or all.

use std::collections::BTreeMap;

use accord_protocol::limits::LIST_PAGE_MAX;
use accord_protocol::view::{DocumentLine, View};
use clap::Args;

use super::Context;
use crate::client::Client;
use crate::failure::Failure;

/// What people are shown unless they ask for more; programs are given everything.
const SHOWN: usize = 200;
/// How often a list is read again from its beginning because documents changed meanwhile.
const AGAIN_MAX: usize = 16;

#[derive(Debug, Default, Args)]
pub(super) struct PageArgs {
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "all")]
    limit: Option<u32>,
    #[arg(long)]
    all: bool,
}

impl PageArgs {
    /// How many are wanted.
    pub(super) fn wanted(&self, cx: &Context) -> usize {
        match self.limit {
            Some(limit) => limit as usize,
            None if self.all || cx.globals.json => usize::MAX,
            None => SHOWN,
        }
    }
}

/// Shows a list. Whoever is shown a part of it is told so.
pub(super) fn list(cx: &Context, path: &str, page: &PageArgs) -> Result<(), Failure> {
    let client = cx.client()?;
    let wanted = page.wanted(cx);
    let mut found = Found::default();
    let next = found.read(&client, path, wanted, 0)?;
    // What changed while later pages were read came to stand before the first one: it is looked up there. A first reading that brought nothing may
    // have missed all there is.
    for again in 0..AGAIN_MAX {
        if found.pages < 2 || (again > 0 && !found.grew) {
            break;
        }
        let newest = found.newest;
        found.read(&client, path, usize::MAX, newest)?;
    }
    let mut documents: Vec<DocumentLine> = found.lines.into_values().collect();
    documents.sort_unstable_by_key(|line| std::cmp::Reverse(line.sequence));
    let more = next.is_some() || documents.len() > wanted;
    documents.truncate(wanted);
    let shown = documents.len();
    let next = if more { documents.last().map(|line| line.sequence) } else { None };
    cx.out.view(&View::Documents { documents, next });
    if more {
        cx.out.note(&cx.words.fill("document.more", &[("shown", &shown)]));
    }
    Ok(())
}

/// What was read so far, by document.
#[derive(Default)]
struct Found {
    lines: BTreeMap<String, DocumentLine>,
    pages: usize,
    newest: u64,
    /// The last reading brought something.
    grew: bool,
}

impl Found {
    /// Reads pages from the first on, until there are as many as wanted or what comes is not newer than `after`. Where older ones would follow.
    fn read(&mut self, client: &Client, path: &str, wanted: usize, after: u64) -> Result<Option<u64>, Failure> {
        let (mut next, mut count) = (None, 0);
        self.grew = false;
        loop {
            let limit = LIST_PAGE_MAX.min(wanted.saturating_sub(count)).max(1);
            let before = next.map(|next: u64| format!("&before={next}")).unwrap_or_default();
            let View::Documents { documents, next: more } = client.get(&format!("{path}?limit={limit}{before}"))? else {
                return Err(Failure::fault("daemon_answer").with("path", path));
            };
            self.pages += 1;
            count += documents.len();
            for line in documents.into_iter().filter(|line| line.sequence > after) {
                self.newest = self.newest.max(line.sequence);
                self.grew = true;
                self.lines.insert(line.id.clone(), line);
            }
            next = more;
            if next.is_none_or(|next| next <= after) || count >= wanted {
                return Ok(if after == 0 { next } else { None });
            }
        }
    }
}

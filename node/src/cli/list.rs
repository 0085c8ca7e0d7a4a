//! Lists of documents, page by page: the newest, as many as asked for, or all.

use accord_protocol::limits::LIST_PAGE_MAX;
use accord_protocol::view::{DocumentLine, View};
use clap::Args;

use super::Context;
use crate::failure::Failure;

/// What people are shown unless they ask for more.
const SHOWN: usize = 200;

#[derive(Debug, Default, Args)]
pub(super) struct PageArgs {
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "all")]
    limit: Option<u32>,
    #[arg(long)]
    all: bool,
}

/// Shows a list. Whoever is shown a part of it is told so.
pub(super) fn list(cx: &Context, path: &str, page: &PageArgs) -> Result<(), Failure> {
    let client = cx.client()?;
    let wanted = match page.limit {
        Some(limit) => limit as usize,
        None if page.all => usize::MAX,
        None => SHOWN,
    };
    let mut found: Vec<DocumentLine> = Vec::new();
    let mut next = None;
    loop {
        let limit = LIST_PAGE_MAX.min(wanted - found.len());
        let before = next.map(|next: u64| format!("&before={next}")).unwrap_or_default();
        match client.get(&format!("{path}?limit={limit}{before}"))? {
            View::Documents { documents, next: more } => {
                found.extend(documents);
                next = more;
            }
            other => {
                cx.out.view(&other);
                return Ok(());
            }
        }
        if next.is_none() || found.len() >= wanted {
            break;
        }
    }
    let shown = found.len();
    cx.out.view(&View::Documents { documents: found, next });
    if next.is_some() {
        cx.out.note(&cx.words.fill("document.more", &[("shown", &shown)]));
    }
    Ok(())
}

//! `accord ledger`: what we and a partner state to each other, and what both count differently.

use accord_protocol::view::View;
use clap::Subcommand;

use super::Context;
use super::list::PageArgs;
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum LedgerVerb {
    Show {
        #[arg(value_name = "PARTNER")]
        partner: String,
        #[command(flatten)]
        page: PageArgs,
    },
    Diff {
        #[arg(value_name = "PARTNER")]
        partner: String,
        #[arg(value_name = "YYYY-MM")]
        month: String,
    },
}

pub(super) fn run(verb: LedgerVerb, cx: &Context) -> Result<(), Failure> {
    let path = match verb {
        LedgerVerb::Show { partner, page } => format!("/v1/partners/{}/ledger?limit={}", escape(&partner), page.wanted(cx)),
        LedgerVerb::Diff { partner, month } => format!("/v1/partners/{}/ledger/diff?month={}", escape(&partner), escape(&month)),
    };
    let view: View = cx.client()?.get(&path)?;
    cx.out.view(&view);
    Ok(())
}

//! `accord case`: threads that several bureaus write.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::ask::TextArgs;
use super::bulletin::DraftArgs;
use super::list::{PageArgs, list};
use super::sending::{Ask, act, act_and_tell, tell};
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum CaseVerb {
    Open {
        #[command(flatten)]
        draft: DraftArgs,
        #[arg(long = "with", value_name = "NAME,NAME", value_delimiter = ',')]
        with: Vec<String>,
    },
    Continue {
        id: String,
        #[command(flatten)]
        draft: DraftArgs,
        #[arg(long = "with", value_name = "NAME,NAME", value_delimiter = ',')]
        with: Vec<String>,
    },
    Note {
        id: String,
        #[command(flatten)]
        text: TextArgs,
        #[arg(long, default_value = "note", value_parser = ["note", "finding", "minutes"], hide_possible_values = true, hide_default_value = true)]
        kind: String,
    },
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    Show {
        id: String,
    },
}

pub(super) fn run(verb: CaseVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        CaseVerb::Open { draft, with } => open(cx, draft.read(cx)?, &with, None),
        CaseVerb::Continue { id, draft, with } => open(cx, draft.read_upon_another(cx, with.is_empty())?, &with, Some(&id)),
        CaseVerb::Note { id, text, kind } => {
            let body = json!({ "kind": kind, "text": text.read(cx)?.text });
            let view = act(cx, &format!("/v1/cases/{}/entries", escape(&id)), &body, Ask::Never)?;
            tell(cx, &view, Some(cx.words.say("case.noted")));
            Ok(())
        }
        CaseVerb::List { page } => list(cx, "/v1/cases", &page),
        CaseVerb::Show { id } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/documents/{}", escape(&id)))?);
            Ok(())
        }
    }
}

fn open(cx: &Context, mut body: Value, with: &[String], continues: Option<&str>) -> Result<(), Failure> {
    if let Value::Object(fields) = &mut body {
        fields.remove("subkind");
        fields.insert("with".to_owned(), json!(with));
        fields.insert("continues".to_owned(), json!(continues));
    }
    act_and_tell(cx, "/v1/cases", &body, Ask::Person, None)
}

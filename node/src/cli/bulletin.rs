//! `accord bulletin`: what one bureau tells others.

use accord_protocol::view::View;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::ask::TextArgs;
use super::list::{PageArgs, list};
use super::sending::{Ask, act_and_tell};
use crate::client::escape;
use crate::failure::Failure;
use crate::text_input;

#[derive(Debug, Subcommand)]
pub(super) enum BulletinVerb {
    New {
        #[command(flatten)]
        draft: DraftArgs,
    },
    Publish {
        id: Option<String>,
        #[command(flatten)]
        draft: DraftArgs,
        #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
        to: Vec<String>,
        #[arg(long)]
        open: bool,
    },
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    Show {
        id: String,
    },
}

// A bulletin or thread as typed.
#[derive(Debug, Default, Args)]
pub(super) struct DraftArgs {
    #[command(flatten)]
    pub(super) text: TextArgs,
    #[arg(long)]
    pub(super) title: Option<String>,
    #[arg(long, value_name = "CODE")]
    pub(super) category: Option<String>,
    #[arg(long, value_name = "LEVEL")]
    pub(super) tlp: Option<String>,
    #[arg(long, value_name = "KIND")]
    pub(super) subkind: Option<String>,
    #[arg(long, value_name = "NUMBER")]
    pub(super) case_number: Option<String>,
}

impl DraftArgs {
    /// The draft as the API takes it.
    pub(super) fn read(&self, cx: &Context) -> Result<Value, Failure> {
        // Before an editor opens: nobody should write a page and then be told what else was missing.
        self.category.as_ref().ok_or_else(|| Failure::misuse("category_missing"))?;
        self.read_upon_another(cx, false)
    }

    /// As [`Self::read`]; category and TLP may be left to the document this one follows, and for the `same` readers its title.
    pub(super) fn read_upon_another(&self, cx: &Context, same: bool) -> Result<Value, Failure> {
        let text = self.text.read(cx)?.text;
        let title = match &self.title {
            Some(title) => title.clone(),
            None if same => String::new(),
            None => text_input::title_of(&text)?,
        };
        Ok(json!({
            "title": title,
            "text": text,
            "category": self.category.as_deref().unwrap_or_default(),
            "tlp": self.tlp,
            "subkind": self.subkind.as_deref().unwrap_or_default(),
            "case_number": self.case_number,
        }))
    }

    /// Whether anything of a new text was given.
    fn given(&self) -> bool {
        self.text.file.is_some() || self.text.text.is_some() || self.title.is_some() || self.category.is_some()
    }
}

pub(super) fn run(verb: BulletinVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        BulletinVerb::New { mut draft } => {
            draft.subkind.get_or_insert_with(|| "notice".to_owned());
            act_and_tell(cx, "/v1/drafts", &draft.read(cx)?, Ask::Never, None)
        }
        BulletinVerb::Publish { id, mut draft, to, open } => {
            let body = match id {
                Some(_) if draft.given() => return Err(Failure::misuse("draft_or_text")),
                Some(id) => json!({ "draft": id, "to": to, "open": open }),
                None => {
                    draft.subkind.get_or_insert_with(|| "notice".to_owned());
                    json!({ "text": draft.read(cx)?, "to": to, "open": open })
                }
            };
            act_and_tell(cx, "/v1/bulletins", &body, Ask::Person, None)
        }
        BulletinVerb::List { page } => list(cx, "/v1/bulletins", &page),
        BulletinVerb::Show { id } => show(cx, &format!("/v1/documents/{}", escape(&id))),
    }
}

fn show(cx: &Context, path: &str) -> Result<(), Failure> {
    let view: View = cx.client()?.get(path)?;
    cx.out.view(&view);
    Ok(())
}

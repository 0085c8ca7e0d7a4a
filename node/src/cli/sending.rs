//! Acts that change or send something: foreseen first where a person watches, then done.

use accord_protocol::view::View;
use serde_json::Value;

use super::{Context, ask};
use crate::failure::Failure;

/// When a yes is needed before an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Never: it can be undone or concerns only us.
    Never,
    /// A person at a terminal sees what will happen and is asked; a script has said what it wants.
    Person,
    /// Always: a script needs `--yes`.
    Always,
}

/// Does (or with `--dry-run` foresees) one act and hands back the answer.
pub(super) fn act(cx: &Context, path: &str, body: &Value, asking: Ask) -> Result<View, Failure> {
    let client = cx.client()?;
    if cx.globals.dry_run {
        return client.post(path, body, true);
    }
    let asked = match asking {
        Ask::Never => false,
        Ask::Person => cx.out.person() && !cx.globals.yes,
        Ask::Always => !cx.globals.yes,
    };
    if asked {
        let foreseen: View = client.post(path, body, true)?;
        if cx.out.person() {
            cx.out.note(&super::render::view(&foreseen, &cx.words));
        }
        ask::confirm(cx)?;
    }
    client.post(path, body, false)
}

/// Like [`act`], and tells the answer. Under `--dry-run` a person is told that nothing happened.
pub(super) fn act_and_tell(cx: &Context, path: &str, body: &Value, asking: Ask, done: Option<&str>) -> Result<(), Failure> {
    let view = act(cx, path, body, asking)?;
    tell(cx, &view, done);
    Ok(())
}

/// Tells the answer to an act; `done` replaces the bare "done" and follows anything longer.
pub(super) fn tell(cx: &Context, view: &View, done: Option<&str>) {
    match (view, done) {
        (View::Done { .. }, Some(done)) if !cx.globals.dry_run => cx.out.result(view, done),
        (_, Some(done)) if !cx.globals.dry_run => {
            cx.out.view(view);
            cx.out.note(done);
        }
        _ => cx.out.view(view),
    }
    if cx.globals.dry_run {
        cx.out.note(cx.words.say("prompt.dry_run"));
    }
}

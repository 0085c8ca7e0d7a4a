//! The content of a document as a cache: caught up in batches, and computed elsewhere when that takes long.
//!
//! Automerge takes milliseconds for each change applied alone to a long document, and microseconds a change in a batch. So admission only
//! notes what the cache lacks, and whoever wants to read catches up once. A [`Job`] carries what that takes to another thread and comes back
//! as [`Done`]; what was admitted meanwhile is caught up afterwards, and a job overtaken by a cut is dropped.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::content::{CannotShow, Content};
use crate::rules::ChangeHash;

/// Where the content is.
#[derive(Default)]
enum Place {
    /// Nowhere: it is replayed when next wanted.
    #[default]
    Nowhere,
    /// Here.
    Here(Box<Content>),
    /// With the [`Job`] that holds the same token.
    Out(Arc<()>),
}

/// What a document says, as far as it was computed. See the module.
#[derive(Default)]
pub(super) struct Shown {
    place: Place,
    /// Admitted, and not in the content that is here or out.
    behind: BTreeSet<ChangeHash>,
    /// Computing it failed, and nothing has changed since.
    cannot: Option<CannotShow>,
}

/// Content to be computed, on any thread.
pub struct Job {
    base: Option<Box<Content>>,
    raw: Vec<Arc<[u8]>>,
    token: Arc<()>,
}

/// A computed [`Job`].
pub struct Done {
    content: Result<Box<Content>, CannotShow>,
    token: Arc<()>,
}

impl Job {
    /// Computes it: the expensive part, pure.
    pub fn run(self) -> Done {
        let raw = self.raw.iter().map(AsRef::as_ref);
        let content = match self.base {
            None => Content::replay_placed(raw).map(Box::new),
            Some(mut content) => content.apply(raw).map(|()| content),
        };
        Done { content, token: self.token }
    }
}

impl Shown {
    /// A change was admitted.
    pub fn admitted(&mut self, hash: ChangeHash) {
        if !matches!(self.place, Place::Nowhere) {
            self.behind.insert(hash);
        }
        self.cannot = None;
    }
    /// What is here may hold what no longer counts.
    pub fn forget(&mut self) {
        self.place = Place::Nowhere;
        self.cannot = None;
        self.behind.clear();
    }
    /// Content that holds all that is admitted.
    pub fn set(&mut self, content: Content) {
        self.place = Place::Here(Box::new(content));
        self.cannot = None;
        self.behind.clear();
    }
    /// How many changes would have to be computed to read it now; `None` while a job is out.
    pub fn debt(&self, admitted: usize) -> Option<usize> {
        match self.place {
            Place::Nowhere if self.cannot.is_some() => Some(0),
            Place::Nowhere => Some(admitted),
            Place::Here(_) => Some(self.behind.len()),
            Place::Out(_) => None,
        }
    }
    /// The changes to be computed: `None` for all.
    fn missing(&self) -> Option<&BTreeSet<ChangeHash>> {
        matches!(self.place, Place::Here(_)).then_some(&self.behind)
    }

    /// Catches up here and now. `raw` gives changes in causal order: those asked for, or all.
    pub fn catch_up(&mut self, raw: impl FnOnce(Option<&BTreeSet<ChangeHash>>) -> Vec<Arc<[u8]>>) -> Result<&mut Content, CannotShow> {
        if let Some(error) = &self.cannot {
            return Err(error.clone());
        }
        if matches!(self.place, Place::Out(_)) {
            self.forget();
        }
        if !matches!(self.place, Place::Here(_)) || !self.behind.is_empty() {
            let done = self.job(raw).run();
            self.finish(done)?;
        }
        match &mut self.place {
            Place::Here(content) => Ok(content),
            _ => Err(CannotShow::Dropped),
        }
    }
    /// Gives the content away; nothing is here afterwards.
    pub fn take(&mut self) -> Option<Content> {
        match std::mem::take(&mut self.place) {
            Place::Here(content) => Some(*content),
            other => {
                self.place = other;
                None
            }
        }
    }
    /// Hands out what catching up takes.
    pub fn job(&mut self, raw: impl FnOnce(Option<&BTreeSet<ChangeHash>>) -> Vec<Arc<[u8]>>) -> Job {
        let raw = raw(self.missing());
        let token = Arc::new(());
        let base = match std::mem::replace(&mut self.place, Place::Out(Arc::clone(&token))) {
            Place::Here(content) => Some(content),
            _ => None,
        };
        self.behind.clear();
        Job { base, raw, token }
    }
    /// Takes a computed job back; one that was overtaken is dropped.
    pub fn finish(&mut self, done: Done) -> Result<(), CannotShow> {
        if !matches!(&self.place, Place::Out(token) if Arc::ptr_eq(token, &done.token)) {
            return Ok(());
        }
        match done.content {
            Ok(content) => {
                self.place = Place::Here(content);
                Ok(())
            }
            Err(error) => {
                self.forget();
                self.cannot = Some(error.clone());
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Edit;
    use crate::rules::{self, ActorId};

    /// A content of three changes, and the changes.
    fn three() -> (Content, Vec<Arc<[u8]>>) {
        let actor = ActorId([1; 16]);
        let (mut content, first) = Content::found(actor, &[], "one ").expect("founded");
        let mut raw: Vec<Arc<[u8]>> = vec![first.into()];
        for word in ["two ", "three "] {
            let at = content.text_len().expect("shown");
            raw.extend(content.edit(actor, &[Edit::Insert { at, text: word.into() }]).expect("edited").into_iter().map(Arc::from));
        }
        (content, raw)
    }
    fn hash(raw: &[u8]) -> ChangeHash {
        rules::parse(raw).expect("well formed").hash()
    }
    fn text(shown: &mut Shown, raw: &[Arc<[u8]>]) -> String {
        let all = raw.to_vec();
        let wanted = |missing: Option<&BTreeSet<ChangeHash>>| {
            all.iter().filter(|raw| missing.is_none_or(|missing| missing.contains(&hash(raw)))).cloned().collect()
        };
        shown.catch_up(wanted).expect("shows").text().expect("shows")
    }

    #[test]
    fn what_is_admitted_while_a_job_is_out_is_caught_up_afterwards() {
        let (_, raw) = three();
        let mut shown = Shown::default();
        let job = shown.job(|_| raw[..2].to_vec());
        assert_eq!(shown.debt(2), None, "it is out");
        shown.admitted(hash(&raw[2]));
        shown.finish(job.run()).expect("shows");
        assert_eq!(shown.debt(3), Some(1));
        assert_eq!(text(&mut shown, &raw), "one two three ");
    }

    #[test]
    fn a_job_overtaken_by_a_cut_is_dropped() {
        let (_, raw) = three();
        let mut shown = Shown::default();
        let old = shown.job(|_| raw.clone());
        shown.forget();
        let new = shown.job(|_| raw[..1].to_vec());
        shown.finish(old.run()).expect("shows");
        assert_eq!(shown.debt(1), None, "still waits for the newer one");
        shown.finish(new.run()).expect("shows");
        assert_eq!(text(&mut shown, &raw[..1]), "one ");
    }

    #[test]
    fn a_failure_is_remembered_until_something_changes() {
        let (_, raw) = three();
        let mut shown = Shown::default();
        let job = shown.job(|_| raw[1..].to_vec());
        assert!(shown.finish(job.run()).is_err(), "its dependency is missing");
        assert_eq!(shown.debt(2), Some(0), "asking again computes nothing");
        shown.forget();
        assert_eq!(text(&mut shown, &raw), "one two three ");
    }

    #[test]
    fn what_was_never_computed_is_owed_whole() {
        let mut shown = Shown::default();
        assert_eq!((shown.debt(0), shown.debt(3)), (Some(0), Some(3)));
        shown.admitted(hash(&three().1[0]));
        assert_eq!(shown.debt(4), Some(4));
    }

    #[test]
    fn content_that_was_set_is_shown_as_it_is() {
        let (content, _) = three();
        let mut shown = Shown::default();
        shown.set(content);
        assert_eq!(shown.debt(3), Some(0));
        let again = shown.catch_up(|_| panic!("nothing is asked for")).expect("shows");
        assert_eq!(again.text().expect("shows"), "one two three ");
    }

    #[test]
    fn catching_up_asks_for_what_is_missing_and_a_replay_for_everything() {
        let (_, raw) = three();
        let mut shown = Shown::default();
        let all = |missing: Option<&BTreeSet<ChangeHash>>| {
            assert_eq!(missing, None);
            raw[..2].to_vec()
        };
        shown.catch_up(all).expect("shows");
        shown.admitted(hash(&raw[2]));
        let rest = |missing: Option<&BTreeSet<ChangeHash>>| {
            assert_eq!(missing, Some(&[hash(&raw[2])].into()));
            raw[2..].to_vec()
        };
        let content = shown.catch_up(rest).expect("shows");
        assert_eq!(content.text().expect("shows"), "one two three ");
    }
}

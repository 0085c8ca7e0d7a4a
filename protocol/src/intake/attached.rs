//! Files that acts attach: known from a change's bytes, without the content of the document being computed.

use super::*;
use crate::rules::ParsedChange;

/// The files among a change's acts.
fn files(change: &ParsedChange) -> impl Iterator<Item = Digest> {
    let may_be = change.acts().filter(|bytes| Act::may_attach(bytes));
    may_be.filter_map(|bytes| Act::from_bytes(bytes).ok()?.file)
}

impl DocState {
    /// Reads what a change that found its place attaches, by itself or by what it quotes.
    pub(super) fn note_attached(&mut self, hash: &ChangeHash, change: &ParsedChange) {
        let mut all: Vec<(Option<Nonce>, Digest)> = files(change).map(|file| (None, file)).collect();
        let wrappers = change.acts().filter(|bytes| Act::may_reenter(bytes)).filter_map(|bytes| Act::from_bytes(bytes).ok());
        for wrapper in wrappers {
            let quoted = wrapper.quote.as_ref().and_then(|quote| segment::decode(&quote.0).ok());
            let change = quoted.and_then(|segment| rules::parse(&segment.changes.first()?.0).ok());
            all.extend(change.iter().flat_map(files).map(|file| (Some(wrapper.uuid), file)));
        }
        if !all.is_empty() {
            self.attached.insert(*hash, all);
        }
    }

    /// Whether any change here attaches a file, admitted or not.
    pub fn attaches(&self) -> bool {
        !self.attached.is_empty()
    }

    /// Files that admitted acts attach, each with the bureau of its author; what is void stands in history like everything else.
    pub fn attached(&self) -> BTreeMap<Digest, BureauId> {
        let mut out = BTreeMap::new();
        for (hash, all) in self.attached.iter().filter(|(hash, _)| self.admitted.contains(*hash)) {
            let writer = self.index.get(hash).and_then(|meta| self.actors.get(&meta.actor)).map(|actor| actor.member.bureau);
            for (wrapper, file) in all {
                let author = match wrapper {
                    None => writer,
                    Some(uuid) => self.quoted_author(hash, uuid),
                };
                if let Some(author) = author {
                    out.entry(*file).or_insert(author);
                }
            }
        }
        out
    }
}

//! What a link may carry: everything, or the restricted set of a pair without an agreement in force.
//!
//! A link that is not in force (none yet, suspended, expired, winding down) speaks one set: roots and revocations, the agreement exchange,
//! own cut records, held work offered to its owner, cursors, the pair's ledger. Everything else is not sent, and is left unread when it comes: the other side may not
//! have heard yet how the pair stands, so it is no reason to end the link. A revoked device of our own is told so, and nothing else.

use super::*;
use crate::agreement::lifecycle::LinkMode;

/// What a link may carry now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bureau) enum Mode {
    /// Everything the check permits.
    Full,
    /// The restricted set.
    Restricted,
    /// A device of our own that was revoked: it hears roots and revocations and says nothing.
    Tell,
}

/// With whom, by how many changes of the book and at which second; and how the link is run then.
pub(super) type Agreed = ((BureauId, u64, WallSeconds), LinkMode);

/// The restricted set, by message. A push of the set is a cut being told (records only) or held work (segments only).
pub(in crate::bureau) fn allowed_restricted(message: &Message) -> bool {
    match message {
        Message::Hello(_) | Message::Statements(_) | Message::Agreements(_) | Message::Compacts(_) | Message::Ack(_) => true,
        Message::Mark(_) | Message::Heard(_) => true,
        Message::Want(_) | Message::Declined { .. } | Message::Refusal { .. } | Message::Cursor(_) | Message::Ledger(_) => true,
        Message::Push(push) => restricted_push(push.genesis.is_some(), !push.records.is_empty(), !push.segments.is_empty()),
        Message::Equality { .. }
        | Message::Tips { .. }
        | Message::Symbols { .. }
        | Message::Differs { .. }
        | Message::Named(_)
        | Message::Ahead { .. }
        | Message::PartsWanted(_)
        | Message::Part(_)
        | Message::NoPart(_)
        | Message::Passes(_)
        | Message::Onward(_) => false,
        Message::Join(_) | Message::Welcome(_) => false,
    }
}

/// As [`allowed_restricted`], for a message whose seals were verified.
pub(in crate::bureau) fn checked_restricted(message: &Checked) -> bool {
    match message {
        Checked::Hello(..) | Checked::Statements(_) | Checked::Agreements(_) | Checked::Compacts(_) | Checked::Ledger(_) => true,
        Checked::Push(push) => restricted_push(push.genesis.is_some(), !push.records.is_empty(), !push.segments.is_empty()),
        Checked::Passes(_) | Checked::Onward(_) => false,
        Checked::Plain(message) => allowed_restricted(message),
    }
}

fn restricted_push(genesis: bool, records: bool, segments: bool) -> bool {
    !(genesis || (records && segments))
}

impl Bureau {
    /// What a link may carry now.
    pub(in crate::bureau) fn mode(&self, turn: &Turn, link: &Link) -> Mode {
        let Some(peer) = link.peer else { return Mode::Restricted };
        if link.own {
            return if self.directory.revoked(&peer.certificate).is_some() { Mode::Tell } else { Mode::Full };
        }
        let agreed = self.agreed(turn, link, peer.bureau);
        if agreed == LinkMode::Full && self.in_touch(turn.effective) { Mode::Full } else { Mode::Restricted }
    }

    /// What the agreements with the other end come to now. Each input asks it of every link several times, so it is worked out once for each second
    /// and each state of the book.
    fn agreed(&self, turn: &Turn, link: &Link, peer: BureauId) -> LinkMode {
        let asked = (peer, self.book.changes(), turn.effective);
        if let Some((known, mode)) = link.agreed.get()
            && known == asked
        {
            return mode;
        }
        let mode = self.book.link_mode(Pair::of(self.identity.bureau, peer), turn.effective);
        link.agreed.set(Some((asked, mode)));
        mode
    }

    /// Whether a message that came may be read on its link as that stands. What is left unread is accounted for.
    pub(in crate::bureau) fn admits(&mut self, turn: &mut Turn, id: LinkId, message: &Checked) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let unread = match self.mode(turn, link) {
            Mode::Full => return true,
            Mode::Restricted if checked_restricted(message) => return true,
            Mode::Tell if matches!(message, Checked::Plain(Message::Ack(_) | Message::Heard(_) | Message::Refusal { .. })) => return true,
            Mode::Restricted | Mode::Tell => message,
        };
        // A push waits for its answer, whatever it holds: the one answer there is for what we do not take.
        if let Checked::Push(push) = unread {
            let (document, mark) = (push.document, push.mark);
            self.decline(turn, id, document, mark, "restricted");
        } else if let Checked::Plain(Message::Part(part)) = unread {
            // It counts as on its way until it is answered; what was in it is not read.
            self.send(turn, id, &Message::Ack(part.mark), false);
        } else if !self.is_noise(turn, id) {
            let bureau = self.links.get(&id).and_then(Link::bureau);
            self.account(turn, "refused_message", None, bureau, None, "restricted");
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_restricted_set_has_no_message_that_speaks_of_a_document_but_a_cut_and_held_work() {
        let push = |genesis: bool, records: bool, segments: bool| {
            Message::Push(Push {
                genesis: genesis.then(|| Bytes(vec![1])),
                records: if records { vec![Bytes(vec![1])] } else { Vec::new() },
                segments: if segments { vec![Bytes(vec![1])] } else { Vec::new() },
                ..Push::empty(1, DocumentId([1; 32]))
            })
        };
        let document = DocumentId([1; 32]);
        let table = [
            (Message::Statements(Vec::new()), true),
            (Message::Agreements(Vec::new()), true),
            (Message::Compacts(Vec::new()), true),
            (Message::Ledger(Vec::new()), true),
            (Message::Ack(1), true),
            (Message::Mark(1), true),
            (Message::Heard(1), true),
            (Message::Want(document), true),
            (Message::Declined { document, reason: Reason::No, reference: 1 }, true),
            (Message::Refusal { reason: Reason::No, reference: 1 }, true),
            (push(false, true, false), true),
            (push(false, false, true), true),
            (push(true, true, true), false),
            (push(true, false, false), false),
            (push(false, true, true), false),
            (Message::Equality { sum: Digest([0; 32]), count: 0, policy: Digest([0; 32]) }, false),
            (Message::Tips { lines: Vec::new(), last: true }, false),
            (Message::Ahead { documents: 3, of: 4 }, false),
            (Message::PartsWanted(wire::PartsWanted { document, file: Digest([1; 32]), parts: Vec::new() }), false),
            (Message::NoPart(wire::NoPart { document, file: Digest([1; 32]), part: Digest([1; 32]) }), false),
            (Message::Passes(Vec::new()), false),
            (Message::Onward(Vec::new()), false),
        ];
        for (message, expected) in table {
            assert_eq!(allowed_restricted(&message), expected, "{message:?}");
        }
    }
}

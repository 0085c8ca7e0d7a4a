//! Rival root versions of our own bureau: what there is, and the word of people which of them goes on.
//!
//! Two versions that claim to follow one freeze the bureau: its registrar writes nothing more, here and wherever both are known. A thief of an
//! old root key can make that happen, years later. What ends it is nobody's clock and no vote: an officer reads the checking code of the
//! true version off the paper it was written on, as partners do on the phone (`partner add`).

use accord_keys::certificate::Capability;
use accord_keys::code::{CheckingCode, Reading};
use accord_keys::directory::Freeze;
use accord_keys::id::RootId;

use super::Bureau;
use super::turn::Turn;
use crate::id::StatementId;
use crate::step::Table;
use crate::view::{Refused, RefusedKind, RootView, View};

/// Key of the row that keeps the decision.
pub(super) const CONFIRMED: &[u8] = b"confirmed_root";

impl Bureau {
    fn own_rivals(&self) -> Vec<RootId> {
        match self.directory.bureau(&self.identity.bureau).and_then(|record| record.freeze()) {
            Some(Freeze::RivalRoots { rivals, .. }) => rivals,
            _ => Vec::new(),
        }
    }

    /// Every root version of ours on the line, oldest first, then rivals that nobody decided about.
    pub(super) fn root_list(&self) -> View {
        let own = self.identity.bureau;
        let Some(record) = self.directory.bureau(&own) else { return View::Roots { roots: Vec::new() } };
        let view = |id: RootId, rival: bool| {
            let body = record.root(&id)?.body();
            Some(RootView {
                root: id.to_string(),
                version: body.version,
                checking_code: CheckingCode::of(&own, &id).to_string(),
                keys: body.keys.len() as u64,
                threshold: u64::from(body.threshold),
                created: body.created.0,
                head: id == record.head(),
                rival,
            })
        };
        let line = record.roots().map(|root| RootId(root.id().0)).filter_map(|id| view(id, false));
        let rivals = self.own_rivals();
        View::Roots { roots: line.chain(rivals.into_iter().filter_map(|id| view(id, true))).collect() }
    }

    /// Goes on with the rival whose checking code was read out.
    pub(super) fn root_confirm(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, heard: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let own = self.identity.bureau;
        let rivals = self.own_rivals();
        if rivals.is_empty() {
            return Err(Refused::new(RefusedKind::Refused, "no_rival_roots"));
        }
        let same = |id: &&RootId| CheckingCode::of(&own, id).compare(heard) == Reading::Same;
        let Some(root) = rivals.iter().find(same).copied() else {
            self.account(turn, "checking_code_mismatch", None, Some(own), Some(by.certificate), "");
            return Err(Refused::new(RefusedKind::Refused, "no_rival_has_code").with("rivals", rivals.len()));
        };
        if !dry_run {
            std::sync::Arc::make_mut(&mut self.directory).confirm_root(&root);
            // One decision at each fork: an older one, further up the line, is part of what the newer rests on.
            let mut row = self.confirmed_roots.clone();
            row.push(root);
            turn.put(Table::Local, CONFIRMED, row.iter().flat_map(|root| root.0).collect());
            self.confirmed_roots = row;
            turn.step.directory_changed = true;
            self.account(turn, "root_confirmed", None, Some(own), Some(by.certificate), &StatementId(root.0).short());
            self.event(turn, "statement", None, Some(own), "root_confirmed");
            self.policy_changed(turn, None);
            self.schedule_all(turn.now.mono);
        }
        Ok(self.root_list())
    }
}

/// The decisions a row keeps.
pub(super) fn read_confirmed(row: Option<&Vec<u8>>) -> Vec<RootId> {
    row.into_iter().flat_map(|row| row.chunks_exact(32)).filter_map(|id| Some(RootId(id.try_into().ok()?))).collect()
}

//! Lines of the account as auditors get them: filtered, with names, as JSON or as a table for a spreadsheet.

use std::collections::BTreeMap;

use accord_protocol::bureau::AccountLine;
use accord_protocol::view::JournalView;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Characters of a wrong word that are repeated to whoever typed it.
const FOUND_CHARS_MAX: usize = 40;

/// The word for every denial: those of [`is_denial`].
pub const REFUSED: &str = "refused";

/// Every kind of line the core writes, in the order of the alphabet. A test reads the core's sources and compares.
pub const KINDS: &[&str] = &[
    "admit",
    "admitted",
    "adopt",
    "adopt_ordered",
    "agreement_accept",
    "agreement_concluded",
    "agreement_decline",
    "agreement_heard",
    "agreement_notice",
    "agreement_offer",
    "agreement_refused",
    "agreement_resume",
    "agreement_resume_accepted",
    "agreement_suspend",
    "anchor",
    "backup",
    "bundle_left",
    "bundle_packed",
    "bundle_unpacked",
    "catching_up",
    "checking_code_mismatch",
    "clock",
    "clock_correct",
    "compact_heard",
    "compact_import",
    "compact_new",
    "compact_refused",
    "compact_sign",
    "consent_ask_heard",
    "consent_asked",
    "consent_given",
    "consent_heard",
    "continue",
    "created",
    "cursor_unreadable",
    "cut",
    "cut_told",
    "cuts_confirmed",
    "declined_by_partner",
    "delivered",
    "device_invite",
    "emergency_report",
    "end",
    "entry",
    "erase",
    "erased",
    "file_came",
    "grant",
    "grant_lapsed",
    "grant_made",
    "grant_refused",
    "grant_waits",
    "grant_withdrawn",
    "grant_without_consent",
    "hold_lift",
    "hold_place",
    "issued",
    "journal_read",
    "ledger",
    "ledger_fork",
    "ledger_refused",
    "login",
    "logout",
    "officer_add",
    "officer_reset",
    "onward_ask_heard",
    "onward_asked",
    "onward_refused",
    "own_work_returned",
    "pair_behind",
    "pair_caught_up",
    "part_lost",
    "partner_add",
    "pass_heard",
    "pass_issued",
    "pass_refused",
    "proof_export",
    "read",
    "receipted_let_in",
    "received",
    "reclassify",
    "reentered",
    "refused_bundle",
    "refused_by_partner",
    "refused_by_partner_onward",
    "refused_command",
    "refused_document",
    "refused_item",
    "refused_link",
    "refused_message",
    "refused_onward",
    "refused_part",
    "renewed",
    "repair",
    "retention_confirmed",
    "revoked_told",
    "root_confirmed",
    "sent",
    "statement_refused",
    "store_confirm",
    "void",
];

/// The kinds asked for, separated by commas.
///
/// # Errors
/// `unknown_account_kind` with those there are: a word nobody writes would find nothing, and an empty account looks like a quiet one.
pub fn kinds(text: &str) -> Result<Vec<String>, Failure> {
    let kind = |word: &str| {
        if word == REFUSED || KINDS.contains(&word) {
            return Ok(word.to_owned());
        }
        let found: String = word.chars().take(FOUND_CHARS_MAX).collect();
        Err(Failure::misuse("unknown_account_kind").with("found", found).with("known", format!("{REFUSED}, {}", KINDS.join(", "))))
    };
    text.split(',').map(|word| kind(word.trim())).collect()
}

/// Which lines are wanted; an empty field filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Document id, hex.
    pub document: String,
    /// Partner id, hex.
    pub partner: String,
    /// Certificates of the person, hex.
    pub certificates: Vec<String>,
    /// Kinds of lines; `refused` means every denial.
    pub kinds: Vec<String>,
    /// From this second on.
    pub since: u64,
    /// Up to this second, exclusive; 0: no end.
    pub until: u64,
}

impl Filter {
    /// Whether a line is wanted.
    pub fn wants(&self, line: &AccountLine) -> bool {
        let same = |wanted: &str, found: Option<String>| wanted.is_empty() || found.as_deref() == Some(wanted);
        let kind = |wanted: &String| *wanted == line.kind || (wanted == REFUSED && is_denial(&line.kind));
        let certificate = || line.certificate.map(|id| id.to_string());
        line.at.0 >= self.since
            && (self.until == 0 || line.at.0 < self.until)
            && (self.kinds.is_empty() || self.kinds.iter().any(kind))
            && same(&self.document, line.document.map(|id| id.to_string()))
            && same(&self.partner, line.bureau.map(|id| id.to_string()))
            && (self.certificates.is_empty() || certificate().is_some_and(|id| self.certificates.contains(&id)))
    }
}

/// Whether a line says no to somebody: ours to a partner, a partner's to us, or the core's to our own people.
pub fn is_denial(kind: &str) -> bool {
    kind.starts_with("refused") || kind.ends_with("_refused") || kind.starts_with("declined") || kind == "checking_code_mismatch"
}

/// One line as it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the batch of the journal it is in.
    pub batch: u64,
    /// When, Unix seconds, by this node's clock.
    pub at: u64,
    /// What: a stable word.
    pub kind: String,
    /// On which document: id, and number where it is known here.
    pub document: String,
    /// See `document`.
    pub number: String,
    /// With which bureau: id and name.
    pub partner: String,
    /// See `partner`.
    pub partner_name: String,
    /// Whose act: certificate, and the name of our own officers.
    pub certificate: String,
    /// See `certificate`.
    pub person: String,
    /// A clause, a reason, a reference.
    pub detail: String,
}

/// Names for ids.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The names an auditor was given.
    pub fn of(view: &JournalView) -> Self {
        Self(view.names.iter().map(|named| (named.id.clone(), named.name.clone())).collect())
    }

    fn name(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_default()
    }

    /// A line with the names of what it speaks of.
    pub fn line(&self, batch: u64, line: AccountLine) -> Line {
        let document = line.document.map(|id| id.to_string()).unwrap_or_default();
        let partner = line.bureau.map(|id| id.to_string()).unwrap_or_default();
        let certificate = line.certificate.map(|id| id.to_string()).unwrap_or_default();
        Line {
            batch,
            at: line.at.0,
            kind: line.kind,
            number: self.name(&document),
            partner_name: self.name(&partner),
            person: self.name(&certificate),
            document,
            partner,
            certificate,
            detail: line.detail,
        }
    }
}

/// One row of comma-separated values (RFC 4180). A cell that a spreadsheet would take for a formula is given an apostrophe.
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cell = |text: &str| {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
        let text = if formula { format!("'{text}") } else { text.to_owned() };
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use accord_keys::id::{BureauId, CertificateId};
    use accord_keys::time::WallSeconds;
    use accord_protocol::id::DocumentId;

    use super::*;
    use crate::words::{Lang, Words};

    fn line(kind: &str, at: u64) -> AccountLine {
        AccountLine {
            version: 1,
            at: WallSeconds(at),
            kind: kind.to_owned(),
            document: Some(DocumentId([1; 32])),
            bureau: Some(BureauId([2; 32])),
            certificate: Some(CertificateId([3; 32])),
            detail: String::new(),
            held: None,
        }
    }

    #[test]
    fn each_filter_lets_through_what_it_names_and_nothing_else() {
        let check = |filter: Filter, expect: bool| assert_eq!(filter.wants(&line("sent", 100)), expect, "{filter:?}");
        let all = Filter::default;
        check(all(), true);
        check(Filter { document: DocumentId([1; 32]).to_string(), ..all() }, true);
        check(Filter { document: DocumentId([9; 32]).to_string(), ..all() }, false);
        check(Filter { partner: BureauId([2; 32]).to_string(), ..all() }, true);
        check(Filter { partner: BureauId([1; 32]).to_string(), ..all() }, false);
        check(Filter { certificates: vec![CertificateId([3; 32]).to_string()], ..all() }, true);
        check(Filter { certificates: vec![CertificateId([2; 32]).to_string()], ..all() }, false);
        check(Filter { kinds: vec!["read".into(), "sent".into()], ..all() }, true);
        check(Filter { kinds: vec!["refused".into()], ..all() }, false);
        check(Filter { since: 100, until: 101, ..all() }, true);
        check(Filter { since: 101, ..all() }, false);
        check(Filter { until: 100, ..all() }, false);
    }

    #[test]
    fn kinds_asked_for_are_kinds_that_are_written() {
        let check = |text: &str, expect: Result<&[&str], &str>| match (kinds(text), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{text}"),
            (Err(failure), Err(word)) => {
                assert_eq!((failure.code.as_str(), failure.param("found")), ("unknown_account_kind", Some(word)), "{text}");
                let known: Vec<&str> = failure.param("known").expect("those there are").split(", ").collect();
                assert!(known.contains(&REFUSED) && KINDS.iter().all(|kind| known.contains(kind)), "{known:?}");
            }
            (found, expect) => panic!("{text}: {found:?} instead of {expect:?}"),
        };
        check("sent", Ok(&["sent"]));
        check("refused, journal_read", Ok(&["refused", "journal_read"]));
        check("foo", Err("foo"));
        check("sent,reads", Err("reads"));
        check("", Err(""));
        check("sent,", Err(""));
    }

    #[test]
    fn every_kind_the_core_writes_is_listed_and_no_other() {
        fn walk(folder: &Path, out: &mut String) {
            for entry in std::fs::read_dir(folder).expect("source folders are readable") {
                let path = entry.expect("source folders are readable").path();
                if path.is_dir() {
                    walk(&path, out);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    out.push_str(&std::fs::read_to_string(&path).expect("sources are UTF-8"));
                }
            }
        }
        let mut core = String::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src"), &mut core);
        // The second argument of each call; literals of an `if` count each, other expressions are named below with where their words stand.
        let (mut written, mut computed) = (BTreeSet::new(), BTreeSet::new());
        for call in core.split("self.account(").skip(1) {
            let kind = call.trim_start().strip_prefix("turn,").expect("a turn first").trim_start();
            let kind = &kind[..kind.find(',').expect("more follows")];
            let literals: Vec<&str> = kind.split('"').skip(1).step_by(2).collect();
            if literals.is_empty() {
                computed.insert(kind);
            }
            written.extend(literals);
        }
        assert!(written.len() > 60, "the scan saw only {}", written.len());
        assert_eq!(computed, BTreeSet::from(["account", "outcome.word()", "word"]), "say below where the words of a new one stand");
        // `account`: what `stated` is given.
        let stated = core.split("self.stated(").skip(1).filter_map(|call| call.split('"').nth(1));
        written.extend(stated);
        // `outcome.word()` and `word`: how an order that waited ended, and what a record does.
        for arm in ["Outcome::", "RecordKind::"].into_iter().flat_map(|arm| core.split(arm).skip(1)) {
            let line = arm.lines().next().unwrap_or_default();
            written.extend(line.split_once("=> \"").and_then(|(_, word)| word.strip_suffix("\",")));
        }
        let listed: BTreeSet<&str> = KINDS.iter().copied().collect();
        assert_eq!(listed, written);
        assert!(KINDS.is_sorted() && listed.len() == KINDS.len());
        for lang in [Lang::Zh, Lang::En] {
            let words = Words::of(lang);
            let bare: Vec<&str> = KINDS.iter().copied().filter(|kind| words.find(&format!("account.{kind}")).is_none()).collect();
            assert!(bare.is_empty(), "{lang:?} has no words for {bare:?}");
        }
    }

    #[test]
    fn refused_means_every_denial() {
        let filter = Filter { kinds: vec!["refused".into()], ..Filter::default() };
        let no: Vec<&str> = KINDS.iter().copied().filter(|kind| filter.wants(&line(kind, 1))).collect();
        let all = "agreement_refused checking_code_mismatch compact_refused declined_by_partner grant_refused ledger_refused onward_refused \
                   pass_refused refused_bundle refused_by_partner refused_by_partner_onward refused_command refused_document refused_item \
                   refused_link refused_message refused_onward refused_part statement_refused";
        assert_eq!(no.join(" "), all);
    }

    #[test]
    fn no_cell_becomes_a_formula_and_none_breaks_its_row() {
        let check = |cell: &str, expect: &str| assert_eq!(row([cell]), format!("{expect}\r\n"));
        check("临溪县公安局", "临溪县公安局");
        check("=1+1", "'=1+1");
        check("@cmd", "'@cmd");
        check("-2", "'-2");
        check("a,b", "\"a,b\"");
        check("say \"no\"", "\"say \"\"no\"\"\"");
        check("=a,\"b\"\n", "\"'=a,\"\"b\"\"\n\"");
    }
}

//! Lines of the account as auditors get them: filtered, with names, as JSON or as a table for a spreadsheet.

use std::collections::BTreeMap;

use accord_protocol::bureau::AccountLine;
use accord_protocol::view::JournalView;
use serde::{Deserialize, Serialize};

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
        let kind = |wanted: &String| *wanted == line.kind || (wanted == "refused" && is_denial(&line.kind));
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
    ["refused", "declined", "agreement_refused", "checking_code_mismatch"].iter().any(|denial| kind.starts_with(denial))
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
    use accord_keys::id::{BureauId, CertificateId};
    use accord_keys::time::WallSeconds;
    use accord_protocol::id::DocumentId;

    use super::*;

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
    fn refused_means_every_denial() {
        let filter = Filter { kinds: vec!["refused".into()], ..Filter::default() };
        for kind in
            ["refused_document", "refused_link", "refused_command", "declined_by_partner", "refused_by_partner", "agreement_refused"]
        {
            assert!(filter.wants(&line(kind, 1)), "{kind}");
        }
        assert!(!filter.wants(&line("received", 1)));
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

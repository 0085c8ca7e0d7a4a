use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::access::consent::Consented;
use crate::access::log::{LostGrant, Subject};

/// One of a few, so that ids meet again: 0 is the document's own.
fn id32() -> impl Strategy<Value = [u8; 32]> {
    (0u8..12).prop_map(|n| [n; 32])
}

/// Small ones mostly, and any.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..300, any::<u64>(), Just(u64::MAX)]
}

fn held(consents: bool) -> impl Strategy<Value = Held> {
    let consent = (any::<bool>(), option::of(count()));
    let consents = if consents { 0..3 } else { 0..1 };
    let limits = (option::of(0usize..5), option::of(count()), any::<bool>(), any::<u32>());
    let ids = (id32(), option::of(id32()), option::of(id32()));
    (0usize..3, ids, count(), limits, btree_map(id32(), consent, consents)).prop_map(
        |(verb, (record, agreement, via), since, (tlp, until, no_fourth, came), consents)| Held {
            verb: VERBS[verb],
            record: RecordId(record),
            since: WallSeconds(since),
            agreement: agreement.map(AgreementId),
            via: via.map(BureauId),
            tlp: tlp.map(|tlp| TLPS[tlp]),
            until: until.map(WallSeconds),
            no_fourth,
            came,
            consents: consents
                .into_iter()
                .map(|(of, (red, until))| {
                    let tlp = if red { Tlp::Red } else { Tlp::Clear };
                    (BureauId(of), Consented { tlp, until: until.map(WallSeconds) })
                })
                .collect(),
        },
    )
}

fn rights(rare: bool) -> impl Strategy<Value = Rights> {
    let some = if rare { 0..3 } else { 0..1 };
    let parted = btree_map(id32(), (id32(), option::of(id32())), 0..4);
    let ends = (option::of(id32()), btree_map(id32(), held(rare), 0..4));
    (btree_map(id32(), held(rare), 0..5), parted, ends, vec((id32(), 0usize..3), some)).prop_map(
        |(held, parted, (ended, until_end), denied)| {
            let all = |held: BTreeMap<[u8; 32], Held>| held.into_iter().map(|(bureau, held)| (BureauId(bureau), held)).collect();
            let ended = ended.map(RecordId);
            let mut rights = Rights { bureaus: all(held), ended, until_end: all(until_end), ..Rights::default() };
            for (bureau, (record, via)) in parted {
                rights.note_parted(BureauId(bureau), RecordId(record), via.map(BureauId));
            }
            for (subject, verb) in denied {
                rights.note_denied(Subject::Bureau(BureauId(subject)), VERBS[verb]);
            }
            rights
        },
    )
}

fn summary(rare: bool) -> impl Strategy<Value = Summary> {
    let texts = ("[a-z]{0,4}|.{0,80}", ".{0,20}", ".{0,20}");
    let counts = (count(), count(), count(), count(), count(), count(), option::of(count()));
    let lost = vec((id32(), 0usize..3, count()), if rare { 0..2 } else { 0..1 });
    let others = (vec(count(), 8), btree_map(id32(), any::<u32>(), 0..3), vec(id32(), 0..4), lost);
    let words = ((0usize..3, 0usize..15, 0usize..5), vec(any::<bool>(), 6), id32(), any::<[u8; 32]>());
    (texts, counts, rights(rare), others, words).prop_map(
        |(
            (subkind, title, number),
            (created, changes, settled, held, newest_seq, newest_record, ended_at),
            rights,
            (seqs, contributors, given, lost),
            ((kind, category, tlp), flags, owner, entry),
        )| {
            let seq = |at: usize| seqs[at % seqs.len()];
            Summary {
                document: DocumentId([0; 32]),
                owner: BureauId(owner),
                kind: KINDS[kind],
                category: Category::ALL[category],
                tlp: TLPS[tlp],
                subkind,
                title,
                number,
                created: WallSeconds(created),
                changes,
                settled,
                held,
                adopted: flags[0],
                ended: flags[1],
                quotes: flags[2],
                newest_record: WallSeconds(newest_record),
                ended_at: ended_at.map(WallSeconds),
                torn: flags[3],
                lost: lost
                    .into_iter()
                    .map(|(of, verb, at)| LostGrant { bureau: BureauId(of), verb: VERBS[verb], healed: WallSeconds(at) })
                    .collect(),
                entry: Digest(entry),
                newest_seq,
                granted_seq: rights.bureaus.keys().enumerate().map(|(at, bureau)| (*bureau, seq(at))).collect(),
                parted_seq: rights.all_parted().into_keys().enumerate().map(|(at, bureau)| (bureau, seq(at + 3))).collect(),
                rights: Arc::new(rights),
                given: given.into_iter().map(|bureau| (BureauId(bureau), ())).collect(),
                foreign: flags[4],
                hidden: flags[5],
                contributors: contributors_of(contributors.into_iter().map(|(of, at)| (BureauId(of), at)).collect()),
            }
        },
    )
}

fn comes_back(summary: &Summary, words: &mut Words) -> Result<(), TestCaseError> {
    let bytes = pack(summary, words).expect("all of it has a place");
    let row = Packed::read(summary.document, &bytes, words);
    prop_assert_eq!(&row.unpack(), summary);
    prop_assert_eq!(row.head, Head::of(summary));
    prop_assert_eq!(row.number(), &summary.number);
    prop_assert_eq!(row.may_end(), summary.rights.bureaus.iter().any(|(_, held)| held.until.is_some()));
    for bureau in (0..12).map(|n| BureauId([n; 32])) {
        prop_assert_eq!(row.is_given(&bureau), summary.given.contains(&bureau));
        prop_assert_eq!(row.holder(&bureau), summary.rights.bureaus.get(&bureau).cloned());
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_plain_summary_comes_back_from_its_row_as_it_was(summaries in vec(summary(false), 1..6), full in any::<bool>()) {
        let mut words = Words::default();
        if full {
            words.fill();
        }
        for summary in &summaries {
            comes_back(summary, &mut words)?;
        }
    }

    #[test]
    fn a_summary_that_has_no_row_is_declined_and_no_other(summary in summary(true)) {
        let mut words = Words::default();
        let consents = |held: &SharedMap<BureauId, Held>| held.iter().any(|(_, held)| !held.consents.is_empty());
        let rights = &summary.rights;
        let rare = !summary.lost.is_empty() || rights.denies_anybody() || consents(&rights.bureaus) || consents(&rights.until_end);
        prop_assert_eq!(pack(&summary, &mut words).is_none(), rare);
        if !rare {
            comes_back(&summary, &mut words)?;
        }
    }
}

#[test]
fn every_word_of_a_summary_has_its_own_number() {
    assert!(KINDS.iter().all(|kind| KINDS[usize::from(number_of_kind(*kind))] == *kind));
    assert!(TLPS.iter().all(|tlp| TLPS[usize::from(number_of_tlp(*tlp))] == *tlp));
    assert!(VERBS.iter().all(|verb| VERBS[number_of_verb(*verb) as usize] == *verb));
    assert!(Category::ALL.iter().all(|category| Category::ALL[*category as usize] == *category));
}

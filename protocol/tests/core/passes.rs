//! Relay passes as they are issued and shown.

use std::collections::{BTreeMap, BTreeSet};

use accord_protocol::access::pass::RelayPass;
use accord_protocol::id::{BureauId, NetworkId};
use accord_protocol::step::Table;
use accord_protocol::wire;

use crate::county::{County, usual};

const COUNT: usize = 5;

/// The newest pass a node keeps of each issuer and holder; two that run from the same second would leave open which is newer.
fn newest(county: &County, at: usize) -> BTreeMap<(BureauId, BureauId), RelayPass> {
    let mut newest: BTreeMap<_, RelayPass> = BTreeMap::new();
    for ((_, _), bytes) in county.nodes[at].rows.iter().filter(|((table, _), _)| *table == Table::Passes) {
        let pass = wire::relay_pass(&NetworkId::named("county"), bytes).expect("what is stored verifies").body().clone();
        let key = (pass.issuer, pass.holder);
        match newest.get(&key) {
            Some(other) if other.from == pass.from => panic!("two passes begin at {:?}", pass.from),
            Some(other) if other.from > pass.from => {}
            _ => drop(newest.insert(key, pass)),
        }
    }
    newest
}

#[test]
fn passes_issued_within_one_second_replace_each_other_in_the_order_they_were_issued() {
    let mut county = County::new(COUNT as u8);
    for one in 0..COUNT {
        for other in one + 1..COUNT {
            county.agree(one, other, usual(county.now.wall));
        }
    }
    // What came too thick to be shown at once follows after a pause.
    county.pass(10);
    let ids: BTreeSet<BureauId> = county.nodes.iter().map(|node| node.id).collect();
    for at in 0..COUNT {
        let own = county.nodes[at].id;
        let issued = county.nodes[at].accounts.iter().filter(|line| line.kind == "pass_issued").count();
        // With the k-th partner every one of the k gets a pass that names the others.
        assert_eq!(issued, (1..COUNT).sum::<usize>(), "node {at}");
        for ((issuer, holder), pass) in newest(&county, at) {
            assert!(issuer == own || holder == own || pass.names(&own));
            let others: BTreeSet<BureauId> = ids.iter().copied().filter(|id| *id != issuer && *id != holder).collect();
            assert_eq!(pass.shown_to.iter().copied().collect::<BTreeSet<_>>(), others, "node {at}: of {issuer:?} for {holder:?}");
        }
        // Each keeps its own for the others, theirs for it, and those that name it.
        assert_eq!(newest(&county, at).len(), COUNT * (COUNT - 1), "node {at}");
    }
}

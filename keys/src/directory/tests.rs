use super::*;
use crate::id::PublicKey;
use crate::samples::{self, LATER, START, key, network, verified};
use proptest::prelude::*;

mod walks;

/// One bureau of roots 1, 2, 3 (threshold 2), nodes 10 and 13 by the root, officer 20 by node 10.
struct County {
    bureau: BureauId,
    root: RootId,
    node: CertificateId,
    second: CertificateId,
    officer: CertificateId,
    directory: Directory,
}

fn county() -> County {
    let mut directory = Directory::new(network());
    let root = verified(samples::root_statement(), &[1, 2]);
    let (root_id, bureau) = (root.root_id(), BureauId::from(root.root_id()));
    let node = verified(samples::node_of(bureau, root_id, 10), &[1, 3]);
    let second = verified(samples::node_of(bureau, root_id, 13), &[2, 3]);
    let node_id = node.certificate_id();
    let officer = verified(samples::officer_of(bureau, node_id, 20), &[10]);
    let county = County {
        bureau,
        root: root_id,
        node: node_id,
        second: second.certificate_id(),
        officer: officer.certificate_id(),
        directory: directory.clone(),
    };
    assert_eq!(directory.learn_certificate(node.clone()), Err(DirectoryError::UnknownBureau(bureau)));
    assert_eq!(directory.learn_root(root.clone()), Ok(Learned::New));
    assert_eq!(directory.learn_root(root), Ok(Learned::Known));
    assert_eq!(directory.learn_certificate(officer.clone()), Err(DirectoryError::UnknownCertificate(node_id)));
    for certificate in [node, second, officer] {
        assert_eq!(directory.learn_certificate(certificate.clone()), Ok(Learned::New));
        assert_eq!(directory.learn_certificate(certificate), Ok(Learned::Known));
    }
    County { directory, ..county }
}

impl County {
    fn next_root(&self, keys: &[u8], previous: RootId, version: u32) -> RootStatement {
        RootStatement { version, previous: Some(previous), ..samples::root_of(keys, 2) }
    }

    fn revocation(&self, target: RevocationTarget, class: RevocationClass, issuer: Issuer) -> Revocation {
        Revocation { bureau: self.bureau, target, class, at: START, issuer }
    }

    /// Revokes by the root.
    fn revoke(&mut self, target: RevocationTarget, class: RevocationClass) {
        let revocation = self.revocation(target, class, Issuer::Root(self.root));
        assert_eq!(self.directory.learn_revocation(verified(revocation, &[1, 2])), Ok(Learned::New));
    }

    fn appoint(&mut self, epoch: u32, registrar: CertificateId) -> Result<Learned, DirectoryError> {
        self.directory.learn_appointment(verified(self.appointment(epoch, registrar), &[1, 2]))
    }

    fn appointment(&self, epoch: u32, registrar: CertificateId) -> Appointment {
        Appointment { bureau: self.bureau, epoch, registrar, at: START, root: self.root }
    }

    fn standing(&self, certificate: &CertificateId) -> CertStanding {
        self.directory.standing(certificate, LATER)
    }
}

fn is_not_entitled(result: Result<Learned, DirectoryError>) -> bool {
    matches!(result, Err(DirectoryError::NotEntitled(_)))
}

fn is_not_delegable(result: Result<Learned, DirectoryError>) -> bool {
    matches!(result, Err(DirectoryError::NotDelegable(_)))
}

#[test]
fn version_one_needs_the_threshold_of_its_own_keys_and_no_other() {
    let mut directory = Directory::new(network());
    assert!(is_not_entitled(directory.learn_root(verified(samples::root_statement(), &[1]))));
    assert!(is_not_entitled(directory.learn_root(verified(samples::root_statement(), &[1, 4]))));
    assert!(is_not_entitled(directory.learn_root(verified(samples::root_statement(), &[1, 2, 4]))));
    assert_eq!(directory.learn_root(verified(samples::root_statement(), &[1, 2, 3])), Ok(Learned::New));
}

#[test]
fn rotation_needs_both_thresholds_and_one_step() {
    let mut county = county();
    let next = county.next_root(&[3, 4, 5], county.root, 2);
    for too_few in [&[1, 2][..], &[4, 5], &[1, 4, 5], &[1, 2, 4], &[1, 2, 4, 5, 9]] {
        assert!(is_not_entitled(county.directory.learn_root(verified(next.clone(), too_few))), "{too_few:?}");
    }
    let skipped = county.next_root(&[3, 4, 5], county.root, 3);
    assert_eq!(county.directory.learn_root(verified(skipped, &[1, 2, 4, 5])), Err(DirectoryError::VersionStep { previous: 1, found: 3 }));
    let second = verified(next, &[1, 3, 4]);
    let third = verified(county.next_root(&[5, 6, 7], second.root_id(), 3), &[4, 5, 6]);
    assert_eq!(county.directory.learn_root(third.clone()), Err(DirectoryError::UnknownRoot(second.root_id())));
    assert_eq!(county.directory.learn_root(second.clone()), Ok(Learned::New), "key 3 counts for both thresholds");
    let by_old_keys = verified(county.next_root(&[6, 7], second.root_id(), 3), &[1, 2, 6, 7]);
    assert!(is_not_entitled(county.directory.learn_root(by_old_keys)), "old root keys after rotation");
    assert_eq!(county.directory.learn_root(third.clone()), Ok(Learned::New));
    assert_eq!(county.directory.root_head(&county.bureau), Some(third.root_id()));
    let versions: Vec<u32> = county.directory.bureau(&county.bureau).expect("known").roots().map(|it| it.body().version).collect();
    assert_eq!(versions, [1, 2, 3]);
    assert_eq!(county.standing(&county.officer), CertStanding::Good, "rotation ends no certificate");
}

#[test]
fn rival_roots_freeze_the_bureau_until_people_decide() {
    let mut county = county();
    let ours = verified(county.next_root(&[3, 4], county.root, 2), &[1, 2, 3, 4]);
    let theirs = verified(county.next_root(&[3, 5], county.root, 2), &[1, 2, 3, 5]);
    let (ours_id, theirs_id) = (ours.root_id(), theirs.root_id());
    let _ = county.directory.learn_root(theirs).expect("valid");
    let thief = verified(samples::node_of(county.bureau, theirs_id, 30), &[3, 5]);
    let thief_id = thief.certificate_id();
    assert_eq!(county.directory.learn_certificate(thief), Ok(Learned::New));
    let end_node = county.revocation(RevocationTarget::Certificate(county.node), RevocationClass::Retired, Issuer::Root(theirs_id));
    let _ = county.directory.learn_revocation(verified(end_node, &[3, 5])).expect("valid");
    let takeover = Appointment { root: theirs_id, ..county.appointment(1, thief_id) };
    let _ = county.directory.learn_appointment(verified(takeover, &[3, 5])).expect("valid");
    assert_eq!(county.directory.registrar(&county.bureau), Some((1, thief_id)), "nobody contradicts yet");

    let _ = county.directory.learn_root(ours).expect("valid");
    let _ = county.appoint(1, county.node).expect("valid");
    assert!(county.directory.is_frozen(&county.bureau));
    assert_eq!(county.directory.root_head(&county.bureau), Some(county.root));
    assert_eq!(county.standing(&thief_id), CertStanding::Disputed);
    assert_eq!(county.directory.registrar(&county.bureau), None);
    let mut rivals = vec![ours_id, theirs_id];
    rivals.sort_unstable();
    let record = county.directory.bureau(&county.bureau).expect("known");
    assert_eq!(record.freeze(), Some(Freeze::RivalRoots { at: county.root, rivals }));

    assert!(county.directory.confirm_root(&ours_id));
    assert!(!county.directory.is_frozen(&county.bureau));
    assert_eq!(county.directory.root_head(&county.bureau), Some(ours_id));
    assert_eq!(county.standing(&thief_id), CertStanding::Disputed);
    assert_eq!(county.standing(&county.node), CertStanding::Good, "what the thief revoked counts for nothing");
    assert_eq!(county.directory.registrar(&county.bureau), Some((1, county.node)));
    assert!(!county.directory.confirm_root(&RootId([0; 32])));
}

#[test]
fn two_appointments_for_one_epoch_freeze_the_bureau_until_people_decide() {
    let mut county = county();
    assert_eq!(county.directory.registrar(&county.bureau), None);
    assert_eq!(county.appoint(1, county.node), Ok(Learned::New));
    assert_eq!(county.appoint(1, county.node), Ok(Learned::Known));
    assert_eq!(county.appoint(3, county.second), Ok(Learned::New));
    assert_eq!(county.directory.registrar(&county.bureau), Some((3, county.second)));
    assert_eq!(county.directory.registrar_of_epoch(&county.bureau, 1), Some(county.node));
    assert_eq!(county.directory.registrar_of_epoch(&county.bureau, 2), None);
    assert_eq!(county.appoint(3, county.node), Ok(Learned::New));
    assert!(county.directory.is_frozen(&county.bureau));
    assert_eq!(county.directory.registrar(&county.bureau), None);
    assert_eq!(county.directory.registrar_of_epoch(&county.bureau, 1), Some(county.node), "older epochs stand");
    let right = verified(county.appointment(3, county.node), &[1, 2]).id();
    assert!(county.directory.confirm_appointment(&county.bureau, &right));
    assert_eq!(county.directory.registrar(&county.bureau), Some((3, county.node)));
    assert!(!county.directory.is_frozen(&county.bureau));
    assert!(!county.directory.confirm_appointment(&county.bureau, &StatementId([0; 32])));
}

#[test]
fn only_the_root_appoints_and_only_nodes_that_may_register() {
    let mut county = county();
    assert!(is_not_delegable(county.appoint(1, county.officer)));
    let by_node = verified(county.appointment(1, county.node), &[10]);
    assert!(is_not_entitled(county.directory.learn_appointment(by_node)));
    let by_one = verified(county.appointment(1, county.node), &[1]);
    assert!(is_not_entitled(county.directory.learn_appointment(by_one)));
    let missing = CertificateId([0; 32]);
    assert_eq!(county.appoint(1, missing), Err(DirectoryError::UnknownCertificate(missing)));
}

/// Asks the directory to learn an officer certificate changed from the good one.
fn check_officer(
    change: impl FnOnce(&County, &mut MemberCertificate),
    signers: &[u8],
    good: impl FnOnce(Result<Learned, DirectoryError>) -> bool,
) {
    let mut county = county();
    let mut certificate = samples::officer_of(county.bureau, county.node, 40);
    change(&county, &mut certificate);
    let text = format!("{certificate:?}");
    assert!(good(county.directory.learn_certificate(verified(certificate, signers))), "{text}");
}

#[test]
fn a_chain_is_root_issuer_member_inside_one_bureau() {
    check_officer(|_, _| {}, &[10], |it| it == Ok(Learned::New));
    check_officer(|_, _| {}, &[11], is_not_entitled);
    check_officer(|_, _| {}, &[10, 1], is_not_entitled);
    check_officer(|county, it| it.issuer = Issuer::Member(county.officer), &[20], |it| it == Err(DirectoryError::ChainTooLong));
    check_officer(|county, it| it.issuer = Issuer::Root(county.root), &[1], is_not_entitled);
    check_officer(|county, it| it.issuer = Issuer::Root(county.root), &[1, 2, 10], is_not_entitled);
    check_officer(|county, it| it.issuer = Issuer::Root(county.root), &[1, 2], |it| it == Ok(Learned::New));
    check_officer(|_, it| it.bureau = BureauId([0; 32]), &[10], |it| it == Err(DirectoryError::UnknownBureau(BureauId([0; 32]))));
    check_officer(|_, it| it.capabilities = vec![Capability::Issue], &[10], is_not_delegable);
    check_officer(|_, it| it.capabilities = vec![Capability::Register], &[10], is_not_delegable);
    check_officer(|_, it| it.capabilities = vec![Capability::Other(200)], &[10], is_not_delegable);
    check_officer(|_, it| it.capabilities = vec![Capability::SignAgreement, Capability::Other(99)], &[10], |it| it == Ok(Learned::New));
    check_officer(
        |county, it| *it = MemberCertificate { issuer: it.issuer, ..samples::node_of(county.bureau, county.root, 50) },
        &[10],
        is_not_delegable,
    );
    check_officer(
        |_, it| {
            it.not_before = START.plus(397 * 86_400);
            it.not_after = START.plus(398 * 86_400);
        },
        &[10],
        is_not_delegable,
    );
}

#[test]
fn the_certificate_of_one_bureau_is_nothing_in_another() {
    let mut county = county();
    let foreign = verified(samples::root_of(&[7], 1), &[7]);
    let (foreign_root, foreign_bureau) = (foreign.root_id(), BureauId::from(foreign.root_id()));
    let _ = county.directory.learn_root(foreign).expect("valid");
    let other = |result| matches!(result, Err(DirectoryError::OtherBureau { .. }));
    let by_foreign_root = samples::node_of(county.bureau, foreign_root, 60);
    assert!(other(county.directory.learn_certificate(verified(by_foreign_root, &[7]))));
    let by_foreign_issuer = samples::officer_of(foreign_bureau, county.node, 60);
    assert!(other(county.directory.learn_certificate(verified(by_foreign_issuer, &[10]))));
    let revocation = Revocation {
        bureau: foreign_bureau,
        ..county.revocation(RevocationTarget::Key(key(7).public()), RevocationClass::Compromised, Issuer::Root(county.root))
    };
    assert!(other(county.directory.learn_revocation(verified(revocation, &[1, 2]))));
    let node = verified(samples::node_of(foreign_bureau, foreign_root, 63), &[7]);
    let _ = county.directory.learn_certificate(node.clone()).expect("valid");
    assert!(other(county.appoint(1, node.certificate_id())));
    // A revocation of one's own bureau that names another's certificate is kept and means nothing there.
    let hostile = Revocation {
        bureau: foreign_bureau,
        ..county.revocation(RevocationTarget::Certificate(county.node), RevocationClass::Compromised, Issuer::Root(foreign_root))
    };
    assert_eq!(county.directory.learn_revocation(verified(hostile, &[7])), Ok(Learned::New));
    assert_eq!(county.standing(&county.node), CertStanding::Good);
}

#[test]
fn a_statement_of_another_network_is_refused() {
    let elsewhere = NetworkId::named("elsewhere");
    let mut directory = Directory::new(elsewhere);
    assert_eq!(directory.learn_root(verified(samples::root_statement(), &[1, 2])), Err(DirectoryError::Network(network())));
}

#[test]
fn standing_follows_time_and_revocation() {
    let mut county = county();
    assert_eq!(county.directory.standing(&county.officer, WallSeconds(START.0 - 1)), CertStanding::NotYet);
    assert_eq!(county.directory.standing(&county.officer, START), CertStanding::Good);
    assert_eq!(county.directory.standing(&county.officer, START.plus(90 * 86_400 - 1)), CertStanding::Good);
    assert_eq!(county.directory.standing(&county.officer, START.plus(90 * 86_400)), CertStanding::Expired);
    assert_eq!(county.standing(&CertificateId([0; 32])), CertStanding::Unknown);
    county.revoke(RevocationTarget::Key(key(20).public()), RevocationClass::Retired);
    assert_eq!(county.standing(&county.officer), CertStanding::Revoked(RevocationClass::Retired));
    county.revoke(RevocationTarget::Certificate(county.officer), RevocationClass::Compromised);
    assert_eq!(county.standing(&county.officer), CertStanding::Revoked(RevocationClass::Compromised), "the worst class counts");
    assert_eq!(county.standing(&county.node), CertStanding::Good);
}

#[test]
fn an_issuer_takes_down_what_it_issued_as_far_as_said() {
    for (class, expect) in [
        (RevocationClass::Retired, CertStanding::Good),
        (RevocationClass::Compromised, CertStanding::Revoked(RevocationClass::Compromised)),
    ] {
        let mut county = county();
        county.revoke(RevocationTarget::Certificate(county.node), class);
        assert_eq!(county.standing(&county.node), CertStanding::Revoked(class));
        assert_eq!(county.standing(&county.officer), expect, "{class:?}");
    }
    for good in [true, false] {
        let mut county = county();
        let listed = if good { vec![county.officer] } else { vec![] };
        county.revoke(RevocationTarget::Issuer { certificate: county.node, good: listed }, RevocationClass::Compromised);
        assert_eq!(county.standing(&county.node), CertStanding::Revoked(RevocationClass::Compromised));
        assert_eq!(county.standing(&county.officer) == CertStanding::Good, good);
        let late = samples::officer_of(county.bureau, county.node, 41);
        let late = verified(late, &[10]);
        let _ = county.directory.learn_certificate(late.clone()).expect("the chain holds for ever");
        assert_eq!(county.standing(&late.certificate_id()), CertStanding::Revoked(RevocationClass::Compromised), "minted by the thief");
    }
}

#[test]
fn a_member_revokes_what_members_issued_and_nothing_of_the_root() {
    let mut county = county();
    let by_second = Issuer::Member(county.second);
    let officer = county.revocation(RevocationTarget::Certificate(county.officer), RevocationClass::Retired, by_second);
    assert!(is_not_entitled(county.directory.learn_revocation(verified(officer.clone(), &[10]))), "sealed by another than it names");
    assert_eq!(county.directory.learn_revocation(verified(officer, &[13])), Ok(Learned::New), "another node ends the officer");
    assert_eq!(county.standing(&county.officer), CertStanding::Revoked(RevocationClass::Retired));
    for target in [RevocationTarget::Certificate(county.node), RevocationTarget::Key(key(10).public())] {
        let node = county.revocation(target, RevocationClass::Compromised, by_second);
        assert_eq!(county.directory.learn_revocation(verified(node, &[13])), Ok(Learned::New));
        assert_eq!(county.standing(&county.node), CertStanding::Good, "one node cannot end another");
    }
    let issuer = RevocationTarget::Issuer { certificate: county.node, good: vec![] };
    let issuer = county.revocation(issuer, RevocationClass::Compromised, by_second);
    assert!(is_not_entitled(county.directory.learn_revocation(verified(issuer, &[13]))));
    let by_officer = county.revocation(RevocationTarget::Key(PublicKey([1; 32])), RevocationClass::Retired, Issuer::Member(county.officer));
    assert_eq!(county.directory.learn_revocation(verified(by_officer, &[20])), Err(DirectoryError::ChainTooLong));
}

#[test]
fn a_stolen_root_version_is_ended_by_a_newer_one_with_a_list_of_what_stays_good() {
    let mut county = county();
    let _ = county.appoint(1, county.node).expect("valid");
    let next = verified(county.next_root(&[3, 4], county.root, 2), &[1, 2, 3, 4]);
    let target = RevocationTarget::Root { root: county.root, good: vec![county.node] };
    let revocation = verified(county.revocation(target, RevocationClass::Compromised, Issuer::Root(next.root_id())), &[3, 4]);
    assert_eq!(county.directory.learn_revocation(revocation.clone()), Err(DirectoryError::UnknownRoot(next.root_id())));
    let _ = county.directory.learn_root(next.clone()).expect("valid");
    let _ = county.directory.learn_revocation(revocation).expect("valid");
    assert_eq!(county.standing(&county.node), CertStanding::Good);
    assert_eq!(county.standing(&county.second), CertStanding::Revoked(RevocationClass::Compromised));
    assert_eq!(county.directory.registrar(&county.bureau), None, "a new appointment is needed");
    assert_eq!(county.directory.registrar_of_epoch(&county.bureau, 1), Some(county.node), "for what was written then");
    let backwards = RevocationTarget::Root { root: next.root_id(), good: vec![] };
    let backwards = county.revocation(backwards, RevocationClass::Compromised, Issuer::Root(county.root));
    assert!(is_not_entitled(county.directory.learn_revocation(verified(backwards, &[1, 2]))));
}

#[test]
fn a_transport_key_leads_to_the_newest_certificate_that_is_not_revoked() {
    let mut county = county();
    let transport = TransportKey(key(11).public().0);
    assert_eq!(county.directory.by_transport(&transport), Some(county.node));
    let mut renewed = samples::node_of(county.bureau, county.root, 10);
    renewed.not_before = LATER;
    renewed.serial = [99; 16];
    let renewed = verified(renewed, &[1, 2]);
    let _ = county.directory.learn_certificate(renewed.clone()).expect("valid");
    assert_eq!(county.directory.by_transport(&transport), Some(renewed.certificate_id()));
    county.revoke(RevocationTarget::Certificate(renewed.certificate_id()), RevocationClass::Retired);
    assert_eq!(county.directory.by_transport(&transport), Some(county.node));
    assert_eq!(county.directory.all_by_transport(&transport).count(), 2);
    assert_eq!(county.directory.by_transport(&TransportKey([0; 32])), None);
}

#[test]
fn a_clone_does_not_see_what_is_learnt_later() {
    let mut county = county();
    let before = county.directory.clone();
    county.revoke(RevocationTarget::Certificate(county.officer), RevocationClass::Retired);
    assert_eq!(before.standing(&county.officer, LATER), CertStanding::Good);
}

#[test]
fn only_the_root_lowers_a_clock_floor_and_a_second_hearing_is_no_news() {
    let mut county = county();
    let reset = |root| ClockReset { bureau: county.bureau, root, ..samples::clock_reset() };
    let (good, foreign) = (reset(county.root), reset(RootId([9; 32])));
    assert!(is_not_entitled(county.directory.learn_clock_reset(verified(good.clone(), &[10]))), "a node");
    assert!(is_not_entitled(county.directory.learn_clock_reset(verified(good.clone(), &[1]))), "one key of two");
    assert_eq!(county.directory.learn_clock_reset(verified(foreign, &[1, 2])), Err(DirectoryError::UnknownRoot(RootId([9; 32]))));
    let good = verified(good, &[1, 2]);
    assert_eq!(county.directory.learn_clock_reset(good.clone()), Ok(Learned::New));
    assert_eq!(county.directory.learn_clock_reset(good.clone()), Ok(Learned::Known));
    assert_eq!(county.directory.statement_bytes(&good.id()), Some(bytes(&good)));
    assert!(county.directory.statements(&county.bureau).any(|held| held.to_bytes() == bytes(&good)), "a store takes it along");
}

/// The bytes of a verified statement.
fn bytes<T: Statement>(statement: &Verified<T>) -> Vec<u8> {
    statement.sealed().to_bytes()
}

/// A bureau with rotations, rivals, revocations of every kind, rival appointments, and statements nobody may make.
fn everything() -> Vec<Vec<u8>> {
    let county = county();
    let (bureau, root, node, officer) = (county.bureau, county.root, county.node, county.officer);
    let second = verified(county.next_root(&[3, 4, 5], root, 2), &[1, 2, 4, 5]);
    let rival = verified(county.next_root(&[3, 8, 9], root, 2), &[1, 2, 8, 9]);
    let third = verified(county.next_root(&[5, 6], second.root_id(), 3), &[4, 5, 6]);
    let thief = verified(samples::node_of(bureau, rival.root_id(), 30), &[8, 9]);
    let late = verified(samples::officer_of(bureau, node, 41), &[10]);
    let too_long = verified(samples::officer_of(bureau, officer, 42), &[20]);
    let by_root = |target, class| county.revocation(target, class, Issuer::Root(root));
    let revocations = [
        verified(by_root(RevocationTarget::Key(key(41).public()), RevocationClass::Retired), &[1, 2]),
        verified(by_root(RevocationTarget::Issuer { certificate: node, good: vec![officer] }, RevocationClass::Compromised), &[2, 3]),
        verified(county.revocation(RevocationTarget::Certificate(officer), RevocationClass::Retired, Issuer::Member(county.second)), &[13]),
        verified(
            county.revocation(
                RevocationTarget::Root { root, good: vec![node] },
                RevocationClass::Compromised,
                Issuer::Root(second.root_id()),
            ),
            &[4, 5],
        ),
        verified(by_root(RevocationTarget::Certificate(node), RevocationClass::Retired), &[1]),
    ];
    let appointments = [
        verified(county.appointment(1, node), &[1, 2]),
        verified(county.appointment(2, county.second), &[1, 2]),
        verified(county.appointment(2, node), &[1, 2]),
        verified(Appointment { root: rival.root_id(), ..county.appointment(3, thief.certificate_id()) }, &[8, 9]),
        verified(county.appointment(4, officer), &[1, 2]),
    ];
    let reset = verified(ClockReset { bureau, root, ..samples::clock_reset() }, &[1, 3]);
    let known = |id: &CertificateId| county.directory.certificate(id).expect("known").clone();
    [verified(samples::root_statement(), &[1, 2]), second, rival, third]
        .iter()
        .map(bytes)
        .chain([known(&node), known(&county.second), known(&officer), thief, late, too_long].iter().map(bytes))
        .chain(revocations.iter().map(bytes))
        .chain(appointments.iter().map(bytes))
        .chain([bytes(&reset)])
        .collect()
}

/// Learns in the given order and asks again for what had to wait until nothing moves.
fn learn_all(items: Vec<Vec<u8>>) -> Directory {
    let mut directory = Directory::new(network());
    let mut waiting = items;
    loop {
        let before = waiting.len();
        waiting.retain(|item| directory.learn_bytes(item).is_err_and(|error| error.is_waiting()));
        if waiting.len() == before {
            return directory;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_learning_ends_in_the_same_directory(order in Just((0..21usize).collect::<Vec<_>>()).prop_shuffle()) {
        let items = everything();
        prop_assert_eq!(items.len(), order.len());
        let expect = learn_all(items.clone());
        let found = learn_all(order.iter().map(|place| items[*place].clone()).collect());
        prop_assert_eq!(&found, &expect);
        let bureau = expect.bureaus().next().expect("one bureau").id();
        prop_assert!(found.is_frozen(&bureau));
        for certificate in expect.members(&bureau) {
            prop_assert_eq!(found.standing(&certificate, LATER), expect.standing(&certificate, LATER));
        }
    }
}

#[test]
fn the_statements_of_a_bureau_teach_an_empty_directory_in_one_pass() {
    let directory = learn_all(everything());
    let bureau = directory.bureaus().next().expect("one bureau").id();
    let mut copy = Directory::new(network());
    for statement in directory.statements(&bureau) {
        let learned = copy.learn_bytes(&statement.to_bytes()).expect("in an order that needs no waiting");
        assert_eq!(learned, Learned::New);
    }
    assert_eq!(copy, directory);
    let id = directory.bureau(&bureau).and_then(|record| record.revocations().next()).expect("one").id();
    assert!(directory.statement_bytes(&id).is_some_and(|bytes| directory.statements(&bureau).any(|held| held.to_bytes() == bytes)));
    assert!(directory.statement_bytes(&StatementId(bureau.0)).is_some(), "root version 1");
    assert!(directory.statement_bytes(&StatementId([0; 32])).is_none());
}

//! What is derived when a statement is learnt, held against a plain walk over everything that was learnt.

use super::*;
use std::collections::VecDeque;

/// Answers by walking over a record: slow, and nothing derived beforehand.
struct Plain<'a> {
    directory: &'a Directory,
    record: &'a BureauRecord,
    line: Vec<RootId>,
}

fn sole<T: Copy>(items: &[T]) -> Option<T> {
    if let [one] = items { Some(*one) } else { None }
}

impl<'a> Plain<'a> {
    fn of(directory: &'a Directory, record: &'a BureauRecord) -> Self {
        let mut plain = Self { directory, record, line: vec![RootId::from(record.id())] };
        loop {
            let followers = plain.followers(plain.line.last().expect("one"));
            let confirmed: Vec<_> = followers.iter().copied().filter(|it| record.is_confirmed_root(it)).collect();
            match sole(&followers).or_else(|| sole(&confirmed)) {
                Some(next) => plain.line.push(next),
                None => return plain,
            }
        }
    }

    fn followers(&self, root: &RootId) -> Vec<RootId> {
        self.record.roots.iter().filter(|(_, it)| it.body().previous.as_ref() == Some(root)).map(|(id, _)| *id).collect()
    }

    fn is_rejected(&self, root: &RootId) -> bool {
        let mut at = *root;
        while !self.line.contains(&at) {
            match self.record.roots.get(&at).and_then(|it| it.body().previous) {
                Some(previous) => at = previous,
                None => return false,
            }
        }
        at != *root && Some(&at) != self.line.last()
    }

    fn standing_revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.record.revocations.values().filter(|(root, _)| !self.is_rejected(root)).map(|(_, it)| it.body())
    }

    fn is_root_compromised(&self, root: &RootId) -> bool {
        self.standing_revocations().any(|it| {
            it.class == RevocationClass::Compromised && matches!(&it.target, RevocationTarget::Root { root: target, .. } if target == root)
        })
    }

    fn revocations_of(&self, id: &'a CertificateId, body: &'a MemberCertificate) -> impl Iterator<Item = &Revocation> {
        let from_root = matches!(body.issuer, Issuer::Root(_));
        self.standing_revocations().filter(move |revocation| {
            if from_root && matches!(revocation.issuer, Issuer::Member(_)) {
                return false;
            }
            match &revocation.target {
                RevocationTarget::Key(key) => *key == body.key,
                RevocationTarget::Certificate(target) => target == id,
                RevocationTarget::Issuer { certificate, good } => {
                    certificate == id || (body.issuer == Issuer::Member(*certificate) && !good.contains(id))
                }
                RevocationTarget::Root { root, good } => body.issuer == Issuer::Root(*root) && !good.contains(id),
            }
        })
    }

    fn revoked(&self, id: &'a CertificateId) -> Option<RevocationClass> {
        let body = self.directory.certificate(id)?.body();
        let own = self.revocations_of(id, body).map(|it| it.class).max();
        let Issuer::Member(issuer) = &body.issuer else { return own };
        let above = self.directory.certificate(issuer)?.body();
        let with_issuer = self.revocations_of(issuer, above).filter(|it| !matches!(it.target, RevocationTarget::Issuer { .. }));
        own.max(with_issuer.map(|it| it.class).filter(|class| *class == RevocationClass::Compromised).max())
    }

    fn appointed(&self, epoch: u32) -> Option<StatementId> {
        let rivals = self.record.appointments.get(&epoch)?;
        let heard: Vec<_> = rivals.values().filter(|it| !self.is_rejected(&it.body().root)).collect();
        let confirmed: Vec<_> = heard.iter().copied().filter(|it| self.record.is_confirmed_appointment(&it.id())).collect();
        let stands = sole(&heard).or_else(|| sole(&confirmed))?;
        self.line.contains(&stands.body().root).then(|| stands.id())
    }

    fn newest_epoch(&self) -> Option<u32> {
        let counts = |it: &Arc<Verified<Appointment>>| !self.is_rejected(&it.body().root) && !self.is_root_compromised(&it.body().root);
        self.record.appointments.iter().rev().find(|(_, rivals)| rivals.values().any(counts)).map(|(epoch, _)| *epoch)
    }

    fn freeze(&self) -> Option<Freeze> {
        let head = *self.line.last().expect("one");
        let rivals = self.followers(&head);
        if !rivals.is_empty() {
            return Some(Freeze::RivalRoots { at: head, rivals });
        }
        self.record
            .appointments
            .iter()
            .find(|(epoch, rivals)| rivals.values().any(|it| !self.is_rejected(&it.body().root)) && self.appointed(**epoch).is_none())
            .map(|(epoch, rivals)| Freeze::RivalAppointments { epoch: *epoch, rivals: rivals.keys().copied().collect() })
    }
}

/// Everything a directory answers of its bureaus, held against the plain walk.
fn compare(directory: &Directory) {
    for record in directory.bureaus() {
        let plain = Plain::of(directory, record);
        let bureau = record.id();
        assert_eq!(record.roots().map(Verified::root_id).collect::<Vec<_>>(), plain.line, "the line");
        for root in record.roots.keys() {
            assert_eq!(record.is_on_line(root), plain.line.contains(root), "on the line");
        }
        for id in record.certificates.keys() {
            assert_eq!(directory.revoked(id), plain.revoked(id), "revoked");
        }
        assert_eq!(record.freeze(), plain.freeze(), "freeze");
        assert_eq!(directory.is_frozen(&bureau), plain.freeze().is_some(), "frozen");
        assert_eq!(record.newest_epoch(), plain.newest_epoch(), "newest epoch");
        for epoch in 0..=record.epochs().next_back().unwrap_or(0) + 1 {
            assert_eq!(record.appointed(epoch).map(Verified::id), plain.appointed(epoch), "epoch {epoch}");
        }
        let mut weight = 0;
        for held in directory.statements(&bureau) {
            let bytes = held.to_bytes();
            weight += bytes.len();
            assert_eq!(directory.statement_bytes(&held.id()), Some(bytes), "found by its id");
        }
        assert_eq!(weight, record.weight());
    }
}

/// What happens in a history.
#[derive(Clone, Debug)]
enum Act {
    Learn(Vec<u8>),
    ConfirmRoot(RootId),
    ConfirmAppointment(BureauId, StatementId),
}

impl Act {
    /// `false` when it has to wait.
    fn happens(&self, directory: &mut Directory) -> bool {
        match self {
            Self::Learn(bytes) => match directory.learn_bytes(bytes) {
                Ok(_) => true,
                Err(error) => {
                    assert!(error.is_waiting(), "{error}");
                    false
                }
            },
            Self::ConfirmRoot(root) => directory.confirm_root(root),
            Self::ConfirmAppointment(bureau, appointment) => directory.confirm_appointment(bureau, appointment),
        }
    }
}

/// A history out of numbers: roots that fork, nodes and officers of few keys, revocations of every kind by every root version and by nodes,
/// appointments that rival each other, and people who decide.
fn history(choices: &[[u8; 4]]) -> Vec<Act> {
    let first = verified(samples::root_of(&[1, 2, 3], 1), &[1]);
    let bureau = BureauId::from(first.root_id());
    let mut roots = vec![(first.root_id(), 1u32)];
    let mut nodes: Vec<(CertificateId, u8)> = Vec::new();
    let mut members: Vec<CertificateId> = Vec::new();
    let mut appointments = Vec::new();
    let mut acts = vec![Act::Learn(bytes(&first))];
    let some = |list: &[CertificateId], bits: u8| {
        let mut list: Vec<_> = list.iter().enumerate().filter(|(at, _)| bits >> (at % 8) & 1 == 1).map(|(_, id)| *id).collect();
        list.sort_unstable();
        list
    };
    for (at, [what, one, two, three]) in choices.iter().copied().enumerate() {
        let serial = [u8::try_from(at).expect("few"); 16];
        let pick = |n: u8, of: usize| usize::from(n) % of;
        let (root, version) = roots[pick(one, roots.len())];
        let class = if three & 1 == 1 { RevocationClass::Compromised } else { RevocationClass::Retired };
        let revocation = |target, issuer| Revocation { bureau, target, class, at: START.plus(at as u64), issuer };
        let all: Vec<_> = nodes.iter().map(|(id, _)| *id).chain(members.iter().copied()).collect();
        match what % 10 {
            // At most three follow one: fewer rivals than a directory keeps.
            0 | 1 => {
                let (previous, version) = roots[roots.len() - 1 - pick(one, 3).min(roots.len() - 1)];
                let next = RootStatement {
                    version: version + 1,
                    previous: Some(previous),
                    created: START.plus(at as u64),
                    ..samples::root_of(&[1, 2, 3], 1)
                };
                let next = verified(next, &[1]);
                roots.push((next.root_id(), version + 1));
                acts.push(Act::Learn(bytes(&next)));
            }
            2 => {
                let n = 10 + 3 * (two % 3);
                let node = verified(MemberCertificate { serial, ..samples::node_of(bureau, root, n) }, &[1]);
                nodes.push((node.certificate_id(), n));
                acts.push(Act::Learn(bytes(&node)));
            }
            3 if !nodes.is_empty() => {
                let (issuer, n) = nodes[pick(one, nodes.len())];
                let officer = verified(MemberCertificate { serial, ..samples::officer_of(bureau, issuer, 20 + two % 3) }, &[n]);
                members.push(officer.certificate_id());
                acts.push(Act::Learn(bytes(&officer)));
            }
            4 | 5 if !all.is_empty() => {
                let (older, older_version) = roots[pick(two, roots.len())];
                let target = match three >> 1 & 3 {
                    0 => RevocationTarget::Key(key([10, 13, 16, 20, 21, 22][pick(two, 6)]).public()),
                    1 => RevocationTarget::Certificate(all[pick(two, all.len())]),
                    2 if !nodes.is_empty() => {
                        let (certificate, _) = nodes[pick(two, nodes.len())];
                        RevocationTarget::Issuer { certificate, good: some(&members, three >> 3 | one << 5) }
                    }
                    _ if older_version < version => RevocationTarget::Root { root: older, good: some(&all, three >> 3 | one << 5) },
                    _ => continue,
                };
                acts.push(Act::Learn(bytes(&verified(revocation(target, Issuer::Root(root)), &[1]))));
            }
            6 if !nodes.is_empty() && !all.is_empty() => {
                let (issuer, n) = nodes[pick(one, nodes.len())];
                let target = match three >> 1 & 1 {
                    0 => RevocationTarget::Key(key([10, 13, 16, 20, 21, 22][pick(two, 6)]).public()),
                    _ => RevocationTarget::Certificate(all[pick(two, all.len())]),
                };
                acts.push(Act::Learn(bytes(&verified(revocation(target, Issuer::Member(issuer)), &[n]))));
            }
            7 | 8 if !nodes.is_empty() => {
                let (registrar, _) = nodes[pick(two, nodes.len())];
                let epoch = u32::try_from(appointments.len() % 7).expect("few") + 1;
                let appointment = Appointment { bureau, epoch, registrar, at: START.plus(at as u64), root };
                let appointment = verified(appointment, &[1]);
                appointments.push(appointment.id());
                acts.push(Act::Learn(bytes(&appointment)));
            }
            9 if two & 3 == 0 && !appointments.is_empty() => {
                acts.push(Act::ConfirmAppointment(bureau, appointments[pick(one, appointments.len())]));
            }
            9 => acts.push(Act::ConfirmRoot(root)),
            _ => {}
        }
    }
    acts
}

/// Lets everything happen in the order given, what has to wait later, and compares after each.
fn live(acts: Vec<Act>) -> Directory {
    let mut directory = Directory::new(network());
    let mut waiting = VecDeque::from(acts);
    let mut idle = 0;
    while let Some(act) = waiting.pop_front() {
        if act.happens(&mut directory) {
            idle = 0;
            compare(&directory);
        } else {
            idle += 1;
            waiting.push_back(act);
            assert!(idle <= waiting.len(), "nothing moves");
        }
    }
    directory
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_derived_is_what_a_walk_over_everything_finds(
        choices in proptest::collection::vec(any::<[u8; 4]>(), 50),
        order in Just((0..51usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let acts = history(&choices);
        let shuffled = order.iter().filter_map(|place| acts.get(*place).cloned()).collect();
        let (in_order, late) = (live(acts), live(shuffled));
        prop_assert!(in_order == late, "what is derived does not depend on the order");
    }
}

/// A bureau of so many root versions, as many epochs, and so many revocations by the newest, and the steps it took to learn the last of each.
fn large(roots: u32, revocations: u32) -> (County, usize) {
    let mut county = county();
    let mut newest = county.root;
    let mut steps = 0;
    for version in 2..=roots {
        let next = verified(county.next_root(&[1, 2, 3], newest, version), &[1, 2]);
        newest = next.root_id();
        steps = steps::of(|| assert_eq!(county.directory.learn_root(next), Ok(Learned::New)));
        let appointment = Appointment { root: newest, ..county.appointment(version, county.node) };
        let appointment = verified(appointment, &[1, 2]);
        steps += steps::of(|| assert_eq!(county.directory.learn_appointment(appointment), Ok(Learned::New)));
    }
    for n in 0..revocations {
        let target = RevocationTarget::Certificate(CertificateId(*blake3::hash(&n.to_be_bytes()).as_bytes()));
        let revocation = verified(county.revocation(target, RevocationClass::Retired, Issuer::Root(newest)), &[1, 2]);
        let learnt = steps::of(|| assert_eq!(county.directory.learn_revocation(revocation), Ok(Learned::New)));
        steps += if n + 1 == revocations { learnt } else { 0 };
    }
    (county, steps)
}

#[test]
fn what_a_bureau_states_makes_no_question_about_it_dearer() {
    let ask = |county: &County| {
        steps::of(|| {
            assert_eq!(county.standing(&county.node), CertStanding::Good);
            assert_eq!(county.standing(&county.officer), CertStanding::Good);
            assert!(!county.directory.is_frozen(&county.bureau));
            assert!(county.directory.registrar(&county.bureau).is_some());
        })
    };
    let ((small, small_learnt), (large, large_learnt)) = (large(5, 5), large(400, 2_000));
    assert!(ask(&small) > 0, "steps are counted");
    assert_eq!(ask(&large), ask(&small), "asking");
    assert_eq!(large_learnt, small_learnt, "learning one more");
}

//! A root paper: one statement on its way between the machines that hold root keys.
//!
//! It holds the statement, the seals it has so far, and the root versions of its bureau, so that a machine without network can show what is
//! signed and count what is missing. Only four statements travel so: a new root version, the registrar's
//! appointment, a node's certificate, a clock reset.
//! As a file it is armoured text, so it survives a stick, mail and printing.

use accord_keys::appointment::Appointment;
use accord_keys::certificate::MemberCertificate;
use accord_keys::clock_reset::ClockReset;
use accord_keys::directory::Directory;
use accord_keys::id::{BureauId, NetworkId, PublicKey};
use accord_keys::root::RootStatement;
use accord_keys::seal::{Sealed, Statement};
use accord_keys::secret::Signer;
use accord_keys::{armour, canon};
use minicbor::bytes::ByteVec;
use serde::Serialize;

use crate::failure::Failure;

/// Label of the armour.
const LABEL: &str = "ROOT PAPER";
/// Largest paper, bytes: a long root history fits.
const PAPER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest file that may hold one: base64 with its line ends, and words around it.
pub(super) const TEXT_BYTES_MAX: usize = PAPER_BYTES_MAX / 2 * 3;

/// One statement with the seals it has so far.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub(super) struct Paper {
    /// Format version; 1.
    #[n(0)]
    version: u32,
    #[n(1)]
    network: NetworkId,
    #[n(2)]
    bureau: BureauId,
    /// Statement type number.
    #[n(3)]
    kind: u16,
    /// Deterministic CBOR of the statement's body.
    #[n(4)]
    payload: ByteVec,
    /// The sealed statement, once it has a seal.
    #[n(5)]
    sealed: Option<ByteVec>,
    /// The bureau's root versions, sealed, ascending.
    #[n(6)]
    roots: Vec<ByteVec>,
}

/// What a paper says, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// `root`, `appointment`, `clock_reset` or `certificate`.
    pub(super) kind: &'static str,
    /// Name and unit code of the bureau as its newest root states them.
    pub(super) bureau: String,
    /// What is stated, value by value, for instance `version` and `threshold`.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Seals still missing.
    pub(super) missing: usize,
}

impl Paper {
    /// A paper without seals.
    ///
    /// # Errors
    /// `paper_damaged` if the roots do not make a bureau or the statement breaks a rule of its type.
    pub(super) fn new<T: Statement>(network: NetworkId, bureau: BureauId, body: &T, roots: &[Vec<u8>]) -> Result<Self, Failure> {
        body.validate().map_err(|error| Failure::misuse("paper_statement").because(error))?;
        let paper = Self {
            version: 1,
            network,
            bureau,
            kind: T::TYPE.number(),
            payload: canon::encode(body).into(),
            sealed: None,
            roots: roots.iter().cloned().map(ByteVec::from).collect(),
        };
        paper.directory()?;
        Ok(paper)
    }

    /// Reads armoured text.
    ///
    /// # Errors
    /// `paper_damaged` for anything but a whole paper of this version.
    pub(super) fn from_text(text: &str) -> Result<Self, Failure> {
        let bytes = armour::unwrap(LABEL, text, PAPER_BYTES_MAX).map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        let paper: Self = canon::decode(&bytes).map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        if paper.version != 1 {
            return Err(Failure::misuse("paper_damaged"));
        }
        paper.summary()?;
        Ok(paper)
    }

    /// The armoured text.
    pub(super) fn to_text(&self) -> String {
        armour::wrap(LABEL, &canon::encode(self))
    }

    /// Adds the seal of `signer`.
    ///
    /// # Errors
    /// `key_does_not_count` when no threshold asks for this key: a wrong stick.
    pub(super) fn sign(&mut self, signer: &dyn Signer) -> Result<(), Failure> {
        if !self.counting()?.contains(&signer.public()) {
            return Err(Failure::refused("key_does_not_count").with("key", signer.public().short()));
        }
        let sealed = match self.kind {
            kind if kind == RootStatement::TYPE.number() => self.signed::<RootStatement>(signer)?,
            kind if kind == Appointment::TYPE.number() => self.signed::<Appointment>(signer)?,
            kind if kind == MemberCertificate::TYPE.number() => self.signed::<MemberCertificate>(signer)?,
            kind if kind == ClockReset::TYPE.number() => self.signed::<ClockReset>(signer)?,
            _ => return Err(Failure::misuse("paper_damaged")),
        };
        self.sealed = Some(sealed.into());
        Ok(())
    }

    /// Takes over the seals of another copy of the same paper.
    ///
    /// # Errors
    /// `paper_differs` when it is another statement.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), Failure> {
        if (self.network, self.kind, &self.payload) != (other.network, other.kind, &other.payload) {
            return Err(Failure::misuse("paper_differs"));
        }
        let joined = match (&self.sealed, &other.sealed) {
            (_, None) => return Ok(()),
            (None, Some(theirs)) => theirs.to_vec(),
            (Some(ours), Some(theirs)) => match self.kind {
                kind if kind == RootStatement::TYPE.number() => joined::<RootStatement>(ours, theirs)?,
                kind if kind == Appointment::TYPE.number() => joined::<Appointment>(ours, theirs)?,
                kind if kind == ClockReset::TYPE.number() => joined::<ClockReset>(ours, theirs)?,
                _ => joined::<MemberCertificate>(ours, theirs)?,
            },
        };
        self.sealed = Some(joined.into());
        Ok(())
    }

    /// The sealed statement if nothing is missing.
    pub(super) fn complete(&self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(if self.missing()? == 0 { self.sealed.as_ref().map(|sealed| sealed.to_vec()) } else { None })
    }

    /// What it says.
    ///
    /// # Errors
    /// `paper_damaged` when it does not hold together.
    pub(super) fn summary(&self) -> Result<Summary, Failure> {
        let directory = self.directory()?;
        let record = directory.bureau(&self.bureau).ok_or_else(|| Failure::misuse("paper_damaged"))?;
        let short = |keys: &[PublicKey]| keys.iter().map(PublicKey::short).collect::<Vec<_>>().join(", ");
        let (kind, facts) = if self.kind == RootStatement::TYPE.number() {
            let root: RootStatement = self.body()?;
            let threshold = format!("{}/{}", root.threshold, root.keys.len());
            let name = format!("{} ({})", root.name, root.unit_code);
            ("root", vec![("version", root.version.to_string()), ("name", name), ("keys", short(&root.keys)), ("threshold", threshold)])
        } else if self.kind == Appointment::TYPE.number() {
            let appointment: Appointment = self.body()?;
            ("appointment", vec![("epoch", appointment.epoch.to_string()), ("node", appointment.registrar.short())])
        } else if self.kind == ClockReset::TYPE.number() {
            let reset: ClockReset = self.body()?;
            ("clock_reset", vec![("floor", super::super::render::time(reset.floor.0))])
        } else if self.kind == MemberCertificate::TYPE.number() {
            let certificate: MemberCertificate = self.body()?;
            let words = certificate.capabilities.iter().filter_map(|capability| capability.word()).collect::<Vec<_>>().join(", ");
            let until = super::super::render::time(certificate.not_after.0);
            ("certificate", vec![("unit", certificate.unit), ("key", certificate.key.short()), ("until", until), ("may", words)])
        } else {
            return Err(Failure::misuse("paper_damaged"));
        };
        let bureau = format!("{} ({})", record.name(), record.unit_code());
        Ok(Summary { kind, bureau, facts, missing: self.missing()? })
    }

    /// Seals still missing: for a new root version the larger of what either version lacks, since one key may count for both.
    pub(super) fn missing(&self) -> Result<usize, Failure> {
        let signers = self.signers()?;
        let lacks = |root: &RootStatement| usize::from(root.threshold).saturating_sub(root.count_own(&signers));
        let head = self.head()?;
        if self.kind == RootStatement::TYPE.number() {
            let next: RootStatement = self.body()?;
            return Ok(lacks(&head).max(lacks(&next)));
        }
        Ok(lacks(&head))
    }

    /// Every key whose seal may count.
    fn counting(&self) -> Result<Vec<PublicKey>, Failure> {
        let mut keys = self.head()?.keys;
        if self.kind == RootStatement::TYPE.number() {
            keys.extend(self.body::<RootStatement>()?.keys);
        }
        Ok(keys)
    }

    fn signers(&self) -> Result<Vec<PublicKey>, Failure> {
        let Some(bytes) = &self.sealed else { return Ok(Vec::new()) };
        if self.kind == RootStatement::TYPE.number() {
            self.verified::<RootStatement>(bytes)
        } else if self.kind == Appointment::TYPE.number() {
            self.verified::<Appointment>(bytes)
        } else if self.kind == ClockReset::TYPE.number() {
            self.verified::<ClockReset>(bytes)
        } else {
            self.verified::<MemberCertificate>(bytes)
        }
    }

    /// The signers of a statement whose every seal holds and which is this paper's.
    fn verified<T: Statement>(&self, bytes: &[u8]) -> Result<Vec<PublicKey>, Failure> {
        let sealed = Sealed::<T>::from_bytes(bytes).map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        if sealed.payload() != self.payload.as_slice() {
            return Err(Failure::misuse("paper_damaged"));
        }
        let verified = sealed.verify(&self.network).map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        Ok(verified.signers().copied().collect())
    }

    fn signed<T: Statement>(&self, signer: &dyn Signer) -> Result<Vec<u8>, Failure> {
        let failed = |error| Failure::fault("seal_failed").because(error);
        let sealed = match &self.sealed {
            Some(bytes) => {
                let mut sealed = Sealed::<T>::from_bytes(bytes).map_err(failed)?;
                sealed.add(&self.network, signer).map_err(failed)?;
                sealed
            }
            None => Sealed::seal(&self.network, self.body::<T>()?, &[signer]).map_err(failed)?,
        };
        Ok(sealed.to_bytes())
    }

    fn body<T: Statement>(&self) -> Result<T, Failure> {
        let body: T = canon::decode(&self.payload).map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        body.validate().map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        Ok(body)
    }

    /// The newest root version the paper carries.
    fn head(&self) -> Result<RootStatement, Failure> {
        let directory = self.directory()?;
        let record = directory.bureau(&self.bureau).ok_or_else(|| Failure::misuse("paper_damaged"))?;
        Ok(record.head_statement().clone())
    }

    fn directory(&self) -> Result<Directory, Failure> {
        let mut directory = Directory::new(self.network);
        for root in &self.roots {
            directory.learn_bytes(root).map_err(|error| Failure::misuse("paper_damaged").because(error))?;
        }
        if directory.bureau(&self.bureau).is_none() {
            return Err(Failure::misuse("paper_damaged"));
        }
        Ok(directory)
    }
}

fn joined<T: Statement>(ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>, Failure> {
    let read = |bytes: &[u8]| Sealed::<T>::from_bytes(bytes).map_err(|error| Failure::misuse("paper_damaged").because(error));
    let mut joined = read(ours)?;
    joined.merge(read(theirs)?).map_err(|error| Failure::misuse("paper_differs").because(error))?;
    Ok(joined.to_bytes())
}

#[cfg(test)]
mod tests {
    use accord_keys::id::CertificateId;
    use accord_keys::secret::SecretKey;
    use accord_keys::time::WallSeconds;

    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn root(version: u32, previous: Option<accord_keys::id::RootId>, seeds: &[u8], threshold: u8) -> RootStatement {
        let mut keys: Vec<PublicKey> = seeds.iter().map(|seed| key(*seed).public()).collect();
        keys.sort();
        RootStatement {
            version,
            previous,
            keys,
            threshold,
            unit_code: "330000".into(),
            name: "临溪县公安局".into(),
            network: NetworkId::named("test"),
            created: WallSeconds(1_796_054_400),
        }
    }

    /// A bureau with root keys 1, 2, 3 and threshold 2, and its first root sealed.
    fn bureau() -> (NetworkId, BureauId, Vec<Vec<u8>>) {
        let network = NetworkId::named("test");
        let (one, two) = (key(1), key(2));
        let sealed = Sealed::seal(&network, root(1, None, &[1, 2, 3], 2), &[&one, &two]).expect("a good statement");
        (network, sealed.root_id(&network).into(), vec![sealed.to_bytes()])
    }

    fn rotation() -> Paper {
        let (network, bureau, roots) = bureau();
        let next = root(2, Some(bureau.into()), &[2, 3, 4], 2);
        Paper::new(network, bureau, &next, &roots).expect("a good statement")
    }

    #[test]
    fn a_rotation_needs_the_threshold_of_both_versions() {
        let mut paper = rotation();
        assert_eq!(paper.missing().expect("whole"), 2);
        paper.sign(&key(4)).expect("a key of the new version");
        assert_eq!(paper.missing().expect("whole"), 2, "the old version lacks both");
        paper.sign(&key(1)).expect("a key of the old version");
        assert_eq!(paper.missing().expect("whole"), 1);
        assert_eq!(paper.complete().expect("whole"), None);
        paper.sign(&key(2)).expect("a key of both");
        let bytes = paper.complete().expect("whole").expect("nothing is missing");
        let mut directory = paper.directory().expect("whole");
        directory.learn_bytes(&bytes).expect("the directory accepts the new version");
        assert_eq!(directory.bureau(&paper.bureau).expect("known").head_statement().version, 2);
    }

    #[test]
    fn a_key_that_no_threshold_asks_for_is_refused() {
        let mut paper = rotation();
        assert_eq!(paper.sign(&key(9)).expect_err("a wrong stick").code, "key_does_not_count");
        assert_eq!(paper.missing().expect("whole"), 2);
    }

    #[test]
    fn copies_signed_apart_join_and_other_papers_do_not() {
        let (mut one, mut two) = (rotation(), rotation());
        one.sign(&key(2)).expect("counts");
        two.sign(&key(3)).expect("counts");
        one.merge(&two).expect("the same statement");
        assert_eq!(one.missing().expect("whole"), 0);
        let (network, bureau, roots) = bureau();
        let appointment =
            Appointment { bureau, epoch: 2, registrar: CertificateId([7; 32]), at: WallSeconds(1_796_054_400), root: bureau.into() };
        let mut other = Paper::new(network, bureau, &appointment, &roots).expect("a good statement");
        assert_eq!(one.merge(&other).expect_err("another statement").code, "paper_differs");
        other.sign(&key(1)).expect("counts");
        assert_eq!(other.missing().expect("whole"), 1, "an appointment needs the threshold of the root in force");
    }

    #[test]
    fn a_paper_reads_back_and_damage_is_found() {
        let mut paper = rotation();
        paper.sign(&key(2)).expect("counts");
        let text = paper.to_text();
        assert_eq!(Paper::from_text(&text).expect("whole"), paper);
        let summary = Paper::from_text(&text).expect("whole").summary().expect("whole");
        assert_eq!((summary.kind, summary.missing), ("root", 1));
        let check = |text: &str| assert_eq!(Paper::from_text(text).expect_err("damaged").code, "paper_damaged");
        check("");
        check(&text.replacen("A", "B", 1));
        let mut foreign = paper.clone();
        foreign.payload = rotation_payload(3).into();
        check(&foreign.to_text());
        let mut rootless = paper.clone();
        rootless.roots.clear();
        check(&rootless.to_text());
        let mut unknown = paper;
        unknown.kind = 999;
        check(&unknown.to_text());
    }

    fn rotation_payload(version: u32) -> Vec<u8> {
        let (_, bureau, _) = bureau();
        canon::encode(&root(version, Some(bureau.into()), &[2, 3, 4], 2))
    }
}

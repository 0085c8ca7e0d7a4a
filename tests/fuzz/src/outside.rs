//! What comes from outside besides changes: sealed statements, segments, proof files. Made of the committed proofs, so that mutations start
//! from what stands.

use std::collections::BTreeSet;

use accord_keys::directory::Directory;
use accord_keys::envelope::{self, Opener};
use accord_keys::id::TransportKey;
use accord_keys::seal::Sealed;
use accord_keys::secret::HpkeSecret;
use accord_protocol::access::log::{Genesis, Record};
use accord_protocol::access::pass::RelayPass;
use accord_protocol::bundle::{BundleError, Ends, Reader};
use accord_protocol::id::Nonce;
use accord_protocol::ledger::Line;
use accord_protocol::proof::{MAGIC, Proof, ProofFile, ProofStatement};
use accord_protocol::segment;
use accord_protocol::wire;

/// First byte of an input: a sealed statement of whatever type.
pub const STATEMENT: u8 = 0;
/// First byte of an input: a segment.
pub const SEGMENT: u8 = 1;
/// First byte of an input: the body of a proof; header and digest are put around it, as whoever alters one on purpose would.
pub const BODY: u8 = 2;
/// First byte of an input: which committed proof, then what to do to its body: two bytes where, one byte what is changed there.
pub const LIES: u8 = 3;

/// First byte of an input: the records of a bundle, as whoever packs one may write them.
pub const BUNDLE: u8 = 4;
/// First byte of an input: a bundle's file.
pub const ENVELOPE: u8 = 5;

/// The committed proofs and what they state.
pub struct Outside {
    /// Body and statement of each.
    pub proofs: Vec<(Vec<u8>, ProofStatement)>,
    network: accord_protocol::id::NetworkId,
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl Outside {
    /// The same every time.
    pub fn new() -> Self {
        let files: [&[u8]; 5] = [
            include_bytes!("../../../protocol/vectors/proofs/plain.proof"),
            include_bytes!("../../../protocol/vectors/proofs/cut.proof"),
            include_bytes!("../../../protocol/vectors/proofs/held.proof"),
            include_bytes!("../../../protocol/vectors/proofs/ruled.proof"),
            include_bytes!("../../../protocol/vectors/proofs/receipts.proof"),
        ];
        let network = ProofFile::from_bytes(files[0]).expect("a committed vector").network;
        let body = |file: &[u8]| [&[file[MAGIC.len()]], &file[MAGIC.len() + 1..file.len() - 32]].concat();
        let states = |file: &[u8]| Proof::verify(file).and_then(|mut proof| proof.states()).expect("a committed vector stands");
        Self { proofs: files.iter().map(|file| (body(file), states(file))).collect(), network }
    }

    /// Takes one input in as it would be taken in from outside.
    ///
    /// # Panics
    /// When something that was altered states what nobody signed.
    pub fn attack(&self, data: &[u8]) {
        let Some((kind, rest)) = data.split_first() else { return };
        match *kind {
            STATEMENT => self.statement(rest),
            BUNDLE => self.bundle(rest),
            ENVELOPE => self.envelope(rest),
            SEGMENT => drop(segment::decode(rest)),
            BODY => self.proof(rest),
            LIES => self.lies(rest),
            _ => drop(ProofFile::from_bytes(data)),
        }
    }

    /// Pieces of whatever size read the same, and nobody's seal stands under what nobody sealed.
    fn bundle(&self, plain: &[u8]) {
        let read = |size: usize| {
            let mut reader = Reader::begin(b"header");
            let (mut ends, mut records) = (Ends::default(), 0_u64);
            for piece in plain.chunks(size) {
                reader.take(piece)?;
                while let Some(record) = reader.record()? {
                    ends.look(&record, &TransportKey([1; 32]));
                    records += 1;
                }
            }
            let content = reader.finish()?;
            assert_eq!(content.1 + 1, records);
            Ok::<_, BundleError>((content, ends))
        };
        let whole = read(plain.len().max(1));
        assert_eq!(whole.is_ok(), read(7).is_ok());
        if let Ok((content, ends)) = whole {
            assert!(ends.verify(&self.network, Nonce([1; 16]), content).is_err());
        }
    }

    /// What was not sealed to a key does not open by it.
    fn envelope(&self, file: &[u8]) {
        let Some(head) = file.first_chunk() else { return };
        let Some(length) = envelope::header_bytes(head).ok().filter(|length| *length <= file.len()) else { return };
        let (header, _) = file.split_at(length);
        assert!(Opener::begin(&self.network, &HpkeSecret::from_seed([9; 32]), header).is_err());
    }

    fn statement(&self, bytes: &[u8]) {
        let _ = Directory::new(self.network).learn_bytes(bytes);
        let _ = wire::agreement_statement(&self.network, bytes);
        if let Ok(sealed) = Sealed::<Genesis>::from_bytes(bytes) {
            assert_eq!(sealed.to_bytes(), bytes, "one statement, two encodings");
            let _ = sealed.verify(&self.network);
        }
        if let Ok(sealed) = Sealed::<Record>::from_bytes(bytes) {
            assert_eq!(sealed.to_bytes(), bytes, "one statement, two encodings");
            let _ = sealed.verify(&self.network);
        }
        let _ = Sealed::<Line>::from_bytes(bytes).map(|sealed| sealed.verify(&self.network));
        let _ = Sealed::<RelayPass>::from_bytes(bytes).map(|sealed| sealed.verify(&self.network));
    }

    fn lies(&self, data: &[u8]) {
        let Some((which, lies)) = data.split_first() else { return };
        let (body, _) = &self.proofs[usize::from(*which) % self.proofs.len()];
        let mut body = body.clone();
        for lie in lies.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([lie[0], lie[1]])) % body.len();
            body[at] ^= lie[2];
        }
        self.proof(&body);
    }

    /// `body`: the version, then what is between the header and the digest.
    fn proof(&self, body: &[u8]) {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(body);
        let digest = blake3::hash(&file);
        file.extend_from_slice(digest.as_bytes());
        let Ok(stated) = Proof::verify(&file).and_then(|mut proof| proof.states()) else { return };
        // Parts may be left out, never changed: every entry is one that somebody signed.
        let told: BTreeSet<_> = self.proofs.iter().flat_map(|(_, known)| &known.entries).map(|e| (&e.change, &e.text, &e.certificate)).collect();
        for entry in &stated.entries {
            assert!(told.contains(&(&entry.change, &entry.text, &entry.certificate)), "an entry that nobody signed");
        }
    }
}

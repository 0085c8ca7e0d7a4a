//! From the bytes of a proof to what stands: the ordinary directory, book and intake, and nothing else.

use accord_keys::directory::Directory;
use accord_keys::seal::{Sealed, Verified};

use super::file::{ProofError, ProofFile};
use crate::access::audience::Opening;
use crate::access::log::{Genesis, Record};
use crate::agreement::exchange::AgreementBook;
use crate::id::Bytes;
use crate::intake::{DocState, Intake};
use crate::ledger::{self, Line, Says};
use crate::segment;
use crate::wire;

/// A proof whose every part stands.
pub struct Proof {
    pub(super) directory: Directory,
    pub(super) book: AgreementBook,
    pub(super) state: DocState,
    pub(super) receipts: Vec<Verified<Line>>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proof({:?})", self.state)
    }
}

impl Proof {
    /// Reads and verifies a proof file: every seal, chain, record, attestation and signature, and that nothing named is left out.
    ///
    /// # Errors
    /// [`ProofError`], naming the first part that does not stand.
    pub fn verify(bytes: &[u8]) -> Result<Self, ProofError> {
        Self::of(&ProofFile::from_bytes(bytes)?)
    }

    /// As [`Proof::verify`], of a file already read.
    ///
    /// # Errors
    /// As [`Proof::verify`].
    pub fn of(file: &ProofFile) -> Result<Self, ProofError> {
        let unsound = |part: &'static str, at: usize, why: String| ProofError::Part { part, at: at + 1, why };
        let mut directory = Directory::new(file.network);
        for (at, bytes) in file.statements.iter().enumerate() {
            directory.learn_bytes(&bytes.0).map_err(|error| unsound("statement", at, error.to_string()))?;
        }
        if let Some(disputed) = directory.bureaus().find(|bureau| bureau.freeze().is_some()) {
            return Err(ProofError::Disputed(disputed.id().to_string()));
        }
        let genesis = Sealed::<Genesis>::from_bytes(&file.genesis.0).map_err(|error| unsound("genesis", 0, error.to_string()))?;
        let genesis = genesis.verify(&file.network).map_err(|error| unsound("genesis", 0, error.to_string()))?;
        if genesis.id().0 != file.document.0 {
            return Err(unsound("genesis", 0, "it is of another document".to_owned()));
        }
        let mut book = AgreementBook::new(genesis.body().owner);
        for (at, bytes) in file.agreements.iter().enumerate() {
            let statement = wire::agreement_statement(&file.network, &bytes.0);
            let statement = statement.map_err(|error| unsound("agreement", at, error.to_string()))?;
            book.learn(&directory, statement).map_err(|error| unsound("agreement", at, error.to_string()))?;
        }
        let mut state = DocState::new(&directory, genesis).map_err(|error| unsound("genesis", 0, error.to_string()))?;
        let mut before: Option<&Bytes> = None;
        for (at, bytes) in file.openings.iter().flatten().enumerate() {
            if before.replace(bytes).is_some_and(|before| before >= bytes) {
                return Err(unsound("opening", at, "openings must ascend".to_owned()));
            }
            let opening = Opening::from_bytes(&bytes.0).ok_or_else(|| unsound("opening", at, "it is not canonical".to_owned()))?;
            if !state.learn_opening(&opening) {
                return Err(unsound("opening", at, "it opens no place of this audience".to_owned()));
            }
        }
        for (at, bytes) in file.records.iter().enumerate() {
            let record = Sealed::<Record>::from_bytes(&bytes.0).map_err(|error| unsound("record", at, error.to_string()))?;
            let record = record.verify(&file.network).map_err(|error| unsound("record", at, error.to_string()))?;
            state.learn_record(&directory, record).map_err(|error| unsound("record", at, error.to_string()))?;
        }
        for (at, bytes) in file.segments.iter().enumerate() {
            let raw = segment::decode(&bytes.0).map_err(|error| unsound("segment", at, error.to_string()))?;
            let writer =
                directory.certificate(&raw.certificate).ok_or_else(|| unsound("segment", at, "its writer is unknown".to_owned()))?;
            let checked = segment::check(&file.network, writer.body(), raw).map_err(|error| unsound("segment", at, error.to_string()))?;
            match state.learn_segment(&directory, checked) {
                Intake::New | Intake::Known => {}
                Intake::Waiting => return Err(unsound("segment", at, "what it builds on is not in the file".to_owned())),
                Intake::Malformed(why) => return Err(unsound("segment", at, why)),
            }
        }
        let receipts = Self::receipts(file, &directory)?;
        let missing = state.missing();
        if missing.is_empty() {
            Ok(Self { directory, book, state, receipts })
        } else {
            let names: Vec<String> = missing.tips.iter().take(4).map(ToString::to_string).collect();
            Err(ProofError::NotWhole(format!("{} changes that anchors name: {}", missing.tips.len(), names.join(", "))))
        }
    }

    /// The receipts in a file: each sealed by a registrar of who states it, naming this document, in their one order.
    fn receipts(file: &ProofFile, directory: &Directory) -> Result<Vec<Verified<Line>>, ProofError> {
        let mut out: Vec<Verified<Line>> = Vec::new();
        for (at, bytes) in file.receipts.iter().flatten().enumerate() {
            let unsound = |why: String| ProofError::Part { part: "receipt", at: at + 1, why };
            let sealed = Sealed::<Line>::from_bytes(&bytes.0).map_err(|error| unsound(error.to_string()))?;
            let line = sealed.verify(&file.network).map_err(|error| unsound(error.to_string()))?;
            ledger::check_writer(directory, &line).map_err(|error| unsound(error.to_string()))?;
            let body = line.body();
            if !matches!(&body.says, Says::Receipts(lines) if lines.iter().any(|line| line.document == file.document)) {
                return Err(unsound("it is no receipt of this document".to_owned()));
            }
            let place = |line: &Verified<Line>| (line.body().from, line.body().to, line.body().n, line.id());
            if out.last().is_some_and(|last| place(last) >= place(&line)) {
                return Err(unsound("receipts must ascend by bureau and place".to_owned()));
            }
            out.push(line);
        }
        Ok(out)
    }
}

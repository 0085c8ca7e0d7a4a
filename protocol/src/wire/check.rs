//! Received bytes, checked: what the core takes, and nothing else.

use super::*;

/// A verified statement about identities.
#[expect(clippy::large_enum_variant, reason = "statements live for one message; boxing them would cost more than it saves")]
#[derive(Clone, Debug)]
pub enum IdentityStatement {
    /// A root version.
    Root(Verified<RootStatement>),
    /// A member certificate.
    Certificate(Verified<MemberCertificate>),
    /// A revocation.
    Revocation(Verified<Revocation>),
    /// A registrar's appointment.
    Appointment(Verified<Appointment>),
    /// A poisoned clock floor goes down; for the root's own devices only.
    ClockReset(Verified<ClockReset>),
    /// Where a bureau is reached.
    Contact(Verified<Contact>),
}

family!(IdentityStatement: Root, Certificate, Revocation, Appointment, ClockReset, Contact);

impl IdentityStatement {
    /// Verifies one sealed statement of a type that speaks of identities.
    ///
    /// # Errors
    /// [`WireError::Seal`].
    pub fn from_bytes(network: &NetworkId, bytes: &[u8]) -> Result<Self, WireError> {
        match seal::peek_type(bytes).and_then(StatementType::from_number) {
            Some(StatementType::Root) => one(network, bytes).map(Self::Root),
            Some(StatementType::Certificate) => one(network, bytes).map(Self::Certificate),
            Some(StatementType::Revocation) => one(network, bytes).map(Self::Revocation),
            Some(StatementType::Appointment) => one(network, bytes).map(Self::Appointment),
            Some(StatementType::ClockReset) => one(network, bytes).map(Self::ClockReset),
            Some(StatementType::Contact) => one(network, bytes).map(Self::Contact),
            Some(other) if other.is_draft() => Err(WireError::Seal(format!("{other:?} is not yet supported"))),
            _ => Err(WireError::Seal("not a statement about identities".into())),
        }
    }
    /// Teaches it to a directory; `Ok(true)` when it was new. Contacts are no matter of the directory.
    ///
    /// # Errors
    /// What the directory says.
    pub fn teach(self, directory: &mut Directory) -> Result<bool, DirectoryError> {
        use accord_keys::directory::Learned;
        let learned = match self {
            Self::Root(s) => directory.learn_root(s)?,
            Self::Certificate(s) => directory.learn_certificate(s)?,
            Self::Revocation(s) => directory.learn_revocation(s)?,
            Self::Appointment(s) => directory.learn_appointment(s)?,
            Self::ClockReset(s) => directory.learn_clock_reset(s)?,
            Self::Contact(_) => Learned::Known,
        };
        Ok(learned == Learned::New)
    }
}

/// A segment of a push: checked already, or waiting for the core to know its writer's certificate.
#[derive(Clone, Debug)]
pub enum IncomingSegment {
    /// Checked against the certificate it names.
    Checked(CheckedSegment),
    /// The certificate was not in the snapshot; the core checks it with its own directory.
    Unchecked(EncodedSegment),
}

/// A message with every seal and segment verified.
#[derive(Clone, Debug)]
pub enum Checked {
    /// See [`Hello`].
    Hello(Hello, Vec<IdentityStatement>),
    /// See [`Message::Statements`].
    Statements(Vec<IdentityStatement>),
    /// See [`Message::Agreements`].
    Agreements(Vec<AgreementStatement>),
    /// See [`Message::Compacts`].
    Compacts(Vec<Verified<Compact>>),
    /// See [`Message::Ledger`].
    Ledger(Vec<Verified<Line>>),
    /// See [`Push`].
    Push(Box<CheckedPush>),
    /// See [`Message::Passes`].
    Passes(Vec<Verified<RelayPass>>),
    /// See [`Message::Onward`].
    Onward(Vec<OnwardStatement>),
    /// Messages without seals.
    Plain(Message),
}

/// A [`Push`] with everything verified.
#[derive(Clone, Debug)]
pub struct CheckedPush {
    /// See [`Push`].
    pub mark: u64,
    /// See [`Push`].
    pub document: DocumentId,
    /// Evidence in order.
    pub evidence: Vec<IdentityStatement>,
    /// Genesis.
    pub genesis: Option<Verified<Genesis>>,
    /// Records in order.
    pub records: Vec<Verified<Record>>,
    /// Segments in order.
    pub segments: Vec<IncomingSegment>,
    /// What opens commitments of a hidden audience.
    pub openings: Vec<Opening>,
    /// Receipts of the owner's nodes.
    pub receipts: Vec<Verified<NodeReceipt>>,
    /// The cursor to keep.
    pub cursor: Option<Vec<u8>>,
    /// Size of the message, bytes.
    pub size: usize,
}

/// Verifies one sealed statement of the agreement exchange.
///
/// # Errors
/// [`WireError::Seal`].
pub fn agreement_statement(network: &NetworkId, bytes: &[u8]) -> Result<AgreementStatement, WireError> {
    match seal::peek_type(bytes).and_then(StatementType::from_number) {
        Some(StatementType::Offer) => one(network, bytes).map(AgreementStatement::Offer),
        Some(StatementType::Accept) => one(network, bytes).map(AgreementStatement::Accept),
        Some(StatementType::Conclude) => one(network, bytes).map(AgreementStatement::Conclude),
        Some(StatementType::Decline) => one(network, bytes).map(AgreementStatement::Decline),
        Some(StatementType::Suspend) => one(network, bytes).map(AgreementStatement::Suspend),
        Some(StatementType::Resume) => one(network, bytes).map(AgreementStatement::Resume),
        Some(StatementType::Notice) => one(network, bytes).map(AgreementStatement::Notice),
        Some(other) if other.is_draft() => Err(WireError::Seal(format!("{other:?} is not yet supported"))),
        _ => Err(WireError::Seal("not a statement of the agreement exchange".into())),
    }
}

/// Verifies one sealed compact.
///
/// # Errors
/// [`WireError::Seal`].
pub fn compact(network: &NetworkId, bytes: &[u8]) -> Result<Verified<Compact>, WireError> {
    one(network, bytes)
}

/// Verifies one sealed relay pass.
///
/// # Errors
/// [`WireError::Seal`].
pub fn relay_pass(network: &NetworkId, bytes: &[u8]) -> Result<Verified<RelayPass>, WireError> {
    one(network, bytes)
}

fn one<T: Statement>(network: &NetworkId, bytes: &[u8]) -> Result<Verified<T>, WireError> {
    verified(network, bytes).map_err(|e| WireError::Seal(e.to_string()))
}

/// Decodes received bytes and verifies every seal and segment in them. `directory` is a snapshot; a segment whose writer it does not know
/// comes back unchecked for the core.
///
/// # Errors
/// [`WireError`]: the bytes are no acceptable message, whoever sent them.
pub fn check(directory: &Directory, network: &NetworkId, bytes: &[u8]) -> Result<Checked, WireError> {
    let identities = |items: &[Bytes]| -> Result<Vec<IdentityStatement>, WireError> {
        items.iter().map(|item| IdentityStatement::from_bytes(network, &item.0)).collect()
    };
    let (message, spelt_out) = Message::decode_apart(bytes)?;
    Ok(match message {
        Message::Hello(hello) => {
            let statements = identities(&hello.statements)?;
            Checked::Hello(hello, statements)
        }
        Message::Statements(items) => Checked::Statements(identities(&items)?),
        Message::Agreements(items) => {
            Checked::Agreements(items.iter().map(|item| agreement_statement(network, &item.0)).collect::<Result<_, _>>()?)
        }
        Message::Compacts(items) => Checked::Compacts(items.iter().map(|item| compact(network, &item.0)).collect::<Result<_, _>>()?),
        Message::Passes(items) => Checked::Passes(items.iter().map(|item| relay_pass(network, &item.0)).collect::<Result<_, _>>()?),
        Message::Onward(items) => {
            let one = |item: &Bytes| OnwardStatement::from_bytes(network, &item.0).map_err(|e| WireError::Seal(e.to_string()));
            Checked::Onward(items.iter().map(one).collect::<Result<_, _>>()?)
        }
        Message::Ledger(items) => Checked::Ledger(items.iter().map(|item| one(network, &item.0)).collect::<Result<_, _>>()?),
        Message::Push(push) => {
            let evidence = identities(&push.evidence)?;
            let genesis = match &push.genesis {
                None => None,
                Some(bytes) => {
                    let genesis: Verified<Genesis> = one(network, &bytes.0)?;
                    if genesis.id().0 != push.document.0 {
                        return Err(WireError::Seal("genesis of another document".into()));
                    }
                    Some(genesis)
                }
            };
            let mut records = Vec::with_capacity(push.records.len());
            for bytes in &push.records {
                records.push(one::<Record>(network, &bytes.0)?);
            }
            let read = push.segments.iter().map(|bytes| EncodedSegment::read(&bytes.0));
            let read = read.chain(spelt_out.into_iter().map(Ok));
            let mut segments = Vec::new();
            let mut spelt = 0;
            for read in read {
                let read = read.map_err(|e| WireError::Segment(e.to_string()))?;
                spelt += read.segment().changes.iter().map(|change| change.0.len()).sum::<usize>();
                if read.segment().document != push.document {
                    return Err(WireError::Segment("segment of another document".into()));
                }
                segments.push(match directory.certificate(&read.segment().certificate) {
                    Some(certificate) => {
                        IncomingSegment::Checked(read.check(network, certificate.body()).map_err(|e| WireError::Segment(e.to_string()))?)
                    }
                    None => IncomingSegment::Unchecked(read),
                });
            }
            let receipts = push.receipts.iter().flatten().map(|bytes| one(network, &bytes.0)).collect::<Result<_, _>>()?;
            Checked::Push(Box::new(CheckedPush {
                mark: push.mark,
                document: push.document,
                evidence,
                genesis,
                records,
                segments,
                openings: push.openings.unwrap_or_default(),
                receipts,
                cursor: push.cursor.map(|bytes| bytes.0),
                size: bytes.len().max(spelt),
            }))
        }
        plain => Checked::Plain(plain),
    })
}

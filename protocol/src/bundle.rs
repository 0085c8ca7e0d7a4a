//! Bundles: what one device hands another as a file, because no link joins them.
//!
//! ```text
//! envelope (accord_keys::envelope)  <-  zstd  <-  records:  kind u8 ‖ length u32 BE ‖ body
//!   kind 1  a message for whoever opens it        body: the message as on a link (crate::wire)
//!   kind 2  a message for one device              body: transport key (32) ‖ message: the hello (first of all) and the cursor (last)
//!   kind 3  the end                               body: the sealed statement (0x0501) of who packed it, over everything before
//! ```
//! It is a conversation of which only one side is heard: the messages are those of a link, made by what makes those of links
//! (`bureau/bundles.rs`), and read by what reads those. What needs an answer does not occur ([`travels`]). Nothing is applied before the whole file
//! was opened and its statement verified ([`verify`]); the seals inside are checked after that, message by message, as on a link.

use accord_keys::certificate::MemberKind;
use accord_keys::directory::Directory;
use accord_keys::id::{HpkeKey, NetworkId};
use accord_keys::seal::{Malformed, Sealed, Statement, Verified};
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{BureauId, CertificateId, Digest, Nonce, TransportKey};
use crate::limits;
use crate::time::WallSeconds;
use crate::wire::{self, Checked, Hello, IdentityStatement, Message, WireError};

/// Who packed a bundle, for whom, and what is in it. Sealed by the packing device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BundleStatement {
    /// The bureau it comes from.
    #[n(0)]
    pub from: BureauId,
    /// The device that packed it.
    #[n(1)]
    pub certificate: CertificateId,
    /// The bureau it is for.
    #[n(2)]
    pub to: BureauId,
    /// The id of the envelope's file.
    #[n(3)]
    pub file: Nonce,
    /// Over the envelope's header and all records before this one.
    #[n(4)]
    pub digest: Digest,
    /// How many records those are.
    #[n(5)]
    pub records: u64,
    /// How many documents they bring something of.
    #[n(6)]
    pub documents: u64,
    /// The wire version of the messages.
    #[n(7)]
    pub wire: u8,
    /// When, by the packing device's clock.
    #[n(8)]
    pub created: WallSeconds,
}

impl Statement for BundleStatement {
    const TYPE: StatementType = StatementType::Bundle;
    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.records > 0, "records", "are none")?;
        Malformed::unless(self.wire >= wire::OLDEST, "wire", "is no version")
    }
}

/// Why what was opened is no bundle, or none for us.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum BundleError {
    /// A record of a kind that does not exist, or longer than any.
    #[error("record {0} is none")]
    Record(u64),
    /// Something stands behind the end, or the end is missing.
    #[error("the records do not end where the file does")]
    End,
    /// More than one bundle holds.
    #[error("more than {0} bytes of records")]
    TooLong(u64),
    /// Nothing in it is for this device, though its bureau can open it.
    #[error("holds nothing for this device")]
    NotForThisDevice,
    /// The hello is none.
    #[error("begins without a hello: {0}")]
    Hello(String),
    /// The statement at the end does not hold.
    #[error("its statement does not hold: {0}")]
    Statement(String),
    /// Made by a newer program.
    #[error("its messages are of version {0}, which is newer than this program")]
    Newer(u8),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// For whoever opens it.
    ForAll(Vec<u8>),
    /// For one device.
    ForDevice(TransportKey, Vec<u8>),
    /// The sealed statement.
    End(Vec<u8>),
}

impl Record {
    fn head(&self) -> (u8, usize) {
        match self {
            Record::ForAll(message) => (1, message.len()),
            Record::ForDevice(_, message) => (2, message.len() + 32),
            Record::End(statement) => (3, statement.len()),
        }
    }
}

const HEAD: usize = 5;

fn hasher(header: &[u8]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key("accord bundle content v1");
    hasher.update(header);
    hasher
}

/// Writes records, and works out what their statement says of them.
pub struct Writer {
    digest: blake3::Hasher,
    records: u64,
}

impl Writer {
    /// Begins behind the envelope's header.
    pub fn begin(header: &[u8]) -> Self {
        Self { digest: hasher(header), records: 0 }
    }
    /// A record's bytes.
    pub fn record(&mut self, record: &Record) -> Vec<u8> {
        let (kind, length) = record.head();
        let mut out = Vec::with_capacity(HEAD + length);
        out.push(kind);
        out.extend_from_slice(&u32::try_from(length).expect("a message fits a frame").to_be_bytes());
        match record {
            Record::ForAll(bytes) | Record::End(bytes) => out.extend_from_slice(bytes),
            Record::ForDevice(transport, bytes) => {
                out.extend_from_slice(&transport.0);
                out.extend_from_slice(bytes);
            }
        }
        self.digest.update(&out);
        self.records += 1;
        out
    }
    /// What was written so far.
    pub fn so_far(&self) -> (Digest, u64) {
        (Digest(*self.digest.finalize().as_bytes()), self.records)
    }
}

/// Reads records as the bytes come. Holds one record at most.
pub struct Reader {
    digest: blake3::Hasher,
    waiting: Vec<u8>,
    taken: usize,
    bytes: u64,
    records: u64,
    /// What the records before the end come to.
    end: Option<(Digest, u64)>,
}

impl Reader {
    /// Begins behind the envelope's header.
    pub fn begin(header: &[u8]) -> Self {
        Self { digest: hasher(header), waiting: Vec::new(), taken: 0, bytes: 0, records: 0, end: None }
    }

    /// Takes the next bytes. [`Reader::record`] is asked until it has nothing left before more is taken.
    ///
    /// # Errors
    /// [`BundleError::TooLong`]; [`BundleError::End`] for bytes behind the end.
    pub fn take(&mut self, plain: &[u8]) -> Result<(), BundleError> {
        self.bytes = self.bytes.saturating_add(plain.len() as u64);
        if self.bytes > limits::BUNDLE_RECORD_BYTES_MAX {
            return Err(BundleError::TooLong(limits::BUNDLE_RECORD_BYTES_MAX));
        }
        if self.end.is_some() && !plain.is_empty() {
            return Err(BundleError::End);
        }
        self.waiting.drain(..std::mem::take(&mut self.taken));
        self.waiting.extend_from_slice(plain);
        Ok(())
    }

    /// The next whole record; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`BundleError::Record`], [`BundleError::End`].
    pub fn record(&mut self) -> Result<Option<Record>, BundleError> {
        let waiting = &self.waiting[self.taken..];
        if self.end.is_some() {
            return if waiting.is_empty() { Ok(None) } else { Err(BundleError::End) };
        }
        let Some((head, rest)) = waiting.split_first_chunk::<HEAD>() else { return Ok(None) };
        let bad = BundleError::Record(self.records);
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let most = limits::FRAME_BYTES_MAX + if head[0] == 2 { 32 } else { 0 };
        if !(1..=3).contains(&head[0]) || length > most || length < if head[0] == 2 { 33 } else { 1 } {
            return Err(bad);
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let record = match head[0] {
            1 => Record::ForAll(body.to_vec()),
            2 => {
                let (transport, message) = body.split_first_chunk::<32>().ok_or(bad)?;
                Record::ForDevice(TransportKey(*transport), message.to_vec())
            }
            _ => {
                self.end = Some((Digest(*self.digest.finalize().as_bytes()), self.records));
                Record::End(body.to_vec())
            }
        };
        self.digest.update(&waiting[..HEAD + length]);
        self.taken += HEAD + length;
        self.records += 1;
        Ok(Some(record))
    }

    /// Nothing more comes: what the records before the end come to.
    ///
    /// # Errors
    /// [`BundleError::End`].
    pub fn finish(&self) -> Result<(Digest, u64), BundleError> {
        if self.taken < self.waiting.len() {
            return Err(BundleError::End);
        }
        self.end.ok_or(BundleError::End)
    }
}

/// A bundle's ends, to be verified before anything between them is applied.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    hello: Option<Vec<u8>>,
    statement: Option<Vec<u8>>,
}

impl Ends {
    /// Looks at one record, for the device with this transport key.
    pub fn look(&mut self, record: &Record, own: &TransportKey) {
        match record {
            // The first that is for us; what else is, comes behind it.
            Record::ForDevice(transport, message) if transport == own && self.hello.is_none() => self.hello = Some(message.clone()),
            Record::End(statement) => self.statement = Some(statement.clone()),
            Record::ForAll(_) | Record::ForDevice(..) => {}
        }
    }

    /// Whether the statement is by a device of the bureau it says, over what was read; by nothing but the bundle itself: whether that bureau and device are
    /// good for anything here is the core's question. `content` is what [`Reader::finish`] answered.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn verify(
        &self,
        network: &NetworkId,
        file: Nonce,
        content: (Digest, u64),
    ) -> Result<(Verified<BundleStatement>, Hello, Vec<IdentityStatement>), BundleError> {
        let hello = self.hello.as_ref().ok_or(BundleError::NotForThisDevice)?;
        let no = |why: &str| BundleError::Statement(why.to_owned());
        let sealed = Sealed::<BundleStatement>::from_bytes(self.statement.as_ref().ok_or(BundleError::End)?);
        let statement = sealed.and_then(|sealed| sealed.verify(network)).map_err(|error| BundleError::Statement(error.to_string()))?;
        let body = statement.body();
        if body.wire > wire::VERSION {
            return Err(BundleError::Newer(body.wire));
        }
        if body.file != file || (body.digest, body.records) != content {
            return Err(no("it is over something else"));
        }
        // What the hello brings is enough to know the device, and all that is believed of it until then.
        let mut directory = Directory::new(*network);
        let (hello, statements) = match wire::check(&directory, network, hello) {
            Ok(Checked::Hello(hello, statements)) => (hello, statements),
            Ok(_) => return Err(BundleError::Hello("another message".to_owned())),
            Err(error) => return Err(BundleError::Hello(error.to_string())),
        };
        if hello.bureau != body.from || hello.certificate != body.certificate || hello.network != *network {
            return Err(no("the hello is another's"));
        }
        for statement in statements.clone() {
            let _ = statement.teach(&mut directory);
        }
        let device = directory.certificate(&body.certificate).ok_or_else(|| no("its device is unknown"))?;
        let member = device.body();
        if member.bureau != body.from || !matches!(member.kind, MemberKind::Node | MemberKind::Laptop) {
            return Err(no("its device is none of that bureau"));
        }
        if !statement.is_sealed_by_only(&member.key) {
            return Err(no("another key sealed it"));
        }
        Ok((statement, hello, statements))
    }
}

/// Whether a message makes sense where nobody answers.
pub fn travels(message: &Checked) -> bool {
    match message {
        Checked::Statements(_)
        | Checked::Agreements(_)
        | Checked::Compacts(_)
        | Checked::Ledger(_)
        | Checked::Push(_)
        | Checked::Passes(_)
        | Checked::Onward(_) => true,
        Checked::Hello(..) => false,
        Checked::Plain(message) => matches!(message, Message::Cursor(_)),
    }
}

/// The cursor a bundle brings for this device; `None` for other bytes.
pub fn cursor(bytes: &[u8]) -> Option<Vec<u8>> {
    match Message::decode(bytes) {
        Ok(Message::Cursor(cursor)) => Some(cursor.0),
        _ => None,
    }
}

/// Why bytes inside a bundle are no message: as on a link.
pub type NoMessage = WireError;

/// A device a bundle is sealed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its certificate.
    pub certificate: CertificateId,
    /// Its transport key.
    pub transport: TransportKey,
    /// What the file key is wrapped to.
    pub hpke: HpkeKey,
}

/// One step of packing or unpacking, asked of the core.
#[expect(clippy::large_enum_variant, reason = "lives for one step, and nearly all are messages")]
#[derive(Debug)]
pub enum Ask {
    /// Begin to pack for a partner, or for our own other devices ([`OWN_DEVICES`], or that with `/` and the beginning of a certificate).
    Pack {
        /// For whom.
        to: String,
        /// Everything they may have, whatever they are known to hold.
        all: bool,
        /// Only to say how much it would be: nothing is noted.
        dry_run: bool,
    },
    /// Go on packing: what was answered so far is in the file.
    More {
        /// As begun.
        number: u64,
    },
    /// All is in the file but its end.
    Seal {
        /// As begun.
        number: u64,
        /// The envelope's id.
        file: Nonce,
        /// Over header and records.
        digest: Digest,
        /// So many records.
        records: u64,
    },
    /// Begin to unpack what was opened and verified.
    Unpack {
        /// Its statement.
        statement: Verified<BundleStatement>,
        /// Its hello.
        hello: Hello,
        /// What the hello brings.
        statements: Vec<IdentityStatement>,
    },
    /// The next message.
    Message {
        /// As begun.
        number: u64,
        /// Checked as on a link.
        message: Checked,
    },
    /// That was all.
    End {
        /// As begun.
        number: u64,
        /// What is to be returned to the sender.
        cursor: Option<Vec<u8>>,
    },
    /// It is not gone on with.
    Leave {
        /// As begun.
        number: u64,
    },
}

/// The name of our own other devices, where a bundle is packed for somebody.
pub const OWN_DEVICES: &str = "own-device";

/// What the core answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Packing began.
    Packing {
        /// Names it from now on.
        number: u64,
        /// The bureau it is for.
        to: BureauId,
        /// Its name.
        name: String,
        /// To whom the file is sealed.
        recipients: Vec<Recipient>,
        /// Its first records.
        records: Vec<Record>,
    },
    /// The next records.
    Records {
        /// In order.
        records: Vec<Record>,
        /// Documents so far.
        documents: u64,
        /// Documents there may be in all, at most.
        of: u64,
        /// Nothing comes behind these but the seal.
        end: bool,
    },
    /// The sealed statement: the file's last record.
    Sealed(Vec<u8>),
    /// Unpacking began.
    Unpacking {
        /// Names it from now on.
        number: u64,
    },
    /// A message was dealt with.
    Taken,
    /// All was dealt with.
    Unpacked(UnpackedView),
    /// It is not gone on with.
    Left,
}

/// What unpacking came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpackedView {
    /// The bureau it came from.
    pub bureau: String,
    /// Its name.
    pub name: String,
    /// When it was packed, by its clock, Unix seconds.
    pub created: u64,
    /// Documents that were not here before.
    pub new: u64,
    /// Documents of which something was new.
    pub changed: u64,
    /// Documents of which all was known.
    pub known: u64,
    /// Statements that were not known: agreements, notices, suspensions, certificates, contacts.
    #[serde(default)]
    pub statements: u64,
    /// It came from another device of our own bureau.
    #[serde(default)]
    pub own: bool,
    /// Documents that were not taken, each with the reason; at most [`limits::BUNDLE_REFUSALS_TOLD`].
    pub refused: Vec<RefusedView>,
    /// How many were not taken in all.
    pub refused_count: u64,
    /// Documents that were destroyed here for good and stay so.
    pub erased: u64,
    /// Messages that make no sense in a bundle.
    pub ignored: u64,
    /// What was packed so far will not be packed again once its sender hears from here. `false`: it packs all of this again.
    pub noted: bool,
}

/// One document that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedView {
    /// Which.
    pub document: String,
    /// Why, in the account's words.
    pub why: String,
}

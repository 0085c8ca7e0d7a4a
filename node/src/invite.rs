//! The one-time code a field laptop joins its bureau with.
//!
//! A code is text of base32 groups (RFC 4648 alphabet, no padding): version ‖ network id ‖ bureau id ‖ home transport key ‖ 16-byte secret ‖
//! home address, then 5 bytes of BLAKE3 over all before it, so a slip of the pen is noticed before anything is dialled. From the secret
//! both sides derive the transport key the laptop dials with once; the core lets that key in for 15 minutes, for enrolment only. Who holds
//! the code can join: it is shown once, on the home node, and is worthless afterwards.

use accord_keys::id::{BureauId, NetworkId, TransportKey};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// The only version there is.
const VERSION: u8 = 1;
/// Longest home address in a code, bytes.
pub const ADDRESS_BYTES_MAX: usize = 128;
/// Bytes of the checksum.
const CHECK_BYTES: usize = 5;
/// Bytes before the address.
const HEAD_BYTES: usize = 1 + 32 * 3 + 16;
/// Characters of a group.
const GROUP: usize = 5;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a code says.
pub struct Invite {
    /// The network the bureau's statements are bound to.
    pub network: NetworkId,
    /// The bureau that invites: what comes back is checked against it.
    pub bureau: BureauId,
    /// The transport key of the home node.
    pub home: TransportKey,
    /// Where the home node is reached: `host:port` or multiaddr.
    pub address: String,
    /// 16 bytes from the system's randomness.
    pub secret: Zeroizing<[u8; 16]>,
}

/// Why a code is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InviteError {
    /// A character that no code has.
    #[error("character {at} of the code is `{found}`, expected letters A to Z and digits 2 to 7")]
    Character {
        /// Counted from 1, spaces and hyphens left out.
        at: usize,
        /// What stands there.
        found: char,
    },
    /// Too short or too long to be a code.
    #[error("the code has {found} characters, expected between {} and {}", chars(HEAD_BYTES + CHECK_BYTES), chars(HEAD_BYTES + CHECK_BYTES + ADDRESS_BYTES_MAX))]
    Length {
        /// Characters without spaces and hyphens.
        found: usize,
    },
    /// A slip: the checksum does not fit.
    #[error("the code's checksum does not match: a character is wrong or missing")]
    Checksum,
    /// Made by a later version.
    #[error("the code has version {found}, this program reads version {VERSION}")]
    Version {
        /// As written.
        found: u8,
    },
    /// The address is no text.
    #[error("the code's address is not UTF-8")]
    Address,
}

const fn chars(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

impl Invite {
    /// The seed of the transport key the laptop dials with.
    pub fn transport_seed(&self) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key("accord device invitation transport v1");
        hasher.update(self.network.as_bytes()).update(self.bureau.as_bytes()).update(&*self.secret);
        Zeroizing::new(*hasher.finalize().as_bytes())
    }

    /// The code as read out or typed: groups of five joined by hyphens.
    pub fn code(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + self.address.len() + CHECK_BYTES));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.network.as_bytes());
        bytes.extend_from_slice(self.bureau.as_bytes());
        bytes.extend_from_slice(self.home.as_bytes());
        bytes.extend_from_slice(&*self.secret);
        bytes.extend_from_slice(self.address.as_bytes());
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        let plain = Zeroizing::new(encode(&bytes));
        let mut text = Zeroizing::new(String::with_capacity(plain.len() + plain.len() / GROUP));
        for (at, letter) in plain.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// Reads a code; spaces, hyphens, line ends and case do not matter.
    ///
    /// # Errors
    /// [`InviteError`] says what is wrong with it.
    pub fn parse(code: &str) -> Result<Self, InviteError> {
        let letters: Zeroizing<String> = Zeroizing::new(
            code.chars()
                .filter(|c| !c.is_whitespace() && *c != '-')
                .take(chars(HEAD_BYTES + CHECK_BYTES + ADDRESS_BYTES_MAX) + 1)
                .collect(),
        );
        let found = letters.chars().count();
        if !(chars(HEAD_BYTES + CHECK_BYTES)..=chars(HEAD_BYTES + CHECK_BYTES + ADDRESS_BYTES_MAX)).contains(&found) {
            return Err(InviteError::Length { found });
        }
        let bytes = Zeroizing::new(decode(&letters)?);
        let (body, check) = bytes.split_at_checked(bytes.len().saturating_sub(CHECK_BYTES)).ok_or(InviteError::Length { found })?;
        if checksum(body) != check {
            return Err(InviteError::Checksum);
        }
        let id = |at: usize| body.get(at..at + 32).and_then(|slice| <[u8; 32]>::try_from(slice).ok()).ok_or(InviteError::Length { found });
        if body[0] != VERSION {
            return Err(InviteError::Version { found: body[0] });
        }
        let mut secret =
            body.get(97..HEAD_BYTES).and_then(|slice| <[u8; 16]>::try_from(slice).ok()).ok_or(InviteError::Length { found })?;
        let invite = Self {
            network: NetworkId(id(1)?),
            bureau: BureauId(id(33)?),
            home: TransportKey(id(65)?),
            address: std::str::from_utf8(&body[HEAD_BYTES..]).map_err(|_| InviteError::Address)?.to_owned(),
            secret: Zeroizing::new(secret),
        };
        secret.zeroize();
        Ok(invite)
    }
}

fn checksum(body: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key("accord device invitation checksum v1");
    hasher.update(body);
    let mut out = [0; CHECK_BYTES];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    out
}

/// RFC 4648 base32 without padding.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(chars(bytes.len()));
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[((held >> bits) & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[((held << (5 - bits)) & 31) as usize]));
    }
    out
}

fn decode(text: &str) -> Result<Vec<u8>, InviteError> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0u32);
    for (at, letter) in text.chars().enumerate() {
        let value = match letter.to_ascii_uppercase() {
            c @ 'A'..='Z' => u32::from(c) - u32::from('A'),
            c @ '2'..='7' => u32::from(c) - u32::from('2') + 26,
            _ => return Err(InviteError::Character { at: at + 1, found: letter }),
        };
        held = (held << 5) | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).expect("masked to eight bits"));
            held &= (1 << bits) - 1;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Invite {
        Invite {
            network: NetworkId([1; 32]),
            bureau: BureauId([2; 32]),
            home: TransportKey([3; 32]),
            address: "10.20.0.1:7400".to_owned(),
            secret: Zeroizing::new([4; 16]),
        }
    }

    #[test]
    fn a_code_reads_back_in_any_case_and_spacing() {
        let code = sample().code();
        for typed in [code.to_string(), code.to_lowercase(), code.replace('-', " \n"), code.replace('-', "")] {
            let read = Invite::parse(&typed).expect("the code just made");
            assert_eq!((read.network, read.bureau, read.home), (NetworkId([1; 32]), BureauId([2; 32]), TransportKey([3; 32])));
            assert_eq!((read.address.as_str(), *read.secret), ("10.20.0.1:7400", [4; 16]));
            assert_eq!(*read.transport_seed(), *sample().transport_seed());
        }
    }

    #[test]
    fn any_single_slip_is_noticed() {
        let code = sample().code().replace('-', "");
        let last = code.len() - 1; // the last character carries padding bits
        for at in 0..last {
            let mut slip: Vec<char> = code.chars().collect();
            slip[at] = if slip[at] == 'A' { 'B' } else { 'A' };
            let slip: String = slip.into_iter().collect();
            assert_eq!(Invite::parse(&slip).err(), Some(InviteError::Checksum), "character {at}");
        }
        assert_eq!(Invite::parse(&code[..last - 8]).err(), Some(InviteError::Checksum));
    }

    #[test]
    fn text_that_is_no_code_is_refused_with_the_reason() {
        assert_eq!(Invite::parse("").err(), Some(InviteError::Length { found: 0 }));
        assert_eq!(Invite::parse(&"A".repeat(100_000)).err().map(|e| matches!(e, InviteError::Length { .. })), Some(true));
        let mut code = sample().code().replace('-', "");
        code.replace_range(3..4, "1");
        assert_eq!(Invite::parse(&code).err(), Some(InviteError::Character { at: 4, found: '1' }));
    }

    #[test]
    fn another_secret_or_bureau_is_another_transport_key() {
        let (one, mut two) = (sample(), sample());
        two.secret = Zeroizing::new([5; 16]);
        assert_ne!(*one.transport_seed(), *two.transport_seed());
        two = sample();
        two.bureau = BureauId([9; 32]);
        assert_ne!(*one.transport_seed(), *two.transport_seed());
    }
}

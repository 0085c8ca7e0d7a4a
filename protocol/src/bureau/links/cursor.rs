//! Cursors: how far a peer got, sealed to ourselves and kept by them.

use super::*;

impl Bureau {
    pub(in crate::bureau) fn policy_digest(&self, partner: &BureauId, turn: &Turn) -> Digest {
        self.book.policy(Pair::of(self.identity.bureau, *partner), turn.effective)
    }

    pub(in crate::bureau) fn seal_cursor(&self, turn: &mut Turn, transport: &TransportKey, peer: &Peer, reached: Reached) -> Vec<u8> {
        let body =
            CursorBody { version: 1, index: crate::id::Nonce(self.index_id), reached, policy: self.policy_digest(&peer.bureau, turn) };
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&turn.draw()[..24]);
        let cipher = XChaCha20Poly1305::new(&Key::from(self.identity.cursor_key));
        let aad = cursor_aad(transport, &self.identity.network);
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &padded(&write(&body)), aad: &aad })
            .expect("a short plaintext can be encrypted");
        [nonce.as_slice(), &sealed].concat()
    }

    /// How far the peer got, by the cursor it returned. Without a readable one: from the start if we never reached it, else nothing is sent
    /// on its word and the comparison finds what it lacks.
    pub(in crate::bureau) fn returned_cursor(&self, transport: &TransportKey, cursor: Option<&Bytes>) -> (Reached, bool) {
        let opened = cursor.and_then(|bytes| {
            let (nonce, sealed) = bytes.0.split_at_checked(24)?;
            let cipher = XChaCha20Poly1305::new(&Key::from(self.identity.cursor_key));
            let aad = cursor_aad(transport, &self.identity.network);
            let nonce = <[u8; 24]>::try_from(nonce).ok()?;
            let plain = cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &aad }).ok()?;
            let length = usize::from(*plain.first()?);
            let body: CursorBody = read("cursor", plain.get(1..=length)?).ok()?;
            (body.version == 1 && body.index.0 == self.index_id && body.reached.walked <= self.sequence).then_some(body.reached)
        });
        match (opened, self.reached.get(transport)) {
            // What we know to be acknowledged bounds what a returned cursor may claim: a later push may have overtaken a dropped one.
            (Some(told), Some(own)) => (Reached { base: told.base.min(own.base), walked: told.walked.min(own.walked) }, true),
            (Some(told), None) => (told, true),
            (None, None) => (Reached::default(), cursor.is_none()),
            (None, Some(_)) => (Reached { base: self.sequence, walked: self.sequence }, false),
        }
    }
}

/// Length, value, zeros: every cursor has one size, so it does not tell how busy we are with others.
fn padded(body: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::try_from(body.len()).expect("a cursor body is below 128 bytes")];
    out.extend_from_slice(body);
    out.resize(out.len().max(CURSOR_BYTES), 0);
    out
}

fn cursor_aad(transport: &TransportKey, network: &crate::id::NetworkId) -> Vec<u8> {
    [b"accord cursor v1".as_slice(), &transport.0, &network.0].concat()
}

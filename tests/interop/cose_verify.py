"""Verifies what accord seals with software that knows nothing of accord: pycose for seals, BLAKE3, Argon2 and libsodium for the rest.

Reads keys/vectors/. Every good thing must be accepted and every change to it refused; exits 1 at the first disagreement.
"""

import base64
import json
import sys
from pathlib import Path

import nacl.bindings
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from pycose.algorithms import EdDSA
from pycose.headers import Algorithm
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import CoseMessage, Sign1Message
import cbor2

VECTORS = Path(__file__).resolve().parents[2] / "keys" / "vectors"
checks = 0


def expect(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"disagreement: {what}")


def aad(kind, network):
    return b"accord" + kind.to_bytes(2, "big") + network


def believes(export, key, external_aad):
    """Whether pycose accepts these bytes as a COSE_Sign1 by this key. Refusing may take the form of any exception."""
    try:
        message = CoseMessage.decode(export)
        if not isinstance(message, Sign1Message) or message.phdr != {Algorithm: EdDSA} or message.uhdr != {}:
            return False
        message.external_aad = external_aad
        message.key = OKPKey(crv=Ed25519, x=key)
        return bool(message.verify_signature())
    except Exception:
        return False


def flip(data, place):
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def check_statement(statement, network):
    name, kind, payload = statement["name"], statement["type"], bytes.fromhex(statement["payload"])
    expect(cbor2.dumps(cbor2.loads(payload), canonical=True) == payload, f"{name}: payload is deterministic CBOR")
    digest = blake3(kind.to_bytes(2, "big") + network + payload).hexdigest()
    expect(digest == statement["id"], f"{name}: id")
    sealed = cbor2.loads(bytes.fromhex(statement["sealed"]))
    expect(sealed[0] == kind and sealed[1] == payload, f"{name}: frame")
    expect([seal[0].hex() for seal in sealed[2]] == statement["signers"] == sorted(statement["signers"]), f"{name}: signers ascend")
    for key_hex, export_hex, (_, detached) in zip(statement["signers"], statement["exports"], sealed[2]):
        key, export, external = bytes.fromhex(key_hex), bytes.fromhex(export_hex), aad(kind, network)
        expect(believes(export, key, external), f"{name}: export verifies")
        protected, unprotected, nothing, signature = cbor2.loads(detached).value
        expect((protected, unprotected, nothing) == (bytes.fromhex("a10127"), {}, None), f"{name}: detached form")
        joined = cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, payload, signature]), canonical=True)
        expect(joined == export, f"{name}: detached and attached carry one signature")

        at = export.index(payload)
        expect(not believes(flip(export, at + len(payload) // 2), key, external), f"{name}: altered payload refused")
        expect(not believes(flip(export, len(export) - 1), key, external), f"{name}: altered signature refused")
        expect(not believes(flip(export, 5), key, external), f"{name}: altered protected header refused")
        tagged = cbor2.dumps(cbor2.CBORTag(18, [protected, {4: b"x"}, payload, signature]))
        expect(not believes(tagged, key, external), f"{name}: filled unprotected header refused")
        expect(not believes(export, key, aad(kind + 1, network)), f"{name}: other type refused")
        expect(not believes(export, key, aad(kind, flip(network, 0))), f"{name}: other network refused")
        expect(not believes(export, key, b""), f"{name}: missing external data refused")
        expect(not believes(export, bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), external), f"{name}: other key refused")


def check_tip(tip, network):
    message = cbor2.dumps(["Signature1", bytes.fromhex("a10127"), aad(tip["type"], network), bytes.fromhex(tip["tip"])])
    key, signature = bytes.fromhex(tip["key"]), bytes.fromhex(tip["signature"])
    nacl.bindings.crypto_sign_open(signature + message, key)
    expect(len(message) == 92, "a tip's Sig_structure has 92 bytes")
    as_cose = cbor2.dumps(cbor2.CBORTag(18, [bytes.fromhex("a10127"), {}, bytes.fromhex(tip["tip"]), signature]))
    expect(believes(as_cose, key, aad(tip["type"], network)), "a tip is a COSE_Sign1 without its frame")


def groups(digest, count):
    return " ".join(f"{int.from_bytes(digest[8 * i : 8 * i + 8], 'big') % 100_000:05}" for i in range(count))


def check_codes(codes):
    code = codes["checking_code"]
    both = bytes.fromhex(code["bureau"] + code["root"])
    output = blake3(both, derive_key_context="accord checking code v1").digest(length=96)
    expect(groups(output, 12) == code["code"], "checking code")

    name = codes["name_commitment"]
    committed = blake3(bytes.fromhex(name["salt"]) + name["name"].encode(), derive_key_context="accord name commitment v1").hexdigest()
    expect(committed == name["commitment"], "name commitment")

    file = codes["key_file"]
    plain, head = open_file(bytes.fromhex(file["file"]))
    key = hash_secret_raw(file["passphrase"].encode(), head["salt"], head["passes"], head["memory"], head["lanes"], 32, Type.ID, 19)
    expect(plain(key).hex() == file["plaintext"], "key file opens with Argon2id and XChaCha20-Poly1305")

    wrapped = codes["wrapped"]
    plain, head = open_file(bytes.fromhex(wrapped["file"]))
    key = blake3(bytes.fromhex(wrapped["key"]) + head["salt"], derive_key_context="accord key wrap v1").digest()
    expect(plain(key).hex() == wrapped["plaintext"], "wrapped file opens")

    paper = codes["recovery_key"]
    key = bytes.fromhex(paper["key"])
    words = " ".join(f"{int.from_bytes(key[i : i + 2], 'big'):05}" for i in range(0, 32, 2))
    expect(f"{words} {groups(blake3(key).digest(), 1)}" == paper["groups"], "recovery key groups")


def open_file(data):
    covered, checksum = data[:-32], data[-32:]
    expect(blake3(covered).digest() == checksum, "key file checksum")
    head, ciphertext = covered[:63], covered[63:]
    expect(head[:9] == b"ACCORDKF\x01" and int.from_bytes(head[59:63], "big") == len(ciphertext), "key file header")
    fields = {
        "memory": int.from_bytes(head[10:14], "big"),
        "passes": int.from_bytes(head[14:18], "big"),
        "lanes": head[18],
        "salt": head[19:35],
    }
    return lambda key: nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, head, head[35:59], key), fields


def check_card(text, network):
    lines = text.splitlines()
    expect(lines[0] == "-----BEGIN ACCORD CARD-----" and lines[-1] == "-----END ACCORD CARD-----", "armour lines")
    data = base64.b64decode("".join(lines[1:-2]), validate=True)
    expect(lines[-2] == "checksum: " + blake3(data).hexdigest(), "armour checksum")
    card = cbor2.loads(data)
    expect(sorted(card) == [0, 1, 2, 3], "card layout")
    for sealed in card[0] + card[1] + card[2] + [card[3]]:
        kind, payload, seals = cbor2.loads(sealed)
        for key, detached in seals:
            protected, unprotected, _, signature = cbor2.loads(detached).value
            attached = cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, payload, signature]))
            expect(believes(attached, key, aad(kind, network)), "a statement on the card")


def main():
    vectors = json.loads((VECTORS / "statements.json").read_text())
    network = bytes.fromhex(vectors["network"])
    expect(blake3(vectors["network_name"].encode(), derive_key_context="accord network v1").digest() == network, "network id")
    for statement in vectors["statements"]:
        check_statement(statement, network)
    for tip in vectors["tips"]:
        check_tip(tip, network)
    check_codes(json.loads((VECTORS / "codes.json").read_text()))
    check_card((VECTORS / "card.txt").read_text(), network)
    print(f"interop: {checks} checks agree ({len(vectors['statements'])} statements)")


main()

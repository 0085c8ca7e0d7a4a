"""Checks the committed proofs with the verifier of examples/verify_proof: it must state what accord states, and refuse what was altered."""

import json
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "examples" / "verify_proof"))

from blake3 import blake3

import verify

PROOFS = TOP / "protocol" / "vectors" / "proofs"


def stated(data):
    """The canonical form of what a file states; None if it is refused. Refusing may take the form of any exception."""
    try:
        return json.dumps(verify.verify(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    except Exception:
        return None


def main():
    files = sorted(PROOFS.glob("*.proof"))
    altered = 0
    for path in files:
        data, expected = path.read_bytes(), path.with_suffix(".json").read_text()
        if stated(data) != expected:
            sys.exit(f"disagreement: {path.name} states something else than accord says")
        # Every third byte: one bit, under a digest that fits again, as who alters a file on purpose would make it.
        for at in range(9, len(data) - 32, 3):
            changed = bytearray(data[:-32])
            changed[at] ^= 1 << (at % 8)
            if stated(bytes(changed) + blake3(changed).digest()) not in (None, expected):
                sys.exit(f"disagreement: {path.name} with byte {at} altered states something else")
            altered += 1
        for cut in (1, 40, len(data) // 2):
            if stated(data[:-cut]) is not None:
                sys.exit(f"disagreement: {path.name} cut short by {cut} is accepted")
    print(f"interop: {len(files)} proofs state the same, {altered} altered ones are refused")


main()

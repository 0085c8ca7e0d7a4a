"""Makes keys/vectors/ed25519-edge.json: signatures about which Ed25519 libraries disagree, with the verdicts accord requires.

Plain Python arithmetic after RFC 8032, written apart from the Rust code, so that the two check each other. Deterministic. Usage:

    python3 tests/interop/ed25519_edge.py > keys/vectors/ed25519-edge.json
"""

import hashlib
import json

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P) % P)


def mul(n, point):
    total = IDENTITY
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def neg(point):
    return ((-point[0]) % P, point[1])


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P:
        return None
    return (-x) % P if (x & 1) != sign else x


def encode(point):
    return (point[1] | ((point[0] & 1) << 255)).to_bytes(32, "little")


def encode_raw(y, sign):
    return (y | (sign << 255)).to_bytes(32, "little")


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y)


def torsion_generator():
    """A point of order 8: L times a point outside the prime-order group."""
    y = 2
    while True:
        x = recover_x(y, 0)
        if x is not None:
            point = mul(L, (x, y))
            if mul(4, point) != IDENTITY:
                return point
        y += 1


T8 = torsion_generator()
TORSION = [mul(i, T8) for i in range(8)]


def challenge(r_bytes, a_bytes, message):
    return int.from_bytes(hashlib.sha512(r_bytes + a_bytes + message).digest(), "little") % L


def scalars(seed):
    digest = hashlib.sha512(seed).digest()
    a = int.from_bytes(digest[:32], "little")
    a &= (1 << 254) - 8
    a |= 1 << 254
    return a, digest[32:]


def nonce(prefix, message):
    return int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L


def signature(r_bytes, s):
    return r_bytes + s.to_bytes(32, "little")


def honest(seed, message):
    a, prefix = scalars(seed)
    a_bytes = encode(mul(a, BASE))
    r = nonce(prefix, message)
    r_bytes = encode(mul(r, BASE))
    return a_bytes, r_bytes, (r + challenge(r_bytes, a_bytes, message) * a) % L


def cofactorless_holds(a_point, a_bytes, r_bytes, s, message):
    """The equation of RFC 8032 without cofactor, on bytes: the only question on which careless libraries agree."""
    k = challenge(r_bytes, a_bytes, message)
    return encode(add(mul(s % L, BASE), neg(mul(k, a_point)))) == r_bytes


VECTORS = []


def vector(name, key, message, sig, usable, strict, note):
    VECTORS.append(
        {"name": name, "key": key.hex(), "message": message.hex(), "signature": sig.hex(), "usable": usable, "strict": strict, "note": note}
    )


def main():
    seed, message = bytes([1]) * 32, b"accord edge vector"
    a, prefix = scalars(seed)
    a_point = mul(a, BASE)
    a_bytes, r_bytes, s = honest(seed, message)

    vector("honest", a_bytes, message, signature(r_bytes, s), True, True, "an ordinary signature")
    vector("honest, empty message", a_bytes, b"", signature(*honest(seed, b"")[1:]), True, True, "an ordinary signature")
    vector("other message", a_bytes, message + b".", signature(r_bytes, s), True, False, "the message was changed")
    vector("S plus L", a_bytes, message, signature(r_bytes, s + L), True, False, "S not below L")
    vector("S plus 8 L", a_bytes, message, signature(r_bytes, s + 8 * L), True, False, "S not below L, top bits set")
    vector("S is L", a_bytes, message, signature(r_bytes, L), True, False, "S not below L")
    vector("S all ones", a_bytes, message, r_bytes + b"\xff" * 32, True, False, "S not below L")

    off_curve = next(y for y in range(2, 100) if recover_x(y, 0) is None)
    vector("key off the curve", encode_raw(off_curve, 0), message, signature(r_bytes, s), False, False, "no x for this y")
    vector("R off the curve", a_bytes, message, signature(encode_raw(off_curve, 0), s), True, False, "no x for this y")

    # Small-order keys: [S]B - [k]A = R can be met without any secret.
    for order, index in ((1, 0), (2, 4), (4, 2), (8, 1), (8, 3), (8, 5), (8, 7), (4, 6)):
        key_point = TORSION[index]
        key, rb, n = encode(key_point), encode(mul(7, BASE)), 0
        while challenge(rb, key, b"%d" % n) % order:
            n += 1
        assert cofactorless_holds(key_point, key, rb, 7, b"%d" % n)
        vector(f"small-order key {index} of 8", key, b"%d" % n, signature(rb, 7), False, False, f"a key of order {order}; the bare equation holds")
    # The same points in other encodings: y + p, and x = 0 with the sign bit set.
    for name, raw, point in (
        ("key y = p", encode_raw(P, 0), (recover_x(0, 0), 0)),
        ("key y = p, sign bit", encode_raw(P, 1), (recover_x(0, 1), 0)),
        ("key y = p + 1", encode_raw(P + 1, 0), IDENTITY),
        ("key y = p + 1, sign bit", encode_raw(P + 1, 1), IDENTITY),
        ("key y = 1, sign bit", encode_raw(1, 1), IDENTITY),
        ("key y = -1, sign bit", encode_raw(P - 1, 1), (0, P - 1)),
    ):
        rb, n = encode(mul(7, BASE)), 0
        while challenge(rb, raw, b"%d" % n) % 4:
            n += 1
        vector(name, raw, b"%d" % n, signature(rb, 7), False, False, "a small-order key in a second encoding")
    # Canonical and second encoding of one and the same large-order key.
    big_y = next(y for y in range(2, 19) if recover_x(y, 0) is not None and mul(8, (recover_x(y, 0), y)) != IDENTITY)
    vector("key y + p, large order", encode_raw(P + big_y, 0), message, signature(r_bytes, s), False, False, f"second encoding of y = {big_y}")

    # Small-order R under an honest key.
    for name, rb in (
        ("R identity", encode(IDENTITY)),
        ("R identity, sign bit", encode_raw(1, 1)),
        ("R identity, y = p + 1", encode_raw(P + 1, 0)),
    ):
        k = challenge(rb, a_bytes, message)
        vector(name, a_bytes, message, signature(rb, k * a % L), True, False, "R of small order; the bare equation holds on points")
    for index in (1, 2, 4):
        rb = encode(TORSION[index])
        k = challenge(rb, a_bytes, message)
        vector(f"R small order {index} of 8", a_bytes, message, signature(rb, k * a % L), True, False, "holds only with cofactor")
    # Mixed-order R: valid with cofactor, not without.
    r = nonce(prefix, message)
    rb = encode(add(mul(r, BASE), T8))
    mixed_s = (r + challenge(rb, a_bytes, message) * a) % L
    vector("R of mixed order", a_bytes, message, signature(rb, mixed_s), True, False, "holds only with cofactor")

    # Mixed-order keys: a secret scalar exists, the verdict of the bare equation depends on k mod 8.
    mixed = add(a_point, T8)
    mixed_bytes = encode(mixed)
    for wanted in (True, False):
        n = 0
        while True:
            text = b"mixed %d" % n
            r = nonce(prefix, text)
            rb = encode(mul(r, BASE))
            k = challenge(rb, mixed_bytes, text)
            if (k % 8 == 0) == wanted:
                break
            n += 1
        ms = (r + k * a) % L
        assert cofactorless_holds(mixed, mixed_bytes, rb, ms, text) == wanted
        name = "key of mixed order, k divisible by 8" if wanted else "key of mixed order, k not divisible by 8"
        vector(name, mixed_bytes, text, signature(rb, ms), False, wanted, "the key is refused wherever it enters; strict alone does not see it")

    # Small-order R under a mixed-order key, chosen so that R = -[k]T: the bare equation holds on bytes, and only the rule on R refuses.
    for index in range(8):
        rb, n = encode(TORSION[index]), 0
        while (challenge(rb, mixed_bytes, b"mixed small %d" % n) + index) % 8:
            n += 1
        text = b"mixed small %d" % n
        ms = challenge(rb, mixed_bytes, text) * a % L
        assert cofactorless_holds(mixed, mixed_bytes, rb, ms, text)
        name = f"key of mixed order, R small order {index} of 8"
        vector(name, mixed_bytes, text, signature(rb, ms), False, False, "R of small order; the bare equation holds on bytes")

    lines = ",\n".join("  " + json.dumps(entry) for entry in VECTORS)
    print("[\n" + lines + "\n]")


main()

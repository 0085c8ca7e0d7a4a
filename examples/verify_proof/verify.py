"""Verifies an accord proof file without accord: who wrote what, under which agreement, in which settled order, what was cut or voided.

    pip install blake3 cbor2 cryptography
    python3 verify.py FILE.proof          prints the statement in canonical JSON; exit 1 with a reason if anything does not stand

Written after docs/PROTOCOL.md, apart from the Rust code, so that the two check each other: `accord proof verify FILE --json` must print the
same bytes. It reads logs that never branched and writers that never forked; for others it says so and `accord` must be asked.
"""

import json
import sys

import cbor2
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import change as automerge

ROOT, CERTIFICATE, REVOCATION, APPOINTMENT = 0x0101, 0x0102, 0x0103, 0x0104
OFFER, ACCEPT, CONCLUDE, DECLINE = 0x0201, 0x0202, 0x0203, 0x0204
GENESIS, RECORD, ORDER, TIP, CONSENT = 0x0301, 0x0302, 0x0303, 0x0304, 0x0306
LINE = 0x0406
SIGN_AGREEMENT, CREATE, WRITE, PUBLISH, OFFICERS_ORDER, ISSUE, REGISTER = 1, 3, 4, 6, 7, 128, 129
KINDS = {1: "bulletin", 2: "draft", 3: "case"}
MEMBERS = {1: "node", 2: "laptop", 3: "officer", 4: "service"}
VERBS = ["read", "append", "request"]
TLP = ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]
CATEGORIES = "CRIM.SERIES CRIM.CHECK CRIM.WANTED CRIM.MODUS CRIM.PROP PERS.MISSING TRAF FIRE.HAZ FIRE.AID FORCE.AID EVENT.SAFETY ENV MKT ANALYSIS ADMIN".split()
RECORDS = {1: "adopt", 2: "anchor", 3: "grant", 4: "cut", 5: "void", 6: "reclassify", 7: "erase", 8: "end", 9: "admit", 11: "grant"}
SUBJECTS = ["bureau", "key", "certificate", "seat", "unit", "issuer", "root"]
ENDS = {1: "retention", 2: "disown"}
ACTS = {1: "draft", 2: "publish", 3: "open", 4: "note", 5: "finding", 6: "minutes", 7: "reentered", 8: "attached"}
OPEN, REENTERED, ATTACHED = 3, 7, 8


class Refused(Exception):
    """The file proves nothing; the message says why."""


def need(holds, why):
    if not holds:
        raise Refused(why)


def canonical(data):
    """Deterministic CBOR, one value and nothing after it."""
    value = cbor2.loads(data)
    need(cbor2.dumps(value, canonical=True) == data, "not deterministic CBOR")
    return value


def verify_signature(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(f"the seal of {key.hex()} does not hold") from None


def to_be_signed(kind, network, payload):
    return cbor2.dumps(["Signature1", bytes.fromhex("a10127"), b"accord" + kind.to_bytes(2, "big") + network, payload])


class Sealed:
    """A statement whose every seal holds. Whether its signers may say it is another question."""

    def __init__(self, data, network, kinds):
        self.kind, self.payload, seals = canonical(data)
        need(self.kind in kinds, f"statement type {self.kind:#06x} is not expected here")
        self.body = canonical(self.payload)
        self.signers = [key for key, _ in seals]
        need(0 < len(seals) <= 16 and self.signers == sorted(set(self.signers)), "signers must ascend")
        for key, detached in seals:
            tag = canonical(detached)
            protected, unprotected, nothing, signature = tag.value
            need((tag.tag, protected, unprotected, nothing) == (18, bytes.fromhex("a10127"), {}, None), "not a detached COSE_Sign1")
            verify_signature(key, to_be_signed(self.kind, network, self.payload), signature)
        self.id = blake3(self.kind.to_bytes(2, "big") + network + self.payload).digest()


class Directory:
    """Roots, members, revocations and registrars, each learnt only from who is entitled to say it."""

    def __init__(self, network):
        self.network, self.roots, self.bureau_of, self.lines = network, {}, {}, {}
        self.members, self.revocations, self.appointments = {}, [], {}

    def learn(self, data):
        sealed = Sealed(data, self.network, (ROOT, CERTIFICATE, REVOCATION, APPOINTMENT))
        {ROOT: self.root, CERTIFICATE: self.member, REVOCATION: self.revocation, APPOINTMENT: self.appointment}[sealed.kind](sealed)

    def root(self, sealed):
        body, keys = sealed.body, sealed.body[2]
        need(body[6] == self.network and keys == sorted(set(keys)) and 1 <= body[3] <= len(keys), "root statement")
        own = lambda root: len(set(sealed.signers) & set(root[2])) >= root[3]
        if body[0] == 1:
            need(1 not in body and own(body) and set(sealed.signers) <= set(keys), "root version 1 is sealed by its own threshold")
            bureau = sealed.id
        else:
            before, bureau = self.roots.get(body.get(1)), self.bureau_of.get(body.get(1))
            need(before and before[0] + 1 == body[0], "a root version follows the one before")
            need(own(before) and own(body) and set(sealed.signers) <= set(keys) | set(before[2]), "both thresholds seal a new version")
            need(self.lines[bureau][-1] == body[1], "rival root versions")
        self.roots[sealed.id], self.bureau_of[sealed.id] = body, bureau
        self.lines.setdefault(bureau, []).append(sealed.id)

    def issued(self, sealed, bureau, issuer, needed=ISSUE):
        """By the threshold of a root version, or by one member who may issue."""
        kind, who = issuer
        if kind == 0:
            need(self.bureau_of.get(who) == bureau, "root of another bureau")
            keys = set(self.roots[who][2])
            need(set(sealed.signers) <= keys and len(sealed.signers) >= self.roots[who][3], "the root's threshold must seal")
            return None
        member = self.members.get(who)
        need(member and member[0] == bureau and member[14][0] == 0 and needed in member[8], "the issuer may not issue")
        need(sealed.signers == [member[3]], "the issuer must seal")
        return member

    def member(self, sealed):
        body = sealed.body
        need(body[1] == self.network and body[0] in self.lines and body[8] == sorted(set(body[8])), "certificate")
        issuer = self.issued(sealed, body[0], body[14])
        if issuer:
            need(body[2] != 1 and all(number < 128 for number in body[8]) and body[11] < issuer[12], "beyond what an issuer may give")
        self.members[sealed.id] = body

    def revocation(self, sealed):
        need(sealed.body[0] in self.lines, "revocation of an unknown bureau")
        self.issued(sealed, sealed.body[0], sealed.body[4])
        self.revocations.append(sealed.body)

    def appointment(self, sealed):
        body = sealed.body
        registrar = self.members.get(body[2])
        need(registrar and registrar[0] == body[0] and REGISTER in registrar[8], "the appointed registrar")
        self.issued(sealed, body[0], [0, body[4]])
        need(all(other[:2] != (body[0], body[1]) for other in self.appointments.values()), "rival appointments")
        self.appointments[sealed.id] = (body[0], body[1], body[2])

    def sealed_by(self, sealed, certificate, bureau, capability):
        member = self.members.get(certificate)
        need(member and member[0] == bureau and capability in member[8] and member[3] in sealed.signers, "not sealed by who it names")

    def revoked(self, certificate):
        """0 good, 1 retired, 2 compromised: by itself, or with its issuer."""

        def meets(entry, cert, member):
            (kind, *target), by_member = entry[1], entry[4][0] == 1
            if member[14][0] == 0 and by_member:
                return False
            if kind == 2:
                return cert == target[0] or (member[14] == [1, target[0]] and cert not in target[1])
            return [member[3] == target[0], cert == target[0], None, member[14] == [0, target[0]] and cert not in (target[1:] or [[]])[0]][kind]

        member = self.members[certificate]
        worst = max((entry[2] for entry in self.revocations if entry[0] == member[0] and meets(entry, certificate, member)), default=0)
        if member[14][0] == 1:
            issuer = self.members[member[14][1]]
            fall = [e for e in self.revocations if e[2] == 2 and e[1][0] != 2 and meets(e, member[14][1], issuer)]
            worst = max(worst, 2 if fall else 0)
        return worst


def covers(subject, certificate, member):
    kind, who, *name = subject
    return [
        member[0] == who,
        member[3] == who,
        certificate == who,
        member[0] == who and name and name[0] in member[7],
        member[0] == who and name and name[0] == member[6],
        member[14] == [1, who],
        member[14] == [0, who],
    ][kind]


class Log:
    """The access log: what each record gives and takes on the way from the genesis."""

    ORDERED = {3: lambda k: [0, k[1]], 4: lambda k: [1, k[1], k[2], k[4]], 5: lambda k: [3, k[1], k[2]], 6: lambda k: [4, k[1], k[2]],
               7: lambda k: [5, k[1]], 8: lambda k: [6, k[1]], 9: lambda k: [2, k[1]], 11: lambda k: [0, k[1]]}  # fmt: skip

    def __init__(self, directory, genesis):
        self.directory, self.genesis, self.document = directory, genesis.body, genesis.id
        self.owner = self.genesis[0]
        directory.sealed_by(genesis, self.genesis[1], self.owner, PUBLISH if self.genesis[2] == 1 else CREATE)
        self.ids, self.records, self.orders, self.consents = [genesis.id], [None], [None], [[]]
        self.tlp, self.cuts, self.voided, self.ended, self.number = self.genesis[6], [], {}, None, ""
        held, denied = {}, set()
        self.grant(held, denied, self.genesis[7], self.genesis[9])
        self.rights, self.opened = [(held, denied)], []

    def open(self, data):
        """What opens one place of a hidden audience: a grant of read by the genesis."""
        opening = canonical(data)
        need(sorted(opening) == [0, 1] and len(opening[0]) == len(opening[1]) == 32, "an opening")
        commitment = blake3(opening[0] + opening[1], derive_key_context="accord audience commitment v1").digest()
        need(opening[1] != self.owner and commitment in self.genesis.get(11, []), "it opens no place of this audience")
        self.opened.append((opening[1], commitment))
        self.grant(*self.rights[0], [{0: opening[1], 1: 0}], self.genesis[9])

    def index(self, record):
        return self.ids.index(record) if record in self.ids else None

    @staticmethod
    def grant(held, denied, grantees, at):
        for grantee in grantees:
            denied -= {entry for entry in denied if entry[0] == (0, grantee[0])}
            old = held.get(grantee[0])
            if old and old[2][2] is not None and at >= old[2][2]:
                old = None  # its time was over: it comes anew
            conditions = tuple(grantee.get(n) for n in (3, 4, 5, 6))
            outlasts = old and (old[0] == 1 or grantee[1] == old[0]) and (old[0] != grantee[1] or old[2] == conditions)
            if not outlasts:
                held[grantee[0]] = (grantee[1], grantee.get(2), conditions)

    def learn(self, data):
        sealed = Sealed(data, self.directory.network, (RECORD,))
        body, (number, *_) = sealed.body, sealed.body[5]
        need(body[0] == self.document and body[1] == len(self.ids) and body[2] == self.ids[-1], "the log must be one unbroken line")
        need(number in RECORDS, "this verifier reads logs that never branched: ask accord")
        need((self.genesis[4] > 1 or number <= 4) and self.ended is None, "the rules version does not know this record here")
        need(number == 1 or body[1] > 1 or body[5][:2] == [8, 2], "record 1 adopts or disowns")
        appointed = self.directory.appointments.get(body[4])
        need(appointed and appointed[0] == self.owner and appointed[2] == body[3], "not the registrar of that appointment")
        self.directory.sealed_by(sealed, body[3], self.owner, REGISTER)
        self.orders.append(self.order(body[5]))
        self.consents.append(self.consented(body[5]))
        held, denied = dict(self.rights[-1][0]), set(self.rights[-1][1])
        self.apply(sealed.id, body[5], body[6], held, denied)
        self.ids.append(sealed.id)
        self.records.append(body)
        self.rights.append((held, denied))

    def order(self, kind):
        if kind[0] not in self.ORDERED:
            return None
        machine = self.genesis[4] > 1 and (kind[0] == 4 or kind[:2] == [8, 1])
        embedded = kind[2] if kind[0] == 11 else kind[-1]
        if embedded == b"" and machine:
            return None
        order = Sealed(embedded, self.directory.network, (ORDER,))
        need(order.body[0] == self.document and order.body[2] == self.ORDERED[kind[0]](kind), "the order says something else")
        self.directory.sealed_by(order, order.body[1], self.owner, OFFICERS_ORDER)
        need(order.id not in [known[0] for known in self.orders if known], "one order, two records")
        return (order.id, order.body[1])

    def consented(self, kind):
        """The consents a grant embeds, as (id, officer): each by an officer of who wrote, for this document and one let in here, used once."""
        if kind[0] != 11:
            return []
        need(1 <= len(kind[3]) <= 64 and kind[3] == sorted(set(kind[3])), "consents must be present, ascending and bounded")
        used, said, out = {known[0] for line in self.consents for known in line}, set(), []
        for data in kind[3]:
            consent = Sealed(data, self.directory.network, (CONSENT,))
            body = consent.body
            need(body[0] == self.document and body[2] in [grantee[0] for grantee in kind[1]], "a consent to something else")
            need(body[1] != body[2] and body[3] in (0, 1) and len(consent.signers) == 1, "a consent")
            self.directory.sealed_by(consent, body[6], body[1], OFFICERS_ORDER)
            need((body[1], body[2]) not in said and consent.id not in used, "a consent counts once")
            said.add((body[1], body[2]))
            out.append((consent.id, body[6]))
        return out

    def apply(self, record, kind, at, held, denied):
        def cut(subject, verbs, frontier):
            self.cuts.append((record, subject, frontier))
            if subject[0] == 0 and 0 in verbs:
                held.pop(subject[1], None)
            elif subject[0] == 0 and subject[1] in held:
                held[subject[1]] = (0, *held[subject[1]][1:])
            denied.update((tuple(subject), verb) for verb in set(verbs) | ({1} if 0 in verbs else set()))

        match kind:
            case [1, number, _]:
                self.number = number
            case [3, grantees, _] | [11, grantees, _, _]:
                self.grant(held, denied, grantees, at)
            case [4, subject, verbs, frontier, _, _]:
                cut(subject, verbs, {line[0]: line[1] for line in frontier})
            case [5, changes, _, _]:
                for change in changes:
                    self.voided.setdefault(change, record)
            case [6, tlp, narrowed, _]:
                need(tlp > self.tlp, "a traffic light is raised only")
                self.tlp = tlp
                for bureau in narrowed:
                    cut([0, bureau], [0, 1], {})
            case [8, how, _]:
                self.ended = how
                held.clear()

    def allows(self, index, certificate, member):
        held, denied = self.rights[index]
        lost = any(verb == 1 and covers(subject, certificate, member) for subject, verb in denied)
        if lost or WRITE not in member[8] or (self.records[index] or {5: [0]})[5][0] == 8:
            return False
        return member[0] == self.owner or held.get(member[0], (0,))[0] == 1


class Document:
    """Segments, and which of their changes count."""

    def __init__(self, directory, log):
        self.directory, self.log = directory, log
        self.changes, self.signed, self.chains, self.max_op, self.writer_of_char = {}, {}, {}, {}, {}
        self.quotes = {}  # (wrapper, uuid) -> what it quotes

    def learn(self, data):
        segment = canonical(data)
        member = self.directory.members.get(segment[1])
        need(member and segment[0] == self.log.document, "a segment of another document or writer")
        writer = segment[1] + segment[0] + segment[2]
        actor = blake3(b"accord actor v1" + writer).digest()[:16]
        cited = [run[1] for run in segment[6] for _ in range(run[0])]
        parsed = [automerge.parse(raw) for raw in segment[5]]
        need(parsed and len(cited) == len(parsed), "citations")
        steps = [(c.hash, record) for c, record in zip(parsed, cited)] + [(link[0], link[1]) for link in segment[7]]
        attested, chain = segment[4], self.chains.setdefault(actor, {0: bytes(32)})
        need(chain.get(segment[3] - 1) == attested, "what the segment continues is not in the file, or its writer forked: ask accord")
        for n, (hash_, record) in enumerate(steps, segment[3]):
            head = b"accord attestation v1" + segment[0] + segment[1] + segment[2]
            attested = blake3(head + n.to_bytes(8, "big") + hash_ + record + attested).digest()
            need(chain.setdefault(n, attested) == attested, "a writer signed two changes for one position: ask accord")
        verify_signature(member[3], to_be_signed(TIP, self.directory.network, attested), segment[8])
        for n, (parsed_change, record) in enumerate(zip(parsed, cited), segment[3]):
            need(parsed_change.actor == actor and parsed_change.seq == n, "a change of another writer or position")
            self.place(parsed_change, segment[1], member, record)

    def place(self, change, certificate, member, record):
        if change.hash in self.changes:
            return
        need(all(dep in self.changes for dep in change.deps), "what a change builds on is not in the file")
        own = [h for h, (c, *_) in self.signed.items() if self.changes[h].actor == change.actor and self.changes[h].seq == change.seq - 1]
        need(change.seq == 1 or (own and own[0] in change.deps), "a writer's previous change must be a dependency")
        need(change.start_op == max((self.changes[dep].max_op for dep in change.deps), default=0) + 1, "operation counters")
        founder = self.log.genesis[1] + self.log.document + self.log.genesis[8]
        founding = change.actor == blake3(b"accord actor v1" + founder).digest()[:16] and [op[0] for op in change.ops[:2]] == ["acts", "text"]
        need(founding if not change.deps else not any(op[0] in ("acts", "text") for op in change.ops), "founding change")
        for place, (kind, _, reference, _) in enumerate(change.ops):
            if kind == "char":
                self.writer_of_char[(change.start_op + place, change.actor)] = member[0]
            if kind == "delete":
                need(self.writer_of_char.get(reference) is not None, "deletes what is not there")
                need(member[0] in (self.log.owner, self.writer_of_char[reference]), "deletes what another bureau wrote")
        self.changes[change.hash] = change
        self.signed[change.hash] = (certificate, member, record)
        for kind, _, _, value in change.ops:
            if kind == "act" and (act := readable(value)) and act[1] == REENTERED:
                try:
                    self.quotes[(change.hash, act[0])] = self.quoted(act[9])
                except (Refused, automerge.Malformed, cbor2.CBORDecodeError, LookupError, TypeError, ValueError, AttributeError):
                    pass  # it quotes nobody, so it shows nothing

    def quoted(self, data):
        """Held work entered again: one change of this document under its author's own signature."""
        segment = canonical(data)
        member = self.directory.members.get(segment[1])
        need(member and segment[0] == self.log.document and len(segment[5]) == 1, "a quote of another document or writer")
        need(segment[3] > 0 and (segment[3] == 1) == (segment[4] == bytes(32)) and segment[6][0][0] == 1 and len(segment[6]) == 1, "a quote")
        change, record = automerge.parse(segment[5][0]), segment[6][0][1]
        actor = blake3(b"accord actor v1" + segment[1] + segment[0] + segment[2]).digest()[:16]
        need(change.actor == actor and change.seq == segment[3], "a change of another writer or position")
        attested, head = segment[4], b"accord attestation v1" + segment[0] + segment[1] + segment[2]
        for n, (hash_, cited) in enumerate([(change.hash, record)] + [(link[0], link[1]) for link in segment[7]], segment[3]):
            attested = blake3(head + n.to_bytes(8, "big") + hash_ + cited + attested).digest()
        verify_signature(member[3], to_be_signed(TIP, self.directory.network, attested), segment[8])
        acts = [act for kind, _, _, value in change.ops if kind == "act" and (act := readable(value)) and act[1] != REENTERED]
        return {"certificate": segment[1], "member": member, "cited": record, "change": change.hash, "acts": acts}

    def decide(self):
        """First the anchors, each settling all before its tips; then every other change by record, rights and cuts."""
        self.settled = {}
        for index, record in enumerate(self.log.records):
            tips = record[5][{1: 2, 2: 1, 9: 1}[record[5][0]]] if record and record[5][0] in (1, 2, 9) else []
            need(all(tip in self.changes for tip in tips), "a change that an anchor names is not in the file")
            stack = list(tips)
            while stack:
                change = stack.pop()
                if change not in self.settled:
                    self.settled[change] = index
                    stack.extend(self.changes[change].deps)
        self.admitted, self.held = set(self.settled), {}
        for hash_, change in self.changes.items():  # in causal order: each stands behind what it builds on
            if hash_ not in self.admitted:
                why = self.why_held(hash_, change)
                if why:
                    self.held[hash_] = why
                else:
                    self.admitted.add(hash_)

    def why_held(self, hash_, change):
        certificate, member, record = self.signed[hash_]
        if self.log.ended:
            return ("ended", b"")
        first = next(self.signed[h][2] for h, c in self.changes.items() if c.actor == change.actor and c.seq == 1)
        for cut, subject, frontier in self.log.cuts:
            later = (self.log.index(first) or 0) >= self.log.index(cut)
            if covers(subject, certificate, member) and change.seq > frontier.get(change.actor, 0) and not later:
                return ("cut", cut)
        index = self.log.index(record)
        if index is None:
            return ("citation", b"")
        if not self.log.allows(index, certificate, member):
            return ("right", b"")
        if not all(dep in self.admitted for dep in change.deps):
            return ("dependency", b"")
        older = any((self.log.index(self.signed[dep][2]) or 0) > index for dep in change.deps)
        return ("citation", b"") if older else None

    def acts(self):
        """Acts in settled order, each once: (change, act, who signed it, and the wrapper by which it counts or None)."""
        out, seen = [], set()
        for hash_ in self.admitted:
            for kind, _, _, value in self.changes[hash_].ops:
                if kind != "act" or not (act := readable(value)):
                    continue
                place = self.settled.get(hash_, 2**32)
                if act[1] != REENTERED:
                    out.append(((place, act[6], hash_), act, self.signed[hash_], None))
                    continue
                quote = self.quotes.get((hash_, act[0]))
                # The owner may enter anybody's work again, a bureau its own.
                if quote and self.signed[hash_][1][0] in (self.log.owner, quote["member"][0]):
                    signed = (quote["certificate"], quote["member"], quote["cited"])
                    out += [((place, inner[6], quote["change"]), inner, signed, hash_) for inner in quote["acts"]]
        for (_, _, hash_), act, signed, wrapper in sorted(out, key=lambda entry: entry[0]):
            if (signed[0], act[0]) not in seen:
                seen.add((signed[0], act[0]))
                yield hash_, act, signed, wrapper


def readable(value):
    """An act, or None where its bytes are none: the change counts, and nothing is shown of it."""
    try:
        act = canonical(value)
    except (Refused, cbor2.CBORDecodeError, ValueError):
        return None
    known = isinstance(act, dict) and act.get(1) in ACTS and all(key in act for key in (0, 2, 3, 4, 6, 7)) and set(act) <= set(range(12))
    if not known or (9 in act) != (act[1] == REENTERED) or (10 in act and act[1] != OPEN) or (11 in act) != (act[1] == ATTACHED):
        return None
    # What is said of a file stands in its manifest, where it can be erased.
    return None if 11 in act and (act[2] or act[3] or act[4] or 5 in act) else act


def agreements(directory, statements):
    """The agreements in the file, each sealed by an officer of either side; concluded by the offerer's registrar with the other side's accept,
    or with an equal offer of the other side under the same compact that crossed it, unless one of the two was declined."""
    out = {}
    for data in statements:
        sealed = Sealed(data, directory.network, (OFFER, ACCEPT, DECLINE, CONCLUDE))
        body = sealed.body
        if sealed.kind == OFFER:
            directory.sealed_by(sealed, body[7], body[0], SIGN_AGREEMENT)
            need((body[2] == 1) == (3 not in body) and (body[2] == 1 or out.get(body[3], {}).get("named")), "the version before")
            out.setdefault(sealed.id, {"offer": body, "accept": None, "declined": False, "named": None})
            continue
        entry = out.get(body[0])
        need(entry, "a statement about an offer that is not in the file")
        if sealed.kind == CONCLUDE:
            crossed = body[1] in out and crosses(entry["offer"], out[body[1]]["offer"])
            need(body[1] == entry["accept"] or crossed, "conclusion")
            need((entry["offer"][0], body[3], body[2]) in directory.appointments.values(), "conclusion")
            directory.sealed_by(sealed, body[2], entry["offer"][0], REGISTER)
            entry["named"] = body[1]
            continue
        directory.sealed_by(sealed, body[1], entry["offer"][1], SIGN_AGREEMENT)
        if sealed.kind == ACCEPT:
            entry["accept"] = sealed.id
        else:
            entry["declined"] = True
    for entry in out.values():
        crossed = out.get(entry["named"])
        entry["concluded"] = bool(entry["named"]) and not (crossed and (entry["declined"] or crossed["declined"]))
    return out


def crosses(one, other):
    """Whether two offers are the same under one compact, each made to the other side while the other one could still be accepted."""
    apart = one[0] == other[1] and one[1] == other[0] and one[2] == other[2] and one.get(3) == other.get(3)
    in_time = one[5] < other[6] and other[5] < one[6]
    return apart and in_time and names_compact(one[4]) and one[4] == mirrored(other[4])


def names_compact(terms):
    return 13 in terms.get(6, {})


def mirrored(terms):
    """The same terms as the other side would offer them."""
    turned = {0: 1, 1: 0, 2: 2}
    out = terms | {4: [grant | {0: turned[grant[0]]} for grant in terms[4]]}
    if 6 in terms:
        annex = dict(terms[6])
        if 6 in annex:
            annex[6] = [liaison | {0: turned[liaison[0]]} for liaison in annex[6]]
        if 7 in annex:
            annex[7] = sorted(({0: pair[1], 1: pair[0]} for pair in annex[7]), key=lambda pair: (pair[0], pair[1]))
        if 10 in annex:
            annex[10] = {0: annex[10][1], 1: annex[10][0]}
        out[6] = annex
    return out


def receipts(directory, document, lines):
    """The lines of pair ledgers that say who had received the document, each sealed by a registrar of who says it."""
    places, out = [], []
    for data in lines:
        sealed = Sealed(data, directory.network, (LINE,))
        body, member = sealed.body, directory.members.get(sealed.body[6])
        need(member and member[0] == body[0] and member[2] == 1 and sealed.signers == [member[3]], "the sealer of a receipt")
        registrars = [directory.members[who] for bureau, _, who in directory.appointments.values() if bureau == body[0]]
        need(any(registrar[3] == member[3] for registrar in registrars), "a receipt is sealed by a registrar")
        need(body[0] != body[1] and (body[2] == 1) == (body[3] == bytes(32)) and body[4][0] == 1, "a receipt's line")
        named = [line[0] for line in body[4][1]]
        need(named == sorted(set(named)) and document in named, "no receipt of this document")
        places.append((body[0], body[1], body[2], sealed.id))
        out += [(sealed, line) for line in body[4][1] if line[0] == document]
    need(places == sorted(set(places)), "receipts must ascend")
    return out


def verify(data):
    """The statement of a proof file."""
    need(data[:8] == b"ACCORDPF" and len(data) > 41, "not a proof file")
    need(data[8] in (1, 2, 3), f"a proof of version {data[8]}")
    need(blake3(data[:-32]).digest() == data[-32:], "the file is damaged: its digest does not fit")
    file = canonical(data[9:-32])
    version = 3 if 8 in file else 2 if 7 in file else 1
    need(set(range(7)) <= set(file) <= set(range(9)) and version == data[8] and file.get(7) != [] and file.get(8) != [], "layout")
    directory = Directory(file[0])
    for sealed in file[2]:
        directory.learn(sealed)
    genesis = Sealed(file[4], directory.network, (GENESIS,))
    need(genesis.id == file[1], "the genesis is of another document")
    known = agreements(directory, file[3])
    log = Log(directory, genesis)
    for opening in file.get(8, []):
        log.open(opening)
    need(file.get(8, []) == sorted(set(file.get(8, []))), "openings must ascend")
    for record in file[5]:
        log.learn(record)
    document = Document(directory, log)
    for segment in file[6]:
        document.learn(segment)
    document.decide()
    from statement import statement  # it names the tables above

    return statement(directory, log, document, known, receipts(directory, log.document, file.get(7, [])))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        with open(sys.argv[1], "rb") as file:
            stated = verify(file.read())
    except (Refused, automerge.Malformed) as why:
        sys.exit(f"refused: {why}")
    except (cbor2.CBORDecodeError, LookupError, TypeError, ValueError, AttributeError) as why:
        sys.exit(f"refused: not of the expected shape: {why!r}")
    print(json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


if __name__ == "__main__":
    main()

"""Automerge changes as accord allows them: two objects, `acts` (a list of byte strings) and `text`, inserts and deletes only.

Written after the public description of the change format and docs/PROTOCOL.md, apart from the Rust code. Checks what order and content
rest on; the finer rules of the encoding (shortest forms, order of columns) are the Rust program's to judge.
"""

import hashlib
from dataclasses import dataclass, field


class Malformed(Exception):
    """The bytes are no change, or not one of ours."""


class Reader:
    """LEB128 numbers and byte strings, never beyond the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise Malformed("cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def unsigned(self, signed=False):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value - (1 << shift) if signed and byte & 64 else value
            if shift > 63:
                raise Malformed("number too large")

    def done(self):
        return self.at == len(self.data)


def runs(data, read):
    """A run-length column: copies, single values or gaps."""
    reader = Reader(data)
    while not reader.done():
        count = reader.unsigned(signed=True)
        if count > 0:
            value = read(reader)
            yield from (value for _ in range(count))
        elif count < 0:
            for _ in range(-count):
                yield read(reader)
        else:
            yield from (None for _ in range(reader.unsigned()))


def number(reader):
    return reader.unsigned()


def deltas(data):
    last = 0
    for step in runs(data, lambda reader: reader.unsigned(signed=True)):
        last = last if step is None else last + step
        yield None if step is None else last


def booleans(data):
    reader, value = Reader(data), False
    while not reader.done():
        yield from (value for _ in range(reader.unsigned()))
        value = not value


@dataclass
class Change:
    hash: bytes
    actor: bytes
    seq: int
    start_op: int
    deps: list
    ops: list = field(default_factory=list)  # (kind, object, reference, value): insert an act or a character, delete a character

    @property
    def max_op(self):
        return self.start_op + len(self.ops) - 1


def parse(raw):
    """Reads one raw change chunk; its hash is SHA-256 over type, length and body."""
    reader = Reader(raw)
    if reader.take(4) != b"\x85\x6f\x4a\x83":
        raise Malformed("no change chunk")
    checksum, start = reader.take(4), reader.at
    if reader.take(1) != b"\x01":
        raise Malformed("no raw change")
    body = Reader(reader.take(reader.unsigned()))
    digest = hashlib.sha256(raw[start:]).digest()
    if not reader.done() or digest[:4] != checksum:
        raise Malformed("checksum")
    deps = [body.take(32) for _ in range(body.unsigned())]
    actor = body.take(body.unsigned())
    seq, start_op = body.unsigned(), body.unsigned()
    if body.unsigned(signed=True) != 0 or body.unsigned() != 0:
        raise Malformed("time or message is used")
    actors = [actor] + [body.take(body.unsigned()) for _ in range(body.unsigned())]
    if len(deps) > 32 or deps != sorted(set(deps)) or any(len(name) != 16 for name in actors) or not 0 < start_op < 2**31:
        raise Malformed("header")
    columns = [(body.unsigned(), body.unsigned()) for _ in range(body.unsigned())]
    data = {name: body.take(length) for name, length in columns}
    if not body.done() or any(name not in (1, 2, 17, 19, 21, 52, 66, 86, 87, 112, 113, 115) for name in data):
        raise Malformed("columns")
    change = Change(digest, actor, seq, start_op, deps)
    change.ops = list(operations(data, actors))
    if len(change.ops) > 20_000:
        raise Malformed("too many operations")
    return change


def operations(data, actors):
    column = lambda name, read=number: runs(data.get(name, b""), read)
    string = lambda reader: reader.take(reader.unsigned())
    objects, counters = column(1), column(2)
    key_actors, key_counters, keys = column(17), deltas(data.get(19, b"")), column(21, string)
    inserts, metas, values = booleans(data.get(52, b"")), column(86), Reader(data.get(87, b""))
    preds, pred_actors, pred_counters = column(112), column(113), deltas(data.get(115, b""))
    name = lambda counter, actor: None if counter is None or actor is None else (counter, actors[actor])
    for action in column(66):
        target = name(next(counters, None), next(objects, None))
        counter, actor, key = next(key_counters, None), next(key_actors, None), next(keys, None)
        insert, meta = next(inserts, False), next(metas, 0) or 0
        value = values.take(meta >> 4)
        before = [name(next(pred_counters, None), next(pred_actors, None)) for _ in range(next(preds, 0) or 0)]
        reference = None if counter == 0 else name(counter, actor)  # 0 is the head of the list
        if action == 2 and key == b"acts":
            yield ("acts", None, None, None)
        elif action == 4 and key == b"text":
            yield ("text", None, None, None)
        elif action == 1 and insert and meta & 15 == 7:
            yield ("act", target, reference, value)
        elif action == 1 and insert and meta & 15 == 6 and len(value.decode()) == 1:
            yield ("char", target, reference, value.decode())
        elif action == 3 and before == [reference]:
            yield ("delete", target, reference, None)
        else:
            raise Malformed("not in schema 1")


def text_of(changes):
    """The shared text: characters in the order of their insertion tree, the newer of two siblings first, without what was deleted."""
    children, gone, chars = {}, set(), {}
    for change in changes:
        for place, (kind, _, reference, value) in enumerate(change.ops):
            op = (change.start_op + place, change.actor)
            if kind == "char":
                chars[op] = value
                children.setdefault(reference, []).append(op)
            elif kind == "delete":
                gone.add(reference)
    out, stack = [], sorted(children.get(None, []))
    while stack:
        op = stack.pop()
        if op not in gone:
            out.append(chars[op])
        stack.extend(sorted(children.get(op, [])))
    return "".join(out)

"""What a proof states, as the one JSON form on which two verifiers must agree: keys ascending, no spaces, ids in hex, times in Unix seconds."""

from blake3 import blake3

import change as automerge
from verify import ACTS, CATEGORIES, ENDS, KINDS, MEMBERS, RECORDS, SUBJECTS, TLP, VERBS


def hexed(value):
    return value.hex() if value else ""


def checking_code(bureau, root):
    output = blake3(bureau + root, derive_key_context="accord checking code v1").digest(length=96)
    return " ".join(f"{int.from_bytes(output[at : at + 8], 'big') % 100_000:05}" for at in range(0, 96, 8))


def bureaus(directory):
    for bureau, line in sorted(directory.lines.items()):
        head = directory.roots[line[-1]]
        roots = [
            {"root": hexed(root), "version": directory.roots[root][0], "checking_code": checking_code(bureau, root)} for root in line
        ]
        yield {"bureau": hexed(bureau), "name": head[5], "unit_code": head[4], "roots": roots}


def members(directory, log, document):
    named = {log.genesis[1]} | {signed[0] for signed in document.signed.values()}
    named |= {record[3] for record in log.records if record} | {order[1] for order in log.orders if order}
    named |= {quote["certificate"] for quote in document.quotes.values()}
    named |= {officer for consents in log.consents for _, officer in consents}
    for certificate in sorted(named):
        member = directory.members[certificate]
        yield {
            "certificate": hexed(certificate),
            "bureau": hexed(member[0]),
            "kind": MEMBERS[member[2]],
            "unit": member[6],
            "seats": member[7],
            "revoked": ["", "retired", "compromised"][directory.revoked(certificate)],
        }


def relied_on(log, known):
    grantees = log.genesis[7] + [one for record in log.records if record and record[5][0] in (3, 11) for one in record[5][1]]
    for agreement in sorted({grantee[2] for grantee in grantees if 2 in grantee}):
        entry = known.get(agreement)
        offer = entry["offer"] if entry else {0: b"", 1: b"", 2: 0, 4: {0: "", 2: 0, 3: 0}}
        yield {
            "agreement": hexed(agreement),
            "whole": entry is not None,
            "version": offer[2],
            "offerer": hexed(offer[0]),
            "acceptor": hexed(offer[1]),
            "title": offer[4][0],
            "from": offer[4][2],
            "to": offer[4][3],
            "concluded": bool(entry and entry["concluded"]),
        }


def grantee(one):
    return {
        "bureau": hexed(one[0]),
        "verb": VERBS[one[1]],
        "agreement": hexed(one.get(2)),
        "via": hexed(one.get(3)),
        "tlp": TLP[one[4]] if 4 in one else "",
        "until": one.get(5, 0),
        "no_fourth": one.get(6, False),
    }


def records(log):
    for index, (id_, record, order) in enumerate(zip(log.ids, log.records, log.orders)):
        said = {
            "record": hexed(id_), "index": index, "kind": "genesis", "ordered_by": hexed(order[1]) if order else "", "grantees": [],
            "tlp": "", "narrowed": [], "voids": [], "reason": "", "blobs": [], "heads": [], "compromised": False, "subject": "",
            "verbs": [], "strict": False, "frontier": [], "tips": [],
        }  # fmt: skip
        if record is None:
            said |= {"at": log.genesis[9], "by": hexed(log.genesis[1]), "grantees": [grantee(one) for one in log.genesis[7]]}
            yield said
            continue
        kind = record[5]
        said |= {"kind": RECORDS[kind[0]], "at": record[6], "by": hexed(record[3])}
        match kind:
            case [1, _, tips] | [2, tips] | [9, tips, _]:
                said["tips"] = [hexed(tip) for tip in tips]
            case [3, grantees, _] | [11, grantees, _, _]:
                said["grantees"] = [grantee(one) for one in grantees]
            case [4, subject, verbs, frontier, strict, _]:
                who = [hexed(part) if isinstance(part, bytes) else part for part in subject[1:]]
                said |= {"subject": " ".join([SUBJECTS[subject[0]], *who]), "verbs": [VERBS[verb] for verb in verbs], "strict": strict}
                said["frontier"] = [f"{hexed(line[0])} {line[1]}" for line in frontier]
            case [5, changes, reason, _]:
                said |= {"voids": [hexed(change) for change in changes], "reason": reason}
            case [6, tlp, narrowed, _]:
                said |= {"tlp": TLP[tlp], "narrowed": [hexed(bureau) for bureau in narrowed]}
            case [7, blobs, _]:
                said["blobs"] = [hexed(blob) for blob in blobs]
            case [8, how, _]:
                said["reason"] = ENDS[how]
        yield said


def stand(log, document, change):
    certificate, _, cited = document.signed[change]
    position = document.changes[change].seq
    return {"change": hexed(change), "certificate": hexed(certificate), "position": position}, hexed(cited)


def entries(log, document):
    for change, act, (certificate, member, cited), wrapper in document.acts():
        cited = log.index(cited)
        held = log.rights[cited][0].get(member[0]) if cited is not None else None
        counts = wrapper or change
        yield {
            "kind": ACTS[act[1]],
            "title": act[2],
            "text": act[3],
            "bureau": hexed(member[0]),
            "certificate": hexed(certificate),
            "seat": act[7],
            "signed_at": act[6],
            "change": hexed(change),
            "agreement": hexed(held[1]) if held else "",
            "settled_by": hexed(log.ids[document.settled[counts]]) if counts in document.settled else "",
            "voided_by": hexed(log.voided.get(change) or log.voided.get(wrapper)),
        } | ({"file": hexed(act[11])} if 11 in act else {}) | ({"reentered_by": hexed(document.signed[wrapper][0]), "reentered_in": hexed(wrapper)} if wrapper else {})


def receipt(sealed, line):
    body = sealed.body
    return {
        "by": hexed(body[0]),
        "to": hexed(body[1]),
        "line": hexed(sealed.id),
        "place": body[2],
        "certificate": hexed(body[6]),
        "at": line[3],
        "entry": hexed(line[1]),
        "log_head": hexed(line[2]),
    }


def opened(log):
    if not log.opened:
        return {}
    readers = [{"bureau": hexed(bureau), "commitment": hexed(commitment)} for bureau, commitment in sorted(log.opened)]
    return {"opened": readers, "places": len(log.genesis[11])}


def statement(directory, log, document, known, received):
    admitted = sorted(document.admitted, key=lambda change: (document.settled.get(change, 2**32), change))
    tips = document.admitted - {dep for change in document.admitted for dep in document.changes[change].deps}
    view = log.document + log.ids[-1] + b"\xff" + b"".join(sorted(tips))
    changes = []
    for change in admitted:
        stands, cited = stand(log, document, change)
        settled = hexed(log.ids[document.settled[change]]) if change in document.settled else ""
        changes.append(stands | {"cited": cited, "settled_by": settled})
    held = []
    for change in sorted(document.held, key=lambda change: change):
        why, cut = document.held[change]
        held.append(stand(log, document, change)[0] | {"why": why, "cut": hexed(cut)})
    return {
        "network": hexed(directory.network),
        "document": hexed(log.document),
        "kind": KINDS[log.genesis[2]],
        "category": CATEGORIES[log.genesis[5] - 1],
        "tlp": TLP[log.tlp],
        "owner": hexed(log.owner),
        "created": log.genesis[9],
        "number": log.number,
        "ended": ENDS.get(log.ended, ""),
        "log_head": hexed(log.ids[-1]),
        "log_forked": False,
        "entry": blake3(view, derive_key_context="accord view entry v1").hexdigest(),
        "bureaus": list(bureaus(directory)),
        "certificates": list(members(directory, log, document)),
        "agreements": list(relied_on(log, known)),
        "records": list(records(log)),
        "changes": changes,
        "entries": list(entries(log, document)),
        "text": automerge.text_of([document.changes[change] for change in admitted]),
        "held": held,
        "forks": [],
    } | ({"receipts": [receipt(*one) for one in received]} if received else {}) | opened(log)

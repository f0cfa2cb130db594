"""A small sealed house for tests of the outsiders' verifier: all of it right, to be spoiled.

Two rounds of one table without bets: the second one spun twice. Its devices sign with real keys.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.pure.verify_seals import KEY, pem
from verify.checks import Report, run
from verify.observations import CONTEXT
from verify.roulette import RULES
from verify.signed import EXPORT_CONTEXT, SEAL_CONTEXT, one_spelling
from verify.tree import leaf_hash, root

Rows = dict[str, list[dict[str, Any]]]

DEVICES = {
    "wheel": Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)),
    "keypad": Ed25519PrivateKey.from_private_bytes(bytes([2] * 32)),
}
NOTHING = "0" * 64


def at(second: float) -> str:
    """An instant so many seconds after noon of the test's day."""
    found = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=second)
    return found.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ms(second: float) -> int:
    return int(datetime.fromisoformat(at(second)).timestamp()) * 1000


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def sighting(rows: Rows, device: str, kind: str, second: float, /, **data: Any) -> dict[str, Any]:
    """The table's next observation, captured then and received half a second later."""
    n = len(rows["sightings"]) + 1
    one = {
        "v": 1, "at": at(second + 0.5), "table": "t", "n": n, "device": device,
        "seq": n, "key": f"{device}-k1",
    }  # fmt: skip
    say(one, {"device": device, "table": "t", "seq": n, "kind": kind, "at": ms(second),
              "data": data})  # fmt: skip
    rows["sightings"].append(one)
    return one


def say(one: dict[str, Any], words: dict[str, Any], by: Ed25519PrivateKey | None = None) -> None:
    """The observation says this, signed by its device (or by another key)."""
    payload = one_spelling(words)
    signed = CONTEXT + one["key"].encode() + b"\n" + payload
    signature = (by or DEVICES[one["device"]]).sign(signed)
    one["payload"] = base64.b64encode(payload).decode()
    one["signature"] = base64.b64encode(signature).decode()


def event(rows: Rows, kind: str, subject: tuple[str, str], second: float, /, **after: Any) -> None:
    rows["audit"].append(
        {
            "v": 1, "id": f"event-{len(rows['audit'])}", "at": at(second), "kind": kind,
            "actor": ["system", "runner"], "subject": list(subject), "after": after,
        }
    )  # fmt: skip


def declared(rows: Rows, number: int, opened: float, result: int, **evidence: Any) -> None:
    """A round that opened then, closed 20 s, was official 40 s and settled 41 s later."""
    rules = sorted(RULES)[0]
    id_ = f"round-{number}"
    event(rows, "round.official", ("round", id_), opened + 40, phase="official", result=result,
          sources=["presenter", "sensor"], **evidence)  # fmt: skip
    rows["rounds"].append(
        {
            "v": 1, "at": at(opened + 41), "round": id_, "version": 1, "table": "t",
            "number": number, "phase": "settled", "result": result,
            "sources": ["presenter", "sensor"], "ruleset": "x", "rules": rules,
            "opened": at(opened), "closed": at(opened + 20), "official": at(opened + 40),
            "finished": at(opened + 41), "reason": "", "bets": [], "outcomes": [],
        }
    )  # fmt: skip


def house() -> Rows:
    """Round 1 is 17; round 2 saw 9 twice, was no spin, and is 5."""
    names = ("audit", "device_keys", "ledger", "ledger_accounts", "rounds", "sightings")
    rows: Rows = {name: [] for name in names}
    for device, key in DEVICES.items():
        rows["device_keys"].append(
            {"v": 1, "at": at(0), "id": f"{device}-k1", "device": device,
             "public_key": public(key)}
        )  # fmt: skip
        event(rows, "device.enrolled", ("device", device), 0, table="t", kind=device,
              key=f"{device}-k1", must_be_heard=True)  # fmt: skip
    sighting(rows, "wheel", "result", 130, number=17)
    sighting(rows, "keypad", "presenter_confirm", 131, number=17)
    declared(rows, 1, 100, 17, evidence_after=0, evidence_to=2, evidence_since=ms(100))
    sighting(rows, "wheel", "result", 225, number=9)
    sighting(rows, "keypad", "presenter_confirm", 226, number=9)
    sighting(rows, "wheel", "no_spin", 227, reason="wrong_direction")
    event(rows, "round.no_spin", ("round", "round-2"), 228, phase="no_spin", respins=1,
          evidence_after=5, evidence_since=ms(227))  # fmt: skip
    sighting(rows, "wheel", "result", 234, number=5)
    sighting(rows, "keypad", "presenter_confirm", 235, number=5)
    declared(rows, 2, 200, 5, evidence_after=5, evidence_to=7, evidence_since=ms(227))
    return rows


def sealed(folder: Path, rows: Rows) -> Path:
    """``rows`` as an export whose seals and list of contents are right, whatever the rows say."""
    lines = {name: [one_spelling(one) for one in ones] for name, ones in rows.items()}
    return sealed_lines(folder, lines)


def sealed_lines(folder: Path, lines: dict[str, list[bytes]]) -> Path:
    """The same, of rows as bytes."""
    contents = {}
    for name, ones in lines.items():
        leaves = [leaf_hash(one) for one in ones]
        seals = []
        if ones:
            seals.append(_signed({
                "v": 1, "source": name, "number": 1, "first": 1, "count": len(ones),
                "at": at(30_000), "root": root(leaves), "prev": NOTHING, "prev_root": NOTHING,
            }, SEAL_CONTEXT))  # fmt: skip
        files = {"rows.jsonl": ones, "leaves.txt": [leaf.encode() for leaf in leaves],
                 "seals.jsonl": [line for line, _ in seals]}  # fmt: skip
        (folder / "export" / name).mkdir(parents=True)
        for file, content in files.items():
            (folder / "export" / name / file).write_bytes(b"".join(x + b"\n" for x in content))
        head = seals[0][1] if seals else ""
        contents[name] = {"rows": len(ones), "seals": len(seals), "head": head}
    listed(folder, contents)
    (folder / "key.pem").write_bytes(pem())
    return folder / "export"


def listed(folder: Path, contents: dict[str, Any]) -> None:
    """The signed list of contents."""
    line, _ = _signed({"v": 1, "at": at(30_001), "sources": contents}, EXPORT_CONTEXT)
    (folder / "export" / "manifest.json").write_bytes(line + b"\n")


def checked(export: Path, *anchors: Path) -> Report:
    return run(export, export.parent / "key.pem", list(anchors))


def _signed(payload: dict[str, Any], context: bytes) -> tuple[bytes, str]:
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    body = one_spelling(payload | {"key": hashlib.sha256(raw).hexdigest()[:16]})
    line = one_spelling({"payload": body.decode(), "signature": KEY.sign(context + body).hex()})
    return line, hashlib.sha256(body).hexdigest()

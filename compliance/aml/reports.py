"""The report of a suspicion: an XML document with its narrative, sealed at rest, its hash recorded.

The format is the house's own (``faro-suspicion-1``): about whom, why, what was seen, who decided.
Each authority has its own form; this file is what is typed or converted into it. It is encrypted
under a key of its own, derived from `FARO_AUDIT_KEY`; that it was opened, by whom and why is
recorded. Key versions that sealed a report must stay in the setting.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from xml.etree import ElementTree as xml

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import connection

from accounts.models import Player
from accounts.rights import check_right
from audit.canonical import instant
from audit.database_clock import database_now
from audit.keys import KEY_BYTES, wrapping_keys
from audit.record import Subject, record, register
from compliance.watching import alerts, casework
from compliance.watching.casework import WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from kernel.ids import Actor, new_id
from kernel.invariant import ensure
from kernel.money import Money
from kernel.refusal import Refused

FORMAT: Final = "faro-suspicion-1"
NONCE_BYTES: Final = 12
REASON_MAX: Final = 400

MADE: Final = register("aml.report_made", "Report of a suspicion made", hidden=True)
OPENED: Final = register("aml.report_opened", "Report of a suspicion opened", hidden=True)


@dataclass(frozen=True, slots=True)
class Report:
    """One report as it is kept; the document itself is sealed."""

    id: UUID
    sha256: str
    bytes: int
    made_by: int
    at: datetime


def make(case: WatchCase, *, by: Actor) -> Report:
    """Write and seal the report of a case, in the caller's transaction."""
    text = document(case, now=database_now())
    digest = hashlib.sha256(text).hexdigest()
    report_id = new_id()
    keys = wrapping_keys()
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + AESGCM(_key(report_id, keys.by_version[keys.current])).encrypt(
        nonce, text, _binding(report_id, case.id)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_report (id, case_id, sha256, bytes, sealed, key_version,"
            " made_by) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING at",
            [report_id, case.id, digest, len(text), sealed, keys.current, int(by.id)],
        )
        at = cursor.fetchone()[0]
    record(
        MADE,
        actor=by,
        subject=Subject("watch_case", str(case.id)),
        component="compliance",
        after={"sha256": digest, "bytes": len(text)},
    )
    return Report(report_id, digest, len(text), int(by.id), at)


def of_case(case_id: UUID) -> Report | None:
    """The report of a case; None where none was made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, sha256, bytes, made_by, at FROM compliance_watch_report WHERE case_id = %s",
            [case_id],
        )
        row = cursor.fetchone()
    return None if row is None else Report(*row)


def unseal(case: WatchCase, *, reason: str, actor: Actor) -> bytes:
    """The document, for an officer who says why. Recorded. Refuses with ``NOT_ALLOWED``,
    ``WATCH_TEXT_MISSING`` and ``WATCH_NO_REPORT``.
    """
    check_right(actor, casework.RIGHTS[Family.AML])
    words = casework.checked(reason, REASON_MAX)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, sealed, key_version, sha256 FROM compliance_watch_report"
            " WHERE case_id = %s",
            [case.id],
        )
        row = cursor.fetchone()
    if row is None:
        raise Refused(WatchCode.NO_REPORT)
    report_id, sealed, version, digest = row[0], bytes(row[1]), row[2], row[3]
    keys = wrapping_keys()
    ensure(version in keys.by_version, "FARO_AUDIT_KEY still holds this version", version=version)
    text = AESGCM(_key(report_id, keys.by_version[version])).decrypt(
        sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _binding(report_id, case.id)
    )
    ensure(hashlib.sha256(text).hexdigest() == digest, "a report is what was hashed")
    record(
        OPENED,
        actor=actor,
        subject=Subject("watch_case", str(case.id)),
        component="compliance",
        after={"sha256": digest},
        reason=words,
    )
    return text


def document(case: WatchCase, *, now: datetime) -> bytes:
    """The report of a case as XML; every text in it is escaped."""
    root = xml.Element("report", format=FORMAT, reference=case.reference, made=instant(now))
    _subject(xml.SubElement(root, "subject"), case)
    grounds = xml.SubElement(root, "grounds")
    for one in alerts.of_case(case.id):
        ground = xml.SubElement(
            grounds,
            "ground",
            reason=one.reason,
            rule=f"{one.code} {one.sha256[:16]}",
            since=instant(one.from_at),
            until=instant(one.to_at),
        )
        _text(ground, "title", one.title)
        for name, value in sorted(one.evidence["figures"].items()):
            xml.SubElement(ground, "figure", name=name, value=str(value))
        for payment in one.evidence["payments"]:
            amount = Money(int(payment["amount_minor"]), str(payment["currency"]))
            xml.SubElement(
                ground,
                "payment",
                id=str(payment["id"]),
                kind=str(payment["kind"]),
                amount=amount.decimal(),
                currency=amount.currency,
                at=str(payment["at"]),
            )
        for round_id in one.evidence["rounds"]:
            xml.SubElement(ground, "round", id=str(round_id))
        for other in one.others:
            xml.SubElement(ground, "linked", player=str(other))
    happened = casework.events(case.id)
    narrative = [event.text for event in happened if event.kind == "proposed"]
    _text(root, "narrative", narrative[-1] if narrative else "")
    decided = xml.SubElement(root, "decision", verdict=case.verdict)
    decided.set("proposed_by", f"staff:{case.proposed_by}")
    decided.set("decided_by", f"staff:{case.decided_by}")
    xml.indent(root)
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _subject(node: xml.Element, case: WatchCase) -> None:
    player = Player.objects.select_related("user").get(pk=case.player_id)
    node.set("player", str(case.player_id))
    _text(node, "name", player.user.name)
    _text(node, "email", player.user.email)
    _text(node, "date_of_birth", player.date_of_birth.isoformat())
    _text(node, "country", player.country)
    _text(node, "account_opened", instant(player.created_at))


#: What XML 1.0 cannot hold, in no escaping.
_CONTROLS: Final = {code: None for code in range(32) if code not in {9, 10, 13}}


def _text(parent: xml.Element, name: str, text: str) -> None:
    xml.SubElement(parent, name).text = text.translate(_CONTROLS)


def _key(report_id: UUID, master: bytes) -> bytes:
    info = f"faro-suspicion-report-v1|{report_id}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)


def _binding(report_id: UUID, case_id: UUID) -> bytes:
    return f"faro-suspicion-v1|{report_id}|{case_id}".encode()

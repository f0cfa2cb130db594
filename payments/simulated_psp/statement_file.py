"""The bank's side: a statement as camt.053.001.08 (ISO 20022) of the operator's account. Pure.

One `Stmt` per currency of the account, each with a number of its own, its opening and closing
balance, and one `Ntry` per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from kernel.money import Money

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


@dataclass(frozen=True, slots=True)
class Line:
    """One booking: positive came in. ``reference`` is the payout's id, or what the bank says."""

    amount: Money
    reference: str
    counterparty: str
    remittance: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One numbered statement of one currency."""

    currency: str
    sequence: int
    opening_minor: int
    lines: Sequence[Line] = field(default_factory=tuple)

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + sum(line.amount.minor for line in self.lines)


def written(account: str, statements: Sequence[Statement], *, at_ms: int, number: int) -> bytes:
    """The document of one closing at ``at_ms``; ``number`` names it."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    document = ET.Element("Document", {"xmlns": NAMESPACE})
    root = ET.SubElement(document, "BkToCstmrStmt")
    header = ET.SubElement(root, "GrpHdr")
    _text(header, "MsgId", f"PLAYBANK-{number:09d}")
    _text(header, "CreDtTm", at.isoformat())
    for statement in statements:
        _statement(root, account, statement, at)
    ET.indent(document)
    body: bytes = ET.tostring(document, encoding="UTF-8", xml_declaration=True)
    return body + b"\n"


def _statement(root: ET.Element, account: str, statement: Statement, at: datetime) -> None:
    found = ET.SubElement(root, "Stmt")
    _text(found, "Id", f"{statement.currency}-{statement.sequence:09d}")
    _text(found, "ElctrncSeqNb", str(statement.sequence))
    _text(found, "CreDtTm", at.isoformat())
    where = ET.SubElement(found, "Acct")
    _text(_under(where, "Id", "Othr"), "Id", account)
    _text(where, "Ccy", statement.currency)
    for code, minor in (("OPBD", statement.opening_minor), ("CLBD", statement.closing_minor)):
        balance = ET.SubElement(found, "Bal")
        _text(_under(balance, "Tp", "CdOrPrtry"), "Cd", code)
        _amount(balance, Money(minor, statement.currency))
        _text(_under(balance, "Dt"), "Dt", at.date().isoformat())
    for place, line in enumerate(statement.lines, start=1):
        _entry(found, line, at, f"{statement.currency}{statement.sequence:07d}-{place:04d}")


def _entry(found: ET.Element, line: Line, at: datetime, reference: str) -> None:
    entry = ET.SubElement(found, "Ntry")
    _amount(entry, line.amount)
    _text(_under(entry, "Sts"), "Cd", "BOOK")
    for name in ("BookgDt", "ValDt"):
        _text(_under(entry, name), "Dt", at.date().isoformat())
    _text(entry, "AcctSvcrRef", reference)
    code = _under(entry, "BkTxCd", "Domn")
    came_in = line.amount.minor >= 0
    _text(code, "Cd", "PMNT")
    family = ET.SubElement(code, "Fmly")
    _text(family, "Cd", "RCDT" if came_in else "IDDT")
    _text(family, "SubFmlyCd", "ESCT" if came_in else "ESDD")
    details = _under(entry, "NtryDtls", "TxDtls")
    _text(_under(details, "Refs"), "EndToEndId", line.reference)
    party = _under(details, "RltdPties", "Dbtr" if came_in else "Cdtr", "Pty")
    _text(party, "Nm", line.counterparty)
    _text(_under(details, "RmtInf"), "Ustrd", line.remittance)


def _amount(parent: ET.Element, amount: Money) -> None:
    found = ET.SubElement(parent, "Amt", {"Ccy": amount.currency})
    found.text = Money(abs(amount.minor), amount.currency).decimal()
    _text(parent, "CdtDbtInd", "DBIT" if amount.minor < 0 else "CRDT")


def _under(parent: ET.Element, *names: str) -> ET.Element:
    for name in names:
        parent = ET.SubElement(parent, name)
    return parent


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text

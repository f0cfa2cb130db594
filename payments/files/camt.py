"""camt.053: a bank's statement as XML (ISO 20022), versions 02 and 08, checked by their schemas.

The parser expands no entity, reads no document type and opens nothing but the file. Amounts may
have five decimals there; what is no whole minor unit of the currency is refused, never rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

from lxml import etree

from kernel.money import SCALES, Money
from payments.files import amounts, bank_files
from payments.files.amounts import BadAmount, Numbers
from payments.files.bank_files import BOOKED, PENDING, REMITTANCE_MAX
from payments.files.parsed import YEARS, Parsed, Staged, StatementRead
from payments.files.rows import BankRow
from payments.files.words import Fault, FileCode, FileRefused, fault

FORMAT: Final = "camt053"
VERSIONS: Final = ("camt.053.001.02", "camt.053.001.08")
#: A tree takes some ten times the file's size in memory.
BYTES_MAX: Final = 32 * 1024 * 1024
_PREFIX: Final = "urn:iso:std:iso:20022:tech:xsd:"
_SCHEMAS: Final = Path(__file__).parent / "schemas"
_UNSIGNED: Final = Numbers(unsigned=True)
_NOT_PROVIDED: Final = frozenset({"NOTPROVIDED", "NONREF"})
#: Which balances may open and close a statement, the best first (booked, of this or the last one;
#: interim where a statement is cut into pages).
_OPENING: Final = ("OPBD", "PRCD", "ITBD")
_CLOSING: Final = ("CLBD", "ITBD")

_Element = Any  # what lxml says of its own types is of its C sources, and wrong here


def shows(lines: list[str]) -> bool:
    """Whether a file begins like XML; which it is says its root."""
    return bool(lines) and lines[0].lstrip().startswith("<")


def read(staged: Staged, place: Path) -> Parsed:
    """All statements of the file. Raises ``FileRefused``."""
    if staged.size > BYTES_MAX:
        raise FileRefused(fault(FileCode.TOO_LARGE, size=f"{staged.size:,}", most=f"{BYTES_MAX:,}"))
    root = _tree(staged.path)
    version = _version(root)
    _check(root, version)
    found = [_Statement(one, number) for number, one in enumerate(root.iterfind(".//{*}Stmt"))]
    lines: list[BankRow] = []
    faults: list[Fault] = []
    notes: list[Fault] = []
    statements = []
    for one in found:
        try:
            head, rows = one.read(len(lines))
        except FileRefused as refused:
            faults += refused.faults
            continue
        statements.append(head)
        lines += rows
        notes += one.notes
        faults += bank_files.unless_they_add_up(head, rows, one.line)
    if faults:
        raise FileRefused(faults)
    return bank_files.parsed(place, (FORMAT, version), statements, lines, notes)


def _tree(path: Path) -> _Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        tree: Any = etree.parse(str(path), parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or None
        raise FileRefused(fault(FileCode.NOT_VALID_XML, row=line, why=error.msg)) from None
    if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
        raise FileRefused(fault(FileCode.NOT_VALID_XML, row=1, why="it has a document type"))
    return tree.getroot()


def _version(root: _Element) -> str:
    space = etree.QName(root).namespace or ""
    version = space.removeprefix(_PREFIX)
    if version not in VERSIONS:
        raise FileRefused(fault(FileCode.UNKNOWN_FORMAT, row=1, value=version or root.tag))
    return version


@cache
def _schema(version: str) -> Any:
    return etree.XMLSchema(etree.parse(str(_SCHEMAS / f"{version}.xsd")))


def _check(root: _Element, version: str) -> None:
    schema = _schema(version)
    if schema.validate(root):
        return
    faults = [
        fault(FileCode.NOT_BY_SCHEMA, row=one.line, why=one.message.replace(f"{{{_PREFIX}", "{"))
        for one in schema.error_log
    ]
    raise FileRefused(faults)


def _text(element: _Element | None, *paths: str) -> str:
    """The text at the first path that has one, without spaces around."""
    for path in paths:
        found = None if element is None else element.findtext(path, namespaces=None)
        if found and found.strip():
            return str(found).strip()
    return ""


def _path(*names: str) -> str:
    return "/".join(f"{{*}}{name}" for name in names)


def _day(element: _Element | None) -> date | None:
    """A date, or the date of an instant as the bank wrote it."""
    found = _text(element, _path("Dt"), _path("DtTm"))
    if not found:
        return None
    try:
        day = date.fromisoformat(found[:10])
    except ValueError:  # the schema's dates have years of any length
        day = date.max
    if day.year not in YEARS:
        line = None if element is None else element.sourceline
        raise FileRefused(fault(FileCode.BAD_DATE, row=line, column="Dt", value=found))
    return day


class _Statement:
    """One ``Stmt`` being read."""

    def __init__(self, element: _Element, number: int) -> None:
        self._element, self._number = element, number
        self.line = element.sourceline or 0
        self.notes: list[Fault] = []

    def read(self, before: int) -> tuple[StatementRead, list[BankRow]]:
        """The statement and its rows, numbered on from ``before``."""
        account = _text(
            self._element, _path("Acct", "Id", "IBAN"), _path("Acct", "Id", "Othr", "Id")
        ).replace(" ", "")
        opening, opened_on, currency = self._balance(_OPENING, last=False)
        closing, closed_on, _ = self._balance(_CLOSING, last=True)
        sequence = _text(self._element, _path("ElctrncSeqNb"), _path("LglSeqNb"))
        name = sequence or _text(self._element, _path("Id"))
        page = _text(self._element, _path("StmtPgntn", "PgNb")) if sequence else ""
        head = StatementRead(
            account=account,
            currency=currency,
            statement_no=name,
            sequence=int(sequence) if sequence else None,
            page=int(page or 1),
            opened_on=min(opened_on, closed_on),
            closed_on=closed_on,
            opening_minor=opening,
            closing_minor=closing,
            entries=0,
        )
        rows = list(self._rows(head, before))
        self._check_summary(currency, rows)
        entries = len({row.entry_no for row in rows})
        return replace(head, entries=entries), rows

    def _balance(self, kinds: tuple[str, ...], *, last: bool) -> tuple[int, date, str]:
        there = list(self._element.iterfind(_path("Bal")))
        for kind in kinds:
            found = [one for one in there if _text(one, _path("Tp", "CdOrPrtry", "Cd")) == kind]
            if found:
                one = found[-1] if last else found[0]
                minor, currency = _amount(one)
                return minor, _day(one.find(_path("Dt"))) or date.min, currency
        raise FileRefused(
            fault(FileCode.MISSING_BALANCE, row=self.line, wanted="closing" if last else "opening")
        )

    def _rows(self, head: StatementRead, before: int) -> Iterator[BankRow]:
        faults: list[Fault] = []
        number = before
        for entry_no, entry in enumerate(self._element.iterfind(_path("Ntry")), start=1):
            try:
                for row in self._entry(head, entry, entry_no):
                    number += 1
                    yield replace(row, row_no=number)
            except FileRefused as refused:
                faults += refused.faults
        if faults:
            raise FileRefused(faults)

    def _entry(self, head: StatementRead, entry: _Element, entry_no: int) -> list[BankRow]:
        status = _text(entry, _path("Sts", "Cd"), _path("Sts"))
        if status not in {BOOKED, PENDING}:
            self.notes.append(
                fault(FileCode.NOT_A_BOOKING, row=entry.sourceline, column="Sts", value=status)
            )
            return []
        minor, currency = _amount(entry)
        if currency != head.currency:
            raise FileRefused(
                fault(FileCode.MIXED_CURRENCIES, row=entry.sourceline, column="Amt", value=currency)
            )
        booked_on = _day(entry.find(_path("BookgDt"))) or _day(entry.find(_path("ValDt")))
        row = BankRow(
            row_no=0,
            account=head.account,
            statement_no=head.statement_no,
            entry_no=entry_no,
            bank_ref=_text(entry, _path("AcctSvcrRef"), _path("NtryRef")),
            end_to_end_id="",
            batch_ref="",
            currency=currency,
            amount_minor=minor,
            booked_on=booked_on or head.closed_on,
            value_on=_day(entry.find(_path("ValDt"))) or booked_on or head.closed_on,
            status=status,
            counterparty="",
            remittance=_text(entry, _path("AddtlNtryInf")),
        )
        details = list(entry.iterfind(_path("NtryDtls", "TxDtls")))
        batch = _text(
            entry,
            _path("NtryDtls", "Btch", "PmtInfId"),
            _path("NtryDtls", "Btch", "MsgId"),
        )
        if len(details) > 1:
            return self._batch(row, entry, details, batch)
        return [_detailed(row, details[0] if details else None, batch, minor)]

    def _batch(
        self, row: BankRow, entry: _Element, details: list[_Element], batch: str
    ) -> list[BankRow]:
        """One row per transaction where they come to the entry, else one for all of them."""
        parts = [_part(one, row) for one in details]
        if all(part is not None for part in parts) and sum(map(int, filter(None, parts))) == (
            row.amount_minor
        ):
            name = batch or row.bank_ref
            return [
                _detailed(row, one, name, part or 0)
                for one, part in zip(details, parts, strict=True)
            ]
        self.notes.append(
            fault(FileCode.BATCH_SUM, row=entry.sourceline, column="TxDtls", value=row.bank_ref)
        )
        return [_detailed(row, details[0], batch, row.amount_minor)]

    def _check_summary(self, currency: str, rows: list[BankRow]) -> None:
        """Counts and sums of the bank, where it says them: of all entries, or of the booked."""
        faults = []
        for kind, sign in (("TtlCdtNtries", 1), ("TtlDbtNtries", -1)):
            said = self._element.find(_path("TxsSummry", kind))
            total = _text(said, _path("Sum"))
            if not total:
                continue
            sums = {
                sum(
                    row.amount_minor
                    for row in rows
                    if row.amount_minor * sign > 0 and row.status in of
                )
                for of in ({BOOKED}, {BOOKED, PENDING})
            }
            if _minor(total, currency, said) * sign not in sums:
                found = Money(abs(max(sums, key=abs)), currency)
                faults.append(
                    fault(
                        FileCode.CONTROL_TOTAL,
                        row=None if said is None else said.sourceline,
                        column=kind,
                        value=total,
                        said=total,
                        found=found.decimal(),
                    )
                )
        if faults:
            raise FileRefused(faults)


def _amount(element: _Element) -> tuple[int, str]:
    """The signed amount of an entry or balance, and its currency."""
    found = element.find(_path("Amt"))
    currency = "" if found is None else str(found.get("Ccy", ""))
    sign = -1 if _text(element, _path("CdtDbtInd")) == "DBIT" else 1
    return sign * _minor(_text(element, _path("Amt")), currency, found), currency


def _minor(text: str, currency: str, element: _Element | None) -> int:
    line = None if element is None else element.sourceline
    if currency not in SCALES:
        raise FileRefused(fault(FileCode.UNKNOWN_CURRENCY, row=line, column="Ccy", value=currency))
    plain = text.removeprefix("+")
    plain = f"0{plain}" if plain.startswith(".") else plain.removesuffix(".")
    try:
        return amounts.minor(plain, currency, _UNSIGNED)
    except BadAmount as bad:
        raise FileRefused(
            fault(bad.code, row=line, column="Amt", value=text, currency=currency)
        ) from None


def _part(details: _Element, row: BankRow) -> int | None:
    """What one transaction of a batch is of it; None where that is not said in its currency."""
    found = details.find(_path("Amt"))
    if found is None:
        found = details.find(_path("AmtDtls", "TxAmt", "Amt"))
    if found is None or found.get("Ccy") != row.currency or not found.text:
        return None
    minor = _minor(found.text.strip(), row.currency, found)
    mark = _text(details, _path("CdtDbtInd"))
    away = mark == "DBIT" if mark else row.amount_minor < 0
    return -minor if away else minor


def _detailed(row: BankRow, details: _Element | None, batch: str, minor: int) -> BankRow:
    """``row`` with what one transaction says of itself."""
    if details is None:
        return replace(row, batch_ref=batch)
    side = "Dbtr" if minor >= 0 else "Cdtr"
    parties = details.find(_path("RltdPties"))
    end_to_end = _text(details, _path("Refs", "EndToEndId"))
    letters = [one.text or "" for one in details.iterfind(_path("RmtInf", "Ustrd"))]
    letters += [
        one.text or "" for one in details.iterfind(_path("RmtInf", "Strd", "CdtrRefInf", "Ref"))
    ]
    words = " ".join(one.strip() for one in letters if one.strip())
    more = _text(details, _path("AddtlTxInf"))
    return replace(
        row,
        amount_minor=minor,
        bank_ref=_text(details, _path("Refs", "AcctSvcrRef")) or row.bank_ref,
        end_to_end_id="" if end_to_end in _NOT_PROVIDED else end_to_end,
        batch_ref=batch,
        counterparty=_text(
            parties,
            _path(side, "Pty", "Nm"),
            _path(side, "Nm"),
            _path(f"Ultmt{side}", "Pty", "Nm"),
            _path(f"Ultmt{side}", "Nm"),
        ),
        remittance=(words or more or row.remittance)[:REMITTANCE_MAX],
    )

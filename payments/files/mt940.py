"""MT940: a bank's statement as SWIFT writes it, with the dialects that banks made of it.

Lines are split here, so that each fault has its line; the fields of a line are those of the library
mt-940, whose corrections are left out: it moves 30 February to the 28th, and here that is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from mt940 import models as library_models
from mt940 import processors, tags
from mt940.options import Options

from kernel.money import SCALES, Money
from payments.files import amounts, bank_files
from payments.files.amounts import BadAmount, Numbers
from payments.files.bank_files import BOOKED, REMITTANCE_MAX
from payments.files.parsed import Parsed, Staged, StatementRead
from payments.files.rows import BankRow
from payments.files.words import Fault, FileCode, FileRefused, fault

FORMAT: Final = "mt940"
VERSION: Final = "1"
BYTES_MAX: Final = 64 * 1024 * 1024
_NUMBERS: Final = Numbers(decimal=",", unsigned=True, open_end=True)
_TAG: Final = re.compile(r":(?P<tag>\d{2}[A-Z]?|NS):(?P<rest>.*)")
_SLASHED: Final = re.compile(r"/(EREF|REMI|NAME|IBAN|TRTP|CNTP|MARF|BIC|PREF|ORDP|BENM|CSID)/")
_STRUCTURED: Final = re.compile(r"(\d{3})?\?\d\d")
_BALANCE: Final = tags.FinalOpeningBalance()
_LINE: Final = tags.Statement()
_NUMBER: Final = tags.StatementNumber()
_SUM: Final = re.compile(r"(?P<number>\d{1,5})(?P<currency>[A-Z]{3})(?P<amount>[\d,]{1,15})")
#: The account of the other side (?31) is no part of its name.
_OPTIONS: Final = Options(applicant_iban=True)
_NO_REFERENCE: Final = frozenset({"NONREF", "NOTPROVIDED"})
#: The dates of SWIFT have two digits of a year.
_CENTURY: Final = 80


@dataclass(frozen=True, slots=True)
class _Field:
    """One tag with its text (its lines joined by LF), and where it begins."""

    tag: str
    text: str
    line: int


@dataclass(slots=True)
class _Message:
    """The fields of one statement, in their order."""

    fields: list[_Field] = field(default_factory=list)

    def first(self, *names: str) -> _Field | None:
        return next((one for one in self.fields if one.tag in names), None)

    def last(self, *names: str) -> _Field | None:
        return next((one for one in reversed(self.fields) if one.tag in names), None)


def shows(lines: list[str]) -> bool:
    """Whether a file begins like SWIFT messages."""
    return any(line.startswith((":20:", "{1:", "{4:")) for line in lines[:6])


def read(staged: Staged, place: Path) -> Parsed:
    """All statements of the file. Raises ``FileRefused``."""
    if staged.size > BYTES_MAX:
        raise FileRefused(fault(FileCode.TOO_LARGE, size=f"{staged.size:,}", most=f"{BYTES_MAX:,}"))
    statements: list[StatementRead] = []
    lines: list[BankRow] = []
    faults: list[Fault] = []
    for message in _messages(_decoded(staged.path)):
        try:
            head, rows = _statement(message, len(lines))
        except FileRefused as refused:
            faults += refused.faults
            continue
        closing = message.last("62F", "62M")
        faults += bank_files.unless_they_add_up(head, rows, closing.line if closing else 0)
        faults += _unless_sums_agree(message, head, rows)
        statements.append(head)
        lines += rows
    if faults:
        raise FileRefused(sorted(faults, key=lambda one: one.row or 0))
    return bank_files.parsed(place, (FORMAT, VERSION), statements, lines, ())


def _decoded(path: Path) -> str:
    """UTF-8, or else Windows-1252, as banks write umlauts."""
    content = path.read_bytes()
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise FileRefused(fault(FileCode.NUL_BYTE, row=line, line=line))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _messages(text: str) -> Iterator[_Message]:
    """Statements: each begins with ``:20:``. What stands between two of them is an envelope."""
    message, current = _Message(), _Field("", "", 0)
    for number, line in enumerate(re.split("\r\n|\n|\r", text), start=1):
        line = line.partition("{4:")[2] if "{4:" in line else line  # noqa: PLW2901  (the envelope goes)
        found = _TAG.match(line)
        if found and found["tag"] == "20":
            yield from _ended(message, current)
            message, current = _Message(), _Field("20", found["rest"], number)
        elif found and current.tag:
            message.fields.append(current)
            current = _Field(found["tag"], found["rest"], number)
        elif line.strip() in {"-", "-}"} or line.startswith("-}"):
            yield from _ended(message, current)
            message, current = _Message(), _Field("", "", 0)
        elif current.tag and line.strip():
            current = replace(current, text=f"{current.text}\n{line}")
        elif found:
            raise FileRefused(
                fault(FileCode.BAD_LINE, row=number, value=line, why="it stands in no statement")
            )
    yield from _ended(message, current)


def _ended(message: _Message, current: _Field) -> Iterator[_Message]:
    if current.tag:
        message.fields.append(current)
        yield message


def _statement(message: _Message, before: int) -> tuple[StatementRead, list[BankRow]]:
    start = message.fields[0].line
    account = message.first("25", "25P")
    number = message.first("28C", "28")
    opening, closing = message.first("60F", "60M"), message.last("62F", "62M")
    if account is None or number is None:
        raise FileRefused(
            fault(FileCode.BAD_LINE, row=start, why="the statement lacks :25: or :28C:")
        )
    for found, wanted in ((opening, "opening"), (closing, "closing")):
        if found is None:
            raise FileRefused(fault(FileCode.MISSING_BALANCE, row=start, wanted=wanted))
    opening_minor, opened_on, currency = _balance(opening)
    closing_minor, closed_on, _ = _balance(closing, currency)
    said = _parsed(_NUMBER, number)
    head = StatementRead(
        account=account.text.split("\n")[0].replace(" ", ""),
        currency=currency,
        statement_no=number.text.strip(),
        sequence=int(said["statement_number"]),
        page=int(said["sequence_number"] or 1),
        opened_on=opened_on,
        closed_on=closed_on,
        opening_minor=opening_minor,
        closing_minor=closing_minor,
        entries=0,
    )
    rows = _rows(message, head, before)
    return replace(head, entries=len(rows)), rows


def _parsed(tag: tags.Tag, found: _Field) -> dict[str, Any]:
    """The parts of a field as the library knows them."""
    match = tag.re.match(found.text)
    if match is None:
        raise FileRefused(
            fault(
                FileCode.BAD_LINE,
                row=found.line,
                column=f":{found.tag}:",
                value=found.text,
                why=f"it is no {tag.name}",
            )
        )
    return match.groupdict()


def _balance(found: _Field | None, currency: str = "") -> tuple[int, date, str]:
    if found is None:  # asked for before
        raise FileRefused(fault(FileCode.MISSING_BALANCE, wanted="opening"))
    said = _parsed(_BALANCE, found)
    given = str(said["currency"])
    if given not in SCALES:
        raise FileRefused(fault(FileCode.UNKNOWN_CURRENCY, row=found.line, value=given))
    if currency and given != currency:
        raise FileRefused(fault(FileCode.MIXED_CURRENCIES, row=found.line, value=given))
    sign = -1 if str(said["status"]).upper() == "D" else 1
    day = _day(found, said["year"], said["month"], said["day"])
    return sign * _minor(found, str(said["amount"]), given), day, given


def _rows(message: _Message, head: StatementRead, before: int) -> list[BankRow]:
    rows: list[BankRow] = []
    faults: list[Fault] = []
    is_open = False
    for one in message.fields:
        if one.tag == "61":
            try:
                rows.append(_row(one, head, before + len(rows) + 1, len(rows) + 1))
            except FileRefused as refused:
                faults += refused.faults
            is_open = True
        elif one.tag == "86" and is_open and rows:
            rows[-1] = _with_details(rows[-1], one.text)
        elif one.tag.startswith("62"):
            is_open = False  # what follows is about the whole statement
    if faults:
        raise FileRefused(faults)
    return rows


def _row(found: _Field, head: StatementRead, row_no: int, entry_no: int) -> BankRow:
    said = _parsed(_LINE, found)
    value_on = _day(found, said["year"], said["month"], said["day"])
    minor = _minor(found, str(said["amount"]), head.currency)
    credit = str(said["status"]).upper() in {"C", "RD"}
    reference = (said["customer_reference"] or "").strip()
    return BankRow(
        row_no=row_no,
        account=head.account,
        statement_no=head.statement_no,
        entry_no=entry_no,
        bank_ref=(said["bank_reference"] or "").strip(),
        end_to_end_id="" if reference in _NO_REFERENCE else reference,
        batch_ref="",
        currency=head.currency,
        amount_minor=minor if credit else -minor,
        booked_on=_entry_day(found, said, value_on),
        value_on=value_on,
        status=BOOKED,
        counterparty="",
        remittance=(said["extra_details"] or "").strip()[:REMITTANCE_MAX],
    )


def _entry_day(found: _Field, said: dict[str, Any], value_on: date) -> date:
    """The day of booking has no year: the one that lies nearest to the value date."""
    month, day = (str(said[name] or "").strip() for name in ("entry_month", "entry_day"))
    if not month or not day:
        return value_on
    days = []
    for year in (value_on.year - 1, value_on.year, value_on.year + 1):
        try:
            days.append(date(year, int(month), int(day)))
        except ValueError:
            continue  # 29 February is there in one year of four
    if not days:
        raise FileRefused(_bad_day(found, f"{month}{day}"))
    return min(days, key=lambda one: abs(one - value_on))


def _day(found: _Field, year: str, month: str, day: str) -> date:
    century = 1900 if int(year) >= _CENTURY else 2000
    try:
        return date(century + int(year), int(month), int(day))
    except ValueError:
        raise FileRefused(_bad_day(found, f"{year}{month}{day}")) from None


def _bad_day(found: _Field, value: str) -> Fault:
    return fault(FileCode.BAD_DATE, row=found.line, column=f":{found.tag}:", value=value)


def _minor(found: _Field, text: str, currency: str) -> int:
    try:
        return amounts.minor(text, currency, _NUMBERS)
    except BadAmount as bad:
        raise FileRefused(
            fault(bad.code, row=found.line, column=f":{found.tag}:", value=text, currency=currency)
        ) from None


def _unless_sums_agree(
    message: _Message, head: StatementRead, rows: list[BankRow]
) -> Iterator[Fault]:
    """``:90D:`` and ``:90C:`` say how many entries there are, and what they come to."""
    for tag, sign in (("90D", -1), ("90C", 1)):
        one = message.last(tag)
        said = None if one is None else _SUM.match(one.text)
        if one is None or said is None:
            continue
        found = [row.amount_minor for row in rows if row.amount_minor * sign > 0]
        total = _minor(one, said["amount"], head.currency)
        if (len(found), sum(found) * sign) != (int(said["number"]), total):
            came_to = Money(abs(sum(found)), head.currency).decimal()
            yield fault(
                FileCode.CONTROL_TOTAL,
                row=one.line,
                column=f":{tag}:",
                value=one.text,
                said=one.text.strip(),
                found=f"{len(found)}, {came_to}",
            )


# What :86: says, in whose dialect


def _with_details(row: BankRow, text: str) -> BankRow:
    if _STRUCTURED.match(text):
        party, reference, words = _structured(text)
    elif _SLASHED.search(text):
        party, reference, words = _slashed(text)
    else:
        party, reference, words = "", "", " ".join(text.split())
    if reference in _NO_REFERENCE:
        reference = ""
    return replace(
        row,
        counterparty=party,
        end_to_end_id=reference or row.end_to_end_id,
        remittance=(words or row.remittance)[:REMITTANCE_MAX],
    )


def _structured(text: str) -> tuple[str, str, str]:
    """German banks: subfields ``?20`` to ``?63``, SEPA words within."""
    given = {"transaction_details": text}
    found = processors.transaction_details_post_processor(
        library_models.Transactions(options=_OPTIONS), tags.TransactionDetails(), given, dict(given)
    )
    said = {name: " ".join(str(value).split()) for name, value in found.items() if value}
    party = said.get("recipient_name") or said.get("applicant_name", "")
    return party, said.get("end_to_end_reference", ""), said.get("purpose", "")


def _slashed(text: str) -> tuple[str, str, str]:
    """Dutch and other banks: ``/EREF/…/NAME/…/REMI/…``, lines cut anywhere."""
    plain = text.replace("\n", "")
    parts = _SLASHED.split(plain)
    said = dict(zip(parts[1::2], parts[2::2], strict=False))
    party = said.get("NAME", "") or _named(said.get("CNTP", ""))
    return party.strip("/ "), said.get("EREF", "").strip("/ "), said.get("REMI", plain).strip("/ ")


def _named(counterparty: str) -> str:
    """Of account/BIC/name/town, the name."""
    parts = counterparty.split("/")
    return parts[2] if len(parts) > 2 else ""

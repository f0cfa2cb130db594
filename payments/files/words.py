"""Why a file, or a cell of it, is refused or noted: codes, and the words that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Of a cell that is shown: enough to find it, too little to carry a letter away.
VALUE_MAX: Final = 40
#: Of a whole line or a free text, less: these rows outlive the file.
FREE_TEXT_MAX: Final = 16
#: So many faults are listed; the first tells what is wrong, and a thousand alike tell no more.
FAULTS_MAX: Final = 50


class FileKind(StrEnum):
    """What a file tells of."""

    SETTLEMENT = "settlement"
    BANK = "bank"


class FileState(StrEnum):
    """What became of a file: taken whole, or nothing of it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class FileCode(StrEnum):
    """Why a file is refused (or, as a note, what is odd about one that was accepted)."""

    SEEN_BEFORE = "seen_before"
    UNKNOWN_FORMAT = "unknown_format"
    UNKNOWN_SOURCE = "unknown_source"
    WRONG_SOURCE = "wrong_source"
    EMPTY_FILE = "empty_file"
    TOO_LARGE = "file_too_large"
    TOO_MANY_ROWS = "too_many_rows"
    PACKED = "file_is_packed"
    NOT_A_FILE = "not_a_file"
    CHANGED_MEANWHILE = "file_changed_meanwhile"
    UNREADABLE = "file_unreadable"
    READER_FAILED = "reader_failed"
    NUL_BYTE = "nul_byte"
    WRONG_ENCODING = "wrong_encoding"
    MIXED_LINE_ENDS = "mixed_line_ends"
    QUOTES = "quotes_unbalanced"
    ROW_SHAPE = "row_shape"
    ROWS_LOST = "rows_lost"
    MISSING_HEAD = "missing_head"
    MISSING_TOTALS = "missing_totals"
    MISSING_COLUMN = "missing_column"
    DUPLICATE_COLUMN = "duplicate_column"
    NEW_COLUMN = "new_column"
    MISSING_VALUE = "missing_value"
    NOT_AN_AMOUNT = "not_an_amount"
    TOO_MANY_DECIMALS = "too_many_decimals"
    AMOUNT_TOO_LARGE = "amount_too_large"
    AMOUNT_SIGNED = "amount_signed"
    BAD_SIGN = "bad_sign"
    BAD_NET = "net_is_not_gross_less_fee"
    FORMULA = "formula_cell"
    TEXT_TOO_LONG = "text_too_long"
    BAD_DATE = "bad_date"
    BAD_TIME_ZONE = "bad_time_zone"
    UNKNOWN_CURRENCY = "unknown_currency"
    MIXED_CURRENCIES = "mixed_currencies"
    UNKNOWN_TYPE = "unknown_type"
    CONTROL_TOTAL = "control_total"
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_SEEN = "sequence_seen"
    BALANCE_BREAK = "opening_is_not_previous_closing"
    BALANCE_SUM = "balances_do_not_add_up"
    MISSING_BALANCE = "missing_balance"
    NOT_VALID_XML = "not_valid_xml"
    NOT_BY_SCHEMA = "not_by_schema"
    NOT_A_BOOKING = "not_a_booking"
    BATCH_SUM = "batch_does_not_add_up"
    BAD_LINE = "bad_line"
    BAD_SECTION = "bad_section"


TEXTS: Final[Mapping[FileCode, str]] = {
    FileCode.SEEN_BEFORE: "This very file was imported before, as {name}. Nothing was taken twice.",
    FileCode.UNKNOWN_FORMAT: "This is no format that the house knows.",
    FileCode.UNKNOWN_SOURCE: "Say from whom the file is: neither it nor its folder does.",
    FileCode.WRONG_SOURCE: "The file says it is from {found}, and it was given as {given}'s.",
    FileCode.EMPTY_FILE: "The file is empty: not even a line of headings.",
    FileCode.TOO_LARGE: "The file has {size} bytes; {most} are the most. It was not read.",
    FileCode.TOO_MANY_ROWS: "The file has more than {most} rows.",
    FileCode.PACKED: "The file is packed. Unpack it first; archives are not opened here.",
    FileCode.NOT_A_FILE: "This is no plain file but a link, a folder or a device.",
    FileCode.CHANGED_MEANWHILE: "The file changed while it was read.",
    FileCode.UNREADABLE: "The file cannot be read: {why}.",
    FileCode.READER_FAILED: "The program failed at this file ({why}), and nothing of it was taken."
    " Call the administrator: the log says more.",
    FileCode.NUL_BYTE: "A NUL byte stands in line {line}: this is no text, or a broken one.",
    FileCode.WRONG_ENCODING: "Line {line} is not {encoding}.",
    FileCode.MIXED_LINE_ENDS: "Line ends differ within the file, first in line {line}: it was glued"
    " together or cut.",
    FileCode.QUOTES: "A quotation mark opens and does not close as it should.",
    FileCode.ROW_SHAPE: "The row has {found} cells; the headings are {wanted}.",
    FileCode.ROWS_LOST: "Of {wanted} rows {found} could be read.",
    FileCode.MISSING_HEAD: "The file does not begin with the line {wanted}.",
    FileCode.MISSING_TOTALS: "The file has no control total of {currency}: it was cut off.",
    FileCode.MISSING_COLUMN: "The column {wanted} is missing.",
    FileCode.DUPLICATE_COLUMN: "Two columns have this heading.",
    FileCode.NEW_COLUMN: "A column that the mapping does not know. It was left aside.",
    FileCode.MISSING_VALUE: "The cell is empty.",
    FileCode.NOT_AN_AMOUNT: "This is no amount.",
    FileCode.TOO_MANY_DECIMALS: "More decimals than {currency} has. Money is never rounded here.",
    FileCode.AMOUNT_TOO_LARGE: "The amount is larger than any account of the house can hold.",
    FileCode.AMOUNT_SIGNED: "The amount has a sign, and this format says debit or credit itself.",
    FileCode.BAD_SIGN: "This says neither debit nor credit.",
    FileCode.BAD_NET: "Net is not gross less fee.",
    FileCode.FORMULA: "The cell begins like a formula. In a file of ours it is written as text.",
    FileCode.TEXT_TOO_LONG: "The text is longer than {most} characters.",
    FileCode.BAD_DATE: "There is no such date or time.",
    FileCode.BAD_TIME_ZONE: "There is no such time zone.",
    FileCode.UNKNOWN_CURRENCY: "The house keeps no accounts in this currency.",
    FileCode.MIXED_CURRENCIES: "The currency is not the account's.",
    FileCode.UNKNOWN_TYPE: "The mapping does not know this kind of row.",
    FileCode.CONTROL_TOTAL: "The file says {said}, and its rows come to {found}.",
    FileCode.SEQUENCE_GAP: "Number {found} follows {before}: files between them are missing.",
    FileCode.SEQUENCE_SEEN: "Number {found} came before, with other contents.",
    FileCode.BALANCE_BREAK: "It opens with {found}; the statement before closed with {before}.",
    FileCode.BALANCE_SUM: "Opening {opening} and entries of {entries} do not come to {closing}.",
    FileCode.MISSING_BALANCE: "The statement has no {wanted} balance.",
    FileCode.NOT_VALID_XML: "This is no XML that may be read: {why}.",
    FileCode.NOT_BY_SCHEMA: "The file does not follow its schema: {why}.",
    FileCode.NOT_A_BOOKING: "This entry is neither booked nor pending. It was left aside.",
    FileCode.BATCH_SUM: "The transactions of this batch do not come to its amount in its currency."
    " It is one row.",
    FileCode.BAD_LINE: "The line cannot be read: {why}.",
    FileCode.BAD_SECTION: "This line does not belong here: {why}.",
}


#: What is shown of these is a line or a text that somebody wrote.
_FREE_TEXT: Final = frozenset(
    {
        FileCode.ROW_SHAPE,
        FileCode.QUOTES,
        FileCode.TEXT_TOO_LONG,
        FileCode.FORMULA,
        FileCode.BAD_LINE,
        FileCode.UNKNOWN_FORMAT,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``row`` counts the file's lines or records from 1, as a spreadsheet
    does; none where it is about the whole. ``value`` is the cell's beginning.
    """

    code: FileCode
    message: str
    row: int | None = None
    column: str = ""
    value: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code.value,
            "row": self.row,
            "column": self.column,
            "value": self.value,
            "message": self.message,
        }


def fault(
    code: FileCode, *, row: int | None = None, column: str = "", value: str = "", **facts: object
) -> Fault:
    """A fault with its words; a value is cut and freed of what cannot be shown or stored."""
    most = FREE_TEXT_MAX if code in _FREE_TEXT else VALUE_MAX
    shown = "".join(one if one.isprintable() else "�" for one in value[:most])
    words = {name: str(fact)[:200] for name, fact in facts.items()}
    return Fault(code, TEXTS[code].format(**words), row, column[:80], shown)


class FileRefused(Exception):
    """Nothing of the file is taken; ``faults`` says why, at least one."""

    def __init__(self, faults: Fault | Sequence[Fault]) -> None:
        found = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("; ".join(f"{one.code} ({one.message})" for one in found[:3]))
        self.faults = found[:FAULTS_MAX]

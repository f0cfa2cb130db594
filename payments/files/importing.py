"""Importing a file: whole, or nothing of it and a row that says why.

The file is copied, hashed and read outside any transaction; a short one then compares it with what
came before, gives bytes and rows their place and writes the row. Two that bring the same file at
once: one is accepted, the other finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.rights import check_right
from audit.record import Subject, record, register
from kernel.clock import monotonic_ms
from kernel.ids import Actor
from payments.files import continuity, formats, store, telling
from payments.files.arriving import Arrival
from payments.files.models import BankStatement, SourceFile
from payments.files.parsed import Parsed, Staged, StatementRead
from payments.files.words import Fault, FileCode, FileKind, FileRefused, FileState, fault

IMPORT: Final = "payments.import_sourcefile"
IMPORTED: Final = register("payments.file_imported", "File of a provider or bank imported")
REFUSED: Final = register("payments.file_refused", "File of a provider or bank refused")
#: One file is compared with its forerunners at a time.
IMPORT_LOCK: Final = 6_000_020
NAME_MAX: Final = 200
#: No space, no database: not the file's fault, and it may come again.
WAITING_HELPS: Final = (OSError, OperationalError, InterfaceError)

logger = logging.getLogger(__name__)


class Way(StrEnum):
    """By which door a file came."""

    UPLOAD = "upload"
    FOLDER = "folder"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is said about a file that comes.

    ``source`` and ``format`` may be empty where the file itself says them. ``despite`` is why
    somebody takes it although it does not follow on the one before.
    """

    name: str
    way: Way
    source: str = ""
    format: str = ""
    despite: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file that came as ``name``. ``file`` is its row; of one that came before,
    the row of then.
    """

    name: str
    state: FileState
    file: SourceFile
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]
    elapsed_ms: int

    def as_json(self) -> dict[str, Any]:
        """The report that a command prints and the watched folder lays beside the file."""
        file = self.file
        accepted = {
            "kind": file.kind,
            "source": file.source,
            "format": file.format,
            "format_version": file.format_version,
            "rows": file.rows,
            "period_from": _text(file.period_from),
            "period_to": _text(file.period_to),
            "statement_no": file.statement_no,
            "totals": file.totals,
            "opening": file.opening,
            "closing": file.closing,
        }
        return {
            "state": self.state.value,
            "file_id": str(file.pk),
            "name": self.name,
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "elapsed_ms": self.elapsed_ms,
            **(accepted if self.state is FileState.ACCEPTED else {}),
            "refusals": [one.as_json() for one in self.faults],
            "notes": [one.as_json() for one in self.notes],
        }


def take(arrival: Arrival, delivery: Delivery, *, actor: Actor) -> Outcome:
    """Import one file. What is refused leaves a row that says why, and nothing else; so does what
    the program fails at (``reader_failed``). Only a disk or database that fails is raised.

    Refuses (``Refused``) only who may not import at all: NOT_ALLOWED.
    """
    check_right(actor, IMPORT)
    started, staged = monotonic_ms(), None
    with store.workplace() as place:
        try:
            staged = arrival.stage(place)
            _refuse_seen(staged)
            parsed = formats.read(staged, place, delivery.format)
            file, notes = _accept(staged, parsed, delivery, actor)
        except FileRefused as refused:
            if isinstance(refused, _Seen):
                file = refused.file
            else:
                file = _refuse(arrival, staged, refused.faults, delivery, actor)
            return _refused(delivery, file, refused.faults, started)
        except WAITING_HELPS:
            raise
        except Exception as error:  # a file that nobody foresaw ends too, and says so
            logger.exception("the reader failed at %s", _shown(delivery))
            faults = (fault(FileCode.READER_FAILED, why=type(error).__name__),)
            file = _refuse(arrival, staged, faults, delivery, actor)
            return _refused(delivery, file, faults, started)
    elapsed = monotonic_ms() - started
    return Outcome(_shown(delivery), FileState.ACCEPTED, file, (), notes, elapsed)


def _refused(
    delivery: Delivery, file: SourceFile, faults: tuple[Fault, ...], started: int
) -> Outcome:
    elapsed = monotonic_ms() - started
    return Outcome(_shown(delivery), FileState.REFUSED, file, faults, (), elapsed)


class _Seen(FileRefused):
    """The same bytes were accepted before, as ``file``."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__(fault(FileCode.SEEN_BEFORE, name=file.original_name))
        self.file = file


def _refuse_seen(staged: Staged) -> None:
    came = SourceFile.objects.filter(sha256=staged.sha256, state=FileState.ACCEPTED.value).first()
    if came is not None:
        raise _Seen(came)


def _accept(
    staged: Staged, parsed: Parsed, delivery: Delivery, actor: Actor
) -> tuple[SourceFile, tuple[Fault, ...]]:
    with transaction.atomic():
        _lock()
        _refuse_seen(staged)
        source = _source(parsed, delivery)
        followed = continuity.follow(parsed, source, despite=delivery.despite)
        file = SourceFile.objects.create(
            **_said(staged, delivery, actor),
            **_found(followed),
            source=source,
            state=FileState.ACCEPTED.value,
            despite=delivery.despite.strip()[:400],
            original_path=store.keep_original(staged.path, staged.sha256),
            rows_path=store.keep_rows(parsed.rows_file, staged.sha256),
        )
        BankStatement.objects.bulk_create(_statement(file, one) for one in parsed.statements)
        record(
            IMPORTED,
            actor=actor,
            subject=Subject("source_file", str(file.pk)),
            component="payments",
            after={"sha256": file.sha256, "source": source, "rows": file.rows}
            | {"format": file.format, "notes": [one.code.value for one in followed.notes]},
            reason=file.despite,
        )
        telling.tell(file.pk)
    return file, followed.notes


def _lock() -> None:
    """Until the end of the transaction, nobody else compares a file with its forerunners."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK])


def _refuse(
    arrival: Arrival,
    staged: Staged | None,
    faults: Sequence[Fault],
    delivery: Delivery,
    actor: Actor,
) -> SourceFile:
    with transaction.atomic():
        said = _said(staged, delivery, actor)
        if staged is not None:
            said["original_path"] = store.keep_original(staged.path, staged.sha256)
        else:
            said["size_bytes"] = arrival.size
        file = SourceFile.objects.create(
            **said,
            source=delivery.source[:64],
            format=delivery.format[:40],
            state=FileState.REFUSED.value,
            refusals=[one.as_json() for one in faults],
        )
        record(
            REFUSED,
            actor=actor,
            subject=Subject("source_file", str(file.pk)),
            component="payments",
            after={"sha256": file.sha256, "codes": sorted({one.code.value for one in faults})},
        )
    return file


def _said(staged: Staged | None, delivery: Delivery, actor: Actor) -> dict[str, Any]:
    return {
        "sha256": staged.sha256 if staged else "",
        "size_bytes": staged.size if staged else 0,
        "original_name": _shown(delivery),
        "way": delivery.way.value,
        "imported_by": str(actor),
    }


def _shown(delivery: Delivery) -> str:
    """The name as it may be stored and shown."""
    shown = "".join(one if one.isprintable() else "�" for one in delivery.name)
    return shown[-NAME_MAX:] or "file"


def _found(parsed: Parsed) -> dict[str, Any]:
    first = parsed.statements[0].statement_no if parsed.statements else ""
    return {
        "kind": parsed.kind.value,
        "format": parsed.format,
        "format_version": parsed.version,
        "rows": parsed.rows,
        "period_from": parsed.period[0] if parsed.period else None,
        "period_to": parsed.period[1] if parsed.period else None,
        "statement_no": first if parsed.sequence is None else str(parsed.sequence),
        "totals": {name: dict(sums) for name, sums in parsed.totals.items()},
        "opening": _balances(parsed, is_opening=True),
        "closing": _balances(parsed, is_opening=False),
        "notes": [one.as_json() for one in parsed.notes],
    }


def _balances(parsed: Parsed, *, is_opening: bool) -> dict[str, Any]:
    """Per account and currency: how its first statement opens, or how its last one closes."""
    found: dict[str, Any] = {}
    in_order = sorted(
        parsed.statements, key=lambda one: (one.closed_on, one.sequence or 0, one.page)
    )
    for one in reversed(in_order) if is_opening else in_order:
        day = one.opened_on if is_opening else one.closed_on
        found[f"{one.account} {one.currency}"] = {
            "currency": one.currency,
            "minor": one.opening_minor if is_opening else one.closing_minor,
            "on": day.isoformat(),
            "statement_no": one.statement_no,
        }
    return found


def _statement(file: SourceFile, one: StatementRead) -> BankStatement:
    return BankStatement(
        file=file,
        account=one.account,
        currency=one.currency,
        statement_no=one.statement_no,
        sequence=one.sequence,
        page=one.page,
        opened_on=one.opened_on,
        closed_on=one.closed_on,
        opening_minor=one.opening_minor,
        closing_minor=one.closing_minor,
        entries=one.entries,
    )


def _source(parsed: Parsed, delivery: Delivery) -> str:
    """From whom the file is: what it says, or what is said of it; both must agree."""
    given = delivery.source.strip()
    if parsed.kind is FileKind.BANK:
        said = ", ".join(dict.fromkeys(account_name(one.account) for one in parsed.statements))
        known = {one.account for one in parsed.statements} <= set(_accounts())
        said = said if known or not given else given
    else:
        said = parsed.source
    if given and said and given != said:
        raise FileRefused(fault(FileCode.WRONG_SOURCE, value=said, found=said, given=given))
    if not (given or said):
        raise FileRefused(fault(FileCode.UNKNOWN_SOURCE))
    return (said or given)[:64]


def account_name(account: str) -> str:
    """The house's name of a bank account that a statement calls ``account``."""
    return _accounts().get(account, account)


def _accounts() -> dict[str, str]:
    """As statements are read, without spaces."""
    given: dict[str, str] = settings.RECONCILIATION_ACCOUNTS
    return {number.replace(" ", ""): name for number, name in given.items()}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

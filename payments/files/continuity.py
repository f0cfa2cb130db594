"""Whether a file follows on those that came before: numbers without gaps, balances that meet.

A gap among a provider's files is let through and noted, since the run shows what is missing. A bank
statement must follow on the one before, by number and by balance; somebody may take it all the same
and say why. Of a bank whose numbers have gaps by nature, balances alone may be asked to meet
(``RECONCILIATION_GAPS_REFUSED``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Final

from django.conf import settings
from django.db.models import Q

from kernel.money import Money
from payments.files.models import BankStatement, SourceFile
from payments.files.parsed import Parsed, StatementRead
from payments.files.words import Fault, FileCode, FileKind, FileRefused, FileState, fault

#: Where a bank begins to count anew.
FIRST: Final = 1
_Place = tuple[date, int, int]


def follow(parsed: Parsed, source: str, *, despite: str) -> Parsed:
    """``parsed`` with what was let through among its notes; refuses what was not.

    Under the lock of importing. ``despite`` is somebody's reason to take it in spite of that.
    """
    if parsed.kind is FileKind.BANK:
        found = [one for statement in parsed.statements for one in _before_and_after(statement)]
        found += _within(parsed.statements)
        soft = [] if settings.RECONCILIATION_GAPS_REFUSED else _gaps(found)
        hard = [one for one in found if one not in soft]
    else:
        hard, soft = _numbers(parsed, source)
    if hard and not despite.strip():
        raise FileRefused(hard)
    return replace(parsed, notes=(*parsed.notes, *hard, *soft))


def _gaps(found: list[Fault]) -> list[Fault]:
    return [one for one in found if one.code is FileCode.SEQUENCE_GAP]


def _numbers(parsed: Parsed, source: str) -> tuple[list[Fault], list[Fault]]:
    """A number that came before, and numbers that are missing below."""
    number = parsed.sequence
    if number is None:
        return [], []
    came = SourceFile.objects.filter(
        source=source, format=parsed.format, state=FileState.ACCEPTED.value
    ).exclude(statement_no="")
    if came.filter(statement_no=str(number)).exists():
        return [fault(FileCode.SEQUENCE_SEEN, value=str(number), found=number)], []
    below = [int(one) for one in came.values_list("statement_no", flat=True) if int(one) < number]
    if below and max(below) != number - 1:
        return [], [
            fault(FileCode.SEQUENCE_GAP, value=str(number), found=number, before=max(below))
        ]
    return [], []


def _within(statements: Iterable[StatementRead]) -> list[Fault]:
    """Statements of one account in one file, each against the one before."""
    found: list[Fault] = []
    last: dict[tuple[str, str], StatementRead] = {}
    for one in sorted(statements, key=_place):
        before = last.get((one.account, one.currency))
        if before is not None:
            found += _between(
                (before.statement_no, _place(before), before.closing_minor),
                (one.statement_no, _place(one), one.opening_minor),
                one.currency,
            )
        last[one.account, one.currency] = one
    return found


def _before_and_after(one: StatementRead) -> list[Fault]:
    """A statement against its neighbours among those that were accepted."""
    kept = BankStatement.objects.filter(account=one.account, currency=one.currency)
    day, number, page = _place(one)
    at = {"closed_on": day, "sequence": number or None, "page": page}
    if number and kept.filter(**at).exists():
        return [_seen(one)]
    earlier = Q(closed_on__lt=day) | Q(closed_on=day, sequence__lt=number)
    earlier |= Q(closed_on=day, sequence=number, page__lt=page)
    later = Q(closed_on__gt=day) | Q(closed_on=day, sequence__gt=number)
    later |= Q(closed_on=day, sequence=number, page__gt=page)
    order = ("closed_on", "sequence", "page")
    before = kept.filter(earlier).order_by(*order).last()
    after = kept.filter(later).order_by(*order).first()
    found: list[Fault] = []
    if before is not None:
        found += _between(
            (before.statement_no, _row_place(before), before.closing_minor),
            (one.statement_no, _place(one), one.opening_minor),
            one.currency,
        )
    if after is not None:
        found += _between(
            (one.statement_no, _place(one), one.closing_minor),
            (after.statement_no, _row_place(after), after.opening_minor),
            one.currency,
        )
    return found


def _between(
    before: tuple[str, _Place, int], after: tuple[str, _Place, int], currency: str
) -> list[Fault]:
    """What is wrong between one statement (with its closing) and the next (with its opening)."""
    found = []
    (name_before, place_before, closing), (name, place, opening) = before, after
    if _is_gap(place_before, place):
        found.append(fault(FileCode.SEQUENCE_GAP, value=name, found=name, before=name_before))
    if opening != closing:
        found.append(
            fault(
                FileCode.BALANCE_BREAK,
                value=name,
                found=Money(opening, currency),
                before=Money(closing, currency),
            )
        )
    return found


def _is_gap(before: _Place, after: _Place) -> bool:
    (day_before, number_before, page_before), (day, number, page) = before, after
    if not number or not number_before:
        return False  # a bank that does not number
    if number == number_before:
        return page != page_before + 1
    if number == FIRST and day.year > day_before.year:
        return page != 1
    return number != number_before + 1 or page != 1


def _seen(one: StatementRead) -> Fault:
    return fault(FileCode.SEQUENCE_SEEN, value=one.statement_no, found=one.statement_no)


def _place(one: StatementRead) -> _Place:
    return one.closed_on, one.sequence or 0, one.page


def _row_place(one: BankStatement) -> _Place:
    return one.closed_on, one.sequence or 0, one.page

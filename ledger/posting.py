"""The one place that moves money: ``post``, ``post_selected``, ``try_post`` call ``ledger_post``.

All run inside the caller's transaction and are part of it. They lock the accounts they touch in
id order (rank ACCOUNT) and hold them until that transaction ends, so nothing slow may follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from audit.locks import LockRank, entering
from events import hints
from kernel.arrays import array_of, array_of_texts
from kernel.ids import Actor
from kernel.invariant import InvariantBroken, ensure
from kernel.refusal import Refused
from ledger.postings import (
    POST_CODES,
    TRANSFERS_MAX,
    LedgerCode,
    PostCode,
    Transfer,
    fingerprint,
    groups_together,
)

_POST: Final = """
SELECT o_outcome, o_batch, o_posted_at, o_codes, o_balances FROM ledger_post(
    %s, %s, %s, %s, %s, %s::text::uuid[], %s::text::bigint[], %s::text::bigint[],
    %s::text::bigint[], %s::text::text[], %s::text::text[], %s::text::uuid[], %s::text::integer[])
"""

#: As ``_POST``, over what a query yields. The fingerprint is `ledger.postings.fingerprint`, in SQL.
_POST_SELECTED: Final = """
WITH asked AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY q.part, q.nth, q.id) AS ord, q.* FROM (
        SELECT 0 AS part, f.nth, f.id, f.debit, f.credit, f.amount_minor, f.kind, f.ref
        FROM unnest(%(ids)s::text::uuid[], %(debits)s::text::bigint[], %(credits)s::text::bigint[],
            %(amounts)s::text::bigint[], %(kinds)s::text::text[], %(refs)s::text::text[])
            WITH ORDINALITY AS f (id, debit, credit, amount_minor, kind, ref, nth)
        UNION ALL
        SELECT 1, 0, s.id, s.debit, s.credit, s.amount_minor, s.kind, s.ref FROM ({select}) s
    ) q
), columns AS (
    SELECT array_agg(a.id ORDER BY a.ord) AS ids, array_agg(a.debit ORDER BY a.ord) AS debits,
        array_agg(a.credit ORDER BY a.ord) AS credits,
        array_agg(a.amount_minor ORDER BY a.ord) AS amounts,
        array_agg(a.kind ORDER BY a.ord) AS kinds, array_agg(a.ref ORDER BY a.ord) AS refs,
        array_fill(NULL::uuid, ARRAY[count(*)::integer]) AS permits,
        array_fill(NULL::integer, ARRAY[count(*)::integer]) AS groups,
        sha256(convert_to(
            concat_ws(E'\\x1f', 'post', %(kind)s::text, count(*)) || E'\\x1e' || string_agg(
                concat_ws(E'\\x1f', a.id, a.debit, a.credit, a.amount_minor, a.kind, a.ref, 'None'),
                E'\\x1e' ORDER BY a.ord), 'UTF8')) AS fingerprint
    FROM asked a HAVING count(*) > 0
)
SELECT p.o_outcome, p.o_batch, p.o_posted_at, p.o_codes, p.o_balances,
    ARRAY(SELECT DISTINCT unnest(c.debits || c.credits))
FROM columns c CROSS JOIN LATERAL ledger_post(
    %(key)s, c.fingerprint, %(kind)s, %(actor)s, false, c.ids, c.debits, c.credits, c.amounts,
    c.kinds, c.refs, c.permits, c.groups) p
"""


@dataclass(frozen=True, slots=True)
class PostedBatch:
    """A batch that is in the books. ``replayed``: it already was, under the same key."""

    id: int
    replayed: bool
    posted_at: datetime


class PostResult(NamedTuple):
    """What became of one item of ``try_post``. A tuple: a batch makes ten thousand of them.

    ``balance_after_minor`` is what the player's side (else the debit side) has posted right after
    this item; None where the item was refused.
    """

    transfer_id: UUID
    code: PostCode
    balance_after_minor: int | None


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: str
    batch: int | None
    posted_at: datetime | None
    codes: list[int] | None
    balances: list[int | None] | None


def post(*, key: str, kind: str, actor: Actor, transfers: Sequence[Transfer]) -> PostedBatch:
    """Post all of ``transfers`` or nothing, once per ``key``, ever.

    The same key with the same transfers (permits aside) answers ``replayed`` and moves nothing.
    Refuses with ``KEY_CONFLICT`` (key used for something else), ``REFUSED_TRANSFER`` (data
    ``index`` and ``post_code`` of the first that cannot be posted), ``TOO_MANY_TRANSFERS``. After
    a refusal nothing has been written and the transaction is usable. Two callers that use one
    transfer id for different accounts at the same moment: one gets a serialisation failure, which
    is retried like a deadlock.
    """
    answer = _call("post", key, kind, actor, transfers)
    if answer.outcome == "refused":
        index, code = _at_fault(answer)
        raise Refused(
            LedgerCode.REFUSED_TRANSFER,
            index=index,
            post_code=code.value,
            transfer=str(transfers[index].id),
        )
    return _posted(answer)


def post_selected(
    *,
    key: str,
    kind: str,
    actor: Actor,
    first: Sequence[Transfer],
    select: str,
    params: Mapping[str, Any],
) -> PostedBatch:
    """As :func:`post`, of ``first`` and then what the query ``select`` yields, in order of ids.

    For transfers that the database can work out for itself: none of them passes through this
    process. ``select`` yields
    ``id, debit, credit, amount_minor, kind, ref``, of kinds that need no permit, and names its
    ``params`` as ``%(name)s``; none may be called ids, debits, credits, amounts, kinds, refs, key,
    kind or actor. One transfer at least, `TRANSFERS_MAX` at most; anything else is a bug.
    """
    entering(LockRank.ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute(
            _POST_SELECTED.replace("{select}", select),
            {
                **params,
                **dict(zip(_FIRST, _columns(first), strict=True)),
                "key": key,
                "kind": kind,
                "actor": str(actor),
            },
        )
        row = cursor.fetchone()
    if row is None:
        raise InvariantBroken("a batch of selected transfers has some", key=key)
    answer = _Answer(*row[:-1])
    if answer.outcome == "conflict":
        raise Refused(LedgerCode.KEY_CONFLICT, key=key)
    if answer.outcome == "refused":
        index, code = _at_fault(answer)
        raise Refused(LedgerCode.REFUSED_TRANSFER, index=index, post_code=code.value)
    hints.accounts_changed(set(row[-1]))
    return _posted(answer)


#: The parameters of `_POST_SELECTED` that carry ``first``.
_FIRST: Final = ("ids", "debits", "credits", "amounts", "kinds", "refs")


def _columns(transfers: Sequence[Transfer]) -> list[str]:
    return [
        array_of(t.id for t in transfers),
        array_of(t.debit for t in transfers),
        array_of(t.credit for t in transfers),
        array_of(t.amount_minor for t in transfers),
        array_of(t.kind.value for t in transfers),
        array_of_texts(t.ref for t in transfers),
    ]


def _at_fault(answer: _Answer) -> tuple[int, PostCode]:
    """The first item that cannot be posted of itself, and why."""
    codes = [POST_CODES[number] for number in answer.codes or ()]
    blameless = {PostCode.POSTED, PostCode.GROUP_FAILED}
    return next((i, code) for i, code in enumerate(codes) if code not in blameless)


def _posted(answer: _Answer) -> PostedBatch:
    if answer.batch is None or answer.posted_at is None:
        raise InvariantBroken("a posted batch has a number and a time", answer=answer)
    return PostedBatch(answer.batch, answer.outcome == "replayed", answer.posted_at)


def try_post(
    *, key: str, kind: str, actor: Actor, transfers: Sequence[Transfer]
) -> list[PostResult]:
    """Post each of ``transfers`` that can be posted; a result for each, in the given order.

    Items are decided in order, each seeing what those before it left. Items of one ``group``
    succeed or fail together, at the place of the group's first item: the item at fault carries its
    code, the others ``GROUP_FAILED``. Faults of form (unknown account, permit, id …) are found in
    all items before any balance is looked at. The answer, refusals included, is stored under
    ``key`` and replayed. Refuses with ``KEY_CONFLICT`` or ``TOO_MANY_TRANSFERS``.
    """
    order = groups_together(transfers)
    ordered = [transfers[position] for position in order]
    answer = _call("try_post", key, kind, actor, ordered)
    if answer.codes is None or answer.balances is None:
        raise InvariantBroken("try_post answers for each item", answer=answer)
    ensure(len(answer.codes) == len(answer.balances) == len(ordered), "one answer per item")
    found = {
        position: PostResult(transfer.id, POST_CODES[number], balance)
        for position, transfer, number, balance in zip(
            order, ordered, answer.codes, answer.balances, strict=True
        )
    }
    return [found[position] for position in range(len(transfers))]


def _call(mode: str, key: str, kind: str, actor: Actor, transfers: Sequence[Transfer]) -> _Answer:
    if len(transfers) > TRANSFERS_MAX:
        raise Refused(LedgerCode.TOO_MANY_TRANSFERS, asked=len(transfers), allowed=TRANSFERS_MAX)
    entering(LockRank.ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute(
            _POST,
            [
                key,
                fingerprint(mode, kind, transfers),
                kind,
                str(actor),
                mode == "try_post",
                *_columns(transfers),
                array_of(t.permit for t in transfers),
                array_of(t.group for t in transfers),
            ],
        )
        answer = _Answer(*cursor.fetchone())
    if answer.outcome == "conflict":
        raise Refused(LedgerCode.KEY_CONFLICT, key=key)
    hints.accounts_changed({int(a) for t in transfers for a in (t.debit, t.credit)})
    return answer

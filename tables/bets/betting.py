"""Taking bets: a batch of slips of many players in one transaction, each answered for itself.

The order inside the transaction is the order of the house: round → players and limits (the gate)
→ accounts (the ledger). The deadline is judged by the database's clock after the round's lock.
Nothing is acknowledged before the commit.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.together import Kept, Rows, Statement, run_together
from compliance import facts, gate
from kernel.arrays import array_of
from kernel.clock import epoch_ms
from kernel.ids import AccountId, Actor, PermitId, PlayerId, new_ids
from kernel.invariant import ensure
from kernel.money import SCALES, Money
from kernel.refusal import Refused
from ledger import accounts
from ledger.accounts import AccountName
from ledger.posting import PostResult, try_post
from ledger.postings import AccountKind, PostCode, Transfer, TransferKind
from tables import locks
from tables.bets.slips import AcceptedBet, BettingCode, PlaceBets, Receipt
from tables.models import Round, TableStatus
from tables.phases import BETTING, Phase
from tables.rules import roulette

#: Slips in one transaction, and stakes in all of them: each stake is a transfer, and the ledger
#: takes 10,000 in one batch.
BATCH_MAX: Final = 200
STAKES_MAX: Final = 5_000
#: A round's bets lie between its opening and its close. Naming both, with room for a clock that
#: was set, the database looks at one month of bets instead of planning for all of them: 4 ms.
CLOCK_ROOM: Final = timedelta(hours=1)

Answer = Receipt | Refused


@dataclass(slots=True)
class _Taking:
    """A slip on its way: what was given to it so far."""

    slip: PlaceBets
    total: Money
    id: UUID
    bet_ids: list[UUID]
    transfer_ids: list[UUID]
    permit: PermitId | None = None
    balance_after_minor: int = 0


def place_batch(table_id: str, slips: Sequence[PlaceBets]) -> list[Answer]:
    """Answer every slip, in order: a :class:`Receipt`, or the :class:`Refused` it met.

    Opens one transaction. A refused slip moves nothing and holds up nobody. A slip whose key was
    answered before is answered the same again. Database conflicts (lock time-out, deadlock)
    propagate: nothing was committed and the caller may retry.
    """
    stakes = sum(len(slip.stakes) for slip in slips)
    ensure(len(slips) <= BATCH_MAX and stakes <= STAKES_MAX, "a batch is bounded", stakes=stakes)
    with transaction.atomic():
        locks.bound_session(plan_once=True)
        round_, now = locks.lock_current_round(table_id)
        read = _read(round_, slips)
        answers, meant = _known(read.answers)
        fresh = _fresh(slips, answers, meant)
        if fresh:
            answers |= _take(round_, now, fresh, read)
    return [_for(slip, answers, meant) for slip in slips]


Answers = dict[tuple[PlayerId, str], Answer]
#: What each key stands for: the fingerprint of the slip that has its answer.
Meant = dict[tuple[PlayerId, str], str]


@dataclass(frozen=True, slots=True)
class _Read:
    """What a batch is judged on beside its round: rows as they were under the round's lock."""

    answers: Rows
    limits: Rows
    stakes: Rows
    accounts: Rows


_ANSWERS: Final = Kept("""
SELECT s.* FROM unnest(%s::text::bigint[], %s::text::varchar[]) AS u (player_id, key)
CROSS JOIN LATERAL (SELECT s.player_id, s.key, s.kind, s.fingerprint, s.answer
    FROM tables_slip s WHERE s.player_id = u.player_id AND s.key = u.key LIMIT 1) s
""")
_LIMITS: Final = Kept("SELECT currency, limits::text FROM tables_tablelimits WHERE table_id = %s")
_LIVE_STAKES: Final = """
SELECT b.player_id, b.position, sum(b.stake_minor) FROM tables_bet b
WHERE b.round_id = %(round)s AND b.player_id = ANY (%(players)s::text::bigint[])
    AND b.accepted_at BETWEEN %(since)s AND %(until)s
    AND b.id NOT IN (SELECT o.bet_id FROM tables_bet_outcome o WHERE o.round_id = %(round)s
        AND o.bet_accepted_at BETWEEN %(since)s AND %(until)s)
GROUP BY b.player_id, b.position
"""


def _read(round_: Round | None, slips: Sequence[PlaceBets]) -> _Read:
    """All of it in one message."""
    answers: Statement = (
        _ANSWERS,
        [array_of(slip.player_id for slip in slips), array_of(slip.key for slip in slips)],
    )
    if round_ is None:
        return _Read(run_together([answers])[0], [], [], [])
    known = (slip for slip in slips if slip.currency in SCALES)
    names = {name for slip in known for name in _accounts_of(round_, slip)}
    stakes = {
        "round": round_.id,
        "players": array_of({slip.player_id for slip in slips}),
        "since": round_.opened_at - CLOCK_ROOM,
        "until": round_.closes_at + CLOCK_ROOM,
    }
    return _Read(
        *run_together(
            [
                answers,
                (_LIMITS, [round_.table_id]),
                (_LIVE_STAKES, stakes),
                accounts.asking(names),
            ]
        )
    )


def _accounts_of(round_: Round, slip: PlaceBets) -> tuple[AccountName, AccountName]:
    """The player's money, and the round's escrow."""
    return (
        (AccountKind.PLAYER_CASH, f"player:{slip.player_id}", slip.currency),
        (AccountKind.ESCROW, f"round:{round_.id}", slip.currency),
    )


def _known(rows: Rows) -> tuple[Answers, Meant]:
    """Answers already given to these keys, and what the keys stood for."""
    answers: Answers = {}
    meant: Meant = {}
    for player_id, key, kind, fingerprint, answer in rows:
        answers[player_id, key] = Receipt.from_json(json.loads(answer))
        meant[player_id, key] = fingerprint if kind == "place" else kind
    return answers, meant


def _fresh(slips: Sequence[PlaceBets], answers: Answers, meant: Meant) -> list[PlaceBets]:
    """Slips without an answer, each key once: a double in one batch shares the first's answer."""
    fresh: dict[tuple[PlayerId, str], PlaceBets] = {}
    for slip in slips:
        key = (slip.player_id, slip.key)
        if key not in answers and key not in fresh:
            fresh[key] = slip
            meant[key] = slip.fingerprint()
    return list(fresh.values())


def _for(slip: PlaceBets, answers: Answers, meant: Meant) -> Answer:
    """The slip's answer; a key that stands for something else is a conflict."""
    key = (slip.player_id, slip.key)
    if meant[key] != slip.fingerprint():
        return Refused(BettingCode.KEY_CONFLICT, key=slip.key)
    return answers[key]


def _take(round_: Round | None, now: datetime, slips: list[PlaceBets], read: _Read) -> Answers:
    """Judge and book the fresh slips against the locked round."""
    refusal = closed(round_, now)
    if round_ is None or refusal is not None:
        refusal = refusal or Refused(BettingCode.NOT_OPEN)
        return {(slip.player_id, slip.key): refusal for slip in slips}
    answers: Answers = {}
    allowed = _lawful(round_, slips, read, answers)
    permitted = _permitted(round_, allowed, now, answers)
    booked = _book(round_, permitted, accounts.of_rows(read.accounts), answers)
    _keep(round_, booked, now, answers)
    return answers


def closed(round_: Round | None, now: datetime) -> Refused | None:
    """Why no bet is taken now, judged by the time read under the round's lock; None when open."""
    if round_ is None:
        return Refused(BettingCode.NOT_OPEN)
    if round_.phase == Phase.SUSPENDED or round_.table.status == TableStatus.SUSPENDED:
        return Refused(BettingCode.TABLE_SUSPENDED, table=round_.table_id)
    if round_.phase not in BETTING or now >= round_.closes_at:
        late_ms = max(0, epoch_ms(now) - epoch_ms(round_.closes_at))
        return Refused(BettingCode.TOO_LATE, round=round_.number, late_ms=late_ms)
    return None


@lru_cache(maxsize=64)
def _limits(text: str) -> roulette.Limits:
    """Limits as they are stored: parsed once, as long as they stay the same."""
    return roulette.Limits.from_dict(json.loads(text))


def _lawful(round_: Round, slips: list[PlaceBets], read: _Read, answers: Answers) -> list[_Taking]:
    """Slips within the rules and the table's limits, counting what the player has there already."""
    limits = {currency: _limits(text) for currency, text in read.limits}
    existing: defaultdict[PlayerId, dict[roulette.Position, int]] = defaultdict(dict)
    for player_id, code, total in read.stakes:
        existing[player_id][roulette.parse_position(code)] = int(total)
    lawful = []
    for slip in slips:
        mine = existing[slip.player_id]
        try:
            if slip.round_number not in {None, round_.number}:
                raise Refused(BettingCode.TOO_LATE, round=slip.round_number, late_ms=0)
            if slip.currency not in limits:
                raise Refused(BettingCode.CURRENCY_NOT_OFFERED, currency=slip.currency)
            roulette.check_slip(
                limits[slip.currency],
                mine,
                [(stake.position, stake.stake_minor) for stake in slip.stakes],
            )
        except Refused as refusal:
            answers[slip.player_id, slip.key] = refusal
            continue
        for stake in slip.stakes:
            mine[stake.position] = mine.get(stake.position, 0) + stake.stake_minor
        lawful.append(slip)
    return _with_ids(lawful)


def _with_ids(slips: list[PlaceBets]) -> list[_Taking]:
    """Each slip with the ids of its rows, which are asked for all at once."""
    ids = iter(new_ids(sum(1 + 2 * len(slip.stakes) for slip in slips)))
    return [
        _Taking(
            slip,
            Money(slip.total_minor, slip.currency),
            id=next(ids),
            bet_ids=list(islice(ids, len(slip.stakes))),
            transfer_ids=list(islice(ids, len(slip.stakes))),
        )
        for slip in slips
    ]


def _permitted(
    round_: Round,
    takings: list[_Taking],
    now: datetime,
    answers: Answers,
) -> list[_Taking]:
    """Slips the gate allows. Locks players, then limits; each allowed slip gets its permit."""
    if not takings:
        return []
    scopes = (f"table:{round_.table_id}", f"game:{round_.table.game}")
    decisions = gate.decide(
        [
            gate.GateRequest(
                ref=taking.id,
                player_id=taking.slip.player_id,
                purpose=gate.Purpose.BET,
                amount=taking.total,
                scopes=scopes,
            )
            for taking in takings
        ],
        now=now,
    )
    permitted = []
    for taking, decision in zip(takings, decisions, strict=True):
        if decision.allowed:
            taking.permit = decision.permit
            permitted.append(taking)
        else:
            ensure(decision.code is not None, "a refusal of the gate has a code")
            answers[taking.slip.player_id, taking.slip.key] = Refused(
                decision.code,  # type: ignore[arg-type]  # ensured above
                **decision.data,
            )
    return permitted


def _book(
    round_: Round,
    takings: list[_Taking],
    account: dict[AccountName, AccountId],
    answers: Answers,
) -> list[_Taking]:
    """Move the stakes into the round's escrow; slips without the money are refused."""
    if not takings:
        return []
    named = [_accounts_of(round_, taking.slip) for taking in takings]
    if missing := {name for names in named for name in names} - account.keys():
        account = account | accounts.ensure_accounts(missing)
    transfers = [
        Transfer(
            id=transfer_id,
            debit=account[cash],
            credit=account[escrow],
            amount_minor=stake.stake_minor,
            kind=TransferKind.STAKE,
            ref=f"bet:{bet_id}",
            permit=taking.permit,
            group=index,
        )
        for index, (taking, (cash, escrow)) in enumerate(zip(takings, named, strict=True))
        for stake, bet_id, transfer_id in zip(
            taking.slip.stakes, taking.bet_ids, taking.transfer_ids, strict=True
        )
    ]
    results = try_post(
        key=f"bets:{round_.id}:{takings[0].id}",
        kind="bets",
        actor=Actor.system("betting"),
        transfers=transfers,
    )
    by_id = {result.transfer_id: result for result in results}
    return [taking for taking in takings if _posted(taking, by_id, answers)]


def _posted(
    taking: _Taking,
    results: dict[UUID, PostResult],
    answers: Answers,
) -> bool:
    """Whether the whole slip was posted; else its refusal is put among the answers."""
    codes = [results[transfer_id].code for transfer_id in taking.transfer_ids]
    if all(code is PostCode.POSTED for code in codes):
        last = results[taking.transfer_ids[-1]].balance_after_minor
        ensure(last is not None, "a posted transfer leaves a balance")
        taking.balance_after_minor = last or 0
        return True
    ensure(PostCode.POSTED not in codes, "a slip is posted whole or not at all", slip=taking.id)
    own = next(code for code in codes if code is not PostCode.GROUP_FAILED)
    slip = taking.slip
    answers[slip.player_id, slip.key] = (
        Refused(BettingCode.INSUFFICIENT_FUNDS, stake_minor=slip.total_minor)
        if own is PostCode.BELOW_FLOOR
        else Refused(own)
    )
    return False


def _keep(
    round_: Round,
    takings: list[_Taking],
    now: datetime,
    answers: Answers,
) -> None:
    """Write slips and bets, and tell compliance what was staked."""
    if not takings:
        return
    slips = []
    before_close_ms = epoch_ms(round_.closes_at) - epoch_ms(now)
    for taking in takings:
        slip = taking.slip
        receipt = Receipt(
            slip_id=taking.id,
            kind="place",
            table_id=round_.table_id,
            round_number=round_.number,
            currency=slip.currency,
            bets=tuple(
                AcceptedBet(bet_id, stake.position.code, stake.stake_minor)
                for stake, bet_id in zip(slip.stakes, taking.bet_ids, strict=True)
            ),
            accepted_at=now,
            before_close_ms=before_close_ms,
            balance_after_minor=taking.balance_after_minor,
            rules_hash=round_.rules_hash,
        )
        answers[slip.player_id, slip.key] = receipt
        slips.append((taking.id, slip.player_id, slip.key, slip.fingerprint(), receipt))
    staked = [
        facts.Fact(taking.slip.player_id, facts.FactKind.STAKED, taking.total, now)
        for taking in takings
    ]
    run_together(
        [
            _keeping(round_, slips, now),
            _inserting_bets(round_, takings, now),
            facts.recording(staked),
        ]
    )


_KEEP: Final = Kept("""
INSERT INTO tables_slip (id, player_id, key, kind, fingerprint, answer, round_id, accepted_at)
SELECT s.id, s.player_id, s.key, s.kind, s.fingerprint, s.answer, %s, %s
FROM ROWS FROM (unnest(%s::text::uuid[], %s::text::bigint[], %s::text::varchar[],
        %s::text::varchar[], %s::text::varchar[]), jsonb_array_elements(%s::jsonb))
    AS s (id, player_id, key, kind, fingerprint, answer)
""")


def keep_slips(
    round_: Round,
    rows: Iterable[tuple[UUID, PlayerId, str, str, Receipt]],
    now: datetime,
) -> None:
    """Store answered keys, so that a retry is told the same.

    Rows: slip id, player, key, fingerprint, answer; one at least.
    """
    run_together([_keeping(round_, rows, now)])


def _keeping(
    round_: Round, rows: Iterable[tuple[UUID, PlayerId, str, str, Receipt]], now: datetime
) -> Statement:
    *plain, told = zip(
        *(
            (slip_id, player_id, key, answer.kind, fingerprint, answer.to_json())
            for slip_id, player_id, key, fingerprint, answer in rows
        ),
        strict=True,
    )
    return _KEEP, [round_.id, now, *map(array_of, plain), json.dumps(told)]


def _inserting_bets(round_: Round, takings: list[_Taking], now: datetime) -> Statement:
    rows = [
        (
            bet_id,
            taking.id,
            taking.slip.player_id,
            stake.position.code,
            stake.stake_minor,
            taking.slip.currency,
            transfer_id,
        )
        for taking in takings
        for stake, bet_id, transfer_id in zip(
            taking.slip.stakes, taking.bet_ids, taking.transfer_ids, strict=True
        )
    ]
    return (
        Kept(
            "INSERT INTO tables_bet (id, slip_id, player_id, position, stake_minor, currency,"
            " transfer_id, accepted_at, round_id, rules_hash)"
            " SELECT b.*, %s, %s, %s FROM unnest(%s::text::uuid[], %s::text::uuid[],"
            " %s::text::bigint[], %s::text::varchar[], %s::text::bigint[], %s::text::varchar[],"
            " %s::text::uuid[]) AS b"
        ),
        [now, round_.id, round_.rules_hash, *map(array_of, zip(*rows, strict=True))],
    )

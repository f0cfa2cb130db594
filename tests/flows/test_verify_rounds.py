"""An outsider settles rounds again. Whatever was changed before it was sealed is found as well."""

from __future__ import annotations

import json

import pytest

from accounts.roles import Role
from audit import seals
from audit.exports import export
from audit.keys import public_key_pem
from tables.bets.undo import undo_last
from tables.corrections import corrections
from tables.play.settlement import void
from tests import house
from tests.flows.incident_steps import bet, person
from verify import rounds as verify_rounds
from verify.checks import run
from verify.findings import Code

pytestmark = pytest.mark.feature("F44", "F56")


@pytest.fixture
def folder(database, settings, tmp_path):
    """Real rounds: settled, corrected, voided, under la partage too; sealed and exported."""
    settings.STATE_DIR = tmp_path / "state"
    pit, other = house.pit(), house.pit("byblos", ruleset="european-la-partage")
    anna, ben = house.player(balance_minor=9_000), house.player(balance_minor=9_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("black", 200))
    bet(ben, ("straight:20", 50))
    bet(ben, ("red", 150))
    undo_last(ben, "alexandria", key="undo-key-1")
    first = pit.play(17)
    other.open_round()
    bet(anna, ("red", 150), ("straight:0", 100), table="byblos")
    other.play(0)
    pit.round() if pit.round().number > first.number else pit.open_round()
    bet(ben, ("odd", 300))
    second = pit.round()
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    void(second.id, reason="sources disagree", actor=house.TESTER)
    wanted = {"reason": "misread", "key": "correct-17-20", "actor": person()}
    proposed = corrections.propose(first.id, 20, **wanted)
    corrections.approve(proposed.id, shortfall="receivable", actor=person(Role.FINANCE))
    for source in seals.sources():
        seals.seal(source)
    export(tmp_path / "export", seals.sources())
    (tmp_path / "key.pem").write_bytes(public_key_pem())
    return tmp_path / "export"


def rows_of(folder, source: str) -> list[dict]:
    return [json.loads(line) for line in (folder / source / "rows.jsonl").read_text().splitlines()]


def write(folder, source: str, rows: list[dict]) -> None:
    (folder / source / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))


#: What is held against devices and people, not against rules and books: `test_verify_results`.
OF_RESULTS = {
    Code.RESULT_NOT_SIGNED,
    Code.RESULT_OUT_OF_TIME,
    Code.OBSERVATION_MISSING,
    Code.ENTERED_BY_ONE,
    Code.CORRECTED_BY_ONE,
}


def found(folder) -> list[tuple[Code, int | None]]:
    """What re-settling finds, whatever the seals say: as if it had been changed before them."""
    report = run(folder, folder.parent / "key.pem")
    return [
        (one.code, one.row)
        for one in report.findings
        if one.source == "rounds" and one.code not in {Code.ROW_CHANGED, *OF_RESULTS}
    ]


def transfer(folder, rows: list[dict], kind: str, nth: int = 0) -> list:
    """The nth movement of this kind in the books."""
    return [move for one in rows for move in one["transfers"] if move[5] == kind][nth]


def test_real_rounds_settle_again_to_what_was_paid(folder):
    report = run(folder, folder.parent / "key.pem")
    assert report.findings == []
    rows = rows_of(folder, "rounds")
    assert [(one["table"], one["number"], one["version"], one["phase"]) for one in rows] == [
        ("alexandria", 1, 1, "settled"),
        ("byblos", 1, 1, "settled"),
        ("alexandria", 2, 1, "voided"),
        ("alexandria", 1, 2, "settled"),
    ]
    assert ["paid", 75] in [one[1:3] for one in rows[1]["outcomes"]]  # half, by la partage


def _bet(rows, place, index, column, value):
    rows[place]["bets"][index][column] = value


def _outcome(rows, place, index, column, value):
    rows[place]["outcomes"][index][column] = value


ROUND_CHANGES = {
    "unknown rules": (lambda r: r[0].update(rules="00"), Code.RULES_UNKNOWN, 1),
    "no number": (lambda r: r[1].update(result=None), Code.RESULT_WRONG, 2),
    "off the wheel": (lambda r: r[1].update(result=37), Code.RESULT_WRONG, 2),
    "never official": (lambda r: r[1].update(official=None), Code.RESULT_WRONG, 2),
    "no sources": (lambda r: r[1].update(sources=[]), Code.RESULT_WRONG, 2),
    "one source": (lambda r: r[1].update(sources=["sensor"]), Code.RESULT_WRONG, 2),
    "unfinished": (lambda r: r[1].update(phase="official"), Code.RESULT_WRONG, 2),
    "another number": (lambda r: r[1].update(result=1), Code.OUTCOME_DIFFERS, 2),
    "other rules": (lambda r: _bet(r, 1, 0, 7, "00"), Code.BET_CHANGED, 2),
    "no stake": (lambda r: _bet(r, 1, 0, 3, 0), Code.BET_CHANGED, 2),
    "bet twice": (lambda r: r[1]["bets"].append(r[1]["bets"][0]), Code.BET_CHANGED, 2),
    "bet of two rounds": (lambda r: r[2]["bets"].append(
        [*r[0]["bets"][0][:5], r[2]["opened"], *r[0]["bets"][0][6:]]), Code.BET_CHANGED, 3),
    "bet of one version": (lambda r: _bet(r, 3, 2, 1, 99), Code.BET_CHANGED, 4),
    "too late": (lambda r: _bet(r, 1, 0, 5, r[1]["finished"]), Code.BET_OUT_OF_TIME, 2),
    "too early": (lambda r: _bet(r, 1, 0, 5, "2020-01-01T00:00:00.000000Z"),
        Code.BET_OUT_OF_TIME, 2),
    "undone late": (lambda r: _outcome(r, 0, 3, 4, r[0]["finished"]), Code.BET_OUT_OF_TIME, 1),
    "no position": (lambda r: _bet(r, 1, 0, 2, "split:3-4"), Code.UNREADABLE, 2),
    "other position": (lambda r: _bet(r, 1, 1, 2, "straight:1"), Code.OUTCOME_DIFFERS, 2),
    "no outcome": (lambda r: r[1]["outcomes"].pop(), Code.BET_WITHOUT_OUTCOME, 2),
    "two outcomes": (lambda r: r[1]["outcomes"].append(r[1]["outcomes"][0]),
        Code.PAYOUT_TWICE, 2),
    "unknown bet": (lambda r: r[1]["bets"].pop(), Code.UNKNOWN_BET_PAID, 2),
    "paid less": (lambda r: _outcome(r, 1, 0, 2, 74), Code.OUTCOME_DIFFERS, 2),
    "lost in words": (lambda r: _outcome(r, 1, 0, 1, "lost"), Code.OUTCOME_DIFFERS, 2),
    "no transfer": (lambda r: _outcome(r, 1, 0, 3, None), Code.OUTCOME_DIFFERS, 2),
    "refunded less": (lambda r: _outcome(r, 2, 0, 2, 299), Code.OUTCOME_DIFFERS, 3),
    "undone later": (lambda r: _outcome(r, 3, 0, 1, "undone"), Code.OUTCOME_DIFFERS, 4),
    "version left out": (lambda r: r[3].update(version=3), Code.VERSION_MISSING, 4),
    "voided, then settled": (lambda r: r[3].update(round=r[2]["round"]), Code.VERSION_MISSING, 4),
    "a number twice": (lambda r: r[2].update(number=1), Code.ROUND_MISSING, 3),
    "a number left out": (lambda r: r[2].update(number=3), Code.ROUND_MISSING, None),
    "other stake": (lambda r: [_bet(r, p, 2, 3, 60) for p in (0,)], Code.BET_CHANGED, 4),
    "other player": (lambda r: _bet(r, 1, 0, 1, 99), Code.BET_WITHOUT_STAKE, 2),
    "stake unknown": (lambda r: _bet(r, 1, 0, 6, "0"), Code.BET_WITHOUT_STAKE, 2),
    "payout unknown": (lambda r: _outcome(r, 1, 0, 3, "0"), Code.PAYOUT_DIFFERS, 2),
    "correction not sealed, an hour ago": (lambda r: r.pop(), Code.PAYOUT_TWICE, 1),
    "round left out": (lambda r: r.pop(1), Code.ROUND_MISSING, None),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ROUND_CHANGES))
def test_a_round_that_its_rules_or_the_books_contradict_is_named(folder, name, monkeypatch):
    change, code, row = ROUND_CHANGES[name]
    monkeypatch.setattr(verify_rounds, "UNSEALED_MAX", -verify_rounds.UNSEALED_MAX)  # time passed
    rows = rows_of(folder, "rounds")
    change(rows)
    write(folder, "rounds", rows)
    assert found(folder) == [(code, row)]


def test_rounds_in_play_and_corrections_under_way_are_no_finding(folder):
    rows = rows_of(folder, "rounds")
    write(folder, "rounds", rows[:1])
    assert found(folder) == []


def _of(books, kind, nth=0):
    return [
        (one, move) for one in books for move in one["transfers"] if move[5] == kind
    ][nth]  # fmt: skip


def _add(books, kind, nth=0, **fields):
    """The same movement once more, under another id."""
    batch, move = _of(books, kind, nth)
    again = list(move)
    again[1] = "another"
    for name, value in fields.items():
        again[{"debit": 2, "credit": 3, "amount": 4, "kind": 5, "ref": 6}[name]] = value
    batch["transfers"].append(again)


def _drop(books, kind, nth=0):
    batch, move = _of(books, kind, nth)
    batch["transfers"].remove(move)


def _set(books, kind, column, value, nth=0):
    _of(books, kind, nth)[1][column] = value


def _payback(books):
    """What the correction took from a player, bet by bet."""
    return next(
        move
        for one in books
        for move in one["transfers"]
        if one["key"].startswith("correct:") and move[6].startswith("bet:") and move[4] == 3_600
    )


def _other_house(books):
    """Another table's house pays what this one's round wants."""
    _set(books, "house_sweep", 2, _of(books, "house_sweep", 1)[1][2])


def _to_other_house(books):
    """What the house gets of a round goes to another table's house."""
    moves = [move for one in books for move in one["transfers"]]
    escrows = {move[2] for move in moves if move[5] in {"payout", "refund"}}
    houses = {move[2] for move in moves if move[5] == "house_sweep"} - escrows
    left = next(move for move in moves if move[2] in escrows and move[3] in houses)
    (left[3],) = houses - {left[3]}


def _given_for_nothing(books):
    """A player pays the house more in a correction, in the name of no bet."""
    batch = next(one for one in books if one["key"].startswith("correct:"))
    back = _payback(books)
    batch["transfers"].append([999, "another", *back[2:4], 50, "correction", "round:x", None])
    ends = batch["transfers"][-2]
    batch["transfers"].append([1000, "more", back[3], ends[3], 50, "correction", "round:x", None])


BOOK_CHANGES = {
    "stake gone": (lambda b: _drop(b, "stake"), Code.BET_WITHOUT_STAKE),
    "stake differs": (lambda b: _set(b, "stake", 4, 99), Code.BET_WITHOUT_STAKE),
    "stake for another": (lambda b: _set(b, "stake", 6, "bet:x"), Code.BET_WITHOUT_STAKE),
    "stake of no bet": (lambda b: _add(b, "stake"), Code.STAKE_WITHOUT_BET),
    "payout differs": (lambda b: _set(b, "payout", 4, 3_601), Code.PAYOUT_DIFFERS),
    "payout to another": (lambda b: _set(b, "payout", 3, _of(b, "refund")[1][3]),
        Code.PAYOUT_DIFFERS),
    "payout as refund": (lambda b: _set(b, "payout", 5, "refund"), Code.PAYOUT_DIFFERS),
    "payout gone": (lambda b: _drop(b, "payout"), Code.PAYOUT_DIFFERS),
    "payout twice": (lambda b: _add(b, "payout"), Code.PAYOUT_TWICE),
    "unknown paid": (lambda b: _add(b, "payout", ref="bet:x"), Code.UNKNOWN_BET_PAID),
    "from another's house": (_other_house, Code.STAKE_WITHOUT_BET),
    "to another's house": (_to_other_house, Code.UNKNOWN_BET_PAID),
    "escrow keeps": (lambda b: _drop(b, "house_sweep"), Code.ESCROW_NOT_EMPTY),
    "too little back": (lambda b: _payback(b).__setitem__(4, 3_599), Code.PAYBACK_DIFFERS),
    "back from another": (lambda b: _payback(b).__setitem__(2, _of(b, "refund")[1][3]),
        Code.PAYBACK_DIFFERS),
    "given for nothing": (_given_for_nothing, Code.PAYBACK_DIFFERS),
    "back from nothing": (lambda b: _payback(b).__setitem__(6, "round:x"), Code.PAYBACK_DIFFERS),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BOOK_CHANGES))
def test_books_that_pay_otherwise_are_named_with_the_round(folder, name):
    change, code = BOOK_CHANGES[name]
    books = rows_of(folder, "ledger")
    change(books)
    write(folder, "ledger", books)
    assert [one for one, _ in found(folder)] == [code]

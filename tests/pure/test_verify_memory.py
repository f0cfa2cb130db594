"""The outsiders' verifier needs no more memory for ten times the transfers."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from tests.pure.verify_house import declared, house, ms, sighting
from tests.pure.verify_seals import signed, write
from verify import rounds as verify_rounds
from verify.export import Export, Listed
from verify.findings import Code, Finding
from verify.ledger import check_ledger
from verify.results import check_results
from verify.rounds import check_rounds
from verify.signed import EXPORT_CONTEXT, one_spelling
from verify.spool import BUCKETS, Once, Spool, bucket_of

AT = "2026-03-01T12:00:00.000000Z"


def house_of(folder: Path, rounds: int, per_round: int = 50) -> Export:
    """Voided rounds of so many bets each: stakes in, refunds out, all of it right."""
    accounts = [_account(1, "psp_clearing", "psp:x"), _account(2, "player_cash", "player:1")]
    batches = [_batch(1, [_move(1, "deposit-1", (1, 2), 100 * per_round * rounds, "deposit", "x")])]
    rows = []
    for number in range(1, rounds + 1):
        escrow, id_ = number + 2, f"round-{number}"
        accounts.append(_account(escrow, "escrow", f"round:{id_}"))
        bets = [f"{id_}-bet-{n}" for n in range(per_round)]
        stakes = [
            _move(n, f"{bet}-in", (2, escrow), 100, "stake", f"bet:{bet}")
            for n, bet in enumerate(bets, 1)
        ]
        refunds = [
            _move(n, f"{bet}-out", (escrow, 2), 100, "refund", f"bet:{bet}")
            for n, bet in enumerate(bets, 1)
        ]
        # as they commit, not as they are numbered
        batches += [_batch(2 * number + 1, refunds), _batch(2 * number, stakes)]
        rows.append(_round(number, id_, bets))
    for source, found in (("ledger_accounts", accounts), ("ledger", batches), ("rounds", rows)):
        write(folder / source / "rows.jsonl", [one_spelling(one) for one in found])
    write(
        folder / "manifest.json", [signed({"at": AT, "sources": {}, "v": EXPORT_CONTEXT.decode()})]
    )
    return Export(folder, {}, {}, frozenset({"ledger_accounts", "ledger", "rounds"}))


def _account(id_: int, kind: str, owner: str) -> dict:
    return {"at": AT, "id": id_, "currency": "EUR", "kind": kind, "owner": owner}


def _batch(id_: int, transfers: list) -> dict:
    return {"at": AT, "id": id_, "key": f"k{id_}", "n": len(transfers), "transfers": transfers}


def _move(item: int, id_: str, ends: tuple[int, int], minor: int, kind: str, ref: str) -> list:
    return [item, id_, *ends, minor, kind, ref, None]


def _round(number: int, id_: str, bets: list[str]) -> dict:
    rules = "x"
    return {
        "round": id_, "version": 1, "table": "t", "number": number, "phase": "voided",
        "result": None, "sources": [], "rules": rules, "opened": AT, "closed": AT,
        "official": None, "finished": AT,
        "bets": [[bet, 1, "red", 100, "EUR", AT, f"{bet}-in", rules] for bet in bets],
        "outcomes": [[bet, "refunded", 100, f"{bet}-out", AT] for bet in bets],
    }  # fmt: skip


def listed(name: str) -> Listed:
    return Listed(name, 0, 0, "")


def checked(export: Export) -> list[Finding]:
    return [*check_ledger(export, listed("ledger")), *check_rounds(export, listed("rounds"))]


def peak_of(export: Export) -> int:
    tracemalloc.start()
    try:
        assert checked(export) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def _known_rules(monkeypatch):
    monkeypatch.setattr(verify_rounds, "RULES", {"x"})


@pytest.mark.feature("F44", "F56")
def test_memory_does_not_grow_with_transfers(tmp_path):
    few = peak_of(house_of(tmp_path / "few", 100, 10))
    many = peak_of(house_of(tmp_path / "many", 100, 150))  # 28,000 transfers more
    assert many - few < 2_000_000  # one round and one batch; all of them held took 20 MB


@pytest.mark.feature("F44", "F56")
def test_memory_hardly_grows_with_what_the_record_says_of_rounds(tmp_path):
    """Per round, its range of observations is held: not its record, nor the observations."""
    few = _peak_of_results(tmp_path / "few", 300)
    many = _peak_of_results(tmp_path / "many", 1_300)
    assert many - few < 1_000_000  # the record of all rounds, held, took 4 MB


def _peak_of_results(folder: Path, rounds: int) -> int:
    rows = house()
    for number in range(3, rounds):
        opened, n = 60 * number + 120, 2 * number + 3
        sighting(rows, "wheel", "result", opened + 30, number=number % 37)
        sighting(rows, "keypad", "presenter_confirm", opened + 31, number=number % 37)
        evidence = {"evidence_after": n - 2, "evidence_to": n, "evidence_since": ms(opened)}
        declared(rows, number, opened, number % 37, **evidence, words="x" * 2_000)
    for source in ("rounds", "audit", "sightings"):
        write(folder / source / "rows.jsonl", [one_spelling(one) for one in rows[source]])
    export = Export(folder, {}, {}, frozenset(rows))
    del rows
    tracemalloc.start()
    try:
        assert list(check_results(export, listed("rounds"))) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("where", ["same batch", "earlier round", "later batch"])
def test_a_transfer_that_is_used_twice_is_named_wherever_it_stands(tmp_path, where):
    export = house_of(tmp_path, 3)
    path = tmp_path / "ledger" / "rows.jsonl"
    was, made = {
        "same batch": ("round-2-bet-7-in", "round-2-bet-6-in"),
        "earlier round": ("round-2-bet-7-in", "round-1-bet-6-in"),
        "later batch": ("round-2-bet-7-in", "round-3-bet-6-in"),
    }[where]
    path.write_text(path.read_text().replace(f'"{was}"', f'"{made}"'))
    (finding,) = check_ledger(export, listed("ledger"))
    assert (finding.code, finding.detail) == (Code.BOOKS_WRONG, f"transfer {made} is used twice")
    assert finding.row == {"same batch": 5, "earlier round": 5, "later batch": 7}[where]


def test_what_one_uses_again_is_not_used_twice():
    with Spool() as spool:
        once = Once(spool)
        once.use("a", 1, by="x")
        once.use("b", 2, by="x")
        once.use("a", 3, by="x")
        assert once.first_repeated() is None
        once.use("b", 4, by="y")
        once.use("a", 5, by="y")
        found = once.first_repeated()
        assert found is not None
        assert found.row == 4


def test_a_bucket_holds_what_was_put_there_in_its_order():
    with Spool() as spool:
        for number in range(1_000):
            spool.put(f"name-{number % 500}", f"name-{number % 500} {number}\n".encode())
        seen = 0
        for bucket in range(BUCKETS):
            last: dict[str, int] = {}
            for line in spool.lines(bucket):
                name, number = line.decode().split()
                assert bucket_of(name) == bucket
                assert int(number) > last.get(name, -1)
                last[name] = int(number)
                seen += 1
        assert seen == 1_000

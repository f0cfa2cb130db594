"""A newer list of seals continues an older one, or it is named where it does not."""

from __future__ import annotations

import json

import pytest

from tests.pure.verify_seals import OTHER_KEY, History, pem, signed, write
from verify.__main__ import main
from verify.consistency import compare
from verify.findings import Code, Unusable

pytestmark = pytest.mark.feature("F44", "F56")


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(pem())
    return path


@pytest.fixture
def whole() -> list[bytes]:
    return History().seals(8)


def fork(at: int) -> list[bytes]:
    """A history that is the same until seal ``at``, signed and chained anew from there."""
    other = History()
    return [*other.seals(at - 1), *other.seals(9 - at, word="another")]


def found(tmp_path, key, old: list[bytes], new: list[bytes]) -> list[tuple[Code, int | None]]:
    comparison = compare(
        write(tmp_path / "old.jsonl", old), write(tmp_path / "new.jsonl", new), key
    )
    return [(one.code, one.seal) for one in comparison.findings]


HOLDS = {
    "the same": (slice(0, 8), slice(0, 8)),
    "grown": (slice(0, 5), slice(0, 8)),
    "one seal noted": (slice(4, 5), slice(0, 8)),
    "one seal a month": (slice(0, 8, 3), slice(0, 8)),
    "a page that follows": (slice(0, 5), slice(5, 8)),
    "a page that overlaps": (slice(0, 5), slice(3, 8)),
    "the first seal of a page": (slice(3, 4), slice(3, 8)),
}


@pytest.mark.parametrize("name", list(HOLDS))
def test_a_list_that_only_grew_holds(tmp_path, key, whole, name):
    old, new = HOLDS[name]
    assert found(tmp_path, key, whole[old], whole[new]) == []


MISSING = {
    "the newest ones": (slice(0, 8), slice(0, 6), 7),
    "all but the first": (slice(0, 8), slice(0, 1), 2),
    "the older list is out of reach": (slice(0, 3), slice(4, 8), 1),
    "a noted one is out of reach": (slice(1, 8, 4), slice(3, 8), 2),
}


@pytest.mark.parametrize("name", list(MISSING))
def test_a_seal_that_is_not_there_any_more_is_named(tmp_path, key, whole, name):
    old, new, seal = MISSING[name]
    assert found(tmp_path, key, whole[old], whole[new]) == [(Code.SEAL_MISSING, seal)]


@pytest.mark.parametrize("gone", range(1, 8))
def test_a_seal_taken_out_of_the_middle_is_named(tmp_path, key, whole, gone):
    new = whole[:gone] + whole[gone + 1 :]
    assert found(tmp_path, key, whole, new) == [(Code.SEAL_MISSING, gone + 1)]
    # also where whoever kept the older list had not that one
    assert found(tmp_path, key, whole[:1], new) == (
        [(Code.SEAL_MISSING, gone + 1)] if gone < 7 else []
    )


@pytest.mark.parametrize("at", range(1, 9))
def test_a_history_that_was_signed_anew_is_a_fork(tmp_path, key, whole, at):
    assert found(tmp_path, key, whole, fork(at)) == [(Code.FORKED, at)]
    assert found(tmp_path, key, whole[-1:], fork(at)) == [(Code.FORKED, 8)]
    if at > 1:  # whoever kept only what came before it cannot tell
        assert found(tmp_path, key, whole[: at - 1], fork(at)[at - 1 :]) == []
    if at < 8:
        assert found(tmp_path, key, whole[:at], fork(at)[at:]) == [(Code.FORKED, at + 1)]


@pytest.mark.parametrize("first", range(7))
def test_seals_in_another_order_are_named(tmp_path, key, whole, first):
    new = list(whole)
    new[first], new[first + 1] = new[first + 1], new[first]
    code = Code.BROKEN_CHAIN if first == 0 else Code.SEAL_MISSING
    assert found(tmp_path, key, whole[:1], new)[0][0] == code
    assert found(tmp_path, key, new, whole)[0][0] == Code.BROKEN_CHAIN


@pytest.mark.parametrize("which", ["old", "new"])
def test_every_flipped_byte_of_either_list_is_found(tmp_path, key, whole, which):
    line = whole[2]
    missed = []
    for index in range(len(line)):
        spoiled = [*whole[:2], line[:index] + bytes([line[index] ^ 1]) + line[index + 1 :]]
        spoiled += whole[3:]
        pair = (spoiled, whole) if which == "old" else (whole, spoiled)
        if found(tmp_path, key, *pair) == []:
            missed.append(index)
    assert missed == []


def test_a_chain_that_lies_about_what_comes_before_is_broken(tmp_path, key):
    for changed in ({"first": 9}, {"prev": "0" * 64}, {"prev_root": "1" * 64}, {"v": 2}):
        history = History()
        lines = [*history.seals(2), history.seal(**changed), history.seal()]
        assert found(tmp_path, key, lines[:1], lines) == [(Code.BROKEN_CHAIN, 3)]


def test_a_seal_of_a_stranger_is_named(tmp_path, key, whole):
    forged = signed(json.loads(json.loads(whole[7])["payload"]), OTHER_KEY)
    assert found(tmp_path, key, whole[:5], [*whole[:7], forged]) == [(Code.UNKNOWN_KEY, 8)]


def test_a_source_that_vanished_is_named_and_a_new_one_is_not(tmp_path, key, capsys):
    audit, ledger = History("audit").seals(3), History("ledger").seals(3)
    old, new = tmp_path / "old", tmp_path / "new"
    write(old / "audit.jsonl", audit[:2])
    write(new / "audit.jsonl", audit)
    write(new / "ledger" / "seals.jsonl", ledger)  # as an export has it
    (new / "rounds.jsonl").write_bytes(b"")
    assert main(["consistency", str(old), str(new), "--public-key", str(key)]) == 0
    assert capsys.readouterr().out == "audit: seals 1 to 3 continue the older list to 2\n"
    write(old / "ledger.jsonl", ledger)
    (new / "ledger" / "seals.jsonl").unlink()
    words = ["consistency", str(old), str(new), "--public-key", str(key), "--format", "json"]
    assert main(words) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["sources"] == {"audit": {"first": 1, "old": 2, "new": 3}}
    assert [(one["source"], one["code"]) for one in told["findings"]] == [
        ("ledger", "source_missing")
    ]


@pytest.mark.parametrize(
    "what", ["nothing there", "an empty file", "no seals", "two of one source"]
)
def test_lists_that_cannot_be_read_are_not_called_wrong(tmp_path, key, whole, what):
    old, new = write(tmp_path / "old.jsonl", whole), tmp_path / "new"
    if what == "an empty file":
        write(new, [])
    elif what == "no seals":
        write(new, [b"{}"])
    elif what == "two of one source":
        write(new / "a.jsonl", whole)
        write(new / "b.jsonl", whole)
    with pytest.raises(Unusable):
        compare(old, new, key)
    assert main(["consistency", str(old), str(new), "--public-key", str(key)]) == 2

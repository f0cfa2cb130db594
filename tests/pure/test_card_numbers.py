"""What is a card's number and what only looks like one. Numbers are made when the tests run."""

from __future__ import annotations

import hashlib
import uuid
from itertools import islice

import pytest

from audit.card_numbers import has_card, hidden, spans
from casino.log_lines import hide_card_numbers
from kernel.ids import new_id
from tests.gates import card_numbers as gate

NETWORKS = [
    ("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15),
    ("37", 15), ("300", 14), ("36", 14), ("3528", 16), ("6011", 16), ("65", 16), ("62", 16),
    ("62", 19), ("2200", 16), ("5018", 16), ("6304", 19),
]  # fmt: skip


def number(prefix: str, length: int, salt: int = 0) -> str:
    """A number with issuer, length and check digit; of nobody's card."""
    filling = str(int(hashlib.sha256(f"{prefix}{salt}".encode()).hexdigest(), 16))
    body = (prefix + filling)[: length - 1]
    total = 0
    for n, digit in enumerate(reversed(body)):
        value = int(digit) * (2 - n % 2)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def grouped(digits: str, separator: str) -> str:
    sizes = {14: (4, 6, 4), 15: (4, 6, 5), 16: (4, 4, 4, 4), 19: (4, 4, 4, 4, 3)}[len(digits)]
    left = iter(digits)
    return separator.join("".join(islice(left, size)) for size in sizes)


@pytest.mark.parametrize(("prefix", "length"), NETWORKS)
@pytest.mark.parametrize("separator", ["", " ", "-", "\u00a0"])
def test_a_cards_number_is_found_however_it_is_written(prefix, length, separator):
    written = grouped(number(prefix, length), separator)
    assert has_card(written)
    said = f"my card is {written}, it ends 12/29"
    assert hidden(said) == "my card is [card number], it ends 12/29"
    assert has_card(f"{written} 12/29 123")
    assert has_card(f'{{"card": "{written}"}}')
    assert has_card(f"card={written}&cvc=123")
    assert has_card(f'{{"card":{written}}}')
    assert has_card(f"name,{written},12/29")
    assert has_card(f"/cards/{written}/")
    assert has_card(f"card:{written}.")


@pytest.mark.parametrize(("prefix", "length"), NETWORKS)
def test_a_wrong_check_digit_issuer_or_length_is_no_card(prefix, length):
    good = number(prefix, length)
    assert not has_card(good[:-1] + str((int(good[-1]) + 1) % 10))
    for other in ("1", "7", "9"):
        assert not has_card(number(other, length))
    assert not has_card(number("4", 17))
    assert not has_card(number("37", 16))


def test_two_cards_in_one_text_are_both_found():
    one, other = number("4", 16), grouped(number("51", 16), " ")
    assert len(spans(f"{one} and {other}")) == 2
    assert hidden(f"{other} {one}") == "[card number] [card number]"


@pytest.mark.parametrize("unit", [1_000, 1_000_000, 1_000_000_000])
def test_times_are_no_cards(unit):
    """From 2001 to 2033 in steps of four hours or so, in milli-, micro- and nanoseconds."""
    times = (str(at * unit + at % unit) for at in range(1_000_000_000, 1_999_999_999, 14_407))
    assert not any(has_card(text) or has_card(f'{{"at": {text}}}') for text in times)


def test_ids_and_hashes_are_no_cards():
    """Also those that are digits throughout, as one in many is."""
    for n in range(20_000):
        digest = hashlib.sha256(str(n).encode()).hexdigest()
        digits = str(int(digest, 16))
        whole = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
        for text in (
            digest, whole, str(uuid.UUID(digest[:32])), digits, f"txn_{digits[:24]}",
            f"payment:{whole}", f"pi_{digits[:16]}", f"v{digits[:16]}", f"0.{digits[:16]}",
            f"{digits[:16]}.5", f"+{digits[:15]}", f"{digits[:16]}px",
        ):  # fmt: skip
            assert not has_card(text), text


def test_ids_of_ledger_entries_are_no_cards():
    ids = [new_id() for _ in range(5_000)]
    assert not any(has_card(f"payment:{one}") or has_card(one.hex) for one in ids)
    entries = (str(n) for n in range(1, 10**13, 10**8))  # what counts up, and far beyond it
    assert not any(map(has_card, entries))


@pytest.mark.parametrize(
    "text",
    [
        "17 4 22 31 0 36 12 5 29 8 8 14 33 20 1 2 9",
        "2026-11-27 20:51:46.123456",
        "+49 1512 3456 7890 12",
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "0000 0000 0000 0000",
        "4444444444444444444444444",
    ],
)
def test_what_people_and_machines_write_is_no_card(text):
    assert not has_card(text)


def test_an_ibans_groups_are_no_card_where_the_same_groups_alone_are():
    groups = grouped(number("4", 16), " ")
    assert has_card(groups)
    assert not has_card(f"MT84 {groups}")


def test_a_log_line_holds_no_card_wherever_it_stands():
    card = number("4", 16)
    line = hide_card_numbers(
        None, "info",
        {
            "event": f"said {card}", "at": "2026", "n": 4, "none": None, "deep": {"list": [card]},
            "error": ValueError(card), "traceback": f"Traceback\n  {grouped(card, ' ')}",
        },
    )  # fmt: skip
    assert card not in repr(line)
    assert not has_card(repr(line))
    assert (line["n"], line["none"], line["event"]) == (4, None, "said [card number]")


def test_the_gate_finds_a_number_in_a_file_and_none_in_ours(tmp_path):
    ours = gate.files()
    assert len(ours) > 100
    assert gate.findings(ours) == []
    planted = tmp_path / "notes.txt"
    planted.write_text(f"first\n{number('4', 16)}\n")
    assert gate.findings([planted]) == [f"{planted}:2"]

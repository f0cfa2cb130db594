"""`bin/bench screening [--players 100000] [--names 20000]`: everybody against a new list.

Players and listed people have made-up names of common parts (so that buckets of the index are as
full as with real ones), dates and countries; one in a thousand players is somebody of the list with
the words turned round or a letter changed. Measured: loading the list, then a whole run of
`compliance.screening.screening.run` on PostgreSQL with its checks and hits committed. ``recall`` is
what the index finds of what comparing all with all finds, for mistyped names of listed people.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
from datetime import date, timedelta
from time import perf_counter
from typing import Any, Final

from bench.database.fresh import fresh_database, settings_that_count

# isort: split
from django.db import connection

from compliance.screening import lists, screening
from compliance.screening.lists import Loading
from compliance.screening.matching import Person
from compliance.screening.names import normal
from kernel.ids import Actor

ONSETS: Final = (
    "al", "an", "be", "bo", "ca", "da", "di", "el", "fa", "ga", "ha", "ib", "ja", "ka", "li", "ma",
    "mi", "na", "ol", "pa", "ra", "ro", "sa", "se", "ta", "to", "va", "vi", "wa", "ya", "za", "zo",
)  # fmt: skip
MIDDLES: Final = ("ri", "na", "mu", "sse", "lo", "ki", "bra", "nti", "dde", "rge", "sto", "vle")
ENDS: Final = ("a", "in", "ov", "ez", "ko", "ski", "man", "dt", "o", "ar", "ich", "ero", "son")
COUNTRIES: Final = ("MT", "DE", "SE", "DK", "GB", "RU", "IR", "SY")
TARGETS: Final = {"seconds": 300, "rss_growth_mb": 500, "recall": 0.95}
SAMPLE: Final = 1_000


def given(n: int) -> str:
    """One of 4,992 words, the low numbers far more often than the high ones."""
    return ONSETS[n % 32] + MIDDLES[n // 32 % 12] + ENDS[n // 384 % 13]


class Chance:
    """A small repeatable generator (a 64-bit LCG): a benchmark wants the same names each time."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % limit


def person(chance: Chance) -> tuple[str, str]:
    """A name of two or three words; the first is common, the last is not."""
    first = given(chance.below(chance.below(600) + 1))
    last = given(chance.below(4_992)) + ENDS[chance.below(13)]
    middle = f" {given(chance.below(1_000))}" if chance.below(4) == 0 else ""
    return f"{first}{middle}", last


def a_list(names: int) -> tuple[io.BytesIO, list[tuple[str, str]]]:
    chance, rows, kept = Chance(7), ["id,kind,name,aliases,birth_dates,countries,programme"], []
    for n in range(names):
        first, last = person(chance)
        born = date(1930, 1, 1) + timedelta(days=chance.below(25_000))
        rows.append(f'{n},person,"{last}, {first}",,{born},{COUNTRIES[chance.below(8)]},X')
        kept.append((f"{last} {first}", born.isoformat()))
    return io.BytesIO(("\n".join(rows) + "\n").encode()), kept


def a_house(players: int, listed: list[tuple[str, str]]) -> None:
    """Players straight into the tables: passwords and standings are no part of this."""
    chance = Chance(11)
    numbers = range(1, players + 1)
    for start in range(0, players, 2_000):
        rows = [_player(n, chance, listed) for n in numbers[start : start + 2_000]]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_user (id, email, name, password, is_staff, is_active)"
                " SELECT (r->>0)::bigint, r->>1, r->>2, '!', false, true"
                " FROM jsonb_array_elements(%s::jsonb) r",
                [json.dumps(rows)],
            )
            cursor.execute(
                "INSERT INTO accounts_player (user_id, date_of_birth, country, currency, is_test,"
                " terms_version) SELECT (r->>0)::bigint, (r->>3)::date, r->>4, 'EUR', false, ''"
                " FROM jsonb_array_elements(%s::jsonb) r",
                [json.dumps(rows)],
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _player(
    n: int, chance: Chance, listed: list[tuple[str, str]]
) -> tuple[int, str, str, str, str]:
    first, last = person(chance)
    name = f"{first} {last}"
    born = (date(1940, 1, 1) + timedelta(days=chance.below(24_000))).isoformat()
    if n % 1_000 == 0:
        name, born = listed[n * 13 % len(listed)]
        name = name.replace("a", "e", 1) if n % 2_000 == 0 else name
    return n, f"p{n}@example.test", name, born, COUNTRIES[chance.below(5)]


def recall(sample: int, listed: list[tuple[str, str]]) -> tuple[float, int]:
    """Of the pairs that comparing all finds for listed people whose names were mistyped (one letter
    another or gone, anywhere), those that the index finds.
    """
    known, chance, found, missed = screening.current(), Chance(13), 0, 0
    for _ in range(sample):
        name, born = listed[chance.below(len(listed))]
        one = Person(normal(mistyped(name, chance)), date.fromisoformat(born), "")
        everything = {id(listed) for listed, _ in known.index.matches_of_all(one)}
        indexed = {id(listed) for listed, _ in known.index.matches(one)}
        found += len(everything & indexed)
        missed += len(everything - indexed)
    return (found / (found + missed) if found + missed else 1.0), found + missed


def mistyped(name: str, chance: Chance) -> str:
    at = chance.below(len(name))
    other = "" if chance.below(2) else "aeioumnrst"[chance.below(10)]
    return name[:at] + other + name[at + 1 :]


def rss_peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench screening", description=__doc__)
    parser.add_argument("--players", type=int, default=100_000)
    parser.add_argument("--names", type=int, default=20_000)
    given_words = parser.parse_args(words)
    with fresh_database():
        file, listed = a_list(given_words.names)
        a_house(given_words.players, listed)
        before_mb, began = rss_peak_mb(), perf_counter()
        lists.load(
            Loading("bench", "csv", {"list.csv": file}, expected=given_words.names),
            actor=Actor.system("bench"),
        )
        loaded = perf_counter()
        done = screening.run(budget_ms=3_600_000)
        ended = perf_counter()
        peak_mb = rss_peak_mb()
        part, pairs = recall(SAMPLE, listed)
        postgres = settings_that_count()
    figures: dict[str, Any] = {
        "seconds": round(ended - loaded, 1),
        "rss_growth_mb": peak_mb - before_mb,
        "recall": round(part, 4),
    }
    missed = [
        name
        for name, target in TARGETS.items()
        if (figures[name] < target if name == "recall" else figures[name] > target)
    ]
    result = figures | {
        "rss_peak_mb": peak_mb,
        "load_seconds": round(loaded - began, 1),
        "players": done.checked,
        "names": given_words.names,
        "hits": done.hits,
        "players_per_second": round(done.checked / (ended - loaded)),
        "recall_pairs": pairs,
        "targets": TARGETS,
        "missed": missed,
        "postgres": postgres,
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if missed or not done.is_complete else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

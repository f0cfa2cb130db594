"""Numbers of advisory locks: a name says what each is for, and no two have the same."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("accounts", "audit", "backoffice", "casino", "compliance", "events", "kernel", "ledger"),
    *("notices", "payments", "streaming", "studio", "tables"),
)
#: What a lock is taken with: in the house's own words, in those of the database, or as its value.
TAKEN = (
    re.compile(r"(?<!def )\bonly_one\(\s*([^\s,)]+)"),
    re.compile(r"advisory_\w*lock\w*\(\s*(\d+)"),
    re.compile(r"""advisory_\w*lock\w*\(%s[^"']*["'],\s*[\[(]\s*([^\s,\])]+)"""),
)


def _modules() -> list[tuple[Path, str]]:
    found = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
    return [(path, path.read_text("utf-8")) for path in found]


def _numbers(text: str) -> dict[str, int]:
    """Names of a module that end in LOCK and are a number."""
    return {
        name.id: one.value.value
        for one in ast.parse(text).body
        if isinstance(one, ast.Assign | ast.AnnAssign)
        for name in (one.targets if isinstance(one, ast.Assign) else [one.target])
        if isinstance(name, ast.Name)
        and name.id.endswith("LOCK")
        and isinstance(one.value, ast.Constant)
        and isinstance(one.value.value, int)
    }


def _taken(text: str) -> list[str]:
    """What stands where a module takes a lock by its number: a name, or the number itself."""
    return [word for form in TAKEN for word in form.findall(text)]


def test_no_two_locks_of_the_house_have_the_same_number():
    named = {
        f"{path.relative_to(ROOT)}:{name}": number
        for path, text in _modules()
        if "LOCK" in text
        for name, number in _numbers(text).items()
    }
    assert len(named) >= 10
    twice = {number for number, count in Counter(named.values()).items() if count > 1}
    assert {name: number for name, number in named.items() if number in twice} == {}


def test_whoever_takes_a_lock_by_number_takes_one_that_has_a_name():
    takers = {
        str(path.relative_to(ROOT)): _taken(text)
        for path, text in _modules()
        if path != ROOT / "audit" / "locks.py"
    }
    assert sum(map(bool, takers.values())) >= 10
    bare = {
        path: [word for word in words if not word.endswith("LOCK")]
        for path, words in takers.items()
    }
    assert {path: words for path, words in bare.items() if words} == {}


@pytest.mark.parametrize(
    "text",
    [
        "with only_one(77) as is_alone:  # SKIP LOCKED",
        "with only_one(\n    77\n) as is_alone:",
        'cursor.execute("SELECT pg_advisory_xact_lock(77)")',
        'cursor.execute("SELECT pg_try_advisory_lock(%s)", [77])',
        'cursor.execute(\n    "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [77, word]\n)',
    ],
)
def test_a_number_without_a_name_is_found_however_it_is_taken(text):
    assert _taken(text) == ["77"]


def test_a_number_is_a_locks_whether_its_name_says_that_it_is_final_or_not():
    assert _numbers("A_LOCK: Final = 1\nB_LOCK = C_LOCK = 2\nOTHER = 3\n") == {
        "A_LOCK": 1, "B_LOCK": 2, "C_LOCK": 2
    }  # fmt: skip

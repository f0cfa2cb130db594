"""Numbers of advisory locks: a name says what each is for, and no two have the same."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("accounts", "audit", "backoffice", "casino", "compliance", "events", "kernel", "ledger"),
    *("notices", "payments", "streaming", "studio", "tables"),
)
#: How a lock of the database is taken with one number.
TAKEN = ("only_one(", "advisory_lock(%s)", "advisory_xact_lock(%s)")


def _modules() -> list[tuple[Path, str]]:
    found = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
    return [(path, path.read_text("utf-8")) for path in found]


def _numbers(text: str) -> dict[str, int]:
    """Names of a module that end in LOCK and are a number."""
    return {
        one.target.id: one.value.value
        for one in ast.parse(text).body
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and one.target.id.endswith("LOCK")
        and isinstance(one.value, ast.Constant)
        and isinstance(one.value.value, int)
    }


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
    takers = [
        text for path, text in _modules() if any(word in text for word in TAKEN)
        if path != ROOT / "audit" / "locks.py"
    ]  # fmt: skip
    assert len(takers) >= 10
    bare = [text[:80] for text in takers if "LOCK" not in text]
    assert bare == []

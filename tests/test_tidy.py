"""The habits of the house as tests: size, words, and what replaces a banned one."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60

#: (what, where it is banned, what to write instead). The pattern is a regular expression.
BANNED = (
    (r"\bfloat\(", "*.py", "money and measures are integers with a unit"),
    (r"\bDecimal\(", "*.py", "kernel.money in minor units; fractions.Fraction for odds"),
    (r"\bFIXME\b|\bTODO\b", "*", "do it, or say it in docs/"),
    (r"on_delete=models\.CASCADE", "*.py", "models.PROTECT: records are not deleted in passing"),
    (r"\.innerHTML|\.outerHTML|insertAdjacentHTML", "*.js", "textContent, or a <template> cloned"),
    (r"\beval\(|new Function\(", "*.js", "say it in code"),
    (r"\|\s*safe\b|mark_safe\(", "*", "format_html, or let the template escape"),
    (r"^\s*except:", "*.py", "name the error"),
    (r"\bbutton_label_here\b|\blorem\b", "*", "the real words"),
)
#: Files that speak about the banned words, or whose measures are physical and not money.
MAY_SAY = {
    "tests/test_tidy.py": r".*",
    "studio/simulated": r"float",  # the ball's physics; nothing of it is money
    "casino/templatetags/money.py": r"Decimal",  # formatting at the edge, as babel wants it
}
TEXT = {".py", ".js", ".css", ".html", ".sh", ".md", ".toml", ".sql", ".txt", ".json", ".yaml"}
#: Directories with files that others wrote or programs made.
OTHERS = ("static/vendor/", "static/js/vendor/", "tests/samples/", "deploy/bootstrap/pip-")


def _files() -> list[Path]:
    """Every file of ours that git knows or would add."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.splitlines() if not name.startswith(OTHERS)]
    return [ROOT / name for name in names if Path(name).suffix in TEXT and (ROOT / name).exists()]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _ours(suffix: str) -> list[Path]:
    return [path for path in _files() if path.suffix == suffix]


def test_no_file_of_code_is_longer_than_500_lines():
    long = {
        _name(path): lines
        for path in _files()
        if path.suffix in {".py", ".js", ".css", ".html", ".sh", ".sql"}
        and (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def test_no_function_is_longer_than_60_lines():
    long = {}
    for path in _ours(".py"):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{_name(path)}:{node.name}"] = lines
    assert long == {}


@pytest.mark.parametrize(("pattern", "where", "instead"), BANNED, ids=[b[0] for b in BANNED])
def test_banned_words_are_not_used(pattern, where, instead):
    used = []
    for path in _files():
        if path.suffix in {".md", ".txt", ".json"} or not path.match(where):
            continue
        if any(
            _name(path).startswith(at) and re.search(may, pattern) for at, may in MAY_SAY.items()
        ):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(pattern, line):
                used.append(f"{_name(path)}:{number}: {line.strip()[:80]}")
    assert used == [], f"instead: {instead}"


def test_every_module_says_what_it_owns():
    silent = [
        _name(path)
        for path in _ours(".py")
        if path.name not in {"__init__.py", "apps.py", "urls.py"}
        and not {"migrations", "tests"} & set(path.parts)
        and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_nothing_is_named_after_nothing():
    """`utils` and `helpers` are where code goes whose business nobody asked about."""
    vague = {"utils.py", "helpers.py", "services.py", "manager.py", "misc.py", "common.py"}
    # the supervisor's services are PostgreSQL and Valkey, which is what they are called
    found = {_name(path) for path in _ours(".py") if path.name in vague}
    assert found == {"casino/supervisor/services.py"}


#: These say themselves why: settings are star imports, Django is set up before models are imported.
SPEAKS_FOR_ITSELF = {"F403", "E402"}


def test_a_check_that_is_switched_off_says_why():
    """The reason stands behind the code, or in a comment on the line above."""
    silent = []
    for path in _ours(".py"):
        if "migrations" in path.parts or path == Path(__file__):
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            found = re.search(r"#\s*(?:noqa: ([A-Z0-9, ]+)|type: ignore\[([\w, -]+)\])(.*)$", line)
            if found is None or (found[1] or "").strip() in SPEAKS_FOR_ITSELF:
                continue
            above = lines[number - 2].strip() if number > 1 else ""
            if len(found[3].strip(" #()")) < 4 and not above.startswith("#"):
                silent.append(f"{_name(path)}:{number}")
    assert silent == []

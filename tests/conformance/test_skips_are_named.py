"""No test can be skipped for a reason that the last gate does not know: read from the sources.

After all gates a row that was once proven is missed where its test was skipped, unless for what
`tests.gates.rows` names. Told there, it costs a whole run; told here, a second. A reason is one of
its functions, asked in the place of the skip, so that its words are written once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from casino.conformance import ROOT
from tests.gates import rows

pytestmark = pytest.mark.feature("F118")

NAMED = {ask.__name__ for ask in rows.REASONS}
#: What ends a test without a verdict. Only the first two may stand, and only with a reason.
SKIPS = {"skip", "skipif", "importorskip", "xfail", "skipTest", "SkipTest", "skipIf", "skipUnless"}


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_a_skip(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in SKIPS
    return isinstance(node, ast.ImportFrom) and any(name.name in SKIPS for name in node.names)


def _asked(node: ast.expr | None) -> str:
    """The name of the function of ours that is called here, or empty."""
    if isinstance(node, ast.Call) and not node.args and _last_name(node.func) in NAMED:
        return _last_name(node.func)
    return ""


def _asked_before(tree: ast.Module, name: str) -> bool:
    """Whether ``name`` is never anything but an answer of a function of ours."""
    given = asked = 0
    for node in ast.walk(tree):
        given += isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        given += isinstance(node, ast.arg) and node.arg == name
        asked += (
            isinstance(node, ast.NamedExpr) and node.target.id == name and bool(_asked(node.value))
        )
    return 0 < given == asked


def _may_stand(call: ast.Call, tree: ast.Module) -> bool:
    """`skip(why)` of a reason that was asked, or `skipif(bool(ask()), reason=ask() or ...)`."""
    words = {keyword.arg: keyword.value for keyword in call.keywords}
    if _last_name(call.func) == "skip":
        reason = call.args[0] if call.args else words.get("reason")
        if isinstance(reason, ast.Name):
            return _asked_before(tree, reason.id)
        return bool(_asked(reason))
    if _last_name(call.func) != "skipif" or len(call.args) != 1 or set(words) != {"reason"}:
        return False
    condition, reason = call.args[0], words["reason"]
    if isinstance(reason, ast.BoolOp) and isinstance(reason.op, ast.Or):
        reason = reason.values[0]
    if not (isinstance(condition, ast.Call) and _last_name(condition.func) == "bool"):
        return False
    return bool(_asked(reason)) and _asked(condition.args[0]) == _asked(reason)


def unnamed(text: str) -> list[int]:
    """The lines of a module where a test is skipped for what nobody named."""
    tree = ast.parse(text)
    fine = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _is_a_skip(node.func) and _may_stand(node, tree)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.ImportFrom)
        and _is_a_skip(node)
        and id(node) not in fine
    ]


def sources() -> Iterator[Path]:
    return (path for path in ROOT.glob("tests/**/*.py") if "node_modules" not in path.parts)


def test_no_test_is_skipped_for_a_reason_that_the_last_gate_does_not_name():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line in unnamed(path.read_text())
    ]
    assert found == []


def test_the_skips_that_stand_are_seen():
    """Else the test above would find nothing whatever it looked at."""
    seen = [
        node.lineno
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if _is_a_skip(node)
    ]
    assert len(seen) > 15


@pytest.mark.parametrize(
    "text",
    [
        'pytest.skip("FARO_BANK_SAMPLES is not set")',
        'pytest.skip(reason="later")',
        "pytest.skip()",
        "pytest.skip(why)",
        'if why := os.environ.get("CI"):\n    pytest.skip(why)',
        'if why := why_no_axe():\n    pytest.skip(why)\nwhy = "later"\npytest.skip(why)',
        'for why in ["later"]:\n    pytest.skip(why)',
        '@pytest.mark.skip(reason="later")\ndef test_a(): ...',
        "@pytest.mark.skip\ndef test_a(): ...",
        '@pytest.mark.skipif(True, reason="later")\ndef test_a(): ...',
        'pytestmark = pytest.mark.skipif(True, reason=why_no_axe() or "there")',
        'pytestmark = pytest.mark.skipif(bool(why_no_node()), reason=why_no_axe() or "there")',
        'pytestmark = pytest.mark.skipif(bool(why_no_camera()), reason=why_no_camera() or "there")',
        'np = pytest.importorskip("numpy")',
        '@pytest.mark.xfail(reason="later")\ndef test_a(): ...',
        'raise unittest.SkipTest("later")',
        'self.skipTest("later")',
        "from pytest import skip",
        "def test_a(why):\n    if why := why_no_axe():\n        pytest.skip(why)",
    ],
)
def test_a_skip_for_another_reason_is_found(text):
    assert unnamed(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "if why := why_no_chromium():\n    pytest.skip(why)",
        "if why := tools.why_no_history():\n    pytest.skip(why)",
        "pytest.skip(tools.why_no_node())",
        'pytestmark = pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there")',
    ],
)
def test_a_skip_for_what_the_machine_lacks_is_not(text):
    assert unnamed(text) == []


def test_each_named_reason_is_what_lacks_says(monkeypatch):
    monkeypatch.setattr(rows, "REASONS", {lambda: "no camera": ("tests/a/",), lambda: "": ()})
    assert rows.lacks() == {"no camera": ("tests/a/",)}

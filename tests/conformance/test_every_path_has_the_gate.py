"""No path of money goes around the gate: read from the sources, and from the database's routes.

The database refuses a stake, deposit or withdrawal without a permit of its own transaction. So a
bypass is a second place that issues permits, one that writes the ledger's tables itself, or a new
route by which a player's money moves without one. Each is looked for here; a new one has to be
looked at by a person before this test is changed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from django.db import connection

from casino.conformance import ROOT

pytestmark = pytest.mark.feature("F109")

#: Kinds of transfers that need a permit.
ASKED = {"STAKE", "DEPOSIT", "WITHDRAWAL_HOLD"}
#: Who may name such a kind: the gate, and the two who post what it allowed.
POSTING = {"tables/bets/betting.py", "payments/booking.py"}
NAMING = POSTING | {"compliance/gate.py", "ledger/postings.py"}
ISSUING = {"compliance/gate.py"}
#: What takes a permit from the gate and hands it to the ledger.
DECIDING = {"tables/bets/betting.py", "payments/deposits.py", "payments/withdrawals.py"}
WRITES = re.compile(r"(INSERT\s+INTO|UPDATE|DELETE\s+FROM|COPY)\s+ledger_\w+", re.IGNORECASE)
CALLS = re.compile(r"ledger_(post|issue_permits|hold|capture)\s*\(")


def sources() -> Iterator[tuple[str, str]]:
    """Every module of the product, by its path."""
    tops = (
        *("accounts", "audit", "backoffice", "casino", "compliance", "events", "kernel", "ledger"),
        *("notices", "payments", "streaming", "studio", "tables"),
    )
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def findings(file: str, text: str) -> list[str]:
    """What ``text`` as ``file`` does that only the gate or the ledger may do."""
    nodes = list(ast.walk(ast.parse(text)))
    return [
        f"{file}:{node.lineno} {what}"
        for look in (_names, _imports, _posts, _writes)
        for node in nodes
        for what in look(file, node)
    ]


def _names(file: str, node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return
    if node.value.id == "TransferKind" and node.attr in ASKED and file not in NAMING:
        yield "names a kind that needs a permit"
    if node.value.id == "permits" and node.attr.startswith("issue") and file not in ISSUING:
        yield "issues permits"


def _imports(_file: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "ledger.permits":
        for one in node.names:
            if one.name.startswith("issue"):
                yield "imports what issues permits"


def _posts(file: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and file in POSTING and _is_asked(node):
        permit = {word.arg: word.value for word in node.keywords}.get("permit")
        if permit is None or isinstance(permit, ast.Constant):
            yield "posts without a permit"


def _writes(file: str, node: ast.AST) -> Iterator[str]:
    if file.startswith("ledger/") or not isinstance(node, ast.Constant):
        return
    text = str(node.value)
    if WRITES.search(text):
        yield "writes a table of the ledger"
    if CALLS.search(text):
        yield "calls the ledger's own functions"


def _is_asked(call: ast.Call) -> bool:
    """Whether one of these kinds is among the call's own arguments."""
    return any(
        isinstance(one, ast.Attribute)
        and isinstance(one.value, ast.Name)
        and one.value.id == "TransferKind"
        and one.attr in ASKED
        for one in [*call.args, *(word.value for word in call.keywords)]
    )


def test_only_the_gate_issues_permits_and_only_the_ledger_writes_its_tables():
    assert [found for file, text in sources() for found in findings(file, text)] == []


def test_whoever_posts_what_needs_a_permit_asks_the_gate_for_it():
    texts = dict(sources())
    assert {file for file, text in texts.items() if "gate.decide(" in text} >= DECIDING
    for file in DECIDING:
        assert re.search(r"\.permit\b", texts[file]), file


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("payments/bonus.py", "kind = TransferKind.DEPOSIT"),
        ("tables/fast.py", "from ledger import permits\npermits.issue([])"),
        ("tables/fast.py", "from ledger import permits\npermits.issue_to_players_statement([])"),
        ("tables/fast.py", "from ledger.permits import issue"),
        ("payments/booking.py", "_post(key, TransferKind.DEPOSIT, pair, amount, ref)"),
        ("tables/bets/betting.py", "Transfer(kind=TransferKind.STAKE, permit=None)"),
        ("casino/repair.py", 'cursor.execute("insert into ledger_entry values (1)")'),
        ("casino/repair.py", 'cursor.execute("UPDATE ledger_balance SET posted = 1")'),
        ("casino/repair.py", 'cursor.execute("SELECT ledger_post(%s)")'),
    ],
)
def test_a_new_way_around_the_gate_is_found(file, text):
    assert len(findings(file, text)) == 1


#: Routes by which a player's cash moves that no player asks for, and what stands before them.
WITHOUT_A_PERMIT = {
    # what comes back or is won
    ("stake_undo", "escrow", "player_cash"),
    ("payout", "escrow", "player_cash"),
    ("refund", "escrow", "player_cash"),
    ("refund", "house", "player_cash"),
    ("withdrawal_release", "player_held", "player_cash"),
    ("withdrawal_returned", "psp_clearing", "player_cash"),
    # what the provider takes back
    ("deposit_reversal", "player_cash", "psp_clearing"),
    ("chargeback", "player_cash", "psp_clearing"),
    ("chargeback", "psp_clearing", "player_cash"),
    # two people
    ("adjustment", "adjustments", "player_cash"),
    ("adjustment", "player_cash", "adjustments"),
    ("correction", "player_cash", "escrow"),
    ("correction", "escrow", "player_cash"),
    ("correction", "player_cash", "house"),
    ("correction", "house", "player_cash"),
    ("suspense", "suspense", "player_cash"),
    ("suspense", "player_cash", "suspense"),
    ("debt_settled", "player_cash", "receivable"),
}


def test_every_route_of_a_player_s_cash_needs_a_permit_or_was_looked_at(database):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, debit_kind, credit_kind, permit FROM ledger_route"
            " WHERE 'player_cash' IN (debit_kind, credit_kind)"
        )
        rows = cursor.fetchall()
    with_permit = {row[:3] for row in rows if row[3]}
    assert with_permit == {
        ("stake", "player_cash", "escrow"),
        ("deposit", "psp_clearing", "player_cash"),
        ("withdrawal_hold", "player_cash", "player_held"),
    }
    assert {row[:3] for row in rows if not row[3]} == WITHOUT_A_PERMIT

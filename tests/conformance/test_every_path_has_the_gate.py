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
KIND, TRANSFER, PERMITS = (
    "ledger.postings.TransferKind",
    "ledger.postings.Transfer",
    "ledger.permits",
)
#: Who may name such a kind: the gate, and the two who post what it allowed.
POSTING = {"tables/bets/betting.py", "payments/booking.py"}
NAMING = POSTING | {"compliance/gate.py", "ledger/postings.py"}
ISSUING = {"compliance/gate.py"}
#: Who makes a kind, or a transfer of one, of what is only known when it runs: looked at. The
#: ledger reads its own rows, an adjustment's kinds are a list of its own, what payments post is
#: named where they call their one function, and reconciliation chooses between fee and settlement.
MAKING = {
    *("ledger/statements.py", "ledger/adjustments.py", "ledger/holds.py", "payments/booking.py"),
    "payments/reconciliation/booking.py",
}
#: What takes a permit from the gate and hands it to the ledger.
DECIDING = {
    "tables/bets/betting.py",
    "payments/paying_in/deposits.py",
    "payments/paying_out/withdrawals.py",
}
#: What asks the gate and moves nothing.
ASKING = {"compliance/marketing.py", "compliance/explaining.py", "compliance/sign_in.py"}
#: In the place of what only a run knows.
UNKNOWN = "ledger_x"
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
    tree = ast.parse(text)
    names = imported(tree)
    return [
        f"{file}:{node.lineno} {what}"
        for node in ast.walk(tree)
        for look in (_names, _imports, _makes, _posts, _writes)
        for what in look(file, node, names)
    ]


def imported(tree: ast.AST) -> dict[str, str]:
    """What a name of the module stands for, whatever it was imported as."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {one.asname: one.name for one in node.names if one.asname}
    return found


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of ``a.b.c``; empty for anything else. A bare name means what it says."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _is_kind(name: str) -> bool:
    return name.rpartition(".")[2] == "TransferKind"


def _names(file: str, node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    kind, _, member = dotted(node, names).rpartition(".")
    if (
        isinstance(node, ast.Attribute)
        and _is_kind(kind)
        and member in ASKED
        and file not in NAMING
    ):
        yield "names a kind that needs a permit"


def _imports(file: str, node: ast.AST, _names: dict[str, str]) -> Iterator[str]:
    if file in ISSUING:
        return
    if isinstance(node, ast.Import):
        modules = {one.name for one in node.names}
    elif isinstance(node, ast.ImportFrom):
        modules = {node.module or ""} | {f"{node.module}.{one.name}" for one in node.names}
    else:
        return
    if PERMITS in modules:
        yield "imports what issues permits"


def _makes(file: str, node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """A kind by its value or name, or a transfer whose kind is not written there."""
    if file in MAKING:
        return
    if isinstance(node, ast.Subscript) and dotted(node.value, names) == KIND:
        yield "makes a kind of a name"
    if not isinstance(node, ast.Call):
        return
    if dotted(node.func, names) == KIND:
        yield "makes a kind of a value"
    if dotted(node.func, names).rpartition(".")[2] == "Transfer":
        kinds = [word.value for word in node.keywords if word.arg in {"kind", None}]
        if not kinds or not all(_is_kind(dotted(k, names).rpartition(".")[0]) for k in kinds):
            yield "makes a transfer of an unknown kind"


def _posts(file: str, node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Call) and file in POSTING and _is_asked(node, names):
        permit = {word.arg: word.value for word in node.keywords}.get("permit")
        if permit is None or isinstance(permit, ast.Constant):
            yield "posts without a permit"


def _writes(file: str, node: ast.AST, _names: dict[str, str]) -> Iterator[str]:
    if file.startswith("ledger/"):
        return
    text = _text(node)
    if WRITES.search(text):
        yield "writes a table of the ledger"
    if CALLS.search(text):
        yield "calls the ledger's own functions"


def _text(node: ast.AST) -> str:
    """A text as far as it is written there: constants, and parts of one that are put together."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else UNKNOWN for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [_text(node.left), _text(node.right)]
        return "".join(part or UNKNOWN for part in parts) if any(parts) else ""
    return ""


def _is_asked(call: ast.Call, names: dict[str, str]) -> bool:
    """Whether one of these kinds is among the call's own arguments."""
    given = [*call.args, *(word.value for word in call.keywords)]
    whole = [dotted(one, names).rpartition(".") for one in given]
    return any(_is_kind(kind) and member in ASKED for kind, _, member in whole)


def test_only_the_gate_issues_permits_and_only_the_ledger_writes_its_tables():
    assert [found for file, text in sources() for found in findings(file, text)] == []


def test_whoever_posts_what_needs_a_permit_asks_the_gate_for_it():
    texts = dict(sources())
    assert {file for file, text in texts.items() if _decides(text)} == DECIDING | ASKING
    for file in DECIDING:
        assert re.search(r"\.permit\b", texts[file]), file
    for file in ASKING:
        assert not re.search(r"\.permit\b", texts[file]), file


def _decides(text: str) -> bool:
    if "gate" not in text or "decide" not in text:
        return False
    tree = ast.parse(text)
    names = imported(tree)
    return any(
        isinstance(node, ast.Call) and dotted(node.func, names) == "compliance.gate.decide"
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize(
    "text",
    [
        "from compliance import gate\ngate.decide([])",
        "from compliance import gate as door\ndoor.decide([])",
        "from compliance.gate import decide as ask\nask([])",
        "import compliance.gate\ncompliance.gate.decide([])",
    ],
)
def test_whoever_asks_the_gate_is_found_under_any_name(text):
    assert _decides(text)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("payments/bonus.py", "kind = TransferKind.DEPOSIT"),
        ("payments/bonus.py", "from ledger.postings import TransferKind as K\nk = K.DEPOSIT"),
        ("payments/bonus.py", "from ledger import postings as p\nk = p.TransferKind.DEPOSIT"),
        ("payments/bonus.py", "import ledger.postings\nk = ledger.postings.TransferKind.STAKE"),
        ("payments/bonus.py", "from ledger.postings import TransferKind as K\nk = K('stake')"),
        ("payments/bonus.py", "from ledger.postings import TransferKind as K\nk = K['STAKE']"),
        ("payments/bonus.py", "Transfer(kind=kind)"),
        ("payments/bonus.py", "Transfer(kind='stake')"),
        ("payments/bonus.py", "Transfer(**facts)"),
        ("payments/booking.py", "from ledger.postings import TransferKind as K\npost(K.DEPOSIT)"),
        ("tables/fast.py", "import ledger.permits"),
        ("tables/fast.py", "import ledger.permits as allowed\nallowed.issue([])"),
        ("tables/fast.py", "from ledger import permits as allowed\nallowed.issue([])"),
        ("casino/repair.py", 'cursor.execute(f"insert into ledger_{name} values (1)")'),
        ("casino/repair.py", 'cursor.execute(f"INSERT INTO {table} VALUES (1)")'),
        ("casino/repair.py", 'cursor.execute("INSERT INTO " + table)'),
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
    ("chargeback", "player_cash", "chargebacks"),
    ("chargeback", "chargebacks", "player_cash"),
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

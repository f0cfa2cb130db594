"""The files of the simulated provider and its bank, as our own importer reads them."""

from __future__ import annotations

from itertools import count
from uuid import uuid4

import httpx
import pytest

from payments.files.importing import Outcome
from payments.files.models import BankStatement
from payments.files.words import FileCode, FileState
from tests.flows.file_steps import deliver
from tests.simulated_psp import Psp, running

pytestmark = pytest.mark.feature("F67")
_keys = (f"key-{n}" for n in count())
ACCEPTED, REFUSED = FileState.ACCEPTED, FileState.REFUSED


@pytest.fixture
def psp(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    settings.RECONCILIATION_ACCOUNTS = {"PLAYBANK0001": "main"}
    with running(tmp_path, "--files-dir", str(tmp_path / "files")) as found:
        yield found


def paid_in(psp: Psp, currency: str = "EUR", minor: int = 5_000) -> dict:
    body = {"merchant_reference": str(uuid4()), "amount_minor": minor, "currency": currency}
    made = psp.post("/v1/payments", body | {"return_url": ""}, next(_keys))
    httpx.post(made["redirect_url"], data={"instrument": "visa"}, trust_env=False)
    return made


def day(psp: Psp) -> tuple[Outcome, Outcome]:
    """A payment, the end of its day, and what becomes of its two files."""
    paid_in(psp)
    said = psp.post("/simulate/close")
    folder = psp.home / "files"
    return deliver(folder / said["settlement"]), deliver(folder / said["bank"])


def codes(outcome: Outcome) -> list[FileCode]:
    return [one.code for one in (*outcome.faults, *outcome.notes)]


def test_both_files_are_read_whole_day_after_day_and_say_the_same(psp):
    made = [paid_in(psp), paid_in(psp, "SEK", 70_000), paid_in(psp, "JPY", 9_000)]
    refund = {"amount_minor": 1_000, "currency": "EUR"}
    psp.post(f"/v1/payments/{made[0]['id']}/refunds", refund, next(_keys))
    psp.post("/simulate/disputes", {"payment": made[1]["id"]})
    outcomes = [day(psp) for _ in range(3)]
    assert [one.state for pair in outcomes for one in pair] == [ACCEPTED] * 6
    assert [codes(one) for pair in outcomes for one in pair] == [[]] * 6
    first, bank = (one.file for one in outcomes[0])
    assert (first.source, first.kind, first.rows) == ("simulated", "settlement", 9)
    assert (bank.source, bank.kind, bank.rows) == ("main", "bank", 3)
    assert {name: sums["rows"] for name, sums in first.totals.items()} == {
        "EUR": 4,
        "JPY": 2,
        "SEK": 3,
    }
    told = BankStatement.objects.filter(file=bank).values_list("currency", "closing_minor")
    assert dict(told) == {"EUR": 8_800, "JPY": 8_874, "SEK": -16_160}


@pytest.mark.parametrize(
    ("switch", "settlement", "bank"),
    [
        ("file_wrong_totals", (REFUSED, [FileCode.CONTROL_TOTAL]), (ACCEPTED, [])),
        ("file_sequence_gap", (ACCEPTED, [FileCode.SEQUENCE_GAP]), (ACCEPTED, [])),
        ("bank_sequence_gap", (ACCEPTED, []), (REFUSED, [FileCode.SEQUENCE_GAP])),
        ("bank_wrong_opening", (ACCEPTED, []), (REFUSED, [FileCode.BALANCE_BREAK])),
    ],
)
def test_a_file_that_contradicts_itself_or_the_one_before_is_told(psp, switch, settlement, bank):
    day(psp)
    psp.switch(**{switch: True})
    outcomes = day(psp)
    assert [(one.state, codes(one)) for one in outcomes] == [settlement, bank]

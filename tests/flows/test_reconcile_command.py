"""`manage.py reconcile`: what it says, where it writes, and by which number it ends."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from kernel.ids import new_id
from payments.reconciliation import (
    resolution,
    runs,
)
from payments.reconciliation.models import Break
from payments.reconciliation.resolution import Wanted
from payments.reconciliation.words import Method
from tests.flows.break_steps import staff
from tests.flows.reconciliation_steps import (
    policy,
    reconciled,
)
from tests.flows.test_reconciliation_runs import a_day

pytestmark = [pytest.mark.feature("F67", "F68")]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    return tmp_path / "store"


def test_the_command_answers_with_its_exit_code(owner, tmp_path):
    a_day(owner)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "reconcile",
            "--as-of=2026-11-20T00:00:00Z",
            "--format=json",
            f"--report-dir={tmp_path}",
            stdout=out,
        )
    said = json.loads(out.getvalue())
    assert (ended.value.code, said["breaks"]["missing_at_psp EUR"]) == (3, 1)
    assert (tmp_path / f"reconciliation-{said['run_id'][:12]}.csv").exists()
    for words, why in (
        ("--as-of=2026-11-20", "with its zone"),
        ("--provider=nobody", "unknown_provider"),
        ("--as-of=2199-01-01T00:00:00Z", "as_of_in_future"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command("reconcile", words, stdout=out)


def command(*words: str) -> tuple[int, str]:
    """Its exit code and what it says."""
    out = StringIO()
    try:
        call_command("reconcile", *words, stdout=out)
    except SystemExit as ended:
        return int(ended.code), out.getvalue()
    return 0, out.getvalue()


def test_a_dry_run_asks_for_people_only_where_a_real_one_does(owner, monkeypatch):
    a_day(owner)
    monkeypatch.setattr(runs, "current_policy", lambda: policy(lookback_days=400))
    assert (command("--dry-run")[0], command()[0]) == (3, 3)
    broken, two = Break.objects.get(), (staff(), staff())
    asked = resolution.propose(
        Wanted(broken.pk, broken.facts_sha256, Method.WRITE_OFF, "Agreed.", code="rounding"),
        id=new_id(),
        actor=two[0],
    )
    resolution.approve(asked.pk, actor=two[1])
    code, said = command("--dry-run")
    assert "1 × missing_at_psp" in said
    assert (code, command()[0]) == (0, 0)


def test_a_dry_run_names_no_file_that_is_gone(owner, tmp_path):
    a_day(owner)
    done = reconciled(dry_run=True)
    assert (done.report, done.lines) == (None, None)
    _, text = command("--dry-run")
    assert text.endswith("0 bookings.\n")
    said = json.loads(command("--dry-run", "--format=json")[1])
    assert (said["report"], said["lines"]) == (None, None)
    said = json.loads(command("--dry-run", "--format=json", f"--report-dir={tmp_path}")[1])
    assert Path(said["report"]).exists()
    assert Path(said["lines"]).exists()

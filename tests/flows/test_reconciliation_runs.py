"""Runs: the same bytes for the same inputs, breaks over time, bookings once, one run at a time."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.roles import Role
from audit.database_clock import database_now, sure_instant
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger import accounts
from ledger.checks import run_checks
from ledger.models import TransferRow
from ledger.postings import AccountKind
from notices.delivery import render
from notices.models import Notice
from payments.reconciliation import (
    attempts,
    ledger_side,
    report_store,
    resolution,
    runs,
    selectors,
    work,
)
from payments.reconciliation.models import Break, Run
from payments.reconciliation.policy import current_policy, read
from payments.reconciliation.resolution import Wanted
from payments.reconciliation.words import Method, ReconciliationCode
from payments.simulated_psp.fees import fee_minor
from tests.conftest import ROOT
from tests.flows.break_steps import staff
from tests.flows.ledger_steps import adjusted, adjustments
from tests.flows.reconciliation_steps import (
    Booked,
    Said,
    bank_imported,
    book,
    day,
    found,
    imported,
    pair,
    policy,
    reconciled,
    settlement,
    summary,
)
from tests.flows.staff_steps import make_staff

pytestmark = [pytest.mark.feature("F67", "F68")]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    return tmp_path / "store"


def a_day(owner, *, spoil=True) -> int:
    """Ten deposits with fees, paid out; one missing there. What the payout is."""
    pairs = [pair(n, 1_000 * n, day(3), payout="po_1", fee=10) for n in range(1, 11)]
    lost = [pair(11, 777, day(4))[0]] if spoil else []
    total = sum(said.gross - said.fee for _, said in pairs)
    book(owner, [one for one, _ in pairs] + lost)
    rows = [said for _, said in pairs] + [Said("payout", -total, day(5), ref="tr", payout="po_1")]
    imported(settlement(rows, since=day(1, 0), until=day(10, 0)))
    bank_imported([(total, "po_1", day(6))])
    return total


def test_the_same_inputs_are_the_same_run_with_the_same_bytes(owner):
    a_day(owner)
    first = reconciled()
    bytes_of = first.report.read_bytes(), first.lines.read_bytes()
    again = reconciled()
    assert (again.run_id, again.is_new, again.booked) == (first.run_id, False, 0)
    assert (again.report.read_bytes(), again.lines.read_bytes()) == bytes_of
    assert first.run.report_sha256 == hashlib.sha256(bytes_of[0]).hexdigest()
    assert Run.objects.count() == 1

    later = reconciled(day(21, 0))
    other = reconciled(policy=policy(amount_match_days=2))
    assert len({first.run_id, later.run_id, other.run_id}) == 3


def test_the_report_says_where_it_is_from_and_adds_up(owner):
    total = a_day(owner)
    done = reconciled()
    text = done.report.read_text()
    [file] = [one for one in done.run.inputs["files"] if one["kind"] == "settlement"]
    assert f"run_id,{done.run_id}" in text
    assert "as_of,2026-11-20T00:00:00Z" in text
    assert "time_zone,UTC" in text
    assert file["sha256"] in text
    [position] = summary(done)["positions"]
    assert position["moved"]["deposit"] == 55_777
    assert (position["opening_minor"], position["closing_minor"]) == (0, 55_777)
    assert position["named"] == {
        "fee_to_book": 100,
        "missing_at_psp": 777,
        "payout_to_book": total,
    }
    assert position["drift_minor"] == 0
    assert "simulated,EUR,0.00,557.77,0.00,0.00,0.00,0.00,0.00,0.00,0.00,557.77,0.00" in text
    assert "missing_at_psp,EUR,1,-7.77" in text
    with report_store.open_report(done.run, "lines") as lines:
        assert lines.read() == done.lines.read_bytes()


def test_without_anything_there_is_a_report_that_says_so(database):
    done = reconciled()
    assert "No activity" in done.report.read_text()
    assert done.lines.read_text().splitlines()[1] == "No activity"
    assert {one["gap"] for one in done.run.inputs["gaps"]} == {"no_file_yet"}


def test_what_agrees_is_booked_once_and_the_books_stay_sound(owner):
    total = a_day(owner)
    clearing = accounts.psp_clearing("simulated", "EUR")
    assert reconciled().booked == 11
    assert -accounts.balance(clearing).posted_minor == 777
    assert -accounts.balance(accounts.bank("main", "EUR")).posted_minor == total
    assert (
        -accounts.balance(
            accounts.ensure_account(AccountKind.PSP_FEES, "psp:simulated", "EUR")
        ).posted_minor
        == 100
    )
    next_day = runs.perform(policy=policy(lookback_days=4_000))
    assert next_day.booked == 0
    [position] = summary(next_day)["positions"]
    assert position["named"] == {"missing_at_psp": 777}
    assert {v.check for v in run_checks().violations} <= {"what_a_person_causes_has_a_permit"}


def test_a_run_is_as_of_an_instant_before_which_nothing_is_written_any_more(database, owner):
    with psycopg.connect(database.app_url) as other:
        other.execute("SELECT pg_current_xact_id()")
        began = database_now()
        with pytest.raises(Refused) as refused:
            runs.perform(as_of=began, policy=policy())
        assert refused.value.code is ReconciliationCode.AS_OF_TOO_YOUNG
        with pytest.raises(Refused) as refused:
            runs.perform(as_of=began + timedelta(hours=1), policy=policy())
        assert refused.value.code is ReconciliationCode.AS_OF_IN_FUTURE
        first = runs.perform(policy=policy())
        assert first.header.as_of < began
        book(owner, [Booked("deposit", 500, began)])
    assert runs.perform(as_of=began, policy=policy()).header.as_of == began
    again = runs.perform(as_of=first.header.as_of, policy=policy())
    assert (again.run_id, again.is_new) == (first.run_id, False)


def test_who_writes_is_looked_at_anew_within_a_transaction(database):
    with transaction.atomic(), psycopg.connect(database.app_url) as other:
        before = sure_instant()
        other.execute("SELECT pg_current_xact_id()")
        began = database_now()
        assert before < sure_instant() < began


def test_a_break_is_never_booked_until_two_people_accept_it(owner):
    one, said = pair(1, 5_000, day(3))
    book(owner, [one])
    imported(settlement([replace(said, fee=99)], since=day(1, 0), until=day(10, 0)))
    contract = policy(fees=current_policy().providers["simulated"].fees)
    first = reconciled(policy=contract)
    assert (found(first), first.booked) == ([("fee", "pay_1", "-0.04")], 0)
    broken = Break.objects.get()
    two = staff(), staff()
    asked = resolution.propose(
        Wanted(broken.pk, broken.facts_sha256, Method.WRITE_OFF, "Agreed.", code="fee_accepted"),
        id=new_id(),
        actor=two[0],
    )
    resolution.approve(asked.pk, actor=two[1])
    done = runs.perform(policy=replace(contract, lookback_days=4_000))
    assert (done.booked, Break.objects.get().state) == (1, "resolved")
    assert summary(done)["positions"][0]["named"] == {"fee_to_book": 99}


def test_a_resolved_break_stays_so_while_it_says_the_same_and_opens_when_it_does_not(owner):
    one, said = pair(1, 5_000, day(3))
    book(owner, [one, pair(2, 300, day(3))[0]])
    imported(settlement([replace(said, gross=5_007)], since=day(1, 0), until=day(10, 0)))
    reconciled()
    two = staff(), staff()
    clearing = accounts.psp_clearing("simulated", "EUR")
    lacking = Break.objects.get(kind="amount")
    asked = resolution.propose(
        Wanted(
            lacking.pk,
            lacking.facts_sha256,
            Method.LEDGER_ENTRY,
            "Booked what came.",
            adjustment_id=adjusted(clearing, adjustments(), 7),
        ),
        id=new_id(),
        actor=two[0],
    )
    resolution.approve(asked.pk, actor=two[1])
    resolution.note(lacking.pk, "=HYPERLINK(1)", actor=two[0])
    done = runs.perform(policy=policy(lookback_days=4_000))
    assert Break.objects.get(kind="amount").state == "resolved"
    assert summary(done)["positions"][0]["named"] == {"missing_at_psp": 300}
    [line] = [row for row in done.lines.read_text().splitlines() if ",amount," in row]
    assert f"{two[0]},{two[1]},'=HYPERLINK(1)" in line
    assert ",0.07," in line

    owner.execute("UPDATE payments_deposit SET provider_ref = 'other' WHERE id = %s", [one.payment])
    owner.commit()
    assert runs.perform(policy=policy(lookback_days=4_000)).run.breaks_open == 1


def test_an_adjustment_whose_break_is_gone_is_itself_a_difference(owner):
    lost = pair(2, 300, day(3))[0]
    book(owner, [pair(1, 100, day(3))[0], lost])
    imported(settlement([pair(1, 100, day(3))[1]], since=day(1, 0), until=day(10, 0)))
    reconciled()
    two, broken = (staff(), staff()), Break.objects.get()
    clearing = accounts.psp_clearing("simulated", "EUR")
    asked = resolution.propose(
        Wanted(
            broken.pk,
            broken.facts_sha256,
            Method.LEDGER_ENTRY,
            "Gone.",
            adjustment_id=adjusted(adjustments(), clearing, 300),
        ),
        id=new_id(),
        actor=two[0],
    )
    resolution.approve(asked.pk, actor=two[1])
    assert summary(runs.perform(policy=policy(lookback_days=4_000)))["positions"][0]["named"] == {}
    imported(settlement([pair(2, 300, day(12))[1]], number=2, since=day(10, 0), until=day(13, 0)))
    done = runs.perform(policy=policy(lookback_days=4_000))
    assert [kind for kind, _, _ in found(done)] == ["timing"]
    assert Break.objects.get(pk=broken.pk).state == "cleared"


def test_a_late_file_widens_the_window_and_clears_what_it_explains(owner):
    old, said = pair(1, 5_000, day(3))
    book(owner, [old, pair(2, 100, day(3))[0]])
    imported(settlement([pair(2, 100, day(3))[1]], since=day(1, 0), until=day(4, 0)))
    short = policy(lookback_days=5, margin_days=1)
    assert found(reconciled(day(7, 0), policy=short)) == [("missing_at_psp", "pay_1", "-50.00")]
    carried = reconciled(day(20, 0), policy=short)
    assert found(carried) == [("missing_at_psp", "pay_1", "-50.00")]
    imported(settlement([said], number=2, since=day(4, 0), until=day(5, 0)))
    cleared = reconciled(day(21, 0), policy=short)
    assert (found(cleared), Break.objects.get().state) == ([], "cleared")
    for later in (22, 23, 25):
        assert found(reconciled(day(later, 0), policy=short)) == []


def test_what_lies_at_the_edge_of_the_window_is_no_break(owner):
    pairs = [pair(n, 100 + n, day(1 + n % 18)) for n in range(1, 60)]
    late = [(one, replace(said, at=said.at + timedelta(hours=30))) for one, said in pairs]
    book(owner, [one for one, _ in late])
    for number in range(1, 11):
        since, until = day(2 * number - 1, 0), day(2 * number + 1, 0)
        rows = [said for _, said in late if since <= said.at < until]
        imported(settlement(rows, number=number, since=since, until=until))
    short = policy(lookback_days=3, margin_days=3)
    for number in range(3, 22):
        done = reconciled(day(number, 0), policy=short, is_booking=False)
        assert [kind for kind, _, _ in found(done) if kind != "timing"] == []
        assert summary(done)["positions"][0]["drift_minor"] == 0


def test_an_older_instant_has_a_report_and_changes_no_break(owner):
    a_day(owner)
    reconciled()
    before = list(Break.objects.values())
    older = reconciled(day(4, 18))
    assert ("timing", "pay_11", "-7.77") in found(older)
    assert list(Break.objects.values()) == before


def test_a_dry_run_writes_its_files_and_nothing_else(owner, tmp_path):
    a_day(owner)
    done = reconciled(dry_run=True, report_dir=tmp_path / "out")
    assert (done.run, done.booked) == (None, 0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"reconciliation-{done.run_id[:12]}-lines.csv",
        f"reconciliation-{done.run_id[:12]}.csv",
    ]
    assert (Run.objects.count(), Break.objects.count()) == (0, 0)
    assert not TransferRow.objects.filter(kind="psp_fee").exists()
    assert reconciled().run_id == done.run_id


def test_parts_that_do_not_add_up_are_a_failed_run_and_finance_is_told(owner, monkeypatch):
    a_day(owner)
    person = make_staff(Role.FINANCE, key=None)
    monkeypatch.setattr(
        ledger_side, "_IN_WINDOW", ledger_side._IN_WINDOW + " AND e.amount <> -7000"
    )
    asked = attempts.ask(attempts.Cause.PAGE, actor=Actor.system("test"))
    assert work.sweep() == 1
    ended = selectors.attempt(asked.pk)
    assert (ended.state, ended.code) == ("failed", ReconciliationCode.DOES_NOT_ADD_UP)
    assert (Run.objects.count(), Break.objects.count()) == (0, 0)
    assert [(n.person_id, n.context["code"]) for n in Notice.objects.all()] == [
        (person.pk, "does_not_add_up")
    ]
    assert AuditEvent.objects.filter(kind="reconciliation.failed").count() == 1


def test_a_run_that_fails_after_booking_is_not_said_to_have_booked_nothing(owner, monkeypatch):
    a_day(owner)
    make_staff(Role.FINANCE, key=None)
    monkeypatch.setattr(runs, "current_policy", lambda: policy(lookback_days=400))
    monkeypatch.setattr(runs, "_keep", None)
    with pytest.raises(TypeError):
        work.sweep()
    assert TransferRow.objects.filter(kind="psp_fee").exists()
    told = Notice.objects.get()
    for part in ("body.txt", "body.html"):
        text = render(told.kind, part, told.context)
        assert "nothing was cleared by it" in text
        assert "booked" not in text


def test_an_import_asks_for_a_run_and_its_progress_can_be_read(owner):
    a_day(owner)
    asked = selectors.attempts()[0]
    assert (asked.cause, asked.state) == ("import", "waiting")
    steps = []
    real = attempts.beat

    def beat(attempt_id, step, done, total):
        real(attempt_id, step, done, total)
        steps.append((selectors.attempt(attempt_id).step, done, total))

    attempts.beat, kept = beat, real
    try:
        assert work.sweep() == 1
    finally:
        attempts.beat = kept
    assert [step for step, _, _ in steps] == list(runs.STEPS)
    ended = selectors.attempt(asked.pk)
    assert (ended.state, ended.done, ended.run.pk) == ("done", ended.total, Run.objects.get().pk)
    assert selectors.run_age_s() is not None
    assert selectors.open_breaks().count() == Run.objects.get().breaks_open


def test_one_run_at_a_time(owner, database):
    a_day(owner)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [runs.RUN_LOCK])
        assert work.sweep() == 0
        with pytest.raises(CommandError, match="under way"):
            call_command("reconcile", stdout=StringIO())
        assert selectors.attempts()[0].state == "waiting"
        assert reconciled().booked == 11  # the control: no other thing kept them from running
    finally:
        other.close()
    assert TransferRow.objects.filter(kind="psp_fee").count() == 10


KILLED = """
import os, signal, django
django.setup()
from datetime import datetime, UTC
from payments.reconciliation import runs
from tests.flows.reconciliation_steps import policy
runs._keep = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
runs.perform(as_of=datetime(2026, 11, 20, tzinfo=UTC), policy=policy())
"""


def test_a_run_that_is_killed_after_booking_is_repeated_harmlessly(owner, database, folder):
    a_day(owner)
    died = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        env=os.environ | database.environment() | {"RECONCILIATION_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    assert TransferRow.objects.filter(kind="psp_fee").count() == 10
    assert Run.objects.count() == 0
    done = reconciled()
    assert (done.is_new, done.booked) == (True, 0)
    assert TransferRow.objects.filter(kind__in=["psp_fee", "psp_settlement"]).count() == 11
    assert Path(done.report).exists()


def test_an_import_during_a_run_belongs_to_the_next(owner, monkeypatch):
    a_day(owner)
    real = ledger_side.export

    def bring():
        imported(
            settlement([pair(11, 777, day(4))[1]], number=2, since=day(10, 0), until=day(11, 0))
        )
        connection.close()

    def export(*args, **more):
        rival = Thread(target=bring)
        rival.start()
        rival.join()
        real(*args, **more)

    monkeypatch.setattr(ledger_side, "export", export)
    first = reconciled()
    monkeypatch.setattr(ledger_side, "export", real)
    second = reconciled()
    assert [kind for kind, _, _ in found(first)] == ["missing_at_psp"]
    assert (found(second), first.run_id != second.run_id) == ([], True)
    assert len(second.run.inputs["files"]) == len(first.run.inputs["files"]) + 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: 1", "format: 2"),
        ("lookback_days: 60", "lookback_days: -1"),
        ("lookback_days: 60", "lookback: 60"),
        ('percent: "1.4"', 'percent: "1.44444"'),
        ('percent: "1.4"', "percent: 1.4"),
        ("least: 2,", "least: 3,"),
        ("payouts: rows", "payouts: maybe"),
        ("EUR: {", "XXX: {"),
    ],
)
def test_a_policy_that_is_not_sound_is_refused_whole(old, new):
    text = (ROOT / "payments/reconciliation/policy.yaml").read_text()
    assert old in text
    with pytest.raises(Refused) as refused:
        read(text.replace(old, new, 1))
    assert refused.value.code == ReconciliationCode.BAD_POLICY


def test_the_policy_agrees_with_what_the_simulated_provider_charges():
    names = {
        "deposit": "payment",
        "refund": "refund",
        "withdrawal": "payout_to_player",
        "chargeback": "dispute",
    }
    fees = current_policy().providers["simulated"].fees
    assert {fee.category for fee in fees} == set(names)
    for fee in fees:
        for minor in (1, 999, 123_457):
            ours = (minor * fee.ppm + 500_000) // 1_000_000 + fee.fixed_minor
            assert ours == fee_minor(names[fee.category], fee.currency, minor), fee

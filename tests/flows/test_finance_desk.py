"""Finance's desk: the overview, breaks with their three sides, two people, runs under way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice import desk
from backoffice.finance import break_pages, overview_pages, words
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger import accounts, adjustments
from ledger.adjustments import AdjustmentCode, Wanted
from ledger.postings import AccountKind
from payments.files.models import SourceFile
from payments.reconciliation import attempts, resolution, selectors
from payments.reconciliation.models import Attempt, Break
from payments.reconciliation.words import BreakKind, BreakState, ReconciliationCode
from tests import house
from tests.flows.break_steps import kept_break, kept_run, sha
from tests.flows.chargeback_steps import captured_deposit
from tests.flows.reconciliation_steps import book, day, imported, pair, reconciled, settlement
from tests.flows.staff_steps import enter, make_staff, staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F67")]

FINANCE = "/admin/finance/"
POSITION = {
    "provider": "simulated", "currency": "EUR", "opening_minor": 0, "moved": {},
    "closing_minor": 9_500, "provider_closing_minor": 9_000,
    "named": {"missing_at_psp": 500},
}  # fmt: skip


def control(kind: str) -> dict:
    """One kind of break, as a run tells it."""
    return {"kind": kind, "currency": "EUR", "count": 1, "difference_minor": 500}


def text(client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def told(run: str, gaps: list[dict] | None = None, **summary) -> None:
    """What the run found, as a run tells it."""
    inputs = {"files": [], "gaps": gaps or [], "ledger": {"rows": 3}}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_reconciliation_run (id, provider, as_of, window_from,"
            " policy_version, code_version, inputs, summary, report_sha256, lines_sha256,"
            " breaks_open) VALUES (%s, '', now(), now(), '1', '1', %s, %s, %s, %s, 1)",
            [
                run, json.dumps(inputs), json.dumps(summary),
                sha("report"), sha("lines"),
            ],
        )  # fmt: skip


def test_every_kind_of_break_and_every_refusal_has_its_words():
    assert {kind.value for kind in BreakKind} == set(words.KINDS)
    assert {state.value for state in BreakState} == set(words.STATES)
    assert {code.value for code in ReconciliationCode} <= set(words.TEXTS)
    assert {attempts.WORKER_DIED, attempts.BUG} <= set(words.TEXTS)
    of_the_desk = Refused(AdjustmentCode.ABOVE_DEBT)
    assert words.refusal(of_the_desk) == desk.refusal(of_the_desk)
    assert "Refused." not in words.refusal(of_the_desk)


def test_the_overview_says_what_agrees_and_what_waits_and_says_so_when_there_is_nothing():
    page = text(staff_client(Role.FINANCE), FINANCE)
    assert "No run has finished yet" in page
    assert "No file has come yet" in page
    run = sha("a run")
    told(run, positions=[POSITION], breaks=[control("missing_at_psp")])
    kept_break(run, difference=500)
    page = text(staff_client(Role.FINANCE), FINANCE)
    assert "1 open, every cent named" in page
    assert "Missing at the provider" in page
    assert "5.00 EUR" in page


def test_the_overview_counts_what_its_links_lead_to():
    run = kept_run()
    kept_break(run, difference=500, booked_at=database_now())
    kept_break(run, difference=300, booked_at=database_now(), is_test=True)
    client = staff_client(Role.FINANCE)
    facts = client.get(FINANCE).context
    assert [(one["breaks"], one["difference"]) for one in facts["ages"]] == [(2, "8.00 EUR")]
    assert [one["count"] for one in facts["kinds"]] == [2]
    for one in (*facts["ages"], *facts["kinds"]):
        assert client.get(one["address"]).context["page"].paginator.count == 2
    waits = {one["what"]: (one["count"], one["address"]) for one in facts["waiting"]}
    assert waits["Disputes"] == (0, "/admin/disputes/")
    assert waits["Late payments"] == (0, "/admin/late-payments/")


def test_refused_files_are_all_counted_and_the_newest_shown(monkeypatch):
    monkeypatch.setattr(overview_pages, "REFUSED_SHOWN", 1)
    for name in ("first.csv", "second.csv"):
        SourceFile(
            sha256=sha(name), kind="settlement", source="simulated", original_name=name,
            size_bytes=1, state="refused", original_path=f"originals/{name}", way="folder",
            imported_by="system:test", imported_at=database_now(), refusals=[{"message": "No."}],
        ).save()  # fmt: skip
    page = text(staff_client(Role.FINANCE), FINANCE)
    assert "0 taken and 2 refused in the last 24 hours" in page
    assert "The newest 1 of them." in page
    assert ("first.csv" in page, "second.csv" in page) == (False, True)


def test_what_nothing_explains_is_an_alarm():
    told(sha("a run"), positions=[POSITION | {"named": {}}], breaks=[])
    page = text(staff_client(Role.AUDITOR), FINANCE)
    assert "Not explained" in page
    assert "5.00 EUR that nothing explains" in page
    assert "5.00 EUR" in text(staff_client(Role.AUDITOR), f"{FINANCE}runs/{sha('a run')}/")


def test_a_source_that_went_silent_is_missing():
    now = database_now()
    for source, hours in (("simulated", 2), ("house", 40)):
        SourceFile(
            sha256=sha(source), kind="settlement", source=source, original_name=f"{source}.csv",
            size_bytes=1, state="accepted", rows_path="rows/x", original_path="originals/x",
            way="folder", imported_by="system:test", imported_at=now - timedelta(hours=hours),
        ).save()  # fmt: skip
    found = {one["source"]: one["is_late"] for one in overview_pages.files(now)["sources"]}
    assert found == {"simulated": False, "house": True}


def test_the_list_is_narrowed_and_cut_into_pages(monkeypatch):
    monkeypatch.setattr(break_pages, "PER_PAGE", 2)
    run = kept_run()
    for minor in (100, 200, 300):
        kept_break(run, difference=minor)
    kept_break(run, kind="fee", difference=7, currency="SEK")
    kept_break(run, kind="timing", difference=900)
    client = staff_client(Role.FINANCE)
    page = text(client, f"{FINANCE}breaks/")
    assert "4 breaks" in page
    assert "Page 1 of 2" in page
    assert "In transit</a>" not in page
    assert "1 break," in text(client, f"{FINANCE}breaks/?kind=fee&currency=SEK")
    assert "5 breaks" in text(client, f"{FINANCE}breaks/?transit=1")
    assert "1 break," in text(client, f"{FINANCE}breaks/?kind=timing")
    assert "0 breaks" in text(client, f"{FINANCE}breaks/?bucket=0-1")
    assert "0 breaks" in text(client, f"{FINANCE}breaks/?mine=1")
    assert "There is none of these" in text(client, f"{FINANCE}breaks/?state=resolved")
    assert "4 breaks" in text(client, f"{FINANCE}breaks/?state=nonsense&page=99")


def test_a_break_shows_its_sides_with_what_differs_and_the_way_to_the_player():
    house.pit()
    deposit = captured_deposit(house.player(), 2_000)
    entry = entry_of(deposit.pk)
    one = kept_break(
        kept_run(), kind="amount", difference=-500, ledger_entry=entry, payment_id=deposit.pk,
        merchant_ref=str(deposit.pk), ledger_minor=2_000, psp_gross_minor=1_500, psp_ref="pay_1",
    )  # fmt: skip
    page = text(staff_client(Role.FINANCE), f"{FINANCE}breaks/{one}/")
    assert 'class="is-different"><span>15.00 EUR' in page
    assert f"/admin/players/{deposit.player_id}/" in page
    assert f"Entry {entry}" in page
    assert "Deposit of 20.00 EUR, succeeded" in page
    inspector = text(staff_client(Role.INSPECTOR), f"{FINANCE}breaks/{one}/")
    assert "Resolve it" not in inspector
    assert "Give it to them" not in inspector
    assert text(staff_client(Role.FINANCE), f"{FINANCE}breaks/{sha('none')}/", 404)


def entry_of(payment_id) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.account || ':' || e.seq FROM ledger_entry e JOIN ledger_transfer_id i"
            " ON i.id = e.transfer JOIN ledger_transfer t ON t.batch = i.batch AND t.item = i.item"
            " JOIN ledger_account a ON a.id = e.account"
            " WHERE t.ref = %s AND a.kind = 'psp_clearing'",
            [f"payment:{payment_id}"],
        )
        return cursor.fetchone()[0]


def test_two_people_accept_a_break_and_one_alone_does_not():
    one = kept_break(kept_run(), kind="fee", difference=-30)
    anna, ben = (make_staff(Role.FINANCE) for _ in range(2))
    first, second = enter(anna), enter(ben)
    page = f"{FINANCE}breaks/{one}/"
    first.post(f"{page}assign/", {"assignee": anna.pk})
    first.post(f"{page}note/", {"note": "Asked the provider."})
    sent = {"key": new_id().hex, "seen": sha("facts"), "method": "write_off",
            "code": "rounding", "note": "Three tenths of a cent."}  # fmt: skip
    assert (
        "Say why"
        in first.post(f"{page}propose/", sent | {"note": ""}, follow=True).content.decode()
    )
    assert (
        "Choose one"
        in first.post(f"{page}propose/", sent | {"code": "x"}, follow=True).content.decode()
    )
    first.post(f"{page}propose/", sent)
    (made,) = selectors.resolutions(one)
    address = f"{page}{made.pk}/"
    refused = first.post(f"{address}approve/", follow=True).content.decode()
    assert "same_person" in refused
    assert Break.objects.get(pk=one).state == "open"
    assert "Your decision" in text(second, page)
    assert "Your decision" not in text(first, page)
    second.post(f"{address}approve/", {"note": "Seen."})
    assert Break.objects.get(pk=one).state == "resolved"
    shown = text(first, page)
    assert "resolved by two people" in shown
    assert [line in shown for line in ("Asked the provider.", "Seen.")] == [True, True]
    assert Break.objects.get(pk=one).assignee_id == anna.pk


def test_a_colleague_who_is_none_cannot_be_given_a_break():
    one = kept_break(kept_run())
    outsider = make_staff(Role.SUPPORT)
    client = staff_client(Role.FINANCE)
    answer = client.post(f"{FINANCE}breaks/{one}/assign/", {"assignee": outsider.pk})
    assert answer.status_code == 404
    assert Break.objects.get(pk=one).assignee_id is None


def test_an_approved_adjustment_of_the_amount_is_offered_and_resolves_the_break():
    house.pit()
    captured_deposit(house.player(), 2_000)
    one = kept_break(kept_run(), difference=-500)
    anna, ben = (make_staff(Role.FINANCE) for _ in range(2))
    first, second = enter(anna), enter(ben)
    page = f"{FINANCE}breaks/{one}/"
    shown = text(first, page)
    clearing = accounts.psp_clearing("simulated", "EUR")
    assert f"account={clearing}&amp;direction=to&amp;amount=5.00" in shown
    wanted = Wanted(
        accounts.ensure_account(AccountKind.ADJUSTMENTS, "house:main", "EUR"), clearing,
        500, reason=adjustments.reasons()[0][0], note="It never came.",
    )  # fmt: skip
    made = adjustments.propose(wanted, id=new_id(), actor=Actor.staff(anna.pk))
    adjustments.approve(made.id, actor=Actor.staff(ben.pk), note="")
    assert str(made.id) in text(first, page)
    sent = {"key": new_id().hex, "seen": sha("facts"), "method": "ledger_entry",
            "adjustment": str(made.id), "note": "By the adjustment."}  # fmt: skip
    first.post(f"{page}propose/", sent)
    (proposed,) = selectors.resolutions(one)
    assert proposed.adjustment_id == made.id
    second.post(f"{page}{proposed.pk}/refuse/", {"note": "Look again."})
    assert Break.objects.get(pk=one).state == "open"
    first.post(f"{page}propose/", sent | {"key": new_id().hex})
    again = selectors.resolutions(one)[0]
    first.post(f"{page}{again.pk}/withdraw/")
    assert resolution.find(again.pk).decided.decision == "withdrawn"


def test_an_adjustment_of_another_providers_account_is_not_offered():
    house.pit()
    captured_deposit(house.player(), 2_000)
    one = kept_break(kept_run(), difference=-500)
    anna, ben = (make_staff(Role.FINANCE) for _ in range(2))
    wanted = Wanted(
        accounts.ensure_account(AccountKind.ADJUSTMENTS, "house:main", "EUR"),
        accounts.ensure_account(AccountKind.PSP_CLEARING, "psp:elsewhere", "EUR"),
        500, reason=adjustments.reasons()[0][0], note="Of somebody else.",
    )  # fmt: skip
    made = adjustments.propose(wanted, id=new_id(), actor=Actor.staff(anna.pk))
    adjustments.approve(made.id, actor=Actor.staff(ben.pk), note="")
    shown = text(enter(anna), f"{FINANCE}breaks/{one}/")
    assert str(made.id) not in shown
    assert "No approved adjustment moves the clearing account" in shown


def test_a_run_is_asked_for_and_followed_without_a_script():
    client = staff_client(Role.FINANCE)
    answer = client.post(f"{FINANCE}runs/start/", {"provider": "simulated", "as_of": ""})
    (made,) = Attempt.objects.all()
    assert answer["Location"] == f"{FINANCE}runs/attempts/{made.pk}/"
    page = client.get(answer["Location"])
    assert page["Refresh"] == "3"
    assert "It waits its turn" in page.content.decode()
    assert attempts.claim(made.pk) is not None
    attempts.beat(made.pk, "match", 3, 7)
    shown = client.get(answer["Location"]).content.decode()
    assert "Match: step 3 of 7" in shown
    assert '<progress class="desk-progress" max="7" value="3"' in shown
    attempts.fail(made.pk, "bad_file", "rows are gone")
    page = client.get(answer["Location"])
    assert "Refresh" not in page
    assert "came to nothing" in page.content.decode()
    assert "came to nothing" in text(client, FINANCE)


def test_a_run_of_the_future_or_of_nobody_is_refused_in_words():
    client = staff_client(Role.FINANCE)
    for sent, code in (
        ({"as_of": "2200-01-01T00:00:00Z"}, "as_of_in_future"),
        ({"provider": "nobody"}, "unknown_provider"),
        ({"as_of": "yesterday"}, "pack_instant_unreadable"),
    ):
        page = client.post(f"{FINANCE}runs/start/", sent, follow=True).content.decode()
        assert code in page
    assert not Attempt.objects.exists()
    assert staff_client(Role.AUDITOR).post(f"{FINANCE}runs/start/").status_code == 403


@pytest.mark.feature("F68")
def test_a_real_run_is_shown_with_its_files_and_a_break_of_it_with_the_providers_row(
    owner, settings, tmp_path
):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    same, lost = pair(1, 1_000, day(3)), pair(2, 777, day(4))[0]
    wrong = pair(3, 2_000, day(4))
    book(owner, [same[0], lost, wrong[0]])
    sent = [same[1], replace(wrong[1], gross=1_500)]
    imported(settlement(sent, since=day(1, 0), until=day(10, 0)))
    done = reconciled()
    client = staff_client(Role.FINANCE)
    page = text(client, f"{FINANCE}runs/{done.run_id}/")
    assert "Every cent is named" in page
    assert "Missing at the provider" in page
    assert "settlement.csv" in page
    for part, path in (("report", done.report), ("lines", done.lines)):
        taken = client.get(f"{FINANCE}runs/{done.run_id}/{part}.csv")
        assert b"".join(taken.streaming_content) == path.read_bytes()
    assert AuditEvent.objects.filter(kind="reconciliation.taken").count() == 2
    assert client.get(f"{FINANCE}runs/{done.run_id}/nothing.csv").status_code == 404
    inspector = staff_client(Role.INSPECTOR)
    assert "Take the report" not in text(inspector, f"{FINANCE}runs/{done.run_id}/")
    one = Break.objects.get(kind="amount")
    shown = text(client, f"{FINANCE}breaks/{one.pk}/")
    assert "settlement.csv, row" in shown
    assert "20.00 EUR" in shown
    assert 'class="is-different"><span>15.00 EUR' in shown
    assert "Found by a run" in shown
    overview = text(client, FINANCE)
    assert "2 open, every cent named" in overview


def test_pages_name_the_providers_that_the_house_has_and_no_other():
    client, run = staff_client(Role.FINANCE), sha("a run")
    gaps = [{"source": name, "gap": "no_file_yet", "detail": ""} for name in ("adyen", "simulated")]
    since = {"source": "paypal", "gap": "no_file_since", "detail": "2026-11-20T00:00:00Z"}
    told(run, gaps=[*gaps, since], positions=[], breaks=[])
    assert client.get(f"{FINANCE}runs/").context["providers"] == ["simulated"]
    assert client.get(f"{FINANCE}breaks/").context["providers"] == ["simulated"]
    shown = client.get(f"{FINANCE}runs/{run}/").context["gaps"]
    assert [one["source"] for one in shown] == ["simulated", "paypal"]
    assert [one["is_quiet"] for one in shown] == [True, False]
    SourceFile(
        sha256=sha("one"), kind="settlement", source="adyen", original_name="one.csv",
        size_bytes=1, state="accepted", original_path="originals/one", way="folder",
        rows_path="rows/one", imported_by="system:test", imported_at=database_now(),
    ).save()  # fmt: skip
    accounts.psp_clearing("paypal", "EUR")
    assert client.get(f"{FINANCE}runs/").context["providers"] == ["adyen", "paypal", "simulated"]
    assert [one["source"] for one in client.get(f"{FINANCE}runs/{run}/").context["gaps"]] == [
        "adyen", "simulated", "paypal",
    ]  # fmt: skip

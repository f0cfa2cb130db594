"""Books and record in the admin: searched without counting millions, taken away as safe files."""

from __future__ import annotations

import csv
import io

import pytest

from accounts.roles import Role
from audit.models import AuditEvent
from audit.record import Subject, record
from ledger.models import Account, TransferRow
from tests import house
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.feature("F71")
def test_finance_takes_the_transfers_of_one_player_as_a_file_and_leaves_a_trace():
    anna, bea = house.player(balance_minor=5_000), house.player(balance_minor=7_000)
    answer = staff_client(Role.FINANCE).get(f"/admin/export/transfers.csv?q=player:{anna}")
    assert answer["Content-Disposition"] == 'attachment; filename="transfers.csv"'
    (row,) = rows_of(answer)
    assert (row["kind"], row["money"]) == ("deposit", "50.00 EUR")
    told = AuditEvent.objects.get(kind="desk.exported")
    assert told.after == {"query": f"q=player:{anna}"}
    everything = rows_of(staff_client(Role.FINANCE).get("/admin/export/transfers.csv"))
    assert {one["money"] for one in everything} == {"50.00 EUR", "70.00 EUR"}
    assert bea


def test_a_cell_of_the_record_that_could_be_a_formula_is_neutralised():
    record(
        "player.noted",
        actor=house.TESTER,
        subject=Subject("player", "17"),
        component="test",
        reason='=HYPERLINK("http://evil.example")',
    )
    found = rows_of(staff_client(Role.AUDITOR).get("/admin/export/audit.csv?q=player:17"))
    assert [row["reason"] for row in found] == ['\'=HYPERLINK("http://evil.example")']


@pytest.mark.feature("F77")
@pytest.mark.parametrize(
    ("role", "what", "status"),
    [
        (Role.FINANCE, "entries", 200),
        (Role.FINANCE, "audit", 403),
        (Role.COMPLIANCE, "audit", 200),
        (Role.ADMINISTRATOR, "transfers", 403),
        (Role.SUPPORT, "transfers", 403),
        (Role.AUDITOR, "players", 404),
    ],
)
def test_lists_are_taken_by_those_whose_role_may(role, what, status):
    before = AuditEvent.objects.filter(kind="desk.exported").count()
    answer = staff_client(role).get(f"/admin/export/{what}.csv")
    assert answer.status_code == status
    after = AuditEvent.objects.filter(kind="desk.exported").count()
    assert after - before == (status == 200)
    answer.close()


@pytest.mark.feature("F79")
def test_the_record_is_searched_by_day_subject_actor_and_kind():
    for number, reason in ((17, "first"), (18, "second")):
        record(
            "player.noted",
            actor=house.TESTER,
            subject=Subject("player", str(number)),
            component="test",
            reason=reason,
        )
    client = staff_client(Role.AUDITOR)
    day = AuditEvent.objects.filter(reason="first").values_list("at", flat=True)[0].date()
    for words, found in (
        ("player:17", {"first"}),
        (f"{day} player:18", {"second"}),
        ("2020-01-01", set()),
        ("system:test player.noted", {"first", "second"}),
        ("staff:999999", set()),
    ):
        shown = client.get("/admin/audit/auditevent/", {"q": words}).context["cl"].queryset
        assert {one.reason for one in shown} & {"first", "second"} == found, words


def test_transfers_are_searched_by_player_day_and_account():
    anna = house.player(balance_minor=5_000)
    house.player(balance_minor=7_000)
    client = staff_client(Role.AUDITOR)
    cash = Account.objects.get(owner_ref=f"player:{anna}", kind="player_cash")
    posted = TransferRow.objects.all()[0].posted_at.date()
    for words, count in (
        (f"player:{anna}", 1), (f"account:{cash.id}", 1), (str(posted), 2), ("2020-01-01", 0),
    ):  # fmt: skip
        listed = client.get("/admin/ledger/transferrow/", {"q": words}).context["cl"]
        assert listed.result_count == count, words
    page = client.get("/admin/ledger/transferrow/", {"q": f"player:{anna}"}).content.decode()
    assert f"/admin/export/transfers.csv?q=player%3A{anna}" in page


@pytest.mark.feature("F77")
@pytest.mark.parametrize(
    "path",
    [
        "auth/group/", "otp_totp/totpdevice/", "sites/site/", "usersessions/usersession/",
        "django_celery_beat/periodictask/", "account/emailaddress/",
    ],
)  # fmt: skip
def test_packages_pages_of_keys_sessions_jobs_and_rights_are_not_there(path):
    assert staff_client(Role.ADMINISTRATOR).get(f"/admin/{path}").status_code == 404


def test_a_query_that_the_list_does_not_know_is_refused_in_words_and_not_recorded():
    client = staff_client(Role.AUDITOR)
    for query in ("batch__exact=x", "nonsense=1"):
        answer = client.get(f"/admin/export/transfers.csv?{query}")
        assert answer.status_code == 400, query
    assert "no such filter" in answer.content.decode()
    assert not AuditEvent.objects.filter(kind="desk.exported").exists()

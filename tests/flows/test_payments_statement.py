"""A statement of account equals the ledger to the cent, as a page, a file and by the API."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from accounts.rate_limits import TABLE, Act
from audit.database_clock import database_now
from compliance.standing import read_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money, parse
from kernel.refusal import Refused
from ledger import accounts, statements
from ledger.posting import post
from ledger.postings import Transfer, TransferKind
from ledger.statements import Period, Span
from payments.pages import statement
from payments.paying_out import withdrawals
from payments.words import wording
from tests import house
from tests.flows import payout_steps

pytestmark = pytest.mark.feature("F67")

US = Actor.system("test")


@pytest.fixture
def anna(database) -> PlayerId:
    """A player with a deposit, two withdrawals on their way, and many small corrections."""
    player = payout_steps.verified(balance_minor=50_000)
    payout_steps.own_account(player)
    for key, minor in (("a", 2_000), ("b", 1_500)):
        withdrawals.request(
            player_id=player, amount=Money(minor, "EUR"), key=key, actor=Actor.player(player)
        )
    return player


def browser(player: PlayerId) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(pk=player), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def cash(player: PlayerId):
    return accounts.player_cash(player, "EUR")


def ledger(player: PlayerId) -> list[tuple[int, int]]:
    """Every entry of the player's cash, as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT amount, balance_after FROM ledger_entry WHERE account = %s ORDER BY seq",
            [cash(player)],
        )
        return cursor.fetchall()


def read(player: PlayerId, first: str = "2000-01-01", last: str = "2999-12-30"):
    now = database_now()
    standing = read_standing(player)
    days = statement.days_named(first, last, statement.today(standing, now))
    return statement.read(standing, days, now)


def corrections(player: PlayerId, count: int) -> None:
    """So many entries at once."""
    other = accounts.house("alexandria", "EUR")
    transfers = [
        Transfer(
            id=new_id(),
            debit=cash(player),
            credit=other,
            amount_minor=1 + number % 7,
            kind=TransferKind.CORRECTION,
            ref="round:test",
        )
        for number in range(count)
    ]
    with transaction.atomic():
        post(key=f"test:{new_id()}", kind="correction", actor=US, transfers=transfers)


def test_it_adds_up_and_is_every_entry_of_the_ledger_in_order(anna):
    corrections(anna, 1_200)  # more than two pieces
    found = read(anna)
    rows = list(csv.DictReader(io.StringIO(b"".join(statement.csv_pieces(found)).decode())))
    opening, *lines, closing = rows
    sums = [
        (parse_signed(row["amount"]), parse_signed(row["balance"]), row["currency"])
        for row in lines
    ]
    assert sums == [(amount, after, "EUR") for amount, after in ledger(anna)]
    assert (opening["what"], opening["balance"]) == ("Opening balance", "0.00")
    assert parse_signed(closing["balance"]) == accounts.balance(cash(anna)).posted_minor
    data = json.loads(b"".join(statement.json_pieces(found)))
    assert [(one["amount_minor"], one["balance_minor"]) for one in data["lines"]] == ledger(anna)
    assert data["opening_minor"] + data["came_minor"] - data["went_minor"] == data["closing_minor"]
    assert data["came_minor"] == sum(amount for amount, _ in ledger(anna) if amount > 0)
    assert data["went_minor"] == -sum(amount for amount, _ in ledger(anna) if amount < 0)
    assert sum(one["count"] for one in data["totals"]) == len(ledger(anna)) == 1_203
    assert data["on_its_way_out_minor"] == 3_500


def parse_signed(text: str) -> int:
    minor = parse(text.lstrip("-"), "EUR").minor
    return -minor if text.startswith("-") else minor


def test_what_is_posted_while_it_is_read_is_not_in_it(anna):
    found = read(anna)
    pieces = statement.csv_pieces(found)
    first = next(pieces)
    corrections(anna, 3)
    text = (first + b"".join(pieces)).decode()
    assert text.count("\r\n") == 1 + 1 + 3 + 1
    assert text.splitlines()[-1].endswith(",465.00,EUR")


def test_a_period_begins_and_ends_with_the_players_own_days(anna, owner):
    owner.execute("ALTER TABLE ledger_transfer DISABLE TRIGGER USER")
    zone = ZoneInfo("Europe/Malta")
    midnight = datetime.combine(database_now().astimezone(zone).date(), datetime.min.time(), zone)
    ids = statements.statement(cash(anna), limit=10)[::-1]
    times = [midnight - timedelta(seconds=1), midnight, midnight + timedelta(seconds=1)]
    for line, at in zip(ids, times, strict=True):
        owner.execute(
            "UPDATE ledger_transfer SET posted_at = %s WHERE id = %s", [at, line.transfer_id]
        )
    today = midnight.date()
    yesterday = today - timedelta(days=1)
    before = read(anna, yesterday.isoformat(), yesterday.isoformat())
    assert (before.within.opening_minor, before.within.closing_minor) == (0, 50_000)
    assert before.lines_count == 1
    on_it = read(anna, today.isoformat(), today.isoformat())
    assert (on_it.within.opening_minor, on_it.within.closing_minor) == (50_000, 46_500)
    assert (on_it.came_minor, on_it.went_minor, on_it.lines_count) == (0, 3_500, 2)
    after = read(anna, (today + timedelta(days=1)).isoformat(), "2999-12-30")
    assert (after.within.opening_minor, after.within.closing_minor) == (46_500, 46_500)
    assert (after.sums, list(statements.all_lines(cash(anna), after.within))) == ((), [])


def test_days_are_23_to_25_hours_where_clocks_change():
    days = statement.Days(date(2026, 10, 25), date(2026, 10, 25))
    period = days.period("Europe/Malta")
    assert period == Period(
        datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-02-30", ""),
        ("", "tomorrow"),
        ("2026-03-02", "2026-03-01"),
        ("0001-01-01", "2026-01-01"),
        ("2026-01-01", "9999-12-31"),
        ("20260101 ", ""),
    ],
)
def test_what_is_no_period_is_refused(first, last):
    with pytest.raises(Refused) as refused:
        statement.days_named(first, last, date(2026, 11, 27))
    assert refused.value.code is statement.StatementCode.NOT_A_PERIOD


def test_without_days_it_is_this_month():
    found = statement.days_named("", "", date(2026, 11, 27))
    assert (found.first, found.last) == (date(2026, 11, 1), date(2026, 11, 27))


def test_an_account_that_never_moved_has_an_empty_statement(database):
    player = house.player()
    assert read(player).within == Span(1, 0, 0, 0)
    page = browser(player).get("/cashier/statement/").content.decode()
    assert "Nothing moved" in page


def test_the_page_shows_both_ends_the_sums_and_the_lines_and_pages_through_them(anna):
    corrections(anna, statement.LINES_PER_PAGE)
    mine = browser(anna)
    page = mine.get("/cashier/statement/").content.decode()
    for words in (
        "Opening balance", "€0.00", "Closing balance", "Deposit", "Withdrawal",
        "Correction of a round", "Net deposits", "Europe/Malta", "On its way out beside it: €35.00",
    ):  # fmt: skip
        assert words in page, words
    assert page.count('<th scope="row">') == statement.LINES_PER_PAGE
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = mine.get("/cashier/statement/" + older).content.decode()
    assert second.count('<th scope="row">') == 3
    assert 'rel="next"' not in second


def test_a_wrong_period_is_told_on_the_page_and_refused_elsewhere(anna):
    mine, wrong = browser(anna), {"from": "2026-03-02", "to": "2026-03-01"}
    page = mine.get("/cashier/statement/", wrong)
    assert page.status_code == 422
    assert "Choose a first day" in page.content.decode()
    assert mine.get("/cashier/statement.csv", wrong).status_code == 400
    assert mine.get("/api/account/statement", wrong).status_code == 400


def test_the_file_is_sent_in_pieces_in_the_readers_language(anna):
    answer = browser(anna).get("/cashier/statement.csv", headers={"Accept-Language": "de"})
    assert answer.streaming
    assert answer["Content-Type"].startswith("text/csv")
    assert "statement-" in answer["Content-Disposition"]
    text = b"".join(answer).decode()
    assert "Anfangsguthaben" in text
    assert "Einzahlung" in text


def test_statements_are_the_players_own_and_limited_by_the_hour(anna):
    assert Client().get("/cashier/statement.csv").status_code == 302
    assert Client().get("/api/account/statement").status_code == 401
    [rate] = [one for one in TABLE if one.act is Act.STATEMENT]
    mine = browser(anna)
    for _ in range(rate.count):
        assert mine.get("/api/account/statement").status_code == 200
    refused = mine.get("/api/account/statement")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert mine.get("/cashier/statement.csv").status_code == 429
    assert browser(house.player()).get("/api/account/statement").status_code == 200


def test_every_kind_that_may_move_a_players_cash_has_words_of_its_own(database):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT kind FROM ledger_route"
            " WHERE debit_kind = 'player_cash' OR credit_kind = 'player_cash'"
        )
        kinds = [TransferKind(kind) for (kind,) in cursor.fetchall()]
    assert len(kinds) > 10
    for kind in kinds:
        assert wording.line_text(kind) != "Other", kind


# -- payments by the API ---------------------------------------------------------------------------


def test_payments_are_paged_filtered_and_explained_by_the_api(anna):
    mine = browser(anna)
    first = mine.get("/api/account/payments", {"limit": 1}).json()
    assert len(first["payments"]) == 1
    second = mine.get("/api/account/payments", {"limit": 1, "before": first["older_than"]}).json()
    assert second["older_than"] is None
    assert [one["amount_minor"] for one in first["payments"] + second["payments"]] == [1_500, 2_000]
    assert mine.get("/api/account/payments", {"direction": "deposit"}).json()["payments"] == []
    waiting = mine.get("/api/account/payments", {"stand": "waiting"}).json()["payments"]
    assert [one["is_late"] for one in waiting] == [False, False]
    detail = mine.get(f"/api/account/payments/{waiting[0]['id']}").json()
    assert detail["payment"]["whom"] == "Us"
    assert detail["payment"]["by_when"] == detail["payment"]["expected_by"]
    assert [one["state"] for one in detail["timeline"]] == [
        "done", "done", "now", "next", "next", "next",
    ]  # fmt: skip
    for wrong in (
        {"direction": "up"}, {"stand": "lost"}, {"limit": 0}, {"limit": 101}, {"before": "x"},
        {"since": "0001-01-01T00:00:00Z"}, {"until": "9999-12-31T23:59:59Z"},
    ):  # fmt: skip
        assert mine.get("/api/account/payments", wrong).status_code == 400, wrong

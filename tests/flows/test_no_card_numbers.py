"""A card's number typed anywhere is refused with clear words and is in no row and no log after."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from compliance.kyc.forms import FundsForm
from payments.messages import webhooks
from payments.models import Deposit, ProviderEvent
from payments.paying_in import pacing
from tests import house
from tests.fakes.stripe import banks, reports, server
from tests.fakes.stripe.events import SECRET
from tests.fakes.stripe.server import API_KEY
from tests.flows.stripe_steps import begin, bring, player, sweep
from tests.pure.test_card_numbers import grouped, number

CARD = number("4", 16)


@pytest.fixture
def browser(database) -> Client:
    client = Client()
    client.force_login(
        get_user_model().objects.get(pk=house.player(balance_minor=10_000)),
        "accounts.authentication.PasswordAtOwnDoor",
    )
    return client


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What our logs write, as the lines that they write."""
    root = logging.getLogger()
    [ours] = [one for one in root.handlers if isinstance(one.formatter, ProcessorFormatter)]
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(ours.formatter)
    root.addHandler(handler)
    yield handler.stream
    root.removeHandler(handler)


def searched(*files: str) -> dict:
    out = io.StringIO()
    try:
        call_command("find_card_numbers", *files, format="json", stdout=out)
    except CommandError:
        return json.loads(out.getvalue()) | {"failed": True}
    return json.loads(out.getvalue()) | {"failed": False}


@pytest.mark.parametrize("written", [CARD, grouped(CARD, " "), f"it is {grouped(CARD, '-')}."])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/account/cases/new/", "text"),
        ("/cashier/deposits/", "amount"),
        ("/cashier/withdrawals/", "amount"),
        ("/language/setlang/", "next"),
    ],
)
def test_a_card_in_a_form_is_refused_with_clear_words_and_not_kept(
    browser, path, field, written, lines
):
    answer = browser.post(path, {field: written, "key": "k" * 12, "subject": "Help", "kind": "x"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Please do not send us a card number" in page
    assert "We kept nothing of it" in page
    assert written not in page
    printed = lines.getvalue()
    assert "card_number_refused" in printed
    assert CARD not in printed.replace(" ", "").replace("-", "")
    assert Deposit.objects.count() == 0
    assert searched()["found"] == []


def test_a_card_in_an_address_is_refused_and_not_logged(browser, lines):
    for path in (f"/cashier/?q={CARD}", f"/cashier/{CARD}/"):
        assert browser.get(path).status_code == 422
    assert CARD not in lines.getvalue()
    assert browser.get("/cashier/?q=12345").status_code == 200


def test_the_same_words_without_the_card_are_taken(browser):
    answer = browser.post("/language/setlang/", {"language": "en", "next": "/cashier/"})
    assert answer.status_code == 302


def test_a_pass_phrase_of_digits_stays_possible(database):
    answer = Client().post("/account/login/", {"login": "a@example.com", "password": CARD})
    assert answer.status_code == 200


def test_forms_that_read_their_own_bytes_refuse_a_card_too():
    form = FundsForm({"key": "k" * 12, "source": "salary", "words": f"paid by {CARD}"})
    assert not form.is_valid()
    assert "payment card" in str(form.errors["words"])
    assert FundsForm({"key": "k" * 12, "source": "salary", "words": "My wages."}).is_valid()


def test_the_search_finds_what_was_planted_and_says_where_not_what(database, tmp_path):
    clean = searched()
    assert (clean["found"], clean["unread"], clean["failed"]) == ([], [], False)
    assert clean["columns"] > 200
    ProviderEvent.objects.create(provider="x", event_id="e", payload={"note": [f"see {CARD}"]})
    log = tmp_path / "web.log"
    log.write_text(f"fine\n{grouped(CARD, ' ')}\n")
    told = searched(str(log), str(tmp_path / "missing.log"))
    assert told["failed"]
    [row, line] = told["found"]
    assert row.startswith("public.payments_providerevent.payload at payments_providerevent (")
    assert line == f"{log}:2"
    assert told["unread"] == [str(tmp_path / "missing.log")]
    assert CARD not in json.dumps(told)


def test_a_day_with_stripe_leaves_no_card_in_rows_requests_and_logs(
    database, settings, monkeypatch, lines, tmp_path
):
    """The fake fails at its end where one of our requests carried one."""
    monkeypatch.setattr(webhooks, "_hint", lambda row_id: None)
    monkeypatch.setattr(pacing, "OPEN_MAX", 5)  # all are open until the day's news is brought
    with server.serving() as account:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = API_KEY, account.url
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        ada = player()
        for n, card in enumerate(("visa", "poor", "proof", "stolen", "malta")):
            made = begin(ada, key=f"k{n}")
            if account.books.person_pays(made.provider_ref, card) == "proof":
                account.books.person_proves(made.provider_ref)
        intent = account.books.all("payment_intent", status="succeeded")[0]["id"]
        banks.disputes(account.books, intent)
        reports.pays_us(account.books, "eur")
        logging.getLogger("some.library").warning("a traceback said %s", CARD)
        for event in account.books.events.all:
            # a payer who typed a number where the name belongs: Stripe tells us, we do not keep it
            event["data"]["object"].setdefault("billing_details", {})["name"] = CARD
            assert bring(event) == 200
        sweep()
    log = tmp_path / "log"
    log.write_text(lines.getvalue())
    told = searched(str(log))
    assert (told["found"], told["failed"]) == ([], False)
    assert told["lines"] > 10
    assert "a traceback said [card number]" in log.read_text()
    assert ProviderEvent.objects.count() == len(account.books.events.all)

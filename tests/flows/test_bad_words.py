"""A script, a NUL or a book in every text field that a player is shown: said to be wrong, or text.

The fields are found in the pages themselves, so that a new one is tried without being listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from django.utils.html import escape

from accounts.models import User
from compliance.models import Standing
from kernel.ids import new_id
from tests import house
from tests.flows import kyc_steps as kyc

pytestmark = pytest.mark.usefixtures("database")

BACKEND = "accounts.authentication.PasswordAtOwnDoor"
SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
WORDS = {"a script": SCRIPT, "a NUL": "x\x00y", "a book": "Ω" * 200_000}
FOR_EVERYBODY = (
    "account_login", "account_signup", "account_reset_password", "accounts:unlock",
    "tables:rules", "tables:help",
)  # fmt: skip
FOR_A_PLAYER = (
    "tables:history", "payments:cashier", "compliance:play_safely", "accounts:me",
    "accounts:sessions", "backoffice:my_data", "notices:inbox", "accounts:second_factor",
    "account_change_password", "account_email", "compliance:kyc", "backoffice:my_cases",
    "backoffice:my_new_case",
)  # fmt: skip
#: What else stands in a form, so that the words alone can be what is wrong with it.
VALID = {
    "login": "somebody@example.test", "email": "somebody@example.test", "username": "somebody",
    "date_of_birth": "1990-02-28", "expires_on": "2036-02-28", "amount": "10.00",
    "name": "Anna Example", "number": "X1234567", "mrz": "", "subject": "A question",
    "text": "What is it?", "minutes": "30",
}  # fmt: skip
#: What a form may answer: a page, or that what was sent is wrong. Neither "not you" nor "later".
TAKEN = {200, 400, 409, 413, 422}
#: Kinds of fields in which a person types.
TYPED = {"text", "search", "email", "tel", "url", "password", "number", "date", ""}


@dataclass
class Form:
    """A form of a page: where it goes, what is filled in, and what a person types."""

    action: str
    method: str = "get"
    values: dict[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)


class Forms(HTMLParser):
    """Every form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag, attrs):
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = told.get("action") or self.page
            self.found.append(Form(action, told.get("method", "get").lower()))
        if not self.found or ("form" in told and tag != "form"):
            return
        form, name = self.found[-1], told.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            form.values.setdefault(self._select, told.get("value", ""))
        elif tag == "textarea" and name:
            form.typed.append(name)
        elif tag == "input" and name:
            kind = told.get("type", "")
            if kind in TYPED:
                form.typed.append(name)
            elif kind in {"radio", "checkbox"}:
                form.values.setdefault(name, told.get("value", "on"))
            elif kind == "hidden":
                form.values[name] = told.get("value", "")

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = ""


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


def signed_in(player) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.get(pk=player), backend=BACKEND)
    return client


def forms_of(client: Client, page: str) -> list[Form]:
    """Its forms in which a person types; the page, or the one it sends on to, has to be there."""
    answer = client.get(page, follow=True)
    assert answer.status_code == 200, page
    reader = Forms(answer.redirect_chain[-1][0] if answer.redirect_chain else page)
    reader.feed(answer.content.decode())
    return [form for form in reader.found if form.typed and not form.action.startswith("http")]


def text_of(answer) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode(errors="replace")


def harmless(answer) -> bool:
    """Neither an error of ours nor a closed door, and what was typed is no part of the page."""
    text = text_of(answer)
    return (
        answer.status_code in TAKEN and "<script>alert(1)" not in text and "<img src=x" not in text
    )


@dataclass
class Tried:
    """Every field of some pages: which were tried, which broke, where the words stood as text."""

    done: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)


def tried(client_of, pages: tuple[str, ...], words: str, *, signed_in: bool) -> Tried:
    """Every form of ``pages`` sent with ``words`` in each of its fields, the others filled well."""
    found = Tried()
    for page in pages:
        for form in forms_of(client_of(), page):
            for typed in form.typed:
                client = client_of()  # an act may have ended the session before
                others = {name: VALID.get(name, "7") for name in form.typed}
                sent = form.values | others | {typed: words}
                if "key" in sent:  # a form is sent once
                    sent["key"] = new_id().hex
                send = client.post if form.method == "post" else client.get
                name = f"{form.method} {form.action} {typed}"
                found.done.append(name)
                answer, again = send(form.action, sent, follow=True), client.get(page, follow=True)
                if signed_in and answer.request["PATH_INFO"] == reverse("account_login"):
                    found.broken.append(f"{name}: asked to sign in")
                if not harmless(answer) or not harmless(again):
                    codes = answer.status_code, again.status_code
                    found.broken.append(f"{name}: {codes}")
                if escape(words) in text_of(answer):
                    found.shown.add(name.split("?", maxsplit=1)[0])
    return found


def addresses(*names: str) -> tuple[str, ...]:
    return tuple(reverse(name) for name in names)


@pytest.mark.parametrize("words", WORDS.values(), ids=list(WORDS))
def test_forms_for_everybody_take_any_words(words):
    house.pit()
    pages = (*addresses(*FOR_EVERYBODY), f"{reverse('tables:help')}?country=XX")
    with override_settings(AXES_ENABLED=False, ACCOUNT_RATE_LIMITS=False):
        found = tried(Client, pages, words, signed_in=False)
    assert found.broken == []
    assert len(found.done) >= 6
    if words == SCRIPT:
        assert found.shown >= {"post /account/login/ login", "post /account/signup/ email"}


@pytest.mark.parametrize("words", WORDS.values(), ids=list(WORDS))
def test_forms_of_a_player_take_any_words(words):
    house.pit()
    player = house.player(balance_minor=10_000)
    Standing.objects.filter(pk=player).update(limits_answered_at=None)
    pages = (
        *addresses(*FOR_A_PLAYER),
        reverse("tables:table", args=["alexandria"]),
        reverse("compliance:kyc_send", args=["identity"]),
    )
    with override_settings(AXES_ENABLED=False, ACCOUNT_RATE_LIMITS=False):
        found = tried(lambda: signed_in(player), pages, words, signed_in=True)
    assert found.broken == []
    assert {one.split("?")[0].split(" ")[1] for one in found.done} >= {
        "/play-safely/limits/deposit/",
        "/account/verification/identity/",
        reverse("backoffice:my_new_case"),
        reverse("account_change_password"),
    }
    assert len(found.done) >= 15
    if words == SCRIPT:
        new_case = reverse("backoffice:my_new_case")
        assert found.shown >= {f"post {new_case} subject", f"post {new_case} text"}


def test_what_a_player_writes_to_the_house_is_kept_and_shown_as_text():
    house.pit()
    client = signed_in(house.player())
    [form] = forms_of(client, reverse("backoffice:my_new_case"))
    written = form.values | {"subject": SCRIPT, "text": SCRIPT}
    opened = client.post(form.action, written, follow=True)
    case = opened.redirect_chain[-1][0]
    for page in (case, reverse("backoffice:my_cases")):
        answer = client.get(page)
        assert harmless(answer)
        assert escape(SCRIPT) in text_of(answer)
    before = text_of(client.get(case)).count(escape(SCRIPT))
    [reply] = forms_of(client, case)
    assert harmless(client.post(reply.action, reply.values | {"text": SCRIPT}, follow=True))
    assert text_of(client.get(case)).count(escape(SCRIPT)) == before + 1


def test_a_page_that_says_what_was_typed_would_be_seen():
    class Answer:
        status_code, streaming, content = 200, False, f"<p>{SCRIPT}</p>".encode()

    assert not harmless(Answer)
    Answer.content = b"<p>&lt;script&gt;alert(1)</p>"
    assert harmless(Answer)
    for status in (302, 403, 404, 405, 429, 500):
        Answer.status_code = status
        assert not harmless(Answer)


def test_a_page_that_is_not_there_is_no_page_without_forms():
    with pytest.raises(AssertionError, match="/cases/"):
        forms_of(Client(), "/cases/")

"""A script, a NUL or a book in every text field that a player is shown: said to be wrong, or text.

The fields are found in the pages themselves, so that a new one is tried without being listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.test import Client, override_settings

from accounts.models import User
from compliance.models import Standing
from tests import house
from tests.flows import kyc_steps as kyc

pytestmark = pytest.mark.usefixtures("database")

BACKEND = "accounts.authentication.PasswordAtOwnDoor"
SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
WORDS = {"a script": SCRIPT, "a NUL": "x\x00y", "a book": "Ω" * 200_000}
FOR_EVERYBODY = (
    "/account/login/", "/account/signup/", "/account/password/reset/", "/account/unlock/",
    "/rules/", "/help/", "/help/?country=XX",
)  # fmt: skip
FOR_A_PLAYER = (
    "/tables/alexandria/", "/history/", "/cashier/", "/play-safely/", "/me/", "/account/data/",
    "/account/notices/", "/account/second-factor/", "/account/password/change/",
    "/account/email/", "/account/verification/", "/account/verification/identity/", "/cases/",
    "/cases/new/", "/account/close/",
)  # fmt: skip
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


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=True)


def signed_in(player) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.get(pk=player), backend=BACKEND)
    return client


def forms_of(client: Client, page: str) -> list[Form]:
    answer = client.get(page)
    if answer.status_code != 200:
        return []
    reader = Forms(page)
    reader.feed(answer.content.decode())
    return [form for form in reader.found if form.typed and not form.action.startswith("http")]


def harmless(answer) -> bool:
    """No error of ours, and what was typed is nowhere a part of the page."""
    if answer.status_code >= 500:
        return False
    text = b"".join(answer) if answer.streaming else answer.content
    return b"<script>alert(1)" not in text and b"<img src=x" not in text


def tried(client_of, pages: tuple[str, ...], words: str) -> tuple[list[str], list[str]]:
    """Every form of ``pages`` sent with ``words`` in all its fields: what was tried, what broke."""
    done, broken = [], []
    for page in pages:
        for form in forms_of(client_of(), page):
            for typed in form.typed:
                client = client_of()  # an act may have ended the session before
                sent = form.values | dict.fromkeys(form.typed, "7") | {typed: words}
                send = client.post if form.method == "post" else client.get
                name = f"{form.method} {form.action} {typed}"
                done.append(name)
                if not harmless(send(form.action, sent)) or not harmless(client.get(page)):
                    broken.append(name)
    return done, broken


@pytest.mark.parametrize("words", WORDS.values(), ids=list(WORDS))
def test_forms_for_everybody_take_any_words(words):
    house.pit()
    with override_settings(AXES_ENABLED=False):
        done, broken = tried(Client, FOR_EVERYBODY, words)
    assert broken == []
    assert len(done) >= 6


@pytest.mark.parametrize("words", WORDS.values(), ids=list(WORDS))
def test_forms_of_a_player_take_any_words(words):
    house.pit()
    player = house.player(balance_minor=10_000)
    Standing.objects.filter(pk=player).update(limits_answered_at=None)
    done, broken = tried(lambda: signed_in(player), FOR_A_PLAYER, words)
    assert broken == []
    assert {one.split("?")[0].split(" ")[1] for one in done} >= {
        "/play-safely/limits/deposit/",
        "/account/verification/identity/",
    }
    assert len(done) >= 15


def test_a_page_that_says_what_was_typed_would_be_seen():
    assert settings.TEMPLATES

    class Answer:
        status_code, streaming, content = 200, False, f"<p>{SCRIPT}</p>".encode()

    assert not harmless(Answer)
    Answer.content = b"<p>&lt;script&gt;alert(1)</p>"
    assert harmless(Answer)

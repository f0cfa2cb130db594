"""How many clicks the way to limits takes, and that leaving is as short as coming."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client

from accounts.models import User
from tests import house

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F96")]

BACKEND = "accounts.authentication.PasswordAtOwnDoor"
FARTHEST = 4


class Page(HTMLParser):
    """The links of a page, and its forms with the boxes that have to be ticked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        #: Action → boxes to tick and lists to choose from.
        self.forms: dict[str, int] = {}
        self._form = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = {name: value or "" for name, value in attrs}
        if tag == "a" and told.get("href", "").startswith("/"):
            self.links.append(told["href"].partition("#")[0])
        elif tag == "form":
            self._form = told.get("action") or "."
            self.forms.setdefault(self._form, 0)
        elif self._form and "required" in told:
            self.forms[self._form] += tag == "select" or told.get("type") == "checkbox"


def clicks(client: Client, action: str) -> int:
    """The fewest clicks from the first page to having sent the form that goes to ``action``."""
    seen, at = {"/"}, ["/"]
    for distance in range(FARTHEST):
        following = []
        for address in at:
            answer = client.get(address)
            if answer.status_code != 200 or "html" not in answer.headers["Content-Type"]:
                continue
            page = Page(answer.content.decode())
            actions = {address if one == "." else one: ticks for one, ticks in page.forms.items()}
            if action in actions:
                return distance + actions[action] + 1
            following += [one for one in page.links if one not in seen]
            seen.update(page.links)
        at = sorted(set(following))
    raise AssertionError(f"no way to {action} within {FARTHEST} clicks")


@pytest.fixture
def client() -> Client:
    house.pit()
    client = Client()
    client.force_login(User.objects.get(pk=house.player()), backend=BACKEND)
    return client


def test_limits_are_one_click_away_from_the_first_page(client):
    for kind in ("deposit", "loss", "wager", "session_time"):
        assert clicks(client, f"/play-safely/limits/{kind}/") == 2  # the page, and the form


def test_closing_an_account_takes_no_more_clicks_than_opening_one(client):
    closing = clicks(client, "/play-safely/close/")
    assert closing == 3  # the page, the tick, the button
    assert closing <= clicks(Client(), "/account/signup/")

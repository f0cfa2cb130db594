"""Which pages are pictured, who looks at them, and what must be on them before the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

VISITOR, PLAYER = "visitor", "player"


@dataclass(frozen=True, slots=True)
class Picture:
    """One page: its address, or a link to follow from there, and what to wait for."""

    name: str
    path: str
    who: str = PLAYER
    follow: str = ""
    ready: str = "main"
    prepare: Callable[[Page], None] | None = None
    full: bool = True


def _wrong_password(page: Page) -> None:
    page.fill("[name=login]", "nobody@example.org")
    page.fill("[name=password]", "wrong-on-purpose")
    page.click("main button[type=submit], main form button")


PICTURES = (
    Picture("home", "/", VISITOR),
    Picture("lobby", "/"),
    Picture("sign-in", "/account/login/", VISITOR),
    Picture("sign-in-refused", "/account/login/", VISITOR, prepare=_wrong_password),
    Picture("sign-up", "/account/signup/", VISITOR),
    Picture("new-password", "/account/password/reset/", VISITOR),
    Picture("table", "/tables/alexandria/", ready=".phase-open", full=False),
    Picture("history", "/history/"),
    Picture("round", "/history/", follow=".round-rows a"),
    Picture("cashier", "/cashier/"),
    Picture("deposit", "/cashier/", follow="a[href*='/cashier/deposits/']"),
    Picture("play-safely", "/play-safely/"),
    Picture("me", "/me/"),
    Picture("devices", "/account/sessions/"),
    Picture("notices", "/account/notices/"),
    Picture("second-factor", "/account/second-factor/"),
    Picture("change-password", "/account/password/change/"),
    Picture("change-email", "/account/email/"),
    Picture("rules", "/rules/", VISITOR),
    Picture("help", "/help/", VISITOR),
    Picture("not-found", "/no/such/page/", VISITOR),
)

"""Which pages are pictured, who looks at them, and what must be on them before the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

VISITOR, PLAYER = "visitor", "player"
#: Staff of the demo, by the name in their address.
PRESENTER, PIT_BOSS, SUPPORT = "presenter", "pit-boss", "support"
COMPLIANCE, FINANCE, ADMINISTRATOR = "compliance", "finance", "administrator"


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
    Picture("withdraw", "/cashier/withdraw/"),
    Picture("deposit", "/cashier/", follow="a[href*='/cashier/deposits/']"),
    Picture("payments", "/cashier/payments/"),
    Picture("statement", "/cashier/statement/"),
    Picture("play-safely", "/play-safely/"),
    Picture("me", "/me/"),
    Picture("devices", "/account/sessions/"),
    Picture("notices", "/account/notices/"),
    Picture("second-factor", "/account/second-factor/"),
    Picture("change-password", "/account/password/change/"),
    Picture("change-email", "/account/email/"),
    Picture("rules", "/rules/", VISITOR),
    Picture("help", "/help/", VISITOR),
    Picture("seals", "/seals/", VISITOR),
    Picture("not-found", "/no/such/page/", VISITOR),
    Picture("console", "/console/alexandria/", PRESENTER, ready="#main[data-ready]", full=False),
    Picture("floor", "/floor/", PIT_BOSS),
    Picture("floor-table", "/floor/tables/alexandria/", PIT_BOSS),
    Picture("floor-devices", "/floor/devices/", PIT_BOSS),
    Picture("floor-incidents", "/floor/incidents/", PIT_BOSS),
    Picture("support", "/support/", SUPPORT),
    Picture("desk", "/admin/", FINANCE, ready="h1"),
    Picture("desk-withdrawals", "/admin/withdrawals/", FINANCE, ready="h1"),
    Picture("finance", "/admin/finance/", FINANCE, ready="h1"),
    Picture("finance-reports", "/admin/finance/reports/", FINANCE, ready="h1"),
    Picture("finance-ggr", "/admin/finance/reports/ggr/", FINANCE, ready="h1"),
    Picture("desk-players", "/admin/players/?q=anna", COMPLIANCE, ready="h1"),
    Picture(
        "desk-player", "/admin/players/?q=anna", COMPLIANCE,
        follow=".desk a[href*='/admin/players/']", ready="h1",
    ),
    Picture(
        "desk-round", "/admin/tables/round/", COMPLIANCE,
        follow="#result_list a[href*='/change/']", ready="h1",
    ),
    Picture(
        "desk-limits", "/admin/changes/propose/alexandria/limits/EUR/", ADMINISTRATOR, ready="h1"
    ),
    Picture("self-check", "/staff/self-check/", ADMINISTRATOR),
)  # fmt: skip

"""Visits: a browser context for a person, and what goes wrong in it without anybody looking."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from accounts.models import User
from accounts.roles import Role
from kernel.ids import PlayerId
from tests.browser.devices import DEVICES, LOCALES
from tests.flows.staff_steps import enter, make_staff

BACKEND = "accounts.authentication.PasswordAtOwnDoor"
#: A page that is left while it loads, and a picture that is replaced, are no faults.
ABORTED = "net::ERR_ABORTED"


@dataclass
class Faults:
    """Script errors, console errors (CSP violations are), failed requests, answers of 400 and up.

    A test that provokes some names them: ``faults.allow("WebSocket")``, a regular expression.
    """

    seen: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, *patterns: str) -> None:
        self.allowed += patterns

    def left(self) -> list[str]:
        return [
            fault
            for fault in self.seen
            if not any(re.search(pattern, fault) for pattern in self.allowed)
        ]

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.seen.append(f"script: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.seen.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Request) -> None:
        if request.failure != ABORTED:
            self.seen.append(f"request: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.seen.append(f"answer: {response.status} {response.request.method} {response.url}")


class Visits:
    """Opens pages for people, and closes them all at the end."""

    def __init__(self, browser: Browser, url: str, faults: Faults) -> None:
        self.url = url
        self.faults = faults
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def __call__(
        self,
        player: PlayerId | None = None,
        *,
        device: str = "phone",
        theme: str = "dark",
        language: str = "en",
        javascript: bool = True,
        **options: Any,
    ) -> Page:
        """A new page of a new browser, signed in as ``player`` where one is given.

        ``device`` is one of ``DEVICES``, ``theme`` "dark" or "light"; relative addresses lead to
        the house. ``options`` go to Playwright's ``new_context``.
        """
        wanted = {
            **DEVICES[device],
            "base_url": self.url,
            "color_scheme": theme,
            "locale": LOCALES[language],
            "timezone_id": "UTC",
            "java_script_enabled": javascript,
            **options,
        }
        context = self._browser.new_context(**wanted)
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        self.faults.watch(context)
        if player is not None:
            context.add_cookies([session_cookie(player, self.url)])
        return context.new_page()

    def staff(self, person: Role | User, **look: Any) -> Page:
        """A page behind the staff door: of ``person``, or of somebody new in that role."""
        client = enter(person if isinstance(person, User) else make_staff(person))
        page = self(**{"device": "desktop", **look})
        page.context.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": self.url}
                for name, morsel in client.cookies.items()
            ]
        )
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def session_cookie(player: PlayerId, url: str) -> dict[str, str]:
    """The cookie of a session in which ``player`` has just signed in, for that address."""
    client = Client()
    client.force_login(User.objects.get(pk=player), backend=BACKEND)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}

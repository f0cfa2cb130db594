"""A browser without a screen: follows links and redirects, fills in and sends forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin

import httpx

from casino.check.failure import StepFailed
from casino.check.forms import Form, forms_of
from kernel.clock import monotonic_ms

Found = TypeVar("Found")

ANSWER_TIMEOUT_S = 15.0
POLL_S = 0.1


class Visitor:
    """One person's cookies, and the page they are looking at."""

    def __init__(self, base: str) -> None:
        self._http = httpx.Client(
            base_url=base, timeout=ANSWER_TIMEOUT_S, follow_redirects=True, trust_env=False
        )
        self.page = ""
        self.address = base

    def open(self, path: str) -> None:
        """Look at a page; anything but 200 is a failed step."""
        self._show(self._http.get(path))

    def json(self, path: str) -> Any:
        """The answer of an API address."""
        response = self._http.get(path, headers={"Accept": "application/json"})
        if response.status_code != 200:
            raise StepFailed(f"GET {path} answered {response.status_code}")
        return response.json()

    def form_with(self, *names: str) -> Form:
        """The first form on the page that has all these fields or buttons."""
        for form in forms_of(self.page):
            known = {*form.fields, *form.choices, *(name for name, _ in form.buttons)}
            if known.issuperset(names):
                return form
        raise StepFailed(f"{self.address} has no form with {', '.join(names)}")

    def send(self, form: Form, changes: Mapping[str, str]) -> None:
        """Send a form with some fields filled in, to where its action points."""
        target = urljoin(self.address, form.action)
        filled = {**form.fields, **changes}
        if form.method == "post":
            self._show(self._http.post(target, data=filled))
        else:
            self._show(self._http.get(target, params=filled))

    def cookies(self) -> dict[str, str]:
        """What this person's browser would send: the session among them."""
        return dict(self._http.cookies)

    def close(self) -> None:
        self._http.close()

    def _show(self, response: httpx.Response) -> None:
        self.page, self.address = response.text, str(response.url)
        if response.status_code != 200:
            request = response.request
            raise StepFailed(f"{request.method} {request.url.path} answered {response.status_code}")


def wait_for(what: str, look: Callable[[], Found | None], *, within_ms: int) -> Found:
    """Look again until there is something, or fail the step naming what was waited for."""
    deadline = monotonic_ms() + within_ms
    while True:
        found = look()
        if found is not None:
            return found
        if monotonic_ms() > deadline:
            raise StepFailed(f"{what} did not happen within {within_ms / 1000:g} s")
        time.sleep(POLL_S)

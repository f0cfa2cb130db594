"""Every address behind the staff door, as every role: let in exactly where the written matrix says.

`rights.tsv` beside this file is the matrix, one line per address: its name, then the letters of the
roles that are let in. "Let in" means anything but a refusal (403): a page, a way on, or an answer
about a thing that is not there. An address that is not in the matrix fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, get_resolver

from accounts.roles import Role
from kernel.ids import new_id
from tests.flows.staff_steps import staff_client

MATRIX = Path(__file__).with_name("rights.tsv")
LETTERS = {
    Role.PRESENTER: "P",
    Role.PIT_BOSS: "B",
    Role.SUPPORT: "S",
    Role.COMPLIANCE: "C",
    Role.FINANCE: "F",
    Role.AUDITOR: "A",
    Role.INSPECTOR: "I",
    Role.ADMINISTRATOR: "X",
}
#: What stands for each kind of a path's parts. None of these things is there.
PARTS = {
    "int": "999999",
    "uuid": str(new_id()),
    "slug": "nothing",
    "str": "nothing",
    "path": "999999",
}
#: Ends the walker's own session.
LEFT_OUT = frozenset({"/staff/account/logout/", "/admin/logout/"})


def addresses() -> list[str]:
    """Every path behind the staff door, its parts as `<kind:name>`."""
    found = {route for route, _ in _walk(get_resolver(settings.STAFF_URLCONF).url_patterns, "/")}
    return sorted(
        one for one in found if one.startswith(settings.STAFF_PATHS) and one not in LEFT_OUT
    )


def _walk(patterns: list, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for one in patterns:
        route = prefix + str(one.pattern).removeprefix("^")
        if isinstance(one, URLPattern):
            if "(?P" not in route:  # Django's own catch-all and the list of an app
                yield route, one
        else:
            yield from _walk(one.url_patterns, route)


def matrix() -> dict[str, str]:
    lines = (line.split("\t") for line in MATRIX.read_text().splitlines() if line[:1] == "/")
    return {line[0]: line[1] for line in lines}


def filled(route: str) -> str:
    """The path with something in place of each part."""
    for kind, value in PARTS.items():
        while (start := route.find(f"<{kind}:")) >= 0:
            route = route[:start] + value + route[route.index(">", start) + 1 :]
    return route


def is_let_in(client: Client, path: str) -> bool:
    answer = client.get(path)
    if answer.status_code == 405:
        answer = client.post(path)
    answer.close()
    assert answer.status_code < 500, path
    if not path.startswith("/staff/account/"):  # the steps of a sign-in lead to its first one
        is_sent_away = answer.status_code == 302 and "/account/login/" in answer["Location"]
        assert not is_sent_away, f"{path}: the walker is signed in"
    return answer.status_code not in {401, 403}


@pytest.mark.feature("F77")
def test_every_address_is_in_the_matrix_and_nothing_else():
    assert sorted(matrix()) == addresses()


@pytest.mark.feature("F77")
@pytest.mark.parametrize("role", list(Role))
def test_each_role_is_let_in_exactly_where_the_matrix_says(database, role):
    client = staff_client(role)
    client.raise_request_exception = False
    letter = LETTERS[role]
    written, wrong = matrix(), []
    for route in addresses():
        is_in = is_let_in(client, filled(route))
        if is_in != (letter in written.get(route, "")):
            wrong.append(f"{route}\t{letter} {'is let in' if is_in else 'is refused'}")
    assert wrong == []


@pytest.mark.feature("F77")
def test_nobody_comes_in_without_a_second_factor_or_a_sign_in(database):
    half = staff_client(Role.ADMINISTRATOR, verified=False)
    assert len(addresses()) > 100
    for client in (Client(), half):
        for route in addresses():
            if route.startswith("/staff/account/") or route == "/staff/me/":
                continue  # the way in itself, and one's own account
            path = filled(route)
            answer = client.get(path)
            if answer.status_code == 405:
                answer = client.post(path)
            answer.close()
            assert answer.status_code in {302, 401, 403, 404}, path
            if answer.status_code == 302:
                assert "/account/" in answer["Location"] or "/admin/login" in answer["Location"]

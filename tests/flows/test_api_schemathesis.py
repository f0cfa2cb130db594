"""Whatever the description allows is asked of every operation, by a visitor, a player and programs.

No answer is a server error, and each is what the description says: status, type and shape.
"""

from __future__ import annotations

import time

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from accounts.roles import Role
from kernel.ids import new_id
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tests import house
from tests.flows.accounts_steps import sign_in
from tests.flows.case_steps import complaint
from tests.flows.test_api_tokens import token_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: Requests per operation and person; the whole takes at most so much of a processor.
REQUESTS = 6
SECONDS_MAX = 60
#: What somebody meets who may not: the tool makes up tokens of its own as well.
REFUSED = {401, 403, 429}

pytestmark = pytest.mark.feature("F62")


@pytest.fixture
def played(database):
    """A house with a round, a bet and a case, so that there is something to answer."""
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    slip = place_bets(anna, "alexandria", key=new_id().hex, currency="EUR", stakes=[("red", 100)])
    place_batch("alexandria", [slip])
    round_ = pit.play(5)
    complaint(anna)
    return anna, round_


def visitor(_anna) -> dict:
    return {}


def player(anna) -> dict:
    browser = Client()
    sign_in(browser, User.objects.get(pk=anna).email, "correct horse battery staple")
    return {"cookies": {name: morsel.value for name, morsel in browser.cookies.items()}}


def bearer(*asked) -> dict:
    return {"headers": {"Authorization": f"Bearer {token_of(*asked)[1]}"}}


def auditor(_anna) -> dict:
    return bearer(Role.AUDITOR, "rounds:read", "reports:read")


def support(_anna) -> dict:
    return bearer(Role.SUPPORT, "cases:read", "rounds:read")


def stranger(_anna) -> dict:
    return {"headers": {"Authorization": "Bearer faro_" + "x" * 43}}


def ask(operation, how: dict) -> set[int]:
    """Ask one operation, always with the same values; the statuses it answered with."""
    statuses: set[int] = set()

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def once(case):
        headers = {"Accept-Encoding": "identity", **how.get("headers", {})}
        answer = case.call(**how | {"headers": headers})
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    once()
    return statuses


#: Path → statuses that this person meets there and nothing else; for those worth naming.
EXPECTED = {
    visitor: {
        "/api/account/balance": {401},
        "/api/account/payments": {401},
        "/api/account/statement": {401},
        "/api/reports/ggr": REFUSED,
        "/support/api/cases": REFUSED,
        "/api/tables/": {200},
    },
    player: {
        "/api/account/balance": {200},
        "/api/account/payments": {200, 400},
        "/api/account/payments/{payment_id}": {404},
        "/api/account/statement": {200, 400},
        "/api/reports/funds-in-play": REFUSED,
        "/support/api/cases": REFUSED,
    },
    auditor: {
        "/api/account/balance": {401},
        "/api/reports/funds-in-play": {200},
        "/support/api/cases": {403},
    },
    support: {"/api/reports/funds-in-play": {403}, "/support/api/cases": {200}},
    stranger: {"/api/reports/funds-in-play": REFUSED, "/api/account/balance": {401}},
}


@pytest.mark.parametrize("person", EXPECTED, ids=lambda person: person.__name__)
def test_every_operation_answers_as_described(played, person):
    how, began = person(played[0]), time.process_time()
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())
    operations = [found.ok() for found in schema.get_all_operations()]
    seen = {operation.path: ask(operation, how) for operation in operations}
    assert len(seen) >= 13
    for path, statuses in EXPECTED[person].items():
        assert seen[path] <= statuses, (path, seen[path])
    assert time.process_time() - began < SECONDS_MAX

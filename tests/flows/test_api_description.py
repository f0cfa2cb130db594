"""The REST API is described without a warning, and survives whatever its description allows."""

from __future__ import annotations

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings

from accounts.models import User
from kernel.ids import new_id
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tests import house

#: Requests per operation: with about ten operations a few seconds.
REQUESTS = 12


def test_the_description_is_valid_and_complete(tmp_path):
    call_command(
        "spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "openapi.yaml")
    )
    described = (tmp_path / "openapi.yaml").read_text()
    for path in ("/api/tables/", "/api/account/balance", "/api/reports/ggr"):
        assert f"  {path}:" in described


@pytest.fixture
def player(database) -> Client:
    """A signed-in player who has played a round."""
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    slip = place_bets(anna, "alexandria", key=new_id().hex, currency="EUR", stakes=[("red", 100)])
    place_batch("alexandria", [slip])
    pit.play(5)
    client = Client()
    client.force_login(
        User.objects.get(pk=anna), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def test_the_page_of_the_api_runs_under_the_strict_policy(player):
    page = player.get("/api/docs/")
    assert page.status_code == 200
    policy = page["Content-Security-Policy"]
    assert "unsafe" not in policy
    html = page.content.decode()
    assert "<style" not in html
    assert html.count("<script src=") == html.count("<script")
    script = player.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/schema/" in script.content.decode()
    assert player.get("/api/schema/").status_code == 200


def ask(operation, cookies: dict[str, str]) -> set[int]:
    """Ask one operation for whatever its description allows; the statuses it answered with."""
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
        answer = case.call(cookies=cookies)
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (case.path, answer.status_code)

    once()
    return statuses


def test_no_read_of_the_api_is_a_server_error(player):
    cookies = {name: morsel.value for name, morsel in player.cookies.items()}
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())
    operations = [found.ok() for found in schema.include(method="GET").get_all_operations()]
    seen = {operation.path: ask(operation, cookies) for operation in operations}
    assert len(seen) >= 9
    assert seen["/api/account/balance"] == {200}
    assert 401 in seen["/api/reports/ggr"]
    assert 200 not in seen["/api/reports/ggr"]

"""Pages render: errors with nothing at hand, the table in both languages and every phase."""

import sys
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, engines
from django.test import RequestFactory
from django.urls import include, path
from django.utils import translation

from casino.templatetags.felt import position_name
from tables.rules.roulette import colour


@dataclass
class Row:
    """Any row of a page's context."""

    values: dict = field(default_factory=dict)

    def __getattr__(self, name):
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def row(**values) -> Row:
    return Row(values)


def _urls() -> types.ModuleType:
    names = ("bet", "undo", "rebet", "double", "state")
    table = [path(f"t/<slug:table>/{name}/", lambda request: None, name=name) for name in names]
    table += [
        path("", lambda request: None, name="lobby"),
        path("t/<slug:table>/", lambda request: None, name="table"),
        path("rounds/<str:round>/", lambda request: None, name="round"),
        *(
            path(f"{name}/", lambda request: None, name=name)
            for name in ("history", "rules", "help")
        ),
    ]
    module = types.ModuleType("tests_look_urls")
    cases = [
        path("cases/new/", lambda request: None, name="my_new_case"),
        path("data/", lambda request: None, name="former_data"),
        path("rounds/<str:round>/dispute/", lambda request: None, name="my_dispute"),
    ]
    safely = [path("play-safely/", lambda request: None, name="play_safely")]
    module.urlpatterns = [
        path("", include((table, "tables"))),
        path("", include((cases, "backoffice"))),
        path("", include((safely, "compliance"))),
    ]
    return module


@pytest.fixture
def pages(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "tests_look_urls", _urls())
    settings.ROOT_URLCONF = "tests_look_urls"

    def render(template: str, context: dict, url: str = "/t/alexandria/") -> str:
        found = engines["django"].engine.get_template(template)
        request = RequestFactory().get(url)
        return found.render(Context({"request": request, "csrf_token": "t", **context}))

    return render


def _bet(code: str, stake_minor: int, status: str = "accepted"):
    name = str(position_name(code))
    return row(code=code, label=name, stake_minor=stake_minor, returns_minor=1800, status=status)


def _table(**changes) -> dict:
    now = datetime.now(UTC)
    opened = row(
        id="r", number=17, phase="betting_open", phase_label="Place your bets", closes_at=now,
        closes_in_ms=13_400, result=None, result_sources=[],
    )  # fmt: skip
    return {
        "table": row(
            id="alexandria", name="Alexandria", rules_name="Roulette", currency="EUR",
            min_minor=50, max_minor=50_000,
            limits=[row(label="Straight up", min_minor=50, max_minor=10_000)],
        ),
        "round": opened,
        "chips": [(50, "50c"), (100, "1"), (500, "5")],
        "balance_minor": 23_450,
        "on_table_minor": 200,
        "net_minor": -650,
        "session_started_at": now - timedelta(minutes=42),
        "bets": [_bet("split:14-17", 100), _bet("straight:32", 100)],
        "results": [(n, str(colour(n)), None) for n in (8, 26, 0)],
        "statistics": [(n, str(colour(n)), 3) for n in range(37)],
        "spins_counted": 111,
        "band": (0, 7),
        "paytable": [row(label="Split", covers=2, pays="17 to 1", edge="2.70%")],
        "refusal": None,
        "announced": [],
        "can_bet": True,
        "suspended_reason": None,
        "bet_key": "0d8a6c1e-key",
    } | changes  # fmt: skip


@pytest.mark.parametrize("code", ["400", "403", "404", "429", "500", "503"])
def test_error_pages_need_no_request_no_user_and_no_database(code):
    html = engines["django"].engine.get_template(f"errors/{code}.html").render(Context())
    assert f'<p class="quiet">{code}</p>' in html
    assert html.count("<h1>") == 1
    assert "<form" not in html


def test_the_table_is_one_form_of_buttons_that_work_without_script(pages):
    html = pages("tables/table.html", _table())
    form = html[html.index('id="bet-form"') : html.index("</form>")]
    assert form.count('name="position"') == 49
    assert form.count('name="announced"') == 37 + 4
    assert 'name="key" value="0d8a6c1e-key"' in form
    assert 'value="straight:17" aria-label="Straight 17, pays 35 to 1"' in form
    assert 'aria-label="Straight 32, pays 35 to 1, €1.00 on it"' in form
    assert '<noscript><meta http-equiv="refresh" content="14"></noscript>' in html
    for act in ("undo", "double", "rebet"):
        assert f'formaction="/t/alexandria/{act}/"' in form


def test_enter_in_a_text_field_presses_a_button_that_does_nothing(pages):
    html = pages("tables/table.html", _table())
    form = html[html.index('id="bet-form"') :]
    assert form.index("<button disabled hidden>") < form.index('name="position"')


def test_when_betting_is_closed_the_felt_is_disabled_and_the_bets_stand(pages):
    spinning = row(
        id="r", number=17, phase="spinning", phase_label="Ball in play", closes_at=None,
        closes_in_ms=0, result=None, result_sources=[],
    )  # fmt: skip
    html = pages("tables/table.html", _table(can_bet=False, round=spinning))
    assert '<fieldset class="cloth" id="cloth" disabled>' in html
    assert "Your bets stand" in html
    assert 'class="phase phase-spin"' in html
    assert '<span class="phase-count" id="count" hidden></span>' in html


def test_a_result_shows_paid_staked_and_net_together(pages):
    official = row(
        id="r", number=17, phase="settled", phase_label="Paid", closes_at=None, closes_in_ms=0,
        result=17, result_sources=["wheel sensor", "presenter"],
    )  # fmt: skip
    bets = [_bet("split:14-17", 100, "won"), _bet("straight:32", 2500, "lost")]
    html = pages("tables/table.html", _table(can_bet=False, round=official, bets=bets))
    assert "17 Black" in html
    outcome = html[html.index('id="outcome"') :]
    for figure in ("€18.00", "€26.00", "−€8.00"):
        assert figure in outcome
    assert 'class="plus"' not in outcome
    assert "Sources that agree: wheel sensor, presenter." in html


def test_a_refusal_says_what_was_not_charged(pages):
    html = pages("tables/table.html", _table(refusal="Too late: €5.00 on Odd not taken."))
    assert "Too late: €5.00 on Odd not taken." in html
    assert "Nothing was charged." in html


def test_the_inside_sheet_comes_by_a_plain_query(pages):
    html = pages("tables/table.html", _table(), "/t/alexandria/?inside=17")
    assert 'value="corner:13-14-16-17" aria-label="Corner 13 14 16 17, pays 8 to 1"' in html
    assert 'value="split:14-17"' not in pages("tables/table.html", _table(bets=[]))


def test_a_name_is_escaped_wherever_it_appears(pages):
    hostile = _table(refusal="<script>x</script>", suspended_reason="<b>y</b>")
    html = pages("tables/table.html", hostile)
    assert "<script>x" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "<b>y</b>" not in html
    assert "&lt;b&gt;y&lt;/b&gt;" in html


@pytest.mark.parametrize("language", ["en", "de"])
def test_pages_render_in_each_language(pages, language):
    with translation.override(language):
        html = pages("tables/table.html", _table())
        assert f'<html lang="{language}"' in html
        assert ("€234.50" if language == "en" else "234,50\xa0€") in html
        assert html.count("<main") == 1
        for page in ("lobby", "history", "rules", "help"):
            assert pages(f"tables/{page}.html", {}).count("<h1>") == 1


def test_the_lobby_says_the_phase_in_words_and_never_seconds(pages):
    table = row(
        id="alexandria", name="Alexandria", phase="closing_soon", phase_label="Last bets",
        open=True, min_minor=50, max_minor=50_000, currency="EUR", results=[(0, "green")],
        rules_name="Roulette", edge="2.70%",
    )  # fmt: skip
    html = pages("tables/lobby.html", {"tables": [table]})
    assert "Last bets" in html
    assert "#phase-last" in html
    assert "€0.50 – €500" in html
    assert "closes in" not in html

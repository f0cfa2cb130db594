"""Chromium, the house's doors, and a table whose rounds the test itself opens, closes and settles.

Fixtures: ``visit`` opens pages (see visits.Visits), ``pit`` is a table of the test's own, ``anna``
a player with 500.00 EUR, ``doors`` the processes, ``faults`` what must not happen unnoticed. One
database and one set of processes serve the whole package, so each test has a table and people of
its own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from kernel.ids import PlayerId
from tests import house
from tests.browser import pages
from tests.browser.devices import CHROMIUM_ARGUMENTS
from tests.browser.doors import Doors
from tests.browser.visits import Faults, Visits
from tests.conftest import Database, cloned_database
from tests.gates.tools import chromium, why_no_chromium

_tables = itertools.count(1)


@pytest.fixture(scope="package")
def database(template_database: str, django_db_blocker) -> Iterator[Database]:
    """One database for the package: a web process lives longer than a test."""
    with cloned_database(template_database, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="package")
def doors(database: Database, tmp_path_factory) -> Iterator[Doors]:
    made = Doors(database.environment(), tmp_path_factory.mktemp("doors"))
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="package")
def chromium_browser() -> Iterator[Browser]:
    if why := why_no_chromium():
        pytest.skip(why)
    # Playwright's synchronous API keeps an event loop in this thread; Django would refuse queries.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="package")
def seen(database: Database, chromium_browser: Browser) -> pages.Seen:
    """Somebody with something on each page, to look at only.

    Made once for a worker, never for a module: xdist may hand a worker tests of one module,
    then of another, then of the first again, whose fixtures are then made a second time.
    """
    return pages.somebody_who_played(house.pit("seen", name="Skerryvore", position=900))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def visit(chromium_browser: Browser, doors: Doors, faults: Faults) -> Iterator[Visits]:
    """Opens pages; at the end, whatever went wrong unnoticed fails the test."""
    visits = Visits(chromium_browser, doors.url, faults)
    yield visits
    visits.close()
    doors.line.restore()
    assert faults.left() == [], doors.log("web").read_text()[-2_000:]


@pytest.fixture
def pit(database: Database) -> house.Pit:
    """An open table of its own with betting not yet open: ``pit.open_round()`` opens it."""
    number = next(_tables)
    return house.pit(f"lamp-{number}", name=f"Alexandria {number}", position=1_000 - number)


@pytest.fixture
def anna(database: Database) -> PlayerId:
    return house.player(balance_minor=50_000)

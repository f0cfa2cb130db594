"""What several of these files stand on."""

from __future__ import annotations

import pytest

from payments import providers


@pytest.fixture
def psp(request, monkeypatch, database):
    """The provider of every payment in a test: a new one of the class that its file calls `PSP`."""
    made = request.module.PSP()
    monkeypatch.setattr(providers, "provider", lambda name: made)
    return made

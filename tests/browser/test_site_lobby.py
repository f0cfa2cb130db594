"""The lobby in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("device", ["phone", "desktop"])
def test_a_visitor_sees_every_table_with_its_phase_in_words(visit, pit, device):
    pit.open_round()
    page = visit(device=device)
    page.goto("/")
    card = page.locator(f"[data-table='{pit.table.id}']")
    expect(card).to_contain_text(pit.table.name)
    expect(card).to_contain_text("Place your bets")

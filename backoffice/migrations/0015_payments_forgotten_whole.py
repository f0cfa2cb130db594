"""Payments that are erased say no more what banks and people said of disputes about them."""

from importlib import import_module
from typing import Final

from django.db import migrations

BEFORE: Final[str] = import_module(
    "backoffice.migrations.0017_erasing_how_people_paid"
)._with_instruments()
PLACE: Final = "        UPDATE payments_withdrawal SET provider_ref = NULL WHERE player_id = who;\n"
DISPUTES: Final = """\
        UPDATE payments_dispute SET provider_ref = 'erased:' || id, reason = '',
            closed_note = CASE closed_note WHEN '' THEN '' ELSE '(erased)' END WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
"""


def _with_disputes() -> str:
    """The function of 0017 with one statement more."""
    before, found, after = BEFORE.partition(PLACE)
    if not found:
        raise ValueError("the function of 0011 has changed")
    return before + DISPUTES + found + after


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0017_erasing_how_people_paid"),
        ("payments", "0010_disputes"),
    ]
    operations = [migrations.RunSQL(_with_disputes(), BEFORE)]

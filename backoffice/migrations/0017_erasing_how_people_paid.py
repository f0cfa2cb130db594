"""Payments that are erased say no more with what, or to which account, they were paid.

The function of 0011 with one statement more: which means of payment it was stays told (a card, an
account), whose and which one does not.
"""

from pathlib import Path
from typing import Final

from django.db import migrations

_TEXT: Final = Path(__file__).with_name("0011_data_rights.sql").read_text(encoding="utf-8")
_BEGINS: Final = "CREATE FUNCTION backoffice_erase(which uuid, what text)"
_ENDS: Final = "END $$;"
#: What stands before it in the class of payments.
_AFTER: Final = (
    "        UPDATE payments_withdrawal SET provider_ref = NULL WHERE player_id = who;\n"
)
_INSTRUMENTS: Final = """\
        UPDATE payments_instrument SET token = 'erased:' || id, fingerprint = '', holder = '',
            last4 = '', country = '' WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
"""


def _function() -> str:
    start = _TEXT.index(_BEGINS)
    text = _TEXT[start : _TEXT.index(_ENDS, start) + len(_ENDS)]
    return text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def _with_instruments() -> str:
    before, found, after = _function().partition(_AFTER)
    if not found:
        raise ValueError("the function of 0011 has changed")
    return before + _INSTRUMENTS + found + after


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0013_who_may_pay_out"),
        ("payments", "0005_instruments"),
    ]
    operations = [migrations.RunSQL(_with_instruments(), _function())]
